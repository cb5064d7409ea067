// SPDX-License-Identifier: GPL-2.0-only
/* How grants end: by their time, by their maker, with their cgroup. */
#include "grant.h"

#define THREADS	4

FIXTURE(grant_life) {
	struct access_env a;
	struct client client;
};

FIXTURE_SETUP(grant_life)
{
	access_env_setup(_metadata, &self->a);
	self->client = (struct client) {
		.cg = &self->a.target,
		.uid = NOBODY,
	};
}

FIXTURE_TEARDOWN(grant_life)
{
	access_env_teardown(_metadata, &self->a);
}

TEST_F(grant_life, expires)
{
	struct dma_heap_memcg_query_args query;
	int dev = self->a.env.dev, grant, held, ret;
	int64_t end = in_ms(3000), start;

	grant = heap_grant(dev, self->a.dir, BUDGET, end);
	ASSERT_GE(grant, 0);
	held = heap_alloc(dev, TRY_LEN, grant);
	ASSERT_GE(held, 0);
	EXPECT_EQ(0, heap_query(dev, grant, &query));
	for (;;) {
		start = now_ns();
		ret = use_grant(dev, grant, PAGE);
		if (ret || start > end)
			break;
		sleep_ms(10);
	}
	/* not before, and not again after */
	EXPECT_EQ(-ETIME, ret);
	EXPECT_GE(now_ns(), end);
	EXPECT_EQ(-ETIME, use_grant(dev, grant, PAGE));
	EXPECT_EQ(-ETIME, heap_transfer(dev, held, grant));
	EXPECT_EQ(-ETIME, heap_query(dev, grant, &query));
	EXPECT_EQ(ETIME, serve(&self->a.caller, grant));

	EXPECT_EQ(TRY_LEN, charged(_metadata, &self->a, &self->a.target));
	EXPECT_EQ(TRY_LEN, grant_info(grant, "used"));
	close(held);
	EXPECT_EQ(0, charged(_metadata, &self->a, &self->a.target));
	EXPECT_EQ(0, grant_info(grant, "used"));
}

/* A past time is no error: who is late gets what it would have got later. */
TEST_F(grant_life, expiry_times)
{
	const struct {
		int64_t expires;
		int ret;
	} t[] = {
		{ 0, -ETIME },
		{ 1, -ETIME },
		{ now_ns() - 1, -ETIME },
		{ in_ms(3600 * 1000), 0 },
		{ INT64_MAX - 1, 0 },
		{ INT64_MAX, 0 },
	};
	int dev = self->a.env.dev, grant;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		grant = heap_grant(dev, self->a.dir, BUDGET, t[i].expires);
		ASSERT_GE(grant, 0);
		EXPECT_EQ(t[i].ret, use_grant(dev, grant, TRY_LEN))
			TH_LOG("line %u", i);
		EXPECT_EQ(t[i].expires, grant_info(grant, "expires"));
		close(grant);
	}
}

/* What its maker may do, and what remains of the copy here */
TEST_F(grant_life, revoked_by_its_maker)
{
	static const struct {
		char command;
		char answer;
		uid_t uid;
		int ret;
	} t[] = {
		{ 'c', 'c', NOBODY, -ENODEV },
		{ 'd', 'd', NOBODY, -ENODEV },
		{ 'm', 'm', NOBODY, -ENODEV },
		{ 'o', 'o', NOBODY, -ENODEV },
		{ 'r', 'r', NOBODY, -ENODEV },
		{ 't', 't', NOBODY, -ENODEV },
		{ 'x', 0, NOBODY, -ENODEV },
		/* this program may not be anybody's to run */
		{ 'e', 'e', 0, -ENODEV },
		/* and these do not */
		{ 'E', 'e', 0, 0 },
		{ 'f', 'f', NOBODY, 0 },
		{ 'D', 'D', NOBODY, 0 },
		{ 'R', 'R', NOBODY, 0 },
	};
	struct client *c = &self->client;
	struct dma_heap_memcg_query_args query;
	int dev = self->a.env.dev;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		c->uid = t[i].uid;
		client_start(_metadata, c);
		EXPECT_EQ(0, use_grant(dev, c->grant, TRY_LEN));
		EXPECT_EQ(t[i].answer, client_do(c, t[i].command));
		EXPECT_EQ(t[i].ret, use_grant(dev, c->grant, TRY_LEN))
			TH_LOG("%c", t[i].command);
		EXPECT_EQ(t[i].ret, heap_query(dev, c->grant, &query));
		EXPECT_EQ(-t[i].ret, serve(&self->a.caller, c->grant));

		/* None outlives its maker. */
		cg_kill(c->pid);
		EXPECT_EQ(-ENODEV, use_grant(dev, c->grant, TRY_LEN));
		close(c->sock);
		close(c->grant);
	}
}

/* It need not be reaped for that. */
TEST_F(grant_life, revoked_by_a_signal)
{
	struct client *c = &self->client;
	siginfo_t info;

	client_start(_metadata, c);
	EXPECT_EQ(0, use_grant(self->a.env.dev, c->grant, TRY_LEN));
	ASSERT_EQ(0, kill(c->pid, SIGKILL));
	ASSERT_EQ(0, waitid(P_PID, c->pid, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(-ENODEV, use_grant(self->a.env.dev, c->grant, TRY_LEN));
}

/* All others may close what they have. */
TEST_F(grant_life, copies_do_not_revoke)
{
	struct client *c = &self->client;
	int dev = self->a.env.dev, copy;

	client_start(_metadata, c);
	copy = dup(c->grant);
	ASSERT_GE(copy, 0);
	ASSERT_EQ(0, close(copy));
	EXPECT_EQ(0, use_grant(dev, c->grant, TRY_LEN));
	/* a process with a copy of its own that exits */
	EXPECT_EQ(0, serve(&self->a.caller, c->grant));
	EXPECT_EQ(0, serve(&self->a.caller, c->grant));
	/* The last one of all but the maker's */
	ASSERT_EQ(0, close(c->grant));
	EXPECT_EQ('a', client_do(c, 'a'));
}

static int close_it(void *arg)
{
	return close(*(int *)arg) != 0;
}

/* The same where it is not a client's but made here */
TEST_F(grant_life, children_of_the_maker)
{
	int dev = self->a.env.dev, grant, copy;

	grant = heap_grant(dev, self->a.dir, BUDGET, INT64_MAX);
	ASSERT_GE(grant, 0);
	EXPECT_EQ(0, cg_reap(cg_run(&self->a.caller, close_it, &grant)));
	EXPECT_EQ(0, serve(&self->a.caller, grant));
	copy = fcntl(grant, F_DUPFD_CLOEXEC, 100);
	ASSERT_EQ(0, close(grant));
	EXPECT_EQ(-ENODEV, use_grant(dev, copy, TRY_LEN));
	EXPECT_EQ(ENODEV, serve(&self->a.caller, copy));
}

/* What was charged before stays, works, and goes as ever. */
TEST_F(grant_life, buffers_outlive_it)
{
	struct access_env *a = &self->a;
	struct client *c = &self->client;
	int dev = a->env.dev, dir = cg_open(&a->caller, 0), moved, held;
	char *map;

	client_start(_metadata, c);
	held = heap_alloc(dev, TRY_LEN, c->grant);
	moved = heap_alloc(dev, TRY_LEN, c->grant);
	ASSERT_GE(held, 0);
	ASSERT_GE(moved, 0);
	ASSERT_EQ('c', client_do(c, 'c'));
	EXPECT_EQ(-ENODEV, use_grant(dev, c->grant, TRY_LEN));
	EXPECT_EQ(-ENODEV, heap_transfer(dev, held, c->grant));
	EXPECT_EQ(2 * TRY_LEN, charged(_metadata, a, &a->target));
	EXPECT_EQ(2 * TRY_LEN, grant_info(c->grant, "used"));

	map = buf_map(held, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, map);
	buf_fill(map, TRY_LEN, 1);
	EXPECT_EQ(0, buf_differs(map, TRY_LEN, 1));
	munmap(map, TRY_LEN);
	EXPECT_EQ(0, heap_transfer(dev, moved, dir));
	EXPECT_EQ(TRY_LEN, charged(_metadata, a, &a->target));

	/* the grant's last file before the last buffer that it paid for */
	close(c->grant);
	close(held);
	EXPECT_EQ(0, charged(_metadata, a, &a->target));
}

struct hurry {
	pthread_t thread;
	int dev;
	int grant;
	/* out */
	int64_t last;	/* when the last call that succeeded began */
	int ret;
};

static void *hurry(void *arg)
{
	struct hurry *h = arg;
	int64_t start, end = in_ms(60000);

	do {
		start = now_ns();
		h->ret = use_grant(h->dev, h->grant, 16 * PAGE);
		if (!h->ret)
			h->last = start;
	} while (!h->ret && start < end);
	return NULL;
}

/* Once its maker has closed it, no call begins that it permits. */
TEST_F(grant_life, revoked_under_load)
{
	struct client *c = &self->client;
	struct hurry h[THREADS];
	int64_t closed;
	int i;

	client_start(_metadata, c);
	for (i = 0; i < THREADS; i++) {
		h[i] = (struct hurry) {
			.dev = self->a.env.dev,
			.grant = c->grant,
		};
		ASSERT_EQ(0, pthread_create(&h[i].thread, NULL, hurry, &h[i]));
	}
	sleep_ms(200);
	EXPECT_EQ('c', client_do(c, 'c'));
	closed = now_ns();
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pthread_join(h[i].thread, NULL));
		EXPECT_EQ(-ENODEV, h[i].ret);
		EXPECT_LT(0, h[i].last);
		EXPECT_GT(closed, h[i].last);
	}
	EXPECT_EQ(0, grant_info(c->grant, "used"));
	EXPECT_EQ(0, charged(_metadata, &self->a, &self->a.target));
}

/* It is for the cgroup, not for the process. */
TEST_F(grant_life, client_moves)
{
	struct client *c = &self->client;
	struct access_env *a = &self->a;
	struct cg third;
	int buf;

	ASSERT_EQ(0, cg_new(&third, &a->env.top, "third"));
	client_start(_metadata, c);
	ASSERT_EQ(0, cg_move(&third, c->pid));
	buf = heap_alloc(a->env.dev, TRY_LEN, c->grant);
	ASSERT_GE(buf, 0);
	EXPECT_EQ(TRY_LEN, charged(_metadata, a, &a->target));
	EXPECT_EQ(0, charged(_metadata, a, &third));
	EXPECT_EQ(0, serve(&a->caller, c->grant));
}

TEST_F(grant_life, cgroup_removed)
{
	struct dma_heap_memcg_query_args query;
	struct access_env *a = &self->a;
	int dev = a->env.dev, grant, held;

	grant = heap_grant(dev, a->dir, BUDGET, INT64_MAX);
	ASSERT_GE(grant, 0);
	held = heap_alloc(dev, TRY_LEN, grant);
	ASSERT_GE(held, 0);
	ASSERT_EQ(0, cg_remove(&a->target));
	EXPECT_EQ(-ENODEV, use_grant(dev, grant, PAGE));
	EXPECT_EQ(-ENODEV, heap_transfer(dev, held, grant));
	EXPECT_EQ(-ENODEV, heap_query(dev, grant, &query));
	EXPECT_EQ(ENODEV, serve(&a->caller, grant));

	/* The charge has gone up; nothing was lost. */
	EXPECT_EQ((uint64_t)TRY_LEN,
		  cgroup_stats(_metadata, a, &a->env.top).out_bytes);
	EXPECT_TRUE(cg_settles(&a->env.top, TRY_LEN, cg_slack()));
	EXPECT_EQ(TRY_LEN, grant_info(grant, "used"));
	close(held);
	EXPECT_EQ(0, grant_info(grant, "used"));
	EXPECT_EQ(0, cgroup_stats(_metadata, a, &a->env.top).out_bytes);
}

/* Whatever has become of it, GRANT takes it for what it is. */
TEST_F(grant_life, of_an_ended_grant)
{
	struct access_env *a = &self->a;
	struct client *c = &self->client;
	int dev = a->env.dev, fds, late, removed;

	client_start(_metadata, c);
	ASSERT_EQ('c', client_do(c, 'c'));
	late = heap_grant(dev, a->dir, BUDGET, 1);
	ASSERT_GE(late, 0);
	fds = count_fds();
	EXPECT_EQ(-ENODEV, use_grant(dev, c->grant, PAGE));
	EXPECT_EQ(-EINVAL, heap_grant(dev, c->grant, BUDGET, INT64_MAX));
	EXPECT_EQ(-ETIME, use_grant(dev, late, PAGE));
	EXPECT_EQ(-EINVAL, heap_grant(dev, late, BUDGET, INT64_MAX));

	removed = heap_grant(dev, a->dir, BUDGET, INT64_MAX);
	ASSERT_GE(removed, 0);
	cg_kill(c->pid);
	ASSERT_EQ(0, cg_remove(&a->target));
	EXPECT_EQ(-ENODEV, use_grant(dev, removed, PAGE));
	EXPECT_EQ(-EINVAL, heap_grant(dev, removed, BUDGET, INT64_MAX));
	EXPECT_EQ(fds + 1, count_fds());
}

/* It needs no open device, but the module. */
TEST_F(grant_life, holds_the_module)
{
	int refs = self->a.env.refs, dev, grant;

	grant = heap_grant(self->a.env.dev, self->a.dir, BUDGET, INT64_MAX);
	ASSERT_GE(grant, 0);
	ASSERT_EQ(0, close(self->a.env.dev));
	EXPECT_LT(refs, module_refcnt("dma_heap_memcg"));
	dev = heap_open();
	ASSERT_GE(dev, 0);
	EXPECT_EQ(0, use_grant(dev, grant, TRY_LEN));
	ASSERT_EQ(0, close(dev));
	ASSERT_EQ(0, close(grant));
	EXPECT_EQ(refs, module_settle("dma_heap_memcg", refs));
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--echo"))
		return echo();
	return test_harness_run(argc, argv);
}
