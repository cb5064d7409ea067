/* SPDX-License-Identifier: GPL-2.0-only */
/* reload_util.h as what a test expects, and told. */
#ifndef _RELOAD_ENV_H
#define _RELOAD_ENV_H

#include "harness.h"

#include "reload_util.h"

/* reload_under_use() without a fault, each as often as asked for */
static inline void reload_all(struct __test_metadata *_metadata, struct reload *r)
{
	EXPECT_EQ(0, reload_under_use(r));
	TH_LOG("%u times gone, %u busy; used %u times, %u missed", r->gone, r->busy, r->used,
	       r->missed);
	EXPECT_GE(r->gone, r->gone_min);
	EXPECT_GE(r->busy, r->busy_min);
	EXPECT_GE(r->used, r->used_min);
}

#endif /* _RELOAD_ENV_H */
