/* SPDX-License-Identifier: GPL-2.0-only */
/* A process that is killed in the middle of what it does. */
#ifndef _VICTIM_UTIL_H
#define _VICTIM_UTIL_H

#include <stdbool.h>
#include <stddef.h>

/* Memory that both have, zeroed; NULL if there is none. */
void *victim_shared(size_t size);

/*
 * Runs @fn in a child, which counts in @steps (shared) what it has done, and kills
 * it @us microseconds after it has done @busy of that. 0 if it was that busy, died
 * of SIGKILL and nothing else, and did so within ten seconds.
 */
int victim_kill(unsigned long *steps, unsigned long busy, unsigned int us,
		void (*fn)(void *arg), void *arg);

#define VICTIM_OPS	16

/* What the threads of a victim have done, in memory that both have */
struct victim_counts {
	unsigned long steps;
	unsigned long done[VICTIM_OPS];
	int bad, bad_op;	/* the first error that may not be, and whose */
};

/* @ret of @op, which is a fault if it is negative, unless @harmless; returns it */
int victim_done(struct victim_counts *counts, int op, int ret, bool harmless);

#endif /* _VICTIM_UTIL_H */
