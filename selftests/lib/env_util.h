/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every test begins and ends with. The end is a test of its own: with
 * all fds of the process closed, the module has no user left, and every fence
 * that the test has made is freed.
 */
#ifndef _ENV_UTIL_H
#define _ENV_UTIL_H

#include <limits.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "harness.h"

#include "fence_util.h"
#include "module_util.h"
#include "syncobj_util.h"
#include "thread_util.h"

/* The thread of the module that DRM wakes */
#define NOTIFIER	"syncobj-notify"

struct env {
	int dev;	/* /dev/syncobj */
	int tf;		/* /dev/bufsync_test_fence */
	int refs;	/* of the module before */
	int live;	/* fences before */
	size_t page;
};

static inline void env_setup(struct __test_metadata *_metadata,
			     struct env *env)
{
	env->page = sysconf(_SC_PAGESIZE);
	env->refs = module_refcnt("syncobj");
	ASSERT_GE(env->refs, 0) TH_LOG("syncobj is not loaded");
	env->dev = so_open();
	ASSERT_GE(env->dev, 0);
	env->tf = tf_open();
	ASSERT_GE(env->tf, 0) TH_LOG("no bufsync_test_fence");
	env->live = tf_live(env->tf);
}

static inline void env_teardown(struct __test_metadata *_metadata,
				struct env *env)
{
	syscall(SYS_close_range, 3, UINT_MAX, 0);
	env->tf = tf_open();
	EXPECT_EQ(env->live, tf_settle(env->tf, env->live))
		TH_LOG("a fence has leaked");
	close(env->tf);
	EXPECT_EQ(env->refs, module_settle("syncobj", env->refs))
		TH_LOG("the module is still in use");
}

/*
 * @pages writable pages with one behind them that cannot be touched. An array
 * that ends there is read to its last byte and no further; one that ends
 * within is half mapped.
 */
static inline char *guarded(struct __test_metadata *_metadata, size_t page,
			    size_t pages)
{
	char *p = mmap(NULL, (pages + 1) * page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, mprotect(p + pages * page, page, PROT_NONE));
	return p;
}

#endif /* _ENV_UTIL_H */
