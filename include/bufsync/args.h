/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arguments of ioctls: structs that begin with their size.
 */
#ifndef _BUFSYNC_ARGS_H
#define _BUFSYNC_ARGS_H

#include <linux/mm.h>
#include <linux/types.h>
#include <linux/uaccess.h>

/**
 * bufsync_copy_sized() - copy a struct that begins with its size
 * @dst:	@ksize bytes
 * @src:	user address of the struct; its first __u32 is its size
 * @ksize:	the size that the module knows
 * @min:	the smallest size ever valid
 *
 * Fields that the caller's size does not cover become zero.
 *
 * Context: process, may sleep.
 * Return: the caller's size; -EFAULT; -EINVAL if it is below @min; -E2BIG if
 * it is above @ksize and the bytes there are not zero, or absurdly large.
 */
static inline int bufsync_copy_sized(void *dst, void __user *src, size_t ksize,
				     size_t min)
{
	u32 usize;
	int ret;

	if (get_user(usize, (u32 __user *)src))
		return -EFAULT;
	if (usize < min)
		return -EINVAL;
	if (usize > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(dst, ksize, src, usize);
	return ret ?: usize;
}

#endif /* _BUFSYNC_ARGS_H */
