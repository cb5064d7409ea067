// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds the reservation of a dma-buf, as a driver does that is busy with it: of a
 * GEM object it is the object's own.
 */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include <bufsync/guards.h>

#include "bufsync_test_resv.h"

static long test_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct test_resv_hold_args args;
	struct dma_buf *dmabuf;

	if (cmd != TEST_RESV_HOLD)
		return -ENOTTY;
	if (copy_from_user(&args, (void __user *)arg, sizeof(args)))
		return -EFAULT;
	dmabuf = dma_buf_get(args.fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	scoped_guard(bufsync_resv, dmabuf->resv)
		msleep(args.ms);
	dma_buf_put(dmabuf);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = test_ioctl,
};

static struct miscdevice test_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "bufsync_test_resv",
	.fops = &test_fops,
};
module_misc_device(test_misc);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_DESCRIPTION("Holder of reservations for the tests of bufsync");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
