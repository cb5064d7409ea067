// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of the device fd as slices (bar_mmap=dmabuf). Each is a slice of its
 * own that nobody has an fd of. It keeps the device open, as a mapping of stock
 * vfio-pci does.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/mm.h>

#include "vfio_pci_dmabuf_private.h"

#define VDMABUF_REGION_PAGES	(1UL << (VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT))

/**
 * vdmabuf_bar_mmap_vma() - vfio_device_ops.mmap
 * @vd:		an open device
 * @vma:	of its file
 *
 * Refuses what the core refuses, and leaves to the core what is no BAR.
 *
 * Context: process, under mmap_lock.
 * Return: 0; -EINVAL, -EBUSY, -ENOMEM.
 */
int vdmabuf_bar_mmap_vma(struct vdmabuf_device *vd, struct vm_area_struct *vma)
{
	unsigned int bar = vma->vm_pgoff / VDMABUF_REGION_PAGES;
	unsigned long page = vma->vm_pgoff % VDMABUF_REGION_PAGES;
	struct vfio_pci_core_device *vdev = &vd->core;
	struct vfio_region_dma_range whole = { };
	struct vdmabuf_buffer *buffer;
	struct dma_buf *dmabuf;
	int ret;

	if (bar >= VFIO_PCI_ROM_REGION_INDEX)
		return vfio_pci_core_mmap(&vdev->vdev, vma);
	if (!(vma->vm_flags & VM_SHARED) || !vdev->bar_mmap_supported[bar])
		return -EINVAL;
	whole.length = PAGE_ALIGN(pci_resource_len(vdev->pdev, bar));
	if (page + vma_pages(vma) > whole.length >> PAGE_SHIFT)
		return -EINVAL;
	ret = vdmabuf_bar_check(vdev, bar);
	if (ret)
		return ret;

	buffer = vdmabuf_buffer_create(vd, bar, &whole, 1, O_RDWR,
				       dev_name(&vdev->vdev.device));
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	dmabuf = buffer->dmabuf;
	/* What /proc/PID/maps shows stays what the user has asked for. */
	buffer->pgoff_base = vma->vm_pgoff - page;
	buffer->holds = get_file(vma->vm_file);
	vdmabuf_buffer_publish(buffer);

	vma_set_file(vma, dmabuf->file);
	vdmabuf_vma_init(vma, buffer, VFIO_DMABUF_MEMATTR_NC);
	dma_buf_put(dmabuf);
	return 0;
}
