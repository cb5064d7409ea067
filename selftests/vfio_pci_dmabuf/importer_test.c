// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that import slices: who may, and what they get. That it is taken from
 * them is importer_zap_test's matter, what arrives by DMA edu_test's.
 */
#include "importer_env.h"

#include "pte_util.h"

/*
 * Nobody who cannot be told, and nobody who cannot take what has no memory
 * behind it. One who can and does comes through, so it is not for another
 * reason that the others do not.
 */
TEST_F(importer, refused)
{
	struct vfio_dev *dev = &self->i.env.dev;
	int edu = self->i.edu, buf = self->i.buf;

	EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, TEST_EDU_NO_P2P));
	EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, TEST_EDU_STATIC));
	if (self->i.kernel & TEST_EDU_HAS_NO_CALLBACK) {
		EXPECT_EQ(-EOPNOTSUPP,
			  edu_attach(edu, buf, TEST_EDU_NO_CALLBACK));
	} else {
		EXPECT_EQ(-EOPNOTSUPP,
			  edu_attach(edu, buf, TEST_EDU_PINNED));
		EXPECT_EQ(-EOPNOTSUPP,
			  edu_attach(edu, buf,
				     TEST_EDU_PINNED | TEST_EDU_LAZY));
	}
	EXPECT_EQ(0, importers(dev, buf));

	EXPECT_EQ(0, edu_attach(edu, buf, 0));
	EXPECT_EQ(0, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(0, edu_release(edu));
}

/* The parameter that decides */
TEST_F(importer, forbidden)
{
	struct vfio_dev *dev = &self->i.env.dev;
	int edu = self->i.edu, buf = self->i.buf;
	char value[16];

	ASSERT_EQ(0, param_get(VFIO_OURS, "p2p", value, sizeof(value)));
	EXPECT_STREQ("safe", value);
	EXPECT_EQ(-EINVAL, param_set(VFIO_OURS, "p2p", "sometimes"));
	EXPECT_FALSE(INFO_OF(dev, -1, out_features) &
		     VFIO_DMABUF_FEATURE_BIT_P2P_FORCED);

	ASSERT_EQ(0, param_set(VFIO_OURS, "p2p", "off"));
	EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, 0));
	EXPECT_FALSE(INFO_OF(dev, -1, out_features) &
		     VFIO_DMABUF_FEATURE_BIT_P2P_FORCED);

	/* Kernels that map for importers themselves cannot be forced to. */
	ASSERT_EQ(0, param_set(VFIO_OURS, "p2p", "force"));
	EXPECT_EQ(!kernel_at_least(6, 19),
		  !!(INFO_OF(dev, -1, out_features) &
		     VFIO_DMABUF_FEATURE_BIT_P2P_FORCED));
	EXPECT_EQ(0, edu_import(edu, buf, 0));
	EXPECT_EQ(0, edu_release(edu));
	/* Even so not those who cannot be told. */
	EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, TEST_EDU_NO_P2P));
	EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, TEST_EDU_STATIC));

	ASSERT_EQ(0, param_set(VFIO_OURS, "p2p", "safe"));
	EXPECT_EQ(0, edu_import(edu, buf, 0));
	EXPECT_EQ(0, edu_release(edu));
}

/*
 * A device that nothing keeps from reaching anything. Without the kernel's
 * help nobody knows what lies between it and the slice.
 */
TEST_F(importer, without_iommu)
{
	struct vfio_dev *dev = &self->i.env.dev;
	int pte, edu = self->i.edu, buf = self->i.buf;
	struct test_edu_stats_args stats;
	struct test_pte_args args;
	uint32_t value;
	char *p;

	EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, TEST_EDU_BARE));
	ASSERT_EQ(0, param_set(VFIO_OURS, "p2p", "force"));
	/* The kernel does not let itself be forced any more. */
	if (kernel_at_least(6, 19)) {
		EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, TEST_EDU_BARE));
		return;
	}
	ASSERT_EQ(0, edu_import(edu, buf, TEST_EDU_BARE));
	ASSERT_EQ(0, edu_stats(edu, &stats));
	EXPECT_EQ(SIZE, stats.out_len);
	pte = pte_open();
	ASSERT_GE(pte, 0);
	p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, buf, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(try_read32(p, &value));
	ASSERT_EQ(0, pte_read(pte, p, &args));
	EXPECT_EQ(args.out_pfn * PAGE, stats.out_entries[0].addr);
	ASSERT_EQ(0, vfio_revoke(dev, buf));
	EXPECT_EQ(1, edu_forced(edu));
	EXPECT_EQ(0, edu_detach(edu));
}

/* A table has all of the slice, and INFO knows of it. */
TEST_F(importer, map)
{
	const struct vfio_region_dma_range ranges[] = {
		{ 8 * PAGE, 2 * PAGE }, { 0, PAGE }, { 64 * PAGE, 5 * PAGE },
		{ 69 * PAGE, PAGE }, { 2 * PAGE, PAGE },
	};
	struct vfio_dev *dev = &self->i.env.dev;
	struct test_edu_stats_args stats;
	struct vfio_dmabuf_info info;
	int many, edu = self->i.edu;
	uint64_t len = 0;
	unsigned int i;

	ASSERT_EQ(0, edu_import(edu, self->i.buf, 0));
	ASSERT_EQ(0, vfio_info(dev, self->i.buf, &info));
	EXPECT_EQ(1, info.out_importers);
	EXPECT_EQ(1, info.out_mapped);
	ASSERT_EQ(0, edu_stats(edu, &stats));
	EXPECT_EQ(1, stats.out_mapped);
	EXPECT_EQ(SIZE, stats.out_len);
	EXPECT_EQ(1, stats.out_nents);
	/* what edu can reach */
	EXPECT_LE(stats.out_entries[0].addr + SIZE, 1UL << 28);
	EXPECT_EQ(0, stats.out_entries[0].addr % PAGE);
	EXPECT_EQ(0, edu_release(edu));
	ASSERT_EQ(0, vfio_info(dev, self->i.buf, &info));
	EXPECT_EQ(0, info.out_importers);
	EXPECT_EQ(0, info.out_mapped);

	many = vfio_export_ranges(dev, BAR, ranges, 5, O_RDWR);
	ASSERT_GE(many, 0);
	EXPECT_EQ(4, INFO_OF(dev, many, out_nr_ranges));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, edu_attach(edu, many, 0));
		ASSERT_EQ(0, edu_map(edu, i));
		ASSERT_EQ(0, edu_stats(edu, &stats));
		EXPECT_EQ(10 * PAGE, stats.out_len);
		EXPECT_LE(stats.out_nents, 4);
		EXPECT_EQ(1, importers(dev, many));
		EXPECT_EQ(0, importers(dev, self->i.buf));
		EXPECT_EQ(0, edu_release(edu));
	}
	for (i = 0; i < stats.out_nents; i++) {
		EXPECT_NE(0, stats.out_entries[i].addr);
		len += stats.out_entries[i].len;
	}
	EXPECT_EQ(10 * PAGE, len);
	EXPECT_EQ(0, importers(dev, many));
}

/* Several, of which each has a table of its own */
TEST_F(importer, several)
{
	struct vfio_dev *dev = &self->i.env.dev;
	struct test_edu_stats_args stats[3];
	int i, edu[3];

	for (i = 0; i < 3; i++) {
		edu[i] = i ? edu_open() : self->i.edu;
		ASSERT_EQ(0, edu_import(edu[i], self->i.buf, 0));
		ASSERT_EQ(0, edu_stats(edu[i], &stats[i]));
		EXPECT_EQ(i + 1, importers(dev, self->i.buf));
		EXPECT_EQ(1, INFO_OF(dev, -1, out_mapped));
	}
	EXPECT_NE(stats[0].out_entries[0].addr, stats[1].out_entries[0].addr);
	EXPECT_NE(stats[1].out_entries[0].addr, stats[2].out_entries[0].addr);
	EXPECT_EQ(0, edu_release(edu[1]));
	EXPECT_EQ(2, importers(dev, self->i.buf));
	ASSERT_EQ(0, vfio_revoke(dev, self->i.buf));
	EXPECT_EQ(0, importers(dev, self->i.buf));
	EXPECT_EQ(1, edu_forced(edu[0]));
	EXPECT_EQ(0, edu_forced(edu[1]));
	EXPECT_EQ(1, edu_forced(edu[2]));
	EXPECT_EQ(0, edu_detach(edu[0]));
	EXPECT_EQ(0, edu_detach(edu[2]));
}

/* What nobody may write to, or read, no device may either. */
TEST_F(importer, read_only)
{
	struct vfio_dev *dev = &self->i.env.dev;
	int buf = vfio_export(dev, BAR, 0, SIZE, O_RDONLY);
	int edu = self->i.edu, wo;

	ASSERT_GE(buf, 0);
	ASSERT_EQ(0, edu_attach(edu, buf, 0));
	EXPECT_EQ(-EACCES, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(-EACCES, edu_map(edu, EDU_WRITES));
	EXPECT_EQ(0, importers(dev, buf));
	EXPECT_EQ(0, edu_map(edu, EDU_READS));
	EXPECT_EQ(1, importers(dev, buf));
	EXPECT_EQ(0, edu_unmap(edu));
	EXPECT_EQ(0, edu_detach(edu));
	close(buf);

	wo = vfio_export(dev, BAR, 0, SIZE, O_WRONLY);
	ASSERT_GE(wo, 0);
	ASSERT_EQ(0, edu_attach(edu, wo, 0));
	EXPECT_EQ(-EACCES, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(-EACCES, edu_map(edu, EDU_READS));
	EXPECT_EQ(0, edu_map(edu, EDU_WRITES));
	EXPECT_EQ(0, edu_unmap(edu));
	EXPECT_EQ(0, edu_detach(edu));
	close(wo);
}

/* An importer's reference is as good as an fd, but not as the device's. */
TEST_F(importer, keeps_the_slice)
{
	struct vfio_dev *dev = &self->i.env.dev;
	int edu = self->i.edu;

	ASSERT_EQ(0, edu_import(edu, self->i.buf, 0));
	close(self->i.buf);
	EXPECT_EQ(1, INFO_OF(dev, -1, out_slices));
	EXPECT_EQ(1, INFO_OF(dev, -1, out_mapped));
	EXPECT_EQ(1, edu_mapped(edu));
	ASSERT_EQ(0, vfio_memory_enable(dev, false));
	EXPECT_EQ(1, edu_forced(edu));
	EXPECT_EQ(-ENODEV, edu_map(edu, EDU_BOTH));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(0, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(0, edu_release(edu));
	EXPECT_EQ(0, INFO_OF(dev, -1, out_slices));

	self->i.buf = vfio_export(dev, BAR, 0, SIZE, O_RDWR);
	ASSERT_GE(self->i.buf, 0);
	ASSERT_EQ(0, edu_import(edu, self->i.buf, 0));
	close(self->i.buf);
	close(dev->fd);
	dev->fd = -1;
	EXPECT_EQ(1, edu_forced(edu));
	EXPECT_EQ(-ENODEV, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(0, edu_detach(edu));
}

TEST_HARNESS_MAIN
