// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checkpoint and restore: the objects of a process that is killed, in a process that
 * did not exist, with the same handles, sharing and contents; with MOVE and without.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/capability.h>

#include "harness.h"

#include "gem_image.h"
#include "module_util.h"
#include "page_util.h"

#define PAGE	((size_t)page_size())

typedef int (*restore_fn)(int ctl, int drm, struct bufsync_gem_move *moves,
			  size_t count);

static int by_move(int ctl, int drm, struct bufsync_gem_move *moves, size_t n)
{
	return bufsync_gem_restore_by_move(ctl, drm, moves, n);
}

static int by_import(int ctl, int drm, struct bufsync_gem_move *moves, size_t n)
{
	(void)ctl;
	return bufsync_gem_restore_by_import(drm, moves, n, NULL, NULL);
}

static int by_either(int ctl, int drm, struct bufsync_gem_move *moves, size_t n)
{
	return bufsync_gem_restore(ctl, drm, moves, n, NULL, NULL);
}

static int without_module(int ctl, int drm, struct bufsync_gem_move *moves,
			  size_t n)
{
	(void)ctl;
	return bufsync_gem_restore(-1, drm, moves, n, NULL, NULL);
}

struct child {
	pid_t pid;
	int sock;
};

/* Runs until it is killed; sends its files, or exits with what went wrong. */
static int child_start(struct child *child, int (*run)(void *arg, int *drm),
		       void *arg)
{
	int socks[2], drm[GEM_FILES], ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		return -errno;
	child->pid = fork();
	if (child->pid < 0)
		return -errno;
	if (child->pid) {
		close(socks[1]);
		child->sock = socks[0];
		return 0;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(socks[0]);
	ret = gem_files_open(drm);
	if (!ret)
		ret = run(arg, drm);
	if (!ret)
		ret = gem_files_send(socks[1], drm);
	if (ret) {
		fprintf(stderr, "# child: %s\n", strerror(-ret));
		_exit(1);
	}
	for (;;)
		pause();
}

static void child_kill(struct child *child)
{
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	close(child->sock);
}

static int run_scene(void *arg, int *drm)
{
	(void)arg;
	return gem_scene(drm);
}

struct restored {
	const struct gem_image *image;
	restore_fn restore;
};

static int run_restored(void *arg, int *drm)
{
	static struct bufsync_gem_move moves[GEM_FILES][GEM_OBJECTS];
	const struct restored *r = arg;
	int ctl = bufsync_gem_open(), ret, f;

	ret = gem_image_make(r->image, drm, moves);
	for (f = 0; !ret && f < GEM_FILES; f++)
		if (r->restore(ctl, drm[f], moves[f], r->image->count[f]))
			ret = -errno;
	close(ctl);
	return ret;
}

FIXTURE(restore) {
	int ctl;
	int refs;
	struct gem_image before;
};

/* A process has objects; its files are sent here, and it is killed. */
static void checkpoint(struct __test_metadata *_metadata, int ctl,
		       struct gem_image *image)
{
	int drm[GEM_FILES];
	struct child child;

	ASSERT_EQ(0, child_start(&child, run_scene, NULL));
	ASSERT_EQ(0, gem_files_recv(child.sock, drm));
	ASSERT_EQ(0, gem_image_take(image, ctl, drm));
	gem_files_close(drm);
	child_kill(&child);
}

static void restored(struct __test_metadata *_metadata, int ctl,
		     restore_fn restore, const struct gem_image *from,
		     struct gem_image *image)
{
	struct restored how = { from, restore };
	int drm[GEM_FILES];
	struct child child;

	ASSERT_EQ(0, child_start(&child, run_restored, &how));
	ASSERT_EQ(0, gem_files_recv(child.sock, drm));
	ASSERT_EQ(0, gem_image_take(image, ctl, drm));
	gem_files_close(drm);
	child_kill(&child);
}

FIXTURE_SETUP(restore)
{
	if (!kernel_is_row())
		SKIP(return, "only in a guest: it needs virtio-gpu");
	ASSERT_EQ(0, module_probe("vgem"));
	ASSERT_EQ(0, module_probe("virtio_gpu"));
	self->refs = module_refcnt("drm_gem_ctl");
	ASSERT_GE(self->refs, 0) TH_LOG("drm_gem_ctl is not loaded");
	self->ctl = bufsync_gem_open();
	ASSERT_GE(self->ctl, 0);
	checkpoint(_metadata, self->ctl, &self->before);
}

FIXTURE_TEARDOWN(restore)
{
	gem_image_free(&self->before);
	syscall(SYS_close_range, 3, UINT_MAX, 0);
	EXPECT_EQ(self->refs, module_settle("drm_gem_ctl", self->refs));
}

/* Is the scene what the other tests take it for? */
TEST_F(restore, scene)
{
	static const __u32 vgem[] = { 1, 2, 3, 5, 7, 12, 40 };
	const struct gem_image *image = &self->before;
	size_t i;

	ASSERT_EQ(7, image->count[FILE_VGEM]);
	ASSERT_EQ(3, image->count[FILE_VGEM2]);
	ASSERT_EQ(4, image->count[FILE_VIRTIO]);
	for (i = 0; i < 7; i++)
		EXPECT_EQ(vgem[i], image->objects[FILE_VGEM][i].handle);
	/* virtio-gpu's 9 is 1 in the first and 2 in the second */
	EXPECT_TRUE(image->objects[FILE_VGEM][0].imported);
	EXPECT_EQ(image->objects[FILE_VIRTIO][2].group,
		  image->objects[FILE_VGEM][0].group);
	EXPECT_EQ(image->objects[FILE_VIRTIO][2].group,
		  image->objects[FILE_VGEM2][1].group);
	/* vgem's 12 is 1 in the second */
	EXPECT_FALSE(image->objects[FILE_VGEM2][0].imported);
	EXPECT_EQ(image->objects[FILE_VGEM][5].group,
		  image->objects[FILE_VGEM2][0].group);
	EXPECT_NE(image->objects[FILE_VGEM][4].group,
		  image->objects[FILE_VGEM2][0].group);
}

/* What the others ask must have another answer for other objects. */
TEST_F(restore, differences_are_seen)
{
	struct gem_object *object = &self->before.objects[FILE_VGEM2][1];
	struct gem_image after;

	restored(_metadata, self->ctl, by_either, &self->before, &after);
	ASSERT_STREQ("", gem_image_diff(&self->before, &after) ?: "");
	object->handle++;
	EXPECT_STREQ("file 1: handle 2: number",
		     gem_image_diff(&self->before, &after));
	object->handle--;
	object->group++;
	EXPECT_STREQ("file 1: handle 2: sharing",
		     gem_image_diff(&self->before, &after));
	object->group--;
	((char *)object->data)[object->size - 1]++;
	EXPECT_STREQ("file 1: handle 2: contents",
		     gem_image_diff(&self->before, &after));
	gem_image_free(&after);
}

static int not_at_all(int ctl, int drm, struct bufsync_gem_move *moves, size_t n)
{
	(void)ctl;
	(void)drm;
	(void)moves;
	(void)n;
	return 0;
}

TEST_F(restore, without_anything_the_handles_are_others)
{
	struct gem_image after;

	restored(_metadata, self->ctl, not_at_all, &self->before, &after);
	EXPECT_NE(NULL, gem_image_diff(&self->before, &after));
	gem_image_free(&after);
}

FIXTURE(way) {
	int ctl;
};

FIXTURE_VARIANT(way) {
	restore_fn restore;
};

FIXTURE_VARIANT_ADD(way, move) { .restore = by_move };
FIXTURE_VARIANT_ADD(way, import) { .restore = by_import };
FIXTURE_VARIANT_ADD(way, either) { .restore = by_either };
FIXTURE_VARIANT_ADD(way, no_module) { .restore = without_module };

FIXTURE_SETUP(way)
{
	if (!kernel_is_row())
		SKIP(return, "only in a guest: it needs virtio-gpu");
	ASSERT_EQ(0, module_probe("vgem"));
	ASSERT_EQ(0, module_probe("virtio_gpu"));
	self->ctl = bufsync_gem_open();
	ASSERT_GE(self->ctl, 0) TH_LOG("no /dev/drm_gem");
}

FIXTURE_TEARDOWN(way)
{
	syscall(SYS_close_range, 3, UINT_MAX, 0);
}

TEST_F(way, round_trip)
{
	struct gem_image before, after;
	const char *diff;

	checkpoint(_metadata, self->ctl, &before);
	restored(_metadata, self->ctl, variant->restore, &before, &after);
	diff = gem_image_diff(&before, &after);
	EXPECT_EQ(NULL, diff) TH_LOG("%s", diff);
	gem_image_free(&before);
	gem_image_free(&after);
}

#define OBJECTS	12

/* Objects 1 to OBJECTS, of which each is told from the others */
static int make_row(struct __test_metadata *_metadata, const char *driver,
		    bool render)
{
	int drm = gem_open(driver, render), i;

	ASSERT_GE(drm, 0);
	for (i = 1; i <= OBJECTS; i++) {
		ASSERT_EQ(i, gem_make(drm, PAGE));
		ASSERT_EQ(0, gem_fill(drm, i, PAGE, i));
	}
	return drm;
}

static size_t count_handles(struct __test_metadata *_metadata, int ctl, int drm)
{
	struct drm_gem_ctl_entry *list;
	size_t count = 0;

	ASSERT_EQ(0, bufsync_gem_list(ctl, drm, &list, &count));
	free(list);
	return count;
}

static void shuffle(struct __test_metadata *_metadata, int ctl, int drm,
		    restore_fn restore)
{
	struct bufsync_gem_move moves[OBJECTS];
	__u32 at[OBJECTS + 1], range;
	unsigned int seed = 7;
	int i, j, round;

	for (i = 1; i <= OBJECTS; i++)
		at[i] = i;
	for (round = 0; round < 20; round++) {
		/* in place, and with holes */
		range = round % 2 ? OBJECTS : 2 * OBJECTS;
		for (i = 0; i < OBJECTS; i++) {
			moves[i].handle = at[i + 1];
			do {
				moves[i].new_handle = 1 + rand_r(&seed) % range;
				for (j = 0; moves[j].new_handle !=
					    moves[i].new_handle; j++)
					;
			} while (j < i);
		}
		ASSERT_EQ(0, restore(ctl, drm, moves, OBJECTS))
			TH_LOG("round %d: %s", round, strerror(errno));
		for (i = 0; i < OBJECTS; i++) {
			EXPECT_EQ(moves[i].new_handle, moves[i].handle);
			at[i + 1] = moves[i].new_handle;
			EXPECT_TRUE(gem_filled(drm, at[i + 1], PAGE, i + 1));
		}
		ASSERT_EQ(OBJECTS, count_handles(_metadata, ctl, drm));
	}
}

TEST_F(way, any_order_vgem)
{
	shuffle(_metadata, self->ctl, make_row(_metadata, "vgem", false),
		variant->restore);
}

TEST_F(way, any_order_virtio_gpu)
{
	shuffle(_metadata, self->ctl, make_row(_metadata, "virtio_gpu", true),
		variant->restore);
}

/* A ring, with the highest number that there can be in use */
TEST_F(way, ring)
{
	int drm = make_row(_metadata, "vgem", false), i;
	struct bufsync_gem_move moves[OBJECTS];

	ASSERT_EQ(0, bufsync_gem_move(self->ctl, drm, OBJECTS,
				      DRM_GEM_CTL_MAX_HANDLE));
	for (i = 0; i < OBJECTS - 1; i++) {
		moves[i].handle = i + 1;
		moves[i].new_handle = i + 2;
	}
	moves[OBJECTS - 2].new_handle = 1;
	ASSERT_EQ(0, variant->restore(self->ctl, drm, moves, OBJECTS - 1));
	for (i = 0; i < OBJECTS - 1; i++)
		EXPECT_TRUE(gem_filled(drm, moves[i].new_handle, PAGE, i + 1));
	EXPECT_TRUE(gem_filled(drm, DRM_GEM_CTL_MAX_HANDLE, PAGE, OBJECTS));
}

static void refused(struct __test_metadata *_metadata, int ctl, int drm,
		    restore_fn restore, int error,
		    const struct bufsync_gem_move *moves)
{
	struct bufsync_gem_move copy[2] = { moves[0], moves[1] };
	int i;

	errno = 0;
	EXPECT_EQ(-1, restore(ctl, drm, copy, 2));
	EXPECT_EQ(error, errno) TH_LOG("%s", strerror(errno));
	EXPECT_EQ(moves[0].handle, copy[0].handle);
	EXPECT_EQ(moves[1].handle, copy[1].handle);
	for (i = 1; i <= OBJECTS; i++)
		EXPECT_TRUE(gem_filled(drm, i, PAGE, i));
	EXPECT_EQ(OBJECTS, count_handles(_metadata, ctl, drm));
}

TEST_F(way, errors_change_nothing)
{
	static const struct {
		struct bufsync_gem_move moves[2];
		int error;
	} wrong[8] = {
		{ { { 1, 50 }, { 1, 51 } }, EINVAL },
		{ { { 1, 50 }, { 2, 50 } }, EINVAL },
		{ { { 1, 50 }, { 2, 0 } }, EINVAL },
		{ { { 1, 50 }, { 0, 51 } }, EINVAL },
		{ { { 1, 50 }, { 2, DRM_GEM_CTL_MAX_HANDLE + 1U } }, EINVAL },
		{ { { 1, 50 }, { 40, 51 } }, ENOENT },
		{ { { 1, 50 }, { 2, 3 } }, EEXIST },
		{ { { 1, 2 }, { 2, OBJECTS } }, EEXIST },
	};
	int drm = make_row(_metadata, "vgem", false);
	size_t i;

	for (i = 0; i < 8; i++)
		refused(_metadata, self->ctl, drm, variant->restore,
			wrong[i].error, wrong[i].moves);
}

TEST_F(way, nothing_to_do)
{
	int drm = make_row(_metadata, "vgem", false);
	struct bufsync_gem_move move = { 5, 5 };

	EXPECT_EQ(0, variant->restore(self->ctl, drm, NULL, 0));
	EXPECT_EQ(0, variant->restore(self->ctl, drm, &move, 1));
	EXPECT_TRUE(gem_filled(drm, 5, PAGE, 5));
}

/* Both ways give the same from the same. */
TEST_F(restore, ways_agree)
{
	struct gem_image moved, imported;
	const char *diff;

	restored(_metadata, self->ctl, by_move, &self->before, &moved);
	restored(_metadata, self->ctl, by_import, &self->before, &imported);
	diff = gem_image_diff(&moved, &imported);
	EXPECT_EQ(NULL, diff) TH_LOG("%s", diff);
	gem_image_free(&moved);
	gem_image_free(&imported);
}

/* Who may not move gets there all the same. */
TEST_F(restore, without_privileges)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = {};
	int drm = make_row(_metadata, "vgem", false);
	struct bufsync_gem_move moves[2] = { { 1, 2 }, { 2, 30 } };

	ASSERT_EQ(0, syscall(SYS_capset, &header, none));
	EXPECT_EQ(-1, bufsync_gem_move(self->ctl, drm, 3, 99));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, bufsync_gem_restore_by_move(self->ctl, drm, moves, 2));
	EXPECT_EQ(EPERM, errno);
	ASSERT_EQ(0, bufsync_gem_restore(self->ctl, drm, moves, 2, NULL, NULL));
	EXPECT_TRUE(gem_filled(drm, 2, PAGE, 1));
	EXPECT_TRUE(gem_filled(drm, 30, PAGE, 2));
}

/* Pages of LIST are put together. */
TEST_F(restore, long_list)
{
	int drm = gem_open("vgem", false), i;
	struct drm_gem_ctl_entry *list;
	size_t count;
	__u32 handle;

	ASSERT_GE(drm, 0);
	ASSERT_EQ(0, bufsync_gem_list(self->ctl, drm, &list, &count));
	EXPECT_EQ(0, count);
	free(list);
	for (i = 0; i < 3 * DRM_GEM_CTL_MAX_ENTRIES; i++)
		ASSERT_EQ(0, bufsync_gem_create_any(drm, NULL, &handle));
	ASSERT_EQ(0, bufsync_gem_list(self->ctl, drm, &list, &count));
	ASSERT_EQ(3 * DRM_GEM_CTL_MAX_ENTRIES, count);
	for (i = 0; i < 3 * DRM_GEM_CTL_MAX_ENTRIES; i++)
		EXPECT_EQ(i + 1, list[i].handle);
	free(list);
}

/* docs/examples/gem-restore.c, with the module and without */
TEST_F(restore, example)
{
	char path[256], command[320], out[512];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	ASSERT_GT(len, 0);
	path[len] = '\0';
	*strrchr(path, '/') = '\0';
	snprintf(command, sizeof(command), "%s/gem-restore", path);
	EXPECT_EQ(0, command_run(command, out, sizeof(out))) TH_LOG("%s", out);
	EXPECT_NE(NULL, strstr(out, "as they were, by MOVE")) TH_LOG("%s", out);
	strcat(command, " --without");
	EXPECT_EQ(0, command_run(command, out, sizeof(out))) TH_LOG("%s", out);
	EXPECT_NE(NULL, strstr(out, "as they were, without")) TH_LOG("%s", out);
}

TEST_HARNESS_MAIN
