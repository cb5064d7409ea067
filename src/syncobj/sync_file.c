// SPDX-License-Identifier: GPL-2.0-only
/*
 * EXPORT_SYNC_FILE and IMPORT_SYNC_FILE: one fence to and from a sync_file.
 */
#include <linux/dma-fence.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/sync_file.h>
#include <linux/uaccess.h>

#include "syncobj_private.h"

/**
 * syncobj_export_sync_file_ioctl() - SYNCOBJ_IOC_EXPORT_SYNC_FILE
 * @argp: struct syncobj_sync_file_args
 *
 * A point without a fence is refused, not waited for: a sync_file may end up
 * where the kernel waits for it, and user space must not be able to hold that
 * up.
 *
 * Return: 0 or an error that the header names.
 */
int syncobj_export_sync_file_ioctl(void __user *argp)
{
	struct syncobj_sync_file_args __user *uargs = argp;
	struct syncobj_sync_file_args args;
	struct drm_syncobj *syncobj;
	struct sync_file *sync_file;
	struct dma_fence *fence;

	if (copy_from_user(&args, uargs, sizeof(args)))
		return -EFAULT;

	CLASS(fd, f)(args.syncobj_fd);
	syncobj = syncobj_from_fd(f);
	if (!syncobj)
		return -EBADF;

	fence = syncobj_point_get(syncobj, args.point);
	if (!fence)
		return -EINVAL;
	sync_file = sync_file_create(fence);
	dma_fence_put(fence);
	if (!sync_file)
		return -ENOMEM;

	return syncobj_publish_fd(sync_file->file, &uargs->sync_file_fd);
}

/**
 * syncobj_import_sync_file_ioctl() - SYNCOBJ_IOC_IMPORT_SYNC_FILE
 * @argp: struct syncobj_sync_file_args
 *
 * Return: 0 or an error that the header names.
 */
int syncobj_import_sync_file_ioctl(void __user *argp)
{
	struct syncobj_sync_file_args args;
	struct drm_syncobj *syncobj;
	struct dma_fence *fence;
	int ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;

	CLASS(fd, f)(args.syncobj_fd);
	syncobj = syncobj_from_fd(f);
	if (!syncobj)
		return -EBADF;

	fence = sync_file_get_fence(args.sync_file_fd);
	if (!fence)
		return -EINVAL;

	ret = syncobj_point_set(syncobj, args.point, fence);
	dma_fence_put(fence);
	return ret;
}
