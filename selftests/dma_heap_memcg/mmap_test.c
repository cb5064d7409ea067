// SPDX-License-Identifier: GPL-2.0-only
/* mmap() of a buffer: who sees what, what is refused, and what it keeps. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "heap_env.h"

#include "dmabuf_util.h"

#define SIZE	MIB(16)

FIXTURE(map) {
	struct heap_env env;
	struct cg cg;
	int cg_fd;
	int buf;	/* SIZE bytes, charged to cg */
};

FIXTURE_SETUP(map)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->cg, &self->env.top, "map"));
	self->cg_fd = cg_open(&self->cg, 0);
	ASSERT_GT(self->cg_fd, 0);
	self->buf = heap_alloc(self->env.dev, SIZE, self->cg_fd);
	ASSERT_GE(self->buf, 0);
}

FIXTURE_TEARDOWN(map)
{
	buf_unmap_all();
	heap_env_teardown(_metadata, &self->env);
}

/* What a forked child makes of it: its status as waitpid() has it */
static int in_child(int (*fn)(void *arg), void *arg)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(arg));
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return status;
}

/* 0 if it can be mapped so */
static int try_map(int fd, size_t len, int prot, int flags, off_t off)
{
	void *p = mmap(NULL, len, prot, flags, fd, off);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, len);
	return 0;
}

static bool is_mapped(void *p)
{
	unsigned char vec;

	return !mincore(p, 1, &vec) || errno != ENOMEM;
}

/* Of all sizes of blocks, and again when the pages have been used. */
TEST_F(map, zeroed)
{
	const int64_t sizes[] = {
		PAGE, 3 * PAGE, 16 * PAGE, 17 * PAGE, MIB(1), MIB(2),
		MIB(2) + PAGE, MIB(5) + 19 * PAGE, MIB(24),
	};
	int i, again, buf;
	char *p;

	close(self->buf);
	for (again = 0; again < 2; again++) {
		for (i = 0; i < (int)ARRAY_SIZE(sizes); i++) {
			buf = heap_alloc(self->env.dev, sizes[i], self->cg_fd);
			ASSERT_GE(buf, 0);
			EXPECT_EQ(sizes[i], buf_size(buf));
			p = buf_map(buf, PROT_READ | PROT_WRITE);
			ASSERT_NE(MAP_FAILED, p);
			EXPECT_TRUE(buf_is_zero(p, sizes[i]))
				TH_LOG("%lld bytes", (long long)sizes[i]);
			buf_fill(p, sizes[i], 0x5eed);
			munmap(p, sizes[i]);
			close(buf);
		}
	}
}

struct shared {
	int buf;
	char *p;	/* a mapping from before the fork */
};

/* Sees seed 1, leaves seed 2 in the first half and 3 in the second. */
static int see_and_write(void *arg)
{
	struct shared *s = arg;
	char *own;

	if (buf_differs(s->p, SIZE, 1))
		return 1;
	own = buf_map(s->buf, PROT_READ | PROT_WRITE);
	if (own == MAP_FAILED)
		return 2;
	if (buf_differs(own, SIZE, 1))
		return 3;
	buf_fill(own, SIZE / 2, 2);
	buf_fill(s->p + SIZE / 2, SIZE / 2, 3);
	return buf_differs(s->p, SIZE / 2, 2) ||
	       buf_differs(own + SIZE / 2, SIZE / 2, 3) ? 4 : 0;
}

/* Two mappings here, one inherited and one of its own in a child */
TEST_F(map, coherent)
{
	char *p = buf_map(self->buf, PROT_READ | PROT_WRITE);
	char *q = buf_map(self->buf, PROT_READ | PROT_WRITE);
	struct shared shared = { .buf = self->buf, .p = p };

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	buf_fill(p, SIZE, 1);
	EXPECT_EQ(0, buf_differs(q, SIZE, 1));
	EXPECT_EQ(0, in_child(see_and_write, &shared));
	EXPECT_EQ(0, buf_differs(p, SIZE / 2, 2));
	EXPECT_EQ(0, buf_differs(q, SIZE / 2, 2));
	EXPECT_EQ(0, buf_differs(p + SIZE / 2, SIZE / 2, 3));
	EXPECT_EQ(0, buf_differs(q + SIZE / 2, SIZE / 2, 3));
}

/* The same with a mapping that has no page yet when the child is made */
TEST_F(map, fork_before_it_is_touched)
{
	char *p = buf_map(self->buf, PROT_READ | PROT_WRITE), *q;
	struct shared shared = { .buf = self->buf, .p = p };

	ASSERT_NE(MAP_FAILED, p);
	q = buf_map(self->buf, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, q);
	buf_fill(q, SIZE, 1);
	EXPECT_EQ(0, in_child(see_and_write, &shared));
	EXPECT_EQ(0, buf_differs(p, SIZE / 2, 2));
	EXPECT_EQ(0, buf_differs(p + SIZE / 2, SIZE / 2, 3));
}

/* A copy on write would be memory that nobody is charged for. */
TEST_F(map, private_is_refused)
{
	int buf = self->buf;

	EXPECT_EQ(-EINVAL, try_map(buf, SIZE, PROT_READ, MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, try_map(buf, SIZE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE, 0));
	EXPECT_EQ(0, try_map(buf, SIZE, PROT_READ, MAP_SHARED, 0));
}

static int write_to(void *p)
{
	__atomic_store_n((char *)p, 1, __ATOMIC_RELAXED);
	return 0;
}

TEST_F(map, read_only_fd)
{
	int ro = heap_alloc_flags(self->env.dev, SIZE, O_RDONLY | O_CLOEXEC,
				  self->cg_fd);
	char path[32], *p;
	int status, mem;

	ASSERT_GE(ro, 0);
	EXPECT_EQ(-EACCES, try_map(ro, SIZE, PROT_READ | PROT_WRITE,
				   MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_map(ro, SIZE, PROT_WRITE, MAP_SHARED, 0));
	p = buf_map(ro, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, mprotect(p, SIZE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_TRUE(buf_is_zero(p, SIZE));
	status = in_child(write_to, p);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
		TH_LOG("status %#x", status);
	EXPECT_TRUE(buf_is_zero(p, SIZE));

	/* Nor is there another way to a better fd. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ro);
	EXPECT_EQ(-1, open(path, O_RDWR | O_CLOEXEC));
	/* A process's own memory can be written there whatever the mapping. */
	mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ASSERT_GE(mem, 0);
	EXPECT_GT(1, pwrite(mem, "!", 1, (off_t)(uintptr_t)p));
	EXPECT_TRUE(buf_is_zero(p, SIZE));
}

TEST_F(map, write_only_fd)
{
	int wo = heap_alloc_flags(self->env.dev, SIZE, O_WRONLY | O_CLOEXEC,
				  self->cg_fd);

	ASSERT_GE(wo, 0);
	EXPECT_EQ(-EACCES, try_map(wo, SIZE, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_map(wo, SIZE, PROT_WRITE, MAP_SHARED, 0));
}

TEST_F(map, protection_can_be_changed)
{
	char *p = buf_map(self->buf, PROT_NONE);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, mprotect(p, SIZE, PROT_READ));
	EXPECT_TRUE(buf_is_zero(p, SIZE));
	ASSERT_EQ(0, mprotect(p, SIZE, PROT_READ | PROT_WRITE));
	buf_fill(p, SIZE, 1);
	/* in the middle of what a huge page may have mapped */
	ASSERT_EQ(0, mprotect(p + MIB(3), MIB(3), PROT_READ));
	EXPECT_EQ(0, buf_differs(p, SIZE, 1));
	EXPECT_TRUE(WIFSIGNALED(in_child(write_to, p + MIB(4))));
	EXPECT_EQ(0, in_child(write_to, p + MIB(7)));
}

TEST_F(map, parts)
{
	const struct {
		int64_t off, len;
	} parts[] = {
		{ 0, PAGE }, { PAGE, PAGE }, { SIZE - PAGE, PAGE },
		{ 15 * PAGE, 2 * PAGE }, { MIB(2) - PAGE, 2 * PAGE },
		{ MIB(2), MIB(2) }, { MIB(3) + PAGE, MIB(6) },
	};
	char *p = buf_map(self->buf, PROT_READ | PROT_WRITE), *q;
	int i;

	ASSERT_NE(MAP_FAILED, p);
	buf_fill(p, SIZE, 1);
	for (i = 0; i < (int)ARRAY_SIZE(parts); i++) {
		q = mmap(NULL, parts[i].len, PROT_READ | PROT_WRITE, MAP_SHARED,
			 self->buf, parts[i].off);
		ASSERT_NE(MAP_FAILED, q);
		EXPECT_EQ(0, memcmp(q, p + parts[i].off, parts[i].len))
			TH_LOG("part %d", i);
		q[parts[i].len - 1] ^= 0x55;
		EXPECT_EQ(q[parts[i].len - 1],
			  p[parts[i].off + parts[i].len - 1]);
		munmap(q, parts[i].len);
	}
	/* Lengths are rounded up to pages. */
	EXPECT_EQ(0, try_map(self->buf, 1, PROT_READ, MAP_SHARED,
			     SIZE - PAGE));
}

TEST_F(map, beyond_the_end)
{
	int ret, buf = self->buf;

	EXPECT_EQ(-EINVAL, try_map(buf, SIZE + 1, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(buf, PAGE, PROT_READ, MAP_SHARED, SIZE));
	EXPECT_EQ(-EINVAL, try_map(buf, 2 * PAGE, PROT_READ, MAP_SHARED,
				   SIZE - PAGE));
	EXPECT_EQ(-EINVAL, try_map(buf, PAGE, PROT_READ, MAP_SHARED,
				   1LL << 40));
	ret = try_map(buf, 2 * PAGE, PROT_READ, MAP_SHARED, INT64_MAX - PAGE + 1);
	EXPECT_TRUE(ret == -EINVAL || ret == -EOVERFLOW) TH_LOG("%d", ret);
	EXPECT_EQ(-EINVAL, try_map(buf, PAGE, PROT_READ, MAP_SHARED, 512));
}

TEST_F(map, any_address)
{
	const size_t offs[] = { 0, PAGE, HUGE / 2, HUGE - PAGE };
	char *p, *q = buf_map(self->buf, PROT_READ | PROT_WRITE);
	int i;

	ASSERT_NE(MAP_FAILED, q);
	for (i = 0; i < (int)ARRAY_SIZE(offs); i++) {
		p = buf_map_at(self->buf, PROT_READ | PROT_WRITE, offs[i]);
		ASSERT_NE(MAP_FAILED, p);
		ASSERT_EQ(offs[i], (uintptr_t)p % HUGE);
		buf_fill(p, SIZE, i);
		EXPECT_EQ(0, buf_differs(q, SIZE, i));
		munmap(p, SIZE);
	}
}

TEST_F(map, move_shrink_but_not_grow)
{
	char *p = buf_map_at(self->buf, PROT_READ | PROT_WRITE, 0), *q, *at;

	ASSERT_NE(MAP_FAILED, p);
	buf_fill(p, SIZE, 1);
	at = mmap(NULL, 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		  0);
	ASSERT_NE(MAP_FAILED, at);
	/* to where huge pages do not fit */
	at += PAGE;
	q = mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, at);
	ASSERT_EQ(at, q);
	EXPECT_FALSE(is_mapped(p));
	EXPECT_EQ(0, buf_differs(q, SIZE, 1));
	buf_fill(q, SIZE, 2);

	EXPECT_EQ(MAP_FAILED, mremap(q, SIZE, 2 * SIZE, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(q, 0, 2 * SIZE, MREMAP_MAYMOVE));
	EXPECT_EQ(0, buf_differs(q, SIZE, 2));
	p = mmap(NULL, MIB(1), PROT_READ, MAP_SHARED, self->buf, MIB(1));
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(MAP_FAILED, mremap(p, MIB(1), MIB(2), MREMAP_MAYMOVE));
	EXPECT_EQ(0, memcmp(p, q + MIB(1), MIB(1)));

	/* a piece out of the middle, to somewhere else */
	p = mremap(q + MIB(3), MIB(2), MIB(2), MREMAP_MAYMOVE | MREMAP_FIXED,
		   at + SIZE);
	ASSERT_EQ(at + SIZE, p);
	EXPECT_FALSE(is_mapped(q + MIB(4)));
	p[MIB(1)]++;
	at = buf_map(self->buf, PROT_READ);
	ASSERT_NE(MAP_FAILED, at);
	EXPECT_EQ(0, memcmp(at + MIB(3), p, MIB(2)));
	EXPECT_EQ(0, memcmp(at + MIB(5), q + MIB(5), SIZE - MIB(5)));

	EXPECT_EQ(q, mremap(q, MIB(3), MIB(1), 0));
	EXPECT_FALSE(is_mapped(q + MIB(2)));
	EXPECT_EQ(0, memcmp(at, q, MIB(1)));
}

TEST_F(map, unmapped_in_parts)
{
	char *p = buf_map_at(self->buf, PROT_READ | PROT_WRITE, 0);
	struct cg *cg = &self->cg;

	ASSERT_NE(MAP_FAILED, p);
	buf_fill(p, SIZE, 1);
	close(self->buf);

	/* a page in the middle of a huge one, then all behind, then before */
	ASSERT_EQ(0, munmap(p + MIB(5), PAGE));
	EXPECT_FALSE(is_mapped(p + MIB(5)));
	EXPECT_EQ(0, buf_differs(p, MIB(5), 1));
	EXPECT_TRUE(is_mapped(p + MIB(5) + PAGE));
	ASSERT_EQ(0, munmap(p + MIB(5) + PAGE, SIZE - MIB(5) - PAGE));
	EXPECT_EQ(0, buf_differs(p, MIB(5), 1));
	EXPECT_EQ(SIZE, cg_local_bytes(self->env.dev, cg));
	ASSERT_EQ(0, munmap(p + PAGE, MIB(5) - PAGE));
	EXPECT_EQ(0, buf_differs(p, PAGE, 1));
	EXPECT_EQ(SIZE, cg_local_bytes(self->env.dev, cg));
	EXPECT_TRUE(cg_charged(cg, SIZE));
	/* The last page is the last user. */
	ASSERT_EQ(0, munmap(p, PAGE));
	EXPECT_EQ(0, cg_local_bytes(self->env.dev, cg));
	EXPECT_TRUE(cg_charged(cg, 0));
}

TEST_F(map, keeps_the_charge)
{
	char *p = buf_map(self->buf, PROT_READ | PROT_WRITE);

	ASSERT_NE(MAP_FAILED, p);
	buf_fill(p, SIZE, 1);
	close(self->buf);
	EXPECT_EQ(SIZE, cg_local_bytes(self->env.dev, &self->cg));
	EXPECT_TRUE(cg_charged(&self->cg, SIZE));
	EXPECT_EQ(0, buf_differs(p, SIZE, 1));
	munmap(p, SIZE);
	EXPECT_EQ(0, cg_local_bytes(self->env.dev, &self->cg));
	EXPECT_TRUE(cg_charged(&self->cg, 0));
}

static int touch(void *p)
{
	return buf_is_zero(p, SIZE) ? 0 : 1;
}

/* All of it is charged at once, and nothing for being used, by anybody. */
TEST_F(map, touching_is_free)
{
	struct cg other;
	char *p;
	pid_t pid;
	int status;

	ASSERT_EQ(0, cg_new(&other, &self->env.top, "other"));
	EXPECT_TRUE(cg_charged(&self->cg, SIZE));
	p = buf_map(self->buf, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(buf_is_zero(p, SIZE));
	pid = cg_run(&other, touch, p);
	ASSERT_GT(pid, 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	buf_fill(p, SIZE, 1);

	EXPECT_EQ(SIZE, cg_local_bytes(self->env.dev, &self->cg));
	EXPECT_EQ(SIZE, cg_bytes(self->env.dev, &self->env.top));
	EXPECT_TRUE(cg_charged(&self->cg, SIZE));
	EXPECT_TRUE(cg_charged(&other, 0));
}

TEST_HARNESS_MAIN
