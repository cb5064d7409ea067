// SPDX-License-Identifier: GPL-2.0-only
/* Small and large counts, around the sizes where the code takes other ways. */
#include <sys/resource.h>

#include "env_util.h"

#define MAX		SYNCOBJ_MAX_COUNT

static const uint32_t counts[] = { 1, 2, 7, 8, 9, 63, 64, 65, 512, 513, 1000 };
#define NCOUNTS		ARRAY_SIZE(counts)

FIXTURE(count) {
	struct env env;
	int *fds;
	uint64_t *points;
	int *status;
	int so;
};

FIXTURE_SETUP(count)
{
	struct rlimit limit = { 4096, 4096 };
	uint32_t i;

	env_setup(_metadata, &self->env);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	self->fds = calloc(MAX + 1, sizeof(*self->fds));
	self->points = calloc(MAX + 1, sizeof(*self->points));
	self->status = calloc(MAX + 1, sizeof(*self->status));
	ASSERT_NE(NULL, self->status);
	self->so = so_create(self->env.dev, 0);
	for (i = 0; i <= MAX; i++)
		self->fds[i] = self->so;
}

FIXTURE_TEARDOWN(count)
{
	env_teardown(_metadata, &self->env);
}

/* 1 to 1000 different syncobjs through every call that takes an array */
TEST_F(count, different_syncobjs)
{
	int dev = self->env.dev;
	uint32_t first, n, i;
	size_t c;

	for (i = 0; i < 1000; i++) {
		self->fds[i] = so_create(dev, 0);
		ASSERT_GE(self->fds[i], 0);
	}
	for (c = 0; c < NCOUNTS; c++) {
		n = counts[c];
		for (i = 0; i < n; i++)
			self->points[i] = 1000 * (c + 1) + i;
		/* The last one decides: all but one are signalled. */
		if (n > 1)
			ASSERT_EQ(0, so_signal(dev, self->fds, self->points,
					       n - 1));
		EXPECT_EQ(-ETIME, so_wait(dev, self->fds, self->points, n, 0,
					  SO_ALL | SO_SUBMIT, &first));
		EXPECT_EQ(-EINVAL, so_wait(dev, self->fds, self->points, n, 0,
					   SO_ALL, &first));
		ASSERT_EQ(0, so_signal1(dev, self->fds[n - 1],
					self->points[n - 1]));
		EXPECT_EQ(0, so_wait(dev, self->fds, self->points, n, 0, SO_ALL,
				     &first));
		EXPECT_LT(first, n);
		ASSERT_EQ(0, so_status(dev, self->fds, self->points,
				       self->status, n));
		memset(self->points, 0xff, n * 8);
		ASSERT_EQ(0, so_query(dev, self->fds, self->points, n, 0));
		for (i = 0; i < n; i++) {
			if (self->points[i] != 1000 * (c + 1) + i ||
			    self->status[i] != SYNCOBJ_STATUS_SIGNALED)
				break;
		}
		EXPECT_EQ(n, i) TH_LOG("count %u", n);
		/* The next one of both arrays is not touched. */
		EXPECT_EQ(0, self->status[n]);
		EXPECT_EQ(0, self->points[n]);
		ASSERT_EQ(0, so_reset(dev, self->fds, n));
		EXPECT_EQ(0, so_last1(dev, self->fds[n - 1]));
	}
}

/* Any: which of 1000 entries was it? */
TEST_F(count, first_among_many)
{
	static const uint32_t which[] = { 0, 8, 9, 500, 999 };
	int dev = self->env.dev;
	uint32_t i, first;

	for (i = 0; i < 1000; i++) {
		self->fds[i] = so_create(dev, 0);
		ASSERT_GE(self->fds[i], 0);
		self->points[i] = 1;
	}
	for (i = 0; i < 5; i++) {
		struct waiter w = {
			.dev = dev,
			.fds = self->fds,
			.points = self->points,
			.count = 1000,
			.flags = SO_SUBMIT,
			.timeout = INT64_MAX,
		};

		ASSERT_EQ(0, waiter_start(&w));
		ASSERT_EQ(0, so_signal1(dev, self->fds[which[i]], 1));
		EXPECT_EQ(0, waiter_join(&w));
		EXPECT_EQ(which[i], w.first);
		EXPECT_EQ(0, so_wait(dev, self->fds, self->points, 1000, 0,
				     SO_SUBMIT, &first));
		EXPECT_EQ(which[i], first);
		ASSERT_EQ(0, so_reset1(dev, self->fds[which[i]]));
	}
}

TEST_F(count, the_largest)
{
	int dev = self->env.dev;
	int kmsg = kmsg_start();
	char log[16384];
	uint32_t first;
	size_t i;

	/* Of one syncobj, and all points the same: it is about the count. */
	for (i = 0; i <= MAX; i++)
		self->points[i] = 3;
	ASSERT_EQ(0, so_signal(dev, self->fds, self->points, MAX));
	EXPECT_EQ(3, so_query1(dev, self->so));
	EXPECT_EQ(0, so_wait(dev, self->fds, self->points, MAX, 0, SO_ALL,
			     &first));
	self->points[MAX - 1] = 4;
	EXPECT_EQ(-ETIME, so_wait(dev, self->fds, self->points, MAX, 0,
				  SO_ALL | SO_SUBMIT, &first));
	EXPECT_EQ(SO_POISON, first);
	EXPECT_EQ(0, so_status(dev, self->fds, self->points, self->status,
			       MAX));
	EXPECT_EQ(SYNCOBJ_STATUS_SIGNALED, self->status[MAX - 2]);
	EXPECT_EQ(SYNCOBJ_STATUS_UNSUBMITTED, self->status[MAX - 1]);
	EXPECT_EQ(0, self->status[MAX]);
	EXPECT_EQ(0, so_query(dev, self->fds, self->points, MAX, 0));
	EXPECT_EQ(3, self->points[MAX - 1]);
	EXPECT_EQ(0, so_reset(dev, self->fds, MAX));
	EXPECT_EQ(0, so_last1(dev, self->so));

	kmsg_read(kmsg, log, sizeof(log));
	EXPECT_EQ(NULL, kmsg_splat(log)) TH_LOG("%s", log);
}

TEST_F(count, too_many)
{
	static const uint32_t many[] = { MAX + 1, 1U << 20, 1U << 31, ~0U };
	int dev = self->env.dev;
	int kmsg = kmsg_start();
	char log[16384];
	size_t i;

	ASSERT_EQ(0, so_signal1(dev, self->so, 1));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(-EINVAL, so_wait(dev, self->fds, NULL, many[i], 0, 0,
					   NULL)) TH_LOG("%u", many[i]);
		EXPECT_EQ(-EINVAL, so_reset(dev, self->fds, many[i]));
		EXPECT_EQ(-EINVAL, so_signal(dev, self->fds, self->points,
					     many[i]));
		EXPECT_EQ(-EINVAL, so_query(dev, self->fds, self->points,
					    many[i], 0));
		EXPECT_EQ(-EINVAL, so_status(dev, self->fds, self->points,
					     self->status, many[i]));
		EXPECT_EQ(-EINVAL, so_batch(dev, (void *)self->points, many[i],
					    NULL));
	}
	EXPECT_EQ(1, so_query1(dev, self->so));
	kmsg_read(kmsg, log, sizeof(log));
	EXPECT_EQ(NULL, kmsg_splat(log)) TH_LOG("%s", log);
}

/* Arrays that end at, and one entry before, the end of what is mapped */
TEST_F(count, half_mapped)
{
	size_t page = self->env.page, pages = 3, c;
	int dev = self->env.dev;
	char *fds_end, *points_end;
	uint64_t *points;
	uint32_t n, i;
	int *fds;

	fds_end = guarded(_metadata, page, pages) + pages * page;
	points_end = guarded(_metadata, page, pages) + pages * page;
	for (c = 0; c < NCOUNTS; c++) {
		n = counts[c];
		fds = (int *)fds_end - n;
		points = (uint64_t *)points_end - n;
		for (i = 0; i < n; i++) {
			fds[i] = self->so;
			points[i] = 5;
		}
		EXPECT_EQ(0, so_signal(dev, fds, points, n));
		EXPECT_EQ(0, so_wait(dev, fds, points, n, 0, SO_ALL, NULL));
		EXPECT_EQ(0, so_query(dev, fds, points, n, 0));
		EXPECT_EQ(5, points[n - 1]);
		EXPECT_EQ(0, so_reset(dev, fds, n));

		/* one entry too many, in one array and in the other */
		EXPECT_EQ(-EFAULT, so_signal(dev, fds, self->points, n + 1));
		EXPECT_EQ(-EFAULT, so_signal(dev, self->fds, points, n + 1));
		EXPECT_EQ(-EFAULT, so_wait(dev, fds, self->points, n + 1, 0,
					   SO_SUBMIT, NULL));
		EXPECT_EQ(-EFAULT, so_wait(dev, self->fds, points, n + 1, 0,
					   SO_SUBMIT, NULL));
		EXPECT_EQ(-EFAULT, so_reset(dev, fds, n + 1));
		EXPECT_EQ(-EFAULT, so_query(dev, fds, self->points, n + 1, 0));
		EXPECT_EQ(-EFAULT, so_query(dev, self->fds, points, n + 1, 0));
		EXPECT_EQ(-EFAULT, so_status(dev, self->fds, points,
					     self->status, n + 1));
		EXPECT_EQ(-EFAULT, so_status(dev, self->fds, NULL, fds, n + 1));
		EXPECT_EQ(0, so_last1(dev, self->so)) TH_LOG("count %u", n);
		for (i = 0; i < n; i++)
			fds[i] = self->so;
	}
}

TEST_HARNESS_MAIN
