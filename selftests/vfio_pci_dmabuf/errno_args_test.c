// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is wrong with the arguments of an export, and with the struct of any
 * call; what an fd can be and is not is in errno_test.c.
 *
 * Of the header's rows these cannot be had here: ENOMEM, which takes a kernel
 * without memory (../failnth_boot); a total of 2^62 bytes, which takes a BAR of
 * 2^46; an I/O port BAR, none of which has a whole page.
 */
#include "errno_env.h"

#define ID	"bufsync_test_id"

FIXTURE(errors) {
	struct errno_env e;
};

FIXTURE_SETUP(errors)
{
	errno_env_setup(_metadata, &self->e);
}

FIXTURE_TEARDOWN(errors)
{
	errno_env_teardown(_metadata, &self->e);
}

/* DMA_BUF with everything as it is given here */
struct export {
	struct vfio_device_feature_dma_buf head;
	struct vfio_region_dma_range ranges[2];
};

static int try_export(FIXTURE_DATA(errors) *self, struct export *e)
{
	return vfio_feature(self->e.dev->fd, GET | DMA_BUF, e, sizeof(*e));
}

#define VALID	((struct export) {					\
	.head = { .region_index = 0, .open_flags = O_RDWR | O_CLOEXEC,	\
		  .nr_ranges = 2 },					\
	.ranges = { { 0, PAGE }, { MIB(1), PAGE } } })

/* So that each of what follows has one fault only */
TEST_F(errors, none)
{
	struct export e = VALID;
	int fd = try_export(self, &e);

	ASSERT_GE(fd, 0);
	self->e.was.out_exports++;
	self->e.was.out_slices++;
	self->e.fds++;
	expect_same(_metadata, &self->e);
	close(fd);
	self->e.was.out_slices--;
	self->e.fds--;
}

TEST_F(errors, export_open_flags)
{
	static const uint32_t bad[] = {
		O_ACCMODE, O_RDWR | O_NONBLOCK, O_RDWR | O_APPEND,
		O_RDWR | O_CREAT, O_RDWR | O_DIRECT, O_RDWR | O_PATH,
		O_RDWR | O_TRUNC, O_RDWR | 1U << 31, O_RDWR | O_SYNC,
	};
	struct export e = VALID;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		e.head.open_flags = bad[i];
		EXPECT_EQ(-EINVAL, try_export(self, &e)) TH_LOG("%zu", i);
		expect_same(_metadata, &self->e);
	}
}

TEST_F(errors, export_flags_and_count)
{
	struct export e = VALID;
	int bit;

	/* Two of them were the memory attribute once. */
	for (bit = 0; bit < 32; bit++) {
		e.head.flags = 1U << bit;
		EXPECT_EQ(-EINVAL, try_export(self, &e)) TH_LOG("%d", bit);
	}
	e = VALID;
	e.head.nr_ranges = 0;
	EXPECT_EQ(-EINVAL, try_export(self, &e));
	e.head.nr_ranges = VFIO_DMABUF_MAX_RANGES + 1;
	EXPECT_EQ(-EINVAL, try_export(self, &e));
	e.head.nr_ranges = UINT32_MAX;
	EXPECT_EQ(-EINVAL, try_export(self, &e));
}

TEST_F(errors, export_ranges)
{
	const struct vfio_region_dma_range bad_ranges[] = {
		{ 0, 0 },
		{ 0, PAGE - 1 }, { 0, PAGE + 1 }, { 0, 512 }, { 512, PAGE },
		{ 1, PAGE }, { PAGE - 1, PAGE },
		{ SIZE, PAGE }, { SIZE - PAGE, 2 * PAGE }, { 0, SIZE + PAGE },
		{ 1ULL << 40, PAGE }, { 0, 1ULL << 40 }, { 1ULL << 63, PAGE },
		/* the end is 0, or behind the beginning again */
		{ -PAGE, PAGE }, { -PAGE, 2 * PAGE }, { PAGE, -PAGE },
		{ 2 * PAGE, -PAGE }, { 0, 1ULL << 63 }, { 0, 1ULL << 62 },
	};
	struct export e;
	size_t i;

	for (i = 0; i < 2 * ARRAY_SIZE(bad_ranges); i++) {
		e = VALID;
		e.ranges[i % 2] = bad_ranges[i / 2];
		EXPECT_EQ(-EINVAL, try_export(self, &e)) TH_LOG("%zu", i);
		expect_same(_metadata, &self->e);
	}
}

TEST_F(errors, export_region)
{
	static const uint32_t none[] = {
		VFIO_PCI_ROM_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX,
		VFIO_PCI_VGA_REGION_INDEX, VFIO_PCI_NUM_REGIONS, 100,
		UINT32_MAX, INT32_MAX,
		/* This device does not have these. */
		VFIO_PCI_BAR1_REGION_INDEX, VFIO_PCI_BAR5_REGION_INDEX,
	};
	struct export e = VALID;
	struct vfio_dev shm;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		e.head.region_index = none[i];
		EXPECT_EQ(-ENODEV, try_export(self, &e)) TH_LOG("%zu", i);
		expect_same(_metadata, &self->e);
	}
	/* It has this one, but of one page at most. */
	e.head.region_index = VFIO_PCI_BAR2_REGION_INDEX;
	EXPECT_EQ(vfio_bar_size(self->e.dev, 2) < PAGE ? -EOPNOTSUPP : -EINVAL,
		  try_export(self, &e));
	/* ivshmem's first one has 256 bytes. */
	ASSERT_EQ(0, vfio_start(&shm, VFIO_IVSHMEM, VFIO_OURS));
	EXPECT_EQ(-EOPNOTSUPP, vfio_export(&shm, 0, 0, PAGE, O_RDWR));
	vfio_stop(&shm);
}

/* The argument of VFIO_DEVICE_FEATURE at any place, with any size said */
static int feature_at(int fd, void *at, uint32_t argsz, uint32_t flags,
		      const void *payload, size_t size)
{
	struct vfio_device_feature head = { .argsz = argsz, .flags = flags };

	memcpy(at, &head, sizeof(head));
	memcpy((char *)at + sizeof(head), payload, size);
	return ioctl(fd, VFIO_DEVICE_FEATURE, at) < 0 ? -errno : 0;
}

#define HEAD	sizeof(struct vfio_device_feature)

/* All of it is read that argsz says, and nothing behind it. */
TEST_F(errors, payload_sizes)
{
	struct export e = VALID;
	struct vfio_dmabuf_revoke revoke = { .dmabuf_fd = -1 };
	struct vfio_dmabuf_memattr attr = { .dmabuf_fd = self->e.fd };
	struct vfio_dmabuf_info info = { .dmabuf_fd = self->e.fd };
	const struct {
		uint32_t flags;
		const void *payload;
		uint32_t size;
		int want;	/* at the full size */
	} calls[] = {
		{ GET | INFO, &info, sizeof(info), 0 },
		{ SET | REVOKE, &revoke, sizeof(revoke), -EBADF },
		{ GET | MEMATTR, &attr, sizeof(attr), 0 },
		{ SET | MEMATTR, &attr, sizeof(attr), 0 },
	};
	int fd = self->e.dev->fd;
	uint32_t i, n, cut;
	char *at;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		/* ends where nothing can be read any more */
		at = self->e.guard - HEAD - calls[i].size;
		for (n = 0; n < calls[i].size; n++)
			EXPECT_EQ(-EINVAL, feature_at(fd, at, HEAD + n,
						      calls[i].flags,
						      calls[i].payload,
						      calls[i].size))
				TH_LOG("call %u, %u bytes", i, n);
		EXPECT_EQ(calls[i].want,
			  feature_at(fd, at, HEAD + n, calls[i].flags,
				     calls[i].payload, n)) TH_LOG("%u", i);
		/* more said than there is: not looked at */
		EXPECT_EQ(calls[i].want,
			  feature_at(fd, at, HEAD + n + 64, calls[i].flags,
				     calls[i].payload, n)) TH_LOG("%u", i);
		/* its end cannot be read */
		cut = n < 8 ? n : 8;
		EXPECT_EQ(-EFAULT,
			  feature_at(fd, at + cut, HEAD + n, calls[i].flags,
				     calls[i].payload, n - cut))
			TH_LOG("%u", i);
		expect_same(_metadata, &self->e);
	}

	at = self->e.guard - HEAD - sizeof(e);
	for (n = 0; n < sizeof(e.head); n++)
		EXPECT_EQ(-EINVAL, feature_at(fd, at, HEAD + n, GET | DMA_BUF,
					      &e, sizeof(e)))
			TH_LOG("%u bytes", n);
	/* in the second range, in the first, in what is before them */
	n = sizeof(e);
	EXPECT_EQ(-EFAULT, feature_at(fd, at + 8, HEAD + n, GET | DMA_BUF, &e,
				      n - 8));
	EXPECT_EQ(-EFAULT, feature_at(fd, at + 24, HEAD + n, GET | DMA_BUF,
				      &e, n - 24));
	EXPECT_EQ(-EFAULT, feature_at(fd, at + 40, HEAD + n, GET | DMA_BUF,
				      &e, n - 40));
}

/* Answers that cannot be written */
TEST_F(errors, read_only_answers)
{
	struct vfio_dmabuf_memattr attr = { .dmabuf_fd = self->e.fd };
	struct vfio_dmabuf_info info = { .dmabuf_fd = self->e.fd };
	char *page = self->e.guard - PAGE;
	struct vfio_device_feature head = {
		.argsz = HEAD + sizeof(info),
		.flags = GET | INFO,
	};

	memcpy(page, &head, HEAD);
	memcpy(page + HEAD, &info, sizeof(info));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_EQ(-1, ioctl(self->e.dev->fd, VFIO_DEVICE_FEATURE, page));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(0, mprotect(page, PAGE, RW));
	head.flags = GET | MEMATTR;
	memcpy(page, &head, HEAD);
	memcpy(page + HEAD, &attr, sizeof(attr));
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ));
	EXPECT_EQ(-1, ioctl(self->e.dev->fd, VFIO_DEVICE_FEATURE, page));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(0, mprotect(page, PAGE, RW));
}

/* Somebody has BAR 2 of another device when that is opened. */
TEST_F(errors, bar_of_somebody_else)
{
	struct vfio_dev other;
	char claim[64];
	int fd;

	ASSERT_EQ(0, vfio_find(VFIO_IVSHMEM, other.bdf));
	ASSERT_EQ(0, vfio_bind(other.bdf, VFIO_OURS));
	snprintf(claim, sizeof(claim), "function=%s claim=2", other.bdf);
	ASSERT_EQ(0, module_load_with(ID, claim));
	ASSERT_EQ(0, vfio_open(&other, other.bdf, NULL));
	EXPECT_EQ(-EBUSY, vfio_export(&other, 2, 0, PAGE, O_RDWR));
	/* as by stock's way */
	EXPECT_EQ(MAP_FAILED, vfio_bar_map(&other, 2, RW));
	EXPECT_EQ(0, INFO_OF(&other, -1, out_slices));
	EXPECT_EQ(0, module_unload(ID));
	vfio_close(&other);

	ASSERT_EQ(0, vfio_open(&other, other.bdf, NULL));
	fd = vfio_export(&other, 2, 0, PAGE, O_RDWR);
	EXPECT_GE(fd, 0);
	close(fd);
	vfio_stop(&other);
}

TEST_HARNESS_MAIN
