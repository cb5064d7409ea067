// SPDX-License-Identifier: GPL-2.0-only
/*
 * PRIME_INFO: whose a dma-buf is, and whether an import can make it move.
 *
 * Nothing is attached to find out: i915 moves an object when somebody attaches,
 * amdgpu wakes its device up. What is looked at are facts that hold as long as the
 * dma-buf is there. Whatever is not known counts as able to move.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_shmem_helper.h>
#include <drm/drm_prime.h>

#include <bufsync/args.h>

#include "drm_gem_ctl_private.h"
#include "prime_member.h"

/*
 * Drivers that export GEM objects and nothing else, but whose release() is a
 * function of their own, around drm_gem_dmabuf_release(): 7.3.
 */
static const char * const gemctl_wrappers[] = { "xe", "msm", "tegra_drm" };

/*
 * Exporters of system memory that never moves, by the names that they export by. The
 * kernel's own may be modules or built in.
 */
static const struct {
	const char *name;
	const char *module;
	bool built_in;
} gemctl_memory[] = {
	{ "udmabuf", "udmabuf", true },
	{ "system", "system_heap", true },
	{ "system_cc_shared", "system_heap", true },
	{ "reserved", "cma_heap", true },
	{ "linux,cma", "cma_heap", true },
	{ "default_cma_region", "cma_heap", true },
	{ "memcg", "dma_heap_memcg", false },
};

static bool gemctl_owner_is(const struct dma_buf *dmabuf, const char *name)
{
	return dmabuf->owner && !strcmp(module_name(dmabuf->owner), name);
}

/* The GEM object behind a dma-buf, which holds it; NULL if none is known */
static struct drm_gem_object *
gemctl_dmabuf_object(const struct dma_buf *dmabuf)
{
	size_t i;

	/* It takes the dma-buf's private data for a GEM object. */
	if (dmabuf->ops->release == drm_gem_dmabuf_release)
		return dmabuf->priv;
	for (i = 0; i < ARRAY_SIZE(gemctl_wrappers); i++)
		if (gemctl_owner_is(dmabuf, gemctl_wrappers[i]))
			return dmabuf->priv;
	return NULL;
}

static bool gemctl_dmabuf_is_memory(const struct dma_buf *dmabuf)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(gemctl_memory); i++)
		if (!strcmp(dmabuf->exp_name, gemctl_memory[i].name) &&
		    (dmabuf->owner ?
		     gemctl_owner_is(dmabuf, gemctl_memory[i].module) :
		     gemctl_memory[i].built_in))
			return true;
	return false;
}

/*
 * Can an object's memory be nothing but system memory? It is if it is that of the
 * helper for objects in shared memory. That it has a file for its pages says
 * nothing: drivers whose objects live in the device's own memory have one too.
 */
static bool gemctl_object_is_system_only(const struct drm_gem_object *obj)
{
	return bufsync_gem_is_shmem(obj) && !obj->import_attach;
}

/**
 * gemctl_known_handle() - the handle that a file has of a dma-buf
 * @priv:	the DRM file
 * @dmabuf:	held
 * @handle:	set to the handle, or 0
 *
 * Context: process, may sleep.
 * Return: 0; what gemctl_prime_check() returns.
 */
int gemctl_known_handle(struct drm_file *priv, const struct dma_buf *dmabuf,
			u32 *handle)
{
	struct drm_prime_member *member;
	int ret;

	guard(mutex)(&priv->prime.lock);
	ret = gemctl_prime_check(priv);
	if (ret)
		return ret;
	member = gemctl_prime_find(priv, dmabuf);
	*handle = member ? gemctl_prime_handle(member) : 0;
	return 0;
}

/**
 * gemctl_class() - what importing a dma-buf means for its memory
 * @priv:	the DRM file
 * @dmabuf:	held
 * @handle:	set to the handle that the file has of it, or 0
 *
 * Context: process, may sleep.
 * Return: DRM_GEM_CTL_CLASS_*; what gemctl_prime_check() returns.
 */
int gemctl_class(struct drm_file *priv, const struct dma_buf *dmabuf,
		 u32 *handle)
{
	struct drm_gem_object *obj;
	int ret;

	ret = gemctl_known_handle(priv, dmabuf, handle);
	if (ret)
		return ret;
	if (*handle)
		return DRM_GEM_CTL_CLASS_ALREADY;

	obj = gemctl_dmabuf_object(dmabuf);
	if (!obj)
		return gemctl_dmabuf_is_memory(dmabuf) ?
		       DRM_GEM_CTL_CLASS_SYSTEM_ONLY :
		       DRM_GEM_CTL_CLASS_UNKNOWN;
	if (obj->dev == priv->minor->dev)
		return DRM_GEM_CTL_CLASS_SAME_DEVICE;
	return gemctl_object_is_system_only(obj) ?
	       DRM_GEM_CTL_CLASS_SYSTEM_ONLY : DRM_GEM_CTL_CLASS_FOREIGN;
}

static void gemctl_node(const struct drm_minor *minor, u32 *major, u32 *number)
{
	if (!minor || !minor->kdev)
		return;
	*major = MAJOR(minor->kdev->devt);
	*number = MINOR(minor->kdev->devt);
}

static int gemctl_prime_info(struct gemctl_file *file,
			     struct drm_gem_ctl_prime_info_args *args)
{
	struct dma_buf *dmabuf = dma_buf_get(args->dmabuf_fd);
	struct drm_gem_object *obj;
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = gemctl_class(file->priv, dmabuf, &args->out_handle);
	if (ret < 0)
		goto put;
	args->out_class = ret;
	args->out_ino = file_inode(dmabuf->file)->i_ino;
	args->out_size = dmabuf->size;
	strscpy(args->out_exporter, dmabuf->exp_name,
		sizeof(args->out_exporter));
	obj = gemctl_dmabuf_object(dmabuf);
	if (obj) {
		gemctl_node(obj->dev->primary, &args->out_primary_major,
			    &args->out_primary_minor);
		gemctl_node(obj->dev->render, &args->out_render_major,
			    &args->out_render_minor);
		strscpy(args->out_driver, obj->dev->driver->name,
			sizeof(args->out_driver));
	}
	ret = 0;
put:
	dma_buf_put(dmabuf);
	return ret;
}

/**
 * gemctl_prime_info_ioctl() - DRM_GEM_CTL_IOC_PRIME_INFO
 * @argp: struct drm_gem_ctl_prime_info_args
 *
 * Return: 0 or an error that the header names.
 */
int gemctl_prime_info_ioctl(void __user *argp)
{
	struct drm_gem_ctl_prime_info_args in, args;
	struct gemctl_file file;
	int usize, ret;

	usize = bufsync_copy_sized(&in, argp, sizeof(in),
				   offsetofend(typeof(in), out_exporter));
	if (usize < 0)
		return usize;
	if (in.flags)
		return -EINVAL;
	ret = gemctl_file_get(&file, in.drm_fd);
	if (ret)
		return ret;
	args = (struct drm_gem_ctl_prime_info_args) {
		.size = in.size,
		.drm_fd = in.drm_fd,
		.dmabuf_fd = in.dmabuf_fd,
	};
	ret = gemctl_prime_info(&file, &args);
	gemctl_file_put(&file);
	if (ret)
		return ret;
	return copy_to_user(argp, &args, min_t(size_t, usize, sizeof(args))) ?
	       -EFAULT : 0;
}
