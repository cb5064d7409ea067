// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that are attached to a buffer, and the kernel's own mapping.
 *
 * Each attachment has a table of its own, since its addresses are those of its
 * device. While there is an attachment, or a mapping of the kernel's, the
 * pages stay what they are (see transfer.c).
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/iosys-map.h>
#include <linux/list.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "dma_heap_memcg_private.h"

/* @list and @mapped: protected by the buffer's lock */
struct mheap_attachment {
	struct list_head list;
	struct device *dev;
	struct sg_table table;
	bool mapped;
};

static int mheap_table_init(struct sg_table *table, struct mheap_pages *pages)
{
	struct page **blocks = mheap_pages_blocks(pages);
	struct scatterlist *sg;
	unsigned int i;
	int ret;

	ret = sg_alloc_table(table, pages->nr_blocks, GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;
	for_each_sgtable_sg(table, sg, i)
		sg_set_page(sg, blocks[i],
			    PAGE_SIZE << mheap_block_order(blocks[i]), 0);
	return 0;
}

/**
 * mheap_attach() - dma_buf_ops.attach
 * @dmabuf:	of this heap
 * @attach:	new
 *
 * Context: process, may sleep.
 * Return: 0; -ENOMEM; -EINTR on a fatal signal.
 */
int mheap_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct mheap_buffer *buffer = dmabuf->priv;
	struct mheap_attachment *a;
	int ret;

	a = kzalloc(sizeof(*a), GFP_KERNEL_ACCOUNT);
	if (!a)
		return -ENOMEM;
	a->dev = attach->dev;

	/*
	 * Being in the list it keeps the pages as they are. The table is
	 * allocated without the lock, as reclaim may come to unmap a buffer.
	 */
	if (down_write_killable(&buffer->lock)) {
		kfree(a);
		return -EINTR;
	}
	list_add(&a->list, &buffer->attachments);
	up_write(&buffer->lock);

	ret = mheap_table_init(&a->table, &buffer->pages);
	if (ret) {
		down_write(&buffer->lock);
		list_del(&a->list);
		up_write(&buffer->lock);
		kfree(a);
		return ret;
	}
	attach->priv = a;
	return 0;
}

/**
 * mheap_detach() - dma_buf_ops.detach
 * @dmabuf:	of this heap
 * @attach:	not mapped
 *
 * Context: process, may sleep.
 */
void mheap_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct mheap_buffer *buffer = dmabuf->priv;
	struct mheap_attachment *a = attach->priv;

	down_write(&buffer->lock);
	list_del(&a->list);
	up_write(&buffer->lock);
	sg_free_table(&a->table);
	kfree(a);
}

/**
 * mheap_map() - dma_buf_ops.map_dma_buf
 * @attach:	not mapped
 * @dir:	of the device's accesses
 *
 * Context: process, may sleep; under the reservation's lock.
 * Return: the attachment's table, or an ERR_PTR.
 */
struct sg_table *mheap_map(struct dma_buf_attachment *attach,
			   enum dma_data_direction dir)
{
	struct mheap_buffer *buffer = attach->dmabuf->priv;
	struct mheap_attachment *a = attach->priv;
	int ret;

	if (down_write_killable(&buffer->lock))
		return ERR_PTR(-EINTR);
	ret = dma_map_sgtable(a->dev, &a->table, dir, 0);
	a->mapped = !ret;
	up_write(&buffer->lock);
	return ret ? ERR_PTR(ret) : &a->table;
}

/**
 * mheap_unmap() - dma_buf_ops.unmap_dma_buf
 * @attach:	mapped
 * @table:	from mheap_map()
 * @dir:	as there
 *
 * Context: process, may sleep; under the reservation's lock.
 */
void mheap_unmap(struct dma_buf_attachment *attach, struct sg_table *table,
		 enum dma_data_direction dir)
{
	struct mheap_buffer *buffer = attach->dmabuf->priv;
	struct mheap_attachment *a = attach->priv;

	down_write(&buffer->lock);
	a->mapped = false;
	dma_unmap_sgtable(a->dev, table, dir, 0);
	up_write(&buffer->lock);
}

/**
 * mheap_begin_cpu_access() - dma_buf_ops.begin_cpu_access
 * @dmabuf:	of this heap
 * @dir:	of the CPU's accesses to come
 *
 * Context: process, may sleep.
 * Return: 0; -EINTR on a fatal signal.
 */
int mheap_begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct mheap_buffer *buffer = dmabuf->priv;
	struct mheap_attachment *a;

	if (down_read_killable(&buffer->lock))
		return -EINTR;
	if (buffer->vaddr)
		invalidate_kernel_vmap_range(buffer->vaddr, buffer->len);
	list_for_each_entry(a, &buffer->attachments, list)
		if (a->mapped)
			dma_sync_sgtable_for_cpu(a->dev, &a->table, dir);
	up_read(&buffer->lock);
	return 0;
}

/**
 * mheap_end_cpu_access() - dma_buf_ops.end_cpu_access
 * @dmabuf:	of this heap
 * @dir:	of the CPU's accesses that are over
 *
 * Context: process, may sleep.
 * Return: 0; -EINTR on a fatal signal.
 */
int mheap_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct mheap_buffer *buffer = dmabuf->priv;
	struct mheap_attachment *a;

	if (down_read_killable(&buffer->lock))
		return -EINTR;
	if (buffer->vaddr)
		flush_kernel_vmap_range(buffer->vaddr, buffer->len);
	list_for_each_entry(a, &buffer->attachments, list)
		if (a->mapped)
			dma_sync_sgtable_for_device(a->dev, &a->table, dir);
	up_read(&buffer->lock);
	return 0;
}

static void *mheap_vmap_pages(struct mheap_buffer *buffer)
{
	struct page **blocks = mheap_pages_blocks(&buffer->pages);
	struct page **pages;
	unsigned long n = 0;
	unsigned int i, j;
	void *vaddr;

	pages = kvmalloc_array(buffer->pages.nr, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return NULL;
	for (i = 0; i < buffer->pages.nr_blocks; i++)
		for (j = 0; j < 1U << mheap_block_order(blocks[i]); j++)
			pages[n++] = blocks[i] + j;
	vaddr = vmap(pages, n, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	return vaddr;
}

/**
 * mheap_vmap() - dma_buf_ops.vmap
 * @dmabuf:	of this heap
 * @map:	to fill
 *
 * Context: process, may sleep; under the reservation's lock, or what was in its
 * place before 6.2, so that there is one at a time.
 * Return: 0; -ENOMEM; -EINTR on a fatal signal.
 */
int mheap_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct mheap_buffer *buffer = dmabuf->priv;
	void *vaddr;

	/* As for attachments: the count keeps the pages as they are. */
	if (down_write_killable(&buffer->lock))
		return -EINTR;
	buffer->vmaps++;
	vaddr = buffer->vaddr;
	up_write(&buffer->lock);

	if (!vaddr)
		vaddr = mheap_vmap_pages(buffer);
	down_write(&buffer->lock);
	if (vaddr)
		buffer->vaddr = vaddr;
	else
		buffer->vmaps--;
	up_write(&buffer->lock);
	if (!vaddr)
		return -ENOMEM;
	iosys_map_set_vaddr(map, vaddr);
	return 0;
}

/**
 * mheap_vunmap() - dma_buf_ops.vunmap
 * @dmabuf:	of this heap
 * @map:	filled by mheap_vmap()
 *
 * Context: process, may sleep; under the reservation's lock.
 */
void mheap_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct mheap_buffer *buffer = dmabuf->priv;

	down_write(&buffer->lock);
	if (!--buffer->vmaps) {
		vunmap(buffer->vaddr);
		buffer->vaddr = NULL;
	}
	up_write(&buffer->lock);
	iosys_map_clear(map);
}
