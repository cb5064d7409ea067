// SPDX-License-Identifier: GPL-2.0-only
/* TRANSFER. Its five seconds are measured in race_test, beside the races. */
#include <signal.h>

#include "env_util.h"

FIXTURE(transfer) {
	struct env env;
	int src;
	int dst;
	uint32_t id;
};

FIXTURE_SETUP(transfer)
{
	env_setup(_metadata, &self->env);
	self->src = so_create(self->env.dev, 0);
	self->dst = so_create(self->env.dev, 0);
	ASSERT_GE(self->src, 0);
	ASSERT_GE(self->dst, 0);
}

FIXTURE_TEARDOWN(transfer)
{
	env_teardown(_metadata, &self->env);
}

static int transfer(FIXTURE_DATA(transfer) *self, uint64_t src_point,
		    uint64_t dst_point, uint32_t flags)
{
	return so_transfer(self->env.dev, self->src, src_point, self->dst,
			   dst_point, flags);
}

TEST_F(transfer, to_binary_replaces)
{
	ASSERT_EQ(0, so_signal1(self->env.dev, self->dst, 9));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->src, 0, 0,
			    &self->id));
	ASSERT_EQ(0, transfer(self, 0, 0, 0));
	/* The timeline is gone, one fence is there. */
	EXPECT_EQ(0, so_last1(self->env.dev, self->dst));
	EXPECT_EQ(-EINVAL, so_wait1(self->env.dev, self->dst, 9, 0, 0));
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->dst, 0, 0, 0));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->dst, 0, 0, 0));
}

TEST_F(transfer, to_timeline_adds)
{
	ASSERT_EQ(0, so_signal1(self->env.dev, self->dst, 9));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->src, 0, 0,
			    &self->id));
	ASSERT_EQ(0, transfer(self, 0, 10, 0));
	EXPECT_EQ(10, so_last1(self->env.dev, self->dst));
	EXPECT_EQ(9, so_query1(self->env.dev, self->dst));
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->dst, 10, 0, 0));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(10, so_query1(self->env.dev, self->dst));
}

/* A point of the source, not its last one */
TEST_F(transfer, the_point_and_no_later_one)
{
	uint32_t id[3];
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->src,
				    i + 1, 0, &id[i]));
	ASSERT_EQ(0, transfer(self, 2, 1, 0));
	ASSERT_EQ(0, tf_signal(self->env.tf, id[0]));
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->dst, 1, 0, 0));
	ASSERT_EQ(0, tf_signal(self->env.tf, id[1]));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->dst, 1, 0, 0));
	/* all of the line up to it, to a binary one */
	ASSERT_EQ(0, transfer(self, 3, 0, 0));
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->dst, 0, 0, 0));
	ASSERT_EQ(0, tf_signal(self->env.tf, id[2]));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->dst, 0, 0, 0));
}

/* A snapshot: what becomes of the source later changes nothing. */
TEST_F(transfer, copies)
{
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->src, 4, 0,
			    &self->id));
	ASSERT_EQ(0, transfer(self, 4, 1, 0));
	ASSERT_EQ(0, so_reset1(self->env.dev, self->src));
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->dst, 1, 0, 0));
	close(self->src);
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->dst, 1, 0, 0));
}

TEST_F(transfer, to_itself)
{
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->src, 4, 0,
			    &self->id));
	ASSERT_EQ(0, so_transfer(self->env.dev, self->src, 4, self->src, 6, 0));
	EXPECT_EQ(6, so_last1(self->env.dev, self->src));
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->src, 6, 0, 0));
	/* Replaced by its own point 4, which is still one of a timeline. */
	ASSERT_EQ(0, so_transfer(self->env.dev, self->src, 4, self->src, 0, 0));
	EXPECT_EQ(4, so_last1(self->env.dev, self->src));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->src, 0, 0, 0));
}

/*
 * Fences of fences: a chain into a point of another, that one into a third,
 * as deep as a program likes. The kernel warns about chains in chains.
 */
TEST_F(transfer, flattens)
{
	int i;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->src, 1, 0,
			    &self->id));
	for (i = 2; i < 30; i++) {
		ASSERT_EQ(0, so_transfer(self->env.dev, self->src, i - 1,
					 self->dst, i, 0));
		ASSERT_EQ(0, so_transfer(self->env.dev, self->dst, i,
					 self->src, i, 0));
	}
	EXPECT_EQ(0, so_query1(self->env.dev, self->src));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(29, so_query1(self->env.dev, self->src));
	EXPECT_EQ(29, so_query1(self->env.dev, self->dst));
}

/* Several real fences behind one point */
TEST_F(transfer, merges)
{
	uint32_t id[4];
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->src,
				    i + 1, 0, &id[i]));
	ASSERT_EQ(0, transfer(self, 4, 1, 0));
	for (i = 3; i >= 0; i--) {
		EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->dst, 1, 0, 0))
			TH_LOG("fence %d", i);
		ASSERT_EQ(0, tf_signal(self->env.tf, id[i]));
	}
	EXPECT_EQ(0, so_wait1(self->env.dev, self->dst, 1, 0, 0));
}

TEST_F(transfer, missing_source_point)
{
	EXPECT_EQ(-EINVAL, transfer(self, 0, 0, 0));
	EXPECT_EQ(-EINVAL, transfer(self, 0, 1, 0));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->src, 3));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->dst, 8));
	EXPECT_EQ(-EINVAL, transfer(self, 4, 0, 0));
	EXPECT_EQ(-EINVAL, transfer(self, 4, 9, 0));
	EXPECT_EQ(8, so_last1(self->env.dev, self->dst));
	EXPECT_EQ(0, transfer(self, 2, 9, 0));
	EXPECT_EQ(9, so_query1(self->env.dev, self->dst));
}

/* Waits for submission only: not for the fence. */
TEST_F(transfer, waits_for_submission)
{
	uint64_t dst_point;
	int status;
	pid_t pid;

	for (dst_point = 0; dst_point < 2; dst_point++) {
		ASSERT_EQ(0, so_reset1(self->env.dev, self->src));
		pid = fork();
		if (pid == 0)
			_exit(transfer(self, 3, dst_point, SO_SUBMIT) != 0);
		ASSERT_TRUE(task_asleep(pid));
		ASSERT_EQ(0, so_signal1(self->env.dev, self->src, 2));
		sleep_ms(10);
		EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->src, 3,
				    0, &self->id));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->dst, dst_point,
					   0, 0));
		ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
		EXPECT_EQ(0, so_wait1(self->env.dev, self->dst, dst_point, 0,
				      0));
	}
}

static void handler(int sig)
{
	(void)sig;
}

TEST_F(transfer, eintr)
{
	struct sigaction sa = { .sa_handler = handler };
	int status;
	pid_t pid;

	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	pid = fork();
	if (pid == 0)
		_exit(transfer(self, 3, 0, SO_SUBMIT) == -EINTR ? 0 : 1);
	ASSERT_TRUE(task_asleep(pid));
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-EINVAL, so_wait1(self->env.dev, self->dst, 0, 0, 0));
}

/* With SA_RESTART it is not seen, also if the point comes later. */
TEST_F(transfer, restart)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	int status;
	pid_t pid;

	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	pid = fork();
	if (pid == 0)
		_exit(transfer(self, 3, 0, SO_SUBMIT) ? 1 : 0);
	ASSERT_TRUE(task_asleep(pid));
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	sleep_ms(10);
	ASSERT_TRUE(task_asleep(pid));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->src, 3));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, so_wait1(self->env.dev, self->dst, 0, 0, 0));
}

/* WAIT_FOR_SUBMIT on what is there does not wait. */
TEST_F(transfer, submit_flag_on_a_present_point)
{
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->src, 3, 0,
			    &self->id));
	EXPECT_EQ(0, transfer(self, 3, 0, SO_SUBMIT));
	EXPECT_EQ(0, transfer(self, 0, 4, SO_SUBMIT));
}

TEST_HARNESS_MAIN
