/* SPDX-License-Identifier: GPL-2.0-only */
/* A module that goes and comes again while threads use what it has. */
#ifndef _RELOAD_UTIL_H
#define _RELOAD_UTIL_H

#define RELOAD_THREADS	4

struct reload {
	const char *module;
	/*
	 * Opens, uses and closes it, in any of RELOAD_THREADS threads (@thread from
	 * 0 on). 0; -ENOENT if it is not there; another negative errno is a fault.
	 */
	int (*use)(void *arg, int thread);
	void *arg;
	/* As often as this it must have gone, been in use when it should, been used. */
	unsigned int gone_min, busy_min, used_min;

	unsigned int gone, busy, used, missed;
	unsigned int in_a_row;	/* busy, since it was gone */
	int bad;	/* the first fault of @use, or of loading or unloading */
};

/* open() of a device node that comes and goes: -ENOENT if there is no device either */
int reload_open(const char *path);

/*
 * Until all has been as often as asked for, or there was a fault, or 200 s are over.
 * The module is there afterwards. 0 or @bad.
 */
int reload_under_use(struct reload *r);

#endif /* _RELOAD_UTIL_H */
