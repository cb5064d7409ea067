// SPDX-License-Identifier: GPL-2.0-only
/* STATUS. */
#include "env_util.h"

#define UNSUBMITTED	SYNCOBJ_STATUS_UNSUBMITTED
#define PENDING		SYNCOBJ_STATUS_PENDING
#define SIGNALED	SYNCOBJ_STATUS_SIGNALED

FIXTURE(status) {
	struct env env;
	int so;
	uint32_t id;
};

FIXTURE_SETUP(status)
{
	env_setup(_metadata, &self->env);
	self->so = so_create(self->env.dev, 0);
	ASSERT_GE(self->so, 0);
}

FIXTURE_TEARDOWN(status)
{
	env_teardown(_metadata, &self->env);
}

static int at(FIXTURE_DATA(status) *self, uint64_t point)
{
	return so_status1(self->env.dev, self->so, point);
}

TEST_F(status, values)
{
	EXPECT_EQ(0, UNSUBMITTED);
	EXPECT_EQ(1, PENDING);
	EXPECT_EQ(2, SIGNALED);
}

TEST_F(status, life_of_a_point)
{
	EXPECT_EQ(UNSUBMITTED, at(self, 0));
	EXPECT_EQ(UNSUBMITTED, at(self, 2));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(SIGNALED, at(self, 0));
	EXPECT_EQ(SIGNALED, at(self, 1));
	EXPECT_EQ(UNSUBMITTED, at(self, 2));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 2, 0,
			    &self->id));
	EXPECT_EQ(SIGNALED, at(self, 1));
	EXPECT_EQ(PENDING, at(self, 2));
	EXPECT_EQ(PENDING, at(self, 0));
	EXPECT_EQ(UNSUBMITTED, at(self, 3));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(SIGNALED, at(self, 2));
	ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
	EXPECT_EQ(UNSUBMITTED, at(self, 0));
	EXPECT_EQ(UNSUBMITTED, at(self, 1));
}

TEST_F(status, binary)
{
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 0, 0,
			    &self->id));
	EXPECT_EQ(PENDING, at(self, 0));
	EXPECT_EQ(UNSUBMITTED, at(self, 1));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(SIGNALED, at(self, 0));
}

/* Each errno that a driver may use, binary and at a point */
TEST_F(status, errors)
{
	static const int errors[] = {
		-EIO, -ECANCELED, -ENODEV, -ETIME, -EPERM, -4095,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 0, 0,
				    &self->id));
		EXPECT_EQ(PENDING, at(self, 0));
		ASSERT_EQ(0, tf_signal_how(self->env.tf, self->id, errors[i],
					   TEST_FENCE_IRQ, 0));
		EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 0, in_ms(5000),
				      0));
		EXPECT_EQ(errors[i], at(self, 0));

		ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 5, 0,
				    &self->id));
		ASSERT_EQ(0, tf_signal_how(self->env.tf, self->id, errors[i],
					   TEST_FENCE_DIRECT, 0));
		EXPECT_EQ(errors[i], at(self, 5));
		EXPECT_EQ(errors[i], at(self, 4));
		EXPECT_EQ(errors[i], at(self, 0));
	}
}

/* The error is that of the point's own fence, not of its neighbours. */
TEST_F(status, error_of_its_own_fence)
{
	uint32_t id[4];
	int i;

	for (i = 1; i <= 3; i++)
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, i, 0,
				    &id[i]));
	ASSERT_EQ(0, tf_signal_how(self->env.tf, id[2], -EIO,
				   TEST_FENCE_DIRECT, 0));
	/* The fence has failed, but the point waits for the one before. */
	EXPECT_EQ(PENDING, at(self, 1));
	EXPECT_EQ(PENDING, at(self, 3));
	ASSERT_EQ(0, tf_signal(self->env.tf, id[1]));
	EXPECT_EQ(PENDING, at(self, 3));
	ASSERT_EQ(0, tf_signal(self->env.tf, id[3]));
	EXPECT_EQ(SIGNALED, at(self, 3));
}

/* Of a fence that had failed before it came, on every way that it may come */
TEST_F(status, error_survives_import_and_transfer)
{
	int other = so_create(self->env.dev, 0);
	int fd = tf_create(self->env.tf, 0, &self->id);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, tf_signal_how(self->env.tf, self->id, -EIO,
				   TEST_FENCE_DIRECT, 0));
	ASSERT_EQ(0, so_import(self->env.dev, self->so, fd, 3));
	EXPECT_EQ(-EIO, at(self, 3));
	ASSERT_EQ(0, so_import(self->env.dev, other, fd, 0));
	EXPECT_EQ(-EIO, so_status1(self->env.dev, other, 0));
	ASSERT_EQ(0, so_transfer(self->env.dev, other, 0, self->so, 5, 0));
	EXPECT_EQ(-EIO, at(self, 5));
	ASSERT_EQ(0, so_transfer(self->env.dev, other, 0, self->so, 0, 0));
	EXPECT_EQ(-EIO, at(self, 0));
}

/* The same of a timeline's point, which is a chain of fences */
TEST_F(status, error_survives_from_a_timeline)
{
	int other = so_create(self->env.dev, 0), fd;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, other, 3, 0,
			    &self->id));
	ASSERT_EQ(0, tf_signal_how(self->env.tf, self->id, -EIO,
				   TEST_FENCE_DIRECT, 0));
	EXPECT_EQ(-EIO, so_status1(self->env.dev, other, 3));
	ASSERT_EQ(0, so_transfer(self->env.dev, other, 3, self->so, 1, 0));
	EXPECT_EQ(-EIO, at(self, 1));
	fd = so_export(self->env.dev, other, 3);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, so_import(self->env.dev, self->so, fd, 2));
	EXPECT_EQ(-EIO, at(self, 2));
}

/* In step with what the exported sync_file says */
TEST_F(status, as_the_sync_file_says)
{
	int fd;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 7, 0,
			    &self->id));
	fd = so_export(self->env.dev, self->so, 7);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, sync_file_status(fd));
	ASSERT_EQ(0, tf_signal_how(self->env.tf, self->id, -ENODEV,
				   TEST_FENCE_DIRECT, 0));
	EXPECT_EQ(-ENODEV, at(self, 7));
}

/* A lax fence that has signalled counts as such. */
TEST_F(status, lax_fence)
{
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1,
			    TEST_FENCE_QUIET, &self->id));
	EXPECT_EQ(PENDING, at(self, 1));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(SIGNALED, at(self, 1));
}

TEST_F(status, several)
{
	int fds[20], got[20], i;
	uint64_t points[20];
	uint32_t id;

	for (i = 0; i < 20; i++) {
		fds[i] = so_create(self->env.dev, 0);
		points[i] = 1;
		got[i] = 77;
		if (i % 3 == 1) {
			ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev,
					    fds[i], 1, 0, &id));
		} else if (i % 3 == 2) {
			ASSERT_EQ(0, so_signal1(self->env.dev, fds[i], 1));
		}
	}
	ASSERT_EQ(0, so_status(self->env.dev, fds, points, got, 20));
	for (i = 0; i < 20; i++)
		EXPECT_EQ(i % 3, got[i]);
	/* points 0: point 0 of all */
	memset(got, 0x55, sizeof(got));
	ASSERT_EQ(0, so_status(self->env.dev, fds, NULL, got, 19));
	for (i = 0; i < 19; i++)
		EXPECT_EQ(i % 3, got[i]);
	EXPECT_EQ(0x55555555, got[19]);
}

/* Only looks: no wait is woken and no deadline set. */
TEST_F(status, looks_only)
{
	struct test_fence_info info;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0,
			    &self->id));
	EXPECT_EQ(PENDING, at(self, 1));
	ASSERT_EQ(0, tf_info(self->env.tf, self->id, &info));
	EXPECT_EQ(0, info.state);
}

TEST_HARNESS_MAIN
