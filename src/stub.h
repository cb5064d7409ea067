/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is built instead of a module that the kernel lacks something for. The
 * build does not fail, as that would leave the kernel's package unconfigured.
 */
#include <linux/module.h>
#include <linux/printk.h>

static int __init bufsync_stub_init(void)
{
	pr_err(BUFSYNC_STUB_REASON "; not loading\n");
	return -EOPNOTSUPP;
}
module_init(bufsync_stub_init);

MODULE_DESCRIPTION("Stand-in for a module that this kernel cannot run");
MODULE_LICENSE("GPL");
MODULE_VERSION(BUFSYNC_VERSION);
