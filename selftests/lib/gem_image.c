// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <linux/dma-buf.h>

#include "gem_image.h"
#include "page_util.h"

#define PAGE	((size_t)page_size())

static int open_node(const char *driver, bool render)
{
	char path[32], name[32];
	int i, fd;

	for (i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "/dev/dri/%s%d",
			 render ? "renderD" : "card", i + 128 * render);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!bufsync_gem_driver(fd, name, sizeof(name)) &&
		    !strcmp(name, driver))
			return fd;
		close(fd);
	}
	return -ENODEV;
}

int gem_open(const char *driver, bool render)
{
	int tries, fd = -ENODEV;

	for (tries = 0; fd == -ENODEV && tries < 300; tries++) {
		if (tries)
			usleep(10000);
		fd = open_node(driver, render);
	}
	return fd;
}

int gem_files_open(int *drm)
{
	/* vgem makes objects by a primary node only. */
	drm[FILE_VGEM2] = -1;
	drm[FILE_VIRTIO] = -1;
	drm[FILE_VGEM] = gem_open("vgem", false);
	if (drm[FILE_VGEM] >= 0)
		drm[FILE_VGEM2] = gem_open("vgem", false);
	if (drm[FILE_VGEM2] >= 0)
		drm[FILE_VIRTIO] = gem_open("virtio_gpu", true);
	if (drm[FILE_VIRTIO] >= 0)
		return 0;
	gem_files_close(drm);
	return -ENODEV;
}

void gem_files_close(int *drm)
{
	int f;

	for (f = 0; f < GEM_FILES; f++) {
		if (drm[f] >= 0)
			close(drm[f]);
		drm[f] = -1;
	}
}

int gem_make(int drm, size_t size)
{
	struct drm_virtgpu_resource_create create = {
		.target = 2, .format = 2, .bind = 1 << 1,
		.width = PAGE / 4, .height = size / PAGE,
		.depth = 1, .array_size = 1, .size = size,
	};
	struct drm_mode_create_dumb dumb = {
		.width = PAGE / 4, .height = size / PAGE, .bpp = 32,
	};
	char name[32];

	if (bufsync_gem_driver(drm, name, sizeof(name)))
		return -errno;
	if (strcmp(name, "virtio_gpu"))
		return bufsync_gem_ioctl(drm, DRM_IOCTL_MODE_CREATE_DUMB, &dumb) ?
		       -errno : (int)dumb.handle;
	return bufsync_gem_ioctl(drm, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &create) ?
	       -errno : (int)create.bo_handle;
}

static int dmabuf_sync(int fd, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return bufsync_gem_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
}

int gem_copy(int drm, __u32 handle, bool write, void *data, size_t size)
{
	__u64 access = write ? DMA_BUF_SYNC_WRITE : DMA_BUF_SYNC_READ;
	int fd = bufsync_gem_export(drm, handle), ret = 0;
	void *map;

	if (fd < 0)
		return -errno;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED || dmabuf_sync(fd, access | DMA_BUF_SYNC_START)) {
		ret = -errno;
		goto out;
	}
	memcpy(write ? map : data, write ? data : map, size);
	if (dmabuf_sync(fd, access | DMA_BUF_SYNC_END))
		ret = -errno;
out:
	if (map != MAP_FAILED)
		munmap(map, size);
	close(fd);
	return ret;
}

static __u32 *pattern(size_t size, unsigned int seed)
{
	__u32 *words = malloc(size);
	size_t i;

	for (i = 0; words && i < size / 4; i++)
		words[i] = seed * 2654435761U + i * 40503;
	return words;
}

int gem_fill(int drm, __u32 handle, size_t size, unsigned int seed)
{
	__u32 *words = pattern(size, seed);
	int ret = words ? gem_copy(drm, handle, true, words, size) : -ENOMEM;

	free(words);
	return ret;
}

bool gem_filled(int drm, __u32 handle, size_t size, unsigned int seed)
{
	__u32 *words = pattern(size, seed), *found = malloc(size);
	bool same = words && found &&
		    !gem_copy(drm, handle, false, found, size) &&
		    !memcmp(words, found, size);

	free(words);
	free(found);
	return same;
}

/* Objects with just these handles: more are made, and the others closed. */
static int scatter(int drm, const __u32 *handles, size_t count)
{
	__u32 last = 0, h;
	size_t i;
	int ret;

	for (i = 0; i < count; i++)
		if (handles[i] > last)
			last = handles[i];
	for (h = 1; h <= last; h++) {
		ret = gem_make(drm, (1 + h % 5) * PAGE);
		if (ret < 0)
			return ret;
		if (ret != (int)h)
			return -EBUSY;
	}
	for (h = 1; h <= last; h++) {
		for (i = 0; i < count && handles[i] != h; i++)
			;
		ret = i < count ? gem_fill(drm, h, (1 + h % 5) * PAGE,
					   h + 1000 * last) :
				  bufsync_gem_close(drm, h) ? -errno : 0;
		if (ret)
			return ret;
	}
	return 0;
}

static int share(int from, __u32 handle, int to, __u32 *got)
{
	int fd = bufsync_gem_export(from, handle);
	int ret = fd < 0 || bufsync_gem_import(to, fd, got) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return ret;
}

int gem_scene(const int *drm)
{
	static const __u32 vgem[] = { 2, 3, 5, 7, 12, 40 };
	static const __u32 vgem2[] = { 6 };
	static const __u32 virtio[] = { 1, 4, 9, 20 };
	__u32 got;
	int ret;

	ret = scatter(drm[FILE_VGEM], vgem, 6);
	if (!ret)
		ret = scatter(drm[FILE_VGEM2], vgem2, 1);
	if (!ret)
		ret = scatter(drm[FILE_VIRTIO], virtio, 4);
	/* One object in two files of a device */
	if (!ret)
		ret = share(drm[FILE_VGEM], 12, drm[FILE_VGEM2], &got);
	/* and one of virtio-gpu's in both, where it is imported */
	if (!ret)
		ret = share(drm[FILE_VIRTIO], 9, drm[FILE_VGEM], &got);
	if (!ret)
		ret = share(drm[FILE_VIRTIO], 9, drm[FILE_VGEM2], &got);
	return ret;
}

static int take_file(struct gem_image *image, int ctl, int drm, int f,
		     __u64 (*inos)[GEM_OBJECTS])
{
	struct drm_gem_ctl_entry *list;
	struct gem_object *object;
	size_t i, n;
	int ret = 0;

	if (bufsync_gem_list(ctl, drm, &list, &n))
		return -errno;
	if (n > GEM_OBJECTS)
		ret = -E2BIG;
	for (i = 0; !ret && i < n; i++) {
		object = &image->objects[f][i];
		object->handle = list[i].handle;
		object->size = list[i].obj_size;
		object->imported = list[i].flags & DRM_GEM_CTL_ENTRY_IMPORTED;
		inos[f][i] = list[i].dmabuf_ino;
		object->data = malloc(object->size);
		image->count[f]++;
		ret = object->data ? gem_copy(drm, object->handle, false,
					      object->data, object->size) :
				     -ENOMEM;
	}
	free(list);
	return ret;
}

/* The group of the first object with the same dma-buf, or a new one */
static int find_group(struct gem_image *image, int f, size_t i,
		      __u64 (*inos)[GEM_OBJECTS], int *groups)
{
	size_t j;
	int g;

	for (g = 0; inos[f][i] && g <= f; g++)
		for (j = 0; j < (g == f ? i : image->count[g]); j++)
			if (inos[g][j] == inos[f][i])
				return image->objects[g][j].group;
	return (*groups)++;
}

int gem_image_take(struct gem_image *image, int ctl, const int *drm)
{
	__u64 inos[GEM_FILES][GEM_OBJECTS];
	int f, ret, groups = 0;
	size_t i;

	memset(image, 0, sizeof(*image));
	for (f = 0; f < GEM_FILES; f++) {
		ret = take_file(image, ctl, drm[f], f, inos);
		if (ret)
			return ret;
	}
	for (f = 0; f < GEM_FILES; f++)
		for (i = 0; i < image->count[f]; i++)
			image->objects[f][i].group =
				find_group(image, f, i, inos, &groups);
	return 0;
}

/* The first in a group that is not imported is made, the others are shared. */
static const struct gem_object *maker(const struct gem_image *image, int group,
				      int *file, size_t *index)
{
	const struct gem_object *object;

	for (*file = 0; *file < GEM_FILES; ++*file) {
		for (*index = 0; *index < image->count[*file]; ++*index) {
			object = &image->objects[*file][*index];
			if (object->group == group && !object->imported)
				return object;
		}
	}
	return NULL;
}

static int make_object(const struct gem_image *image, const int *drm, int f,
		       size_t i, bool shared,
		       struct bufsync_gem_move moves[GEM_FILES][GEM_OBJECTS])
{
	const struct gem_object *object = &image->objects[f][i], *from;
	size_t from_index;
	int from_file, ret;

	from = maker(image, object->group, &from_file, &from_index);
	if (!from)
		return -EINVAL;
	if (shared ? from == object : from != object)
		return 0;
	moves[f][i].new_handle = object->handle;
	if (shared)
		return share(drm[from_file], moves[from_file][from_index].handle,
			     drm[f], &moves[f][i].handle);
	ret = gem_make(drm[f], object->size);
	if (ret < 0)
		return ret;
	moves[f][i].handle = ret;
	return gem_copy(drm[f], ret, true, object->data, object->size);
}

int gem_image_make(const struct gem_image *image, const int *drm,
		   struct bufsync_gem_move moves[GEM_FILES][GEM_OBJECTS])
{
	int f, ret, shared;
	size_t i;

	/* Backwards, so that they stand in each other's way. */
	for (shared = 0; shared < 2; shared++) {
		for (f = 0; f < GEM_FILES; f++) {
			for (i = image->count[f]; i--;) {
				ret = make_object(image, drm, f, i, shared,
						  moves);
				if (ret)
					return ret;
			}
		}
	}
	return 0;
}

const char *gem_image_diff(const struct gem_image *a, const struct gem_image *b)
{
	static char text[96];
	const struct gem_object *x, *y;
	size_t i;
	int f;

	for (f = 0; f < GEM_FILES; f++) {
		if (a->count[f] != b->count[f]) {
			snprintf(text, sizeof(text), "file %d: %zu objects, not %zu",
				 f, b->count[f], a->count[f]);
			return text;
		}
		for (i = 0; i < a->count[f]; i++) {
			x = &a->objects[f][i];
			y = &b->objects[f][i];
			if (x->handle == y->handle && x->size == y->size &&
			    x->imported == y->imported && x->group == y->group &&
			    !memcmp(x->data, y->data, x->size))
				continue;
			snprintf(text, sizeof(text), "file %d: handle %u: %s", f,
				 y->handle, x->handle != y->handle ? "number" :
				 x->size != y->size ? "size" :
				 x->imported != y->imported ? "origin" :
				 x->group != y->group ? "sharing" : "contents");
			return text;
		}
	}
	return NULL;
}

void gem_image_free(struct gem_image *image)
{
	size_t i;
	int f;

	for (f = 0; f < GEM_FILES; f++)
		for (i = 0; i < image->count[f]; i++)
			free(image->objects[f][i].data);
	memset(image, 0, sizeof(*image));
}

#define FDS_SIZE	(GEM_FILES * sizeof(int))

union control {
	struct cmsghdr hdr;
	char room[CMSG_SPACE(FDS_SIZE)];
};

int gem_files_send(int sock, const int *drm)
{
	union control c = { .hdr = { CMSG_LEN(FDS_SIZE), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec iov = { "", 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &c, .msg_controllen = sizeof(c),
	};

	memcpy(CMSG_DATA(&c.hdr), drm, FDS_SIZE);
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int gem_files_recv(int sock, int *drm)
{
	union control c;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &c, .msg_controllen = sizeof(c),
	};

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EPIPE;
	if (!CMSG_FIRSTHDR(&msg) || c.hdr.cmsg_len != CMSG_LEN(FDS_SIZE))
		return -EPIPE;
	memcpy(drm, CMSG_DATA(CMSG_FIRSTHDR(&msg)), FDS_SIZE);
	return 0;
}
