/* SPDX-License-Identifier: GPL-2.0-only */
/* A process that is killed in the middle of what it does. */
#ifndef _VICTIM_UTIL_H
#define _VICTIM_UTIL_H

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

/* One step more */
static inline void victim_step(unsigned long *steps)
{
	__atomic_add_fetch(steps, 1, __ATOMIC_RELEASE);
}

#endif /* _VICTIM_UTIL_H */
