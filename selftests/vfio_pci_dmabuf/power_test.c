// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that sleeps, by its PCI power state or by VFIO's low power: slices
 * give SIGBUS as long as it does, and work again when it is awake.
 */
#include <poll.h>
#include <sys/eventfd.h>

#include "events.h"

#include <linux/pci_regs.h>

#define BAR	4
#define SIZE	KIB(16)
#define PAGES	(SIZE / PAGE)
#define SEED	0x01000000U

FIXTURE(power) {
	struct stage s;
	struct vfio_dev *dev;
	struct view a;
	uint32_t *bar;
	uint64_t zaps, faults;
};

FIXTURE_SETUP(power)
{
	self->dev = &self->s.env.dev;
	vfio_env_setup(_metadata, &self->s.env, VFIO_GPU, VFIO_OURS);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	ASSERT_EQ(0, view_open(&self->a, self->dev, BAR, 0, SIZE, PAGE));
	self->bar = vfio_bar_map(self->dev, BAR, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->bar);
	ASSERT_EQ(0, touch(self->a.p, PAGES));
	/* Only the first page keeps what is written to it. */
	ASSERT_TRUE(fill(self->bar, 1, SEED));
	ASSERT_EQ(0, differ(self->a.p, 1, SEED));
	self->faults = faults_of(self->dev, self->a.fd);
	ASSERT_LT(0, self->faults);
	self->zaps = zaps_of(self->dev);
}

FIXTURE_TEARDOWN(power)
{
	stage_teardown(_metadata, &self->s);
}

/* Nothing can be had, by the stock mapping neither. */
static void asleep(struct __test_metadata *_metadata, FIXTURE_DATA(power) *self)
{
	EXPECT_EQ(PAGES, touch(self->a.p, PAGES));
	EXPECT_FALSE(fill(self->a.p, 1, SEED + 99));
	EXPECT_EQ(1, touch(self->bar, 1));
}

static void awake(struct __test_metadata *_metadata, FIXTURE_DATA(power) *self)
{
	EXPECT_EQ(VFIO_DMABUF_STATE_ON,
		  info_of(self->dev, self->a.fd).out_state);
	EXPECT_EQ(self->faults, faults_of(self->dev, self->a.fd));
	EXPECT_EQ(0, touch(self->a.p, PAGES));
	EXPECT_EQ(2 * self->faults, faults_of(self->dev, self->a.fd));
	EXPECT_TRUE(fill(self->bar, 1, 2 * SEED));
	EXPECT_EQ(0, differ(self->a.p, 1, 2 * SEED));
}

static bool suspends(const struct vfio_dev *dev)
{
	int64_t end = in_ms(10000);
	char state[32];

	do {
		if (!vfio_sysfs_read(dev->bdf, "power/runtime_status", state, sizeof(state)) &&
		    !strcmp(state, "suspended"))
			return true;
		sleep_ms(10);
	} while (now_ns() < end);
	return false;
}

static int low_power_with_wakeup(const struct vfio_dev *dev, int eventfd)
{
	struct vfio_device_low_power_entry_with_wakeup entry = {
		.wakeup_eventfd = eventfd,
	};
	uint32_t flags = VFIO_DEVICE_FEATURE_SET |
			 VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;

	return vfio_feature(dev->fd, flags, &entry, sizeof(entry));
}

TEST_F(power, d3hot_and_back)
{
	int i;

	ASSERT_EQ(0, vfio_power_state(self->dev, D3HOT));
	EXPECT_EQ(self->zaps + 1, zaps_of(self->dev));
	EXPECT_EQ(VFIO_DMABUF_STATE_OFF,
		  info_of(self->dev, self->a.fd).out_state);
	asleep(_metadata, self);
	EXPECT_EQ(self->faults, faults_of(self->dev, self->a.fd));
	ASSERT_EQ(0, vfio_power_state(self->dev, D0));
	awake(_metadata, self);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, vfio_power_state(self->dev, D3HOT));
		asleep(_metadata, self);
		ASSERT_EQ(0, vfio_power_state(self->dev, D0));
		EXPECT_EQ(0, touch(self->a.p, PAGES));
	}
}

/* Two reasons to be off; one of them gone is not enough. */
TEST_F(power, d3hot_and_memory_off)
{
	ASSERT_EQ(0, vfio_memory_enable(self->dev, false));
	asleep(_metadata, self);
	ASSERT_EQ(0, vfio_power_state(self->dev, D3HOT));
	asleep(_metadata, self);
	ASSERT_EQ(0, vfio_power_state(self->dev, D0));
	asleep(_metadata, self);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	awake(_metadata, self);
}

TEST_F(power, low_power)
{
	int i;

	ASSERT_EQ(0, vfio_low_power(self->dev, true));
	asleep(_metadata, self);
	EXPECT_TRUE(suspends(self->dev));
	asleep(_metadata, self);
	ASSERT_EQ(0, vfio_low_power(self->dev, false));
	EXPECT_LT(self->zaps, zaps_of(self->dev));
	awake(_metadata, self);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, vfio_low_power(self->dev, true));
		asleep(_metadata, self);
		ASSERT_EQ(0, vfio_low_power(self->dev, false));
		EXPECT_EQ(0, touch(self->a.p, PAGES));
	}
}

/* An ioctl wakes it for as long as it takes, and not for the slices. */
TEST_F(power, low_power_and_a_call)
{
	ASSERT_EQ(0, vfio_low_power(self->dev, true));
	EXPECT_EQ(VFIO_DMABUF_STATE_OFF,
		  info_of(self->dev, self->a.fd).out_state);
	EXPECT_EQ(self->faults, faults_of(self->dev, self->a.fd));
	EXPECT_EQ(-EINVAL, vfio_low_power(self->dev, true));
	asleep(_metadata, self);
	ASSERT_EQ(0, vfio_low_power(self->dev, false));
	awake(_metadata, self);
}

TEST_F(power, low_power_with_wakeup)
{
	struct pollfd poll_fd = { .events = POLLIN };

	poll_fd.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, poll_fd.fd);
	ASSERT_EQ(0, low_power_with_wakeup(self->dev, poll_fd.fd));
	asleep(_metadata, self);
	ASSERT_TRUE(suspends(self->dev));
	asleep(_metadata, self);
	/* A fault is not what wakes it. */
	EXPECT_EQ(0, poll(&poll_fd, 1, 0));
	EXPECT_LT(self->zaps, zaps_of(self->dev));
	EXPECT_EQ(1, poll(&poll_fd, 1, 10000)) TH_LOG("not woken");
	awake(_metadata, self);
}

TEST_F(power, exit_before_a_wakeup)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, low_power_with_wakeup(self->dev, fd));
	asleep(_metadata, self);
	ASSERT_EQ(0, vfio_low_power(self->dev, false));
	awake(_metadata, self);
}

/* What fails to go to sleep takes no entry for long. */
TEST_F(power, bad_eventfd)
{
	EXPECT_EQ(-EINVAL, low_power_with_wakeup(self->dev, -1));
	EXPECT_EQ(-EBADF, low_power_with_wakeup(self->dev, 1000));
	EXPECT_EQ(0, differ(self->a.p, 1, SEED));
	EXPECT_EQ(VFIO_DMABUF_STATE_ON,
		  info_of(self->dev, self->a.fd).out_state);
}

/* Reset and close while it sleeps */
TEST_F(power, reset_in_d3hot)
{
	ASSERT_EQ(0, vfio_power_state(self->dev, D3HOT));
	asleep(_metadata, self);
	/* Core wakes it for this. */
	ASSERT_EQ(0, vfio_reset(self->dev));
	ASSERT_EQ(0, vfio_power_state(self->dev, D0));
	EXPECT_EQ(0, touch(self->a.p, PAGES));
	EXPECT_TRUE(fill(self->bar, 1, 2 * SEED));
	EXPECT_EQ(0, differ(self->a.p, 1, 2 * SEED));
}

TEST_F(power, closed_in_d3hot)
{
	struct view again;

	ASSERT_EQ(0, vfio_power_state(self->dev, D3HOT));
	ASSERT_EQ(0, munmap(self->bar, SIZE));
	vfio_close(self->dev);
	EXPECT_EQ(PAGES, touch(self->a.p, PAGES));
	ASSERT_EQ(0, vfio_open(self->dev, self->dev->bdf, NULL));
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	EXPECT_EQ(PAGES, touch(self->a.p, PAGES));
	ASSERT_EQ(0, view_open(&again, self->dev, BAR, 0, SIZE, PAGE));
	EXPECT_TRUE(fill(again.p, 1, 2 * SEED));
	EXPECT_EQ(0, differ(again.p, 1, 2 * SEED));
}

/*
 * The core wakes it before it says that it will reset it. Who touches the slice
 * all the time must have nothing of what lies between: one fault each time.
 */
static void wake_by_reset(struct __test_metadata *_metadata,
			  FIXTURE_DATA(power) *self,
			  int (*reset)(const struct vfio_dev *dev))
{
	int64_t end = in_ms(60000);
	static struct toucher t;
	uint64_t faults;
	int i;

	t = (struct toucher) { };
	for (i = 0; i < 40 && (i < 5 || now_ns() < end); i++) {
		ASSERT_EQ(0, vfio_power_state(self->dev, D3HOT));
		faults = faults_of(self->dev, self->a.fd);
		ASSERT_EQ(0, stage_touch(&self->s, &t, self->a.p, 1, 0));
		ASSERT_EQ(0, reset(self->dev));
		EXPECT_TRUE(toucher_moves(&t));
		stage_stop(&self->s);
		EXPECT_EQ(VFIO_DMABUF_STATE_ON,
			  info_of(self->dev, self->a.fd).out_state);
		ASSERT_EQ(faults + 1, faults_of(self->dev, self->a.fd))
			TH_LOG("round %d", i);
		EXPECT_TRUE(fill(self->bar, 1, 2 * SEED));
		EXPECT_EQ(0, differ(self->a.p, 1, 2 * SEED));
	}
	EXPECT_LT(0, t.bus);
	EXPECT_EQ(0, t.wrong);
	/* It sleeps and wakes as before. */
	ASSERT_EQ(0, vfio_power_state(self->dev, D3HOT));
	asleep(_metadata, self);
	ASSERT_EQ(0, vfio_power_state(self->dev, D0));
	EXPECT_EQ(0, touch(self->a.p, PAGES));
}

TEST_F(power, reset_wakes_it_while_touched)
{
	wake_by_reset(_metadata, self, vfio_reset);
}

TEST_F(power, hot_reset_wakes_it_while_touched)
{
	wake_by_reset(_metadata, self, vfio_hot_reset);
}

/* By low power it gets out of D3hot, if there is time for it. */
TEST_F(power, low_power_in_d3hot)
{
	ASSERT_EQ(0, vfio_power_state(self->dev, D3HOT));
	asleep(_metadata, self);
	ASSERT_EQ(0, vfio_low_power(self->dev, true));
	asleep(_metadata, self);
	ASSERT_TRUE(suspends(self->dev));
	ASSERT_EQ(0, vfio_low_power(self->dev, false));
	awake(_metadata, self);
}

/* What can be done with slices of a device that is off */

FIXTURE(off) {
	struct stage s;
	struct vfio_dev *dev;
	struct view a, b;
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
	self->dev = &self->s.env.dev;
	vfio_env_setup(_metadata, &self->s.env, VFIO_GPU, VFIO_OURS);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	ASSERT_EQ(0, view_open(&self->a, self->dev, BAR, 0, SIZE, PAGE));
	ASSERT_EQ(0, view_open(&self->b, self->dev, BAR, 0, SIZE, PAGE));
	ASSERT_EQ(0, touch(self->a.p, PAGES));
	ASSERT_EQ(0, touch(self->b.p, PAGES));
	ASSERT_EQ(0, variant->sleep(self->dev));
}

FIXTURE_TEARDOWN(off)
{
	stage_teardown(_metadata, &self->s);
}

TEST_F(off, revoked)
{
	EXPECT_EQ(0, vfio_revoke(self->dev, self->a.fd));
	EXPECT_EQ(-EBADFD, vfio_revoke(self->dev, self->a.fd));
	EXPECT_EQ(VFIO_DMABUF_STATE_REVOKED,
		  info_of(self->dev, self->a.fd).out_state);
	EXPECT_EQ(VFIO_DMABUF_STATE_OFF,
		  info_of(self->dev, self->b.fd).out_state);
	ASSERT_EQ(0, variant->wake(self->dev));
	EXPECT_EQ(PAGES, touch(self->a.p, PAGES));
	EXPECT_TRUE(fill(self->b.p, 1, SEED));
	EXPECT_EQ(0, differ(self->b.p, 1, SEED));
}

TEST_F(off, exported)
{
	struct view v;

	ASSERT_EQ(0, view_open(&v, self->dev, BAR, 0, SIZE, PAGE));
	EXPECT_EQ(VFIO_DMABUF_STATE_OFF, info_of(self->dev, v.fd).out_state);
	EXPECT_EQ(PAGES, touch(v.p, PAGES));
	ASSERT_EQ(0, variant->wake(self->dev));
	EXPECT_TRUE(fill(self->b.p, 1, SEED));
	EXPECT_EQ(0, differ(v.p, 1, SEED));
}

TEST_HARNESS_MAIN
