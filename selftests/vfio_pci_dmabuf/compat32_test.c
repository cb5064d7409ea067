// SPDX-License-Identifier: GPL-2.0-only
/*
 * 32-bit callers. The calls go through int 0x80, the 32-bit entry of an
 * x86-64 kernel, so that compat_ioctl is what runs, with arguments in the low
 * 4 GiB.
 */
#include "vfio_env.h"

#include "compat32.h"
#include "slice_util.h"

#define SIZE	MIB(1)

/* Everything that a call can see lies here. */
struct low {
	struct vfio_device_feature head;
	union {
		struct vfio_dmabuf_revoke revoke;
		struct vfio_dmabuf_memattr attr;
		struct vfio_dmabuf_info info;
		struct {
			struct vfio_device_feature_dma_buf head;
			struct vfio_region_dma_range ranges[3];
		} export;
	};
};

FIXTURE(compat32) {
	struct vfio_env env;
	struct vfio_dev *dev;
	struct low *low;
	int fd;		/* a slice, made by the other entry */
	char *p;
};

FIXTURE_SETUP(compat32)
{
	/* before anything that would have to be undone */
	if (!have_int80())
		SKIP(return, "the kernel takes no 32-bit calls");
	vfio_env_setup(_metadata, &self->env, VFIO_BOCHS, VFIO_OURS);
	self->dev = &self->env.dev;
	self->low = mmap(NULL, sizeof(*self->low), RW,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, self->low);
	ASSERT_EQ(0, (uintptr_t)self->low >> 32);
	self->fd = vfio_export(self->dev, 0, 0, SIZE, O_RDWR | O_CLOEXEC);
	self->p = slice_map(self->fd, SIZE, RW);
	ASSERT_NE(MAP_FAILED, self->p);
}

FIXTURE_TEARDOWN(compat32)
{
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

/* @size of the payload, whose bytes the caller has filled in */
static int feature32(FIXTURE_DATA(compat32) *self, uint32_t flags, size_t size)
{
	self->low->head.argsz = sizeof(self->low->head) + size;
	self->low->head.flags = flags;
	return try32(self->dev->fd, VFIO_DEVICE_FEATURE, self->low);
}

/* The entry takes the lower halves of registers; the other one, all of them. */
TEST_F(compat32, is_the_32_bit_entry)
{
	struct low *low = self->low;
	void *high = (void *)((uintptr_t)low | 1ULL << 40);

	low->head.argsz = sizeof(low->head) + sizeof(low->info);
	low->head.flags = VFIO_DEVICE_FEATURE_GET | VFIO_DMABUF_FEATURE_INFO;
	low->info = (struct vfio_dmabuf_info) { .dmabuf_fd = -1 };
	EXPECT_EQ(-1, ioctl(self->dev->fd, VFIO_DEVICE_FEATURE, high));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, low->info.out_version);
	EXPECT_EQ(0, try32(self->dev->fd, VFIO_DEVICE_FEATURE, high));
	EXPECT_EQ(VFIO_DMABUF_VERSION, low->info.out_version);
}

TEST_F(compat32, export)
{
	struct low *low = self->low;
	char *p, *bar;
	int fd;

	memset(&low->export, 0, sizeof(low->export));
	low->export.head.open_flags = O_RDWR | O_CLOEXEC;
	low->export.head.nr_ranges = 3;
	low->export.ranges[0].offset = MIB(4);
	low->export.ranges[0].length = 2 * PAGE;
	low->export.ranges[1].offset = 0;
	low->export.ranges[1].length = PAGE;
	low->export.ranges[2].offset = MIB(8);
	low->export.ranges[2].length = MIB(2);
	fd = feature32(self, VFIO_DEVICE_FEATURE_GET |
		       VFIO_DEVICE_FEATURE_DMA_BUF, sizeof(low->export));
	ASSERT_GE(fd, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ((off_t)(3 * PAGE + MIB(2)), lseek(fd, 0, SEEK_END));
	p = slice_map(fd, 3 * PAGE + MIB(2), RW);
	bar = vfio_bar_map(self->dev, 0, RW);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, bar);
	fill(bar, 0, MIB(16), 1);
	EXPECT_EQ(0, differs(p, MIB(4), 2 * PAGE, 1));
	EXPECT_EQ(0, differs(p + 2 * PAGE, 0, PAGE, 1));
	EXPECT_EQ(0, differs(p + 3 * PAGE, MIB(8), MIB(2), 1));

	/* All bits of its 64-bit fields count. */
	low->export.head.nr_ranges = 1;
	low->export.ranges[0].offset = 1ULL << 32;
	EXPECT_EQ(-EINVAL, feature32(self, VFIO_DEVICE_FEATURE_GET |
				     VFIO_DEVICE_FEATURE_DMA_BUF,
				     sizeof(low->export)));
	low->export.ranges[0].offset = 0;
	low->export.ranges[0].length = PAGE | 1ULL << 32;
	EXPECT_EQ(-EINVAL, feature32(self, VFIO_DEVICE_FEATURE_GET |
				     VFIO_DEVICE_FEATURE_DMA_BUF,
				     sizeof(low->export)));
	low->export.ranges[0].length = PAGE;
	low->export.head.region_index = VFIO_PCI_ROM_REGION_INDEX;
	EXPECT_EQ(-ENODEV, feature32(self, VFIO_DEVICE_FEATURE_GET |
				     VFIO_DEVICE_FEATURE_DMA_BUF,
				     sizeof(low->export)));
}

/* The same answer as the other entry's, to the last byte */
TEST_F(compat32, info)
{
	struct vfio_dmabuf_info info;
	struct low *low = self->low;

	EXPECT_TRUE(alive(self->p));
	ASSERT_EQ(0, vfio_info(self->dev, self->fd, &info));
	low->info = (struct vfio_dmabuf_info) { .dmabuf_fd = self->fd };
	ASSERT_EQ(0, feature32(self, VFIO_DEVICE_FEATURE_GET |
			       VFIO_DMABUF_FEATURE_INFO, sizeof(low->info)));
	EXPECT_EQ(0, memcmp(&info, &low->info, sizeof(info)));
	EXPECT_EQ(SIZE, low->info.out_size);
	EXPECT_NE(0, low->info.out_slice_faults);
	low->info.flags = 1;
	EXPECT_EQ(-EINVAL, feature32(self, VFIO_DEVICE_FEATURE_GET |
				     VFIO_DMABUF_FEATURE_INFO,
				     sizeof(low->info)));
}

TEST_F(compat32, memattr)
{
	const uint32_t get = VFIO_DEVICE_FEATURE_GET |
			     VFIO_DMABUF_FEATURE_MEMATTR;
	const uint32_t set[] = {
		VFIO_DEVICE_FEATURE_SET | VFIO_DMABUF_FEATURE_MEMATTR,
		VFIO_DEVICE_FEATURE_SET | VFIO_DMABUF_ALIAS_MEMATTR,
	};
	struct low *low = self->low;
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(set); i++) {
		low->attr.dmabuf_fd = self->fd;
		low->attr.memattr = !i;
		EXPECT_EQ(0, feature32(self, set[i], sizeof(low->attr)));
		low->attr.memattr = 77;
		EXPECT_EQ(0, feature32(self, get, sizeof(low->attr)));
		EXPECT_EQ(!i, low->attr.memattr);
		EXPECT_EQ(!i, INFO_OF(self->dev, self->fd, out_memattr));
		low->attr.memattr = 2;
		EXPECT_EQ(-ENOENT, feature32(self, set[i],
					     sizeof(low->attr)));
		low->attr.dmabuf_fd = BAD_FD;
		low->attr.memattr = 0;
		EXPECT_EQ(-EBADF, feature32(self, set[i],
					    sizeof(low->attr)));
	}
}

/* By its number and by both aliases */
TEST_F(compat32, revoke)
{
	static const uint32_t numbers[] = {
		VFIO_DMABUF_FEATURE_REVOKE, VFIO_DMABUF_ALIAS_REVOKE,
		VFIO_DMABUF_ALIAS_MEMATTR,
	};
	struct low *low = self->low;
	uint32_t i;
	char *p;
	int fd;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		fd = vfio_export(self->dev, 0, 0, PAGE, O_RDWR);
		p = slice_map(fd, PAGE, RW);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_TRUE(alive(p));
		low->revoke.dmabuf_fd = fd;
		EXPECT_EQ(0, feature32(self, VFIO_DEVICE_FEATURE_SET |
				       numbers[i], sizeof(low->revoke)))
			TH_LOG("feature %#x", numbers[i]);
		EXPECT_FALSE(alive(p));
		EXPECT_EQ(-EBADFD, feature32(self, VFIO_DEVICE_FEATURE_SET |
					     numbers[i],
					     sizeof(low->revoke)));
		EXPECT_TRUE(alive(self->p));
	}
	low->revoke.dmabuf_fd = self->dev->fd;
	EXPECT_EQ(-EINVAL, feature32(self, VFIO_DEVICE_FEATURE_SET |
				     VFIO_DMABUF_FEATURE_REVOKE,
				     sizeof(low->revoke)));
	EXPECT_EQ(-EINVAL, feature32(self, VFIO_DEVICE_FEATURE_SET |
				     VFIO_DMABUF_FEATURE_REVOKE, 3));
}

TEST_F(compat32, probe_and_others)
{
	struct low *low = self->low;

	EXPECT_EQ(0, feature32(self, VFIO_DEVICE_FEATURE_PROBE |
			       VFIO_DEVICE_FEATURE_SET |
			       VFIO_DMABUF_FEATURE_REVOKE, 0));
	EXPECT_EQ(0, feature32(self, VFIO_DEVICE_FEATURE_PROBE |
			       VFIO_DEVICE_FEATURE_GET |
			       VFIO_DEVICE_FEATURE_DMA_BUF, 0));
	EXPECT_EQ(-ENOTTY, feature32(self, VFIO_DEVICE_FEATURE_PROBE | 0xfd03,
				     0));
	EXPECT_EQ(-EFAULT, try32(self->dev->fd, VFIO_DEVICE_FEATURE, NULL));
	EXPECT_EQ(-ENOTTY, try32(self->dev->fd, _IO(VFIO_TYPE, 0x7f), low));
}

TEST_HARNESS_MAIN
