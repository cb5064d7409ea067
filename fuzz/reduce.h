/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _FUZZ_REDUCE_H
#define _FUZZ_REDUCE_H

#include "fuzz.h"

#define CASE_CALLS 1440

/* What two threads of a process do */
struct kase {
	uint32_t n[2];
	struct call c[2][CASE_CALLS];
};

enum phase { R_FIND, R_THREAD, R_CHUNK, R_VALUE, R_VERIFY, R_DONE };

struct reduction {
	uint32_t suspect;	/* index of the thread that the kernel named */
	uint32_t phase;
	uint32_t a;		/* where the phase is */
	uint32_t b;
	uint32_t trying;
	uint32_t trials;
	uint32_t took;		/* the most repetitions until it was seen */
	uint32_t verified;
	uint64_t seed;
	char line[256];
	struct kase best;
	struct kase cand;
};

#endif
