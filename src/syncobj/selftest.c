// SPDX-License-Identifier: GPL-2.0-only
/*
 * The load-time proof that DRM's wait entry is what wait_entry.h says.
 *
 * An entry in the middle of a buffer is queued on a syncobj of our own, which
 * then gets points, and the buffer shows what DRM has written where. Every
 * word around the entry, and every word in it that has no other use, holds a
 * pointer to the current task: whichever word DRM takes for the task to wake,
 * waking it does no harm. A wrong copy is thus found without an oops, unless
 * DRM's entry should one day hold a function to call; that is what the check
 * of the type information at build time is for (compat/btf/check).
 *
 * One round cannot tell all words apart, so there are three:
 *
 *   1. task and point both hold the current task's address, as all else does:
 *      the node and the fence are where we think.
 *   2. the task is a thread that has never run, and then has: so is the task.
 *   3. the point is 7: so is the point.
 */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/dma-fence-chain.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "syncobj_private.h"
#include "wait_entry.h"

#define SYNCOBJ_GUARD_WORDS	16
#define SYNCOBJ_ENTRY_WORDS \
	(sizeof(struct syncobj_wait_entry) / sizeof(unsigned long))
#define SYNCOBJ_PROOF_WORDS	(SYNCOBJ_ENTRY_WORDS + 2 * SYNCOBJ_GUARD_WORDS)

/**
 * struct syncobj_proof - one round
 * @words:	the entry, between guards
 * @before:	what @words held before DRM was let at them
 * @syncobj:	that the entry is queued on
 */
struct syncobj_proof {
	unsigned long words[SYNCOBJ_PROOF_WORDS];
	unsigned long before[SYNCOBJ_PROOF_WORDS];
	struct drm_syncobj *syncobj;
};

static struct syncobj_wait_entry *syncobj_proof_entry(struct syncobj_proof *p)
{
	return (struct syncobj_wait_entry *)&p->words[SYNCOBJ_GUARD_WORDS];
}

static int syncobj_proof_add_point(struct syncobj_proof *p, u64 point,
				   struct dma_fence_chain **added)
{
	struct dma_fence_chain *chain = syncobj_chain_alloc();
	struct dma_fence *stub;

	if (!chain)
		return -ENOMEM;
	stub = dma_fence_get_stub();
	drm_syncobj_add_point(p->syncobj, chain, stub, point);
	dma_fence_put(stub);
	*added = chain;
	return 0;
}

/* DRM's reference is in the entry, or, if the copy is wrong, elsewhere. */
static void syncobj_proof_put_fence(struct syncobj_proof *p,
				    struct dma_fence_chain *chain)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(p->words); i++) {
		if (p->words[i] == (unsigned long)&chain->base)
			dma_fence_put(&chain->base);
	}
}

/* Are all words but the node and the fence as they were? */
static bool syncobj_proof_untouched(struct syncobj_proof *p, bool all)
{
	const size_t node = offsetof(struct syncobj_wait_entry, node) /
			    sizeof(unsigned long) + SYNCOBJ_GUARD_WORDS;
	const size_t fence = offsetof(struct syncobj_wait_entry, fence) /
			     sizeof(unsigned long) + SYNCOBJ_GUARD_WORDS;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(p->words); i++) {
		if (!all && (i == node || i == node + 1 || i == fence))
			continue;
		if (READ_ONCE(p->words[i]) != p->before[i])
			return false;
	}
	return true;
}

static int syncobj_proof_run(struct syncobj_proof *p, struct task_struct *task,
			     u64 point)
{
	struct syncobj_wait_entry *entry = syncobj_proof_entry(p);
	struct dma_fence_chain *chain = NULL;
	size_t i;
	int ret;

	ret = drm_syncobj_create(&p->syncobj, 0, NULL);
	if (ret)
		return ret;

	for (i = 0; i < ARRAY_SIZE(p->words); i++)
		p->words[i] = (unsigned long)current;
	entry->task = task;
	entry->point = point;

	spin_lock(&p->syncobj->lock);
	list_add_tail(&entry->node, &p->syncobj->cb_list);
	spin_unlock(&p->syncobj->lock);
	memcpy(p->before, p->words, sizeof(p->before));

	/* The point below: nothing may happen. */
	ret = syncobj_proof_add_point(p, point - 1, &chain);
	if (ret)
		goto out;
	ret = -EOPNOTSUPP;
	if (!syncobj_proof_untouched(p, true))
		goto out;
	chain = NULL;

	/* The point itself: a fence, and off the list. */
	ret = syncobj_proof_add_point(p, point, &chain);
	if (ret)
		goto out;
	ret = -EOPNOTSUPP;
	if (!syncobj_proof_untouched(p, false) ||
	    entry->fence != &chain->base ||
	    !list_empty(&entry->node) || !list_empty(&p->syncobj->cb_list))
		goto out;

	ret = 0;
out:
	/* Whatever it took the buffer for, DRM must not keep it. */
	spin_lock(&p->syncobj->lock);
	INIT_LIST_HEAD(&p->syncobj->cb_list);
	spin_unlock(&p->syncobj->lock);
	if (chain)
		syncobj_proof_put_fence(p, chain);
	drm_syncobj_put(p->syncobj);
	return ret;
}

static int syncobj_proof_thread(void *data)
{
	struct completion *ran = data;

	complete(ran);
	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

static int syncobj_proof_run_task(struct syncobj_proof *p)
{
	DECLARE_COMPLETION_ONSTACK(ran);
	struct task_struct *task;
	int ret;

	task = kthread_create(syncobj_proof_thread, &ran, "syncobj-proof");
	if (IS_ERR(task))
		return PTR_ERR(task);
	get_task_struct(task);

	ret = syncobj_proof_run(p, task, (unsigned long)current);
	/* Nobody else has woken it, so if it ran, DRM did. */
	if (!ret && !wait_for_completion_timeout(&ran, 30 * HZ))
		ret = -EOPNOTSUPP;

	kthread_stop(task);
	put_task_struct(task);
	return ret;
}

/**
 * syncobj_wait_entry_selftest() - is struct syncobj_wait_entry DRM's?
 *
 * Context: process, may sleep, some milliseconds.
 * Return: 0 if it is; -EOPNOTSUPP if not; -ENOMEM and other errors of making
 * syncobjs and threads if that could not be found out.
 */
int syncobj_wait_entry_selftest(void)
{
	struct syncobj_proof *p;
	int ret;

	/*
	 * DRM finds all fields from the node on. What a copy has in front of
	 * it would pass unseen, so there may be nothing.
	 */
	if (offsetof(struct syncobj_wait_entry, node))
		return -EOPNOTSUPP;

	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return -ENOMEM;

	ret = syncobj_proof_run(p, current, (unsigned long)current);
	if (!ret)
		ret = syncobj_proof_run_task(p);
	if (!ret)
		ret = syncobj_proof_run(p, current, 7);

	kfree(p);
	return ret;
}
