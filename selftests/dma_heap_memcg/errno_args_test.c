// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which error for arguments other than charge_fd, see errno_test.c; and that
 * a call that fails has charged nothing and keeps nothing.
 */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "errno_env.h"

FIXTURE(args) {
	struct errno_env e;
};

FIXTURE_SETUP(args)
{
	errno_env_setup(_metadata, &self->e);
}

FIXTURE_TEARDOWN(args)
{
	errno_env_teardown(_metadata, &self->e);
}

#define EXPECT_ERROR(error, call) do {		\
	EXPECT_EQ(-(error), call);		\
	expect_same(_metadata, &self->e);		\
} while (0)

static int try(int dev, unsigned long request, void *arg)
{
	int ret = ioctl(dev, request, arg);

	return ret < 0 ? -errno : ret;
}

static int try_alloc(int dev, struct dma_heap_memcg_allocation_data data)
{
	return heap_alloc_raw(dev, &data, sizeof(data));
}

TEST_F(args, alloc)
{
	const struct dma_heap_memcg_allocation_data good = {
		.len = LEN,
		.fd_flags = O_RDWR | O_CLOEXEC,
		.charge_fd = self->e.dir,
	};
	struct dma_heap_memcg_allocation_data data;
	const uint64_t no_len[] = {
		0, UINT64_MAX, UINT64_MAX - PAGE + 2,
	};
	static const uint32_t no_flags[] = {
		O_ACCMODE, O_RDWR | O_NONBLOCK, O_RDWR | O_APPEND, 1U << 31,
	};
	int dev = self->e.env.dev, bit;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(no_len); i++) {
		data = good;
		data.len = no_len[i];
		EXPECT_ERROR(EINVAL, try_alloc(dev, data));
	}
	for (i = 0; i < ARRAY_SIZE(no_flags); i++) {
		data = good;
		data.fd_flags = no_flags[i];
		EXPECT_ERROR(EINVAL, try_alloc(dev, data));
	}
	for (bit = 0; bit < 64; bit++) {
		data = good;
		data.heap_flags = 1ULL << bit;
		EXPECT_EQ(-EINVAL, try_alloc(dev, data));
		if (bit >= 32)
			continue;
		data = good;
		data.__padding = 1U << bit;
		EXPECT_EQ(-EINVAL, try_alloc(dev, data));
		data = good;
		data.fd = 1U << bit;
		EXPECT_EQ(-EINVAL, try_alloc(dev, data));
	}
	expect_same(_metadata, &self->e);
	/* More than there ever can be */
	data = good;
	data.len = 1ULL << 60;
	EXPECT_ERROR(ENOMEM, try_alloc(dev, data));
	data.len = UINT64_MAX - 2 * PAGE;
	EXPECT_ERROR(ENOMEM, try_alloc(dev, data));
}

TEST_F(args, grant)
{
	const struct dma_heap_memcg_grant_args good = {
		.size = sizeof(good), .charge_fd = self->e.dir, .budget = LEN,
		.expires_nsec = INT64_MAX,
	};
	struct dma_heap_memcg_grant_args args;
	int dev = self->e.env.dev, bit;

	for (bit = 0; bit < 32; bit++) {
		args = good;
		args.flags = 1U << bit;
		EXPECT_EQ(-EINVAL, try(dev, DMA_HEAP_MEMCG_IOC_GRANT, &args));
	}
	args = good;
	args.budget = 0;
	EXPECT_ERROR(EINVAL, try(dev, DMA_HEAP_MEMCG_IOC_GRANT, &args));
	args = good;
	args.expires_nsec = -1;
	EXPECT_ERROR(EINVAL, try(dev, DMA_HEAP_MEMCG_IOC_GRANT, &args));
	args.expires_nsec = INT64_MIN;
	EXPECT_ERROR(EINVAL, try(dev, DMA_HEAP_MEMCG_IOC_GRANT, &args));
	args = good;
	EXPECT_EQ(0, try(dev, DMA_HEAP_MEMCG_IOC_GRANT, &args));
	EXPECT_EQ(FD_CLOEXEC, fcntl(args.out_fd, F_GETFD));
	close(args.out_fd);
}

TEST_F(args, query)
{
	struct dma_heap_memcg_query_args args = {
		.size = sizeof(args), .charge_fd = self->e.dir,
	};
	int dev = self->e.env.dev, bit;

	for (bit = 0; bit < 32; bit++) {
		args.flags = 1U << bit;
		EXPECT_EQ(-EINVAL, try(dev, DMA_HEAP_MEMCG_IOC_QUERY, &args));
		EXPECT_EQ(0, args.out_cgroup);
	}
}

TEST_F(args, transfer)
{
	const struct dma_heap_memcg_transfer_args good = {
		.size = sizeof(good), .dmabuf_fd = self->e.buf,
	};
	struct dma_heap_memcg_transfer_args args;
	int dev = self->e.env.dev, bit, stock;
	size_t i;
	int kinds[4];

	for (bit = 0; bit < 32; bit++) {
		args = good;
		args.flags = 1U << bit;
		EXPECT_EQ(-EINVAL,
			  try(dev, DMA_HEAP_MEMCG_IOC_TRANSFER, &args));
	}
	expect_same(_metadata, &self->e);
	EXPECT_ERROR(EBADF, heap_transfer(dev, BAD_FD, HEAP_SELF));
	EXPECT_ERROR(EBADF, heap_transfer(dev, -1, HEAP_SELF));

	/* Open, but no buffer of this heap: -1 where the kernel has no such */
	stock = heap_stock_open();
	kinds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	kinds[1] = memfd_create("memfd", MFD_CLOEXEC);
	kinds[2] = dup(dev);
	kinds[3] = stock < 0 ? -1 : heap_alloc_plain(stock, LEN);
	self->e.fds = count_fds();
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i] >= 0)
			EXPECT_ERROR(EINVAL, heap_transfer(dev, kinds[i],
							   HEAP_SELF));
	args = good;
	args.charge_fd = BAD_FD;
	EXPECT_ERROR(EBADF, try(dev, DMA_HEAP_MEMCG_IOC_TRANSFER, &args));
}

/* Over the limit it stays where it is. */
TEST_F(args, transfer_over_the_limit)
{
	struct cg small;
	int dir;

	ASSERT_EQ(0, cg_new(&small, &self->e.env.top, "small"));
	ASSERT_EQ(0, cg_write_bytes(&small, "memory.max", LEN / 2));
	dir = cg_open(&small, 0);
	self->e.fds++;
	EXPECT_ERROR(ENOMEM, heap_transfer(self->e.env.dev, self->e.buf, dir));
	EXPECT_TRUE(cg_settles(&small, 0, cg_slack()));
}

/* Numbers that mean nothing here, and types of other devices */
TEST_F(args, unknown_ioctls)
{
	static const unsigned char types[] = {
		0, 'G', 'I', 'b', 'd', 'h', 0xff,
	};
	static unsigned char arg[16384];
	int dev = self->e.env.dev;
	unsigned int nr;
	size_t i;

	for (nr = 1; nr < 256; nr++) {
		if (nr >= 0x40 && nr <= 0x43)
			continue;
		EXPECT_EQ(-ENOTTY, try(dev, _IO('H', nr), arg));
		EXPECT_EQ(-ENOTTY, try(dev, _IOC(_IOC_READ | _IOC_WRITE, 'H',
						 nr, 32), arg))
			TH_LOG("number %#x", nr);
	}
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		EXPECT_EQ(-ENOTTY, try(dev, _IOC(_IOC_READ | _IOC_WRITE,
						 types[i], 0, 32), arg))
			TH_LOG("type %#x", types[i]);
		EXPECT_EQ(-ENOTTY, try(dev, _IO(types[i], 0x40), arg));
	}
	expect_same(_metadata, &self->e);
}

struct sized {
	unsigned int request;
	size_t size;
};

static const struct sized sized[] = {
	{ DMA_HEAP_MEMCG_IOC_CAPS, sizeof(struct dma_heap_memcg_caps) },
	{ DMA_HEAP_MEMCG_IOC_GRANT, sizeof(struct dma_heap_memcg_grant_args) },
	{ DMA_HEAP_MEMCG_IOC_QUERY, sizeof(struct dma_heap_memcg_query_args) },
	{ DMA_HEAP_MEMCG_IOC_TRANSFER,
	  sizeof(struct dma_heap_memcg_transfer_args) },
};

/* The args struct itself: unmapped, and mapped but for its last byte */
TEST_F(args, fault)
{
	char *end = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct dma_heap_memcg_allocation_data *data;
	int dev = self->e.env.dev;
	uint32_t size;
	size_t i;

	ASSERT_NE(MAP_FAILED, end);
	end += PAGE;
	ASSERT_EQ(0, munmap(end, PAGE));
	for (i = 0; i < ARRAY_SIZE(sized); i++) {
		size = sized[i].size;
		EXPECT_ERROR(EFAULT, try(dev, sized[i].request, NULL));
		EXPECT_ERROR(EFAULT, try(dev, sized[i].request, end));
		memset(end - PAGE, 0, PAGE);
		memcpy(end - size + 1, &size, sizeof(size));
		EXPECT_ERROR(EFAULT, try(dev, sized[i].request,
					 end - size + 1));
	}
	data = (void *)(end - 24);
	data->len = LEN;
	data->fd_flags = O_RDWR | O_CLOEXEC;
	EXPECT_ERROR(EFAULT, heap_alloc_raw(dev, NULL, sizeof(*data)));
	EXPECT_ERROR(EFAULT, heap_alloc_raw(dev, end, sizeof(*data)));
	EXPECT_ERROR(EFAULT, heap_alloc_raw(dev, data, sizeof(*data)));
}

/* What is written back cannot be: a grant's fd must not stay behind. */
TEST_F(args, readonly_arguments)
{
	uint32_t *args = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct dma_heap_memcg_grant_args *grant = (void *)args;
	struct dma_heap_memcg_query_args *query = (void *)args;
	struct dma_heap_memcg_caps *caps = (void *)args;
	int dev = self->e.env.dev;

	ASSERT_NE(MAP_FAILED, args);
	grant->size = sizeof(*grant);
	grant->charge_fd = self->e.dir;
	grant->budget = LEN;
	grant->expires_nsec = INT64_MAX;
	ASSERT_EQ(0, mprotect(args, PAGE, PROT_READ));
	EXPECT_ERROR(EFAULT, try(dev, DMA_HEAP_MEMCG_IOC_GRANT, args));
	ASSERT_EQ(0, mprotect(args, PAGE, PROT_READ | PROT_WRITE));
	memset(args, 0, PAGE);
	query->size = sizeof(*query);
	query->charge_fd = self->e.dir;
	ASSERT_EQ(0, mprotect(args, PAGE, PROT_READ));
	EXPECT_ERROR(EFAULT, try(dev, DMA_HEAP_MEMCG_IOC_QUERY, args));
	ASSERT_EQ(0, mprotect(args, PAGE, PROT_READ | PROT_WRITE));
	memset(args, 0, PAGE);
	caps->size = sizeof(*caps);
	ASSERT_EQ(0, mprotect(args, PAGE, PROT_READ));
	EXPECT_ERROR(EFAULT, try(dev, DMA_HEAP_MEMCG_IOC_CAPS, args));
}

/* Sizes: too short, longer with zeroes, longer and dirty, above a page */
TEST_F(args, sizes)
{
	static union {
		uint32_t size;
		struct dma_heap_memcg_grant_args grant;
		struct dma_heap_memcg_query_args query;
		struct dma_heap_memcg_transfer_args transfer;
		unsigned char bytes[KIB(128)];	/* more than a page */
	} u;
	int dev = self->e.env.dev;
	static const uint32_t more[] = { 1, 8, 64 };
	size_t i, j;

	/* CAPS, the first, has its own test. */
	for (i = 1; i < ARRAY_SIZE(sized); i++) {
		unsigned int request = sized[i].request;
		uint32_t known = sized[i].size;

		memset(&u, 0, sizeof(u));
		EXPECT_ERROR(EINVAL, try(dev, request, &u));
		u.size = 4;
		EXPECT_ERROR(EINVAL, try(dev, request, &u));
		u.size = known - 1;
		EXPECT_ERROR(EINVAL, try(dev, request, &u));
		u.size = sysconf(_SC_PAGESIZE) + 1;
		EXPECT_ERROR(E2BIG, try(dev, request, &u));
		u.size = UINT32_MAX;
		EXPECT_ERROR(E2BIG, try(dev, request, &u));
		for (j = 0; j < ARRAY_SIZE(more); j++) {
			memset(&u, 0, sizeof(u));
			u.bytes[known + more[j] - 1] = 1;
			u.size = known + more[j];
			EXPECT_ERROR(E2BIG, try(dev, request, &u));
		}
	}
	/* Zeroes there change nothing. */
	memset(&u, 0, sizeof(u));
	u.query.size = sizeof(u.query) + 64;
	u.query.charge_fd = self->e.dir;
	EXPECT_EQ(0, try(dev, DMA_HEAP_MEMCG_IOC_QUERY, &u));
	EXPECT_EQ(sizeof(u.query), u.query.size);
	EXPECT_EQ(LEN, u.query.out_bytes);
	memset(&u, 0, sizeof(u));
	u.transfer.size = PAGE;
	u.transfer.dmabuf_fd = self->e.buf;
	u.transfer.charge_fd = self->e.dir;
	EXPECT_EQ(0, try(dev, DMA_HEAP_MEMCG_IOC_TRANSFER, &u));
	memset(&u, 0, sizeof(u));
	u.grant.size = sizeof(u.grant) + 1;
	u.grant.charge_fd = self->e.dir;
	u.grant.budget = 1;
	u.grant.expires_nsec = INT64_MAX;
	EXPECT_EQ(0, try(dev, DMA_HEAP_MEMCG_IOC_GRANT, &u));
	close(u.grant.out_fd);
}

TEST_HARNESS_MAIN
