/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctls of /dev/drm_gem and those of DRM that go with them, as functions. All
 * return 0, or what they make, or a negative errno.
 */
#ifndef _GEM_UTIL_H
#define _GEM_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <drm/drm_gem_ctl.h>

#include "page_util.h"

#define GEM_NODE	"/dev/drm_gem"
#define GEM_MODULE	"drm_gem_ctl"
#define GEM_PAGE	((unsigned long)page_size())

int gem_try(int fd, unsigned long request, void *arg);
int gem_ctl_open(void);

int gem_caps(int dev, struct drm_gem_ctl_caps *caps);
int gem_move(int dev, int drm, uint32_t handle, uint32_t new_handle);
/* How many there are, at most @count; @next may be NULL. */
int gem_list(int dev, int drm, uint32_t first,
	     struct drm_gem_ctl_entry *entries, uint32_t count, uint32_t *next);
/* The entry of one handle; -ENOENT */
int gem_entry(int dev, int drm, uint32_t handle,
	      struct drm_gem_ctl_entry *entry);
/* How many handles the file has */
int gem_count(int dev, int drm);
/* How many of them an import of a dma-buf can give */
int gem_count_cached(int dev, int drm);
int gem_info(int dev, int drm, int dmabuf,
	     struct drm_gem_ctl_prime_info_args *info);
int gem_import_no_move(int dev, int drm, int dmabuf, uint32_t *handle,
		       uint32_t *class);

/*
 * The primary node of a device of this driver ("vgem", "virtio_gpu", "bochs-drm",
 * "bufsync_gem"), whose module is loaded if need be; -ENODEV.
 */
int gem_open_driver(const char *driver);
/* An accelerator's node of the driver */
int gem_open_accel(const char *driver);

/* DRM's own: a handle, made of @pages pages; 0 is none. */
uint32_t gem_new(int drm, unsigned int pages);
int gem_close(int drm, uint32_t handle);
int gem_export(int drm, uint32_t handle);
int gem_import(int drm, int dmabuf, uint32_t *handle);
int gem_flink(int drm, uint32_t handle, uint32_t *name);
int gem_open_name(int drm, uint32_t name, uint32_t *handle);
/* The offset that the object is mapped at; NULL if it cannot be */
uint64_t gem_offset(int drm, uint32_t handle);
void *gem_map(int drm, uint32_t handle, unsigned int pages);

/* st_ino of an fd */
uint64_t inode_of(int fd);
/* What debugfs says of a dma-buf: is it there, and how many are attached? -ENOENT */
int dmabuf_attached(uint64_t ino);
/* Is it gone, after a while at most? */
bool dmabuf_gone(uint64_t ino);

/* The other exporters; -ENODEV where the kernel has none */
int gem_system_heap(size_t size);
int gem_memcg_heap(size_t size);
int gem_udmabuf(size_t size);

#endif /* _GEM_UTIL_H */
