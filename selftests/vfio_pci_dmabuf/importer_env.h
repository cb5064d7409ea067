/* SPDX-License-Identifier: GPL-2.0-only */
/* A slice of VFIO_MEMORY, and QEMU's edu as an importer that has not attached yet. */
#ifndef _IMPORTER_ENV_H
#define _IMPORTER_ENV_H

#include "vfio_env.h"

#include "edu_util.h"
#include "param_util.h"
#include "slice_util.h"

#define SIZE	MIB(4)
#define BAR	2

struct importer_env {
	struct vfio_env env;
	char edu_bdf[16];
	int edu;
	int buf;	/* SIZE bytes */
	uint32_t kernel;	/* TEST_EDU_HAS_* */
};

static inline void importer_env_setup(struct __test_metadata *_metadata,
				      struct importer_env *i)
{
	struct test_edu_stats_args stats;

	vfio_env_setup(_metadata, &i->env, VFIO_MEMORY, VFIO_OURS);
	ASSERT_EQ(0, vfio_memory_enable(&i->env.dev, true));
	ASSERT_EQ(0, edu_start(i->edu_bdf)) TH_LOG("no edu");
	i->buf = vfio_export(&i->env.dev, BAR, SIZE, SIZE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(i->buf, 0);
	i->edu = edu_open();
	ASSERT_GE(i->edu, 0);
	ASSERT_EQ(0, edu_stats(i->edu, &stats));
	i->kernel = stats.out_features;
	ASSERT_TRUE(i->kernel & TEST_EDU_HAS_IOMMU);
}

static inline void importer_env_teardown(struct __test_metadata *_metadata,
					 struct importer_env *i)
{
	/* What is mapped by one can keep the device from being closed. */
	EXPECT_EQ(0, edu_stop(i->edu_bdf));
	EXPECT_EQ(0, param_set(VFIO_OURS, "p2p", "safe"));
	EXPECT_EQ(0, param_set(VFIO_OURS, "importer_wait_ms", "1000"));
	unmap_all();
	vfio_env_teardown(_metadata, &i->env);
}

static inline uint64_t importers(const struct vfio_dev *dev, int buf)
{
	return INFO_OF(dev, buf, out_importers);
}

FIXTURE(importer) {
	struct importer_env i;
};

FIXTURE_SETUP(importer)
{
	importer_env_setup(_metadata, &self->i);
}

FIXTURE_TEARDOWN(importer)
{
	importer_env_teardown(_metadata, &self->i);
}

#endif /* _IMPORTER_ENV_H */
