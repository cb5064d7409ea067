// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries of page tables, all under vdmabuf_gate.sem.
 *
 * Where the kernel can map device memory by huge pages it is done as stock
 * vfio-pci does: a huge entry where it fits, else one page a fault. Where it
 * cannot (before 6.12) stock maps all of a BAR at its first fault; here a fault
 * fills what one PMD covers.
 *
 * Write-combining on x86 needs a way of its own. vmf_insert_pfn() and its
 * relatives replace the caching bits by what the kernel has on record for the
 * address, which is UC- for a BAR, as the kernel has it mapped so. UC- by the
 * kernel, which does not use that mapping, and WC by a process are no alias
 * that the architecture forbids: neither is cached. So these entries are written
 * directly, and never beside huge ones, which apply_to_page_range() would not
 * expect.
 */
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "vfio_pci_dmabuf_private.h"

/**
 * vdmabuf_fits() - can a fault be answered by an entry of this size?
 * @vmf:	the fault, within the slice
 * @buffer:	the slice
 * @order:	of the entry
 * @pfn:	set to its first page frame
 *
 * Context: any; needs no lock.
 * Return: false if the entry would reach beyond the mapping or a range, or is
 * not aligned in memory as it is in the address space.
 */
bool vdmabuf_fits(const struct vm_fault *vmf,
		  const struct vdmabuf_buffer *buffer, unsigned int order,
		  unsigned long *pfn)
{
	unsigned long nr = 1UL << order, addr = vmf->address & PAGE_MASK;
	unsigned long page = vmf->pgoff - buffer->pgoff_base;
	unsigned long offset = (addr >> PAGE_SHIFT) & (nr - 1);
	unsigned long start = addr - (offset << PAGE_SHIFT), before, behind;
	const struct vm_area_struct *vma = vmf->vma;

	*pfn = vdmabuf_ranges_pfn(&buffer->ranges, page, &before, &behind);
	if (!order)
		return true;
	*pfn -= offset;
	return before >= offset && behind >= nr - offset &&
	       IS_ALIGNED(*pfn, nr) && start >= vma->vm_start &&
	       vma->vm_end - start >= nr << PAGE_SHIFT;
}

#ifdef BUFSYNC_HAVE_PMD_PFNMAP
static vm_fault_t vdmabuf_insert_pmd(struct vm_fault *vmf, unsigned long pfn)
{
	pmd_t pmd = pmdp_get_lockless(vmf->pmd);

	/* A table of small entries has come between. */
	if (!pmd_none(pmd) && !pmd_trans_huge(pmd))
		return VM_FAULT_FALLBACK;
	return vmf_insert_pfn_pmd(vmf, pfn, vmf->flags & FAULT_FLAG_WRITE);
}
#endif

#ifdef BUFSYNC_HAVE_PUD_PFNMAP
static vm_fault_t vdmabuf_insert_pud(struct vm_fault *vmf, unsigned long pfn)
{
	pud_t pud = READ_ONCE(*vmf->pud);

	if (!pud_none(pud) && !pud_trans_huge(pud))
		return VM_FAULT_FALLBACK;
	return vmf_insert_pfn_pud(vmf, pfn, vmf->flags & FAULT_FLAG_WRITE);
}
#endif

/**
 * vdmabuf_insert() - one entry
 * @vmf:	the fault
 * @pfn:	from vdmabuf_fits()
 * @order:	0, or that of a PMD or PUD
 *
 * Context: fault handler, with vdmabuf_gate.sem.
 * Return: VM_FAULT_NOPAGE; VM_FAULT_FALLBACK if there can be no such entry;
 * VM_FAULT_OOM.
 */
vm_fault_t vdmabuf_insert(struct vm_fault *vmf, unsigned long pfn,
			  unsigned int order)
{
	if (!order)
		return vmf_insert_pfn(vmf->vma, vmf->address, pfn);
#ifdef BUFSYNC_HAVE_PMD_PFNMAP
	if (order == PMD_SHIFT - PAGE_SHIFT)
		return vdmabuf_insert_pmd(vmf, pfn);
#endif
#ifdef BUFSYNC_HAVE_PUD_PFNMAP
	if (order == PUD_SHIFT - PAGE_SHIFT)
		return vdmabuf_insert_pud(vmf, pfn);
#endif
	return VM_FAULT_FALLBACK;
}

#ifdef CONFIG_X86
struct vdmabuf_window {
	struct vm_area_struct *vma;
	unsigned long pfn;	/* of the next entry */
};

static int vdmabuf_set_pte(pte_t *ptep, unsigned long addr, void *data)
{
	struct vdmabuf_window *window = data;
	struct vm_area_struct *vma = window->vma;
	unsigned long pfn = window->pfn++;

	if (pte_none(*ptep))
		set_pte_at(vma->vm_mm, addr, ptep,
			   pte_mkspecial(pfn_pte(pfn, vma->vm_page_prot)));
	return 0;
}

static vm_fault_t vdmabuf_fill(struct vm_fault *vmf, unsigned long start,
			       unsigned long end, unsigned long pfn)
{
	struct vdmabuf_window window = { .vma = vmf->vma, .pfn = pfn };

	if (apply_to_page_range(vmf->vma->vm_mm, start, end - start,
				vdmabuf_set_pte, &window))
		return VM_FAULT_OOM;
	return VM_FAULT_NOPAGE;
}
#else
/* Here vmf_insert_pfn() takes the caching bits as they are. */
static vm_fault_t vdmabuf_fill(struct vm_fault *vmf, unsigned long start,
			       unsigned long end, unsigned long pfn)
{
	vm_fault_t ret = VM_FAULT_SIGBUS, one;
	unsigned long addr;

	for (addr = start; addr < end; addr += PAGE_SIZE) {
		one = vmf_insert_pfn(vmf->vma, addr, pfn++);
		if (addr == (vmf->address & PAGE_MASK))
			ret = one;
		/* No memory for tables: what is there must do. */
		if (one & VM_FAULT_ERROR)
			return ret == VM_FAULT_NOPAGE ? ret : one;
	}
	return ret;
}
#endif

/**
 * vdmabuf_insert_window() - entries for all that one PMD covers
 * @vmf:	the fault, within the slice
 * @buffer:	the slice
 *
 * As far as the mapping goes, and the range that the address is in.
 *
 * Context: fault handler, with mmap_lock and vdmabuf_gate.sem.
 * Return: VM_FAULT_NOPAGE, VM_FAULT_OOM.
 */
vm_fault_t vdmabuf_insert_window(struct vm_fault *vmf,
				 struct vdmabuf_buffer *buffer)
{
	unsigned long addr = vmf->address & PAGE_MASK, before, behind, pfn;
	unsigned long window = vmf->address & PMD_MASK;
	struct vm_area_struct *vma = vmf->vma;

	pfn = vdmabuf_ranges_pfn(&buffer->ranges,
				 vmf->pgoff - buffer->pgoff_base, &before,
				 &behind);
	before = min(before,
		     (addr - max(window, vma->vm_start)) >> PAGE_SHIFT);
	behind = min3(behind, (window + PMD_SIZE - addr) >> PAGE_SHIFT,
		      (vma->vm_end - addr) >> PAGE_SHIFT);
	return vdmabuf_fill(vmf, addr - (before << PAGE_SHIFT),
			    addr + (behind << PAGE_SHIFT), pfn - before);
}
