// SPDX-License-Identifier: GPL-2.0-only
/*
 * What DRM promises about handles and dma-bufs, with handles that have been moved
 * and with such that have not: it must be the same.
 *
 * I1	a file has one handle for a dma-buf
 * I2	the handle holds the dma-buf, until it is closed
 * I3	importing one's own object gives the object, not another one
 * I4	importer, dma-buf, exporter: each holds the next, and nothing else does
 * I5	what a file remembers ends with the handle
 * I6	a file that is closed leaves nothing behind
 * I7	what another file has exported is not remembered by this one
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "gem_env.h"

#define PAGES	2
#define FAR	4711

FIXTURE(prime) {
	struct gem_env env;
	int drm, dmabuf;
	uint32_t handle;	/* of the object that has been exported */
	uint64_t ino;
};

FIXTURE_VARIANT(prime) {
	const char *driver;
	bool moved;
};

FIXTURE_VARIANT_ADD(prime, vgem) { .driver = "vgem" };
FIXTURE_VARIANT_ADD(prime, vgem_moved) { .driver = "vgem", .moved = true };
FIXTURE_VARIANT_ADD(prime, virtio_gpu) { .driver = "virtio_gpu" };
FIXTURE_VARIANT_ADD(prime, virtio_gpu_moved) { "virtio_gpu", true };
FIXTURE_VARIANT_ADD(prime, bochs) { .driver = "bochs-drm" };
FIXTURE_VARIANT_ADD(prime, bochs_moved) { "bochs-drm", true };

/* Half of the moves are before there is anything to remember. */
static int moved(int dev, int drm, uint32_t *handle, bool moved)
{
	int ret;

	if (!moved)
		return 0;
	ret = gem_move(dev, drm, *handle, FAR);
	if (!ret)
		*handle = FAR;
	return ret;
}

FIXTURE_SETUP(prime)
{
	ASSERT_EQ(0, gem_use(GEM_DRIVERS));
	gem_env_setup(_metadata, &self->env);
	self->drm = gem_open_driver(variant->driver);
	if (gem_lacks(self->drm)) {
		gem_env_teardown(_metadata, &self->env);
		SKIP(return, "no device of this driver");
	}
	ASSERT_GE(self->drm, 0);
	self->handle = gem_new(self->drm, PAGES);
	ASSERT_EQ(1, self->handle);
	self->dmabuf = gem_export(self->drm, self->handle);
	/* Each test skips itself then, so that what is set up here is undone. */
	if (self->dmabuf == -ENOSYS && !strcmp(variant->driver, "bochs-drm"))
		return;
	ASSERT_GE(self->dmabuf, 0);
	self->ino = inode_of(self->dmabuf);
	ASSERT_EQ(0, moved(self->env.dev, self->drm, &self->handle,
			   variant->moved));
}

/* I6: the last of it */
FIXTURE_TEARDOWN(prime)
{
	gem_env_teardown(_metadata, &self->env);
	if (self->ino)
		EXPECT_TRUE(dmabuf_gone(self->ino));
}

TEST_F(prime, one_handle)
{
	int again = gem_export(self->drm, self->handle);
	uint32_t handle;

	if (self->dmabuf < 0)
		SKIP(return, "bochs exports nothing before 6.6");
	EXPECT_EQ(self->ino, inode_of(again));
	ASSERT_EQ(0, gem_import(self->drm, self->dmabuf, &handle));
	EXPECT_EQ(self->handle, handle);
	ASSERT_EQ(0, gem_import(self->drm, again, &handle));
	EXPECT_EQ(self->handle, handle);
	EXPECT_EQ(1, gem_count(self->env.dev, self->drm));
	EXPECT_EQ(1, gem_count_cached(self->env.dev, self->drm));
	ASSERT_EQ(0, gem_import_no_move(self->env.dev, self->drm, again,
					&handle, NULL));
	EXPECT_EQ(self->handle, handle);
	EXPECT_EQ(1, gem_count(self->env.dev, self->drm));
}

TEST_F(prime, handle_holds_dmabuf)
{
	if (self->dmabuf < 0)
		SKIP(return, "bochs exports nothing before 6.6");
	close(self->dmabuf);
	EXPECT_EQ(0, dmabuf_attached(self->ino));
	/* It is still the same one. */
	self->dmabuf = gem_export(self->drm, self->handle);
	EXPECT_EQ(self->ino, inode_of(self->dmabuf));
	close(self->dmabuf);
	ASSERT_EQ(0, gem_close(self->drm, self->handle));
	EXPECT_TRUE(dmabuf_gone(self->ino));
}

/* In another file of the same device */
TEST_F(prime, own_object)
{
	struct drm_gem_ctl_entry entry;
	int other = gem_open_driver(variant->driver);
	uint32_t handle;

	if (self->dmabuf < 0)
		SKIP(return, "bochs exports nothing before 6.6");
	ASSERT_GE(other, 0);
	/* Not the number that it has in the first file */
	ASSERT_EQ(1, gem_new(other, 1));
	ASSERT_EQ(0, gem_import(other, self->dmabuf, &handle));
	EXPECT_EQ(2, handle);
	ASSERT_EQ(0, gem_entry(self->env.dev, other, 2, &entry));
	EXPECT_EQ(2, entry.handle_count);
	EXPECT_EQ(self->ino, entry.dmabuf_ino);
	EXPECT_FALSE(entry.flags & DRM_GEM_CTL_ENTRY_IMPORTED);
	EXPECT_EQ(0, dmabuf_attached(self->ino));
	if (variant->moved) {
		ASSERT_EQ(0, gem_move(self->env.dev, other, 2, 500));
		handle = 500;
	}
	/* Each file has its own. */
	ASSERT_EQ(0, gem_import(self->drm, self->dmabuf, &handle));
	EXPECT_EQ(self->handle, handle);
	ASSERT_EQ(0, gem_import(other, self->dmabuf, &handle));
	EXPECT_EQ(variant->moved ? 500 : 2, handle);
	/* One that is closed leaves the other alone. */
	ASSERT_EQ(0, gem_close(self->drm, self->handle));
	ASSERT_EQ(0, gem_entry(self->env.dev, other, handle, &entry));
	EXPECT_EQ(1, entry.handle_count);
	EXPECT_EQ(self->ino, entry.dmabuf_ino);
	close(other);
}

TEST_F(prime, chain_of_references)
{
	struct drm_gem_ctl_entry entry;
	/* virtio-gpu imports nothing that is not its own */
	int importer = gem_open_driver(strcmp(variant->driver, "vgem") ?
				       "vgem" : "bufsync_gem");
	uint32_t handle;

	if (self->dmabuf < 0)
		SKIP(return, "bochs exports nothing before 6.6");
	ASSERT_GE(importer, 0);
	ASSERT_EQ(1, gem_new(importer, 1));
	if (gem_import(importer, self->dmabuf, &handle)) {
		/* A device's own memory before 6.13 */
		EXPECT_STREQ("bochs-drm", variant->driver);
		EXPECT_EQ(0, dmabuf_attached(self->ino));
		close(importer);
		return;
	}
	EXPECT_EQ(2, handle);
	EXPECT_EQ(1, dmabuf_attached(self->ino));
	if (variant->moved) {
		ASSERT_EQ(0, gem_move(self->env.dev, importer, 2, 500));
		handle = 500;
	}
	ASSERT_EQ(0, gem_entry(self->env.dev, importer, handle, &entry));
	EXPECT_TRUE(entry.flags & DRM_GEM_CTL_ENTRY_IMPORTED);
	EXPECT_FALSE(entry.flags & DRM_GEM_CTL_ENTRY_EXPORTED);
	EXPECT_TRUE(entry.flags & DRM_GEM_CTL_ENTRY_PRIME_CACHED);
	EXPECT_EQ(self->ino, entry.dmabuf_ino);
	/* The exporter's handle and the fd may go. */
	ASSERT_EQ(0, gem_close(self->drm, self->handle));
	close(self->dmabuf);
	EXPECT_EQ(1, dmabuf_attached(self->ino));
	/* It exports what it has imported. */
	self->dmabuf = gem_export(importer, handle);
	EXPECT_EQ(self->ino, inode_of(self->dmabuf));
	close(self->dmabuf);
	ASSERT_EQ(0, gem_close(importer, handle));
	EXPECT_TRUE(dmabuf_gone(self->ino));
	EXPECT_EQ(1, gem_count(self->env.dev, importer));
	close(importer);
}

TEST_F(prime, memory_ends_with_the_handle)
{
	uint32_t handle;

	if (self->dmabuf < 0)
		SKIP(return, "bochs exports nothing before 6.6");
	ASSERT_EQ(0, gem_close(self->drm, self->handle));
	EXPECT_EQ(0, gem_count_cached(self->env.dev, self->drm));
	ASSERT_EQ(0, gem_import(self->drm, self->dmabuf, &handle));
	/* The lowest that is free, not the one that it had. */
	EXPECT_EQ(1, handle);
	EXPECT_EQ(1, gem_count_cached(self->env.dev, self->drm));
	if (variant->moved)
		ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 1, 2));
	ASSERT_EQ(0, gem_close(self->drm, variant->moved ? 2 : 1));
	close(self->dmabuf);
	EXPECT_TRUE(dmabuf_gone(self->ino));
}

/* Closed as it is, by the end of the file: the teardown looks. */
TEST_F(prime, file_closed_with_everything)
{
	uint32_t handle;
	int i, fd;

	if (self->dmabuf < 0)
		SKIP(return, "bochs exports nothing before 6.6");
	for (i = 0; i < 20; i++) {
		handle = gem_new(self->drm, 1);
		fd = gem_export(self->drm, handle);
		ASSERT_GE(fd, 0);
		if (variant->moved)
			ASSERT_EQ(0, gem_move(self->env.dev, self->drm, handle,
					      10000 - i * 37));
		if (i % 2)
			close(fd);
	}
	EXPECT_EQ(21, gem_count(self->env.dev, self->drm));
	EXPECT_EQ(21, gem_count_cached(self->env.dev, self->drm));
	close(self->drm);
	EXPECT_EQ(0, dmabuf_attached(self->ino));
}

/*
 * An object with two handles in one file, exported by the one, and with a handle in
 * another file that has not exported it. Moving those that the dma-buf is not
 * remembered by makes nobody remember it.
 */
TEST_F(prime, exported_by_another)
{
	int other = gem_open_driver(variant->driver);
	struct drm_gem_ctl_entry entry;
	uint32_t name, second, foreign, handle;

	if (self->dmabuf < 0)
		SKIP(return, "bochs exports nothing before 6.6");
	ASSERT_GE(other, 0);
	ASSERT_EQ(0, gem_flink(self->drm, self->handle, &name));
	ASSERT_EQ(0, gem_open_name(self->drm, name, &second));
	ASSERT_EQ(0, gem_open_name(other, name, &foreign));
	if (variant->moved) {
		ASSERT_EQ(0, gem_move(self->env.dev, self->drm, second, 33));
		second = 33;
		ASSERT_EQ(0, gem_move(self->env.dev, other, foreign, 44));
		foreign = 44;
		ASSERT_EQ(0, gem_move(self->env.dev, self->drm, self->handle,
				      22));
		self->handle = 22;
	}
	ASSERT_EQ(0, gem_entry(self->env.dev, self->drm, second, &entry));
	EXPECT_FALSE(entry.flags & DRM_GEM_CTL_ENTRY_PRIME_CACHED);
	EXPECT_EQ(3, entry.handle_count);
	ASSERT_EQ(0, gem_entry(self->env.dev, other, foreign, &entry));
	EXPECT_FALSE(entry.flags & DRM_GEM_CTL_ENTRY_PRIME_CACHED);
	EXPECT_EQ(self->ino, entry.dmabuf_ino);
	EXPECT_EQ(1, gem_count_cached(self->env.dev, self->drm));
	EXPECT_EQ(0, gem_count_cached(self->env.dev, other));
	ASSERT_EQ(0, gem_import(self->drm, self->dmabuf, &handle));
	EXPECT_EQ(self->handle, handle);
	/* Without the one that is remembered, an import makes a new one. */
	ASSERT_EQ(0, gem_close(self->drm, self->handle));
	EXPECT_EQ(0, gem_count_cached(self->env.dev, self->drm));
	ASSERT_EQ(0, gem_import(self->drm, self->dmabuf, &handle));
	EXPECT_NE(second, handle);
	EXPECT_EQ(2, gem_count(self->env.dev, self->drm));
	close(other);
}

/*
 * An object with several handles in one file, each of which has been exported: DRM
 * remembers all of them for the one dma-buf, and an import gives one of them.
 */
TEST_F(prime, exported_by_each_handle)
{
	uint32_t handles[8], name, handle;
	int i, fd, n = 8;

	if (self->dmabuf < 0)
		SKIP(return, "bochs exports nothing before 6.6");
	ASSERT_EQ(0, gem_flink(self->drm, self->handle, &name));
	handles[0] = self->handle;
	for (i = 1; i < n; i++) {
		ASSERT_EQ(0, gem_open_name(self->drm, name, &handles[i]));
		fd = gem_export(self->drm, handles[i]);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(self->ino, inode_of(fd));
		close(fd);
	}
	for (i = 0; variant->moved && i < n; i++) {
		EXPECT_EQ(0, gem_move(self->env.dev, self->drm, handles[i],
				      100 - i));
		handles[i] = 100 - i;
	}
	for (; n; n--) {
		ASSERT_EQ(0, gem_import(self->drm, self->dmabuf, &handle));
		ASSERT_EQ(0, gem_import_no_move(self->env.dev, self->drm,
						self->dmabuf, &name, NULL));
		EXPECT_EQ(handle, name);
		EXPECT_EQ(n, gem_count(self->env.dev, self->drm));
		for (i = 0; i < n - 1 && handles[i] != handle; i++)
			;
		EXPECT_EQ(handle, handles[i]);
		handles[i] = handles[n - 1];
		ASSERT_EQ(0, gem_close(self->drm, handle));
	}
	close(self->dmabuf);
	EXPECT_TRUE(dmabuf_gone(self->ino));
}

/* Tests are processes that end otherwise: this is when all are through. */
static void __attribute__((destructor)) restore(void)
{
	gem_reload(NULL);
}

TEST_HARNESS_MAIN
