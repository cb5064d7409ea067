/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A system call in which the first allocation or copy from or to user space fails,
 * then the second, and so on, until it gets through with none failing. The kernel's
 * fault injection counts them for one task (/proc/thread-self/fail-nth).
 *
 * Each time the call must return an errno of the table, or succeed all the same
 * (what failed was only nice to have); it must leave no fd behind and nothing
 * changed; and the same call without injection must work then.
 */
#ifndef _FAILNTH_H
#define _FAILNTH_H

#include <stdbool.h>

struct failnth {
	const char *name;
	/* What the call needs each time, without injection; may be NULL. 0 */
	int (*before)(void *arg);
	/* One system call. 0, an fd, or a negative errno */
	int (*call)(void *arg);
	/* After one that failed: has it changed nothing? May be NULL. */
	bool (*unchanged)(void *arg);
	/* Undoes one that succeeded, whose result is @ret; may be NULL. 0 */
	int (*undo)(void *arg, int ret);
	/* Arms it for the next call, or disarms it: @nth 0; NULL: fail-nth. 0 */
	int (*arm)(void *arg, unsigned int nth);
	/* Positive, up to a 0; NULL: ENOMEM and EFAULT */
	const int *errnos;
	/* How often it must have failed at least: what it plainly does */
	unsigned int least;
	/* The same for a call that cannot fail: what it has to do at least */
	unsigned int points;
};

/* 0, or a negative errno: the kernel cannot do it */
int failnth_setup(void);

/* For those that return an fd */
int failnth_close(void *arg, int fd);

struct failnth_result {
	unsigned int points;	/* where something could fail */
	unsigned int failed;	/* of those, where the call did */
	char wrong[256];	/* "" if all was well */
};

void failnth_walk(const struct failnth *walk, void *arg,
		  struct failnth_result *result);

#endif /* _FAILNTH_H */
