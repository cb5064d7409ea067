/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * vfio_pci_dmabuf: BAR ranges of a vfio-pci device as DMABUFs ("slices") that
 * other processes map, with write-combining and guaranteed revoke.
 *
 * All of it goes through VFIO_DEVICE_FEATURE of the device fd. PROBE works on
 * each feature and does nothing. argsz is the size of struct
 * vfio_device_feature with the payload; a payload shorter than its struct is
 * EINVAL, a longer one is allowed.
 *
 *   feature                            op        payload
 *   VFIO_DEVICE_FEATURE_DMA_BUF        GET       struct vfio_device_feature_dma_buf
 *   VFIO_DMABUF_FEATURE_REVOKE         SET       struct vfio_dmabuf_revoke
 *   VFIO_DMABUF_FEATURE_MEMATTR        GET, SET  struct vfio_dmabuf_memattr
 *   VFIO_DMABUF_FEATURE_INFO           GET       struct vfio_dmabuf_info
 *
 * The first is the kernel's own (since 6.19); it has the same number, payload
 * and meaning on every kernel here. The series "vfio/pci: Add mmap() for
 * DMABUFs" gave REVOKE and MEMATTR the numbers 13 and 14 (v4), which the kernel
 * has used for something else since. So their numbers here are private, from the
 * upper end, and the series' numbers work as aliases for SET, unless turned off
 * (module parameters revoke_alias and memattr_alias). INFO tells. As they may
 * move again, MEMATTR's takes a payload of exactly 4 bytes for one of REVOKE,
 * unless revoke_alias is 0.
 *
 * A slice
 * -------
 *
 * Its ranges follow each other in the order given, whatever their place in the
 * BAR. It is mapped with MAP_SHARED, from any page on. What it was opened with
 * (open_flags) is what it can be mapped for: one made with O_RDONLY can never
 * be written to, by a process or by another device. It does not keep the device
 * open, but does keep the module loaded. Closing its fd leaves its mappings
 * working.
 *
 *   device is                          access           mmap
 *   on                                 works            works
 *   being reset, being reconfigured    waits            works
 *   off: memory disabled, D3,          SIGBUS           works
 *     low power, link broken
 *   closed, or the slice revoked       SIGBUS, for good ENODEV
 *
 * Who waits can be killed, and gets signals. A write to the configuration space
 * or an ioctl that is itself what is going on gets EFAULT for a buffer in a slice
 * of the device.
 *
 * "Closed" is when the last of all device fds, and of all mappings made through
 * them, is gone. To use a range again after that, export it again.
 */
#ifndef _UAPI_LINUX_VFIO_DMABUF_H
#define _UAPI_LINUX_VFIO_DMABUF_H

#include <linux/types.h>
#include <linux/vfio.h>

#ifndef VFIO_DEVICE_FEATURE_DMA_BUF
#define VFIO_DEVICE_FEATURE_DMA_BUF 11

/**
 * struct vfio_region_dma_range - a part of a region
 * @offset:	in bytes, from the region's beginning; whole pages
 * @length:	in bytes; whole pages, not 0
 */
struct vfio_region_dma_range {
	__u64 offset;
	__u64 length;
};

/**
 * struct vfio_device_feature_dma_buf - export ranges of a BAR (GET)
 * @region_index:	VFIO_PCI_BAR0_REGION_INDEX to VFIO_PCI_BAR5_REGION_INDEX
 * @open_flags:		O_RDONLY, O_RDWR or O_WRONLY (which nobody can map), and
 *			O_CLOEXEC
 * @flags:		0
 * @nr_ranges:		number of @dma_ranges, 1 to VFIO_DMABUF_MAX_RANGES
 * @dma_ranges:		what the slice consists of, in this order
 *
 * Return: the slice's fd, a DMABUF.
 *
 *   EINVAL	flags, open_flags or nr_ranges; a range that is empty, not of
 *		whole pages, or beyond the BAR; a total beyond 2^62 bytes; an
 *		I/O port BAR
 *   ENODEV	region_index is not a BAR, or the device does not have it
 *   EOPNOTSUPP	the BAR cannot be mapped (smaller than a page, or excluded)
 *   EBUSY	the BAR belonged to somebody else when the device was opened
 *   EFAULT, ENOMEM, EMFILE, ENFILE
 *
 * The kernel does not ask whether argsz covers the ranges, so neither is it
 * asked here.
 */
struct vfio_device_feature_dma_buf {
	__u32 region_index;
	__u32 open_flags;
	__u32 flags;
	__u32 nr_ranges;
	struct vfio_region_dma_range dma_ranges[];
};
#endif /* VFIO_DEVICE_FEATURE_DMA_BUF */

#define VFIO_DMABUF_VERSION		1
#define VFIO_DMABUF_MAX_RANGES		65536

#define VFIO_DMABUF_FEATURE_INFO	0xfd00
#define VFIO_DMABUF_FEATURE_REVOKE	0xfd01
#define VFIO_DMABUF_FEATURE_MEMATTR	0xfd02

/* The series' numbers, v4: for SET only, and only if INFO names them. */
#define VFIO_DMABUF_ALIAS_REVOKE	13
#define VFIO_DMABUF_ALIAS_MEMATTR	14

/**
 * struct vfio_dmabuf_revoke - take a slice back (SET)
 * @dmabuf_fd:	any fd of the slice
 *
 * When it returns no mapping of the slice has an entry in a page table, and no
 * other device has it mapped. Other slices are not touched, not even those of
 * the same range. It waits for devices that have the slice mapped, for as long as
 * they take.
 *
 *   EBADF	dmabuf_fd is not open
 *   EINVAL	dmabuf_fd is not a DMABUF
 *   ENODEV	dmabuf_fd is a DMABUF of something else, or of this device before it
 *		was bound anew
 *   EBADFD	the slice had ended before, by REVOKE or because the device was
 *		closed; nobody has it mapped, as above
 *   EINTR	killed while waiting: it is revoked, but somebody still has it
 *   EFAULT
 */
struct vfio_dmabuf_revoke {
	__s32 dmabuf_fd;
};

/* Not cached, not combined: the default, as for a BAR mapping of stock vfio. */
#define VFIO_DMABUF_MEMATTR_NC		0
/* Writes may be combined and reordered; for memory, not for registers. */
#define VFIO_DMABUF_MEMATTR_WC		1

/**
 * struct vfio_dmabuf_memattr - memory attribute of a slice's mappings
 * @dmabuf_fd:	any fd of the slice
 * @memattr:	one of VFIO_DMABUF_MEMATTR_*; output of GET
 *
 * SET holds for mappings made afterwards; those there are keep theirs.
 *
 *   ENOENT	memattr is not known
 *   EOPNOTSUPP	write-combining, and the BAR is not prefetchable (see the module
 *		parameter write_combine), or the machine cannot do it
 *   EBADFD	the slice has ended, by REVOKE or because the device was closed
 *   EBADF, EINVAL, ENODEV, EFAULT	as for REVOKE
 */
struct vfio_dmabuf_memattr {
	__s32 dmabuf_fd;
	__u32 memattr;
};

/* Write-combining can be had; for which BARs is a matter of write_combine. */
#define VFIO_DMABUF_FEATURE_BIT_WC		(1U << 0)
/* Mappings are filled with huge pages where sizes and addresses allow it. */
#define VFIO_DMABUF_FEATURE_BIT_HUGE		(1U << 1)
/* Mappings of the device fd behave as slices do (bar_mmap=dmabuf). */
#define VFIO_DMABUF_FEATURE_BIT_BAR_MMAP	(1U << 2)
/* Other devices may attach without an IOMMU between them (p2p=force). */
#define VFIO_DMABUF_FEATURE_BIT_P2P_FORCED	(1U << 3)

/* The slice can be accessed now. */
#define VFIO_DMABUF_STATE_ON		0
/* A reset or the like is going on; accesses wait. */
#define VFIO_DMABUF_STATE_BLOCKED	1
/* The device does not decode memory; SIGBUS until it does again. */
#define VFIO_DMABUF_STATE_OFF		2
/* Revoked or closed, for good. */
#define VFIO_DMABUF_STATE_REVOKED	3

/**
 * struct vfio_dmabuf_info - what there is, and what has happened (GET)
 * @dmabuf_fd:		in: a slice of this device, or -1 for the device only
 * @flags:		in: 0
 * @out_version:	VFIO_DMABUF_VERSION
 * @out_features:	VFIO_DMABUF_FEATURE_BIT_*
 * @out_revoke_alias:	feature number that is REVOKE, too; 0: none
 * @out_memattr_alias:	feature number that is MEMATTR, too; 0: none
 * @out_slices:		slices of the device that are not revoked
 * @out_mapped:		of those, how many some device has mapped
 * @out_exports:	slices made since the driver was bound
 * @out_revokes:	slices revoked by REVOKE
 * @out_zaps:		times that all slices were unmapped, because of a reset,
 *			a write to the configuration, low power, an error of the
 *			link or the close
 * @out_faults:		faults that mapped something
 * @out_waits:		faults that waited
 * @out_late:		times that a reset, a write to the configuration or low
 *			power went on although a device still had a slice mapped
 *			(importer_wait_ms)
 * @out_state:		VFIO_DMABUF_STATE_*; this and what follows is 0 without
 *			a slice
 * @out_memattr:	what mappings made from now on shall have
 * @out_effective:	what they will have on this machine
 * @out_nr_ranges:	of the slice, neighbours counted as one
 * @out_size:		of the slice, in bytes
 * @out_slice_faults:	faults on the slice that mapped something
 * @out_importers:	devices that have the slice mapped now
 * @out_reserved:	0
 *
 * Counters are taken one after the other, not all at one instant.
 *
 *   EINVAL	flags is not 0
 *   EBADF, EINVAL, ENODEV, EFAULT	as for REVOKE; a revoked slice is fine
 */
struct vfio_dmabuf_info {
	__s32 dmabuf_fd;
	__u32 flags;
	__u32 out_version;
	__u32 out_features;
	__u32 out_revoke_alias;
	__u32 out_memattr_alias;
	__u32 out_slices;
	__u32 out_mapped;
	__u64 out_exports;
	__u64 out_revokes;
	__u64 out_zaps;
	__u64 out_faults;
	__u64 out_waits;
	__u64 out_late;
	__u32 out_state;
	__u32 out_memattr;
	__u32 out_effective;
	__u32 out_nr_ranges;
	__u64 out_size;
	__u64 out_slice_faults;
	__u32 out_importers;
	__u32 out_reserved;
};

#endif /* _UAPI_LINUX_VFIO_DMABUF_H */
