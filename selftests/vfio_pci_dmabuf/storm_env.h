/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What storms have in common: things that many threads do at the same time, how often
 * each was done, the first that went wrong, and when it has been enough. In the second
 * half memory is turned off and on as well.
 */
#ifndef _STORM_ENV_H
#define _STORM_ENV_H

#include "events.h"

#define TALLY_MAX	16

struct tally {
	/* in */
	unsigned int count;
	unsigned int resets;	/* as many of the first may find a lock taken */
	unsigned int memory;	/* this one is for the second half */
	const char *names[TALLY_MAX];
	long least[TALLY_MAX];
	/* out */
	unsigned long done[TALLY_MAX];
	int bad, line;
	unsigned int bad_op;
	bool stop, toggle;	/* toggle: the second half */
};

static inline bool tally_stopped(const struct tally *t)
{
	return flag_get(&t->stop) || __atomic_load_n(&t->bad, __ATOMIC_RELAXED);
}

static inline void tally_bad(struct tally *t, unsigned int op, int ret, int line)
{
	t->bad_op = op;
	t->line = line;
	__atomic_store_n(&t->bad, ret, __ATOMIC_RELEASE);
}

/* True if it was done. What only tries to get a lock may fail to. */
static inline bool tally_count(struct tally *t, unsigned int op, int ret, int line)
{
	if (ret >= 0) {
		count_up(&t->done[op]);
		return true;
	}
	if (op >= t->resets || (ret != -EAGAIN && ret != -EBUSY))
		tally_bad(t, op, ret, line);
	return false;
}

/* All that this half of the storm does, often enough? */
static inline bool tally_enough(const struct tally *t)
{
	unsigned int op;

	for (op = 0; op < t->count; op++)
		if ((op != t->memory || flag_get(&t->toggle)) &&
		    (long)count_get(&t->done[op]) < t->least[op])
			return false;
	return true;
}

/*
 * For @ms, and until as much has been done as there must be, or somebody finds fault.
 * @too_long is the end in any case.
 */
static inline void tally_wait(const struct tally *t, int ms, int too_long)
{
	int64_t end = in_ms(ms), late = in_ms(too_long);

	while (!tally_stopped(t) && now_ns() < late &&
	       (now_ns() < end || !tally_enough(t)))
		sleep_ms(20);
}

static inline void tally_check(struct __test_metadata *_metadata,
			       const struct tally *t)
{
	unsigned int op;

	EXPECT_EQ(0, t->bad)
		TH_LOG("%s, line %d: %s", t->names[t->bad_op], t->line,
		       strerror(-t->bad));
	for (op = 0; op < t->count; op++) {
		TH_LOG("%6lu %s", t->done[op], t->names[op]);
		EXPECT_LE(t->least[op], (long)t->done[op])
			TH_LOG("too few: %s", t->names[op]);
	}
}

#endif /* _STORM_ENV_H */
