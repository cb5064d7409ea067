// SPDX-License-Identifier: GPL-2.0-only
/*
 * bufsync/aligned-map.h: where it maps things, which errors it has, and that huge pages
 * fit into what it maps of a slice. Other threads that map as well are
 * aligned_map_race_test's matter.
 */
#include <bufsync/aligned-map.h>

#include "vfio_env.h"

#include "slice_util.h"

TEST(alignment)
{
	const size_t page = page_size();
	const size_t pmd = bufsync_map_huge(1), pud = bufsync_map_huge(2);

	EXPECT_EQ(page / 8 * page, pmd);
	EXPECT_EQ(page / 8 * pmd, pud);
	EXPECT_EQ(0, bufsync_map_alignment(page, 0));
	EXPECT_EQ(0, bufsync_map_alignment(pmd - 1, 0));
	EXPECT_EQ(pmd, bufsync_map_alignment(pmd, 0));
	EXPECT_EQ(0, bufsync_map_alignment(pmd, page));
	EXPECT_EQ(0, bufsync_map_alignment(2 * pmd - 2 * page, page));
	EXPECT_EQ(pmd, bufsync_map_alignment(2 * pmd - page, page));
	EXPECT_EQ(pmd, bufsync_map_alignment(pud - page, 0));
	EXPECT_EQ(pud, bufsync_map_alignment(pud, 0));
	EXPECT_EQ(pmd, bufsync_map_alignment(pud, pmd));
	EXPECT_EQ(pud, bufsync_map_alignment(2 * pud - pmd, pmd));
}

static int count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	int c, lines = 0;

	if (!f)
		return -1;
	while ((c = getc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

/* Wherever it lies: aligned, all of it there, and nothing left over. */
TEST(aligned_map)
{
	const size_t size = 5 * HUGE / 2 + 123;
	int fd = memfd_create("aligned", MFD_CLOEXEC);
	off_t start, offset;
	int before, round;
	char *map, byte;

	ASSERT_EQ(0, ftruncate(fd, 8 * HUGE));
	before = count_maps();
	for (round = 0; round < 16; round++) {
		start = round * (HUGE / 4 + PAGE);
		offset = round * (HUGE / 4);
		byte = 0;
		map = bufsync_map_aligned(fd, size, offset, RW, start);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_EQ(0, ((uintptr_t)map - start - offset) % HUGE);
		map[0] = round + 1;
		map[size - 1] = round + 2;
		EXPECT_EQ(1, pread(fd, &byte, 1, offset));
		EXPECT_EQ(round + 1, byte);
		EXPECT_EQ(1, pread(fd, &byte, 1, offset + size - 1));
		EXPECT_EQ(round + 2, byte);
		EXPECT_EQ(0, bufsync_unmap(map, size));
		EXPECT_EQ(before, count_maps());
	}
	EXPECT_EQ(0, bufsync_unmap(MAP_FAILED, size));
	EXPECT_EQ(0, bufsync_unmap(NULL, size));
}

TEST(aligned_map_errors)
{
	int fd = memfd_create("aligned", MFD_CLOEXEC), before, error;

	ASSERT_EQ(0, ftruncate(fd, MIB(16)));
	before = count_maps();
#define FAILS(want, ...) do { \
	errno = 0; \
	EXPECT_EQ(MAP_FAILED, bufsync_map_aligned(__VA_ARGS__)); \
	error = errno; \
	EXPECT_EQ(want, error); \
	EXPECT_EQ(before, count_maps()); \
} while (0)
	FAILS(EBADF, -1, MIB(4), 0, PROT_READ, 0);
	FAILS(EINVAL, fd, 0, 0, PROT_READ, 0);
	FAILS(EINVAL, fd, MIB(4), 1, PROT_READ, 0);
	FAILS(EINVAL, fd, MIB(4), -(off_t)PAGE, PROT_READ, 0);
	FAILS(EINVAL, fd, MIB(4), 0, PROT_READ, -(off_t)PAGE);
	FAILS(ENOMEM, fd, SIZE_MAX - 2 * PAGE, 0, PROT_READ, 0);
}

/* On a slice: what it is for. */
FIXTURE(slice) {
	struct vfio_env env;
};

FIXTURE_SETUP(slice)
{
	vfio_env_setup(_metadata, &self->env, VFIO_BIG, VFIO_OURS);
}

FIXTURE_TEARDOWN(slice)
{
	vfio_env_teardown(_metadata, &self->env);
}

/* Faults that it takes to touch what four PMDs map, from @at on in the BAR */
static long faults_of(struct vfio_dev *dev, off_t at, off_t told)
{
	int slice = vfio_export(dev, 2, at, 4 * HUGE, O_RDWR | O_CLOEXEC);
	struct vfio_dmabuf_info info;
	uint32_t value;
	size_t i;
	char *map;

	if (slice < 0)
		return slice;
	map = bufsync_map_aligned(slice, 4 * HUGE, 0, RW, told);
	if (map == MAP_FAILED)
		return -errno;
	for (i = 0; i < 4 * HUGE; i += PAGE)
		if (!try_read32(map + i, &value))
			return -EFAULT;
	if (vfio_info(dev, slice, &info))
		return -EIO;
	bufsync_unmap(map, 4 * HUGE);
	close(slice);
	return info.out_slice_faults;
}

TEST_F(slice, huge_pages_fit)
{
	struct vfio_dev *dev = &self->env.dev;
	const long half = HUGE / PAGE / 2;
	struct vfio_dmabuf_info info;

	ASSERT_EQ(0, vfio_info(dev, -1, &info));
	if (info.out_features & VFIO_DMABUF_FEATURE_BIT_HUGE) {
		EXPECT_EQ(4, faults_of(dev, 0, 0));
		EXPECT_EQ(4, faults_of(dev, HUGE, HUGE));
		/* half of one by small ones, 3 huge ones, half of one */
		EXPECT_EQ(half + 3 + half, faults_of(dev, HUGE / 2, HUGE / 2));
		/* It was not told, so none fits. */
		EXPECT_EQ(8 * half, faults_of(dev, HUGE / 2, 0));
	} else {
		EXPECT_EQ(4, faults_of(dev, 0, 0));
		EXPECT_GT(6, faults_of(dev, HUGE / 2, HUGE / 2));
		EXPECT_LT(3, faults_of(dev, HUGE / 2, HUGE / 2));
	}
}

TEST_HARNESS_MAIN
