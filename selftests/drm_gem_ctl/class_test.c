// SPDX-License-Identifier: GPL-2.0-only
/* PRIME_INFO: classes of dma-bufs, for importers of each kind; whose they are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "gem_env.h"

FIXTURE(class) {
	struct gem_env env;
	int drm;		/* who would import */
	struct drm_gem_ctl_prime_info_args info;
};

FIXTURE_VARIANT(class) {
	const char *driver;
};

FIXTURE_VARIANT_ADD(class, vgem) { .driver = "vgem" };
FIXTURE_VARIANT_ADD(class, virtio_gpu) { .driver = "virtio_gpu" };
FIXTURE_VARIANT_ADD(class, bochs) { .driver = "bochs-drm" };

FIXTURE_SETUP(class)
{
	gem_env_setup(_metadata, &self->env);
	self->drm = gem_open_driver(variant->driver);
	if (gem_lacks(self->drm))
		SKIP(return, "no device of this driver");
	ASSERT_GE(self->drm, 0);
}

FIXTURE_TEARDOWN(class)
{
	gem_env_teardown(_metadata, &self->env);
}

/* Whatever it is, asking leaves no trace. */
static uint32_t class_of(struct __test_metadata *_metadata,
			 FIXTURE_DATA(class) *self, int dmabuf)
{
	int attached = dmabuf_attached(inode_of(dmabuf));
	int count = gem_count(self->env.dev, self->drm);

	EXPECT_LE(0, attached);
	EXPECT_EQ(0, gem_info(self->env.dev, self->drm, dmabuf, &self->info));
	EXPECT_EQ(sizeof(self->info), self->info.size);
	EXPECT_EQ(inode_of(dmabuf), self->info.out_ino);
	EXPECT_EQ(lseek(dmabuf, 0, SEEK_END), self->info.out_size);
	EXPECT_EQ(attached, dmabuf_attached(inode_of(dmabuf)));
	EXPECT_EQ(count, gem_count(self->env.dev, self->drm));
	return self->info.out_class;
}

/* The nodes that INFO tells are those of @drm's device. */
static void expect_nodes(struct __test_metadata *_metadata,
			 FIXTURE_DATA(class) *self, int drm, const char *driver)
{
	char path[64];
	struct stat st;
	bool render;

	ASSERT_EQ(0, fstat(drm, &st));
	EXPECT_EQ(major(st.st_rdev), self->info.out_primary_major);
	EXPECT_EQ(minor(st.st_rdev), self->info.out_primary_minor);
	EXPECT_STREQ(driver, self->info.out_driver);
	render = strcmp(driver, "bochs-drm");
	EXPECT_EQ(render, self->info.out_render_major != 0);
	if (!render)
		return;
	/* Nodes of one device have one parent. */
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device/drm/card%u",
		 self->info.out_render_major, self->info.out_render_minor,
		 self->info.out_primary_minor);
	EXPECT_EQ(0, access(path, F_OK)) TH_LOG("%s", path);
}

static void expect_no_nodes(struct __test_metadata *_metadata,
			    FIXTURE_DATA(class) *self, const char *exporter)
{
	EXPECT_EQ(0, self->info.out_primary_major);
	EXPECT_EQ(0, self->info.out_primary_minor);
	EXPECT_EQ(0, self->info.out_render_major);
	EXPECT_EQ(0, self->info.out_render_minor);
	EXPECT_STREQ("", self->info.out_driver);
	EXPECT_STREQ(exporter, self->info.out_exporter);
	EXPECT_EQ(0, self->info.out_handle);
}

static void gem_exporter(struct __test_metadata *_metadata,
			 FIXTURE_DATA(class) *self, const char *importer,
			 const char *driver, uint32_t foreign)
{
	int other = gem_open_driver(driver), fd;
	bool same = !strcmp(importer, driver);
	uint32_t handle;

	if (gem_lacks(other))
		SKIP(return, "no device of this driver");
	ASSERT_GE(other, 0);
	handle = gem_new(other, 3);
	ASSERT_NE(0, handle);
	fd = gem_export(other, handle);
	if (fd == -ENOSYS && !strcmp(driver, "bochs-drm"))
		SKIP(return, "bochs exports nothing before 6.6");
	ASSERT_GE(fd, 0);
	EXPECT_EQ(same ? DRM_GEM_CTL_CLASS_SAME_DEVICE : foreign,
		  class_of(_metadata, self, fd));
	EXPECT_EQ(0, self->info.out_handle);
	expect_nodes(_metadata, self, other, driver);
	close(other);
	/* The dma-buf keeps the object, and the object the device. */
	EXPECT_EQ(same ? DRM_GEM_CTL_CLASS_SAME_DEVICE : foreign,
		  class_of(_metadata, self, fd));
	close(fd);
}

TEST_F(class, of_vgem)
{
	gem_exporter(_metadata, self, variant->driver, "vgem",
		     DRM_GEM_CTL_CLASS_SYSTEM_ONLY);
}

TEST_F(class, of_virtio_gpu)
{
	gem_exporter(_metadata, self, variant->driver, "virtio_gpu",
		     DRM_GEM_CTL_CLASS_SYSTEM_ONLY);
}

/* Its objects are in the device's memory before 6.13, and have a file as well. */
TEST_F(class, of_bochs)
{
	gem_exporter(_metadata, self, variant->driver, "bochs-drm",
		     kernel_at_least(6, 13) ? DRM_GEM_CTL_CLASS_SYSTEM_ONLY :
					      DRM_GEM_CTL_CLASS_FOREIGN);
}

TEST_F(class, of_an_unknown_driver)
{
	gem_exporter(_metadata, self, variant->driver, "bufsync_gem",
		     DRM_GEM_CTL_CLASS_FOREIGN);
}

TEST_F(class, already)
{
	uint32_t handle = gem_new(self->drm, 1), other = gem_new(self->drm, 2);
	int fd;

	ASSERT_NE(0, handle);
	fd = gem_export(self->drm, handle);
	if (fd == -ENOSYS && !strcmp(variant->driver, "bochs-drm"))
		SKIP(return, "bochs exports nothing before 6.6");
	ASSERT_GE(fd, 0);
	EXPECT_EQ(DRM_GEM_CTL_CLASS_ALREADY, class_of(_metadata, self, fd));
	EXPECT_EQ(handle, self->info.out_handle);
	expect_nodes(_metadata, self, self->drm, variant->driver);
	/* Only as long as it has one */
	ASSERT_EQ(0, gem_close(self->drm, handle));
	EXPECT_EQ(DRM_GEM_CTL_CLASS_SAME_DEVICE,
		  class_of(_metadata, self, fd));
	EXPECT_EQ(0, self->info.out_handle);
	EXPECT_NE(0, other);
	close(fd);
}

TEST_F(class, of_udmabuf)
{
	int fd = gem_udmabuf(GEM_PAGE);

	if (fd == -ENODEV)
		SKIP(return, "the kernel has no udmabuf");
	ASSERT_GE(fd, 0);
	EXPECT_EQ(DRM_GEM_CTL_CLASS_SYSTEM_ONLY, class_of(_metadata, self, fd));
	expect_no_nodes(_metadata, self, "udmabuf");
	close(fd);
}

TEST_F(class, of_the_system_heap)
{
	int fd = gem_system_heap(GEM_PAGE);

	if (fd == -ENODEV)
		SKIP(return, "the kernel has no dma-heap");
	ASSERT_GE(fd, 0);
	EXPECT_EQ(DRM_GEM_CTL_CLASS_SYSTEM_ONLY, class_of(_metadata, self, fd));
	expect_no_nodes(_metadata, self, "system");
	close(fd);
}

TEST_F(class, of_dma_heap_memcg)
{
	int fd = gem_memcg_heap(GEM_PAGE);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(DRM_GEM_CTL_CLASS_SYSTEM_ONLY, class_of(_metadata, self, fd));
	expect_no_nodes(_metadata, self, "memcg");
	close(fd);
}

TEST_HARNESS_MAIN
