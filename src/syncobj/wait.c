// SPDX-License-Identifier: GPL-2.0-only
/*
 * WAIT and TRANSFER: the calls that may sleep.
 *
 * An entry passes through two stages: it gets its fence, at once or, queued
 * as a wait entry, when somebody submits it; then the fence signals. Both
 * events wake the waiting task, which looks at its entries again. The fence
 * that an entry has got is kept, whatever happens to the syncobj.
 *
 * Waiting for all goes through the entries one by one and asks a fence to
 * wake the task only when its turn has come, so that it costs O(n) and not
 * O(n^2) looks. Waiting for any looks at all entries at each wake-up.
 */
#include <linux/dma-fence-chain.h>
#include <linux/file.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "syncobj_private.h"
#include "wait_entry.h"

#define SYNCOBJ_TRANSFER_TIMEOUT_NSEC	(5LL * NSEC_PER_SEC)

/**
 * struct syncobj_wait - one call that waits
 * @entries:	one for each syncobj
 * @count:	entries
 * @flags:	SYNCOBJ_WAIT_FLAGS_*
 * @cursor:	WAIT_ALL: entries below this one are met
 */
struct syncobj_wait {
	struct syncobj_wait_entry *entries;
	u32 count;
	u32 flags;
	u32 cursor;
};

static void syncobj_wait_fence_cb(struct dma_fence *fence,
				  struct dma_fence_cb *cb)
{
	struct syncobj_wait_entry *entry =
		container_of(cb, struct syncobj_wait_entry, fence_cb);

	wake_up_process(entry->task);
}

/*
 * Has this entry what it waits for? If not, the task is woken when it may
 * have. Not every fence tells that it has signalled before it was asked to
 * report; asking for the callback is such a request, and fails if it has.
 */
static bool syncobj_wait_entry_met(const struct syncobj_wait *wait,
				   struct syncobj_wait_entry *entry)
{
	struct dma_fence *fence = READ_ONCE(entry->fence);

	if (!fence)
		return false;
	if (wait->flags & SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE)
		return true;
	if (dma_fence_is_signaled(fence))
		return true;
	return !entry->fence_cb.func &&
	       dma_fence_add_callback(fence, &entry->fence_cb,
				      syncobj_wait_fence_cb);
}

/* Is the whole call satisfied? If so, *first is the entry to report. */
static bool syncobj_wait_met(struct syncobj_wait *wait, u32 *first)
{
	u32 i;

	if (wait->flags & SYNCOBJ_WAIT_FLAGS_WAIT_ALL) {
		while (wait->cursor < wait->count &&
		       syncobj_wait_entry_met(wait, &wait->entries[wait->cursor]))
			wait->cursor++;
		*first = 0;
		return wait->cursor == wait->count;
	}

	for (i = 0; i < wait->count; i++) {
		if (syncobj_wait_entry_met(wait, &wait->entries[i])) {
			*first = i;
			return true;
		}
	}
	return false;
}

/* Sleeps until the call is satisfied; -ETIME, or -ERESTARTSYS on a signal. */
static int syncobj_wait_sleep(struct syncobj_wait *wait, s64 timeout,
			      u32 *first)
{
	bool over = timeout <= 0 || ktime_before(timeout, ktime_get());
	int ret;

	for (;;) {
		/* Before looking, or a wake-up in between would be lost. */
		set_current_state(TASK_INTERRUPTIBLE);

		if (syncobj_wait_met(wait, first)) {
			ret = 0;
			break;
		}
		if (over) {
			ret = -ETIME;
			break;
		}
		if (signal_pending(current)) {
			ret = -ERESTARTSYS;
			break;
		}
		if (timeout == KTIME_MAX)
			schedule();
		else
			over = !schedule_hrtimeout_range(&timeout,
							 current->timer_slack_ns,
							 HRTIMER_MODE_ABS);
	}

	__set_current_state(TASK_RUNNING);
	return ret;
}

static int syncobj_wait_run(struct syncobj_wait *wait,
			    const struct syncobj_array *array,
			    const struct syncobj_wait_args *args, u32 *first)
{
	const u32 submit = SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT |
			   SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE;
	bool second_look = wait->flags & SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE;
	u32 i;

	for (i = 0; i < wait->count; i++) {
		struct syncobj_wait_entry *entry = &wait->entries[i];

		entry->task = current;
		entry->point = syncobj_array_point(array, i);
		entry->fence = syncobj_point_get(syncobj_array_obj(array, i),
						 entry->point);
		if (!entry->fence) {
			if (!(wait->flags & submit))
				return -EINVAL;
			second_look = true;
		}
		cond_resched();
	}

	for (i = 0; second_look && i < wait->count; i++) {
		struct syncobj_wait_entry *entry = &wait->entries[i];

		if (!entry->fence)
			syncobj_wait_entry_queue(syncobj_array_obj(array, i),
						 entry);
		else if (wait->flags & SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE)
			dma_fence_set_deadline(entry->fence,
					       ns_to_ktime(args->deadline_nsec));
		cond_resched();
	}

	return syncobj_wait_sleep(wait, args->timeout_nsec, first);
}

/**
 * syncobj_wait_ioctl() - SYNCOBJ_IOC_WAIT
 * @argp: struct syncobj_wait_args
 *
 * Return: 0 or an error that the header names.
 */
int syncobj_wait_ioctl(void __user *argp)
{
	struct syncobj_wait_entry inline_entries[SYNCOBJ_INLINE_COUNT];
	struct syncobj_wait_args __user *uargs = argp;
	struct syncobj_wait_args args;
	struct syncobj_array array;
	struct syncobj_wait wait;
	u32 i, first = 0;
	int ret;

	if (copy_from_user(&args, uargs, sizeof(args)))
		return -EFAULT;
	if ((args.flags & ~SYNCOBJ_WAIT_FLAGS_ALL) || args.pad)
		return -EINVAL;
	if (!args.count)
		return 0;

	ret = syncobj_array_get(&array, args.fds, args.count);
	if (ret)
		return ret;
	if (args.points) {
		ret = syncobj_array_get_points(&array, args.points);
		if (ret)
			goto out_array;
	}

	wait.count = array.count;
	wait.flags = args.flags;
	wait.cursor = 0;
	if (wait.count > SYNCOBJ_INLINE_COUNT) {
		wait.entries = kvcalloc(wait.count, sizeof(*wait.entries),
					GFP_KERNEL_ACCOUNT);
		if (!wait.entries) {
			ret = -ENOMEM;
			goto out_array;
		}
	} else {
		wait.entries = inline_entries;
		memset(wait.entries, 0, wait.count * sizeof(*wait.entries));
	}

	ret = syncobj_wait_run(&wait, &array, &args, &first);

	for (i = 0; i < wait.count; i++) {
		struct syncobj_wait_entry *entry = &wait.entries[i];

		syncobj_wait_entry_dequeue(syncobj_array_obj(&array, i), entry);
		if (entry->fence_cb.func)
			dma_fence_remove_callback(entry->fence,
						  &entry->fence_cb);
		dma_fence_put(entry->fence);
		cond_resched();
	}
	if (wait.entries != inline_entries)
		kvfree(wait.entries);

out_array:
	syncobj_array_put(&array);
	if (!ret && put_user(first, &uargs->first_signaled))
		ret = -EFAULT;
	return ret;
}

/* The fence to transfer, referenced, or an ERR_PTR. */
static struct dma_fence *syncobj_transfer_source(struct drm_syncobj *syncobj,
						 u64 point, u32 flags)
{
	struct syncobj_wait_entry entry = { .task = current, .point = point };
	struct syncobj_wait wait = {
		.entries = &entry,
		.count = 1,
		.flags = SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE,
	};
	struct dma_fence *fence;
	u32 first;
	int ret;

	fence = syncobj_point_get(syncobj, point);
	if (fence)
		return fence;
	if (!(flags & SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT))
		return ERR_PTR(-EINVAL);

	syncobj_wait_entry_queue(syncobj, &entry);
	ret = syncobj_wait_sleep(&wait, ktime_get() +
				 SYNCOBJ_TRANSFER_TIMEOUT_NSEC, &first);
	syncobj_wait_entry_dequeue(syncobj, &entry);
	if (ret) {
		/* It may have come after the last look. */
		dma_fence_put(entry.fence);
		return ERR_PTR(ret);
	}
	return entry.fence;
}

/**
 * syncobj_transfer_ioctl() - SYNCOBJ_IOC_TRANSFER
 * @argp: struct syncobj_transfer_args
 *
 * Return: 0 or an error that the header names.
 */
int syncobj_transfer_ioctl(void __user *argp)
{
	struct syncobj_transfer_args args;
	struct drm_syncobj *src, *dst;
	struct dma_fence *fence;
	int ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if ((args.flags & ~SYNCOBJ_TRANSFER_FLAGS_ALL) || args.pad)
		return -EINVAL;

	CLASS(fd, src_f)(args.src_fd);
	src = syncobj_from_fd(src_f);
	if (!src)
		return -EBADF;
	CLASS(fd, dst_f)(args.dst_fd);
	dst = syncobj_from_fd(dst_f);
	if (!dst)
		return -EBADF;

	fence = syncobj_transfer_source(src, args.src_point, args.flags);
	if (IS_ERR(fence))
		return PTR_ERR(fence);

	ret = syncobj_point_set(dst, args.dst_point, fence);
	dma_fence_put(fence);
	return ret;
}
