// SPDX-License-Identifier: GPL-2.0-only
/* MOVE within one file: what changes, and what does not. */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "gem_env.h"

#define PAGES	3

FIXTURE(move) {
	struct gem_env env;
	int drm;
	uint32_t handle;
	uint32_t *map;
};

FIXTURE_VARIANT(move) {
	const char *driver;
};

FIXTURE_VARIANT_ADD(move, vgem) { .driver = "vgem" };
FIXTURE_VARIANT_ADD(move, virtio_gpu) { .driver = "virtio_gpu" };

FIXTURE_SETUP(move)
{
	gem_env_setup(_metadata, &self->env);
	self->drm = gem_open_driver(variant->driver);
	if (gem_lacks(self->drm))
		SKIP(return, "no device of this driver");
	ASSERT_GE(self->drm, 0);
	ASSERT_EQ(0, gem_count(self->env.dev, self->drm));
	self->handle = gem_new(self->drm, PAGES);
	ASSERT_EQ(1, self->handle);
	self->map = gem_map(self->drm, self->handle, PAGES);
	ASSERT_NE(NULL, self->map);
	*self->map = 0x11111111;
}

FIXTURE_TEARDOWN(move)
{
	munmap(self->map, PAGES * GEM_PAGE);
	gem_env_teardown(_metadata, &self->env);
}

/* The object at @handle is this test's: it shows what the mapping shows. */
static bool is_ours(FIXTURE_DATA(move) *self, uint32_t handle)
{
	uint32_t *map = gem_map(self->drm, handle, PAGES), value;
	static uint32_t stamp = 0x22222222;
	bool same;

	if (!map)
		return false;
	value = *map;
	*self->map = ++stamp;
	same = *map == stamp;
	munmap(map, PAGES * GEM_PAGE);
	*self->map = value;
	return same;
}

TEST_F(move, there)
{
	struct drm_gem_ctl_entry before, after;

	ASSERT_EQ(0, gem_entry(self->env.dev, self->drm, 1, &before));
	ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 1, 1000));
	EXPECT_TRUE(is_ours(self, 1000));
	EXPECT_EQ(1, gem_count(self->env.dev, self->drm));
	EXPECT_EQ(-ENOENT, gem_entry(self->env.dev, self->drm, 1, &after));
	ASSERT_EQ(0, gem_entry(self->env.dev, self->drm, 1000, &after));
	EXPECT_EQ(1000, after.handle);
	after.handle = before.handle;
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	/* The old number is nobody's, for every other call too. */
	EXPECT_EQ(0, gem_offset(self->drm, 1));
	EXPECT_EQ(-EINVAL, gem_close(self->drm, 1));
	EXPECT_EQ(-ENOENT, gem_export(self->drm, 1));
	EXPECT_EQ(0, gem_close(self->drm, 1000));
	EXPECT_EQ(0, gem_count(self->env.dev, self->drm));
}

TEST_F(move, and_back)
{
	ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 1, 5));
	ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 5, 1));
	EXPECT_TRUE(is_ours(self, 1));
	EXPECT_EQ(-EINVAL, gem_close(self->drm, 5));
}

TEST_F(move, to_itself)
{
	EXPECT_EQ(0, gem_move(self->env.dev, self->drm, 1, 1));
	EXPECT_TRUE(is_ours(self, 1));
	EXPECT_EQ(1, gem_count(self->env.dev, self->drm));
}

TEST_F(move, to_the_ends)
{
	ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 1,
			      DRM_GEM_CTL_MAX_HANDLE));
	EXPECT_TRUE(is_ours(self, DRM_GEM_CTL_MAX_HANDLE));
	EXPECT_EQ(1, gem_count(self->env.dev, self->drm));
	ASSERT_EQ(0, gem_move(self->env.dev, self->drm, DRM_GEM_CTL_MAX_HANDLE,
			      1));
	EXPECT_TRUE(is_ours(self, 1));
}

/* The old number is free: the next object gets it, as the lowest one. */
TEST_F(move, frees_the_number)
{
	ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 1, 7));
	EXPECT_EQ(1, gem_new(self->drm, 1));
	EXPECT_FALSE(is_ours(self, 1));
	EXPECT_TRUE(is_ours(self, 7));
	/* And the new one is taken. */
	EXPECT_EQ(-EEXIST, gem_move(self->env.dev, self->drm, 1, 7));
	EXPECT_TRUE(is_ours(self, 7));
	EXPECT_EQ(2, gem_count(self->env.dev, self->drm));
}

/* Two that change places, by way of a third number */
TEST_F(move, swap)
{
	uint32_t other = gem_new(self->drm, PAGES);

	ASSERT_EQ(2, other);
	ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 1, 3));
	ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 2, 1));
	ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 3, 2));
	EXPECT_FALSE(is_ours(self, 1));
	EXPECT_TRUE(is_ours(self, 2));
}

/* What is mapped stays mapped, and new mappings are at the same offset. */
TEST_F(move, with_live_mappings)
{
	uint64_t offset = gem_offset(self->drm, 1);
	uint32_t *late;
	int i;

	for (i = 0; i < PAGES; i++)
		self->map[i * GEM_PAGE / 4] = 0xab00 + i;
	ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 1, 99));
	EXPECT_EQ(offset, gem_offset(self->drm, 99));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(0xab00 + i, self->map[i * GEM_PAGE / 4]);
	/* By the offset that was told under the old number */
	late = mmap(NULL, PAGES * GEM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		    self->drm, offset);
	ASSERT_NE(MAP_FAILED, late);
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(0xab00 + i, late[i * GEM_PAGE / 4]);
	munmap(late, PAGES * GEM_PAGE);
	/* The mapping keeps the object beyond its handle. */
	ASSERT_EQ(0, gem_close(self->drm, 99));
	EXPECT_EQ(0xab00, *self->map);
}

/* A global name stays, and leads to the object. */
TEST_F(move, keeps_the_name)
{
	struct drm_gem_ctl_entry entry;
	uint32_t name, again, second;

	ASSERT_EQ(0, gem_flink(self->drm, 1, &name));
	ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 1, 12));
	ASSERT_EQ(0, gem_entry(self->env.dev, self->drm, 12, &entry));
	EXPECT_TRUE(entry.flags & DRM_GEM_CTL_ENTRY_NAMED);
	ASSERT_EQ(0, gem_flink(self->drm, 12, &again));
	EXPECT_EQ(name, again);
	ASSERT_EQ(0, gem_open_name(self->drm, name, &second));
	EXPECT_TRUE(is_ours(self, second));
	ASSERT_EQ(0, gem_entry(self->env.dev, self->drm, 12, &entry));
	EXPECT_EQ(2, entry.handle_count);
}

/* Many, with the table growing and shrinking */
TEST_F(move, thousands)
{
	uint32_t handle = 1, i, next;

	for (i = 0; i < 2000; i++) {
		next = 2 + (i * 7919U) % 100000;
		if (next == handle)
			continue;
		ASSERT_EQ(0, gem_move(self->env.dev, self->drm, handle, next));
		handle = next;
	}
	EXPECT_TRUE(is_ours(self, handle));
	EXPECT_EQ(1, gem_count(self->env.dev, self->drm));
}

struct racer {
	FIXTURE_DATA(move) *self;
	pthread_barrier_t *barrier;
	uint32_t from;
	int ret;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(r->barrier);
	r->ret = gem_move(r->self->env.dev, r->self->drm, r->from, 500);
	return NULL;
}

/* Two for one number: one of them gets it, and the other stays where it is. */
TEST_F(move, race_for_a_number)
{
	struct racer r[2];
	pthread_barrier_t barrier;
	pthread_t threads[2];
	int round, i, winner, rounds = kernel_rounds(200);
	uint32_t other = gem_new(self->drm, 1);

	ASSERT_EQ(2, other);
	pthread_barrier_init(&barrier, NULL, 2);
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < 2; i++) {
			r[i] = (struct racer) { self, &barrier, 1 + i, 0 };
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, race,
						    &r[i]));
		}
		for (i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		winner = r[0].ret ? 1 : 0;
		ASSERT_EQ(0, r[winner].ret);
		ASSERT_EQ(-EEXIST, r[!winner].ret);
		ASSERT_EQ(2, gem_count(self->env.dev, self->drm));
		ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 500,
				      1 + winner));
		ASSERT_TRUE(is_ours(self, 1));
	}
}

/* One for two numbers: it has one of them at the end. */
static void *race_away(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(r->barrier);
	r->ret = gem_move(r->self->env.dev, r->self->drm, 1, r->from);
	return NULL;
}

TEST_F(move, race_for_an_object)
{
	struct racer r[2];
	pthread_barrier_t barrier;
	pthread_t threads[2];
	int round, i, winner, rounds = kernel_rounds(200);

	pthread_barrier_init(&barrier, NULL, 2);
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < 2; i++) {
			r[i] = (struct racer) { self, &barrier, 600 + i, 0 };
			ASSERT_EQ(0, pthread_create(&threads[i], NULL,
						    race_away, &r[i]));
		}
		for (i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		winner = r[0].ret ? 1 : 0;
		ASSERT_EQ(0, r[winner].ret);
		ASSERT_EQ(-ENOENT, r[!winner].ret);
		ASSERT_EQ(1, gem_count(self->env.dev, self->drm));
		ASSERT_EQ(0, gem_move(self->env.dev, self->drm, 600 + winner,
				      1));
		ASSERT_TRUE(is_ours(self, 1));
	}
}

TEST_HARNESS_MAIN
