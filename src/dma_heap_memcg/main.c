// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/dma_heap/memcg: the device, its ioctl table, loading and unloading.
 */
#include <linux/build_bug.h>
#include <linux/fs.h>
#include <linux/memcontrol.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/uaccess.h>
#include <uapi/linux/dma-heap.h>

#include <bufsync/args.h>

#include "dma_heap_memcg_private.h"
#define CREATE_TRACE_POINTS
#include "trace.h"
/* The files after this one in build.c include it as well. */
#undef CREATE_TRACE_POINTS

/* The beginning is the heaps' own struct; 32-bit callers see the same. */
static_assert(offsetof(struct dma_heap_memcg_allocation_data, charge_fd) ==
	      sizeof(struct dma_heap_allocation_data));
static_assert(offsetof(struct dma_heap_memcg_allocation_data, fd) ==
	      offsetof(struct dma_heap_allocation_data, fd));
static_assert(offsetof(struct dma_heap_memcg_allocation_data, fd_flags) ==
	      offsetof(struct dma_heap_allocation_data, fd_flags));
static_assert(sizeof(struct dma_heap_memcg_allocation_data) == 32);
static_assert(sizeof(struct dma_heap_memcg_caps) == 40);
static_assert(sizeof(struct dma_heap_memcg_grant_args) == 32);
static_assert(sizeof(struct dma_heap_memcg_query_args) == 104);
static_assert(sizeof(struct dma_heap_memcg_transfer_args) == 16);

module_param_cb(remote_policy, &mheap_remote_policy_ops, &mheap_remote_policy,
		0644);
MODULE_PARM_DESC(remote_policy,
		 "who may charge another cgroup: off, strict (below the own, grants, writable directories) or signal (also whoever may send it a signal; default)");
module_param_cb(high_policy, &mheap_high_policy_ops, &mheap_high_policy, 0644);
MODULE_PARM_DESC(high_policy,
		 "another cgroup's memory.high: throttle (sleep up to 2 s; default), fail (EAGAIN) or ignore");

static u32 mheap_orders_mask(void)
{
	unsigned int i;
	u32 mask = 0;

	for (i = 0; i < mheap_nr_orders; i++)
		mask |= 1U << mheap_orders[i];
	return mask;
}

/*
 * Can somebody be named? In the root cgroup the kernel need not account kernel
 * memory for that.
 */
static bool mheap_can_charge(void)
{
	bool root;

	if (mem_cgroup_disabled() || !mheap_memcg_is_v2())
		return false;
	rcu_read_lock();
	root = mheap_memcg_is_root(mem_cgroup_from_task(current));
	rcu_read_unlock();
	return root || memcg_kmem_online();
}

static u64 mheap_features(void)
{
	u64 features = 0;

	if (mheap_can_charge())
		features = DMA_HEAP_MEMCG_FEATURE_PIDFD |
			   DMA_HEAP_MEMCG_FEATURE_CGROUP_FD |
			   DMA_HEAP_MEMCG_FEATURE_GRANT |
			   DMA_HEAP_MEMCG_FEATURE_QUERY |
			   DMA_HEAP_MEMCG_FEATURE_TRANSFER;
#ifdef BUFSYNC_HAVE_PMD_PFNMAP
	features |= DMA_HEAP_MEMCG_FEATURE_HUGE_FAULT;
#endif
	return features;
}

static int mheap_caps_ioctl(void __user *argp)
{
	struct dma_heap_memcg_caps caps;
	int usize;

	usize = bufsync_copy_sized(&caps, argp, sizeof(caps),
				   offsetofend(typeof(caps), out_reserved));
	if (usize < 0)
		return usize;

	caps = (struct dma_heap_memcg_caps) {
		.size = sizeof(caps),
		.out_version = DMA_HEAP_MEMCG_VERSION,
		.out_features = mheap_features(),
		.out_max_len = mheap_max_len(),
		.out_remote_policy = READ_ONCE(mheap_remote_policy),
		.out_high_policy = READ_ONCE(mheap_high_policy),
		.out_orders = mheap_orders_mask(),
	};
	if (copy_to_user(argp, &caps, min_t(size_t, usize, sizeof(caps))))
		return -EFAULT;
	return 0;
}

static long mheap_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const unsigned int alloc = DMA_HEAP_MEMCG_IOCTL_ALLOC;
	void __user *argp = (void __user *)arg;

	/* of any size */
	if ((cmd & ~IOCSIZE_MASK) == (alloc & ~IOCSIZE_MASK))
		return mheap_alloc_ioctl(file, cmd, argp);

	switch (cmd) {
	case DMA_HEAP_MEMCG_IOC_CAPS:
		return mheap_caps_ioctl(argp);
	case DMA_HEAP_MEMCG_IOC_GRANT:
		return mheap_grant_ioctl(file, argp);
	case DMA_HEAP_MEMCG_IOC_QUERY:
		return mheap_query_ioctl(file, argp);
	case DMA_HEAP_MEMCG_IOC_TRANSFER:
		return mheap_transfer_ioctl(file, argp);
	default:
		return -ENOIOCTLCMD;
	}
}

static const struct file_operations mheap_dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = mheap_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/*
 * The name is what /sys has, so it must not be one that a kernel's own heap
 * would take.
 */
static struct miscdevice mheap_miscdev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dma_heap_memcg",
	.nodename = "dma_heap/memcg",
	.fops = &mheap_dev_fops,
	.mode = 0660,
};

/* Registering a name a second time would leave a splat in the log. */
static bool mheap_node_taken(void)
{
	static const char * const names[] = {
		"/sys/class/misc/dma_heap_memcg",
		"/sys/class/dma_heap/memcg",
	};
	struct path path;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!kern_path(names[i], 0, &path)) {
			path_put(&path);
			return true;
		}
	}
	return false;
}

static int __init mheap_init(void)
{
	int ret;

	if (mheap_node_taken()) {
		pr_err("this kernel has its own /dev/dma_heap/memcg; not loading\n");
		/* Not EEXIST: modprobe takes that for success. */
		return -EBUSY;
	}
	ret = mheap_records_start();
	if (ret)
		return ret;
	ret = mheap_pages_start();
	if (ret)
		goto stop_records;
	ret = misc_register(&mheap_miscdev);
	if (ret)
		goto stop_pages;
	return 0;

stop_pages:
	mheap_pages_stop();
stop_records:
	mheap_records_stop();
	return ret;
}

static void __exit mheap_exit(void)
{
	misc_deregister(&mheap_miscdev);
	mheap_pages_stop();
	mheap_records_stop();
}

module_init(mheap_init);
module_exit(mheap_exit);

MODULE_DESCRIPTION("dma-heap that charges a memory cgroup of the caller's choice");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
MODULE_VERSION(BUFSYNC_VERSION);
MODULE_IMPORT_NS("DMA_BUF");
