// SPDX-License-Identifier: GPL-2.0-only
/*
 * Large buffers, which kernel threads help to allocate: the parameter
 * "parallel". The kernel's own trace event tells how many a call has asked.
 */
#include <linux/mempolicy.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>

#include "heap_env.h"

#include "dmabuf_util.h"
#include "syncobj_util.h"
#include "thread_util.h"

#define TRACING		"/sys/kernel/tracing"
#define QUEUED		"events/workqueue/workqueue_queue_work"
#define MAX_THREADS	16

/* With an end that is no block of its own */
#define LEN		(MIB(40) + 3 * PAGE)

FIXTURE(parallel) {
	struct heap_env env;
	struct cg target, caller;
	int dir;		/* of target */
	char before[16];	/* the parameter */
	struct cg instance;	/* of tracing; a directory with files */
};

FIXTURE_SETUP(parallel)
{
	struct stat st;

	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, heap_param_get("parallel", self->before,
				    sizeof(self->before)));
	ASSERT_EQ(0, cg_new(&self->target, &self->env.top, "target"));
	ASSERT_EQ(0, cg_new(&self->caller, &self->env.top, "caller"));
	self->dir = cg_open(&self->target, 0);
	ASSERT_GE(self->dir, 0);
	if (stat(TRACING "/events/workqueue", &st)) {
		ASSERT_FALSE(kernel_is_row()) TH_LOG("no trace events");
		return;
	}
	snprintf(self->instance.path, sizeof(self->instance.path),
		 TRACING "/instances/bufsync-%d", getpid());
	ASSERT_EQ(0, mkdir(self->instance.path, 0700));
	ASSERT_EQ(0, cg_write(&self->instance, QUEUED "/filter",
			      "workqueue == \"dma_heap_memcg\""));
	ASSERT_EQ(0, cg_write(&self->instance, QUEUED "/enable", "1"));
}

FIXTURE_TEARDOWN(parallel)
{
	EXPECT_EQ(0, heap_param_set("parallel", self->before));
	if (self->instance.path[0]) {
		cg_write(&self->instance, QUEUED "/enable", "0");
		EXPECT_EQ(0, cg_remove(&self->instance));
	}
	buf_unmap_all();
	heap_env_teardown(_metadata, &self->env);
}

/* Helpers that were asked for so far; -1 if there is no telling */
static int helpers(const struct cg *instance)
{
	char path[512], line[1024];
	int count = 0;
	FILE *f;

	if (!instance->path[0])
		return -1;
	snprintf(path, sizeof(path), "%s/trace", instance->path);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		count += line[0] != '#' && strstr(line, "workqueue_queue_work:");
	fclose(f);
	return count;
}

/* What the documents say: one for 8 MiB, and the caller is one of them. */
static int helpers_for(int parallel, int64_t len)
{
	int n = sysconf(_SC_NPROCESSORS_ONLN);

	if (n > parallel)
		n = parallel;
	if (n > MAX_THREADS)
		n = MAX_THREADS;
	if (n > len / MIB(8))
		n = len / MIB(8);
	return n < 2 ? 0 : n - 1;
}

/* Allocates, with so many helpers, and leaves no byte of it as it was. */
static void alloc_and_look(struct __test_metadata *_metadata,
			   FIXTURE_DATA(parallel) *self, int64_t len, int want)
{
	int before = helpers(&self->instance), buf;
	void *map;

	buf = heap_alloc(self->env.dev, len, self->dir);
	ASSERT_GE(buf, 0);
	if (before >= 0)
		EXPECT_EQ(want, helpers(&self->instance) - before)
			TH_LOG("%jd bytes", (intmax_t)len);
	EXPECT_EQ(len, buf_size(buf));
	EXPECT_EQ(len, cg_local_bytes(self->env.dev, &self->target));
	EXPECT_TRUE(cg_charged(&self->target, len));
	EXPECT_TRUE(cg_charged(&self->env.top, len));
	map = buf_map(buf, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(buf_is_zero(map, len));
	/* Two places that are one page would show. */
	buf_fill(map, len, 1);
	EXPECT_EQ(0, buf_differs(map, len, 1));
	munmap(map, len);
	close(buf);
	EXPECT_EQ(0, cg_local_bytes(self->env.dev, &self->target));
}

TEST_F(parallel, values)
{
	static const char * const good[] = { "0", "1", "2", "4", "15", "16" };
	static const char * const bad[] = {
		"-1", "17", "x", "4x", "1.5", "4294967296",
	};
	char value[16];
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		EXPECT_EQ(0, heap_param_set("parallel", good[i]));
		EXPECT_EQ(0, heap_param_get("parallel", value, sizeof(value)));
		EXPECT_STREQ(good[i], value);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ret = heap_param_set("parallel", bad[i]);
		EXPECT_TRUE(ret == -EINVAL || ret == -ERANGE)
			TH_LOG("%s: %d", bad[i], ret);
		EXPECT_EQ(0, heap_param_get("parallel", value, sizeof(value)));
		EXPECT_STREQ("16", value);
	}
}

/* The pages that were just freed, none of them zero, come again. */
TEST_F(parallel, zeroed_and_charged)
{
	static const int values[] = { 0, 1, 2, 16 };
	char value[16];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		snprintf(value, sizeof(value), "%d", values[i]);
		ASSERT_EQ(0, heap_param_set("parallel", value));
		alloc_and_look(_metadata, self, LEN,
			       helpers_for(values[i], LEN));
	}
}

TEST_F(parallel, from_16_mib_on)
{
	ASSERT_EQ(0, heap_param_set("parallel", "16"));
	alloc_and_look(_metadata, self, MIB(16) - PAGE, 0);
	alloc_and_look(_metadata, self, MIB(16), helpers_for(2, MIB(16)));
	alloc_and_look(_metadata, self, MIB(24), helpers_for(3, MIB(24)));
}

/* The threads are not bound to the caller's processors. */
TEST_F(parallel, caller_on_one_processor)
{
	ASSERT_EQ(0, heap_param_set("parallel", "4"));
	ASSERT_EQ(0, pin_cpu0(false));
	alloc_and_look(_metadata, self, LEN, helpers_for(4, LEN));
}

static bool has_cpusets(const struct cg *cg)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/cpuset.mems", cg->path);
	return !access(path, F_OK);
}

/* Node 0 is all the memory that there is, or they may not help. */
TEST_F(parallel, caller_in_a_cpuset)
{
	bool nodes = !access("/sys/devices/system/node/node1", F_OK), on;
	struct cg root, *top = &self->env.top;
	cpu_set_t cpus;

	cg_parent(&root, top);
	on = has_cpusets(top);
	if (!on && cg_write(&root, "cgroup.subtree_control", "+cpuset"))
		TH_LOG("no cpusets");
	cg_write(top, "cgroup.subtree_control", "+cpuset");
	if (has_cpusets(&self->caller)) {
		ASSERT_EQ(0, cg_write(&self->caller, "cpuset.cpus", "0"));
		ASSERT_EQ(0, cg_write(&self->caller, "cpuset.mems", "0"));
		ASSERT_EQ(0, cg_move(&self->caller, 0));
		ASSERT_EQ(0, sched_getaffinity(0, sizeof(cpus), &cpus));
		EXPECT_EQ(1, CPU_COUNT(&cpus));
	}
	ASSERT_EQ(0, heap_param_set("parallel", "4"));
	alloc_and_look(_metadata, self, LEN, nodes ? 0 : helpers_for(4, LEN));

	/* As it was before */
	if (!on && has_cpusets(top)) {
		ASSERT_EQ(0, cg_move(&root, 0));
		EXPECT_EQ(0, cg_write(top, "cgroup.subtree_control",
				      "-cpuset"));
		EXPECT_EQ(0, cg_write(&root, "cgroup.subtree_control",
				      "-cpuset"));
	}
}

/* They would take memory from anywhere. */
TEST_F(parallel, caller_with_a_memory_policy)
{
	unsigned long node0 = 1;

	if (syscall(SYS_set_mempolicy, MPOL_BIND, &node0, 8 * sizeof(node0)))
		SKIP(return, "no memory policies: %s", strerror(errno));
	ASSERT_EQ(0, heap_param_set("parallel", "16"));
	alloc_and_look(_metadata, self, LEN, 0);
	ASSERT_EQ(0, syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));
	alloc_and_look(_metadata, self, LEN, helpers_for(16, LEN));
}

#define KILLED_LEN	MIB(96)

struct caller {
	int dev;
	int dir;
	int begun;
	int done;
};

static int alloc_for_ever(void *arg)
{
	struct caller *c = arg;
	int buf;

	for (;;) {
		__atomic_fetch_add(&c->begun, 1, __ATOMIC_RELEASE);
		buf = heap_alloc(c->dev, KILLED_LEN, c->dir);
		__atomic_fetch_add(&c->done, 1, __ATOMIC_RELEASE);
		if (buf < 0)
			return -buf;
		close(buf);
	}
}

static void kill_callers(struct __test_metadata *_metadata,
			 FIXTURE_DATA(parallel) *self, struct caller *c)
{
	struct dma_heap_memcg_query_args query;
	int i, within = 0;
	int64_t end = in_ms(60000);
	pid_t pid;

	for (i = 0; within < 8 && now_ns() < end; i++) {
		*c = (struct caller) { .dev = self->env.dev, .dir = self->dir };
		pid = cg_run(&self->caller, alloc_for_ever, c);
		ASSERT_GT(pid, 0);
		while (!__atomic_load_n(&c->begun, __ATOMIC_ACQUIRE) &&
		       now_ns() < end)
			sleep_ms(1);
		sleep_ms(5 + i * 7 % 40);
		kill(pid, SIGKILL);
		ASSERT_EQ(256 + SIGKILL, cg_reap(pid));
		within += c->begun != c->done;
		ASSERT_EQ(0, heap_query(self->env.dev, self->dir, &query));
		EXPECT_EQ(0, query.out_local_bytes);
		EXPECT_EQ(0, query.out_local_buffers);
	}
	TH_LOG("%d of %d were killed within the call", within, i);
	EXPECT_EQ(8, within);
	EXPECT_TRUE(cg_charged(&self->target, 0));
	EXPECT_TRUE(cg_charged(&self->caller, 0));
	/* That is no failure of the cgroup's. */
	EXPECT_EQ(0, query.out_failures);
}

/* What the caller and the helpers have got by then goes back. */
TEST_F(parallel, caller_is_killed)
{
	struct caller *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, c);
	ASSERT_EQ(0, heap_param_set("parallel", "1"));
	kill_callers(_metadata, self, c);
	ASSERT_EQ(0, heap_param_set("parallel", "16"));
	kill_callers(_metadata, self, c);
	alloc_and_look(_metadata, self, LEN, helpers_for(16, LEN));
}

TEST_HARNESS_MAIN
