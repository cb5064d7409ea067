/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Drivers can tell whether an object is resident or purgeable since 6.5.
 */
#ifndef _BUFSYNC_COMPAT_DRM_DRM_GEM_H
#define _BUFSYNC_COMPAT_DRM_DRM_GEM_H

#include_next <drm/drm_gem.h>

#ifdef BUFSYNC_HAVE_GEM_STATUS
#define BUFSYNC_GEM_TELLS_STATUS	true
#define BUFSYNC_GEM_RESIDENT		DRM_GEM_OBJECT_RESIDENT
#define BUFSYNC_GEM_PURGEABLE		DRM_GEM_OBJECT_PURGEABLE
#else
#define BUFSYNC_GEM_TELLS_STATUS	false
#define BUFSYNC_GEM_RESIDENT		BIT(0)
#define BUFSYNC_GEM_PURGEABLE		BIT(1)
#endif

/* Of an object that has a handle: DRM has asked its funcs already. */
static inline bool bufsync_gem_has_status(const struct drm_gem_object *obj)
{
#ifdef BUFSYNC_HAVE_GEM_STATUS
	return obj->funcs->status;
#else
	return false;
#endif
}

/* If it has one. Under the table_lock of a file that has it, as for fdinfo. */
static inline int bufsync_gem_status(struct drm_gem_object *obj)
{
#ifdef BUFSYNC_HAVE_GEM_STATUS
	return obj->funcs->status(obj);
#else
	return 0;
#endif
}

#endif /* _BUFSYNC_COMPAT_DRM_DRM_GEM_H */
