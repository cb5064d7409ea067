// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queueing of wait entries; see wait_entry.h.
 */
#include <linux/dma-fence-chain.h>
#include <linux/spinlock.h>

#include "wait_entry.h"

/**
 * syncobj_wait_entry_queue() - wait for a point
 * @syncobj:	held by the caller until the entry is dequeued
 * @entry:	not linked; task and point are set, fence is NULL
 *
 * Looks for the point once more under the lock, so that none is missed that
 * was added between the caller's own look and this call. If it is there, the
 * fence is set and the entry not linked; the task is not woken then.
 *
 * Context: process. Takes &drm_syncobj.lock.
 */
void syncobj_wait_entry_queue(struct drm_syncobj *syncobj,
			      struct syncobj_wait_entry *entry)
{
	struct dma_fence *fence;

	spin_lock(&syncobj->lock);
	fence = rcu_dereference_protected(syncobj->fence,
					  lockdep_is_held(&syncobj->lock));
	dma_fence_get(fence);
	if (!fence || dma_fence_chain_find_seqno(&fence, entry->point)) {
		dma_fence_put(fence);
		list_add_tail(&entry->node, &syncobj->cb_list);
	} else {
		/* No fence: the point has signalled and been collapsed. */
		WRITE_ONCE(entry->fence, fence ?: dma_fence_get_stub());
	}
	spin_unlock(&syncobj->lock);
}

/**
 * syncobj_wait_entry_dequeue() - stop waiting for a point
 * @syncobj:	that the entry was queued on
 * @entry:	the entry; nothing is done if it never was linked
 *
 * Afterwards DRM has done with the entry: its fence does not change any more
 * and its memory may go.
 *
 * Context: process. Takes &drm_syncobj.lock.
 */
void syncobj_wait_entry_dequeue(struct drm_syncobj *syncobj,
				struct syncobj_wait_entry *entry)
{
	if (!entry->node.next)
		return;

	spin_lock(&syncobj->lock);
	list_del_init(&entry->node);
	spin_unlock(&syncobj->lock);
}
