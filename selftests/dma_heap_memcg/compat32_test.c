// SPDX-License-Identifier: GPL-2.0-only
/*
 * 32-bit callers. The calls go through int 0x80, the 32-bit entry of an
 * x86-64 kernel, so that compat_ioctl is what runs, with arguments in the low
 * 4 GiB. Needs no 32-bit compiler and no 32-bit libc.
 */
#include "heap_env.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "compat32.h"
#include "syncobj_util.h"

#define LEN		MIB(8)

/* Everything that a call can see lies here. */
struct low {
	union {
		struct dma_heap_allocation_data plain;
		struct dma_heap_memcg_allocation_data alloc;
		struct dma_heap_memcg_caps caps;
		struct dma_heap_memcg_grant_args grant;
		struct dma_heap_memcg_query_args query;
		struct dma_heap_memcg_transfer_args transfer;
	};
};

FIXTURE(compat32) {
	struct heap_env env;
	struct low *low;
	struct cg cg[2];
	int dir[2];
};

FIXTURE_SETUP(compat32)
{
	static const char * const names[] = { "a", "b" };
	int i;

	/* before anything that would have to be undone */
	if (!have_int80())
		SKIP(return, "the kernel takes no 32-bit calls");
	heap_env_setup(_metadata, &self->env);
	self->low = mmap(NULL, sizeof(*self->low), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, self->low);
	ASSERT_EQ(0, (uintptr_t)self->low >> 32);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, cg_new(&self->cg[i], &self->env.top, names[i]));
		self->dir[i] = cg_open(&self->cg[i], 0);
		ASSERT_GE(self->dir[i], 0);
	}
}

FIXTURE_TEARDOWN(compat32)
{
	heap_env_teardown(_metadata, &self->env);
}

/* A buffer charged to a cgroup, by the 32-bit entry */
static int alloc32(FIXTURE_DATA(compat32) *self, uint32_t charge_fd)
{
	int ret;

	self->low->alloc = (struct dma_heap_memcg_allocation_data) {
		.len = LEN,
		.fd_flags = O_RDWR | O_CLOEXEC,
		.charge_fd = charge_fd,
	};
	ret = try32(self->env.dev, DMA_HEAP_MEMCG_IOCTL_ALLOC,
		    &self->low->alloc);
	return ret ?: (int)self->low->alloc.fd;
}

static uint64_t local_bytes(FIXTURE_DATA(compat32) *self, uint32_t charge_fd)
{
	struct dma_heap_memcg_query_args query;

	if (heap_query(self->env.dev, charge_fd, &query))
		return UINT64_MAX;
	return query.out_local_bytes;
}

/*
 * The control: the entry takes the lower halves of registers. The other one
 * takes them whole.
 */
TEST_F(compat32, is_the_32_bit_entry)
{
	struct low *low = self->low;
	void *high = (void *)((uintptr_t)low | 1ULL << 40);

	low->caps = (struct dma_heap_memcg_caps) { .size = sizeof(low->caps) };
	EXPECT_EQ(-1, ioctl(self->env.dev, DMA_HEAP_MEMCG_IOC_CAPS, high));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, low->caps.out_version);
	EXPECT_EQ(0, try32(self->env.dev, DMA_HEAP_MEMCG_IOC_CAPS, high));
	EXPECT_EQ(DMA_HEAP_MEMCG_VERSION, low->caps.out_version);
}

TEST_F(compat32, alloc)
{
	struct low *low = self->low;
	char name[64], want[64];
	int fd = alloc32(self, self->dir[0]);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(LEN, buf_size(fd));
	snprintf(want, sizeof(want), "cg:%llu",
		 (unsigned long long)cg_id(&self->cg[0]));
	EXPECT_EQ(0, buf_name(fd, name, sizeof(name)));
	EXPECT_STREQ(want, name);
	EXPECT_EQ((uint64_t)LEN, local_bytes(self, self->dir[0]));
	EXPECT_TRUE(cg_settles(&self->cg[0], LEN, cg_slack()));
	close(fd);
	EXPECT_EQ(0, local_bytes(self, self->dir[0]));

	EXPECT_EQ(-EBADF, alloc32(self, 999));
	low->alloc.charge_fd = 0;
	low->alloc.heap_flags = 1ULL << 63;
	EXPECT_EQ(-EINVAL, try32(self->env.dev, DMA_HEAP_MEMCG_IOCTL_ALLOC,
				 &low->alloc));
	/* no length of 32 bits */
	low->alloc.heap_flags = 0;
	low->alloc.len = LEN | 1ULL << 40;
	EXPECT_EQ(-ENOMEM, try32(self->env.dev, DMA_HEAP_MEMCG_IOCTL_ALLOC,
				 &low->alloc));
	EXPECT_EQ(-EFAULT, try32(self->env.dev, DMA_HEAP_MEMCG_IOCTL_ALLOC,
				 NULL));
	EXPECT_EQ(-ENOTTY, try32(self->env.dev, _IO('H', 0x7f), low));
	EXPECT_EQ(-ENOTTY, try32(self->env.dev, _IO('I', 0x40), low));
}

/* The struct of all heaps, whose layout is the same for both as well */
TEST_F(compat32, alloc_plain)
{
	struct low *low = self->low;
	uint64_t before = local_bytes(self, HEAP_SELF);

	low->plain = (struct dma_heap_allocation_data) {
		.len = LEN,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	ASSERT_EQ(0, try32(self->env.dev, DMA_HEAP_IOCTL_ALLOC, &low->plain));
	EXPECT_EQ(LEN, buf_size(low->plain.fd));
	EXPECT_EQ(before + LEN, local_bytes(self, HEAP_SELF));
	close(low->plain.fd);
}

TEST_F(compat32, caps)
{
	struct low *low = self->low;
	struct dma_heap_memcg_caps caps;

	ASSERT_EQ(0, heap_caps(self->env.dev, &caps));
	low->caps = (struct dma_heap_memcg_caps) { .size = sizeof(low->caps) };
	ASSERT_EQ(0, try32(self->env.dev, DMA_HEAP_MEMCG_IOC_CAPS,
			   &low->caps));
	EXPECT_EQ(0, memcmp(&caps, &low->caps, sizeof(caps)));
	EXPECT_EQ(-EFAULT, try32(self->env.dev, DMA_HEAP_MEMCG_IOC_CAPS,
				 NULL));
}

TEST_F(compat32, query)
{
	int fd = alloc32(self, self->dir[0]);
	struct dma_heap_memcg_query_args query;
	struct low *low = self->low;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, cg_write_bytes(&self->cg[0], "memory.max", MIB(64)));
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir[0], &query));
	low->query = (struct dma_heap_memcg_query_args) {
		.size = sizeof(low->query),
		.charge_fd = self->dir[0],
	};
	ASSERT_EQ(0, try32(self->env.dev, DMA_HEAP_MEMCG_IOC_QUERY,
			   &low->query));
	EXPECT_EQ(0, memcmp(&query, &low->query, sizeof(query)));
	EXPECT_EQ(cg_id(&self->cg[0]), low->query.out_cgroup);
	EXPECT_EQ((uint64_t)LEN, low->query.out_local_bytes);
	EXPECT_EQ((uint64_t)MIB(64), low->query.out_limit);
	low->query.flags = 1;
	EXPECT_EQ(-EINVAL, try32(self->env.dev, DMA_HEAP_MEMCG_IOC_QUERY,
				 &low->query));
}

/* All bits of its 64-bit fields count. */
TEST_F(compat32, grant)
{
	struct low *low = self->low;
	int grant;

	low->grant = (struct dma_heap_memcg_grant_args) {
		.size = sizeof(low->grant),
		.charge_fd = self->dir[0],
		.out_fd = -1,
		.budget = 1ULL << 40,
		.expires_nsec = INT64_MAX,
	};
	ASSERT_EQ(0, try32(self->env.dev, DMA_HEAP_MEMCG_IOC_GRANT,
			   &low->grant));
	grant = low->grant.out_fd;
	EXPECT_EQ(FD_CLOEXEC, fcntl(grant, F_GETFD));
	EXPECT_LE(0, alloc32(self, grant));
	EXPECT_EQ((uint64_t)LEN, local_bytes(self, self->dir[0]));

	low->grant = (struct dma_heap_memcg_grant_args) {
		.size = sizeof(low->grant),
		.charge_fd = self->dir[0],
		.budget = LEN,
		.expires_nsec = INT64_MIN,
	};
	EXPECT_EQ(-EINVAL, try32(self->env.dev, DMA_HEAP_MEMCG_IOC_GRANT,
				 &low->grant));
	/* Its lower half alone would be a past time. */
	low->grant.expires_nsec = in_ms(3600 * 1000);
	ASSERT_EQ(0, try32(self->env.dev, DMA_HEAP_MEMCG_IOC_GRANT,
			   &low->grant));
	EXPECT_LE(0, alloc32(self, low->grant.out_fd));
}

TEST_F(compat32, transfer)
{
	struct low *low = self->low;
	int fd = alloc32(self, self->dir[0]);
	void *map;

	ASSERT_GE(fd, 0);
	map = buf_map(fd, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, map);
	buf_fill(map, LEN, 1);
	low->transfer = (struct dma_heap_memcg_transfer_args) {
		.size = sizeof(low->transfer),
		.dmabuf_fd = fd,
		.charge_fd = self->dir[1],
	};
	ASSERT_EQ(0, try32(self->env.dev, DMA_HEAP_MEMCG_IOC_TRANSFER,
			   &low->transfer));
	EXPECT_EQ(0, local_bytes(self, self->dir[0]));
	EXPECT_EQ((uint64_t)LEN, local_bytes(self, self->dir[1]));
	EXPECT_EQ(0, buf_differs(map, LEN, 1));
	munmap(map, LEN);

	low->transfer.dmabuf_fd = 999;
	EXPECT_EQ(-EBADF, try32(self->env.dev, DMA_HEAP_MEMCG_IOC_TRANSFER,
				&low->transfer));
	low->transfer.flags = 1;
	EXPECT_EQ(-EINVAL, try32(self->env.dev, DMA_HEAP_MEMCG_IOC_TRANSFER,
				 &low->transfer));
}

TEST_HARNESS_MAIN
