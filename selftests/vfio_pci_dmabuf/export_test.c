// SPDX-License-Identifier: GPL-2.0-only
/* Slices: which part of the BAR they are, in which order, and who sees it. */
#include <sys/resource.h>

#include "vfio_env.h"

#include "slice_util.h"

#define BAR	0
#define SIZE	MIB(16)

FIXTURE(slice) {
	struct vfio_env env;
	struct vfio_dev *dev;
	char *bar;	/* by the device fd */
};

FIXTURE_SETUP(slice)
{
	vfio_env_setup(_metadata, &self->env, VFIO_BOCHS, VFIO_OURS);
	self->dev = &self->env.dev;
	ASSERT_EQ(SIZE, vfio_bar_size(self->dev, BAR));
	self->bar = vfio_bar_map(self->dev, BAR, RW);
	ASSERT_NE(MAP_FAILED, self->bar);
}

FIXTURE_TEARDOWN(slice)
{
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

TEST_F(slice, whole_bar)
{
	uint64_t exports = INFO_OF(self->dev, -1, out_exports);
	int fd = vfio_export(self->dev, BAR, 0, SIZE, O_RDWR | O_CLOEXEC);
	char *p;

	ASSERT_GE(fd, 0);
	EXPECT_EQ((off_t)SIZE, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(SIZE, INFO_OF(self->dev, fd, out_size));
	EXPECT_EQ(1, INFO_OF(self->dev, -1, out_slices));
	EXPECT_EQ(exports + 1, INFO_OF(self->dev, -1, out_exports));
	p = slice_map(fd, SIZE, RW);
	ASSERT_NE(MAP_FAILED, p);
	fill(self->bar, 0, SIZE, 1);
	EXPECT_EQ(0, differs(p, 0, SIZE, 1));
	fill(p, 0, SIZE, 2);
	EXPECT_EQ(0, differs(self->bar, 0, SIZE, 2));
	close(fd);
	munmap(p, SIZE);
	EXPECT_EQ(0, INFO_OF(self->dev, -1, out_slices));
}

/* Neither sorted nor apart: overlapping, out of order, one of them twice */
TEST_F(slice, ranges_in_the_order_given)
{
	const struct vfio_region_dma_range mixed[] = {
		{ MIB(3), 5 * PAGE },
		{ 0, PAGE },
		{ MIB(1), 3 * PAGE },
		{ 0, PAGE },
		{ MIB(1) + PAGE, 4 * PAGE },
		{ SIZE - MIB(2), MIB(2) },
		{ MIB(2) - PAGE, 2 * PAGE },
	};
	int fd = vfio_export_ranges(self->dev, BAR, mixed, ARRAY_SIZE(mixed),
				    O_RDWR | O_CLOEXEC);
	uint64_t at, size = 0;
	char *p, *q;
	size_t i;

	ASSERT_GE(fd, 0);
	for (i = 0; i < ARRAY_SIZE(mixed); i++)
		size += mixed[i].length;
	EXPECT_EQ((off_t)size, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(ARRAY_SIZE(mixed), INFO_OF(self->dev, fd, out_nr_ranges));
	p = slice_map(fd, size, RW);
	ASSERT_NE(MAP_FAILED, p);
	fill(self->bar, 0, SIZE, 3);
	for (i = 0, at = 0; i < ARRAY_SIZE(mixed); i++) {
		EXPECT_EQ(0, differs(p + at, mixed[i].offset, mixed[i].length,
				     3)) TH_LOG("range %zu", i);
		/* and back, each with a seed of its own */
		fill(p + at, mixed[i].offset, mixed[i].length, 100 + i);
		EXPECT_EQ(0, differs(self->bar + mixed[i].offset,
				     mixed[i].offset, mixed[i].length,
				     100 + i)) TH_LOG("range %zu", i);
		/* what lies before and behind it in the BAR is as it was */
		if (mixed[i].offset == MIB(3)) {
			EXPECT_EQ(0, differs(self->bar + MIB(3) - PAGE,
					     MIB(3) - PAGE, PAGE, 3));
			EXPECT_EQ(0, differs(self->bar + MIB(3) + 5 * PAGE,
					     MIB(3) + 5 * PAGE, PAGE, 3));
		}
		fill(self->bar + mixed[i].offset, mixed[i].offset,
		     mixed[i].length, 3);
		at += mixed[i].length;
	}

	/* The same from the middle: the offset is one in the slice. */
	for (i = 0, at = 0; i < ARRAY_SIZE(mixed); at += mixed[i++].length) {
		if (mixed[i].length < 2 * PAGE)
			continue;
		q = mmap(NULL, mixed[i].length - PAGE, RW, MAP_SHARED, fd,
			 at + PAGE);
		ASSERT_NE(MAP_FAILED, q);
		EXPECT_EQ(0, differs(q, mixed[i].offset + PAGE,
				     mixed[i].length - PAGE, 3))
			TH_LOG("range %zu", i);
	}
	/* over a border */
	q = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 4 * PAGE);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(0, differs(q, MIB(3) + 4 * PAGE, PAGE, 3));
	EXPECT_EQ(0, differs(q + PAGE, 0, PAGE, 3));
	/* the last page of all */
	q = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, size - PAGE);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(0, differs(q, MIB(2), PAGE, 3));
}

struct merging {
	unsigned int want;
	unsigned int nr;
	struct vfio_region_dma_range ranges[4];
};

TEST_F(slice, neighbours_are_one_range)
{
	const struct merging mergings[] = {
		{ 1, 3, { { 0, PAGE }, { PAGE, PAGE }, { 2 * PAGE, 2 * PAGE } } },
		{ 2, 3, { { 0, PAGE }, { 2 * PAGE, PAGE }, { 3 * PAGE, PAGE } } },
		/* descending, twice the same, overlapping: no neighbours */
		{ 2, 2, { { PAGE, PAGE }, { 0, PAGE } } },
		{ 2, 2, { { PAGE, PAGE }, { PAGE, PAGE } } },
		{ 2, 2, { { 0, 2 * PAGE }, { PAGE, 2 * PAGE } } },
		/* to a huge page */
		{ 1, 4, { { MIB(4), KIB(512) }, { MIB(4) + KIB(512), KIB(512) },
			  { MIB(5), KIB(512) }, { MIB(5) + KIB(512), KIB(512) } } },
	};
	const struct merging *m;
	uint64_t at;
	size_t i, j;
	char *p;
	int fd;

	fill(self->bar, 0, SIZE, 4);
	for (i = 0; i < ARRAY_SIZE(mergings); i++) {
		m = &mergings[i];
		fd = vfio_export_ranges(self->dev, BAR, m->ranges, m->nr,
					O_RDONLY | O_CLOEXEC);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(m->want, INFO_OF(self->dev, fd, out_nr_ranges))
			TH_LOG("set %zu", i);
		p = map_aligned(fd, lseek(fd, 0, SEEK_END), 0, PROT_READ,
				MIB(2));
		ASSERT_NE(MAP_FAILED, p);
		for (j = 0, at = 0; j < m->nr; at += m->ranges[j++].length)
			EXPECT_EQ(0, differs(p + at, m->ranges[j].offset,
					     m->ranges[j].length, 4))
				TH_LOG("set %zu, range %zu", i, j);
		close(fd);
	}
}

TEST_F(slice, two_of_the_same_range)
{
	int a = vfio_export(self->dev, BAR, MIB(2), MIB(2), O_RDWR);
	int b = vfio_export(self->dev, BAR, MIB(2), MIB(2), O_RDWR);
	char *p = slice_map(a, MIB(2), RW), *q = slice_map(b, MIB(2), RW);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(2, INFO_OF(self->dev, -1, out_slices));
	fill(p, 0, MIB(2), 5);
	EXPECT_EQ(0, differs(q, 0, MIB(2), 5));
	EXPECT_EQ(0, differs(self->bar + MIB(2), 0, MIB(2), 5));
	ASSERT_EQ(0, vfio_revoke(self->dev, a));
	EXPECT_FALSE(alive(p));
	EXPECT_EQ(0, differs(q, 0, MIB(2), 5));
	EXPECT_EQ(1, INFO_OF(self->dev, -1, out_slices));
}

#define MANY	1000

TEST_F(slice, many)
{
	struct rlimit limit = { MANY + 256, MANY + 256 };
	uint64_t pos;
	int fds[MANY], i;
	char *p;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	fill(self->bar, 0, MANY * PAGE, 6);
	for (i = 0; i < MANY; i++) {
		fds[i] = vfio_export(self->dev, BAR, i * PAGE, PAGE, O_RDWR);
		ASSERT_GE(fds[i], 0) TH_LOG("slice %d", i);
	}
	EXPECT_EQ(MANY, INFO_OF(self->dev, -1, out_slices));
	for (i = 0; i < MANY; i++) {
		pos = i * PAGE;
		p = slice_map(fds[i], PAGE, RW);
		ASSERT_NE(MAP_FAILED, p);
		ASSERT_EQ(0, differs(p, pos, PAGE, 6)) TH_LOG("slice %d", i);
		close(fds[i]);
		/* every third lives by its mapping alone */
		if (i % 3)
			munmap(p, PAGE);
	}
	EXPECT_EQ((MANY + 2) / 3, INFO_OF(self->dev, -1, out_slices));
}

/* As many ranges as there can be, none a neighbour of the next; one more */
TEST_F(slice, most_ranges)
{
	const unsigned int max = VFIO_DMABUF_MAX_RANGES;
	struct vfio_region_dma_range *ranges;
	unsigned int i;
	char *p;
	int fd;

	ranges = calloc(max + 1, sizeof(*ranges));
	ASSERT_NE(NULL, ranges);
	for (i = 0; i <= max; i++) {
		ranges[i].offset = i * 5 % (SIZE / PAGE) * PAGE;
		ranges[i].length = PAGE;
	}
	fill(self->bar, 0, SIZE, 7);
	EXPECT_EQ(-EINVAL, vfio_export_ranges(self->dev, BAR, ranges, max + 1,
					      O_RDWR));
	EXPECT_EQ(0, INFO_OF(self->dev, -1, out_slices));
	fd = vfio_export_ranges(self->dev, BAR, ranges, max, O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(max, INFO_OF(self->dev, fd, out_nr_ranges));
	EXPECT_EQ(max * PAGE, INFO_OF(self->dev, fd, out_size));
	p = slice_map(fd, max * PAGE, PROT_READ);
	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < max; i += i < 64 || i + 64 >= max ? 1 : 509)
		ASSERT_EQ(0, differs(p + i * PAGE, ranges[i].offset, PAGE, 7))
			TH_LOG("range %u", i);
	ASSERT_EQ(0, vfio_revoke(self->dev, fd));
	EXPECT_FALSE(alive(p));
	EXPECT_FALSE(alive(p + (max - 1) * PAGE));
	free(ranges);
}

TEST_F(slice, duplicated_fd)
{
	int fd = vfio_export(self->dev, BAR, 0, MIB(1), O_RDWR), copy;
	char *p = slice_map(fd, MIB(1), RW), *q;

	ASSERT_NE(MAP_FAILED, p);
	copy = dup(fd);
	close(fd);
	q = slice_map(copy, MIB(1), RW);
	ASSERT_NE(MAP_FAILED, q);
	fill(p, 0, MIB(1), 8);
	EXPECT_EQ(0, differs(q, 0, MIB(1), 8));
	EXPECT_EQ(1, INFO_OF(self->dev, -1, out_slices));
	ASSERT_EQ(0, vfio_revoke(self->dev, copy));
	EXPECT_FALSE(alive(p));
	EXPECT_FALSE(alive(q));
	EXPECT_EQ(-EBADFD, vfio_revoke(self->dev, copy));
}

TEST_F(slice, open_flags)
{
	static const uint32_t modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	int fd, cloexec;
	size_t i;

	for (i = 0; i < 2 * ARRAY_SIZE(modes); i++) {
		cloexec = i % 2 ? O_CLOEXEC : 0;
		fd = vfio_export(self->dev, BAR, 0, PAGE,
				 modes[i / 2] | cloexec);
		ASSERT_GE(fd, 0) TH_LOG("%zu", i);
		EXPECT_EQ(cloexec ? FD_CLOEXEC : 0, fcntl(fd, F_GETFD))
			TH_LOG("%zu", i);
		EXPECT_EQ((int)modes[i / 2], fcntl(fd, F_GETFL) & O_ACCMODE)
			TH_LOG("%zu", i);
		close(fd);
	}
}

/* Every way of the device fd there is */
TEST_F(slice, coherent_with_the_device_fd)
{
	int fd = vfio_export(self->dev, BAR, MIB(8), MIB(1), O_RDWR);
	off_t off = region_offset(self->dev, BAR);
	static uint32_t buf[4096 / 4];
	char *p = slice_map(fd, MIB(1), RW);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_GE(off, 0);
	off += MIB(8) + 3 * PAGE;
	fill(p, 0, MIB(1), 9);
	EXPECT_EQ(0, differs(self->bar + MIB(8), 0, MIB(1), 9));
	ASSERT_EQ((ssize_t)PAGE, pread(self->dev->fd, buf, PAGE, off));
	EXPECT_EQ(0, differs(buf, 3 * PAGE, PAGE, 9));
	fill(buf, 0, PAGE, 10);
	ASSERT_EQ((ssize_t)PAGE, pwrite(self->dev->fd, buf, PAGE, off));
	EXPECT_EQ(0, differs(p + 3 * PAGE, 0, PAGE, 10));
	EXPECT_EQ(0, differs(p + 2 * PAGE, 2 * PAGE, PAGE, 9));
	EXPECT_EQ(0, differs(p + 4 * PAGE, 4 * PAGE, PAGE, 9));
}

/* Registers, and a device that is not a display */
FIXTURE(other) {
	struct vfio_env env;
};

FIXTURE_SETUP(other)
{
	(void)self;
}

FIXTURE_TEARDOWN(other)
{
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

TEST_F(other, registers)
{
	char *reg, *bar;
	int fd;

	vfio_env_setup(_metadata, &self->env, VFIO_EDU, VFIO_OURS);
	fd = vfio_export(&self->env.dev, 0, 0, PAGE, O_RDWR);
	reg = slice_map(fd, PAGE, RW);
	ASSERT_NE(MAP_FAILED, reg);
	bar = vfio_bar_map(&self->env.dev, 0, RW);
	ASSERT_NE(MAP_FAILED, bar);
	/* identification, and one that keeps the complement */
	EXPECT_EQ(0xed, get32(reg) & 0xff);
	EXPECT_EQ(get32(bar), get32(reg));
	put32(reg + 4, 0x12345678);
	EXPECT_EQ(0xedcba987, get32(reg + 4));
	EXPECT_EQ(0xedcba987, get32(bar + 4));
}

/* 1 GiB at an address that huge pages fit, and one that they do not */
TEST_F(other, one_gigabyte)
{
	const uint64_t shifts[] = { 0, MIB(2), PAGE };
	uint64_t pos, size = GIB(1);
	char *bar, *p;
	size_t i;
	int fd;

	vfio_env_setup(_metadata, &self->env, VFIO_BIG, VFIO_OURS);
	ASSERT_EQ(size, vfio_bar_size(&self->env.dev, 2));
	fd = vfio_export(&self->env.dev, 2, 0, size, O_RDWR);
	ASSERT_GE(fd, 0);
	bar = vfio_bar_map(&self->env.dev, 2, RW);
	ASSERT_NE(MAP_FAILED, bar);
	for (i = 0; i < ARRAY_SIZE(shifts); i++) {
		p = map_aligned(fd, size - shifts[i], shifts[i], RW, GIB(1));
		ASSERT_NE(MAP_FAILED, p);
		for (pos = shifts[i]; pos < size; pos += MIB(16) + 4)
			put32(p + pos - shifts[i], pattern(pos, i));
		for (pos = shifts[i]; pos < size; pos += MIB(16) + 4)
			ASSERT_EQ(0, differs(bar + pos, pos, 4, i))
				TH_LOG("shift %zu, at %llx", i,
				       (unsigned long long)pos);
		/* the last word */
		put32(p + size - shifts[i] - 4, i + 40);
		EXPECT_EQ(i + 40, get32(bar + size - 4));
		munmap(p, size - shifts[i]);
	}
}

/* The memory's other end: a file of the machine that runs this one */
TEST_F(other, what_the_host_sees)
{
	static const char path[] = "/run/vm/ivshmem";
	static uint32_t buf[4096 / 4];
	uint64_t size = MIB(4), pos;
	int fd, file;
	char *p;

	vfio_env_setup(_metadata, &self->env, VFIO_IVSHMEM, VFIO_OURS);
	fd = vfio_export(&self->env.dev, 2, 0, size, O_RDWR);
	p = slice_map(fd, size, RW);
	ASSERT_NE(MAP_FAILED, p);
	fill(p, 0, size, 11);
	file = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(file, 0);
	for (pos = 0; pos < size; pos += PAGE) {
		ASSERT_EQ((ssize_t)PAGE, pread(file, buf, PAGE, pos));
		ASSERT_EQ(0, differs(buf, pos, PAGE, 11))
			TH_LOG("at %llx", (unsigned long long)pos);
	}
	close(file);

	file = open(path, O_WRONLY | O_CLOEXEC);
	ASSERT_GE(file, 0);
	for (pos = PAGE; pos < size; pos += MIB(1)) {
		fill(buf, pos, PAGE, 12);
		ASSERT_EQ((ssize_t)PAGE, pwrite(file, buf, PAGE, pos));
	}
	ASSERT_EQ(0, close(file));
	for (pos = PAGE; pos < size; pos += MIB(1)) {
		EXPECT_EQ(0, differs(p + pos, pos, PAGE, 12));
		EXPECT_EQ(0, differs(p + pos + PAGE, pos + PAGE, PAGE, 11));
	}
}

TEST_HARNESS_MAIN
