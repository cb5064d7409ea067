/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/bufsync_test_pte: what the page tables of the caller have at an
 * address. x86-64 only. It looks and changes nothing.
 */
#ifndef _BUFSYNC_TEST_PTE_H
#define _BUFSYNC_TEST_PTE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* out_level: how much one entry maps, with pages of 4 KiB; else as many levels up */
#define TEST_PTE_NONE		0	/* there is no entry */
#define TEST_PTE_4K		1
#define TEST_PTE_2M		2
#define TEST_PTE_1G		3

#define TEST_PTE_FLAG_PRESENT	0x1	/* the processor may use it */
#define TEST_PTE_FLAG_WRITE	0x2

/*
 * out_attr: as the manual of x86 numbers the types of memory. Of arm64: all devices are
 * UC, not cacheable is WC.
 */
#define TEST_PTE_ATTR_UC	0
#define TEST_PTE_ATTR_WC	1
#define TEST_PTE_ATTR_WT	4
#define TEST_PTE_ATTR_WP	5
#define TEST_PTE_ATTR_WB	6
#define TEST_PTE_ATTR_UC_MINUS	7

struct test_pte_args {
	__aligned_u64 addr;	/* any, needs no mapping */
	__u32 out_level;
	__u32 out_flags;	/* 0 without an entry, as all that follows */
	__u32 out_attr;		/* what PAT or MAIR make of the entry's bits */
	__u32 out_pat_index;
	__aligned_u64 out_pfn;	/* of the page that addr is in */
};

#define TEST_PTE_READ		_IOWR('Z', 0x60, struct test_pte_args)

#endif /* _BUFSYNC_TEST_PTE_H */
