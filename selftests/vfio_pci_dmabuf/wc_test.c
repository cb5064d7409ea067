// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attribute with which a mapping reaches the hardware, as the page tables
 * have it, and what is left there when the mapping is taken away.
 */
#include <sys/wait.h>

#include "vfio_env.h"

#include "param_util.h"
#include "pte_util.h"
#include "slice_util.h"
#include "syncobj_util.h"

#define BIG	HUGE
#define SIZE	(2 * HUGE)
#define WHOLE	GIB(1)

#define NC	VFIO_DMABUF_MEMATTR_NC
#define WC	VFIO_DMABUF_MEMATTR_WC

FIXTURE(wc) {
	struct vfio_env env;
	int pte;
	int buf;	/* SIZE bytes, from SIZE on */
	bool huge;
	char allowed[32];	/* the parameter write_combine */
};

FIXTURE_VARIANT(wc) {
	enum vfio_role role;
	int bar;
};

FIXTURE_VARIANT_ADD(wc, ivshmem) {
	.role = VFIO_BIG,
	.bar = 2,
};

FIXTURE_VARIANT_ADD(wc, bochs) {
	.role = VFIO_BOCHS,
	.bar = 0,
};

FIXTURE_SETUP(wc)
{
	struct vfio_dmabuf_info info;

	if (variant->role == VFIO_BOCHS && 2 * SIZE > MIB(16))
		SKIP(return, "the device's memory has no room for huge pages");
	vfio_env_setup(_metadata, &self->env, variant->role, VFIO_OURS);
	ASSERT_EQ(0, param_get(VFIO_OURS, "write_combine", self->allowed,
			       sizeof(self->allowed)));
	ASSERT_STREQ("prefetchable", self->allowed);
	self->pte = pte_open();
	ASSERT_GE(self->pte, 0) TH_LOG("no bufsync_test_pte");
	ASSERT_EQ(0, vfio_memory_enable(&self->env.dev, true));
	self->buf = vfio_export(&self->env.dev, variant->bar, SIZE, SIZE,
				O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->buf, 0);
	ASSERT_EQ(0, vfio_info(&self->env.dev, self->buf, &info));
	self->huge = info.out_features & VFIO_DMABUF_FEATURE_BIT_HUGE;
}

FIXTURE_TEARDOWN(wc)
{
	EXPECT_EQ(0, param_set(VFIO_OURS, "write_combine", "prefetchable"));
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

/* So that no huge page fits: one small page behind the border */
static void *map_askew(int fd, size_t size, int prot)
{
	char *room = mmap(NULL, size + 2 * BIG, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t at = ((uintptr_t)room + BIG - 1) / BIG * BIG + PAGE;

	if (room == MAP_FAILED)
		return MAP_FAILED;
	return mmap((void *)at, size, prot, MAP_SHARED | MAP_FIXED, fd, 0);
}

/* A read of each page; how many were possible */
static size_t touch(const void *map, size_t size)
{
	const char *p = map;
	size_t pos, good = 0;
	uint32_t value;

	for (pos = 0; pos < size; pos += PAGE)
		good += try_read32(p + pos, &value);
	return good;
}

static uint64_t slice_faults(const struct vfio_dev *dev, int buf)
{
	struct vfio_dmabuf_info info;

	return vfio_info(dev, buf, &info) ? UINT64_MAX : info.out_slice_faults;
}

TEST_F(wc, uncached)
{
	char *fits, *askew;

	fits = map_aligned(self->buf, SIZE, 0, RW, BIG);
	askew = map_askew(self->buf, SIZE, RW);
	ASSERT_NE(MAP_FAILED, fits);
	ASSERT_NE(MAP_FAILED, askew);
	EXPECT_TRUE(pte_none(self->pte, fits, SIZE));
	EXPECT_TRUE(pte_none(self->pte, askew, SIZE));

	EXPECT_EQ(SIZE / PAGE, touch(fits, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(askew, SIZE));
	EXPECT_TRUE(pte_all(self->pte, fits, SIZE,
			    self->huge ? TEST_PTE_2M : TEST_PTE_4K,
			    PTE_UNCACHED));
	EXPECT_TRUE(pte_all(self->pte, askew, SIZE, TEST_PTE_4K,
			    PTE_UNCACHED));
}

/* In the entries, not only in what INFO says; and by few faults */
TEST_F(wc, combined)
{
	struct vfio_dev *dev = &self->env.dev;
	struct vfio_dmabuf_info info;
	uint64_t before, faults;
	struct pte_sum sum;
	char *fits, *askew;
	long own;

	ASSERT_EQ(0, vfio_memattr(dev, self->buf, WC));
	ASSERT_EQ(0, vfio_info(dev, self->buf, &info));
	EXPECT_TRUE(info.out_features & VFIO_DMABUF_FEATURE_BIT_WC);
	EXPECT_EQ(WC, info.out_memattr);
	EXPECT_EQ(WC, info.out_effective);

	fits = map_aligned(self->buf, SIZE, 0, RW, BIG);
	askew = map_askew(self->buf, SIZE, RW);
	ASSERT_NE(MAP_FAILED, fits);
	ASSERT_NE(MAP_FAILED, askew);

	before = slice_faults(dev, self->buf);
	own = thread_faults();
	EXPECT_EQ(SIZE / PAGE, touch(fits, SIZE));
	own = thread_faults() - own;
	faults = slice_faults(dev, self->buf) - before;
	EXPECT_EQ(SIZE / BIG, faults);
	EXPECT_LE(own, 16);
	EXPECT_TRUE(pte_all(self->pte, fits, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_EQ(0, pte_sum(self->pte, fits, SIZE, &sum));
	EXPECT_EQ(0, sum.jumps);
	EXPECT_EQ(SIZE / PAGE, sum.writable);

	before = slice_faults(dev, self->buf);
	EXPECT_EQ(SIZE / PAGE, touch(askew, SIZE));
	faults = slice_faults(dev, self->buf) - before;
	EXPECT_GE(faults, SIZE / BIG);
	EXPECT_LE(faults, SIZE / BIG + 1);
	EXPECT_TRUE(pte_all(self->pte, askew, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_EQ(0, pte_sum(self->pte, askew, SIZE, &sum));
	EXPECT_EQ(0, sum.jumps);
}

/* One touch fills what one PMD covers, within the mapping, and no more. */
TEST_F(wc, window)
{
	char *p, *room;
	uint32_t value;

	ASSERT_EQ(0, vfio_memattr(&self->env.dev, self->buf, WC));
	p = map_aligned(self->buf, SIZE, 0, RW, BIG);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p + BIG + 77 * PAGE, &value));
	EXPECT_TRUE(pte_none(self->pte, p, BIG));
	EXPECT_TRUE(pte_all(self->pte, p + BIG, BIG, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	munmap(p, SIZE);

	/* A small one, with nothing of anybody's around it */
	room = mmap(NULL, 2 * BIG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	ASSERT_NE(MAP_FAILED, room);
	room += -(uintptr_t)room % BIG;
	p = mmap(room + 7 * PAGE, 3 * PAGE, RW, MAP_SHARED | MAP_FIXED,
		 self->buf, 5 * PAGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p + PAGE, &value));
	EXPECT_TRUE(pte_all(self->pte, p, 3 * PAGE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_TRUE(pte_none(self->pte, room, 7 * PAGE));
	EXPECT_TRUE(pte_none(self->pte, p + 3 * PAGE, BIG - 10 * PAGE));
}

/* What is mapped already stays as it is, even where it was not touched yet. */
TEST_F(wc, later_mappings_only)
{
	struct vfio_dev *dev = &self->env.dev;
	char *old, *new, *newer;
	uint32_t value;

	old = map_askew(self->buf, SIZE, RW);
	ASSERT_NE(MAP_FAILED, old);
	EXPECT_TRUE(try_read32(old, &value));
	ASSERT_EQ(0, vfio_memattr(dev, self->buf, WC));
	new = map_askew(self->buf, SIZE, RW);
	ASSERT_NE(MAP_FAILED, new);
	EXPECT_TRUE(try_read32(new, &value));
	ASSERT_EQ(0, vfio_memattr(dev, self->buf, NC));
	newer = map_askew(self->buf, SIZE, RW);
	ASSERT_NE(MAP_FAILED, newer);

	EXPECT_EQ(SIZE / PAGE, touch(old, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(new, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(newer, SIZE));
	EXPECT_TRUE(pte_all(self->pte, old, SIZE, 0, PTE_UNCACHED));
	EXPECT_TRUE(pte_all(self->pte, new, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_TRUE(pte_all(self->pte, newer, SIZE, 0, PTE_UNCACHED));
}

/* No slice decides for another one of the same range. */
TEST_F(wc, of_this_slice_only)
{
	struct vfio_dev *dev = &self->env.dev;
	int other = vfio_export(dev, variant->bar, SIZE, SIZE, O_RDWR);
	char *p, *q;

	ASSERT_GE(other, 0);
	ASSERT_EQ(0, vfio_memattr(dev, self->buf, WC));
	p = map_aligned(self->buf, SIZE, 0, RW, BIG);
	q = map_aligned(other, SIZE, 0, RW, BIG);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(SIZE / PAGE, touch(q, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
	EXPECT_TRUE(pte_all(self->pte, p, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_TRUE(pte_all(self->pte, q, SIZE,
			    self->huge ? TEST_PTE_2M : TEST_PTE_4K,
			    PTE_UNCACHED));
}

/* Gone while the memory is off, back with the same attribute */
TEST_F(wc, memory_off)
{
	struct vfio_dev *dev = &self->env.dev;
	uint32_t value;
	char *p, *q;

	p = map_aligned(self->buf, SIZE, 0, RW, BIG);
	ASSERT_EQ(0, vfio_memattr(dev, self->buf, WC));
	q = map_aligned(self->buf, SIZE, 0, RW, BIG);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(q, SIZE));

	ASSERT_EQ(0, vfio_memory_enable(dev, false));
	EXPECT_TRUE(pte_none(self->pte, p, SIZE));
	EXPECT_TRUE(pte_none(self->pte, q, SIZE));
	EXPECT_FALSE(try_read32(p, &value));
	EXPECT_FALSE(try_read32(q, &value));
	EXPECT_TRUE(pte_none(self->pte, p, SIZE));
	EXPECT_TRUE(pte_none(self->pte, q, SIZE));

	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(q, SIZE));
	EXPECT_TRUE(pte_all(self->pte, p, SIZE,
			    self->huge ? TEST_PTE_2M : TEST_PTE_4K,
			    PTE_UNCACHED));
	EXPECT_TRUE(pte_all(self->pte, q, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
}

TEST_F(wc, revoked)
{
	struct vfio_dev *dev = &self->env.dev;
	int other = vfio_export(dev, variant->bar, SIZE, SIZE, O_RDWR);
	char *p, *q, *r, *s;
	uint32_t value;

	ASSERT_GE(other, 0);
	p = map_aligned(self->buf, SIZE, 0, RW, BIG);
	r = map_aligned(other, SIZE, 0, RW, BIG);
	ASSERT_EQ(0, vfio_memattr(dev, self->buf, WC));
	ASSERT_EQ(0, vfio_memattr(dev, other, WC));
	q = map_askew(self->buf, SIZE, RW);
	s = map_askew(other, SIZE, RW);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_NE(MAP_FAILED, r);
	ASSERT_NE(MAP_FAILED, s);
	EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(q, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(r, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(s, SIZE));

	ASSERT_EQ(0, vfio_revoke(dev, self->buf));
	EXPECT_TRUE(pte_none(self->pte, p, SIZE));
	EXPECT_TRUE(pte_none(self->pte, q, SIZE));
	EXPECT_FALSE(try_read32(p, &value));
	EXPECT_FALSE(try_write32((uint32_t *)q, 1));
	EXPECT_TRUE(pte_none(self->pte, p, SIZE));
	EXPECT_TRUE(pte_none(self->pte, q, SIZE));
	/* not even a fault for the other one */
	EXPECT_TRUE(pte_all(self->pte, r, SIZE, 0, PTE_UNCACHED));
	EXPECT_TRUE(pte_all(self->pte, s, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_EQ(-EBADFD, vfio_memattr(dev, self->buf, NC));
}

/* Each page is the right one, as the stock mapping of the BAR sees it. */
TEST_F(wc, contents)
{
	struct vfio_dev *dev = &self->env.dev;
	uint32_t *bar, *p;
	size_t pos;
	int bad = 0;

	bar = vfio_bar_map(dev, variant->bar, RW);
	ASSERT_NE(MAP_FAILED, bar);
	ASSERT_EQ(0, vfio_memattr(dev, self->buf, WC));
	p = map_askew(self->buf, SIZE, RW);
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
	struct vfio_dev *dev = &self->env.dev;
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
	p = map_askew(buf, all, RW);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(all / PAGE, touch(p, all));
	EXPECT_TRUE(pte_all(self->pte, p, all, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	for (i = 0; i < 5; i++) {
		for (page = 0; page < ranges[i].length; page += PAGE) {
			touch(bar + ranges[i].offset + page, PAGE);
			ASSERT_EQ(0, pte_read(self->pte, bar +
					      ranges[i].offset + page,
					      &there));
			ASSERT_EQ(0, pte_read(self->pte, p + pos, &here));
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
	struct vfio_dev *dev = &self->env.dev;
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
		ASSERT_EQ(0, pte_sum(self->pte, p, SIZE, &sum));
		EXPECT_EQ(0, sum.none);
		EXPECT_EQ(0, sum.writable);
		EXPECT_EQ(i ? SIZE / PAGE : 0, sum.attr[TEST_PTE_ATTR_WC]);
		EXPECT_NE(0, mprotect(p, SIZE, RW));
		EXPECT_EQ(EACCES, errno);
		ASSERT_EQ(0, pte_sum(self->pte, p, SIZE, &sum));
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

	ASSERT_EQ(0, vfio_memattr(&self->env.dev, self->buf, WC));
	p = map_aligned(self->buf, SIZE, 0, PROT_READ, BIG);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p, &value));
	ASSERT_EQ(0, pte_sum(self->pte, p, BIG, &sum));
	EXPECT_EQ(0, sum.none);
	EXPECT_EQ(0, sum.writable);

	ASSERT_EQ(0, mprotect(p, SIZE, RW));
	EXPECT_TRUE(try_write32((uint32_t *)p, 1));
	EXPECT_TRUE(try_write32((uint32_t *)(p + BIG), 2));
	EXPECT_TRUE(pte_all(self->pte, p, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
	ASSERT_EQ(0, pte_sum(self->pte, p + BIG, BIG, &sum));
	EXPECT_EQ(BIG / PAGE, sum.writable);

	ASSERT_EQ(0, mprotect(p, SIZE, PROT_READ));
	EXPECT_TRUE(pte_all(self->pte, p, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	ASSERT_EQ(0, pte_sum(self->pte, p, SIZE, &sum));
	EXPECT_EQ(0, sum.writable);
	EXPECT_EQ(SIGSEGV, signal_of(p, true));
}

/* In the child: 0, or the number of what is wrong */
static int child(int pte, char *p, char *q, int to, int from)
{
	char byte = 0;

	if (touch(p, SIZE) != SIZE / PAGE)
		return 1;
	if (!pte_all(pte, p, SIZE, TEST_PTE_4K, TEST_PTE_ATTR_WC))
		return 2;
	if (touch(q, SIZE) != SIZE / PAGE)
		return 3;
	if (!pte_all(pte, q, SIZE, 0, PTE_UNCACHED))
		return 4;
	/* The parent takes the memory away and gives it back. */
	if (write(to, &byte, 1) != 1 || read(from, &byte, 1) != 1)
		return 5;
	if (!pte_none(pte, p, SIZE) || !pte_none(pte, q, SIZE))
		return 6;
	if (write(to, &byte, 1) != 1 || read(from, &byte, 1) != 1)
		return 7;
	if (touch(p, SIZE) != SIZE / PAGE || touch(q, SIZE) != SIZE / PAGE)
		return 8;
	if (!pte_all(pte, p, SIZE, TEST_PTE_4K, TEST_PTE_ATTR_WC))
		return 9;
	return pte_all(pte, q, SIZE, 0, PTE_UNCACHED) ? 0 : 10;
}

TEST_F(wc, fork)
{
	struct vfio_dev *dev = &self->env.dev;
	int status, to[2], from[2];
	char byte = 0, *p, *q;
	pid_t pid;

	q = map_aligned(self->buf, SIZE, 0, RW, BIG);
	ASSERT_EQ(0, vfio_memattr(dev, self->buf, WC));
	p = map_aligned(self->buf, SIZE, 0, RW, BIG);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(q, SIZE));
	ASSERT_EQ(0, pipe(to));
	ASSERT_EQ(0, pipe(from));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(to[0]);
		close(from[1]);
		_exit(child(self->pte, p, q, to[1], from[0]));
	}
	close(to[1]);
	close(from[0]);
	EXPECT_EQ(1, read(to[0], &byte, 1));
	EXPECT_EQ(0, vfio_memory_enable(dev, false));
	EXPECT_EQ(1, write(from[1], &byte, 1));
	EXPECT_EQ(1, read(to[0], &byte, 1));
	EXPECT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(1, write(from[1], &byte, 1));
	close(from[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("child: %d", WEXITSTATUS(status));
}

/* What there was before: the mapping of the device fd is stock vfio-pci's. */
TEST_F(wc, bar)
{
	char *bar = vfio_bar_map(&self->env.dev, variant->bar, RW);

	ASSERT_NE(MAP_FAILED, bar);
	ASSERT_EQ(0, vfio_memattr(&self->env.dev, self->buf, WC));
	EXPECT_EQ(SIZE / PAGE, touch(bar + SIZE, SIZE));
	EXPECT_TRUE(pte_all(self->pte, bar + SIZE, SIZE, 0, PTE_UNCACHED));
}

TEST_F(wc, forbidden)
{
	struct vfio_dev *dev = &self->env.dev;
	struct vfio_dmabuf_info info;
	char *p;

	ASSERT_EQ(0, param_set(VFIO_OURS, "write_combine", "off"));
	EXPECT_EQ(-EOPNOTSUPP, vfio_memattr(dev, self->buf, WC));
	EXPECT_EQ(0, vfio_memattr(dev, self->buf, NC));
	EXPECT_EQ(-ENOENT, vfio_memattr(dev, self->buf, 2));
	ASSERT_EQ(0, vfio_info(dev, self->buf, &info));
	EXPECT_EQ(NC, info.out_memattr);
	p = map_aligned(self->buf, SIZE, 0, RW, BIG);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
	EXPECT_TRUE(pte_all(self->pte, p, SIZE, 0, PTE_UNCACHED));

	EXPECT_EQ(-EINVAL, param_set(VFIO_OURS, "write_combine", "perhaps"));
	EXPECT_EQ(-EOPNOTSUPP, vfio_memattr(dev, self->buf, WC));
	ASSERT_EQ(0, param_set(VFIO_OURS, "write_combine", "prefetchable"));
	EXPECT_EQ(0, vfio_memattr(dev, self->buf, WC));
}

/* 1 GiB: the largest entries, or none but the small ones */
FIXTURE(big) {
	struct vfio_env env;
	int pte;
	int buf;
};

FIXTURE_SETUP(big)
{
	vfio_env_setup(_metadata, &self->env, VFIO_BIG, VFIO_OURS);
	self->pte = pte_open();
	ASSERT_GE(self->pte, 0);
	ASSERT_EQ(0, vfio_memory_enable(&self->env.dev, true));
	self->buf = vfio_export(&self->env.dev, 2, 0, WHOLE, O_RDWR);
	ASSERT_GE(self->buf, 0);
}

FIXTURE_TEARDOWN(big)
{
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

TEST_F(big, levels)
{
	struct vfio_dev *dev = &self->env.dev;
	struct test_pte_args first, last;
	struct vfio_dmabuf_info info;
	uint32_t value;
	char *p;
	bool huge;

	ASSERT_EQ(0, vfio_info(dev, self->buf, &info));
	huge = info.out_features & VFIO_DMABUF_FEATURE_BIT_HUGE;
	p = map_aligned(self->buf, WHOLE, 0, RW, WHOLE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p + WHOLE / 2, &value));
	ASSERT_EQ(0, pte_read(self->pte, p + WHOLE / 2, &first));
	EXPECT_EQ(huge ? PTE_GIB : TEST_PTE_4K, first.out_level);
	EXPECT_TRUE(pte_all(self->pte, p + WHOLE / 2, PAGE, 0, PTE_UNCACHED));
	ASSERT_EQ(0, pte_read(self->pte, p + WHOLE - PAGE, &last));
	if (huge && PTE_GIB == TEST_PTE_1G) {
		EXPECT_EQ(first.out_pfn + (WHOLE / 2 - PAGE) / PAGE,
			  last.out_pfn);
	} else {
		EXPECT_EQ(TEST_PTE_NONE, last.out_level);
	}

	ASSERT_EQ(0, vfio_memattr(dev, self->buf, WC));
	munmap(p, WHOLE);
	p = map_aligned(self->buf, WHOLE, 0, RW, WHOLE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p + WHOLE / 2, &value));
	EXPECT_TRUE(pte_all(self->pte, p + WHOLE / 2, BIG, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_TRUE(pte_none(self->pte, p + WHOLE / 2 - BIG, BIG));
	EXPECT_TRUE(pte_none(self->pte, p + WHOLE / 2 + BIG, BIG));

	ASSERT_EQ(0, vfio_revoke(dev, self->buf));
	EXPECT_TRUE(pte_none(self->pte, p + WHOLE / 2, BIG));
}

/* Registers are not for combining. */
FIXTURE(registers) {
	struct vfio_env env;
	int pte;
	int buf;
};

FIXTURE_SETUP(registers)
{
	vfio_env_setup(_metadata, &self->env, VFIO_EDU, VFIO_OURS);
	self->pte = pte_open();
	ASSERT_GE(self->pte, 0);
	ASSERT_EQ(0, vfio_memory_enable(&self->env.dev, true));
	self->buf = vfio_export(&self->env.dev, 0, 0, 4 * PAGE, O_RDWR);
	ASSERT_GE(self->buf, 0);
}

FIXTURE_TEARDOWN(registers)
{
	EXPECT_EQ(0, param_set(VFIO_OURS, "write_combine", "prefetchable"));
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

TEST_F(registers, only_if_told)
{
	struct vfio_dev *dev = &self->env.dev;
	struct vfio_dmabuf_info info;
	uint32_t value = 0;
	char *p, *q;

	EXPECT_EQ(-EOPNOTSUPP, vfio_memattr(dev, self->buf, WC));
	ASSERT_EQ(0, vfio_info(dev, self->buf, &info));
	EXPECT_EQ(NC, info.out_memattr);
	EXPECT_EQ(NC, info.out_effective);
	p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, self->buf, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p, &value));
	/* "edu" identifies itself by its lowest byte */
	EXPECT_EQ(0xed, value & 0xff);
	EXPECT_TRUE(pte_all(self->pte, p, PAGE, TEST_PTE_4K, PTE_UNCACHED));

	ASSERT_EQ(0, param_set(VFIO_OURS, "write_combine", "all"));
	EXPECT_EQ(0, vfio_memattr(dev, self->buf, WC));
	q = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, self->buf, 0);
	ASSERT_NE(MAP_FAILED, q);
	value = 0;
	EXPECT_TRUE(try_read32(q, &value));
	EXPECT_EQ(0xed, value & 0xff);
	EXPECT_TRUE(pte_all(self->pte, q, 4 * PAGE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_TRUE(pte_all(self->pte, p, PAGE, TEST_PTE_4K, PTE_UNCACHED));
}

/* Those who can be reset: by their bus, and by themselves */
FIXTURE(reset) {
	struct vfio_env env;
	int pte;
	int buf;
	size_t size;
};

FIXTURE_VARIANT(reset) {
	enum vfio_role role;
	int bar;
	size_t size;	/* 0: SIZE */
};

FIXTURE_VARIANT_ADD(reset, bus) {
	.role = VFIO_BIG,
	.bar = 2,
};

FIXTURE_VARIANT_ADD(reset, function) {
	.role = VFIO_GPU,
	.bar = 4,
	.size = KIB(16),
};

FIXTURE_SETUP(reset)
{
	self->size = variant->size ?: SIZE;
	vfio_env_setup(_metadata, &self->env, variant->role, VFIO_OURS);
	self->pte = pte_open();
	ASSERT_GE(self->pte, 0);
	ASSERT_EQ(0, vfio_memory_enable(&self->env.dev, true));
	self->buf = vfio_export(&self->env.dev, variant->bar, 0,
				self->size, O_RDWR);
	ASSERT_GE(self->buf, 0);
}

FIXTURE_TEARDOWN(reset)
{
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

TEST_F(reset, nothing_left)
{
	struct vfio_dev *dev = &self->env.dev;
	size_t size = self->size;
	char *p, *q;

	p = map_aligned(self->buf, size, 0, RW, BIG);
	ASSERT_EQ(0, vfio_memattr(dev, self->buf, WC));
	q = map_aligned(self->buf, size, 0, RW, BIG);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(size / PAGE, touch(p, size));
	EXPECT_EQ(size / PAGE, touch(q, size));
	EXPECT_TRUE(pte_all(self->pte, p, size, 0, PTE_UNCACHED));
	EXPECT_TRUE(pte_all(self->pte, q, size, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	ASSERT_EQ(0, vfio_reset(dev));
	EXPECT_TRUE(pte_none(self->pte, p, size));
	EXPECT_TRUE(pte_none(self->pte, q, size));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(size / PAGE, touch(p, size));
	EXPECT_EQ(size / PAGE, touch(q, size));
	EXPECT_TRUE(pte_all(self->pte, p, size, 0, PTE_UNCACHED));
	EXPECT_TRUE(pte_all(self->pte, q, size, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));

	/* The one by sysfs, of which the core knows nothing */
	ASSERT_EQ(0, vfio_sysfs_poke(dev->bdf, "reset"));
	EXPECT_TRUE(pte_none(self->pte, p, size));
	EXPECT_TRUE(pte_none(self->pte, q, size));
}

TEST_HARNESS_MAIN
