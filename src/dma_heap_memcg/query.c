// SPDX-License-Identifier: GPL-2.0-only
/*
 * QUERY: the statistics of one cgroup.
 */
#include <linux/memcontrol.h>
#include <linux/minmax.h>
#include <linux/uaccess.h>

#include <bufsync/args.h>

#include "dma_heap_memcg_private.h"

static void mheap_query(struct dma_heap_memcg_query_args *args,
			struct mem_cgroup *memcg,
			const struct mheap_record *r)
{
	*args = (struct dma_heap_memcg_query_args) {
		.size = sizeof(*args),
		.charge_fd = args->charge_fd,
		.out_flags = mheap_memcg_is_root(memcg) ?
			     DMA_HEAP_MEMCG_QUERY_UNLIMITED : 0,
		.out_cgroup = r->id,
		.out_limit = mheap_limit(memcg),
		.out_local_bytes = atomic64_read(&r->local_bytes),
		.out_local_buffers = atomic64_read(&r->local_buffers),
		.out_bytes = atomic64_read(&r->bytes),
		.out_buffers = atomic64_read(&r->buffers),
		.out_peak = atomic64_read(&r->peak),
		.out_charges = atomic64_read(&r->charges),
		.out_denials = atomic64_read(&r->denials),
		.out_failures = atomic64_read(&r->failures),
		.out_throttled = atomic64_read(&r->throttled),
	};
}

/**
 * mheap_query_ioctl() - DMA_HEAP_MEMCG_IOC_QUERY
 * @dev:	the open device
 * @argp:	struct dma_heap_memcg_query_args
 *
 * Context: process, may sleep.
 * Return: 0 or an error that the header names.
 */
int mheap_query_ioctl(struct file *dev, void __user *argp)
{
	struct dma_heap_memcg_query_args args;
	struct mheap_record *record;
	struct mheap_target target;
	int ret, usize;

	usize = bufsync_copy_sized(&args, argp, sizeof(args),
				   offsetofend(typeof(args), out_throttled));
	if (usize < 0)
		return usize;
	if (args.flags)
		return -EINVAL;

	ret = mheap_target_get(args.charge_fd, &target);
	if (ret)
		return ret;
	if (!target.memcg || !mheap_memcg_is_v2()) {
		ret = -EOPNOTSUPP;
		goto put_target;
	}
	record = mheap_record_get(target.memcg);
	if (!record) {
		ret = -ENOMEM;
		goto put_target;
	}
	mheap_query(&args, target.memcg, record);
	mheap_record_put(record);
	if (copy_to_user(argp, &args, min_t(size_t, usize, sizeof(args))))
		ret = -EFAULT;

put_target:
	mheap_target_put(&target);
	return ret;
}
