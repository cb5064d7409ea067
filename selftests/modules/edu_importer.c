// SPDX-License-Identifier: GPL-2.0-only
/*
 * One importer: what it attaches, maps and pins, and what it does when the exporter
 * takes it away.
 *
 * What the exporter's callback changes is protected by the reservation's lock, which
 * the callback is called with; it is taken after the file's.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "edu.h"

/* Up to 6.18 it had another name, and every importer had to have one. */
#ifdef TEST_HAVE_INVALIDATE_MAPPINGS
#define TEST_CALLBACK		invalidate_mappings
#define TEST_NO_CALLBACK	TEST_EDU_HAS_NO_CALLBACK
#else
#define TEST_CALLBACK		move_notify
#define TEST_NO_CALLBACK	0
#endif

/* What attaches for TEST_EDU_BARE */
static struct platform_device *test_bare;

static void test_unmap_locked(struct test_file *tf)
{
	dma_buf_unmap_attachment(tf->attach, tf->sgt, tf->dir);
	tf->sgt = NULL;
}

/* Nothing is mapped before test_attach() has stored the attachment. */
static void test_told(struct dma_buf_attachment *attach)
{
	struct test_file *tf = attach->importer_priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	tf->told++;
	if (!tf->sgt)
		return;
	tf->stale = true;
	if (tf->flags & TEST_EDU_LAZY)
		return;
	test_unmap_locked(tf);
	tf->forced++;
}

/* By this name alone exporters can know who will not unmap, up to 6.18. */
static noinline void
ib_umem_dmabuf_unsupported_move_notify(struct dma_buf_attachment *attach)
{
	test_told(attach);
}

static const struct dma_buf_attach_ops test_ops = {
	.allow_peer2peer = true,
	.TEST_CALLBACK = test_told,
};

static const struct dma_buf_attach_ops test_no_p2p_ops = {
	.TEST_CALLBACK = test_told,
};

static const struct dma_buf_attach_ops test_no_callback_ops = {
	.allow_peer2peer = true,
};

static const struct dma_buf_attach_ops test_pinned_ops = {
	.allow_peer2peer = true,
	.TEST_CALLBACK = ib_umem_dmabuf_unsupported_move_notify,
};

static u32 test_features(const struct test_edu *edu)
{
	u32 features = TEST_NO_CALLBACK;

	if (IS_ENABLED(CONFIG_PCI_P2PDMA))
		features |= TEST_EDU_HAS_P2PDMA;
	if (device_iommu_mapped(&edu->pdev->dev))
		features |= TEST_EDU_HAS_IOMMU;
	return features;
}

static struct dma_buf_attachment *
test_attach_as(struct test_file *tf, struct dma_buf *dmabuf, u32 flags)
{
	struct device *dev = &tf->edu->pdev->dev;

	if (flags & TEST_EDU_BARE)
		dev = &test_bare->dev;
	switch (flags & ~(TEST_EDU_LAZY | TEST_EDU_BARE)) {
	case 0:
		return dma_buf_dynamic_attach(dmabuf, dev, &test_ops, tf);
	case TEST_EDU_NO_P2P:
		return dma_buf_dynamic_attach(dmabuf, dev, &test_no_p2p_ops,
					      tf);
	case TEST_EDU_STATIC:
		return dma_buf_attach(dmabuf, dev);
	case TEST_EDU_NO_CALLBACK:
		/* Others warn of such a one. */
		if (!TEST_NO_CALLBACK)
			return ERR_PTR(-EINVAL);
		return dma_buf_dynamic_attach(dmabuf, dev,
					      &test_no_callback_ops, tf);
	case TEST_EDU_PINNED:
		return dma_buf_dynamic_attach(dmabuf, dev, &test_pinned_ops,
					      tf);
	default:
		return ERR_PTR(-EINVAL);
	}
}

int test_attach(struct test_file *tf, void __user *argp)
{
	struct test_edu_attach_args args;
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (tf->attach)
		return -EBUSY;
	dmabuf = dma_buf_get(args.fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	tf->flags = args.flags;
	tf->told = 0;
	tf->forced = 0;
	tf->stale = false;
	attach = test_attach_as(tf, dmabuf, args.flags);
	if (IS_ERR(attach)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(attach);
	}
	tf->attach = attach;
	return 0;
}

int test_detach(struct test_file *tf)
{
	struct dma_buf *dmabuf;
	bool mapped;

	if (!tf->attach)
		return -EINVAL;
	dmabuf = tf->attach->dmabuf;
	dma_resv_lock(dmabuf->resv, NULL);
	mapped = tf->sgt;
	dma_resv_unlock(dmabuf->resv);
	if (mapped || tf->pinned)
		return -EINVAL;
	dma_buf_detach(dmabuf, tf->attach);
	dma_buf_put(dmabuf);
	tf->attach = NULL;
	return 0;
}

static void test_note(struct test_file *tf)
{
	struct scatterlist *sg;
	int i;

	memset(tf->entries, 0, sizeof(tf->entries));
	tf->nents = 0;
	tf->len = 0;
	for_each_sgtable_dma_sg(tf->sgt, sg, i) {
		if (tf->nents < TEST_EDU_MAX_ENTRIES) {
			tf->entries[tf->nents].addr = sg_dma_address(sg);
			tf->entries[tf->nents].len = sg_dma_len(sg);
		}
		tf->nents++;
		tf->len += sg_dma_len(sg);
	}
}

static int test_map_locked(struct test_file *tf, enum dma_data_direction dir)
{
	struct sg_table *sgt;

	if (tf->sgt)
		return -EBUSY;
	sgt = dma_buf_map_attachment(tf->attach, dir);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	tf->sgt = sgt;
	tf->dir = dir;
	tf->stale = false;
	test_note(tf);
	return 0;
}

int test_map(struct test_file *tf, unsigned long dir)
{
	struct dma_resv *resv;
	int ret;

	if (!tf->attach || dir > DMA_FROM_DEVICE)
		return -EINVAL;
	resv = tf->attach->dmabuf->resv;
	dma_resv_lock(resv, NULL);
	ret = test_map_locked(tf, dir);
	dma_resv_unlock(resv);
	return ret;
}

int test_unmap(struct test_file *tf)
{
	struct dma_resv *resv;
	int ret = -EINVAL;

	if (!tf->attach)
		return -EINVAL;
	resv = tf->attach->dmabuf->resv;
	dma_resv_lock(resv, NULL);
	if (tf->sgt) {
		test_unmap_locked(tf);
		tf->stale = false;
		ret = 0;
	}
	dma_resv_unlock(resv);
	return ret;
}

int test_pin(struct test_file *tf)
{
	struct dma_resv *resv;
	int ret;

	if (!tf->attach || tf->flags & TEST_EDU_STATIC || tf->pinned)
		return -EINVAL;
	resv = tf->attach->dmabuf->resv;
	dma_resv_lock(resv, NULL);
	ret = dma_buf_pin(tf->attach);
	dma_resv_unlock(resv);
	tf->pinned = !ret;
	return ret;
}

int test_unpin(struct test_file *tf)
{
	struct dma_resv *resv;

	if (!tf->pinned)
		return -EINVAL;
	resv = tf->attach->dmabuf->resv;
	dma_resv_lock(resv, NULL);
	dma_buf_unpin(tf->attach);
	dma_resv_unlock(resv);
	tf->pinned = false;
	return 0;
}

int test_stats(struct test_file *tf, void __user *argp)
{
	struct dma_resv *resv = tf->attach ? tf->attach->dmabuf->resv : NULL;
	struct test_edu_stats_args args = {
		.out_features = test_features(tf->edu),
		.out_nents = tf->nents,
		.out_len = tf->len,
	};

	memcpy(args.out_entries, tf->entries, sizeof(args.out_entries));
	if (resv)
		dma_resv_lock(resv, NULL);
	args.out_mapped = tf->sgt ? 1 : 0;
	args.out_stale = tf->stale;
	args.out_told = tf->told;
	args.out_forced = tf->forced;
	if (resv)
		dma_resv_unlock(resv);
	return copy_to_user(argp, &args, sizeof(args)) ? -EFAULT : 0;
}

int __init test_bare_register(void)
{
	int ret;

	test_bare = platform_device_register_simple("bufsync_test_edu_bare",
						    -1, NULL, 0);
	if (IS_ERR(test_bare))
		return PTR_ERR(test_bare);
	ret = dma_coerce_mask_and_coherent(&test_bare->dev, DMA_BIT_MASK(64));
	if (ret) {
		platform_device_unregister(test_bare);
		return ret;
	}
	dma_set_max_seg_size(&test_bare->dev, UINT_MAX);
	return 0;
}

void test_bare_unregister(void)
{
	platform_device_unregister(test_bare);
}
