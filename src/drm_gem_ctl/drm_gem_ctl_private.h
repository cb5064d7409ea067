/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of this module share.
 *
 * Nothing here outlives a call: a call holds its DRM file, and by that the handles
 * and the device, and is within drm_dev_enter().
 *
 * Locks, all of them DRM's, outermost first:
 *
 *   &drm_file.prime.lock	mutex: which handle a dma-buf has in a file, and
 *				the members of its trees
 *     &drm_file.table_lock	spinlock: which object a handle has. An object that
 *				is in the table has a handle, and an object that
 *				has one keeps its dma-buf.
 */
#ifndef _DRM_GEM_CTL_PRIVATE_H
#define _DRM_GEM_CTL_PRIVATE_H

#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/types.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>

#include <drm/drm_gem_ctl.h>

struct drm_prime_member;

/* file.c */

/**
 * struct gemctl_file - the DRM file of a call
 * @fd:		held
 * @priv:	DRM's part of it
 * @srcu:	of drm_dev_enter()
 */
struct gemctl_file {
	struct fd fd;
	struct drm_file *priv;
	int srcu;
};

int gemctl_file_get(struct gemctl_file *file, int fd);
void gemctl_file_put(struct gemctl_file *file);

/* prime.c */
int gemctl_prime_check(struct drm_file *priv);
struct drm_prime_member *gemctl_prime_first(struct drm_file *priv, u32 handle);
struct drm_prime_member *gemctl_prime_find(struct drm_file *priv,
					   const struct dma_buf *dmabuf);
bool gemctl_prime_sound(struct drm_file *priv, struct drm_prime_member *member,
			u32 handle, const struct drm_gem_object *obj);
void gemctl_prime_rekey(struct drm_file *priv, struct drm_prime_member *member,
			u32 handle);

/* class.c */
int gemctl_known_handle(struct drm_file *priv, const struct dma_buf *dmabuf,
			u32 *handle);
int gemctl_class(struct drm_file *priv, const struct dma_buf *dmabuf,
		 u32 *handle);

/* move.c */
bool gemctl_kernel_known(void);
const char *gemctl_move_drivers(void);

/* The ioctls, each in the file of its subject; see main.c. */
int gemctl_move_ioctl(void __user *argp);
int gemctl_list_ioctl(void __user *argp);
int gemctl_prime_info_ioctl(void __user *argp);
int gemctl_import_ioctl(void __user *argp);

#endif /* _DRM_GEM_CTL_PRIVATE_H */
