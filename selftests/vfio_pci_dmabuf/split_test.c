// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings that one entry of 1 GiB is enough for, and what makes the kernel cut
 * such an entry to pieces: a change of a part, a move, another process's fork.
 */
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "events.h"

#include "param_util.h"
#include "pte_util.h"

#define BAR	2
#define SIZE	GIB(1)
#define HALF	MIB(512)
#define SEED	0x02000000U

/* Pages whose contents are known: page i holds SEED + i. */
static size_t marks[14];

static void __attribute__((constructor)) marks_choose(void)
{
	const size_t chosen[ARRAY_SIZE(marks)] = {
		0, PAGE, 2 * PAGE, HUGE - PAGE, HUGE, HUGE + PAGE, MIB(300),
		HALF - PAGE, HALF, HALF + PAGE, HALF + 2 * PAGE, HALF + HUGE,
		SIZE - HUGE, SIZE - PAGE,
	};

	memcpy(marks, chosen, sizeof(marks));
}

static uint32_t *word_at(void *p, size_t offset)
{
	return (uint32_t *)((char *)p + offset);
}

static size_t marks_set(void *p)
{
	size_t i, bad = 0;

	for (i = 0; i < ARRAY_SIZE(marks); i++)
		bad += !try_write32(word_at(p, marks[i]),
				    SEED + marks[i] / PAGE);
	return bad;
}

/* How many are not there, but for a page at @but */
static size_t marks_differ(void *p, size_t but)
{
	size_t i, bad = 0;
	uint32_t value;

	for (i = 0; i < ARRAY_SIZE(marks); i++)
		if (marks[i] != but)
			bad += !try_read32(word_at(p, marks[i]), &value) ||
			       value != SEED + marks[i] / PAGE;
	return bad;
}

/* How many can be read, but for a page at @but */
static size_t marks_left(void *p, size_t but)
{
	size_t i, left = 0;

	for (i = 0; i < ARRAY_SIZE(marks); i++)
		if (marks[i] != but)
			left += !touch(word_at(p, marks[i]), 1);
	return left;
}

#define ALL	SIZE_MAX

static int level_at(int pte, void *p)
{
	struct test_pte_args args;
	int ret = pte_read(pte, p, &args);

	return ret ? ret : (int)args.out_level;
}

FIXTURE(split) {
	struct stage s;
	struct vfio_dev *dev;
	struct view v;
	int pte;
	bool huge;
};

FIXTURE_SETUP(split)
{
	self->dev = &self->s.env.dev;
	vfio_env_setup(_metadata, &self->s.env, VFIO_BIG, VFIO_OURS);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	ASSERT_EQ(SIZE, vfio_bar_size(self->dev, BAR));
	self->huge = info_of(self->dev, -1).out_features &
		     VFIO_DMABUF_FEATURE_BIT_HUGE;
	self->pte = pte_open();
	ASSERT_LE(0, self->pte);
	ASSERT_EQ(0, view_open(&self->v, self->dev, BAR, 0, SIZE, SIZE));
	ASSERT_EQ(0, marks_set(self->v.p));
	if (self->huge)
		ASSERT_EQ(PTE_GIB, level_at(self->pte, self->v.p));
}

FIXTURE_TEARDOWN(split)
{
	stage_teardown(_metadata, &self->s);
}

/* One page of the mapping is to be another than the rest. */

static int unmap(void *at)
{
	return munmap(at, PAGE);
}

static int no_access(void *at)
{
	return mprotect(at, PAGE, PROT_NONE);
}

static int read_only(void *at)
{
	return mprotect(at, PAGE, PROT_READ);
}

static int dont_fork(void *at)
{
	return madvise(at, PAGE, MADV_DONTFORK);
}

static int lock(void *at)
{
	return mlock(at, PAGE);
}

static int bind(void *at)
{
	unsigned long nodes = 1;

	return syscall(SYS_mbind, at, PAGE, MPOL_PREFERRED, &nodes, 64, 0);
}

static int move(void *at)
{
	void *to = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	if (to == MAP_FAILED)
		return -1;
	return mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to ?
	       0 : -1;
}

static const struct {
	const char *name;
	int (*change)(void *at);
	bool gone;	/* it cannot be read any more */
} changes[] = {
	{ "munmap", unmap, true },
	{ "PROT_NONE", no_access, true },
	{ "PROT_READ", read_only, false },
	{ "MADV_DONTFORK", dont_fork, false },
	{ "mlock", lock, false },
	{ "mbind", bind, false },
	{ "mremap", move, true },
};

/* Each at @at of a mapping by a single entry; a slice of its own if to revoke */
static void change_each(struct __test_metadata *_metadata,
			FIXTURE_DATA(split) *self, size_t at, bool revoke)
{
	struct view v;
	size_t i, but;
	int ret;

	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		ASSERT_EQ(0, view_open(&v, self->dev, BAR, 0, SIZE, SIZE));
		ASSERT_EQ(0, marks_differ(v.p, ALL));
		if (self->huge)
			ASSERT_EQ(PTE_GIB, level_at(self->pte, v.p));
		ret = changes[i].change(word_at(v.p, at));
		if (ret && errno == ENOSYS && changes[i].change == bind) {
			/* The debug kernel knows no nodes. */
			EXPECT_TRUE(kernel_is_debug());
			view_close(&v);
			continue;
		}
		ASSERT_EQ(0, ret) TH_LOG("%s: %d", changes[i].name, errno);
		but = changes[i].gone ? at : ALL;
		if (revoke) {
			ASSERT_EQ(0, vfio_revoke(self->dev, v.fd));
			EXPECT_EQ(0, marks_left(v.p, but))
				TH_LOG("%s", changes[i].name);
		} else {
			EXPECT_EQ(0, marks_differ(v.p, but))
				TH_LOG("%s", changes[i].name);
			if (self->huge && changes[i].change != lock)
				EXPECT_EQ(TEST_PTE_2M,
					  level_at(self->pte,
						   word_at(v.p, MIB(300))));
		}
		/* The other mapping has all of it, whatever happened here. */
		EXPECT_EQ(0, marks_differ(self->v.p, ALL));
		view_close(&v);
	}
}

TEST_F(split, near_the_beginning)
{
	change_each(_metadata, self, PAGE, false);
}

TEST_F(split, between_two_huge_pages)
{
	change_each(_metadata, self, HALF, false);
}

TEST_F(split, then_revoked)
{
	change_each(_metadata, self, PAGE, true);
	change_each(_metadata, self, HALF, true);
}

/* Others fault all the time; the entry must not be back before it is cut. */
TEST_F(split, touched_meanwhile)
{
	static struct toucher t[2];
	int i;

	memset(t, 0, sizeof(t));
	ASSERT_EQ(0, stage_touch(&self->s, &t[0],
				 word_at(self->v.p, MIB(300)), 1,
				 SEED + MIB(300) / PAGE));
	ASSERT_EQ(0, stage_touch(&self->s, &t[1], word_at(self->v.p, HALF), 2,
				 SEED + HALF / PAGE));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, mprotect(word_at(self->v.p, PAGE), PAGE,
				      PROT_READ));
		ASSERT_EQ(0, mprotect(word_at(self->v.p, PAGE), PAGE,
				      PROT_READ | PROT_WRITE));
	}
	stage_stop(&self->s);
	for (i = 0; i < 2; i++) {
		EXPECT_LT(0, t[i].good);
		EXPECT_EQ(0, t[i].bus);
		EXPECT_EQ(0, t[i].wrong);
	}
	EXPECT_EQ(0, marks_differ(self->v.p, ALL));
}

/* All of it, to where the entry fits and to where it does not */
TEST_F(split, moved)
{
	const size_t offsets[] = { 0, PAGE, HUGE, HALF, 0 };
	char *space, *to, *p = (char *)self->v.p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		space = mmap(NULL, 3 * SIZE, PROT_NONE, MAP_PRIVATE |
			     MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		ASSERT_NE(MAP_FAILED, space);
		to = (char *)(((uintptr_t)space + SIZE - 1) & -SIZE) +
		     offsets[i];
		ASSERT_EQ(to, mremap(p, SIZE, SIZE,
				     MREMAP_MAYMOVE | MREMAP_FIXED, to));
		p = to;
		EXPECT_EQ(0, marks_differ(p, ALL)) TH_LOG("%zu", offsets[i]);
		/* Later on it takes its tables along. */
		if (self->huge && !i)
			EXPECT_EQ(PTE_GIB, level_at(self->pte, p));
	}
	ASSERT_EQ(0, vfio_revoke(self->dev, self->v.fd));
	EXPECT_EQ(0, marks_left(p, ALL));
}

/* Another process: has all of it by one entry, until told to look again */
static int other(struct __test_metadata *_metadata, FIXTURE_DATA(split) *self,
		 const int *in, const int *out)
{
	char byte = 0, *p;

	(void)_metadata;
	/* What was inherited is not what this is about. */
	munmap(self->v.p, SIZE);
	p = map_aligned(self->v.fd, SIZE, 0, PROT_READ | PROT_WRITE, SIZE);
	if (p == MAP_FAILED || marks_differ(p, ALL))
		return 1;
	if (self->huge && level_at(self->pte, p) != PTE_GIB)
		return 2;
	do {
		if (write(out[1], &byte, 1) != 1)
			return 3;
		if (read(in[0], &byte, 1) != 1)
			return 4;
		if (marks_differ(p, ALL))
			return 5;
	} while (!byte);
	return 0;
}

/* Who has a part of it forks, and whoever has all of it keeps that. */
TEST_F(split, fork_beside_another)
{
	int to[2], from[2], i;
	pid_t pid, child;
	char byte, *p;

	ASSERT_EQ(0, pipe(to));
	ASSERT_EQ(0, pipe(from));
	pid = stage_fork(&self->s);
	if (pid == 0)
		_exit(other(_metadata, self, to, from));
	ASSERT_LT(0, pid);
	close(from[1]);
	munmap(self->v.p, SIZE);
	p = map_aligned(self->v.fd, 2 * HUGE, HUGE, PROT_READ | PROT_WRITE,
			HUGE);
	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(1, read(from[0], &byte, 1)) TH_LOG("round %d", i);
		EXPECT_EQ(0, differ((uint32_t *)p, 2, SEED + HUGE / PAGE));
		child = stage_fork(&self->s);
		if (child == 0)
			_exit(differ((uint32_t *)p, 2, SEED + HUGE / PAGE));
		EXPECT_EQ(0, stage_reap(&self->s, child, 20000));
		byte = i == 4;
		ASSERT_EQ(1, write(to[1], &byte, 1));
	}
	EXPECT_EQ(0, stage_reap(&self->s, pid, 20000));
}

/* The device fd's mapping, if it is one of ours */

FIXTURE(bar) {
	struct stage s;
	struct vfio_dev *dev;
};

static int reload(const char *option)
{
	module_settle(VFIO_OURS, 0);
	return module_unload(VFIO_OURS) ?:
	       module_probe_with(VFIO_OURS, option);
}

FIXTURE_SETUP(bar)
{
	self->dev = &self->s.env.dev;
	ASSERT_EQ(0, reload("bar_mmap=dmabuf"));
	vfio_env_setup(_metadata, &self->s.env, VFIO_BIG, VFIO_OURS);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
}

FIXTURE_TEARDOWN(bar)
{
	stage_teardown(_metadata, &self->s);
	EXPECT_EQ(0, reload(NULL));
}

TEST_F(bar, split)
{
	bool huge = info_of(self->dev, -1).out_features &
		    VFIO_DMABUF_FEATURE_BIT_HUGE;
	int pte = pte_open();
	char *p, *q;

	ASSERT_LE(0, pte);
	p = bar_map_aligned(self->dev, BAR, 0, SIZE, SIZE);
	ASSERT_NE(MAP_FAILED, p);
	q = bar_map_aligned(self->dev, BAR, 0, SIZE, SIZE);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, marks_set(p));
	EXPECT_EQ(0, marks_differ(q, ALL));
	if (huge) {
		ASSERT_EQ(PTE_GIB, level_at(pte, p));
		ASSERT_EQ(PTE_GIB, level_at(pte, q));
	}
	ASSERT_EQ(0, munmap(p + HALF, PAGE));
	EXPECT_EQ(0, marks_differ(p, HALF));
	ASSERT_EQ(0, mprotect(q + PAGE, PAGE, PROT_READ));
	EXPECT_EQ(0, marks_differ(q, ALL));
	EXPECT_EQ(0, marks_differ(p, HALF));
}

TEST_HARNESS_MAIN
