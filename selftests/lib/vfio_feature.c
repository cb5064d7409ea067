// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vfio_util.h"

int vfio_feature(int fd, uint32_t flags, void *payload, size_t size)
{
	struct vfio_device_feature *feature;
	int ret;

	feature = malloc(sizeof(*feature) + size);
	if (!feature)
		return -ENOMEM;
	feature->argsz = sizeof(*feature) + size;
	feature->flags = flags;
	if (size)
		memcpy(feature->data, payload, size);
	ret = ioctl(fd, VFIO_DEVICE_FEATURE, feature);
	if (ret < 0)
		ret = -errno;
	else if (size)
		memcpy(payload, feature->data, size);
	free(feature);
	return ret;
}

int vfio_probe(int fd, uint32_t flags)
{
	return vfio_feature(fd, flags | VFIO_DEVICE_FEATURE_PROBE, NULL, 0);
}

int vfio_low_power(const struct vfio_dev *dev, bool enter)
{
	uint32_t feature = enter ? VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY :
				   VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;

	return vfio_feature(dev->fd, VFIO_DEVICE_FEATURE_SET | feature, NULL,
			    0);
}

int vfio_export(const struct vfio_dev *dev, int bar, uint64_t offset,
		uint64_t length, uint32_t open_flags)
{
	struct vfio_region_dma_range range = {
		.offset = offset,
		.length = length,
	};

	return vfio_export_ranges(dev, bar, &range, 1, open_flags);
}

int vfio_export_ranges(const struct vfio_dev *dev, int bar,
		       const struct vfio_region_dma_range *ranges,
		       unsigned int nr, uint32_t open_flags)
{
	struct vfio_device_feature_dma_buf *args;
	size_t size = sizeof(*args) + nr * sizeof(*ranges);
	int ret;

	args = calloc(1, size);
	if (!args)
		return -ENOMEM;
	args->region_index = bar;
	args->open_flags = open_flags;
	args->nr_ranges = nr;
	if (nr)
		memcpy(args->dma_ranges, ranges, nr * sizeof(*ranges));
	ret = vfio_feature(dev->fd, VFIO_DEVICE_FEATURE_GET |
			   VFIO_DEVICE_FEATURE_DMA_BUF, args, size);
	free(args);
	return ret;
}

int vfio_revoke(const struct vfio_dev *dev, int dmabuf)
{
	struct vfio_dmabuf_revoke args = { .dmabuf_fd = dmabuf };

	return vfio_feature(dev->fd, VFIO_DEVICE_FEATURE_SET |
			    VFIO_DMABUF_FEATURE_REVOKE, &args, sizeof(args));
}

int vfio_memattr(const struct vfio_dev *dev, int dmabuf, uint32_t memattr)
{
	struct vfio_dmabuf_memattr args = {
		.dmabuf_fd = dmabuf,
		.memattr = memattr,
	};

	return vfio_feature(dev->fd, VFIO_DEVICE_FEATURE_SET |
			    VFIO_DMABUF_FEATURE_MEMATTR, &args, sizeof(args));
}

int vfio_info(const struct vfio_dev *dev, int dmabuf,
	      struct vfio_dmabuf_info *info)
{
	memset(info, 0, sizeof(*info));
	info->dmabuf_fd = dmabuf;
	return vfio_feature(dev->fd, VFIO_DEVICE_FEATURE_GET |
			    VFIO_DMABUF_FEATURE_INFO, info, sizeof(*info));
}

struct vfio_dmabuf_info info_of(const struct vfio_dev *dev, int dmabuf)
{
	struct vfio_dmabuf_info info;

	if (vfio_info(dev, dmabuf, &info))
		memset(&info, 0xff, sizeof(info));
	return info;
}
