// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client that is killed while its threads are in the middle of calls of all kinds.
 * What it had alone goes with it; what it shares goes on working for the others.
 */
#include <pthread.h>
#include <stdlib.h>

#include "env_util.h"
#include "victim_util.h"

#define ROUNDS	24
#define THREADS	5
#define SHARED	4
#define EVENTFDS	4
/* Calls before it may be killed */
#define BUSY	150
/* Points that the victim uses are below. */
#define ABOVE	1000

enum {
	WAIT, SIGNAL, CREATE, FENCE, IMPORT, EXPORT, EVENTFD, CANCEL, TRANSFER,
	RESET, OPS
};

static const char * const names[OPS] = {
	"WAIT", "SIGNAL", "CREATE", "fence", "IMPORT", "EXPORT", "EVENTFD",
	"CANCEL", "TRANSFER", "RESET",
};

struct client {
	struct victim_counts *s;
	int dev, tf;
	int so[SHARED];		/* the others have them, too */
	int efd[EVENTFDS];	/* these not */
	unsigned int seed;
};

struct worker {
	struct client *c;
	unsigned int seed;
};

FIXTURE(killed) {
	struct env env;
	struct client c;
};

FIXTURE_SETUP(killed)
{
	int i;

	env_setup(_metadata, &self->env);
	self->c = (struct client) {
		.s = victim_shared(sizeof(*self->c.s)), .dev = self->env.dev,
	};
	ASSERT_NE(NULL, self->c.s);
	for (i = 0; i < SHARED; i++) {
		self->c.so[i] = so_create(self->env.dev, 0);
		ASSERT_GE(self->c.so[i], 0);
	}
}

FIXTURE_TEARDOWN(killed)
{
	env_teardown(_metadata, &self->env);
}

/* What may come of a call whose points others take away is no fault. */
static int done(struct client *c, int op, int ret)
{
	return victim_done(c->s, op, ret, ret == -EINVAL || ret == -ETIME ||
			   ret == -ENOENT);
}

static void with_fence(struct worker *w, int so, uint64_t point)
{
	struct client *c = w->c;
	uint32_t id;
	int fd = done(c, FENCE, tf_create(c->tf, 0, &id));

	if (fd < 0)
		return;
	done(c, IMPORT, so_import(c->dev, so, fd, point));
	close(fd);
	/* Some are left to whoever closes the file. */
	if (rand_r(&w->seed) % 4)
		tf_signal_how(c->tf, id, 0, TEST_FENCE_DELAYED,
			      rand_r(&w->seed) % 3);
}

static void step(struct worker *w)
{
	struct client *c = w->c;
	int so = c->so[rand_r(&w->seed) % SHARED];
	int other = c->so[rand_r(&w->seed) % SHARED];
	int efd = c->efd[rand_r(&w->seed) % EVENTFDS];
	uint64_t point = 1 + rand_r(&w->seed) % (ABOVE - 1);
	uint32_t n;
	int fd;

	switch (rand_r(&w->seed) % 10) {
	case 0:
		done(c, WAIT, so_wait1(c->dev, so, point,
				       in_ms(rand_r(&w->seed) % 5), SO_SUBMIT));
		break;
	case 1:
	case 2:
		done(c, SIGNAL, so_signal1(c->dev, so, point));
		break;
	case 3:
		fd = done(c, CREATE, so_create(c->dev, 0));
		close(fd);
		break;
	case 4:
		with_fence(w, so, point);
		break;
	case 5:
		fd = done(c, EXPORT, so_export(c->dev, so, point));
		if (fd >= 0)
			close(fd);
		break;
	case 6:
	case 7:
		done(c, EVENTFD, so_eventfd(c->dev, so, efd, point,
					    point & 1 ? SO_AVAIL : 0));
		break;
	case 8:
		if (rand_r(&w->seed) % 4)
			done(c, CANCEL, so_cancel(c->dev, so, efd, 0,
						  SYNCOBJ_CANCEL_FLAGS_ANY_POINT,
						  &n));
		else
			done(c, RESET, so_reset1(c->dev, so));
		break;
	case 9:
		done(c, TRANSFER, so_transfer(c->dev, so, point / 2, other,
					      point, 0));
		break;
	}
}

static void *work(void *arg)
{
	for (;;)
		step(arg);
	return NULL;
}

/* For the points that nobody ever adds: these two sleep until they are killed. */
static void *sleep_in_wait(void *arg)
{
	struct client *c = arg;

	for (;;)
		so_wait(c->dev, c->so,
			(uint64_t []){ ABOVE * 100, ABOVE * 100 }, 2, INT64_MAX,
			SO_SUBMIT | SO_ALL, NULL);
	return NULL;
}

static void *sleep_in_transfer(void *arg)
{
	struct client *c = arg;

	for (;;)
		so_transfer(c->dev, c->so[0], ABOVE * 100, c->so[1], 1,
			    SO_SUBMIT);
	return NULL;
}

static void client(void *arg)
{
	struct worker w[THREADS];
	struct client *c = arg;
	pthread_t thread;
	int i;

	/* Its own: what it leaves unsignalled is signalled when it is gone. */
	c->tf = tf_open();
	for (i = 0; i < EVENTFDS; i++)
		c->efd[i] = efd_new();
	pthread_create(&thread, NULL, sleep_in_wait, c);
	pthread_create(&thread, NULL, sleep_in_transfer, c);
	for (i = 0; i < THREADS; i++) {
		w[i] = (struct worker) { .c = c, .seed = c->seed * 100 + i };
		pthread_create(&thread, NULL, work, &w[i]);
	}
	pthread_join(thread, NULL);
}

TEST_F_TIMEOUT(killed, at_any_time, 600)
{
	struct client *c = &self->c;
	int i, round, efd = efd_new();
	unsigned int seed = 1;
	uint64_t point;

	for (round = 0; round < ROUNDS; round++) {
		c->seed = round + 1;
		ASSERT_EQ(0, victim_kill(&c->s->steps, BUSY,
					 rand_r(&seed) % 5000, client, c))
			TH_LOG("round %d", round);
		ASSERT_EQ(0, c->s->bad) TH_LOG("%s", names[c->s->bad_op]);
		/* The lists that it was on are in order. */
		point = ABOVE * (round + 1);
		for (i = 0; i < SHARED; i++) {
			ASSERT_EQ(0, so_eventfd(c->dev, c->so[i], efd, point,
						0));
			ASSERT_EQ(0, so_signal1(c->dev, c->so[i], point));
			ASSERT_EQ(0, so_wait1(c->dev, c->so[i], point,
					      in_ms(20000), 0));
			ASSERT_EQ(1, efd_wait(efd));
			ASSERT_EQ(0, so_reset1(c->dev, c->so[i]));
		}
		/* None of its watches holds the module. */
		ASSERT_EQ(self->env.refs + 1,
			  module_settle("syncobj", self->env.refs + 1))
			TH_LOG("round %d", round);
	}
	for (i = 0; i < OPS; i++) {
		TH_LOG("%7lu %s", c->s->done[i], names[i]);
		EXPECT_LT(0, c->s->done[i]) TH_LOG("never: %s", names[i]);
	}
}

TEST_HARNESS_MAIN
