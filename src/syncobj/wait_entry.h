/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The wait entry: how to hear of a point that nobody has submitted yet.
 *
 * drm_syncobj_add_point() and drm_syncobj_replace_fence() walk the public
 * list &drm_syncobj.cb_list under the public &drm_syncobj.lock and hand each
 * entry whose point is now there its fence, wake its task and unlink it. The
 * list is public, the type of its entries is not: DRM keeps it in
 * drm_syncobj.c. It has been the same from 5.10 to 7.3, and this is a copy.
 *
 * The copy is used only after syncobj_wait_entry_selftest() has seen, on the
 * running kernel, that DRM reads and writes these words and no others.
 */
#ifndef _SYNCOBJ_WAIT_ENTRY_H
#define _SYNCOBJ_WAIT_ENTRY_H

#include <linux/dma-fence.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <drm/drm_syncobj.h>

#ifndef SYNCOBJ_TEST_LAYOUT
#define SYNCOBJ_TEST_LAYOUT 0
#endif

/**
 * struct syncobj_wait_entry - a place on &drm_syncobj.cb_list
 * @node:	on the list. NULL before the first syncobj_wait_entry_queue(),
 *		empty after DRM or syncobj_wait_entry_dequeue() unlinked it.
 *		Under &drm_syncobj.lock while linked.
 * @task:	woken once @fence is set; set by the owner before queueing.
 *		Under &drm_syncobj.lock while linked.
 * @fence:	NULL until the point is there. DRM writes it under
 *		&drm_syncobj.lock and wakes @task before it unlinks @node, so
 *		whoever has seen it must still dequeue before freeing the entry.
 * @fence_cb:	never touched by DRM; for the owner
 * @point:	what to wait for; 0 is any fence. Constant while linked.
 * @wrong:	in two of the variants only
 *
 * The order of the fields is DRM's. The variants serve the test which shows
 * that a wrong copy is refused.
 */
struct syncobj_wait_entry {
#if SYNCOBJ_TEST_LAYOUT == 0
	struct list_head node;
	struct task_struct *task;
	struct dma_fence *fence;
	struct dma_fence_cb fence_cb;
	u64 point;
#elif SYNCOBJ_TEST_LAYOUT == 1	/* a word more behind node */
	struct list_head node;
	unsigned long wrong;
	struct task_struct *task;
	struct dma_fence *fence;
	struct dma_fence_cb fence_cb;
	u64 point;
#elif SYNCOBJ_TEST_LAYOUT == 2	/* a word more before node */
	unsigned long wrong;
	struct list_head node;
	struct task_struct *task;
	struct dma_fence *fence;
	struct dma_fence_cb fence_cb;
	u64 point;
#elif SYNCOBJ_TEST_LAYOUT == 3	/* task and fence swapped */
	struct list_head node;
	struct dma_fence *fence;
	struct task_struct *task;
	struct dma_fence_cb fence_cb;
	u64 point;
#elif SYNCOBJ_TEST_LAYOUT == 4	/* point moved */
	struct list_head node;
	struct task_struct *task;
	struct dma_fence *fence;
	u64 point;
	struct dma_fence_cb fence_cb;
#elif SYNCOBJ_TEST_LAYOUT == 5	/* task moved last */
	struct list_head node;
	struct dma_fence *fence;
	struct dma_fence_cb fence_cb;
	u64 point;
	struct task_struct *task;
#endif
};

void syncobj_wait_entry_queue(struct drm_syncobj *syncobj,
			      struct syncobj_wait_entry *entry);
void syncobj_wait_entry_dequeue(struct drm_syncobj *syncobj,
				struct syncobj_wait_entry *entry);
int syncobj_wait_entry_selftest(void);

#endif /* _SYNCOBJ_WAIT_ENTRY_H */
