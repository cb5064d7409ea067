/* SPDX-License-Identifier: GPL-2.0-only */
/* Sizes that are the kernel's: pages are of 4 KiB, on some arm64 kernels of 16 KiB. */
#ifndef _PAGE_UTIL_H
#define _PAGE_UTIL_H

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

static inline int64_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* What one PMD maps: entries of 8 bytes fill a page, each is for a page. */
static inline int64_t pmd_size(void)
{
	return page_size() / 8 * page_size();
}

/* Do PUDs map a BAR, a GiB each? Of arm64's not even those that could. */
static inline bool pud_maps(void)
{
#ifdef __x86_64__
	return true;
#else
	return false;
#endif
}

#endif /* _PAGE_UTIL_H */
