/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of resets and the like have in common: a device, a second
 * one, slices with contents that are known, threads that touch them all the
 * time, children. Whatever a test leaves behind is undone at its end.
 */
#ifndef _EVENTS_H
#define _EVENTS_H

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "vfio_env.h"

#include "sizes.h"
#include "syncobj_util.h"
#include "thread_util.h"

/* What a bus returns when nobody answers; no test writes it. */
#define NOBODY		0xffffffffU

/* A slice and a mapping of all of it */
struct view {
	int fd;
	size_t size;
	uint32_t *p;
};

/* Touches the first word of each page of a mapping until told to stop. */
struct toucher {
	/* in */
	uint32_t *p;
	size_t pages;
	uint32_t seed;		/* page i holds seed + i; 0: anything */
	const bool *gone;	/* from then on no access may succeed */
	/* out */
	unsigned long good;
	unsigned long bus;	/* SIGBUS */
	unsigned long wrong;	/* another value than the expected one */
	unsigned long stale;	/* worked when it should be gone */
	pid_t tid;
	/* own */
	pthread_t thread;
	bool stop, runs;
};

#define STAGE_TOUCHERS	12
#define STAGE_KIDS	8

struct stage {
	struct vfio_env env;
	struct vfio_dev second;
	struct toucher *touchers[STAGE_TOUCHERS];
	pid_t kids[STAGE_KIDS];
};

static inline bool flag_get(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static inline void flag_set(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

static inline unsigned long count_get(const unsigned long *count)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

static inline void count_up(unsigned long *count)
{
	__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

/* The function beside the first device, if that is VFIO_BOCHS */
static inline int sibling_open(struct stage *s, const char *driver)
{
	char bdf[16];
	int ret = vfio_find(VFIO_SIBLING, bdf);

	if (ret)
		return ret;
	ret = vfio_bind(bdf, driver);
	if (!ret)
		ret = vfio_open(&s->second, bdf, &s->env.dev);
	return ret;
}

/* Ways to turn it off and on */

#define D0	0
#define D3HOT	3

static inline int to_d3hot(const struct vfio_dev *dev)
{
	return vfio_power_state(dev, D3HOT);
}

static inline int to_d0(const struct vfio_dev *dev)
{
	return vfio_power_state(dev, D0);
}

static inline int to_low(const struct vfio_dev *dev)
{
	return vfio_low_power(dev, true);
}

static inline int from_low(const struct vfio_dev *dev)
{
	return vfio_low_power(dev, false);
}

static inline int memory_off(const struct vfio_dev *dev)
{
	return vfio_memory_enable(dev, false);
}

static inline int memory_on(const struct vfio_dev *dev)
{
	return vfio_memory_enable(dev, true);
}

static inline int sysfs_reset(const struct vfio_dev *dev)
{
	return vfio_sysfs_poke(dev->bdf, "reset");
}

/* Slices */

static inline int view_open(struct view *v, const struct vfio_dev *dev,
			    int bar, uint64_t offset, size_t size,
			    size_t align)
{
	v->fd = vfio_export(dev, bar, offset, size, O_RDWR | O_CLOEXEC);
	if (v->fd < 0)
		return v->fd;
	v->size = size;
	v->p = map_aligned(v->fd, size, 0, PROT_READ | PROT_WRITE, align);
	if (v->p != MAP_FAILED)
		return 0;
	close(v->fd);
	return -errno;
}

static inline void view_close(struct view *v)
{
	munmap(v->p, v->size);
	close(v->fd);
}

static inline uint32_t *page_of(uint32_t *p, size_t i)
{
	return p + i * PAGE / sizeof(*p);
}

/* Page i gets seed + i; false if that is not possible. */
static inline bool fill(uint32_t *p, size_t pages, uint32_t seed)
{
	size_t i;

	for (i = 0; i < pages; i++)
		if (!try_write32(page_of(p, i), seed + i))
			return false;
	return true;
}

/* How many pages do not hold what fill() has left */
static inline size_t differ(uint32_t *p, size_t pages, uint32_t seed)
{
	size_t i, bad = 0;
	uint32_t value;

	for (i = 0; i < pages; i++)
		bad += !try_read32(page_of(p, i), &value) || value != seed + i;
	return bad;
}

/* All of the GPU's BAR4 */
#define GPU_PAGES	(KIB(16) / PAGE)

/* How many pages cannot be read */
static inline size_t touch(uint32_t *p, size_t pages)
{
	size_t i, bad = 0;
	uint32_t value;

	for (i = 0; i < pages; i++)
		bad += !try_read32(page_of(p, i), &value);
	return bad;
}

static inline uint64_t zaps_of(const struct vfio_dev *dev)
{
	return info_of(dev, -1).out_zaps;
}

static inline uint64_t faults_of(const struct vfio_dev *dev, int dmabuf)
{
	return info_of(dev, dmabuf).out_slice_faults;
}

/* Mappings */

/* By the device fd, as stock vfio has it */
static inline void *bar_map_aligned(const struct vfio_dev *dev, int bar,
				    off_t offset, size_t size, size_t align)
{
	return map_aligned(dev->fd, size, region_offset(dev, bar) + offset,
			   PROT_READ | PROT_WRITE, align);
}

/* Threads */

static inline void touch_once(struct toucher *t, size_t i)
{
	bool gone = t->gone && flag_get(t->gone), done;
	uint32_t *p = page_of(t->p, i % t->pages);
	uint32_t tag = t->seed + i % t->pages, value = tag;

	/* Now and then a write, which changes nothing. */
	if (t->seed && i % 3 == 0)
		done = try_write32(p, tag);
	else
		done = try_read32(p, &value);
	if (!done) {
		count_up(&t->bus);
		return;
	}
	count_up(&t->good);
	if (gone)
		count_up(&t->stale);
	if (value == NOBODY || (t->seed && value != tag))
		count_up(&t->wrong);
}

static inline void *toucher_thread(void *arg)
{
	struct toucher *t = arg;
	size_t i;

	__atomic_store_n(&t->tid, gettid(), __ATOMIC_RELEASE);
	/* A prime: neighbours are in other huge pages. */
	for (i = 0; !flag_get(&t->stop); i += 521)
		touch_once(t, i);
	return NULL;
}

static inline int toucher_start(struct toucher *t)
{
	int ret;

	t->stop = false;
	t->tid = 0;
	ret = pthread_create(&t->thread, NULL, toucher_thread, t);
	t->runs = !ret;
	while (!ret && !__atomic_load_n(&t->tid, __ATOMIC_ACQUIRE))
		sched_yield();
	return -ret;
}

static inline void toucher_stop(struct toucher *t)
{
	if (!t->runs)
		return;
	flag_set(&t->stop);
	pthread_join(t->thread, NULL);
	t->runs = false;
}

/* Has it touched anything since, with success? */
static inline bool toucher_moves(const struct toucher *t)
{
	unsigned long before = count_get(&t->good);
	int64_t end = in_ms(10000);

	while (count_get(&t->good) <= before + 1 && now_ns() < end)
		sleep_ms(1);
	return count_get(&t->good) > before + 1;
}

/* Children */

/* Exit status, 256 + signal, or -ETIMEDOUT; gone in any case */
static inline int reap_in(pid_t pid, int ms)
{
	int64_t end = in_ms(ms);
	bool late = false;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (!late && now_ns() > end) {
			late = true;
			kill(pid, SIGKILL);
		}
		sleep_ms(1);
	}
	if (late)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   256 + WTERMSIG(status);
}

/* fork(); a child that the test forgets is killed at its end. */
static inline pid_t stage_fork(struct stage *s)
{
	pid_t pid = fork();
	size_t i;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return 0;
	}
	for (i = 0; i < STAGE_KIDS && pid > 0; i++) {
		if (s->kids[i])
			continue;
		s->kids[i] = pid;
		break;
	}
	return pid;
}

static inline int stage_reap(struct stage *s, pid_t pid, int ms)
{
	size_t i;

	for (i = 0; i < STAGE_KIDS; i++)
		if (s->kids[i] == pid)
			s->kids[i] = 0;
	return reap_in(pid, ms);
}

/*
 * In a child: becomes a client, without any fd but 0 to 2 and @keep, which is
 * 3 then, and without a mapping of a BAR. @keep may be -1.
 */
static inline void stage_detach(int keep)
{
	int first = 3;

	if (keep >= 0)
		dup2(keep, first++);
	syscall(SYS_close_range, first, UINT_MAX, 0);
	unmap_named(UNMAP_BARS);
}

/* @t must be there until the end, and may have ->gone set. */
static inline int stage_touch(struct stage *s, struct toucher *t, uint32_t *p,
			      size_t pages, uint32_t seed)
{
	int i;

	t->p = p;
	t->pages = pages;
	t->seed = seed;
	for (i = 0; i < STAGE_TOUCHERS; i++) {
		if (s->touchers[i] && s->touchers[i] != t)
			continue;
		s->touchers[i] = t;
		return toucher_start(t);
	}
	return -ENOSPC;
}

static inline void stage_stop(struct stage *s)
{
	int i;

	for (i = 0; i < STAGE_TOUCHERS; i++)
		if (s->touchers[i])
			toucher_stop(s->touchers[i]);
}

static inline void stage_teardown(struct __test_metadata *_metadata,
				  struct stage *s)
{
	int i;

	stage_stop(s);
	for (i = 0; i < STAGE_KIDS; i++) {
		if (!s->kids[i])
			continue;
		kill(s->kids[i], SIGKILL);
		waitpid(s->kids[i], NULL, 0);
	}
	unmap_named(UNMAP_BARS);
	unmap_named(UNMAP_SLICES);
	if (s->second.bdf[0])
		vfio_stop(&s->second);
	vfio_env_teardown(_metadata, &s->env);
}

#endif /* _EVENTS_H */
