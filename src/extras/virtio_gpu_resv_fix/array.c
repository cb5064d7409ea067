// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locking what a command of virtio-gpu's refers to, and the proof that the copy
 * of its struct is right.
 */
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <drm/drm_gem.h>

#include "array.h"
#include "vgrf_kernel.h"

/**
 * vgrf_array_wrong() - does the kernel's type information contradict the copy?
 *
 * Return: what it says otherwise, or NULL; also if there was none at the build.
 */
const char *vgrf_array_wrong(void)
{
#ifdef VGRF_BTF_SIZE
	if (sizeof(struct vgrf_array) != VGRF_BTF_SIZE)
		return "size";
	if (8 * offsetof(struct vgrf_array, ticket) != VGRF_BTF_TICKET)
		return "ticket";
	if (8 * offsetof(struct vgrf_array, nents) != VGRF_BTF_NENTS)
		return "nents";
	if (8 * offsetof(struct vgrf_array, objs) != VGRF_BTF_OBJS)
		return "objs";
#endif
	return NULL;
}

/* With memory that is kept for emergencies, should there be no other */
static int vgrf_reserve(struct dma_resv *resv)
{
	unsigned int flags;
	int ret = dma_resv_reserve_fences(resv, 1);

	if (ret != -ENOMEM)
		return ret;
	flags = memalloc_noreclaim_save();
	ret = dma_resv_reserve_fences(resv, 1);
	memalloc_noreclaim_restore(flags);
	return ret;
}

/**
 * vgrf_array_lock() - lock all of an array and make room for a fence in each
 * @array:	of virtio-gpu's
 *
 * In place of virtio_gpu_array_lock_resv(). The updates of planes and cursors do
 * not look at what it returns, and go on as if they had the lock. They have one
 * object, so a signal must not keep that from them. Lists come from ioctls,
 * which look.
 *
 * Context: process, may sleep.
 * Return: 0; -EINTR for a list; -ENOMEM if there is no memory at all, which those
 * callers still do not look at. Nothing is held then.
 */
int vgrf_array_lock(struct vgrf_array *array)
{
	unsigned int i;
	int ret;

	if (array->nents == 1)
		ret = dma_resv_lock(array->objs[0]->resv, NULL);
	else
		ret = drm_gem_lock_reservations(array->objs, array->nents,
						&array->ticket);
	if (ret)
		return ret;

	for (i = 0; !ret && i < array->nents; i++)
		ret = vgrf_reserve(array->objs[i]->resv);
	if (!ret)
		return 0;

	if (array->nents == 1)
		dma_resv_unlock(array->objs[0]->resv);
	else
		drm_gem_unlock_reservations(array->objs, array->nents,
					    &array->ticket);
	return ret;
}

/* Objects of nobody's, and pointers to them */
#define VGRF_OBJECTS	4
#define VGRF_SLOTS	16

/*
 * All words behind the counts are such pointers, no two of those near each other
 * to the same object: a driver that looks some words further finds objects as
 * well, but others. One that looks for the counts further up finds zeros, which
 * is an empty list. A driver that has fewer words would follow a count; that is
 * what the type information is for.
 */
static void vgrf_fill(struct vgrf_array *array, struct drm_gem_object *objs)
{
	struct drm_gem_object **word = (void *)(&array->total + 1);
	int i;

	for (i = 0; i < VGRF_SLOTS; i++)
		word[i] = &objs[i % VGRF_OBJECTS];
}

static bool vgrf_prepared(struct drm_gem_object *obj)
{
	return dma_resv_is_locked(obj->resv) &&
	       rcu_access_pointer(obj->resv->fences);
}

/* One object: where nents and objs are. */
static bool vgrf_try_one(vgrf_lock_fn lock, struct vgrf_array *array)
{
	struct drm_gem_object *obj = array->objs[0];

	array->nents = 1;
	array->total = 1;
	if (lock(array))
		return false;
	if (!vgrf_prepared(obj))
		return false;
	dma_resv_unlock(obj->resv);
	return true;
}

/* Two: where the ticket is. */
static bool vgrf_try_two(vgrf_lock_fn lock, struct vgrf_array *array)
{
	bool right;

	array->nents = 2;
	array->total = 2;
	if (lock(array))
		return false;
	right = vgrf_prepared(array->objs[0]) &&
		vgrf_prepared(array->objs[1]) &&
		array->ticket.task == current && array->ticket.acquired == 2;
	if (right)
		drm_gem_unlock_reservations(array->objs, 2, &array->ticket);
	return right;
}

/**
 * vgrf_array_selftest() - does the driver see an array as this module does?
 * @lock:	the driver's own function, or this module's
 *
 * It is given arrays of objects that nobody else has.
 *
 * Context: process, may sleep; the driver's function is not patched.
 * Return: 0; -EINVAL if it does not; -ENOMEM.
 */
int vgrf_array_selftest(vgrf_lock_fn lock)
{
	struct drm_gem_object *objs;
	struct vgrf_array *array;
	int i, ret = -ENOMEM;

	array = kzalloc(struct_size(array, objs, VGRF_SLOTS), GFP_KERNEL);
	objs = kcalloc(VGRF_OBJECTS, sizeof(*objs), GFP_KERNEL);
	if (!array || !objs)
		goto free;

	for (i = 0; i < VGRF_OBJECTS; i++) {
		dma_resv_init(&objs[i]._resv);
		objs[i].resv = &objs[i]._resv;
	}
	vgrf_fill(array, objs);

	ret = vgrf_try_one(lock, array) && vgrf_try_two(lock, array) ?
	      0 : -EINVAL;
	/* What is still locked then, or was, must not be taken apart. */
	if (ret)
		return ret;
	for (i = 0; i < VGRF_OBJECTS; i++)
		dma_resv_fini(&objs[i]._resv);
free:
	kfree(objs);
	kfree(array);
	return ret;
}
