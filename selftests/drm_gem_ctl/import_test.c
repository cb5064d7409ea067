// SPDX-License-Identifier: GPL-2.0-only
/* IMPORT_NO_MOVE: what it imports, and that what it refuses has not been touched. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "gem_env.h"

FIXTURE(import) {
	struct gem_env env;
	int drm;
};

FIXTURE_VARIANT(import) {
	const char *driver, *other;
};

FIXTURE_VARIANT_ADD(import, vgem) { "vgem", "virtio_gpu" };
FIXTURE_VARIANT_ADD(import, test_driver) { "bufsync_gem", "vgem" };

FIXTURE_SETUP(import)
{
	gem_env_setup(_metadata, &self->env);
	self->drm = gem_open_driver(variant->driver);
	if (gem_lacks(self->drm))
		SKIP(return, "no device of this driver");
	ASSERT_GE(self->drm, 0);
}

FIXTURE_TEARDOWN(import)
{
	gem_env_teardown(_metadata, &self->env);
}

static int no_move(FIXTURE_DATA(import) *self, int fd, uint32_t *handle,
		   uint32_t *class)
{
	return gem_import_no_move(self->env.dev, self->drm, fd, handle, class);
}

TEST_F(import, already)
{
	uint32_t handle = gem_new(self->drm, 1), got, class;
	int fd = gem_export(self->drm, handle);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, no_move(self, fd, &got, &class));
	EXPECT_EQ(handle, got);
	EXPECT_EQ(DRM_GEM_CTL_CLASS_ALREADY, class);
	EXPECT_EQ(1, gem_count(self->env.dev, self->drm));
}

TEST_F(import, same_device)
{
	int other = gem_open_driver(variant->driver), fd;
	struct drm_gem_ctl_entry entry;
	uint32_t got, class;

	ASSERT_GE(other, 0);
	fd = gem_export(other, gem_new(other, 1));
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, no_move(self, fd, &got, &class));
	EXPECT_EQ(DRM_GEM_CTL_CLASS_SAME_DEVICE, class);
	ASSERT_EQ(0, gem_entry(self->env.dev, self->drm, got, &entry));
	EXPECT_EQ(2, entry.handle_count);
	EXPECT_EQ(0, dmabuf_attached(inode_of(fd)));
	/* The same as by DRM's own ioctl */
	ASSERT_EQ(0, gem_import(self->drm, fd, &class));
	EXPECT_EQ(got, class);
}

static void system_only(struct __test_metadata *_metadata,
			FIXTURE_DATA(import) *self, int fd)
{
	uint32_t got = 0, class = 0, again;

	ASSERT_EQ(0, dmabuf_attached(inode_of(fd)));
	ASSERT_EQ(0, no_move(self, fd, &got, &class));
	EXPECT_EQ(DRM_GEM_CTL_CLASS_SYSTEM_ONLY, class);
	EXPECT_EQ(1, dmabuf_attached(inode_of(fd)));
	ASSERT_EQ(0, no_move(self, fd, &again, &class));
	EXPECT_EQ(got, again);
	EXPECT_EQ(DRM_GEM_CTL_CLASS_ALREADY, class);
	EXPECT_EQ(1, gem_count(self->env.dev, self->drm));
	ASSERT_EQ(0, gem_close(self->drm, got));
	EXPECT_EQ(0, dmabuf_attached(inode_of(fd)));
}

TEST_F(import, of_another_driver)
{
	int other = gem_open_driver(variant->other), fd;

	if (gem_lacks(other))
		SKIP(return, "no device of this driver");
	ASSERT_GE(other, 0);
	fd = gem_export(other, gem_new(other, 2));
	ASSERT_GE(fd, 0);
	system_only(_metadata, self, fd);
}

TEST_F(import, of_udmabuf)
{
	int fd = gem_udmabuf(GEM_PAGE);

	if (fd == -ENODEV)
		SKIP(return, "the kernel has no udmabuf");
	system_only(_metadata, self, fd);
}

TEST_F(import, of_the_system_heap)
{
	int fd = gem_system_heap(GEM_PAGE);

	if (fd == -ENODEV)
		SKIP(return, "the kernel has no dma-heap");
	system_only(_metadata, self, fd);
}

TEST_F(import, of_dma_heap_memcg)
{
	int fd = gem_memcg_heap(GEM_PAGE);

	ASSERT_GE(fd, 0);
	system_only(_metadata, self, fd);
}

/* What the importing driver does not want is its own to say. */
TEST_F(import, driver_refuses)
{
	int virtio = gem_open_driver("virtio_gpu"), fd;
	uint32_t handle, class;

	if (gem_lacks(virtio))
		SKIP(return, "no device of this driver");
	ASSERT_GE(virtio, 0);
	fd = gem_memcg_heap(GEM_PAGE);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(gem_import(virtio, fd, &handle),
		  gem_import_no_move(self->env.dev, virtio, fd, &handle,
				     &class));
	EXPECT_EQ(DRM_GEM_CTL_CLASS_SYSTEM_ONLY, class);
	EXPECT_EQ(gem_count(self->env.dev, virtio),
		  dmabuf_attached(inode_of(fd)));
	close(virtio);
}

/* Somebody who may move it: DRM's own import attaches, this one does not. */
TEST_F(import, foreign)
{
	int other = gem_open_driver("bufsync_gem"), fd;
	uint32_t got, class;

	if (!strcmp(variant->driver, "bufsync_gem")) {
		/* Its own is not foreign to it. */
		close(self->drm);
		self->drm = gem_open_driver("vgem");
	}
	ASSERT_GE(other, 0);
	fd = gem_export(other, gem_new(other, 1));
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EXDEV, no_move(self, fd, &got, &class));
	EXPECT_EQ(DRM_GEM_CTL_CLASS_FOREIGN, class);
	EXPECT_EQ(0, got);
	EXPECT_EQ(0, dmabuf_attached(inode_of(fd)));
	EXPECT_EQ(0, gem_count(self->env.dev, self->drm));
	EXPECT_EQ(0, gem_import(self->drm, fd, &got));
	EXPECT_EQ(1, dmabuf_attached(inode_of(fd)));
	/* Now it is there, and nothing more can happen. */
	EXPECT_EQ(0, no_move(self, fd, &class, NULL));
	EXPECT_EQ(got, class);
}

/* Closes a handle at about the time when another thread asks for it. */
struct closer {
	int drm;
	uint32_t handle;
	pthread_barrier_t *barrier;
};

static void *close_it(void *arg)
{
	struct closer *c = arg;

	pthread_barrier_wait(c->barrier);
	gem_close(c->drm, c->handle);
	return NULL;
}

/*
 * What is foreign, and known to the file, may be given as long as it is known; it is
 * never attached to anew, even if its handle goes in that moment.
 */
TEST_F(import, known_handle_is_closed_meanwhile)
{
	int other = gem_open_driver("bufsync_gem"), fd, round, ret;
	int known = 0, foreign = 0, rounds = kernel_rounds(3000);
	pthread_barrier_t barrier;
	uint32_t got, class;
	pthread_t thread;
	struct closer c;

	if (!strcmp(variant->driver, "bufsync_gem")) {
		close(self->drm);
		self->drm = gem_open_driver("vgem");
	}
	ASSERT_GE(other, 0);
	fd = gem_export(other, gem_new(other, 1));
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, 2));
	for (round = 0; round < rounds; round++) {
		c = (struct closer) { self->drm, 0, &barrier };
		ASSERT_EQ(0, gem_import(self->drm, fd, &c.handle));
		ASSERT_EQ(0, pthread_create(&thread, NULL, close_it, &c));
		pthread_barrier_wait(&barrier);
		ret = no_move(self, fd, &got, &class);
		pthread_join(thread, NULL);
		if (ret) {
			ASSERT_EQ(-EXDEV, ret);
			ASSERT_EQ(DRM_GEM_CTL_CLASS_FOREIGN, class);
			foreign++;
		} else {
			ASSERT_EQ(DRM_GEM_CTL_CLASS_ALREADY, class);
			ASSERT_EQ(c.handle, got);
			known++;
		}
		ASSERT_EQ(0, dmabuf_attached(inode_of(fd)))
			TH_LOG("imported in round %d", round);
		ASSERT_EQ(0, gem_count(self->env.dev, self->drm));
	}
	TH_LOG("%d while known, %d when foreign again", known, foreign);
}

struct swapper {
	int at, fds[2];
	bool stop;
};

static void *swap(void *arg)
{
	struct swapper *s = arg;
	int i;

	for (i = 0; !__atomic_load_n(&s->stop, __ATOMIC_RELAXED); i++)
		dup2(s->fds[i % 2], s->at);
	return NULL;
}

/* docs/examples/gem-import.c: what it says of a buffer of @driver's */
static void example_says(struct __test_metadata *_metadata, int drm,
			 const char *driver, const char *text)
{
	char dir[192], command[512], out[256], who[32];
	ssize_t len = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	int client = gem_open_driver(driver);

	ASSERT_GT(len, 0);
	dir[len] = '\0';
	*strrchr(dir, '/') = '\0';
	ASSERT_GE(client, 0);
	/* Nodes go by the names that they have been opened by. */
	snprintf(command, sizeof(command),
		 "exec %s/gem-import $(readlink /proc/%d/fd/%d /proc/%d/fd/%d) 2>&1",
		 dir, getpid(), client, getpid(), drm);
	EXPECT_EQ(0, command_run(command, out, sizeof(out))) TH_LOG("%s", out);
	snprintf(who, sizeof(who), "of %s, ", driver);
	EXPECT_EQ(0, strncmp(out, who, strlen(who))) TH_LOG("%s", out);
	EXPECT_NE(NULL, strstr(out, text)) TH_LOG("%s", out);
	close(client);
}

TEST_F(import, example)
{
	if (!strcmp(variant->other, "virtio_gpu") && !kernel_is_row())
		SKIP(return, "only in a guest: it needs virtio-gpu");
	example_says(_metadata, self->drm, variant->other,
		     ", class 3\nimported, handle 1\n");
	example_says(_metadata, self->drm, variant->driver,
		     ", class 2\nimported, handle 1\n");
	if (strcmp(variant->driver, "bufsync_gem"))
		example_says(_metadata, self->drm, "bufsync_gem",
			     ", class 4\nnot imported, it may have to move\n");
}

/*
 * Another thread changes what the fd stands for all the time, between a buffer that
 * can be imported and one that cannot. What is reported as imported without a move
 * is always the first. If ESTALE comes the handle is the other's.
 */
TEST_F(import, fd_changes_meanwhile)
{
	int other = gem_open_driver("bufsync_gem"), i, ret;
	int stale = 0, done = 0, foreign = 0, calls = kernel_rounds(20000);
	struct drm_gem_ctl_entry entry;
	struct swapper s = { };
	pthread_t thread;
	uint32_t got, class;

	if (!strcmp(variant->driver, "bufsync_gem")) {
		/* Its own is not foreign to it. */
		close(self->drm);
		self->drm = gem_open_driver("vgem");
	}
	ASSERT_GE(other, 0);
	s.fds[0] = gem_memcg_heap(GEM_PAGE);
	s.fds[1] = gem_export(other, gem_new(other, 1));
	ASSERT_GE(s.fds[0], 0);
	ASSERT_GE(s.fds[1], 0);
	s.at = dup(s.fds[0]);
	ASSERT_EQ(0, pthread_create(&thread, NULL, swap, &s));
	for (i = 0; i < calls; i++) {
		ret = no_move(self, s.at, &got, &class);
		/* dup2() may have taken the number for a moment */
		if (ret == -EBADF)
			continue;
		if (ret == -EXDEV) {
			ASSERT_EQ(DRM_GEM_CTL_CLASS_FOREIGN, class);
			ASSERT_EQ(0, gem_count(self->env.dev, self->drm));
			foreign++;
			continue;
		}
		ASSERT_TRUE(!ret || ret == -ESTALE) TH_LOG("%d", ret);
		ASSERT_EQ(DRM_GEM_CTL_CLASS_SYSTEM_ONLY, class);
		ASSERT_EQ(0, gem_entry(self->env.dev, self->drm, got, &entry));
		ASSERT_EQ(inode_of(s.fds[!!ret]), entry.dmabuf_ino);
		ASSERT_EQ(0, gem_close(self->drm, got));
		if (ret)
			stale++;
		else
			done++;
	}
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	TH_LOG("%d imports, %d stale, %d foreign", done, stale, foreign);
	EXPECT_LT(0, done);
	EXPECT_LT(0, foreign);
	EXPECT_EQ(0, gem_count(self->env.dev, self->drm));
}

TEST_HARNESS_MAIN
