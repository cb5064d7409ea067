// SPDX-License-Identifier: GPL-2.0-only
/*
 * bufsync/peer.h: the pidfd is that of the process that has connected, or there is
 * none; by the kernel since 6.5, and as far as that is possible without it, where
 * another process has taken the number.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <linux/sched.h>

#include "harness.h"

#include "module_util.h"

#include <bufsync/peer.h>

#define SOMEBODY	1234	/* a user */

FIXTURE(peer) {
	struct sockaddr_un addr;
	socklen_t len;
	int listener, sock;
	pid_t child;		/* which connects */
	int orders;		/* a pipe to it */
	int fds;
};

FIXTURE_VARIANT(peer) {
	int (*pidfd)(int sock);
	bool by_cred;
};

FIXTURE_VARIANT_ADD(peer, best) {
	.pidfd = bufsync_peer_pidfd,
};

FIXTURE_VARIANT_ADD(peer, by_cred) {
	.pidfd = bufsync_peer_pidfd_by_cred,
	.by_cred = true,
};

/* Does it take the number on trust? */
static bool by_number(const FIXTURE_VARIANT(peer) *variant)
{
	return variant->by_cred || !kernel_at_least(6, 5);
}

FIXTURE_SETUP(peer)
{
	self->child = -1;
	self->sock = -1;
	self->fds = count_fds();
	self->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	self->addr.sun_family = AF_UNIX;
	self->len = sizeof(self->addr);
	ASSERT_EQ(0, bind(self->listener, (void *)&self->addr,
			  sizeof(self->addr.sun_family)));
	ASSERT_EQ(0, listen(self->listener, 4));
	ASSERT_EQ(0, getsockname(self->listener, (void *)&self->addr,
				 &self->len));
}

FIXTURE_TEARDOWN(peer)
{
	close(self->listener);
	close(self->sock);
	if (self->child > 0) {
		kill(self->child, SIGKILL);
		waitpid(self->child, NULL, 0);
		close(self->orders);
	}
	EXPECT_EQ(self->fds, count_fds()) TH_LOG("an fd has leaked");
}

static void await_order(int orders)
{
	char byte;

	if (read(orders, &byte, 1) != 1)
		_exit(1);
}

/*
 * A child that connects, by @uid, and stays so until the next order; then does
 * @next(), if there is one; and stays.
 */
static void connect_child(struct __test_metadata *_metadata,
			  FIXTURE_DATA(peer) *self, uid_t uid,
			  void (*next)(void))
{
	int ends[2], sock;

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	self->orders = ends[1];
	self->child = fork();
	ASSERT_LE(0, self->child);
	if (!self->child) {
		close(ends[1]);
		close(self->listener);
		sock = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		if (seteuid(uid) ||
		    connect(sock, (void *)&self->addr, self->len))
			_exit(1);
		await_order(ends[0]);
		if (next)
			next();
		/* It may be that of its child, or that nobody waits. */
		write(sock, "", 1);
		await_order(ends[0]);
		_exit(0);
	}
	close(ends[0]);
	self->sock = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC);
	ASSERT_LE(0, self->sock);
}

/* The child does what it has to do next. */
static void go_on(struct __test_metadata *_metadata, FIXTURE_DATA(peer) *self)
{
	char byte;

	ASSERT_EQ(1, write(self->orders, "", 1));
	ASSERT_EQ(1, recv(self->sock, &byte, 1, 0));
}

/* As fdinfo has it: -1 if it has ended and was waited for */
static pid_t pid_of(int pidfd)
{
	char path[64], line[128];
	pid_t pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Pid: %d", &pid);
	if (f)
		fclose(f);
	return pid;
}

/* The number, or the error that there was instead of a pidfd */
static int told(int pidfd)
{
	return pidfd < 0 ? pidfd : pid_of(pidfd);
}

/* A process of that number, which must be free */
static pid_t take_number(pid_t pid, uid_t uid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = 1,
	};
	pid_t new = syscall(SYS_clone3, &args, sizeof(args));

	if (new)
		return new;
	if (setresuid(uid, uid, uid))
		_exit(1);
	for (;;)
		pause();
}

/* Gives its end of the socket to a child, which outlives it. */
static void leave_to_a_child(void)
{
	if (fork())
		_exit(0);
}

static void give_up_user(void)
{
	if (setresuid(SOMEBODY, SOMEBODY, SOMEBODY))
		_exit(1);
}

static void give_up_user_for_now(void)
{
	if (seteuid(SOMEBODY))
		_exit(1);
}

TEST_F(peer, accepted)
{
	int pidfd;

	connect_child(_metadata, self, 0, NULL);
	pidfd = variant->pidfd(self->sock);
	ASSERT_LE(0, pidfd) TH_LOG("%s", strerror(-pidfd));
	EXPECT_EQ(FD_CLOEXEC, fcntl(pidfd, F_GETFD));
	EXPECT_EQ(self->child, told(pidfd));
	close(pidfd);
}

TEST_F(peer, other_users)
{
	int pidfd;

	connect_child(_metadata, self, SOMEBODY, NULL);
	pidfd = variant->pidfd(self->sock);
	EXPECT_EQ(self->child, told(pidfd));
	close(pidfd);
}

TEST_F(peer, connected_and_socketpair)
{
	int sock = socket(AF_UNIX, SOCK_SEQPACKET, 0), pair[2], pidfd;

	ASSERT_EQ(0, connect(sock, (void *)&self->addr, self->len));
	pidfd = variant->pidfd(sock);
	EXPECT_EQ(getpid(), told(pidfd));
	close(pidfd);
	close(sock);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pidfd = variant->pidfd(pair[0]);
	EXPECT_EQ(getpid(), told(pidfd));
	close(pidfd);
	close(pair[0]);
	close(pair[1]);
}

TEST_F(peer, errors)
{
	int inet = socket(AF_INET, SOCK_STREAM, 0);
	int alone = socket(AF_UNIX, SOCK_STREAM, 0);
	int file = open("/proc/self/stat", O_RDONLY);
	struct rlimit limit, none;

	ASSERT_LE(0, inet);
	EXPECT_EQ(-EBADF, variant->pidfd(-1));
	EXPECT_EQ(-ENOTSOCK, variant->pidfd(file));
	EXPECT_EQ(-ENODATA, variant->pidfd(alone));
	EXPECT_EQ(-ENODATA, variant->pidfd(inet));
	close(inet);
	close(alone);
	close(file);

	connect_child(_metadata, self, 0, NULL);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = 0;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-EMFILE, variant->pidfd(self->sock));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
}

/* Also one that nobody has waited for yet */
TEST_F(peer, gone)
{
	siginfo_t info;

	connect_child(_metadata, self, 0, NULL);
	ASSERT_EQ(0, kill(self->child, SIGKILL));
	ASSERT_EQ(0, waitid(P_PID, self->child, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(-ESRCH, variant->pidfd(self->sock));
	ASSERT_EQ(self->child, waitpid(self->child, NULL, 0));
	EXPECT_EQ(-ESRCH, variant->pidfd(self->sock));
	self->child = -1;
	close(self->orders);
}

/* Its end of the socket is not. */
TEST_F(peer, gone_with_an_heir)
{
	siginfo_t info;

	connect_child(_metadata, self, 0, leave_to_a_child);
	go_on(_metadata, self);
	ASSERT_EQ(0, waitid(P_PID, self->child, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(-ESRCH, variant->pidfd(self->sock));
	ASSERT_EQ(self->child, waitpid(self->child, NULL, 0));
	EXPECT_EQ(-ESRCH, variant->pidfd(self->sock));
	self->child = -1;
	close(self->orders);
}

/* Its number is another's now, whether somebody still has the socket or not. */
static void lose_child(struct __test_metadata *_metadata,
		       FIXTURE_DATA(peer) *self, bool has_heir)
{
	if (has_heir)
		go_on(_metadata, self);
	ASSERT_EQ(0, kill(self->child, SIGKILL));
	ASSERT_EQ(self->child, waitpid(self->child, NULL, 0));
}

TEST_F(peer, number_of_another)
{
	connect_child(_metadata, self, 0, NULL);
	lose_child(_metadata, self, false);
	ASSERT_EQ(self->child, take_number(self->child, 0));
	EXPECT_EQ(-ESRCH, variant->pidfd(self->sock));
}

TEST_F(peer, number_of_another_user)
{
	connect_child(_metadata, self, 0, leave_to_a_child);
	lose_child(_metadata, self, true);
	ASSERT_EQ(self->child, take_number(self->child, SOMEBODY));
	usleep(300000);		/* until it has changed its user */
	EXPECT_EQ(-ESRCH, variant->pidfd(self->sock));
}

/* What remains, as the header says; of 6.5 and later nothing does. */
TEST_F(peer, number_of_another_of_the_user)
{
	int pidfd;

	connect_child(_metadata, self, 0, leave_to_a_child);
	lose_child(_metadata, self, true);
	ASSERT_EQ(self->child, take_number(self->child, 0));
	pidfd = variant->pidfd(self->sock);
	EXPECT_EQ(by_number(variant) ? self->child : -ESRCH, told(pidfd));
	close(pidfd);
}

TEST_F(peer, gives_up_its_user)
{
	int pidfd;

	connect_child(_metadata, self, 0, give_up_user);
	go_on(_metadata, self);
	pidfd = variant->pidfd(self->sock);
	EXPECT_EQ(by_number(variant) ? -ESRCH : self->child, told(pidfd));
	close(pidfd);
}

TEST_F(peer, keeps_its_user_saved)
{
	int pidfd;

	connect_child(_metadata, self, 0, give_up_user_for_now);
	go_on(_metadata, self);
	pidfd = variant->pidfd(self->sock);
	EXPECT_EQ(self->child, told(pidfd));
	close(pidfd);
}

/* The peer is outside of the pid namespace of the one who asks. */
TEST_F(peer, of_another_pid_namespace)
{
	int status, ret;
	pid_t pid;

	connect_child(_metadata, self, 0, NULL);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (unshare(CLONE_NEWPID))
			_exit(99);
		pid = fork();
		if (!pid) {
			ret = variant->pidfd(self->sock);
			_exit(ret < 0 ? -ret : 0);
		}
		waitpid(pid, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(by_number(variant) ? ESRCH : 0, WEXITSTATUS(status));
}

TEST_HARNESS_MAIN
