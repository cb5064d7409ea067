// SPDX-License-Identifier: GPL-2.0-only
/* CAPS: its sizes, and that what it says is so. */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "heap_env.h"

#define ALWAYS	(DMA_HEAP_MEMCG_FEATURE_PIDFD | \
		 DMA_HEAP_MEMCG_FEATURE_CGROUP_FD | \
		 DMA_HEAP_MEMCG_FEATURE_GRANT | \
		 DMA_HEAP_MEMCG_FEATURE_QUERY | \
		 DMA_HEAP_MEMCG_FEATURE_TRANSFER)

FIXTURE(caps) {
	struct heap_env env;
	struct dma_heap_memcg_caps caps;
	char remote[16];	/* the parameters before */
	char high[16];
};

FIXTURE_SETUP(caps)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, heap_caps(self->env.dev, &self->caps));
	ASSERT_EQ(0, heap_param_get("remote_policy", self->remote,
				    sizeof(self->remote)));
	ASSERT_EQ(0, heap_param_get("high_policy", self->high,
				    sizeof(self->high)));
}

FIXTURE_TEARDOWN(caps)
{
	EXPECT_EQ(0, heap_param_set("remote_policy", self->remote));
	EXPECT_EQ(0, heap_param_set("high_policy", self->high));
	heap_env_teardown(_metadata, &self->env);
}

TEST_F(caps, values)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

	EXPECT_EQ(sizeof(self->caps), self->caps.size);
	EXPECT_EQ(DMA_HEAP_MEMCG_VERSION, self->caps.out_version);
	EXPECT_EQ(ALWAYS, self->caps.out_features &
		  ~DMA_HEAP_MEMCG_FEATURE_HUGE_FAULT);
	EXPECT_EQ(0, self->caps.out_reserved);
	/* half of the machine's memory, give or take what it was counted by */
	EXPECT_EQ(0, self->caps.out_max_len % page);
	EXPECT_LE(self->caps.out_max_len, (uint64_t)pages * page * 6 / 10);
	EXPECT_GE(self->caps.out_max_len, (uint64_t)pages * page * 4 / 10);
	EXPECT_TRUE(self->caps.out_orders & 1);
#ifdef __x86_64__
	EXPECT_EQ(1 << 9 | 1 << 8 | 1 << 4 | 1, self->caps.out_orders);
#endif
}

/* memory.max may be lower than that, half of the memory never is exceeded. */
TEST_F(caps, max_len_is_the_end)
{
	uint64_t max = self->caps.out_max_len;

	EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, max + 1, HEAP_SELF));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, max * 2, HEAP_SELF));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, 1ULL << 62, HEAP_SELF));
}

TEST_F(caps, policies_of_this_moment)
{
	static const char * const remote[] = { "off", "strict", "signal" };
	static const char * const high[] = { "ignore", "fail", "throttle" };
	struct dma_heap_memcg_caps caps;
	char word[16];
	uint32_t i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, heap_param_set("remote_policy", remote[i]));
		ASSERT_EQ(0, heap_param_set("high_policy", high[i]));
		ASSERT_EQ(0, heap_caps(self->env.dev, &caps));
		EXPECT_EQ(i, caps.out_remote_policy);
		EXPECT_EQ(i, caps.out_high_policy);
		ASSERT_EQ(0, heap_param_get("remote_policy", word,
					    sizeof(word)));
		EXPECT_STREQ(remote[i], word);
		ASSERT_EQ(0, heap_param_get("high_policy", word, sizeof(word)));
		EXPECT_STREQ(high[i], word);
	}
	/* What is no policy changes nothing. */
	EXPECT_EQ(-EINVAL, heap_param_set("remote_policy", "fail"));
	EXPECT_EQ(-EINVAL, heap_param_set("high_policy", "1"));
	ASSERT_EQ(0, heap_caps(self->env.dev, &caps));
	EXPECT_EQ(DMA_HEAP_MEMCG_REMOTE_SIGNAL, caps.out_remote_policy);
	EXPECT_EQ(DMA_HEAP_MEMCG_HIGH_THROTTLE, caps.out_high_policy);
}

TEST_F(caps, sizes)
{
	static union {
		struct dma_heap_memcg_caps caps;
		unsigned char bytes[8192];
	} u;
	const uint32_t known = sizeof(u.caps);
	static const uint32_t good[] = { sizeof(u.caps), sizeof(u.caps) + 1,
					 sizeof(u.caps) + 8, 4096 };
	static const uint32_t bad[] = { 0, 4, sizeof(u.caps) - 1 };
	size_t i, j;
	int dev = self->env.dev;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		memset(&u, 0, sizeof(u));
		u.caps.size = good[i];
		EXPECT_EQ(0, ioctl(dev, DMA_HEAP_MEMCG_IOC_CAPS, &u));
		EXPECT_EQ(0, memcmp(&u.caps, &self->caps, known));
		for (j = known; j < sizeof(u); j++) {
			ASSERT_EQ(0, u.bytes[j])
				TH_LOG("byte %zu", j);
		}
		if (good[i] == known)
			continue;
		/* The last byte that belongs to it is one too many. */
		u.caps.size = good[i];
		u.bytes[good[i] - 1] = 1;
		EXPECT_EQ(-1, ioctl(dev, DMA_HEAP_MEMCG_IOC_CAPS, &u));
		EXPECT_EQ(E2BIG, errno);
	}
	/* The one behind that does not matter. */
	memset(&u, 0xff, sizeof(u));
	u.caps.size = known;
	EXPECT_EQ(0, ioctl(dev, DMA_HEAP_MEMCG_IOC_CAPS, &u));
	EXPECT_EQ(0, memcmp(&u.caps, &self->caps, known));
	EXPECT_EQ(0xff, u.bytes[known]);

	memset(&u, 0, sizeof(u));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		u.caps.size = bad[i];
		EXPECT_EQ(-1, ioctl(dev, DMA_HEAP_MEMCG_IOC_CAPS, &u));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(0, u.caps.out_version);
	}
	u.caps.size = sysconf(_SC_PAGESIZE) + 1;
	EXPECT_EQ(-1, ioctl(dev, DMA_HEAP_MEMCG_IOC_CAPS, &u));
	EXPECT_EQ(E2BIG, errno);
	u.caps.size = UINT32_MAX;
	EXPECT_EQ(-1, ioctl(dev, DMA_HEAP_MEMCG_IOC_CAPS, &u));
	EXPECT_EQ(E2BIG, errno);
}

TEST_HARNESS_MAIN
