/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What compositor-loop.c and compositor-client.c say to each other. */
#ifndef _COMPOSITOR_LOOP_H
#define _COMPOSITOR_LOOP_H

#include <linux/types.h>

#define BUFFERS		2
#define PIXELS		(64 * 64)
#define POOL_SIZE	(BUFFERS * PIXELS * sizeof(__u32))

/*
 * The client's first message is a byte with these fds: two timelines and a memfd of
 * POOL_SIZE that cannot shrink. All others are commits.
 */
enum { ACQUIRE, RELEASE, POOL, FDS };

/*
 * The buffer is drawn when the point of ACQUIRE has signalled, which it need not have
 * yet. It is the client's again when the same point of RELEASE has. Points grow.
 */
struct commit {
	__u64 point;
	__u32 buffer;
	__u32 pad;
};

#endif /* _COMPOSITOR_LOOP_H */
