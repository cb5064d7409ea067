// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dmabuf_util.h"
#include "heap_util.h"
#include "stress_worker.h"
#include "syncobj_util.h"

#define THREADS		4
#define BUFFERS		5	/* a process */
/* Buffers have numbers from here on: what reuses one is a buffer again. */
#define FIRST_BUFFER	256

bool stress_stopped(struct stress *s)
{
	return __atomic_load_n(&s->stop, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&s->bad, __ATOMIC_RELAXED);
}

void stress_bad(struct stress *s, int op, int ret)
{
	__atomic_store_n(&s->bad_op, op, __ATOMIC_RELAXED);
	__atomic_store_n(&s->bad, ret, __ATOMIC_RELAXED);
}

bool stress_check(struct stress *s, int op, int ret)
{
	if (ret >= 0 || ret == -ENOMEM)
		__atomic_fetch_add(&s->done[ret < 0 ? FULL : op], 1,
				   __ATOMIC_RELAXED);
	if (ret >= 0)
		return true;
	switch (-ret) {
	case ENOMEM:
	case ESRCH:
	case EBADF:
	case EBUSY:
	case EAGAIN:
	case EINTR:
	case ENODEV:
	case EDQUOT:
	case ETIME:
	case ENOENT:
		break;
	default:
		stress_bad(s, op, ret);
	}
	return false;
}

void stress_cgroup(struct cg *cg, const struct cg *top, int i)
{
	*cg = *top;
	snprintf(strchr(cg->path, '\0'), 8, "/s%d", i);
}

/* What the threads of a process have in common; -1 where there is none */
struct common {
	struct stress *s;
	const struct cg *top;
	int dev;
	int buf[BUFFERS];
	int grant[STRESS_CGROUPS];
};

struct worker {
	struct common *c;
	struct stress *s;
	pthread_t thread;
	unsigned int seed;
	int td;
};

static unsigned int rnd(struct worker *w, unsigned int n)
{
	return rand_r(&w->seed) % n;
}

static int pick(struct worker *w)
{
	return __atomic_load_n(&w->c->buf[rnd(w, BUFFERS)], __ATOMIC_RELAXED);
}

/* A charge_fd of any kind for a cgroup; it is to be closed if *own. */
static int somebody(struct worker *w, int i, bool *own)
{
	struct cg cg;
	pid_t pid;
	int fd;

	*own = true;
	switch (rnd(w, 8)) {
	case 0:
		*own = false;
		fd = __atomic_load_n(&w->c->grant[i], __ATOMIC_RELAXED);
		return fd < 0 ? -ENOENT : fd;
	case 1:
	case 2:
	case 3:
		pid = __atomic_load_n(&w->s->target[i], __ATOMIC_RELAXED);
		return pid ? pidfd_of(pid, 0) : -ESRCH;
	default:
		stress_cgroup(&cg, w->c->top, i);
		return cg_open(&cg, rnd(w, 2) ? O_PATH : 0);
	}
}

static void publish(struct worker *w, int buf)
{
	int fd = fcntl(buf, F_DUPFD_CLOEXEC, FIRST_BUFFER);

	if (fd < 0)
		stress_bad(w->s, ALLOC, -errno);
	close(buf);
	fd = __atomic_exchange_n(&w->c->buf[rnd(w, BUFFERS)], fd,
				 __ATOMIC_RELAXED);
	if (fd >= 0)
		stress_check(w->s, CLOSE, close(fd) ? -errno : 0);
}

static int64_t some_size(struct worker *w)
{
	if (!rnd(w, 20))
		return MIB(24);
	return (2 * PAGE << rnd(w, 11)) - PAGE * rnd(w, 2);
}

static void do_charge(struct worker *w, bool transfer)
{
	int i = rnd(w, STRESS_CGROUPS), fd, ret;
	bool own;

	pthread_rwlock_rdlock(&w->s->lock[i]);
	fd = somebody(w, i, &own);
	if (fd < 0) {
		stress_check(w->s, ALLOC, fd);
	} else if (transfer) {
		ret = heap_transfer(w->c->dev, pick(w), fd);
		stress_check(w->s, TRANSFER, ret);
	} else {
		ret = heap_alloc(w->c->dev, some_size(w), fd);
		if (stress_check(w->s, ALLOC, ret))
			publish(w, ret);
	}
	pthread_rwlock_unlock(&w->s->lock[i]);
	if (fd >= 0 && own)
		close(fd);
}

static void do_touch(struct worker *w)
{
	int buf = pick(w);
	int64_t size = buf_size(buf), i;
	char *p;

	if (size < 0) {
		stress_check(w->s, TOUCH, size);
		return;
	}
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, buf, 0);
	if (p == MAP_FAILED) {
		/* EINVAL: it is another one by now, which is shorter. */
		stress_check(w->s, TOUCH, errno == EINVAL ? -EBADF : -errno);
		return;
	}
	for (i = 0; i < size; i += PAGE * (1 + rnd(w, 32)))
		__atomic_fetch_add((uint64_t *)(p + i), 1, __ATOMIC_RELAXED);
	stress_check(w->s, TOUCH, munmap(p, size) ? -errno : 0);
}

static void do_close(struct worker *w)
{
	int fd = __atomic_exchange_n(&w->c->buf[rnd(w, BUFFERS)], -1,
				     __ATOMIC_RELAXED);

	if (fd >= 0)
		stress_check(w->s, CLOSE, close(fd) ? -errno : 0);
}

static void do_grant(struct worker *w)
{
	int64_t expires = rnd(w, 2) ? INT64_MAX : in_ms(rnd(w, 200));
	int i = rnd(w, STRESS_CGROUPS), fd, grant;
	bool own;

	fd = somebody(w, i, &own);
	if (!own)
		return;
	grant = fd < 0 ? fd : heap_grant(w->c->dev, fd, MIB(1) << rnd(w, 6),
					 expires);
	if (fd >= 0)
		close(fd);
	if (!stress_check(w->s, GRANT, grant))
		return;
	grant = __atomic_exchange_n(&w->c->grant[i], grant, __ATOMIC_RELAXED);
	if (grant < 0)
		return;
	/*
	 * This revokes it, whoever is just using it. Its number must not come
	 * to stand for another cgroup, whose lock is not held, as long as
	 * anybody may name it.
	 */
	if (dup3(w->c->dev, grant, O_CLOEXEC) < 0)
		stress_bad(w->s, GRANT, -errno);
	pthread_rwlock_wrlock(&w->s->lock[i]);
	close(grant);
	pthread_rwlock_unlock(&w->s->lock[i]);
}

static void do_query(struct worker *w)
{
	struct dma_heap_memcg_query_args q;
	int fd, ret;
	bool own;

	fd = somebody(w, rnd(w, STRESS_CGROUPS), &own);
	ret = fd < 0 ? fd : heap_query(w->c->dev, fd, &q);
	if (stress_check(w->s, QUERY, ret) &&
	    ((q.out_bytes | q.out_local_bytes | q.out_peak) % PAGE ||
	     (int64_t)q.out_bytes < 0 || (int64_t)q.out_local_bytes < 0))
		stress_bad(w->s, QUERY, -ERANGE);
	if (fd >= 0 && own)
		close(fd);
}

static void do_table(struct worker *w)
{
	int fd = open(HEAP_TABLE, O_RDONLY | O_CLOEXEC);
	char buf[512];
	ssize_t n;

	do {
		n = read(fd, buf, sizeof(buf));
	} while (n > 0);
	if (fd < 0 || n < 0)
		stress_bad(w->s, TABLE, -errno);
	else
		stress_check(w->s, TABLE, close(fd));
}

static void do_attach(struct worker *w)
{
	if (!stress_check(w->s, ATTACH, td_attach(w->td, pick(w))))
		return;
	if (stress_check(w->s, ATTACH, td_map(w->td, TD_TO_DEVICE, NULL)))
		stress_check(w->s, ATTACH, td_unmap(w->td));
	stress_check(w->s, ATTACH, td_detach(w->td));
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned int n;

	while (!stress_stopped(w->s)) {
		n = rnd(w, 16);
		if (n < 7)
			do_charge(w, n > 3);
		else if (n < 9)
			do_touch(w);
		else if (n < 11)
			do_close(w);
		else if (n == 11)
			do_grant(w);
		else if (n == 12)
			do_table(w);
		else if (n == 13)
			do_attach(w);
		else
			do_query(w);
	}
	return NULL;
}

int stress_worker(struct stress *s, const struct cg *top, int dev, int seed)
{
	struct common c = { .s = s, .top = top, .dev = dev };
	struct worker workers[THREADS];
	int i;

	memset(c.buf, -1, sizeof(c.buf));
	memset(c.grant, -1, sizeof(c.grant));
	for (i = 0; i < THREADS; i++) {
		workers[i] = (struct worker) {
			.c = &c,
			.s = s,
			.seed = seed + i,
			.td = td_open(),
		};
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 1;
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	return 0;
}
