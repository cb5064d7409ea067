// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module parameters that are one of a few words.
 */
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/string_helpers.h>
#include <linux/sysfs.h>

#include "dma_heap_memcg_private.h"

static const char * const mheap_remote_words[] = {
	[DMA_HEAP_MEMCG_REMOTE_OFF] = "off",
	[DMA_HEAP_MEMCG_REMOTE_STRICT] = "strict",
	[DMA_HEAP_MEMCG_REMOTE_SIGNAL] = "signal",
	NULL,
};

static const char * const mheap_high_words[] = {
	[DMA_HEAP_MEMCG_HIGH_IGNORE] = "ignore",
	[DMA_HEAP_MEMCG_HIGH_FAIL] = "fail",
	[DMA_HEAP_MEMCG_HIGH_THROTTLE] = "throttle",
	NULL,
};

static int mheap_word_set(const char *val, const struct kernel_param *kp,
			  const char * const *words)
{
	int word = __sysfs_match_string(words, -1, val);

	if (word < 0)
		return word;
	WRITE_ONCE(*(int *)kp->arg, word);
	return 0;
}

static int mheap_word_get(char *buf, const struct kernel_param *kp,
			  const char * const *words)
{
	return sysfs_emit(buf, "%s\n", words[READ_ONCE(*(int *)kp->arg)]);
}

static int mheap_remote_set(const char *val, const struct kernel_param *kp)
{
	return mheap_word_set(val, kp, mheap_remote_words);
}

static int mheap_remote_get(char *buf, const struct kernel_param *kp)
{
	return mheap_word_get(buf, kp, mheap_remote_words);
}

static int mheap_high_set(const char *val, const struct kernel_param *kp)
{
	return mheap_word_set(val, kp, mheap_high_words);
}

static int mheap_high_get(char *buf, const struct kernel_param *kp)
{
	return mheap_word_get(buf, kp, mheap_high_words);
}

/* of the parameter remote_policy */
const struct kernel_param_ops mheap_remote_policy_ops = {
	.set = mheap_remote_set,
	.get = mheap_remote_get,
};

/* of the parameter high_policy */
const struct kernel_param_ops mheap_high_policy_ops = {
	.set = mheap_high_set,
	.get = mheap_high_get,
};
