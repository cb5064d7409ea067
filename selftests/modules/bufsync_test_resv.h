/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/bufsync_test_resv: holds the reservation of a dma-buf for a while. */
#ifndef _BUFSYNC_TEST_RESV_H
#define _BUFSYNC_TEST_RESV_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct test_resv_hold_args {
	__s32 fd;
	__u32 ms;
};

/* Returns when the time is over. */
#define TEST_RESV_HOLD	_IOW('t', 0xa0, struct test_resv_hold_args)

#endif /* _BUFSYNC_TEST_RESV_H */
