/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * eventfd_signal() before 6.8 takes the number to add, and everybody gave 1.
 */
#ifndef _BUFSYNC_COMPAT_LINUX_EVENTFD_H
#define _BUFSYNC_COMPAT_LINUX_EVENTFD_H

#include_next <linux/eventfd.h>

#ifndef BUFSYNC_HAVE_EVENTFD_SIGNAL_ONE
static inline void bufsync_eventfd_signal(struct eventfd_ctx *ctx)
{
	eventfd_signal(ctx, 1);
}

#define eventfd_signal(ctx) bufsync_eventfd_signal(ctx)
#endif

#endif /* _BUFSYNC_COMPAT_LINUX_EVENTFD_H */
