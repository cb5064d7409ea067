// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command bufsync and the modules: this process makes something, and the command, a
 * process of its own, must see it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "harness.h"

#include "gem_util.h"
#include "heap_util.h"
#include "module_util.h"
#include "syncobj_util.h"
#include "vfio_util.h"

FIXTURE(live) {
	char out[262144];
	int rc;
};

FIXTURE_SETUP(live)
{
	/* Not everybody has the libraries that it is built of; guests have. */
	if (!kernel_is_row() &&
	    command_run("command -v bufsync", self->out, sizeof(self->out)))
		SKIP(return, "the command bufsync is not installed");
	if (access("/dev/syncobj", F_OK) || access(HEAP_NODE, F_OK) || access(GEM_NODE, F_OK)) {
		ASSERT_EQ(0, module_probe("syncobj"));
		ASSERT_EQ(0, module_probe("dma_heap_memcg"));
		ASSERT_EQ(0, module_probe("drm_gem_ctl"));
	}
	close(node_open("/dev/syncobj"));
	close(node_open(HEAP_NODE));
	close(node_open(GEM_NODE));
}

FIXTURE_TEARDOWN(live)
{
}

/* A line of the shell; what it prints, and its exit status */
static void run(FIXTURE_DATA(live) *self, const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	self->rc = command_run(command, self->out, sizeof(self->out));
}

/* Somebody who is in no group but, perhaps, one */
#define NOBODY	"setpriv --reuid 65534 --regid %u --clear-groups "
#define NOGROUP	65534

#define SAYS(...) do { \
	char text[512]; \
	snprintf(text, sizeof(text), __VA_ARGS__); \
	EXPECT_NE(NULL, strstr(self->out, text)) \
		TH_LOG("no '%s' in: %s", text, self->out); \
} while (0)

TEST_F(live, status)
{
	struct syncobj_caps caps;
	int dev = so_open();
	char version[32];

	ASSERT_GE(dev, 0);
	ASSERT_EQ(0, so_caps(dev, &caps));
	run(self, "modinfo -F version syncobj | tr -d '\\n'");
	EXPECT_EQ(0, self->rc);
	snprintf(version, sizeof(version), "%.31s", self->out);
	run(self, "bufsync status --json");
	EXPECT_EQ(0, self->rc);
	SAYS("\"node\":\"/dev/syncobj\",\"mode\":\"0666\"");
	SAYS("\"you_may_open\":\"yes\"");
	SAYS("\"syncobj\":{\"version\":%u,\"has\":[\"eventfd_batch\",", caps.out_version);
	SAYS("\"eventfd_cancel\",\"status\"%s]", caps.out_features & SYNCOBJ_FEATURE_DEADLINE ?
	     ",\"deadline\"" : "");
	SAYS("\"has\":[\"pidfd\",\"cgroup_fd\",\"grant\",\"query\",\"transfer\"");
	SAYS("\"remote_policy\":\"");
	SAYS("\"has\":[\"move\",\"list\",\"prime_info\",\"import_no_move\"");
	/* The modules that run are those on disk, of the command's own version. */
	SAYS("\"module\":\"syncobj\",\"package\":\"%s\",\"loaded\":\"%s\",\"on_disk\":\"%s\",",
	     version, version, version);
	EXPECT_EQ(NULL, strstr(self->out, "loaded\":\"no\",\"on_disk\":\"none\""));
	close(dev);
}

/*
 * What is broken is found: a node with another mode, a module that is not loaded; and what
 * it says to do mends it. Then all is fine that the modules have to do with.
 */
TEST_F(live, doctor)
{
	if (kernel_is_row()) {
		ASSERT_EQ(0, chmod(GEM_NODE, 0600));
		ASSERT_EQ(0, module_unload("syncobj"));
		run(self, "bufsync doctor");
		EXPECT_EQ(1, self->rc);
		SAYS(GEM_NODE " has mode 0600, not 0666");
		SAYS("fix: sudo chmod 0666 " GEM_NODE ";");
		SAYS("syncobj is not loaded");
		SAYS("fix: sudo modprobe syncobj\n");
		run(self, "chmod 0666 " GEM_NODE " && modprobe syncobj");
		EXPECT_EQ(0, self->rc);
		close(node_open("/dev/syncobj"));
	}
	run(self, "bufsync doctor");
	EXPECT_LE(self->rc, 1);
	SAYS("is supported (");
	SAYS("ok       module       syncobj ");
	SAYS("ok       module       dma_heap_memcg ");
	SAYS("ok       module       drm_gem_ctl ");
	SAYS("ok       node         /dev/syncobj has mode 0666");
	SAYS("ok       node         " GEM_NODE " has mode 0666");
	SAYS("ok       gem_ioctl    ");
	EXPECT_EQ(NULL, strstr(self->out, "provider"));
	EXPECT_EQ(NULL, strstr(self->out, "another build")) TH_LOG("%s", self->out);
}

TEST_F(live, doctor_unprivileged)
{
	run(self, NOBODY "bufsync doctor", NOGROUP);
	EXPECT_LE(self->rc, 1);
	SAYS("ok       module       syncobj ");
	SAYS("note     access       you may not open " HEAP_NODE);
}

TEST_F(live, heap)
{
	struct dma_heap_memcg_query_args args;
	int dev = heap_open(), buf;

	ASSERT_GE(dev, 0);
	buf = heap_alloc_plain(dev, MIB(3));
	ASSERT_GE(buf, 0);
	ASSERT_EQ(0, heap_query(dev, HEAP_SELF, &args));
	run(self, "bufsync heap --json");
	EXPECT_EQ(0, self->rc);
	SAYS("\"local_bytes\":%llu,\"local_buffers\":%llu,",
	     (unsigned long long)args.out_local_bytes,
	     (unsigned long long)args.out_local_buffers);
	SAYS("\"cgroup\":%llu,", (unsigned long long)args.out_cgroup);
	EXPECT_GE(args.out_local_bytes, MIB(3));
	run(self, "bufsync heap");
	SAYS("MiB");
	close(buf);
	close(dev);
}

/* Who may open the device, but not read the table */
TEST_F(live, heap_unprivileged)
{
	struct dma_heap_memcg_query_args args;
	int dev = heap_open(), buf;
	struct stat st;

	ASSERT_GE(dev, 0);
	buf = heap_alloc_plain(dev, MIB(1));
	ASSERT_GE(buf, 0);
	ASSERT_EQ(0, heap_query(dev, HEAP_SELF, &args));
	ASSERT_EQ(0, stat(HEAP_NODE, &st));
	run(self, NOBODY "bufsync heap --json", st.st_gid);
	EXPECT_EQ(0, self->rc);
	SAYS("for the cgroups that you see");
	SAYS("\"cgroup\":%llu,", (unsigned long long)args.out_cgroup);
	run(self, NOBODY "bufsync heap", NOGROUP);
	EXPECT_EQ(1, self->rc);
	SAYS("cgroups:  unknown");
	close(buf);
	close(dev);
}

TEST_F(live, syncobj)
{
	int dev = so_open(), fd, second;
	const uint64_t point = 7;
	char other[32];

	ASSERT_GE(dev, 0);
	fd = so_create(dev, 0);
	ASSERT_GE(fd, 0);
	second = so_create(dev, SYNCOBJ_CREATE_SIGNALED);
	ASSERT_GE(second, 0);
	run(self, "bufsync syncobj watch --count 1 --json %d", getpid());
	EXPECT_EQ(0, self->rc);
	SAYS("{\"fd\":%d,\"state\":\"no fence\",\"signaled_point\":0,\"last_point\":0,", fd);
	SAYS("{\"fd\":%d,\"state\":\"signaled\",", second);

	ASSERT_EQ(0, so_signal1(dev, fd, point));
	run(self, "bufsync syncobj watch --count 1 --json %d:%d", getpid(), fd);
	SAYS("{\"fd\":%d,\"state\":\"signaled\",\"signaled_point\":7,\"last_point\":7,", fd);
	snprintf(other, sizeof(other), "\"fd\":%d,", second);
	EXPECT_EQ(NULL, strstr(self->out, other)) TH_LOG("%s", self->out);

	/* An fd that it inherits */
	ASSERT_EQ(0, fcntl(fd, F_SETFD, 0));
	run(self, "bufsync syncobj watch --count 2 --interval 0.05 --json %d | grep -c ':7,'",
	    fd);
	EXPECT_EQ(2, atoi(self->out)) TH_LOG("%s", self->out);
	close(second);
	close(fd);
	close(dev);
}

TEST_F(live, syncobj_of_others)
{
	int dev = so_open(), fd;

	ASSERT_GE(dev, 0);
	fd = so_create(dev, 0);
	ASSERT_GE(fd, 0);
	run(self, NOBODY "bufsync syncobj watch --count 1 %d 2>&1", NOGROUP, getpid());
	EXPECT_EQ(1, self->rc);
	SAYS("Permission denied");
	close(fd);
	close(dev);
}

TEST_F(live, gem)
{
	int drm = gem_open_driver("vgem"), again, dmabuf, heap, buf;
	uint32_t handle;

	ASSERT_GE(drm, 0);
	handle = gem_new(drm, 5);
	ASSERT_NE(0, handle);
	again = dup(drm);
	ASSERT_GE(again, 0);
	run(self, "bufsync gem list --json %d", getpid());
	EXPECT_EQ(0, self->rc);
	SAYS("\"driver\":\"vgem\",\"handles\":1,\"total_bytes\":%lu,", 5 * GEM_PAGE);
	SAYS("\"fd\":%d,\"handle\":%u,\"size\":%lu,\"handle_count\":1,", drm, handle,
	     5 * GEM_PAGE);
	SAYS("\"dmabuf_inode\":0,\"flags\":[\"system-only\"]");
	run(self, "bufsync gem list --json | grep -c '\"pid\":%d,.*vgem'", getpid());
	EXPECT_EQ(0, self->rc);

	dmabuf = gem_export(drm, handle);
	ASSERT_GE(dmabuf, 0);
	run(self, "bufsync gem owner --json %d %d", getpid(), dmabuf);
	EXPECT_EQ(0, self->rc);
	SAYS("\"driver\":\"vgem\",\"inode\":%llu,\"size\":%lu,",
	     (unsigned long long)inode_of(dmabuf), 5 * GEM_PAGE);
	SAYS("\"import\":\"already a handle\",\"handle\":%u,", handle);

	heap = heap_open();
	ASSERT_GE(heap, 0);
	buf = heap_alloc_plain(heap, MIB(1));
	ASSERT_GE(buf, 0);
	run(self, "bufsync gem owner --json %d %d", getpid(), buf);
	EXPECT_EQ(0, self->rc);
	SAYS("\"exporter\":\"memcg\",\"driver\":\"none of DRM's\",");
	SAYS("\"import\":\"system memory\"");

	run(self, "bufsync gem owner %d %d 2>&1", getpid(), heap);
	EXPECT_EQ(1, self->rc);
	SAYS("a dma-buf?");
	close(buf);
	close(heap);
	close(dmabuf);
	close(again);
	close(drm);
}

TEST_F(live, slices)
{
	struct vfio_dev dev;
	const size_t size = 1 << 20;
	int slice;

	if (!kernel_is_row())
		SKIP(return, "no device of a machine of somebody's is taken away");
	ASSERT_EQ(0, vfio_start(&dev, VFIO_BOCHS, VFIO_OURS));
	slice = vfio_export(&dev, 0, size, size, O_RDWR | O_CLOEXEC);
	ASSERT_GE(slice, 0);
	run(self, "bufsync vfio slices --json");
	EXPECT_EQ(0, self->rc);
	SAYS("\"pid\":%d,", getpid());
	SAYS("\"fds\":\"%d\",\"mapped_bytes\":0,\"device\":\"%s\",\"bar\":\"0\",", slice,
	     dev.bdf);
	SAYS("\"size\":%zu,\"state\":\"on\",\"memory\":\"uncached\",\"importers\":0,", size);
	ASSERT_EQ(0, vfio_revoke(&dev, slice));
	run(self, "bufsync vfio slices --json");
	SAYS("\"state\":\"revoked\"");
	/* Who may not look says so. */
	run(self, NOBODY "bufsync vfio slices --json", NOGROUP);
	EXPECT_EQ(NULL, strstr(self->out, "\"processes_not_seen\":0"));
	EXPECT_NE(NULL, strstr(self->out, "\"slices\":[]"));

	run(self, "bufsync vfio list");
	EXPECT_EQ(0, self->rc);
	SAYS("%s", dev.bdf);
	SAYS("%d", getpid());
	close(slice);
	vfio_stop(&dev);
	run(self, "bufsync vfio list");
	SAYS("devices:  none");
}

TEST_HARNESS_MAIN
