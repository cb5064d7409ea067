// SPDX-License-Identifier: GPL-2.0-only
/* How long a registration lives, and what ends it. */
#include <signal.h>
#include <sys/socket.h>
#include <sys/resource.h>

#include "env_util.h"

FIXTURE(life) {
	struct env env;
	int so;
	int efd;
	uint32_t id;
	int refs;	/* of the module with the device open */
};

FIXTURE_SETUP(life)
{
	env_setup(_metadata, &self->env);
	self->so = so_create(self->env.dev, 0);
	ASSERT_GE(self->so, 0);
	self->efd = efd_new();
	self->refs = module_refcnt("syncobj");
}

FIXTURE_TEARDOWN(life)
{
	env_teardown(_metadata, &self->env);
}

/* Pending registrations pin the module, and not one longer than needed. */
TEST_F(life, pins_the_module_until_it_fires)
{
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, self->efd, 1, 0));
	EXPECT_GT(module_refcnt("syncobj"), self->refs);
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0,
			    &self->id));
	sleep_ms(20);
	EXPECT_GT(module_refcnt("syncobj"), self->refs);
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(1, efd_wait(self->efd));
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
}

TEST_F(life, met_at_once_leaves_nothing)
{
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, self->efd, 1, 0));
	EXPECT_EQ(1, efd_take(self->efd));
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
}

TEST_F(life, registering_file_closed)
{
	int other = so_open();

	ASSERT_GE(other, 0);
	ASSERT_EQ(0, so_eventfd(other, self->so, self->efd, 1, 0));
	close(other);
	EXPECT_EQ(0, efd_quiet(self->efd));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(1, efd_wait(self->efd));
}

/* Closed in each phase: unsubmitted, and submitted but not signalled */
TEST_F(life, eventfd_closed)
{
	int phase;

	for (phase = 0; phase < 2; phase++) {
		self->efd = efd_new();
		if (phase)
			ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev,
					    self->so, 1, 0, &self->id));
		ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, self->efd, 1,
					0));
		EXPECT_GT(module_refcnt("syncobj"), self->refs);
		close(self->efd);
		EXPECT_EQ(self->refs, module_settle("syncobj", self->refs))
			TH_LOG("phase %d", phase);
		ASSERT_EQ(0, phase ? tf_signal(self->env.tf, self->id) :
			  so_signal1(self->env.dev, self->so, 1));
		ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
	}
}

/* Submitted after registration, then closed */
TEST_F(life, eventfd_closed_after_submission)
{
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, self->efd, 1, 0));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0,
			    &self->id));
	sleep_ms(20);
	close(self->efd);
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
	/* It holds the fence no longer either. */
	ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
}

/* The last copy counts. */
TEST_F(life, eventfd_copy_kept)
{
	int copy = dup(self->efd);

	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, self->efd, 1, 0));
	close(self->efd);
	EXPECT_EQ(0, efd_quiet(copy));
	EXPECT_GT(module_refcnt("syncobj"), self->refs);
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(1, efd_wait(copy));
}

/* One of several eventfds of the same point */
TEST_F(life, other_eventfds_stay)
{
	int efd[6], i;

	for (i = 0; i < 6; i++) {
		efd[i] = efd_new();
		ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, efd[i],
					1 + i / 2, 0));
	}
	for (i = 0; i < 6; i += 2)
		close(efd[i]);
	sleep_ms(20);
	for (i = 1; i < 6; i += 2) {
		ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1 + i / 2));
		EXPECT_EQ(1, efd_wait(efd[i]));
	}
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
}

/* Nobody can signal it any more: it ends within a few seconds. */
TEST_F(life, syncobj_closed)
{
	int64_t start;

	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, self->efd, 1, 0));
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, self->efd, 2,
				SO_AVAIL));
	close(self->so);
	start = now_ns();
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
	TH_LOG("gone after %lld ms",
	       (long long)(now_ns() - start) / NSEC_PER_MSEC);
	EXPECT_EQ(0, efd_quiet(self->efd));
}

/*
 * The syncobj closed but its fence still to come: the point was submitted, so
 * the event is owed (as with DRM).
 */
TEST_F(life, syncobj_closed_after_submission)
{
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0,
			    &self->id));
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, self->efd, 1, 0));
	close(self->so);
	EXPECT_EQ(0, efd_quiet(self->efd));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(1, efd_wait(self->efd));
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
}

/*
 * Any copy of the syncobj keeps it: a dup, one in flight. Longer than the 3 s
 * within which a sweep ends what nobody holds, as it does the third.
 */
TEST_F(life, syncobj_copy_kept)
{
	int so[3], copy[3], efd[3], sock[2], i;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	for (i = 0; i < 3; i++) {
		so[i] = so_create(self->env.dev, 0);
		efd[i] = efd_new();
		ASSERT_EQ(0, so_eventfd(self->env.dev, so[i], efd[i], 1, 0));
	}
	copy[0] = dup(so[0]);
	ASSERT_EQ(0, send_fd(sock[0], so[1]));
	for (i = 0; i < 3; i++)
		close(so[i]);
	sleep_ms(4000);
	/* two sets; the third is gone */
	EXPECT_EQ(self->refs + 2, module_refcnt("syncobj"));
	copy[1] = recv_fd(sock[1]);
	for (i = 0; i < 2; i++) {
		ASSERT_GE(copy[i], 0);
		ASSERT_EQ(0, so_signal1(self->env.dev, copy[i], 1));
		EXPECT_EQ(1, efd_wait(efd[i]));
	}
	EXPECT_EQ(0, efd_quiet(efd[2]));
}

/* A process that is killed with everything open */
TEST_F(life, process_killed)
{
	struct rlimit limit = { 4096, 4096 };
	int sock[2], i;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	pid = fork();
	if (pid == 0) {
		/* Children share the files that are open already. */
		for (i = 0; i < 200; i++) {
			int so = so_create(self->env.dev, 0);
			int efd = efd_new();

			if (so_eventfd(self->env.dev, so, efd, 1 + i, 0))
				_exit(1);
			if (i & 1)
				close(so);
			if (i & 2)
				close(efd);
		}
		byte = 1;
		if (write(sock[1], &byte, 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	ASSERT_EQ(1, read(sock[0], &byte, 1));
	EXPECT_GT(module_refcnt("syncobj"), self->refs);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
}

/* The registering process is gone, others hold both files. */
TEST_F(life, outlives_the_process)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(so_eventfd(self->env.dev, self->so, self->efd, 1, 0) != 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_EQ(0, efd_quiet(self->efd));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(1, efd_wait(self->efd));
}

/* An eventfd of another process, passed here */
TEST_F(life, eventfd_of_another_process)
{
	int sock[2], status, efd;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	pid = fork();
	if (pid == 0) {
		efd = efd_new();
		if (send_fd(sock[1], efd))
			_exit(1);
		_exit(efd_wait(efd) == 1 ? 0 : 2);
	}
	efd = recv_fd(sock[0]);
	ASSERT_GE(efd, 0);
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, efd, 1, 0));
	close(efd);
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
