// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading: while in use, beside a device of the same name, with
 * parameters, and with a copy of DRM's member that is wrong.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "gem_env.h"
#include "param_util.h"
#include "reload_env.h"
#include "syncobj_util.h"

FIXTURE(module) {
	int kmsg;
	unsigned long taint;
	char log[65536];
};

static const char * const others[] = {
	"bufsync_test_gem_clash", "drm_gem_ctl_wrong1", "drm_gem_ctl_wrong2",
	"drm_gem_ctl_wrong3", "drm_gem_ctl_wrong4", "drm_gem_ctl_wrong5",
	"drm_gem_ctl_btf", "drm_gem_ctl_stub", "drm_gem_ctl_newer",
};

/* What a test before this one may have left behind */
static void restore(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++)
		module_unload(others[i]);
	module_unload(GEM_MODULE);
	module_probe(GEM_MODULE);
}

FIXTURE_SETUP(module)
{
	restore();
	ASSERT_TRUE(module_loaded(GEM_MODULE));
	self->kmsg = kmsg_start();
	ASSERT_GE(self->kmsg, 0);
	self->taint = taint_bits();
}

FIXTURE_TEARDOWN(module)
{
	int fd;

	syscall(SYS_close_range, 3, UINT_MAX, 0);
	EXPECT_EQ(self->taint, taint_bits());
	restore();
	fd = gem_ctl_open();
	EXPECT_GE(fd, 0);
	close(fd);
}

static const char *read_log(FIXTURE_DATA(module) *self)
{
	kmsg_read(self->kmsg, self->log, sizeof(self->log));
	return self->log;
}

TEST_F(module, unload_and_load)
{
	ASSERT_EQ(0, module_unload(GEM_MODULE));
	EXPECT_FALSE(module_loaded(GEM_MODULE));
	EXPECT_NE(0, access("/sys/class/misc/drm_gem", F_OK));
	ASSERT_EQ(0, module_probe(GEM_MODULE));
	EXPECT_EQ(NULL, kmsg_splat(read_log(self))) TH_LOG("%s", self->log);
}

TEST_F(module, busy_while_open)
{
	int dev = gem_ctl_open();

	ASSERT_GE(dev, 0);
	EXPECT_EQ(-EAGAIN, module_unload(GEM_MODULE));
	close(dev);
	EXPECT_EQ(0, module_settle(GEM_MODULE, 0));
	EXPECT_EQ(0, module_unload(GEM_MODULE));
}

/* What has been moved is DRM's own and lives on without the module. */
TEST_F(module, moved_handles_outlive_it)
{
	int dev = gem_ctl_open(), drm = gem_open_driver("vgem"), fd;
	uint32_t handle;

	ASSERT_EQ(1, gem_new(drm, 1));
	fd = gem_export(drm, 1);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, gem_move(dev, drm, 1, 70));
	close(dev);
	ASSERT_EQ(0, module_settle(GEM_MODULE, 0));
	ASSERT_EQ(0, module_unload(GEM_MODULE));
	ASSERT_EQ(0, gem_import(drm, fd, &handle));
	EXPECT_EQ(70, handle);
	EXPECT_EQ(0, gem_close(drm, 70));
	EXPECT_EQ(-EINVAL, gem_close(drm, 70));
	close(fd);
	close(drm);
	EXPECT_EQ(NULL, kmsg_splat(read_log(self))) TH_LOG("%s", self->log);
}

/* Each thread has a file of vgem with one handle, which goes up. */
struct users {
	int drm[RELOAD_THREADS];
	uint32_t handle[RELOAD_THREADS];
};

static int use(void *arg, int thread)
{
	struct users *u = arg;
	int dev = reload_open(GEM_NODE), ret;

	if (dev < 0)
		return dev;
	ret = gem_move(dev, u->drm[thread], u->handle[thread], u->handle[thread] + 1);
	if (!ret) {
		u->handle[thread]++;
		ret = gem_count(dev, u->drm[thread]);
		ret = ret == 1 ? 0 : ret < 0 ? ret : -ERANGE;
	}
	/* The calls are over before anybody finds it in use. */
	sleep_ms(1);
	close(dev);
	return ret;
}

TEST_F(module, goes_and_comes_under_use)
{
	struct users u;
	struct reload r = {
		.module = GEM_MODULE, .use = use, .arg = &u,
		.gone_min = 10, .busy_min = 10, .used_min = 100,
	};
	int i;

	for (i = 0; i < RELOAD_THREADS; i++) {
		u.drm[i] = gem_open_driver("vgem");
		u.handle[i] = gem_new(u.drm[i], 1);
		ASSERT_EQ(1, u.handle[i]);
	}
	reload_all(_metadata, &r);
	EXPECT_EQ(NULL, kmsg_splat(read_log(self))) TH_LOG("%s", self->log);
}

TEST_F(module, refuses_beside_another)
{
	ASSERT_EQ(0, module_unload(GEM_MODULE));
	ASSERT_EQ(0, module_load("bufsync_test_gem_clash"));
	read_log(self);
	EXPECT_NE(0, module_probe(GEM_MODULE));
	EXPECT_FALSE(module_loaded(GEM_MODULE));
	read_log(self);
	EXPECT_EQ(1, kmsg_lines(self->log, "this kernel has its own"))
		TH_LOG("%s", self->log);
	EXPECT_EQ(NULL, kmsg_splat(self->log)) TH_LOG("%s", self->log);
	ASSERT_EQ(0, module_unload("bufsync_test_gem_clash"));
}

/* With another list MOVE works for others, but never for those known by handle. */
TEST_F(module, move_drivers)
{
	static const struct {
		const char *drivers;
		int vgem, test;
	} cases[] = {
		{ "bufsync_gem", -EOPNOTSUPP, 0 },
		{ "vgem,bufsync_gem", 0, 0 },
		{ ",,bufsync_gem,", -EOPNOTSUPP, 0 },
		{ "bufsync,vgemm,vge", -EOPNOTSUPP, -EOPNOTSUPP },
		{ "i915,vmwgfx,vgem", 0, -EOPNOTSUPP },
	};
	struct drm_gem_ctl_caps caps;
	int dev, vgem, test;
	size_t i;

	vgem = gem_open_driver("vgem");
	test = gem_open_driver("bufsync_gem");
	ASSERT_EQ(1, gem_new(vgem, 1));
	ASSERT_EQ(1, gem_new(test, 1));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, gem_reload(cases[i].drivers));
		dev = gem_ctl_open();
		ASSERT_EQ(0, gem_caps(dev, &caps));
		EXPECT_STREQ(cases[i].drivers, caps.out_drivers);
		EXPECT_EQ(cases[i].vgem, gem_move(dev, vgem, 1, 1));
		EXPECT_EQ(cases[i].test, gem_move(dev, test, 1, 1));
		close(dev);
	}
}

static void *close_slowly(void *arg)
{
	const int *drm = arg;

	return (void *)(intptr_t)gem_close(*drm, 1);
}

/*
 * The first use, on a file whose only handle that is remembered by a dma-buf is just
 * being closed, for which its driver takes some time. That shows nothing, and must
 * not be taken for a kernel that is not known.
 */
TEST_F(module, first_use_while_a_handle_is_closed)
{
	int drm = gem_open_driver("bufsync_gem"), dev, fd;
	struct drm_gem_ctl_entry entry;
	pthread_t thread;
	void *ret;

	ASSERT_GE(drm, 0);
	ASSERT_EQ(0, gem_reload(NULL));
	dev = gem_ctl_open();
	ASSERT_EQ(1, gem_new(drm, 1));
	ASSERT_EQ(2, gem_new(drm, 1));
	fd = gem_export(drm, 1);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, param_set("bufsync_test_gem", "close_ms", "1500"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, close_slowly, &drm));
	sleep_ms(500);
	ASSERT_EQ(0, param_set("bufsync_test_gem", "close_ms", "0"));
	EXPECT_EQ(1, gem_list(dev, drm, 0, &entry, 1, NULL));
	EXPECT_EQ(2, entry.handle);
	pthread_join(thread, &ret);
	EXPECT_EQ(NULL, ret);
	read_log(self);
	EXPECT_EQ(0, kmsg_lines(self->log, "is not what this module knows"))
		TH_LOG("%s", self->log);
	close(dev);
	close(fd);
	close(drm);
}

struct wrong_layout {
	const char *name;
	const char *what;
};

static const struct wrong_layout wrong_layouts[] = {
	{ "drm_gem_ctl_wrong1", "the trees swapped" },
	{ "drm_gem_ctl_wrong2", "a word more between the trees" },
	{ "drm_gem_ctl_wrong3", "dma-buf and handle swapped" },
	{ "drm_gem_ctl_wrong4", "the handle a word later" },
	{ "drm_gem_ctl_wrong5", "the trees swapped, and a word between" },
};

/* One exported handle among others, or all but the one that is moved */
static void wrong_layout(struct __test_metadata *_metadata,
			 const struct wrong_layout *wrong, int exported)
{
	struct drm_gem_ctl_prime_info_args info;
	int dev, drm, fds[8], i;
	uint32_t handle;

	ASSERT_EQ(0, module_load(wrong->name));
	dev = gem_ctl_open();
	drm = gem_open_driver("vgem");
	ASSERT_GE(dev, 0);
	for (i = 0; i < 8; i++)
		ASSERT_EQ(i + 1, gem_new(drm, 1));
	/* There is nothing to be wrong about yet. */
	EXPECT_EQ(0, gem_move(dev, drm, 8, 20)) TH_LOG("%s", wrong->what);
	for (i = 0; i < exported; i++)
		fds[i] = gem_export(drm, i + 1);
	EXPECT_EQ(-EUCLEAN, gem_move(dev, drm, 1, 30)) TH_LOG("%s", wrong->what);
	EXPECT_EQ(-EUCLEAN, gem_move(dev, drm, 7, 30)) TH_LOG("%s", wrong->what);
	EXPECT_EQ(-EUCLEAN, gem_list(dev, drm, 0, NULL, 0, NULL))
		TH_LOG("%s", wrong->what);
	EXPECT_EQ(-EUCLEAN, gem_info(dev, drm, fds[0], &info))
		TH_LOG("%s", wrong->what);
	EXPECT_EQ(-EUCLEAN, gem_import_no_move(dev, drm, fds[0], NULL, NULL))
		TH_LOG("%s", wrong->what);
	/* What DRM has is in order. */
	for (i = 0; i < exported; i++) {
		EXPECT_EQ(0, gem_import(drm, fds[i], &handle));
		EXPECT_EQ(i + 1, handle);
		close(fds[i]);
	}
	EXPECT_EQ(0, gem_close(drm, 20));
	close(drm);
	close(dev);
	EXPECT_EQ(0, module_settle(wrong->name, 0));
	ASSERT_EQ(0, module_unload(wrong->name));
}

/* The module with a wrong copy of DRM's member: refused before anything is written */
TEST_F(module, refuses_wrong_layouts)
{
	size_t i;

	if (!kernel_is_row())
		SKIP(return, "only in a guest: these modules take DRM's memory for what it is not");
	ASSERT_EQ(0, module_unload(GEM_MODULE));
	for (i = 0; i < ARRAY_SIZE(wrong_layouts); i++) {
		read_log(self);
		wrong_layout(_metadata, &wrong_layouts[i], 1);
		wrong_layout(_metadata, &wrong_layouts[i], 7);
		read_log(self);
		EXPECT_EQ(2, kmsg_lines(self->log,
					"is not what this module knows")) {
			TH_LOG("%s: %s", wrong_layouts[i].what, self->log);
		}
		EXPECT_EQ(NULL, kmsg_splat(self->log)) {
			TH_LOG("%s: %s", wrong_layouts[i].what, self->log);
		}
	}
}

/* Refused before anything is tried, with one sentence */
static void refuses(struct __test_metadata *_metadata,
		    FIXTURE_DATA(module) *self, const char *name,
		    const char *sentence)
{
	ASSERT_EQ(0, module_unload(GEM_MODULE));
	read_log(self);
	EXPECT_EQ(-EOPNOTSUPP, module_load(name));
	EXPECT_NE(0, access("/sys/class/misc/drm_gem", F_OK));
	read_log(self);
	EXPECT_EQ(1, kmsg_lines(self->log, sentence)) TH_LOG("%s", self->log);
	EXPECT_EQ(1, kmsg_lines(self->log, "not loading")) TH_LOG("%s", self->log);
	EXPECT_EQ(NULL, kmsg_splat(self->log)) TH_LOG("%s", self->log);
}

TEST_F(module, refuses_by_type_information)
{
	refuses(_metadata, self, "drm_gem_ctl_btf", "(type information)");
}

TEST_F(module, stub_says_what_is_missing)
{
	refuses(_metadata, self, "drm_gem_ctl_stub",
		"drm_gem_ctl_stub: this kernel does not export drm_gem_nothing");
}

/* What each call says, of handle 1 of @drm, which is exported as @fd */
static void newer(struct __test_metadata *_metadata, const char *parameters,
		  int want, __u64 features, int drm, int fd)
{
	struct drm_gem_ctl_prime_info_args info;
	struct drm_gem_ctl_caps caps;
	struct drm_gem_ctl_entry entry;
	int dev, ret;

	ASSERT_EQ(0, module_load_with("drm_gem_ctl_newer", parameters));
	dev = gem_ctl_open();
	ASSERT_GE(dev, 0);
	EXPECT_EQ(0, gem_caps(dev, &caps));
	EXPECT_EQ(features, caps.out_features);
	EXPECT_EQ(want, gem_move(dev, drm, 1, 1));
	ret = gem_list(dev, drm, 0, &entry, 1, NULL);
	EXPECT_EQ(want, ret == 1 ? 0 : ret);
	EXPECT_EQ(want, gem_info(dev, drm, fd, &info));
	EXPECT_EQ(want, gem_import_no_move(dev, drm, fd, NULL, NULL));
	close(dev);
	EXPECT_EQ(0, module_settle("drm_gem_ctl_newer", 0));
	ASSERT_EQ(0, module_unload("drm_gem_ctl_newer"));
}

/* A kernel that is newer than the module knows: nothing, unless it is said to try. */
TEST_F(module, kernel_that_is_not_known)
{
	struct drm_gem_ctl_caps caps;
	int dev = gem_ctl_open(), drm = gem_open_driver("vgem"), fd;

	ASSERT_EQ(0, gem_caps(dev, &caps));
	close(dev);
	ASSERT_EQ(0, module_settle(GEM_MODULE, 0));
	ASSERT_EQ(0, module_unload(GEM_MODULE));
	ASSERT_EQ(1, gem_new(drm, 1));
	fd = gem_export(drm, 1);
	ASSERT_GE(fd, 0);
	newer(_metadata, "", -EOPNOTSUPP, 0, drm, fd);
	newer(_metadata, "allow_untested=0", -EOPNOTSUPP, 0, drm, fd);
	newer(_metadata, "allow_untested=1", 0, caps.out_features, drm, fd);
	read_log(self);
	EXPECT_EQ(NULL, kmsg_splat(self->log)) TH_LOG("%s", self->log);
	/* This one takes the kernel's own ioctl for live, and says so. */
	EXPECT_EQ(3, kmsg_lines(self->log, "is live and unsafe"))
		TH_LOG("%s", self->log);
}

/* Where the kernel's type information can be had, the build has used it. */
TEST_F(module, type_information_was_checked)
{
	char text[128] = "";

	ASSERT_EQ(0, command_run("modinfo -F prime_member drm_gem_ctl", text,
				 sizeof(text)));
	if (strstr(text, "no type information"))
		SKIP(return, "%s", text);
	EXPECT_EQ(0, strncmp(text, "as known, by the type information", 33))
		TH_LOG("%s", text);
}

TEST_HARNESS_MAIN
