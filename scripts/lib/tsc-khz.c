// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints the rate of an x86 processor's time stamp counter in kHz. That is the rate
 * of an emulated processor's, too.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <x86intrin.h>

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Both clocks at one moment: the reading that took the least, as others interrupt. */
static void both(int64_t *ns, uint64_t *tsc)
{
	uint64_t best = UINT64_MAX, before, after;
	int64_t at;
	int i;

	for (i = 0; i < 1000; i++) {
		before = __rdtsc();
		at = now();
		after = __rdtsc();
		if (after - before >= best)
			continue;
		best = after - before;
		*ns = at;
		*tsc = before + best / 2;
	}
}

int main(void)
{
	struct timespec pause = { .tv_nsec = 200000000 };
	uint64_t tsc0, tsc1;
	int64_t ns0, ns1;

	both(&ns0, &tsc0);
	nanosleep(&pause, NULL);
	both(&ns1, &tsc1);
	printf("%.0f\n", (double)(tsc1 - tsc0) * 1000000 / (ns1 - ns0));
	return 0;
}
