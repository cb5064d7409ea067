// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading, the module's parameters, and which functions it takes:
 * for those that the machine has none of another one's ids are changed
 * (bufsync_test_id).
 */
#include <pthread.h>
#include <sys/stat.h>

#include "vfio_env.h"

#include "param_util.h"
#include "reload_env.h"
#include "slice_util.h"
#include "syncobj_util.h"

#define NAME	VFIO_OURS
#define STUB	"vfio_pci_dmabuf_stub"
#define ID	"bufsync_test_id"
#define PARAMS	"/sys/module/vfio_pci_dmabuf/parameters/"
#define DRIVER	"/sys/bus/pci/drivers/vfio_pci_dmabuf"

FIXTURE(module) {
	int kmsg;
	unsigned long taint;
	char bdf[16];
	struct vfio_dev dev;
	char log[65536];
};

static int load_with(const char *parameters, char *out, size_t size)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "LC_ALL=C modprobe -- " NAME " %s 2>&1", parameters);
	return command_run(command, out, size);
}

FIXTURE_SETUP(module)
{
	module_unload(STUB);
	if (!module_loaded(NAME))
		module_probe(NAME);
	ASSERT_TRUE(module_loaded(NAME));
	ASSERT_EQ(0, module_settle(NAME, 0)) TH_LOG("somebody else uses it");
	ASSERT_EQ(0, vfio_find(VFIO_BOCHS, self->bdf));
	self->kmsg = kmsg_start();
	ASSERT_GE(self->kmsg, 0);
	self->taint = taint_bits();
}

static const char *read_log(FIXTURE_DATA(module) *self)
{
	kmsg_read(self->kmsg, self->log, sizeof(self->log));
	return self->log;
}

static bool param_is(const char *name, const char *want)
{
	char got[64];

	return !param_get(NAME, name, got, sizeof(got)) && !strcmp(got, want);
}

/* Whatever happened: no splat, and the module is there with its defaults. */
FIXTURE_TEARDOWN(module)
{
	EXPECT_EQ(NULL, kmsg_splat(read_log(self))) TH_LOG("%s", self->log);
	EXPECT_EQ(self->taint, taint_bits());
	unmap_all();
	syscall(SYS_close_range, 3, UINT_MAX, 0);
	EXPECT_EQ(0, vfio_unbind(self->bdf));
	module_unload(ID);
	if (module_loaded(NAME)) {
		EXPECT_EQ(0, module_settle(NAME, 0));
		EXPECT_EQ(0, module_unload(NAME));
	}
	EXPECT_EQ(0, module_probe(NAME));
	EXPECT_TRUE(param_is("bar_mmap", "stock"));
	EXPECT_TRUE(param_is("revoke_alias", "13"));
	EXPECT_TRUE(param_is("memattr_alias", "14"));
	EXPECT_TRUE(param_is("write_combine", "prefetchable"));
	EXPECT_TRUE(param_is("p2p", "safe"));
	EXPECT_TRUE(param_is("importer_wait_ms", "1000"));
}

static int start(FIXTURE_DATA(module) *self)
{
	return vfio_start(&self->dev, VFIO_BOCHS, NAME);
}

TEST_F(module, unload_and_load)
{
	EXPECT_EQ(0, access(DRIVER, F_OK));
	ASSERT_EQ(0, module_unload(NAME));
	EXPECT_FALSE(module_loaded(NAME));
	EXPECT_NE(0, access(DRIVER, F_OK));
	EXPECT_EQ(-ENOENT, module_unload(NAME));
	ASSERT_EQ(0, module_probe(NAME));
	EXPECT_EQ(0, access(DRIVER, F_OK));
	ASSERT_EQ(0, start(self));
	EXPECT_LE(0, vfio_export(&self->dev, 0, 0, PAGE, O_RDWR));
}

TEST_F(module, busy_while_open)
{
	char driver[64];

	ASSERT_EQ(0, start(self));
	EXPECT_EQ(-EAGAIN, module_unload(NAME));
	vfio_close(&self->dev);
	/* Bound only is no use of it; it lets go of the device. */
	EXPECT_EQ(0, module_settle(NAME, 0));
	EXPECT_EQ(0, module_unload(NAME));
	EXPECT_EQ(0, vfio_driver(self->bdf, driver, sizeof(driver)));
	EXPECT_STREQ("", driver);
}

/* Right after the last use, which a process has that is killed */
TEST_F(module, unload_races_with_the_last_use)
{
	int64_t end;
	int i, ret, fd;
	pid_t pid;
	char *p;

	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, start(self));
		pid = fork();
		if (pid == 0) {
			fd = vfio_export(&self->dev, 0, 0, MIB(16), O_RDWR);
			p = slice_map(fd, MIB(16), RW);
			if (p != MAP_FAILED)
				fill(p, 0, MIB(16), i);
			raise(SIGKILL);
		}
		vfio_close(&self->dev);
		end = in_ms(30000);
		do {
			ret = module_unload(NAME);
		} while (ret == -EAGAIN && now_ns() < end);
		ASSERT_EQ(0, ret);
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		ASSERT_EQ(0, module_probe(NAME));
	}
}

/* A group can be open once, so one thread at a time. */
struct users {
	pthread_mutex_t lock;
	const char *bdf;
};

/* A slice that is mapped longer than the device is open */
static int use(void *arg, int thread)
{
	struct users *u = arg;
	struct vfio_dev dev;
	uint32_t *map;
	int fd, ret;

	pthread_mutex_lock(&u->lock);
	/* The device has a driver again as soon as there is one. */
	ret = vfio_open(&dev, u->bdf, NULL) ? -ENOENT : 0;
	if (ret)
		goto out;
	fd = vfio_export(&dev, 0, 0, PAGE, O_RDWR | O_CLOEXEC);
	map = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	if (fd < 0)
		ret = fd;
	else if (map == MAP_FAILED)
		ret = -errno;
	else
		*map = thread;
	vfio_close(&dev);
	if (map != MAP_FAILED)
		munmap(map, PAGE);
	close(fd);
out:
	pthread_mutex_unlock(&u->lock);
	return ret;
}

TEST_F(module, goes_and_comes_under_use)
{
	struct users u = { PTHREAD_MUTEX_INITIALIZER, self->bdf };
	struct reload r = {
		.module = NAME, .use = use, .arg = &u,
		.gone_min = 10, .busy_min = 10, .used_min = 50,
	};

	ASSERT_EQ(0, vfio_bind(self->bdf, NAME));
	reload_all(_metadata, &r);
}

/* Nobody gets it who has not asked for it by its name. */
TEST_F(module, is_not_loaded_for_a_device)
{
	char out[4096];

	ASSERT_EQ(0, command_run("modinfo -F alias " NAME " 2>&1", out,
				 sizeof(out)));
	EXPECT_STREQ("", out);
	ASSERT_EQ(0, command_run("modinfo -F parm " NAME " 2>&1", out,
				 sizeof(out)));
	EXPECT_NE(NULL, strstr(out, "revoke_alias:")) TH_LOG("%s", out);
	/* as modprobe knows it, with all of its configuration */
	command_run("modprobe -c | grep -c '^alias.* " NAME "$'", out,
		    sizeof(out));
	EXPECT_STREQ("0\n", out);
	command_run("modprobe -c | grep -c '^alias.* vfio_pci$'", out,
		    sizeof(out));
	EXPECT_STRNE("0\n", out);
}

TEST_F(module, parameters)
{
	static const struct {
		const char *name;
		unsigned int mode;
	} all[] = {
		{ "bar_mmap", 0444 }, { "revoke_alias", 0444 },
		{ "memattr_alias", 0444 }, { "write_combine", 0644 },
		{ "p2p", 0644 }, { "importer_wait_ms", 0644 },
	};
	static const char * const stock[] = {
		"ids", "nointxmask", "disable_vga", "disable_idle_d3",
		"enable_sriov", "disable_denylist",
	};
	char path[128], out[4096];
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		snprintf(path, sizeof(path), PARAMS "%s", all[i].name);
		ASSERT_EQ(0, stat(path, &st)) TH_LOG("%s", path);
		EXPECT_EQ(all[i].mode, st.st_mode & 07777)
			TH_LOG("%s", path);
	}
	/* It is used up at load. */
	EXPECT_NE(0, access(PARAMS "ids", F_OK));
	ASSERT_EQ(0, command_run("modinfo -F parm " NAME, out, sizeof(out)));
	for (i = 0; i < ARRAY_SIZE(stock); i++) {
		snprintf(path, sizeof(path), "%s:", stock[i]);
		EXPECT_NE(NULL, strstr(out, path)) TH_LOG("no %s", stock[i]);
	}
}

TEST_F(module, parameters_at_run_time)
{
	static const struct {
		const char *name, *word;
	} good[] = {
		{ "write_combine", "off" }, { "write_combine", "all" },
		{ "write_combine", "prefetchable" }, { "p2p", "off" },
		{ "p2p", "force" }, { "p2p", "safe" },
	};
	static const char * const wrong[] = {
		"\n", "0", "1", "al", "allx", "All", " all", "of", "forced",
		"stock", "prefetchable safe", "Y",
	};
	char line[64];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(line, sizeof(line), "%s\n", good[i].word);
		EXPECT_EQ(0, param_set(NAME, good[i].name, line));
		for (j = 0; j < ARRAY_SIZE(wrong); j++)
			EXPECT_EQ(-EINVAL, param_set(NAME, good[i].name,
						     wrong[j]))
				TH_LOG("word %zu: wrong one %zu", i, j);
		EXPECT_TRUE(param_is(good[i].name, good[i].word));
	}
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, param_set(NAME, "p2p", "force"));
	/* Where the kernel knows what is safe it lets nobody overrule it. */
	EXPECT_EQ(kernel_at_least(6, 19) ? 0 :
		  VFIO_DMABUF_FEATURE_BIT_P2P_FORCED,
		  INFO_OF(&self->dev, -1, out_features) &
		  VFIO_DMABUF_FEATURE_BIT_P2P_FORCED);
	ASSERT_EQ(0, param_set(NAME, "p2p", "safe"));
	EXPECT_EQ(0, INFO_OF(&self->dev, -1, out_features) &
		  VFIO_DMABUF_FEATURE_BIT_P2P_FORCED);
}

/* A wrong word is an error, and not the default. */
TEST_F_TIMEOUT(module, wrong_at_load, 300)
{
	static const struct {
		const char *name, *value;
	} wrong[] = {
		{ "bar_mmap", "both" }, { "bar_mmap", "1" },
		{ "write_combine", "sometimes" }, { "p2p", "perhaps" },
		{ "revoke_alias", "thirteen" }, { "revoke_alias", "-1" },
		{ "memattr_alias", "65536" },
		/* older numbers than the series', and the driver's own */
		{ "revoke_alias", "12" }, { "revoke_alias", "0xfd00" },
		{ "memattr_alias", "0xfd01" },
		{ "revoke_alias", "20 memattr_alias=20" },
		{ "ids", "nonsense" },
	};
	char line[128], out[1024];
	size_t i;

	ASSERT_EQ(0, module_unload(NAME));
	for (i = 0; i < ARRAY_SIZE(wrong) - 1; i++) {
		read_log(self);
		snprintf(line, sizeof(line), "%s=%s", wrong[i].name,
			 wrong[i].value);
		EXPECT_NE(0, load_with(line, out, sizeof(out)))
			TH_LOG("%s", line);
		EXPECT_NE(NULL, strstr(out, "Invalid argument"))
			TH_LOG("%s: %s", line, out);
		EXPECT_FALSE(module_loaded(NAME)) TH_LOG("%s", line);
		module_unload(NAME);
		/* one line, and it says which */
		read_log(self);
		EXPECT_EQ(1, kmsg_lines(self->log, NAME)) TH_LOG("%s", self->log);
		EXPECT_EQ(1, kmsg_lines(self->log, wrong[i].name))
			TH_LOG("%s: %s", line, self->log);
	}
	/* the last one that is right */
	EXPECT_EQ(0, load_with("revoke_alias=0xfcff", out, sizeof(out)))
		TH_LOG("%s", out);
	EXPECT_TRUE(param_is("revoke_alias", "64767"));
	EXPECT_EQ(0, module_unload(NAME));
	/* As stock has it: a warning, and the others of the list are taken. */
	read_log(self);
	snprintf(line, sizeof(line), "%s=%s", wrong[i].name, wrong[i].value);
	EXPECT_EQ(0, load_with(line, out, sizeof(out))) TH_LOG("%s", out);
	read_log(self);
	EXPECT_EQ(1, kmsg_lines(self->log, "nonsense")) TH_LOG("%s", self->log);
}

/* What the build makes for a kernel without a symbol that it needs */
TEST_F_TIMEOUT(module, stub_says_what_is_missing, 300)
{
	ASSERT_EQ(0, module_unload(NAME));
	EXPECT_NE(0, access(DRIVER, F_OK));
	read_log(self);
	EXPECT_EQ(-EOPNOTSUPP, module_load(STUB));
	EXPECT_FALSE(module_loaded(STUB));
	/* one sentence, and no driver */
	EXPECT_NE(0, access(DRIVER, F_OK));
	EXPECT_NE(0, access(DRIVER "_stub", F_OK));
	read_log(self);
	EXPECT_EQ(1, kmsg_lines(self->log, STUB)) TH_LOG("%s", self->log);
	EXPECT_EQ(1, kmsg_lines(self->log, STUB ": this kernel does not export"))
		TH_LOG("%s", self->log);
	EXPECT_EQ(1, kmsg_lines(self->log, "core_nothing; not loading"))
		TH_LOG("%s", self->log);
}

/* Then these numbers are the kernel's, which does not know them. */
TEST_F(module, without_aliases)
{
	struct vfio_dmabuf_memattr attr = {};
	struct vfio_dmabuf_info info;
	uint32_t set = VFIO_DEVICE_FEATURE_SET;
	char out[1024];
	int fd;

	ASSERT_EQ(0, module_unload(NAME));
	ASSERT_EQ(0, load_with("revoke_alias=0 memattr_alias=0", out,
			       sizeof(out))) TH_LOG("%s", out);
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, vfio_info(&self->dev, -1, &info));
	EXPECT_EQ(0, info.out_revoke_alias);
	EXPECT_EQ(0, info.out_memattr_alias);
	fd = vfio_export(&self->dev, 0, 0, PAGE, O_RDWR);
	ASSERT_GE(fd, 0);
	attr.dmabuf_fd = fd;
	EXPECT_EQ(-ENOTTY, vfio_feature(self->dev.fd, set | 13, &fd, 4));
	EXPECT_EQ(-ENOTTY, vfio_feature(self->dev.fd, set | 14, &fd, 4));
	EXPECT_EQ(-ENOTTY, vfio_feature(self->dev.fd, set | 14, &attr, 8));
	EXPECT_EQ(-ENOTTY, vfio_probe(self->dev.fd, set | 13));
	EXPECT_EQ(-ENOTTY, vfio_probe(self->dev.fd, set | 14));
	/* 0 is no alias of anything: VFIO_DEVICE_FEATURE_PCI_VF_TOKEN */
	EXPECT_NE(0, vfio_feature(self->dev.fd, set, &fd, 4));
	EXPECT_EQ(1, INFO_OF(&self->dev, -1, out_slices));
	EXPECT_EQ(0, vfio_memattr(&self->dev, fd, VFIO_DMABUF_MEMATTR_WC));
	EXPECT_EQ(0, vfio_revoke(&self->dev, fd));
}

TEST_F(module, other_aliases)
{
	struct vfio_dmabuf_info info;
	uint32_t set = VFIO_DEVICE_FEATURE_SET;
	char out[1024];
	int fd;

	ASSERT_EQ(0, module_unload(NAME));
	ASSERT_EQ(0, load_with("revoke_alias=14 memattr_alias=15", out,
			       sizeof(out))) TH_LOG("%s", out);
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, vfio_info(&self->dev, -1, &info));
	EXPECT_EQ(14, info.out_revoke_alias);
	EXPECT_EQ(15, info.out_memattr_alias);
	fd = vfio_export(&self->dev, 0, 0, PAGE, O_RDWR);
	EXPECT_EQ(-ENOTTY, vfio_feature(self->dev.fd, set | 13, &fd, 4));
	EXPECT_EQ(0, vfio_feature(self->dev.fd, set | 15,
				  &(struct vfio_dmabuf_memattr) { fd, 1 }, 8));
	EXPECT_EQ(1, INFO_OF(&self->dev, fd, out_memattr));
	EXPECT_EQ(0, vfio_feature(self->dev.fd, set | 14, &fd, 4));
	EXPECT_EQ(VFIO_DMABUF_STATE_REVOKED,
		  INFO_OF(&self->dev, fd, out_state));
}

/* By the ids of a device that nobody drives */
TEST_F(module, ids)
{
	char out[1024], driver[64];
	int64_t end = in_ms(5000);

	ASSERT_EQ(0, vfio_bind(self->bdf, NAME));
	ASSERT_EQ(0, vfio_unbind(self->bdf));
	ASSERT_EQ(0, module_unload(NAME));
	ASSERT_EQ(0, load_with("ids=1234:1111", out, sizeof(out)))
		TH_LOG("%s", out);
	do {
		vfio_driver(self->bdf, driver, sizeof(driver));
	} while (strcmp(driver, NAME) && now_ns() < end);
	EXPECT_STREQ(NAME, driver);
	ASSERT_EQ(0, vfio_open(&self->dev, self->bdf, NULL));
	EXPECT_LE(0, vfio_export(&self->dev, 0, 0, PAGE, O_RDWR));
}

/* Binds it as VENDOR:DEVICE; @more: what else bufsync_test_id shall do. */
static int bind_as(FIXTURE_DATA(module) *self, const char *driver,
		   unsigned int vendor, unsigned int device, const char *more)
{
	char parameters[128];
	int ret, undone;

	snprintf(parameters, sizeof(parameters),
		 "function=%s vendor=%u device=%u %s", self->bdf, vendor,
		 device, more);
	ret = module_load_with(ID, parameters);
	if (ret)
		return ret;
	read_log(self);
	ret = vfio_bind(self->bdf, driver);
	read_log(self);
	undone = vfio_unbind(self->bdf) ?: module_unload(ID);
	return undone ?: ret;
}

#define INTEL	0x8086

/* Functions with defects that their user could exploit */
TEST_F(module, denylist)
{
	static const unsigned int denied[] = {
		0x0435, 0x0443, 0x19e2, 0x19e3, 0x37c8, 0x37c9, 0x0b25, 0x0cfe,
	};
	char out[1024];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(denied); i++) {
		EXPECT_EQ(-ENODEV, bind_as(self, NAME, INTEL, denied[i], ""))
			TH_LOG("%04x", denied[i]);
		EXPECT_EQ(1, kmsg_lines(self->log, "disable_denylist"))
			TH_LOG("%04x: %s", denied[i], self->log);
	}
	/* as stock */
	EXPECT_EQ(-ENODEV, bind_as(self, VFIO_STOCK, INTEL, denied[0], ""));
	EXPECT_EQ(0, bind_as(self, NAME, INTEL, denied[0] + 1, ""));
	EXPECT_EQ(0, bind_as(self, NAME, INTEL + 1, denied[0], ""));

	ASSERT_EQ(0, module_unload(NAME));
	ASSERT_EQ(0, load_with("disable_denylist=1", out, sizeof(out)))
		TH_LOG("%s", out);
	EXPECT_EQ(0, bind_as(self, NAME, INTEL, denied[0], ""));
	EXPECT_EQ(1, kmsg_lines(self->log, "has known defects"))
		TH_LOG("%s", self->log);
}

/* Those that vfio-pci has regions for which no other driver can have */
TEST_F(module, display_of_intel)
{
	static const struct {
		unsigned int vendor;
		const char *more;
		int ret;
	} functions[] = {
		{ INTEL, "where=0xfc value=0x7a000000", -ENODEV },
		/* of its display, but not integrated */
		{ INTEL, "", 0 },
		{ INTEL, "where=0xfc value=0", 0 },
		{ INTEL, "where=0xfc value=0xffffffff", 0 },
		/* something else that is there */
		{ INTEL + 1, "where=0xfc value=0x7a000000", 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		EXPECT_EQ(functions[i].ret,
			  bind_as(self, NAME, functions[i].vendor, 1,
				  functions[i].more)) TH_LOG("%zu", i);
		EXPECT_EQ(!!functions[i].ret,
			  kmsg_lines(self->log, "integrated display"))
			TH_LOG("%zu: %s", i, self->log);
	}
}

TEST_HARNESS_MAIN
