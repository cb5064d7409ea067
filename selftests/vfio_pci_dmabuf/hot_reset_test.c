// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two functions behind one root port, in one IOMMU group. A hot reset by the
 * one takes the BARs of the other away as well, and the driver of the other
 * is not asked: not even if stock vfio-pci does it.
 */
#include "events.h"

#define SEED	0x01000000U
#define PAGES	512U
/* The upper half of BAR0, mapped where no huge page fits */
#define UPPER	MIB(8)

FIXTURE(hot_reset) {
	struct stage s;
	struct vfio_dev *dev, *sibling;
	struct view a, b;
	uint32_t *bar;
	uint64_t all_a, all_b;	/* faults to touch all of them */
	uint64_t zaps, faults_a, faults_b;
};

FIXTURE_VARIANT(hot_reset) {
	const char *driver;	/* of the sibling */
};

FIXTURE_VARIANT_ADD(hot_reset, stock_sibling) { .driver = VFIO_STOCK };
FIXTURE_VARIANT_ADD(hot_reset, both_ours) { .driver = VFIO_OURS };

FIXTURE_SETUP(hot_reset)
{
	self->dev = &self->s.env.dev;
	self->sibling = &self->s.second;
	vfio_env_setup(_metadata, &self->s.env, VFIO_BOCHS, VFIO_OURS);
	ASSERT_EQ(0, sibling_open(&self->s, variant->driver));
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	ASSERT_EQ(0, vfio_memory_enable(self->sibling, true));
	ASSERT_EQ(0, view_open(&self->a, self->dev, 0, 0, PAGES * PAGE,
			       HUGE));
	ASSERT_EQ(0, view_open(&self->b, self->dev, 0, UPPER, PAGES * PAGE,
			       PAGE));
	self->bar = vfio_bar_map(self->dev, 0, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->bar);
	ASSERT_TRUE(fill(self->bar, PAGES, SEED));
	ASSERT_TRUE(fill(page_of(self->bar, UPPER / PAGE), PAGES, 2 * SEED));
	ASSERT_EQ(0, differ(self->a.p, PAGES, SEED));
	ASSERT_EQ(0, differ(self->b.p, PAGES, 2 * SEED));
	self->all_a = faults_of(self->dev, self->a.fd);
	self->all_b = faults_of(self->dev, self->b.fd);
	ASSERT_LT(0, self->all_a);
	ASSERT_LT(0, self->all_b);
}

FIXTURE_TEARDOWN(hot_reset)
{
	stage_teardown(_metadata, &self->s);
}

static void begin(struct __test_metadata *_metadata,
		  FIXTURE_DATA(hot_reset) *self)
{
	ASSERT_EQ(0, differ(self->a.p, PAGES, SEED));
	ASSERT_EQ(0, differ(self->b.p, PAGES, 2 * SEED));
	self->faults_a = faults_of(self->dev, self->a.fd);
	self->faults_b = faults_of(self->dev, self->b.fd);
	self->zaps = zaps_of(self->dev);
}

static void end(struct __test_metadata *_metadata,
		FIXTURE_DATA(hot_reset) *self)
{
	EXPECT_LT(self->zaps, zaps_of(self->dev));
	EXPECT_EQ(self->faults_a, faults_of(self->dev, self->a.fd));
	EXPECT_EQ(0, differ(self->a.p, PAGES, SEED));
	EXPECT_EQ(0, differ(self->b.p, PAGES, 2 * SEED));
	EXPECT_EQ(self->faults_a + self->all_a,
		  faults_of(self->dev, self->a.fd));
	EXPECT_EQ(self->faults_b + self->all_b,
		  faults_of(self->dev, self->b.fd));
	EXPECT_EQ(0, differ(self->bar, PAGES, SEED));
}

TEST_F(hot_reset, by_the_sibling)
{
	begin(_metadata, self);
	ASSERT_EQ(0, vfio_hot_reset(self->sibling));
	end(_metadata, self);
}

TEST_F(hot_reset, by_us)
{
	begin(_metadata, self);
	ASSERT_EQ(0, vfio_hot_reset(self->dev));
	end(_metadata, self);
}

/* What the sibling has mapped goes by a reset of ours, too. */
TEST_F(hot_reset, mappings_of_both)
{
	uint64_t zaps, faults;
	struct view v;

	if (strcmp(variant->driver, VFIO_OURS)) {
		v.p = vfio_bar_map(self->sibling, 0, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, v.p);
		ASSERT_TRUE(fill(v.p, PAGES, 3 * SEED));
		begin(_metadata, self);
		ASSERT_EQ(0, vfio_hot_reset(self->dev));
		end(_metadata, self);
		EXPECT_EQ(0, differ(v.p, PAGES, 3 * SEED));
		return;
	}
	ASSERT_EQ(0, view_open(&v, self->sibling, 0, 0, PAGES * PAGE, PAGE));
	ASSERT_TRUE(fill(v.p, PAGES, 3 * SEED));
	faults = faults_of(self->sibling, v.fd);
	zaps = zaps_of(self->sibling);
	begin(_metadata, self);
	ASSERT_EQ(0, vfio_hot_reset(self->dev));
	end(_metadata, self);
	EXPECT_LT(zaps, zaps_of(self->sibling));
	EXPECT_EQ(0, differ(v.p, PAGES, 3 * SEED));
	EXPECT_EQ(2 * faults, faults_of(self->sibling, v.fd));
	/* What is only the one's is not the other's. */
	zaps = zaps_of(self->sibling);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, false));
	EXPECT_EQ(PAGES, touch(self->a.p, PAGES));
	EXPECT_EQ(0, differ(v.p, PAGES, 3 * SEED));
	EXPECT_EQ(zaps, zaps_of(self->sibling));
	EXPECT_EQ(2 * faults, faults_of(self->sibling, v.fd));
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
}

/*
 * The sibling's comings and goings are no resets of ours: it is not alone on
 * its bus.
 */
TEST_F(hot_reset, sibling_closed_and_opened)
{
	char bdf[16];
	int i;

	memcpy(bdf, self->sibling->bdf, sizeof(bdf));
	for (i = 0; i < 3; i++) {
		begin(_metadata, self);
		vfio_close(self->sibling);
		EXPECT_EQ(0, differ(self->a.p, PAGES, SEED));
		EXPECT_EQ(self->zaps, zaps_of(self->dev));
		EXPECT_EQ(self->faults_a, faults_of(self->dev, self->a.fd));
		/* Bound is enough, it need not be open. */
		ASSERT_EQ(0, vfio_hot_reset(self->dev));
		end(_metadata, self);
		self->zaps = zaps_of(self->dev);
		ASSERT_EQ(0, vfio_open(self->sibling, bdf, self->dev));
		EXPECT_EQ(self->zaps, zaps_of(self->dev));
		begin(_metadata, self);
		ASSERT_EQ(0, vfio_hot_reset(self->sibling));
		end(_metadata, self);
	}
}

/* Memory that was off before is off afterwards. */
TEST_F(hot_reset, while_memory_is_off)
{
	begin(_metadata, self);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, false));
	ASSERT_EQ(0, vfio_hot_reset(self->sibling));
	EXPECT_EQ(PAGES, touch(self->a.p, PAGES));
	EXPECT_EQ(PAGES, touch(self->b.p, PAGES));
	EXPECT_EQ(VFIO_DMABUF_STATE_OFF,
		  info_of(self->dev, self->a.fd).out_state);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	EXPECT_EQ(0, differ(self->a.p, PAGES, SEED));
	EXPECT_EQ(0, differ(self->b.p, PAGES, 2 * SEED));
}

/* Whoever touches a slice all the time waits, and sees only what is there. */
TEST_F(hot_reset, touched_meanwhile)
{
	static struct toucher t[3];
	int64_t end = in_ms(3000);
	int i, resets = 0, ret;

	self->zaps = zaps_of(self->dev);
	ASSERT_EQ(0, stage_touch(&self->s, &t[0], self->a.p, PAGES, SEED));
	ASSERT_EQ(0, stage_touch(&self->s, &t[1], self->b.p, PAGES, 2 * SEED));
	ASSERT_EQ(0, stage_touch(&self->s, &t[2], self->bar, PAGES, 0));
	while (resets < 4 || now_ns() < end) {
		ret = vfio_hot_reset(resets % 2 ? self->dev : self->sibling);
		ASSERT_LT(now_ns(), end + 60 * NSEC_PER_SEC)
			TH_LOG("%d resets, %d", resets, ret);
		/* It only tries locks that a fault on the BAR's mapping has. */
		if (ret == -EBUSY || ret == -EAGAIN)
			continue;
		ASSERT_EQ(0, ret);
		resets++;
		for (i = 0; i < 2; i++)
			EXPECT_TRUE(toucher_moves(&t[i]));
	}
	stage_stop(&self->s);
	EXPECT_LE(self->zaps + resets, zaps_of(self->dev));
	for (i = 0; i < 3; i++) {
		EXPECT_LT(0, t[i].good);
		EXPECT_EQ(0, t[i].bus) TH_LOG("mapping %d", i);
		EXPECT_EQ(0, t[i].wrong) TH_LOG("mapping %d", i);
	}
	EXPECT_LT(0, info_of(self->dev, -1).out_waits);
}

/* A slice revoked while the sibling resets stays so. */
TEST_F(hot_reset, revoked_stays_revoked)
{
	begin(_metadata, self);
	ASSERT_EQ(0, vfio_revoke(self->dev, self->a.fd));
	ASSERT_EQ(0, vfio_hot_reset(self->sibling));
	EXPECT_EQ(PAGES, touch(self->a.p, PAGES));
	EXPECT_EQ(0, differ(self->b.p, PAGES, 2 * SEED));
	EXPECT_EQ(VFIO_DMABUF_STATE_REVOKED,
		  info_of(self->dev, self->a.fd).out_state);
}

TEST_HARNESS_MAIN
