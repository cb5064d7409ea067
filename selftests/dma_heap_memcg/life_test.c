// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of a charge when the cgroup is removed, and of a call when the
 * process that it names, or that makes it, ends.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "heap_env.h"
#include "syncobj_util.h"
#include "thread_util.h"

#define LEN	MIB(64)

FIXTURE(life) {
	struct heap_env env;
	struct cg own, mid, leaf;	/* leaf is in mid */
	int64_t slack;
};

FIXTURE_SETUP(life)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->own, &self->env.top, "own"));
	ASSERT_EQ(0, cg_new(&self->mid, &self->env.top, "mid"));
	ASSERT_EQ(0, cg_new(&self->leaf, &self->mid, "leaf"));
	self->slack = cg_slack();
}

FIXTURE_TEARDOWN(life)
{
	heap_env_teardown(_metadata, &self->env);
}

static int alloc_in(int dev, const struct cg *cg, uint64_t len)
{
	int dir = cg_open(cg, 0), fd;

	if (dir < 0)
		return dir;
	fd = heap_alloc(dev, len, dir);
	close(dir);
	return fd;
}

static int query_of(int dev, const struct cg *cg,
		    struct dma_heap_memcg_query_args *query)
{
	int dir = cg_open(cg, 0), ret;

	if (dir < 0)
		return dir;
	ret = heap_query(dev, dir, query);
	close(dir);
	return ret;
}

/* The parent has the charge then, and nothing of the cgroup is kept. */
TEST_F(life, rmdir_with_a_live_buffer)
{
	struct dma_heap_memcg_query_args query;
	int fd = alloc_in(self->env.dev, &self->leaf, LEN);

	ASSERT_GE(fd, 0);
	EXPECT_TRUE(cg_settles(&self->leaf, LEN, self->slack));
	ASSERT_EQ(0, cg_remove(&self->leaf));
	ASSERT_EQ(0, query_of(self->env.dev, &self->mid, &query));
	EXPECT_EQ(LEN, query.out_bytes);
	EXPECT_EQ(1, query.out_buffers);
	EXPECT_TRUE(cg_settles(&self->mid, LEN, self->slack));
	EXPECT_TRUE(cg_settles_stat(&self->mid, "kernel", LEN, self->slack));
	EXPECT_EQ(0, cg_settle_key(&self->mid, "cgroup.stat",
				   "nr_dying_descendants", 0, 0));
	EXPECT_TRUE(cg_settles(&self->mid, LEN, self->slack));
	close(fd);
	EXPECT_TRUE(cg_settles(&self->mid, 0, self->slack));
	ASSERT_EQ(0, query_of(self->env.dev, &self->mid, &query));
	EXPECT_EQ(0, query.out_bytes);
	EXPECT_EQ(0, query.out_buffers);
	EXPECT_EQ(LEN, query.out_peak);
}

/* The same, two levels at once */
TEST_F(life, rmdir_of_a_branch)
{
	struct dma_heap_memcg_query_args query;
	int fds[2];

	fds[0] = alloc_in(self->env.dev, &self->leaf, LEN);
	fds[1] = alloc_in(self->env.dev, &self->mid, LEN / 2);
	ASSERT_GE(fds[0], 0);
	ASSERT_GE(fds[1], 0);
	ASSERT_EQ(0, cg_remove(&self->leaf));
	ASSERT_EQ(0, cg_remove(&self->mid));
	ASSERT_EQ(0, query_of(self->env.dev, &self->env.top, &query));
	EXPECT_EQ(LEN + LEN / 2, query.out_bytes);
	EXPECT_EQ(2, query.out_buffers);
	EXPECT_TRUE(cg_settles(&self->env.top, LEN + LEN / 2, self->slack));
	EXPECT_EQ(0, cg_settle_key(&self->env.top, "cgroup.stat",
				   "nr_dying_descendants", 0, 0));
	close(fds[0]);
	EXPECT_TRUE(cg_settles(&self->env.top, LEN / 2, self->slack));
	close(fds[1]);
	EXPECT_TRUE(cg_settles(&self->env.top, 0, self->slack));
	ASSERT_EQ(0, query_of(self->env.dev, &self->env.top, &query));
	EXPECT_EQ(0, query.out_bytes);
}

/* A directory's fd outlives the directory. */
TEST_F(life, rmdir_before)
{
	int dir = cg_open(&self->leaf, 0);
	struct dma_heap_memcg_query_args query;

	ASSERT_GE(dir, 0);
	ASSERT_EQ(0, cg_remove(&self->leaf));
	EXPECT_EQ(-ENODEV, heap_alloc(self->env.dev, LEN, dir));
	EXPECT_EQ(-ENODEV, heap_query(self->env.dev, dir, &query));
	/* A new one by the same name is another one. */
	ASSERT_EQ(0, cg_new(&self->leaf, &self->mid, "leaf"));
	EXPECT_EQ(-ENODEV, heap_alloc(self->env.dev, LEN, dir));
	EXPECT_TRUE(cg_settles(&self->env.top, 0, self->slack));
}

TEST_F(life, zombie_and_reaped)
{
	struct dma_heap_memcg_query_args query;
	pid_t pid = cg_spawn(&self->leaf);
	int pidfd = pidfd_of(pid, 0);
	siginfo_t info;
	int fd;

	ASSERT_GE(pidfd, 0);
	fd = heap_alloc(self->env.dev, LEN, pidfd);
	ASSERT_GE(fd, 0);
	kill(pid, SIGKILL);
	ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(-ESRCH, heap_alloc(self->env.dev, LEN, pidfd));
	EXPECT_EQ(-ESRCH, heap_query(self->env.dev, pidfd, &query));
	cg_kill(pid);
	EXPECT_EQ(-ESRCH, heap_alloc(self->env.dev, LEN, pidfd));
	EXPECT_EQ(-ESRCH, heap_query(self->env.dev, pidfd, &query));
	/* What was charged before stays. */
	EXPECT_TRUE(cg_settles(&self->leaf, LEN, self->slack));
	close(fd);
	EXPECT_TRUE(cg_settles(&self->leaf, 0, self->slack));
}

/* Exits while calls name it: each call works, or says that it is gone. */
TEST_F(life, exits_during_allocation)
{
	int i, round, fd, pidfd, gone = 0;
	pid_t pid;

	for (round = 0; round < 20; round++) {
		pid = cg_spawn(&self->leaf);
		ASSERT_GT(pid, 0);
		pidfd = pidfd_of(pid, 0);
		for (i = 0; i < 10000; i++) {
			fd = heap_alloc(self->env.dev, KIB(256), pidfd);
			if (i == round)
				kill(pid, SIGKILL);
			if (fd < 0)
				break;
			close(fd);
		}
		EXPECT_EQ(-ESRCH, fd);
		gone += fd == -ESRCH;
		cg_kill(pid);
		close(pidfd);
	}
	EXPECT_EQ(20, gone);
	EXPECT_TRUE(cg_settles(&self->leaf, 0, self->slack));
}

static void *pausing(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static int without_leader(void *arg)
{
	pthread_t thread;

	(void)arg;
	if (pthread_create(&thread, NULL, pausing, NULL))
		return 1;
	/* of this thread, not of the process */
	syscall(SYS_exit, 0);
	return 1;
}

/* The first thread is dead and looks like a zombie, but another lives. */
TEST_F(life, dead_leader)
{
	pid_t pid = cg_run(&self->leaf, without_leader, NULL);
	int64_t end = in_ms(10000);
	int pidfd, fd;

	ASSERT_GT(pid, 0);
	pidfd = pidfd_of(pid, 0);
	ASSERT_GE(pidfd, 0);
	while (task_state(pid) != 'Z' && now_ns() < end)
		sleep_ms(1);
	ASSERT_EQ('Z', task_state(pid));
	fd = heap_alloc(self->env.dev, LEN, pidfd);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(cg_settles(&self->leaf, LEN, self->slack));
	cg_kill(pid);
	EXPECT_EQ(-ESRCH, heap_alloc(self->env.dev, LEN, pidfd));
	close(fd);
}

/* It has stayed behind: what counts is where the others are. */
TEST_F(life, dead_leader_of_a_process_that_moved)
{
	pid_t pid = cg_run(&self->leaf, without_leader, NULL);
	struct dma_heap_memcg_query_args query;
	int64_t end = in_ms(10000);
	int pidfd, fd;

	ASSERT_GT(pid, 0);
	pidfd = pidfd_of(pid, 0);
	ASSERT_GE(pidfd, 0);
	while (task_state(pid) != 'Z' && now_ns() < end)
		sleep_ms(1);
	ASSERT_EQ('Z', task_state(pid));
	ASSERT_EQ(0, cg_move(&self->own, pid));
	ASSERT_EQ(0, heap_query(self->env.dev, pidfd, &query));
	EXPECT_EQ(cg_id(&self->own), query.out_cgroup);
	fd = heap_alloc(self->env.dev, LEN, pidfd);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(cg_settles(&self->own, LEN, self->slack));
	EXPECT_TRUE(cg_settles(&self->leaf, 0, self->slack));
	cg_kill(pid);
	EXPECT_EQ(-ESRCH, heap_alloc(self->env.dev, LEN, pidfd));
	close(fd);
}

TEST_F(life, kernel_thread)
{
	int pidfd = pidfd_of(2, 0);

	ASSERT_GE(pidfd, 0);
	EXPECT_EQ(-EINVAL, heap_alloc(self->env.dev, LEN, pidfd));
}

static int exec_sleep(void *arg)
{
	(void)arg;
	execlp("sleep", "sleep", "1000", NULL);
	return 1;
}

TEST_F(life, exec)
{
	char path[64], comm[32] = "";
	int64_t end = in_ms(10000);
	int pidfd, fds[2];
	pid_t pid;
	FILE *f;

	pid = cg_run(&self->leaf, exec_sleep, NULL);
	ASSERT_GT(pid, 0);
	pidfd = pidfd_of(pid, 0);
	fds[0] = heap_alloc(self->env.dev, LEN, pidfd);
	ASSERT_GE(fds[0], 0);
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	while (strcmp(comm, "sleep\n") && now_ns() < end) {
		f = fopen(path, "re");
		ASSERT_NE(NULL, f);
		if (!fgets(comm, sizeof(comm), f))
			comm[0] = '\0';
		fclose(f);
	}
	ASSERT_STREQ("sleep\n", comm);
	/* It is the same process, with the same cgroup. */
	fds[1] = heap_alloc(self->env.dev, LEN, pidfd);
	ASSERT_GE(fds[1], 0);
	EXPECT_TRUE(cg_settles(&self->leaf, 2 * LEN, self->slack));
	cg_kill(pid);
	close(fds[0]);
	close(fds[1]);
}

struct receiver {
	int sock;
	int close;	/* the other end */
};

static int receive(void *arg)
{
	struct receiver *r = arg;
	int fd;
	char *map;

	close(r->close);
	fd = recv_fd(r->sock);
	map = fd < 0 ? MAP_FAILED : buf_map(fd, PROT_READ | PROT_WRITE);
	if (map == MAP_FAILED)
		return 1;
	map[0] = 1;
	/* ready */
	if (write(r->sock, map, 1) != 1)
		return 1;
	for (;;)
		pause();
	return 0;
}

/* Charged as long as anybody has it, whoever that is. */
TEST_F(life, passed_over_a_socket)
{
	int sock[2], fd;
	pid_t pid;
	char c;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	pid = cg_run(&self->own, receive,
		     &(struct receiver) { sock[1], sock[0] });
	ASSERT_GT(pid, 0);
	close(sock[1]);
	fd = alloc_in(self->env.dev, &self->leaf, LEN);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, send_fd(sock[0], fd));
	ASSERT_EQ(1, read(sock[0], &c, 1));
	close(fd);
	EXPECT_TRUE(cg_settles(&self->leaf, LEN, self->slack));
	EXPECT_TRUE(cg_settles(&self->own, 0, self->slack));
	cg_kill(pid);
	EXPECT_TRUE(cg_settles(&self->leaf, 0, self->slack));
}

struct allocator {
	int dev;
	int dir;
	int calls;	/* shared */
};

static int allocate_for_ever(void *arg)
{
	struct allocator *a = arg;
	int fd;

	for (;;) {
		__atomic_add_fetch(&a->calls, 1, __ATOMIC_RELEASE);
		fd = heap_alloc(a->dev, LEN, a->dir);
		if (fd < 0)
			return -fd;
		close(fd);
	}
}

/* Killed in the middle of it, it goes at once and takes all along. */
TEST_F(life, killed_allocator)
{
	struct dma_heap_memcg_query_args query;
	int64_t end, start, whole;
	struct allocator *a;
	int i, calls, fd;
	pid_t pid;

	a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, a);
	a->dev = self->env.dev;
	a->dir = cg_open(&self->leaf, 0);
	start = now_ns();
	fd = heap_alloc(a->dev, LEN, a->dir);
	whole = now_ns() - start;
	ASSERT_GE(fd, 0);
	close(fd);
	for (i = 0; i < 8; i++) {
		calls = a->calls;
		pid = cg_run(&self->own, allocate_for_ever, a);
		ASSERT_GT(pid, 0);
		/* eight places in the second call */
		end = in_ms(30000);
		while (__atomic_load_n(&a->calls, __ATOMIC_ACQUIRE) <
		       calls + 2 && now_ns() < end)
			sched_yield();
		end = now_ns() + whole * i / 8;
		while (now_ns() < end)
			sched_yield();
		start = now_ns();
		kill(pid, SIGKILL);
		EXPECT_EQ(256 + SIGKILL, cg_reap(pid));
		EXPECT_LT(now_ns() - start, 5 * NSEC_PER_SEC);
		ASSERT_EQ(0, heap_query(a->dev, a->dir, &query));
		EXPECT_EQ(0, query.out_bytes);
		EXPECT_EQ(0, query.out_buffers);
	}
	EXPECT_TRUE(cg_settles(&self->leaf, 0, self->slack));
	EXPECT_EQ(self->env.refs + 1,
		  module_settle("dma_heap_memcg", self->env.refs + 1));
}

TEST_HARNESS_MAIN
