// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once, for BUFSYNC_STRESS_SECONDS (30) at least: eight threads that
 * make, move, close, export, import and list handles of two files of one device and
 * one of another. At the end the driver can be unloaded: no object has been lost.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "gem_env.h"
#include "syncobj_util.h"
#include "thread_util.h"

#define THREADS	8
#define RANGE	48U	/* handles that everybody uses */
#define FDS	16

enum op { CREATE, MOVE, CLOSE, EXPORT, IMPORT, NO_MOVE, LIST, INFO, OPS };

static const struct {
	const char *name;
	unsigned long min;	/* successes in 30 seconds; a slow machine takes longer */
} ops[OPS] = {
	[CREATE] = { "create", 200 }, [MOVE] = { "MOVE", 200 },
	[CLOSE] = { "close", 200 }, [EXPORT] = { "export", 200 },
	[IMPORT] = { "import", 200 }, [NO_MOVE] = { "IMPORT_NO_MOVE", 200 },
	[LIST] = { "LIST", 200 }, [INFO] = { "PRIME_INFO", 200 },
};

FIXTURE(stress) {
	struct gem_env env;
	int files[3];
	int fds[FDS];		/* dma-bufs, taken and replaced by all */
	bool stop;
	unsigned long done[OPS];
	int bad, bad_op;
};

FIXTURE_VARIANT(stress) {
	const char *driver, *other;
};

FIXTURE_VARIANT_ADD(stress, vgem) { "vgem", "virtio_gpu" };
/* with imports from one to the other */
FIXTURE_VARIANT_ADD(stress, virtio_gpu) { "virtio_gpu", "vgem" };

FIXTURE_SETUP(stress)
{
	int i;

	if (!kernel_is_row())
		SKIP(return, "only in a guest: it needs virtio-gpu");
	gem_env_setup(_metadata, &self->env);
	for (i = 0; i < 3; i++) {
		self->files[i] = gem_open_driver(i < 2 ? variant->driver :
							 variant->other);
		ASSERT_GE(self->files[i], 0);
	}
	for (i = 0; i < FDS; i++)
		self->fds[i] = -1;
}

FIXTURE_TEARDOWN(stress)
{
	gem_env_teardown(_metadata, &self->env);
}

struct thread {
	FIXTURE_DATA(stress) *s;
	unsigned int seed;
	pthread_t thread;
};

/* What a race can lead to is no fault; anything else is. */
static void count(FIXTURE_DATA(stress) *s, enum op op, int ret)
{
	if (ret >= 0) {
		__atomic_add_fetch(&s->done[op], 1, __ATOMIC_RELAXED);
		return;
	}
	switch (ret) {
	case -ENOENT:
	case -EEXIST:
	case -EINVAL:	/* GEM_CLOSE of nothing */
		if (op == MOVE || op == CLOSE || op == EXPORT)
			return;
		break;
	case -EBADF:	/* another thread has just taken it */
		if (op == IMPORT || op == NO_MOVE || op == INFO)
			return;
		break;
	case -ENODEV:	/* virtio-gpu imports nothing that is not its own */
		if (op == IMPORT || op == NO_MOVE)
			return;
		break;
	case -ESTALE:
		if (op == NO_MOVE)
			return;
		break;
	}
	if (!__atomic_exchange_n(&s->bad, ret, __ATOMIC_RELAXED))
		s->bad_op = op;
}

static void export_one(struct thread *t, int file, uint32_t handle)
{
	int fd = gem_export(file, handle), old;

	count(t->s, EXPORT, fd);
	if (fd < 0)
		return;
	old = __atomic_exchange_n(&t->s->fds[rand_r(&t->seed) % FDS], fd,
				  __ATOMIC_ACQ_REL);
	if (old >= 0)
		close(old);
}

static void list_all(struct thread *t, int file)
{
	struct drm_gem_ctl_entry entries[16];
	uint32_t next = 0, last = 0;
	int i, n;

	do {
		n = gem_list(t->s->env.dev, file, next, entries, 16, &next);
		count(t->s, LIST, n);
		for (i = 0; i < n; i++) {
			if (entries[i].handle <= last ||
			    !entries[i].handle_count)
				count(t->s, LIST, -EBADMSG);
			last = entries[i].handle;
		}
	} while (n > 0 && next);
}

static void step(struct thread *t, FIXTURE_DATA(stress) *s)
{
	int file = s->files[rand_r(&t->seed) % 3];
	int fd = __atomic_load_n(&s->fds[rand_r(&t->seed) % FDS],
				 __ATOMIC_ACQUIRE);
	uint32_t a = 1 + rand_r(&t->seed) % RANGE;
	uint32_t b = 1 + rand_r(&t->seed) % RANGE;
	struct drm_gem_ctl_prime_info_args info;
	int dev = s->env.dev;

	switch (rand_r(&t->seed) % 10) {
	case 0:
		count(s, CREATE, gem_new(file, 1) ? 0 : -ENOMEM);
		break;
	case 1 ... 3:
		count(s, MOVE, gem_move(dev, file, a, b));
		break;
	case 4:
		count(s, CLOSE, gem_close(file, a));
		break;
	case 5:
		export_one(t, file, a);
		break;
	case 6:
		count(s, IMPORT, gem_import(file, fd, &a));
		break;
	case 7:
		count(s, NO_MOVE, gem_import_no_move(dev, file, fd, NULL,
						     NULL));
		break;
	case 8:
		list_all(t, file);
		break;
	case 9:
		count(s, INFO, gem_info(dev, file, fd, &info));
		break;
	}
}

static void *stress_thread(void *arg)
{
	struct thread *t = arg;

	while (!__atomic_load_n(&t->s->stop, __ATOMIC_RELAXED))
		step(t, t->s);
	return NULL;
}

static bool enough(FIXTURE_DATA(stress) *s)
{
	int op;

	for (op = 0; op < OPS; op++)
		if (__atomic_load_n(&s->done[op], __ATOMIC_RELAXED) <
		    ops[op].min * stress_seconds() / 30)
			return false;
	return true;
}

static void close_all(FIXTURE_DATA(stress) *s)
{
	struct drm_gem_ctl_entry entry;
	int i;

	for (i = 0; i < FDS; i++)
		if (s->fds[i] >= 0)
			close(s->fds[i]);
	for (i = 0; i < 3; i++)
		while (gem_list(s->env.dev, s->files[i], 0, &entry, 1,
				NULL) == 1)
			if (gem_close(s->files[i], entry.handle))
				break;
}

TEST_F_TIMEOUT(stress, everything_at_once, 600)
{
	/* Two variants share the time. */
	int64_t end = in_ms(stress_seconds() * 500);
	int64_t too_long = in_ms(stress_seconds() * 5000);
	struct thread threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++) {
		threads[i] = (struct thread) { .s = self, .seed = 1 + i };
		ASSERT_EQ(0, pthread_create(&threads[i].thread, NULL,
					    stress_thread, &threads[i]));
	}
	while (!__atomic_load_n(&self->bad, __ATOMIC_RELAXED) &&
	       now_ns() < too_long && (now_ns() < end || !enough(self)))
		sleep_ms(50);
	__atomic_store_n(&self->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i].thread, NULL);
	EXPECT_EQ(0, self->bad) TH_LOG("%s", ops[self->bad_op].name);
	for (i = 0; i < OPS; i++) {
		TH_LOG("%7lu %s", self->done[i], ops[i].name);
		EXPECT_LE(ops[i].min * stress_seconds() / 30, self->done[i]);
	}

	close_all(self);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, gem_count(self->env.dev, self->files[i]));
		close(self->files[i]);
	}
	/* An object that somebody holds would hold the driver. */
	EXPECT_EQ(0, module_settle("vgem", 0));
	EXPECT_EQ(0, module_unload("vgem"));
}

TEST_HARNESS_MAIN
