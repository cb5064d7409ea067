/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drivers could choose not to import dma-bufs before 6.6, by leaving the hook
 * empty. Since then it is a driver's own way of doing it, if it has one.
 */
#ifndef _BUFSYNC_COMPAT_DRM_DRM_PRIME_H
#define _BUFSYNC_COMPAT_DRM_DRM_PRIME_H

#include_next <drm/drm_prime.h>

#include <linux/errno.h>
#include <drm/drm_drv.h>

/* What DRM_IOCTL_PRIME_FD_TO_HANDLE does */
static inline int bufsync_prime_fd_to_handle(struct drm_device *dev,
					     struct drm_file *priv, int fd,
					     u32 *handle)
{
	if (dev->driver->prime_fd_to_handle)
		return dev->driver->prime_fd_to_handle(dev, priv, fd, handle);
#ifdef BUFSYNC_HAVE_GEM_PRIME_CHOSEN
	return -ENOSYS;
#else
	return drm_gem_prime_fd_to_handle(dev, priv, fd, handle);
#endif
}

#endif /* _BUFSYNC_COMPAT_DRM_DRM_PRIME_H */
