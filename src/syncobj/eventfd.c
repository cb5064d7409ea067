// SPDX-License-Identifier: GPL-2.0-only
/*
 * EVENTFD, EVENTFD_BATCH and EVENTFD_CANCEL; the machinery is in watch.c.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <bufsync/args.h>

#include "syncobj_private.h"
#include "watch.h"

/* Is there nothing to wait for? Then fires, without making a watch. */
static bool syncobj_eventfd_at_once(struct drm_syncobj *syncobj,
				    struct file *eventfd, u64 point, u32 flags)
{
	struct dma_fence *fence = syncobj_point_get(syncobj, point);
	struct eventfd_ctx *ctx;
	bool met;

	met = fence && ((flags & SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE) ||
			dma_fence_is_signaled(fence));
	dma_fence_put(fence);
	if (!met)
		return false;

	ctx = eventfd_ctx_fileget(eventfd);
	eventfd_signal(ctx);
	eventfd_ctx_put(ctx);
	return true;
}

static int syncobj_eventfd_add(struct drm_syncobj *syncobj,
			       struct file *eventfd, u64 point, u32 flags)
{
	struct syncobj_watch *watch;

	if (syncobj_eventfd_at_once(syncobj, eventfd, point, flags))
		return 0;

	guard(mutex)(&syncobj_watch_lock);
	syncobj_notifier_reap();
	watch = syncobj_watch_create(syncobj, eventfd, point, flags);
	if (IS_ERR(watch))
		return PTR_ERR(watch);
	syncobj_watch_start(watch);
	return 0;
}

static bool syncobj_eventfd_args_valid(const struct syncobj_eventfd_args *args)
{
	return !(args->flags & ~SYNCOBJ_EVENTFD_FLAGS_ALL) && !args->pad;
}

/**
 * syncobj_eventfd_ioctl() - SYNCOBJ_IOC_EVENTFD
 * @argp: struct syncobj_eventfd_args
 *
 * Return: 0 or an error that the header names.
 */
int syncobj_eventfd_ioctl(void __user *argp)
{
	struct syncobj_eventfd_args args;
	struct drm_syncobj *syncobj;
	struct file *eventfd;
	int ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (!syncobj_eventfd_args_valid(&args))
		return -EINVAL;

	CLASS(fd, f)(args.syncobj_fd);
	syncobj = syncobj_from_fd(f);
	if (!syncobj)
		return -EBADF;

	eventfd = eventfd_fget(args.eventfd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	ret = syncobj_eventfd_add(syncobj, eventfd, args.point, args.flags);
	fput(eventfd);
	return ret;
}

/* One entry of a batch: its watch, not started, or an ERR_PTR. */
static struct syncobj_watch *
syncobj_batch_create(const struct syncobj_eventfd_args *args)
{
	struct syncobj_watch *watch;
	struct drm_syncobj *syncobj;
	struct file *eventfd;

	CLASS(fd, f)(args->syncobj_fd);
	syncobj = syncobj_from_fd(f);
	if (!syncobj)
		return ERR_PTR(-EBADF);

	eventfd = eventfd_fget(args->eventfd);
	if (IS_ERR(eventfd))
		return ERR_CAST(eventfd);

	scoped_guard(mutex, &syncobj_watch_lock) {
		syncobj_notifier_reap();
		watch = syncobj_watch_create(syncobj, eventfd, args->point,
					     args->flags);
	}
	fput(eventfd);
	return watch;
}

/* On an error that one entry caused, *index is that entry. */
static int syncobj_batch_run(const struct syncobj_eventfd_args *entries,
			     struct syncobj_watch **watches, u32 count,
			     u32 *index)
{
	int ret = 0;
	u32 i, n;

	for (i = 0; i < count; i++) {
		if (!syncobj_eventfd_args_valid(&entries[i])) {
			*index = i;
			return -EINVAL;
		}
	}

	for (n = 0; n < count; n++) {
		watches[n] = syncobj_batch_create(&entries[n]);
		if (IS_ERR(watches[n])) {
			ret = PTR_ERR(watches[n]);
			*index = n;
			break;
		}
	}

	/* From here on nothing fails: start all, or end all. */
	for (i = 0; i < n; i++) {
		scoped_guard(mutex, &syncobj_watch_lock) {
			if (ret)
				syncobj_watch_end(watches[i]);
			else
				syncobj_watch_start(watches[i]);
		}
		cond_resched();
	}
	return ret;
}

/**
 * syncobj_eventfd_batch_ioctl() - SYNCOBJ_IOC_EVENTFD_BATCH
 * @argp: struct syncobj_eventfd_batch_args
 *
 * Return: 0 or an error that the header names.
 */
int syncobj_eventfd_batch_ioctl(void __user *argp)
{
	struct syncobj_eventfd_batch_args __user *uargs = argp;
	struct syncobj_eventfd_batch_args args;
	struct syncobj_eventfd_args *entries;
	struct syncobj_watch **watches;
	u32 index = U32_MAX;
	int ret;

	ret = bufsync_copy_sized(&args, uargs, sizeof(args),
				 offsetofend(typeof(args), out_index));
	if (ret < 0)
		return ret;
	if (args.flags || !args.count || args.count > SYNCOBJ_MAX_COUNT)
		return -EINVAL;

	entries = kvmalloc_array(args.count, sizeof(*entries),
				 GFP_KERNEL_ACCOUNT);
	watches = kvmalloc_array(args.count, sizeof(*watches),
				 GFP_KERNEL_ACCOUNT);
	if (!entries || !watches)
		ret = -ENOMEM;
	else if (copy_from_user(entries, u64_to_user_ptr(args.entries),
				array_size(args.count, sizeof(*entries))))
		ret = -EFAULT;
	else
		ret = syncobj_batch_run(entries, watches, args.count, &index);

	kvfree(watches);
	kvfree(entries);
	if (index != U32_MAX && put_user(index, &uargs->out_index))
		ret = -EFAULT;
	return ret;
}

static u32 syncobj_cancel(struct drm_syncobj *syncobj, struct file *eventfd,
			  u64 point, u32 flags)
{
	struct syncobj_watch *watch, *next;
	struct syncobj_sink *sink;
	bool late = false;
	u32 n = 0;

	guard(mutex)(&syncobj_watch_lock);

	/* What has fired is to have reached its eventfd. */
	while (syncobj_notifier_reap())
		cond_resched();

	sink = syncobj_sink_find(eventfd);
	if (!sink)
		return 0;

	list_for_each_entry_safe(watch, next, &sink->watches, sink_link) {
		cond_resched();
		if (watch->set->syncobj != syncobj)
			continue;
		if (watch->point != point &&
		    !(flags & SYNCOBJ_CANCEL_FLAGS_ANY_POINT))
			continue;
		if (syncobj_watch_stop(watch)) {
			syncobj_watch_end(watch);
			n++;
		} else {
			late = true;
		}
	}
	syncobj_sink_put(sink);
	while (late && syncobj_notifier_reap())
		cond_resched();
	return n;
}

/**
 * syncobj_eventfd_cancel_ioctl() - SYNCOBJ_IOC_EVENTFD_CANCEL
 * @argp: struct syncobj_eventfd_cancel_args
 *
 * Return: 0 or an error that the header names.
 */
int syncobj_eventfd_cancel_ioctl(void __user *argp)
{
	struct syncobj_eventfd_cancel_args __user *uargs = argp;
	struct syncobj_eventfd_cancel_args args;
	struct drm_syncobj *syncobj;
	struct file *eventfd;
	u32 n;
	int ret;

	ret = bufsync_copy_sized(&args, uargs, sizeof(args),
				 offsetofend(typeof(args), pad));
	if (ret < 0)
		return ret;
	if ((args.flags & ~SYNCOBJ_CANCEL_FLAGS_ALL) || args.pad)
		return -EINVAL;
	if ((args.flags & SYNCOBJ_CANCEL_FLAGS_ANY_POINT) && args.point)
		return -EINVAL;

	CLASS(fd, f)(args.syncobj_fd);
	syncobj = syncobj_from_fd(f);
	if (!syncobj)
		return -EBADF;
	eventfd = eventfd_fget(args.eventfd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	/* A call that cannot tell what it did should not have done it. */
	if (put_user(0, &uargs->out_cancelled)) {
		ret = -EFAULT;
	} else {
		n = syncobj_cancel(syncobj, eventfd, args.point, args.flags);
		ret = n ? put_user(n, &uargs->out_cancelled) : -ENOENT;
	}
	fput(eventfd);
	return ret;
}
