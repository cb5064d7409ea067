/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An importer of dma-bufs, from the module bufsync_test_dmabuf, and what else
 * can be done with a dma-buf. All return -errno.
 */
#ifndef _DMABUF_UTIL_H
#define _DMABUF_UTIL_H

#include <stdbool.h>
#include <stdint.h>

#include "../modules/bufsync_test_dmabuf.h"
#include "cgroup_util.h"

/* enum dma_data_direction */
#define TD_BOTH		0
#define TD_TO_DEVICE	1

/* Loads the module if need be. */
int td_open(void);
int td_attach(int td, int dmabuf);
int td_detach(int td);
/* @figures may be NULL. */
int td_map(int td, int direction, struct test_dmabuf_map_args *figures);
int td_unmap(int td);
/* Both, and both undone */
int td_import(int td, int dmabuf, int direction);
int td_release(int td);
int td_vmap(int td, int dmabuf);
int td_vunmap(int td);
/* Keeps a reference to that page of what is mapped until @td is closed. */
int td_hold(int td, uint64_t offset);

/*
 * Fills with @value, or sums up 64-bit words: through the addresses that the
 * device has, or through the kernel's mapping.
 */
int td_sg_fill(int td, uint64_t offset, uint64_t len, uint64_t value);
int td_sg_sum(int td, uint64_t offset, uint64_t len, uint64_t *sum);
int td_vmap_fill(int td, uint64_t offset, uint64_t len, uint64_t value);
int td_vmap_sum(int td, uint64_t offset, uint64_t len, uint64_t *sum);
/* The same sum, through a mapping of this process */
uint64_t words_sum(const void *map, uint64_t len);
/* Words that are not @value */
uint64_t words_other(const void *map, uint64_t len, uint64_t value);

/* DMA_BUF_SET_NAME; DMA_BUF_IOCTL_{EXPORT,IMPORT}_SYNC_FILE with SYNC_* */
int buf_set_name(int dmabuf, const char *name);
int buf_export_fence(int dmabuf, uint32_t flags);
int buf_import_fence(int dmabuf, uint32_t flags, int sync_file);

/* All mappings of dma-bufs in this process: they hold buffers as fds do. */
void buf_unmap_all(void);

/* Does memory.current come to be @bytes, as far as can be told? */
bool cg_charged(const struct cg *cg, int64_t bytes);
/* Exactly, by QUERY: charged to @cg itself, or with all below; -errno */
int64_t cg_local_bytes(int dev, const struct cg *cg);
int64_t cg_bytes(int dev, const struct cg *cg);
/* Free memory in large blocks, for buffers that shall be made of those */
void memory_compact(void);

#endif /* _DMABUF_UTIL_H */
