// SPDX-License-Identifier: GPL-2.0-only
/* Numbers, sizes, and what all ioctls have in common. */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "gem_env.h"

/* Beginning of each struct, and room for more of it than there is */
union any {
	uint32_t size;
	struct drm_gem_ctl_caps caps;
	struct drm_gem_ctl_move_args move;
	struct drm_gem_ctl_list_args list;
	struct drm_gem_ctl_prime_info_args info;
	struct drm_gem_ctl_import_args import;
	char bytes[512];
};

static const struct {
	const char *name;
	unsigned long request;
	uint32_t size;
	bool has_flags;
} calls[] = {
	{ "CAPS", DRM_GEM_CTL_IOC_CAPS, 160, false },
	{ "MOVE", DRM_GEM_CTL_IOC_MOVE, 24, true },
	{ "LIST", DRM_GEM_CTL_IOC_LIST, 40, true },
	{ "PRIME_INFO", DRM_GEM_CTL_IOC_PRIME_INFO, 120, true },
	{ "IMPORT_NO_MOVE", DRM_GEM_CTL_IOC_IMPORT_NO_MOVE, 24, true },
};

FIXTURE(abi) {
	struct gem_env env;
	int drm, dmabuf;
	uint32_t handle;
};

FIXTURE_SETUP(abi)
{
	gem_env_setup(_metadata, &self->env);
	self->drm = gem_open_driver("vgem");
	if (gem_lacks(self->drm))
		SKIP(return, "no device of this driver");
	ASSERT_GE(self->drm, 0);
	self->handle = gem_new(self->drm, 1);
	ASSERT_NE(0, self->handle);
	self->dmabuf = gem_export(self->drm, self->handle);
	ASSERT_GE(self->dmabuf, 0);
}

FIXTURE_TEARDOWN(abi)
{
	gem_env_teardown(_metadata, &self->env);
}

/* Arguments that work, of the size that this test knows */
static void fill(FIXTURE_DATA(abi) *self, union any *any, size_t i)
{
	memset(any, 0, sizeof(*any));
	any->size = calls[i].size;
	switch (calls[i].request) {
	case DRM_GEM_CTL_IOC_MOVE:
		any->move.drm_fd = self->drm;
		any->move.handle = self->handle;
		any->move.new_handle = self->handle;
		break;
	case DRM_GEM_CTL_IOC_LIST:
		any->list.drm_fd = self->drm;
		any->list.entry_size = sizeof(struct drm_gem_ctl_entry);
		break;
	case DRM_GEM_CTL_IOC_PRIME_INFO:
		any->info.drm_fd = self->drm;
		any->info.dmabuf_fd = self->dmabuf;
		break;
	case DRM_GEM_CTL_IOC_IMPORT_NO_MOVE:
		any->import.drm_fd = self->drm;
		any->import.dmabuf_fd = self->dmabuf;
		break;
	}
}

TEST_F(abi, numbers)
{
	EXPECT_EQ(0xce80, DRM_GEM_CTL_IOC_CAPS);
	EXPECT_EQ(0xce81, DRM_GEM_CTL_IOC_MOVE);
	EXPECT_EQ(0xce82, DRM_GEM_CTL_IOC_LIST);
	EXPECT_EQ(0xce83, DRM_GEM_CTL_IOC_PRIME_INFO);
	EXPECT_EQ(0xce84, DRM_GEM_CTL_IOC_IMPORT_NO_MOVE);
	EXPECT_EQ(160, sizeof(struct drm_gem_ctl_caps));
	EXPECT_EQ(24, sizeof(struct drm_gem_ctl_move_args));
	EXPECT_EQ(32, sizeof(struct drm_gem_ctl_entry));
	EXPECT_EQ(40, sizeof(struct drm_gem_ctl_list_args));
	EXPECT_EQ(120, sizeof(struct drm_gem_ctl_prime_info_args));
	EXPECT_EQ(24, sizeof(struct drm_gem_ctl_import_args));
}

TEST_F(abi, node)
{
	struct stat st;

	ASSERT_EQ(0, stat(GEM_NODE, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0666, st.st_mode & 0777);
	EXPECT_EQ(0, st.st_uid);
}

TEST_F(abi, unknown_ioctls)
{
	char arg[256] = {};
	unsigned int nr;

	for (nr = 0; nr < 256; nr++) {
		if (nr >= 0x80 && nr <= 0x84)
			continue;
		EXPECT_EQ(-ENOTTY, gem_try(self->env.dev, _IO(0xce, nr), arg));
	}
	/* the whole number counts */
	EXPECT_EQ(-ENOTTY, gem_try(self->env.dev, _IOWR(0xce, 0x80, arg), arg));
	EXPECT_EQ(-ENOTTY, gem_try(self->env.dev, _IO(0xcd, 0x80), arg));
}

TEST_F(abi, caps)
{
	struct drm_gem_ctl_caps caps;

	ASSERT_EQ(0, gem_caps(self->env.dev, &caps));
	EXPECT_EQ(sizeof(caps), caps.size);
	EXPECT_EQ(DRM_GEM_CTL_VERSION, caps.out_version);
	EXPECT_EQ(DRM_GEM_CTL_FEATURE_MOVE | DRM_GEM_CTL_FEATURE_LIST |
		  DRM_GEM_CTL_FEATURE_PRIME_INFO |
		  DRM_GEM_CTL_FEATURE_IMPORT_NO_MOVE |
		  (kernel_at_least(6, 5) ? DRM_GEM_CTL_FEATURE_STATUS : 0),
		  caps.out_features);
	EXPECT_EQ(sizeof(struct drm_gem_ctl_entry), caps.out_entry_size);
	EXPECT_EQ(DRM_GEM_CTL_MAX_ENTRIES, caps.out_max_entries);
	EXPECT_EQ(DRM_GEM_CTL_MAX_HANDLE, caps.out_max_handle);
	EXPECT_EQ(0, caps.out_reserved);
	EXPECT_STREQ("amdgpu,vgem,virtio_gpu", caps.out_drivers);
}

/* Each call works with its struct as it is now, and longer ones if zero. */
TEST_F(abi, sizes)
{
	union any any;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		fill(self, &any, i);
		EXPECT_EQ(0, gem_try(self->env.dev, calls[i].request, &any))
			TH_LOG("%s", calls[i].name);
		fill(self, &any, i);
		any.size = sizeof(any);
		EXPECT_EQ(0, gem_try(self->env.dev, calls[i].request, &any))
			TH_LOG("%s", calls[i].name);
		fill(self, &any, i);
		any.size = sizeof(any);
		any.bytes[sizeof(any) - 1] = 1;
		EXPECT_EQ(-E2BIG, gem_try(self->env.dev, calls[i].request,
					  &any)) TH_LOG("%s", calls[i].name);
		fill(self, &any, i);
		any.size = 4097;
		EXPECT_EQ(-E2BIG, gem_try(self->env.dev, calls[i].request,
					  &any)) TH_LOG("%s", calls[i].name);
		fill(self, &any, i);
		any.size--;
		EXPECT_EQ(-EINVAL, gem_try(self->env.dev, calls[i].request,
					   &any)) TH_LOG("%s", calls[i].name);
		any.size = 0;
		EXPECT_EQ(-EINVAL, gem_try(self->env.dev, calls[i].request,
					   &any)) TH_LOG("%s", calls[i].name);
	}
}

/* No flag is known. flags come right after size everywhere. */
TEST_F(abi, flags)
{
	union any any;
	size_t i;
	int bit;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		for (bit = 0; bit < 32 && calls[i].has_flags; bit++) {
			fill(self, &any, i);
			any.move.flags = 1U << bit;
			EXPECT_EQ(-EINVAL, gem_try(self->env.dev,
						   calls[i].request, &any))
				TH_LOG("%s, bit %d", calls[i].name, bit);
		}
	}
	fill(self, &any, 1);
	any.move.pad = 1;
	EXPECT_EQ(-EINVAL, gem_try(self->env.dev, DRM_GEM_CTL_IOC_MOVE, &any));
}

/* An address that cannot be read, and one that cannot be written */
TEST_F(abi, faults)
{
	union any any, *page;
	size_t i;

	page = mmap(NULL, GEM_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		EXPECT_EQ(-EFAULT, gem_try(self->env.dev, calls[i].request,
					   NULL)) TH_LOG("%s", calls[i].name);
		EXPECT_EQ(-EFAULT, gem_try(self->env.dev, calls[i].request,
					   (void *)8)) TH_LOG("%s", calls[i].name);
		fill(self, &any, i);
		memcpy(page, &any, sizeof(any));
		ASSERT_EQ(0, mprotect(page, GEM_PAGE, PROT_READ));
		/* MOVE answers nothing. */
		EXPECT_EQ(calls[i].request == DRM_GEM_CTL_IOC_MOVE ?
			  0 : -EFAULT,
			  gem_try(self->env.dev, calls[i].request, page))
			TH_LOG("%s", calls[i].name);
		ASSERT_EQ(0, mprotect(page, GEM_PAGE, PROT_READ | PROT_WRITE));
	}
}

/* Nothing beyond the size that the caller has told is written. */
TEST_F(abi, writes_no_further)
{
	union any any;
	size_t i, at;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		fill(self, &any, i);
		memset(any.bytes + calls[i].size, 0x5a,
		       sizeof(any) - calls[i].size);
		EXPECT_EQ(0, gem_try(self->env.dev, calls[i].request, &any));
		for (at = calls[i].size; at < sizeof(any); at++)
			ASSERT_EQ(0x5a, any.bytes[at])
				TH_LOG("%s, byte %zu", calls[i].name, at);
	}
}

TEST_HARNESS_MAIN
