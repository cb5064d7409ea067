/* SPDX-License-Identifier: GPL-2.0-only */
/* What every benchmark needs: to end with a reason, and to put samples in order. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With errno */
static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
		strerror(errno));
	exit(1);
}

/*
 * @ret: not negative, or a negative errno, or -1 with errno, as of some of libdrm's
 * calls. (-EPERM is -1, too, and errno the same then.)
 */
static inline int check(const char *what, int ret)
{
	if (ret < 0) {
		if (ret != -1)
			errno = -ret;
		die(what);
	}
	return ret;
}

/* For qsort() of samples, which are int64_t */
static inline int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

#endif /* BENCH_RUN_H */
