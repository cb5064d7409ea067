/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory cgroups: directories of their own for a test, limits and counters. */
#ifndef _CGROUP_UTIL_H
#define _CGROUP_UTIL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cg {
	char path[256];	/* absolute */
};

/*
 * The cgroup that all of a test's cgroups are in: a new child, named after
 * the process, of the root of cgroup2, which is mounted if it is not yet, with
 * the memory controller enabled for its children. 0 or a negative errno.
 */
int cg_setup(struct cg *top);
/* Kills what is left in @top and below, and removes all of it. */
int cg_teardown(struct cg *top);

/* A child; the parent's subtree_control gets the memory controller. */
int cg_new(struct cg *cg, const struct cg *parent, const char *name);
int cg_remove(const struct cg *cg);
/* The directory above */
void cg_parent(struct cg *parent, const struct cg *cg);
/* O_RDONLY | O_DIRECTORY | O_CLOEXEC and @flags */
int cg_open(const struct cg *cg, int flags);
/* What the module calls the cgroup: the directory's inode number */
uint64_t cg_id(const struct cg *cg);
int cg_move(const struct cg *cg, pid_t pid);

/* Files with one number; "max" is INT64_MAX. Negative errno on an error. */
int64_t cg_read(const struct cg *cg, const char *file);
/* Files of "key number" lines, as memory.stat and memory.events. */
int64_t cg_read_key(const struct cg *cg, const char *file, const char *key);
int cg_write(const struct cg *cg, const char *file, const char *value);
int cg_write_bytes(const struct cg *cg, const char *file, int64_t bytes);
/*
 * Waits until a counter is within @slack bytes of @want, or gives up after ten
 * seconds (the kernel's statistics may be two seconds old); returns it. If it
 * takes long the cgroup's memory.high is 0 for a moment, which empties stocks.
 */
int64_t cg_settle(const struct cg *cg, const char *file, int64_t want,
		  int64_t slack);
int64_t cg_settle_key(const struct cg *cg, const char *file, const char *key,
		      int64_t want, int64_t slack);

/*
 * What memory.current may be off by: charges that CPUs keep in stock (64 pages
 * each), and what a buffer's bookkeeping takes.
 */
int64_t cg_slack(void);

/*
 * The same for memory.current, and for a line of memory.stat, as a yes or no,
 * and told if no
 */
bool cg_settles(const struct cg *cg, int64_t want, int64_t slack);
bool cg_settles_stat(const struct cg *cg, const char *key, int64_t want,
		     int64_t slack);

/*
 * A child that sleeps in @cg until it is killed; its pid or a negative errno.
 * It has none of the fds of this process but 0 to 2; mappings it has.
 */
pid_t cg_spawn(const struct cg *cg);
/* The same, by fork() here: runs @fn in @cg and exits with its result. */
pid_t cg_run(const struct cg *cg, int (*fn)(void *arg), void *arg);
/* SIGKILL and reap */
void cg_kill(pid_t pid);
/* Reaps; the exit status, or 256 + the signal that it died of */
int cg_reap(pid_t pid);

/* pidfd_open(); negative errno */
int pidfd_of(pid_t pid, unsigned int flags);

#endif /* _CGROUP_UTIL_H */
