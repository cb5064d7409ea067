// SPDX-License-Identifier: GPL-2.0-only
/* TRANSFER of a buffer that others are using, sharing and giving up. */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "transfer_env.h"

#include "syncobj_util.h"

/* Blocks of all sizes */
#define SIZE	(MIB(5) + 17 * PAGE)
#define PAGES	(SIZE / PAGE)
#define MOST_PAGES	(MIB(6) / KIB(4))	/* there are none smaller */

FIXTURE(load) {
	struct transfer_env t;
	bool *stop;	/* shared with children */
};

FIXTURE_SETUP(load)
{
	transfer_env_setup(_metadata, &self->t, SIZE);
	self->stop = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->stop);
}

FIXTURE_TEARDOWN(load)
{
	transfer_env_teardown(_metadata, &self->t);
}

static bool stopped(const bool *stop)
{
	return __atomic_load_n(stop, __ATOMIC_RELAXED);
}

/* At one of the two, and all of it */
static void is_at_either(struct __test_metadata *_metadata,
			 struct transfer_env *t)
{
	int64_t a = cg_local_bytes(t->dev, &t->a);
	int64_t b = cg_local_bytes(t->dev, &t->b);

	EXPECT_TRUE((a == SIZE && !b) || (b == SIZE && !a))
		TH_LOG("%lld and %lld", (long long)a, (long long)b);
	EXPECT_EQ(SIZE, cg_bytes(t->dev, &t->env.top));
	EXPECT_TRUE(cg_charged(&t->a, a));
	EXPECT_TRUE(cg_charged(&t->b, b));
}

/*
 * Each writer has two words in every page, and writes the number of its round
 * to both. It knows what it must find there: a word that went to a page that
 * was copied already would be missing.
 */
struct writer {
	pthread_t thread;
	char *p;
	const bool *stop;
	int index;
	uint64_t rounds;
	uint64_t lost;
};

#define WRITERS	5

static void *write_rounds(void *arg)
{
	struct writer *w = arg;
	uint64_t *word;
	int64_t i;

	while (!stopped(w->stop)) {
		for (i = 0; i < PAGES; i++) {
			word = (uint64_t *)(w->p + i * PAGE + w->index * 64);
			w->lost += __atomic_load_n(&word[0], __ATOMIC_RELAXED)
				   != w->rounds;
			w->lost += __atomic_load_n(&word[1], __ATOMIC_RELAXED)
				   != w->rounds;
			__atomic_store_n(&word[0], w->rounds + 1,
					 __ATOMIC_RELAXED);
			__atomic_store_n(&word[1], w->rounds + 1,
					 __ATOMIC_RELAXED);
		}
		__atomic_store_n(&w->rounds, w->rounds + 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Through a mapping for reading: what the first one writes never goes back. */
struct reader {
	pthread_t thread;
	const char *p;
	const bool *stop;
	uint64_t rounds;
	uint64_t back;
	uint64_t last[MOST_PAGES];
};

static void *read_rounds(void *arg)
{
	struct reader *r = arg;
	uint64_t value;
	int64_t i;

	while (!stopped(r->stop)) {
		for (i = 0; i < PAGES; i++) {
			value = __atomic_load_n((uint64_t *)(r->p + i * PAGE),
						__ATOMIC_RELAXED);
			r->back += value < r->last[i];
			r->last[i] = value;
		}
		r->rounds++;
	}
	return NULL;
}

static uint64_t fewest_rounds(struct writer *w)
{
	uint64_t fewest = UINT64_MAX, rounds;
	int i;

	for (i = 0; i < WRITERS; i++) {
		rounds = __atomic_load_n(&w[i].rounds, __ATOMIC_RELAXED);
		if (rounds < fewest)
			fewest = rounds;
	}
	return fewest;
}

/* Four threads and a process write, a thread reads: nothing is lost. */
TEST_F(load, under_writers)
{
	static struct reader reader;
	struct transfer_env *t = &self->t;
	struct writer *w = mmap(NULL, sizeof(*w) * WRITERS,
				PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t end = in_ms(120000), page;
	int i, status, transfers = 0;
	uint64_t *word;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, w);
	memset(t->p, 0, SIZE);
	for (i = 0; i < WRITERS; i++) {
		w[i].p = t->p;
		w[i].stop = self->stop;
		w[i].index = i;
	}
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		write_rounds(&w[WRITERS - 1]);
		_exit(0);
	}
	for (i = 0; i < WRITERS - 1; i++)
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, write_rounds,
					    &w[i]));
	reader.stop = self->stop;
	reader.p = buf_map(t->buf, PROT_READ);
	ASSERT_NE(MAP_FAILED, reader.p);
	ASSERT_EQ(0, pthread_create(&reader.thread, NULL, read_rounds,
				    &reader));

	for (; transfers < 100 || fewest_rounds(w) < 20; transfers++) {
		ASSERT_EQ(0, heap_transfer(t->dev, t->buf,
					   transfers & 1 ? t->a_fd : t->b_fd));
		ASSERT_GT(end, now_ns());
	}

	__atomic_store_n(self->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < WRITERS - 1; i++)
		pthread_join(w[i].thread, NULL);
	pthread_join(reader.thread, NULL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	TH_LOG("%d transfers, %llu rounds", transfers,
	       (unsigned long long)fewest_rounds(w));
	EXPECT_EQ(0, reader.back);
	EXPECT_GT(reader.rounds, 0);
	for (i = 0; i < WRITERS; i++) {
		EXPECT_EQ(0, w[i].lost) TH_LOG("writer %d", i);
		for (page = 0; page < PAGES; page++) {
			word = (uint64_t *)(t->p + page * PAGE + i * 64);
			ASSERT_EQ(w[i].rounds, word[0]);
			ASSERT_EQ(w[i].rounds, word[1]);
		}
	}
	is_at_either(_metadata, t);
}

/* To and fro until told to stop */
struct mover {
	pthread_t thread;
	struct transfer_env *t;
	const bool *stop;
	const int *buf;
	int ok;
	int busy;
	int closed;
	int bad;
};

static void *move(void *arg)
{
	struct mover *m = arg;
	struct transfer_env *t = m->t;
	int ret, i;

	for (i = 0; !stopped(m->stop) && !m->bad; i++) {
		ret = heap_transfer(t->dev,
				    __atomic_load_n(m->buf, __ATOMIC_RELAXED),
				    i & 1 ? t->a_fd : t->b_fd);
		m->ok += !ret;
		m->busy += ret == -EBUSY;
		m->closed += ret == -EBADF;
		if (ret && ret != -EBUSY && ret != -EBADF)
			m->bad = ret;
	}
	return NULL;
}

static void start(struct __test_metadata *_metadata, struct mover *m,
		  struct transfer_env *t, const bool *stop, const int *buf)
{
	*m = (struct mover) { .t = t, .stop = stop, .buf = buf };
	ASSERT_EQ(0, pthread_create(&m->thread, NULL, move, m));
}

static void finish(struct __test_metadata *_metadata, struct mover *m,
		   bool *stop)
{
	__atomic_store_n(stop, true, __ATOMIC_RELAXED);
	pthread_join(m->thread, NULL);
	TH_LOG("%d transfers, %d busy, %d closed", m->ok, m->busy, m->closed);
	EXPECT_EQ(0, m->bad);
	EXPECT_GT(m->ok, 0);
}

TEST_F(load, while_it_is_closed)
{
	struct transfer_env *t = &self->t;
	struct mover mover;
	int i, fd, buf = -1;

	start(_metadata, &mover, t, self->stop, &buf);
	for (i = 0; i < 300; i++) {
		/* The number is the same each time, that is the point. */
		fd = heap_alloc(t->dev, PAGE << i % 10, t->a_fd);
		ASSERT_GE(fd, 0);
		__atomic_store_n(&buf, fd, __ATOMIC_RELAXED);
		usleep(i * 37 % 1000);
		close(fd);
	}
	finish(_metadata, &mover, self->stop);
	is_at(_metadata, t, &t->a);
}

/* A device has either the old pages and keeps them, or the new ones. */
TEST_F(load, while_a_device_attaches)
{
	struct transfer_env *t = &self->t;
	uint64_t sum, want = words_sum(t->p, SIZE);
	int i, td = td_open();
	struct mover mover;

	ASSERT_GE(td, 0);
	start(_metadata, &mover, t, self->stop, &t->buf);
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, td_attach(td, t->buf));
		if (i % 2)
			sleep_ms(1);
		ASSERT_EQ(0, td_map(td, TD_TO_DEVICE, NULL));
		ASSERT_EQ(0, td_sg_sum(td, 0, SIZE, &sum));
		ASSERT_EQ(want, sum);
		ASSERT_EQ(0, td_release(td));
		ASSERT_EQ(0, td_vmap(td, t->buf));
		ASSERT_EQ(0, td_vmap_sum(td, 0, SIZE, &sum));
		ASSERT_EQ(want, sum);
		ASSERT_EQ(0, td_vunmap(td));
		sleep_ms(i % 3);
	}
	finish(_metadata, &mover, self->stop);
	EXPECT_GT(mover.busy, 0);
	EXPECT_EQ(0, mover.closed);
	EXPECT_EQ(0, buf_differs(t->p, SIZE, 1));
	is_at_either(_metadata, t);
}

/* Sees what is written after the fork, so its pages are the buffer's. */
static int forked(const char *p, const int *go, int seed)
{
	while (__atomic_load_n(go, __ATOMIC_ACQUIRE) != seed)
		usleep(100);
	return buf_differs(p, SIZE, seed) ? 1 : 0;
}

/* Page tables are copied while they are emptied. */
TEST_F(load, while_processes_fork)
{
	int *go = (int *)(self->stop + 64);
	struct transfer_env *t = &self->t;
	struct mover mover;
	int seed, status;
	pid_t pid;

	start(_metadata, &mover, t, self->stop, &t->buf);
	for (seed = 2; seed < 102; seed++) {
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(forked(t->p, go, seed));
		}
		buf_fill(t->p, SIZE, seed);
		__atomic_store_n(go, seed, __ATOMIC_RELEASE);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status);
	}
	finish(_metadata, &mover, self->stop);
	EXPECT_EQ(0, buf_differs(t->p, SIZE, seed - 1));
	is_at_either(_metadata, t);
}

/* Two that disagree about where it belongs, and mappings that come and go */
TEST_F(load, by_two_at_a_time)
{
	struct transfer_env *t = &self->t;
	struct mover movers[2];
	char *p;
	int i;

	for (i = 0; i < 2; i++)
		start(_metadata, &movers[i], t, self->stop, &t->buf);
	for (i = 0; i < 100; i++) {
		p = buf_map_at(t->buf, PROT_READ, i % 2 * PAGE);
		ASSERT_NE(MAP_FAILED, p);
		ASSERT_EQ(0, buf_differs(p, SIZE, 1));
		munmap(p, SIZE);
	}
	for (i = 0; i < 2; i++)
		finish(_metadata, &movers[i], self->stop);
	EXPECT_EQ(0, movers[0].busy + movers[1].busy);
	EXPECT_EQ(0, buf_differs(t->p, SIZE, 1));
	is_at_either(_metadata, t);
}

struct once {
	int dev;
	int buf;
	int to;
	int ret;
};

static void *once(void *arg)
{
	struct once *o = arg;

	o->ret = heap_transfer(o->dev, o->buf, o->to);
	return NULL;
}

/* Where it comes from is removed at the same time, then where it goes. */
TEST_F(load, while_cgroups_are_removed)
{
	struct transfer_env *t = &self->t;
	int i, came = 0, fd;
	struct once o;
	pthread_t thread;
	struct cg cg;

	for (i = 0; i < 60; i++) {
		ASSERT_EQ(0, cg_new(&cg, &t->env.top, "removed"));
		fd = cg_open(&cg, 0);
		o = (struct once) {
			.dev = t->dev,
			.buf = heap_alloc(t->dev, MIB(1), i & 1 ? fd : t->a_fd),
			.to = i & 1 ? t->b_fd : fd,
		};
		ASSERT_GE(o.buf, 0);
		ASSERT_EQ(0, pthread_create(&thread, NULL, once, &o));
		if (i & 2)
			usleep(i * 10);
		EXPECT_EQ(0, cg_remove(&cg));
		pthread_join(thread, NULL);
		came += !o.ret;
		EXPECT_TRUE(!o.ret || (!(i & 1) && o.ret == -ENODEV))
			TH_LOG("%d: %d", i, o.ret);
		EXPECT_EQ(SIZE + MIB(1), cg_bytes(t->dev, &t->env.top));
		close(o.buf);
		close(fd);
	}
	TH_LOG("%d of 60 came to pass", came);
	is_at(_metadata, t, &t->a);
}

/* A fatal signal ends it; the buffer is at the one or at the other. */
TEST_F(load, killed)
{
	struct transfer_env *t = &self->t;
	struct mover mover = {
		.t = t, .stop = self->stop, .buf = &t->buf,
	};
	pid_t pid;
	int i;

	for (i = 0; i < 40; i++) {
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			move(&mover);
			_exit(0);
		}
		ASSERT_GT(pid, 0);
		usleep(2000 + i * 777);
		cg_kill(pid);
		ASSERT_EQ(0, buf_differs(t->p, SIZE, 1));
		ASSERT_EQ(SIZE, cg_bytes(t->dev, &t->env.top));
	}
	is_at_either(_metadata, t);
}

TEST_HARNESS_MAIN
