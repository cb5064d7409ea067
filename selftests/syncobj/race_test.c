// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything against everything, for two thirds of stress_seconds() at least:
 * until each call has succeeded often enough. The five seconds of TRANSFER pass
 * at the same time.
 */
#include <signal.h>
#include <sched.h>

#include "env_util.h"

#define THREADS		8
#define OBJECTS		6

enum {
	WAIT, CREATE, SIGNAL, RESET, FENCE, IMPORT, EXPORT, TRANSFER, EVENTFD,
	BATCH, CANCEL, CANCELLED, QUERY, STATUS, OPS
};

static const struct {
	const char *name;
	int min;	/* in 20 seconds; a machine that is slower takes longer */
} ops[OPS] = {
	[WAIT] = { "WAIT", 1000 }, [CREATE] = { "CREATE", 1000 },
	[SIGNAL] = { "SIGNAL", 2000 }, [RESET] = { "RESET", 1000 },
	[FENCE] = { "fence", 2000 }, [IMPORT] = { "IMPORT", 2000 },
	[EXPORT] = { "EXPORT", 150 }, [TRANSFER] = { "TRANSFER", 500 },
	[EVENTFD] = { "EVENTFD", 600 }, [BATCH] = { "BATCH", 300 },
	[CANCEL] = { "CANCEL", 30 },
	[CANCELLED] = { "watches cancelled", 30 },
	[QUERY] = { "QUERY", 300 }, [STATUS] = { "STATUS", 300 },
};

struct shared {
	int dev;
	int tf;
	int so[OBJECTS];	/* replaced by others all the time */
	int efd[OBJECTS];
	bool stop;
	unsigned long calls;
	unsigned long done[OPS];	/* those that succeeded */
};

struct racer {
	struct shared *s;
	pthread_t thread;
	unsigned int seed;
	int bad;		/* an error that cannot be */
	int op;			/* of what */
};

static void bad(struct racer *r, int op, int ret)
{
	r->op = op;
	__atomic_store_n(&r->bad, ret, __ATOMIC_RELAXED);
}

static void done(struct racer *r, int op, unsigned long times)
{
	__atomic_fetch_add(&r->s->done[op], times, __ATOMIC_RELAXED);
}

/* What may come of a call whose syncobjs others reset, close and replace */
static void check(struct racer *r, int op, int ret)
{
	__atomic_fetch_add(&r->s->calls, 1, __ATOMIC_RELAXED);
	if (ret >= 0)
		done(r, op, 1);
	else if (ret != -EBADF && ret != -EINVAL && ret != -ETIME &&
		 ret != -ENOENT)
		bad(r, op, ret);
}

static int pick(struct racer *r)
{
	return __atomic_load_n(&r->s->so[rand_r(&r->seed) % OBJECTS],
			       __ATOMIC_RELAXED);
}

static void race_wait(struct racer *r)
{
	int fds[4] = { pick(r), pick(r), pick(r), pick(r) };
	uint64_t points[4];
	uint32_t first, flags = rand_r(&r->seed) % 8;
	uint32_t count = 1 + rand_r(&r->seed) % 4;
	int i, ret;

	for (i = 0; i < 4; i++)
		points[i] = rand_r(&r->seed) % 40;
	ret = so_wait(r->s->dev, fds, points, count,
		      now_ns() + rand_r(&r->seed) % 8000000, flags, &first);
	check(r, WAIT, ret);
	if (!ret && first >= count)
		bad(r, WAIT, -ERANGE);
}

/* Makes a new one in place of an old one, whoever uses it. */
static void race_replace(struct racer *r)
{
	int i = rand_r(&r->seed) % OBJECTS;
	int fd = so_create(r->s->dev, rand_r(&r->seed) & 1);

	check(r, CREATE, fd);
	/* dup2() would be simpler, but then close() would race no more. */
	fd = __atomic_exchange_n(&r->s->so[i], fd, __ATOMIC_RELAXED);
	close(fd);
}

static void race_eventfd(struct racer *r)
{
	int i = rand_r(&r->seed) % OBJECTS;
	int dev = r->s->dev, so = pick(r), efd;
	uint64_t point = rand_r(&r->seed) % 40;
	struct syncobj_eventfd_args entries[3];
	uint32_t n = 0;
	int ret;

	switch (rand_r(&r->seed) % 6) {
	case 0:
		efd = efd_new();
		efd = __atomic_exchange_n(&r->s->efd[i], efd, __ATOMIC_RELAXED);
		close(efd);
		break;
	case 1:
		efd = __atomic_load_n(&r->s->efd[i], __ATOMIC_RELAXED);
		ret = so_cancel(dev, so, efd, 0, SYNCOBJ_CANCEL_FLAGS_ANY_POINT,
				&n);
		check(r, CANCEL, ret);
		done(r, CANCELLED, ret ? 0 : n);
		break;
	case 2:
		efd = __atomic_load_n(&r->s->efd[i], __ATOMIC_RELAXED);
		ret = so_cancel(dev, so, efd, point, 0, &n);
		check(r, CANCEL, ret);
		done(r, CANCELLED, ret ? 0 : n);
		break;
	case 3:
		memset(entries, 0, sizeof(entries));
		for (i = 0; i < 3; i++) {
			entries[i].syncobj_fd = pick(r);
			entries[i].eventfd =
				__atomic_load_n(&r->s->efd[i], __ATOMIC_RELAXED);
			entries[i].point = point + i;
		}
		check(r, BATCH, so_batch(dev, entries, 3, &n));
		break;
	default:
		efd = __atomic_load_n(&r->s->efd[i], __ATOMIC_RELAXED);
		check(r, EVENTFD, so_eventfd(dev, so, efd, point,
					     point & 1 ? SO_AVAIL : 0));
		break;
	}
}

/* A fence that signals by itself a little later, in an interrupt */
static void race_fence(struct racer *r)
{
	uint32_t id;
	int fd = tf_create(r->s->tf, rand_r(&r->seed) % 3, &id);

	check(r, FENCE, fd);
	if (fd < 0)
		return;
	check(r, IMPORT, so_import(r->s->dev, pick(r), fd,
				   rand_r(&r->seed) % 40));
	close(fd);
	tf_signal_how(r->s->tf, id, 0, rand_r(&r->seed) % 3,
		      rand_r(&r->seed) % 5);
}

static void race_look(struct racer *r)
{
	int fds[3] = { pick(r), pick(r), pick(r) }, status[3];
	uint64_t points[3];
	int fd;

	switch (rand_r(&r->seed) % 3) {
	case 0:
		check(r, QUERY, so_query(r->s->dev, fds, points, 3, 0));
		break;
	case 1:
		check(r, STATUS, so_status(r->s->dev, fds, NULL, status, 3));
		break;
	case 2:
		fd = so_export(r->s->dev, fds[0], rand_r(&r->seed) % 40);
		check(r, EXPORT, fd);
		if (fd >= 0)
			close(fd);
		break;
	}
}

static void *race_thread(void *arg)
{
	struct racer *r = arg;
	struct shared *s = r->s;
	uint64_t point;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED) && !r->bad) {
		point = rand_r(&r->seed) % 40;
		switch (rand_r(&r->seed) % 12) {
		case 0:
		case 1:
			race_wait(r);
			break;
		case 2:
		case 3:
			check(r, SIGNAL, so_signal1(s->dev, pick(r), point));
			break;
		case 4:
			check(r, RESET, so_reset1(s->dev, pick(r)));
			break;
		case 5:
		case 6:
			race_fence(r);
			break;
		case 7:
			check(r, TRANSFER, so_transfer(s->dev, pick(r), point,
						       pick(r), point / 2, 0));
			break;
		case 8:
			race_replace(r);
			break;
		case 9:
		case 10:
			race_eventfd(r);
			break;
		default:
			race_look(r);
			break;
		}
	}
	return NULL;
}

FIXTURE(race) {
	struct env env;
	struct shared s;
	int kmsg;
};

FIXTURE_SETUP(race)
{
	int i;

	env_setup(_metadata, &self->env);
	self->kmsg = kmsg_start();
	self->s.dev = self->env.dev;
	self->s.tf = self->env.tf;
	for (i = 0; i < OBJECTS; i++) {
		self->s.so[i] = so_create(self->env.dev, 0);
		self->s.efd[i] = efd_new();
	}
}

FIXTURE_TEARDOWN(race)
{
	char log[16384];

	kmsg_read(self->kmsg, log, sizeof(log));
	EXPECT_EQ(NULL, kmsg_splat(log)) TH_LOG("%s", log);
	env_teardown(_metadata, &self->env);
}

/* A control for the rest: five seconds, and ETIME, and nothing changed */
static int transfer_timeout(FIXTURE_DATA(race) *self)
{
	int src = so_create(self->env.dev, 0);
	int64_t start = now_ns(), took;
	int ret;

	ret = so_transfer(self->env.dev, src, 1, src, 2, SO_SUBMIT);
	took = now_ns() - start;
	if (ret != -ETIME)
		return 1;
	if (took < 5 * NSEC_PER_SEC)
		return 2;
	if (took > 8 * NSEC_PER_SEC)
		return 3;
	return so_last1(self->env.dev, src) ? 4 : 0;
}

static int race_seconds(void)
{
	return stress_seconds() * 2 / 3;
}

static long least(int op)
{
	return (long)ops[op].min * race_seconds() / 20;
}

static bool enough(const struct shared *s)
{
	int op;

	for (op = 0; op < OPS; op++)
		if ((long)__atomic_load_n(&s->done[op], __ATOMIC_RELAXED) <
		    least(op))
			return false;
	return true;
}

static bool any_bad(const struct racer *racers)
{
	int i;

	for (i = 0; i < THREADS; i++)
		if (__atomic_load_n(&racers[i].bad, __ATOMIC_RELAXED))
			return true;
	return false;
}

TEST_F_TIMEOUT(race, everything_at_once, 3600)
{
	int64_t end = in_ms(1000 * race_seconds());
	int64_t too_long = in_ms(10000 * race_seconds());
	struct racer racers[THREADS];
	struct shared *s = &self->s;
	int i, status;
	pid_t pid;

	pid = fork();
	if (pid == 0)
		_exit(transfer_timeout(self));

	for (i = 0; i < THREADS; i++) {
		racers[i] = (struct racer) { .s = s, .seed = 1 + i };
		ASSERT_EQ(0, pthread_create(&racers[i].thread, NULL,
					    race_thread, &racers[i]));
	}
	while (!any_bad(racers) && now_ns() < too_long &&
	       (now_ns() < end || !enough(s)))
		sleep_ms(50);
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++) {
		pthread_join(racers[i].thread, NULL);
		EXPECT_EQ(0, racers[i].bad)
			TH_LOG("thread %d: %s", i, ops[racers[i].op].name);
	}
	TH_LOG("%lu calls, of which succeeded", s->calls);
	for (i = 0; i < OPS; i++) {
		TH_LOG("%6lu %s", s->done[i], ops[i].name);
		EXPECT_LE(least(i), (long)s->done[i])
			TH_LOG("too few: %s", ops[i].name);
	}

	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("the 5 seconds of TRANSFER: %#x", status);

	/* It still works. */
	for (i = 0; i < OBJECTS; i++) {
		EXPECT_EQ(0, so_reset1(self->env.dev, self->s.so[i]));
		EXPECT_EQ(0, so_signal1(self->env.dev, self->s.so[i], 1));
		EXPECT_EQ(1, so_query1(self->env.dev, self->s.so[i]));
	}
}

struct pingpong {
	int dev;
	int so[2];
	int rounds;
	int me;
	int ret;
};

static void *pingpong_thread(void *arg)
{
	struct pingpong *p = arg;
	int i;

	for (i = 1; i <= p->rounds && !p->ret; i++) {
		if (p->me)
			p->ret = so_wait1(p->dev, p->so[0], i, in_ms(20000),
					  SO_SUBMIT);
		if (!p->ret)
			p->ret = so_signal1(p->dev, p->so[p->me], i);
		if (!p->me && !p->ret)
			p->ret = so_wait1(p->dev, p->so[1], i, in_ms(20000),
					  SO_SUBMIT);
	}
	return NULL;
}

/* No wake-up is lost: two threads hand points to and fro. */
TEST_F(race, no_lost_wakeup)
{
	struct pingpong p[2];
	pthread_t thread[2];
	int i;

	for (i = 0; i < 2; i++) {
		p[i] = (struct pingpong) {
			.dev = self->env.dev,
			.so = { self->s.so[0], self->s.so[1] },
			.rounds = 500,
			.me = i,
		};
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, pingpong_thread,
					    &p[i]));
	}
	for (i = 0; i < 2; i++) {
		pthread_join(thread[i], NULL);
		EXPECT_EQ(0, p[i].ret);
	}
}

/* The same for eventfds: none is lost, and none comes twice. */
TEST_F(race, no_lost_event)
{
	int i, status, efd = efd_new();
	uint64_t sum = 0, got;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		for (i = 1; i <= 1000; i++) {
			if (so_signal1(self->env.dev, self->s.so[0], i))
				_exit(1);
			if (i % 16 == 0)
				sched_yield();
		}
		_exit(0);
	}
	for (i = 1; i <= 1000; i++)
		ASSERT_EQ(0, so_eventfd(self->env.dev, self->s.so[0], efd, i,
					i & 1 ? SO_AVAIL : 0));
	while (sum < 1000 && (got = efd_wait(efd)))
		sum += got;
	EXPECT_EQ(1000, sum);
	EXPECT_EQ(0, efd_quiet(efd));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
