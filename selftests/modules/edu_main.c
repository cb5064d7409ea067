// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's "edu" device as an importer of dma-bufs that are another device's
 * memory: on request it attaches, maps and copies by its DMA engine, from the
 * addresses that it was given and from those that it has no more.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "edu.h"

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
	tf->edu = test_edu_get();
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
	test_edu_put();
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

static int __init test_init(void)
{
	int ret;

	ret = test_bare_register();
	if (ret)
		return ret;
	ret = misc_register(&test_misc);
	if (ret)
		goto unregister_bare;
	ret = test_device_register();
	if (ret)
		goto deregister_misc;
	return 0;

deregister_misc:
	misc_deregister(&test_misc);
unregister_bare:
	test_bare_unregister();
	return ret;
}
module_init(test_init);

static void __exit test_exit(void)
{
	test_device_unregister();
	misc_deregister(&test_misc);
	test_bare_unregister();
}
module_exit(test_exit);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_DESCRIPTION("QEMU's edu as an importer for the tests of bufsync");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
