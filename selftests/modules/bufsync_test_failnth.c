// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lets an allocation fail while a module starts: the nth in its task from where the
 * kernel runs its init function. What the kernel does before to load it, and
 * complains of when it fails, is not what is tested.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/string.h>

static char target[64];
module_param_string(target, target, sizeof(target), 0644);
MODULE_PARM_DESC(target, "the module");
static unsigned int nth;
module_param(nth, uint, 0644);
MODULE_PARM_DESC(nth, "as written to /proc/self/fail-nth; 0: none");

/* do_init_module(struct module *) */
static int test_at_init(struct kprobe *probe, struct pt_regs *regs)
{
	struct module *module = (void *)regs_get_kernel_argument(regs, 0);

	if (!strcmp(module->name, target))
		WRITE_ONCE(current->fail_nth, READ_ONCE(nth));
	return 0;
}

static struct kprobe test_probe = {
	.symbol_name = "do_init_module",
	.pre_handler = test_at_init,
};

static int __init test_init(void)
{
	return register_kprobe(&test_probe);
}

static void __exit test_exit(void)
{
	unregister_kprobe(&test_probe);
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("bufsync: failing allocations while a module starts");
MODULE_LICENSE("GPL");
