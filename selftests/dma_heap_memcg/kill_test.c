// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that is killed while its threads allocate for others, hand buffers over,
 * map them and make grants: nobody is charged for it afterwards.
 */
#include <pthread.h>
#include <stdlib.h>

#include "heap_env.h"

#include "syncobj_util.h"
#include "victim_util.h"

#define ROUNDS	24
#define THREADS	4
#define CGROUPS	2
#define BUSY	60

enum { ALLOC, TOUCH, TRANSFER, GRANT, QUERY, OPS };

static const char * const names[OPS] = {
	"ALLOC", "touch", "TRANSFER", "GRANT", "QUERY",
};

struct client {
	struct victim_counts *s;
	int dev;
	int dir[CGROUPS];
	unsigned int seed;
};

struct worker {
	struct client *c;
	unsigned int seed;
	int buf;
	int64_t size;
};

FIXTURE(killed) {
	struct heap_env env;
	struct cg cg[CGROUPS];
	struct client c;
};

FIXTURE_SETUP(killed)
{
	int i;

	heap_env_setup(_metadata, &self->env);
	self->c = (struct client) {
		.s = victim_shared(sizeof(*self->c.s)), .dev = self->env.dev,
	};
	ASSERT_NE(NULL, self->c.s);
	for (i = 0; i < CGROUPS; i++) {
		ASSERT_EQ(0, cg_new(&self->cg[i], &self->env.top,
				    i ? "other" : "one"));
		self->c.dir[i] = cg_open(&self->cg[i], 0);
		ASSERT_GE(self->c.dir[i], 0);
	}
}

FIXTURE_TEARDOWN(killed)
{
	heap_env_teardown(_metadata, &self->env);
}

static int done(struct client *c, int op, int ret)
{
	return victim_done(c->s, op, ret, false);
}

static void touch(struct worker *w)
{
	char *p = buf_map(w->buf, PROT_READ | PROT_WRITE);
	int64_t i;

	if (p == MAP_FAILED) {
		done(w->c, TOUCH, -errno);
		return;
	}
	for (i = 0; i < w->size; i += 4096)
		p[i] = 1;
	/* It may stay mapped until the end. */
	if (rand_r(&w->seed) % 8)
		munmap(p, w->size);
	done(w->c, TOUCH, 0);
}

static void step(struct worker *w)
{
	int dir = w->c->dir[rand_r(&w->seed) % CGROUPS], fd;
	struct dma_heap_memcg_query_args q;
	struct client *c = w->c;

	if (w->buf < 0) {
		/* now and then one that several threads allocate */
		w->size = rand_r(&w->seed) % 8 ? KIB(64) : MIB(16);
		w->buf = done(c, ALLOC, heap_alloc(c->dev, w->size, dir));
		return;
	}
	switch (rand_r(&w->seed) % 6) {
	case 0:
		touch(w);
		break;
	case 1:
	case 2:
		done(c, TRANSFER, heap_transfer(c->dev, w->buf, dir));
		break;
	case 3:
		fd = done(c, GRANT, heap_grant(c->dev, dir, MIB(1), INT64_MAX));
		close(fd);
		break;
	case 4:
		done(c, QUERY, heap_query(c->dev, dir, &q));
		break;
	case 5:
		close(w->buf);
		w->buf = -1;
		break;
	}
}

static void *work(void *arg)
{
	for (;;)
		step(arg);
	return NULL;
}

static void client(void *arg)
{
	struct worker w[THREADS];
	struct client *c = arg;
	pthread_t thread;
	int i;

	for (i = 0; i < THREADS; i++) {
		w[i] = (struct worker) {
			.c = c, .seed = c->seed * 100 + i, .buf = -1,
		};
		pthread_create(&thread, NULL, work, &w[i]);
	}
	pthread_join(thread, NULL);
}

TEST_F_TIMEOUT(killed, at_any_time, 600)
{
	struct dma_heap_memcg_query_args q;
	struct client *c = &self->c;
	unsigned int seed = 1;
	int i, round;

	for (round = 0; round < ROUNDS; round++) {
		c->seed = round + 1;
		ASSERT_EQ(0, victim_kill(&c->s->steps, BUSY,
					 rand_r(&seed) % 20000, client, c))
			TH_LOG("round %d", round);
		ASSERT_EQ(0, c->s->bad) TH_LOG("%s", names[c->s->bad_op]);
		for (i = 0; i < CGROUPS; i++) {
			ASSERT_EQ(0, heap_query(c->dev, c->dir[i], &q));
			ASSERT_EQ(0, q.out_bytes) TH_LOG("round %d", round);
			ASSERT_EQ(0, q.out_buffers);
		}
		ASSERT_EQ(self->env.refs + 1,
			  module_settle("dma_heap_memcg", self->env.refs + 1))
			TH_LOG("round %d", round);
	}
	for (i = 0; i < CGROUPS; i++)
		EXPECT_TRUE(cg_settles(&self->cg[i], 0, cg_slack()));
	for (i = 0; i < OPS; i++) {
		TH_LOG("%7lu %s", c->s->done[i], names[i]);
		EXPECT_LT(0, c->s->done[i]) TH_LOG("never: %s", names[i]);
	}
}

TEST_HARNESS_MAIN
