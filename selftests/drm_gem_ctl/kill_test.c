// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that is killed while its threads move, list and import handles. Its file
 * goes with all that is in it, and nobody else's.
 */
#include <pthread.h>
#include <stdlib.h>

#include "gem_env.h"
#include "syncobj_util.h"
#include "victim_util.h"

#define ROUNDS	24
#define THREADS	4
#define RANGE	32U
#define BUSY	150

enum { CREATE, MOVE, CLOSE, EXPORT, NO_MOVE, LIST, INFO, OPS };

static const char * const names[OPS] = {
	"create", "MOVE", "close", "export", "IMPORT_NO_MOVE", "LIST",
	"PRIME_INFO",
};

struct client {
	struct victim_counts *s;
	const char *driver;
	int dev;
	int dmabuf;	/* of somebody else's, who lives on */
	int drm;
	unsigned int seed;
};

struct worker {
	struct client *c;
	unsigned int seed;
};

FIXTURE(killed) {
	struct gem_env env;
	struct client c;
	int drm;
	uint64_t ino;
};

FIXTURE_VARIANT(killed) {
	const char *driver;
};

FIXTURE_VARIANT_ADD(killed, vgem) { "vgem" };
FIXTURE_VARIANT_ADD(killed, virtio_gpu) { "virtio_gpu" };

FIXTURE_SETUP(killed)
{
	gem_env_setup(_metadata, &self->env);
	self->drm = gem_open_driver(variant->driver);
	if (gem_lacks(self->drm))
		SKIP(return, "no device of this driver");
	ASSERT_GE(self->drm, 0);
	ASSERT_EQ(1, gem_new(self->drm, 2));
	self->c = (struct client) {
		.s = victim_shared(sizeof(*self->c.s)), .dev = self->env.dev,
		.driver = variant->driver, .dmabuf = gem_export(self->drm, 1),
	};
	ASSERT_NE(NULL, self->c.s);
	ASSERT_GE(self->c.dmabuf, 0);
	self->ino = inode_of(self->c.dmabuf);
}

FIXTURE_TEARDOWN(killed)
{
	gem_env_teardown(_metadata, &self->env);
}

static int done(struct client *c, int op, int ret)
{
	/* Two threads want the same handle; or have moved what was just imported. */
	return victim_done(c->s, op, ret, ret == -ENOENT || ret == -EEXIST ||
			   ret == -EINVAL || (ret == -ESTALE && op == NO_MOVE));
}

static void step(struct worker *w)
{
	uint32_t a = 1 + rand_r(&w->seed) % RANGE;
	uint32_t b = 1 + rand_r(&w->seed) % RANGE;
	struct drm_gem_ctl_prime_info_args info;
	struct drm_gem_ctl_entry entries[8];
	struct client *c = w->c;
	int fd;

	switch (rand_r(&w->seed) % 9) {
	case 0:
		done(c, CREATE, gem_new(c->drm, 1) ? 0 : -ENOMEM);
		break;
	case 1 ... 3:
		done(c, MOVE, gem_move(c->dev, c->drm, a, b));
		break;
	case 4:
		done(c, CLOSE, gem_close(c->drm, a));
		break;
	case 5:
		fd = done(c, EXPORT, gem_export(c->drm, a));
		/* Not closed, mostly: as many as a process may have. */
		if (fd > 200)
			close(fd);
		break;
	case 6:
		done(c, NO_MOVE, gem_import_no_move(c->dev, c->drm, c->dmabuf,
						    NULL, NULL));
		break;
	case 7:
		done(c, LIST, gem_list(c->dev, c->drm, a, entries, 8, NULL));
		break;
	case 8:
		done(c, INFO, gem_info(c->dev, c->drm, c->dmabuf, &info));
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

	c->drm = gem_open_driver(c->driver);
	for (i = 0; i < THREADS; i++) {
		w[i] = (struct worker) { .c = c, .seed = c->seed * 100 + i };
		pthread_create(&thread, NULL, work, &w[i]);
	}
	pthread_join(thread, NULL);
}

TEST_F_TIMEOUT(killed, at_any_time, 600)
{
	struct client *c = &self->c;
	struct drm_gem_ctl_entry entry;
	unsigned int seed = 1;
	uint32_t handle;
	int i, round;

	for (round = 0; round < ROUNDS; round++) {
		c->seed = round + 1;
		ASSERT_EQ(0, victim_kill(&c->s->steps, BUSY,
					 rand_r(&seed) % 5000, client, c))
			TH_LOG("round %d", round);
		ASSERT_EQ(0, c->s->bad) TH_LOG("%s", names[c->s->bad_op]);
		/* The object that it had imported has one handle again, here. */
		ASSERT_EQ(0, gem_entry(c->dev, self->drm, 1, &entry));
		ASSERT_EQ(1, entry.handle_count);
		ASSERT_EQ(self->ino, entry.dmabuf_ino);
		ASSERT_EQ(1, gem_count(c->dev, self->drm));
		ASSERT_EQ(0, gem_import(self->drm, c->dmabuf, &handle));
		ASSERT_EQ(1, handle);
		ASSERT_EQ(0, gem_move(c->dev, self->drm, 1, 2 + round));
		ASSERT_EQ(0, gem_move(c->dev, self->drm, 2 + round, 1));
	}
	for (i = 0; i < OPS; i++) {
		TH_LOG("%7lu %s", c->s->done[i], names[i]);
		EXPECT_LT(0, c->s->done[i]) TH_LOG("never: %s", names[i]);
	}
	close(c->dmabuf);
	close(self->drm);
	/* An object that is lost would hold the driver. */
	EXPECT_EQ(0, module_settle(variant->driver, 0));
}

TEST_HARNESS_MAIN
