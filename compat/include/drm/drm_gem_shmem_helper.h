/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The helper for objects in shared memory may not be configured.
 */
#ifndef _BUFSYNC_COMPAT_DRM_DRM_GEM_SHMEM_HELPER_H
#define _BUFSYNC_COMPAT_DRM_DRM_GEM_SHMEM_HELPER_H

#ifdef BUFSYNC_HAVE_GEM_SHMEM
#include_next <drm/drm_gem_shmem_helper.h>

/* Of an object that has, or had, a handle: DRM has asked its funcs already. */
static inline bool bufsync_gem_is_shmem(const struct drm_gem_object *obj)
{
	return obj->funcs->vm_ops == &drm_gem_shmem_vm_ops;
}
#else
#include <drm/drm_gem.h>

static inline bool bufsync_gem_is_shmem(const struct drm_gem_object *obj)
{
	return false;
}
#endif

#endif /* _BUFSYNC_COMPAT_DRM_DRM_GEM_SHMEM_HELPER_H */
