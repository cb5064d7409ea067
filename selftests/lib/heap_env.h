/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every test of dma_heap_memcg begins and ends with. The end is a test
 * of its own: with all fds closed the module has no user left, and no cgroup
 * of the test is charged any more.
 */
#ifndef _HEAP_ENV_H
#define _HEAP_ENV_H

#include <limits.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "harness.h"

#include "cgroup_util.h"
#include "heap_util.h"
#include "module_util.h"

struct heap_env {
	int dev;	/* /dev/dma_heap/memcg */
	int refs;	/* of the module before */
	int kmsg;
	struct cg top;	/* the test's cgroups are below */
};

static inline void heap_env_setup(struct __test_metadata *_metadata,
				  struct heap_env *env)
{
	env->refs = module_refcnt("dma_heap_memcg");
	ASSERT_GE(env->refs, 0) TH_LOG("dma_heap_memcg is not loaded");
	env->kmsg = kmsg_start();
	env->dev = heap_open();
	ASSERT_GE(env->dev, 0);
	ASSERT_EQ(0, cg_setup(&env->top));
}

static inline void heap_env_teardown(struct __test_metadata *_metadata,
				     struct heap_env *env)
{
	static char log[65536];

	kmsg_read(env->kmsg, log, sizeof(log));
	EXPECT_EQ(NULL, kmsg_splat(log)) TH_LOG("%s", log);
	syscall(SYS_close_range, 3, UINT_MAX, 0);
	EXPECT_GE(cg_slack(), cg_settle(&env->top, "memory.current", 0,
					cg_slack()))
		TH_LOG("a charge has leaked");
	EXPECT_EQ(0, cg_teardown(&env->top));
	EXPECT_EQ(env->refs, module_settle("dma_heap_memcg", env->refs))
		TH_LOG("the module is still in use");
}

#endif /* _HEAP_ENV_H */
