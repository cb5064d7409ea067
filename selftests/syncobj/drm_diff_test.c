// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same operations, one after the other, through DRM's own ioctls and
 * through /dev/syncobj, on two sets of syncobjs; all results must be equal.
 * First sequences that are known to be odd, then random ones, whose seed is
 * printed and can be given in SYNCOBJ_DIFF_SEED.
 */
#include <xf86drm.h>

#include "env_util.h"
#include "drm_util.h"

#define OBJECTS		4
#define FENCES		64

FIXTURE(diff) {
	struct env env;
	int drm;
	int so[OBJECTS];
	uint32_t handle[OBJECTS];
	uint32_t tmp;			/* for DRM's imports */
	uint32_t id[FENCES];
	int fences;
	int so_efd;
	int drm_efd;
	bool efd;			/* DRM has EVENTFD */
};

FIXTURE_SETUP(diff)
{
	int i;

	env_setup(_metadata, &self->env);
	self->drm = drm_open("bufsync_test");
	ASSERT_GE(self->drm, 0);
	for (i = 0; i < OBJECTS; i++) {
		self->so[i] = so_create(self->env.dev, 0);
		ASSERT_GE(self->so[i], 0);
		ASSERT_EQ(0, drmSyncobjCreate(self->drm, 0, &self->handle[i]));
	}
	ASSERT_EQ(0, drmSyncobjCreate(self->drm, 0, &self->tmp));
	self->so_efd = efd_new();
	self->drm_efd = efd_new();
	i = drm_ret(drmSyncobjEventfd(self->drm, self->tmp, 1, self->drm_efd,
				      0));
	self->efd = !i;
	if (kernel_at_least(6, 6))
		ASSERT_EQ(0, i);
}

FIXTURE_TEARDOWN(diff)
{
	env_teardown(_metadata, &self->env);
}

/* The operations, on both sides. Each returns whether they agree. */

static bool same(const char *call, long long ours, long long theirs)
{
	if (ours != theirs)
		fprintf(stderr, "# %s: %lld here, %lld in DRM\n", call, ours,
			theirs);
	return ours == theirs;
}

static bool both_signal(FIXTURE_DATA(diff) *self, int o, uint64_t point)
{
	int ours = so_signal1(self->env.dev, self->so[o], point);
	int theirs = drm_ret(drmSyncobjTimelineSignal(self->drm,
						      &self->handle[o], &point,
						      1));

	return same("signal", ours, theirs);
}

static bool both_reset(FIXTURE_DATA(diff) *self, int o)
{
	int ours = so_reset1(self->env.dev, self->so[o]);
	int theirs = drm_ret(drmSyncobjReset(self->drm, &self->handle[o], 1));

	return same("reset", ours, theirs);
}

/* One real fence into both */
static bool both_add(FIXTURE_DATA(diff) *self, int o, uint64_t point)
{
	int ours, theirs, fd;

	if (self->fences == FENCES)
		return true;
	fd = tf_create(self->env.tf, 0, &self->id[self->fences]);
	if (fd < 0)
		return false;
	self->fences++;
	ours = so_import(self->env.dev, self->so[o], fd, point);
	if (point) {
		theirs = drm_ret(drmSyncobjImportSyncFile(self->drm, self->tmp,
							  fd));
		if (!theirs)
			theirs = drm_ret(drmSyncobjTransfer(self->drm,
							    self->handle[o],
							    point, self->tmp, 0,
							    0));
	} else {
		theirs = drm_ret(drmSyncobjImportSyncFile(self->drm,
							  self->handle[o], fd));
	}
	close(fd);
	return same("add", ours, theirs);
}

static bool both_transfer(FIXTURE_DATA(diff) *self, int src, uint64_t src_point,
			  int dst, uint64_t dst_point)
{
	int ours = so_transfer(self->env.dev, self->so[src], src_point,
			       self->so[dst], dst_point, 0);
	int theirs = drm_ret(drmSyncobjTransfer(self->drm, self->handle[dst],
						dst_point, self->handle[src],
						src_point, 0));

	return same("transfer", ours, theirs);
}

static bool both_eventfd(FIXTURE_DATA(diff) *self, int o, uint64_t point,
			 uint32_t flags)
{
	int ours, theirs;

	if (!self->efd)
		return true;
	ours = so_eventfd(self->env.dev, self->so[o], self->so_efd, point,
			  flags);
	theirs = drm_ret(drmSyncobjEventfd(self->drm, self->handle[o], point,
					   self->drm_efd, flags));
	return same("eventfd", ours, theirs);
}

static bool both_wait(FIXTURE_DATA(diff) *self, const int *which,
		      const uint64_t *points, uint32_t count, uint32_t flags)
{
	uint32_t handles[OBJECTS], ours_first, theirs_first = SO_POISON, i;
	int fds[OBJECTS], ours, theirs;

	for (i = 0; i < count; i++) {
		fds[i] = self->so[which[i]];
		handles[i] = self->handle[which[i]];
	}
	ours = so_wait(self->env.dev, fds, points, count, 0, flags,
		       &ours_first);
	theirs = drm_ret(drmSyncobjTimelineWait(self->drm, handles,
						(uint64_t *)points, count, 0,
						flags, &theirs_first));
	if (!same("wait", ours, theirs))
		return false;
	/* Which one is told with WAIT_ALL is left open. */
	if (ours || flags & SO_ALL)
		return true;
	return same("first_signaled", ours_first, theirs_first);
}

/* All that can be seen of all objects */
static bool same_state(FIXTURE_DATA(diff) *self)
{
	uint64_t ours[OBJECTS], theirs[OBJECTS], point;
	bool all = true;
	uint32_t flags;
	int i;

	for (flags = 0; flags < 2; flags++) {
		so_query(self->env.dev, self->so, ours, OBJECTS, flags);
		drmSyncobjQuery2(self->drm, self->handle, theirs, OBJECTS,
				 flags);
		for (i = 0; i < OBJECTS; i++)
			all &= same("query", ours[i], theirs[i]);
	}
	for (i = 0; i < OBJECTS; i++)
		for (point = 0; point < 14; point += 3)
			for (flags = 0; flags <= SO_AVAIL; flags += SO_AVAIL)
				all &= both_wait(self, &i, &point, 1, flags);
	return all;
}

/* Ours may take its time: the notifier is a thread. */
static bool same_events(FIXTURE_DATA(diff) *self)
{
	uint64_t theirs = efd_take(self->drm_efd), ours = 0, got;

	while (ours < theirs && (got = efd_wait(self->so_efd)))
		ours += got;
	return same("events", ours, theirs);
}

TEST_F(diff, out_of_order_points)
{
	static const uint64_t points[] = {
		5, 3, 5, 6, 1, 0, 9, 8, 10, 0, 2, 11, 11, 12,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(points); i++) {
		ASSERT_TRUE(both_signal(self, 0, points[i]));
		ASSERT_TRUE(both_add(self, 1, points[i]));
		ASSERT_TRUE(i & 1 ? both_signal(self, 2, points[i]) :
			    both_add(self, 2, points[i]));
		EXPECT_TRUE(same_state(self)) TH_LOG("step %zu", i);
	}
	for (i = 0; i < (size_t)self->fences; i++) {
		ASSERT_EQ(0, tf_signal(self->env.tf, self->id[i]));
		EXPECT_TRUE(same_state(self)) TH_LOG("fence %zu", i);
	}
}

TEST_F(diff, transfers)
{
	uint64_t src, dst;

	ASSERT_TRUE(both_transfer(self, 0, 0, 1, 0));
	ASSERT_TRUE(both_transfer(self, 0, 1, 1, 1));
	ASSERT_TRUE(both_add(self, 0, 2));
	ASSERT_TRUE(both_add(self, 0, 4));
	for (src = 0; src < 6; src++) {
		for (dst = 0; dst < 3; dst++) {
			EXPECT_TRUE(both_transfer(self, 0, src, 1, dst));
			EXPECT_TRUE(both_transfer(self, 1, dst, 1, dst));
			EXPECT_TRUE(both_transfer(self, 1, dst, 2, 10 * src));
			EXPECT_TRUE(same_state(self));
		}
	}
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id[0]));
	EXPECT_TRUE(same_state(self));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id[1]));
	EXPECT_TRUE(same_state(self));
}

/*
 * DRM's SIGNAL for binary syncobjs replaces the fence; here that is a
 * transfer from one that is made signalled.
 */
TEST_F(diff, binary_signal_idiom)
{
	int done = so_create(self->env.dev, SYNCOBJ_CREATE_SIGNALED);
	int what;

	for (what = 0; what < 3; what++) {
		if (what == 1)
			ASSERT_TRUE(both_add(self, 0, 0));
		if (what == 2)
			ASSERT_TRUE(both_add(self, 0, 7));
		EXPECT_TRUE(same_state(self));
		EXPECT_EQ(0, drmSyncobjSignal(self->drm, &self->handle[0], 1));
		EXPECT_EQ(0, so_transfer(self->env.dev, done, 0, self->so[0], 0,
					 0));
		EXPECT_TRUE(same_state(self));
		EXPECT_EQ(0, so_wait1(self->env.dev, self->so[0], 0, 0, 0));
	}
}

static bool random_step(FIXTURE_DATA(diff) *self, unsigned int *seed)
{
	int which[OBJECTS], o = rand_r(seed) % OBJECTS, i;
	uint64_t point = rand_r(seed) % 14, points[OBJECTS];

	switch (rand_r(seed) % 12) {
	case 0:
	case 1:
		return both_signal(self, o, point);
	case 2:
		return rand_r(seed) % 4 || both_reset(self, o);
	case 3:
	case 4:
		return both_add(self, o, point);
	case 5:
	case 6:
		return both_transfer(self, rand_r(seed) % OBJECTS, point, o,
				     rand_r(seed) % 14);
	case 7:
	case 8:
		if (self->fences)
			tf_signal(self->env.tf,
				  self->id[rand_r(seed) % self->fences]);
		return true;
	case 9:
		return both_eventfd(self, o, point,
				    rand_r(seed) & 1 ? SO_AVAIL : 0);
	default:
		for (i = 0; i < OBJECTS; i++) {
			which[i] = rand_r(seed) % OBJECTS;
			points[i] = rand_r(seed) % 14;
		}
		return both_wait(self, which, points, 1 + o,
				 rand_r(seed) % 8);
	}
}

TEST_F(diff, random_sequences)
{
	const char *env = getenv("SYNCOBJ_DIFF_SEED");
	unsigned int first = env ? strtoul(env, NULL, 0) : 20261120;
	int round, step, i;

	for (round = 0; round < 10; round++) {
		unsigned int seed = first + round;

		for (step = 0; step < 60; step++) {
			ASSERT_TRUE(random_step(self, &seed)) {
				TH_LOG("seed %u step %d", first + round, step);
			}
			if (step % 6 != 5)
				continue;
			ASSERT_TRUE(same_state(self)) {
				TH_LOG("seed %u step %d", first + round, step);
			}
		}
		for (i = 0; i < self->fences; i++)
			tf_signal(self->env.tf, self->id[i]);
		self->fences = 0;
		for (i = 0; i < OBJECTS; i++)
			ASSERT_TRUE(both_signal(self, i, 1000));
		ASSERT_TRUE(same_state(self));
		ASSERT_TRUE(same_events(self)) {
			TH_LOG("seed %u", first + round);
		}
		for (i = 0; i < OBJECTS; i++)
			ASSERT_TRUE(both_reset(self, i));
	}
	TH_LOG("seeds %u to %u", first, first + round - 1);
}

TEST_HARNESS_MAIN
