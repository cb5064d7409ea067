// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#include "vfio_util.h"

static int region_info(const struct vfio_dev *dev, unsigned int index,
		       struct vfio_region_info *info)
{
	*info = (struct vfio_region_info){
		.argsz = sizeof(*info),
		.index = index,
	};
	return ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info) ? -errno : 0;
}

size_t vfio_bar_size(const struct vfio_dev *dev, int bar)
{
	struct vfio_region_info info;

	return region_info(dev, bar, &info) ? 0 : info.size;
}

off_t region_offset(const struct vfio_dev *dev, int index)
{
	struct vfio_region_info info;
	int ret = region_info(dev, index, &info);

	return ret ?: (off_t)info.offset;
}

void *vfio_bar_map(const struct vfio_dev *dev, int bar, int prot)
{
	struct vfio_region_info info;
	int ret = region_info(dev, bar, &info);

	if (ret) {
		errno = -ret;
		return MAP_FAILED;
	}
	return mmap(NULL, info.size, prot, MAP_SHARED, dev->fd, info.offset);
}

/* The same for all devices; asked for once, so as not to double each access. */
static off_t config_offset(const struct vfio_dev *dev)
{
	static _Atomic off_t offset;
	struct vfio_region_info info;
	int ret;

	if (!offset) {
		ret = region_info(dev, VFIO_PCI_CONFIG_REGION_INDEX, &info);
		if (ret)
			return ret;
		offset = info.offset;
	}
	return offset;
}

ssize_t vfio_config_read(const struct vfio_dev *dev, off_t pos, void *buf,
			 size_t size)
{
	off_t offset = config_offset(dev);
	ssize_t n;

	if (offset < 0)
		return offset;
	n = pread(dev->fd, buf, size, offset + pos);
	return n < 0 ? -errno : n;
}

ssize_t vfio_config_write(const struct vfio_dev *dev, off_t pos,
			  const void *buf, size_t size)
{
	off_t offset = config_offset(dev);
	ssize_t n;

	if (offset < 0)
		return offset;
	n = pwrite(dev->fd, buf, size, offset + pos);
	return n < 0 ? -errno : n;
}

/* The 16 bits at @pos: those of @mask become @value. */
static int config_change(const struct vfio_dev *dev, off_t pos, uint16_t mask,
			 uint16_t value)
{
	uint16_t word;
	ssize_t n;

	n = vfio_config_read(dev, pos, &word, sizeof(word));
	if (n == sizeof(word)) {
		word = (word & ~mask) | value;
		n = vfio_config_write(dev, pos, &word, sizeof(word));
	}
	return n == sizeof(word) ? 0 : n < 0 ? n : -EIO;
}

int vfio_memory_enable(const struct vfio_dev *dev, bool on)
{
	return config_change(dev, PCI_COMMAND, PCI_COMMAND_MEMORY,
			     on ? PCI_COMMAND_MEMORY : 0);
}

uint8_t vfio_capability(const struct vfio_dev *dev, uint8_t id)
{
	uint8_t pos = PCI_CAPABILITY_LIST, cap[2];
	int left;

	if (vfio_config_read(dev, pos, &pos, 1) != 1)
		return 0;
	/* As many as fit, should the list be a ring. */
	for (left = 48; left && pos >= PCI_STD_HEADER_SIZEOF; left--) {
		if (vfio_config_read(dev, pos & ~3, cap, sizeof(cap)) != 2)
			return 0;
		if (cap[0] == id)
			return pos & ~3;
		pos = cap[1];
	}
	return 0;
}

int vfio_power_state(const struct vfio_dev *dev, unsigned int state)
{
	uint8_t pm = vfio_capability(dev, PCI_CAP_ID_PM);

	if (!pm)
		return -ENOTSUP;
	return config_change(dev, pm + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK,
			     state);
}

int vfio_reset(const struct vfio_dev *dev)
{
	return ioctl(dev->fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

int vfio_hot_reset(const struct vfio_dev *dev)
{
	struct vfio_pci_hot_reset_info *info;
	struct vfio_pci_hot_reset *reset;
	uint32_t count = 0;
	size_t size;
	int ret;

	/* How many there are comes with the error. */
	for (;;) {
		size = sizeof(*info) + count * sizeof(info->devices[0]);
		info = calloc(1, size);
		if (!info)
			return -ENOMEM;
		info->argsz = size;
		ret = ioctl(dev->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
		ret = ret ? -errno : 0;
		if (ret != -ENOSPC || info->count <= count)
			break;
		count = info->count;
		free(info);
	}
	free(info);
	if (ret)
		return ret;

	/* Should one of another group be among them, the kernel objects. */
	size = sizeof(*reset) + sizeof(reset->group_fds[0]);
	reset = calloc(1, size);
	if (!reset)
		return -ENOMEM;
	reset->argsz = size;
	reset->count = 1;
	reset->group_fds[0] = dev->group;
	ret = ioctl(dev->fd, VFIO_DEVICE_PCI_HOT_RESET, reset) ? -errno : 0;
	free(reset);
	return ret;
}

int vfio_flr_by_config(const struct vfio_dev *dev)
{
	uint8_t exp = vfio_capability(dev, PCI_CAP_ID_EXP);
	uint32_t can = 0;

	if (!exp)
		return -ENOTSUP;
	vfio_config_read(dev, exp + PCI_EXP_DEVCAP, &can, sizeof(can));
	if (!(can & PCI_EXP_DEVCAP_FLR))
		return -ENOTSUP;
	return config_change(dev, exp + PCI_EXP_DEVCTL,
			     PCI_EXP_DEVCTL_BCR_FLR, PCI_EXP_DEVCTL_BCR_FLR);
}

int vfio_irq_eventfd(const struct vfio_dev *dev, unsigned int index, int fd)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} args = {
		.set = {
			.argsz = sizeof(args),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = index,
			.count = 1,
		},
		.fd = fd,
	};

	return ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &args) ? -errno : 0;
}
