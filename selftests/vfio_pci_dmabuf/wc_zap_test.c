// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is left of a mapping in the page tables when it is taken away, of either
 * attribute; and that it comes back with the same one, if it does.
 */
#include <sys/wait.h>

#include "wc_env.h"

/* Gone while the memory is off, back with the same attribute */
TEST_F(wc, memory_off)
{
	struct vfio_dev *dev = &self->w.env.dev;
	uint32_t value;
	char *p, *q;

	p = map_aligned(self->w.buf, SIZE, 0, RW, BIG);
	ASSERT_EQ(0, vfio_memattr(dev, self->w.buf, WC));
	q = map_aligned(self->w.buf, SIZE, 0, RW, BIG);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(q, SIZE));

	ASSERT_EQ(0, vfio_memory_enable(dev, false));
	EXPECT_TRUE(pte_none(self->w.pte, p, SIZE));
	EXPECT_TRUE(pte_none(self->w.pte, q, SIZE));
	EXPECT_FALSE(try_read32(p, &value));
	EXPECT_FALSE(try_read32(q, &value));
	EXPECT_TRUE(pte_none(self->w.pte, p, SIZE));
	EXPECT_TRUE(pte_none(self->w.pte, q, SIZE));

	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(q, SIZE));
	EXPECT_TRUE(pte_all(self->w.pte, p, SIZE,
			    self->w.huge ? TEST_PTE_2M : TEST_PTE_4K,
			    PTE_UNCACHED));
	EXPECT_TRUE(pte_all(self->w.pte, q, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
}

TEST_F(wc, revoked)
{
	struct vfio_dev *dev = &self->w.env.dev;
	int other = vfio_export(dev, variant->bar, SIZE, SIZE, O_RDWR);
	char *p, *q, *r, *s;
	uint32_t value;

	ASSERT_GE(other, 0);
	p = map_aligned(self->w.buf, SIZE, 0, RW, BIG);
	r = map_aligned(other, SIZE, 0, RW, BIG);
	ASSERT_EQ(0, vfio_memattr(dev, self->w.buf, WC));
	ASSERT_EQ(0, vfio_memattr(dev, other, WC));
	q = map_small(self->w.buf, SIZE);
	s = map_small(other, SIZE);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_NE(MAP_FAILED, r);
	ASSERT_NE(MAP_FAILED, s);
	EXPECT_EQ(SIZE / PAGE, touch(p, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(q, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(r, SIZE));
	EXPECT_EQ(SIZE / PAGE, touch(s, SIZE));

	ASSERT_EQ(0, vfio_revoke(dev, self->w.buf));
	EXPECT_TRUE(pte_none(self->w.pte, p, SIZE));
	EXPECT_TRUE(pte_none(self->w.pte, q, SIZE));
	EXPECT_FALSE(try_read32(p, &value));
	EXPECT_FALSE(try_write32((uint32_t *)q, 1));
	EXPECT_TRUE(pte_none(self->w.pte, p, SIZE));
	EXPECT_TRUE(pte_none(self->w.pte, q, SIZE));
	/* not even a fault for the other one */
	EXPECT_TRUE(pte_all(self->w.pte, r, SIZE, 0, PTE_UNCACHED));
	EXPECT_TRUE(pte_all(self->w.pte, s, SIZE, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	EXPECT_EQ(-EBADFD, vfio_memattr(dev, self->w.buf, NC));
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
	struct vfio_dev *dev = &self->w.env.dev;
	int status, to[2], from[2];
	char byte = 0, *p, *q;
	pid_t pid;

	q = map_aligned(self->w.buf, SIZE, 0, RW, BIG);
	ASSERT_EQ(0, vfio_memattr(dev, self->w.buf, WC));
	p = map_aligned(self->w.buf, SIZE, 0, RW, BIG);
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
		_exit(child(self->w.pte, p, q, to[1], from[0]));
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

/* Those who can be reset: by their bus, and by themselves */
FIXTURE(reset) {
	struct wc_env w;
	size_t size;
};

FIXTURE_VARIANT(reset) {
	enum vfio_role role;
	int bar;
	size_t size;	/* 0: SIZE */
};

FIXTURE_VARIANT_ADD(reset, bus) {
	.role = VFIO_MEMORY,
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
	wc_env_setup(_metadata, &self->w, variant->role, variant->bar, 0,
		     self->size);
}

FIXTURE_TEARDOWN(reset)
{
	wc_env_teardown(_metadata, &self->w);
}

TEST_F(reset, nothing_left)
{
	struct vfio_dev *dev = &self->w.env.dev;
	size_t size = self->size;
	char *p, *q;

	p = map_aligned(self->w.buf, size, 0, RW, BIG);
	ASSERT_EQ(0, vfio_memattr(dev, self->w.buf, WC));
	q = map_aligned(self->w.buf, size, 0, RW, BIG);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(size / PAGE, touch(p, size));
	EXPECT_EQ(size / PAGE, touch(q, size));
	EXPECT_TRUE(pte_all(self->w.pte, p, size, 0, PTE_UNCACHED));
	EXPECT_TRUE(pte_all(self->w.pte, q, size, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));
	ASSERT_EQ(0, vfio_reset(dev));
	EXPECT_TRUE(pte_none(self->w.pte, p, size));
	EXPECT_TRUE(pte_none(self->w.pte, q, size));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(size / PAGE, touch(p, size));
	EXPECT_EQ(size / PAGE, touch(q, size));
	EXPECT_TRUE(pte_all(self->w.pte, p, size, 0, PTE_UNCACHED));
	EXPECT_TRUE(pte_all(self->w.pte, q, size, TEST_PTE_4K,
			    TEST_PTE_ATTR_WC));

	/* The one by sysfs, of which the core knows nothing */
	ASSERT_EQ(0, vfio_sysfs_poke(dev->bdf, "reset"));
	EXPECT_TRUE(pte_none(self->w.pte, p, size));
	EXPECT_TRUE(pte_none(self->w.pte, q, size));
}

TEST_HARNESS_MAIN
