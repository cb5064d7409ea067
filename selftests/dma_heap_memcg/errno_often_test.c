// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that fail, so often that what each of them left behind would be seen:
 * a page by what the cgroups are charged with, and a small object by the
 * kernel's own memory as well. The charge of a cgroup is known to cg_slack(),
 * which is some 400 pages, and no better. Which error is errno_test.c's.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "errno_env.h"

#include "dmabuf_util.h"
#include "syncobj_util.h"
#include "unpriv_env.h"

/* A page each would be 80 MiB, an object of 64 bytes 1250 KiB. */
#define OFTEN	20000
/* For calls that reclaim; one of them has more than the slack in hand. */
#define SELDOM	40
/* SUnreclaim in KiB; it is everybody's. */
#define SLAB_SLACK	512

FIXTURE(often) {
	struct errno_env e;
	struct cg caller;	/* where this process is */
	struct cg other;	/* that is to be charged, in vain */
	int other_dir;
	char policy[16];
	bool debug;
	long slab;
};

FIXTURE_SETUP(often)
{
	errno_env_setup(_metadata, &self->e);
	ASSERT_EQ(0, heap_param_get("high_policy", self->policy,
				    sizeof(self->policy)));
	ASSERT_EQ(0, cg_new(&self->caller, &self->e.env.top, "caller"));
	ASSERT_EQ(0, cg_new(&self->other, &self->e.env.top, "other"));
	self->other_dir = cg_open(&self->other, 0);
	ASSERT_GE(self->other_dir, 0);
	/* What this process is charged with counts as well. */
	ASSERT_EQ(0, cg_move(&self->caller, 0));
	self->e.fds = count_fds();
	/* Its allocator keeps what is freed, and there everything is slower. */
	self->debug = access("/sys/kernel/debug/kmemleak", F_OK) == 0;
	self->slab = slab_kib();
	ASSERT_GT(self->slab, 0);
}

FIXTURE_TEARDOWN(often)
{
	long kib = slab_kib() - self->slab;

	TH_LOG("slab: %+ld KiB", kib);
	if (!self->debug)
		EXPECT_LT(kib, SLAB_SLACK);
	EXPECT_EQ(0, heap_param_set("high_policy", self->policy));
	errno_env_teardown(_metadata, &self->e);
}

enum how { PLAIN, AS_NOBODY, WITHOUT_FDS };

struct call {
	const char *name;
	int (*fn)(struct errno_env *e, int fd);
	int fd;
	int error;
	enum how how;
	int times;
};

static int begin(enum how how, struct rlimit *limit)
{
	struct rlimit none;

	switch (how) {
	case AS_NOBODY:
		/* The capabilities that count go with it, and come back. */
		return setresuid(NOBODY, NOBODY, 0);
	case WITHOUT_FDS:
		getrlimit(RLIMIT_NOFILE, limit);
		none = *limit;
		none.rlim_cur = 0;
		return setrlimit(RLIMIT_NOFILE, &none);
	default:
		return 0;
	}
}

static int end(enum how how, const struct rlimit *limit)
{
	switch (how) {
	case AS_NOBODY:
		return setresuid(0, 0, 0);
	case WITHOUT_FDS:
		return setrlimit(RLIMIT_NOFILE, limit);
	default:
		return 0;
	}
}

/* How often it failed as it should, up to @times; what it said otherwise */
static int repeat(struct errno_env *e, const struct call *call, int times,
		  int *ret)
{
	int i;

	for (i = 0; i < times; i++) {
		*ret = call->fn(e, call->fd);
		if (*ret != call->error)
			break;
	}
	return i;
}

static void fail_often(struct __test_metadata *_metadata,
		       FIXTURE_DATA(often) *self, const struct call *call)
{
	/* Where each object that is lost is reported anyway, some are enough. */
	int times = self->debug ? call->times / 32 : call->times, done, ret;
	struct rlimit limit;
	int64_t charge, start;

	/* What is set up once and stays is set up now. */
	ASSERT_EQ(0, begin(call->how, &limit));
	done = repeat(&self->e, call, 20, &ret);
	ASSERT_EQ(0, end(call->how, &limit));
	ASSERT_EQ(20, done) TH_LOG("%s: %d", call->name, ret);
	charge = cg_read(&self->e.env.top, "memory.current");
	ASSERT_GE(charge, 0);

	ASSERT_EQ(0, begin(call->how, &limit));
	start = now_ns();
	done = repeat(&self->e, call, times, &ret);
	start = now_ns() - start;
	ASSERT_EQ(0, end(call->how, &limit));
	EXPECT_EQ(times, done) TH_LOG("%s: %d", call->name, ret);
	expect_same(_metadata, &self->e);
	EXPECT_TRUE(cg_settles(&self->e.env.top, charge, cg_slack()))
		TH_LOG("%s has kept something", call->name);
	TH_LOG("%d times in %lld ms: %s", times,
	       (long long)(start / NSEC_PER_MSEC), call->name);
}

static void fail_all(struct __test_metadata *_metadata,
		     FIXTURE_DATA(often) *self, const struct call *calls,
		     size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		fail_often(_metadata, self, &calls[i]);
}

static int alloc(struct errno_env *e, int fd)
{
	return heap_alloc(e->env.dev, LEN, fd);
}

static int alloc_nothing(struct errno_env *e, int fd)
{
	return heap_alloc(e->env.dev, 0, fd);
}

static int grant(struct errno_env *e, int fd)
{
	return heap_grant(e->env.dev, fd, LEN, INT64_MAX);
}

static int query(struct errno_env *e, int fd)
{
	struct dma_heap_memcg_query_args q;

	return heap_query(e->env.dev, fd, &q);
}

static int transfer(struct errno_env *e, int fd)
{
	return heap_transfer(e->env.dev, e->buf, fd);
}

static void bad_charge_fd(struct __test_metadata *_metadata,
			  FIXTURE_DATA(often) *self)
{
	const struct call calls[] = {
		{ "ALLOC", alloc, BAD_FD, -EBADF, PLAIN, OFTEN },
		{ "GRANT", grant, BAD_FD, -EBADF, PLAIN, OFTEN },
		{ "QUERY", query, BAD_FD, -EBADF, PLAIN, OFTEN },
		{ "TRANSFER", transfer, BAD_FD, -EBADF, PLAIN, OFTEN },
		{ "ALLOC of nothing", alloc_nothing, self->e.dir, -EINVAL,
		  PLAIN, OFTEN },
	};

	fail_all(_metadata, self, calls, ARRAY_SIZE(calls));
}

static void gone(struct __test_metadata *_metadata,
		 FIXTURE_DATA(often) *self)
{
	pid_t pid = cg_spawn(&self->other);
	int pidfd = pidfd_of(pid, 0), dir;
	struct cg removed;

	ASSERT_GE(pidfd, 0);
	cg_kill(pid);
	ASSERT_EQ(0, cg_new(&removed, &self->e.env.top, "removed"));
	dir = cg_open(&removed, 0);
	ASSERT_GE(dir, 0);
	ASSERT_EQ(0, cg_remove(&removed));
	self->e.fds = count_fds();

	const struct call calls[] = {
		{ "ALLOC, process", alloc, pidfd, -ESRCH, PLAIN, OFTEN },
		{ "GRANT, process", grant, pidfd, -ESRCH, PLAIN, OFTEN },
		{ "TRANSFER, process", transfer, pidfd, -ESRCH, PLAIN, OFTEN },
		{ "ALLOC, cgroup", alloc, dir, -ENODEV, PLAIN, OFTEN },
		{ "GRANT, cgroup", grant, dir, -ENODEV, PLAIN, OFTEN },
		{ "TRANSFER, cgroup", transfer, dir, -ENODEV, PLAIN, OFTEN },
	};

	fail_all(_metadata, self, calls, ARRAY_SIZE(calls));
}

/* Somebody else's cgroup, and somebody else's process there */
static void not_permitted(struct __test_metadata *_metadata,
			  FIXTURE_DATA(often) *self)
{
	pid_t pid = cg_spawn(&self->other);
	int pidfd = pidfd_of(pid, 0), dir = self->other_dir;
	const struct call calls[] = {
		{ "ALLOC, process", alloc, pidfd, -EPERM, AS_NOBODY, OFTEN },
		{ "TRANSFER, process", transfer, pidfd, -EPERM, AS_NOBODY,
		  OFTEN },
		{ "ALLOC, cgroup", alloc, dir, -EPERM, AS_NOBODY, OFTEN },
		{ "GRANT, cgroup", grant, dir, -EPERM, AS_NOBODY, OFTEN },
		{ "TRANSFER, cgroup", transfer, dir, -EPERM, AS_NOBODY, OFTEN },
	};

	ASSERT_GE(pidfd, 0);
	self->e.fds = count_fds();
	fail_all(_metadata, self, calls, ARRAY_SIZE(calls));
	cg_kill(pid);
}

static void grants(struct __test_metadata *_metadata,
		   FIXTURE_DATA(often) *self)
{
	int dev = self->e.env.dev, dir = self->other_dir;
	int spent = heap_grant(dev, dir, LEN - 1, INT64_MAX);
	int expired = heap_grant(dev, dir, 2 * LEN, 1);
	int revoked = heap_grant(dev, dir, 2 * LEN, INT64_MAX);
	const struct call calls[] = {
		{ "ALLOC, spent", alloc, spent, -EDQUOT, PLAIN, OFTEN },
		{ "TRANSFER, spent", transfer, spent, -EDQUOT, PLAIN, OFTEN },
		{ "ALLOC, expired", alloc, expired, -ETIME, PLAIN, OFTEN },
		{ "TRANSFER, expired", transfer, expired, -ETIME, PLAIN,
		  OFTEN },
		{ "ALLOC, revoked", alloc, revoked, -ENODEV, PLAIN, OFTEN },
		{ "TRANSFER, revoked", transfer, revoked, -ENODEV, PLAIN,
		  OFTEN },
		{ "GRANT by a grant", grant, spent, -EINVAL, PLAIN, OFTEN },
	};

	ASSERT_GE(spent, 0);
	ASSERT_GE(expired, 0);
	ASSERT_GE(revoked, 0);
	close(dup(revoked));
	self->e.fds = count_fds();
	self->e.refs = module_refcnt("dma_heap_memcg");
	fail_all(_metadata, self, calls, ARRAY_SIZE(calls));
}

/* A grant that was used in vain has all of its bytes afterwards. */
static void limits(struct __test_metadata *_metadata,
		   FIXTURE_DATA(often) *self)
{
	int dev = self->e.env.dev, dir = self->other_dir;
	int budget = heap_grant(dev, dir, LEN, INT64_MAX), buf;
	const struct call no_room[] = {
		{ "ALLOC", alloc, dir, -ENOMEM, PLAIN, OFTEN },
		{ "TRANSFER", transfer, dir, -ENOMEM, PLAIN, OFTEN },
	}, high[] = {
		{ "ALLOC, memory.high", alloc, dir, -EAGAIN, PLAIN, OFTEN },
		{ "TRANSFER, memory.high", transfer, dir, -EAGAIN, PLAIN,
		  OFTEN },
	}, midway[] = {
		{ "ALLOC, midway", alloc, dir, -ENOMEM, PLAIN, SELDOM },
		{ "TRANSFER, midway", transfer, dir, -ENOMEM, PLAIN, SELDOM },
		{ "ALLOC, midway, by a grant", alloc, budget, -ENOMEM, PLAIN,
		  SELDOM },
		{ "TRANSFER, midway, by a grant", transfer, budget, -ENOMEM,
		  PLAIN, SELDOM },
	};

	ASSERT_GE(budget, 0);
	self->e.fds = count_fds();
	self->e.refs = module_refcnt("dma_heap_memcg");
	ASSERT_EQ(0, cg_write_bytes(&self->other, "memory.max", LEN - PAGE));
	fail_all(_metadata, self, no_room, ARRAY_SIZE(no_room));

	ASSERT_EQ(0, cg_write(&self->other, "memory.max", "max"));
	ASSERT_EQ(0, heap_param_set("high_policy", "fail"));
	ASSERT_EQ(0, cg_write_bytes(&self->other, "memory.high", LEN - PAGE));
	fail_all(_metadata, self, high, ARRAY_SIZE(high));
	ASSERT_EQ(0, cg_write(&self->other, "memory.high", "max"));

	/* There is not only this; half of it fits. */
	buf = heap_alloc(dev, LEN / 2, dir);
	ASSERT_GE(buf, 0);
	self->e.fds++;
	self->e.refs = module_refcnt("dma_heap_memcg");
	ASSERT_EQ(0, cg_write_bytes(&self->other, "memory.max",
				    LEN + LEN / 4));
	fail_all(_metadata, self, midway, ARRAY_SIZE(midway));
	ASSERT_EQ(0, cg_write(&self->other, "memory.max", "max"));
	buf = heap_alloc(dev, LEN, budget);
	EXPECT_GE(buf, 0);
	close(buf);
}

/* Where what is answered cannot be written */
static void *readonly;

static int alloc_readonly(struct errno_env *e, int fd)
{
	(void)fd;
	return heap_alloc_raw(e->env.dev, readonly,
			      sizeof(struct dma_heap_memcg_allocation_data));
}

static int grant_readonly(struct errno_env *e, int fd)
{
	(void)fd;
	return so_try(e->env.dev, DMA_HEAP_MEMCG_IOC_GRANT, readonly);
}

static void no_answer(struct __test_metadata *_metadata,
		      FIXTURE_DATA(often) *self)
{
	const struct dma_heap_memcg_allocation_data data = {
		.len = PAGE,
		.fd_flags = O_RDWR | O_CLOEXEC,
		.charge_fd = self->other_dir,
	};
	const struct dma_heap_memcg_grant_args args = {
		.size = sizeof(args),
		.charge_fd = self->other_dir,
		.budget = LEN,
		.expires_nsec = INT64_MAX,
	};
	const struct call calls[] = {
		{ "ALLOC", alloc_readonly, 0, -EFAULT, PLAIN, OFTEN },
		{ "GRANT", grant_readonly, 0, -EFAULT, PLAIN, OFTEN },
		{ "ALLOC, no fd", alloc, self->other_dir, -EMFILE, WITHOUT_FDS,
		  OFTEN },
		{ "GRANT, no fd", grant, self->other_dir, -EMFILE, WITHOUT_FDS,
		  OFTEN },
	};

	readonly = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, readonly);
	memcpy(readonly, &data, sizeof(data));
	ASSERT_EQ(0, mprotect(readonly, PAGE, PROT_READ));
	fail_all(_metadata, self, calls, 1);
	ASSERT_EQ(0, mprotect(readonly, PAGE, PROT_READ | PROT_WRITE));
	memcpy(readonly, &args, sizeof(args));
	ASSERT_EQ(0, mprotect(readonly, PAGE, PROT_READ));
	fail_all(_metadata, self, calls + 1, ARRAY_SIZE(calls) - 1);
}

static void busy(struct __test_metadata *_metadata,
		 FIXTURE_DATA(often) *self)
{
	const struct call calls[] = {
		{ "TRANSFER", transfer, self->other_dir, -EBUSY, PLAIN, OFTEN },
	};
	int td = td_open();

	ASSERT_GE(td, 0);
	ASSERT_EQ(0, td_attach(td, self->e.buf));
	self->e.fds = count_fds();
	self->e.refs = module_refcnt("dma_heap_memcg");
	fail_all(_metadata, self, calls, ARRAY_SIZE(calls));
	ASSERT_EQ(0, td_detach(td));
	close(td);
	self->e.fds = count_fds();
}

TEST_F(often, who)
{
	bad_charge_fd(_metadata, self);
	gone(_metadata, self);
	not_permitted(_metadata, self);
}

TEST_F(often, how_much)
{
	grants(_metadata, self);
	limits(_metadata, self);
}

TEST_F(often, not_now)
{
	no_answer(_metadata, self);
	busy(_metadata, self);
}

TEST_HARNESS_MAIN
