/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this process has in its page tables, from the module bufsync_test_pte.
 * Functions return a negative errno.
 */
#ifndef _PTE_UTIL_H
#define _PTE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "page_util.h"

#include "../modules/bufsync_test_pte.h"

/* The level that maps an aligned GiB */
#define PTE_GIB	(pud_maps() ? TEST_PTE_1G : TEST_PTE_2M)

/* Loads the module if need be. */
int pte_open(void);
int pte_read(int pte, const void *addr, struct test_pte_args *out);

/* All pages of a mapping, as one entry each */
struct pte_sum {
	size_t none;
	size_t level[4];	/* by TEST_PTE_*; [0] is none again */
	size_t attr[8];		/* by TEST_PTE_ATTR_* */
	size_t writable;
	size_t jumps;		/* pages whose frame does not follow the last */
};

int pte_sum(int pte, const void *addr, size_t size,
	    struct pte_sum *sum);
/*
 * Has all of it an entry, of @level (0: any) and with @attr? PTE_UNCACHED is UC
 * or UC-. Says on stderr what there is instead.
 */
#define PTE_UNCACHED	(-1)
bool pte_all(int pte, const void *addr, size_t size, int level,
	     int attr);
/* Has none of it an entry? */
bool pte_none(int pte, const void *addr, size_t size);

#endif /* _PTE_UTIL_H */
