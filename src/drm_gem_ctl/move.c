// SPDX-License-Identifier: GPL-2.0-only
/*
 * MOVE: an object gets another handle.
 *
 * The object is not opened under the new handle and closed under the old one, which
 * would give it two handles or none for a while, and could fail half-way. Its place
 * in the two records of the file is changed, and nothing else: the table of handles,
 * and the member of the dma-buf, if it has one here. Only the first of these steps
 * can fail.
 *
 * Whoever races with that: a close has taken the object out of the table, before
 * that it is found here, after that it is not. Exports and imports are all under
 * prime.lock. Everybody else reads the table under table_lock.
 */
#include <linux/capability.h>
#include <linux/gfp.h>
#include <linux/idr.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/user_namespace.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include <bufsync/args.h>

#include "drm_gem_ctl_private.h"
#include "prime_member.h"

/*
 * Drivers whose objects' state does not depend on the handle. Those that are known
 * to remember objects by handle are refused whatever the parameter says: i915 in its
 * contexts, vmwgfx in TTM.
 */
static char gemctl_drivers[sizeof_field(struct drm_gem_ctl_caps, out_drivers)] =
	"amdgpu,vgem,virtio_gpu";
module_param_string(move_drivers, gemctl_drivers, sizeof(gemctl_drivers), 0444);
MODULE_PARM_DESC(move_drivers,
		 "drivers whose handles MOVE may change, by their DRM names (default amdgpu,vgem,virtio_gpu)");

static bool gemctl_allow_untested;
module_param_named(allow_untested, gemctl_allow_untested, bool, 0444);
MODULE_PARM_DESC(allow_untested,
		 "work on a kernel newer than this module knows (default no)");

static const char * const gemctl_by_handle[] = { "i915", "vmwgfx" };

/**
 * gemctl_kernel_known() - has somebody looked whether DRM's members are as known?
 *
 * Context: any.
 * Return: false if this kernel is newer, and nobody has said that it is to be tried.
 */
bool gemctl_kernel_known(void)
{
#ifdef BUFSYNC_HAVE_DRM_KNOWN
	return true;
#else
	return gemctl_allow_untested;
#endif
}

/**
 * gemctl_move_drivers() - whose handles MOVE may change
 *
 * Context: any.
 * Return: names, separated by commas.
 */
const char *gemctl_move_drivers(void)
{
	return gemctl_drivers;
}

static bool gemctl_driver_allowed(const char *name)
{
	size_t len = strlen(name), n, i;
	const char *at;

	for (i = 0; i < ARRAY_SIZE(gemctl_by_handle); i++)
		if (!strcmp(name, gemctl_by_handle[i]))
			return false;
	for (at = gemctl_drivers; *at; at += n + (at[n] == ',')) {
		n = strcspn(at, ",");
		if (n == len && !strncmp(at, name, n))
			return true;
	}
	return false;
}

/* The member of @handle, if there is one */
static struct drm_prime_member *gemctl_member(struct drm_file *priv, u32 handle)
{
	struct drm_prime_member *member = gemctl_prime_first(priv, handle);

	return member && gemctl_prime_handle(member) == handle ? member : NULL;
}

static int gemctl_move_locked(struct drm_file *priv, u32 handle, u32 new_handle)
{
	struct drm_prime_member *member;
	struct drm_gem_object *obj;
	int ret;

	lockdep_assert_held(&priv->prime.lock);
	lockdep_assert_held(&priv->table_lock);

	obj = idr_find(&priv->object_idr, handle);
	if (!obj)
		return -ENOENT;
	member = gemctl_member(priv, handle);
	if (!gemctl_prime_sound(priv, member, handle, obj))
		return -EUCLEAN;
	if (handle == new_handle)
		return 0;
	ret = idr_alloc(&priv->object_idr, obj, new_handle, new_handle + 1,
			GFP_NOWAIT);
	if (ret < 0)
		return ret == -ENOSPC ? -EEXIST : ret;

	idr_remove(&priv->object_idr, handle);
	if (member)
		gemctl_prime_rekey(priv, member, new_handle);
	return 0;
}

static int gemctl_move(struct drm_file *priv, u32 handle, u32 new_handle)
{
	int ret;

	guard(mutex)(&priv->prime.lock);
	ret = gemctl_prime_check(priv);
	if (ret)
		return ret;
	idr_preload(GFP_KERNEL);
	spin_lock(&priv->table_lock);
	ret = gemctl_move_locked(priv, handle, new_handle);
	spin_unlock(&priv->table_lock);
	idr_preload_end();
	return ret;
}

static bool gemctl_handle_valid(u32 handle)
{
	return handle && handle <= DRM_GEM_CTL_MAX_HANDLE;
}

/**
 * gemctl_move_ioctl() - DRM_GEM_CTL_IOC_MOVE
 * @argp: struct drm_gem_ctl_move_args
 *
 * Return: 0 or an error that the header names.
 */
int gemctl_move_ioctl(void __user *argp)
{
	struct drm_gem_ctl_move_args args;
	struct gemctl_file file;
	int ret;

	ret = bufsync_copy_sized(&args, argp, sizeof(args),
				 offsetofend(typeof(args), pad));
	if (ret < 0)
		return ret;
	if (args.flags || args.pad)
		return -EINVAL;
	/* Whoever restores processes has it; nobody else has a use for this. */
	if (!checkpoint_restore_ns_capable(&init_user_ns))
		return -EPERM;
	ret = gemctl_file_get(&file, args.drm_fd);
	if (ret)
		return ret;

	ret = -EOPNOTSUPP;
	if (!gemctl_kernel_known() ||
	    !gemctl_driver_allowed(file.priv->minor->dev->driver->name))
		goto put;
	ret = -EINVAL;
	if (!gemctl_handle_valid(args.handle) ||
	    !gemctl_handle_valid(args.new_handle))
		goto put;
	ret = gemctl_move(file.priv, args.handle, args.new_handle);
put:
	gemctl_file_put(&file);
	return ret;
}
