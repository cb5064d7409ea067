// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which error, with all else valid; and that a call that fails has charged
 * nothing and keeps nothing. What a charge_fd can be is tried with each of the
 * ioctls that take one; what is wrong otherwise is in errno_args_test.c.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "errno_env.h"

#include "unpriv_env.h"

FIXTURE(errors) {
	struct errno_env e;
	struct cg own;
};

FIXTURE_SETUP(errors)
{
	errno_env_setup(_metadata, &self->e);
	ASSERT_EQ(0, cg_new(&self->own, &self->e.env.top, "own"));
}

FIXTURE_TEARDOWN(errors)
{
	errno_env_teardown(_metadata, &self->e);
}

/* All four calls that take a charge_fd */
static void expect_all(struct __test_metadata *_metadata,
		       FIXTURE_DATA(errors) *self, uint32_t charge_fd,
		       int error)
{
	struct dma_heap_memcg_query_args query;
	int dev = self->e.env.dev;

	EXPECT_EQ(error, heap_alloc(dev, LEN, charge_fd));
	EXPECT_EQ(error, heap_grant(dev, charge_fd, LEN, INT64_MAX));
	EXPECT_EQ(error, heap_query(dev, charge_fd, &query));
	EXPECT_EQ(error, heap_transfer(dev, self->e.buf, charge_fd));
}

/* Not open, and open but nothing that can be charged */
TEST_F(errors, charge_fd)
{
	static const uint32_t not_open[] = {
		BAD_FD, INT32_MAX, (uint32_t)INT32_MIN, -2, -9999, -10002,
	};
	char file[512];
	int fds[13], sock[2];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(not_open); i++) {
		expect_all(_metadata, self, not_open[i], -EBADF);
		expect_same(_metadata, &self->e);
	}

	snprintf(file, sizeof(file), "%s/memory.max", self->e.target.path);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[1] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	fds[2] = sock[0];
	fds[3] = memfd_create("memfd", MFD_CLOEXEC);
	fds[4] = dup(self->e.buf);
	fds[5] = dup(self->e.env.dev);
	/* in a cgroup, but a file */
	fds[6] = open(file, O_RDONLY | O_CLOEXEC);
	fds[7] = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[8] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[9] = open("/", O_PATH | O_CLOEXEC);
	fds[10] = open("/sys/fs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[11] = eventfd(0, EFD_CLOEXEC);
	fds[12] = open(file, O_PATH | O_CLOEXEC);
	self->e.fds = count_fds();
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		ASSERT_GE(fds[i], 0) TH_LOG("kind %zu", i);
		expect_all(_metadata, self, fds[i], -EBADF);
		expect_same(_metadata, &self->e);
		if (_metadata->exit_code)
			TH_LOG("up to kind %zu", i);
	}
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	close(sock[1]);
	self->e.fds -= ARRAY_SIZE(fds) + 1;
	/* One that was right a moment ago */
	expect_all(_metadata, self, fds[7], -EBADF);
}

TEST_F(errors, no_such_process)
{
	pid_t pid = cg_spawn(&self->own);
	int pidfd = pidfd_of(pid, 0);
	siginfo_t info;

	ASSERT_GE(pidfd, 0);
	self->e.fds++;
	kill(pid, SIGKILL);
	ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	expect_all(_metadata, self, pidfd, -ESRCH);
	cg_kill(pid);
	expect_all(_metadata, self, pidfd, -ESRCH);
}

TEST_F(errors, kernel_thread)
{
	int pidfd = pidfd_of(2, 0);

	ASSERT_GE(pidfd, 0);
	self->e.fds++;
	expect_all(_metadata, self, pidfd, -EINVAL);
}

TEST_F(errors, removed_cgroup)
{
	int dir = cg_open(&self->own, 0);

	ASSERT_GE(dir, 0);
	ASSERT_EQ(0, cg_remove(&self->own));
	self->e.fds++;
	expect_all(_metadata, self, dir, -ENODEV);
}

struct call {
	int dev;
	int buf;
	uint32_t charge_fd;
};

static int all_as_nobody(void *arg)
{
	const struct call *call = arg;
	int got;

	if (become_nobody())
		return 255;
	got = heap_alloc(call->dev, LEN, call->charge_fd);
	if (got != -EPERM)
		return 1;
	got = heap_grant(call->dev, call->charge_fd, LEN, INT64_MAX);
	if (got != -EPERM)
		return 2;
	got = heap_transfer(call->dev, call->buf, call->charge_fd);
	return got == -EPERM ? 0 : 3;
}

/* Somebody else's process, and somebody else's cgroup; who asks has neither. */
TEST_F(errors, not_permitted)
{
	pid_t pid = cg_spawn(&self->e.target), child;
	int names[] = { pidfd_of(pid, 0), self->e.dir };
	struct cg caller;
	size_t i;

	ASSERT_GE(names[0], 0);
	self->e.fds++;
	ASSERT_EQ(0, cg_new(&caller, &self->e.env.top, "caller"));
	/* or the transfer would be to where it is charged already */
	close(self->e.buf);
	self->e.buf = heap_alloc(self->e.env.dev, LEN, HEAP_SELF);
	ASSERT_GE(self->e.buf, 0);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		child = cg_run(&caller, all_as_nobody,
			       &(struct call) { self->e.env.dev, self->e.buf,
						names[i] });
		ASSERT_GT(child, 0);
		EXPECT_EQ(0, cg_reap(child)) TH_LOG("name %zu", i);
		EXPECT_TRUE(cg_settles(&self->e.target, 0, cg_slack()));
	}
	close(self->e.buf);
	self->e.buf = heap_alloc(self->e.env.dev, LEN, self->e.dir);
	cg_kill(pid);
}

/* A grant for the other cgroup */
static int grant_of(FIXTURE_DATA(errors) *self, uint64_t budget,
		    int64_t expires)
{
	int dir = cg_open(&self->own, 0);
	int grant = heap_grant(self->e.env.dev, dir, budget, expires);

	close(dir);
	return grant;
}

/* ALLOC and TRANSFER take grants. */
static void expect_grant(struct __test_metadata *_metadata,
			 FIXTURE_DATA(errors) *self, int grant, int error)
{
	ASSERT_GE(grant, 0);
	EXPECT_EQ(error, heap_alloc(self->e.env.dev, LEN, grant));
	EXPECT_EQ(error, heap_transfer(self->e.env.dev, self->e.buf, grant));
	close(grant);
	expect_same(_metadata, &self->e);
}

TEST_F(errors, grant_expired)
{
	expect_grant(_metadata, self, grant_of(self, 2 * LEN, 1), -ETIME);
}

TEST_F(errors, grant_spent)
{
	expect_grant(_metadata, self, grant_of(self, LEN - 1, INT64_MAX),
		     -EDQUOT);
}

TEST_F(errors, grant_revoked)
{
	int grant = grant_of(self, 2 * LEN, INT64_MAX);

	close(dup(grant));
	expect_grant(_metadata, self, grant, -ENODEV);
}

TEST_F(errors, grant_for_a_removed_cgroup)
{
	int grant = grant_of(self, 2 * LEN, INT64_MAX);

	ASSERT_EQ(0, cg_remove(&self->own));
	expect_grant(_metadata, self, grant, -ENODEV);
}

TEST_F(errors, grant_by_grant)
{
	int grant = grant_of(self, 2 * LEN, INT64_MAX);

	ASSERT_GE(grant, 0);
	EXPECT_EQ(-EINVAL, heap_grant(self->e.env.dev, grant, LEN, INT64_MAX));
	close(grant);
}

/* Two calls that need an fd, and one that does not */
TEST_F(errors, no_fd_left)
{
	int own = cg_open(&self->own, 0), next = dup(own);
	struct rlimit limit, few;

	ASSERT_GE(next, 0);
	close(next);
	self->e.fds++;
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	few = limit;
	few.rlim_cur = next;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	EXPECT_EQ(-EMFILE, heap_alloc(self->e.env.dev, LEN, own));
	EXPECT_EQ(-EMFILE, heap_grant(self->e.env.dev, own, LEN, INT64_MAX));
	EXPECT_EQ(0, heap_transfer(self->e.env.dev, self->e.buf, own));
	EXPECT_EQ(0, heap_transfer(self->e.env.dev, self->e.buf, self->e.dir));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
}

TEST_HARNESS_MAIN
