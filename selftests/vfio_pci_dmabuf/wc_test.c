// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attribute with which a mapping reaches the hardware, as the page tables
 * have it. What is left there when it is taken away is wc_zap_test's matter.
 */
#include "wc_env.h"

#define WHOLE	GIB(1)

TEST_F(wc, uncached)
{
	char *fits, *askew;

	fits = map_aligned(self->w.buf, SIZE, 0, RW, BIG);
	askew = map_small(self->w.buf, SIZE);
	ASSERT_NE(MAP_FAILED, fits);
	ASSERT_NE(MAP_FAILED, askew);
	EXPECT_TRUE(pte_none(self->w.pte, fits, SIZE));
	EXPECT_TRUE(pte_none(self->w.pte, askew, SIZE));

	EXPECT_EQ(SIZE / PAGE, touch(fits, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(askew, SIZE));
	EXPECT_TRUE(pte_all(self->w.pte, fits, SIZE,
			    self->w.huge ? TEST_PTE_2M : TEST_PTE_4K,
			    PTE_UNCACHED));
	EXPECT_TRUE(pte_all(self->w.pte, askew, SIZE, TEST_PTE_4K,
			    PTE_UNCACHED));
}

/* In the entries, not only in what INFO says; and by few faults */
TEST_F(wc, combined)
{
	struct vfio_dev *dev = &self->w.env.dev;
	struct vfio_dmabuf_info info;
	uint64_t before, faults;
	struct pte_sum sum;
	char *fits, *askew;
	long own;

	ASSERT_EQ(0, vfio_memattr(dev, self->w.buf, WC));
	ASSERT_EQ(0, vfio_info(dev, self->w.buf, &info));
	EXPECT_TRUE(info.out_features & VFIO_DMABUF_FEATURE_BIT_WC);
	EXPECT_EQ(WC, info.out_memattr);
	EXPECT_EQ(WC, info.out_effective);

	fits = map_aligned(self->w.buf, SIZE, 0, RW, BIG);
	askew = map_small(self->w.buf, SIZE);
	ASSERT_NE(MAP_FAILED, fits);
	ASSERT_NE(MAP_FAILED, askew);

	before = INFO_OF(dev, self->w.buf, out_slice_faults);
	own = thread_faults();
	EXPECT_EQ(SIZE / PAGE, touch(fits, SIZE));
	own = thread_faults() - own;
	faults = INFO_OF(dev, self->w.buf, out_slice_faults) - before;
	EXPECT_EQ(SIZE / BIG, faults);
	EXPECT_LE(own, 16);
	EXPECT_TRUE(pte_all(self->w.pte, fits, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_EQ(0, pte_sum(self->w.pte, fits, SIZE, &sum));
	EXPECT_EQ(0, sum.jumps);
	EXPECT_EQ(SIZE / PAGE, sum.writable);

	before = INFO_OF(dev, self->w.buf, out_slice_faults);
	EXPECT_EQ(SIZE / PAGE, touch(askew, SIZE));
	faults = INFO_OF(dev, self->w.buf, out_slice_faults) - before;
	EXPECT_GE(faults, SIZE / BIG);
	EXPECT_LE(faults, SIZE / BIG + 1);
	EXPECT_TRUE(pte_all(self->w.pte, askew, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_EQ(0, pte_sum(self->w.pte, askew, SIZE, &sum));
	EXPECT_EQ(0, sum.jumps);
}

/* One touch fills what one PMD covers, within the mapping, and no more. */
TEST_F(wc, window)
{
	char *p, *room;
	uint32_t value;

	ASSERT_EQ(0, vfio_memattr(&self->w.env.dev, self->w.buf, WC));
	p = map_aligned(self->w.buf, SIZE, 0, RW, BIG);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p + BIG + 77 * PAGE, &value));
	EXPECT_TRUE(pte_none(self->w.pte, p, BIG));
	EXPECT_TRUE(pte_all(self->w.pte, p + BIG, BIG, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	munmap(p, SIZE);

	/* A small one, with nothing of anybody's around it */
	room = mmap(NULL, 2 * BIG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	ASSERT_NE(MAP_FAILED, room);
	room += -(uintptr_t)room % BIG;
	p = mmap(room + 7 * PAGE, 3 * PAGE, RW, MAP_SHARED | MAP_FIXED,
		 self->w.buf, 5 * PAGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p + PAGE, &value));
	EXPECT_TRUE(pte_all(self->w.pte, p, 3 * PAGE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_TRUE(pte_none(self->w.pte, room, 7 * PAGE));
	EXPECT_TRUE(pte_none(self->w.pte, p + 3 * PAGE, BIG - 10 * PAGE));
}

/* What is mapped already stays as it is, even where it was not touched yet. */
TEST_F(wc, later_mappings_only)
{
	struct vfio_dev *dev = &self->w.env.dev;
	char *old, *new, *newer;
	uint32_t value;

	old = map_small(self->w.buf, SIZE);
	ASSERT_NE(MAP_FAILED, old);
	EXPECT_TRUE(try_read32(old, &value));
	ASSERT_EQ(0, vfio_memattr(dev, self->w.buf, WC));
	new = map_small(self->w.buf, SIZE);
	ASSERT_NE(MAP_FAILED, new);
	EXPECT_TRUE(try_read32(new, &value));
	ASSERT_EQ(0, vfio_memattr(dev, self->w.buf, NC));
	newer = map_small(self->w.buf, SIZE);
	ASSERT_NE(MAP_FAILED, newer);

	EXPECT_EQ(SIZE / PAGE, touch(old, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(new, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(newer, SIZE));
	EXPECT_TRUE(pte_all(self->w.pte, old, SIZE, 0, PTE_UNCACHED));
	EXPECT_TRUE(pte_all(self->w.pte, new, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_TRUE(pte_all(self->w.pte, newer, SIZE, 0, PTE_UNCACHED));
}

/* No slice decides for another one of the same range. */
TEST_F(wc, of_this_slice_only)
{
	struct vfio_dev *dev = &self->w.env.dev;
	int other = vfio_export(dev, variant->bar, SIZE, SIZE, O_RDWR);
	char *p, *q;

	ASSERT_GE(other, 0);
	ASSERT_EQ(0, vfio_memattr(dev, self->w.buf, WC));
	p = map_aligned(self->w.buf, SIZE, 0, RW, BIG);
	q = map_aligned(other, SIZE, 0, RW, BIG);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(SIZE / PAGE, touch(q, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
	EXPECT_TRUE(pte_all(self->w.pte, p, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_TRUE(pte_all(self->w.pte, q, SIZE,
			    self->w.huge ? TEST_PTE_2M : TEST_PTE_4K,
			    PTE_UNCACHED));
}

/* Each page is the right one, as the stock mapping of the BAR sees it. */
TEST_F(wc, contents)
{
	struct vfio_dev *dev = &self->w.env.dev;
	uint32_t *bar, *p;
	size_t pos;
	int bad = 0;

	bar = vfio_bar_map(dev, variant->bar, RW);
	ASSERT_NE(MAP_FAILED, bar);
	ASSERT_EQ(0, vfio_memattr(dev, self->w.buf, WC));
	p = map_small(self->w.buf, SIZE);
	ASSERT_NE(MAP_FAILED, p);
	for (pos = 0; pos < SIZE; pos += PAGE)
		bad += !try_write32((uint32_t *)((char *)p + pos), pattern(pos, 1));
	EXPECT_EQ(0, bad);
	/* What is combined still leaves the processor before this ends. */
	__sync_synchronize();
	for (pos = 0; pos < SIZE; pos += PAGE) {
		bad += bar[(SIZE + pos) / 4] != pattern(pos, 1);
		bar[(SIZE + pos) / 4 + 1] = pattern(pos, 2);
	}
	EXPECT_EQ(0, bad);
	__sync_synchronize();
	for (pos = 0; pos < SIZE; pos += PAGE)
		bad += p[pos / 4 + 1] != pattern(pos, 2);
	EXPECT_EQ(0, bad);
}

/* A window ends where its range ends. */
TEST_F(wc, ranges)
{
	const struct vfio_region_dma_range ranges[] = {
		{ 4 * PAGE, 3 * PAGE }, { 0, 2 * PAGE }, { BIG, PAGE },
		{ BIG + PAGE, BIG }, { 9 * PAGE, PAGE },
	};
	struct vfio_dev *dev = &self->w.env.dev;
	struct test_pte_args there, here;
	size_t pos = 0, page, all;
	char *bar, *p;
	unsigned int i;
	int buf;

	buf = vfio_export_ranges(dev, variant->bar, ranges, 5, O_RDWR);
	ASSERT_GE(buf, 0);
	all = 7 * PAGE + BIG;
	bar = vfio_bar_map(dev, variant->bar, RW);
	ASSERT_NE(MAP_FAILED, bar);
	ASSERT_EQ(0, vfio_memattr(dev, buf, WC));
	p = map_small(buf, all);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(all / PAGE, touch(p, all));
	EXPECT_TRUE(pte_all(self->w.pte, p, all, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	for (i = 0; i < 5; i++) {
		for (page = 0; page < ranges[i].length; page += PAGE) {
			touch(bar + ranges[i].offset + page, PAGE);
			ASSERT_EQ(0, pte_read(self->w.pte, bar +
					      ranges[i].offset + page,
					      &there));
			ASSERT_EQ(0, pte_read(self->w.pte, p + pos, &here));
			ASSERT_NE(TEST_PTE_NONE, there.out_level);
			ASSERT_EQ(there.out_pfn, here.out_pfn)
				TH_LOG("range %u, page %zu", i, page / PAGE);
			pos += PAGE;
		}
	}
	EXPECT_EQ(all, pos);
}

TEST_F(wc, read_only)
{
	struct vfio_dev *dev = &self->w.env.dev;
	int i, buf = vfio_export(dev, variant->bar, SIZE, SIZE, O_RDONLY);
	struct pte_sum sum;
	char *p;

	ASSERT_GE(buf, 0);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, vfio_memattr(dev, buf, i ? WC : NC));
		EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, RW, MAP_SHARED, buf,
					   0));
		p = map_aligned(buf, SIZE, 0, PROT_READ, BIG);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
		ASSERT_EQ(0, pte_sum(self->w.pte, p, SIZE, &sum));
		EXPECT_EQ(0, sum.none);
		EXPECT_EQ(0, sum.writable);
		EXPECT_EQ(i ? SIZE / PAGE : 0, sum.attr[TEST_PTE_ATTR_WC]);
		EXPECT_NE(0, mprotect(p, SIZE, RW));
		EXPECT_EQ(EACCES, errno);
		ASSERT_EQ(0, pte_sum(self->w.pte, p, SIZE, &sum));
		EXPECT_EQ(0, sum.writable);
		munmap(p, SIZE);
	}
}

/* Neither what is there nor what comes later may lose the attribute. */
TEST_F(wc, mprotect)
{
	struct pte_sum sum;
	uint32_t value;
	char *p;

	ASSERT_EQ(0, vfio_memattr(&self->w.env.dev, self->w.buf, WC));
	p = map_aligned(self->w.buf, SIZE, 0, PROT_READ, BIG);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p, &value));
	ASSERT_EQ(0, pte_sum(self->w.pte, p, BIG, &sum));
	EXPECT_EQ(0, sum.none);
	EXPECT_EQ(0, sum.writable);

	ASSERT_EQ(0, mprotect(p, SIZE, RW));
	EXPECT_TRUE(try_write32((uint32_t *)p, 1));
	EXPECT_TRUE(try_write32((uint32_t *)(p + BIG), 2));
	EXPECT_TRUE(pte_all(self->w.pte, p, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
	ASSERT_EQ(0, pte_sum(self->w.pte, p + BIG, BIG, &sum));
	EXPECT_EQ(BIG / PAGE, sum.writable);

	ASSERT_EQ(0, mprotect(p, SIZE, PROT_READ));
	EXPECT_TRUE(pte_all(self->w.pte, p, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	ASSERT_EQ(0, pte_sum(self->w.pte, p, SIZE, &sum));
	EXPECT_EQ(0, sum.writable);
	EXPECT_EQ(SIGSEGV, signal_of(p, true));
}

/* What there was before: the mapping of the device fd is stock vfio-pci's. */
TEST_F(wc, bar)
{
	char *bar = vfio_bar_map(&self->w.env.dev, variant->bar, RW);

	ASSERT_NE(MAP_FAILED, bar);
	ASSERT_EQ(0, vfio_memattr(&self->w.env.dev, self->w.buf, WC));
	EXPECT_EQ(SIZE / PAGE, touch(bar + SIZE, SIZE));
	EXPECT_TRUE(pte_all(self->w.pte, bar + SIZE, SIZE, 0, PTE_UNCACHED));
}

TEST_F(wc, forbidden)
{
	struct vfio_dev *dev = &self->w.env.dev;
	struct vfio_dmabuf_info info;
	char *p;

	ASSERT_EQ(0, param_set(VFIO_OURS, "write_combine", "off"));
	EXPECT_EQ(-EOPNOTSUPP, vfio_memattr(dev, self->w.buf, WC));
	EXPECT_EQ(0, vfio_memattr(dev, self->w.buf, NC));
	EXPECT_EQ(-ENOENT, vfio_memattr(dev, self->w.buf, 2));
	ASSERT_EQ(0, vfio_info(dev, self->w.buf, &info));
	EXPECT_EQ(NC, info.out_memattr);
	p = map_aligned(self->w.buf, SIZE, 0, RW, BIG);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
	EXPECT_TRUE(pte_all(self->w.pte, p, SIZE, 0, PTE_UNCACHED));

	EXPECT_EQ(-EINVAL, param_set(VFIO_OURS, "write_combine", "perhaps"));
	EXPECT_EQ(-EOPNOTSUPP, vfio_memattr(dev, self->w.buf, WC));
	ASSERT_EQ(0, param_set(VFIO_OURS, "write_combine", "prefetchable"));
	EXPECT_EQ(0, vfio_memattr(dev, self->w.buf, WC));
}

/* 1 GiB: the largest entries, or none but the small ones */
FIXTURE(big) {
	struct wc_env w;
};

FIXTURE_SETUP(big)
{
	wc_env_setup(_metadata, &self->w, VFIO_BIG, 2, 0, WHOLE);
}

FIXTURE_TEARDOWN(big)
{
	wc_env_teardown(_metadata, &self->w);
}

TEST_F(big, levels)
{
	struct vfio_dev *dev = &self->w.env.dev;
	struct test_pte_args first, last;
	bool huge = self->w.huge;
	uint32_t value;
	char *p;

	p = map_aligned(self->w.buf, WHOLE, 0, RW, WHOLE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p + WHOLE / 2, &value));
	ASSERT_EQ(0, pte_read(self->w.pte, p + WHOLE / 2, &first));
	EXPECT_EQ(huge ? PTE_GIB : TEST_PTE_4K, first.out_level);
	EXPECT_TRUE(pte_all(self->w.pte, p + WHOLE / 2, PAGE, 0, PTE_UNCACHED));
	ASSERT_EQ(0, pte_read(self->w.pte, p + WHOLE - PAGE, &last));
	if (huge && PTE_GIB == TEST_PTE_1G) {
		EXPECT_EQ(first.out_pfn + (WHOLE / 2 - PAGE) / PAGE,
			  last.out_pfn);
	} else {
		EXPECT_EQ(TEST_PTE_NONE, last.out_level);
	}

	ASSERT_EQ(0, vfio_memattr(dev, self->w.buf, WC));
	munmap(p, WHOLE);
	p = map_aligned(self->w.buf, WHOLE, 0, RW, WHOLE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p + WHOLE / 2, &value));
	EXPECT_TRUE(pte_all(self->w.pte, p + WHOLE / 2, BIG, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_TRUE(pte_none(self->w.pte, p + WHOLE / 2 - BIG, BIG));
	EXPECT_TRUE(pte_none(self->w.pte, p + WHOLE / 2 + BIG, BIG));

	ASSERT_EQ(0, vfio_revoke(dev, self->w.buf));
	EXPECT_TRUE(pte_none(self->w.pte, p + WHOLE / 2, BIG));
}

/* Registers are not for combining. */
FIXTURE(registers) {
	struct wc_env w;
};

FIXTURE_SETUP(registers)
{
	wc_env_setup(_metadata, &self->w, VFIO_EDU, 0, 0, 4 * PAGE);
}

FIXTURE_TEARDOWN(registers)
{
	wc_env_teardown(_metadata, &self->w);
}

TEST_F(registers, only_if_told)
{
	struct vfio_dev *dev = &self->w.env.dev;
	struct vfio_dmabuf_info info;
	uint32_t value = 0;
	char *p, *q;

	EXPECT_EQ(-EOPNOTSUPP, vfio_memattr(dev, self->w.buf, WC));
	ASSERT_EQ(0, vfio_info(dev, self->w.buf, &info));
	EXPECT_EQ(NC, info.out_memattr);
	EXPECT_EQ(NC, info.out_effective);
	p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, self->w.buf, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p, &value));
	/* "edu" identifies itself by its lowest byte */
	EXPECT_EQ(0xed, value & 0xff);
	EXPECT_TRUE(pte_all(self->w.pte, p, PAGE, TEST_PTE_4K, PTE_UNCACHED));

	ASSERT_EQ(0, param_set(VFIO_OURS, "write_combine", "all"));
	EXPECT_EQ(0, vfio_memattr(dev, self->w.buf, WC));
	q = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, self->w.buf, 0);
	ASSERT_NE(MAP_FAILED, q);
	value = 0;
	EXPECT_TRUE(try_read32(q, &value));
	EXPECT_EQ(0xed, value & 0xff);
	EXPECT_TRUE(pte_all(self->w.pte, q, 4 * PAGE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_TRUE(pte_all(self->w.pte, p, PAGE, TEST_PTE_4K, PTE_UNCACHED));
}

TEST_HARNESS_MAIN
