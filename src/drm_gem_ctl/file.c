// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an fd to DRM's own record of an open file.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <drm/drm_accel.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "drm_gem_ctl_private.h"

/*
 * Every DRM driver's files are opened by drm_open(), which leaves its record in
 * the file; ioctls are wrapped by some, so they do not tell. The record points
 * back.
 */
static struct drm_file *gemctl_to_drm_file(struct file *file)
{
	struct drm_file *priv = file->private_data;

	if (file->f_op->open != drm_open || !priv || priv->filp != file)
		return NULL;
	return priv;
}

/**
 * gemctl_file_get() - begin to work with a DRM file
 * @file:	to fill; gemctl_file_put() ends its use, after a success only
 * @fd:		the caller's
 *
 * Until then the device is not taken apart, even if it is gone, nor any other DRM
 * device of the machine: drm_dev_unplug() waits for all. So memory of user space,
 * which may have to be waited for as long as somebody likes, is not touched meanwhile.
 *
 * Context: process.
 * Return: 0; -EBADF; -ENOTTY if it is no DRM file; -EOPNOTSUPP for an accelerator
 * and for a driver without GEM; -ENODEV for a device that has been unplugged.
 */
int gemctl_file_get(struct gemctl_file *file, int fd)
{
	int ret;

	file->fd = fdget(fd);
	if (fd_empty(file->fd))
		return -EBADF;

	ret = -EOPNOTSUPP;
	if (bufsync_file_is_accel(fd_file(file->fd)))
		goto put;
	ret = -ENOTTY;
	file->priv = gemctl_to_drm_file(fd_file(file->fd));
	if (!file->priv)
		goto put;
	ret = -EOPNOTSUPP;
	if (!drm_core_check_feature(file->priv->minor->dev, DRIVER_GEM))
		goto put;
	ret = -ENODEV;
	if (!drm_dev_enter(file->priv->minor->dev, &file->srcu))
		goto put;
	return 0;

put:
	fdput(file->fd);
	return ret;
}

/**
 * gemctl_file_put() - end what gemctl_file_get() began
 * @file:	filled by it
 *
 * Context: process, may sleep.
 */
void gemctl_file_put(struct gemctl_file *file)
{
	drm_dev_exit(file->srcu);
	fdput(file->fd);
}
