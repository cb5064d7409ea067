/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's edu as an importer of dma-bufs, from the module bufsync_test_edu; see
 * there. Functions return a negative errno.
 */
#ifndef _EDU_UTIL_H
#define _EDU_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../modules/bufsync_test_edu.h"

/* enum dma_data_direction, as the device sees it */
#define EDU_BOTH	0
#define EDU_READS	1
#define EDU_WRITES	2

/* Loads the module and gives it the device. @bdf holds 16 bytes. */
int edu_start(char *bdf);
/* Closes what edu_open() has returned, and gives the device back. */
int edu_stop(const char *bdf);

int edu_open(void);
void edu_close(int edu);
int edu_attach(int edu, int dmabuf, uint32_t flags);
int edu_detach(int edu);
int edu_map(int edu, int direction);
int edu_unmap(int edu);
/* attach, map for both directions; and both undone */
int edu_import(int edu, int dmabuf, uint32_t flags);
int edu_release(int edu);
int edu_pin(int edu);
int edu_unpin(int edu);
int edu_stats(int edu, struct test_edu_stats_args *stats);
/* Some of it; -errno */
int64_t edu_told(int edu);
/* Since @before, within 30 s: whoever tells it to let go has begun. */
bool edu_told_soon(int edu, int64_t before);
int64_t edu_forced(int edu);
int edu_mapped(int edu);

/* A tenth of a second and more for each 2 KiB; flags: 0 or TEST_EDU_RAW */
int edu_copy_from(int edu, uint64_t offset, void *data, uint32_t len,
		  uint32_t flags);
int edu_copy_to(int edu, uint64_t offset, const void *data, uint32_t len,
		uint32_t flags);

#endif /* _EDU_UTIL_H */
