/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests of bar_mmap=dmabuf: the module is loaded anew for that, and with its
 * defaults at the end of the program.
 */
#ifndef _BAR_ENV_H
#define _BAR_ENV_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "module_util.h"
#include "param_util.h"
#include "vfio_util.h"

static int bar_mmap_reload(const char *option)
{
	int ret = 0;

	if (module_loaded(VFIO_OURS)) {
		module_settle(VFIO_OURS, 0);
		ret = module_unload(VFIO_OURS);
	}
	return ret ?: module_probe_with(VFIO_OURS, option);
}

/* Before the device is bound */
static int bar_mmap_load(void)
{
	int ret = param_is(VFIO_OURS, "bar_mmap", "dmabuf") ? 0 :
		  bar_mmap_reload("bar_mmap=dmabuf");

	return ret ?: param_is(VFIO_OURS, "bar_mmap", "dmabuf") ? 0 : -ENOENT;
}

/* By the program itself, when all of its tests have ended, however they did */
static pid_t bar_program;

static __attribute__((constructor)) void bar_program_start(void)
{
	bar_program = getpid();
}

static __attribute__((destructor)) void bar_program_end(void)
{
	if (getpid() != bar_program || !param_is(VFIO_OURS, "bar_mmap", "dmabuf"))
		return;
	if (bar_mmap_reload(NULL))
		fprintf(stderr, "# %s is left with bar_mmap=dmabuf\n",
			VFIO_OURS);
}

#endif /* _BAR_ENV_H */
