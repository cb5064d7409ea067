// SPDX-License-Identifier: GPL-2.0-only
/* The parameter remote_policy, and what holds whatever it says. */
#include "access.h"

#define ROUNDS	101

FIXTURE(policy) {
	struct access_env a;
	/* shared with children */
	struct shared {
		struct dma_heap_memcg_query_args query[2];
		int64_t small[ROUNDS];
		int64_t large[ROUNDS];
	} *shared;
	uint32_t charge_fd;
};

FIXTURE_SETUP(policy)
{
	access_env_setup(_metadata, &self->a);
	self->shared = mmap(NULL, sizeof(*self->shared),
			    PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
}

FIXTURE_TEARDOWN(policy)
{
	access_env_teardown(_metadata, &self->a);
}

/* Each rule alone, under each policy: it holds from one of them on. */
TEST_F(policy, every_rule)
{
	static const char * const words[] = {
		[DMA_HEAP_MEMCG_REMOTE_OFF] = "off",
		[DMA_HEAP_MEMCG_REMOTE_STRICT] = "strict",
		[DMA_HEAP_MEMCG_REMOTE_SIGNAL] = "signal",
	};
	struct access_env *a = &self->a;
	struct cg own_dir;
	struct {
		const char *rule;
		unsigned int from;
		struct attempt how;
	} t[] = {
		{ "1, own cgroup", DMA_HEAP_MEMCG_REMOTE_OFF,
		  { .from = &a->caller, .to = &a->caller, .uid = NOBODY } },
		{ "2, below", DMA_HEAP_MEMCG_REMOTE_STRICT,
		  { .from = &a->root, .to = &a->target, .uid = NOBODY } },
		{ "3, grant", DMA_HEAP_MEMCG_REMOTE_STRICT,
		  { .from = &a->caller, .to = &a->target, .uid = NOBODY,
		    .grant = true } },
		{ "4, directory", DMA_HEAP_MEMCG_REMOTE_STRICT,
		  { .from = &a->caller, .to = &own_dir, .uid = NOBODY } },
		{ "5, signal", DMA_HEAP_MEMCG_REMOTE_SIGNAL,
		  { .from = &a->caller, .to = &a->target, .uid = NOBODY } },
		{ "6, capability", DMA_HEAP_MEMCG_REMOTE_SIGNAL,
		  { .from = &a->caller, .to = &a->target, .uid = NOBODY,
		    .caps = CAP(SYS_RESOURCE) } },
		{ "none", DMA_HEAP_MEMCG_REMOTE_SIGNAL + 1,
		  { .from = &a->caller, .to = &a->target, .uid = NOBODY } },
	};
	int other = process_of(_metadata, &a->target, OTHER);
	struct dma_heap_memcg_caps caps;
	unsigned int i, policy;
	int ret;

	ASSERT_EQ(0, cg_new(&own_dir, &a->env.top, "own-dir"));
	ASSERT_EQ(0, chown(own_dir.path, NOBODY, NOBODY));
	t[0].how.charge_fd = process_of(_metadata, &a->caller, OTHER);
	t[1].how.charge_fd = other;
	t[2].how.charge_fd = heap_grant(a->env.dev, a->dir, MIB(64), INT64_MAX);
	ASSERT_GE((int)t[2].how.charge_fd, 0);
	t[3].how.charge_fd = cg_open(&own_dir, 0);
	t[4].how.charge_fd = process_of(_metadata, &a->target, NOBODY);
	t[5].how.charge_fd = other;
	t[6].how.charge_fd = other;

	for (policy = 0; policy < ARRAY_SIZE(words); policy++) {
		ASSERT_EQ(0, heap_param_set("remote_policy", words[policy]));
		ASSERT_EQ(0, heap_caps(a->env.dev, &caps));
		EXPECT_EQ(policy, caps.out_remote_policy);
		for (i = 0; i < ARRAY_SIZE(t); i++) {
			ret = policy >= t[i].from ? 0 : -EPERM;
			EXPECT_EQ(ret, attempt(_metadata, a, &t[i].how))
				TH_LOG("%s: rule %s", words[policy], t[i].rule);
		}
	}
}

TEST_F(policy, nonsense_is_refused)
{
	char word[16];

	EXPECT_EQ(-EINVAL, heap_param_set("remote_policy", "on"));
	EXPECT_EQ(-EINVAL, heap_param_set("remote_policy", "3"));
	EXPECT_EQ(-EINVAL, heap_param_set("remote_policy", "signa"));
	EXPECT_EQ(0, heap_param_get("remote_policy", word, sizeof(word)));
	EXPECT_STREQ("signal", word);
	/* as echo writes it */
	EXPECT_EQ(0, heap_param_set("remote_policy", "strict\n"));
	EXPECT_EQ(0, heap_param_get("remote_policy", word, sizeof(word)));
	EXPECT_STREQ("strict", word);
}

static int ask(void *arg)
{
	FIXTURE_DATA(policy) *self = arg;
	int dev;

	if (become(NOBODY, NO_CAPS, 0))
		return 1;
	dev = heap_open();
	return heap_query(dev, self->charge_fd, &self->shared->query[0]) ||
	       heap_query(dev, self->a.dir, &self->shared->query[1]);
}

/* What memory.stat tells everybody needs no permission here either. */
TEST_F(policy, query_is_free)
{
	int buf = heap_alloc(self->a.env.dev, TRY_LEN, self->a.dir), i;
	struct dma_heap_memcg_query_args *q = self->shared->query;
	uint64_t denials;

	ASSERT_GE(buf, 0);
	denials = cgroup_stats(_metadata, &self->a, &self->a.target).out_denials;
	self->charge_fd = process_of(_metadata, &self->a.target, 0);
	ASSERT_EQ(0, heap_param_set("remote_policy", "off"));
	ASSERT_EQ(0, cg_reap(cg_run(&self->a.caller, ask, self)));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(cg_id(&self->a.target), q[i].out_cgroup);
		EXPECT_EQ((uint64_t)TRY_LEN, q[i].out_bytes);
		EXPECT_EQ(denials, q[i].out_denials);
	}
}

static int denied_often(void *arg)
{
	FIXTURE_DATA(policy) *self = arg;
	struct shared *s = self->shared;
	int64_t start;
	int dev, i;

	if (become(NOBODY, NO_CAPS, 0))
		return 1;
	dev = heap_open();
	for (i = 0; i < ROUNDS; i++) {
		start = now_ns();
		if (heap_alloc(dev, PAGE, self->charge_fd) != -EPERM)
			return 2;
		s->small[i] = now_ns() - start;
		start = now_ns();
		if (heap_alloc(dev, MIB(128), self->charge_fd) != -EPERM)
			return 3;
		s->large[i] = now_ns() - start;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * Permission comes before all work, and a denial tells nothing about limits:
 * neither by the errno nor by the time, which for 128 MiB of work would be
 * tens of milliseconds.
 */
TEST_F(policy, denied_at_once)
{
	struct shared *s = self->shared;
	uint64_t failures;

	self->charge_fd = process_of(_metadata, &self->a.target, OTHER);
	ASSERT_EQ(0, cg_reap(cg_run(&self->a.caller, denied_often, self)));
	qsort(s->small, ROUNDS, sizeof(*s->small), compare);
	qsort(s->large, ROUNDS, sizeof(*s->large), compare);
	EXPECT_GE(10 * s->small[ROUNDS / 2] + 1000000, s->large[ROUNDS / 2])
		TH_LOG("median of small ones: %lld ns",
		       (long long)s->small[ROUNDS / 2]);

	ASSERT_EQ(0, cg_write_bytes(&self->a.target, "memory.max", MIB(16)));
	failures = cgroup_stats(_metadata, &self->a, &self->a.target).out_failures;
	EXPECT_EQ(0, cg_reap(cg_run(&self->a.caller, denied_often, self)));
	EXPECT_EQ(failures, cgroup_stats(_metadata, &self->a,
					 &self->a.target).out_failures);
}

TEST_HARNESS_MAIN
