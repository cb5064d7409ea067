/* SPDX-License-Identifier: GPL-2.0-only */
/* What every test of TRANSFER begins and ends with: a buffer, two cgroups. */
#ifndef _TRANSFER_ENV_H
#define _TRANSFER_ENV_H

#include "heap_env.h"

#include "dmabuf_util.h"

struct transfer_env {
	struct heap_env env;
	int dev;
	struct cg a;
	struct cg b;
	int a_fd;
	int b_fd;
	int64_t size;
	int buf;	/* size bytes, charged to a */
	char *p;	/* all of it, filled with seed 1 */
};

static inline void transfer_env_setup(struct __test_metadata *_metadata,
				      struct transfer_env *t, int64_t size)
{
	heap_env_setup(_metadata, &t->env);
	t->dev = t->env.dev;
	t->size = size;
	ASSERT_EQ(0, cg_new(&t->a, &t->env.top, "a"));
	ASSERT_EQ(0, cg_new(&t->b, &t->env.top, "b"));
	t->a_fd = cg_open(&t->a, 0);
	t->b_fd = cg_open(&t->b, 0);
	t->buf = heap_alloc(t->dev, size, t->a_fd);
	ASSERT_GE(t->buf, 0);
	/* where huge pages fit */
	t->p = buf_map_at(t->buf, PROT_READ | PROT_WRITE, 0);
	ASSERT_NE(MAP_FAILED, t->p);
	buf_fill(t->p, size, 1);
}

static inline void transfer_env_teardown(struct __test_metadata *_metadata,
					 struct transfer_env *t)
{
	buf_unmap_all();
	heap_env_teardown(_metadata, &t->env);
}

/* @cg is charged for it, all of it and nobody else; it has its contents. */
static inline void is_at(struct __test_metadata *_metadata,
			 struct transfer_env *t, const struct cg *cg)
{
	int64_t at_a = cg == &t->a ? t->size : 0;
	int64_t at_b = cg == &t->b ? t->size : 0;
	char name[64], want[64];

	EXPECT_EQ(at_a, cg_local_bytes(t->dev, &t->a));
	EXPECT_EQ(at_b, cg_local_bytes(t->dev, &t->b));
	EXPECT_EQ(t->size, cg_bytes(t->dev, &t->env.top));
	EXPECT_TRUE(cg_charged(&t->a, at_a));
	EXPECT_TRUE(cg_charged(&t->b, at_b));
	EXPECT_TRUE(cg_charged(&t->env.top, t->size));
	EXPECT_EQ(0, buf_differs(t->p, t->size, 1));
	snprintf(want, sizeof(want), "cg:%llu", (unsigned long long)cg_id(cg));
	EXPECT_EQ(0, buf_name(t->buf, name, sizeof(name)));
	EXPECT_STREQ(want, name);
}

#endif /* _TRANSFER_ENV_H */
