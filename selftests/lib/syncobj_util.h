/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctls of /dev/syncobj as functions. All return 0 (or an fd) or a
 * negative errno, and none of them checks anything: that is the tests' part.
 */
#ifndef _SYNCOBJ_UTIL_H
#define _SYNCOBJ_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/syncobj.h>

#define SO_NODE		"/dev/syncobj"
#define SO_ALL		SYNCOBJ_WAIT_FLAGS_WAIT_ALL
#define SO_SUBMIT	SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT
#define SO_AVAIL	SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE
#define SO_DEADLINE	SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE

#define NSEC_PER_MSEC	1000000LL
#define NSEC_PER_SEC	1000000000LL

/* What first_signaled holds before a call, to see whether it was written. */
#define SO_POISON	0xdeadbeefU

int so_try(int dev, unsigned long request, void *arg);
int so_open(void);

int so_create(int dev, uint32_t flags);
int so_wait(int dev, const int *fds, const uint64_t *points, uint32_t count,
	    int64_t timeout, uint32_t flags, uint32_t *first);
int so_reset(int dev, const int *fds, uint32_t count);
int so_signal(int dev, const int *fds, const uint64_t *points, uint32_t count);
int so_query(int dev, const int *fds, uint64_t *points, uint32_t count,
	     uint32_t flags);
int so_transfer(int dev, int src, uint64_t src_point, int dst,
		uint64_t dst_point, uint32_t flags);
int so_eventfd(int dev, int fd, int eventfd, uint64_t point, uint32_t flags);
int so_export(int dev, int fd, uint64_t point);
int so_import(int dev, int fd, int sync_file, uint64_t point);
int so_batch(int dev, const struct syncobj_eventfd_args *entries,
	     uint32_t count, uint32_t *index);
int so_cancel(int dev, int fd, int eventfd, uint64_t point, uint32_t flags,
	      uint32_t *cancelled);
int so_status(int dev, const int *fds, const uint64_t *points, int *status,
	      uint32_t count);
int so_caps(int dev, struct syncobj_caps *caps);

/* The same for one syncobj */
int so_wait1(int dev, int fd, uint64_t point, int64_t timeout, uint32_t flags);
int so_signal1(int dev, int fd, uint64_t point);
int so_reset1(int dev, int fd);
int so_status1(int dev, int fd, uint64_t point);
uint64_t so_query1(int dev, int fd);
uint64_t so_last1(int dev, int fd);

/* Time */
int64_t now_ns(void);
int64_t in_ms(int64_t ms);
void sleep_ms(int ms);

/*
 * eventfds. The counter is taken without blocking: 0 if it is 0. efd_wait()
 * gives up after a while that no passing test needs.
 */
int efd_new(void);
uint64_t efd_take(int fd);
uint64_t efd_wait(int fd);
/* For those that must not fire: looks after a time for stray events. */
uint64_t efd_quiet(int fd);

#endif /* _SYNCOBJ_UTIL_H */
