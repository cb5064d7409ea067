// SPDX-License-Identifier: GPL-2.0-only
/* Callers without privileges, and in namespaces of their own. */
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "env_util.h"
#include "unpriv_env.h"

FIXTURE(unpriv) {
	struct env env;
	int so;		/* made by root, outside */
	int sock[2];
};

FIXTURE_SETUP(unpriv)
{
	env_setup(_metadata, &self->env);
	self->so = so_create(self->env.dev, 0);
	ASSERT_GE(self->so, 0);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				self->sock));
}

FIXTURE_TEARDOWN(unpriv)
{
	env_teardown(_metadata, &self->env);
}

/*
 * Every ioctl, with a device that is opened here if none is given. Returns 0,
 * or the number of the step that failed, as an exit status.
 */
static int everything(int dev, int foreign)
{
	int a, b, efd, fd, status;
	struct syncobj_caps caps;
	uint64_t point = 2;
	uint32_t n;

	if (dev < 0)
		dev = so_open();
	if (dev < 0)
		return 1;
	a = so_create(dev, 0);
	b = so_create(dev, SYNCOBJ_CREATE_SIGNALED);
	efd = efd_new();
	if (a < 0 || b < 0 || efd < 0)
		return 2;
	if (so_eventfd(dev, a, efd, 2, 0))
		return 3;
	if (so_signal1(dev, a, 2) || efd_wait(efd) != 1)
		return 4;
	if (so_wait(dev, &a, &point, 1, INT64_MAX, SO_ALL, NULL))
		return 5;
	if (so_query1(dev, a) != 2)
		return 6;
	if (so_transfer(dev, a, 2, b, 5, 0) || so_last1(dev, b) != 5)
		return 7;
	fd = so_export(dev, b, 5);
	if (fd < 0 || so_import(dev, a, fd, 9) || so_query1(dev, a) != 9)
		return 8;
	if (so_reset1(dev, a) || so_wait1(dev, a, 0, 0, 0) != -EINVAL)
		return 9;
	if (so_eventfd(dev, a, efd, 1, 0) ||
	    so_cancel(dev, a, efd, 1, 0, &n) || n != 1)
		return 10;
	if (so_status(dev, &b, NULL, &status, 1) ||
	    status != SYNCOBJ_STATUS_SIGNALED)
		return 11;
	if (so_caps(dev, &caps))
		return 12;
	/* one that somebody else has made and passed on */
	if (so_signal1(dev, foreign, 77) || so_query1(dev, foreign) != 77)
		return 13;
	return 0;
}

static void drop(void)
{
	if (become_nobody())
		_exit(100);
}

TEST_F(unpriv, nobody)
{
	pid_t pid = fork();

	if (pid == 0) {
		drop();
		_exit(everything(-1, self->so));
	}
	expect_child(_metadata, pid);
	EXPECT_EQ(77, so_query1(self->env.dev, self->so));
}

/* The control: nobody is nobody, and may not open what is root's. */
TEST_F(unpriv, nobody_has_no_power)
{
	pid_t pid = fork();

	if (pid == 0) {
		drop();
		_exit(open("/dev/kmsg", O_WRONLY) >= 0 ||
		      open("/dev/mem", O_RDWR) >= 0 ||
		      open("/proc/sys/vm/drop_caches", O_WRONLY) >= 0);
	}
	expect_child(_metadata, pid);
}

TEST_F(unpriv, user_namespace)
{
	pid_t pid = fork();

	if (pid == 0) {
		drop();
		if (unshare(CLONE_NEWUSER))
			_exit(errno == EPERM ? 98 : 99);
		_exit(everything(-1, self->so));
	}
	expect_child(_metadata, pid);
}

TEST_F(unpriv, all_namespaces)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS |
			    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID |
			    CLONE_NEWCGROUP))
			_exit(99);
		pid = fork();
		if (pid == 0)
			_exit(everything(-1, self->so));
		expect_child(_metadata, pid);
		_exit(0);
	}
	expect_child(_metadata, pid);
}

TEST_F(unpriv, network_namespace)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWNET))
			_exit(99);
		_exit(everything(-1, self->so));
	}
	expect_child(_metadata, pid);
}

/* An empty root, and the device only as an fd */
TEST_F(unpriv, chroot)
{
	char dir[] = "/tmp/syncobj-test-XXXXXX";
	pid_t pid;

	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_EQ(0, chmod(dir, 0755));
	pid = fork();
	if (pid == 0) {
		if (chroot(dir) || chdir("/"))
			_exit(99);
		drop();
		if (so_open() != -ENOENT)
			_exit(98);
		_exit(everything(self->env.dev, self->so));
	}
	expect_child(_metadata, pid);
	rmdir(dir);
}

/* A sandbox that cannot open anything is sent device, syncobj and eventfd. */
TEST_F(unpriv, sent_to_a_sandbox)
{
	int efd = efd_new();
	pid_t pid = fork();

	if (pid == 0) {
		struct env env = self->env;
		int so, dev, event;

		close(self->so);
		close(env.dev);
		close(efd);
		drop();
		dev = recv_fd(self->sock[1]);
		so = recv_fd(self->sock[1]);
		event = recv_fd(self->sock[1]);
		if (so_eventfd(dev, so, event, 1, 0))
			_exit(1);
		_exit(everything(dev, so));
	}
	ASSERT_EQ(0, send_fd(self->sock[0], self->env.dev));
	ASSERT_EQ(0, send_fd(self->sock[0], self->so));
	ASSERT_EQ(0, send_fd(self->sock[0], efd));
	expect_child(_metadata, pid);
	/* it fired after, or while, the sandbox signalled 77 */
	EXPECT_EQ(1, efd_wait(efd));
}

TEST_HARNESS_MAIN
