// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of a slice that are protected, cut to pieces, moved and inherited.
 * They show the same afterwards, and REVOKE finds all of them.
 */
#include "map_env.h"

FIXTURE(change) {
	struct map_env m;
};

FIXTURE_SETUP(change)
{
	map_env_setup(_metadata, &self->m);
}

FIXTURE_TEARDOWN(change)
{
	map_env_teardown(_metadata, &self->m);
}

/* Small pages, and huge ones where there are any */
TEST_F(change, protected_and_back)
{
	const uint64_t shifts[] = { 0, PAGE };
	uint64_t size = SIZE - PAGE;
	size_t i;
	char *p;

	for (i = 0; i < ARRAY_SIZE(shifts); i++) {
		fill(self->m.bar, 0, SIZE, 1);
		p = map_aligned(self->m.fd, size, shifts[i], RW, HUGE);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(0, differs(p, shifts[i], size, 1));
		ASSERT_EQ(0, mprotect(p, size, PROT_NONE));
		EXPECT_EQ(SIGSEGV, signal_of(p, false));
		ASSERT_EQ(0, mprotect(p, size, PROT_READ));
		EXPECT_EQ(0, differs(p, shifts[i], size, 1));
		EXPECT_EQ(SIGSEGV, signal_of(p + MIB(3), true));
		ASSERT_EQ(0, mprotect(p, size, RW));
		fill(p, shifts[i], size, 3 + i);
		EXPECT_EQ(0, differs(self->m.bar + shifts[i], shifts[i], size,
				     3 + i));
		/* one page in the middle of a huge one */
		ASSERT_EQ(0, mprotect(p + MIB(1), PAGE, PROT_NONE));
		EXPECT_EQ(SIGSEGV, signal_of(p + MIB(1), false));
		EXPECT_TRUE(alive(p + MIB(1) - PAGE));
		EXPECT_TRUE(alive(p + MIB(1) + PAGE));
		ASSERT_EQ(0, mprotect(p + MIB(1), PAGE, RW));
		EXPECT_EQ(0, differs(p, shifts[i], size, 3 + i));
	}
	/* what is revoked in the meantime stays so */
	ASSERT_EQ(0, mprotect(p, size, PROT_NONE));
	ASSERT_EQ(0, vfio_revoke(self->m.dev, self->m.fd));
	ASSERT_EQ(0, mprotect(p, size, RW));
	EXPECT_FALSE(alive(p));
	EXPECT_FALSE(alive(p + MIB(2)));
}

TEST_F(change, unmapped_in_parts)
{
	char *p = map_aligned(self->m.fd, SIZE, 0, RW, HUGE);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, differs(p, 0, SIZE, 1));
	ASSERT_EQ(0, munmap(p + MIB(5), PAGE));
	EXPECT_FALSE(is_mapped(p + MIB(5)));
	EXPECT_EQ(0, differs(p, 0, MIB(5), 1));
	EXPECT_EQ(0, differs(p + MIB(5) + PAGE, MIB(5) + PAGE, MIB(3) - PAGE,
			     1));
	close(self->m.fd);
	ASSERT_EQ(0, munmap(p, MIB(5)));
	EXPECT_EQ(1, INFO_OF(self->m.dev, -1, out_slices));
	EXPECT_EQ(0, differs(p + MIB(5) + PAGE, MIB(5) + PAGE, MIB(3) - PAGE,
			     1));
	/* The last page holds it as the whole did. */
	ASSERT_EQ(0, munmap(p + MIB(5) + PAGE, MIB(3) - 2 * PAGE));
	EXPECT_EQ(0, differs(p + SIZE - PAGE, SIZE - PAGE, PAGE, 1));
	EXPECT_EQ(1, INFO_OF(self->m.dev, -1, out_slices));
	ASSERT_EQ(0, munmap(p + SIZE - PAGE, PAGE));
	EXPECT_EQ(0, INFO_OF(self->m.dev, -1, out_slices));
}

TEST_F(change, revoke_finds_all_parts)
{
	char *p = map_aligned(self->m.fd, SIZE, 0, RW, HUGE), *q;

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, differs(p, 0, SIZE, 1));
	q = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, q);
	/* one away, one unmapped, one protected, one as it was */
	ASSERT_EQ(q, mremap(p, MIB(2), MIB(2), MREMAP_MAYMOVE | MREMAP_FIXED,
			    q));
	ASSERT_EQ(0, munmap(p + MIB(2), MIB(1)));
	ASSERT_EQ(0, mprotect(p + MIB(4), MIB(1), PROT_READ));
	ASSERT_EQ(0, vfio_revoke(self->m.dev, self->m.fd));
	EXPECT_FALSE(alive(q));
	EXPECT_FALSE(alive(q + MIB(2) - PAGE));
	EXPECT_FALSE(alive(p + MIB(3)));
	EXPECT_FALSE(alive(p + MIB(4)));
	EXPECT_FALSE(alive(p + SIZE - PAGE));
}

/* What fails does so as it does for a BAR. */
static int grow(char *p, size_t old, size_t new, int flags)
{
	return mremap(p, old, new, flags) == MAP_FAILED ? -errno : 0;
}

TEST_F(change, moved)
{
	char *p = map_aligned(self->m.fd, SIZE, 0, RW, HUGE), *at;

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, differs(p, 0, MIB(4), 1));
	at = mmap(NULL, HUGE + 2 * SIZE, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, at);
	/* where huge pages do not fit; the second half is untouched yet */
	at = (char *)(((uintptr_t)at + HUGE - 1) & -HUGE) + PAGE;
	ASSERT_EQ(at, mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     at));
	EXPECT_FALSE(is_mapped(p));
	EXPECT_EQ(0, differs(at, 0, SIZE, 1));
	fill(at, 0, SIZE, 6);
	EXPECT_EQ(0, differs(self->m.bar, 0, SIZE, 6));
	p = at;

	EXPECT_NE(0, grow(p, SIZE, 2 * SIZE, MREMAP_MAYMOVE));
	EXPECT_EQ(grow(self->m.bar, SIZE, 2 * SIZE, MREMAP_MAYMOVE),
		  grow(p, SIZE, 2 * SIZE, MREMAP_MAYMOVE));
	EXPECT_NE(0, grow(p, 0, SIZE, MREMAP_MAYMOVE));
	EXPECT_EQ(grow(self->m.bar, 0, SIZE, MREMAP_MAYMOVE),
		  grow(p, 0, SIZE, MREMAP_MAYMOVE));
	EXPECT_EQ(grow(self->m.bar, SIZE, SIZE,
		       MREMAP_MAYMOVE | MREMAP_DONTUNMAP),
		  grow(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	EXPECT_EQ(0, differs(p, 0, SIZE, 6));
	EXPECT_EQ(p, mremap(p, SIZE, MIB(1), 0));
	EXPECT_FALSE(is_mapped(p + MIB(1)));
	EXPECT_EQ(0, differs(p, 0, MIB(1), 6));
	ASSERT_EQ(0, vfio_revoke(self->m.dev, self->m.fd));
	EXPECT_FALSE(alive(p));
}

struct child {
	char *map;
	int pipe[2];	/* to the child */
	int back[2];
};

/* 0 if it saw 1, wrote 2, and has lost it when told to look again */
static int child(void *arg)
{
	struct child *c = arg;
	char byte = 0;

	if (differs(c->map, 0, SIZE, 1))
		return 1;
	fill(c->map, 0, SIZE, 2);
	if (write(c->back[1], &byte, 1) != 1)
		return 2;
	if (read(c->pipe[0], &byte, 1) != 1)
		return 3;
	/* Its parent has none any more. */
	if (differs(c->map, 0, SIZE, 2))
		return 4;
	if (write(c->back[1], &byte, 1) != 1)
		return 5;
	if (read(c->pipe[0], &byte, 1) != 1)
		return 6;
	return alive(c->map) || alive(c->map + SIZE - PAGE) ? 7 : 0;
}

TEST_F(change, forked)
{
	struct child c = { .map = map_aligned(self->m.fd, SIZE, 0, RW, HUGE) };
	int status;
	char byte;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, c.map);
	EXPECT_TRUE(alive(c.map));
	ASSERT_EQ(0, pipe(c.pipe));
	ASSERT_EQ(0, pipe(c.back));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(child(&c));
	}
	close(c.back[1]);
	ASSERT_EQ(1, read(c.back[0], &byte, 1));
	EXPECT_EQ(0, differs(c.map, 0, SIZE, 2));
	munmap(c.map, SIZE);
	ASSERT_EQ(1, write(c.pipe[1], &byte, 1));
	ASSERT_EQ(1, read(c.back[0], &byte, 1));
	ASSERT_EQ(0, vfio_revoke(self->m.dev, self->m.fd));
	ASSERT_EQ(1, write(c.pipe[1], &byte, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, differs(self->m.bar, 0, SIZE, 2));
}

TEST_HARNESS_MAIN
