// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client in a small cgroup: it pays for what it registers and waits for, others go on,
 * and all is given back when it is killed. (With memory.max it would be the kernel that
 * kills it.)
 */
#include <stdlib.h>

#include "cgroup_util.h"
#include "env_util.h"

#define HIGH	0x100000	/* bytes */
#define ROUNDS	3
/* A point that nobody adds */
#define NEVER	0x10000000000ULL
#define MANY	4096

struct client {
	int dev, so;
};

FIXTURE(pressure) {
	struct env env;
	struct cg top, small;
	struct client c;
};

FIXTURE_VARIANT(pressure) {
	int (*client)(void *arg);
};

static int registers(void *arg)
{
	struct client *c = arg;
	uint64_t point = NEVER;
	int efd = efd_new();

	while (!so_eventfd(c->dev, c->so, efd, point, 0))
		point++;
	return 1;
}

/* Each of its children sleeps in a call that needs an entry for each point. */
static int waits(void *arg)
{
	struct client *c = arg;
	uint64_t *points = calloc(MANY, sizeof(*points));
	int *fds = calloc(MANY, sizeof(*fds)), i;
	pid_t pid;

	for (i = 0; i < MANY; i++) {
		fds[i] = c->so;
		points[i] = NEVER + i;
	}
	for (i = 0; i < 64; i++) {
		pid = fork();
		if (pid < 0)
			return 1;
		if (!pid)
			_exit(so_wait(c->dev, fds, points, MANY, INT64_MAX,
				      SO_SUBMIT | SO_ALL, NULL) ? 1 : 0);
	}
	pause();
	return 1;
}

FIXTURE_VARIANT_ADD(pressure, registrations) { registers };
FIXTURE_VARIANT_ADD(pressure, waits) { waits };

FIXTURE_SETUP(pressure)
{
	ASSERT_EQ(0, cg_setup(&self->top));
	ASSERT_EQ(0, cg_new(&self->small, &self->top, "small"));
	ASSERT_EQ(0, cg_write_bytes(&self->small, "memory.high", HIGH));
	env_setup(_metadata, &self->env);
	self->c.dev = self->env.dev;
	self->c.so = so_create(self->env.dev, 0);
	ASSERT_GE(self->c.so, 0);
}

FIXTURE_TEARDOWN(pressure)
{
	close(self->c.so);
	env_teardown(_metadata, &self->env);
	EXPECT_EQ(0, cg_teardown(&self->top));
}

/* Until the kernel has slowed it down @times more often */
static bool slowed(const struct cg *cg, int64_t times)
{
	int64_t end = in_ms(60000);

	times += cg_read_key(cg, "memory.events", "high");
	while (cg_read_key(cg, "memory.events", "high") < times && now_ns() < end)
		sleep_ms(20);
	return cg_read_key(cg, "memory.events", "high") >= times;
}

TEST_F(pressure, all_comes_back)
{
	struct client *c = &self->c;
	int64_t before = cg_read(&self->small, "memory.current"), most;
	int round, efd = efd_new();
	pid_t pid;

	for (round = 1; round <= ROUNDS; round++) {
		pid = cg_run(&self->small, variant->client, c);
		ASSERT_GT(pid, 0);
		ASSERT_TRUE(slowed(&self->small, 20));
		most = cg_read(&self->small, "memory.current");
		EXPECT_GE(most, HIGH);
		/* Others are not slowed down by the lists that it is on. */
		ASSERT_EQ(0, so_eventfd(c->dev, c->so, efd, round, 0));
		ASSERT_EQ(0, so_signal1(c->dev, c->so, round));
		EXPECT_EQ(1, efd_wait(efd));
		EXPECT_EQ(0, cg_write(&self->small, "cgroup.kill", "1"));
		EXPECT_EQ(256 + SIGKILL, cg_reap(pid));
		EXPECT_TRUE(cg_settles(&self->small, before, HIGH / 4))
			TH_LOG("round %d, %lld bytes at most", round, (long long)most);
		EXPECT_EQ(self->env.refs + 1,
			  module_settle("syncobj", self->env.refs + 1));
	}
}

TEST_HARNESS_MAIN
