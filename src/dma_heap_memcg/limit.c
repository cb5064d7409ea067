// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory.max and memory.high of the target and of all above it.
 *
 * The page allocator enforces memory.max, page by page. What is looked at
 * here saves the work where that must end in failure anyway.
 *
 * memory.high it does not enforce for a foreign cgroup: the kernel would
 * throttle the caller for what its own cgroup is over. So that is done here,
 * as a policy.
 */
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/memcontrol.h>
#include <linux/page_counter.h>
#include <linux/sched/signal.h>

#include "dma_heap_memcg_private.h"

/* What one call may be delayed by; that of the kernel's own throttling */
#define MHEAP_HIGH_MAX_MSEC	2000UL
/* Less is not worth a sleep. */
#define MHEAP_HIGH_MIN_MSEC	10U

/* DMA_HEAP_MEMCG_HIGH_*, a module parameter */
int mheap_high_policy = DMA_HEAP_MEMCG_HIGH_THROTTLE;

/**
 * mheap_limit() - the lowest memory.max on the way to the root
 * @memcg: referenced
 *
 * Context: any.
 * Return: bytes; U64_MAX if there is none.
 */
u64 mheap_limit(struct mem_cgroup *memcg)
{
	unsigned long max = PAGE_COUNTER_MAX;

	for (; mheap_memcg_is_limited(memcg); memcg = parent_mem_cgroup(memcg))
		max = min(max, READ_ONCE(memcg->memory.max));
	return max == PAGE_COUNTER_MAX ? U64_MAX : (u64)max << PAGE_SHIFT;
}

/**
 * mheap_limit_check() - can a charge succeed at all?
 * @memcg:	referenced, or NULL
 * @nr:		pages
 *
 * What is in use already may be reclaimable, so it is not counted.
 *
 * Context: any.
 * Return: 0, or -ENOMEM if a memory.max is below @nr.
 */
int mheap_limit_check(struct mem_cgroup *memcg, unsigned long nr)
{
	return nr > mheap_limit(memcg) >> PAGE_SHIFT ? -ENOMEM : 0;
}

/*
 * The delay for @nr pages more. It grows with the square of the share that the
 * cgroup would be over by, and with the pages, as the kernel's does.
 */
static unsigned int mheap_high_msec(struct mem_cgroup *memcg, unsigned long nr)
{
	u64 over, pages, usage, high, msec = 0;

	for (; mheap_memcg_is_limited(memcg);
	     memcg = parent_mem_cgroup(memcg)) {
		high = READ_ONCE(memcg->memory.high);
		usage = page_counter_read(&memcg->memory) + nr;
		if (usage <= high)
			continue;
		/* in 1/1024; from 16 times over on it makes no difference */
		over = div64_u64((usage - high) << 10, max(high, 1ULL));
		over = min(over, 16ULL << 10);
		/* and pages, from as many on as make two seconds of 1/1024 */
		pages = min(nr, MHEAP_HIGH_MAX_MSEC * (1UL << 20) / MSEC_PER_SEC);
		msec = max(msec, (over * over * pages * MSEC_PER_SEC) >> 20);
	}
	return min_t(u64, msec, MHEAP_HIGH_MAX_MSEC);
}

static bool mheap_above_high(struct mem_cgroup *memcg, unsigned long nr)
{
	for (; mheap_memcg_is_limited(memcg); memcg = parent_mem_cgroup(memcg))
		if (page_counter_read(&memcg->memory) + nr >
		    READ_ONCE(memcg->memory.high))
			return true;
	return false;
}

static int mheap_high_throttle(struct mem_cgroup *memcg, unsigned long nr,
			       bool *delayed)
{
	unsigned int msec = mheap_high_msec(memcg, nr);
	unsigned long end = jiffies + msecs_to_jiffies(msec);

	if (msec < MHEAP_HIGH_MIN_MSEC)
		return 0;
	*delayed = true;
	while (time_before(jiffies, end) && mheap_above_high(memcg, nr)) {
		schedule_timeout_killable(msecs_to_jiffies(MHEAP_HIGH_MIN_MSEC));
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/**
 * mheap_limit_high() - apply the policy for memory.high
 * @memcg:	referenced, or NULL; not the caller's own
 * @nr:		pages that will be charged
 * @delayed:	whether the call is delayed or refused
 *
 * Context: process, sleeps up to two seconds.
 * Return: 0; -EAGAIN under the policy "fail"; -EINTR on a fatal signal.
 */
int mheap_limit_high(struct mem_cgroup *memcg, unsigned long nr, bool *delayed)
{
	int policy = READ_ONCE(mheap_high_policy);

	*delayed = false;
	if (policy == DMA_HEAP_MEMCG_HIGH_IGNORE ||
	    !mheap_above_high(memcg, nr))
		return 0;
	if (policy == DMA_HEAP_MEMCG_HIGH_FAIL) {
		*delayed = true;
		return -EAGAIN;
	}
	return mheap_high_throttle(memcg, nr, delayed);
}
