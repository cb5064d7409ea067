// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers of many small blocks: a cgroup that is full of page cache has no
 * room for large ones, but for single pages, which reclaim.
 */
#include <sys/mman.h>

#include "heap_env.h"

#include "dmabuf_util.h"
#include "syncobj_util.h"

#define SIZE	MIB(8)
#define PAGES	(SIZE / PAGE)
#define FULL	MIB(40)
#define ROUNDS	30
/* The compiler's first: to look through /usr/lib takes longer than to read what it finds. */
#define FILES	"for d in /usr/libexec /usr/lib; do find $d -xdev -type f -size +256k; done"

FIXTURE(blocks) {
	struct heap_env env;
	struct cg full, other;
	int dir_full, dir_other;
	int td;
};

FIXTURE_SETUP(blocks)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->full, &self->env.top, "full"));
	ASSERT_EQ(0, cg_new(&self->other, &self->env.top, "other"));
	self->dir_full = cg_open(&self->full, 0);
	self->dir_other = cg_open(&self->other, 0);
	ASSERT_GE(self->dir_full, 0);
	ASSERT_GE(self->dir_other, 0);
	self->td = td_open();
	ASSERT_GE(self->td, 0);
}

FIXTURE_TEARDOWN(blocks)
{
	buf_unmap_all();
	/* What was read would stay charged. */
	EXPECT_EQ(0, cg_write(&self->full, "memory.high", "0"));
	EXPECT_EQ(0, cg_write(&self->full, "memory.high", "max"));
	heap_env_teardown(_metadata, &self->env);
}

static int read_files(void *arg)
{
	char out[16];

	(void)arg;
	/* One by one: a cat without a reader ends the search. */
	return command_run("(" FILES ") | xargs -n 1 cat 2>/dev/null | head -c 64M >/dev/null",
			   out, sizeof(out));
}

/* False if there is not enough to read. */
static bool fill(struct __test_metadata *_metadata, FIXTURE_DATA(blocks) *self)
{
	int64_t file;

	/* Whoever read it before is charged for it; and large blocks for all. */
	memory_compact();
	ASSERT_EQ(0, cg_write_bytes(&self->full, "memory.max", FULL));
	ASSERT_EQ(0, cg_reap(cg_run(&self->full, read_files, NULL)));
	file = cg_settle_key(&self->full, "memory.stat", "file", FULL, MIB(4));
	TH_LOG("%lld bytes of files", (long long)file);
	/* Reclaim may have made more room than was needed. */
	ASSERT_EQ(0, cg_write_bytes(&self->full, "memory.max",
				    cg_read(&self->full, "memory.current")));
	return file > 2 * SIZE;
}

static unsigned int blocks_of(struct __test_metadata *_metadata, int td,
			      int buf)
{
	struct test_dmabuf_map_args figures = {};

	ASSERT_EQ(0, td_attach(td, buf));
	ASSERT_EQ(0, td_map(td, TD_BOTH, &figures));
	ASSERT_EQ(0, td_release(td));
	return figures.out_nents;
}

/* A kernel without huge pages refuses what it does anyway. */
static bool map_small(void *p, size_t size)
{
	return madvise(p, size, MADV_NOHUGEPAGE) == (kernel_has_thp() ? 0 : -1);
}

/* What it takes to map all of it by single pages, if it is less than before */
static void touch(struct __test_metadata *_metadata, int buf, int64_t *least)
{
	int64_t start, i;
	char *p;

	p = buf_map_at(buf, PROT_READ | PROT_WRITE, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(map_small(p, SIZE));
	start = now_ns();
	for (i = 0; i < SIZE; i += MIB(2))
		__atomic_store_n(p + i, 1, __ATOMIC_RELAXED);
	start = now_ns() - start;
	if (start < *least)
		*least = start;
	munmap(p, SIZE);
}

/* To map a page takes what it takes, whatever block it is in. */
TEST_F(blocks, cost_of_a_fault)
{
	unsigned int few, many;
	int64_t large = INT64_MAX, small = INT64_MAX;
	int bufs[2], round;

	if (!fill(_metadata, self))
		SKIP(return, "no files that could be reclaimed");
	bufs[0] = heap_alloc(self->env.dev, SIZE, self->dir_other);
	bufs[1] = heap_alloc(self->env.dev, SIZE, self->dir_full);
	ASSERT_GE(bufs[0], 0);
	ASSERT_GE(bufs[1], 0);
	few = blocks_of(_metadata, self->td, bufs[0]);
	many = blocks_of(_metadata, self->td, bufs[1]);
	ASSERT_GT(many, PAGES / 2);
	/* In turns, as others may keep the processors busy for a while; so once more. */
	for (round = 0; round < ROUNDS ||
	     (round < 10 * ROUNDS && small >= large * 3 / 2); round++) {
		touch(_metadata, bufs[0], &large);
		touch(_metadata, bufs[1], &small);
	}
	TH_LOG("%u blocks %lld ns, %u blocks %lld ns", few, (long long)large,
	       many, (long long)small);
	EXPECT_LT(small, large * 3 / 2);
}

/* Pages are numbered as devices see them, and looked at by faults. */
static void see(struct __test_metadata *_metadata, FIXTURE_DATA(blocks) *self,
		int dir, int64_t size)
{
	const int64_t offs[] = { 0, PAGE, MIB(1) + 15 * PAGE, MIB(2) };
	int buf = heap_alloc(self->env.dev, size, dir), n = 0;
	unsigned int i;
	int64_t page;
	uint64_t *p;

	ASSERT_GE(buf, 0);
	TH_LOG("%u blocks", blocks_of(_metadata, self->td, buf));
	ASSERT_EQ(0, td_attach(self->td, buf));
	ASSERT_EQ(0, td_map(self->td, TD_BOTH, NULL));
	for (page = 0; page < size / PAGE; page++)
		ASSERT_EQ(0, td_sg_fill(self->td, page * PAGE, PAGE,
					page + 1));
	ASSERT_EQ(0, td_release(self->td));
	for (i = 0; i < ARRAY_SIZE(offs); i++) {
		p = mmap(NULL, size - offs[i], PROT_READ, MAP_SHARED, buf,
			 offs[i]);
		ASSERT_NE(MAP_FAILED, p);
		ASSERT_TRUE(map_small(p, size - offs[i]));
		for (page = offs[i] / PAGE; page < size / PAGE; page++)
			n += p[page * PAGE / 8 - offs[i] / 8] != page + 1ULL;
		munmap(p, size - offs[i]);
	}
	EXPECT_EQ(0, n);
	close(buf);
}

TEST_F(blocks, each_page_is_the_right_one)
{
	see(_metadata, self, self->dir_other, SIZE);
	/* of all sizes, in the last 2 MiB */
	see(_metadata, self, self->dir_other, SIZE - PAGE);
	if (!fill(_metadata, self))
		SKIP(return, "no files that could be reclaimed");
	see(_metadata, self, self->dir_full, SIZE);
}

TEST_HARNESS_MAIN
