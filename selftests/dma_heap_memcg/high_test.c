// SPDX-License-Identifier: GPL-2.0-only
/* memory.high of somebody else's cgroup, under each high_policy. */
#include <pthread.h>
#include <signal.h>

#include "heap_env.h"
#include "syncobj_util.h"

#define LEN	MIB(8)
#define HIGH	MIB(10)

/* One buffer is there and fits; a second one does not. */
FIXTURE(high) {
	struct heap_env env;
	struct cg own, outer, target;
	int dir;		/* of target */
	int first;		/* the buffer */
	char policy[16];	/* before */
	int64_t slack;
};

FIXTURE_SETUP(high)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, heap_param_get("high_policy", self->policy,
				    sizeof(self->policy)));
	ASSERT_EQ(0, cg_new(&self->own, &self->env.top, "own"));
	ASSERT_EQ(0, cg_new(&self->outer, &self->env.top, "outer"));
	ASSERT_EQ(0, cg_new(&self->target, &self->outer, "target"));
	self->dir = cg_open(&self->target, 0);
	ASSERT_GE(self->dir, 0);
	self->first = heap_alloc(self->env.dev, LEN, self->dir);
	ASSERT_GE(self->first, 0);
	ASSERT_EQ(0, cg_write_bytes(&self->target, "memory.high", HIGH));
	self->slack = cg_slack();
}

FIXTURE_TEARDOWN(high)
{
	EXPECT_EQ(0, heap_param_set("high_policy", self->policy));
	heap_env_teardown(_metadata, &self->env);
}

static int64_t throttled(int dev, int dir)
{
	struct dma_heap_memcg_query_args query;
	int ret = heap_query(dev, dir, &query);

	return ret ?: (int64_t)query.out_throttled;
}

/* A call in a thread of its own */
struct call {
	int dev;
	int dir;
	pid_t tid;
	int fd;
	int64_t nsec;
};

static void *call_thread(void *arg)
{
	struct call *call = arg;
	int64_t start = now_ns();

	__atomic_store_n(&call->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	call->fd = heap_alloc(call->dev, LEN, call->dir);
	call->nsec = now_ns() - start;
	return NULL;
}

static int call_child(void *arg)
{
	struct call *call = arg;

	return heap_alloc(call->dev, LEN, call->dir) >= 0 ? 0 : 1;
}

/*
 * Is it being throttled? Only a signal that kills ends that sleep, so it is
 * of the kind that is shown as D.
 */
static bool sleeps(pid_t tid)
{
	int64_t end = in_ms(10000);
	char path[64], line[512], *paren;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	while (now_ns() < end) {
		f = fopen(path, "re");
		if (!f)
			return false;
		if (!fgets(line, sizeof(line), f))
			line[0] = '\0';
		fclose(f);
		paren = strrchr(line, ')');
		if (paren && !strncmp(paren, ") D", 3))
			return true;
		sleep_ms(1);
	}
	return false;
}

TEST_F(high, ignore)
{
	int64_t start;
	int fd;

	ASSERT_EQ(0, heap_param_set("high_policy", "ignore"));
	start = now_ns();
	fd = heap_alloc(self->env.dev, LEN, self->dir);
	ASSERT_GE(fd, 0);
	EXPECT_LT(now_ns() - start, 1500 * NSEC_PER_MSEC);
	EXPECT_TRUE(cg_settles(&self->target, 2 * LEN, self->slack));
	EXPECT_EQ(0, throttled(self->env.dev, self->dir));
}

TEST_F(high, fail)
{
	int fds = count_fds(), fd;

	ASSERT_EQ(0, heap_param_set("high_policy", "fail"));
	EXPECT_EQ(-EAGAIN, heap_alloc(self->env.dev, LEN, self->dir));
	EXPECT_EQ(fds, count_fds());
	EXPECT_TRUE(cg_settles(&self->target, LEN, self->slack));
	EXPECT_EQ(1, throttled(self->env.dev, self->dir));
	/* What stays below is let through, and so it is with a higher limit. */
	fd = heap_alloc(self->env.dev, KIB(256), self->dir);
	EXPECT_GE(fd, 0);
	ASSERT_EQ(0, cg_write_bytes(&self->target, "memory.high", 4 * LEN));
	fd = heap_alloc(self->env.dev, LEN, self->dir);
	EXPECT_GE(fd, 0);
	EXPECT_EQ(1, throttled(self->env.dev, self->dir));
}

/* TRANSFER asks as ALLOC does. What it cannot move stays what it is. */
TEST_F(high, fail_transfer)
{
	int own = cg_open(&self->own, 0), dev = self->env.dev, fds, buf, grant;
	struct dma_heap_memcg_query_args query;
	char name[64], want[64];
	char *p;

	grant = heap_grant(dev, self->dir, LEN, INT64_MAX);
	ASSERT_GE(grant, 0);
	buf = heap_alloc(dev, LEN, own);
	ASSERT_GE(buf, 0);
	p = buf_map(buf, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	buf_fill(p, LEN, 7);
	fds = count_fds();

	ASSERT_EQ(0, heap_param_set("high_policy", "fail"));
	EXPECT_EQ(-EAGAIN, heap_transfer(dev, buf, self->dir));
	EXPECT_EQ(-EAGAIN, heap_transfer(dev, buf, grant));
	EXPECT_EQ(fds, count_fds());
	ASSERT_EQ(0, heap_query(dev, self->dir, &query));
	EXPECT_EQ(2, query.out_throttled);
	EXPECT_EQ(LEN, query.out_local_bytes);
	EXPECT_EQ(1, query.out_local_buffers);
	EXPECT_EQ(0, query.out_failures);
	EXPECT_EQ(0, query.out_denials);
	ASSERT_EQ(0, heap_query(dev, own, &query));
	EXPECT_EQ(LEN, query.out_local_bytes);
	EXPECT_EQ(0, query.out_throttled);
	EXPECT_TRUE(cg_settles(&self->own, LEN, self->slack));
	EXPECT_TRUE(cg_settles(&self->target, LEN, self->slack));
	EXPECT_EQ(0, buf_differs(p, LEN, 7));
	snprintf(want, sizeof(want), "cg:%ju", (uintmax_t)cg_id(&self->own));
	ASSERT_EQ(0, buf_name(buf, name, sizeof(name)));
	EXPECT_STREQ(want, name);

	/* With room it goes. The grant has all of its bytes for that. */
	ASSERT_EQ(0, cg_write_bytes(&self->target, "memory.high", 4 * LEN));
	EXPECT_EQ(0, heap_transfer(dev, buf, grant));
	ASSERT_EQ(0, heap_query(dev, self->dir, &query));
	EXPECT_EQ(2 * LEN, query.out_local_bytes);
	EXPECT_EQ(2, query.out_throttled);
	EXPECT_TRUE(cg_settles(&self->own, 0, self->slack));
	EXPECT_EQ(0, buf_differs(p, LEN, 7));
	munmap(p, LEN);
}

/* Beyond memory.max it is memory.max that counts. */
TEST_F(high, fail_and_max)
{
	ASSERT_EQ(0, heap_param_set("high_policy", "fail"));
	ASSERT_EQ(0, cg_write_bytes(&self->target, "memory.max", HIGH));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, 2 * LEN, self->dir));
}

TEST_F(high, fail_further_up)
{
	ASSERT_EQ(0, heap_param_set("high_policy", "fail"));
	ASSERT_EQ(0, cg_write(&self->target, "memory.high", "max"));
	ASSERT_EQ(0, cg_write_bytes(&self->outer, "memory.high", HIGH));
	EXPECT_EQ(-EAGAIN, heap_alloc(self->env.dev, LEN, self->dir));
	EXPECT_TRUE(cg_settles(&self->outer, LEN, self->slack));
}

TEST_F(high, throttle)
{
	struct call call = { .dev = self->env.dev, .dir = self->dir };
	int64_t quick;
	int fd;

	ASSERT_EQ(0, heap_param_set("high_policy", "ignore"));
	call_thread(&call);
	ASSERT_GE(call.fd, 0);
	quick = call.nsec;
	close(call.fd);

	ASSERT_EQ(0, heap_param_set("high_policy", "throttle"));
	call_thread(&call);
	ASSERT_GE(call.fd, 0);
	EXPECT_GE(call.nsec, quick + 100 * NSEC_PER_MSEC);
	EXPECT_LE(call.nsec, quick + 3 * NSEC_PER_SEC);
	EXPECT_TRUE(cg_settles(&self->target, 2 * LEN, self->slack));
	EXPECT_EQ(1, throttled(self->env.dev, self->dir));
	close(call.fd);

	/* What stays below is not delayed. */
	fd = heap_alloc(self->env.dev, KIB(256), self->dir);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(1, throttled(self->env.dev, self->dir));
}

TEST_F(high, throttle_ends_when_somebody_frees)
{
	struct call call = { .dev = self->env.dev, .dir = self->dir };
	pthread_t thread;
	int64_t whole;

	ASSERT_EQ(0, heap_param_set("high_policy", "throttle"));
	call_thread(&call);
	ASSERT_GE(call.fd, 0);
	close(call.fd);
	whole = call.nsec;

	call.tid = 0;
	ASSERT_EQ(0, pthread_create(&thread, NULL, call_thread, &call));
	while (!__atomic_load_n(&call.tid, __ATOMIC_ACQUIRE))
		sched_yield();
	EXPECT_TRUE(sleeps(call.tid));
	close(self->first);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_GE(call.fd, 0);
	EXPECT_LT(call.nsec, whole * 3 / 4);
	EXPECT_TRUE(cg_settles(&self->target, LEN, self->slack));
}

static void nothing(int sig)
{
	(void)sig;
}

/* Only a signal that kills ends it. */
TEST_F(high, throttle_and_a_handled_signal)
{
	struct call call = { .dev = self->env.dev, .dir = self->dir };
	struct sigaction action = { .sa_handler = nothing };
	pthread_t thread;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, heap_param_set("high_policy", "throttle"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, call_thread, &call));
	while (!__atomic_load_n(&call.tid, __ATOMIC_ACQUIRE))
		sched_yield();
	EXPECT_TRUE(sleeps(call.tid));
	ASSERT_EQ(0, pthread_kill(thread, SIGUSR1));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_GE(call.fd, 0);
	EXPECT_GE(call.nsec, 100 * NSEC_PER_MSEC);
}

TEST_F(high, throttle_and_kill)
{
	struct call call = { .dev = self->env.dev, .dir = self->dir };
	int64_t whole, start;
	pid_t pid;

	ASSERT_EQ(0, heap_param_set("high_policy", "throttle"));
	call_thread(&call);
	ASSERT_GE(call.fd, 0);
	close(call.fd);
	whole = call.nsec;

	start = now_ns();
	pid = cg_run(&self->own, call_child, &call);
	ASSERT_GT(pid, 0);
	EXPECT_TRUE(sleeps(pid));
	kill(pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, cg_reap(pid));
	EXPECT_LT(now_ns() - start, whole * 3 / 4);
	EXPECT_TRUE(cg_settles(&self->target, LEN, self->slack));
	EXPECT_EQ(self->env.refs + 2, module_settle("dma_heap_memcg",
						    self->env.refs + 2));
}

TEST_HARNESS_MAIN
