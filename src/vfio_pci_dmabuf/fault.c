// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings by user space. Nothing is mapped until it is touched: each fault asks
 * the gate.
 */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "vfio_pci_dmabuf_private.h"

/* Will a fault get an answer now? */
static bool vdmabuf_settled(const struct vdmabuf_buffer *buffer)
{
	return !READ_ONCE(buffer->gate->block) || READ_ONCE(buffer->revoked);
}

/*
 * Wait for the gate, as a mapping of stock vfio-pci waits for memory_lock; but
 * outside of mmap_lock, which who holds the gate may need for its own access to
 * user memory. Takes over the caller's hold on the gate's lock.
 */
static vm_fault_t vdmabuf_fault_wait(struct vm_fault *vmf,
				     struct vdmabuf_buffer *buffer)
{
	struct vdmabuf_gate *gate = buffer->gate;
	const unsigned int flags = vmf->flags;
	struct file *file = vmf->vma->vm_file;

	if (flags & FAULT_FLAG_RETRY_NOWAIT) {
		up_read(&gate->sem);
		return VM_FAULT_RETRY;
	}
	if (!(flags & FAULT_FLAG_ALLOW_RETRY) || vdmabuf_in_bracket()) {
		up_read(&gate->sem);
		return VM_FAULT_SIGBUS;
	}

	/*
	 * Without mmap_lock the mapping may go away. Its file must not: it
	 * holds the slice, and the module that this returns to.
	 */
	get_file(file);
	atomic64_inc(&gate->waits);
	atomic_inc(&gate->owed);
	up_read(&gate->sem);
	release_fault_lock(vmf);
	/*
	 * The kernel's own access comes back here at once if a signal is
	 * pending that does not kill; for user space it is delivered first.
	 */
	if (flags & FAULT_FLAG_USER)
		wait_event_interruptible(gate->wait, vdmabuf_settled(buffer));
	else
		wait_event_killable(gate->wait, vdmabuf_settled(buffer));
	fput(file);
	return VM_FAULT_RETRY;
}

/* @order is 0 for a window, too. */
static vm_fault_t vdmabuf_fault_order(struct vm_fault *vmf, unsigned int order,
				      bool window)
{
	struct vdmabuf_buffer *buffer = vmf->vma->vm_private_data;
	struct vdmabuf_gate *gate = buffer->gate;
	unsigned int state;
	unsigned long pfn;
	vm_fault_t ret;

	if (vmf->pgoff - buffer->pgoff_base >=
	    buffer->ranges.size >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	if (!window && !vdmabuf_fits(vmf, buffer, order, &pfn))
		return VM_FAULT_FALLBACK;

	down_read(&gate->sem);
	state = buffer->revoked ? VFIO_DMABUF_STATE_REVOKED :
				  vdmabuf_gate_state(gate);
	if (state == VFIO_DMABUF_STATE_BLOCKED)
		return vdmabuf_fault_wait(vmf, buffer);
	if (state != VFIO_DMABUF_STATE_ON)
		ret = VM_FAULT_SIGBUS;
	else if (window)
		ret = vdmabuf_insert_window(vmf, buffer);
	else
		ret = vdmabuf_insert(vmf, pfn, order);
	up_read(&gate->sem);

	if (ret == VM_FAULT_NOPAGE) {
		vdmabuf_gate_served(gate);
		atomic64_inc(&gate->faults);
		atomic64_inc(&buffer->faults);
	}
	return ret;
}

static vm_fault_t vdmabuf_window_fault(struct vm_fault *vmf)
{
	return vdmabuf_fault_order(vmf, 0, true);
}

/* Small entries only, many at a time */
static const struct vm_operations_struct vdmabuf_window_ops = {
	.fault = vdmabuf_window_fault,
};

#ifdef BUFSYNC_HAVE_PMD_PFNMAP
static vm_fault_t vdmabuf_page_fault(struct vm_fault *vmf)
{
	return vdmabuf_fault_order(vmf, 0, false);
}

static vm_fault_t vdmabuf_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	return vdmabuf_fault_order(vmf, order, false);
}

#ifdef BUFSYNC_HAVE_PUD_PFNMAP
/*
 * The core takes a PUD that maps memory for a table of PMDs, and writes to
 * where it would be, if it cuts an area within what the PUD maps
 * (vma_adjust_trans_huge()), or moves one to where it does not fit
 * (move_page_tables()). So there must be none by then, and none may come until
 * the area is what it shall be. Whoever has mmap_lock for writing has locked out
 * all faults but those under the lock of the area itself. Taken out is all of
 * the file: a part of another mapping's PUD could not be.
 */
static int vdmabuf_vma_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	unsigned long start = ALIGN_DOWN(addr, PUD_SIZE);

	if (start == addr || start < vma->vm_start ||
	    vma->vm_end - start < PUD_SIZE)
		return 0;
	vma_start_write(vma);
	unmap_mapping_range(vma->vm_file->f_mapping, 0, 0, 1);
	return 0;
}

/* mremap() has locked the old area before it makes the new one. */
static void vdmabuf_vma_moves(const struct vm_area_struct *vma)
{
	const struct vdmabuf_buffer *buffer = vma->vm_private_data;

	if (buffer->ranges.size >= PUD_SIZE)
		unmap_mapping_range(vma->vm_file->f_mapping, 0, 0, 1);
}
#else
#define vdmabuf_vma_may_split	NULL

static void vdmabuf_vma_moves(const struct vm_area_struct *vma)
{
}
#endif

/*
 * fork() reads a huge entry of the parent without a lock, and relies on
 * mmap_lock when it then writes it to the child (copy_huge_pmd()). A zap, which
 * does not hold that lock, may come between and leave the child with access
 * that nobody can take back. So let fork() find none. It has locked out the
 * parent's faults by now and copies after this. Taken out is all of the file
 * again: others may have a PUD where this area ends.
 */
static void vdmabuf_vma_open(struct vm_area_struct *vma)
{
	/* A part, or the same elsewhere: nothing is copied. */
	if (vma->vm_mm == current->mm)
		vdmabuf_vma_moves(vma);
	else
		unmap_mapping_range(vma->vm_file->f_mapping, 0, 0, 1);
}

/* As stock vfio-pci, entry by entry */
static const struct vm_operations_struct vdmabuf_huge_ops = {
	.open = vdmabuf_vma_open,
	.may_split = vdmabuf_vma_may_split,
	.fault = vdmabuf_page_fault,
	.huge_fault = vdmabuf_huge_fault,
};
#else
#define vdmabuf_huge_ops	vdmabuf_window_ops
#endif

/**
 * vdmabuf_wc_works() - does this machine tell write-combining from uncached?
 *
 * Context: any.
 * Return: false if a write-combined mapping would not be one.
 */
bool vdmabuf_wc_works(void)
{
	pgprot_t prot = PAGE_SHARED;

	return pgprot_val(pgprot_writecombine(prot)) !=
	       pgprot_val(pgprot_noncached(prot));
}

/**
 * vdmabuf_vma_init() - make an area one of a slice
 * @vma:	its file is the buffer's
 * @buffer:	the slice
 * @memattr:	what the mapping shall have, VFIO_DMABUF_MEMATTR_*
 *
 * It takes the area's lock, which a fault holds before the gate's.
 *
 * Context: mmap(), under mmap_lock; not under the gate's lock.
 */
void vdmabuf_vma_init(struct vm_area_struct *vma,
		      struct vdmabuf_buffer *buffer, u32 memattr)
{
	pgprot_t prot = vma->vm_page_prot;

	if (memattr == VFIO_DMABUF_MEMATTR_WC) {
		vma->vm_ops = &vdmabuf_window_ops;
		prot = pgprot_writecombine(prot);
	} else {
		vma->vm_ops = &vdmabuf_huge_ops;
		prot = pgprot_noncached(prot);
	}
	vma->vm_page_prot = pgprot_decrypted(prot);
	vma->vm_private_data = buffer;
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP |
			  VM_ALLOW_ANY_UNCACHED);
}

/**
 * vdmabuf_mmap() - dma_buf_ops.mmap
 * @dmabuf:	a slice
 * @vma:	within it, which the core has checked
 *
 * A shared mapping of a file that is not open for writing has VM_SHARED
 * cleared, but not VM_MAYSHARE. It is as good as any other, for reading.
 *
 * Context: process, under mmap_lock.
 * Return: 0; -EINVAL for a private mapping; -EACCES for one of more than the
 * slice was opened for; -ENODEV if the slice is revoked.
 */
int vdmabuf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct vdmabuf_buffer *buffer = dmabuf->priv;
	bool revoked;
	u32 memattr;

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	/* Another driver's mmap() may come here without having asked. */
	if (!(dmabuf->file->f_mode & FMODE_READ) ||
	    (vma->vm_flags & VM_MAYWRITE &&
	     !(dmabuf->file->f_mode & FMODE_WRITE)))
		return -EACCES;
	down_read(&buffer->gate->sem);
	revoked = buffer->revoked;
	memattr = buffer->memattr;
	up_read(&buffer->gate->sem);
	/* If it ends from here on, faults find that out. */
	if (revoked)
		return -ENODEV;
	vdmabuf_vma_init(vma, buffer, memattr);
	return 0;
}
