// SPDX-License-Identifier: GPL-2.0-only
/*
 * An importer of dma-bufs for tests: what a driver would do, on request, one
 * step at a time.
 *
 * The device that attaches has no IOMMU and can reach all memory, so its DMA
 * addresses are physical ones. Data is read and written through those and
 * never through the pages of the scatter list, which belong to the exporter:
 * with CONFIG_DMABUF_DEBUG the importer gets a table without them.
 */
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bufsync_test_dmabuf.h"

/* Before 6.2 it was the importer's matter whether the lock is held. */
#ifndef TEST_HAVE_MAP_UNLOCKED
#define dma_buf_map_attachment_unlocked		dma_buf_map_attachment
#define dma_buf_unmap_attachment_unlocked	dma_buf_unmap_attachment
#endif
#ifndef TEST_HAVE_VMAP_UNLOCKED
#define dma_buf_vmap_unlocked			dma_buf_vmap
#define dma_buf_vunmap_unlocked			dma_buf_vunmap
#endif

struct test_file {
	struct mutex lock;	/* protects all that follows */
	struct dma_buf_attachment *attach;	/* with a reference; or NULL */
	struct sg_table *sgt;	/* its mapping, or NULL */
	enum dma_data_direction dir;
	struct dma_buf *vmapped;	/* referenced, or NULL */
	struct iosys_map map;	/* where */
	struct page *held;	/* with a reference, or NULL */
};

static struct platform_device *test_importer;

/* One dma-buf a file: @other is what it has already. */
static struct dma_buf *test_get(int fd, const struct dma_buf *other)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);

	if (!IS_ERR(dmabuf) && other && dmabuf != other) {
		dma_buf_put(dmabuf);
		return ERR_PTR(-EBUSY);
	}
	return dmabuf;
}

static int test_attach(struct test_file *tf, int fd)
{
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;

	if (tf->attach)
		return -EBUSY;
	dmabuf = test_get(fd, tf->vmapped);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	attach = dma_buf_attach(dmabuf, &test_importer->dev);
	if (IS_ERR(attach)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(attach);
	}
	tf->attach = attach;
	return 0;
}

static int test_unmap(struct test_file *tf)
{
	if (!tf->sgt)
		return -EINVAL;
	dma_buf_unmap_attachment_unlocked(tf->attach, tf->sgt, tf->dir);
	tf->sgt = NULL;
	return 0;
}

static int test_detach(struct test_file *tf)
{
	struct dma_buf *dmabuf;

	if (!tf->attach || tf->sgt)
		return -EINVAL;
	dmabuf = tf->attach->dmabuf;
	dma_buf_detach(dmabuf, tf->attach);
	dma_buf_put(dmabuf);
	tf->attach = NULL;
	return 0;
}

static void test_measure(const struct sg_table *sgt,
			 struct test_dmabuf_map_args *args)
{
	struct scatterlist *sg;
	int i;

	args->out_nents = sgt->nents;
	args->out_len = 0;
	args->out_min = U64_MAX;
	args->out_max = 0;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		u64 len = sg_dma_len(sg);

		args->out_len += len;
		args->out_min = min(args->out_min, len);
		args->out_max = max(args->out_max, len);
	}
}

static int test_map(struct test_file *tf, void __user *argp)
{
	struct test_dmabuf_map_args args;
	struct sg_table *sgt;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (!tf->attach || !valid_dma_direction(args.direction))
		return -EINVAL;
	if (tf->sgt)
		return -EBUSY;

	sgt = dma_buf_map_attachment_unlocked(tf->attach, args.direction);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	tf->sgt = sgt;
	tf->dir = args.direction;

	test_measure(sgt, &args);
	if (copy_to_user(argp, &args, sizeof(args))) {
		test_unmap(tf);
		return -EFAULT;
	}
	return 0;
}

static int test_vmap(struct test_file *tf, int fd)
{
	struct dma_buf *dmabuf;
	int ret;

	if (tf->vmapped)
		return -EBUSY;
	dmabuf = test_get(fd, tf->attach ? tf->attach->dmabuf : NULL);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	ret = dma_buf_vmap_unlocked(dmabuf, &tf->map);
	if (ret) {
		dma_buf_put(dmabuf);
		return ret;
	}
	tf->vmapped = dmabuf;
	return 0;
}

static int test_vunmap(struct test_file *tf)
{
	if (!tf->vmapped)
		return -EINVAL;
	dma_buf_vunmap_unlocked(tf->vmapped, &tf->map);
	dma_buf_put(tf->vmapped);
	tf->vmapped = NULL;
	return 0;
}

static void test_words(u64 *p, size_t bytes,
		       struct test_dmabuf_access_args *args, bool fill)
{
	size_t i;

	for (i = 0; i < bytes / sizeof(*p); i++) {
		if (fill)
			WRITE_ONCE(p[i], args->value);
		else
			args->out_sum += READ_ONCE(p[i]);
		if (!(i % (PAGE_SIZE / sizeof(*p))))
			cond_resched();
	}
}

static int test_access_sg(struct test_file *tf,
			  struct test_dmabuf_access_args *args, bool fill)
{
	u64 first, last, end = args->offset + args->len, pos = 0;
	struct sg_dma_page_iter iter;
	phys_addr_t phys;
	void *page;

	for_each_sgtable_dma_page(tf->sgt, &iter, 0) {
		first = max(args->offset, pos);
		last = min(end, pos + PAGE_SIZE);
		pos += PAGE_SIZE;
		if (first >= last)
			continue;

		phys = dma_to_phys(&test_importer->dev,
				   sg_page_iter_dma_address(&iter));
		if (!pfn_valid(PHYS_PFN(phys)))
			return -EIO;
		page = kmap_local_page(pfn_to_page(PHYS_PFN(phys)));
		test_words(page + offset_in_page(first), last - first, args,
			   fill);
		kunmap_local(page);
	}
	return 0;
}

static int test_access(struct test_file *tf, void __user *argp, bool sg,
		       bool fill)
{
	struct test_dmabuf_access_args args;
	const struct dma_buf *dmabuf;
	int ret = 0;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (sg ? !tf->sgt : !tf->vmapped)
		return -EINVAL;
	dmabuf = sg ? tf->attach->dmabuf : tf->vmapped;
	if ((args.offset | args.len) % sizeof(u64) ||
	    args.offset > dmabuf->size ||
	    args.len > dmabuf->size - args.offset)
		return -EINVAL;

	args.out_sum = 0;
	if (sg)
		ret = test_access_sg(tf, &args, fill);
	else
		test_words(tf->map.vaddr + args.offset, args.len, &args, fill);
	if (!ret && !fill && copy_to_user(argp, &args, sizeof(args)))
		ret = -EFAULT;
	return ret;
}

static int test_hold(struct test_file *tf, const u64 __user *argp)
{
	struct sg_dma_page_iter iter;
	phys_addr_t phys;
	u64 offset;

	if (get_user(offset, argp))
		return -EFAULT;
	if (!tf->sgt || tf->held)
		return -EINVAL;
	for_each_sgtable_dma_page(tf->sgt, &iter, 0) {
		if (offset >= PAGE_SIZE) {
			offset -= PAGE_SIZE;
			continue;
		}
		phys = dma_to_phys(&test_importer->dev,
				   sg_page_iter_dma_address(&iter));
		if (!pfn_valid(PHYS_PFN(phys)))
			return -EIO;
		tf->held = pfn_to_page(PHYS_PFN(phys));
		get_page(tf->held);
		return 0;
	}
	return -EINVAL;
}

static long test_ioctl_locked(struct test_file *tf, unsigned int cmd,
			      unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case TEST_DMABUF_ATTACH:
		return test_attach(tf, arg);
	case TEST_DMABUF_DETACH:
		return test_detach(tf);
	case TEST_DMABUF_MAP:
		return test_map(tf, argp);
	case TEST_DMABUF_UNMAP:
		return test_unmap(tf);
	case TEST_DMABUF_VMAP:
		return test_vmap(tf, arg);
	case TEST_DMABUF_VUNMAP:
		return test_vunmap(tf);
	case TEST_DMABUF_SG_FILL:
		return test_access(tf, argp, true, true);
	case TEST_DMABUF_SG_SUM:
		return test_access(tf, argp, true, false);
	case TEST_DMABUF_HOLD:
		return test_hold(tf, argp);
	case TEST_DMABUF_VMAP_FILL:
		return test_access(tf, argp, false, true);
	case TEST_DMABUF_VMAP_SUM:
		return test_access(tf, argp, false, false);
	default:
		return -ENOTTY;
	}
}

static long test_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct test_file *tf = file->private_data;
	long ret;

	mutex_lock(&tf->lock);
	ret = test_ioctl_locked(tf, cmd, arg);
	mutex_unlock(&tf->lock);
	return ret;
}

static int test_open(struct inode *inode, struct file *file)
{
	struct test_file *tf = kzalloc(sizeof(*tf), GFP_KERNEL);

	if (!tf)
		return -ENOMEM;
	mutex_init(&tf->lock);
	file->private_data = tf;
	return 0;
}

static int test_release(struct inode *inode, struct file *file)
{
	struct test_file *tf = file->private_data;

	test_vunmap(tf);
	test_unmap(tf);
	test_detach(tf);
	if (tf->held)
		put_page(tf->held);
	kfree(tf);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.release = test_release,
	.unlocked_ioctl = test_ioctl,
};

static struct miscdevice test_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "bufsync_test_dmabuf",
	.fops = &test_fops,
	.mode = 0666,
};

static int __init test_init(void)
{
	struct device *dev;
	int ret;

	test_importer = platform_device_register_simple("bufsync_test_dmabuf",
							-1, NULL, 0);
	if (IS_ERR(test_importer))
		return PTR_ERR(test_importer);
	dev = &test_importer->dev;

	ret = dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		goto unregister;
	/* Else DMA debugging complains of entries above 64 KiB. */
	dma_set_max_seg_size(dev, UINT_MAX);

	ret = -EOPNOTSUPP;
	if (device_iommu_mapped(dev))
		goto unregister;
	ret = misc_register(&test_misc);
	if (ret)
		goto unregister;
	return 0;

unregister:
	platform_device_unregister(test_importer);
	return ret;
}
module_init(test_init);

static void __exit test_exit(void)
{
	misc_deregister(&test_misc);
	platform_device_unregister(test_importer);
}
module_exit(test_exit);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_DESCRIPTION("Importer of dma-bufs for the tests of bufsync");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
