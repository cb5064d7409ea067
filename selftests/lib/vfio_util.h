/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI devices given to user space: finding and binding them, opening them as
 * VFIO does (type1 container, group, device), regions, resets, slices.
 *
 * Functions return what the system call returned, or a negative errno.
 */
#ifndef _VFIO_UTIL_H
#define _VFIO_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vfio-dmabuf.h>

#include "access_util.h"

#define VFIO_OURS	"vfio_pci_dmabuf"
#define VFIO_STOCK	"vfio-pci"

/*
 * The machine that scripts/vm boots; see scripts/lib/qemu.sh. Each has an IOMMU
 * group of its own, but for VFIO_BOCHS and VFIO_SIBLING, which share one and
 * are functions 0 and 1 of one slot.
 */
enum vfio_role {
	VFIO_BOCHS,	/* bochs-display: BAR0 16 MiB prefetchable, BAR2 4 KiB */
	VFIO_SIBLING,	/* the same, behind the same root port */
	VFIO_BIG,	/* ivshmem: BAR2 1 GiB prefetchable; slow on a debug kernel */
	VFIO_MEMORY,	/* ivshmem: BAR2 128 MiB prefetchable */
	VFIO_GPU,	/* virtio-gpu-pci: FLR, power management */
	VFIO_EDU,	/* edu: BAR0 1 MiB, not prefetchable; a DMA engine */
	VFIO_IVSHMEM,	/* ivshmem: BAR2 4 MiB, the file /run/vm/ivshmem */
};

/* 0, or -ENODEV if the machine has none; @bdf holds 16 bytes */
int vfio_find(enum vfio_role role, char *bdf);
/*
 * By driver_override, away from whatever has it; loads @driver's module. Waits
 * until it is there.
 */
int vfio_bind(const char *bdf, const char *driver);
/* From its driver, to none. Blocks while the device is open elsewhere. */
int vfio_unbind(const char *bdf);
/* Name of the driver that it is bound to, "" if none */
int vfio_driver(const char *bdf, char *name, size_t size);
/* The node of its IOMMU group */
void vfio_group_path(const char *bdf, char *path, size_t size);
/* Files of /sys/bus/pci/devices/@bdf; text_util.h says how. */
int vfio_sysfs_read(const char *bdf, const char *file, char *text, size_t size);
int vfio_sysfs_write(const char *bdf, const char *file, const char *text);
/* Writes "1", for those such as reset */
int vfio_sysfs_poke(const char *bdf, const char *what);

struct vfio_dev {
	char bdf[16];
	int container;
	int group;
	int fd;		/* of the device; the other two may be -1 */
};

/*
 * Opens a device that is bound already. @share: one of the same group that is
 * open, whose container and group are used; or NULL.
 */
int vfio_open(struct vfio_dev *dev, const char *bdf,
	      const struct vfio_dev *share);
void vfio_close(struct vfio_dev *dev);
/* find, bind to @driver, open */
int vfio_start(struct vfio_dev *dev, enum vfio_role role, const char *driver);
/* close, unbind */
void vfio_stop(struct vfio_dev *dev);

/* Regions: vfio_region.c */

size_t vfio_bar_size(const struct vfio_dev *dev, int bar);
/* Where a region begins in the device's file; -errno */
off_t region_offset(const struct vfio_dev *dev, int index);
/* All of a BAR by the device fd; MAP_FAILED, errno */
void *vfio_bar_map(const struct vfio_dev *dev, int bar, int prot);
ssize_t vfio_config_read(const struct vfio_dev *dev, off_t pos, void *buf,
			 size_t size);
ssize_t vfio_config_write(const struct vfio_dev *dev, off_t pos,
			  const void *buf, size_t size);
/* PCI_COMMAND_MEMORY */
int vfio_memory_enable(const struct vfio_dev *dev, bool on);
/* Offset of a capability in configuration space, 0 if there is none */
uint8_t vfio_capability(const struct vfio_dev *dev, uint8_t id);
/* D0 is 0, D3hot is 3; -ENOTSUP without the capability */
int vfio_power_state(const struct vfio_dev *dev, unsigned int state);

/* Resets and interrupts */

int vfio_reset(const struct vfio_dev *dev);		/* VFIO_DEVICE_RESET */
/* VFIO_DEVICE_PCI_HOT_RESET by @dev, of all that share its bus */
int vfio_hot_reset(const struct vfio_dev *dev);
/* The initiate-FLR bit, by a write to configuration space */
int vfio_flr_by_config(const struct vfio_dev *dev);
/* @fd is told of the interrupt VFIO_PCI_*_IRQ_INDEX, of which there is one. */
int vfio_irq_eventfd(const struct vfio_dev *dev, unsigned int index, int fd);

/* Features: vfio_feature.c */

/* VFIO_DEVICE_FEATURE with @size bytes of payload; the ioctl's result or -errno */
int vfio_feature(int fd, uint32_t flags, void *payload, size_t size);
int vfio_probe(int fd, uint32_t flags);
int vfio_low_power(const struct vfio_dev *dev, bool enter);
/* A slice's fd */
int vfio_export(const struct vfio_dev *dev, int bar, uint64_t offset,
		uint64_t length, uint32_t open_flags);
int vfio_export_ranges(const struct vfio_dev *dev, int bar,
		       const struct vfio_region_dma_range *ranges,
		       unsigned int nr, uint32_t open_flags);
int vfio_revoke(const struct vfio_dev *dev, int dmabuf);
int vfio_memattr(const struct vfio_dev *dev, int dmabuf, uint32_t memattr);
/* @dmabuf may be -1 */
int vfio_info(const struct vfio_dev *dev, int dmabuf,
	      struct vfio_dmabuf_info *info);
/* The same; with an error, numbers that no test expects */
struct vfio_dmabuf_info info_of(const struct vfio_dev *dev, int dmabuf);

#endif /* _VFIO_UTIL_H */
