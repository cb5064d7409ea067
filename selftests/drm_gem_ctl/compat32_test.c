// SPDX-License-Identifier: GPL-2.0-only
/*
 * 32-bit callers. The calls go through int 0x80, so that compat_ioctl is what runs,
 * with arguments and arrays in the low 4 GiB. Needs no 32-bit compiler.
 */
#include <string.h>

#include "compat32.h"
#include "gem_env.h"

struct low {
	union {
		struct drm_gem_ctl_caps caps;
		struct drm_gem_ctl_move_args move;
		struct drm_gem_ctl_list_args list;
		struct drm_gem_ctl_prime_info_args info;
		struct drm_gem_ctl_import_args import;
	};
	struct drm_gem_ctl_entry entries[8];
};

FIXTURE(compat32) {
	struct gem_env env;
	int drm, dmabuf;
	struct low *low;
};

FIXTURE_SETUP(compat32)
{
	gem_env_setup(_metadata, &self->env);
	if (!have_int80())
		SKIP(return, "the kernel takes no 32-bit calls");
	self->drm = gem_open_driver("vgem");
	if (gem_lacks(self->drm))
		SKIP(return, "no device of this driver");
	ASSERT_GE(self->drm, 0);
	ASSERT_EQ(1, gem_new(self->drm, 3));
	self->dmabuf = gem_export(self->drm, 1);
	ASSERT_GE(self->dmabuf, 0);
	self->low = mmap(NULL, GEM_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, self->low);
	ASSERT_EQ(0, (uintptr_t)self->low >> 32);
}

FIXTURE_TEARDOWN(compat32)
{
	gem_env_teardown(_metadata, &self->env);
}

TEST_F(compat32, caps)
{
	self->low->caps.size = sizeof(self->low->caps);
	ASSERT_EQ(0, try32(self->env.dev, DRM_GEM_CTL_IOC_CAPS, self->low));
	EXPECT_EQ(DRM_GEM_CTL_VERSION, self->low->caps.out_version);
	EXPECT_STREQ("amdgpu,vgem,virtio_gpu", self->low->caps.out_drivers);
	EXPECT_EQ(-ENOTTY, try32(self->env.dev, _IO(0xce, 0x50), self->low));
	EXPECT_EQ(-EFAULT, try32(self->env.dev, DRM_GEM_CTL_IOC_CAPS, NULL));
}

TEST_F(compat32, move)
{
	struct drm_gem_ctl_entry entry;

	self->low->move = (struct drm_gem_ctl_move_args) {
		.size = sizeof(self->low->move),
		.drm_fd = self->drm,
		.handle = 1,
		.new_handle = DRM_GEM_CTL_MAX_HANDLE,
	};
	ASSERT_EQ(0, try32(self->env.dev, DRM_GEM_CTL_IOC_MOVE, self->low));
	EXPECT_EQ(0, gem_entry(self->env.dev, self->drm,
			       DRM_GEM_CTL_MAX_HANDLE, &entry));
	EXPECT_EQ(-ENOENT, try32(self->env.dev, DRM_GEM_CTL_IOC_MOVE,
				 self->low));
}

TEST_F(compat32, list)
{
	self->low->list = (struct drm_gem_ctl_list_args) {
		.size = sizeof(self->low->list),
		.drm_fd = self->drm,
		.entries = (uintptr_t)self->low->entries,
		.count = 8,
		.entry_size = sizeof(self->low->entries[0]),
	};
	ASSERT_EQ(0, try32(self->env.dev, DRM_GEM_CTL_IOC_LIST, self->low));
	EXPECT_EQ(1, self->low->list.out_count);
	EXPECT_EQ(0, self->low->list.out_next);
	EXPECT_EQ(1, self->low->entries[0].handle);
	EXPECT_EQ(3 * GEM_PAGE, self->low->entries[0].obj_size);
	EXPECT_EQ(inode_of(self->dmabuf), self->low->entries[0].dmabuf_ino);
	/* All 64 bits of the pointer count. */
	self->low->list.entries |= 1ULL << 40;
	EXPECT_EQ(-EFAULT, try32(self->env.dev, DRM_GEM_CTL_IOC_LIST,
				 self->low));
}

TEST_F(compat32, prime_info)
{
	self->low->info = (struct drm_gem_ctl_prime_info_args) {
		.size = sizeof(self->low->info),
		.drm_fd = self->drm,
		.dmabuf_fd = self->dmabuf,
	};
	ASSERT_EQ(0, try32(self->env.dev, DRM_GEM_CTL_IOC_PRIME_INFO,
			   self->low));
	EXPECT_EQ(DRM_GEM_CTL_CLASS_ALREADY, self->low->info.out_class);
	EXPECT_EQ(1, self->low->info.out_handle);
	EXPECT_EQ(3 * GEM_PAGE, self->low->info.out_size);
	EXPECT_STREQ("vgem", self->low->info.out_driver);
}

TEST_F(compat32, import_no_move)
{
	self->low->import = (struct drm_gem_ctl_import_args) {
		.size = sizeof(self->low->import),
		.drm_fd = self->drm,
		.dmabuf_fd = self->dmabuf,
	};
	ASSERT_EQ(0, try32(self->env.dev, DRM_GEM_CTL_IOC_IMPORT_NO_MOVE,
			   self->low));
	EXPECT_EQ(1, self->low->import.out_handle);
	EXPECT_EQ(DRM_GEM_CTL_CLASS_ALREADY, self->low->import.out_class);
}

TEST_HARNESS_MAIN
