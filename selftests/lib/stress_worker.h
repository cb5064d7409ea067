/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stress_test's allocators: processes whose threads do to buffers, grants and
 * statistics whatever can be done, in an order of chance.
 */
#ifndef _STRESS_WORKER_H
#define _STRESS_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "cgroup_util.h"

#define STRESS_CGROUPS	4

enum stress_op {
	ALLOC, TOUCH, TRANSFER, CLOSE, QUERY, TABLE, GRANT, ATTACH, FULL,
	MKDIR, RMDIR, LIMIT, HIGH, KILL, BELOW, OPS
};

/* Of all processes */
struct stress {
	bool stop;
	/* A process in each of the cgroups, or 0 */
	pid_t target[STRESS_CGROUPS];
	/* Held for reading while the cgroup is charged */
	pthread_rwlock_t lock[STRESS_CGROUPS];
	unsigned long done[OPS];
	int bad;	/* an errno that no call may have */
	int bad_op;
};

bool stress_stopped(struct stress *s);
void stress_bad(struct stress *s, int op, int ret);
/* Counts what was done; true if it was. Some errors are to be expected. */
bool stress_check(struct stress *s, int op, int ret);
/* Number @i below @top, which may be there or not */
void stress_cgroup(struct cg *cg, const struct cg *top, int i);

/* Returns 0 when told to stop, or when something is bad. */
int stress_worker(struct stress *s, const struct cg *top, int dev, int seed);

#endif /* _STRESS_WORKER_H */
