// SPDX-License-Identifier: GPL-2.0-only
/*
 * CREATE, RESET, SIGNAL, QUERY, STATUS: calls that look at or change
 * syncobjs and never wait.
 */
#include <linux/dma-fence-chain.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <drm/drm.h>

#include <bufsync/args.h>

#include "syncobj_private.h"

/**
 * syncobj_create_ioctl() - SYNCOBJ_IOC_CREATE
 * @argp: struct syncobj_create_args
 *
 * Return: 0 or an error that the header names.
 */
int syncobj_create_ioctl(void __user *argp)
{
	struct syncobj_create_args __user *uargs = argp;
	struct syncobj_create_args args;
	struct drm_syncobj *syncobj;
	u32 flags = 0;
	int ret;

	if (copy_from_user(&args, uargs, sizeof(args)))
		return -EFAULT;
	if (args.flags & ~SYNCOBJ_CREATE_FLAGS_ALL)
		return -EINVAL;

	if (args.flags & SYNCOBJ_CREATE_SIGNALED)
		flags = DRM_SYNCOBJ_CREATE_SIGNALED;
	ret = drm_syncobj_create(&syncobj, flags, NULL);
	if (ret)
		return ret;

	ret = syncobj_publish_fd(syncobj_file_create(syncobj), &uargs->fd);
	drm_syncobj_put(syncobj);
	return ret;
}

/**
 * syncobj_reset_ioctl() - SYNCOBJ_IOC_RESET
 * @argp: struct syncobj_array_args
 *
 * Return: 0 or an error that the header names.
 */
int syncobj_reset_ioctl(void __user *argp)
{
	struct syncobj_array_args args;
	struct syncobj_array array;
	u32 i;
	int ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.points || !args.count)
		return -EINVAL;

	ret = syncobj_array_get(&array, args.fds, args.count);
	if (ret)
		return ret;

	for (i = 0; i < array.count; i++) {
		syncobj_fence_replace(syncobj_array_obj(&array, i), NULL);
		cond_resched();
	}

	syncobj_array_put(&array);
	return 0;
}

static int syncobj_signal_points(const struct syncobj_array *array)
{
	struct dma_fence_chain *inline_chains[SYNCOBJ_INLINE_COUNT];
	struct dma_fence_chain **chains = inline_chains;
	struct dma_fence *stub;
	int ret = -ENOMEM;
	u32 i, n;

	if (array->count > SYNCOBJ_INLINE_COUNT) {
		chains = kvmalloc_array(array->count, sizeof(*chains),
					GFP_KERNEL_ACCOUNT);
		if (!chains)
			return -ENOMEM;
	}

	/* Nothing may fail once the first point has been added. */
	for (n = 0; n < array->count; n++) {
		chains[n] = syncobj_chain_alloc();
		if (!chains[n])
			goto out;
	}

	stub = dma_fence_get_stub();
	for (i = 0; i < array->count; i++) {
		syncobj_chain_add(syncobj_array_obj(array, i), chains[i], stub,
				  syncobj_array_point(array, i));
		/* Adding looks at all points that are pending. */
		cond_resched();
	}
	dma_fence_put(stub);
	n = 0;
	ret = 0;
out:
	while (n)
		dma_fence_chain_free(chains[--n]);
	if (chains != inline_chains)
		kvfree(chains);
	return ret;
}

/**
 * syncobj_signal_ioctl() - SYNCOBJ_IOC_SIGNAL
 * @argp: struct syncobj_array_args
 *
 * Attaches fences that have signalled already, never one that user space
 * could hold back.
 *
 * Return: 0 or an error that the header names.
 */
int syncobj_signal_ioctl(void __user *argp)
{
	struct syncobj_array_args args;
	struct syncobj_array array;
	int ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.flags || !args.count)
		return -EINVAL;

	ret = syncobj_array_get(&array, args.fds, args.count);
	if (ret)
		return ret;

	if (args.points)
		ret = syncobj_array_get_points(&array, args.points);
	if (!ret)
		ret = syncobj_signal_points(&array);

	syncobj_array_put(&array);
	return ret;
}

/* The highest point up to which all have signalled; DRM's definition. */
static u64 syncobj_last_signaled(struct dma_fence *head)
{
	struct dma_fence *iter, *last = dma_fence_get(head);
	u64 point;

	dma_fence_chain_for_each(iter, head) {
		if (iter->context != head->context) {
			/* From here on the line is another's, or disordered. */
			dma_fence_put(iter);
			break;
		}
		dma_fence_put(last);
		last = dma_fence_get(iter);
	}

	if (dma_fence_is_signaled(last))
		point = last->seqno;
	else
		point = to_dma_fence_chain(last)->prev_seqno;
	dma_fence_put(last);
	return point;
}

static u64 syncobj_query_one(struct drm_syncobj *syncobj, u32 flags)
{
	struct dma_fence *fence = drm_syncobj_fence_get(syncobj);
	u64 point = 0;

	if (to_dma_fence_chain(fence)) {
		if (flags & SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED)
			point = fence->seqno;
		else
			point = syncobj_last_signaled(fence);
	}
	dma_fence_put(fence);
	return point;
}

/**
 * syncobj_query_ioctl() - SYNCOBJ_IOC_QUERY
 * @argp: struct syncobj_array_args
 *
 * Return: 0 or an error that the header names.
 */
int syncobj_query_ioctl(void __user *argp)
{
	struct syncobj_array_args args;
	struct syncobj_array array;
	u64 __user *points;
	u32 i;
	int ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if ((args.flags & ~SYNCOBJ_QUERY_FLAGS_ALL) || !args.count)
		return -EINVAL;

	ret = syncobj_array_get(&array, args.fds, args.count);
	if (ret)
		return ret;

	points = u64_to_user_ptr(args.points);
	for (i = 0; i < array.count && !ret; i++) {
		ret = put_user(syncobj_query_one(syncobj_array_obj(&array, i),
						 args.flags), points + i);
		cond_resched();
	}

	syncobj_array_put(&array);
	return ret;
}

static s32 syncobj_point_status(struct drm_syncobj *syncobj, u64 point)
{
	struct dma_fence *fence = syncobj_point_get(syncobj, point);
	s32 status = SYNCOBJ_STATUS_PENDING;
	int error;

	if (!fence)
		return SYNCOBJ_STATUS_UNSUBMITTED;

	if (dma_fence_is_signaled(fence)) {
		/* The node of a timeline never carries its fence's error. */
		error = dma_fence_get_status(dma_fence_chain_contained(fence));
		status = error < 0 ? error : SYNCOBJ_STATUS_SIGNALED;
	}
	dma_fence_put(fence);
	return status;
}

/**
 * syncobj_status_ioctl() - SYNCOBJ_IOC_STATUS
 * @argp: struct syncobj_status_args
 *
 * Return: 0 or an error that the header names.
 */
int syncobj_status_ioctl(void __user *argp)
{
	struct syncobj_status_args args;
	struct syncobj_array array;
	s32 __user *status;
	u32 i;
	int ret;

	ret = bufsync_copy_sized(&args, argp, sizeof(args),
				 offsetofend(typeof(args), pad));
	if (ret < 0)
		return ret;
	if (args.flags || args.pad || !args.count)
		return -EINVAL;

	ret = syncobj_array_get(&array, args.fds, args.count);
	if (ret)
		return ret;

	if (args.points)
		ret = syncobj_array_get_points(&array, args.points);

	status = u64_to_user_ptr(args.out_status);
	for (i = 0; i < array.count && !ret; i++) {
		ret = put_user(syncobj_point_status(syncobj_array_obj(&array, i),
						    syncobj_array_point(&array, i)),
			       status + i);
		cond_resched();
	}

	syncobj_array_put(&array);
	return ret;
}
