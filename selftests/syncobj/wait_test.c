// SPDX-License-Identifier: GPL-2.0-only
/* WAIT: what is met when, and which entry is told. */
#include "env_util.h"

/* Each syncobj's point 5 in one of three states */
enum state { NONE, PENDING, SIGNALED, STATES };

FIXTURE(wait) {
	struct env env;
	int so[3];
	uint64_t five[3];
	uint32_t id[3];
};

FIXTURE_SETUP(wait)
{
	int i;

	env_setup(_metadata, &self->env);
	for (i = 0; i < 3; i++) {
		self->so[i] = so_create(self->env.dev, 0);
		ASSERT_GE(self->so[i], 0);
		self->five[i] = 5;
	}
}

FIXTURE_TEARDOWN(wait)
{
	env_teardown(_metadata, &self->env);
}

static void put_in_state(struct __test_metadata *_metadata,
			 FIXTURE_DATA(wait) *self, int i, enum state state)
{
	ASSERT_EQ(0, so_reset1(self->env.dev, self->so[i]));
	/* Points below and above must not be taken for it. */
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so[i], 4));
	if (state == NONE)
		return;
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so[i], 5, 0,
			    &self->id[i]));
	if (state == SIGNALED)
		ASSERT_EQ(0, tf_signal(self->env.tf, self->id[i]));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so[i], 6));
}

static bool met(enum state state, uint32_t flags)
{
	return flags & SO_AVAIL ? state != NONE : state == SIGNALED;
}

/* All flags x the states of two syncobjs x timeouts that end at once. */
TEST_F(wait, every_combination_polls)
{
	static const int64_t timeouts[] = { 0, -1, INT64_MIN, 1 };
	enum state state[2];
	uint32_t flags, first;
	size_t t;
	int n;

	for (n = 0; n < STATES * STATES; n++) {
		state[0] = n % STATES;
		state[1] = n / STATES;
		put_in_state(_metadata, self, 0, state[0]);
		put_in_state(_metadata, self, 1, state[1]);

		for (flags = 0; flags < 16; flags++) {
			bool a = met(state[0], flags);
			bool b = met(state[1], flags);
			int want = -ETIME;

			if (flags & SO_ALL ? a && b : a || b)
				want = 0;
			if (!(flags & (SO_SUBMIT | SO_AVAIL)) &&
			    (state[0] == NONE || state[1] == NONE))
				want = -EINVAL;

			for (t = 0; t < 4; t++) {
				EXPECT_EQ(want, so_wait(self->env.dev, self->so,
							self->five, 2,
							timeouts[t], flags,
							&first)) {
					TH_LOG("states %d %d flags %x time %zu",
					       state[0], state[1], flags, t);
				}
				/* With WAIT_ALL it may be either. */
				if (!want && flags & SO_ALL && first < 2)
					first = !a;
				EXPECT_EQ(want ? SO_POISON : !a, first);
			}
			/* An end that is far away, or none, where it is met */
			if (want == -ETIME)
				continue;
			EXPECT_EQ(want, so_wait(self->env.dev, self->so,
						self->five, 2, INT64_MAX, flags,
						NULL));
			EXPECT_EQ(want, so_wait(self->env.dev, self->so,
						self->five, 2, in_ms(60000),
						flags, NULL));
		}
	}
}

/*
 * All flags, blocking: the points of two syncobjs are submitted and then
 * signalled one by one, and the call returns at that step and no other.
 */
TEST_F(wait, every_combination_blocks)
{
	uint32_t flags;
	int step, i;

	for (flags = 0; flags < 16; flags++) {
		bool submit = flags & (SO_SUBMIT | SO_AVAIL);
		enum state state[2];
		struct waiter w = {
			.dev = self->env.dev,
			.fds = self->so,
			.points = self->five,
			.count = 2,
			.flags = flags,
			.timeout = flags & 1 ? INT64_MAX : in_ms(60000),
		};

		for (i = 0; i < 2; i++) {
			state[i] = submit ? NONE : PENDING;
			put_in_state(_metadata, self, i, state[i]);
		}
		ASSERT_EQ(0, waiter_start(&w));

		/* Entry 1 is submitted, then 0; 1 signals, then 0. */
		for (step = 0; step < 4; step++) {
			i = !(step & 1);
			if (step < 2 && !submit)
				continue;
			EXPECT_TRUE(waiter_sleeps(&w))
				TH_LOG("flags %x step %d", flags, step);
			if (step < 2) {
				ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev,
						    self->so[i], 5, 0,
						    &self->id[i]));
				state[i] = PENDING;
			} else {
				ASSERT_EQ(0, tf_signal(self->env.tf,
						       self->id[i]));
				state[i] = SIGNALED;
			}
			if (met(state[1], flags) &&
			    (!(flags & SO_ALL) || met(state[0], flags)))
				break;
		}
		EXPECT_LT(step, 4);
		EXPECT_EQ(0, waiter_join(&w)) TH_LOG("flags %x", flags);
		if (!(flags & SO_ALL))
			EXPECT_EQ(1, w.first);
		for (i = 0; i < 2; i++)
			tf_signal(self->env.tf, self->id[i]);
	}
}

/* Woken by SIGNAL, IMPORT and TRANSFER, to a point above as well */
TEST_F(wait, woken_by_any_submission)
{
	struct waiter w = {
		.dev = self->env.dev,
		.fds = self->so,
		.points = self->five,
		.count = 1,
		.flags = SO_SUBMIT,
		.timeout = INT64_MAX,
	};
	uint32_t id;
	int how;

	ASSERT_EQ(0, so_signal1(self->env.dev, self->so[1], 1));
	for (how = 0; how < 4; how++) {
		ASSERT_EQ(0, so_reset(self->env.dev, self->so, 1));
		ASSERT_EQ(0, waiter_start(&w));
		ASSERT_EQ(0, so_signal1(self->env.dev, self->so[0], 4));
		EXPECT_TRUE(waiter_sleeps(&w));
		switch (how) {
		case 0:
			EXPECT_EQ(0, so_signal1(self->env.dev, self->so[0], 5));
			break;
		case 1:
			EXPECT_EQ(0, so_signal1(self->env.dev, self->so[0],
						~0ULL));
			break;
		case 2:
			EXPECT_EQ(0, so_transfer(self->env.dev, self->so[1], 1,
						 self->so[0], 6, 0));
			break;
		case 3:
			EXPECT_EQ(0, tf_add(self->env.tf, self->env.dev,
					    self->so[0], 5, 0, &id));
			EXPECT_TRUE(waiter_sleeps(&w));
			EXPECT_EQ(0, tf_signal(self->env.tf, id));
			break;
		}
		EXPECT_EQ(0, waiter_join(&w)) TH_LOG("how %d", how);
	}
}

/* Fences that signal in an interrupt, and with a delay */
TEST_F(wait, woken_from_irq)
{
	/* There such work is done by threads. */
	bool realtime = kernel_is_realtime();
	struct test_fence_info info;
	uint32_t how, first;
	uint32_t id;

	for (how = TEST_FENCE_DIRECT; how <= TEST_FENCE_DELAYED; how++) {
		struct waiter w = {
			.dev = self->env.dev,
			.fds = self->so,
			.count = 1,
			.timeout = INT64_MAX,
		};

		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so[0], 0,
				    0, &id));
		ASSERT_EQ(0, waiter_start(&w));
		EXPECT_TRUE(waiter_sleeps(&w));
		ASSERT_EQ(0, tf_signal_how(self->env.tf, id, 0, how, 20));
		EXPECT_EQ(0, waiter_join(&w));
		ASSERT_EQ(0, tf_info(self->env.tf, id, &info));
		EXPECT_EQ(how != TEST_FENCE_DIRECT && !realtime,
			  !!(info.state & TEST_FENCE_IN_HARDIRQ));
		EXPECT_EQ(0, so_wait(self->env.dev, self->so, NULL, 1, 0, 0,
				     &first));
	}
}

/*
 * A fence that has signalled but tells only when it is asked to signal: a
 * look with timeout 0 must ask.
 */
TEST_F(wait, lax_fences)
{
	static const uint32_t kinds[] = { TEST_FENCE_QUIET, TEST_FENCE_BLIND };
	struct waiter w = {
		.dev = self->env.dev,
		.fds = self->so,
		.count = 1,
		.timeout = INT64_MAX,
	};
	uint32_t id;
	size_t i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so[0], 0,
				    kinds[i], &id));
		ASSERT_EQ(0, tf_signal(self->env.tf, id));
		EXPECT_EQ(0, so_wait1(self->env.dev, self->so[0], 0, 0, 0));
		EXPECT_EQ(0, so_wait1(self->env.dev, self->so[0], 0, 0, SO_ALL));

		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so[0], 0,
				    kinds[i], &id));
		EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->so[0], 0, 0, 0));
		ASSERT_EQ(0, waiter_start(&w));
		EXPECT_TRUE(waiter_sleeps(&w));
		ASSERT_EQ(0, tf_signal(self->env.tf, id));
		EXPECT_EQ(0, waiter_join(&w));
	}
}

/* EINVAL for a missing fence comes before everything else. */
TEST_F(wait, missing_fence_is_found_first)
{
	uint32_t first;

	put_in_state(_metadata, self, 0, SIGNALED);
	put_in_state(_metadata, self, 1, PENDING);
	put_in_state(_metadata, self, 2, NONE);
	EXPECT_EQ(-EINVAL, so_wait(self->env.dev, self->so, self->five, 3, 0, 0,
				   &first));
	EXPECT_EQ(SO_POISON, first);
	EXPECT_EQ(-EINVAL, so_wait(self->env.dev, self->so, self->five, 3,
				   INT64_MAX, SO_DEADLINE, &first));
	EXPECT_EQ(-EINVAL, so_wait(self->env.dev, self->so, self->five, 3,
				   INT64_MAX, SO_ALL, &first));
	EXPECT_EQ(SO_POISON, first);
}

/*
 * The lowest entry of those that are met when the call looks again. Both
 * signal while the waiter cannot run, the higher one first.
 */
TEST_F(wait, first_is_the_lowest_at_wakeup)
{
	uint32_t flags;
	int i;

	for (flags = 0; flags <= SO_AVAIL; flags += SO_SUBMIT) {
		struct waiter w = {
			.dev = self->env.dev,
			.fds = self->so,
			.points = self->five,
			.count = 3,
			.flags = flags,
			.timeout = INT64_MAX,
		};

		for (i = 0; i < 3; i++)
			put_in_state(_metadata, self, i,
				     flags ? NONE : PENDING);
		ASSERT_EQ(0, pin_cpu0(false));
		ASSERT_EQ(0, waiter_start(&w));
		EXPECT_TRUE(waiter_sleeps(&w));
		ASSERT_EQ(0, pin_cpu0(true));
		for (i = 2; i >= 1; i--) {
			if (flags)
				so_signal1(self->env.dev, self->so[i], 5);
			else
				tf_signal(self->env.tf, self->id[i]);
		}
		ASSERT_EQ(0, pin_cpu0(false));
		EXPECT_EQ(0, waiter_join(&w));
		EXPECT_EQ(1, w.first) TH_LOG("flags %x", flags);
	}
}

/* The fence that was found stays the one that is waited for. */
TEST_F(wait, snapshot_survives_reset_and_replacement)
{
	uint32_t flags;

	for (flags = 0; flags <= SO_SUBMIT; flags += SO_SUBMIT) {
		struct waiter w = {
			.dev = self->env.dev,
			.fds = self->so,
			.points = self->five,
			.count = 1,
			.flags = flags,
			.timeout = INT64_MAX,
		};
		uint32_t first_id;

		put_in_state(_metadata, self, 0, flags ? NONE : PENDING);
		ASSERT_EQ(0, waiter_start(&w));
		EXPECT_TRUE(waiter_sleeps(&w));
		if (flags)
			ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev,
					    self->so[0], 5, 0, &self->id[0]));
		first_id = self->id[0];
		/* Let it see that fence before it goes. */
		EXPECT_TRUE(waiter_sleeps(&w));

		ASSERT_EQ(0, so_reset1(self->env.dev, self->so[0]));
		EXPECT_TRUE(waiter_sleeps(&w));
		/* The next point 5 is another one. */
		ASSERT_EQ(0, so_signal1(self->env.dev, self->so[0], 5));
		EXPECT_EQ(0, so_wait1(self->env.dev, self->so[0], 5, 0, 0));
		EXPECT_TRUE(waiter_sleeps(&w));
		ASSERT_EQ(0, tf_signal(self->env.tf, first_id));
		EXPECT_EQ(0, waiter_join(&w));
	}
}

TEST_F(wait, reset_before_submission_keeps_waiting)
{
	struct waiter w = {
		.dev = self->env.dev,
		.fds = self->so,
		.points = self->five,
		.count = 1,
		.flags = SO_SUBMIT,
		.timeout = INT64_MAX,
	};

	ASSERT_EQ(0, so_signal1(self->env.dev, self->so[0], 3));
	ASSERT_EQ(0, waiter_start(&w));
	ASSERT_EQ(0, so_reset1(self->env.dev, self->so[0]));
	EXPECT_TRUE(waiter_sleeps(&w));
	ASSERT_EQ(0, so_reset1(self->env.dev, self->so[0]));
	EXPECT_TRUE(waiter_sleeps(&w));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so[0], 5));
	EXPECT_EQ(0, waiter_join(&w));
}

/* A syncobj whose fds are all closed while a call waits is kept by it. */
TEST_F(wait, fd_closed_meanwhile)
{
	int other = dup(self->so[0]);
	struct waiter w = {
		.dev = self->env.dev,
		.fds = &other,
		.points = self->five,
		.count = 1,
		.flags = SO_SUBMIT,
		.timeout = in_ms(300),
	};

	ASSERT_EQ(0, waiter_start(&w));
	ASSERT_EQ(0, close(other));
	EXPECT_TRUE(waiter_sleeps(&w));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so[0], 5));
	EXPECT_EQ(0, waiter_join(&w));

	w.timeout = in_ms(60);
	w.fds = &self->so[1];
	ASSERT_EQ(0, waiter_start(&w));
	ASSERT_EQ(0, close(self->so[1]));
	EXPECT_EQ(-ETIME, waiter_join(&w));
	EXPECT_GE(w.end, w.timeout);
}

TEST_F(wait, same_syncobj_many_times)
{
	int fds[20], i;
	uint64_t points[20];
	uint32_t first;

	for (i = 0; i < 20; i++) {
		fds[i] = self->so[0];
		points[i] = 20 - i;
	}
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so[0], 5));
	EXPECT_EQ(0, so_wait(self->env.dev, fds, points, 20, 0, SO_SUBMIT,
			     &first));
	EXPECT_EQ(15, first);
	EXPECT_EQ(-ETIME, so_wait(self->env.dev, fds, points, 20, 0,
				  SO_SUBMIT | SO_ALL, &first));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so[0], 20));
	EXPECT_EQ(0, so_wait(self->env.dev, fds, points, 20, 0, SO_ALL,
			     &first));
}

TEST_F(wait, points_null_is_point_zero)
{
	uint64_t zero = 0;
	uint32_t id;

	EXPECT_EQ(-EINVAL, so_wait(self->env.dev, self->so, NULL, 1, 0, 0,
				   NULL));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so[0], 9, 0,
			    &id));
	EXPECT_EQ(-ETIME, so_wait(self->env.dev, self->so, NULL, 1, 0, 0, NULL));
	EXPECT_EQ(-ETIME, so_wait(self->env.dev, self->so, &zero, 1, 0, 0,
				  NULL));
	EXPECT_EQ(0, so_wait(self->env.dev, self->so, NULL, 1, 0, SO_AVAIL,
			     NULL));
	ASSERT_EQ(0, tf_signal(self->env.tf, id));
	EXPECT_EQ(0, so_wait(self->env.dev, self->so, NULL, 1, 0, 0, NULL));
}

/* The arguments after success: nothing but first_signaled has changed. */
TEST_F(wait, writes_first_signaled_only)
{
	struct syncobj_wait_args before, args = {
		.fds = (uintptr_t)self->so,
		.timeout_nsec = 12345,
		.count = 1,
		.first_signaled = SO_POISON,
		.deadline_nsec = 99,
	};

	ASSERT_EQ(0, so_signal1(self->env.dev, self->so[0], 1));
	before = args;
	before.first_signaled = 0;
	ASSERT_EQ(0, so_try(self->env.dev, SYNCOBJ_IOC_WAIT, &args));
	EXPECT_EQ(0, memcmp(&before, &args, sizeof(args)));
}

TEST_HARNESS_MAIN
