/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What virtio-gpu locks together: a copy of its private struct
 * virtio_gpu_object_array, the same from 6.1 to 7.3.
 */
#ifndef _VGRF_ARRAY_H
#define _VGRF_ARRAY_H

#include <linux/types.h>
#include <linux/list.h>
#include <linux/ww_mutex.h>

struct drm_gem_object;

struct vgrf_array {
	struct ww_acquire_ctx ticket;
	struct list_head next;
	u32 nents;
	u32 total;
	struct drm_gem_object *objs[];
};

typedef int (*vgrf_lock_fn)(struct vgrf_array *array);

const char *vgrf_array_wrong(void);
int vgrf_array_lock(struct vgrf_array *array);
int vgrf_array_selftest(vgrf_lock_fn lock);

#endif /* _VGRF_ARRAY_H */
