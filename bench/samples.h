/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Samples, for report/samples.py to keep: one line a figure, six fields with a TAB
 * between them,
 *
 *	@bench MODULE FIGURE N OURS OTHER
 *
 * N is what a curve is drawn over, or "-"; OURS and OTHER are samples with a blank
 * between them, in the order in which they were taken, or "-". bench/figures.toml says
 * what is compared with what.
 */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "run.h"

static inline bool asked_for(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

/* Is only what takes little time asked for, by make bench QUICK=1? */
static inline bool quick(void)
{
	return asked_for("BENCH_QUICK");
}

/* Does the guest have a clock of its own, and not count instructions? */
static inline bool wall(void)
{
	return asked_for("BENCH_WALL");
}

/* @count values, each of @per operations */
static inline void samples_side(const int64_t *values, int count, unsigned int per)
{
	int i;

	for (i = 0; i < count; i++)
		printf("%c%.15g", i ? ' ' : '\t', (double)values[i] / per);
	if (!count)
		printf("\t-");
}

/* Before anything sorts them. @n < 0: there is none. */
static inline void samples(const char *module, const char *figure, long long n,
			   const int64_t *ours, int nr_ours,
			   const int64_t *other, int nr_other, unsigned int per)
{
	printf("@bench\t%s\t%s\t", module, figure);
	if (n < 0)
		printf("-");
	else
		printf("%lld", n);
	samples_side(ours, nr_ours, per);
	samples_side(other, nr_other, per);
	printf("\n");
	fflush(stdout);
}

/*
 * The same, and a line to read: smallest and median of both sides, an operation each, and
 * the ratio of the medians. Sorts them. Table heads are the callers'.
 */
static inline void compared(const char *module, const char *name, const char *figure,
			    long long n, int64_t *a, int64_t *b, int rounds,
			    unsigned int per)
{
	const int middle = rounds / 2;

	samples(module, figure, n, a, rounds, b, rounds, per);
	qsort(a, rounds, sizeof(*a), compare);
	qsort(b, rounds, sizeof(*b), compare);
	printf("%-34s %12lld %12lld %12lld %12lld  %.4f\n", name, (long long)a[0] / per,
	       (long long)a[middle] / per, (long long)b[0] / per,
	       (long long)b[middle] / per, (double)a[middle] / b[middle]);
	fflush(stdout);
}

#endif /* BENCH_SAMPLES_H */
