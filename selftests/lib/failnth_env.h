/* SPDX-License-Identifier: GPL-2.0-only */
/* Walks of failnth.h as what a test expects, and told. */
#ifndef _FAILNTH_ENV_H
#define _FAILNTH_ENV_H

#include <stddef.h>

#include "harness.h"

#include "failnth.h"

/* All of @walks, as a test's expectations */
static inline void failnth_all(struct __test_metadata *_metadata,
			       const struct failnth *walks, size_t count,
			       void *arg)
{
	struct failnth_result result;
	size_t i;

	for (i = 0; i < count; i++) {
		failnth_walk(&walks[i], arg, &result);
		TH_LOG("%s: %u points, failed at %u", walks[i].name,
		       result.points, result.failed);
		EXPECT_STREQ("", result.wrong)
			TH_LOG("%s: %s", walks[i].name, result.wrong);
	}
}

#endif /* _FAILNTH_ENV_H */
