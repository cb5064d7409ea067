// SPDX-License-Identifier: GPL-2.0-only
/*
 * libbufsync-gem.so, as it is installed, under a program that knows nothing of it
 * (shim_program.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "harness.h"

#include "gem_image.h"
#include "module_util.h"
#include "page_util.h"

#define SHIM	"/usr/lib/bufsync/libbufsync-gem.so"
#define PAGE	((size_t)page_size())
#define OBJECTS	6

static char dir[192];	/* of the programs */

enum how {
	PLAIN,		/* without the library */
	SHIMMED,
	NO_NODE,	/* with it, but there is no /dev/drm_gem */
	OTHER_NODE,	/* or that is something else */
};

static void hide_node(enum how how)
{
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		_exit(9);
	if (how == NO_NODE ? mount("none", "/dev", "tmpfs", 0, NULL) :
	    mount("/dev/null", "/dev/drm_gem", NULL, MS_BIND, NULL))
		_exit(9);
}

/* Runs shim_program; what it prints, or what went wrong with it. */
static const char *run(enum how how, const char *preload, const char *format, ...)
{
	static char out[1024];
	char command[256], line[512];
	va_list ap;
	int pipes[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "exec %s/shim_program %s", dir, command);
	if (pipe2(pipes, O_CLOEXEC))
		return "no pipe";
	pid = fork();
	if (!pid) {
		dup2(pipes[1], STDOUT_FILENO);
		if (how == NO_NODE || how == OTHER_NODE)
			hide_node(how);
		if (preload)
			setenv("LD_PRELOAD", preload, 1);
		execl("/bin/sh", "sh", "-c", line, NULL);
		_exit(9);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], out + len, sizeof(out) - 1 - len)) > 0)
		len += n;
	out[len] = '\0';
	close(pipes[0]);
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		snprintf(out, sizeof(out), "status %#x", status);
	return out;
}

#define PRELOAD(how)	((how) == PLAIN ? NULL : SHIM)

FIXTURE(shim) {
	int ctl;
	int drm;
	int refs;
};

FIXTURE_SETUP(shim)
{
	ssize_t len = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	int i;

	if (!kernel_is_row())
		SKIP(return, "only in a guest: it needs virtio-gpu and bochs");
	ASSERT_GT(len, 0);
	dir[len] = '\0';
	*strrchr(dir, '/') = '\0';
	ASSERT_EQ(0, access(SHIM, R_OK)) TH_LOG("not installed");
	ASSERT_EQ(0, module_probe("vgem"));
	ASSERT_EQ(0, module_probe("virtio_gpu"));
	self->refs = module_refcnt("drm_gem_ctl");
	self->ctl = bufsync_gem_open();
	ASSERT_GE(self->ctl, 0) TH_LOG("drm_gem_ctl is not loaded");
	self->drm = gem_open("vgem", false);
	ASSERT_GE(self->drm, 0);
	for (i = 1; i <= OBJECTS; i++) {
		ASSERT_EQ(i, gem_make(self->drm, PAGE));
		ASSERT_EQ(0, gem_fill(self->drm, i, PAGE, i));
	}
	/* The program inherits it. */
	ASSERT_EQ(0, fcntl(self->drm, F_SETFD, 0));
}

FIXTURE_TEARDOWN(shim)
{
	syscall(SYS_close_range, 3, UINT_MAX, 0);
	EXPECT_EQ(self->refs, module_settle("drm_gem_ctl", self->refs));
}

TEST_F(shim, change_handle)
{
	ASSERT_STREQ("0 123\n", run(SHIMMED, SHIM, "change %d 2 70", self->drm));
	EXPECT_TRUE(gem_filled(self->drm, 70, PAGE, 2));
	EXPECT_EQ(-ENOENT, gem_copy(self->drm, 2, false, NULL, 0));
	ASSERT_STREQ("0 123\n", run(SHIMMED, SHIM, "change %d 70 2", self->drm));
	EXPECT_TRUE(gem_filled(self->drm, 2, PAGE, 2));
	EXPECT_STREQ("0 123\n", run(SHIMMED, SHIM, "change %d 2 2", self->drm));
}

static void fails(struct __test_metadata *_metadata, int error, const char *out)
{
	char want[32];

	snprintf(want, sizeof(want), "-1 %d\n", error);
	EXPECT_STREQ(want, out);
}

TEST_F(shim, change_handle_errors)
{
	fails(_metadata, ENOENT, run(SHIMMED, SHIM, "change %d 44 45", self->drm));
	fails(_metadata, EEXIST, run(SHIMMED, SHIM, "change %d 1 2", self->drm));
	fails(_metadata, EINVAL, run(SHIMMED, SHIM, "change %d 1 0", self->drm));
	fails(_metadata, EINVAL, run(SHIMMED, SHIM, "change %d 1 0x80000000", self->drm));
}

/* The kernel's own is switched off, or not there: where it works, it is not safe. */
TEST_F(shim, without_the_module_the_kernel_answers)
{
	char plain[64];

	snprintf(plain, sizeof(plain), "%s",
		 run(PLAIN, NULL, "change %d 44 45", self->drm));
	/* Between these it depends on the third number: docs/drm-gem-ctl.md */
	if (!kernel_at_least(6, 18) || kernel_at_least(7, 1))
		fails(_metadata, EINVAL, plain);
	EXPECT_STREQ(plain, run(NO_NODE, SHIM, "change %d 44 45", self->drm));
	EXPECT_STREQ(plain, run(OTHER_NODE, SHIM, "change %d 44 45", self->drm));
}

TEST_F(shim, others_go_through)
{
	char plain[1024];

	snprintf(plain, sizeof(plain), "%s",
		 run(PLAIN, NULL, "others %d", self->drm));
	ASSERT_EQ('0', plain[0]);
	EXPECT_STREQ(plain, run(SHIMMED, SHIM, "others %d", self->drm));
	EXPECT_STREQ(plain, run(NO_NODE, SHIM, "others %d", self->drm));
	EXPECT_STREQ(plain, run(OTHER_NODE, SHIM, "others %d", self->drm));
}

TEST_F(shim, bad_pointers)
{
	char want[128], plain[128];

	/* The last two are another driver's ioctl. */
	snprintf(want, sizeof(want),
		 "-1 %d\n-1 %d\n-1 %d\n-1 %d\n-1 %d\n", EFAULT, EFAULT, EFAULT,
		 EINVAL, EINVAL);
	EXPECT_STREQ(want, run(SHIMMED, SHIM, "fault %d", self->drm));
	snprintf(plain, sizeof(plain), "%s",
		 run(PLAIN, NULL, "fault %d", self->drm));
	EXPECT_STREQ(plain, run(NO_NODE, SHIM, "fault %d", self->drm));
}

TEST_F(shim, threads)
{
	int i;

	ASSERT_STREQ("0\n", run(SHIMMED, SHIM, "threads %d", self->drm));
	for (i = 1; i <= OBJECTS; i++)
		EXPECT_TRUE(gem_filled(self->drm, i, PAGE, i));
}

TEST_F(shim, thread_that_is_cancelled)
{
	ASSERT_STREQ("1 3\n", run(SHIMMED, SHIM, "cancel %d", self->drm));
	EXPECT_TRUE(gem_filled(self->drm, 1, PAGE, 1));
}

/* Imports an object of @driver into a fresh file; with bit 0, and by the module. */
static void import_compared(struct __test_metadata *_metadata, int ctl,
			    const char *driver, int expected)
{
	struct drm_gem_ctl_import_args args = { .size = sizeof(args) };
	int from = gem_open(driver, !strcmp(driver, "virtio_gpu"));
	int to = gem_open("vgem", false), other = gem_open("vgem", false);
	char want[32], plain[32];
	int handle, fd, error;

	ASSERT_GE(from, 0);
	ASSERT_GE(to, 0);
	ASSERT_GE(other, 0);
	handle = gem_make(from, PAGE);
	ASSERT_GT(handle, 0);
	fd = bufsync_gem_export(from, handle);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, fcntl(to, F_SETFD, 0));
	ASSERT_EQ(0, fcntl(fd, F_SETFD, 0));

	args.drm_fd = other;
	args.dmabuf_fd = fd;
	error = bufsync_gem_ioctl(ctl, DRM_GEM_CTL_IOC_IMPORT_NO_MOVE, &args) ?
		errno : 0;
	if (expected >= 0)
		EXPECT_EQ(expected, error) TH_LOG("%s", driver);
	if (error)
		snprintf(want, sizeof(want), "-1 %d 77\n", error);
	else
		snprintf(want, sizeof(want), "0 123 1\n");
	EXPECT_STREQ(want, run(SHIMMED, SHIM, "import %d %d 1", to, fd))
		TH_LOG("%s", driver);
	/* Without the flag it is the kernel's. */
	snprintf(plain, sizeof(plain), "%s",
		 run(PLAIN, NULL, "import %d %d 0", to, fd));
	EXPECT_STREQ(plain, run(SHIMMED, SHIM, "import %d %d 0", to, fd))
		TH_LOG("%s", driver);
	close(fd);
	close(from);
	close(to);
	close(other);
}

TEST_F(shim, import_same_device)
{
	import_compared(_metadata, self->ctl, "vgem", 0);
}

TEST_F(shim, import_system_memory)
{
	import_compared(_metadata, self->ctl, "virtio_gpu", 0);
}

/* Memory of the device's own, or of the system: newer kernels have changed it. */
TEST_F(shim, import_bochs)
{
	int drm, handle;

	ASSERT_EQ(0, module_probe("bochs"));
	if (!kernel_at_least(6, 6)) {
		/* It cannot export. */
		drm = gem_open("bochs-drm", false);
		handle = gem_make(drm, PAGE);
		ASSERT_GT(handle, 0);
		EXPECT_EQ(-1, bufsync_gem_export(drm, handle));
		return;
	}
	import_compared(_metadata, self->ctl, "bochs-drm",
			kernel_at_least(6, 13) ? -1 : EXDEV);
}

/* The flag alone: without the module the kernel imports. */
TEST_F(shim, import_without_module)
{
	int from = gem_open("virtio_gpu", true), fd;
	int handle = gem_make(from, PAGE);
	char want[32];

	ASSERT_GT(handle, 0);
	fd = bufsync_gem_export(from, handle);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, fcntl(fd, F_SETFD, 0));
	snprintf(want, sizeof(want), "0 123 %d\n", OBJECTS + 1);
	EXPECT_STREQ(want, run(NO_NODE, SHIM, "import %d %d 1", self->drm, fd));
}

static const char *list(enum how how, const char *native, int drm, int room)
{
	char preload[320];

	snprintf(preload, sizeof(preload), "%s%s%s/libfake-amdgpu.so",
		 how == PLAIN ? "" : SHIM, how == PLAIN ? "" : ":", dir);
	if (native)
		setenv("FAKE_NATIVE", native, 1);
	else
		unsetenv("FAKE_NATIVE");
	return run(how, preload, "list %d %d", drm, room);
}

/* vgem, which is taken for amdgpu: the list, made of LIST and GEM_OP */
TEST_F(shim, list_is_built)
{
	char want[1024];
	int from = gem_open("virtio_gpu", true), fd, i, len;
	__u32 imported;

	fd = bufsync_gem_export(from, gem_make(from, PAGE));
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, bufsync_gem_import(self->drm, fd, &imported));
	ASSERT_EQ(OBJECTS + 1, imported);
	len = snprintf(want, sizeof(want), "0 123 %d\n", OBJECTS);
	for (i = 1; i <= OBJECTS + 1; i++)
		if (i != 3)
			len += snprintf(want + len, sizeof(want) - len,
					"%d %d %d 4 0x1f6cf 65536\n", i,
					i == OBJECTS + 1, i * 4096);
	EXPECT_STREQ(want, list(SHIMMED, NULL, self->drm, 64));
	EXPECT_STREQ(want, list(SHIMMED, NULL, self->drm, OBJECTS));
}

/* As the kernel does it: a number, and nothing written. */
TEST_F(shim, list_is_too_small)
{
	const char *out = list(SHIMMED, NULL, self->drm, 2);

	EXPECT_EQ(0, strncmp(out, "0 123 5\n1431655765 ", 18)) TH_LOG("%s", out);
}

TEST_F(shim, list_is_native_where_there_is_one)
{
	EXPECT_STREQ("0 123 1\n4711 0 0 0 0 0\n", list(SHIMMED, "1", self->drm, 64));
}

TEST_F(shim, list_without_module)
{
	char plain[1024];

	snprintf(plain, sizeof(plain), "%s",
		 list(PLAIN, NULL, self->drm, 2));
	ASSERT_EQ(0, strncmp(plain, "-1 22 2\n", 8)) TH_LOG("%s", plain);
	EXPECT_STREQ(plain, list(NO_NODE, NULL, self->drm, 2));
}

TEST_HARNESS_MAIN
