/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guards for two of DRM's locks that the kernel has none for, with a prefix, as
 * it may get some. What can fail is a class, whose state must be looked at:
 * Linux 6.1 has no conditional guards. (Before 6.1.82 it has none at all, and
 * compat/probes has the modules built as stubs.)
 *
 *	guard(bufsync_resv)(resv);
 *
 *	CLASS(bufsync_resv_intr, held)(resv);
 *	if (held.err)
 *		return held.err;
 */
#ifndef _BUFSYNC_GUARDS_H
#define _BUFSYNC_GUARDS_H

#include <linux/cleanup.h>
#include <linux/dma-resv.h>
#include <drm/drm_drv.h>

/* Without an acquire context the lock cannot be refused. */
DEFINE_LOCK_GUARD_1(bufsync_resv, struct dma_resv,
		    dma_resv_lock(_T->lock, NULL), dma_resv_unlock(_T->lock))

/* A reservation that a signal may have kept away: held if err is 0. */
struct bufsync_resv_intr {
	struct dma_resv *resv;
	int err;
};

static inline struct bufsync_resv_intr
bufsync_resv_intr_lock(struct dma_resv *resv)
{
	return (struct bufsync_resv_intr){
		.resv = resv,
		.err = dma_resv_lock_interruptible(resv, NULL),
	};
}

static inline void bufsync_resv_intr_unlock(struct bufsync_resv_intr *held)
{
	if (!held->err)
		dma_resv_unlock(held->resv);
}

DEFINE_CLASS(bufsync_resv_intr, struct bufsync_resv_intr,
	     bufsync_resv_intr_unlock(&_T),
	     bufsync_resv_intr_lock(resv), struct dma_resv *resv)

/* A device that may have been unplugged, or else is not within this scope. */
struct bufsync_drm_dev {
	bool entered;
	int srcu;
};

static inline struct bufsync_drm_dev
bufsync_drm_dev_enter(struct drm_device *drm)
{
	struct bufsync_drm_dev dev = { };

	dev.entered = drm_dev_enter(drm, &dev.srcu);
	return dev;
}

static inline void bufsync_drm_dev_exit(struct bufsync_drm_dev *dev)
{
	if (dev->entered)
		drm_dev_exit(dev->srcu);
}

DEFINE_CLASS(bufsync_drm_dev, struct bufsync_drm_dev,
	     bufsync_drm_dev_exit(&_T),
	     bufsync_drm_dev_enter(drm), struct drm_device *drm)

#endif /* _BUFSYNC_GUARDS_H */
