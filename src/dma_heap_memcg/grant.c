// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grants: a permission to charge that is a file descriptor.
 *
 * Copies of the fd may be anywhere, so that the last close says nothing about
 * the will of whoever made it. Revocation therefore hangs on flush(), which
 * runs whenever an fd is closed in a process, also by exec and exit, and says
 * in whose table of files that was.
 */
#include <linux/anon_inodes.h>
#include <linux/cgroup.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include <bufsync/args.h>

#include "dma_heap_memcg_private.h"

/**
 * struct mheap_grant - a permission to charge
 * @ref:	of the file, of calls, of buffers
 * @lock:	protects @memcg and @used; innermost
 * @memcg:	referenced; NULL once revoked
 * @cgroup:	its number
 * @owner:	table of files of whoever made it; only compared
 * @expires:	CLOCK_MONOTONIC
 * @budget:	bytes that may be in use at a time
 * @used:	bytes in use
 */
struct mheap_grant {
	struct kref ref;
	spinlock_t lock;	/* memcg, used; innermost */
	struct mem_cgroup *memcg;
	u64 cgroup;
	const void *owner;
	ktime_t expires;
	u64 budget;
	u64 used;
};

static void mheap_grant_revoke(struct mheap_grant *grant)
{
	struct mem_cgroup *memcg;

	spin_lock(&grant->lock);
	memcg = grant->memcg;
	grant->memcg = NULL;
	spin_unlock(&grant->lock);
	mem_cgroup_put(memcg);
}

static void mheap_grant_free(struct kref *ref)
{
	struct mheap_grant *grant = container_of(ref, struct mheap_grant, ref);

	mheap_grant_revoke(grant);
	kfree(grant);
}

/**
 * mheap_grant_get() - take a reference
 * @grant: referenced
 *
 * Context: any.
 */
void mheap_grant_get(struct mheap_grant *grant)
{
	kref_get(&grant->ref);
}

/**
 * mheap_grant_put() - drop a reference
 * @grant: referenced
 *
 * Context: process.
 */
void mheap_grant_put(struct mheap_grant *grant)
{
	kref_put(&grant->ref, mheap_grant_free);
}

/* The caller holds the lock. */
static int mheap_grant_check_locked(const struct mheap_grant *grant)
{
	lockdep_assert_held(&grant->lock);

	if (!grant->memcg || css_is_dying(&grant->memcg->css))
		return -ENODEV;
	if (grant->expires != KTIME_MAX &&
	    ktime_after(ktime_get(), grant->expires))
		return -ETIME;
	return 0;
}

/**
 * mheap_grant_memcg() - whose charge a grant permits
 * @grant:	referenced
 * @memcg:	where to put a reference
 *
 * Context: process.
 * Return: 0; -ENODEV if it is revoked or the cgroup removed; -ETIME.
 */
int mheap_grant_memcg(struct mheap_grant *grant, struct mem_cgroup **memcg)
{
	int ret;

	spin_lock(&grant->lock);
	ret = mheap_grant_check_locked(grant);
	if (!ret) {
		*memcg = grant->memcg;
		css_get(&(*memcg)->css);
	}
	spin_unlock(&grant->lock);
	return ret;
}

/**
 * mheap_grant_use() - take from the budget
 * @grant:	referenced
 * @len:	bytes; mheap_grant_unuse() gives them back
 *
 * Context: process.
 * Return: 0; -ENODEV, -ETIME; -EDQUOT if that is not left.
 */
int mheap_grant_use(struct mheap_grant *grant, size_t len)
{
	int ret;

	spin_lock(&grant->lock);
	ret = mheap_grant_check_locked(grant);
	if (!ret && len > grant->budget - grant->used)
		ret = -EDQUOT;
	if (!ret)
		grant->used += len;
	spin_unlock(&grant->lock);
	return ret;
}

/**
 * mheap_grant_unuse() - give back to the budget
 * @grant:	referenced
 * @len:	bytes, from mheap_grant_use()
 *
 * Context: process.
 */
void mheap_grant_unuse(struct mheap_grant *grant, size_t len)
{
	spin_lock(&grant->lock);
	grant->used -= len;
	spin_unlock(&grant->lock);
}

static int mheap_grant_flush(struct file *file, fl_owner_t id)
{
	struct mheap_grant *grant = file->private_data;

	if (id == grant->owner)
		mheap_grant_revoke(grant);
	return 0;
}

static int mheap_grant_release(struct inode *inode, struct file *file)
{
	mheap_grant_put(file->private_data);
	return 0;
}

static void mheap_grant_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct mheap_grant *grant = file->private_data;
	bool revoked;
	u64 used;

	spin_lock(&grant->lock);
	revoked = !grant->memcg;
	used = grant->used;
	spin_unlock(&grant->lock);
	seq_printf(m, "cgroup:\t%llu\nbudget:\t%llu\nused:\t%llu\nexpires:\t%lld\nrevoked:\t%d\n",
		   grant->cgroup, grant->budget, used,
		   ktime_to_ns(grant->expires), revoked);
}

static const struct file_operations mheap_grant_fops = {
	.owner = THIS_MODULE,
	.flush = mheap_grant_flush,
	.release = mheap_grant_release,
	.show_fdinfo = mheap_grant_show_fdinfo,
};

/**
 * mheap_grant_from_file() - is it a grant?
 * @file: any file
 *
 * Context: any.
 * Return: the grant, alive as long as @file is held, or NULL.
 */
struct mheap_grant *mheap_grant_from_file(struct file *file)
{
	return file->f_op == &mheap_grant_fops ? file->private_data : NULL;
}

static struct mheap_grant *
mheap_grant_create(const struct mheap_target *target,
		   const struct dma_heap_memcg_grant_args *args)
{
	struct mheap_grant *grant;

	grant = kzalloc(sizeof(*grant), GFP_KERNEL_ACCOUNT);
	if (!grant)
		return NULL;
	kref_init(&grant->ref);
	spin_lock_init(&grant->lock);
	css_get(&target->memcg->css);
	grant->memcg = target->memcg;
	grant->cgroup = cgroup_id(target->memcg->css.cgroup);
	grant->owner = current->files;
	grant->expires = ns_to_ktime(args->expires_nsec);
	grant->budget = args->budget;
	return grant;
}

/* An fd that is reserved, told to the caller, and only then made to work */
static int mheap_grant_install(struct mheap_grant *grant, __u32 __user *out_fd)
{
	struct file *file;
	int fd;

	file = anon_inode_getfile("[dma_heap_memcg_grant]", &mheap_grant_fops,
				  grant, O_RDWR);
	if (IS_ERR(file)) {
		mheap_grant_put(grant);
		return PTR_ERR(file);
	}
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		fput(file);
		return fd;
	}
	if (put_user(fd, out_fd)) {
		put_unused_fd(fd);
		fput(file);
		return -EFAULT;
	}
	fd_install(fd, file);
	return 0;
}

/**
 * mheap_grant_ioctl() - DMA_HEAP_MEMCG_IOC_GRANT
 * @dev:	the open device
 * @argp:	struct dma_heap_memcg_grant_args
 *
 * Context: process, may sleep.
 * Return: 0 or an error that the header names.
 */
int mheap_grant_ioctl(struct file *dev, void __user *argp)
{
	struct dma_heap_memcg_grant_args __user *uargs = argp;
	struct dma_heap_memcg_grant_args args;
	struct mheap_record *record;
	struct mheap_target target;
	struct mheap_grant *grant;
	int ret;

	ret = bufsync_copy_sized(&args, argp, sizeof(args),
				 offsetofend(typeof(args), expires_nsec));
	if (ret < 0)
		return ret;
	if (args.flags || !args.budget || args.expires_nsec < 0)
		return -EINVAL;

	ret = mheap_target_get(args.charge_fd, &target);
	if (ret)
		/* A grant is none of those to choose from, ended or not. */
		return target.named == MHEAP_GRANT ? -EINVAL : ret;
	if (target.named == MHEAP_GRANT)
		ret = -EINVAL;
	else if (!target.memcg || !mheap_memcg_is_v2())
		ret = -EOPNOTSUPP;
	else
		ret = mheap_admit(dev, &target, &record);
	if (!ret) {
		mheap_record_put(record);
		grant = mheap_grant_create(&target, &args);
		ret = grant ? mheap_grant_install(grant, &uargs->out_fd) :
			      -ENOMEM;
	}
	mheap_target_put(&target);
	return ret;
}
