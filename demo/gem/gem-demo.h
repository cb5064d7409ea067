/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the demo of drm_gem_ctl share. */
#ifndef _GEM_DEMO_H
#define _GEM_DEMO_H

#include "demo.h"
#include "gem_image.h"

/* What a process that restores is asked for: struct msg.op */
enum op {
	OP_MAKE,	/* the objects, with handles as they come; answers with those */
	OP_MOVE,	/* then the old handles, by MOVE; answers with the number */
	OP_IMPORT,	/* the same without the module */
};

/* What has been saved. Who is started after that has it. */
extern struct gem_image image;

/* program.c: a process with objects, which is killed */
void run_program(void);

/* restore.c: a process that becomes what that was */
void run_restore(void);

/* checkpoint.c: the process that saves, kills, starts and compares; it prints */
void run_checkpoint(struct peer *program);

#endif /* _GEM_DEMO_H */
