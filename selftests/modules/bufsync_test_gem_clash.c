// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes the name of drm_gem_ctl's device, so that a test can see the module refuse
 * to load beside it.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

static const struct file_operations test_clash_fops = {
	.owner = THIS_MODULE,
};

static struct miscdevice test_clash_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "drm_gem",
	.fops = &test_clash_fops,
};
module_misc_device(test_clash_misc);

MODULE_DESCRIPTION("A second drm_gem for the tests of bufsync");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
