// SPDX-License-Identifier: GPL-2.0-only
/*
 * IMPORT_NO_MOVE: an import that moves no memory, or none at all.
 *
 * Between the question and the import nothing can change the answer: the classes
 * for which there is an import hold as long as the dma-buf exists. ALREADY does not:
 * another thread may close that handle at any time, and an import would then attach
 * to whatever it is. So there is none, the handle that was found is the answer.
 *
 * DRM's import takes an fd, which another thread may have given another dma-buf by
 * then. That cannot be kept from happening, only told.
 *
 * The import is within drm_dev_enter(), as all of a call is. DRM's own is not, which
 * only looks beforehand whether the device is there: so there is no need. Nor is there
 * harm: what it waits for are fences and locks of drivers, which come to an end by
 * themselves, and no driver unplugs a device from within one.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/uaccess.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_prime.h>

#include <bufsync/args.h>

#include "drm_gem_ctl_private.h"

/* Is @handle what this dma-buf, and no other, has been imported as? */
static int gemctl_imported_as(struct drm_file *priv,
			      const struct dma_buf *dmabuf, u32 handle)
{
	u32 known;
	int ret = gemctl_known_handle(priv, dmabuf, &known);

	if (ret)
		return ret;
	return known == handle ? 0 : -ESTALE;
}

static int gemctl_import(struct gemctl_file *file,
			 struct drm_gem_ctl_import_args *args)
{
	struct drm_file *priv = file->priv;
	struct dma_buf *dmabuf = dma_buf_get(args->dmabuf_fd);
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = gemctl_class(priv, dmabuf, &args->out_handle);
	if (ret < 0)
		goto put;
	args->out_class = ret;
	switch (ret) {
	case DRM_GEM_CTL_CLASS_ALREADY:
		ret = 0;
		break;
	case DRM_GEM_CTL_CLASS_SAME_DEVICE:
	case DRM_GEM_CTL_CLASS_SYSTEM_ONLY:
		ret = bufsync_prime_fd_to_handle(priv->minor->dev, priv,
						 args->dmabuf_fd,
						 &args->out_handle);
		if (!ret)
			ret = gemctl_imported_as(priv, dmabuf,
						 args->out_handle);
		break;
	case DRM_GEM_CTL_CLASS_FOREIGN:
		ret = -EXDEV;
		break;
	default:
		ret = -EOPNOTSUPP;
	}
put:
	dma_buf_put(dmabuf);
	return ret;
}

/**
 * gemctl_import_ioctl() - DRM_GEM_CTL_IOC_IMPORT_NO_MOVE
 * @argp: struct drm_gem_ctl_import_args
 *
 * Return: 0 or an error that the header names.
 */
int gemctl_import_ioctl(void __user *argp)
{
	struct drm_gem_ctl_import_args args;
	struct gemctl_file file;
	int usize, ret;
	size_t size;

	usize = bufsync_copy_sized(&args, argp, sizeof(args),
				   offsetofend(typeof(args), out_class));
	if (usize < 0)
		return usize;
	if (args.flags)
		return -EINVAL;
	/* A handle that nobody can be told of would stay until the file is closed. */
	args.out_handle = 0;
	args.out_class = 0;
	size = min_t(size_t, usize, sizeof(args));
	if (copy_to_user(argp, &args, size))
		return -EFAULT;
	ret = gemctl_file_get(&file, args.drm_fd);
	if (ret)
		return ret;
	ret = gemctl_import(&file, &args);
	gemctl_file_put(&file);
	return copy_to_user(argp, &args, size) ? -EFAULT : ret;
}
