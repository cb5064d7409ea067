// SPDX-License-Identifier: GPL-2.0-only
/*
 * bufsync/syncobj.h: each function does what its ioctl does, a signal ends none of
 * them, and times are those of the ioctl.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <bufsync/syncobj.h>

#include "env_util.h"

#define SUBMIT	SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT

FIXTURE(wrappers) {
	struct env env;
	int dev;
	int so, efd;
};

FIXTURE_SETUP(wrappers)
{
	env_setup(_metadata, &self->env);
	self->dev = bufsync_syncobj_open();
	ASSERT_GE(self->dev, 0);
	self->so = bufsync_syncobj_create(self->dev, 0);
	ASSERT_GE(self->so, 0);
	self->efd = efd_new();
	ASSERT_GE(self->efd, 0);
}

FIXTURE_TEARDOWN(wrappers)
{
	env_teardown(_metadata, &self->env);
}

TEST_F(wrappers, open_and_create)
{
	const __u64 one = 1;
	int so;

	EXPECT_EQ(FD_CLOEXEC, fcntl(self->dev, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->so, F_GETFD));
	EXPECT_EQ(-EINVAL, bufsync_syncobj_wait(self->dev, &self->so, NULL, 1,
						0, 0, NULL));
	so = bufsync_syncobj_create(self->dev, SYNCOBJ_CREATE_SIGNALED);
	ASSERT_GE(so, 0);
	EXPECT_EQ(0, bufsync_syncobj_wait(self->dev, &so, NULL, 1, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, bufsync_syncobj_create(self->dev, 0x80));
	EXPECT_EQ(-EBADF, bufsync_syncobj_create(-1, 0));
	EXPECT_EQ(-ENOTTY, bufsync_syncobj_create(self->efd, 0));
	EXPECT_EQ(-EBADF, bufsync_syncobj_signal(self->dev, &self->dev, &one,
						 1));
}

TEST_F(wrappers, signal_query_reset)
{
	int sos[2] = { self->so, bufsync_syncobj_create(self->dev, 0) };
	const __u64 points[2] = { 3, 8 };
	__u64 got[2] = { };
	uint32_t id;

	ASSERT_EQ(0, bufsync_syncobj_signal(self->dev, sos, points, 2));
	ASSERT_EQ(0, bufsync_syncobj_query(self->dev, sos, got, 2, 0));
	EXPECT_EQ(3, got[0]);
	EXPECT_EQ(8, got[1]);
	ASSERT_EQ(0, tf_add(self->env.tf, self->dev, self->so, 5, 0, &id));
	ASSERT_EQ(0, bufsync_syncobj_query(self->dev, sos, got, 2,
					   SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED));
	EXPECT_EQ(5, got[0]);
	EXPECT_EQ(8, got[1]);
	EXPECT_EQ(-EINVAL, bufsync_syncobj_query(self->dev, sos, got, 2, 0x80));
	EXPECT_EQ(-EINVAL, bufsync_syncobj_signal(self->dev, sos, points, 0));

	/* The second only */
	ASSERT_EQ(0, bufsync_syncobj_reset(self->dev, sos + 1, 1));
	ASSERT_EQ(0, bufsync_syncobj_query(self->dev, sos, got, 2, 0));
	EXPECT_EQ(3, got[0]);
	EXPECT_EQ(0, got[1]);
	EXPECT_EQ(-EINVAL, bufsync_syncobj_reset(self->dev, sos, 0));
	ASSERT_EQ(0, bufsync_syncobj_signal(self->dev, sos + 1, NULL, 1));
	EXPECT_EQ(0, bufsync_syncobj_wait(self->dev, sos + 1, NULL, 1, 0, 0,
					  NULL));
	ASSERT_EQ(0, tf_signal(self->env.tf, id));
}

TEST_F(wrappers, wait_any_and_all)
{
	const int sos[2] = { self->so, bufsync_syncobj_create(self->dev, 0) };
	const __u64 points[2] = { 1, 2 };
	__u32 first = SO_POISON;

	EXPECT_EQ(0, bufsync_syncobj_wait(self->dev, NULL, NULL, 0, 0, 0,
					  NULL));
	EXPECT_EQ(-ETIME, bufsync_syncobj_wait(self->dev, sos, points, 2,
					       SUBMIT, 0, &first));
	EXPECT_EQ(SO_POISON, first);
	ASSERT_EQ(0, bufsync_syncobj_signal(self->dev, sos + 1, points + 1, 1));
	EXPECT_EQ(0, bufsync_syncobj_wait(self->dev, sos, points, 2, SUBMIT, 0,
					  &first));
	EXPECT_EQ(1, first);
	EXPECT_EQ(-ETIME, bufsync_syncobj_wait(self->dev, sos, points, 2,
					       SUBMIT |
					       SYNCOBJ_WAIT_FLAGS_WAIT_ALL, 0,
					       NULL));
}

TEST_F(wrappers, wait_deadline)
{
	const __u32 flags = SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE;
	__s64 when = bufsync_syncobj_after(NSEC_PER_SEC);
	struct test_fence_info info;
	struct syncobj_caps caps;
	uint32_t id;

	ASSERT_EQ(0, bufsync_syncobj_caps(self->dev, &caps));
	ASSERT_EQ(0, tf_add(self->env.tf, self->dev, self->so, 0, 0, &id));
	EXPECT_EQ(-ETIME, bufsync_syncobj_wait_deadline(self->dev, &self->so,
							NULL, 1, 0, 0, when,
							NULL));
	ASSERT_EQ(0, tf_info(self->env.tf, id, &info));
	EXPECT_EQ(0, info.deadlines);
	EXPECT_EQ(-ETIME, bufsync_syncobj_wait_deadline(self->dev, &self->so,
							NULL, 1, flags, 0, when,
							NULL));
	ASSERT_EQ(0, tf_info(self->env.tf, id, &info));
	if (caps.out_features & SYNCOBJ_FEATURE_DEADLINE)
		EXPECT_EQ(when, info.deadline_ns);
	ASSERT_EQ(0, tf_signal(self->env.tf, id));
}

TEST_F(wrappers, transfer)
{
	int other = bufsync_syncobj_create(self->dev, 0);
	const __u64 four = 4;
	__u64 got = 0;

	EXPECT_EQ(-EINVAL, bufsync_syncobj_transfer(self->dev, self->so, 4,
						    other, 6, 0));
	ASSERT_EQ(0, bufsync_syncobj_signal(self->dev, &self->so, &four, 1));
	EXPECT_EQ(0, bufsync_syncobj_transfer(self->dev, self->so, 4, other, 6,
					      0));
	ASSERT_EQ(0, bufsync_syncobj_query(self->dev, &other, &got, 1, 0));
	EXPECT_EQ(6, got);
	ASSERT_EQ(0, bufsync_syncobj_query(self->dev, &self->so, &got, 1, 0));
	EXPECT_EQ(4, got);
}

TEST_F(wrappers, sync_files)
{
	int other = bufsync_syncobj_create(self->dev, 0), file;
	const __u64 four = 4;
	__u64 got = 0;

	EXPECT_EQ(-EINVAL, bufsync_syncobj_export_sync_file(self->dev, self->so,
							    4));
	ASSERT_EQ(0, bufsync_syncobj_signal(self->dev, &self->so, &four, 1));
	file = bufsync_syncobj_export_sync_file(self->dev, self->so, 4);
	ASSERT_GE(file, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(file, F_GETFD));
	EXPECT_EQ(1, sync_file_status(file));
	EXPECT_EQ(0, bufsync_syncobj_import_sync_file(self->dev, other, 7,
						      file));
	ASSERT_EQ(0, bufsync_syncobj_query(self->dev, &other, &got, 1, 0));
	EXPECT_EQ(7, got);
	EXPECT_EQ(-EINVAL, bufsync_syncobj_import_sync_file(self->dev, other, 8,
							    self->efd));
}

TEST_F(wrappers, eventfds)
{
	struct syncobj_eventfd_args entries[2] = {
		{ .syncobj_fd = self->so, .eventfd = self->efd, .point = 1 },
		{ .syncobj_fd = self->so, .eventfd = self->dev, .point = 2 },
	};
	const __u64 two = 2;
	__u32 index = 7, n = 0;

	EXPECT_EQ(-EINVAL, bufsync_syncobj_eventfd(self->dev, self->so, 1,
						   self->dev, 0));
	EXPECT_EQ(-EINVAL, bufsync_syncobj_eventfd_batch(self->dev, entries, 2,
							 &index));
	EXPECT_EQ(1, index);
	ASSERT_EQ(0, bufsync_syncobj_eventfd(self->dev, self->so, 1, self->efd,
					     0));
	ASSERT_EQ(0, bufsync_syncobj_eventfd(self->dev, self->so, 2, self->efd,
					     SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE));
	entries[1].eventfd = self->efd;
	ASSERT_EQ(0, bufsync_syncobj_eventfd_batch(self->dev, entries, 2,
						   NULL));

	EXPECT_EQ(0, bufsync_syncobj_eventfd_cancel(self->dev, self->so, 1,
						    self->efd, 0, &n));
	EXPECT_EQ(2, n);
	EXPECT_EQ(-ENOENT, bufsync_syncobj_eventfd_cancel(self->dev, self->so,
							  1, self->efd, 0,
							  NULL));
	ASSERT_EQ(0, bufsync_syncobj_signal(self->dev, &self->so, &two, 1));
	EXPECT_EQ(2, efd_wait(self->efd));
	ASSERT_EQ(0, bufsync_syncobj_eventfd(self->dev, self->so, 3, self->efd,
					     0));
	ASSERT_EQ(0, bufsync_syncobj_eventfd(self->dev, self->so, 4, self->efd,
					     0));
	EXPECT_EQ(0, bufsync_syncobj_eventfd_cancel(self->dev, self->so, 0,
						    self->efd,
						    SYNCOBJ_CANCEL_FLAGS_ANY_POINT,
						    &n));
	EXPECT_EQ(2, n);
}

TEST_F(wrappers, status_and_caps)
{
	const int sos[2] = { self->so, self->so };
	const __u64 points[2] = { 1, 2 };
	__s32 status[2] = { -1, -1 };
	struct syncobj_caps caps;

	ASSERT_EQ(0, bufsync_syncobj_signal(self->dev, sos, points, 1));
	ASSERT_EQ(0, bufsync_syncobj_status(self->dev, sos, points, status, 2));
	EXPECT_EQ(SYNCOBJ_STATUS_SIGNALED, status[0]);
	EXPECT_EQ(SYNCOBJ_STATUS_UNSUBMITTED, status[1]);
	EXPECT_EQ(-EINVAL, bufsync_syncobj_status(self->dev, sos, points,
						  status, 0));
	memset(&caps, 0xff, sizeof(caps));
	ASSERT_EQ(0, bufsync_syncobj_caps(self->dev, &caps));
	EXPECT_EQ(SYNCOBJ_VERSION, caps.out_version);
	EXPECT_EQ(SYNCOBJ_MAX_COUNT, caps.out_max_count);
	EXPECT_EQ(0, caps.out_reserved);
}

TEST_F(wrappers, times)
{
	__s64 before = now_ns(), at = bufsync_syncobj_after(5 * NSEC_PER_SEC);
	__s64 after = now_ns();

	EXPECT_LE(before + 5 * NSEC_PER_SEC, at);
	EXPECT_GE(after + 5 * NSEC_PER_SEC, at);
	before = now_ns();
	at = bufsync_syncobj_after(0);
	EXPECT_TRUE(before <= at && at <= now_ns());
	before = now_ns();
	at = bufsync_syncobj_after(INT64_MIN);
	EXPECT_TRUE(before <= at && at <= now_ns());
	EXPECT_EQ(INT64_MAX, bufsync_syncobj_after(INT64_MAX));
	EXPECT_EQ(INT64_MAX, bufsync_syncobj_after(INT64_MAX - 1));
	EXPECT_EQ(INT64_MAX, BUFSYNC_SYNCOBJ_FOREVER);
}

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

/* A signal each 5 ms, whose handler makes calls end with EINTR */
static void signals_begin(void)
{
	const struct itimerval often = { { 0, 5000 }, { 0, 5000 } };
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGALRM, &action, NULL);
	signals = 0;
	setitimer(ITIMER_REAL, &often, NULL);
}

static void signals_end(void)
{
	const struct itimerval never = { };

	setitimer(ITIMER_REAL, &never, NULL);
}

TEST_F(wrappers, signals_do_not_end_a_wait)
{
	struct syncobj_wait_args args = {
		.fds = (uintptr_t)&self->so, .count = 1, .flags = SUBMIT,
	};
	__s64 end;
	int ret;

	signals_begin();
	args.timeout_nsec = bufsync_syncobj_after(20 * NSEC_PER_SEC);
	EXPECT_EQ(-EINTR, so_try(self->dev, SYNCOBJ_IOC_WAIT, &args));
	signals = 0;
	end = bufsync_syncobj_after(NSEC_PER_SEC / 5);
	ret = bufsync_syncobj_wait(self->dev, &self->so, NULL, 1, SUBMIT, end,
				   NULL);
	signals_end();
	EXPECT_EQ(-ETIME, ret);
	EXPECT_LE(end, now_ns());
	/* The time is not begun anew by each. */
	EXPECT_GT(end + 5 * NSEC_PER_SEC, now_ns());
	EXPECT_LE(2, signals);
}

static void *submit_later(void *arg)
{
	const FIXTURE_DATA(wrappers) *self = arg;
	const __u64 one = 1;
	sigset_t all;

	/* The signals are for the one who waits. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	sleep_ms(200);
	bufsync_syncobj_signal(self->dev, &self->so, &one, 1);
	return NULL;
}

TEST_F(wrappers, signals_do_not_end_a_transfer)
{
	int other = bufsync_syncobj_create(self->dev, 0), ret;
	pthread_t thread;
	__u64 got = 0;

	ASSERT_EQ(0, pthread_create(&thread, NULL, submit_later, self));
	signals_begin();
	ret = bufsync_syncobj_transfer(self->dev, self->so, 1, other, 2,
				       SUBMIT);
	signals_end();
	EXPECT_EQ(0, ret);
	EXPECT_LE(2, signals);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, bufsync_syncobj_query(self->dev, &other, &got, 1, 0));
	EXPECT_EQ(2, got);
}

TEST_HARNESS_MAIN
