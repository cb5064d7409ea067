// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that import slices: they have let go of it when it is said that they
 * have, and can have it again if it was not revoked. All of them let go at once;
 * for those that do not see importer_wait_test.
 */
#include <pthread.h>

#include "importer_env.h"

#include "syncobj_util.h"

/* Since @before */
static bool told_by(int edu, int64_t before)
{
	return edu_told(edu) > before;
}

TEST_F(importer, memory_off)
{
	struct vfio_dev *dev = &self->i.env.dev;
	int late, edu = self->i.edu;
	int64_t told;

	ASSERT_EQ(0, edu_import(edu, self->i.buf, 0));
	told = edu_told(edu);
	ASSERT_EQ(0, vfio_memory_enable(dev, false));
	EXPECT_TRUE(told_by(edu, told));
	EXPECT_EQ(1, edu_forced(edu));
	EXPECT_EQ(0, edu_mapped(edu));
	EXPECT_EQ(0, importers(dev, self->i.buf));
	EXPECT_EQ(-ENODEV, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(0, importers(dev, self->i.buf));
	/* to attach is fine */
	late = edu_open();
	EXPECT_EQ(0, edu_attach(late, self->i.buf, 0));
	EXPECT_EQ(-ENODEV, edu_map(late, EDU_BOTH));

	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(0, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(0, edu_map(late, EDU_BOTH));
	EXPECT_EQ(2, importers(dev, self->i.buf));
	EXPECT_EQ(0, edu_release(edu));
	EXPECT_EQ(0, edu_release(late));
	EXPECT_EQ(0, INFO_OF(dev, -1, out_late));
}

TEST_F(importer, reset)
{
	struct vfio_dev *dev = &self->i.env.dev;
	int i, edu = self->i.edu;
	int64_t told;

	ASSERT_EQ(0, edu_import(edu, self->i.buf, 0));
	for (i = 0; i < 4; i++) {
		told = edu_told(edu);
		ASSERT_EQ(0, i % 2 ? vfio_sysfs_poke(dev->bdf, "reset") :
				     vfio_reset(dev));
		EXPECT_TRUE(told_by(edu, told));
		EXPECT_EQ(i + 1, edu_forced(edu));
		EXPECT_EQ(0, edu_mapped(edu));
		EXPECT_EQ(0, importers(dev, self->i.buf));
		ASSERT_EQ(0, vfio_memory_enable(dev, true));
		ASSERT_EQ(0, edu_map(edu, EDU_BOTH));
	}
	EXPECT_EQ(0, edu_release(edu));
	EXPECT_EQ(0, INFO_OF(dev, -1, out_late));
}

/* For good, and of this slice only */
TEST_F(importer, revoke)
{
	struct vfio_dev *dev = &self->i.env.dev;
	int other, second, edu = self->i.edu;
	int64_t told;

	second = vfio_export(dev, BAR, SIZE, SIZE, O_RDWR);
	ASSERT_GE(second, 0);
	other = edu_open();
	ASSERT_EQ(0, edu_import(edu, self->i.buf, 0));
	ASSERT_EQ(0, edu_import(other, second, 0));
	told = edu_told(other);
	EXPECT_EQ(2, INFO_OF(dev, -1, out_mapped));

	ASSERT_EQ(0, vfio_revoke(dev, self->i.buf));
	EXPECT_EQ(1, edu_forced(edu));
	EXPECT_EQ(0, edu_mapped(edu));
	EXPECT_EQ(told, edu_told(other));
	EXPECT_EQ(1, edu_mapped(other));
	EXPECT_EQ(1, importers(dev, second));
	EXPECT_EQ(1, INFO_OF(dev, -1, out_mapped));
	EXPECT_EQ(-ENODEV, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(0, edu_detach(edu));
	EXPECT_EQ(-ENODEV, edu_attach(edu, self->i.buf, 0));

	/* The range is free for somebody else. */
	EXPECT_EQ(0, edu_import(edu, second, 0));
	EXPECT_EQ(0, edu_release(edu));
	EXPECT_EQ(0, edu_release(other));
}

/* One who is attached without being mapped is not waited for. */
TEST_F(importer, revoke_attached)
{
	int lazy = edu_open();

	ASSERT_EQ(0, edu_attach(self->i.edu, self->i.buf, 0));
	ASSERT_EQ(0, edu_attach(lazy, self->i.buf, TEST_EDU_LAZY));
	ASSERT_EQ(0, edu_map(lazy, EDU_BOTH));
	ASSERT_EQ(0, edu_unmap(lazy));
	ASSERT_EQ(0, vfio_revoke(&self->i.env.dev, self->i.buf));
	EXPECT_EQ(-ENODEV, edu_map(self->i.edu, EDU_BOTH));
	EXPECT_EQ(-ENODEV, edu_map(lazy, EDU_BOTH));
	EXPECT_EQ(0, edu_detach(self->i.edu));
	EXPECT_EQ(0, edu_detach(lazy));
}

/* What is pinned stays revocable. */
TEST_F(importer, pin)
{
	struct vfio_dev *dev = &self->i.env.dev;
	int edu = self->i.edu;

	ASSERT_EQ(0, edu_attach(edu, self->i.buf, 0));
	/* The core's own pins are not the importer's. */
	ASSERT_EQ(0, edu_map(edu, EDU_BOTH));
	if (!kernel_at_least(6, 16))
		EXPECT_EQ(-EOPNOTSUPP, edu_pin(edu));
	ASSERT_EQ(0, edu_unmap(edu));
	ASSERT_EQ(0, edu_pin(edu));
	if (!kernel_at_least(6, 16)) {
		/* Before that a pin meant to stay, whatever happens. */
		EXPECT_EQ(-EOPNOTSUPP, edu_map(edu, EDU_BOTH));
		EXPECT_EQ(0, importers(dev, self->i.buf));
		EXPECT_EQ(0, edu_unpin(edu));
		EXPECT_EQ(0, edu_map(edu, EDU_BOTH));
		EXPECT_EQ(0, edu_unmap(edu));
		EXPECT_EQ(0, edu_detach(edu));
		return;
	}
	ASSERT_EQ(0, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(1, importers(dev, self->i.buf));
	ASSERT_EQ(0, vfio_reset(dev));
	EXPECT_EQ(1, edu_forced(edu));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	ASSERT_EQ(0, edu_map(edu, EDU_BOTH));
	ASSERT_EQ(0, vfio_revoke(dev, self->i.buf));
	EXPECT_EQ(2, edu_forced(edu));
	EXPECT_EQ(0, importers(dev, self->i.buf));
	EXPECT_EQ(0, edu_unpin(edu));
	EXPECT_EQ(0, edu_detach(edu));
}

struct mapper {
	pthread_t thread;
	int edu;
	int buf;
	bool *stop;
	unsigned long mapped;
	unsigned long off;
	int bad;
};

static void *mapper_run(void *arg)
{
	struct mapper *m = arg;
	int ret;

	while (!m->bad && !__atomic_load_n(m->stop, __ATOMIC_RELAXED)) {
		ret = edu_map(m->edu, EDU_BOTH);
		m->mapped += !ret;
		m->off += ret == -ENODEV;
		if (ret && ret != -ENODEV && ret != -EBUSY)
			m->bad = ret;
		/* half of the times it is left to the callback */
		if (!ret && m->mapped % 2) {
			ret = edu_unmap(m->edu);
			if (ret && ret != -EINVAL)
				m->bad = ret;
		}
	}
	return NULL;
}

/* Mapping and taking away at the same time, for a while */
TEST_F(importer, race)
{
	struct vfio_dev *dev = &self->i.env.dev;
	int64_t end = in_ms(5000);
	struct mapper mappers[3];
	unsigned long turns = 0;
	bool stop = false;
	int i;

	for (i = 0; i < 3; i++) {
		mappers[i] = (struct mapper) {
			.edu = i ? edu_open() : self->i.edu, .stop = &stop,
		};
		ASSERT_EQ(0, edu_attach(mappers[i].edu, self->i.buf, 0));
		ASSERT_EQ(0, pthread_create(&mappers[i].thread, NULL,
					    mapper_run, &mappers[i]));
	}
	do {
		EXPECT_EQ(0, vfio_memory_enable(dev, false));
		EXPECT_EQ(0, importers(dev, self->i.buf));
		EXPECT_EQ(0, vfio_memory_enable(dev, true));
		sleep_ms(1);
		if (!(++turns % 16))
			EXPECT_EQ(0, vfio_reset(dev));
	} while (now_ns() < end);
	EXPECT_EQ(0, vfio_memory_enable(dev, true));
	sleep_ms(50);
	ASSERT_EQ(0, vfio_revoke(dev, self->i.buf));
	EXPECT_EQ(0, importers(dev, self->i.buf));
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++) {
		pthread_join(mappers[i].thread, NULL);
		EXPECT_EQ(0, mappers[i].bad);
		EXPECT_GT(mappers[i].mapped, 10);
		EXPECT_GT(mappers[i].off, 0);
		EXPECT_EQ(0, edu_mapped(mappers[i].edu));
		EXPECT_EQ(0, edu_detach(mappers[i].edu));
	}
	EXPECT_EQ(0, INFO_OF(dev, -1, out_late));
}

TEST_HARNESS_MAIN
