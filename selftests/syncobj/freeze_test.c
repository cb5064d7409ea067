// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine suspends while calls wait: they let themselves be frozen, and wait on
 * afterwards as if nothing had been. Times are absolute, so they pass meanwhile.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "env_util.h"
#include "freeze_util.h"

#define WAITERS	4

FIXTURE(freeze) {
	struct env env;
	int so;
};

FIXTURE_SETUP(freeze)
{
	if (!kernel_is_row())
		SKIP(return, "only in a guest: all processes of the machine are frozen");
	if (!freeze_possible())
		SKIP(return, "this kernel does not test suspending");
	env_setup(_metadata, &self->env);
	self->so = so_create(self->env.dev, 0);
	ASSERT_GE(self->so, 0);
}

FIXTURE_TEARDOWN(freeze)
{
	env_teardown(_metadata, &self->env);
}

TEST_F(freeze, waits_go_on)
{
	struct waiter w[WAITERS];
	uint64_t points[WAITERS] = { 1, 2, 3, 4 };
	uint32_t id;
	int i;

	/* Of a point that is not there, and of one whose fence is pending */
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0, &id));
	for (i = 0; i < WAITERS; i++) {
		w[i] = (struct waiter) {
			.dev = self->env.dev, .fds = &self->so,
			.points = &points[i], .count = 1,
			.flags = SO_SUBMIT, .timeout = INT64_MAX,
		};
		ASSERT_EQ(0, waiter_start(&w[i]));
	}
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, freeze_all());
	for (i = 0; i < WAITERS; i++)
		EXPECT_TRUE(waiter_sleeps(&w[i]));
	ASSERT_EQ(0, tf_signal(self->env.tf, id));
	EXPECT_EQ(0, waiter_join(&w[0]));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, WAITERS));
	for (i = 1; i < WAITERS; i++)
		EXPECT_EQ(0, waiter_join(&w[i]));
}

/* It ends while everything is frozen, for everybody. */
TEST_F(freeze, time_passes)
{
	struct waiter w[2];
	uint64_t point = 1;
	int64_t timeout;
	int i;

	timeout = in_ms(600);
	for (i = 0; i < 2; i++) {
		w[i] = (struct waiter) {
			.dev = self->env.dev, .fds = &self->so,
			.points = &point, .count = 1, .flags = SO_SUBMIT,
			.timeout = timeout + i * 60 * NSEC_PER_SEC,
		};
		ASSERT_EQ(0, waiter_start(&w[i]));
	}
	ASSERT_EQ(0, freeze_all());
	EXPECT_EQ(-ETIME, waiter_join(&w[0]));
	EXPECT_LE(timeout, w[0].end);
	EXPECT_TRUE(waiter_sleeps(&w[1]));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(0, waiter_join(&w[1]));
}

/* The module's own thread as well: nothing is lost, and nothing comes twice. */
TEST_F(freeze, events_arrive)
{
	int now = efd_new(), later = efd_new();
	uint32_t id;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0, &id));
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, now, 1, 0));
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, later, 2, 0));
	/* in an interrupt, while everybody is frozen */
	ASSERT_EQ(0, tf_signal_how(self->env.tf, id, 0, TEST_FENCE_DELAYED,
				   500));
	ASSERT_EQ(0, freeze_all());
	EXPECT_EQ(1, efd_wait(now));
	EXPECT_EQ(0, efd_quiet(later));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 2));
	EXPECT_EQ(1, efd_wait(later));
	EXPECT_EQ(0, efd_quiet(now));
}

/* A transfer that waits has five seconds, of which one is lost. */
TEST_F(freeze, transfer)
{
	int other = so_create(self->env.dev, 0), status;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(-so_transfer(self->env.dev, self->so, 1, other, 5,
				   SO_SUBMIT));
	}
	ASSERT_TRUE(task_asleep(pid));
	ASSERT_EQ(0, freeze_all());
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(5, so_query1(self->env.dev, other));
}

TEST_HARNESS_MAIN
