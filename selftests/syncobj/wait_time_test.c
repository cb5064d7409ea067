// SPDX-License-Identifier: GPL-2.0-only
/* WAIT: time, signals and deadlines. */
#include <signal.h>

#include "env_util.h"

FIXTURE(wait_time) {
	struct env env;
	int so;
	uint64_t one;
	uint32_t id;
};

FIXTURE_SETUP(wait_time)
{
	env_setup(_metadata, &self->env);
	self->so = so_create(self->env.dev, 0);
	ASSERT_GE(self->so, 0);
	self->one = 1;
}

FIXTURE_TEARDOWN(wait_time)
{
	env_teardown(_metadata, &self->env);
}

/* ETIME never early, whatever the call waits for, and not much too late. */
TEST_F(wait_time, etime_is_never_early)
{
	static const int ms[] = { 1, 3, 4, 17, 60 };
	int64_t end, now;
	uint32_t flags;
	size_t i;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0,
			    &self->id));
	for (flags = 0; flags < 4; flags++) {
		/* Point 2 is not there, point 1 has not signalled. */
		uint64_t point = flags & SO_SUBMIT ? 2 : 1;

		for (i = 0; i < ARRAY_SIZE(ms); i++) {
			end = in_ms(ms[i]);
			EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->so,
						   point, end, flags));
			now = now_ns();
			EXPECT_GE(now, end);
			EXPECT_LT(now, end + 2000 * NSEC_PER_MSEC);
		}
	}
}

/* The unit is nanoseconds and the time absolute: a poll does not sleep. */
TEST_F(wait_time, polls_return_at_once)
{
	static const int64_t past[] = { 0, -1, 1, INT64_MIN, 1000000 };
	int64_t start;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(past); i++) {
		start = now_ns();
		EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->so, 1, past[i],
					   SO_SUBMIT));
		EXPECT_LT(now_ns() - start, 2000 * NSEC_PER_MSEC);
	}
	start = now_ns();
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->so, 1, start,
				   SO_SUBMIT));
	EXPECT_LT(now_ns() - start, 2000 * NSEC_PER_MSEC);
}

/* INT64_MAX and its neighbours, and times beyond any jiffies */
TEST_F(wait_time, for_ever)
{
	static const int64_t late[] = {
		INT64_MAX, INT64_MAX - 1, INT64_MAX / 2, 1LL << 61, 1LL << 55,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(late); i++) {
		struct waiter w = {
			.dev = self->env.dev,
			.fds = &self->so,
			.points = &self->one,
			.count = 1,
			.flags = SO_SUBMIT,
			.timeout = late[i],
		};

		ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
		ASSERT_EQ(0, waiter_start(&w));
		EXPECT_TRUE(waiter_sleeps(&w)) TH_LOG("%#llx",
						      (long long)late[i]);
		ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
		EXPECT_EQ(0, waiter_join(&w));
	}
}

static int handled;

static void handler(int sig)
{
	(void)sig;
	__atomic_add_fetch(&handled, 1, __ATOMIC_RELAXED);
}

static void install(int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };

	handled = 0;
	sigaction(SIGUSR1, &sa, NULL);
}

/* With SA_RESTART the call goes on towards the same point in time. */
TEST_F(wait_time, restart_keeps_the_deadline)
{
	int64_t end = in_ms(1500);
	struct waiter w = {
		.dev = self->env.dev,
		.fds = &self->so,
		.points = &self->one,
		.count = 1,
		.flags = SO_SUBMIT,
		.timeout = end,
	};
	int i;

	install(SA_RESTART);
	ASSERT_EQ(0, waiter_start(&w));
	for (i = 0; i < 4; i++) {
		sleep_ms(300);
		ASSERT_EQ(0, pthread_kill(w.thread, SIGUSR1));
		/* A second one before the first is taken would be lost. */
		while (__atomic_load_n(&handled, __ATOMIC_RELAXED) == i &&
		       now_ns() < end)
			sleep_ms(1);
	}
	EXPECT_EQ(-ETIME, waiter_join(&w));
	EXPECT_EQ(4, handled);
	EXPECT_GE(w.end, end);
	/* 1500 ms from the last signal on would be 1200 ms more. */
	EXPECT_LT(w.end, end + 1000 * NSEC_PER_MSEC);
	EXPECT_EQ(SO_POISON, w.first);
}

/* Restarted, it still finds what it waits for: submission and signal. */
TEST_F(wait_time, restart_then_met)
{
	struct waiter w = {
		.dev = self->env.dev,
		.fds = &self->so,
		.points = &self->one,
		.count = 1,
		.flags = SO_SUBMIT,
		.timeout = INT64_MAX,
	};

	install(SA_RESTART);
	ASSERT_EQ(0, waiter_start(&w));
	ASSERT_EQ(0, pthread_kill(w.thread, SIGUSR1));
	EXPECT_TRUE(waiter_sleeps(&w));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0,
			    &self->id));
	EXPECT_TRUE(waiter_sleeps(&w));
	ASSERT_EQ(0, pthread_kill(w.thread, SIGUSR1));
	EXPECT_TRUE(waiter_sleeps(&w));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(0, waiter_join(&w));
	EXPECT_EQ(2, handled);
	EXPECT_EQ(0, w.first);
}

TEST_F(wait_time, no_restart_is_eintr)
{
	uint32_t flags;

	install(0);
	for (flags = 0; flags < 16; flags++) {
		struct waiter w = {
			.dev = self->env.dev,
			.fds = &self->so,
			.points = &self->one,
			.count = 1,
			.flags = flags,
			.timeout = INT64_MAX,
		};

		ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
		if (!(flags & (SO_SUBMIT | SO_AVAIL)))
			ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev,
					    self->so, 1, 0, &self->id));
		ASSERT_EQ(0, waiter_start(&w));
		ASSERT_EQ(0, pthread_kill(w.thread, SIGUSR1));
		EXPECT_EQ(-EINTR, waiter_join(&w)) TH_LOG("flags %x", flags);
		EXPECT_EQ(SO_POISON, w.first);
	}
}

/* An interrupted call leaves its arguments as they were. */
TEST_F(wait_time, arguments_unmodified)
{
	struct syncobj_wait_args before, args = {
		.fds = (uintptr_t)&self->so,
		.points = (uintptr_t)&self->one,
		.timeout_nsec = in_ms(5000),
		.count = 1,
		.flags = SO_SUBMIT | SO_DEADLINE,
		.first_signaled = SO_POISON,
		.deadline_nsec = 77,
	};
	pid_t pid, parent = getpid();

	install(0);
	before = args;
	pid = fork();
	if (pid == 0) {
		task_asleep(parent);
		kill(parent, SIGUSR1);
		_exit(0);
	}
	EXPECT_EQ(-EINTR, so_try(self->env.dev, SYNCOBJ_IOC_WAIT, &args));
	EXPECT_EQ(0, memcmp(&before, &args, sizeof(args)));
	waitpid(pid, NULL, 0);

	args.timeout_nsec = 1;
	before = args;
	EXPECT_EQ(-ETIME, so_try(self->env.dev, SYNCOBJ_IOC_WAIT, &args));
	EXPECT_EQ(0, memcmp(&before, &args, sizeof(args)));
}

/* A waiter that is killed leaves nothing behind. */
TEST_F(wait_time, killed_while_waiting)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		so_wait1(self->env.dev, self->so, 1, INT64_MAX, SO_SUBMIT);
		_exit(0);
	}
	ASSERT_TRUE(task_asleep(pid));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	/* The list that it was on is in order. */
	EXPECT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 1, 0, 0));
}

static bool has_deadlines(int dev)
{
	struct syncobj_caps caps;

	return !so_caps(dev, &caps) &&
		caps.out_features & SYNCOBJ_FEATURE_DEADLINE;
}

static int wait_deadline(int dev, const int *fds, const uint64_t *points,
			 uint32_t count, uint32_t flags, uint64_t deadline)
{
	struct syncobj_wait_args args = {
		.fds = (uintptr_t)fds,
		.points = (uintptr_t)points,
		.count = count,
		.flags = flags,
		.deadline_nsec = deadline,
	};

	return so_try(dev, SYNCOBJ_IOC_WAIT, &args);
}

TEST_F(wait_time, deadline_reaches_driver)
{
	struct test_fence_info info;
	int so[2] = { self->so, so_create(self->env.dev, 0) };
	uint64_t points[2] = { 1, 1 };
	uint32_t id[2];
	int i;

	if (!has_deadlines(self->env.dev))
		SKIP(return, "fences have no deadlines before 6.4");

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, so[i], 1, 0,
				    &id[i]));
	EXPECT_EQ(-ETIME, wait_deadline(self->env.dev, so, points, 2,
					SO_DEADLINE, 123456789));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, tf_info(self->env.tf, id[i], &info));
		EXPECT_EQ(123456789, info.deadline_ns);
		EXPECT_EQ(1, info.deadlines);
	}
	/* also with the other flags, and for those that are there */
	points[1] = 2;
	EXPECT_EQ(-ETIME, wait_deadline(self->env.dev, so, points, 2,
					SO_DEADLINE | SO_SUBMIT | SO_ALL, 42));
	ASSERT_EQ(0, tf_info(self->env.tf, id[0], &info));
	EXPECT_EQ(42, info.deadline_ns);
	ASSERT_EQ(0, tf_info(self->env.tf, id[1], &info));
	EXPECT_EQ(123456789, info.deadline_ns);
}

/* Ignored without the flag, on every kernel; any value is accepted with it. */
TEST_F(wait_time, deadline_needs_its_flag)
{
	struct test_fence_info info;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0,
			    &self->id));
	EXPECT_EQ(-ETIME, wait_deadline(self->env.dev, &self->so, &self->one, 1,
					0, 123456789));
	EXPECT_EQ(-ETIME, wait_deadline(self->env.dev, &self->so, &self->one, 1,
					SO_SUBMIT, ~0ULL));
	ASSERT_EQ(0, tf_info(self->env.tf, self->id, &info));
	EXPECT_EQ(0, info.deadlines);
	EXPECT_EQ(-ETIME, wait_deadline(self->env.dev, &self->so, &self->one, 1,
					SO_DEADLINE, ~0ULL));
	EXPECT_EQ(-ETIME, wait_deadline(self->env.dev, &self->so, &self->one, 1,
					SO_DEADLINE, 0));
	EXPECT_EQ(-ETIME, wait_deadline(self->env.dev, &self->so, &self->one, 1,
					SO_DEADLINE, INT64_MAX));
}

/* A hint for the fences at entry: one that comes later gets none. */
TEST_F(wait_time, deadline_not_for_later_fences)
{
	struct syncobj_wait_args args = {
		.fds = (uintptr_t)&self->so,
		.points = (uintptr_t)&self->one,
		.timeout_nsec = INT64_MAX,
		.count = 1,
		.flags = SO_SUBMIT | SO_DEADLINE,
		.deadline_nsec = 5,
	};
	struct test_fence_info info;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(so_try(self->env.dev, SYNCOBJ_IOC_WAIT, &args) != 0);
	ASSERT_TRUE(task_asleep(pid));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0,
			    &self->id));
	sleep_ms(10);
	ASSERT_TRUE(task_asleep(pid));
	ASSERT_EQ(0, tf_info(self->env.tf, self->id, &info));
	EXPECT_EQ(0, info.deadlines);
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
