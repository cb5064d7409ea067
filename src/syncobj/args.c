// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arguments: arrays of fds and points.
 *
 * The fds are held with fdget(), which costs no atomic operation while the
 * caller's file table is not shared. That is allowed up to the end of the
 * call, also across sleeping.
 */
#include <linux/file.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "syncobj_private.h"

/**
 * syncobj_array_get() - look up all syncobjs of a call
 * @array:	to fill; syncobj_array_put() ends its use, after a success only
 * @fds:	user address of @count fds
 * @count:	entries, above 0
 *
 * Context: process, may sleep.
 * Return: 0; -EINVAL if @count is above SYNCOBJ_MAX_COUNT, -ENOMEM, -EFAULT,
 * -EBADF.
 */
int syncobj_array_get(struct syncobj_array *array, u64 fds, u32 count)
{
	__s32 __user *ufds = u64_to_user_ptr(fds);
	__s32 chunk[16];
	u32 i, j, n;

	if (count > SYNCOBJ_MAX_COUNT)
		return -EINVAL;

	array->count = 0;
	array->points = NULL;
	array->fds = array->inline_fds;
	if (count > SYNCOBJ_INLINE_COUNT) {
		array->fds = kvmalloc_array(count, sizeof(*array->fds),
					    GFP_KERNEL_ACCOUNT);
		if (!array->fds)
			return -ENOMEM;
	}

	for (i = 0; i < count; i += n) {
		n = min_t(u32, count - i, ARRAY_SIZE(chunk));
		if (copy_from_user(chunk, ufds + i, n * sizeof(*chunk))) {
			syncobj_array_put(array);
			return -EFAULT;
		}
		for (j = 0; j < n; j++) {
			struct fd f = fdget(chunk[j]);

			if (!syncobj_from_fd(f)) {
				fdput(f);
				syncobj_array_put(array);
				return -EBADF;
			}
			array->fds[array->count++] = f;
		}
	}
	return 0;
}

/**
 * syncobj_array_get_points() - copy the points of a call
 * @array:	filled by syncobj_array_get()
 * @points:	user address of as many points
 *
 * On an error the caller still owes syncobj_array_put().
 *
 * Context: process, may sleep.
 * Return: 0, -ENOMEM or -EFAULT.
 */
int syncobj_array_get_points(struct syncobj_array *array, u64 points)
{
	size_t bytes = array_size(array->count, sizeof(*array->points));

	array->points = array->inline_points;
	if (array->count > SYNCOBJ_INLINE_COUNT) {
		array->points = kvmalloc(bytes, GFP_KERNEL_ACCOUNT);
		if (!array->points)
			return -ENOMEM;
	}
	if (copy_from_user(array->points, u64_to_user_ptr(points), bytes))
		return -EFAULT;
	return 0;
}

/**
 * syncobj_array_put() - let go of a call's syncobjs
 * @array: filled by syncobj_array_get()
 *
 * Context: process, may sleep.
 */
void syncobj_array_put(struct syncobj_array *array)
{
	u32 i;

	for (i = 0; i < array->count; i++)
		fdput(array->fds[i]);
	if (array->fds != array->inline_fds)
		kvfree(array->fds);
	if (array->points != array->inline_points)
		kvfree(array->points);
}
