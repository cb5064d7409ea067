// SPDX-License-Identifier: GPL-2.0-only
/* A process that moves to another cgroup takes no charge with it. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>

#include "heap_env.h"
#include "syncobj_util.h"

#define LEN	MIB(64)

FIXTURE(move) {
	struct heap_env env;
	struct cg own, a, b;
	int dir_a, dir_b;
	pid_t client;		/* begins in a */
	int pidfd;
	int64_t slack;
};

FIXTURE_SETUP(move)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->own, &self->env.top, "own"));
	ASSERT_EQ(0, cg_new(&self->a, &self->env.top, "a"));
	ASSERT_EQ(0, cg_new(&self->b, &self->env.top, "b"));
	self->dir_a = cg_open(&self->a, 0);
	self->dir_b = cg_open(&self->b, 0);
	ASSERT_GE(self->dir_b, 0);
	self->client = cg_spawn(&self->a);
	ASSERT_GT(self->client, 0);
	self->pidfd = pidfd_of(self->client, 0);
	ASSERT_GE(self->pidfd, 0);
	self->slack = cg_slack();
}

FIXTURE_TEARDOWN(move)
{
	cg_kill(self->client);
	heap_env_teardown(_metadata, &self->env);
}

TEST_F(move, the_target)
{
	int fds[2];

	fds[0] = heap_alloc(self->env.dev, LEN, self->pidfd);
	ASSERT_GE(fds[0], 0);
	ASSERT_EQ(0, cg_move(&self->b, self->client));
	EXPECT_TRUE(cg_settles(&self->a, LEN, self->slack));
	EXPECT_TRUE(cg_settles(&self->b, 0, self->slack));
	/* The same pidfd names another cgroup now. */
	fds[1] = heap_alloc(self->env.dev, LEN / 2, self->pidfd);
	ASSERT_GE(fds[1], 0);
	EXPECT_TRUE(cg_settles(&self->a, LEN, self->slack));
	EXPECT_TRUE(cg_settles(&self->b, LEN / 2, self->slack));
	close(fds[0]);
	EXPECT_TRUE(cg_settles(&self->a, 0, self->slack));
	EXPECT_TRUE(cg_settles(&self->b, LEN / 2, self->slack));
	close(fds[1]);
	EXPECT_TRUE(cg_settles(&self->b, 0, self->slack));
}

TEST_F(move, the_caller)
{
	int fds[2];

	ASSERT_EQ(0, cg_move(&self->a, 0));
	fds[0] = heap_alloc(self->env.dev, LEN, HEAP_SELF);
	ASSERT_GE(fds[0], 0);
	ASSERT_EQ(0, cg_move(&self->b, 0));
	fds[1] = heap_alloc_plain(self->env.dev, LEN / 2);
	ASSERT_GE(fds[1], 0);
	EXPECT_TRUE(cg_settles(&self->a, LEN, self->slack));
	EXPECT_TRUE(cg_settles(&self->b, LEN / 2, self->slack));
	close(fds[0]);
	close(fds[1]);
	EXPECT_TRUE(cg_settles(&self->a, 0, self->slack));
	EXPECT_TRUE(cg_settles(&self->b, 0, self->slack));
}

/* The cgroup that it left may go; the one that it is in is charged. */
TEST_F(move, from_a_removed_cgroup)
{
	struct dma_heap_memcg_query_args query;
	int fds[2];

	fds[0] = heap_alloc(self->env.dev, LEN, self->pidfd);
	ASSERT_GE(fds[0], 0);
	ASSERT_EQ(0, cg_move(&self->b, self->client));
	ASSERT_EQ(0, cg_remove(&self->a));
	fds[1] = heap_alloc(self->env.dev, LEN / 2, self->pidfd);
	ASSERT_GE(fds[1], 0);
	ASSERT_EQ(0, heap_query(self->env.dev, self->pidfd, &query));
	EXPECT_EQ(cg_id(&self->b), query.out_cgroup);
	EXPECT_EQ(LEN / 2, query.out_bytes);
	EXPECT_TRUE(cg_settles(&self->b, LEN / 2, self->slack));
	EXPECT_TRUE(cg_settles(&self->env.top, LEN + LEN / 2,
			       2 * self->slack));
	close(fds[0]);
	close(fds[1]);
}

struct mover {
	const struct cg *cgs[2];
	pid_t client;
	int moves;
	bool stop;
	int error;
};

static void *mover_thread(void *arg)
{
	struct mover *m = arg;
	int ret;

	while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE)) {
		ret = cg_move(m->cgs[(m->moves + 1) & 1], m->client);
		if (ret)
			m->error = ret;
		__atomic_add_fetch(&m->moves, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/*
 * To and fro while buffers are allocated. Each is charged as a whole to one of
 * the two, the one that its name says.
 */
TEST_F(move, during_allocation)
{
	enum { COUNT = 200, MOVES = 20, MOST = 900, SIZE = 256 << 10 };
	struct mover mover = {
		.cgs = { &self->a, &self->b }, .client = self->client,
	};
	struct rlimit limit = { MOST + 100, MOST + 100 };
	struct dma_heap_memcg_query_args in_a, in_b;
	int i, count = 0, named_a = 0, named_b = 0;
	char name[64], name_a[64], name_b[64];
	static int fds[MOST];
	pthread_t thread;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	snprintf(name_a, sizeof(name_a), "cg:%ju", (uintmax_t)cg_id(&self->a));
	snprintf(name_b, sizeof(name_b), "cg:%ju", (uintmax_t)cg_id(&self->b));
	ASSERT_EQ(0, pthread_create(&thread, NULL, mover_thread, &mover));
	while (count < COUNT ||
	       (count < MOST &&
		__atomic_load_n(&mover.moves, __ATOMIC_ACQUIRE) < MOVES)) {
		fds[count] = heap_alloc(self->env.dev, SIZE, self->pidfd);
		if (fds[count] < 0)
			break;
		count++;
	}
	__atomic_store_n(&mover.stop, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, mover.error);
	EXPECT_GT(mover.moves, 0);
	ASSERT_GE(count, COUNT) TH_LOG("error %d", fds[count]);

	for (i = 0; i < count; i++) {
		ASSERT_EQ(0, buf_name(fds[i], name, sizeof(name)));
		named_a += !strcmp(name, name_a);
		named_b += !strcmp(name, name_b);
	}
	EXPECT_EQ(count, named_a + named_b);
	TH_LOG("%d moves, %d and %d buffers", mover.moves, named_a, named_b);
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_a, &in_a));
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_b, &in_b));
	EXPECT_EQ(named_a, in_a.out_local_buffers);
	EXPECT_EQ(named_b, in_b.out_local_buffers);
	EXPECT_EQ((int64_t)named_a * SIZE, in_a.out_local_bytes);
	EXPECT_EQ((int64_t)named_b * SIZE, in_b.out_local_bytes);
	EXPECT_TRUE(cg_settles(&self->a, (int64_t)named_a * SIZE,
			       2 * self->slack));
	EXPECT_TRUE(cg_settles(&self->b, (int64_t)named_b * SIZE,
			       2 * self->slack));

	for (i = 0; i < count; i++)
		close(fds[i]);
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_a, &in_a));
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir_b, &in_b));
	EXPECT_EQ(0, in_a.out_bytes);
	EXPECT_EQ(0, in_b.out_bytes);
	EXPECT_TRUE(cg_settles(&self->a, 0, self->slack));
	EXPECT_TRUE(cg_settles(&self->b, 0, self->slack));
}

TEST_HARNESS_MAIN
