// SPDX-License-Identifier: GPL-2.0-only
/* QUERY: it says what the kernel's own counters say, and more. */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "heap_env.h"
#include "unpriv_env.h"

/* What slab caches may take of a cgroup for the bookkeeping of few buffers */
#define BOOKS	KIB(768)

/* Three levels, all below env.top */
FIXTURE(stats) {
	struct heap_env env;
	struct cg own, a, b, c;
	int dir_a, dir_b, dir_c;
};

FIXTURE_SETUP(stats)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->own, &self->env.top, "own"));
	ASSERT_EQ(0, cg_new(&self->a, &self->env.top, "a"));
	ASSERT_EQ(0, cg_new(&self->b, &self->a, "b"));
	ASSERT_EQ(0, cg_new(&self->c, &self->b, "c"));
	self->dir_a = cg_open(&self->a, 0);
	self->dir_b = cg_open(&self->b, 0);
	self->dir_c = cg_open(&self->c, 0);
	ASSERT_GE(self->dir_a, 0);
	ASSERT_GE(self->dir_b, 0);
	ASSERT_GE(self->dir_c, 0);
}

FIXTURE_TEARDOWN(stats)
{
	heap_env_teardown(_metadata, &self->env);
}

static void expect_query(struct __test_metadata *_metadata, int dev, int dir,
			 int64_t bytes, int64_t buffers, int64_t local_bytes,
			 int64_t local_buffers)
{
	struct dma_heap_memcg_query_args query;

	ASSERT_EQ(0, heap_query(dev, dir, &query));
	EXPECT_EQ(bytes, query.out_bytes);
	EXPECT_EQ(buffers, query.out_buffers);
	EXPECT_EQ(local_bytes, query.out_local_bytes);
	EXPECT_EQ(local_buffers, query.out_local_buffers);
}

/* All zero, but for what is not a count. */
TEST_F(stats, a_new_cgroup)
{
	struct dma_heap_memcg_query_args query;

	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_c, &query));
	EXPECT_EQ(sizeof(query), query.size);
	EXPECT_EQ(0, query.flags);
	EXPECT_EQ(self->dir_c, query.charge_fd);
	EXPECT_EQ(0, query.out_flags);
	EXPECT_EQ(cg_id(&self->c), query.out_cgroup);
	EXPECT_EQ(UINT64_MAX, query.out_limit);
	EXPECT_EQ(0, query.out_local_bytes);
	EXPECT_EQ(0, query.out_local_buffers);
	EXPECT_EQ(0, query.out_bytes);
	EXPECT_EQ(0, query.out_buffers);
	EXPECT_EQ(0, query.out_peak);
	EXPECT_EQ(0, query.out_charges);
	EXPECT_EQ(0, query.out_denials);
	EXPECT_EQ(0, query.out_failures);
	EXPECT_EQ(0, query.out_throttled);
}

/* The root is never charged, and says so; the book is kept all the same. */
TEST_F(stats, the_root)
{
	struct dma_heap_memcg_query_args before, query;
	struct cg root;
	int dir, fd;

	cg_parent(&root, &self->env.top);
	dir = cg_open(&root, 0);
	ASSERT_GE(dir, 0);
	ASSERT_EQ(0, heap_query(self->env.dev, dir, &before));
	EXPECT_EQ(DMA_HEAP_MEMCG_QUERY_UNLIMITED, before.out_flags);
	EXPECT_EQ(cg_id(&root), before.out_cgroup);
	EXPECT_EQ(UINT64_MAX, before.out_limit);
	fd = heap_alloc(self->env.dev, MIB(16), dir);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, heap_query(self->env.dev, dir, &query));
	EXPECT_EQ(before.out_local_bytes + MIB(16), query.out_local_bytes);
	EXPECT_EQ(before.out_bytes + MIB(16), query.out_bytes);
	close(fd);
	/* and what is charged below it counts there, too */
	fd = heap_alloc(self->env.dev, MIB(16), self->dir_c);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, heap_query(self->env.dev, dir, &query));
	EXPECT_EQ(before.out_local_bytes, query.out_local_bytes);
	EXPECT_EQ(before.out_bytes + MIB(16), query.out_bytes);
	EXPECT_EQ(before.out_charges + 2, query.out_charges);
}

/* At every step what the line "kernel" of memory.stat has grown by. */
TEST_F(stats, equal_memory_stat)
{
	const int64_t sizes[] = {
		MIB(16), MIB(64), MIB(1), MIB(8) + PAGE, MIB(33), MIB(3),
	};
	struct dma_heap_memcg_query_args query;
	int64_t base, sum = 0, peak = 0;
	const struct cg *cgs[] = { &self->c, &self->b, &self->a };
	int dirs[] = { self->dir_c, self->dir_b, self->dir_a };
	int fds[ARRAY_SIZE(sizes)];
	size_t step, i, level;

	base = cg_read_key(&self->c, "memory.stat", "kernel");
	ASSERT_GE(base, 0);
	ASSERT_LE(base, BOOKS / 2);
	/* Up to all of them, and down again in another order. */
	for (step = 0; step < 2 * ARRAY_SIZE(sizes); step++) {
		i = step % ARRAY_SIZE(sizes);
		if (step < ARRAY_SIZE(sizes)) {
			fds[i] = heap_alloc(self->env.dev, sizes[i],
					    self->dir_c);
			ASSERT_GE(fds[i], 0);
			sum += sizes[i];
			peak = sum;
		} else {
			close(fds[i]);
			sum -= sizes[i];
		}
		for (level = 0; level < ARRAY_SIZE(cgs); level++) {
			ASSERT_EQ(0, heap_query(self->env.dev, dirs[level],
						&query));
			EXPECT_EQ(sum, query.out_bytes);
			EXPECT_EQ(peak, query.out_peak);
			EXPECT_EQ(level ? 0 : sum, query.out_local_bytes);
			/* with the books of the cgroups below */
			EXPECT_TRUE(cg_settles_stat(cgs[level], "kernel",
						    base + sum, BOOKS))
				TH_LOG("step %zu, level %zu", step, level);
		}
	}
	EXPECT_EQ(0, sum);
}

TEST_F(stats, local_and_below)
{
	int dev = self->env.dev, fds[4];

	fds[0] = heap_alloc(dev, MIB(16), self->dir_c);
	fds[1] = heap_alloc(dev, MIB(8), self->dir_b);
	fds[2] = heap_alloc(dev, MIB(4), self->dir_a);
	fds[3] = heap_alloc(dev, MIB(2), self->dir_a);
	ASSERT_GE(fds[0], 0);
	ASSERT_GE(fds[1], 0);
	ASSERT_GE(fds[2], 0);
	ASSERT_GE(fds[3], 0);
	expect_query(_metadata, dev, self->dir_c, MIB(16), 1, MIB(16), 1);
	expect_query(_metadata, dev, self->dir_b, MIB(24), 2, MIB(8), 1);
	expect_query(_metadata, dev, self->dir_a, MIB(30), 4, MIB(6), 2);
	close(fds[1]);
	expect_query(_metadata, dev, self->dir_c, MIB(16), 1, MIB(16), 1);
	expect_query(_metadata, dev, self->dir_b, MIB(16), 1, 0, 0);
	expect_query(_metadata, dev, self->dir_a, MIB(22), 3, MIB(6), 2);
	close(fds[3]);
	close(fds[0]);
	expect_query(_metadata, dev, self->dir_c, 0, 0, 0, 0);
	expect_query(_metadata, dev, self->dir_b, 0, 0, 0, 0);
	expect_query(_metadata, dev, self->dir_a, MIB(4), 1, MIB(4), 1);
}

TEST_F(stats, peak_and_charges)
{
	struct dma_heap_memcg_query_args query;
	int fds[2], i;

	for (i = 0; i < 3; i++) {
		fds[0] = heap_alloc(self->env.dev, MIB(4), self->dir_c);
		fds[1] = heap_alloc(self->env.dev, MIB(4), self->dir_c);
		ASSERT_GE(fds[0], 0);
		ASSERT_GE(fds[1], 0);
		close(fds[0]);
		close(fds[1]);
	}
	/* b's peak is not c's and its own together: they were not at a time. */
	fds[0] = heap_alloc(self->env.dev, MIB(6), self->dir_b);
	ASSERT_GE(fds[0], 0);
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_c, &query));
	EXPECT_EQ(MIB(8), query.out_peak);
	EXPECT_EQ(6, query.out_charges);
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_b, &query));
	EXPECT_EQ(MIB(8), query.out_peak);
	EXPECT_EQ(7, query.out_charges);
	EXPECT_EQ(MIB(6), query.out_bytes);
}

/* memory.max: the lowest from there to the root */
TEST_F(stats, limit)
{
	struct dma_heap_memcg_query_args query;

	ASSERT_EQ(0, cg_write_bytes(&self->a, "memory.max", MIB(100)));
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_c, &query));
	EXPECT_EQ(MIB(100), query.out_limit);
	ASSERT_EQ(0, cg_write_bytes(&self->c, "memory.max", MIB(200)));
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_c, &query));
	EXPECT_EQ(MIB(100), query.out_limit);
	ASSERT_EQ(0, cg_write_bytes(&self->b, "memory.max", MIB(50)));
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_c, &query));
	EXPECT_EQ(MIB(50), query.out_limit);
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_a, &query));
	EXPECT_EQ(MIB(100), query.out_limit);
	ASSERT_EQ(0, cg_write(&self->a, "memory.max", "max"));
	ASSERT_EQ(0, cg_write(&self->b, "memory.max", "max"));
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_c, &query));
	EXPECT_EQ(MIB(200), query.out_limit);
}

struct call {
	int dev;
	int dir;
};

static int alloc_as_nobody(void *arg)
{
	const struct call *call = arg;
	int fd;

	if (become_nobody())
		return 255;
	fd = heap_alloc(call->dev, MIB(1), call->dir);
	return fd < 0 ? -fd : 0;
}

/* Refused calls count for the cgroup that they meant, not for the caller's. */
TEST_F(stats, denials)
{
	struct call call = { .dev = self->env.dev, .dir = self->dir_c };
	int dirs[] = { self->dir_c, self->dir_b, self->dir_a };
	int own = cg_open(&self->own, 0), round;
	struct dma_heap_memcg_query_args query;
	size_t i;
	pid_t pid;

	for (round = 1; round <= 2; round++) {
		pid = cg_run(&self->own, alloc_as_nobody, &call);
		ASSERT_GT(pid, 0);
		ASSERT_EQ(EPERM, cg_reap(pid));
		for (i = 0; i < ARRAY_SIZE(dirs); i++) {
			ASSERT_EQ(0, heap_query(self->env.dev, dirs[i],
						&query));
			EXPECT_EQ(round, query.out_denials);
			EXPECT_EQ(0, query.out_charges);
			EXPECT_EQ(0, query.out_failures);
		}
	}
	ASSERT_EQ(0, heap_query(self->env.dev, own, &query));
	EXPECT_EQ(0, query.out_denials);
}

/* Everybody who has the fd may ask, also who may not charge. */
static int query_as_nobody(void *arg)
{
	struct dma_heap_memcg_query_args query;
	const struct call *call = arg;

	if (become_nobody())
		return 255;
	if (heap_query(call->dev, call->dir, &query))
		return 1;
	return query.out_bytes == MIB(4) ? 0 : 2;
}

TEST_F(stats, without_permission)
{
	struct call call = { .dev = self->env.dev, .dir = self->dir_c };
	int fd = heap_alloc(self->env.dev, MIB(4), self->dir_c);
	pid_t pid;

	ASSERT_GE(fd, 0);
	pid = cg_run(&self->own, query_as_nobody, &call);
	ASSERT_GT(pid, 0);
	EXPECT_EQ(0, cg_reap(pid));
}

/* Totals do not move when a cgroup is removed. */
TEST_F(stats, ancestors_after_rmdir)
{
	struct dma_heap_memcg_query_args query;
	int fds[2];

	fds[0] = heap_alloc(self->env.dev, MIB(64), self->dir_c);
	fds[1] = heap_alloc(self->env.dev, MIB(16), self->dir_b);
	ASSERT_GE(fds[0], 0);
	ASSERT_GE(fds[1], 0);
	ASSERT_EQ(0, cg_remove(&self->c));
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_b, &query));
	EXPECT_EQ(MIB(80), query.out_bytes);
	EXPECT_EQ(2, query.out_buffers);
	EXPECT_EQ(2, query.out_charges);
	EXPECT_TRUE(cg_settles_stat(&self->b, "kernel", MIB(80), BOOKS));
	ASSERT_EQ(0, cg_remove(&self->b));
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_a, &query));
	EXPECT_EQ(MIB(80), query.out_bytes);
	EXPECT_EQ(2, query.out_buffers);
	EXPECT_TRUE(cg_settles_stat(&self->a, "kernel", MIB(80), BOOKS));
	close(fds[0]);
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_a, &query));
	EXPECT_EQ(MIB(16), query.out_bytes);
	EXPECT_TRUE(cg_settles_stat(&self->a, "kernel", MIB(16), BOOKS));
	close(fds[1]);
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_a, &query));
	EXPECT_EQ(0, query.out_bytes);
	EXPECT_EQ(0, query.out_buffers);
	EXPECT_EQ(MIB(80), query.out_peak);
	EXPECT_TRUE(cg_settles_stat(&self->a, "kernel", 0, BOOKS));
}

/* A pidfd, a directory, an O_PATH one and a grant name the same. */
TEST_F(stats, all_names)
{
	struct dma_heap_memcg_query_args query;
	pid_t pid = cg_spawn(&self->c);
	int fd, names[4];
	size_t i;

	fd = heap_alloc(self->env.dev, MIB(4), self->dir_c);
	ASSERT_GE(fd, 0);
	names[0] = self->dir_c;
	names[1] = cg_open(&self->c, O_PATH);
	names[2] = pidfd_of(pid, 0);
	names[3] = heap_grant(self->env.dev, self->dir_c, MIB(1), INT64_MAX);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(0, heap_query(self->env.dev, names[i], &query))
			TH_LOG("name %zu", i);
		EXPECT_EQ(cg_id(&self->c), query.out_cgroup);
		EXPECT_EQ(MIB(4), query.out_bytes);
	}
	cg_kill(pid);
}

/* A delay that is too short to be slept is none, whatever memory.high is. */
TEST_F(stats, throttled_calls)
{
	static const struct {
		const char *policy;
		int64_t len;
		int ret;
		uint64_t calls;
	} t[] = {
		{ "throttle", KIB(64), 0, 0 },
		{ "ignore", KIB(64), 0, 0 },
		{ "fail", KIB(64), -EAGAIN, 1 },
		{ "ignore", MIB(16), 0, 0 },
		{ "throttle", MIB(16), 0, 1 },
		{ "fail", MIB(16), -EAGAIN, 1 },
	};
	struct dma_heap_memcg_query_args before, after;
	int dev = self->env.dev, first, fd, ret;
	char policy[16];
	unsigned int i;

	ASSERT_EQ(0, heap_param_get("high_policy", policy, sizeof(policy)));
	first = heap_alloc(dev, MIB(64), self->dir_c);
	ASSERT_GE(first, 0);
	ASSERT_EQ(0, cg_write_bytes(&self->c, "memory.high", MIB(64)));
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		ASSERT_EQ(0, heap_query(dev, self->dir_a, &before));
		ret = heap_param_set("high_policy", t[i].policy);
		fd = heap_alloc(dev, t[i].len, self->dir_c);
		ret = heap_param_set("high_policy", policy) ?: ret;
		ASSERT_EQ(0, ret);
		EXPECT_EQ(t[i].ret, fd < 0 ? fd : 0);
		close(fd);
		ASSERT_EQ(0, heap_query(dev, self->dir_a, &after));
		EXPECT_EQ(before.out_throttled + t[i].calls,
			  after.out_throttled)
			TH_LOG("line %u", i);
	}
}

TEST_HARNESS_MAIN
