// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading: while in use, beside a device of the same name, and
 * with a copy of DRM's wait entry that is wrong.
 */
#include <signal.h>
#include <sys/stat.h>

#include "env_util.h"
#include "reload_env.h"

FIXTURE(module) {
	int kmsg;
	unsigned long taint;
	char log[65536];
};

/* What a test before this one may have left behind */
static void restore(void)
{
	static const char * const others[] = {
		"bufsync_test_clash", "syncobj_wrong1", "syncobj_wrong2",
		"syncobj_wrong3", "syncobj_wrong4", "syncobj_wrong5",
		"syncobj_btf", "syncobj_stub",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++)
		module_unload(others[i]);
	if (!module_loaded("syncobj"))
		module_probe("syncobj");
}

FIXTURE_SETUP(module)
{
	restore();
	ASSERT_TRUE(module_loaded("syncobj"));
	self->kmsg = kmsg_start();
	ASSERT_GE(self->kmsg, 0);
	self->taint = taint_bits();
}

/* Whatever happened: no splat, and the module is back. */
FIXTURE_TEARDOWN(module)
{
	struct stat st;
	int fd;

	syscall(SYS_close_range, 3, UINT_MAX, 0);
	EXPECT_EQ(self->taint, taint_bits());
	restore();
	EXPECT_TRUE(module_loaded("syncobj"));
	fd = node_open(SO_NODE);
	EXPECT_GE(fd, 0);
	close(fd);
	/* udev has seen it as well */
	for (fd = 0; fd < 500 && stat("/dev/dri/syncobj", &st); fd++)
		sleep_ms(10);
	EXPECT_EQ(0, stat("/dev/dri/syncobj", &st));
}

static const char *read_log(FIXTURE_DATA(module) *self)
{
	kmsg_read(self->kmsg, self->log, sizeof(self->log));
	return self->log;
}

TEST_F_TIMEOUT(module, unload_and_load, 300)
{
	ASSERT_EQ(0, module_settle("syncobj", 0));
	ASSERT_EQ(0, module_unload("syncobj"));
	EXPECT_FALSE(module_loaded("syncobj"));
	EXPECT_NE(0, access("/sys/class/misc/syncobj", F_OK));
	ASSERT_EQ(0, module_probe("syncobj"));
	EXPECT_TRUE(module_loaded("syncobj"));
	EXPECT_EQ(NULL, kmsg_splat(read_log(self))) TH_LOG("%s", self->log);
}

TEST_F_TIMEOUT(module, busy_while_open, 300)
{
	int dev = so_open();

	ASSERT_GE(dev, 0);
	EXPECT_EQ(-EAGAIN, module_unload("syncobj"));
	close(dev);
	EXPECT_EQ(0, module_settle("syncobj", 0));
	EXPECT_EQ(0, module_unload("syncobj"));
}

/* Syncobjs are DRM's: they live on without the module. */
TEST_F_TIMEOUT(module, syncobjs_outlive_it, 300)
{
	int dev = so_open();
	int so = so_create(dev, 0);

	ASSERT_GE(so, 0);
	ASSERT_EQ(0, so_signal1(dev, so, 5));
	close(dev);
	ASSERT_EQ(0, module_settle("syncobj", 0));
	ASSERT_EQ(0, module_unload("syncobj"));
	ASSERT_EQ(0, module_probe("syncobj"));
	dev = node_open(SO_NODE);
	ASSERT_GE(dev, 0);
	EXPECT_EQ(5, so_query1(dev, so));
	EXPECT_EQ(0, so_signal1(dev, so, 6));
}

TEST_F_TIMEOUT(module, busy_while_someone_waits, 300)
{
	int dev = so_open();
	int so = so_create(dev, 0), status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(so_wait1(dev, so, 1, INT64_MAX, SO_SUBMIT) ? 1 : 0);
	ASSERT_TRUE(task_asleep(pid));
	/* The waiter's own open file keeps it. */
	close(dev);
	EXPECT_EQ(-EAGAIN, module_unload("syncobj"));
	dev = so_open();
	ASSERT_EQ(0, so_signal1(dev, so, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	close(dev);
	EXPECT_EQ(0, module_settle("syncobj", 0));
	EXPECT_EQ(0, module_unload("syncobj"));
}

/* No file of the device is open: the registrations alone keep it. */
TEST_F_TIMEOUT(module, busy_while_registrations_are_pending, 300)
{
	int dev = so_open(), tf = tf_open();
	int so = so_create(dev, 0), efd = efd_new(), efd2 = efd_new();
	uint32_t id;

	ASSERT_GE(tf, 0);
	ASSERT_EQ(0, so_eventfd(dev, so, efd, 2, 0));
	ASSERT_EQ(0, tf_add(tf, dev, so, 1, 0, &id));
	ASSERT_EQ(0, so_eventfd(dev, so, efd2, 1, 0));
	close(dev);
	EXPECT_EQ(-EAGAIN, module_unload("syncobj"));
	ASSERT_EQ(0, tf_signal(tf, id));
	EXPECT_EQ(1, efd_wait(efd2));
	sleep_ms(20);
	EXPECT_EQ(-EAGAIN, module_unload("syncobj"));
	close(efd);
	EXPECT_EQ(0, module_settle("syncobj", 0));
	EXPECT_EQ(0, module_unload("syncobj"));
}

/* Unloaded right after the last event fired in an interrupt */
TEST_F_TIMEOUT(module, unload_races_with_the_last_event, 300)
{
	int dev, tf = tf_open(), so, efd = efd_new(), i, ret;
	uint32_t id;
	int64_t end;

	ASSERT_GE(tf, 0);
	for (i = 0; i < 2; i++) {
		dev = node_open(SO_NODE);
		ASSERT_GE(dev, 0);
		so = so_create(dev, 0);
		if (i & 1)
			ASSERT_EQ(0, so_eventfd(dev, so, efd, 1, 0));
		ASSERT_EQ(0, tf_add(tf, dev, so, 1, 0, &id));
		ASSERT_EQ(0, so_eventfd(dev, so, efd, 1, 0));
		close(dev);
		ASSERT_EQ(0, tf_signal_how(tf, id, 0, TEST_FENCE_IRQ, 0));
		end = in_ms(10000);
		do {
			ret = module_unload("syncobj");
		} while (ret == -EAGAIN && now_ns() < end);
		ASSERT_EQ(0, ret);
		EXPECT_EQ(1 + (i & 1), efd_wait(efd));
		close(so);
		ASSERT_EQ(0, module_probe("syncobj"));
	}
	EXPECT_EQ(NULL, kmsg_splat(read_log(self))) TH_LOG("%s", self->log);
}

/* A syncobj with a registration that fires, and one that is left to its fd's end */
static int use(void *arg, int thread)
{
	int dev = reload_open(SO_NODE), so, efd, ret;

	(void)arg;
	(void)thread;
	if (dev < 0)
		return dev;
	so = so_create(dev, 0);
	efd = efd_new();
	ret = so < 0 ? so : so_eventfd(dev, so, efd, 1, 0);
	if (!ret)
		ret = so_eventfd(dev, so, efd, 2, 0);
	if (!ret)
		ret = so_signal1(dev, so, 1);
	close(dev);
	if (!ret && !efd_wait(efd))
		ret = -ETIMEDOUT;
	close(so);
	close(efd);
	return ret;
}

TEST_F_TIMEOUT(module, goes_and_comes_under_use, 300)
{
	struct reload r = {
		.module = "syncobj", .use = use,
		.gone_min = 10, .busy_min = 10, .used_min = 100,
	};

	reload_all(_metadata, &r);
	EXPECT_EQ(NULL, kmsg_splat(read_log(self))) TH_LOG("%s", self->log);
}

/* A kernel that has its own: one sentence, and nothing is changed. */
TEST_F_TIMEOUT(module, refuses_beside_another_syncobj, 300)
{
	ASSERT_EQ(0, module_settle("syncobj", 0));
	ASSERT_EQ(0, module_unload("syncobj"));
	ASSERT_EQ(0, module_load("bufsync_test_clash"));
	read_log(self);
	EXPECT_NE(0, module_probe("syncobj"));
	EXPECT_FALSE(module_loaded("syncobj"));
	read_log(self);
	EXPECT_EQ(1, kmsg_lines(self->log, "syncobj:")) TH_LOG("%s", self->log);
	EXPECT_EQ(1, kmsg_lines(self->log, "this kernel has its own"))
		TH_LOG("%s", self->log);
	EXPECT_EQ(NULL, kmsg_splat(self->log)) TH_LOG("%s", self->log);
	EXPECT_EQ(0, access("/sys/class/misc/syncobj", F_OK));
	ASSERT_EQ(0, module_unload("bufsync_test_clash"));
	EXPECT_EQ(0, module_probe("syncobj"));
}

struct wrong_layout {
	const char *name;
	const char *what;
};

static const struct wrong_layout wrong_layouts[] = {
	{ "syncobj_wrong1", "a word more behind node" },
	{ "syncobj_wrong2", "a word more before node" },
	{ "syncobj_wrong3", "task and fence swapped" },
	{ "syncobj_wrong4", "point moved" },
	{ "syncobj_wrong5", "task moved last" },
};

/* The module with a wrong copy of DRM's wait entry: refused, and no oops */
TEST_F_TIMEOUT(module, refuses_wrong_layouts, 300)
{
	int i, try, dev, so;

	if (!kernel_is_row())
		SKIP(return, "only in a guest: these modules take DRM's memory for what it is not");
	ASSERT_EQ(0, module_settle("syncobj", 0));
	ASSERT_EQ(0, module_unload("syncobj"));
	for (i = 0; i < (int)ARRAY_SIZE(wrong_layouts); i++) {
		const struct wrong_layout *wrong = &wrong_layouts[i];

		/* twice: memory that happens to fit must not help it */
		read_log(self);
		for (try = 0; try < 2; try++) {
			EXPECT_EQ(-EOPNOTSUPP, module_load(wrong->name)) {
				TH_LOG("%s", wrong->what);
			}
			EXPECT_NE(0, access("/sys/class/misc/syncobj", F_OK));
			module_unload(wrong->name);
		}
		read_log(self);
		EXPECT_EQ(2, kmsg_lines(self->log,
					"is not the layout this module knows")) {
			TH_LOG("%s: %s", wrong->what, self->log);
		}
		EXPECT_EQ(NULL, kmsg_splat(self->log)) {
			TH_LOG("%s: %s", wrong->what, self->log);
		}
		EXPECT_EQ(self->taint, taint_bits());
	}

	/* What DRM has is in order: the right one loads and works. */
	ASSERT_EQ(0, module_probe("syncobj"));
	dev = node_open(SO_NODE);
	ASSERT_GE(dev, 0);
	so = so_create(dev, 0);
	EXPECT_EQ(-ETIME, so_wait1(dev, so, 1, in_ms(5), SO_SUBMIT));
	EXPECT_EQ(0, so_signal1(dev, so, 1));
	EXPECT_EQ(0, so_wait1(dev, so, 1, 0, 0));
}

/* Refused before anything is tried, with one sentence */
static void refuses(struct __test_metadata *_metadata, FIXTURE_DATA(module) *self,
		    const char *name, const char *sentence)
{
	ASSERT_EQ(0, module_settle("syncobj", 0));
	ASSERT_EQ(0, module_unload("syncobj"));
	read_log(self);
	EXPECT_EQ(-EOPNOTSUPP, module_load(name));
	EXPECT_NE(0, access("/sys/class/misc/syncobj", F_OK));
	read_log(self);
	EXPECT_EQ(1, kmsg_lines(self->log, sentence)) {
		TH_LOG("%s", self->log);
	}
	EXPECT_EQ(1, kmsg_lines(self->log, "not loading")) {
		TH_LOG("%s", self->log);
	}
	EXPECT_EQ(NULL, kmsg_splat(self->log)) {
		TH_LOG("%s", self->log);
	}
}

/* The type information says that DRM's wait entry is another. */
TEST_F_TIMEOUT(module, refuses_by_type_information, 300)
{
	refuses(_metadata, self, "syncobj_btf", "(type information)");
}

/* What the build makes for a kernel without a symbol that it needs */
TEST_F_TIMEOUT(module, stub_says_what_is_missing, 300)
{
	refuses(_metadata, self, "syncobj_stub",
		"syncobj_stub: this kernel does not export drm_syncobj_nothing");
}

/* Where the kernel's type information can be had, the build has used it. */
TEST_F_TIMEOUT(module, type_information_was_checked, 300)
{
	char text[128] = "";
	FILE *modinfo;

	modinfo = popen("modinfo -F wait_entry syncobj", "r");
	ASSERT_NE(NULL, modinfo);
	ASSERT_NE(NULL, fgets(text, sizeof(text), modinfo));
	EXPECT_EQ(0, pclose(modinfo));
	if (strstr(text, "no type information"))
		SKIP(return, "%s", text);
	EXPECT_EQ(0, strncmp(text, "as known, by the type information", 33))
		TH_LOG("%s", text);
}

TEST_HARNESS_MAIN
