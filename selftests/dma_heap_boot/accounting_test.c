// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel whose own heap charges the caller (dma_heap.mem_accounting=1): the
 * setting is that heap's and changes nothing here. Nothing is counted twice,
 * neither in one cgroup nor in two.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "heap_env.h"

#define PARAM	"/sys/module/dma_heap/parameters/mem_accounting"
#define SIZE	MIB(64)

FIXTURE(accounting) {
	struct heap_env env;
	struct cg target;
	struct cg caller;
	int cgfd;
};

/* The caller is in a cgroup of its own, which must stay flat. */
FIXTURE_SETUP(accounting)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->target, &self->env.top, "target"));
	ASSERT_EQ(0, cg_new(&self->caller, &self->env.top, "caller"));
	self->cgfd = cg_open(&self->target, 0);
	ASSERT_GE(self->cgfd, 0);
	ASSERT_EQ(0, cg_move(&self->caller, getpid()));
}

FIXTURE_TEARDOWN(accounting)
{
	struct cg root = { .path = "/sys/fs/cgroup" };

	ASSERT_EQ(0, cg_move(&root, getpid()));
	heap_env_teardown(_metadata, &self->env);
}

static int64_t in_use(const struct cg *cg)
{
	return cg_read(cg, "memory.current");
}

/* The control: the stock heap does charge its caller here. */
TEST_F(accounting, boot)
{
	int stock = heap_stock_open(), fd;
	int64_t before;
	char set[8] = "";

	fd = open(PARAM, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_LT(0, read(fd, set, sizeof(set) - 1));
	EXPECT_EQ('Y', set[0]);
	ASSERT_GE(stock, 0);
	before = in_use(&self->caller);
	fd = heap_alloc_plain(stock, SIZE);
	ASSERT_GE(fd, 0);
	EXPECT_LE(SIZE - cg_slack(), in_use(&self->caller) - before);
	EXPECT_GE(SIZE + cg_slack(), in_use(&self->caller) - before);
}

TEST_F(accounting, foreign_charge_once)
{
	int64_t before = in_use(&self->caller), fd;

	fd = heap_alloc(self->env.dev, SIZE, self->cgfd);
	ASSERT_GE(fd, 0);
	EXPECT_LE(SIZE, in_use(&self->target));
	EXPECT_GE(SIZE + cg_slack(), in_use(&self->target));
	EXPECT_GE(cg_slack(), in_use(&self->caller) - before);
}

TEST_F(accounting, own_charge_once)
{
	int64_t before = in_use(&self->caller), fd;

	fd = heap_alloc_plain(self->env.dev, SIZE);
	ASSERT_GE(fd, 0);
	EXPECT_LE(SIZE - cg_slack(), in_use(&self->caller) - before);
	EXPECT_GE(SIZE + cg_slack(), in_use(&self->caller) - before);
	close(fd);
	EXPECT_GE(before + cg_slack(),
		  cg_settle(&self->caller, "memory.current", before,
			    cg_slack()));
}

/* Both heaps at once: each what is its own. */
TEST_F(accounting, side_by_side)
{
	int64_t before = in_use(&self->caller), ours, stocks;

	ours = heap_alloc(self->env.dev, SIZE, self->cgfd);
	ASSERT_GE(ours, 0);
	stocks = heap_alloc_plain(heap_stock_open(), SIZE);
	ASSERT_GE(stocks, 0);
	EXPECT_LE(SIZE - cg_slack(), in_use(&self->caller) - before);
	EXPECT_GE(SIZE + cg_slack(), in_use(&self->caller) - before);
	EXPECT_GE(SIZE + cg_slack(), in_use(&self->target));
}

TEST_HARNESS_MAIN
