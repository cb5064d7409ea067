/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flags of a mapping could be written directly before 6.3.
 * vmf_insert_pfn_pmd() and _pud() took the page frame as a pfn_t before 6.17.
 * (They are declared in huge_mm.h, which mm.h includes half-way.)
 * A fault held mmap_lock, and no other, before 6.6.
 */
#ifndef _BUFSYNC_COMPAT_LINUX_MM_H
#define _BUFSYNC_COMPAT_LINUX_MM_H

#include_next <linux/mm.h>

#ifndef BUFSYNC_HAVE_VM_FLAGS_SET
static inline void bufsync_vm_flags_set(struct vm_area_struct *vma,
					vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

#define vm_flags_set(vma, flags)	bufsync_vm_flags_set(vma, flags)
#endif

#if defined(BUFSYNC_HAVE_PMD_PFNMAP) && !defined(BUFSYNC_HAVE_PMD_PFN_LONG)
#include <linux/pfn_t.h>

static inline vm_fault_t bufsync_vmf_insert_pfn_pmd(struct vm_fault *vmf,
						    unsigned long pfn,
						    bool write)
{
	return vmf_insert_pfn_pmd(vmf, pfn_to_pfn_t(pfn), write);
}

#define vmf_insert_pfn_pmd(vmf, pfn, write) \
	bufsync_vmf_insert_pfn_pmd(vmf, pfn, write)
#endif

#if defined(BUFSYNC_HAVE_PUD_PFNMAP) && !defined(BUFSYNC_HAVE_PMD_PFN_LONG)
static inline vm_fault_t bufsync_vmf_insert_pfn_pud(struct vm_fault *vmf,
						    unsigned long pfn,
						    bool write)
{
	return vmf_insert_pfn_pud(vmf, pfn_to_pfn_t(pfn), write);
}

#define vmf_insert_pfn_pud(vmf, pfn, write) \
	bufsync_vmf_insert_pfn_pud(vmf, pfn, write)
#endif

#ifndef BUFSYNC_HAVE_RELEASE_FAULT_LOCK
#include <linux/mmap_lock.h>

#define release_fault_lock(vmf)	mmap_read_unlock((vmf)->vma->vm_mm)
#endif

#ifndef VM_ALLOW_ANY_UNCACHED
#define VM_ALLOW_ANY_UNCACHED	0
#endif

#endif /* _BUFSYNC_COMPAT_LINUX_MM_H */
