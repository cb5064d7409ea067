// SPDX-License-Identifier: GPL-2.0-only
/* Grants as arguments and as files, and TRANSFER by one. */
#include "grant.h"

#include <sys/ioctl.h>

FIXTURE(grant_file) {
	struct access_env a;
	int caller_dir;
	int grant;	/* for the target */
};

FIXTURE_SETUP(grant_file)
{
	access_env_setup(_metadata, &self->a);
	self->caller_dir = cg_open(&self->a.caller, 0);
	ASSERT_GE(self->caller_dir, 0);
	self->grant = heap_grant(self->a.env.dev, self->a.dir, BUDGET,
				 INT64_MAX);
	ASSERT_GE(self->grant, 0);
}

FIXTURE_TEARDOWN(grant_file)
{
	access_env_teardown(_metadata, &self->a);
}

TEST_F(grant_file, arguments)
{
	int dev = self->a.env.dev, dir = self->a.dir;
	int fds = count_fds(), refs = module_refcnt("dma_heap_memcg");

	EXPECT_EQ(-EINVAL, heap_grant(dev, dir, 0, INT64_MAX));
	EXPECT_EQ(-EINVAL, heap_grant(dev, dir, BUDGET, -1));
	EXPECT_EQ(-EINVAL, heap_grant(dev, dir, BUDGET, INT64_MIN));
	EXPECT_EQ(-EINVAL, heap_grant(dev, self->grant, BUDGET, INT64_MAX));
	EXPECT_EQ(-EBADF, heap_grant(dev, 999, BUDGET, INT64_MAX));
	EXPECT_EQ(-EBADF, heap_grant(dev, dev, BUDGET, INT64_MAX));
	EXPECT_EQ(fds, count_fds());
	EXPECT_EQ(refs, module_refcnt("dma_heap_memcg"));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->grant, F_GETFD));
}

/* The caller would not know which fd to close. */
TEST_F(grant_file, result_that_cannot_be_told)
{
	long page = sysconf(_SC_PAGESIZE);
	struct dma_heap_memcg_grant_args *args;
	int fds, refs;

	args = mmap(NULL, page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, args);
	*args = (struct dma_heap_memcg_grant_args) {
		.size = sizeof(*args),
		.charge_fd = self->a.dir,
		.budget = BUDGET,
		.expires_nsec = INT64_MAX,
	};
	ASSERT_EQ(0, mprotect(args, page, PROT_READ));
	fds = count_fds();
	refs = module_refcnt("dma_heap_memcg");
	EXPECT_EQ(-1, ioctl(self->a.env.dev, DMA_HEAP_MEMCG_IOC_GRANT, args));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(fds, count_fds());
	EXPECT_EQ(refs, module_settle("dma_heap_memcg", refs));

	/* The control: nothing else was wrong with it. */
	ASSERT_EQ(0, mprotect(args, page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, ioctl(self->a.env.dev, DMA_HEAP_MEMCG_IOC_GRANT, args));
	EXPECT_EQ(fds + 1, count_fds());
	EXPECT_EQ(0, use_grant(self->a.env.dev, args->out_fd, TRY_LEN));
}

TEST_F(grant_file, fdinfo)
{
	int64_t expires = in_ms(3600 * 1000);
	int dev = self->a.env.dev, grant, buf;

	grant = heap_grant(dev, self->a.dir, BUDGET + 1, expires);
	ASSERT_GE(grant, 0);
	EXPECT_EQ((int64_t)cg_id(&self->a.target), grant_info(grant, "cgroup"));
	EXPECT_EQ(BUDGET + 1, grant_info(grant, "budget"));
	EXPECT_EQ(0, grant_info(grant, "used"));
	EXPECT_EQ(expires, grant_info(grant, "expires"));
	EXPECT_EQ(INT64_MAX, grant_info(self->grant, "expires"));

	buf = heap_alloc(dev, TRY_LEN, grant);
	ASSERT_GE(buf, 0);
	EXPECT_EQ(TRY_LEN, grant_info(grant, "used"));
	EXPECT_EQ(0, grant_info(self->grant, "used"));
	close(buf);
	EXPECT_EQ(0, grant_info(grant, "used"));
}

/* It is good for nothing else, neither as a file nor as a device. */
TEST_F(grant_file, does_nothing_else)
{
	int dev = self->a.env.dev, grant = self->grant;
	struct dma_heap_memcg_caps caps;
	char path[64], byte = 0;

	EXPECT_EQ(-1, read(grant, &byte, 1));
	EXPECT_EQ(-1, write(grant, &byte, 1));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, grant,
				   0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, grant,
				   0));
	EXPECT_EQ(-ENOTTY, heap_caps(grant, &caps));
	EXPECT_EQ(-ENOTTY, heap_alloc(grant, TRY_LEN, HEAP_SELF));
	EXPECT_EQ(-ENOTTY, heap_grant(grant, HEAP_SELF, BUDGET, INT64_MAX));
	EXPECT_EQ(-EINVAL, heap_transfer(dev, grant, HEAP_SELF));

	/* A second open file would have no owner. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", grant);
	EXPECT_EQ(-1, open(path, O_RDWR | O_CLOEXEC));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, open(path, O_RDONLY | O_CLOEXEC));
	EXPECT_EQ(ENXIO, errno);

	EXPECT_EQ(0, use_grant(dev, grant, TRY_LEN));
}

struct asker {
	int grant;
	uint64_t cgroup;
};

static int ask(void *arg)
{
	const struct asker *asker = arg;
	struct dma_heap_memcg_query_args query;

	if (become(OTHER, NO_CAPS, 0))
		return 1;
	return heap_query(heap_open(), asker->grant, &query) ||
	       query.out_cgroup != asker->cgroup ||
	       query.out_local_bytes != (uint64_t)TRY_LEN;
}

TEST_F(grant_file, query)
{
	struct asker asker = { self->grant, cg_id(&self->a.target) };
	int buf = heap_alloc(self->a.env.dev, TRY_LEN, self->grant);

	ASSERT_GE(buf, 0);
	EXPECT_EQ(0, cg_reap(cg_run(&self->a.caller, ask, &asker)));
	ASSERT_EQ(0, heap_param_set("remote_policy", "off"));
	EXPECT_EQ(0, cg_reap(cg_run(&self->a.caller, ask, &asker)));
}

/* A buffer of the caller's goes to the client and returns. */
TEST_F(grant_file, transfer)
{
	struct access_env *a = &self->a;
	int dev = a->env.dev, buf, large;
	char *map;

	buf = heap_alloc(dev, TRY_LEN, self->caller_dir);
	large = heap_alloc(dev, BUDGET, self->caller_dir);
	ASSERT_GE(buf, 0);
	ASSERT_GE(large, 0);
	map = buf_map(large, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, map);
	buf_fill(map, BUDGET, 1);

	EXPECT_EQ(0, heap_transfer(dev, buf, self->grant));
	EXPECT_EQ(TRY_LEN, grant_info(self->grant, "used"));
	EXPECT_EQ(TRY_LEN, charged(_metadata, a, &a->target));
	EXPECT_EQ(BUDGET, charged(_metadata, a, &a->caller));

	EXPECT_EQ(-EDQUOT, heap_transfer(dev, large, self->grant));
	EXPECT_EQ(TRY_LEN, grant_info(self->grant, "used"));
	EXPECT_EQ(TRY_LEN, charged(_metadata, a, &a->target));
	EXPECT_EQ(BUDGET, charged(_metadata, a, &a->caller));
	EXPECT_EQ(0, buf_differs(map, BUDGET, 1));

	EXPECT_EQ(0, heap_transfer(dev, buf, self->caller_dir));
	EXPECT_EQ(0, grant_info(self->grant, "used"));
	EXPECT_EQ(0, charged(_metadata, a, &a->target));
	EXPECT_EQ(0, heap_transfer(dev, large, self->grant));
	EXPECT_EQ(BUDGET, grant_info(self->grant, "used"));
	EXPECT_EQ(0, buf_differs(map, BUDGET, 1));
	munmap(map, BUDGET);
}

/* From one grant to another, and to the same cgroup without one */
TEST_F(grant_file, transfer_lets_go)
{
	struct access_env *a = &self->a;
	int dev = a->env.dev, other, buf;

	other = heap_grant(dev, self->caller_dir, BUDGET, INT64_MAX);
	buf = heap_alloc(dev, TRY_LEN, self->grant);
	ASSERT_GE(other, 0);
	ASSERT_GE(buf, 0);
	EXPECT_EQ(0, heap_transfer(dev, buf, other));
	EXPECT_EQ(0, grant_info(self->grant, "used"));
	EXPECT_EQ(TRY_LEN, grant_info(other, "used"));
	EXPECT_EQ(0, charged(_metadata, a, &a->target));

	EXPECT_EQ(0, heap_transfer(dev, buf, self->caller_dir));
	EXPECT_EQ(0, grant_info(other, "used"));
	EXPECT_EQ(TRY_LEN, charged(_metadata, a, &a->caller));
}

/* Nothing happens, so nothing is needed: no budget, no room. */
TEST_F(grant_file, transfer_to_where_it_is)
{
	struct dma_heap_memcg_query_args before, after;
	struct access_env *a = &self->a;
	int dev = a->env.dev, buf;

	buf = heap_alloc(dev, BUDGET, self->grant);
	ASSERT_GE(buf, 0);
	before = cgroup_stats(_metadata, a, &a->target);
	EXPECT_EQ(0, heap_transfer(dev, buf, self->grant));
	EXPECT_EQ(BUDGET, grant_info(self->grant, "used"));
	ASSERT_EQ(0, cg_write_bytes(&a->target, "memory.high", MIB(4)));
	EXPECT_EQ(0, heap_transfer(dev, buf, a->dir));
	EXPECT_EQ(0, grant_info(self->grant, "used"));

	after = cgroup_stats(_metadata, a, &a->target);
	EXPECT_EQ(before.out_bytes, after.out_bytes);
	EXPECT_EQ(before.out_peak, after.out_peak);
	EXPECT_EQ(before.out_throttled, after.out_throttled);
}

/* TRANSFER that fails for a limit spends nothing and gives nothing back. */
TEST_F(grant_file, transfer_over_a_limit)
{
	struct access_env *a = &self->a;
	int dev = a->env.dev, buf;

	buf = heap_alloc(dev, BUDGET, self->grant);
	ASSERT_GE(buf, 0);
	ASSERT_EQ(0, cg_write_bytes(&a->caller, "memory.max", MIB(4)));
	EXPECT_EQ(-ENOMEM, heap_transfer(dev, buf, self->caller_dir));
	EXPECT_EQ(BUDGET, grant_info(self->grant, "used"));
	EXPECT_EQ(BUDGET, charged(_metadata, a, &a->target));
	ASSERT_EQ(0, cg_write(&a->caller, "memory.max", "max"));
	EXPECT_EQ(0, heap_transfer(dev, buf, self->caller_dir));

	ASSERT_EQ(0, cg_write_bytes(&a->target, "memory.max", MIB(4)));
	EXPECT_EQ(-ENOMEM, heap_transfer(dev, buf, self->grant));
	EXPECT_EQ(0, grant_info(self->grant, "used"));
	EXPECT_EQ(BUDGET, charged(_metadata, a, &a->caller));
}

TEST_HARNESS_MAIN
