// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "module_util.h"
#include "page_util.h"
#include "pte_util.h"
#include "syncobj_util.h"

#define PAGE	((size_t)page_size())

int pte_open(void)
{
	int ret = module_load("bufsync_test_pte");

	if (ret && ret != -EEXIST)
		return ret;
	return node_open("/dev/bufsync_test_pte");
}

int pte_read(int pte, const void *addr, struct test_pte_args *out)
{
	memset(out, 0, sizeof(*out));
	out->addr = (uintptr_t)addr;
	return so_try(pte, TEST_PTE_READ, out);
}

int pte_sum(int pte, const void *addr, size_t size,
	    struct pte_sum *sum)
{
	const char *p = addr;
	struct test_pte_args args;
	uint64_t last = 0;
	size_t pos;
	int ret;

	memset(sum, 0, sizeof(*sum));
	for (pos = 0; pos < size; pos += PAGE) {
		ret = pte_read(pte, p + pos, &args);
		if (ret)
			return ret;
		sum->level[args.out_level]++;
		if (args.out_level == TEST_PTE_NONE)
			continue;
		sum->attr[args.out_attr]++;
		sum->writable += !!(args.out_flags & TEST_PTE_FLAG_WRITE);
		if (last && args.out_pfn != last + 1)
			sum->jumps++;
		last = args.out_pfn;
	}
	sum->none = sum->level[TEST_PTE_NONE];
	return 0;
}

static bool say(const struct pte_sum *sum, int ret)
{
	fprintf(stderr, "# %d: none %zu, 4K %zu, 2M %zu, 1G %zu;"
		" UC %zu, UC- %zu, WC %zu, WT %zu, WP %zu, WB %zu\n", ret,
		sum->none, sum->level[TEST_PTE_4K], sum->level[TEST_PTE_2M],
		sum->level[TEST_PTE_1G], sum->attr[TEST_PTE_ATTR_UC],
		sum->attr[TEST_PTE_ATTR_UC_MINUS], sum->attr[TEST_PTE_ATTR_WC],
		sum->attr[TEST_PTE_ATTR_WT], sum->attr[TEST_PTE_ATTR_WP],
		sum->attr[TEST_PTE_ATTR_WB]);
	return false;
}

bool pte_all(int pte, const void *addr, size_t size, int level,
	     int attr)
{
	size_t pages = size / PAGE, good;
	struct pte_sum sum;
	int ret = pte_sum(pte, addr, size, &sum);

	good = attr == PTE_UNCACHED ? sum.attr[TEST_PTE_ATTR_UC] +
				      sum.attr[TEST_PTE_ATTR_UC_MINUS] :
				      sum.attr[attr];
	if (ret || sum.none || good != pages ||
	    (level && sum.level[level] != pages))
		return say(&sum, ret);
	return true;
}

bool pte_none(int pte, const void *addr, size_t size)
{
	struct pte_sum sum;
	int ret = pte_sum(pte, addr, size, &sum);

	if (ret || sum.none != size / PAGE)
		return say(&sum, ret);
	return true;
}
