// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other devices that have a slice mapped. They must let go when they are told
 * to, so only those may attach that can be told.
 */
#include <linux/dma-buf-mapping.h>
#include <linux/dma-resv.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>

#include <bufsync/guards.h>

#include "vfio_pci_dmabuf_private.h"

/* After this time somebody should know what is waited for. */
#define VDMABUF_COMPLAIN	(10 * HZ)
/* How soon a signal is noticed while fences are waited for */
#define VDMABUF_GLANCE		(HZ / 4)

/**
 * vdmabuf_attach() - dma_buf_ops.attach
 * @dmabuf:	a slice
 * @attach:	what the importer wants to be
 *
 * Context: process, may sleep.
 * Return: 0; -ENODEV if the slice is revoked; -EOPNOTSUPP for an importer that
 * takes memory only, that cannot be told to let go, or whose accesses would not
 * arrive at the device.
 */
int vdmabuf_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct vdmabuf_buffer *buffer = dmabuf->priv;
	int policy = READ_ONCE(vdmabuf_p2p);

	if (!attach->peer2peer || policy == VDMABUF_P2P_OFF ||
	    !dma_buf_attach_revocable(attach))
		return -EOPNOTSUPP;

	guard(bufsync_resv)(dmabuf->resv);
	if (buffer->revoked)
		return -ENODEV;
	if (!buffer->provider ||
	    !bufsync_p2p_reaches(buffer->provider, attach->dev,
				 policy == VDMABUF_P2P_FORCE))
		return -EOPNOTSUPP;
	bufsync_attach_init(attach, buffer->ranges.nr);
	return 0;
}

#ifdef BUFSYNC_HAVE_DMABUF_CACHED_SGT
/*
 * Before 6.16 there must be a pin() (see buffer.c), and where importers cannot
 * be moved the core calls it itself, right before each map_dma_buf(). The
 * importer's own, which would mean that the slice stays, looks the same. So an
 * attachment is in one of these states, its private data, and a pin() in any but
 * the first is refused: also that of the core, if it is for a second mapping.
 */
enum { VDMABUF_UNPINNED, VDMABUF_PINNED, VDMABUF_MAPPED };

static void vdmabuf_attach_set(struct dma_buf_attachment *attach, long state)
{
	if (!IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY))
		attach->priv = (void *)state;
}

/**
 * vdmabuf_pin() - dma_buf_ops.pin
 * @attach:	who wants the slice to stay, which it cannot
 *
 * Context: process, under the reservation lock.
 * Return: 0; -EOPNOTSUPP if this can only come from the importer.
 */
int vdmabuf_pin(struct dma_buf_attachment *attach)
{
	if (IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY) || attach->priv)
		return -EOPNOTSUPP;
	vdmabuf_attach_set(attach, VDMABUF_PINNED);
	return 0;
}

/**
 * vdmabuf_unpin() - dma_buf_ops.unpin
 * @attach:	of vdmabuf_pin()
 *
 * Context: process, under the reservation lock.
 */
void vdmabuf_unpin(struct dma_buf_attachment *attach)
{
	vdmabuf_attach_set(attach, VDMABUF_UNPINNED);
}

static void vdmabuf_attach_mapped(struct dma_buf_attachment *attach,
				  bool mapped)
{
	vdmabuf_attach_set(attach, mapped ? VDMABUF_MAPPED : VDMABUF_PINNED);
}
#else
static void vdmabuf_attach_mapped(struct dma_buf_attachment *attach,
				  bool mapped)
{
}
#endif

/**
 * vdmabuf_map() - dma_buf_ops.map_dma_buf
 * @attach:	of vdmabuf_attach()
 * @dir:	of transfers
 *
 * What closes the gate takes the reservation lock after that, one slice after
 * the other. So either it is seen here, or it sees this mapping.
 *
 * Context: process, may sleep, under the reservation lock.
 * Return: a table of DMA addresses without pages; -ENODEV if the slice cannot
 * be accessed now; -EACCES for a transfer that it was not opened for; -ENOMEM,
 * -EINVAL.
 */
struct sg_table *vdmabuf_map(struct dma_buf_attachment *attach,
			     enum dma_data_direction dir)
{
	struct vdmabuf_buffer *buffer = attach->dmabuf->priv;
	const fmode_t mode = attach->dmabuf->file->f_mode;
	struct sg_table *sgt;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (buffer->revoked ||
	    vdmabuf_gate_state(buffer->gate) != VFIO_DMABUF_STATE_ON)
		return ERR_PTR(-ENODEV);
	if ((dir != DMA_TO_DEVICE && !(mode & FMODE_WRITE)) ||
	    (dir != DMA_FROM_DEVICE && !(mode & FMODE_READ)))
		return ERR_PTR(-EACCES);

	sgt = dma_buf_phys_vec_to_sgt(attach, buffer->provider,
				      buffer->ranges.phys, buffer->ranges.nr,
				      buffer->ranges.size, dir);
	if (!IS_ERR(sgt)) {
		WRITE_ONCE(buffer->mapped, buffer->mapped + 1);
		vdmabuf_attach_mapped(attach, true);
	}
	return sgt;
}

/**
 * vdmabuf_unmap() - dma_buf_ops.unmap_dma_buf
 * @attach:	of the mapping
 * @sgt:	from vdmabuf_map()
 * @dir:	as there
 *
 * Context: process, may sleep, under the reservation lock.
 */
void vdmabuf_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		   enum dma_data_direction dir)
{
	struct vdmabuf_buffer *buffer = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	dma_buf_free_sgt(attach, sgt, dir);
	vdmabuf_attach_mapped(attach, false);
	/* Who sees 0 relies on the above. */
	smp_store_release(&buffer->mapped, buffer->mapped - 1);
	if (!buffer->mapped)
		wake_up_all(&buffer->unmapped);
}

/**
 * vdmabuf_invalidate() - tell importers to let go
 * @buffer:	a slice that cannot be mapped any more, or not now
 *
 * Context: process, may sleep. A reference or the gate's lock keeps it alive.
 */
void vdmabuf_invalidate(struct vdmabuf_buffer *buffer)
{
	guard(bufsync_resv)(buffer->dmabuf->resv);
	if (buffer->mapped)
		dma_buf_invalidate_mappings(buffer->dmabuf);
}

static bool vdmabuf_unmapped(const struct vdmabuf_buffer *buffer)
{
	/* with the release in vdmabuf_unmap() */
	return !smp_load_acquire(&buffer->mapped);
}

/**
 * vdmabuf_wait_importers() - wait until they have
 * @buffer:	after vdmabuf_invalidate()
 * @timeout:	in jiffies
 * @killable:	give up when the caller is killed
 *
 * Context: process, sleeps. With a reference to the slice, and no locks that a
 * fault or the release of a slice takes.
 * Return: false if somebody still has the slice mapped.
 */
bool vdmabuf_wait_importers(struct vdmabuf_buffer *buffer,
			    unsigned long timeout, bool killable)
{
	struct dma_resv *resv = buffer->dmabuf->resv;
	unsigned long end = jiffies + timeout, now, part;

	if (vdmabuf_unmapped(buffer))
		return true;

	/* Until then the other device works with it; without a mapping it cannot. */
	do {
		now = jiffies;
		if (vdmabuf_unmapped(buffer))
			return true;
		if (killable && fatal_signal_pending(current))
			return false;
		part = time_before(now, end) ?
		       min(end - now, (unsigned long)VDMABUF_GLANCE) : 0;
		if (dma_resv_wait_timeout(resv, DMA_RESV_USAGE_BOOKKEEP, false,
					  part) > 0)
			break;
	} while (part);

	/* Until then it may read. */
	now = jiffies;
	timeout = time_before(now, end) ? end - now : 0;
	if (killable)
		return wait_event_killable_timeout(buffer->unmapped,
						   vdmabuf_unmapped(buffer),
						   timeout) > 0;
	return wait_event_timeout(buffer->unmapped, vdmabuf_unmapped(buffer),
				  timeout) > 0;
}

/**
 * vdmabuf_drain() - wait until they have, however long it takes
 * @buffer:	after vdmabuf_invalidate()
 * @killable:	give up when the caller is killed
 *
 * Context: process, sleeps. With a reference to the slice, and no locks that a
 * fault or the release of a slice takes.
 * Return: 0, or -EINTR.
 */
int vdmabuf_drain(struct vdmabuf_buffer *buffer, bool killable)
{
	while (!vdmabuf_wait_importers(buffer, VDMABUF_COMPLAIN, killable)) {
		if (killable && fatal_signal_pending(current))
			return -EINTR;
		pr_warn_ratelimited("slice %llu of BAR %u is revoked, and another device still has it mapped; waiting\n",
				    (u64)buffer->inode->i_ino, buffer->bar);
	}
	return 0;
}
