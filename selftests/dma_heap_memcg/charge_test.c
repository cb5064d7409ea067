// SPDX-License-Identifier: GPL-2.0-only
/* Who is charged: as memory.current and memory.stat of the cgroups say. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>

#include "heap_env.h"
#include "syncobj_util.h"

#define LEN		MIB(64)
#define SELF_THREAD	((uint32_t)-10000)
#define SELF_GROUP	((uint32_t)-10001)
#define PIDFD_THREAD	O_EXCL

/* The test itself, which allocates, moves to a cgroup of its own. */
FIXTURE(charge) {
	struct heap_env env;
	struct cg own, target, other;
	pid_t client;		/* in target */
	int pidfd;		/* of client */
	int64_t own_before, before;
	int64_t slack;
};

FIXTURE_SETUP(charge)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->own, &self->env.top, "own"));
	ASSERT_EQ(0, cg_new(&self->target, &self->env.top, "target"));
	ASSERT_EQ(0, cg_new(&self->other, &self->env.top, "other"));
	ASSERT_EQ(0, cg_move(&self->own, 0));
	self->client = cg_spawn(&self->target);
	ASSERT_GT(self->client, 0);
	self->pidfd = pidfd_of(self->client, 0);
	ASSERT_GE(self->pidfd, 0);
	self->own_before = cg_read(&self->own, "memory.current");
	self->before = cg_read(&self->target, "memory.current");
	self->slack = cg_slack();
}

FIXTURE_TEARDOWN(charge)
{
	/* Whatever was charged, it was nobody else. */
	EXPECT_TRUE(cg_settles(&self->target, self->before, self->slack));
	EXPECT_TRUE(cg_settles(&self->own, self->own_before, self->slack));
	EXPECT_TRUE(cg_settles(&self->other, 0, self->slack));
	cg_kill(self->client);
	heap_env_teardown(_metadata, &self->env);
}

TEST_F(charge, by_pidfd)
{
	int fd = heap_alloc(self->env.dev, LEN, self->pidfd);

	ASSERT_GE(fd, 0);
	EXPECT_TRUE(cg_settles(&self->target, self->before + LEN, self->slack));
	EXPECT_TRUE(cg_settles_stat(&self->target, "kernel", LEN,
				    self->slack));
	EXPECT_TRUE(cg_settles(&self->own, self->own_before, self->slack));
	EXPECT_TRUE(cg_settles(&self->other, 0, self->slack));
	close(fd);
	EXPECT_TRUE(cg_settles(&self->target, self->before, self->slack));
	EXPECT_TRUE(cg_settles_stat(&self->target, "kernel", 0, self->slack));
}

/* It is charged until the last fd and the last mapping are gone. */
TEST_F(charge, until_the_last_close)
{
	int fd = heap_alloc(self->env.dev, LEN, self->pidfd);
	int other = dup(fd);
	char *map = buf_map(fd, PROT_READ | PROT_WRITE);

	ASSERT_GE(other, 0);
	ASSERT_NE(MAP_FAILED, map);
	close(fd);
	EXPECT_TRUE(cg_settles(&self->target, self->before + LEN, self->slack));
	close(other);
	EXPECT_TRUE(cg_settles(&self->target, self->before + LEN, self->slack));
	/* Half a mapping is one. */
	munmap(map, LEN / 2);
	map[LEN - 1] = 1;
	EXPECT_TRUE(cg_settles(&self->target, self->before + LEN, self->slack));
	munmap(map + LEN / 2, LEN / 2);
	EXPECT_TRUE(cg_settles(&self->target, self->before, self->slack));
}

/* All pages are there from the beginning: to touch them costs nothing. */
TEST_F(charge, touching_charges_nothing)
{
	int fd = heap_alloc(self->env.dev, LEN, self->pidfd);
	void *map = buf_map(fd, PROT_READ | PROT_WRITE);

	ASSERT_GE(fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	memset(map, 1, LEN);
	EXPECT_TRUE(cg_settles(&self->target, self->before + LEN, self->slack));
	EXPECT_TRUE(cg_settles(&self->own, self->own_before, self->slack));
	munmap(map, LEN);
	close(fd);
}

static pid_t *thread_tid;

static void *sleeping_thread(void *arg)
{
	(void)arg;
	__atomic_store_n(thread_tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	for (;;)
		pause();
	return NULL;
}

static int with_thread(void *arg)
{
	pthread_t thread;

	(void)arg;
	if (pthread_create(&thread, NULL, sleeping_thread, NULL))
		return 1;
	for (;;)
		pause();
	return 0;
}

TEST_F(charge, by_thread_pidfd)
{
	int64_t end = in_ms(10000);
	int pidfd, fd;
	pid_t pid;

	thread_tid = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, thread_tid);
	pid = cg_run(&self->other, with_thread, NULL);
	ASSERT_GT(pid, 0);
	while (!__atomic_load_n(thread_tid, __ATOMIC_ACQUIRE) && now_ns() < end)
		sleep_ms(1);
	pidfd = pidfd_of(*thread_tid, PIDFD_THREAD);
	if (pidfd == -EINVAL && !kernel_at_least(6, 9)) {
		cg_kill(pid);
		SKIP(return, "no pidfds of threads before 6.9");
	}
	ASSERT_GE(pidfd, 0);
	fd = heap_alloc(self->env.dev, LEN, pidfd);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(cg_settles(&self->other, LEN, self->slack));
	close(fd);
	cg_kill(pid);
}

/* A cgroup needs no process. */
TEST_F(charge, by_directory)
{
	int flags[] = { 0, O_PATH };
	int dir, fd;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		dir = cg_open(&self->other, flags[i]);
		ASSERT_GE(dir, 0);
		fd = heap_alloc(self->env.dev, LEN, dir);
		ASSERT_GE(fd, 0) TH_LOG("O_PATH %zu", i);
		/* The directory's fd is not needed any more. */
		close(dir);
		EXPECT_TRUE(cg_settles(&self->other, LEN, self->slack));
		EXPECT_TRUE(cg_settles(&self->own, self->own_before,
				       self->slack));
		close(fd);
		EXPECT_TRUE(cg_settles(&self->other, 0, self->slack));
	}
}

/* All names of the caller, and the struct that has no charge_fd */
TEST_F(charge, the_caller)
{
	static const uint32_t names[] = { 0, -1, SELF_THREAD, SELF_GROUP };
	struct dma_heap_memcg_query_args query;
	int64_t bytes = self->own_before;
	int fds[ARRAY_SIZE(names) + 1];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		fds[i] = heap_alloc(self->env.dev, MIB(16), names[i]);
		ASSERT_GE(fds[i], 0) TH_LOG("%d", (int)names[i]);
		bytes += MIB(16);
		EXPECT_TRUE(cg_settles(&self->own, bytes, self->slack));
		ASSERT_EQ(0, heap_query(self->env.dev, names[i], &query));
		EXPECT_EQ(cg_id(&self->own), query.out_cgroup);
	}
	fds[i] = heap_alloc_plain(self->env.dev, MIB(16));
	ASSERT_GE(fds[i], 0);
	EXPECT_TRUE(cg_settles(&self->own, bytes + MIB(16), self->slack));
	EXPECT_TRUE(cg_settles(&self->target, self->before, self->slack));
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* The nearest cgroup upwards that has the controller, and QUERY says which. */
TEST_F(charge, nested_without_controller)
{
	struct dma_heap_memcg_query_args query;
	struct cg outer, inner;
	int named[2], fd;
	pid_t pid;
	size_t i;

	ASSERT_EQ(0, cg_new(&outer, &self->env.top, "outer"));
	ASSERT_EQ(0, cg_new(&inner, &outer, "inner"));
	ASSERT_EQ(0, cg_write(&outer, "cgroup.subtree_control", "-memory"));
	ASSERT_EQ(-ENOENT, cg_read(&inner, "memory.current"));
	pid = cg_spawn(&inner);
	ASSERT_GT(pid, 0);
	named[0] = pidfd_of(pid, 0);
	named[1] = cg_open(&inner, 0);
	for (i = 0; i < ARRAY_SIZE(named); i++) {
		ASSERT_GE(named[i], 0);
		fd = heap_alloc(self->env.dev, LEN, named[i]);
		ASSERT_GE(fd, 0);
		EXPECT_TRUE(cg_settles(&outer, LEN, self->slack));
		ASSERT_EQ(0, heap_query(self->env.dev, named[i], &query));
		EXPECT_EQ(cg_id(&outer), query.out_cgroup);
		EXPECT_EQ(LEN, query.out_local_bytes);
		close(fd);
		EXPECT_TRUE(cg_settles(&outer, 0, self->slack));
	}
	cg_kill(pid);
}

static bool stock_heap_accounts(void)
{
	int fd = open("/sys/module/dma_heap/parameters/mem_accounting",
		      O_RDONLY | O_CLOEXEC);
	char c = 'N';

	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = 'N';
	close(fd);
	return c == 'Y' || c == '1';
}

/*
 * The negative control: the kernel's own heap takes the longer struct, and
 * charges nobody, or, told so when booted, the caller. Beside it nothing is
 * counted twice: each heap's pages are charged once.
 */
TEST_F(charge, stock_heap_does_not)
{
	int64_t own = self->own_before + (stock_heap_accounts() ? LEN : 0);
	int stock = heap_stock_open(), fds[2];

	if (stock == -ENOENT)
		SKIP(return, "this kernel has no heap of its own");
	ASSERT_GE(stock, 0);
	fds[0] = heap_alloc(stock, LEN, self->pidfd);
	ASSERT_GE(fds[0], 0);
	EXPECT_TRUE(cg_settles(&self->target, self->before, self->slack));
	EXPECT_TRUE(cg_settles(&self->own, own, self->slack));
	fds[1] = heap_alloc(self->env.dev, LEN, self->pidfd);
	ASSERT_GE(fds[1], 0);
	EXPECT_TRUE(cg_settles(&self->target, self->before + LEN, self->slack));
	EXPECT_TRUE(cg_settles(&self->own, own, self->slack));
	close(fds[0]);
	close(fds[1]);
}

/*
 * What the heap keeps of a buffer is charged as the pages are. The files are
 * the caller's, as all that it opens: less than the pages.
 */
TEST_F(charge, bookkeeping)
{
	enum { COUNT = 2000, MORE = KIB(128) };
	struct rlimit limit = { COUNT + 100, COUNT + 100 };
	int64_t kernel = 0, want = COUNT * PAGE + MORE, end;
	static int fds[COUNT];
	int i;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	want += cg_read_key(&self->target, "memory.stat", "kernel");
	for (i = 0; i < COUNT; i++) {
		fds[i] = heap_alloc(self->env.dev, PAGE, self->pidfd);
		ASSERT_GE(fds[i], 0) TH_LOG("buffer %d", i);
	}
	end = in_ms(10000);
	while (kernel < want && now_ns() < end) {
		kernel = cg_read_key(&self->target, "memory.stat", "kernel");
		sleep_ms(10);
	}
	EXPECT_GT(kernel, want);
	EXPECT_TRUE(cg_settles(&self->own, self->own_before,
			       COUNT * PAGE * 3 / 4));
	for (i = 0; i < COUNT; i++)
		close(fds[i]);
	EXPECT_TRUE(cg_settles(&self->target, self->before, self->slack));
}

/* Kernel threads do part of the work for a large buffer, and pay nothing. */
TEST_F(charge, large_buffer)
{
	int64_t top = cg_read(&self->env.top, "memory.current");
	int fd = heap_alloc(self->env.dev, 2 * LEN, self->pidfd);

	ASSERT_GE(fd, 0);
	EXPECT_TRUE(cg_settles(&self->target, self->before + 2 * LEN,
			       self->slack));
	EXPECT_TRUE(cg_settles(&self->env.top, top + 2 * LEN,
			       2 * self->slack));
	EXPECT_TRUE(cg_settles(&self->own, self->own_before, self->slack));
	EXPECT_TRUE(cg_settles_stat(&self->target, "kernel", 2 * LEN,
				    self->slack));
	close(fd);
}

/* Charged below, so charged in all above. */
TEST_F(charge, ancestors)
{
	int64_t top = cg_read(&self->env.top, "memory.current");
	struct cg outer, inner;
	int dir, fd;

	ASSERT_EQ(0, cg_new(&outer, &self->env.top, "outer"));
	ASSERT_EQ(0, cg_new(&inner, &outer, "inner"));
	dir = cg_open(&inner, 0);
	ASSERT_GE(dir, 0);
	fd = heap_alloc(self->env.dev, LEN, dir);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(cg_settles(&inner, LEN, self->slack));
	EXPECT_TRUE(cg_settles(&outer, LEN, self->slack));
	EXPECT_TRUE(cg_settles(&self->env.top, top + LEN, 2 * self->slack));
	close(fd);
	EXPECT_TRUE(cg_settles(&outer, 0, self->slack));
}

TEST_HARNESS_MAIN
