// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many faults it takes: as many as stock's mapping of the BAR takes at the
 * same address, and that with the right contents behind each.
 */
#include "events.h"

#define BAR	2
#define SEED	0x01000000U
/* What is known of the BAR: page i holds SEED + i. */
#define KNOWN	(24 * HUGE)

FIXTURE(fault) {
	struct stage s;
	struct vfio_dev *dev;
	uint32_t *bar;	/* stock's, of what is known */
	bool huge;
};

FIXTURE_SETUP(fault)
{
	self->dev = &self->s.env.dev;
	vfio_env_setup(_metadata, &self->s.env, VFIO_BIG, VFIO_OURS);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	ASSERT_EQ(GIB(1), vfio_bar_size(self->dev, BAR));
	self->bar = bar_map_aligned(self->dev, BAR, 0, KNOWN, HUGE);
	ASSERT_NE(MAP_FAILED, self->bar);
	ASSERT_TRUE(fill(self->bar, KNOWN / PAGE, SEED));
	self->huge = info_of(self->dev, -1).out_features &
		     VFIO_DMABUF_FEATURE_BIT_HUGE;
	ASSERT_EQ(kernel_maps_huge(), self->huge);
}

FIXTURE_TEARDOWN(fault)
{
	stage_teardown(_metadata, &self->s);
}

/* Faults of touching each page from the first to the last; -1: SIGBUS */
static long faults_to_touch(uint32_t *p, size_t size)
{
	long before = thread_faults();

	if (touch(p, size / PAGE))
		return -1;
	return thread_faults() - before;
}

/*
 * The same for a part of the BAR mapped with the device fd, at an address that
 * is aligned in the same way
 */
static long stock_faults(const struct vfio_dev *dev, off_t offset, size_t size,
			 size_t align, size_t at)
{
	void *p = map_askew(dev->fd, size, region_offset(dev, BAR) + offset, RW,
			    align, at);
	long faults;

	if (p == MAP_FAILED)
		return -1;
	faults = faults_to_touch(p, size);
	munmap(p, size);
	return faults;
}

static bool near(long is, long want)
{
	/* The thread's own stack and libc may fault now and then. */
	return is >= want && is <= want + 3;
}

/* A slice of its own for one mapping; both ways of counting must agree. */
static long our_faults(FIXTURE_DATA(fault) *self, uint64_t offset, size_t size,
		       size_t align, size_t at)
{
	int fd = vfio_export(self->dev, BAR, offset, size, O_RDWR | O_CLOEXEC);
	long faults, counted;
	uint32_t *p;

	if (fd < 0)
		return fd;
	p = map_askew(fd, size, 0, RW, align, at);
	if (p == MAP_FAILED)
		return -1;
	faults = faults_to_touch(p, size);
	counted = faults_of(self->dev, fd);
	if (differ(p, size / PAGE, SEED + offset / PAGE) ||
	    (long)faults_of(self->dev, fd) != counted ||
	    !near(faults, counted))
		counted = -1;
	munmap(p, size);
	close(fd);
	return counted;
}

TEST_F(fault, aligned)
{
	long ours = our_faults(self, 0, 16 * HUGE, HUGE, 0);
	long stocks = stock_faults(self->dev, 0, 16 * HUGE, HUGE, 0);

	TH_LOG("%ld, stock %ld", ours, stocks);
	EXPECT_EQ(16, ours);
	EXPECT_TRUE(near(stocks, self->huge ? 16 : 1));
}

TEST_F(fault, aligned_1_gib)
{
	long faults, stocks, want;
	struct view v;

	ASSERT_EQ(0, view_open(&v, self->dev, BAR, 0, GIB(1), GIB(1)));
	faults = faults_to_touch(v.p, GIB(1));
	stocks = stock_faults(self->dev, 0, GIB(1), GIB(1), 0);
	TH_LOG("%ld, stock %ld", faults, stocks);
	want = self->huge && pud_maps() ? 1 : GIB(1) / HUGE;
	EXPECT_EQ(want, faults_of(self->dev, v.fd));
	EXPECT_TRUE(near(faults, want));
	EXPECT_TRUE(near(stocks, self->huge ? want : 1));
	EXPECT_EQ(0, differ(v.p, KNOWN / PAGE, SEED));
	/* by the last page too */
	EXPECT_TRUE(try_write32(page_of(v.p, GIB(1) / PAGE - 1), 4711));
	view_close(&v);
	ASSERT_EQ(0, view_open(&v, self->dev, BAR, GIB(1) - PAGE, PAGE, PAGE));
	EXPECT_EQ(0, differ(v.p, 1, 4711));
}

/* 1 GiB where only what a PMD maps fits */
TEST_F(fault, half_aligned_1_gib)
{
	struct view v;
	void *p;

	v.fd = vfio_export(self->dev, BAR, 0, GIB(1), O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, v.fd);
	p = map_askew(v.fd, GIB(1), 0, RW, GIB(1), HUGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, touch(p, GIB(1) / PAGE));
	EXPECT_EQ(GIB(1) / HUGE, faults_of(self->dev, v.fd));
	EXPECT_EQ(0, differ(p, KNOWN / PAGE, SEED));
	EXPECT_TRUE(near(stock_faults(self->dev, 0, GIB(1), GIB(1), HUGE),
			 self->huge ? GIB(1) / HUGE : 1));
}

/* Addresses at which no huge page fits, or not everywhere */
TEST_F(fault, misaligned)
{
	const long all = HUGE / PAGE;
	const struct {
		size_t offset, size, at;
		long huge, small;	/* faults */
	} cases[] = {
		{ 0, 2 * HUGE, PAGE, 2 * all, 3 },
		{ 0, 2 * HUGE, HUGE - PAGE, 2 * all, 3 },
		{ PAGE, 2 * HUGE, 0, 2 * all, 2 },
		/* The address is as far off as the memory. */
		{ HUGE / 2, 2 * HUGE, HUGE / 2, all / 2 + 1 + all / 2, 3 },
		{ HUGE - PAGE, 2 * HUGE, HUGE - PAGE, 1 + 1 + all - 1, 3 },
		/* from the middle of a huge page, at the beginning of one */
		{ HUGE / 2, 2 * HUGE, 0, 2 * all, 2 },
		{ 3 * HUGE / 2, HUGE / 2, HUGE / 2, all / 2, 1 },
		{ HUGE, HUGE - PAGE, 0, all - 1, 1 },
		{ HUGE, HUGE + PAGE, 0, 2, 2 },
	};
	long ours, stocks;
	int i;

	for (i = 0; i < (int)ARRAY_SIZE(cases); i++) {
		ours = our_faults(self, cases[i].offset, cases[i].size, HUGE,
				  cases[i].at);
		EXPECT_EQ(self->huge ? cases[i].huge : cases[i].small, ours)
			TH_LOG("case %d", i);
		stocks = stock_faults(self->dev, cases[i].offset,
				      cases[i].size, HUGE, cases[i].at);
		EXPECT_TRUE(near(stocks, self->huge ? cases[i].huge : 1))
			TH_LOG("case %d: stock %ld", i, stocks);
	}
}

/* A page in the middle first, then below and above, backwards */
TEST_F(fault, any_order)
{
	size_t pages = 3 * HUGE / PAGE, i, bad = 0;
	uint32_t value;
	struct view v;

	ASSERT_EQ(0, view_open(&v, self->dev, BAR, 0, 3 * HUGE, HUGE));
	for (i = pages; i-- > 0;) {
		size_t page = (i * 641 + 77) % pages;

		bad += !try_read32(page_of(v.p, page), &value) ||
		       value != SEED + page;
	}
	EXPECT_EQ(0, bad);
	EXPECT_EQ(3, faults_of(self->dev, v.fd));
}

/* Ranges in another order, with boundaries where no huge page ends */
TEST_F(fault, many_ranges)
{
	const struct vfio_region_dma_range ranges[] = {
		{ 4 * HUGE, HUGE + PAGE },
		{ 8 * HUGE - PAGE, HUGE - PAGE },
		{ HUGE, 2 * HUGE },
		/* the same once more, and what follows it: one range */
		{ HUGE, HUGE },
		{ 2 * HUGE, HUGE },
		{ 16 * HUGE + PAGE, PAGE },
	};
	const long all = HUGE / PAGE;
	size_t i, page, bad = 0, at = 0, size = 0;
	uint32_t value, *p;
	long faults;
	int fd;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		size += ranges[i].length;
	fd = vfio_export_ranges(self->dev, BAR, ranges, ARRAY_SIZE(ranges),
				O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(5, info_of(self->dev, fd).out_nr_ranges);
	EXPECT_EQ(size, info_of(self->dev, fd).out_size);
	p = map_aligned(fd, size, 0, RW, HUGE);
	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		for (page = 0; page < ranges[i].length / PAGE; page++) {
			bad += !try_read32(page_of(p, at++), &value) ||
			       value != SEED + ranges[i].offset / PAGE + page;
		}
	}
	EXPECT_EQ(0, bad);
	EXPECT_EQ(size / PAGE, at);
	/*
	 * Huge: all but a page of the first range. Its odd page and the second range
	 * share what a huge entry would cover. The third, and the next two,
	 * fit; the last page does not. Small: what a window and a range have
	 * in common.
	 */
	faults = faults_of(self->dev, fd);
	EXPECT_EQ(self->huge ? 1 + 1 + all - 1 + 2 + 2 + 1 : 1 + 1 + 1 + 2 + 2 + 1,
		  faults);

	/* Each page goes where it should for writing as well. */
	for (i = 0; i < at; i++)
		bad += !try_write32(page_of(p, i) + 1, i);
	EXPECT_EQ(0, bad);
	EXPECT_EQ(0, page_of(self->bar, 4 * all)[1]);
	EXPECT_EQ(HUGE / PAGE, page_of(self->bar, 5 * all)[1]);
	EXPECT_EQ(HUGE / PAGE + 1, page_of(self->bar, 8 * all - 1)[1]);
	EXPECT_EQ(at - 1, page_of(self->bar, 16 * all + 1)[1]);
	EXPECT_EQ(at - 2, page_of(self->bar, 3 * all - 1)[1]);
}

/* From the middle of a slice, and a mapping cut into pieces */
TEST_F(fault, parts)
{
	size_t size = 4 * HUGE, all = HUGE / PAGE;
	int fd = vfio_export(self->dev, BAR, 2 * HUGE, size,
			     O_RDWR | O_CLOEXEC);
	uint32_t *p, first = SEED + 2 * all;

	ASSERT_LE(0, fd);
	p = map_aligned(fd, HUGE, 3 * HUGE / 2, RW, HUGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, differ(p, all, first + 3 * all / 2));
	EXPECT_EQ(self->huge ? all : 1, faults_of(self->dev, fd));
	munmap(p, HUGE);

	p = map_aligned(fd, size, 0, RW, HUGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, differ(p, size / PAGE, first));
	/* a hole in a huge page: the rest of it comes again, in small ones */
	ASSERT_EQ(0, munmap(page_of(p, all + 7), PAGE));
	EXPECT_EQ(0, differ(p, all + 7, first));
	EXPECT_EQ(0, differ(page_of(p, all + 8), size / PAGE - all - 8,
			    first + all + 8));
}

static int write_there(uint32_t *p)
{
	pid_t pid = fork();

	if (pid == 0) {
		__atomic_store_n(p, 0, __ATOMIC_RELAXED);
		_exit(0);
	}
	return pid < 0 ? -errno : reap_in(pid, 20000);
}

TEST_F(fault, protection)
{
	size_t size = 2 * HUGE, pages = size / PAGE;
	struct view v;

	ASSERT_EQ(0, view_open(&v, self->dev, BAR, 0, size, HUGE));
	EXPECT_EQ(0, differ(v.p, pages, SEED));
	ASSERT_EQ(0, mprotect(v.p, size, PROT_READ));
	EXPECT_EQ(0, differ(v.p, pages, SEED));
	EXPECT_EQ(256 + SIGSEGV, write_there(page_of(v.p, pages / 2 + 88)));
	ASSERT_EQ(0, mprotect(v.p, size, PROT_NONE));
	EXPECT_EQ(256 + SIGSEGV, write_there(v.p));
	ASSERT_EQ(0, mprotect(v.p, size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, differ(v.p, pages, SEED));
	/* one page in the middle of a huge one */
	ASSERT_EQ(0, mprotect(page_of(v.p, 3), PAGE, PROT_READ));
	EXPECT_EQ(256 + SIGSEGV, write_there(page_of(v.p, 3)));
	EXPECT_TRUE(try_write32(page_of(v.p, 2), SEED + 2));
	EXPECT_TRUE(try_write32(page_of(v.p, 4), SEED + 4));
	EXPECT_TRUE(try_write32(page_of(v.p, pages / 2 + 1), SEED + pages / 2 + 1));
	EXPECT_EQ(0, differ(v.p, pages, SEED));
	ASSERT_EQ(0, vfio_revoke(self->dev, v.fd));
	EXPECT_EQ(pages, touch(v.p, pages));
}

/* Both wait until all is gone, then neither may have anything. */
static size_t left_over(const struct view *v, const bool *gone)
{
	size_t i, left = 0;

	while (!flag_get(gone))
		sched_yield();
	for (i = 0; i < v->size / PAGE; i += 37)
		left += !touch(page_of(v->p, i), 1);
	return left;
}

struct revoker {
	const struct vfio_dev *dev;
	int fd;
	bool *gone;
	int delay, ret;
};

static void *revoker_thread(void *arg)
{
	struct revoker *r = arg;
	int i;

	for (i = 0; i < r->delay; i++)
		__asm__ __volatile__("" ::: "memory");
	r->ret = vfio_revoke(r->dev, r->fd);
	flag_set(r->gone);
	return NULL;
}

/* fork() copies entries while they are taken away. */
TEST_F_TIMEOUT(fault, fork_while_revoked, 900)
{
	bool *gone = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* with a tail of small pages */
	size_t size = 2 * HUGE + 8 * PAGE;
	int64_t end = in_ms(60000);
	pthread_t thread;
	struct view v;
	pid_t pid;
	int i;

	ASSERT_NE(MAP_FAILED, gone);
	/* Each delay at least once, however slow it is. */
	for (i = 0; i < 300 && (i < 40 || now_ns() < end); i++) {
		struct revoker r = {
			.dev = self->dev,
			.gone = gone,
			.delay = i % 30 * 2000,
		};

		*gone = false;
		ASSERT_EQ(0, view_open(&v, self->dev, BAR, 0, size, HUGE));
		ASSERT_EQ(0, touch(v.p, size / PAGE));
		r.fd = v.fd;
		ASSERT_EQ(0, pthread_create(&thread, NULL, revoker_thread, &r));
		pid = stage_fork(&self->s);
		if (pid == 0)
			_exit(left_over(&v, gone) ? 1 : 0);
		pthread_join(thread, NULL);
		ASSERT_EQ(0, r.ret);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, left_over(&v, gone)) TH_LOG("round %d", i);
		ASSERT_EQ(0, stage_reap(&self->s, pid, 20000))
			TH_LOG("the child of round %d", i);
		view_close(&v);
	}
}

TEST_HARNESS_MAIN
