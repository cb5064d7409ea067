// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include "heap-demo.h"

void heap_caps(struct dma_heap_memcg_caps *caps)
{
	if (ioctl(dev, DMA_HEAP_MEMCG_IOC_CAPS, caps))
		fail("CAPS: %s", strerror(errno));
}

int heap_alloc(int heap, __u64 len, int charge_fd)
{
	struct dma_heap_memcg_allocation_data data = {
		.len = len,
		.fd_flags = O_RDWR | O_CLOEXEC,
		.charge_fd = charge_fd,
	};

	if (ioctl(heap, DMA_HEAP_MEMCG_IOCTL_ALLOC, &data))
		return -errno;
	return data.fd;
}

int heap_grant(int charge_fd, __u64 budget)
{
	struct dma_heap_memcg_grant_args args = {
		.size = sizeof(args),
		.charge_fd = charge_fd,
		.budget = budget,
		.expires_nsec = INT64_MAX,
	};

	if (ioctl(dev, DMA_HEAP_MEMCG_IOC_GRANT, &args))
		return -errno;
	return args.out_fd;
}

struct dma_heap_memcg_query_args heap_query(const struct cgroup *cg)
{
	struct dma_heap_memcg_query_args args = { .size = sizeof(args) };

	args.charge_fd = cgroup_open(cg);
	if (ioctl(dev, DMA_HEAP_MEMCG_IOC_QUERY, &args))
		fail("QUERY of %s: %s", cg->path, strerror(errno));
	close(args.charge_fd);
	if (args.out_cgroup != cg->id)
		fail("QUERY of %s tells of cgroup %llu", cg->path,
		     args.out_cgroup);
	return args;
}

void heap_transfer(int buf, int charge_fd)
{
	struct dma_heap_memcg_transfer_args args = {
		.size = sizeof(args),
		.dmabuf_fd = buf,
		.charge_fd = charge_fd,
	};

	if (ioctl(dev, DMA_HEAP_MEMCG_IOC_TRANSFER, &args))
		fail("TRANSFER: %s", strerror(errno));
}
