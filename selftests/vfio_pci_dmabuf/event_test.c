// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whatever takes a BAR away takes the entries of its slices out of the page
 * tables: they fault again afterwards, as often as at first, and there is
 * what was there. Other devices' slices do not notice.
 */
#include <libgen.h>

#include "events.h"

#define SEED	0x10000000U
#define AGAIN	0x20000000U
#define OTHER	0x30000000U
#define OTHERS	16	/* pages */

FIXTURE(event) {
	struct stage s;
	uint32_t *bar;		/* stock's mapping of what a has */
	struct view a;
	struct view b;		/* its first page once more */
	struct view other;	/* of another device */
	uint64_t zaps;
	uint64_t faults_a, faults_b, faults_other;
	size_t pages;
};

FIXTURE_VARIANT(event) {
	enum vfio_role role;
	int bar;
	size_t size;
	size_t pages;	/* that keep what is written to their first word; 0: all */
	bool keeps;	/* even over a reset */
};

FIXTURE_VARIANT_ADD(event, bus_reset) {
	.role = VFIO_MEMORY, .bar = 2, .size = MIB(4),
	.keeps = true,
};

FIXTURE_VARIANT_ADD(event, function_reset) {
	.role = VFIO_GPU, .bar = 4, .size = KIB(16), .pages = 1,
};

FIXTURE_SETUP(event)
{
	struct vfio_dev *dev = &self->s.env.dev, *second = &self->s.second;
	int bar = variant->bar;

	self->pages = variant->pages ?: variant->size / PAGE;
	vfio_env_setup(_metadata, &self->s.env, variant->role, VFIO_OURS);
	ASSERT_EQ(0, vfio_start(second, VFIO_IVSHMEM, VFIO_OURS));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	ASSERT_EQ(0, vfio_memory_enable(second, true));
	self->bar = bar_map_aligned(dev, bar, 0, variant->size, PAGE);
	ASSERT_NE(MAP_FAILED, self->bar);
	ASSERT_EQ(0, view_open(&self->a, dev, bar, 0, variant->size, HUGE));
	ASSERT_EQ(0, view_open(&self->b, dev, bar, 0, PAGE, PAGE));
	ASSERT_EQ(0, view_open(&self->other, second, 2, 0, OTHERS * PAGE,
			       PAGE));
	ASSERT_TRUE(fill(self->other.p, OTHERS, OTHER));
	self->faults_other = faults_of(second, self->other.fd);
	ASSERT_LT(0, self->faults_other);
}

FIXTURE_TEARDOWN(event)
{
	stage_teardown(_metadata, &self->s);
}

/* Both slices have all their entries, and what they cost is known. */
static void begin(struct __test_metadata *_metadata,
		  FIXTURE_DATA(event) *self,
		  const FIXTURE_VARIANT(event) *variant)
{
	struct vfio_dev *dev = &self->s.env.dev;

	ASSERT_EQ(0, touch(self->a.p, variant->size / PAGE));
	ASSERT_EQ(0, touch(self->b.p, 1));
	self->faults_a = faults_of(dev, self->a.fd);
	self->faults_b = faults_of(dev, self->b.fd);
	ASSERT_LT(0, self->faults_a);
	ASSERT_EQ(1, self->faults_b);
	ASSERT_TRUE(fill(self->bar, self->pages, SEED));
	ASSERT_EQ(0, differ(self->a.p, self->pages, SEED));
	/* None of this was a fault. */
	ASSERT_EQ(self->faults_a, faults_of(dev, self->a.fd));
	self->zaps = zaps_of(dev);
}

/* All entries were gone and are there again. */
static void end(struct __test_metadata *_metadata, FIXTURE_DATA(event) *self,
		const FIXTURE_VARIANT(event) *variant, bool keeps)
{
	struct vfio_dev *dev = &self->s.env.dev, *second = &self->s.second;

	EXPECT_LT(self->zaps, zaps_of(dev));
	EXPECT_EQ(VFIO_DMABUF_STATE_ON, info_of(dev, self->a.fd).out_state);
	EXPECT_EQ(self->faults_a, faults_of(dev, self->a.fd));
	EXPECT_EQ(0, touch(self->a.p, variant->size / PAGE));
	EXPECT_EQ(0, touch(self->b.p, 1));
	EXPECT_EQ(2 * self->faults_a, faults_of(dev, self->a.fd))
		TH_LOG("an entry has survived");
	EXPECT_EQ(2, faults_of(dev, self->b.fd))
		TH_LOG("an entry has survived");
	EXPECT_TRUE(!keeps || !differ(self->a.p, self->pages, SEED));
	EXPECT_TRUE(fill(self->bar, self->pages, AGAIN));
	EXPECT_EQ(0, differ(self->a.p, self->pages, AGAIN));
	EXPECT_EQ(0, differ(self->b.p, 1, AGAIN));

	EXPECT_EQ(0, differ(self->other.p, OTHERS, OTHER));
	EXPECT_EQ(self->faults_other, faults_of(second, self->other.fd))
		TH_LOG("the other device's slice was zapped");
}

static void check(struct __test_metadata *_metadata,
		  FIXTURE_DATA(event) *self,
		  const FIXTURE_VARIANT(event) *variant,
		  int (*event)(const struct vfio_dev *dev))
{
	begin(_metadata, self, variant);
	ASSERT_EQ(0, event(&self->s.env.dev));
	end(_metadata, self, variant, variant->keeps);
}

/* The bridge above, if it can be told to reset what is below */
static bool find_bridge(const struct vfio_dev *dev, char *bdf, size_t size)
{
	char path[PATH_MAX], real[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/..", dev->bdf);
	if (!realpath(path, real))
		return false;
	snprintf(bdf, size, "%s", basename(real));
	snprintf(path, sizeof(path),
		 "/sys/bus/pci/devices/%s/reset_subordinate", bdf);
	return !access(path, W_OK);
}

static int bridge_reset(const struct vfio_dev *dev)
{
	int64_t end = in_ms(5000);
	char bdf[32];
	int ret;

	if (!find_bridge(dev, bdf, sizeof(bdf)))
		return -ENOENT;
	do
		ret = vfio_sysfs_poke(bdf, "reset_subordinate");
	while (ret == -EAGAIN && now_ns() < end);
	return ret;
}

static int memory_off_on(const struct vfio_dev *dev)
{
	return vfio_memory_enable(dev, false) ?: vfio_memory_enable(dev, true);
}

TEST_F(event, device_reset)
{
	check(_metadata, self, variant, vfio_reset);
}

TEST_F(event, sysfs_reset_while_open)
{
	check(_metadata, self, variant, sysfs_reset);
}

TEST_F(event, own_hot_reset)
{
	check(_metadata, self, variant, vfio_hot_reset);
}

TEST_F(event, reset_of_the_bridge)
{
	char bdf[32];

	if (!kernel_at_least(6, 12))
		SKIP(return, "bridges have no reset_subordinate");
	ASSERT_TRUE(find_bridge(&self->s.env.dev, bdf, sizeof(bdf)));
	check(_metadata, self, variant, bridge_reset);
}

TEST_F(event, memory_off_and_on)
{
	check(_metadata, self, variant, memory_off_on);
}

/* One after the other: nothing of one must be left when the next comes. */
TEST_F(event, many)
{
	struct vfio_dev *dev = &self->s.env.dev;
	uint64_t faults;
	int i;

	begin(_metadata, self, variant);
	faults = self->faults_a;
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, i % 2 ? vfio_reset(dev) : sysfs_reset(dev));
		ASSERT_EQ(0, touch(self->a.p, variant->size / PAGE));
		ASSERT_EQ(0, memory_off_on(dev));
		ASSERT_EQ(0, touch(self->a.p, variant->size / PAGE));
		faults += 2 * self->faults_a;
		ASSERT_EQ(faults, faults_of(dev, self->a.fd));
	}
}

/* A slice that nobody has mapped, or mapped and never touched */
TEST_F(event, without_entries)
{
	struct vfio_dev *dev = &self->s.env.dev;
	uint32_t *late;
	int fd;

	fd = vfio_export(dev, variant->bar, 0, PAGE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	self->zaps = zaps_of(dev);
	ASSERT_EQ(0, vfio_reset(dev));
	EXPECT_LT(self->zaps, zaps_of(dev));
	late = map_aligned(fd, PAGE, 0, PROT_READ | PROT_WRITE, PAGE);
	ASSERT_NE(MAP_FAILED, late);
	EXPECT_TRUE(fill(self->bar, 1, AGAIN));
	EXPECT_EQ(0, differ(late, 1, AGAIN));
	EXPECT_EQ(0, differ(self->a.p, 1, AGAIN));
}

/* The last device fd and the last BAR mapping go: for good. */
TEST_F(event, close)
{
	struct vfio_dev *dev = &self->s.env.dev;
	struct view again;

	begin(_metadata, self, variant);
	ASSERT_EQ(0, munmap(self->bar, variant->size));
	vfio_close(dev);
	EXPECT_EQ(variant->size / PAGE,
		  touch(self->a.p, variant->size / PAGE));
	EXPECT_EQ(1, touch(self->b.p, 1));
	EXPECT_EQ(MAP_FAILED, map_aligned(self->a.fd, PAGE, 0, PROT_READ,
					  PAGE));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, differ(self->other.p, OTHERS, OTHER));
	EXPECT_EQ(self->faults_other,
		  faults_of(&self->s.second, self->other.fd));

	ASSERT_EQ(0, vfio_open(dev, dev->bdf, NULL));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(1, touch(self->a.p, 1));
	ASSERT_EQ(0, view_open(&again, dev, variant->bar, 0, PAGE, PAGE));
	EXPECT_TRUE(!variant->keeps || !differ(again.p, 1, SEED));
	EXPECT_TRUE(fill(again.p, 1, AGAIN));
	EXPECT_EQ(0, differ(again.p, 1, AGAIN));
	EXPECT_EQ(1, touch(self->a.p, 1));
	EXPECT_EQ(1, touch(self->b.p, 1));
}

/* Unbinding waits for the device to be closed, and slices work until then. */
TEST_F(event, unbind)
{
	struct vfio_dev *dev = &self->s.env.dev;
	char name[32] = "?", bdf[16];
	pid_t pid;
	int i;

	begin(_metadata, self, variant);
	memcpy(bdf, dev->bdf, sizeof(bdf));
	pid = stage_fork(&self->s);
	ASSERT_LE(0, pid);
	if (pid == 0) {
		stage_detach(-1);
		_exit(vfio_unbind(bdf) ? 1 : 0);
	}
	for (i = 0; i < 5; i++) {
		sleep_ms(50);
		EXPECT_EQ(0, differ(self->a.p, self->pages, SEED));
	}
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG))
		TH_LOG("unbound although it is open");
	ASSERT_EQ(0, munmap(self->bar, variant->size));
	vfio_close(dev);
	EXPECT_EQ(0, stage_reap(&self->s, pid, 20000));
	EXPECT_EQ(variant->size / PAGE,
		  touch(self->a.p, variant->size / PAGE));
	EXPECT_EQ(1, touch(self->b.p, 1));
	vfio_driver(bdf, name, sizeof(name));
	EXPECT_STREQ("", name);
	EXPECT_EQ(MAP_FAILED, map_aligned(self->a.fd, PAGE, 0, PROT_READ,
					  PAGE));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, differ(self->other.p, OTHERS, OTHER));
	/* as it was before */
	EXPECT_EQ(0, vfio_bind(bdf, VFIO_OURS));
}

TEST_HARNESS_MAIN
