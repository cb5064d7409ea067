// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a slice consists of. No locks: it does not change.
 */
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "vfio_pci_dmabuf_private.h"

/* An importer's mapping of more than that makes the DMA API complain. */
#define VDMABUF_MAX_SIZE	BIT_ULL(62)

/* Length of all of @wanted, 0 if one of them is not within the BAR. */
static u64 vdmabuf_ranges_check(u64 len,
				const struct vfio_region_dma_range *wanted,
				unsigned int nr)
{
	u64 size = 0, end;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!wanted[i].length ||
		    !PAGE_ALIGNED(wanted[i].offset) ||
		    !PAGE_ALIGNED(wanted[i].length) ||
		    check_add_overflow(wanted[i].offset, wanted[i].length,
				       &end) ||
		    end > len ||
		    check_add_overflow(size, wanted[i].length, &size) ||
		    size > VDMABUF_MAX_SIZE)
			return 0;
	}
	return size;
}

/**
 * vdmabuf_ranges_init() - from what the user wants
 * @ranges:	to be filled
 * @base:	physical address of the BAR
 * @len:	of the BAR, in bytes
 * @wanted:	parts of it
 * @nr:		of them, at least one
 *
 * Parts that continue each other become one, so that huge pages can cross from
 * one to the next.
 *
 * Context: process, may sleep.
 * Return: 0; -EINVAL for an impossible part; -ENOMEM.
 */
int vdmabuf_ranges_init(struct vdmabuf_ranges *ranges, phys_addr_t base,
			u64 len, const struct vfio_region_dma_range *wanted,
			unsigned int nr)
{
	struct phys_vec *last = NULL;
	unsigned long page = 0;
	unsigned int i;
	u64 size;

	size = vdmabuf_ranges_check(len, wanted, nr);
	if (!size)
		return -EINVAL;
	ranges->phys = kvcalloc(nr, sizeof(*ranges->phys), GFP_KERNEL_ACCOUNT);
	ranges->first = kvcalloc(nr, sizeof(*ranges->first),
				 GFP_KERNEL_ACCOUNT);
	if (!ranges->phys || !ranges->first) {
		vdmabuf_ranges_free(ranges);
		return -ENOMEM;
	}

	ranges->nr = 0;
	ranges->size = size;
	for (i = 0; i < nr; i++) {
		phys_addr_t paddr = base + wanted[i].offset;

		if (last && last->paddr + last->len == paddr) {
			last->len += wanted[i].length;
		} else {
			ranges->first[ranges->nr] = page;
			last = &ranges->phys[ranges->nr++];
			last->paddr = paddr;
			last->len = wanted[i].length;
		}
		page += wanted[i].length >> PAGE_SHIFT;
	}
	return 0;
}

/**
 * vdmabuf_ranges_free() - undo vdmabuf_ranges_init()
 * @ranges:	filled, or zero
 *
 * Context: process, may sleep.
 */
void vdmabuf_ranges_free(struct vdmabuf_ranges *ranges)
{
	kvfree(ranges->phys);
	kvfree(ranges->first);
	ranges->phys = NULL;
	ranges->first = NULL;
}

/**
 * vdmabuf_ranges_pfn() - where a page of a slice is
 * @ranges:	of the slice
 * @page:	index of the page, within the slice
 * @before:	set to the number of pages before it that continue up to it
 * @behind:	set to the number of pages that continue from it on, at least 1
 *
 * Context: any.
 * Return: its page frame.
 */
unsigned long vdmabuf_ranges_pfn(const struct vdmabuf_ranges *ranges,
				 unsigned long page, unsigned long *before,
				 unsigned long *behind)
{
	unsigned int low = 0, high = ranges->nr, middle;

	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (ranges->first[middle] <= page)
			low = middle;
		else
			high = middle;
	}
	*before = page - ranges->first[low];
	*behind = (ranges->phys[low].len >> PAGE_SHIFT) - *before;
	return PHYS_PFN(ranges->phys[low].paddr) + *before;
}
