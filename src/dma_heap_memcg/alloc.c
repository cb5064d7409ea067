// SPDX-License-Identifier: GPL-2.0-only
/*
 * ALLOC: a new buffer.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/memcontrol.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "dma_heap_memcg_private.h"

/* The fd is answered by it, so that much must be there. */
#define MHEAP_ALLOC_MIN	offsetofend(struct dma_heap_memcg_allocation_data, fd)

/**
 * mheap_max_len() - the longest buffer
 *
 * Context: any.
 * Return: bytes, half of the machine's memory.
 */
u64 mheap_max_len(void)
{
	return (u64)(totalram_pages() / 2) << PAGE_SHIFT;
}

/* The buffer, charged and counted, but without an fd */
static struct dma_buf *
mheap_alloc(struct file *dev, struct mheap_target *target, size_t len,
	    unsigned int fd_flags)
{
	struct mheap_record *record;
	struct dma_buf *dmabuf;
	int ret;

	ret = mheap_admit(dev, target, &record);
	if (ret)
		return ERR_PTR(ret);
	ret = mheap_admit_len(target, record, len);
	if (!ret && target->grant)
		ret = mheap_grant_use(target->grant, len);
	if (ret) {
		mheap_record_put(record);
		return ERR_PTR(ret);
	}

	dmabuf = mheap_buffer_create(target, record, len, fd_flags & O_ACCMODE);
	if (IS_ERR(dmabuf)) {
		if (PTR_ERR(dmabuf) == -ENOMEM)
			mheap_record_failed(record, len, -ENOMEM);
		if (target->grant)
			mheap_grant_unuse(target->grant, len);
	}
	mheap_record_put(record);
	return dmabuf;
}

static int mheap_alloc_check(const struct dma_heap_memcg_allocation_data *data)
{
	if (data->fd || data->heap_flags || data->__padding)
		return -EINVAL;
	if (data->fd_flags & ~(O_CLOEXEC | O_ACCMODE) ||
	    (data->fd_flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if (!data->len || PAGE_ALIGN(data->len) < data->len)
		return -EINVAL;
	if (data->len > mheap_max_len())
		return -ENOMEM;
	return 0;
}

/**
 * mheap_alloc_ioctl() - DMA_HEAP_IOCTL_ALLOC
 * @dev:	the open device
 * @cmd:	its size is that of the caller's struct
 * @argp:	struct dma_heap_allocation_data, shorter or longer
 *
 * Context: process, may sleep.
 * Return: 0 or an error that the header names.
 */
int mheap_alloc_ioctl(struct file *dev, unsigned int cmd, void __user *argp)
{
	struct dma_heap_memcg_allocation_data data = {};
	size_t size = min_t(size_t, _IOC_SIZE(cmd), sizeof(data));
	struct mheap_target target;
	struct dma_buf *dmabuf;
	int fd, ret;

	if (size < MHEAP_ALLOC_MIN)
		return -EINVAL;
	if (copy_from_user(&data, argp, size))
		return -EFAULT;
	ret = mheap_alloc_check(&data);
	if (ret)
		return ret;

	/* This may sleep, so it comes before whom the call is about. */
	fd = get_unused_fd_flags(data.fd_flags & O_CLOEXEC);
	if (fd < 0)
		return fd;
	ret = mheap_target_get(data.charge_fd, &target);
	if (ret)
		goto put_fd;
	dmabuf = mheap_alloc(dev, &target, PAGE_ALIGN(data.len), data.fd_flags);
	mheap_target_put(&target);
	if (IS_ERR(dmabuf)) {
		ret = PTR_ERR(dmabuf);
		goto put_fd;
	}

	data.fd = fd;
	if (copy_to_user(argp, &data, size)) {
		ret = -EFAULT;
		goto put_dmabuf;
	}
	/* dma_buf_fd() would show it before the answer is certain. */
	fd_install(fd, dmabuf->file);
	return 0;

put_dmabuf:
	dma_buf_put(dmabuf);
put_fd:
	put_unused_fd(fd);
	return ret;
}
