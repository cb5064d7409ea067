// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds up one process where dma_heap_memcg judges whom it may charge, so
 * that what happens in between happens often: once the cgroup is found, and
 * once the process was found to be one that may be signalled.
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>

static int pid;
module_param(pid, int, 0644);
MODULE_PARM_DESC(pid, "process to hold up, in the initial pid namespace");
static unsigned int found;
module_param(found, uint, 0644);
MODULE_PARM_DESC(found, "microseconds after the cgroup is found, 2000 at most");
static unsigned int judged;
module_param(judged, uint, 0644);
MODULE_PARM_DESC(judged, "microseconds after the credentials were judged, 2000 at most");

static void test_delay(unsigned int usec)
{
	if (current->tgid == READ_ONCE(pid))
		udelay(usec);
}

static int test_at_access(struct kprobe *probe, struct pt_regs *regs)
{
	test_delay(READ_ONCE(found));
	return 0;
}

static int test_at_signal(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	test_delay(READ_ONCE(judged));
	return 0;
}

static struct kprobe test_access = {
	.symbol_name = "mheap_access",
	.pre_handler = test_at_access,
};

static struct kretprobe test_signal = {
	.kp.symbol_name = "kill_pid",
	.handler = test_at_signal,
};

static int __init test_init(void)
{
	int ret = register_kprobe(&test_access);

	if (ret)
		return ret;
	ret = register_kretprobe(&test_signal);
	if (ret)
		unregister_kprobe(&test_access);
	return ret;
}

static void __exit test_exit(void)
{
	unregister_kretprobe(&test_signal);
	unregister_kprobe(&test_access);
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("Delays in dma_heap_memcg for the tests of bufsync");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
