// SPDX-License-Identifier: GPL-2.0-only
/* Points: SIGNAL, QUERY, RESET, order, and what a point stands for. */
#include "env_util.h"

FIXTURE(timeline) {
	struct env env;
	int so;
	uint32_t id[8];
};

FIXTURE_SETUP(timeline)
{
	env_setup(_metadata, &self->env);
	self->so = so_create(self->env.dev, 0);
	ASSERT_GE(self->so, 0);
}

FIXTURE_TEARDOWN(timeline)
{
	env_teardown(_metadata, &self->env);
}

/* Points 1 to n of real fences, ids in self->id[1..] */
static void submit(struct __test_metadata *_metadata,
		   FIXTURE_DATA(timeline) *self, int n)
{
	int i;

	for (i = 1; i <= n; i++)
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, i, 0,
				    &self->id[i]));
}

TEST_F(timeline, query_follows_the_fences)
{
	submit(_metadata, self, 5);
	EXPECT_EQ(0, so_query1(self->env.dev, self->so));
	EXPECT_EQ(5, so_last1(self->env.dev, self->so));

	/* A later one that signals first counts for nothing. */
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id[2]));
	EXPECT_EQ(0, so_query1(self->env.dev, self->so));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id[1]));
	EXPECT_EQ(2, so_query1(self->env.dev, self->so));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id[3]));
	EXPECT_EQ(3, so_query1(self->env.dev, self->so));
	EXPECT_EQ(5, so_last1(self->env.dev, self->so));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id[5]));
	EXPECT_EQ(3, so_query1(self->env.dev, self->so));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id[4]));
	EXPECT_EQ(5, so_query1(self->env.dev, self->so));
}

/* Each point is met when all up to it have signalled, not before. */
TEST_F(timeline, wait_follows_the_fences)
{
	int i, j;

	submit(_metadata, self, 4);
	for (i = 0; i <= 4; i++) {
		if (i)
			ASSERT_EQ(0, tf_signal(self->env.tf, self->id[i]));
		for (j = 1; j <= 5; j++) {
			int want = j <= i ? 0 : j == 5 ? -EINVAL : -ETIME;

			EXPECT_EQ(want, so_wait1(self->env.dev, self->so, j, 0,
						 0))
				TH_LOG("signalled %d point %d", i, j);
		}
	}
}

TEST_F(timeline, missing_point_means_the_next)
{
	uint32_t id;

	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 3));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 5, 0, &id));
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->so, 4, 0, 0));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 4, 0, SO_AVAIL));
	EXPECT_EQ(SYNCOBJ_STATUS_PENDING, so_status1(self->env.dev, self->so, 4));
	ASSERT_EQ(0, tf_signal(self->env.tf, id));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 4, 0, 0));
	EXPECT_EQ(-EINVAL, so_wait1(self->env.dev, self->so, 6, 0, 0));
}

/* A signalled point that was folded away is there, and signalled. */
TEST_F(timeline, collapsed_points)
{
	uint32_t id;
	int i, fd;

	for (i = 1; i <= 10; i++)
		ASSERT_EQ(0, so_signal1(self->env.dev, self->so, i));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 11, 0, &id));
	for (i = 1; i <= 10; i++) {
		EXPECT_EQ(0, so_wait1(self->env.dev, self->so, i, 0, 0));
		EXPECT_EQ(0, so_wait1(self->env.dev, self->so, i, 0, SO_AVAIL));
		EXPECT_EQ(SYNCOBJ_STATUS_SIGNALED,
			  so_status1(self->env.dev, self->so, i));
		fd = so_export(self->env.dev, self->so, i);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(1, sync_file_status(fd));
		close(fd);
	}
	EXPECT_EQ(10, so_query1(self->env.dev, self->so));
}

TEST_F(timeline, all_64_bits)
{
	static const uint64_t points[] = {
		0xffffffff, 0x100000000, 0x100000001, 1ULL << 63,
		(1ULL << 63) + 1, ~0ULL - 1, ~0ULL,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(points); i++) {
		EXPECT_EQ(-EINVAL, so_wait1(self->env.dev, self->so, points[i],
					    0, 0)) {
			TH_LOG("%#llx", (unsigned long long)points[i]);
		}
		ASSERT_EQ(0, so_signal1(self->env.dev, self->so, points[i]));
		EXPECT_EQ(points[i], so_query1(self->env.dev, self->so));
		EXPECT_EQ(points[i], so_last1(self->env.dev, self->so));
		EXPECT_EQ(0, so_wait1(self->env.dev, self->so, points[i], 0, 0));
	}
}

/* SIGNAL does not overtake: what it adds signals after what is there. */
TEST_F(timeline, signal_behind_a_pending_fence)
{
	uint64_t zero = 0;
	uint32_t id;
	int how;

	for (how = 0; how < 3; how++) {
		ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so,
				    how == 2 ? 0 : 4, 0, &id));
		if (how == 0) {
			ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 5));
		} else {
			ASSERT_EQ(0, so_signal(self->env.dev, &self->so,
					       how == 1 ? NULL : &zero, 1));
		}
		EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->so, 0, 0, 0))
			TH_LOG("how %d", how);
		ASSERT_EQ(0, tf_signal(self->env.tf, id));
		EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 0, 0, 0));
	}
}

/* points NULL and point 0 add a chain node: the timeline stays one. */
TEST_F(timeline, signal_point_zero_keeps_the_timeline)
{
	uint64_t zero = 0;

	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 7));
	ASSERT_EQ(0, so_signal(self->env.dev, &self->so, NULL, 1));
	EXPECT_EQ(7, so_last1(self->env.dev, self->so));
	ASSERT_EQ(0, so_signal(self->env.dev, &self->so, &zero, 1));
	EXPECT_EQ(7, so_last1(self->env.dev, self->so));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 7, 0, 0));
}

TEST_F(timeline, signal_null_on_an_empty_one)
{
	ASSERT_EQ(0, so_signal(self->env.dev, &self->so, NULL, 1));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 0, 0, 0));
	EXPECT_EQ(0, so_query1(self->env.dev, self->so));
	EXPECT_EQ(-EINVAL, so_wait1(self->env.dev, self->so, 1, 0, 0));
}

/* The idiom of the header for a plain binary signal */
TEST_F(timeline, binary_signal_idiom)
{
	int done = so_create(self->env.dev, SYNCOBJ_CREATE_SIGNALED);
	uint32_t id;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 0, 0, &id));
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->so, 0, 0, 0));
	ASSERT_EQ(0, so_transfer(self->env.dev, done, 0, self->so, 0, 0));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 0, 0, 0));
	EXPECT_EQ(0, so_query1(self->env.dev, self->so));
}

/* Points that do not grow. drm_diff_test compares this with DRM. */
TEST_F(timeline, out_of_order)
{
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 10));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 5));
	EXPECT_EQ(10, so_last1(self->env.dev, self->so));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 10, 0, 0));
	EXPECT_EQ(-EINVAL, so_wait1(self->env.dev, self->so, 11, 0, 0));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 12));
	EXPECT_EQ(12, so_query1(self->env.dev, self->so));
}

TEST_F(timeline, reset_takes_everything)
{
	int so[3] = {
		self->so, so_create(self->env.dev, SYNCOBJ_CREATE_SIGNALED),
		so_create(self->env.dev, 0),
	};
	int i;

	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 10));
	ASSERT_EQ(0, so_reset(self->env.dev, so, 3));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-EINVAL, so_wait1(self->env.dev, so[i], 0, 0, 0));
		EXPECT_EQ(0, so_query1(self->env.dev, so[i]));
		EXPECT_EQ(0, so_last1(self->env.dev, so[i]));
	}
	/* and the line begins anew */
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 2));
	EXPECT_EQ(2, so_query1(self->env.dev, self->so));
}

TEST_F(timeline, query_of_binary_is_zero)
{
	uint32_t id;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 0, 0, &id));
	EXPECT_EQ(0, so_query1(self->env.dev, self->so));
	EXPECT_EQ(0, so_last1(self->env.dev, self->so));
	ASSERT_EQ(0, tf_signal(self->env.tf, id));
	EXPECT_EQ(0, so_query1(self->env.dev, self->so));
}

TEST_F(timeline, several_at_once)
{
	int so[12], i;
	uint64_t points[12], got[12];

	for (i = 0; i < 12; i++) {
		so[i] = so_create(self->env.dev, 0);
		points[i] = 100 + i;
		got[i] = ~0ULL;
	}
	ASSERT_EQ(0, so_signal(self->env.dev, so, points, 12));
	ASSERT_EQ(0, so_query(self->env.dev, so, got, 12, 0));
	for (i = 0; i < 12; i++)
		EXPECT_EQ(100 + i, got[i]);
	/* the same one several times, in order */
	for (i = 0; i < 12; i++)
		so[i] = self->so;
	ASSERT_EQ(0, so_signal(self->env.dev, so, points, 12));
	EXPECT_EQ(111, so_query1(self->env.dev, self->so));
}

/* A fence far behind keeps the points before it; 1000 of them. */
TEST_F(timeline, long_chain)
{
	uint32_t id;
	int i;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0, &id));
	for (i = 2; i <= 1000; i++)
		ASSERT_EQ(0, so_signal1(self->env.dev, self->so, i));
	EXPECT_EQ(0, so_query1(self->env.dev, self->so));
	EXPECT_EQ(1000, so_last1(self->env.dev, self->so));
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->so, 500, 0, 0));
	ASSERT_EQ(0, tf_signal(self->env.tf, id));
	EXPECT_EQ(1000, so_query1(self->env.dev, self->so));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 500, 0, 0));
}

TEST_HARNESS_MAIN
