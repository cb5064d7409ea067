// SPDX-License-Identifier: GPL-2.0-only
/*
 * The plain heap: structs of all sizes, flags, sizes, what a buffer is when it
 * is new. The cases of the kernel's own dmabuf-heaps/dmabuf-heap.c and of the
 * series' version of it are marked "stock:" and "series:"; that test's import
 * into vgem is in dmabuf_test.c.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "heap_env.h"

FIXTURE(alloc) {
	struct heap_env env;
	struct cg own;		/* the test itself may go there */
	struct cg target;
	int target_fd;
};

FIXTURE_SETUP(alloc)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->own, &self->env.top, "own"));
	ASSERT_EQ(0, cg_new(&self->target, &self->env.top, "target"));
	self->target_fd = cg_open(&self->target, 0);
	ASSERT_GE(self->target_fd, 0);
}

FIXTURE_TEARDOWN(alloc)
{
	heap_env_teardown(_metadata, &self->env);
}

/* What is charged to a cgroup itself, by the module's own book */
static int64_t charged(int dev, uint32_t charge_fd)
{
	struct dma_heap_memcg_query_args query;
	int ret = heap_query(dev, charge_fd, &query);

	return ret ?: (int64_t)query.out_local_bytes;
}

/* stock: allocation of 1 MiB by the 24-byte struct */
TEST_F(alloc, the_24_byte_struct)
{
	int fd;

	ASSERT_EQ(0, cg_move(&self->own, 0));
	fd = heap_alloc_plain(self->env.dev, MIB(1));
	ASSERT_GE(fd, 0);
	EXPECT_EQ(MIB(1), buf_size(fd));
	EXPECT_EQ(MIB(1), charged(self->env.dev, HEAP_SELF));
	EXPECT_EQ(0, charged(self->env.dev, self->target_fd));
}

/* stock: "older alloc compat", a struct of len, fd and fd_flags */
TEST_F(alloc, the_16_byte_struct)
{
	struct {
		uint64_t len;
		uint32_t fd;
		uint32_t fd_flags;
	} data = { .len = MIB(1), .fd_flags = O_RDWR | O_CLOEXEC };
	int fd = heap_alloc_raw(self->env.dev, &data, sizeof(data));

	ASSERT_GE(fd, 0);
	EXPECT_EQ(MIB(1), buf_size(fd));
	EXPECT_EQ(O_RDWR, fcntl(fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
}

/* The shortest that makes sense; what it lacks is 0. */
TEST_F(alloc, the_12_byte_struct)
{
	uint32_t data[4] = { PAGE, 0, 0, 0xffffffff };
	int fd = heap_alloc_raw(self->env.dev, data, 12);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(PAGE, buf_size(fd));
	EXPECT_EQ(O_RDONLY, fcntl(fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	EXPECT_EQ(0xffffffff, data[3]);
}

TEST_F(alloc, too_short_structs)
{
	struct dma_heap_memcg_allocation_data data = {
		.len = PAGE, .fd_flags = O_RDWR | O_CLOEXEC,
	};
	int before = count_fds();
	size_t size;

	for (size = 0; size < 12; size++) {
		EXPECT_EQ(-EINVAL, heap_alloc_raw(self->env.dev, &data, size))
			TH_LOG("%zu bytes", size);
	}
	EXPECT_EQ(before, count_fds());
}

/* Without @__padding, which the charge does not depend on */
TEST_F(alloc, the_28_byte_struct_charges)
{
	struct dma_heap_memcg_allocation_data data = {
		.len = MIB(1),
		.fd_flags = O_RDWR | O_CLOEXEC,
		.charge_fd = self->target_fd,
		.__padding = 0xffffffff,
	};
	int fd = heap_alloc_raw(self->env.dev, &data, 28);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(MIB(1), charged(self->env.dev, self->target_fd));
}

/* stock: "newer alloc compat", where -1 lies at the place of @charge_fd */
TEST_F(alloc, the_stock_tests_48_byte_struct)
{
	struct {
		struct dma_heap_allocation_data head;
		uint64_t garbage[3];
	} data = {
		.head.len = MIB(1),
		.head.fd_flags = O_RDWR | O_CLOEXEC,
		.garbage = { 0xffffffff, 0x88888888, 0x11111111 },
	};
	int fd;

	ASSERT_EQ(0, cg_move(&self->own, 0));
	fd = heap_alloc_raw(self->env.dev, &data, sizeof(data));
	ASSERT_GE(fd, 0);
	EXPECT_EQ(MIB(1), buf_size(fd));
	EXPECT_EQ(MIB(1), charged(self->env.dev, HEAP_SELF));
	EXPECT_EQ(0, charged(self->env.dev, self->target_fd));
}

/* series: the same with the garbage behind its longer struct */
TEST_F(alloc, garbage_behind_the_32_byte_struct)
{
	static union {
		struct dma_heap_memcg_allocation_data data;
		unsigned char bytes[16383];
	} u;
	static const size_t sizes[] = { 33, 40, 48, 56, 4096, 4097, 16383 };
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(&u, 0x88, sizeof(u));
		u.data = (struct dma_heap_memcg_allocation_data) {
			.len = MIB(1),
			.fd_flags = O_RDWR | O_CLOEXEC,
			.charge_fd = self->target_fd,
		};
		fd = heap_alloc_raw(self->env.dev, &u, sizes[i]);
		ASSERT_GE(fd, 0) TH_LOG("%zu bytes", sizes[i]);
		EXPECT_EQ(MIB(1), charged(self->env.dev, self->target_fd));
		close(fd);
	}
}

/* series: how to find out that charging works: an fd that cannot be right */
TEST_F(alloc, a_bad_charge_fd_fails)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int before = count_fds();

	ASSERT_GE(null, 0);
	EXPECT_EQ(-EBADF, heap_alloc(self->env.dev, MIB(1), null));
	EXPECT_EQ(before, count_fds());
	close(null);
	EXPECT_EQ(-EBADF, heap_alloc(self->env.dev, MIB(1), null));
}

/* series: a charge by pidfd, here of the caller's own process */
TEST_F(alloc, the_32_byte_struct_charges)
{
	int pidfd = pidfd_of(getpid(), 0), fd;

	ASSERT_GE(pidfd, 0);
	ASSERT_EQ(0, cg_move(&self->target, 0));
	fd = heap_alloc(self->env.dev, MIB(1), pidfd);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(MIB(1), charged(self->env.dev, self->target_fd));
}

/* stock: "expected error cases": no heap, heap_flags, fd_flags */
TEST_F(alloc, the_stock_tests_errors)
{
	struct dma_heap_allocation_data data = {
		.len = MIB(1),
		.fd_flags = O_RDWR | O_CLOEXEC,
		.heap_flags = 0x111111,
	};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int before = count_fds();

	EXPECT_EQ(-ENOTTY, heap_alloc_plain(null, MIB(1)));
	EXPECT_EQ(-EINVAL, heap_alloc_raw(self->env.dev, &data, sizeof(data)));
	EXPECT_EQ(-EINVAL, heap_alloc_flags(self->env.dev, MIB(1),
					    ~(O_RDWR | O_CLOEXEC), HEAP_SELF));
	EXPECT_EQ(before, count_fds());
}

TEST_F(alloc, fd_flags)
{
	static const int good[] = { O_RDONLY, O_WRONLY, O_RDWR };
	static const uint32_t bad[] = {
		O_ACCMODE, O_ACCMODE | O_CLOEXEC, O_RDWR | O_NONBLOCK,
		O_RDWR | O_CREAT, O_RDWR | O_PATH, 1U << 31,
	};
	int before = count_fds(), mode, cloexec, fd;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good) * 2; i++) {
		cloexec = i & 1 ? O_CLOEXEC : 0;
		mode = good[i / 2];
		fd = heap_alloc_flags(self->env.dev, PAGE, mode | cloexec,
				      HEAP_SELF);
		ASSERT_GE(fd, 0) TH_LOG("flags %#x", mode | cloexec);
		EXPECT_EQ(mode, fcntl(fd, F_GETFL) & O_ACCMODE);
		EXPECT_EQ(cloexec ? FD_CLOEXEC : 0, fcntl(fd, F_GETFD));
		close(fd);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, heap_alloc_flags(self->env.dev, PAGE, bad[i],
						    HEAP_SELF))
			TH_LOG("flags %#x", bad[i]);
	}
	EXPECT_EQ(before, count_fds());
}

/* Whole pages, all of them there, zeroed, and charged. */
TEST_F(alloc, sizes)
{
	const struct {
		int64_t len;
		int64_t size;
	} sizes[] = {
		{ 1, PAGE }, { PAGE - 1, PAGE }, { PAGE, PAGE },
		{ PAGE + 1, 2 * PAGE }, { 16 * PAGE, 16 * PAGE },
		{ 16 * PAGE + 1, 17 * PAGE }, { MIB(1) - 1, MIB(1) },
		{ MIB(1), MIB(1) }, { MIB(2), MIB(2) },
		{ MIB(3) + PAGE, MIB(3) + PAGE },
		{ MIB(17) + 18 * PAGE + 5, MIB(17) + 19 * PAGE },
		{ MIB(64), MIB(64) },
	};
	void *map;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fd = heap_alloc(self->env.dev, sizes[i].len, self->target_fd);
		ASSERT_GE(fd, 0) TH_LOG("%jd bytes", (intmax_t)sizes[i].len);
		EXPECT_EQ(sizes[i].size, buf_size(fd));
		EXPECT_EQ(sizes[i].size,
			  charged(self->env.dev, self->target_fd));
		map = buf_map(fd, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_TRUE(buf_is_zero(map, sizes[i].size));
		/* Two places that are one page would show. */
		buf_fill(map, sizes[i].size, i);
		EXPECT_EQ(0, buf_differs(map, sizes[i].size, i));
		munmap(map, sizes[i].size);
		close(fd);
		EXPECT_EQ(0, charged(self->env.dev, self->target_fd));
	}
}

/* The pages that were just freed are the first to be had again. */
TEST_F(alloc, zeroed_after_use)
{
	const int64_t sizes[] = {
		PAGE, 16 * PAGE, 17 * PAGE, MIB(1), KIB(3076), MIB(33),
	};
	size_t i, round;
	void *map;
	int fd;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (round = 0; round < 3; round++) {
			fd = heap_alloc(self->env.dev, sizes[i], HEAP_SELF);
			ASSERT_GE(fd, 0);
			map = buf_map(fd, PROT_READ | PROT_WRITE);
			ASSERT_NE(MAP_FAILED, map);
			EXPECT_TRUE(buf_is_zero(map, sizes[i]))
				TH_LOG("%jd bytes", (intmax_t)sizes[i]);
			memset(map, 0xff, sizes[i]);
			munmap(map, sizes[i]);
			close(fd);
		}
	}
}

TEST_F(alloc, name)
{
	char want[64], name[64];
	int fd = heap_alloc(self->env.dev, PAGE, self->target_fd);

	ASSERT_GE(fd, 0);
	snprintf(want, sizeof(want), "cg:%ju",
		 (uintmax_t)cg_id(&self->target));
	ASSERT_EQ(0, buf_name(fd, name, sizeof(name)));
	EXPECT_STREQ(want, name);
	/* The plain struct's has one, too. */
	close(fd);
	ASSERT_EQ(0, cg_move(&self->own, 0));
	fd = heap_alloc_plain(self->env.dev, PAGE);
	ASSERT_GE(fd, 0);
	snprintf(want, sizeof(want), "cg:%ju", (uintmax_t)cg_id(&self->own));
	ASSERT_EQ(0, buf_name(fd, name, sizeof(name)));
	EXPECT_STREQ(want, name);
	/* until somebody sets another */
	ASSERT_EQ(0, ioctl(fd, DMA_BUF_SET_NAME_B, "mine"));
	ASSERT_EQ(0, buf_name(fd, name, sizeof(name)));
	EXPECT_STREQ("mine", name);
}

/* The module cannot go while any of its files or mappings is there. */
TEST_F(alloc, module_is_held)
{
	int refs = self->env.refs, fd, other;
	void *map;

	EXPECT_EQ(refs + 1, module_refcnt("dma_heap_memcg"));
	fd = heap_alloc(self->env.dev, PAGE, HEAP_SELF);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(refs + 2, module_refcnt("dma_heap_memcg"));
	close(self->env.dev);
	EXPECT_EQ(refs + 1, module_settle("dma_heap_memcg", refs + 1));
	other = dup(fd);
	close(fd);
	map = buf_map(other, PROT_READ);
	ASSERT_NE(MAP_FAILED, map);
	close(other);
	EXPECT_EQ(refs + 1, module_refcnt("dma_heap_memcg"));
	EXPECT_TRUE(buf_is_zero(map, PAGE));
	munmap(map, PAGE);
	EXPECT_EQ(refs, module_settle("dma_heap_memcg", refs));
}

/* stock: the struct cannot be written: no fd may stay behind, nor a charge. */
TEST_F(alloc, readonly_arguments)
{
	struct dma_heap_memcg_allocation_data *data;
	int before = count_fds(), i;

	data = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, data);
	data->len = MIB(4);
	data->fd_flags = O_RDWR | O_CLOEXEC;
	data->charge_fd = self->target_fd;
	ASSERT_EQ(0, mprotect(data, PAGE, PROT_READ));
	for (i = 0; i < 5; i++)
		EXPECT_EQ(-EFAULT, heap_alloc_raw(self->env.dev, data,
						  sizeof(*data)));
	EXPECT_EQ(before, count_fds());
	EXPECT_EQ(0, charged(self->env.dev, self->target_fd));
	EXPECT_TRUE(cg_settles(&self->target, 0, cg_slack()));
	EXPECT_EQ(self->env.refs + 1,
		  module_settle("dma_heap_memcg", self->env.refs + 1));
	EXPECT_EQ(-EFAULT, heap_alloc_raw(self->env.dev, NULL, sizeof(*data)));
	/* It was for that reason only. */
	ASSERT_EQ(0, mprotect(data, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_LE(0, heap_alloc_raw(self->env.dev, data, sizeof(*data)));
}

TEST_HARNESS_MAIN
