/* SPDX-License-Identifier: GPL-2.0-only */
/* Parameters of modules, and how to put back what they were. */
#ifndef _PARAM_UTIL_H
#define _PARAM_UTIL_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "text_util.h"

#define PARAM_PATH	256

static inline void param_path(char path[PARAM_PATH], const char *module,
			      const char *name)
{
	snprintf(path, PARAM_PATH, "/sys/module/%s/parameters/%s", module,
		 name);
}

/* Without the newline */
static inline int param_get(const char *module, const char *name, char *value,
			    size_t size)
{
	char path[PARAM_PATH];

	param_path(path, module, name);
	return text_read(path, value, size);
}

static inline bool param_is(const char *module, const char *name,
			    const char *want)
{
	char is[64];

	return !param_get(module, name, is, sizeof(is)) && !strcmp(is, want);
}

static inline int param_set(const char *module, const char *name,
			    const char *value)
{
	char path[PARAM_PATH];

	param_path(path, module, name);
	return text_write(path, value);
}

#endif /* _PARAM_UTIL_H */
