// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page faults on a buffer: how many there are, from many threads at a time,
 * and what else the kernel may do to such a mapping.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "heap_env.h"

#include "dmabuf_util.h"

#define SIZE	MIB(64)
#define PAGES	(SIZE / PAGE)
#define SLOTS	(SIZE / HUGE)
/* One a slot, one more if unaligned, and some that have other causes */
#define FAULTS	(SLOTS + 8)

FIXTURE(fault) {
	struct heap_env env;
	struct cg cg;
	int buf;	/* SIZE bytes, charged to cg */
};

FIXTURE_SETUP(fault)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->cg, &self->env.top, "fault"));
	memory_compact();
	self->buf = heap_alloc(self->env.dev, SIZE, cg_open(&self->cg, 0));
	ASSERT_GE(self->buf, 0);
}

FIXTURE_TEARDOWN(fault)
{
	buf_unmap_all();
	heap_env_teardown(_metadata, &self->env);
}

static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt;
}

/* Page tables of this process: a huge page needs none of the lowest level. */
static long tables_kib(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmPTE: %ld", &kib) != 1)
			kib = -1;
	if (f)
		fclose(f);
	return kib;
}

struct cost {
	long faults;
	long kib;	/* of page tables */
};

/* Each page is read and then written: that is one fault, not two. */
static struct cost touch(char *p)
{
	struct cost cost;
	uint64_t *word;
	int64_t i;

	tables_kib();
	cost.kib = tables_kib();
	cost.faults = minor_faults();
	for (i = 0; i < PAGES; i++) {
		word = (uint64_t *)(p + i * PAGE);
		if (!__atomic_load_n(word, __ATOMIC_RELAXED))
			__atomic_store_n(word, i + 1, __ATOMIC_RELAXED);
	}
	cost.faults = minor_faults() - cost.faults;
	cost.kib = tables_kib() - cost.kib;
	return cost;
}

/* Does the buffer have nothing but blocks of 2 MiB? */
static bool has_large_blocks(struct __test_metadata *_metadata, int td, int buf)
{
	struct test_dmabuf_map_args figures = {};

	ASSERT_EQ(0, td_attach(td, buf));
	ASSERT_EQ(0, td_map(td, TD_BOTH, &figures));
	ASSERT_EQ(0, td_release(td));
	TH_LOG("%u blocks, the smallest of %llu bytes", figures.out_nents,
	       (unsigned long long)figures.out_min);
	return (int64_t)figures.out_min == HUGE;
}

/*
 * Huge pages where the kernel can, whatever the settings for anonymous memory
 * are: then next to no page tables are needed. Elsewhere a fault maps all that
 * is around it, so there are as few faults; the tables tell the one from the
 * other. From 6.12 on a kernel can, unless it is PREEMPT_RT, and a guest has
 * the blocks, if not at once.
 */
TEST_F(fault, few_if_aligned)
{
	struct dma_heap_memcg_caps caps;
	int td = td_open(), tries;
	bool can, large;
	struct cost cost;
	char *p;

	ASSERT_GE(td, 0);
	ASSERT_EQ(0, heap_caps(self->env.dev, &caps));
	can = caps.out_features & DMA_HEAP_MEMCG_FEATURE_HUGE_FAULT;
	large = has_large_blocks(_metadata, td, self->buf);
	for (tries = 0; !large && tries < 5; tries++) {
		close(self->buf);
		memory_compact();
		self->buf = heap_alloc(self->env.dev, SIZE,
				       cg_open(&self->cg, 0));
		ASSERT_GE(self->buf, 0);
		large = has_large_blocks(_metadata, td, self->buf);
	}
	if (kernel_is_row()) {
		EXPECT_TRUE(large);
		EXPECT_EQ(can, kernel_maps_huge());
	}

	p = buf_map_at(self->buf, PROT_READ | PROT_WRITE, 0);
	ASSERT_NE(MAP_FAILED, p);
	cost = touch(p);
	TH_LOG("%ld faults, %ld KiB of tables", cost.faults, cost.kib);
	EXPECT_LE(cost.faults, FAULTS);
	EXPECT_LE(cost.kib, can && large ? 16 : LONG_MAX);
	EXPECT_GE(cost.kib, can ? 0 : PAGE / 1024 * SLOTS);
}

/*
 * fork() does not copy huge entries, as it would do so without a lock against
 * TRANSFER: the child takes its faults anew. It sees what was written.
 */
TEST_F(fault, none_copied_by_fork)
{
	char *p = buf_map_at(self->buf, PROT_READ | PROT_WRITE, 0);
	struct dma_heap_memcg_caps caps;
	struct cost cost;
	int status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, heap_caps(self->env.dev, &caps));
	touch(p);
	pid = fork();
	if (pid == 0) {
		cost = touch(p);
		_exit(cost.faults >= SLOTS ? 0 : 1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	if (caps.out_features & DMA_HEAP_MEMCG_FEATURE_HUGE_FAULT)
		EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(PAGES, *(int64_t *)(p + SIZE - PAGE));
}

/* The control: an address that rules huge pages out */
TEST_F(fault, few_if_unaligned)
{
	const size_t offs[] = { PAGE, HUGE / 2, HUGE - PAGE };
	struct cost cost;
	char *p;
	int i;

	for (i = 0; i < (int)ARRAY_SIZE(offs); i++) {
		p = buf_map_at(self->buf, PROT_READ | PROT_WRITE, offs[i]);
		ASSERT_NE(MAP_FAILED, p);
		cost = touch(p);
		TH_LOG("%ld faults, %ld KiB of tables", cost.faults, cost.kib);
		EXPECT_LE(cost.faults, FAULTS);
		EXPECT_GE(cost.kib, PAGE / 1024 * SLOTS);
		munmap(p, SIZE);
	}
}

/* The address is aligned, the place in the buffer is not. */
TEST_F(fault, few_if_misaligned)
{
	char *p = buf_map_at(self->buf, PROT_NONE, 0);
	long faults;
	int64_t i;

	ASSERT_NE(MAP_FAILED, p);
	p = mmap(p, SIZE - PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, self->buf, PAGE);
	ASSERT_NE(MAP_FAILED, p);
	faults = minor_faults();
	for (i = 0; i < PAGES - 1; i++)
		*(uint64_t *)(p + i * PAGE) = i + 1;
	EXPECT_LE(minor_faults() - faults, FAULTS);
	p = buf_map(self->buf, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(i, *(int64_t *)(p + i * PAGE));
}

#define THREADS	8

struct racer {
	pthread_t thread;
	char *p;
	unsigned int start;
	unsigned int stride;	/* odd: every page has its turn once */
};

static void *race(void *arg)
{
	struct racer *r = arg;
	unsigned int i, page = r->start;

	for (i = 0; i < PAGES; i++) {
		page = (page + r->stride) % PAGES;
		__atomic_fetch_add((uint64_t *)(r->p + page * PAGE), 1,
				   __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *map_and_unmap(void *arg)
{
	int buf = *(int *)arg;
	long i, turns;
	char *p;

	for (turns = 0; turns < 50; turns++) {
		p = buf_map_at(buf, PROT_READ, (turns & 1) * PAGE);
		if (p == MAP_FAILED)
			return (void *)1L;
		for (i = 0; i < 64; i++)
			words_sum(p + (i * 257 + turns) % PAGES * PAGE, 8);
		munmap(p, SIZE);
	}
	return NULL;
}

static void start_race(struct racer *r, char *p, int i)
{
	*r = (struct racer) {
		.p = p,
		.start = i * 1999,
		.stride = i & 1 ? 2 * i * 511 + 1 : 1,
	};
}

/* All threads on one mapping, and two processes on copies of it */
TEST_F(fault, from_everywhere_at_once)
{
	char *p = buf_map_at(self->buf, PROT_READ | PROT_WRITE, 0);
	struct racer racers[THREADS];
	pthread_t mapper;
	void *bad = NULL;
	pid_t pids[2];
	int i, status;
	int64_t page;

	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		start_race(&racers[0], p, 20 + i);
		race(&racers[0]);
		_exit(0);
	}
	for (i = 0; i < THREADS; i++) {
		start_race(&racers[i], p, i);
		ASSERT_EQ(0, pthread_create(&racers[i].thread, NULL, race,
					    &racers[i]));
	}
	ASSERT_EQ(0, pthread_create(&mapper, NULL, map_and_unmap, &self->buf));
	for (i = 0; i < THREADS; i++)
		pthread_join(racers[i].thread, NULL);
	pthread_join(mapper, &bad);
	EXPECT_EQ(NULL, bad);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	for (page = 0; page < PAGES; page++)
		ASSERT_EQ(THREADS + 2, *(uint64_t *)(p + page * PAGE));
}

/* Whatever they answer, the contents stay, and can be got at. */
TEST_F(fault, advice_does_no_harm)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_MERGEABLE,
		MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
		MADV_WIPEONFORK, MADV_KEEPONFORK, 20 /* COLD */,
		21 /* PAGEOUT */, 22 /* POPULATE_READ */,
		23 /* POPULATE_WRITE */, 24 /* DONTNEED_LOCKED */,
		25 /* COLLAPSE */,
	};
	char *p = buf_map_at(self->buf, PROT_READ | PROT_WRITE, 0);
	int i, whole, part;

	ASSERT_NE(MAP_FAILED, p);
	buf_fill(p, SIZE, 1);
	for (i = 0; i < (int)ARRAY_SIZE(advice); i++) {
		part = madvise(p + MIB(3) + PAGE, MIB(5), advice[i]);
		EXPECT_EQ(0, buf_differs(p, MIB(9), 1))
			TH_LOG("advice %d for a part: %d", advice[i], part);
		whole = madvise(p, SIZE, advice[i]);
		EXPECT_EQ(0, buf_differs(p, MIB(9), 1))
			TH_LOG("advice %d: %d", advice[i], whole);
	}
	EXPECT_EQ(0, buf_differs(p, SIZE, 1));
	EXPECT_EQ(SIZE, cg_local_bytes(self->env.dev, &self->cg));
}

TEST_F(fault, locking_and_populating_do_no_harm)
{
	char *p = buf_map(self->buf, PROT_READ | PROT_WRITE), *q;
	int ret;

	ASSERT_NE(MAP_FAILED, p);
	buf_fill(p, SIZE, 1);
	ret = mlock(p, SIZE);
	EXPECT_EQ(0, buf_differs(p, SIZE, 1)) TH_LOG("mlock: %d", ret);
	ret = munlock(p, SIZE);
	EXPECT_EQ(0, buf_differs(p, SIZE, 1)) TH_LOG("munlock: %d", ret);
	ret = msync(p, SIZE, MS_SYNC | MS_INVALIDATE);
	EXPECT_EQ(0, buf_differs(p, SIZE, 1)) TH_LOG("msync: %d", ret);
	memory_compact();
	EXPECT_EQ(0, buf_differs(p, SIZE, 1));

	q = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_POPULATE | MAP_LOCKED, self->buf, 0);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(0, buf_differs(q, SIZE, 1));
	EXPECT_EQ(SIZE, cg_local_bytes(self->env.dev, &self->cg));
}

/* Pages cannot be pinned; data can be copied. */
TEST_F(fault, through_system_calls)
{
	char *p = buf_map(self->buf, PROT_READ | PROT_WRITE);
	char plain[PAGE], copy[PAGE];
	struct iovec local = { plain, sizeof(plain) };
	struct iovec there = { p, sizeof(plain) };
	int fds[2], mem, zero;
	ssize_t n;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	buf_fill(p, SIZE, 1);
	memcpy(copy, p, sizeof(copy));
	memset(plain, 0x77, sizeof(plain));

	EXPECT_EQ(-1, process_vm_readv(getpid(), &local, 1, &there, 1, 0));
	EXPECT_EQ(-1, process_vm_writev(getpid(), &local, 1, &there, 1, 0));
	EXPECT_EQ(-1, vmsplice(fds[1], &there, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, syscall(SYS_futex, p, FUTEX_WAKE, 1, NULL, NULL, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, buf_differs(p, SIZE, 1));

	/* It may have been touched by nobody yet. */
	munmap(p, SIZE);
	p = buf_map(self->buf, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ((ssize_t)sizeof(copy), write(fds[1], p, sizeof(copy)));
	EXPECT_EQ((ssize_t)sizeof(plain), read(fds[0], plain, sizeof(plain)));
	EXPECT_EQ(0, memcmp(plain, copy, sizeof(copy)));

	mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(mem, 0);
	memset(plain, 0x77, sizeof(plain));
	n = pread(mem, plain, sizeof(plain), (off_t)(uintptr_t)p);
	if (n > 0)
		EXPECT_EQ(0, memcmp(plain, copy, n));
	TH_LOG("/proc/self/mem: %zd", n);
	EXPECT_EQ(0, buf_differs(p, SIZE, 1));

	zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(zero, 0);
	EXPECT_EQ(MIB(4), read(zero, p + MIB(8), MIB(4)));
	EXPECT_TRUE(buf_is_zero(p + MIB(8), MIB(4)));
	EXPECT_EQ(0, buf_differs(p, MIB(8), 1));
}

TEST_HARNESS_MAIN
