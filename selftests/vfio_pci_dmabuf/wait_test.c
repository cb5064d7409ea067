// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whoever touches a slice while the device is reset waits, as with stock's
 * mapping of the BAR, and finds things as they were: no SIGBUS, no value that
 * is not there. It can be killed and interrupted, and nobody who waits keeps
 * the reset waiting.
 */
#include "events.h"

#include <linux/pci_regs.h>

#define SEED	0x01000000U
#define PAGES	1024U
#define WORDS	16
#define RESETS	20

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#endif

FIXTURE(wait) {
	struct stage s;
	struct vfio_dev *dev;
	struct view a, b;
	uint32_t *bar;
	size_t pages;
	uint32_t seed;		/* 0: contents do not survive */
	/* of the thread that resets */
	pthread_t thread;
	bool stop, runs, busy;	/* busy: within a reset */
	unsigned long resets;
	int bad;
};

FIXTURE_VARIANT(wait) {
	enum vfio_role role;
	int bar;
	size_t pages;
	uint32_t seed;
};

FIXTURE_VARIANT_ADD(wait, bus_reset) {
	.role = VFIO_MEMORY, .bar = 2, .pages = PAGES, .seed = SEED,
};

FIXTURE_VARIANT_ADD(wait, function_reset) {
	.role = VFIO_GPU, .bar = 4, .pages = 1,
};

FIXTURE_SETUP(wait)
{
	size_t size = variant->pages * PAGE;

	self->dev = &self->s.env.dev;
	self->pages = variant->pages;
	self->seed = variant->seed;
	vfio_env_setup(_metadata, &self->s.env, variant->role, VFIO_OURS);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	ASSERT_EQ(0, view_open(&self->a, self->dev, variant->bar, 0, size,
			       HUGE));
	ASSERT_EQ(0, view_open(&self->b, self->dev, variant->bar, 0, size,
			       PAGE));
	self->bar = bar_map_aligned(self->dev, variant->bar, 0, size, PAGE);
	ASSERT_NE(MAP_FAILED, self->bar);
	ASSERT_TRUE(fill(self->bar, self->pages, SEED));
}

static void resets_stop(FIXTURE_DATA(wait) *self)
{
	if (!self->runs)
		return;
	flag_set(&self->stop);
	pthread_join(self->thread, NULL);
	self->runs = false;
}

FIXTURE_TEARDOWN(wait)
{
	resets_stop(self);
	stage_teardown(_metadata, &self->s);
}

/* One reset after the other, of two kinds, with a little time in between */
static void *resetter(void *arg)
{
	FIXTURE_DATA(wait) *self = arg;
	int ret;

	while (!flag_get(&self->stop)) {
		flag_set(&self->busy);
		ret = self->resets % 4 == 3 ?
		      vfio_sysfs_poke(self->dev->bdf, "reset") :
		      vfio_reset(self->dev);
		__atomic_store_n(&self->busy, false, __ATOMIC_RELEASE);
		if (ret)
			__atomic_store_n(&self->bad, ret, __ATOMIC_RELAXED);
		count_up(&self->resets);
		sleep_ms(10);
	}
	return NULL;
}

static int resets_start(FIXTURE_DATA(wait) *self)
{
	int ret = pthread_create(&self->thread, NULL, resetter, self);

	self->runs = !ret;
	return -ret;
}

static void resets_end(struct __test_metadata *_metadata,
		       FIXTURE_DATA(wait) *self)
{
	int64_t end = in_ms(60000);

	while (count_get(&self->resets) < 5 && now_ns() < end)
		sleep_ms(10);
	resets_stop(self);
	EXPECT_LE(5, self->resets);
	EXPECT_EQ(0, self->bad);
}

/* Enough, and not for ever */
static bool more_resets(FIXTURE_DATA(wait) *self, int64_t since, int ms,
			unsigned long resets)
{
	int64_t now = now_ns(), end = since + ms * NSEC_PER_MSEC;

	return now < end || (count_get(&self->resets) < resets &&
			     now < end + 60 * NSEC_PER_SEC);
}

/* What needs many turns, on a machine whose clock ticks seldom, gets them. */
static bool in_time(int64_t since)
{
	return now_ns() < since + 60 * NSEC_PER_SEC;
}

TEST_F(wait, no_sigbus_where_stock_has_none)
{
	static struct toucher t[4];
	uint64_t zaps = zaps_of(self->dev), start = now_ns();
	uint64_t waits = info_of(self->dev, -1).out_waits;
	size_t pages = self->pages;
	uint32_t seed = self->seed;
	int i;

	ASSERT_EQ(0, stage_touch(&self->s, &t[0], self->a.p, pages, seed));
	ASSERT_EQ(0, stage_touch(&self->s, &t[1], self->a.p, pages, seed));
	ASSERT_EQ(0, stage_touch(&self->s, &t[2], self->b.p, pages, seed));
	ASSERT_EQ(0, stage_touch(&self->s, &t[3], self->bar, pages, 0));
	ASSERT_EQ(0, resets_start(self));
	while (more_resets(self, start, 3000, 10)) {
		for (i = 0; i < 4; i++)
			EXPECT_TRUE(toucher_moves(&t[i])) TH_LOG("no. %d", i);
		sleep_ms(20);
	}
	resets_end(_metadata, self);
	for (i = 0; i < 4; i++)
		EXPECT_TRUE(toucher_moves(&t[i])) TH_LOG("no. %d", i);
	stage_stop(&self->s);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, t[i].bus) TH_LOG("no. %d of %lu", i, t[i].good);
		/* Stock's sees what is there during a reset by sysfs. */
		EXPECT_TRUE(i == 3 || !t[i].wrong)
			TH_LOG("no. %d: %lu wrong", i, t[i].wrong);
	}
	EXPECT_LE(zaps + self->resets, zaps_of(self->dev));
	EXPECT_LT(waits, info_of(self->dev, -1).out_waits)
		TH_LOG("nobody has waited");
}

/* Who resets all the time leaves others the time to get on with their work. */
TEST_F(wait, resets_without_pause)
{
	static struct toucher t;
	unsigned long before;
	int i;

	ASSERT_EQ(0, stage_touch(&self->s, &t, self->a.p, self->pages,
				 self->seed));
	ASSERT_TRUE(toucher_moves(&t));
	/* From here on whatever it gets it gets between two resets. */
	ASSERT_EQ(0, vfio_reset(self->dev));
	before = count_get(&t.good);
	for (i = 0; i < RESETS; i++)
		ASSERT_EQ(0, vfio_reset(self->dev));
	EXPECT_LE(before + RESETS / 4, count_get(&t.good));
	EXPECT_TRUE(toucher_moves(&t));
	stage_stop(&self->s);
	EXPECT_EQ(0, t.bus);
	EXPECT_EQ(0, t.wrong);
}

/*
 * The next touch after a zap waits. True once @tid sleeps, which it does for
 * nothing else, while the reset is going on.
 */
static bool wait_for_waiter(FIXTURE_DATA(wait) *self, pid_t tid)
{
	int64_t end = in_ms(20000);
	char state;

	while (now_ns() < end) {
		state = task_state(tid);
		if ((state == 'S' || state == 'D') && flag_get(&self->busy))
			return true;
		if (state == 'X' || state == 'Z')
			return false;
	}
	return false;
}

/* A process that is killed while it waits is gone before the reset is over. */
TEST_F(wait, can_be_killed)
{
	/* One proves it; a debug kernel is late nearly always. */
	int want = kernel_is_debug() ? 1 : 3;
	int64_t end = in_ms(120000);
	unsigned long reset;
	int early = 0;
	bool *ready;
	pid_t pid;

	ready = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, ready);
	ASSERT_EQ(0, resets_start(self));
	/* A slow machine is often too late. */
	while (early < want && now_ns() < end) {
		*ready = false;
		pid = stage_fork(&self->s);
		ASSERT_LE(0, pid);
		if (pid == 0) {
			stage_detach(-1);
			flag_set(ready);
			for (;;)
				__atomic_load_n(self->a.p, __ATOMIC_RELAXED);
		}
		while (!flag_get(ready))
			sched_yield();
		ASSERT_TRUE(wait_for_waiter(self, pid));
		reset = count_get(&self->resets);
		kill(pid, SIGKILL);
		EXPECT_EQ(256 + SIGKILL, stage_reap(&self->s, pid, 20000));
		early += flag_get(&self->busy) &&
			 count_get(&self->resets) == reset;
	}
	EXPECT_EQ(want, early) TH_LOG("only after the reset");
	resets_end(_metadata, self);
	EXPECT_EQ(0, touch(self->a.p, self->pages));
}

static unsigned long signals;

static void on_signal(int sig)
{
	(void)sig;
	count_up(&signals);
}

static void take_signal(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &action, NULL);
}

/* A handler runs while the thread waits, and the access goes on after it. */
TEST_F(wait, can_be_interrupted)
{
	unsigned long reset, before;
	static struct toucher t;
	int64_t end, too_late = in_ms(120000);
	int early = 0;

	take_signal();
	ASSERT_EQ(0, stage_touch(&self->s, &t, self->a.p, self->pages,
				 self->seed));
	ASSERT_EQ(0, resets_start(self));
	while (early < 3 && now_ns() < too_late) {
		ASSERT_TRUE(wait_for_waiter(self, t.tid));
		reset = count_get(&self->resets);
		before = count_get(&signals);
		pthread_kill(t.thread, SIGUSR1);
		end = in_ms(10000);
		while (count_get(&signals) == before && now_ns() < end)
			sched_yield();
		ASSERT_LT(before, count_get(&signals));
		early += flag_get(&self->busy) &&
			 count_get(&self->resets) == reset;
	}
	EXPECT_EQ(3, early) TH_LOG("only after the reset");
	resets_end(_metadata, self);
	EXPECT_TRUE(toucher_moves(&t));
	stage_stop(&self->s);
	EXPECT_EQ(0, t.bus);
	EXPECT_EQ(0, t.wrong);
}

/* A rain of signals is no reason for SIGBUS. */
TEST_F(wait, many_signals)
{
	static struct toucher t;
	int64_t start = now_ns();

	take_signal();
	ASSERT_EQ(0, stage_touch(&self->s, &t, self->b.p, self->pages,
				 self->seed));
	ASSERT_EQ(0, resets_start(self));
	while (more_resets(self, start, 2000, 6) ||
	       (count_get(&signals) <= 100 && in_time(start))) {
		pthread_kill(t.thread, SIGUSR1);
		sleep_ms(1);
	}
	resets_end(_metadata, self);
	EXPECT_TRUE(toucher_moves(&t));
	stage_stop(&self->s);
	EXPECT_LT(100, signals);
	EXPECT_EQ(0, t.bus);
	EXPECT_EQ(0, t.wrong);
}

/* The kernel reads and writes a slice for us. */
TEST_F(wait, copied_by_the_kernel)
{
	uint32_t words[WORDS] = { 0 }, *word = self->a.p;
	/* Only a word of the GPU's is memory. */
	size_t len = self->seed ? sizeof(words) : sizeof(words[0]);
	uint32_t tag = SEED + 4711;
	int64_t start = now_ns();
	unsigned long rounds;
	int fds[2];

	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	ASSERT_EQ(0, resets_start(self));
	for (rounds = 0; more_resets(self, start, 3000, 8) ||
	     (rounds <= 20 && in_time(start)); rounds++) {
		words[0] = tag + rounds;
		words[WORDS - 1] = rounds;
		ASSERT_EQ((ssize_t)len, write(fds[1], words, len));
		ASSERT_EQ((ssize_t)len, read(fds[0], word, len));
		ASSERT_EQ((ssize_t)len, write(fds[1], word, len));
		memset(words, 0, sizeof(words));
		ASSERT_EQ((ssize_t)len, read(fds[0], words, len));
		/* A reset of the function may have come between. */
		if (!self->seed) {
			ASSERT_NE(NOBODY, words[0]);
			continue;
		}
		ASSERT_EQ(tag + rounds, words[0]);
		ASSERT_EQ(rounds, words[WORDS - 1]);
	}
	resets_end(_metadata, self);
	EXPECT_LT(20, rounds);
}

/* The same for whoever asks for all pages at once */
TEST_F(wait, populated)
{
	size_t size = self->pages * PAGE;
	int64_t start = now_ns();
	int ours, stocks;

	ASSERT_EQ(0, resets_start(self));
	while (more_resets(self, start, 1500, 6)) {
		errno = 0;
		stocks = madvise(self->bar, size, MADV_POPULATE_READ);
		stocks = stocks ? -errno : 0;
		ours = madvise(self->a.p, size, MADV_POPULATE_READ);
		ours = ours ? -errno : 0;
		ASSERT_EQ(stocks, ours);
		/* Neither does any harm. */
		ASSERT_EQ(0, touch(self->a.p, 1));
	}
	resets_end(_metadata, self);
}

/* Configuration writes whose buffer is a slice */

static int config_write_in_child(FIXTURE_DATA(wait) *self, off_t pos,
				 const void *buf)
{
	pid_t pid = stage_fork(&self->s);

	if (pid < 0)
		return pid;
	if (pid == 0)
		_exit(-vfio_config_write(self->dev, pos, buf, 2));
	return stage_reap(&self->s, pid, 20000);
}

/* It would wait for itself. */
TEST_F(wait, config_write_from_own_slice)
{
	struct vfio_dev *dev = self->dev;
	uint16_t before, after;
	uint8_t pm;

	ASSERT_EQ(2, vfio_config_read(dev, PCI_COMMAND, &before, 2));
	ASSERT_TRUE(try_write32(self->a.p, before & ~PCI_COMMAND_MEMORY));
	EXPECT_EQ(EFAULT,
		  config_write_in_child(self, PCI_COMMAND, self->a.p));
	EXPECT_EQ(-EFAULT, vfio_config_write(dev, PCI_COMMAND, self->a.p, 2));
	/* also where it is not touched yet, and by another mapping */
	EXPECT_EQ(-EFAULT, vfio_config_write(dev, PCI_COMMAND, self->b.p, 2));
	pm = vfio_capability(dev, PCI_CAP_ID_PM);
	EXPECT_TRUE(!pm || vfio_config_write(dev, pm + PCI_PM_CTRL, self->a.p,
					     2) == -EFAULT);
	ASSERT_EQ(2, vfio_config_read(dev, PCI_COMMAND, &after, 2));
	EXPECT_EQ(before, after);
	EXPECT_EQ(VFIO_DMABUF_STATE_ON, info_of(dev, self->a.fd).out_state);
	EXPECT_EQ(0, touch(self->a.p, self->pages));

	/* One that does not need the gate has nothing to wait for. */
	EXPECT_EQ(2, vfio_config_write(dev, PCI_VENDOR_ID, self->a.p, 2));
	EXPECT_EQ(2, vfio_config_read(dev, PCI_COMMAND, self->a.p, 2));
	/* It may be copied by bytes, which the GPU takes for one each. */
	EXPECT_TRUE(!self->seed || before == *(uint16_t *)self->a.p);
	/* The gate is open. */
	ASSERT_EQ(0, vfio_reset(dev));
	EXPECT_EQ(0, touch(self->a.p, self->pages));
}

/* Another device's slice is memory like any other. */
TEST_F(wait, config_write_from_other_slice)
{
	struct vfio_dev *dev = self->dev;
	uint16_t command, is;
	struct view other;

	ASSERT_EQ(0, vfio_start(&self->s.second, VFIO_IVSHMEM, VFIO_OURS));
	ASSERT_EQ(0, vfio_memory_enable(&self->s.second, true));
	ASSERT_EQ(0, view_open(&other, &self->s.second, 2, 0, PAGE, PAGE));
	ASSERT_EQ(2, vfio_config_read(dev, PCI_COMMAND, &command, 2));

	command &= ~PCI_COMMAND_MEMORY;
	ASSERT_TRUE(try_write32(other.p, command));
	EXPECT_EQ(2, vfio_config_write(dev, PCI_COMMAND, other.p, 2));
	ASSERT_EQ(2, vfio_config_read(dev, PCI_COMMAND, &is, 2));
	EXPECT_EQ(command, is);
	EXPECT_EQ(1, touch(self->a.p, 1));

	command |= PCI_COMMAND_MEMORY;
	ASSERT_TRUE(try_write32(other.p, command));
	/* An entry that has to be made first */
	ASSERT_EQ(0, vfio_memory_enable(&self->s.second, true));
	EXPECT_EQ(2, vfio_config_write(dev, PCI_COMMAND, other.p, 2));
	EXPECT_EQ(0, touch(self->a.p, self->pages));
}

TEST_HARNESS_MAIN
