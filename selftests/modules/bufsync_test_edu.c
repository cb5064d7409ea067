// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's "edu" device as an importer of dma-bufs that are another device's
 * memory: on request it attaches, maps and copies by its DMA engine, from the
 * addresses that it was given and from those that it has no more.
 *
 * Binds to nothing by itself, only by driver_override.
 *
 * struct test_file's lock keeps calls on one file apart. What the exporter's
 * callback changes is protected by the reservation's lock, which the callback
 * is called with; it is taken after the file's.
 */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/jiffies.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "bufsync_test_edu.h"

/* Up to 6.18 it had another name, and every importer had to have one. */
#ifdef TEST_HAVE_INVALIDATE_MAPPINGS
#define TEST_CALLBACK		invalidate_mappings
#define TEST_NO_CALLBACK	TEST_EDU_HAS_NO_CALLBACK
#else
#define TEST_CALLBACK		move_notify
#define TEST_NO_CALLBACK	0
#endif

/* Registers, in BAR 0 */
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_DMA_RUN	BIT(0)
#define EDU_DMA_OUT	BIT(1)	/* from edu to the bus */

/* The engine's own memory. All of it at once is too much for some versions. */
#define EDU_MEMORY	0x40000
#define EDU_PIECE	2048

struct test_edu {
	struct pci_dev *pdev;
	void __iomem *regs;
	void *page;		/* where data comes from and goes to */
	dma_addr_t page_dma;
	struct mutex engine;	/* protects the page and the registers */
};

/* Protects the two below. */
static DEFINE_MUTEX(test_lock);
static struct test_edu *test_edu;
static unsigned int test_users;
static DECLARE_WAIT_QUEUE_HEAD(test_idle);

static struct platform_device *test_bare;

struct test_file {
	struct test_edu *edu;
	struct mutex lock;	/* one call at a time */
	struct dma_buf_attachment *attach;	/* with a reference; or NULL */
	u32 flags;		/* of the attachment */
	bool pinned;

	/* Under the reservation's lock while there is an attachment */
	struct sg_table *sgt;	/* or NULL */
	enum dma_data_direction dir;
	bool stale;
	u64 told, forced;

	/* The last mapping */
	u32 nents;
	u64 len;
	struct test_edu_entry entries[TEST_EDU_MAX_ENTRIES];
};

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

static int test_attach(struct test_file *tf, void __user *argp)
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

static int test_detach(struct test_file *tf)
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

static int test_map(struct test_file *tf, unsigned long dir)
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

static int test_unmap(struct test_file *tf)
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

static int test_pin(struct test_file *tf)
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

static int test_unpin(struct test_file *tf)
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

static int test_stats(struct test_file *tf, void __user *argp)
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

/* One run of the engine */
static int test_dma(struct test_edu *edu, u64 src, u64 dst, u32 len, u64 cmd)
{
	unsigned long end = jiffies + 10 * HZ;

	/* Data in memory before the device looks. */
	wmb();
	writeq(src, edu->regs + EDU_DMA_SRC);
	writeq(dst, edu->regs + EDU_DMA_DST);
	writeq(len, edu->regs + EDU_DMA_COUNT);
	writeq(cmd | EDU_DMA_RUN, edu->regs + EDU_DMA_CMD);
	while (readq(edu->regs + EDU_DMA_CMD) & EDU_DMA_RUN) {
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		usleep_range(1000, 5000);
	}
	return 0;
}

static int test_dma_in(struct test_edu *edu, u64 addr, u32 len)
{
	return test_dma(edu, addr, EDU_MEMORY, len, 0);
}

static int test_dma_out(struct test_edu *edu, u64 addr, u32 len)
{
	return test_dma(edu, EDU_MEMORY, addr, len, EDU_DMA_OUT);
}

/* At @pos of the page. Nothing of an earlier run may be left to be read. */
static int test_piece_from(struct test_edu *edu, u64 addr, u32 pos, u32 len)
{
	memset(edu->page + pos, TEST_EDU_POISON, len);
	return test_dma_in(edu, edu->page_dma + pos, len) ?:
	       test_dma_in(edu, addr, len) ?:
	       test_dma_out(edu, edu->page_dma + pos, len);
}

static int test_piece_to(struct test_edu *edu, u64 addr, u32 pos, u32 len)
{
	return test_dma_in(edu, edu->page_dma + pos, len) ?:
	       test_dma_out(edu, addr, len);
}

/* Where @offset is, and how much there follows; 0: nowhere known */
static u64 test_locate(const struct test_file *tf, u64 offset, u64 *addr)
{
	u32 i;

	for (i = 0; i < min_t(u32, tf->nents, TEST_EDU_MAX_ENTRIES); i++) {
		if (offset < tf->entries[i].len) {
			*addr = tf->entries[i].addr + offset;
			return tf->entries[i].len - offset;
		}
		offset -= tf->entries[i].len;
	}
	return 0;
}

static int test_pieces(struct test_file *tf,
		       const struct test_edu_copy_args *args, bool from)
{
	u32 pos, len;
	u64 addr, left;
	int ret;

	for (pos = 0; pos < args->len; pos += len) {
		left = test_locate(tf, args->offset + pos, &addr);
		if (!left)
			return -EINVAL;
		len = min3(left, (u64)args->len - pos, (u64)EDU_PIECE);
		ret = from ? test_piece_from(tf->edu, addr, pos, len) :
			     test_piece_to(tf->edu, addr, pos, len);
		if (ret)
			return ret;
	}
	return 0;
}

/* So that the callback waits for the engine */
static int test_copy_mapped(struct test_file *tf,
			    const struct test_edu_copy_args *args, bool from)
{
	struct dma_resv *resv;
	int ret;

	if (!tf->attach || tf->flags & TEST_EDU_BARE)
		return -EINVAL;
	resv = tf->attach->dmabuf->resv;
	dma_resv_lock(resv, NULL);
	if (tf->stale)
		ret = -ESTALE;
	else if (!tf->sgt)
		ret = -EINVAL;
	else
		ret = test_pieces(tf, args, from);
	dma_resv_unlock(resv);
	return ret;
}

static int test_copy(struct test_file *tf, void __user *argp, bool from)
{
	struct test_edu *edu = tf->edu;
	struct test_edu_copy_args args;
	void __user *data;
	int ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (!args.len || args.len > TEST_EDU_MAX_COPY ||
	    args.flags & ~TEST_EDU_RAW || args.offset > S64_MAX)
		return -EINVAL;
	data = u64_to_user_ptr(args.data);

	mutex_lock(&edu->engine);
	ret = 0;
	if (!from && copy_from_user(edu->page, data, args.len))
		ret = -EFAULT;
	if (!ret && args.flags & TEST_EDU_RAW)
		ret = test_pieces(tf, &args, from);
	else if (!ret)
		ret = test_copy_mapped(tf, &args, from);
	if (!ret && from && copy_to_user(data, edu->page, args.len))
		ret = -EFAULT;
	mutex_unlock(&edu->engine);
	return ret;
}

static long test_ioctl_locked(struct test_file *tf, unsigned int cmd,
			      unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case TEST_EDU_ATTACH:
		return test_attach(tf, argp);
	case TEST_EDU_DETACH:
		return test_detach(tf);
	case TEST_EDU_MAP:
		return test_map(tf, arg);
	case TEST_EDU_UNMAP:
		return test_unmap(tf);
	case TEST_EDU_PIN:
		return test_pin(tf);
	case TEST_EDU_UNPIN:
		return test_unpin(tf);
	case TEST_EDU_STATS:
		return test_stats(tf, argp);
	case TEST_EDU_COPY_FROM:
		return test_copy(tf, argp, true);
	case TEST_EDU_COPY_TO:
		return test_copy(tf, argp, false);
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
	mutex_lock(&test_lock);
	tf->edu = test_edu;
	if (tf->edu)
		test_users++;
	mutex_unlock(&test_lock);
	if (!tf->edu) {
		kfree(tf);
		return -ENODEV;
	}
	file->private_data = tf;
	return 0;
}

static int test_release(struct inode *inode, struct file *file)
{
	struct test_file *tf = file->private_data;

	test_unmap(tf);
	test_unpin(tf);
	test_detach(tf);
	kfree(tf);
	mutex_lock(&test_lock);
	if (!--test_users)
		wake_up_all(&test_idle);
	mutex_unlock(&test_lock);
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
	.name = "bufsync_test_edu",
	.fops = &test_fops,
	.mode = 0666,
};

static int test_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct test_edu *edu;
	int ret = 0;

	if (pdev->vendor != 0x1234 || pdev->device != 0x11e8)
		return -ENODEV;
	edu = devm_kzalloc(dev, sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	edu->pdev = pdev;
	mutex_init(&edu->engine);

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(28));
	if (ret)
		return ret;
	/* Else DMA debugging complains of entries above 64 KiB. */
	dma_set_max_seg_size(dev, UINT_MAX);
	edu->regs = pcim_iomap(pdev, 0, 0);
	if (!edu->regs)
		return -ENOMEM;
	edu->page = dmam_alloc_coherent(dev, TEST_EDU_MAX_COPY,
					&edu->page_dma, GFP_KERNEL);
	if (!edu->page)
		return -ENOMEM;
	pci_set_master(pdev);

	mutex_lock(&test_lock);
	if (test_edu) {
		ret = -EBUSY;
	} else {
		test_edu = edu;
		pci_set_drvdata(pdev, edu);
	}
	mutex_unlock(&test_lock);
	if (ret)
		pci_clear_master(pdev);
	return ret;
}

static bool test_unused(void)
{
	bool unused;

	mutex_lock(&test_lock);
	unused = !test_users;
	mutex_unlock(&test_lock);
	return unused;
}

static void test_remove(struct pci_dev *pdev)
{
	mutex_lock(&test_lock);
	test_edu = NULL;
	mutex_unlock(&test_lock);
	wait_event(test_idle, test_unused());
	pci_clear_master(pdev);
}

static const struct pci_device_id test_ids[] = {
	{ }
};

static struct pci_driver test_driver = {
	.name = "bufsync_test_edu",
	.id_table = test_ids,
	.probe = test_probe,
	.remove = test_remove,
};

static int __init test_init(void)
{
	int ret;

	test_bare = platform_device_register_simple("bufsync_test_edu_bare",
						    -1, NULL, 0);
	if (IS_ERR(test_bare))
		return PTR_ERR(test_bare);
	ret = dma_coerce_mask_and_coherent(&test_bare->dev, DMA_BIT_MASK(64));
	if (ret)
		goto unregister_bare;
	dma_set_max_seg_size(&test_bare->dev, UINT_MAX);
	ret = misc_register(&test_misc);
	if (ret)
		goto unregister_bare;
	ret = pci_register_driver(&test_driver);
	if (ret)
		goto deregister_misc;
	return 0;

deregister_misc:
	misc_deregister(&test_misc);
unregister_bare:
	platform_device_unregister(test_bare);
	return ret;
}
module_init(test_init);

static void __exit test_exit(void)
{
	pci_unregister_driver(&test_driver);
	misc_deregister(&test_misc);
	platform_device_unregister(test_bare);
}
module_exit(test_exit);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_DESCRIPTION("QEMU's edu as an importer for the tests of bufsync");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
