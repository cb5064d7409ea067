/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fences before 6.4 know no deadlines; a deadline is a hint, so none is lost
 * by ignoring it.
 */
#ifndef _BUFSYNC_COMPAT_LINUX_DMA_FENCE_H
#define _BUFSYNC_COMPAT_LINUX_DMA_FENCE_H

#include_next <linux/dma-fence.h>

#ifndef BUFSYNC_HAVE_FENCE_DEADLINE
static inline void bufsync_dma_fence_set_deadline(struct dma_fence *fence,
						  ktime_t deadline)
{
}

#define dma_fence_set_deadline(fence, deadline) \
	bufsync_dma_fence_set_deadline(fence, deadline)
#endif

#endif /* _BUFSYNC_COMPAT_LINUX_DMA_FENCE_H */
