/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A cgroup that is charged with one buffer, and what is open: that which a
 * call that fails must leave as it is.
 */
#ifndef _ERRNO_ENV_H
#define _ERRNO_ENV_H

#include "heap_env.h"

#define LEN	MIB(4)
#define BAD_FD	9999

struct errno_env {
	struct heap_env env;
	struct cg target;
	int dir;	/* of target */
	int buf;	/* a buffer of LEN, charged to target */
	int fds;	/* how many are open */
	int refs;
};

static inline void errno_env_setup(struct __test_metadata *_metadata,
				   struct errno_env *e)
{
	heap_env_setup(_metadata, &e->env);
	ASSERT_EQ(0, cg_new(&e->target, &e->env.top, "target"));
	e->dir = cg_open(&e->target, 0);
	ASSERT_GE(e->dir, 0);
	e->buf = heap_alloc(e->env.dev, LEN, e->dir);
	ASSERT_GE(e->buf, 0);
	e->fds = count_fds();
	e->refs = module_refcnt("dma_heap_memcg");
}

/* Nothing has changed; said after each call. */
static inline void expect_same(struct __test_metadata *_metadata,
			       struct errno_env *e)
{
	struct dma_heap_memcg_query_args query;

	EXPECT_EQ(e->fds, count_fds()) TH_LOG("an fd has leaked");
	EXPECT_EQ(e->refs, module_settle("dma_heap_memcg", e->refs));
	ASSERT_EQ(0, heap_query(e->env.dev, e->dir, &query));
	EXPECT_EQ(LEN, query.out_bytes);
	EXPECT_EQ(1, query.out_buffers);
	EXPECT_TRUE(cg_settles(&e->target, LEN, cg_slack()));
}

static inline void errno_env_teardown(struct __test_metadata *_metadata,
				      struct errno_env *e)
{
	expect_same(_metadata, e);
	heap_env_teardown(_metadata, &e->env);
}

#endif /* _ERRNO_ENV_H */
