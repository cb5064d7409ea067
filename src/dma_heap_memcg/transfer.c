// SPDX-License-Identifier: GPL-2.0-only
/*
 * TRANSFER: somebody else is charged for a buffer from now on.
 *
 * The kernel cannot move the charge of a kernel page, so the buffer gets new
 * pages. Mappings of user space are emptied and wait in the fault handler
 * until the contents have been copied; what they find then are the new pages.
 * Devices and the kernel's own mapping know the old addresses, so there must
 * be none of them.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <bufsync/args.h>

#include "dma_heap_memcg_private.h"
#include "trace.h"

/* Whoever reads @from's pages waits or is gone. Returns 0 or -EINTR. */
static int mheap_pages_copy(struct mheap_pages *to, struct mheap_pages *from)
{
	struct page **src = mheap_pages_blocks(from);
	struct page **dst = mheap_pages_blocks(to);
	unsigned long i, s = 0, d = 0;

	for (i = 0; i < to->nr; i++) {
		copy_highpage(*dst + d, *src + s);
		if (++d == 1UL << mheap_block_order(*dst)) {
			d = 0;
			dst++;
		}
		if (++s == 1UL << mheap_block_order(*src)) {
			s = 0;
			src++;
		}
		if (i % 512 == 511) {
			if (fatal_signal_pending(current))
				return -EINTR;
			cond_resched();
		}
	}
	return 0;
}

static bool mheap_buffer_busy(const struct mheap_buffer *buffer)
{
	return !list_empty(&buffer->attachments) || buffer->vmaps;
}

/* Unless somebody has given it another: then @name is left. */
static void mheap_rename(struct dma_buf *dmabuf,
			 const struct mheap_record *old, char **name)
{
	if (!old || !*name)
		return;
	spin_lock(&dmabuf->name_lock);
	if (dmabuf->name && !strcmp(dmabuf->name, old->name)) {
		char *tmp = (char *)dmabuf->name;

		dmabuf->name = *name;
		*name = tmp;
	}
	spin_unlock(&dmabuf->name_lock);
}

/* What a buffer has and what it gets, or the other way round */
struct mheap_exchange {
	struct mheap_pages pages;
	struct mheap_record *record;
	struct mheap_grant *grant;
	char *name;
};

/* Afterwards @x has the old ones; after an error still the new ones. */
static int mheap_exchange(struct dma_buf *dmabuf, struct mheap_exchange *x)
{
	struct mheap_buffer *buffer = dmabuf->priv;
	int ret;

	if (down_write_killable(&buffer->lock))
		return -EINTR;
	if (mheap_buffer_busy(buffer)) {
		ret = -EBUSY;
		goto unlock;
	}
	/* From here on faults wait for the lock. */
	unmap_mapping_range(dmabuf->file->f_mapping, 0, 0, 1);
	ret = mheap_pages_copy(&x->pages, &buffer->pages);
	if (ret)
		goto unlock;
	mheap_record_charge(x->record, buffer->len);
	if (x->grant)
		mheap_grant_get(x->grant);
	mheap_rename(dmabuf, buffer->record, &x->name);
	swap(x->pages, buffer->pages);
	swap(x->record, buffer->record);
	swap(x->grant, buffer->grant);
unlock:
	up_write(&buffer->lock);
	return ret;
}

/* New pages. The bytes of the target's grant have been taken. */
static int mheap_transfer_pages(struct dma_buf *dmabuf,
				const struct mheap_target *target,
				struct mheap_record *record)
{
	struct mheap_exchange x = { .record = record, .grant = target->grant };
	struct mheap_buffer *buffer = dmabuf->priv;
	int ret;

	ret = mheap_pages_alloc(&x.pages, target->memcg,
				buffer->len >> PAGE_SHIFT, MHEAP_PAGES_DIRTY);
	if (ret)
		return ret;
	/* Without, the old one would go on to say who is charged. */
	x.name = record ? mheap_buffer_name(record) : NULL;
	ret = record && !x.name ? -ENOMEM : mheap_exchange(dmabuf, &x);
	mheap_pages_free(&x.pages);
	kfree(x.name);
	if (ret)
		return ret;

	trace_dma_heap_memcg_transfer(mheap_record_id(x.record),
				      mheap_record_id(record),
				      buffer->len, buffer->ino);
	mheap_record_uncharge(x.record, buffer->len);
	if (x.grant) {
		mheap_grant_unuse(x.grant, buffer->len);
		mheap_grant_put(x.grant);
	}
	return 0;
}

static int mheap_transfer(struct dma_buf *dmabuf,
			  const struct mheap_target *target,
			  struct mheap_record *to)
{
	struct mheap_buffer *buffer = dmabuf->priv;
	int ret;

	ret = mheap_admit_len(target, to, buffer->len);
	if (!ret && target->grant)
		ret = mheap_grant_use(target->grant, buffer->len);
	if (ret)
		return ret;
	ret = mheap_transfer_pages(dmabuf, target, to);
	if (ret && target->grant)
		mheap_grant_unuse(target->grant, buffer->len);
	if (ret == -ENOMEM)
		mheap_record_failed(to, buffer->len, ret);
	return ret;
}

/*
 * The cgroup that is charged already: only the grant changes. -EAGAIN: it is
 * not charged any more.
 */
static int mheap_regrant(struct mheap_buffer *buffer, struct mheap_grant *grant,
			 const struct mheap_record *record)
{
	int ret = 0;

	if (down_write_killable(&buffer->lock))
		return -EINTR;
	if (buffer->record != record) {
		ret = -EAGAIN;
	} else if (buffer->grant != grant) {
		if (grant)
			ret = mheap_grant_use(grant, buffer->len);
		if (!ret) {
			swap(grant, buffer->grant);
			if (buffer->grant)
				mheap_grant_get(buffer->grant);
			if (grant) {
				mheap_grant_unuse(grant, buffer->len);
				mheap_grant_put(grant);
			}
		}
	}
	up_write(&buffer->lock);
	return ret;
}

/* What there is to do, at this moment; and would it have to fail? */
static int mheap_charged_to(struct mheap_buffer *buffer,
			    const struct mheap_record *record, bool *same)
{
	int ret = 0;

	if (down_read_killable(&buffer->lock))
		return -EINTR;
	*same = buffer->record == record;
	if (!*same && mheap_buffer_busy(buffer))
		ret = -EBUSY;
	up_read(&buffer->lock);
	return ret;
}

static int mheap_transfer_to(struct file *dev, struct dma_buf *dmabuf,
			     const struct mheap_target *target)
{
	struct mheap_buffer *buffer = mheap_buffer_of(dmabuf);
	struct mheap_record *record;
	bool same;
	int ret;

	if (!buffer)
		return -EINVAL;
	/* Without records nobody knows who is charged. */
	if (target->memcg && !mheap_memcg_is_v2())
		return -EOPNOTSUPP;
	ret = mheap_admit(dev, target, &record);
	if (ret)
		return ret;
again:
	ret = mheap_charged_to(buffer, record, &same);
	if (!ret && same) {
		ret = mheap_regrant(buffer, target->grant, record);
		if (ret == -EAGAIN)
			goto again;
	} else if (!ret) {
		ret = mheap_transfer(dmabuf, target, record);
	}
	mheap_record_put(record);
	return ret;
}

/**
 * mheap_transfer_ioctl() - DMA_HEAP_MEMCG_IOC_TRANSFER
 * @dev:	the open device
 * @argp:	struct dma_heap_memcg_transfer_args
 *
 * Context: process, may sleep.
 * Return: 0 or an error that the header names.
 */
int mheap_transfer_ioctl(struct file *dev, void __user *argp)
{
	struct dma_heap_memcg_transfer_args args;
	struct mheap_target target;
	struct dma_buf *dmabuf;
	int ret;

	ret = bufsync_copy_sized(&args, argp, sizeof(args),
				 offsetofend(typeof(args), charge_fd));
	if (ret < 0)
		return ret;
	if (args.flags)
		return -EINVAL;

	dmabuf = dma_buf_get(args.dmabuf_fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = mheap_target_get(args.charge_fd, &target);
	if (!ret) {
		ret = mheap_transfer_to(dev, dmabuf, &target);
		mheap_target_put(&target);
	}
	dma_buf_put(dmabuf);
	return ret;
}
