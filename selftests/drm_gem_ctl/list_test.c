// SPDX-License-Identifier: GPL-2.0-only
/* LIST: pages, order, what entries say, entries of other sizes. */
#include <stdlib.h>
#include <string.h>

#include "gem_env.h"

#define MAX	DRM_GEM_CTL_MAX_ENTRIES

FIXTURE(list) {
	struct gem_env env;
	int drm;
	struct drm_gem_ctl_entry entries[MAX + 8];
};

FIXTURE_SETUP(list)
{
	gem_env_setup(_metadata, &self->env);
	self->drm = gem_open_driver("vgem");
	if (gem_lacks(self->drm))
		SKIP(return, "no device of this driver");
	ASSERT_GE(self->drm, 0);
	memset(self->entries, 0x5a, sizeof(self->entries));
}

FIXTURE_TEARDOWN(list)
{
	gem_env_teardown(_metadata, &self->env);
}

static int list(FIXTURE_DATA(list) *self, uint32_t first, uint32_t count,
		uint32_t *next)
{
	return gem_list(self->env.dev, self->drm, first, self->entries, count,
			next);
}

TEST_F(list, nothing)
{
	uint32_t next;

	EXPECT_EQ(0, list(self, 0, MAX, &next));
	EXPECT_EQ(0, next);
	EXPECT_EQ(0x5a5a5a5a, self->entries[0].handle);
	EXPECT_EQ(0, list(self, 0, 0, &next));
	EXPECT_EQ(0, next);
}

TEST_F(list, one)
{
	uint32_t next;

	ASSERT_EQ(1, gem_new(self->drm, 5));
	ASSERT_EQ(1, list(self, 0, MAX, &next));
	EXPECT_EQ(0, next);
	EXPECT_EQ(1, self->entries[0].handle);
	EXPECT_EQ(5 * GEM_PAGE, self->entries[0].obj_size);
	EXPECT_EQ(0, self->entries[0].dmabuf_ino);
	EXPECT_EQ(1, self->entries[0].handle_count);
	EXPECT_EQ(0, self->entries[0].pad);
	EXPECT_EQ(DRM_GEM_CTL_ENTRY_SYSTEM_ONLY, self->entries[0].flags);
	EXPECT_EQ(0x5a5a5a5a, self->entries[1].handle);
	EXPECT_EQ(1, list(self, 1, MAX, NULL));
	EXPECT_EQ(0, list(self, 2, MAX, NULL));
}

/* With room for nothing it still says where to go on. */
TEST_F(list, no_room)
{
	uint32_t next;

	ASSERT_EQ(1, gem_new(self->drm, 1));
	ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 1, 40));
	EXPECT_EQ(0, list(self, 0, 0, &next));
	EXPECT_EQ(40, next);
	EXPECT_EQ(0, list(self, 40, 0, &next));
	EXPECT_EQ(40, next);
	EXPECT_EQ(0, list(self, 41, 0, &next));
	EXPECT_EQ(0, next);
	EXPECT_EQ(0x5a5a5a5a, self->entries[0].handle);
}

TEST_F(list, pages)
{
	uint32_t next, first, n = 0, want = 1;
	int i, ret, pages = 0;

	for (i = 1; i <= 1100; i++)
		ASSERT_EQ(i, gem_new(self->drm, 1));
	/* more room than it uses */
	EXPECT_EQ(MAX, list(self, 0, MAX + 8, &next));
	EXPECT_EQ(MAX + 1, next);
	EXPECT_EQ(0x5a5a5a5a, self->entries[MAX].handle);
	EXPECT_EQ(MAX, list(self, 0, 0xffffffff, NULL));
	for (first = 0;; first = next) {
		ret = list(self, first, 100, &next);
		ASSERT_LE(0, ret);
		for (i = 0; i < ret; i++)
			ASSERT_EQ(want++, self->entries[i].handle);
		n += ret;
		pages++;
		if (!next)
			break;
		ASSERT_EQ(want, next);
	}
	EXPECT_EQ(1100, n);
	EXPECT_EQ(11, pages);
}

/* Holes, and handles at both ends */
TEST_F(list, sparse)
{
	static const uint32_t at[] = { 3, 64, 65, 4096, 1000000,
				       DRM_GEM_CTL_MAX_HANDLE };
	uint32_t next;
	size_t i;

	for (i = 0; i < 6; i++) {
		ASSERT_EQ(1, gem_new(self->drm, i + 1));
		ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 1, at[i]));
	}
	ASSERT_EQ(6, list(self, 0, 6, &next));
	EXPECT_EQ(0, next);
	for (i = 0; i < 6; i++) {
		EXPECT_EQ(at[i], self->entries[i].handle);
		EXPECT_EQ((i + 1) * GEM_PAGE, self->entries[i].obj_size);
	}
	ASSERT_EQ(3, list(self, 0, 3, &next));
	EXPECT_EQ(4096, next);
	ASSERT_EQ(2, list(self, 66, 2, &next));
	EXPECT_EQ(4096, self->entries[0].handle);
	EXPECT_EQ(DRM_GEM_CTL_MAX_HANDLE, next);
	EXPECT_EQ(1, list(self, DRM_GEM_CTL_MAX_HANDLE, 2, NULL));
	EXPECT_EQ(0, list(self, 0x7fffffff, 2, &next));
	EXPECT_EQ(0, next);
	EXPECT_EQ(0, list(self, 0xffffffff, 2, NULL));
}

/* The next one has gone meanwhile: the one after it comes. */
TEST_F(list, goes_on_behind_a_hole)
{
	uint32_t next;
	int i;

	for (i = 1; i <= 5; i++)
		ASSERT_EQ(i, gem_new(self->drm, 1));
	ASSERT_EQ(2, list(self, 0, 2, &next));
	ASSERT_EQ(3, next);
	ASSERT_EQ(0, gem_close(self->drm, 3));
	ASSERT_EQ(2, list(self, next, 2, &next));
	EXPECT_EQ(4, self->entries[0].handle);
	EXPECT_EQ(0, next);
}

TEST_F(list, flags)
{
	int fd, virtio = gem_open_driver("virtio_gpu");
	uint32_t name, imported, handle;

	if (gem_lacks(virtio))
		SKIP(return, "no device of this driver");
	ASSERT_GE(virtio, 0);
	/* 1: exported, 2: named, 3: nothing, 4: imported */
	for (handle = 1; handle <= 3; handle++)
		ASSERT_EQ(handle, gem_new(self->drm, 1));
	fd = gem_export(self->drm, 1);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, gem_flink(self->drm, 2, &name));
	handle = gem_new(virtio, 1);
	close(fd);
	fd = gem_export(virtio, handle);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, gem_import(self->drm, fd, &imported));
	ASSERT_EQ(4, imported);

	ASSERT_EQ(4, list(self, 0, MAX, NULL));
	EXPECT_EQ(DRM_GEM_CTL_ENTRY_EXPORTED | DRM_GEM_CTL_ENTRY_PRIME_CACHED |
		  DRM_GEM_CTL_ENTRY_SYSTEM_ONLY, self->entries[0].flags);
	EXPECT_NE(0, self->entries[0].dmabuf_ino);
	EXPECT_EQ(DRM_GEM_CTL_ENTRY_NAMED | DRM_GEM_CTL_ENTRY_SYSTEM_ONLY,
		  self->entries[1].flags);
	EXPECT_EQ(DRM_GEM_CTL_ENTRY_SYSTEM_ONLY, self->entries[2].flags);
	/* Whose memory it is, is not this driver's to say. */
	EXPECT_EQ(DRM_GEM_CTL_ENTRY_IMPORTED | DRM_GEM_CTL_ENTRY_PRIME_CACHED,
		  self->entries[3].flags);
	EXPECT_EQ(inode_of(fd), self->entries[3].dmabuf_ino);
	close(fd);
	close(virtio);
}

/* What a driver says of its objects; the test's goes by their size. */
TEST_F(list, status)
{
	static const uint32_t want[4] = {
		DRM_GEM_CTL_ENTRY_RESIDENT, DRM_GEM_CTL_ENTRY_PURGEABLE,
		DRM_GEM_CTL_ENTRY_RESIDENT | DRM_GEM_CTL_ENTRY_PURGEABLE, 0,
	};
	int i, drm = gem_open_driver("bufsync_gem");

	ASSERT_GE(drm, 0);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(i + 1, gem_new(drm, i + 1));
	ASSERT_EQ(4, gem_list(self->env.dev, drm, 0, self->entries, 8, NULL));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(kernel_at_least(6, 5) ?
			  want[i] | DRM_GEM_CTL_ENTRY_STATUS : 0,
			  self->entries[i].flags) TH_LOG("%d", i);
	close(drm);
}

/* Callers that know less of an entry, and such that know more */
TEST_F(list, other_entry_sizes)
{
	static const uint32_t sizes[] = { 16, 24, 32, 40, 64, 4096 };
	struct drm_gem_ctl_list_args args;
	char *room = malloc(3 * 4096 + 16);
	uint32_t i, j, known;

	ASSERT_NE(NULL, room);
	for (i = 1; i <= 3; i++)
		ASSERT_EQ(i, gem_new(self->drm, i));
	ASSERT_EQ(3, list(self, 0, 3, NULL));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(room, 0x5a, 3 * 4096 + 16);
		args = (struct drm_gem_ctl_list_args) {
			.size = sizeof(args),
			.drm_fd = self->drm,
			.entries = (uintptr_t)room,
			.count = 3,
			.entry_size = sizes[i],
		};
		ASSERT_EQ(0, gem_try(self->env.dev, DRM_GEM_CTL_IOC_LIST,
				     &args));
		EXPECT_EQ(3, args.out_count);
		known = sizes[i] < 32 ? sizes[i] : 32;
		for (j = 0; j < 3; j++) {
			EXPECT_EQ(0, memcmp(&self->entries[j],
					    room + j * sizes[i], known));
			for (; known < sizes[i] && known < 4096; known++)
				EXPECT_EQ(0, room[j * sizes[i] + known]);
			known = sizes[i] < 32 ? sizes[i] : 32;
		}
		EXPECT_EQ(0x5a, room[3 * sizes[i]]);
	}
	free(room);
}

TEST_HARNESS_MAIN
