// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "heap_util.h"
#include "module_util.h"
#include "param_util.h"
#include "syncobj_util.h"

/* What output fields hold before a call, to see whether they were written. */
#define POISON		0xa5
#define HUGE_SIZE	((size_t)HUGE)
#define FD_OFFSET	offsetof(struct dma_heap_memcg_allocation_data, fd)

int heap_open(void)
{
	return node_open(HEAP_NODE);
}

int heap_stock_open(void)
{
	int fd = open(HEAP_STOCK, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int heap_alloc_raw(int dev, void *data, size_t size)
{
	int ret, fd = -1;

	ret = so_try(dev, _IOC(_IOC_READ | _IOC_WRITE, 'H', 0, size), data);
	if (!ret && size >= FD_OFFSET + sizeof(fd))
		memcpy(&fd, (char *)data + FD_OFFSET, sizeof(fd));
	return ret ?: fd;
}

int heap_alloc_flags(int dev, uint64_t len, uint32_t fd_flags,
		     uint32_t charge_fd)
{
	struct dma_heap_memcg_allocation_data data = {
		.len = len,
		.fd_flags = fd_flags,
		.charge_fd = charge_fd,
	};

	return heap_alloc_raw(dev, &data, sizeof(data));
}

int heap_alloc(int dev, uint64_t len, uint32_t charge_fd)
{
	return heap_alloc_flags(dev, len, O_RDWR | O_CLOEXEC, charge_fd);
}

int heap_alloc_plain(int dev, uint64_t len)
{
	struct dma_heap_allocation_data data = {
		.len = len,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	return heap_alloc_raw(dev, &data, sizeof(data));
}

int heap_caps(int dev, struct dma_heap_memcg_caps *caps)
{
	memset(caps, POISON, sizeof(*caps));
	caps->size = sizeof(*caps);
	return so_try(dev, DMA_HEAP_MEMCG_IOC_CAPS, caps);
}

int heap_grant(int dev, uint32_t charge_fd, uint64_t budget, int64_t expires)
{
	struct dma_heap_memcg_grant_args args = {
		.size = sizeof(args),
		.charge_fd = charge_fd,
		.out_fd = -1,
		.budget = budget,
		.expires_nsec = expires,
	};
	int ret = so_try(dev, DMA_HEAP_MEMCG_IOC_GRANT, &args);

	return ret ?: (int)args.out_fd;
}

int heap_query(int dev, uint32_t charge_fd,
	       struct dma_heap_memcg_query_args *query)
{
	memset(query, POISON, sizeof(*query));
	query->size = sizeof(*query);
	query->flags = 0;
	query->charge_fd = charge_fd;
	return so_try(dev, DMA_HEAP_MEMCG_IOC_QUERY, query);
}

int heap_transfer(int dev, int dmabuf, uint32_t charge_fd)
{
	struct dma_heap_memcg_transfer_args args = {
		.size = sizeof(args),
		.dmabuf_fd = dmabuf,
		.charge_fd = charge_fd,
	};

	return so_try(dev, DMA_HEAP_MEMCG_IOC_TRANSFER, &args);
}

int heap_param_get(const char *name, char *buf, size_t size)
{
	return param_get("dma_heap_memcg", name, buf, size);
}

int heap_param_set(const char *name, const char *value)
{
	return param_set("dma_heap_memcg", name, value);
}

int buf_sync(int dmabuf, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return so_try(dmabuf, DMA_BUF_IOCTL_SYNC, &sync);
}

int buf_name(int dmabuf, char *buf, size_t size)
{
	char path[64], line[256];
	FILE *f;

	buf[0] = '\0';
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", dmabuf);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "name:\t", 6))
			snprintf(buf, size, "%s", line + 6);
	}
	fclose(f);
	return 0;
}

int64_t buf_size(int dmabuf)
{
	off_t size = lseek(dmabuf, 0, SEEK_END);

	return size < 0 ? -errno : size;
}

void *buf_map(int dmabuf, int prot)
{
	int64_t size = buf_size(dmabuf);

	if (size < 0)
		return MAP_FAILED;
	return mmap(NULL, size, prot, MAP_SHARED, dmabuf, 0);
}

void *buf_map_at(int dmabuf, int prot, size_t off)
{
	int64_t size = buf_size(dmabuf);
	size_t room;
	char *p, *at, *end;

	if (size < 0)
		return MAP_FAILED;
	room = size + off + HUGE_SIZE;
	p = mmap(NULL, room, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return p;
	at = p + (-(uintptr_t)p & (HUGE_SIZE - 1)) + off;
	end = at + size;
	if (at > p)
		munmap(p, at - p);
	if (p + room > end)
		munmap(end, p + room - end);
	return mmap(at, size, prot, MAP_SHARED | MAP_FIXED, dmabuf, 0);
}

/* Any two words differ, and so do any two seeds in each word. */
static uint64_t pattern(uint64_t seed, size_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15ULL + seed;
}

void buf_fill(void *map, size_t size, uint64_t seed)
{
	uint64_t *p = map;
	size_t i;

	for (i = 0; i < size / sizeof(*p); i++)
		p[i] = pattern(seed, i);
}

size_t buf_differs(const void *map, size_t size, uint64_t seed)
{
	const uint64_t *p = map;
	size_t i, count = 0;

	for (i = 0; i < size / sizeof(*p); i++)
		count += p[i] != pattern(seed, i);
	return count;
}

bool buf_is_zero(const void *map, size_t size)
{
	const uint64_t *p = map;
	size_t i;

	for (i = 0; i < size / sizeof(*p); i++)
		if (p[i])
			return false;
	return true;
}
