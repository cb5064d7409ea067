// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many registrations, and what is left when nobody wants them any more:
 * nothing.
 */
#include <sys/resource.h>

#include "cgroup_util.h"
#include "env_util.h"

#define OBJECTS		5000
#define POINTS		2
/* registrations made and abandoned in each way, and at a time */
#define CYCLES		50000
#define AT_A_TIME	500

FIXTURE(scale) {
	struct env env;
	int refs;
};

FIXTURE_SETUP(scale)
{
	struct rlimit limit = { 3 * OBJECTS, 3 * OBJECTS };

	env_setup(_metadata, &self->env);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	self->refs = module_refcnt("syncobj");
}

FIXTURE_TEARDOWN(scale)
{
	env_teardown(_metadata, &self->env);
}

static uint64_t collect(int efd, uint64_t want)
{
	uint64_t sum = 0, got;

	while (sum < want && (got = efd_wait(efd)))
		sum += got;
	return sum + efd_take(efd);
}

/* 5000 syncobjs x 2 points, one eventfd */
TEST_F_TIMEOUT(scale, many_syncobjs, 120)
{
	int *so = calloc(OBJECTS, sizeof(*so));
	uint64_t *points = calloc(OBJECTS, sizeof(*points));
	struct syncobj_eventfd_args *entries;
	int efd = efd_new(), i, p;

	entries = calloc(OBJECTS, sizeof(*entries));
	ASSERT_NE(NULL, entries);
	for (i = 0; i < OBJECTS; i++) {
		so[i] = so_create(self->env.dev, 0);
		ASSERT_GE(so[i], 0);
		entries[i].syncobj_fd = so[i];
		entries[i].eventfd = efd;
	}
	for (p = 1; p <= POINTS; p++) {
		for (i = 0; i < OBJECTS; i++)
			entries[i].point = p;
		ASSERT_EQ(0, so_batch(self->env.dev, entries, OBJECTS, NULL));
	}
	EXPECT_EQ(0, efd_quiet(efd));
	for (p = 1; p <= POINTS; p++) {
		for (i = 0; i < OBJECTS; i++)
			points[i] = p;
		ASSERT_EQ(0, so_signal(self->env.dev, so, points, OBJECTS));
		EXPECT_EQ(OBJECTS, collect(efd, OBJECTS)) TH_LOG("point %d", p);
	}
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
}

/* 5000 points of one syncobj, on 100 eventfds */
TEST_F_TIMEOUT(scale, many_points, 120)
{
	int so = so_create(self->env.dev, 0), efd[100], i;
	uint64_t sum = 0;

	for (i = 0; i < 100; i++)
		efd[i] = efd_new();
	for (i = 0; i < 5000; i++)
		ASSERT_EQ(0, so_eventfd(self->env.dev, so, efd[i % 100], i + 1,
					0));
	ASSERT_EQ(0, so_signal1(self->env.dev, so, 1000));
	for (i = 0; i < 100; i++)
		sum += collect(efd[i], 10);
	EXPECT_EQ(1000, sum);
	ASSERT_EQ(0, so_signal1(self->env.dev, so, 5000));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(40, collect(efd[i], 40));
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
}

/* A fence with thousands of registrations on it */
TEST_F_TIMEOUT(scale, many_on_one_fence, 120)
{
	int so = so_create(self->env.dev, 0), efd = efd_new(), i;
	uint32_t id;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, so, 1, 0, &id));
	for (i = 0; i < 5000; i++)
		ASSERT_EQ(0, so_eventfd(self->env.dev, so, efd, 1, 0));
	EXPECT_EQ(0, efd_take(efd));
	ASSERT_EQ(0, tf_signal_how(self->env.tf, id, 0, TEST_FENCE_IRQ, 0));
	EXPECT_EQ(5000, collect(efd, 5000));
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
}

/*
 * Four ways to abandon: the eventfd goes first, the syncobj goes first, and
 * the same with the point submitted and its fence pending, or, in the last,
 * with a fence on an earlier point.
 */
static int abandon(FIXTURE_DATA(scale) *self, int way, int cycles, int fence)
{
	int dev = self->env.dev, so[AT_A_TIME], efd, i, ret;

	for (; cycles > 0; cycles -= AT_A_TIME) {
		efd = efd_new();
		for (i = 0; i < AT_A_TIME; i++) {
			so[i] = so_create(dev, 0);
			if (so[i] < 0)
				return so[i];
			if (way >= 2) {
				ret = so_import(dev, so[i], fence, 1);
				if (ret)
					return ret;
			}
			ret = so_eventfd(dev, so[i], efd, 1 + (way == 3), 0);
			if (ret)
				return ret;
		}
		if (way != 1)
			close(efd);
		for (i = 0; i < AT_A_TIME; i++)
			close(so[i]);
		if (way == 1)
			close(efd);
	}
	return 0;
}

/*
 * All ways. The fence signals in the end, as every fence does: until then it
 * holds each chain node that was ever asked to signal after it, whoever asked.
 */
static int abandon_all(FIXTURE_DATA(scale) *self, int cycles)
{
	int way, fence, status, ret;
	uint32_t id;

	fence = tf_create(self->env.tf, 0, &id);
	if (fence < 0)
		return fence;
	/* At the same time, for there are several CPUs. */
	for (way = 0; way < 4; way++)
		if (fork() == 0)
			_exit(abandon(self, way, cycles, fence) ? 1 : 0);
	close(fence);
	for (ret = 0; wait(&status) > 0;)
		ret |= status;
	return tf_signal(self->env.tf, id) ?: ret;
}

/*
 * 200,000 registrations later slab use is where it was. A kernel that looks for
 * leaks itself, when all tests are through, is slow and keeps freed memory for
 * a while: a tenth of them there, and slab use says nothing.
 */
TEST_F_TIMEOUT(scale, abandoned, 300)
{
	bool debug = access("/sys/kernel/debug/kmemleak", F_OK) == 0;
	struct slab_caches *caches;
	long before, after;

	/* What is set up once and stays is set up now. */
	ASSERT_EQ(0, abandon_all(self, 2 * AT_A_TIME));
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
	before = slab_kib();
	ASSERT_GT(before, 0);
	caches = slab_caches_read();
	ASSERT_EQ(0, abandon_all(self, debug ? CYCLES / 10 : CYCLES));
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
	after = slab_kib();
	TH_LOG("slab: %ld KiB before, %ld KiB after", before, after);
	slab_caches_report(caches, slab_caches_read());
	/* 32 bytes for each would be 6250 KiB. */
	if (!debug)
		EXPECT_LT(after - before, 2048);
}

/*
 * Only the syncobj goes, and nothing reports that: the sweep has to find out,
 * and does not wait for its time when there are many.
 */
TEST_F_TIMEOUT(scale, swept_before_there_are_too_many, 120)
{
	int efd = efd_new(), so, i, refs, most = 0;
	int many = kernel_is_debug() ? 6000 : 20000;

	for (i = 0; i < many; i++) {
		so = so_create(self->env.dev, 0);
		ASSERT_GE(so, 0);
		ASSERT_EQ(0, so_eventfd(self->env.dev, so, efd, 1, 0));
		close(so);
		if (i % 256 == 255) {
			refs = module_refcnt("syncobj") - self->refs;
			if (refs > most)
				most = refs;
		}
	}
	TH_LOG("%d sets at the most", most);
	EXPECT_GT(most, 0);
	EXPECT_LT(most, 4096);
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
	EXPECT_EQ(0, efd_take(efd));
}

/* Registrations are charged to the memory cgroup of who makes them. */
TEST_F_TIMEOUT(scale, charged, 120)
{
	int so = so_create(self->env.dev, 0), efd = efd_new(), i, ret = 0;
	int64_t before, after;
	struct cg top, cg;

	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK))
		SKIP(return, "no version 2 cgroups");
	ASSERT_EQ(0, cg_setup(&top));
	ASSERT_EQ(0, cg_new(&cg, &top, "watches"));
	ASSERT_EQ(0, cg_move(&cg, 0));
	before = cg_read(&cg, "memory.current");
	for (i = 0; i < 10000 && !ret; i++)
		ret = so_eventfd(self->env.dev, so, efd, 1 + i, 0);
	after = cg_read(&cg, "memory.current");
	close(efd);
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
	EXPECT_EQ(0, cg_teardown(&top));
	EXPECT_EQ(0, ret);
	ASSERT_GE(before, 0);
	TH_LOG("%lld bytes", (long long)(after - before));
	/* a watch has more than 100 bytes */
	EXPECT_GT(after - before, 10000 * 100);
}

/* A control of the above: what is not abandoned does show. */
TEST_F_TIMEOUT(scale, slab_shows_what_is_kept, 120)
{
	int so = so_create(self->env.dev, 0), efd = efd_new(), i;
	long before = slab_kib();

	for (i = 0; i < 10000; i++)
		ASSERT_EQ(0, so_eventfd(self->env.dev, so, efd, 1 + i, 0));
	EXPECT_GT(slab_kib() - before, 512);
	close(efd);
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
}

TEST_HARNESS_MAIN
