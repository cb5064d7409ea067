/* SPDX-License-Identifier: GPL-2.0-only */
/* bufsync-vfio: how it is run, and what it has said and written. */
#ifndef _TOOL_ENV_H
#define _TOOL_ENV_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

#include "module_util.h"

#define TOOL	"bufsync-vfio"

/* The exit status of what the shell makes of it, and what it said in @out */
#define shell(out, size, ...) ({					\
	char _command[1024];						\
									\
	snprintf(_command, sizeof(_command), __VA_ARGS__);		\
	command_run(_command, out, size); })

/* Did it say so? out[] is the fixture's. */
#define SAYS(what)	says(_metadata, self->out, what, true)
#define SAYS_NOT(what)	says(_metadata, self->out, what, false)

static inline void says(struct __test_metadata *_metadata, const char *out,
			const char *what, bool want)
{
	EXPECT_EQ(want, !!strstr(out, what))
		TH_LOG("'%s' in: %s", what, out);
}

#endif /* _TOOL_ENV_H */
