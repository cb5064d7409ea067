/* SPDX-License-Identifier: GPL-2.0-only */
/* The ioctls of /dev/dma_heap/memcg and of dma-bufs. All return -errno. */
#ifndef _HEAP_UTIL_H
#define _HEAP_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/dma-heap-memcg.h>

#include "page_util.h"

#define HEAP_NODE	"/dev/dma_heap/memcg"
#define HEAP_STOCK	"/dev/dma_heap/system"
#define HEAP_TABLE	"/proc/dma_heap_memcg"
#define HEAP_PARAMS	"/sys/module/dma_heap_memcg/parameters"

#define KIB(n)		((int64_t)(n) << 10)
#define MIB(n)		((int64_t)(n) << 20)
#define PAGE		page_size()
#define HUGE		pmd_size()

/* heap_self: charge_fd of the caller */
#define HEAP_SELF	0U

int heap_open(void);		/* O_RDWR | O_CLOEXEC; waits for the node */
int heap_stock_open(void);	/* -ENOENT on kernels that have none */

/* The 32-byte struct, O_RDWR | O_CLOEXEC. Returns the dma-buf. */
int heap_alloc(int dev, uint64_t len, uint32_t charge_fd);
int heap_alloc_flags(int dev, uint64_t len, uint32_t fd_flags,
		     uint32_t charge_fd);
/* The 24-byte struct; also for the stock heap */
int heap_alloc_plain(int dev, uint64_t len);
/*
 * Any struct: @data of @size bytes, which the command carries. Returns the
 * dma-buf, as the others; -1 if @size has no room for it.
 */
int heap_alloc_raw(int dev, void *data, size_t size);

int heap_caps(int dev, struct dma_heap_memcg_caps *caps);
/* Returns the grant. */
int heap_grant(int dev, uint32_t charge_fd, uint64_t budget, int64_t expires);
int heap_query(int dev, uint32_t charge_fd,
	       struct dma_heap_memcg_query_args *query);
int heap_transfer(int dev, int dmabuf, uint32_t charge_fd);

/* A module parameter, read and written as text; without the newline */
int heap_param_get(const char *name, char *buf, size_t size);
int heap_param_set(const char *name, const char *value);

/* DMA_BUF_IOCTL_SYNC with DMA_BUF_SYNC_* */
int buf_sync(int dmabuf, uint64_t flags);
/* The "name:" line of the dma-buf's fdinfo; "" if it has none */
int buf_name(int dmabuf, char *buf, size_t size);
int64_t buf_size(int dmabuf);
/* mmap() of the whole buffer, MAP_SHARED; MAP_FAILED on an error */
void *buf_map(int dmabuf, int prot);
/* The same at an address that is aligned for huge pages, plus @off */
void *buf_map_at(int dmabuf, int prot, size_t off);
/* Fills with a pattern of @seed; counts the 8-byte words that differ from it */
void buf_fill(void *map, size_t size, uint64_t seed);
size_t buf_differs(const void *map, size_t size, uint64_t seed);
bool buf_is_zero(const void *map, size_t size);

#endif /* _HEAP_UTIL_H */
