// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer from its pages to its dma-buf, and back.
 */
#include <linux/cgroup.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "dma_heap_memcg_private.h"
#include "trace.h"

static void mheap_buffer_free(struct mheap_buffer *buffer)
{
	mheap_pages_free(&buffer->pages);
	mheap_record_uncharge(buffer->record, buffer->len);
	if (buffer->grant) {
		mheap_grant_unuse(buffer->grant, buffer->len);
		mheap_grant_put(buffer->grant);
	}
	kfree(buffer);
}

static void mheap_release(struct dma_buf *dmabuf)
{
	struct mheap_buffer *buffer = dmabuf->priv;

	trace_dma_heap_memcg_free(mheap_record_id(buffer->record), buffer->len,
				  buffer->ino);
	WARN_ON_ONCE(buffer->vmaps);
	mheap_buffer_free(buffer);
}

static const struct dma_buf_ops mheap_dma_buf_ops = {
	.attach = mheap_attach,
	.detach = mheap_detach,
	.map_dma_buf = mheap_map,
	.unmap_dma_buf = mheap_unmap,
	.begin_cpu_access = mheap_begin_cpu_access,
	.end_cpu_access = mheap_end_cpu_access,
	.mmap = mheap_mmap,
	.vmap = mheap_vmap,
	.vunmap = mheap_vunmap,
	.release = mheap_release,
};

/**
 * mheap_buffer_of() - the buffer behind a dma-buf
 * @dmabuf: referenced
 *
 * Context: any.
 * Return: the buffer, or NULL if the dma-buf is not of this heap.
 */
struct mheap_buffer *mheap_buffer_of(struct dma_buf *dmabuf)
{
	return dmabuf->ops == &mheap_dma_buf_ops ? dmabuf->priv : NULL;
}

/**
 * mheap_buffer_name() - what a buffer is called in fdinfo
 * @record: of the cgroup that is charged
 *
 * Context: process, may sleep.
 * Return: to be freed with kfree(), which is what dma-buf does with a name;
 * NULL if there is no memory.
 */
char *mheap_buffer_name(const struct mheap_record *record)
{
	return kmemdup(record->name, sizeof(record->name), GFP_KERNEL_ACCOUNT);
}

/* The buffer's own memory is charged to @memcg as well, and kills nobody. */
static struct mheap_buffer *mheap_buffer_alloc(struct mem_cgroup *memcg,
					       size_t len)
{
	struct mem_cgroup *old = set_active_memcg(memcg);
	struct mheap_buffer *buffer;
	int ret;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT |
			 __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	set_active_memcg(old);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	init_rwsem(&buffer->lock);
	INIT_LIST_HEAD(&buffer->attachments);
	buffer->len = len;

	ret = mheap_pages_alloc(&buffer->pages, memcg, len >> PAGE_SHIFT, 0);
	if (ret) {
		kfree(buffer);
		return ERR_PTR(ret);
	}
	return buffer;
}

/**
 * mheap_buffer_create() - allocate a buffer and make a dma-buf of it
 * @target:	whom to charge; if by a grant, @len was taken from its budget
 * @record:	of its memory cgroup, or NULL. It is charged with @len.
 * @len:	bytes, whole pages, above 0
 * @fd_flags:	O_RDONLY, O_WRONLY or O_RDWR
 *
 * Context: process, may sleep.
 * Return: the dma-buf, which has the grant's bytes; an ERR_PTR (-ENOMEM,
 * -EINTR, -ENFILE), with which the caller still has them.
 */
struct dma_buf *mheap_buffer_create(const struct mheap_target *target,
				    struct mheap_record *record, size_t len,
				    unsigned int fd_flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);
	struct mheap_buffer *buffer;
	struct dma_buf *dmabuf;
	const char *name;

	buffer = mheap_buffer_alloc(target->memcg, len);
	if (IS_ERR(buffer))
		return ERR_CAST(buffer);

	/*
	 * Charged to the caller, as any file that it opens: the kernel would
	 * kill in the target's cgroup if there was no room for it.
	 */
	exp_info.exp_name = "memcg";
	exp_info.ops = &mheap_dma_buf_ops;
	exp_info.size = len;
	exp_info.flags = fd_flags;
	exp_info.priv = buffer;
	dmabuf = dma_buf_export(&exp_info);
	if (IS_ERR(dmabuf)) {
		mheap_buffer_free(buffer);
		return dmabuf;
	}

	/* In the list of all dma-bufs already. Without a name it works, too. */
	if (record) {
		name = mheap_buffer_name(record);
		spin_lock(&dmabuf->name_lock);
		dmabuf->name = name;
		spin_unlock(&dmabuf->name_lock);
	}
	buffer->record = record;
	mheap_record_charge(record, len);
	if (target->named == MHEAP_GRANT) {
		buffer->grant = target->grant;
		mheap_grant_get(buffer->grant);
	}
	/* The file is gone by the time of release(). */
	buffer->ino = file_inode(dmabuf->file)->i_ino;
	trace_dma_heap_memcg_alloc(mheap_record_id(record), len, buffer->ino);
	return dmabuf;
}
