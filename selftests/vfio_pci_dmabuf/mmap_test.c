// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap() of a slice: what is refused, and what can be done with the mapping.
 * Where nothing else is said it is what can be done with a mapping of the
 * device fd, which is stock vfio's; the two lie side by side here.
 */
#include <sys/uio.h>

#include "map_env.h"

FIXTURE(map) {
	struct map_env m;
};

FIXTURE_SETUP(map)
{
	map_env_setup(_metadata, &self->m);
}

FIXTURE_TEARDOWN(map)
{
	map_env_teardown(_metadata, &self->m);
}

TEST_F(map, private_is_refused)
{
	int ro = vfio_export(self->m.dev, 0, OFF, SIZE, O_RDONLY);

	EXPECT_EQ(-EINVAL, try_map(self->m.fd, SIZE, RW, MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, try_map(self->m.fd, PAGE, PROT_READ, MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, try_map(self->m.fd, PAGE, PROT_NONE, MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, try_map(ro, PAGE, PROT_READ, MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, try_map(ro, PAGE, RW, MAP_PRIVATE, 0));
	EXPECT_EQ(0, try_map(self->m.fd, SIZE, RW, MAP_SHARED, 0));
	EXPECT_EQ(0, try_map(self->m.fd, SIZE, RW, MAP_SHARED_VALIDATE, 0));
	EXPECT_EQ(0, try_map(ro, SIZE, PROT_READ, MAP_SHARED, 0));
}

TEST_F(map, beyond_the_end)
{
	int ret, fd = self->m.fd;
	char *p;

	EXPECT_EQ(-EINVAL, try_map(fd, SIZE + 1, RW, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_map(fd, PAGE, RW, MAP_SHARED, SIZE));
	EXPECT_EQ(-EINVAL, try_map(fd, 2 * PAGE, RW, MAP_SHARED,
				   SIZE - PAGE));
	EXPECT_EQ(-EINVAL, try_map(fd, PAGE, RW, MAP_SHARED, 1LL << 40));
	ret = try_map(fd, 2 * PAGE, RW, MAP_SHARED, INT64_MAX - PAGE + 1);
	EXPECT_TRUE(ret == -EINVAL || ret == -EOVERFLOW) TH_LOG("%d", ret);
	EXPECT_EQ(-EINVAL, try_map(fd, PAGE, RW, MAP_SHARED, 512));
	EXPECT_EQ(0, try_map(fd, PAGE, RW, MAP_SHARED, SIZE - PAGE));

	/* Lengths are rounded up to pages. */
	EXPECT_EQ(-EINVAL, try_map(fd, PAGE + 1, RW, MAP_SHARED, SIZE - PAGE));
	p = mmap(NULL, PAGE + 1, RW, MAP_SHARED, fd, SIZE - 2 * PAGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, differs(p, SIZE - 2 * PAGE, 2 * PAGE, 1));
}

TEST_F(map, read_only)
{
	int ro = vfio_export(self->m.dev, 0, OFF, SIZE, O_RDONLY | O_CLOEXEC);
	char *p;

	ASSERT_GE(ro, 0);
	EXPECT_EQ(-EACCES, try_map(ro, SIZE, RW, MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_map(ro, SIZE, PROT_WRITE, MAP_SHARED, 0));
	p = map_aligned(ro, SIZE, 0, PROT_READ, HUGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, differs(p, 0, SIZE, 1));
	EXPECT_EQ(-1, mprotect(p, SIZE, RW));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(p, PAGE, PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(SIGSEGV, signal_of(p, true));
	EXPECT_EQ(0, signal_of(p, false));
	/* It sees what others write. */
	fill(self->m.bar, 0, SIZE, 2);
	EXPECT_EQ(0, differs(p, 0, SIZE, 2));
	/* Nobody can write by its fd in another way. */
	EXPECT_EQ(-1, write(ro, p, 4));
	ASSERT_EQ(0, vfio_revoke(self->m.dev, ro));
	EXPECT_FALSE(alive(p));
	EXPECT_FALSE(alive(p + SIZE - PAGE));
	EXPECT_EQ(-ENODEV, try_map(ro, SIZE, PROT_READ, MAP_SHARED, 0));
}

/* The processor has no memory that can be written only. */
TEST_F(map, write_only)
{
	int fd = vfio_export(self->m.dev, 0, OFF, SIZE, O_WRONLY | O_CLOEXEC);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EACCES, try_map(fd, SIZE, PROT_WRITE, MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_map(fd, SIZE, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_map(fd, SIZE, RW, MAP_SHARED, 0));
}

TEST_F(map, advice)
{
	static const int kinds[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE,
		MADV_UNMERGEABLE, MADV_WIPEONFORK, MADV_POPULATE_READ,
		MADV_POPULATE_WRITE, MADV_DODUMP, MADV_DONTFORK, MADV_DOFORK,
	};
	char *p = map_aligned(self->m.fd, SIZE, 0, RW, HUGE);
	int want, got;
	size_t i;

	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		want = madvise(self->m.bar, SIZE, kinds[i]) ? -errno : 0;
		got = madvise(p, SIZE, kinds[i]) ? -errno : 0;
		EXPECT_EQ(want, got) TH_LOG("advice %d", kinds[i]);
		EXPECT_EQ(0, differs(p, 0, MIB(1), 1))
			TH_LOG("advice %d", kinds[i]);
	}
	EXPECT_EQ(-1, madvise(p, SIZE, MADV_DONTNEED));
	EXPECT_EQ(EINVAL, errno);
}

/*
 * "VmFlags" without "me", which is the file system's, and "ar": x86 notes there
 * that a mapping was made in one go, as stock vfio does before 6.10.
 */
static bool flags_of(const char *p, char *buf, size_t size)
{
	static const char * const words[] = { " me", " ar" };
	size_t i;
	char *at;

	if (!mapping_line(p, "VmFlags:", buf, size))
		return false;
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		at = strstr(buf, words[i]);
		if (at)
			memmove(at, at + 3, strlen(at + 3) + 1);
	}
	return true;
}

TEST_F(map, flags)
{
	static const char * const must[] = {
		" rd", " wr", " sh", " io", " pf", " de", " dd"
	};
	char want[256], got[256];
	char *p = slice_map(self->m.fd, SIZE, RW);
	size_t i;

	if (access("/proc/self/smaps", F_OK))
		SKIP(return, "no /proc/PID/smaps");
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(flags_of(p, got, sizeof(got)));
	ASSERT_TRUE(flags_of(self->m.bar, want, sizeof(want)));
	EXPECT_STREQ(want, got);
	for (i = 0; i < ARRAY_SIZE(must); i++)
		EXPECT_NE(NULL, strstr(got, must[i])) TH_LOG("flag %zu", i);
	/* no part of anybody's memory */
	EXPECT_EQ(0, differs(p, 0, SIZE, 1));
	ASSERT_TRUE(mapping_line(p, "Rss:", got, sizeof(got)));
	EXPECT_EQ(0, atoi(got));
}

TEST_F(map, populated_and_locked)
{
	char want[256], got[256], *p, *q;

	if (access("/proc/self/smaps", F_OK))
		SKIP(return, "no /proc/PID/smaps");
	q = mmap(NULL, SIZE, RW, MAP_SHARED | MAP_POPULATE, self->m.dev->fd,
		 region_offset(self->m.dev, 0) + OFF);
	p = mmap(NULL, SIZE, RW, MAP_SHARED | MAP_POPULATE, self->m.fd, 0);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, differs(p, 0, SIZE, 1));
	EXPECT_EQ(mlock(q, SIZE), mlock(p, SIZE));
	ASSERT_TRUE(flags_of(p, got, sizeof(got)));
	ASSERT_TRUE(flags_of(q, want, sizeof(want)));
	EXPECT_STREQ(want, got);
	EXPECT_EQ(munlock(q, SIZE), munlock(p, SIZE));
	ASSERT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	EXPECT_EQ(0, try_map(self->m.fd, SIZE, RW, MAP_SHARED, 0));
	p = mmap(NULL, SIZE, RW, MAP_SHARED | MAP_LOCKED, self->m.fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, differs(p, 0, SIZE, 1));
	ASSERT_EQ(0, vfio_revoke(self->m.dev, self->m.fd));
	EXPECT_FALSE(alive(p));
}

/* The ways round the processor's own accesses; all but one are closed. */
static int by_proc_mem(char *p)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC), ret;
	char buf[64];

	ret = pread(fd, buf, sizeof(buf), (uintptr_t)p) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int by_process_vm(char *p)
{
	char buf[64];
	struct iovec to = { buf, sizeof(buf) }, from = { p, sizeof(buf) };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) < 0 ? -errno : 0;
}

static int by_vmsplice(char *p)
{
	struct iovec iov = { p, PAGE };
	int fds[2], ret;

	if (pipe(fds))
		return 1;
	ret = vmsplice(fds[1], &iov, 1, 0) < 0 ? -errno : 0;
	close(fds[0]);
	close(fds[1]);
	return ret;
}

static int by_msync(char *p)
{
	return msync(p, SIZE, MS_SYNC) ? -errno : 0;
}

static int by_msync_async(char *p)
{
	return msync(p, SIZE, MS_ASYNC) ? -errno : 0;
}

TEST_F(map, not_reached_from_outside)
{
	char *p = slice_map(self->m.fd, SIZE, RW);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, differs(p, 0, PAGE, 1));
	EXPECT_EQ(-EIO, by_proc_mem(p));
	EXPECT_EQ(by_proc_mem(self->m.bar), by_proc_mem(p));
	/* not in every kernel */
	if (!process_vm_readv(getpid(), NULL, 0, NULL, 0, 0))
		EXPECT_EQ(-EFAULT, by_process_vm(p));
	EXPECT_EQ(by_process_vm(self->m.bar), by_process_vm(p));
	EXPECT_EQ(-EFAULT, by_vmsplice(p));
	EXPECT_EQ(by_vmsplice(self->m.bar), by_vmsplice(p));
	EXPECT_EQ(by_msync(self->m.bar), by_msync(p));
	EXPECT_EQ(by_msync_async(self->m.bar), by_msync_async(p));
}

TEST_F(map, buffer_of_read_and_write)
{
	char *p = slice_map(self->m.fd, SIZE, RW), *q;
	int file = memfd_create("file", MFD_CLOEXEC);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ((ssize_t)SIZE, write(file, p, SIZE));
	q = slice_map(file, SIZE, RW);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(0, differs(q, 0, SIZE, 1));
	fill(q, 0, SIZE, 7);
	ASSERT_EQ((ssize_t)SIZE, pread(file, p, SIZE, 0));
	EXPECT_EQ(0, differs(self->m.bar, 0, SIZE, 7));
	/* off, for a while; and for good */
	ASSERT_EQ(0, vfio_memory_enable(self->m.dev, false));
	EXPECT_EQ(-1, pwrite(file, p, PAGE, 0));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(0, vfio_memory_enable(self->m.dev, true));
	EXPECT_EQ((ssize_t)PAGE, pwrite(file, p, PAGE, 0));
	ASSERT_EQ(0, vfio_revoke(self->m.dev, self->m.fd));
	EXPECT_EQ(-1, pwrite(file, p, PAGE, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pread(file, p, PAGE, 0));
	EXPECT_EQ(EFAULT, errno);
}

TEST_HARNESS_MAIN
