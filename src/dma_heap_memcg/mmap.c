// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of user space.
 *
 * They are filled by faults: a fault maps all that one PMD covers, by a huge
 * page where buffer and address allow it. So mmap() and munmap() of a large
 * buffer are cheap, and TRANSFER can take the pages from under a mapping. The
 * pages are not reference-counted by mappings (VM_PFNMAP); the file is.
 */
#include <linux/dma-buf.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "dma_heap_memcg_private.h"

/*
 * All that the PMD of @vmf->address covers, as far as the mapping goes, by
 * single entries. Only that of the address itself must succeed.
 */
static vm_fault_t mheap_insert_ptes(struct vm_fault *vmf,
				    struct mheap_buffer *buffer)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = max(vmf->address & PMD_MASK, vma->vm_start);
	unsigned long left = min((vmf->address & PMD_MASK) + PMD_SIZE - addr,
				 vma->vm_end - addr) >> PAGE_SHIFT;
	unsigned long offset, n;
	vm_fault_t one, ret = VM_FAULT_SIGBUS;
	struct page **block;

	/* To look each of them up would go through all before it. */
	block = mheap_pages_block(&buffer->pages, linear_page_index(vma, addr),
				  &offset);
	for (; left; block++, offset = 0) {
		n = min(left, (1UL << mheap_block_order(*block)) - offset);
		left -= n;
		for (; n; n--, addr += PAGE_SIZE) {
			one = vmf_insert_pfn(vma, addr, page_to_pfn(*block) +
					     offset++);
			if (addr == (vmf->address & PAGE_MASK))
				ret = one;
			/* No memory for tables: what is there must do. */
			if (one & VM_FAULT_ERROR)
				return ret == VM_FAULT_NOPAGE ? ret : one;
		}
	}
	return ret;
}

#ifdef BUFSYNC_HAVE_PMD_PFNMAP
/*
 * By one huge entry, if buffer and mapping allow it. All faults come here
 * first, also those for a single page: two that take different ways to the
 * same PMD, because the pages were exchanged in between, or huge pages
 * forbidden, would find there what they do not expect.
 */
static vm_fault_t mheap_insert_pmd(struct vm_fault *vmf,
				   struct mheap_buffer *buffer)
{
	unsigned long addr = vmf->address & PMD_MASK, index, offset;
	bool write = vmf->flags & FAULT_FLAG_WRITE;
	struct vm_area_struct *vma = vmf->vma;
	struct page **block;
	pmd_t pmd;

	/* What the core would ask before a huge fault, but for the settings. */
	if (!has_transparent_hugepage() || (vma->vm_flags & VM_NOHUGEPAGE))
		return VM_FAULT_FALLBACK;

	pmd = pmdp_get_lockless(vmf->pmd);
	if (pmd_trans_huge(pmd) && !write)
		return VM_FAULT_NOPAGE;
	if (!pmd_none(pmd) && !pmd_trans_huge(pmd))
		return VM_FAULT_FALLBACK;

	if (addr < vma->vm_start || addr + PMD_SIZE > vma->vm_end)
		return VM_FAULT_FALLBACK;
	index = linear_page_index(vma, addr);
	if (index % MHEAP_SLOT_PAGES)
		return VM_FAULT_FALLBACK;
	block = mheap_pages_block(&buffer->pages, index, &offset);
	if (mheap_block_order(*block) != MHEAP_SLOT_ORDER)
		return VM_FAULT_FALLBACK;
	return vmf_insert_pfn_pmd(vmf, page_to_pfn(*block), write);
}
#else
static vm_fault_t mheap_insert_pmd(struct vm_fault *vmf,
				   struct mheap_buffer *buffer)
{
	return VM_FAULT_FALLBACK;
}
#endif

/* The lock keeps the pages what they are while they are mapped. */
static vm_fault_t mheap_fault_order(struct vm_fault *vmf, unsigned int order)
{
	struct mheap_buffer *buffer = vmf->vma->vm_private_data;
	vm_fault_t ret;

	if (vmf->pgoff >= buffer->len >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	/* Of a process that is killed nobody sees the error. */
	if (down_read_killable(&buffer->lock))
		return VM_FAULT_SIGBUS;
	ret = mheap_insert_pmd(vmf, buffer);
	if (ret == VM_FAULT_FALLBACK && !order)
		ret = mheap_insert_ptes(vmf, buffer);
	up_read(&buffer->lock);
	return ret;
}

static vm_fault_t mheap_fault(struct vm_fault *vmf)
{
	return mheap_fault_order(vmf, 0);
}

#ifdef BUFSYNC_HAVE_PMD_PFNMAP
static vm_fault_t mheap_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	return order == MHEAP_SLOT_ORDER ? mheap_fault_order(vmf, order) :
					   VM_FAULT_FALLBACK;
}

/*
 * fork() reads a huge entry of the parent without a lock, and relies on
 * mmap_lock when it then writes it to the child (copy_huge_pmd()). TRANSFER
 * does not hold that lock: coming between, it would leave the child with pages
 * that are freed. So let fork() find none. It has locked out the parent's
 * faults by now and copies after this.
 */
static void mheap_vma_open(struct vm_area_struct *vma)
{
	/* A part, or the same elsewhere: nothing is copied. */
	if (vma->vm_mm == current->mm)
		return;
	unmap_mapping_range(vma->vm_file->f_mapping,
			    (loff_t)vma->vm_pgoff << PAGE_SHIFT,
			    vma->vm_end - vma->vm_start, 1);
}
#endif

static const struct vm_operations_struct mheap_vm_ops = {
	.fault = mheap_fault,
#ifdef BUFSYNC_HAVE_PMD_PFNMAP
	.huge_fault = mheap_huge_fault,
	.open = mheap_vma_open,
#endif
};

/**
 * mheap_mmap() - dma_buf_ops.mmap
 * @dmabuf:	of this heap
 * @vma:	within the buffer, which the core has checked
 *
 * Context: process, under mmap_lock.
 * Return: 0; -EINVAL for a private mapping that could be written to, which
 * would need pages of its own.
 */
int mheap_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE)
		return -EINVAL;

	vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &mheap_vm_ops;
	vma->vm_private_data = dmabuf->priv;
	return 0;
}
