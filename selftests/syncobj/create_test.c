// SPDX-License-Identifier: GPL-2.0-only
/* CREATE, and what its fds are. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "env_util.h"

FIXTURE(create) {
	struct env env;
};

FIXTURE_SETUP(create)
{
	env_setup(_metadata, &self->env);
}

FIXTURE_TEARDOWN(create)
{
	env_teardown(_metadata, &self->env);
}

TEST_F(create, empty)
{
	int fd = so_create(self->env.dev, 0);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EINVAL, so_wait1(self->env.dev, fd, 0, 0, 0));
	EXPECT_EQ(-EINVAL, so_export(self->env.dev, fd, 0));
	EXPECT_EQ(SYNCOBJ_STATUS_UNSUBMITTED, so_status1(self->env.dev, fd, 0));
	EXPECT_EQ(0, so_query1(self->env.dev, fd));
}

TEST_F(create, signaled)
{
	int fd = so_create(self->env.dev, SYNCOBJ_CREATE_SIGNALED);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, so_wait1(self->env.dev, fd, 0, 0, 0));
	EXPECT_EQ(SYNCOBJ_STATUS_SIGNALED, so_status1(self->env.dev, fd, 0));
	/* It is binary: no point is there. */
	EXPECT_EQ(-EINVAL, so_wait1(self->env.dev, fd, 1, 0, 0));
	EXPECT_EQ(0, so_query1(self->env.dev, fd));
}

TEST_F(create, fd_is_a_cloexec_syncobj)
{
	char path[64], name[128] = "";
	int fd = so_create(self->env.dev, 0);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ASSERT_GT(readlink(path, name, sizeof(name) - 1), 0);
	EXPECT_STREQ("anon_inode:syncobj_file", name);
}

TEST_F(create, two_are_two)
{
	int a = so_create(self->env.dev, 0);
	int b = so_create(self->env.dev, 0);

	ASSERT_GE(a, 0);
	ASSERT_GE(b, 0);
	EXPECT_EQ(0, so_signal1(self->env.dev, a, 1));
	EXPECT_EQ(1, so_query1(self->env.dev, a));
	EXPECT_EQ(0, so_query1(self->env.dev, b));
}

TEST_F(create, dup_is_the_same)
{
	int a = so_create(self->env.dev, 0);
	int b = dup(a);

	ASSERT_GE(b, 0);
	EXPECT_EQ(0, so_signal1(self->env.dev, a, 7));
	close(a);
	EXPECT_EQ(7, so_query1(self->env.dev, b));
	EXPECT_EQ(-EBADF, so_wait1(self->env.dev, a, 0, 0, 0));
}

TEST_F(create, unknown_flags)
{
	int before = count_fds();

	EXPECT_EQ(-EINVAL, so_create(self->env.dev, 2));
	EXPECT_EQ(-EINVAL, so_create(self->env.dev, 0x80000001));
	EXPECT_EQ(before, count_fds());
}

/* The fd on input does not matter. */
TEST_F(create, ignores_fd_on_input)
{
	struct syncobj_create_args args = { .fd = 0x12345678 };

	ASSERT_EQ(0, so_try(self->env.dev, SYNCOBJ_IOC_CREATE, &args));
	EXPECT_GE(args.fd, 3);
	EXPECT_LT(args.fd, 100);
}

/* Readable, not writable arguments: the fd must not stay behind. */
TEST_F(create, readonly_arguments)
{
	struct syncobj_create_args *args;
	int before = count_fds();
	int i;

	args = mmap(NULL, self->env.page, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, args);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(-EFAULT, so_try(self->env.dev, SYNCOBJ_IOC_CREATE,
					  args));
	EXPECT_EQ(before, count_fds());
	EXPECT_EQ(-EFAULT, so_try(self->env.dev, SYNCOBJ_IOC_CREATE, NULL));
	EXPECT_EQ(before, count_fds());
}

TEST_F(create, no_fd_left)
{
	struct rlimit limit;
	int fd, i;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 32;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	for (i = 0; i < 40; i++) {
		fd = so_create(self->env.dev, 0);
		if (fd < 0)
			break;
	}
	EXPECT_EQ(-EMFILE, fd);
	EXPECT_GT(i, 10);
	EXPECT_LT(i, 40);
	EXPECT_EQ(-EMFILE, so_create(self->env.dev, SYNCOBJ_CREATE_SIGNALED));
	/* With one free again it works again. */
	close(31);
	EXPECT_EQ(31, so_create(self->env.dev, 0));
}

TEST_F(create, inherited_by_fork_not_by_exec)
{
	int fd = so_create(self->env.dev, 0);
	char path[64], cmd[128];
	int status;
	pid_t pid;

	ASSERT_GE(fd, 0);
	pid = fork();
	if (pid == 0) {
		if (so_signal1(self->env.dev, fd, 5))
			_exit(1);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		snprintf(cmd, sizeof(cmd), "test ! -e %s && test -e /proc/self/fd/1",
			 path);
		execl("/bin/sh", "sh", "-c", cmd, NULL);
		_exit(2);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(5, so_query1(self->env.dev, fd));
}

TEST_F(create, passed_over_a_socket)
{
	int fd = so_create(self->env.dev, 0);
	int sock[2], status, other;
	pid_t pid;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	pid = fork();
	if (pid == 0) {
		/* one that this process opens itself */
		int dev = so_open();

		close(fd);
		other = recv_fd(sock[1]);
		_exit(so_signal1(dev, other, 9) ? 1 : 0);
	}
	ASSERT_EQ(0, send_fd(sock[0], fd));
	EXPECT_EQ(0, so_wait1(self->env.dev, fd, 9, in_ms(10000), SO_SUBMIT));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* A syncobj lives as long as any fd, also one that lies in a socket. */
TEST_F(create, in_flight)
{
	int fd = so_create(self->env.dev, 0);
	int sock[2], other;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	EXPECT_EQ(0, so_signal1(self->env.dev, fd, 4));
	ASSERT_EQ(0, send_fd(sock[0], fd));
	close(fd);
	other = recv_fd(sock[1]);
	ASSERT_GE(other, 0);
	EXPECT_EQ(4, so_query1(self->env.dev, other));
}

TEST_HARNESS_MAIN
