// SPDX-License-Identifier: GPL-2.0-only
/*
 * Points: finding a point's fence, adding points, and handing out the fds
 * that come of it.
 */
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "syncobj_private.h"
#include "watch.h"

/**
 * syncobj_point_get() - the fence of a point
 * @syncobj:	held by the caller
 * @point:	0 is any fence
 *
 * Context: any in which the last reference to a fence may be dropped.
 * Return: the fence, referenced; NULL if the point has not been submitted.
 */
struct dma_fence *syncobj_point_get(struct drm_syncobj *syncobj, u64 point)
{
	struct dma_fence *fence = drm_syncobj_fence_get(syncobj);

	if (!fence)
		return NULL;

	if (dma_fence_chain_find_seqno(&fence, point)) {
		dma_fence_put(fence);
		return NULL;
	}
	/* A point that has signalled and been collapsed has no fence left. */
	return fence ?: dma_fence_get_stub();
}

/**
 * syncobj_chain_alloc() - memory for one point
 *
 * As dma_fence_chain_alloc(), but charged to the caller's memory cgroup: one
 * fence that does not signal keeps all points behind it in memory.
 *
 * Context: process, may sleep.
 * Return: the node, for drm_syncobj_add_point() or dma_fence_chain_free();
 * or NULL.
 */
struct dma_fence_chain *syncobj_chain_alloc(void)
{
	return kmalloc(sizeof(struct dma_fence_chain), GFP_KERNEL_ACCOUNT);
}

/*
 * A chain may not become a link of another: it is replaced by the fences that
 * it stands for. Other fences stay as they are, so that their error does. So
 * does the fence of a point that all has signalled up to: merging leaves out
 * what has signalled, its error with it.
 */
static struct dma_fence *syncobj_fence_flatten(struct dma_fence *fence)
{
	struct dma_fence *last = dma_fence_chain_contained(fence);

	if (!to_dma_fence_chain(last) &&
	    (last == fence || dma_fence_is_signaled(fence)))
		return dma_fence_get(last);
	return dma_fence_unwrap_merge(fence);
}

/**
 * syncobj_chain_add() - add a point, and serve the watches that it meets
 * @syncobj:	held by the caller
 * @chain:	from syncobj_chain_alloc(), consumed
 * @fence:	of the point, no chain; gains a reference
 * @point:	to add
 *
 * If a client of DRM's has just added a lower point of which the notifier knows, it is
 * the notifier that serves this one as well.
 *
 * Context: process, may sleep.
 */
void syncobj_chain_add(struct drm_syncobj *syncobj,
		       struct dma_fence_chain *chain, struct dma_fence *fence,
		       u64 point)
{
	struct syncobj_watch_set *set = NULL;

	/*
	 * Who waits is on this list: it is not worth a search for a set, beside
	 * thousands of others, if nobody does. Whoever comes in between is woken by
	 * DRM. Adding takes nothing away that a watch could miss.
	 */
	if (!list_empty(&syncobj->cb_list))
		set = syncobj_watch_hold(syncobj);

	drm_syncobj_add_point(syncobj, chain, fence, point);
	if (set)
		syncobj_watch_serve(set);
}

static int syncobj_point_add(struct drm_syncobj *syncobj, u64 point,
			     struct dma_fence *fence)
{
	struct dma_fence_chain *chain;
	struct dma_fence *flat;

	flat = syncobj_fence_flatten(fence);
	if (!flat)
		return -ENOMEM;

	chain = syncobj_chain_alloc();
	if (chain)
		syncobj_chain_add(syncobj, chain, flat, point);
	dma_fence_put(flat);
	return chain ? 0 : -ENOMEM;
}

/**
 * syncobj_fence_replace() - replace a syncobj's fence
 * @syncobj:	held by the caller
 * @fence:	gains a reference; NULL for none
 *
 * Context: process, may sleep.
 */
void syncobj_fence_replace(struct drm_syncobj *syncobj,
			   struct dma_fence *fence)
{
	/* Nor is the fence that goes missed by a watch. */
	struct syncobj_watch_set *set = syncobj_watch_hold(syncobj);

	drm_syncobj_replace_fence(syncobj, fence);
	if (set)
		syncobj_watch_serve(set);
}

/**
 * syncobj_point_set() - give a syncobj a fence
 * @syncobj:	held by the caller
 * @point:	the point to add; 0 replaces the fence instead
 * @fence:	gains a reference
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int syncobj_point_set(struct drm_syncobj *syncobj, u64 point,
		      struct dma_fence *fence)
{
	if (!point) {
		syncobj_fence_replace(syncobj, fence);
		return 0;
	}
	return syncobj_point_add(syncobj, point, fence);
}

/**
 * syncobj_publish_fd() - give the caller a file as a new fd
 * @file:	consumed, also on an error; an ERR_PTR is passed on
 * @out:	where the fd goes
 *
 * The fd is close-on-exec, and not visible to the process before @out has
 * been written.
 *
 * Context: process, may sleep.
 * Return: 0, -EMFILE, -EFAULT, or the error in @file.
 */
int syncobj_publish_fd(struct file *file, __s32 __user *out)
{
	int fd;

	if (IS_ERR(file))
		return PTR_ERR(file);

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		fput(file);
		return fd;
	}
	if (put_user(fd, out)) {
		put_unused_fd(fd);
		fput(file);
		return -EFAULT;
	}
	fd_install(fd, file);
	return 0;
}
