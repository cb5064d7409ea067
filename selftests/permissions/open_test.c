// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who can open which node, and use it: the table of docs/permissions.md. The modes and
 * groups are those that the modules and the udev rules of the bundle have made.
 *
 * A container is a user namespace of a user without privileges, with a /dev of its own into
 * which somebody has put the node, as rootless podman and bubblewrap do.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <linux/vfio.h>

#include "harness.h"

#include "gem_util.h"
#include "heap_util.h"
#include "module_util.h"
#include "syncobj_util.h"
#include "text_util.h"
#include "vfio_util.h"

/* In no group but that of the variant; in no file of the machine's */
#define USER	47110

/* What logind says of who is at the machine, and systemd's rule that asks it */
#define SEATS	"/run/systemd/seats"
#define SEAT	SEATS "/seat0"
#define RULES	"/run/udev/rules.d"
#define RULE	RULES "/73-seat-of-test.rules"

FIXTURE(as) {
	gid_t group;
	char root[32];	/* of the container */
	bool seat;	/* it is ours */
};

FIXTURE_VARIANT(as) {
	uid_t uid;
	const char *group;	/* beside the own one */
	uid_t seat;		/* who is logged in at the machine */
	bool container;
	int heap;		/* errno of open() */
	int vfio;		/* the same, until it is given to the user */
};

FIXTURE_VARIANT_ADD(as, root)
{
	.uid = 0,
};

FIXTURE_VARIANT_ADD(as, render)
{
	.uid = USER,
	.group = "render",
	.vfio = EACCES,
};

FIXTURE_VARIANT_ADD(as, video)
{
	.uid = USER,
	.group = "video",
	.heap = EACCES,
	.vfio = EACCES,
};

FIXTURE_VARIANT_ADD(as, kvm)
{
	.uid = USER,
	.group = "kvm",
	.heap = EACCES,
	.vfio = EACCES,
};

FIXTURE_VARIANT_ADD(as, logged_in)
{
	.uid = USER,
	.seat = USER,
	.vfio = EACCES,
};

FIXTURE_VARIANT_ADD(as, another_is_logged_in)
{
	.uid = USER,
	.seat = USER + 1,
	.heap = EACCES,
	.vfio = EACCES,
};

FIXTURE_VARIANT_ADD(as, other)
{
	.uid = USER,
	.heap = EACCES,
	.vfio = EACCES,
};

FIXTURE_VARIANT_ADD(as, container_of_other)
{
	.uid = USER,
	.container = true,
	.heap = EACCES,
	.vfio = EACCES,
};

FIXTURE_VARIANT_ADD(as, container_of_render)
{
	.uid = USER,
	.group = "render",
	.container = true,
	.vfio = EACCES,
};

FIXTURE_VARIANT_ADD(as, container_of_logged_in)
{
	.uid = USER,
	.seat = USER,
	.container = true,
	.vfio = EACCES,
};

static int run(const char *command)
{
	char out[1024];

	return command_run(command, out, sizeof(out));
}

/* udev looks at the heap once more, with @uid logged in; 0: nobody */
static int log_in(uid_t uid)
{
	char text[64] = "";
	FILE *seat;

	if (uid)
		snprintf(text, sizeof(text), "ACTIVE=c1\nACTIVE_UID=%u\n", uid);
	seat = fopen(SEAT, "we");
	if (!seat || fputs(text, seat) < 0 || fclose(seat))
		return -errno;
	return run("udevadm trigger --settle --action=change /sys/class/misc/dma_heap_memcg");
}

static int seat_begin(uid_t uid)
{
	/* The rig's root has udev, but not the rest of systemd. */
	if (run("mkdir -p " SEATS " " RULES) ||
	    run("echo 'TAG==\"uaccess\", RUN{builtin}+=\"uaccess\"' >" RULE) ||
	    run("udevadm control --reload"))
		return -EIO;
	return log_in(uid);
}

static int seat_end(void)
{
	int ret = log_in(0);

	return run("rm -rf " SEATS " " RULE " && udevadm control --reload") ?: ret;
}

FIXTURE_SETUP(as)
{
	struct group *group;

	if (!kernel_is_row())
		SKIP(return, "it would log users in, and give a device away");
	close(node_open(SO_NODE));
	close(node_open(HEAP_NODE));
	close(node_open(GEM_NODE));
	ASSERT_EQ(0, run("udevadm settle"));
	if (variant->group) {
		group = getgrnam(variant->group);
		ASSERT_NE(NULL, group);
		self->group = group->gr_gid;
	}
	snprintf(self->root, sizeof(self->root), "/tmp/permissions-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->root));
	ASSERT_EQ(0, chmod(self->root, 0755));
	self->seat = variant->seat;
	if (self->seat)
		ASSERT_EQ(0, seat_begin(variant->seat));
}

FIXTURE_TEARDOWN(as)
{
	rmdir(self->root);
	if (self->seat)
		EXPECT_EQ(0, seat_end());
}

/* What is wrong with the test itself, as an exit status; an errno is less. */
enum { BAD_USER = 201, BAD_NAMESPACE, BAD_DEV, BAD_CALL };

static void become(const FIXTURE_DATA(as) *self, uid_t uid)
{
	if (!uid)
		return;
	if (setgroups(self->group ? 1 : 0, &self->group) ||
	    setresgid(uid, uid, uid) || setresuid(uid, uid, uid) || !setuid(0))
		_exit(BAD_USER);
}

/* Root of a user namespace, for which the user stands outside */
static void unshare_user(uid_t uid)
{
	char map[32];

	/* It has changed its uid, and could not write its own maps. */
	prctl(PR_SET_DUMPABLE, 1);
	snprintf(map, sizeof(map), "0 %u 1\n", uid);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) ||
	    text_write("/proc/self/setgroups", "deny") ||
	    text_write("/proc/self/uid_map", map) ||
	    text_write("/proc/self/gid_map", map) || getuid() || getgid())
		_exit(BAD_NAMESPACE);
}

/* A root with nothing in it but @node, as /dev/node */
static void enter(const char *root, const char *node)
{
	int fd;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", root, "tmpfs", 0, NULL) || chdir(root) || mkdir("dev", 0755))
		_exit(BAD_DEV);
	fd = open("dev/node", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || mount(node, "dev/node", NULL, MS_BIND, NULL) || chroot("."))
		_exit(BAD_DEV);
	close(fd);
}

/* Opens @node, and calls @use by it; 0, an errno or a BAD_ one */
static int try(const FIXTURE_DATA(as) *self, const FIXTURE_VARIANT(as) *variant,
	       const char *node, int (*use)(int fd))
{
	int status, fd;
	pid_t pid = fork();

	if (pid)
		return waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ?
		       BAD_CALL : WEXITSTATUS(status);
	become(self, variant->uid);
	if (variant->container) {
		unshare_user(variant->uid);
		enter(self->root, node);
		node = "/dev/node";
	}
	fd = open(node, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		_exit(errno);
	_exit(use(fd) ? BAD_CALL : 0);
}

static int use_syncobj(int fd)
{
	return so_create(fd, 0) < 0;
}

TEST_F(as, syncobj)
{
	EXPECT_EQ(0, try(self, variant, SO_NODE, use_syncobj));
}

TEST_F(as, syncobj_below_dri)
{
	EXPECT_EQ(0, try(self, variant, "/dev/dri/syncobj", use_syncobj));
}

static int use_heap(int fd)
{
	return heap_alloc_plain(fd, PAGE) < 0;
}

/*
 * With @uid logged in, or nobody. udev has been seen to go by the rules that it had before,
 * on a machine with much to do: it is asked more than once.
 */
static int try_logged_in(struct __test_metadata *_metadata,
			 FIXTURE_DATA(as) *self, const FIXTURE_VARIANT(as) *variant,
			 uid_t uid, int wanted)
{
	int ret, tries;

	for (tries = 0; tries < 20; tries++) {
		ret = try(self, variant, HEAP_NODE, use_heap);
		if (ret == wanted)
			break;
		sleep_ms(200);
		if (run("udevadm control --reload") || log_in(uid))
			break;
	}
	if (tries)
		TH_LOG("%d: asked %d times more", ret, tries);
	return ret;
}

TEST_F(as, heap)
{
	if (!variant->seat) {
		EXPECT_EQ(variant->heap, try(self, variant, HEAP_NODE, use_heap));
		return;
	}
	EXPECT_EQ(variant->heap, try_logged_in(_metadata, self, variant,
					       variant->seat, variant->heap));
	/* It lasts as long as the session, and no longer. */
	ASSERT_EQ(0, log_in(0));
	EXPECT_EQ(EACCES, try_logged_in(_metadata, self, variant, 0, EACCES));
}

static int use_gem(int fd)
{
	struct drm_gem_ctl_caps caps;

	return gem_caps(fd, &caps);
}

TEST_F(as, drm_gem)
{
	EXPECT_EQ(0, try(self, variant, GEM_NODE, use_gem));
}

static int use_group(int fd)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	return ioctl(fd, VFIO_GROUP_GET_STATUS, &status) ||
	       !(status.flags & VFIO_GROUP_FLAGS_VIABLE);
}

static int use_container(int fd)
{
	return ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION;
}

/* Until root gives it to somebody, by chown or a rule of udev */
TEST_F(as, vfio_group)
{
	char bdf[16], link[64], group[256], path[300];
	ssize_t len;

	ASSERT_EQ(0, vfio_find(VFIO_BOCHS, bdf));
	ASSERT_EQ(0, vfio_bind(bdf, VFIO_OURS));
	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	len = readlink(link, group, sizeof(group) - 1);
	ASSERT_GT(len, 0);
	group[len] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(group, '/') + 1);
	ASSERT_EQ(0, run("udevadm settle"));

	EXPECT_EQ(variant->vfio, try(self, variant, path, use_group));
	EXPECT_EQ(0, chown(path, variant->uid, -1));
	EXPECT_EQ(0, try(self, variant, path, use_group));
	EXPECT_EQ(0, try(self, variant, "/dev/vfio/vfio", use_container));
	EXPECT_EQ(0, vfio_unbind(bdf));
}

/* Nobody makes the node by himself, not even root of a container. */
TEST(no_node_of_ones_own)
{
	FIXTURE_DATA(as) self = { .root = "/tmp" };
	struct stat st;
	int status;
	pid_t pid;

	if (!kernel_is_row())
		SKIP(return, "user namespaces may be for some users only");
	ASSERT_EQ(0, stat(HEAP_NODE, &st));
	pid = fork();
	if (!pid) {
		become(&self, USER);
		unshare_user(USER);
		enter(self.root, "/dev/null");
		_exit(mknod("/dev/heap", S_IFCHR | 0666, st.st_rdev) ? errno : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(EPERM, WEXITSTATUS(status));
}

TEST_HARNESS_MAIN
