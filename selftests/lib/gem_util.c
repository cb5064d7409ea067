// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <xf86drm.h>
#include <drm.h>
#include <drm_mode.h>

#include "gem_util.h"
#include "module_util.h"
#include "syncobj_util.h"

#define BUFINFO		"/sys/kernel/debug/dma_buf/bufinfo"

int gem_try(int fd, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(fd, request, arg);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

int gem_ctl_open(void)
{
	return node_open(GEM_NODE);
}

int gem_caps(int dev, struct drm_gem_ctl_caps *caps)
{
	memset(caps, 0xa5, sizeof(*caps));
	caps->size = sizeof(*caps);
	return gem_try(dev, DRM_GEM_CTL_IOC_CAPS, caps);
}

int gem_move(int dev, int drm, uint32_t handle, uint32_t new_handle)
{
	struct drm_gem_ctl_move_args args = {
		.size = sizeof(args),
		.drm_fd = drm,
		.handle = handle,
		.new_handle = new_handle,
	};

	return gem_try(dev, DRM_GEM_CTL_IOC_MOVE, &args);
}

int gem_list(int dev, int drm, uint32_t first,
	     struct drm_gem_ctl_entry *entries, uint32_t count, uint32_t *next)
{
	struct drm_gem_ctl_list_args args = {
		.size = sizeof(args),
		.drm_fd = drm,
		.first = first,
		.entries = (uintptr_t)entries,
		.count = count,
		.entry_size = sizeof(*entries),
		.out_count = ~0U,
		.out_next = ~0U,
	};
	int ret = gem_try(dev, DRM_GEM_CTL_IOC_LIST, &args);

	if (ret)
		return ret;
	if (next)
		*next = args.out_next;
	return args.out_count;
}

int gem_entry(int dev, int drm, uint32_t handle,
	      struct drm_gem_ctl_entry *entry)
{
	int ret = gem_list(dev, drm, handle, entry, 1, NULL);

	if (ret < 0)
		return ret;
	return ret == 1 && entry->handle == handle ? 0 : -ENOENT;
}

static int count_flagged(int dev, int drm, uint32_t flags)
{
	struct drm_gem_ctl_entry entries[DRM_GEM_CTL_MAX_ENTRIES];
	uint32_t first = 0;
	int i, ret, n = 0;

	do {
		ret = gem_list(dev, drm, first, entries,
			       DRM_GEM_CTL_MAX_ENTRIES, &first);
		if (ret < 0)
			return ret;
		for (i = 0; i < ret; i++)
			n += (entries[i].flags & flags) == flags;
	} while (first);
	return n;
}

int gem_count(int dev, int drm)
{
	return count_flagged(dev, drm, 0);
}

int gem_count_cached(int dev, int drm)
{
	return count_flagged(dev, drm, DRM_GEM_CTL_ENTRY_PRIME_CACHED);
}

int gem_info(int dev, int drm, int dmabuf,
	     struct drm_gem_ctl_prime_info_args *info)
{
	memset(info, 0xa5, sizeof(*info));
	info->size = sizeof(*info);
	info->flags = 0;
	info->drm_fd = drm;
	info->dmabuf_fd = dmabuf;
	return gem_try(dev, DRM_GEM_CTL_IOC_PRIME_INFO, info);
}

int gem_import_no_move(int dev, int drm, int dmabuf, uint32_t *handle,
		       uint32_t *class)
{
	struct drm_gem_ctl_import_args args = {
		.size = sizeof(args),
		.drm_fd = drm,
		.dmabuf_fd = dmabuf,
	};
	int ret = gem_try(dev, DRM_GEM_CTL_IOC_IMPORT_NO_MOVE, &args);

	if (handle)
		*handle = args.out_handle;
	if (class)
		*class = args.out_class;
	return ret;
}

static bool is_driver(int fd, const char *driver)
{
	drmVersionPtr version = drmGetVersion(fd);
	bool same = version && !strcmp(version->name, driver);

	drmFreeVersion(version);
	return same;
}

static int open_node(const char *dir, const char *prefix, const char *driver)
{
	char path[64];
	int i, fd;

	for (i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "%s/%s%d", dir, prefix, i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		/* Whose master we became is perhaps somebody's screen. */
		drmDropMaster(fd);
		if (is_driver(fd, driver))
			return fd;
		close(fd);
	}
	return -ENODEV;
}

static int load_driver(const char *driver)
{
	int ret;

	if (!strncmp(driver, "bufsync_", 8)) {
		ret = module_load("bufsync_test_gem");
		return ret == -EEXIST ? 0 : ret;
	}
	return drm_driver_probe(driver) ? -ENODEV : 0;
}

static int open_driver(const char *dir, const char *prefix, const char *driver)
{
	int64_t end = in_ms(10000);
	int ret = load_driver(driver);

	if (ret)
		return ret;
	/* The node comes a little later than the device. */
	do {
		ret = open_node(dir, prefix, driver);
		if (ret != -ENODEV)
			return ret;
		sleep_ms(10);
	} while (now_ns() < end);
	return ret;
}

int gem_open_driver(const char *driver)
{
	return open_driver("/dev/dri", "card", driver);
}

int gem_open_accel(const char *driver)
{
	return open_driver("/dev/accel", "accel", driver);
}

uint32_t gem_new(int drm, unsigned int pages)
{
	struct drm_mode_create_dumb args = {
		.width = GEM_PAGE / 4,
		.height = pages,
		.bpp = 32,
	};

	return gem_try(drm, DRM_IOCTL_MODE_CREATE_DUMB, &args) ? 0 :
								args.handle;
}

int gem_close(int drm, uint32_t handle)
{
	struct drm_gem_close args = { .handle = handle };

	return gem_try(drm, DRM_IOCTL_GEM_CLOSE, &args);
}

int gem_export(int drm, uint32_t handle)
{
	struct drm_prime_handle args = {
		.handle = handle,
		.flags = DRM_CLOEXEC | DRM_RDWR,
		.fd = -1,
	};
	int ret = gem_try(drm, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args);

	return ret ?: args.fd;
}

int gem_import(int drm, int dmabuf, uint32_t *handle)
{
	struct drm_prime_handle args = { .fd = dmabuf };
	int ret = gem_try(drm, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args);

	*handle = args.handle;
	return ret;
}

int gem_flink(int drm, uint32_t handle, uint32_t *name)
{
	struct drm_gem_flink args = { .handle = handle };
	int ret = gem_try(drm, DRM_IOCTL_GEM_FLINK, &args);

	*name = args.name;
	return ret;
}

int gem_open_name(int drm, uint32_t name, uint32_t *handle)
{
	struct drm_gem_open args = { .name = name };
	int ret = gem_try(drm, DRM_IOCTL_GEM_OPEN, &args);

	*handle = args.handle;
	return ret;
}

uint64_t gem_offset(int drm, uint32_t handle)
{
	struct drm_mode_map_dumb args = { .handle = handle };

	return gem_try(drm, DRM_IOCTL_MODE_MAP_DUMB, &args) ? 0 : args.offset;
}

void *gem_map(int drm, uint32_t handle, unsigned int pages)
{
	uint64_t offset = gem_offset(drm, handle);
	void *p = MAP_FAILED;

	if (offset)
		p = mmap(NULL, pages * GEM_PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED, drm, offset);
	return p == MAP_FAILED ? NULL : p;
}

uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

/*
 * An entry is a line with size, flags, mode, count, exporter and inode, then lines
 * for fences and attachments, and "Total N devices attached".
 */
int dmabuf_attached(uint64_t ino)
{
	unsigned long long number;
	int attached, ret = -ENOENT;
	bool found = false;
	char line[512];
	FILE *f = fopen(BUFINFO, "re");

	if (!f)
		return -errno;
	while (ret == -ENOENT && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s\t%*s\t%*s\t%*s\t%*s\t%llu",
			   &number) == 1)
			found = number == ino;
		else if (found &&
			 sscanf(line, "Total %d devices attached", &attached) == 1)
			ret = attached;
	}
	fclose(f);
	return ret;
}

bool dmabuf_gone(uint64_t ino)
{
	int64_t end = in_ms(10000);

	do {
		if (dmabuf_attached(ino) == -ENOENT)
			return true;
		sleep_ms(10);
	} while (now_ns() < end);
	return false;
}

static int heap_buffer(const char *heap, size_t size)
{
	struct dma_heap_allocation_data args = {
		.len = size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int fd = open(heap, O_RDWR | O_CLOEXEC), ret;

	if (fd < 0)
		return -ENODEV;
	ret = gem_try(fd, DMA_HEAP_IOCTL_ALLOC, &args);
	close(fd);
	return ret ?: (int)args.fd;
}

int gem_system_heap(size_t size)
{
	return heap_buffer("/dev/dma_heap/system", size);
}

int gem_memcg_heap(size_t size)
{
	return heap_buffer("/dev/dma_heap/memcg", size);
}

int gem_udmabuf(size_t size)
{
	struct udmabuf_create args = { .size = size };
	int fd, ret = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	if (ret < 0)
		return -ENODEV;
	fd = ret;
	args.memfd = memfd_create("gem_util", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (ftruncate(args.memfd, size) ||
	    fcntl(args.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		ret = -errno;
	else
		ret = gem_try(fd, UDMABUF_CREATE, &args);
	close(args.memfd);
	close(fd);
	return ret;
}
