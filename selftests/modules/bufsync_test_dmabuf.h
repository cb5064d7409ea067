/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/bufsync_test_dmabuf: an importer of dma-bufs. An open file holds one
 * dma-buf at most; closing it undoes what was done.
 */
#ifndef _BUFSYNC_TEST_DMABUF_H
#define _BUFSYNC_TEST_DMABUF_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct test_dmabuf_map_args {
	__s32 direction;	/* enum dma_data_direction */
	__u32 out_nents;	/* of the table's dma addresses */
	__aligned_u64 out_len;	/* sum of the entries' lengths */
	__aligned_u64 out_min;	/* shortest and longest entry, in bytes */
	__aligned_u64 out_max;
};

struct test_dmabuf_access_args {
	__aligned_u64 offset;	/* bytes, multiple of 8 */
	__aligned_u64 len;	/* bytes, multiple of 8 */
	__aligned_u64 value;	/* what to fill with */
	__aligned_u64 out_sum;	/* SUM: sum of the 64-bit words */
};

/* by the dma-buf's fd; dma_buf_attach(), dma_buf_detach() */
#define TEST_DMABUF_ATTACH	_IO('Z', 0x40)
#define TEST_DMABUF_DETACH	_IO('Z', 0x41)
/* dma_buf_map_attachment_unlocked() and back */
#define TEST_DMABUF_MAP		_IOWR('Z', 0x42, struct test_dmabuf_map_args)
#define TEST_DMABUF_UNMAP	_IO('Z', 0x43)
/* needs no attachment: takes the dma-buf's fd; dma_buf_vmap_unlocked() */
#define TEST_DMABUF_VMAP	_IO('Z', 0x44)
#define TEST_DMABUF_VUNMAP	_IO('Z', 0x45)
/* through the pages of the mapped table, as the device would */
#define TEST_DMABUF_SG_FILL	_IOW('Z', 0x46, struct test_dmabuf_access_args)
#define TEST_DMABUF_SG_SUM	_IOWR('Z', 0x47, struct test_dmabuf_access_args)
/*
 * A reference to the page at this offset of the mapped table, which is kept until the
 * file is closed, whatever happens to the dma-buf
 */
#define TEST_DMABUF_HOLD	_IOW('Z', 0x4a, __u64)
/* through the kernel's mapping */
#define TEST_DMABUF_VMAP_FILL	_IOW('Z', 0x48, struct test_dmabuf_access_args)
#define TEST_DMABUF_VMAP_SUM	_IOWR('Z', 0x49, struct test_dmabuf_access_args)

#endif /* _BUFSYNC_TEST_DMABUF_H */
