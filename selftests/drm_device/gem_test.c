// SPDX-License-Identifier: GPL-2.0-only
/*
 * LIST, PRIME_INFO and IMPORT_NO_MOVE with objects that the test itself makes in a
 * file of its own, of any DRM device: by importing a buffer of system memory, and by
 * making dumb ones. Nothing is shown, mapped or moved.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <xf86drm.h>

#include "device_env.h"
#include "drm_util.h"
#include "gem_env.h"

#define PAGES	3

FIXTURE(device) {
	struct gem_env env;
	int drm;
	uint64_t prime;		/* DRM_PRIME_CAP_* */
	struct drm_gem_ctl_prime_info_args info;
	struct drm_gem_ctl_entry entries[4];
};

DEVICE_VARIANTS

FIXTURE_SETUP(device)
{
	if (!variant->device.name[0])
		SKIP(return, "no DRM device of hardware in this machine");
	gem_env_setup(_metadata, &self->env);
	self->drm = device_open(&variant->device);
	ASSERT_GE(self->drm, 0) TH_LOG("%s: %s", variant->device.name,
				       strerror(-self->drm));
	ASSERT_EQ(0, drmGetCap(self->drm, DRM_CAP_PRIME, &self->prime));
	ASSERT_EQ(0, gem_count(self->env.dev, self->drm));
}

FIXTURE_TEARDOWN(device)
{
	gem_env_teardown(_metadata, &self->env);
}

static int list(FIXTURE_DATA(device) *self, int drm)
{
	uint32_t next;

	memset(self->entries, 0x5a, sizeof(self->entries));
	return gem_list(self->env.dev, drm, 0, self->entries, 4, &next);
}

static uint32_t class_of(FIXTURE_DATA(device) *self, int drm, int dmabuf)
{
	return gem_info(self->env.dev, drm, dmabuf, &self->info) ? ~0U :
	       self->info.out_class;
}

/* Nothing of the device's is in the list any more. */
static void system_only(struct __test_metadata *_metadata,
			FIXTURE_DATA(device) *self, int buf)
{
	EXPECT_EQ(0, list(self, self->drm));
	EXPECT_EQ(DRM_GEM_CTL_CLASS_SYSTEM_ONLY,
		  class_of(self, self->drm, buf));
	EXPECT_EQ(0, self->info.out_handle);
	EXPECT_EQ(inode_of(buf), self->info.out_ino);
	EXPECT_EQ(PAGES * GEM_PAGE, self->info.out_size);
	EXPECT_EQ(0, self->info.out_primary_major);
	EXPECT_STREQ("", self->info.out_driver);
	EXPECT_STREQ("memcg", self->info.out_exporter);
}

static void imported(struct __test_metadata *_metadata,
		     FIXTURE_DATA(device) *self, int buf, uint32_t handle)
{
	const uint32_t all = DRM_GEM_CTL_ENTRY_IMPORTED |
			     DRM_GEM_CTL_ENTRY_PRIME_CACHED;

	ASSERT_EQ(1, list(self, self->drm));
	EXPECT_EQ(handle, self->entries[0].handle);
	EXPECT_EQ(all, self->entries[0].flags & all);
	EXPECT_EQ(inode_of(buf), self->entries[0].dmabuf_ino);
	EXPECT_LE(PAGES * GEM_PAGE, self->entries[0].obj_size);
	EXPECT_EQ(1, self->entries[0].handle_count);
	EXPECT_EQ(DRM_GEM_CTL_CLASS_ALREADY, class_of(self, self->drm, buf));
	EXPECT_EQ(handle, self->info.out_handle);
	ASSERT_EQ(0, gem_close(self->drm, handle));
}

/* Drivers that import nothing differ in how they say so. */
static bool refuses_imports(FIXTURE_DATA(device) *self, int error)
{
	if (!(self->prime & DRM_PRIME_CAP_IMPORT))
		return error == -ENOSYS;
	return error == -ENODEV || error == -EINVAL || error == -EOPNOTSUPP;
}

TEST_F(device, imported)
{
	int buf = gem_memcg_heap(PAGES * GEM_PAGE), ret;
	uint32_t handle, class;

	ASSERT_GE(buf, 0);
	system_only(_metadata, self, buf);
	ret = gem_import(self->drm, buf, &handle);
	if (ret) {
		ASSERT_TRUE(refuses_imports(self, ret)) TH_LOG("%d", ret);
		ASSERT_EQ(ret, gem_import_no_move(self->env.dev, self->drm, buf,
						  NULL, &class));
		ASSERT_EQ(0, list(self, self->drm));
		SKIP(return, "the device imports no system memory: %s",
		     strerror(-ret));
	}
	imported(_metadata, self, buf, handle);
	system_only(_metadata, self, buf);
	ASSERT_EQ(0, gem_import_no_move(self->env.dev, self->drm, buf, &handle,
					&class));
	EXPECT_EQ(DRM_GEM_CTL_CLASS_SYSTEM_ONLY, class);
	imported(_metadata, self, buf, handle);
	system_only(_metadata, self, buf);
	close(buf);
}

/* @name: a node that libdrm knows of this device, or NULL; freed */
static void expect_node(struct __test_metadata *_metadata, char *name,
			uint32_t node_major, uint32_t node_minor)
{
	struct stat st = {};

	if (name)
		ASSERT_EQ(0, stat(name, &st)) TH_LOG("%s", name);
	EXPECT_EQ(major(st.st_rdev), node_major);
	EXPECT_EQ(minor(st.st_rdev), node_minor);
	free(name);
}

/* Whose it is: this device, by all its nodes, and nobody has a handle. */
static void expect_device(struct __test_metadata *_metadata,
			  FIXTURE_DATA(device) *self)
{
	drmVersionPtr version = drmGetVersion(self->drm);

	ASSERT_NE(NULL, version);
	EXPECT_EQ(0, strncmp(version->name, self->info.out_driver,
			     sizeof(self->info.out_driver) - 1));
	drmFreeVersion(version);
	expect_node(_metadata, drmGetPrimaryDeviceNameFromFd(self->drm),
		    self->info.out_primary_major, self->info.out_primary_minor);
	expect_node(_metadata, drmGetRenderDeviceNameFromFd(self->drm),
		    self->info.out_render_major, self->info.out_render_minor);
}

/* The dma-buf of @handle, which is entry @at of the file's list */
static void exported(struct __test_metadata *_metadata,
		     FIXTURE_DATA(device) *self, int primary, uint32_t handle,
		     int at)
{
	const uint32_t all = DRM_GEM_CTL_ENTRY_EXPORTED |
			     DRM_GEM_CTL_ENTRY_PRIME_CACHED;
	int fd = gem_export(primary, handle);

	if (!(self->prime & DRM_PRIME_CAP_EXPORT)) {
		EXPECT_EQ(-ENOSYS, fd);
		ASSERT_EQ(0, gem_close(primary, handle));
		return;
	}
	ASSERT_GE(fd, 0);
	ASSERT_EQ(2, list(self, primary));
	EXPECT_EQ(all, self->entries[at].flags & all);
	EXPECT_EQ(inode_of(fd), self->entries[at].dmabuf_ino);
	EXPECT_EQ(0, self->entries[!at].dmabuf_ino);
	EXPECT_EQ(DRM_GEM_CTL_CLASS_ALREADY, class_of(self, primary, fd));
	EXPECT_EQ(handle, self->info.out_handle);
	EXPECT_EQ(inode_of(fd), self->info.out_ino);
	expect_device(_metadata, self);
	/* For another file of the device, and when the handle is closed */
	EXPECT_EQ(DRM_GEM_CTL_CLASS_SAME_DEVICE, class_of(self, self->drm, fd));
	ASSERT_EQ(0, gem_close(primary, handle));
	EXPECT_EQ(DRM_GEM_CTL_CLASS_SAME_DEVICE, class_of(self, primary, fd));
	EXPECT_EQ(0, self->info.out_handle);
	expect_device(_metadata, self);
	close(fd);
}

TEST_F(device, dumb)
{
	bool render = drmGetNodeTypeFromFd(self->drm) == DRM_NODE_RENDER;
	int i, primary = device_open_primary(self->drm), ret;
	struct drm_mode_create_dumb args = {
		.width = GEM_PAGE / 4, .height = PAGES, .bpp = 32,
	};
	uint32_t handles[2];
	uint64_t cap = 0;

	ASSERT_GE(primary, 0);
	ASSERT_FALSE(drmIsMaster(primary));
	ASSERT_EQ(0, list(self, primary));
	drmGetCap(primary, DRM_CAP_DUMB_BUFFER, &cap);
	for (i = 0; i < 2; i++) {
		ret = gem_try(primary, DRM_IOCTL_MODE_CREATE_DUMB, &args);
		handles[i] = args.handle;
		if (ret)
			break;
	}
	if (ret) {
		ASSERT_EQ(0, cap);
		ASSERT_TRUE(ret == -ENOSYS || ret == -EOPNOTSUPP) {
			TH_LOG("%d", ret);
		}
		ASSERT_EQ(0, list(self, primary));
		SKIP(return, "the device makes no dumb buffers: %s",
		     strerror(-ret));
	}
	/* Not by a render node, which sees nothing of what others have. */
	if (render) {
		EXPECT_EQ(-EACCES, gem_try(self->drm, DRM_IOCTL_MODE_CREATE_DUMB,
					   &args));
	}
	EXPECT_EQ(0, list(self, self->drm));

	ASSERT_EQ(2, list(self, primary));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(handles[i], self->entries[i].handle);
		EXPECT_EQ(0, self->entries[i].flags &
			     DRM_GEM_CTL_ENTRY_IMPORTED);
		EXPECT_LE(PAGES * GEM_PAGE, self->entries[i].obj_size);
		EXPECT_EQ(1, self->entries[i].handle_count);
	}
	exported(_metadata, self, primary, handles[1], 1);
	ASSERT_EQ(1, list(self, primary));
	EXPECT_EQ(handles[0], self->entries[0].handle);
	ASSERT_EQ(0, gem_close(primary, handles[0]));
	EXPECT_EQ(0, list(self, primary));
}

TEST_HARNESS_MAIN
