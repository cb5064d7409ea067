// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>

#include "module_util.h"
#include "reload_util.h"
#include "syncobj_util.h"

#define GIVE_UP_MS	200000
/* So that there are moments in which nobody has it; more of them if there are too few */
#define PAUSE_MS	3
#define LONG_PAUSE_MS	50
#define BUSY_IN_A_ROW	30

struct user {
	struct reload *r;
	int index;
	bool *over;
};

int reload_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	/* The node may outlive the device by a moment. */
	return errno == ENODEV || errno == ENXIO ? -ENOENT : -errno;
}

static void fault(struct reload *r, int err)
{
	int none = 0;

	__atomic_compare_exchange_n(&r->bad, &none, err, false, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
}

static int pause_ms(struct reload *r)
{
	return __atomic_load_n(&r->in_a_row, __ATOMIC_RELAXED) < BUSY_IN_A_ROW ?
	       PAUSE_MS : LONG_PAUSE_MS;
}

static void *use_again(void *arg)
{
	struct user *u = arg;
	struct reload *r = u->r;

	while (!__atomic_load_n(u->over, __ATOMIC_ACQUIRE)) {
		int ret = r->use(r->arg, u->index);

		if (!ret)
			__atomic_fetch_add(&r->used, 1, __ATOMIC_RELAXED);
		else if (ret == -ENOENT)
			__atomic_fetch_add(&r->missed, 1, __ATOMIC_RELAXED);
		else
			fault(r, ret);
		sleep_ms(pause_ms(r) + u->index);
	}
	return NULL;
}

static bool enough(struct reload *r)
{
	return r->gone >= r->gone_min && r->busy >= r->busy_min &&
	       __atomic_load_n(&r->used, __ATOMIC_RELAXED) >= r->used_min;
}

static void go_and_come(struct reload *r)
{
	int ret = module_unload(r->module);

	if (ret == -EAGAIN || ret == -EBUSY) {
		r->busy++;
		__atomic_add_fetch(&r->in_a_row, 1, __ATOMIC_RELAXED);
		sleep_ms(1);
		return;
	}
	if (!ret) {
		r->gone++;
		__atomic_store_n(&r->in_a_row, 0, __ATOMIC_RELAXED);
		/* Long enough for somebody to miss it */
		sleep_ms(PAUSE_MS);
		ret = module_probe(r->module) ? -EIO : 0;
	}
	if (ret)
		fault(r, ret);
}

int reload_under_use(struct reload *r)
{
	int64_t end = in_ms(GIVE_UP_MS);
	struct user users[RELOAD_THREADS];
	pthread_t threads[RELOAD_THREADS];
	bool over = false;
	int i, started;

	for (started = 0; started < RELOAD_THREADS; started++) {
		users[started] = (struct user){ r, started, &over };
		if (pthread_create(&threads[started], NULL, use_again, &users[started]))
			break;
	}
	if (started < RELOAD_THREADS)
		fault(r, -EAGAIN);
	while (!enough(r) && !__atomic_load_n(&r->bad, __ATOMIC_RELAXED) && now_ns() < end)
		go_and_come(r);
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	if (!module_loaded(r->module) && module_probe(r->module))
		fault(r, -EIO);
	return r->bad;
}
