// SPDX-License-Identifier: GPL-2.0-only
/*
 * bar_mmap=dmabuf: what happens to a device happens to mappings of its fd as it
 * does to slices. A reset, whoever asks for it, takes all entries away, and
 * accesses wait for its end; while the device sleeps they give SIGBUS.
 */
#include "bar_env.h"
#include "events.h"

#define SEED	0x01000000U
#define AGAIN	0x02000000U

/* Two mappings, at an address where huge pages fit and at one where none do */
struct pair {
	uint32_t *a, *b;
	size_t pages;
	size_t keep;	/* of them, from the first, keep what is written */
};

static int pair_open(struct pair *pair, const struct vfio_dev *dev, int bar,
		     size_t pages, size_t keep)
{
	size_t size = pages * PAGE;

	pair->pages = pages;
	pair->keep = keep;
	pair->a = bar_map_aligned(dev, bar, 0, size, HUGE);
	pair->b = bar_map_aligned(dev, bar, 0, size, PAGE);
	if (pair->a == MAP_FAILED || pair->b == MAP_FAILED)
		return -errno;
	return fill(pair->a, keep, SEED) && !touch(pair->a, pages) &&
	       !touch(pair->b, pages) && !differ(pair->b, keep, SEED) ? 0 : -EIO;
}

/* Is everything there, and what is written by the one read by the other? */
static bool pair_works(struct pair *pair)
{
	bool works = !touch(pair->a, pair->pages) &&
		     !touch(pair->b, pair->pages);

	works = works && fill(pair->a, pair->keep, AGAIN) &&
		!differ(pair->b, pair->keep, AGAIN);
	return works && fill(pair->b, pair->keep, SEED) &&
	       !differ(pair->a, pair->keep, SEED);
}

static uint64_t all_faults_of(const struct vfio_dev *dev)
{
	return info_of(dev, -1).out_faults;
}

/*
 * How many faults it takes to touch both, at least. Now and then it is one more,
 * on a machine that is busy, so the smaller one of two numbers is right.
 */
static uint64_t pair_faults(struct pair *pair, const struct vfio_dev *dev)
{
	uint64_t first = all_faults_of(dev), second;

	if (vfio_memory_enable(dev, false) || vfio_memory_enable(dev, true) ||
	    touch(pair->a, pair->pages) || touch(pair->b, pair->pages))
		return 0;
	second = all_faults_of(dev) - first;
	return second < first ? second : first;
}

FIXTURE(reset) {
	struct stage s;
	struct vfio_dev *dev;
	struct pair pair;
	struct view slice;
	uint64_t zaps, waits;
	uint64_t faults;	/* to touch the pair */
};

FIXTURE_VARIANT(reset) {
	enum vfio_role role;
	int bar;
	size_t pages, keep;	/* 0: GPU_PAGES */
	bool keeps;	/* contents, over a reset */
	const char *sibling;	/* its driver, which does it; or NULL */
	int (*reset)(const struct vfio_dev *dev);
};

FIXTURE_VARIANT_ADD(reset, hot) {
	VFIO_MEMORY, 2, 1024, 1024, true, NULL, vfio_hot_reset
};

FIXTURE_VARIANT_ADD(reset, hot_by_stock_sibling) {
	VFIO_BOCHS, 0, 1024, 1024, true, VFIO_STOCK, vfio_hot_reset
};

FIXTURE_VARIANT_ADD(reset, hot_by_our_sibling) {
	VFIO_BOCHS, 0, 1024, 1024, true, VFIO_OURS, vfio_hot_reset
};

FIXTURE_VARIANT_ADD(reset, flr_by_config) {
	VFIO_GPU, 4, 0, 1, false, NULL, vfio_flr_by_config
};

FIXTURE_VARIANT_ADD(reset, flr) {
	VFIO_GPU, 4, 0, 1, false, NULL, vfio_reset
};

FIXTURE_VARIANT_ADD(reset, by_sysfs) {
	VFIO_MEMORY, 2, 1024, 1024, true, NULL, sysfs_reset
};

FIXTURE_SETUP(reset)
{
	ASSERT_EQ(0, bar_mmap_load());
	self->dev = &self->s.env.dev;
	vfio_env_setup(_metadata, &self->s.env, variant->role, VFIO_OURS);
	ASSERT_EQ(0, variant->sibling ?
		  sibling_open(&self->s, variant->sibling) : 0);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	ASSERT_EQ(0, pair_open(&self->pair, self->dev, variant->bar,
			       variant->pages ?: GPU_PAGES, variant->keep));
	self->faults = pair_faults(&self->pair, self->dev);
	ASSERT_LT(1, self->faults);
	ASSERT_EQ(0, view_open(&self->slice, self->dev, variant->bar, 0, PAGE,
			       PAGE));
	ASSERT_EQ(0, differ(self->slice.p, 1, SEED));
	self->zaps = zaps_of(self->dev);
	self->waits = info_of(self->dev, -1).out_waits;
}

FIXTURE_TEARDOWN(reset)
{
	stage_teardown(_metadata, &self->s);
}

/* By the device itself, or by the one beside it */
static int reset_it(FIXTURE_DATA(reset) *self,
		    const FIXTURE_VARIANT(reset) *variant)
{
	return variant->reset(variant->sibling ? &self->s.second : self->dev);
}

TEST_F(reset, takes_all_entries)
{
	struct pair *pair = &self->pair;
	uint64_t before;
	int i;

	for (i = 1; i <= 3; i++) {
		before = all_faults_of(self->dev);
		ASSERT_EQ(0, reset_it(self, variant));
		EXPECT_LE(self->zaps + i, zaps_of(self->dev));
		EXPECT_EQ(before, all_faults_of(self->dev));
		EXPECT_EQ(0, touch(pair->a, pair->pages));
		EXPECT_EQ(0, touch(pair->b, pair->pages));
		EXPECT_EQ(0, touch(self->slice.p, 1));
		EXPECT_LE(before + self->faults + 1, all_faults_of(self->dev))
			TH_LOG("an entry has survived");
		if (variant->keeps) {
			EXPECT_EQ(0, differ(pair->a, pair->keep, SEED));
			EXPECT_EQ(0, differ(pair->b, pair->keep, SEED));
			EXPECT_EQ(0, differ(self->slice.p, 1, SEED));
		}
		EXPECT_TRUE(pair_works(pair));
	}
}

/* Whoever touches it all the time waits, and sees only what is there. */
TEST_F(reset, touched_meanwhile)
{
	uint32_t seed = variant->keeps ? SEED : 0;
	struct pair *pair = &self->pair;
	static struct toucher t[3];
	int64_t end = in_ms(60000);
	int i, resets;

	ASSERT_EQ(0, stage_touch(&self->s, &t[0], pair->a, pair->pages, seed));
	ASSERT_EQ(0, stage_touch(&self->s, &t[1], pair->b, pair->pages, seed));
	ASSERT_EQ(0, stage_touch(&self->s, &t[2], self->slice.p, 1, seed));
	for (resets = 0; now_ns() < end; resets++) {
		if (resets >= 6 &&
		    info_of(self->dev, -1).out_waits > self->waits)
			break;
		/* No fault of these holds a lock that a reset only tries. */
		ASSERT_EQ(0, reset_it(self, variant));
		for (i = 0; i < 3; i++)
			EXPECT_TRUE(toucher_moves(&t[i]));
	}
	stage_stop(&self->s);
	EXPECT_LE(self->zaps + resets, zaps_of(self->dev));
	EXPECT_LT(self->waits, info_of(self->dev, -1).out_waits);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, t[i].bus) TH_LOG("mapping %d", i);
		EXPECT_EQ(0, t[i].wrong) TH_LOG("mapping %d", i);
	}
	EXPECT_TRUE(pair_works(pair));
}

/* Memory that was off before is off afterwards. */
TEST_F(reset, while_memory_is_off)
{
	uint64_t before = all_faults_of(self->dev);
	struct pair *pair = &self->pair;

	ASSERT_EQ(0, vfio_memory_enable(self->dev, false));
	ASSERT_EQ(0, reset_it(self, variant));
	EXPECT_EQ(pair->pages, touch(pair->a, pair->pages));
	EXPECT_EQ(pair->pages, touch(pair->b, pair->pages));
	EXPECT_EQ(before, all_faults_of(self->dev));
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	EXPECT_TRUE(!variant->keeps || !differ(pair->a, pair->keep, SEED));
	EXPECT_TRUE(pair_works(pair));
}

FIXTURE(off) {
	struct stage s;
	struct vfio_dev *dev;
	struct pair pair;
	uint64_t zaps, faults;
};

FIXTURE_VARIANT(off) {
	int (*sleep)(const struct vfio_dev *dev);
	int (*wake)(const struct vfio_dev *dev);
};

FIXTURE_VARIANT_ADD(off, d3hot) { .sleep = to_d3hot, .wake = to_d0 };
FIXTURE_VARIANT_ADD(off, low_power) { .sleep = to_low, .wake = from_low };
FIXTURE_VARIANT_ADD(off, no_memory) { .sleep = memory_off, .wake = memory_on };

FIXTURE_SETUP(off)
{
	ASSERT_EQ(0, bar_mmap_load());
	self->dev = &self->s.env.dev;
	vfio_env_setup(_metadata, &self->s.env, VFIO_GPU, VFIO_OURS);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	ASSERT_EQ(0, pair_open(&self->pair, self->dev, 4, GPU_PAGES, 1));
	self->faults = pair_faults(&self->pair, self->dev);
	ASSERT_LT(1, self->faults);
	self->zaps = zaps_of(self->dev);
}

FIXTURE_TEARDOWN(off)
{
	stage_teardown(_metadata, &self->s);
}

TEST_F(off, is_sigbus)
{
	struct pair *pair = &self->pair;
	uint64_t before;
	uint32_t *late;
	int i;

	for (i = 1; i <= 4; i++) {
		before = all_faults_of(self->dev);
		ASSERT_EQ(0, variant->sleep(self->dev));
		EXPECT_LE(self->zaps + i, zaps_of(self->dev));
		EXPECT_EQ(pair->pages, touch(pair->a, pair->pages));
		EXPECT_EQ(pair->pages, touch(pair->b, pair->pages));
		EXPECT_FALSE(fill(pair->a, 1, AGAIN));
		/* It can be mapped, but not used. */
		late = bar_map_aligned(self->dev, 4, 0, PAGE, PAGE);
		ASSERT_NE(MAP_FAILED, late);
		EXPECT_EQ(1, touch(late, 1));
		EXPECT_EQ(before, all_faults_of(self->dev));
		ASSERT_EQ(0, variant->wake(self->dev));
		EXPECT_TRUE(pair_works(pair));
		EXPECT_LE(before + self->faults, all_faults_of(self->dev));
		munmap(late, PAGE);
	}
}

/* Two reasons to be off; one of them gone is not enough. */
TEST_F(off, and_memory_off)
{
	uint64_t before = all_faults_of(self->dev);
	struct pair *pair = &self->pair;

	if (variant->sleep == memory_off) {
		ASSERT_EQ(0, variant->sleep(self->dev));
		ASSERT_EQ(0, variant->sleep(self->dev));
		EXPECT_EQ(pair->pages, touch(pair->a, pair->pages));
		ASSERT_EQ(0, variant->wake(self->dev));
		EXPECT_TRUE(pair_works(pair));
		return;
	}
	ASSERT_EQ(0, vfio_memory_enable(self->dev, false));
	ASSERT_EQ(0, variant->sleep(self->dev));
	EXPECT_EQ(pair->pages, touch(pair->a, pair->pages));
	ASSERT_EQ(0, variant->wake(self->dev));
	EXPECT_EQ(pair->pages, touch(pair->a, pair->pages));
	EXPECT_EQ(before, all_faults_of(self->dev));
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	EXPECT_TRUE(pair_works(pair));
}

/* Closed while it sleeps: a mapping that is left holds it, asleep. */
TEST_F(off, closed)
{
	struct pair *pair = &self->pair;
	char bdf[16];

	memcpy(bdf, self->dev->bdf, sizeof(bdf));
	ASSERT_EQ(0, variant->sleep(self->dev));
	vfio_close(self->dev);
	EXPECT_EQ(pair->pages, touch(pair->a, pair->pages));
	munmap(pair->a, pair->pages * PAGE);
	EXPECT_EQ(pair->pages, touch(pair->b, pair->pages));
	munmap(pair->b, pair->pages * PAGE);
	EXPECT_EQ(0, module_settle(VFIO_OURS, 0));
	ASSERT_EQ(0, vfio_open(self->dev, bdf, NULL));
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	EXPECT_EQ(0, pair_open(pair, self->dev, 4, GPU_PAGES, 1));
	EXPECT_TRUE(pair_works(pair));
}

/* As many faults as stock's: one for a GiB, where the kernel has such entries */
TEST(one_gib)
{
	bool huge = kernel_maps_huge();
	struct stage s = {};
	uint64_t want = huge && pud_maps() ? 1 : GIB(1) / HUGE, before;
	long faults;
	uint32_t *p, *last;

	ASSERT_EQ(0, bar_mmap_load());
	vfio_env_setup(_metadata, &s.env, VFIO_BIG, VFIO_OURS);
	ASSERT_EQ(0, vfio_memory_enable(&s.env.dev, true));
	p = bar_map_aligned(&s.env.dev, 2, 0, GIB(1), GIB(1));
	last = bar_map_aligned(&s.env.dev, 2, GIB(1) - PAGE, PAGE, PAGE);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, last);
	faults = thread_faults();
	EXPECT_EQ(0, touch(p, GIB(1) / PAGE));
	faults = thread_faults() - faults;
	EXPECT_EQ(want, all_faults_of(&s.env.dev));
	/* The thread's own stack and libc may fault now and then. */
	EXPECT_LE((long)want, faults);
	EXPECT_GE((long)want + 3, faults);
	EXPECT_TRUE(try_write32(page_of(p, GIB(1) / PAGE - 1), SEED));
	EXPECT_EQ(0, differ(last, 1, SEED));
	EXPECT_TRUE(fill(page_of(p, 1000), 16, SEED));
	EXPECT_EQ(0, differ(page_of(p, 1000), 16, SEED));
	/* It goes as a whole, and comes again. */
	before = all_faults_of(&s.env.dev);
	ASSERT_EQ(0, vfio_memory_enable(&s.env.dev, false));
	EXPECT_EQ(16, touch(page_of(p, 1000), 16));
	EXPECT_EQ(1, touch(page_of(p, GIB(1) / PAGE - 1), 1));
	ASSERT_EQ(0, vfio_memory_enable(&s.env.dev, true));
	EXPECT_EQ(0, differ(page_of(p, 1000), 16, SEED));
	EXPECT_EQ(before + 1, all_faults_of(&s.env.dev));
	EXPECT_EQ(0, differ(last, 1, SEED));
	stage_teardown(_metadata, &s);
}

TEST_HARNESS_MAIN
