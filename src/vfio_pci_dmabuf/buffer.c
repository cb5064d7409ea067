// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slices: DMABUFs of BAR ranges.
 */
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci-p2pdma.h>
#include <linux/slab.h>

#include <bufsync/guards.h>

#include "vfio_pci_dmabuf_private.h"

static void vdmabuf_buffer_free(struct vdmabuf_buffer *buffer)
{
	vdmabuf_ranges_free(&buffer->ranges);
	vdmabuf_gate_put(buffer->gate);
	kfree(buffer);
}

static void vdmabuf_release(struct dma_buf *dmabuf)
{
	struct vdmabuf_buffer *buffer = dmabuf->priv;
	struct inode *inode = buffer->inode;
	struct file *holds = buffer->holds;

	down_write(&buffer->gate->sem);
	list_del(&buffer->link);
	up_write(&buffer->gate->sem);
	vdmabuf_buffer_free(buffer);
	iput(inode);
	/* This may be what closes the device, so it comes last. */
	if (holds)
		fput(holds);
}

static const struct dma_buf_ops vdmabuf_dma_buf_ops = {
	.attach = vdmabuf_attach,
	.map_dma_buf = vdmabuf_map,
	.unmap_dma_buf = vdmabuf_unmap,
	.release = vdmabuf_release,
	.mmap = vdmabuf_mmap,
#ifdef BUFSYNC_HAVE_DMABUF_CACHED_SGT
	/*
	 * Else the core would map once, at attach, and keep that mapping
	 * whatever the importer does when it is told to let go.
	 */
	.pin = vdmabuf_pin,
	.unpin = vdmabuf_unpin,
#endif
};

/**
 * vdmabuf_bar_check() - can slices be made of a BAR?
 * @vdev:	an open device
 * @index:	of the region
 *
 * Context: process.
 * Return: 0; -ENODEV if it is no BAR or there is nothing in it; -EINVAL for
 * I/O ports; -EOPNOTSUPP if it cannot be mapped; -EBUSY if somebody else has it.
 */
int vdmabuf_bar_check(struct vfio_pci_core_device *vdev, u32 index)
{
	struct pci_dev *pdev = vdev->pdev;

	if (index >= VFIO_PCI_ROM_REGION_INDEX ||
	    !pci_resource_len(pdev, index))
		return -ENODEV;
	if (!(pci_resource_flags(pdev, index) & IORESOURCE_MEM))
		return -EINVAL;
	if (!vdev->bar_mmap_supported[index])
		return -EOPNOTSUPP;
	/* The core claims what it can when the device is opened. */
	if (IS_ERR_OR_NULL(vdev->barmap[index]))
		return -EBUSY;
	return 0;
}

static int vdmabuf_buffer_name(struct vdmabuf_buffer *buffer,
			       const char *owner, const struct pci_dev *pdev)
{
	struct dma_buf *dmabuf = buffer->dmabuf;
	char *name;

	name = kasprintf(GFP_KERNEL_ACCOUNT, "%s:%s/%u", owner, pci_name(pdev),
			 buffer->bar);
	if (!name)
		return -ENOMEM;
	/* From now on it is the core's, which frees it. */
	spin_lock(&dmabuf->name_lock);
	dmabuf->name = name;
	spin_unlock(&dmabuf->name_lock);
	return 0;
}

/**
 * vdmabuf_buffer_create() - make a slice
 * @vd:		an open device
 * @bar:	for which vdmabuf_bar_check() gave 0
 * @wanted:	parts of the BAR
 * @nr:		of them, at least one
 * @open_flags:	of the file
 * @owner:	first part of its name
 *
 * It is not in the gate's list yet, so nothing must be mapped before
 * vdmabuf_buffer_publish().
 *
 * Context: process, may sleep.
 * Return: the slice, with the only reference; -EINVAL for an impossible part;
 * -ENOMEM, and what dma_buf_export() returns.
 */
struct vdmabuf_buffer *
vdmabuf_buffer_create(struct vdmabuf_device *vd, unsigned int bar,
		      const struct vfio_region_dma_range *wanted,
		      unsigned int nr, int open_flags, const char *owner)
{
	struct pci_dev *pdev = vd->core.pdev;
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct vdmabuf_buffer *buffer;
	struct dma_buf *dmabuf;
	int ret;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	kref_get(&vd->gate->ref);
	buffer->gate = vd->gate;
	INIT_LIST_HEAD(&buffer->link);
	init_waitqueue_head(&buffer->unmapped);
	buffer->bar = bar;
	buffer->prefetchable = pci_resource_flags(pdev, bar) &
			       IORESOURCE_PREFETCH;
	buffer->provider = pcim_p2pdma_provider(pdev, bar);
	ret = vdmabuf_ranges_init(&buffer->ranges,
				  pci_resource_start(pdev, bar),
				  PAGE_ALIGN(pci_resource_len(pdev, bar)),
				  wanted, nr);
	if (ret)
		goto free_buffer;

	info.ops = &vdmabuf_dma_buf_ops;
	info.size = buffer->ranges.size;
	info.flags = open_flags;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		ret = PTR_ERR(dmabuf);
		goto free_buffer;
	}
	buffer->dmabuf = dmabuf;
	buffer->inode = file_inode(dmabuf->file);
	ihold(buffer->inode);

	/* From here on the dma_buf's release() frees the buffer. */
	ret = vdmabuf_buffer_name(buffer, owner, pdev);
	if (ret) {
		dma_buf_put(dmabuf);
		return ERR_PTR(ret);
	}
	return buffer;

free_buffer:
	vdmabuf_buffer_free(buffer);
	return ERR_PTR(ret);
}

/**
 * vdmabuf_buffer_publish() - let the gate know of a slice
 * @buffer:	from vdmabuf_buffer_create()
 *
 * Context: process, may sleep; the device is open.
 */
void vdmabuf_buffer_publish(struct vdmabuf_buffer *buffer)
{
	struct vdmabuf_gate *gate = buffer->gate;

	down_write(&gate->sem);
	list_add_tail(&buffer->link, &gate->buffers);
	if (!buffer->holds)
		gate->exports++;
	up_write(&gate->sem);
}

/**
 * vdmabuf_buffer_get() - the slice that an fd stands for
 * @gate:	of the device that the caller has
 * @fd:		given by the user
 *
 * Context: process, may sleep.
 * Return: the slice, for vdmabuf_buffer_put(); -EBADF if the fd is not open;
 * -EINVAL if it is no DMABUF; -ENODEV if it is none of this device.
 */
struct vdmabuf_buffer *vdmabuf_buffer_get(struct vdmabuf_gate *gate, int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct vdmabuf_buffer *buffer;

	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);
	if (dmabuf->ops == &vdmabuf_dma_buf_ops) {
		buffer = dmabuf->priv;
		if (buffer->gate == gate)
			return buffer;
	}
	dma_buf_put(dmabuf);
	return ERR_PTR(-ENODEV);
}

/**
 * vdmabuf_buffer_get_mapped() - a reference, if some device has a slice mapped
 * @buffer:	the slice; its gate's lock is held
 *
 * Without one the slice may be on its way to vdmabuf_release(), where it waits
 * for that lock, and cannot be held any more.
 *
 * Context: process, may sleep.
 * Return: true if so, for vdmabuf_buffer_put().
 */
bool vdmabuf_buffer_get_mapped(struct vdmabuf_buffer *buffer)
{
	lockdep_assert_held(&buffer->gate->sem);
	guard(bufsync_resv)(buffer->dmabuf->resv);
	if (!buffer->mapped)
		return false;
	get_dma_buf(buffer->dmabuf);
	return true;
}

/**
 * vdmabuf_buffer_put() - drop the reference of vdmabuf_buffer_get()
 * @buffer:	the slice
 *
 * Context: process, may sleep.
 */
void vdmabuf_buffer_put(struct vdmabuf_buffer *buffer)
{
	dma_buf_put(buffer->dmabuf);
}

/**
 * vdmabuf_buffer_zap() - take a slice out of all page tables
 * @buffer:	the slice; its gate's lock is held for writing, so that nobody
 *		puts it back
 *
 * Context: process, may sleep.
 */
void vdmabuf_buffer_zap(struct vdmabuf_buffer *buffer)
{
	lockdep_assert_held_write(&buffer->gate->sem);
	unmap_mapping_range(buffer->inode->i_mapping, 0, 0, 1);
}

/**
 * vdmabuf_buffer_end() - no new mappings of any kind
 * @buffer:	the slice; its gate's lock is held for writing
 *
 * Context: process, may sleep.
 */
void vdmabuf_buffer_end(struct vdmabuf_buffer *buffer)
{
	lockdep_assert_held_write(&buffer->gate->sem);
	guard(bufsync_resv)(buffer->dmabuf->resv);
	WRITE_ONCE(buffer->revoked, true);
}

/**
 * vdmabuf_buffer_revoke() - end a slice that somebody has
 * @buffer:	the slice, with a reference
 *
 * Returns when it is in no page table and no other device has it mapped.
 *
 * Context: process, may sleep, no locks.
 * Return: 0; -EBADFD if it had ended before; -EINTR if the caller is killed
 * while another device still has it mapped.
 */
int vdmabuf_buffer_revoke(struct vdmabuf_buffer *buffer)
{
	struct vdmabuf_gate *gate = buffer->gate;
	bool before;
	int ret;

	down_write(&gate->sem);
	before = buffer->revoked;
	if (!before) {
		vdmabuf_buffer_end(buffer);
		vdmabuf_buffer_zap(buffer);
		gate->revokes++;
		/* Faults that wait for a reset have their answer now. */
		wake_up_all(&gate->wait);
	}
	up_write(&gate->sem);

	/* Somebody else's call may not have come that far. */
	vdmabuf_invalidate(buffer);
	ret = vdmabuf_drain(buffer, true);
	if (ret)
		return ret;

	/* Nothing that the gate does has any use for it now. */
	down_write(&gate->sem);
	list_del_init(&buffer->link);
	up_write(&gate->sem);
	return before ? -EBADFD : 0;
}

MODULE_IMPORT_NS("DMA_BUF");
