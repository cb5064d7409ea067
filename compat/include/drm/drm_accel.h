/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Accelerators have nodes of their own since 6.2.
 */
#ifndef _BUFSYNC_COMPAT_DRM_DRM_ACCEL_H
#define _BUFSYNC_COMPAT_DRM_DRM_ACCEL_H

#include <linux/fs.h>

#ifdef BUFSYNC_HAVE_ACCEL
#include_next <drm/drm_accel.h>

static inline bool bufsync_file_is_accel(struct file *file)
{
	return file->f_op->open == accel_open;
}
#else
static inline bool bufsync_file_is_accel(struct file *file)
{
	return false;
}
#endif

#endif /* _BUFSYNC_COMPAT_DRM_DRM_ACCEL_H */
