/* SPDX-License-Identifier: GPL-2.0-only */
/* Arguments that no header has a struct for. */
#ifndef _FUZZ_STRUCTS_H
#define _FUZZ_STRUCTS_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <linux/ioctl.h>
#include <linux/vfio.h>
#include <linux/vfio-dmabuf.h>

struct fuzz_vfio_export {
	struct vfio_device_feature f;
	struct vfio_device_feature_dma_buf d;
	struct vfio_region_dma_range ranges[4];
};

struct fuzz_vfio_revoke {
	struct vfio_device_feature f;
	struct vfio_dmabuf_revoke p;
};

struct fuzz_vfio_memattr {
	struct vfio_device_feature f;
	struct vfio_dmabuf_memattr p;
};

struct fuzz_vfio_info {
	struct vfio_device_feature f;
	struct vfio_dmabuf_info p;
};

struct fuzz_vfio_none {
	struct vfio_device_feature f;
};

/* The kernel keeps these to itself (drivers/dma-buf/sw_sync.c). */
struct sw_sync_create_fence_data {
	__u32 value;
	char name[32];
	__s32 fence;
};

#define SW_SYNC_IOC_CREATE_FENCE _IOWR('W', 0, struct sw_sync_create_fence_data)
#define SW_SYNC_IOC_INC		_IOW('W', 1, __u32)

struct fuzz_u32 {
	__u32 value;
};

struct fuzz_name {
	char name[32];
};

#endif
