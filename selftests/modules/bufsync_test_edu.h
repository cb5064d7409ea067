/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/bufsync_test_edu: QEMU's "edu" device as an importer of dma-bufs, one
 * step at a time, and its DMA engine. There must be one, bound to the driver
 * bufsync_test_edu; ENODEV else.
 *
 * An open file is one importer: it has one dma-buf attached at most, and
 * closing it undoes what was done. While one is open the device stays bound.
 */
#ifndef _BUFSYNC_TEST_EDU_H
#define _BUFSYNC_TEST_EDU_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* What importer to be */
#define TEST_EDU_NO_P2P		0x1	/* does not take peer memory */
#define TEST_EDU_STATIC		0x2	/* dma_buf_attach() */
#define TEST_EDU_NO_CALLBACK	0x4	/* see TEST_EDU_HAS_NO_CALLBACK */
/* Its callback has the name of the one by which RDMA pins memory. */
#define TEST_EDU_PINNED		0x8
/* It stays mapped when it is told to unmap, until UNMAP. */
#define TEST_EDU_LAZY		0x10
/* Another device attaches, one without IOMMU and DMA engine. */
#define TEST_EDU_BARE		0x20

struct test_edu_attach_args {
	__s32 fd;
	__u32 flags;
};

#define TEST_EDU_MAX_ENTRIES	16

struct test_edu_entry {
	__aligned_u64 addr;	/* that the device uses */
	__aligned_u64 len;
};

/* What kernel this is */
#define TEST_EDU_HAS_NO_CALLBACK	0x1	/* importers may lack it */
#define TEST_EDU_HAS_P2PDMA		0x2	/* CONFIG_PCI_P2PDMA */
#define TEST_EDU_HAS_IOMMU		0x4	/* edu is behind one */

struct test_edu_stats_args {
	__u32 out_features;	/* TEST_EDU_HAS_* */
	__u32 out_mapped;	/* 1 if it is */
	__u32 out_stale;	/* 1 from the callback on, until MAP or UNMAP */
	__u32 out_nents;	/* of the last table */
	__aligned_u64 out_told;	/* calls of the callback since ATTACH */
	__aligned_u64 out_forced;	/* of those, how many have unmapped */
	__aligned_u64 out_len;	/* sum of all entries of the last table */
	struct test_edu_entry out_entries[TEST_EDU_MAX_ENTRIES];
};

#define TEST_EDU_MAX_COPY	4096

/*
 * Use the last addresses, mapped or not. Addresses of what was unmapped are
 * those of nothing: the IOMMU must not let the device through.
 */
#define TEST_EDU_RAW		0x1

struct test_edu_copy_args {
	__aligned_u64 offset;	/* in the dma-buf */
	__u32 len;		/* 1 to TEST_EDU_MAX_COPY */
	__u32 flags;
	__aligned_u64 data;	/* pointer */
};

/*
 * ATTACH	EBUSY: has one; EINVAL: flags; else what dma_buf_get() and
 *		dma_buf_dynamic_attach() say
 * DETACH	EINVAL: nothing attached, or mapped
 * MAP		by enum dma_data_direction. EINVAL: nothing attached; EBUSY: is
 *		mapped; else what dma_buf_map_attachment() says
 * UNMAP, UNPIN	EINVAL: it is not
 * COPY_FROM	dma-buf to edu to memory, by DMA. What does not arrive reads as
 *		TEST_EDU_POISON. EINVAL: no mapping yet, arguments; ESTALE: the
 *		callback has come and MAP has not; ETIMEDOUT: edu hangs
 * COPY_TO	the other way
 *
 * The callback waits for a COPY that is going on.
 */
#define TEST_EDU_ATTACH		_IOW('Z', 0x70, struct test_edu_attach_args)
#define TEST_EDU_DETACH		_IO('Z', 0x71)
#define TEST_EDU_MAP		_IO('Z', 0x72)
#define TEST_EDU_UNMAP		_IO('Z', 0x73)
#define TEST_EDU_PIN		_IO('Z', 0x74)
#define TEST_EDU_UNPIN		_IO('Z', 0x75)
#define TEST_EDU_STATS		_IOR('Z', 0x76, struct test_edu_stats_args)
#define TEST_EDU_COPY_FROM	_IOW('Z', 0x77, struct test_edu_copy_args)
#define TEST_EDU_COPY_TO	_IOW('Z', 0x78, struct test_edu_copy_args)

#define TEST_EDU_POISON		0xa5

#endif /* _BUFSYNC_TEST_EDU_H */
