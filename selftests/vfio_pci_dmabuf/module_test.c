// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading: what keeps the module, that use of it and its end may happen
 * at the same time, and that nobody loads it who was not asked to.
 */
#include <pthread.h>

#include "module_env.h"

#include "reload_env.h"
#include "syncobj_util.h"

#define STUB	"vfio_pci_dmabuf_stub"
#define DRIVER	"/sys/bus/pci/drivers/" NAME

FIXTURE(module) {
	struct module_env m;
};

FIXTURE_SETUP(module)
{
	module_unload(STUB);
	module_env_setup(_metadata, &self->m);
}

FIXTURE_TEARDOWN(module)
{
	module_env_teardown(_metadata, &self->m);
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
	ASSERT_EQ(0, start(&self->m));
	EXPECT_LE(0, vfio_export(&self->m.dev, 0, 0, PAGE, O_RDWR));
}

TEST_F(module, busy_while_open)
{
	char driver[64];

	ASSERT_EQ(0, start(&self->m));
	EXPECT_EQ(-EAGAIN, module_unload(NAME));
	vfio_close(&self->m.dev);
	/* Bound only is no use of it; it lets go of the device. */
	EXPECT_EQ(0, module_settle(NAME, 0));
	EXPECT_EQ(0, module_unload(NAME));
	EXPECT_EQ(0, vfio_driver(self->m.bdf, driver, sizeof(driver)));
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
		ASSERT_EQ(0, start(&self->m));
		pid = fork();
		if (pid == 0) {
			fd = vfio_export(&self->m.dev, 0, 0, MIB(16), O_RDWR);
			p = slice_map(fd, MIB(16), RW);
			if (p != MAP_FAILED)
				fill(p, 0, MIB(16), i);
			raise(SIGKILL);
		}
		vfio_close(&self->m.dev);
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
	struct users u = { PTHREAD_MUTEX_INITIALIZER, self->m.bdf };
	struct reload r = {
		.module = NAME, .use = use, .arg = &u,
		.gone_min = 10, .busy_min = 10, .used_min = 50,
	};

	ASSERT_EQ(0, vfio_bind(self->m.bdf, NAME));
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

/* What the build makes for a kernel without a symbol that it needs */
TEST_F_TIMEOUT(module, stub_says_what_is_missing, 300)
{
	ASSERT_EQ(0, module_unload(NAME));
	EXPECT_NE(0, access(DRIVER, F_OK));
	read_log(&self->m);
	EXPECT_EQ(-EOPNOTSUPP, module_load(STUB));
	EXPECT_FALSE(module_loaded(STUB));
	/* one sentence, and no driver */
	EXPECT_NE(0, access(DRIVER, F_OK));
	EXPECT_NE(0, access(DRIVER "_stub", F_OK));
	read_log(&self->m);
	EXPECT_EQ(1, kmsg_lines(self->m.log, STUB)) TH_LOG("%s", self->m.log);
	EXPECT_EQ(1, kmsg_lines(self->m.log, STUB ": this kernel does not export"))
		TH_LOG("%s", self->m.log);
	EXPECT_EQ(1, kmsg_lines(self->m.log, "core_nothing; not loading"))
		TH_LOG("%s", self->m.log);
}

TEST_HARNESS_MAIN
