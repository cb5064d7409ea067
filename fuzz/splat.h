/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel says, judged as the rig does: scripts/lib/splats. */
#ifndef _FUZZ_SPLAT_H
#define _FUZZ_SPLAT_H

#include <stdbool.h>

/* Reads the expressions; only what the kernel says from now on counts. */
void splat_init(const char *path);
/* Has it complained since the last call? */
bool splat_seen(void);
const char *splat_line(void);
/* In a process that reads from any fd */
void splat_close(void);

#endif
