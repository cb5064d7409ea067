/* SPDX-License-Identifier: GPL-2.0-only */
/* Real unsignalled fences, from the module bufsync_test_fence. */
#ifndef _FENCE_UTIL_H
#define _FENCE_UTIL_H

#include <stdint.h>

#include "../modules/bufsync_test_fence.h"

/* Loads the module if need be. Returns an fd, or a negative errno. */
int tf_open(void);

/* Returns the fence's sync_file; its id is written to *id. */
int tf_create(int ctl, uint32_t flags, uint32_t *id);
int tf_signal(int ctl, uint32_t id);
int tf_signal_how(int ctl, uint32_t id, int error, uint32_t how,
		  uint32_t delay_ms);
int tf_info(int ctl, uint32_t id, struct test_fence_info *info);

/* Makes a fence and imports it; returns 0 or a negative errno. */
int tf_add(int ctl, int dev, int syncobj, uint64_t point, uint32_t flags,
	   uint32_t *id);

/* Fences that are not freed. tf_settle() waits until there are @want. */
int tf_live(int ctl);
int tf_settle(int ctl, int want);

/* Error of a sync_file's fence, 1 if signalled without one, 0 if pending. */
int sync_file_status(int fd);

#endif /* _FENCE_UTIL_H */
