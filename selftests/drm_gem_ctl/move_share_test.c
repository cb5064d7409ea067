// SPDX-License-Identifier: GPL-2.0-only
/* MOVE of what is shared: between files, devices and processes, and its contents. */
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "gem_env.h"
#include "param_util.h"

#define PAGES	4

FIXTURE(share) {
	struct gem_env env;
	int a, b;		/* files of two devices, or of one */
	int dmabuf;
	uint32_t ha, hb;
	uint64_t ino;
	uint32_t *map;		/* through a */
};

FIXTURE_VARIANT(share) {
	const char *exporter, *importer;
};

FIXTURE_VARIANT_ADD(share, virtio_to_vgem) { "virtio_gpu", "vgem" };
FIXTURE_VARIANT_ADD(share, vgem_to_another) { "vgem", "bufsync_gem" };
FIXTURE_VARIANT_ADD(share, two_files_of_vgem) { "vgem", "vgem" };
FIXTURE_VARIANT_ADD(share, two_files_of_virtio) { "virtio_gpu", "virtio_gpu" };

FIXTURE_SETUP(share)
{
	if (!strcmp(variant->exporter, "virtio_gpu") && !kernel_is_row())
		SKIP(return, "only in a guest: it needs virtio-gpu");
	ASSERT_EQ(0, gem_use(GEM_DRIVERS));
	gem_env_setup(_metadata, &self->env);
	self->a = gem_open_driver(variant->exporter);
	self->b = gem_open_driver(variant->importer);
	ASSERT_GE(self->a, 0);
	ASSERT_GE(self->b, 0);
	self->ha = gem_new(self->a, PAGES);
	ASSERT_NE(0, self->ha);
	self->map = gem_map(self->a, self->ha, PAGES);
	ASSERT_NE(NULL, self->map);
	self->dmabuf = gem_export(self->a, self->ha);
	ASSERT_GE(self->dmabuf, 0);
	self->ino = inode_of(self->dmabuf);
	ASSERT_EQ(0, gem_import(self->b, self->dmabuf, &self->hb));
}

FIXTURE_TEARDOWN(share)
{
	munmap(self->map, PAGES * GEM_PAGE);
	gem_env_teardown(_metadata, &self->env);
	EXPECT_TRUE(dmabuf_gone(self->ino));
}

/* What is written through the one is read through the dma-buf. */
static void same_memory(struct __test_metadata *_metadata,
			FIXTURE_DATA(share) *self)
{
	static uint32_t stamp = 1000;
	uint32_t *p;
	int i;

	p = mmap(NULL, PAGES * GEM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		 self->dmabuf, 0);
	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < PAGES; i++) {
		self->map[i * GEM_PAGE / 4] = ++stamp;
		EXPECT_EQ(stamp, p[i * GEM_PAGE / 4]);
	}
	munmap(p, PAGES * GEM_PAGE);
}

static void each_has_its_own(struct __test_metadata *_metadata,
			     FIXTURE_DATA(share) *self)
{
	struct drm_gem_ctl_entry a, b;
	uint32_t handle;

	ASSERT_EQ(0, gem_entry(self->env.dev, self->a, self->ha, &a));
	ASSERT_EQ(0, gem_entry(self->env.dev, self->b, self->hb, &b));
	EXPECT_EQ(self->ino, a.dmabuf_ino);
	EXPECT_EQ(self->ino, b.dmabuf_ino);
	ASSERT_EQ(0, gem_import(self->a, self->dmabuf, &handle));
	EXPECT_EQ(self->ha, handle);
	ASSERT_EQ(0, gem_import(self->b, self->dmabuf, &handle));
	EXPECT_EQ(self->hb, handle);
	EXPECT_EQ(1, gem_count_cached(self->env.dev, self->a));
	EXPECT_EQ(1, gem_count_cached(self->env.dev, self->b));
	same_memory(_metadata, self);
}

TEST_F(share, exporters_handle)
{
	ASSERT_EQ(0, gem_move(self->env.dev, self->a, self->ha, 77));
	self->ha = 77;
	each_has_its_own(_metadata, self);
}

TEST_F(share, importers_handle)
{
	ASSERT_EQ(0, gem_move(self->env.dev, self->b, self->hb, 500));
	self->hb = 500;
	each_has_its_own(_metadata, self);
}

TEST_F(share, both)
{
	ASSERT_EQ(0, gem_move(self->env.dev, self->a, self->ha, 9));
	ASSERT_EQ(0, gem_move(self->env.dev, self->b, self->hb, 8));
	self->ha = 9;
	self->hb = 8;
	each_has_its_own(_metadata, self);
}

/* Exported for the first time after the move, and imported after that */
TEST_F(share, before_the_export)
{
	uint32_t handle = gem_new(self->a, 1), imported;
	struct drm_gem_ctl_entry entry;
	int fd;

	ASSERT_EQ(0, gem_move(self->env.dev, self->a, handle, 321));
	ASSERT_EQ(0, gem_entry(self->env.dev, self->a, 321, &entry));
	EXPECT_EQ(0, entry.dmabuf_ino);
	EXPECT_FALSE(entry.flags & (DRM_GEM_CTL_ENTRY_EXPORTED |
				    DRM_GEM_CTL_ENTRY_PRIME_CACHED));
	fd = gem_export(self->a, 321);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, gem_import(self->a, fd, &imported));
	EXPECT_EQ(321, imported);
	ASSERT_EQ(0, gem_import(self->b, fd, &imported));
	EXPECT_EQ(0, gem_close(self->a, 321));
	EXPECT_EQ(0, gem_close(self->b, imported));
	EXPECT_EQ(1, gem_count(self->env.dev, self->a));
	close(fd);
}

/* Order of handles and order of dma-bufs have nothing to do with each other. */
TEST_F(share, many)
{
	int fds[64], i;
	uint32_t handles[64], handle;

	for (i = 0; i < 64; i++) {
		handles[i] = gem_new(self->a, 1);
		fds[i] = gem_export(self->a, handles[i]);
		ASSERT_GE(fds[i], 0);
	}
	for (i = 0; i < 64; i++) {
		handle = 1000 + (i * 29) % 64;
		ASSERT_EQ(0, gem_move(self->env.dev, self->a, handles[i],
				      handle));
		handles[i] = handle;
	}
	for (i = 0; i < 64; i++) {
		ASSERT_EQ(0, gem_import(self->a, fds[i], &handle));
		EXPECT_EQ(handles[i], handle);
	}
	EXPECT_EQ(65, gem_count_cached(self->env.dev, self->a));
	for (i = 0; i < 64; i += 2)
		ASSERT_EQ(0, gem_close(self->a, handles[i]));
	EXPECT_EQ(33, gem_count_cached(self->env.dev, self->a));
	for (i = 1; i < 64; i += 2) {
		ASSERT_EQ(0, gem_import(self->a, fds[i], &handle));
		EXPECT_EQ(handles[i], handle);
	}
}

/*
 * An object with several handles in one file, each of which has been exported: each
 * is remembered with the one dma-buf, and each can be moved.
 */
TEST_F(share, exported_by_several_handles)
{
	uint32_t handles[6], name, handle;
	int fds[6], i, round;

	handles[0] = self->ha;
	fds[0] = dup(self->dmabuf);
	ASSERT_EQ(0, gem_flink(self->a, self->ha, &name));
	for (i = 1; i < 6; i++) {
		ASSERT_EQ(0, gem_open_name(self->a, name, &handles[i]));
		fds[i] = gem_export(self->a, handles[i]);
		ASSERT_GE(fds[i], 0);
		ASSERT_EQ(self->ino, inode_of(fds[i]));
	}
	EXPECT_EQ(6, gem_count_cached(self->env.dev, self->a));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 6; i++) {
			handle = 100 * (round + 1) + (i * 5 + round) % 6;
			ASSERT_EQ(0, gem_move(self->env.dev, self->a,
					      handles[i], handle)) {
				TH_LOG("round %d, handle %u to %u", round,
				       handles[i], handle);
			}
			handles[i] = handle;
			ASSERT_EQ(6, gem_count_cached(self->env.dev, self->a));
		}
	}
	/* An import gives one of them, and no other one that is left. */
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, gem_import(self->a, self->dmabuf, &handle));
		EXPECT_EQ(true, handle >= 300 && handle < 306);
		ASSERT_EQ(0, gem_close(self->a, handle));
		EXPECT_EQ(5 - i, gem_count_cached(self->env.dev, self->a));
		close(fds[i]);
	}
	EXPECT_EQ(0, gem_count(self->env.dev, self->a));
}

/* A file that a child has inherited is the same file. */
TEST_F(share, by_a_child)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(gem_move(self->env.dev, self->a, self->ha, 66) ? 1 : 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	self->ha = 66;
	each_has_its_own(_metadata, self);
}

FIXTURE(again) {
	struct gem_env env;
	int vgem, drm, dmabuf;
	uint64_t ino;
};

FIXTURE_SETUP(again)
{
	ASSERT_EQ(0, gem_use(GEM_DRIVERS));
	gem_env_setup(_metadata, &self->env);
	self->vgem = gem_open_driver("vgem");
	self->drm = gem_open_driver("bufsync_gem");
	ASSERT_GE(self->vgem, 0);
	ASSERT_GE(self->drm, 0);
	self->dmabuf = gem_export(self->vgem, gem_new(self->vgem, 1));
	ASSERT_GE(self->dmabuf, 0);
	self->ino = inode_of(self->dmabuf);
}

FIXTURE_TEARDOWN(again)
{
	gem_env_teardown(_metadata, &self->env);
	EXPECT_TRUE(dmabuf_gone(self->ino));
}

/*
 * Somebody else has kept an imported object beyond its last handle, a framebuffer for
 * instance, and it gets another one. It has its dma-buf no more, but what it was
 * imported from, and that is what it is remembered by.
 */
TEST_F(again, imported_object)
{
	struct drm_gem_ctl_entry entry;
	uint32_t handle;
	int fd;

	ASSERT_EQ(0, gem_import(self->drm, self->dmabuf, &handle));
	ASSERT_EQ(1, handle);
	ASSERT_EQ(0, param_set("bufsync_test_gem", "keep", "1"));
	ASSERT_EQ(0, gem_close(self->drm, 1));
	ASSERT_EQ(1, gem_new(self->drm, 1));
	ASSERT_EQ(0, gem_entry(self->env.dev, self->drm, 1, &entry));
	EXPECT_EQ(DRM_GEM_CTL_ENTRY_IMPORTED,
		  entry.flags & (DRM_GEM_CTL_ENTRY_IMPORTED |
				 DRM_GEM_CTL_ENTRY_EXPORTED |
				 DRM_GEM_CTL_ENTRY_PRIME_CACHED));
	EXPECT_EQ(self->ino, entry.dmabuf_ino);
	EXPECT_EQ(0, gem_move(self->env.dev, self->drm, 1, 2));
	/* It is remembered again once it has been exported. */
	fd = gem_export(self->drm, 2);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(self->ino, inode_of(fd));
	close(fd);
	ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 2, 70));
	ASSERT_EQ(0, gem_import(self->drm, self->dmabuf, &handle));
	EXPECT_EQ(70, handle);
	EXPECT_EQ(1, gem_count_cached(self->env.dev, self->drm));
}

/* Tests are processes that end otherwise: this is when all are through. */
static void __attribute__((destructor)) restore(void)
{
	gem_reload(NULL);
}

TEST_HARNESS_MAIN
