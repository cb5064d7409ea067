/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the demo of /dev/syncobj share. */
#ifndef _SYNCOBJ_DEMO_H
#define _SYNCOBJ_DEMO_H

#include <stddef.h>
#include <linux/types.h>

#include "demo.h"

#define WAIT_NSEC	(5 * 1000000000LL)	/* shorter than a step */
#define WAIT_MSEC	5000
#define QUIET_MSEC	100

#define WIDTH		640
#define HEIGHT		360
#define FRAME_SIZE	(WIDTH * HEIGHT * sizeof(__u32))

/* device.c */
extern int dev;

void call(const char *name, unsigned long request, void *args);
int open_device(void);
int so_create(void);
void so_signal(int fd, __u64 point);
void so_query(int fd, __u64 expected);
void so_status(int fd, __u64 point, __s32 expected);
int so_eventfd(int fd, __u64 point);
void expect_quiet(int event, int timeout);
/* Returns when it fired. */
__s64 expect_fired(int event);

/* frame.c */
__u64 checksum(const __u32 *frame);
void draw(__u32 *frame, __u64 seed);
unsigned int wrong_pixels(const __u32 *frame, __u64 seed);
__u32 *map_frame(int fd);

/* the two processes */
void run_consumer(void);
void run_producer(struct peer *peer);

#endif /* _SYNCOBJ_DEMO_H */
