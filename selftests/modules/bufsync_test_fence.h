/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control device of bufsync_test_fence, a test-only module that makes
 * real unsignalled dma_fences. Never shipped: a fence that user space decides
 * about is what the kernel must not have.
 */
#ifndef _BUFSYNC_TEST_FENCE_H
#define _BUFSYNC_TEST_FENCE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * Without enable_signaling() nobody is told that the fence has signalled, but
 * ops->signaled() says so when asked: a sequence number in memory.
 */
#define TEST_FENCE_QUIET	0x1
/* Also ops->signaled() does not say so; only enable_signaling() does. */
#define TEST_FENCE_BLIND	0x2

struct test_fence_create {
	__s32 fd;		/* out: a sync_file of the new fence */
	__u32 id;		/* out: its name in the other calls */
	__u32 flags;		/* TEST_FENCE_* */
	__u32 pad;
};

/* Contexts in which dma_fence_signal() is called */
#define TEST_FENCE_DIRECT	0
#define TEST_FENCE_IRQ		1	/* hard IRQ; on PREEMPT_RT a thread */
#define TEST_FENCE_DELAYED	2	/* after delay_ms, then as IRQ */

struct test_fence_signal {
	__u32 id;
	__s32 error;		/* 0, or a negative errno for the fence */
	__u32 how;
	__u32 delay_ms;
};

/* struct test_fence_info.state */
#define TEST_FENCE_SIGNALLED	0x1
#define TEST_FENCE_ENABLED	0x2
#define TEST_FENCE_IN_HARDIRQ	0x4	/* it was signalled there */
#define TEST_FENCE_DEADLINE	0x8

struct test_fence_info {
	__u32 id;
	__u32 state;
	__s64 deadline_ns;	/* the last one set */
	__u32 deadlines;	/* how often one was set */
	__u32 pad;
};

#define TEST_FENCE_IOC_CREATE	_IOWR('T', 0x60, struct test_fence_create)
#define TEST_FENCE_IOC_SIGNAL	_IOW('T', 0x61, struct test_fence_signal)
#define TEST_FENCE_IOC_INFO	_IOWR('T', 0x62, struct test_fence_info)
/* The module's fences, those of other files included, that are not freed */
#define TEST_FENCE_IOC_LIVE	_IOR('T', 0x63, __u32)

#endif /* _BUFSYNC_TEST_FENCE_H */
