// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /dev/drm_gem says of a slice: it is nobody's that it knows, so it is not
 * imported, and nothing has been attached to find that out.
 */
#include <errno.h>
#include <fcntl.h>

#include "vfio_env.h"

#include "gem_util.h"

FIXTURE(slice) {
	struct vfio_env env;
	int dev, drm, fd;
};

FIXTURE_SETUP(slice)
{
	vfio_env_setup(_metadata, &self->env, VFIO_BOCHS, VFIO_OURS);
	self->dev = gem_ctl_open();
	ASSERT_GE(self->dev, 0);
	self->drm = gem_open_driver("vgem");
	ASSERT_GE(self->drm, 0);
	self->fd = vfio_export(&self->env.dev, 0, 0, 1UL << 20,
			       O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(slice)
{
	vfio_env_teardown(_metadata, &self->env);
}

TEST_F(slice, class)
{
	struct drm_gem_ctl_prime_info_args info;

	ASSERT_EQ(0, gem_info(self->dev, self->drm, self->fd, &info));
	EXPECT_EQ(DRM_GEM_CTL_CLASS_UNKNOWN, info.out_class);
	EXPECT_STREQ("vfio_pci_dmabuf", info.out_exporter);
	EXPECT_STREQ("", info.out_driver);
	EXPECT_EQ(0, info.out_primary_major);
	EXPECT_EQ(0, info.out_handle);
	EXPECT_EQ(1UL << 20, info.out_size);
	EXPECT_EQ(inode_of(self->fd), info.out_ino);
	EXPECT_EQ(0, dmabuf_attached(inode_of(self->fd)));
}

TEST_F(slice, is_not_imported)
{
	uint32_t handle, class;

	EXPECT_EQ(-EOPNOTSUPP, gem_import_no_move(self->dev, self->drm,
						  self->fd, &handle,
						  &class));
	EXPECT_EQ(DRM_GEM_CTL_CLASS_UNKNOWN, class);
	EXPECT_EQ(0, handle);
	EXPECT_EQ(0, gem_count(self->dev, self->drm));
	EXPECT_EQ(0, dmabuf_attached(inode_of(self->fd)));
}

TEST_HARNESS_MAIN
