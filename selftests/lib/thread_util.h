/* SPDX-License-Identifier: GPL-2.0-only */
/* A WAIT in a thread of its own, and other things that take two. */
#ifndef _THREAD_UTIL_H
#define _THREAD_UTIL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct waiter {
	/* in */
	int dev;
	const int *fds;
	const uint64_t *points;
	uint32_t count;
	uint32_t flags;
	int64_t timeout;
	/* out, after waiter_join() */
	int ret;
	uint32_t first;
	int64_t end;
	/* own */
	pthread_t thread;
	pid_t tid;
	bool done;
};

/* Returns once the thread sleeps, or has ended. */
int waiter_start(struct waiter *w);
/* After something that must not wake it: is it still waiting? */
bool waiter_sleeps(struct waiter *w);
/* Returns the result of WAIT, or -ETIMEDOUT if it hangs. */
int waiter_join(struct waiter *w);

/* The process or kernel thread of that name; -ESRCH if there is none */
pid_t task_named(const char *name);
/* As in /proc/PID/stat; X if there is none */
char task_state(pid_t tid);
/* Waits until a thread of any process sleeps. */
bool task_asleep(pid_t tid);

/* One CPU for this thread, and priority over all others if @fifo */
int pin_cpu0(bool fifo);

/* How long a test does everything at once: BUFSYNC_STRESS_SECONDS, else 30 */
int stress_seconds(void);

int send_fd(int sock, int fd);
int recv_fd(int sock);

#endif /* _THREAD_UTIL_H */
