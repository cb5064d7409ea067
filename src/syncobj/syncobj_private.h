/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of this module share.
 *
 * Who holds whom: a syncobj file and a DRM handle hold the syncobj, the
 * syncobj holds its fence. A call holds its syncobjs through their files. Only
 * watches (watch.c) hold syncobjs beyond a call.
 *
 * Locks, outermost first:
 *
 *   syncobj_watch_lock (watch.c)	mutex
 *     &drm_syncobj.lock		spinlock, process context only
 *     dma_fence lock			spinlock, any context
 *       eventfd's wait queue lock	spinlock, any context
 */
#ifndef _SYNCOBJ_PRIVATE_H
#define _SYNCOBJ_PRIVATE_H

#include <linux/dma-fence-chain.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/types.h>
#include <drm/drm_syncobj.h>

#include <linux/syncobj.h>

#define SYNCOBJ_WAIT_FLAGS_ALL		(SYNCOBJ_WAIT_FLAGS_WAIT_ALL | \
					 SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT | \
					 SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE | \
					 SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE)
#define SYNCOBJ_CREATE_FLAGS_ALL	SYNCOBJ_CREATE_SIGNALED
#define SYNCOBJ_QUERY_FLAGS_ALL		SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED
#define SYNCOBJ_TRANSFER_FLAGS_ALL	SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT
#define SYNCOBJ_EVENTFD_FLAGS_ALL	SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE
#define SYNCOBJ_CANCEL_FLAGS_ALL	SYNCOBJ_CANCEL_FLAGS_ANY_POINT

#ifdef BUFSYNC_HAVE_FENCE_DEADLINE
#define SYNCOBJ_FEATURES_KERNEL		SYNCOBJ_FEATURE_DEADLINE
#else
#define SYNCOBJ_FEATURES_KERNEL		0
#endif
#define SYNCOBJ_FEATURES_ALL		(SYNCOBJ_FEATURE_EVENTFD_BATCH | \
					 SYNCOBJ_FEATURE_EVENTFD_CANCEL | \
					 SYNCOBJ_FEATURE_STATUS | \
					 SYNCOBJ_FEATURES_KERNEL)

/* Calls with up to this many entries allocate nothing for their arrays. */
#define SYNCOBJ_INLINE_COUNT		8

/**
 * struct syncobj_array - the syncobjs and points of one call
 * @count:	entries
 * @fds:	@count referenced fds, all of them syncobjs
 * @points:	@count points, or NULL: point 0 for all
 * @inline_fds:	storage of @fds for small calls
 * @inline_points: storage of @points for small calls
 */
struct syncobj_array {
	u32 count;
	struct fd *fds;
	u64 *points;
	struct fd inline_fds[SYNCOBJ_INLINE_COUNT];
	u64 inline_points[SYNCOBJ_INLINE_COUNT];
};

/* lookup.c */
int syncobj_lookup_init(void);
struct drm_syncobj *syncobj_from_fd(struct fd f);
struct file *syncobj_file_create(struct drm_syncobj *syncobj);

/* args.c */
int syncobj_array_get(struct syncobj_array *array, u64 fds, u32 count);
int syncobj_array_get_points(struct syncobj_array *array, u64 points);
void syncobj_array_put(struct syncobj_array *array);

static inline struct drm_syncobj *
syncobj_array_obj(const struct syncobj_array *array, u32 i)
{
	return fd_file(array->fds[i])->private_data;
}

static inline u64 syncobj_array_point(const struct syncobj_array *array, u32 i)
{
	return array->points ? array->points[i] : 0;
}

/* point.c */
struct dma_fence *syncobj_point_get(struct drm_syncobj *syncobj, u64 point);
struct dma_fence_chain *syncobj_chain_alloc(void);
void syncobj_chain_add(struct drm_syncobj *syncobj,
		       struct dma_fence_chain *chain, struct dma_fence *fence,
		       u64 point);
void syncobj_fence_replace(struct drm_syncobj *syncobj,
			   struct dma_fence *fence);
int syncobj_point_set(struct drm_syncobj *syncobj, u64 point,
		      struct dma_fence *fence);
int syncobj_publish_fd(struct file *file, __s32 __user *out);

/* The ioctls, each in the file of its subject; see main.c. */
int syncobj_create_ioctl(void __user *argp);
int syncobj_wait_ioctl(void __user *argp);
int syncobj_reset_ioctl(void __user *argp);
int syncobj_signal_ioctl(void __user *argp);
int syncobj_query_ioctl(void __user *argp);
int syncobj_transfer_ioctl(void __user *argp);
int syncobj_eventfd_ioctl(void __user *argp);
int syncobj_export_sync_file_ioctl(void __user *argp);
int syncobj_import_sync_file_ioctl(void __user *argp);
int syncobj_caps_ioctl(void __user *argp);
int syncobj_eventfd_batch_ioctl(void __user *argp);
int syncobj_eventfd_cancel_ioctl(void __user *argp);
int syncobj_status_ioctl(void __user *argp);

#endif /* _SYNCOBJ_PRIVATE_H */
