// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a call must pass before anything is allocated. Refusals are counted.
 */
#include <linux/mm.h>

#include "dma_heap_memcg_private.h"

/**
 * mheap_admit() - may the target be charged?
 * @dev:	the open device of the call
 * @target:	filled by mheap_target_get()
 * @record:	where to put a reference to the target's record, or NULL if
 *		nothing can be charged, or nothing told about it
 *
 * Context: process, may sleep.
 * Return: 0; -EPERM or what a security module says; -ESRCH; -ENOMEM. No
 * reference is returned with an error.
 */
int mheap_admit(struct file *dev, const struct mheap_target *target,
		struct mheap_record **record)
{
	struct mheap_record *r = NULL;
	int ret;

	if (target->memcg && mheap_memcg_is_v2()) {
		r = mheap_record_get(target->memcg);
		if (!r)
			return -ENOMEM;
	}
	ret = mheap_access(dev, target);
	if (ret) {
		if (ret != -ESRCH)
			mheap_record_denied(r, ret);
		mheap_record_put(r);
		r = NULL;
	}
	*record = r;
	return ret;
}

/**
 * mheap_admit_len() - is there room?
 * @target:	that mheap_admit() has admitted
 * @record:	from there
 * @len:	bytes
 *
 * Context: process, may sleep; with the policy "throttle" for two seconds.
 * Return: 0; -ENOMEM for memory.max; -EAGAIN or -EINTR for memory.high.
 */
int mheap_admit_len(const struct mheap_target *target,
		    struct mheap_record *record, size_t len)
{
	unsigned long nr = len >> PAGE_SHIFT;
	bool throttled = false;
	int ret;

	ret = mheap_limit_check(target->memcg, nr);
	if (ret)
		mheap_record_failed(record, len, ret);
	/* For its own cgroup the kernel throttles the caller by itself. */
	else if (!target->own)
		ret = mheap_limit_high(target->memcg, nr, &throttled);
	if (throttled)
		mheap_record_throttled(record);
	return ret;
}
