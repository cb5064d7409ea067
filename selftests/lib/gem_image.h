/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A checkpoint of some DRM files: handles, contents, and who shares what. Taken with
 * LIST and exports, made again with whatever handles come.
 */
#ifndef _GEM_IMAGE_H
#define _GEM_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include <bufsync/gem-restore.h>

/* Two of vgem, which import from each other and from virtio-gpu */
enum { FILE_VGEM, FILE_VGEM2, FILE_VIRTIO, GEM_FILES };

/* Objects of a file at most */
#define GEM_OBJECTS	64

struct gem_object {
	__u32 handle;
	__u64 size;
	bool imported;
	int group;	/* the same for those that share memory, in all files */
	void *data;	/* malloc() */
};

struct gem_image {
	struct gem_object objects[GEM_FILES][GEM_OBJECTS];
	size_t count[GEM_FILES];
};

/* Opens the driver's first node, which may be about to appear. */
int gem_open(const char *driver, bool render);
/* Opens all files, 0 or -errno. The drivers must be loaded. */
int gem_files_open(int *drm);
void gem_files_close(int *drm);

/* An object of @size bytes, whole pages; returns the handle, or -errno. */
int gem_make(int drm, size_t size);
/* Reads or writes an object by a mapping of its dma-buf. */
int gem_copy(int drm, __u32 handle, bool write, void *data, size_t size);
/* Fills an object with a pattern of its own. */
int gem_fill(int drm, __u32 handle, size_t size, unsigned int seed);
/* Is it that? */
bool gem_filled(int drm, __u32 handle, size_t size, unsigned int seed);

/* A process' objects with scattered handles, shared between its files */
int gem_scene(const int *drm);

/* These return 0 or -errno. */
int gem_image_take(struct gem_image *image, int ctl, const int *drm);
/* Tells for each object the handle that it got, and the one that it shall have. */
int gem_image_make(const struct gem_image *image, const int *drm,
		   struct bufsync_gem_move moves[GEM_FILES][GEM_OBJECTS]);
/* What the first difference is; NULL if there is none. */
const char *gem_image_diff(const struct gem_image *a, const struct gem_image *b);
void gem_image_free(struct gem_image *image);

/* All fds over a socket, and back; 0 or -errno. */
int gem_files_send(int sock, const int *drm);
int gem_files_recv(int sock, int *drm);

#endif /* _GEM_IMAGE_H */
