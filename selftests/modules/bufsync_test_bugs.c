// SPDX-License-Identifier: GPL-2.0-only
/*
 * One deliberate bug each, for scripts/detectors-test: the kernel that runs the
 * tests must see it, and the rig must say so. Never load it anywhere else.
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

static char *bug = "none";
module_param(bug, charp, 0444);
MODULE_PARM_DESC(bug, "which; \"none\" does as much and nothing wrong");

#define TEST_SIZE	64

/* The compiler shall see neither sizes nor that memory is freed. */
static char *test_hidden(void *p)
{
	OPTIMIZER_HIDE_VAR(p);
	return p;
}

static char *test_alloc(void)
{
	return test_hidden(kzalloc(TEST_SIZE, GFP_KERNEL));
}

static int test_none(void)
{
	char *p = test_alloc();

	if (!p)
		return -ENOMEM;
	WRITE_ONCE(p[TEST_SIZE - 1], 1);
	kfree(p);
	return 0;
}

static int test_use_after_free(void)
{
	char *p = test_alloc();

	if (!p)
		return -ENOMEM;
	kfree(p);
	/* Not at its beginning, where KASAN keeps the list of what it will free. */
	WRITE_ONCE(test_hidden(p)[TEST_SIZE - 1], 1);
	return 0;
}

static int test_out_of_bounds(void)
{
	char *p = test_alloc();

	if (!p)
		return -ENOMEM;
	WRITE_ONCE(p[TEST_SIZE], 1);
	kfree(p);
	return 0;
}

static int test_vmalloc_out_of_bounds(void)
{
	/* Not at the page's end: the guard page would make an oops of it. */
	char *p = test_hidden(vzalloc(PAGE_SIZE - TEST_SIZE));

	if (!p)
		return -ENOMEM;
	WRITE_ONCE(p[PAGE_SIZE - TEST_SIZE], 1);
	vfree(p);
	return 0;
}

static int test_double_free(void)
{
	char *p = test_alloc();

	if (!p)
		return -ENOMEM;
	kfree(p);
	kfree(test_hidden(p));
	return 0;
}

static DEFINE_MUTEX(test_first);
static DEFINE_MUTEX(test_second);

static int test_lock_order(void)
{
	mutex_lock(&test_first);
	mutex_lock(&test_second);
	mutex_unlock(&test_second);
	mutex_unlock(&test_first);

	mutex_lock(&test_second);
	mutex_lock(&test_first);
	mutex_unlock(&test_first);
	mutex_unlock(&test_second);
	return 0;
}

static DEFINE_SPINLOCK(test_spinlock);

static int test_sleep_in_atomic(void)
{
	char *p;

	spin_lock(&test_spinlock);
	p = test_alloc();
	spin_unlock(&test_spinlock);
	kfree(p);
	return 0;
}

struct test_rcu {
	int value;
};

static struct test_rcu test_rcu_value;
static struct test_rcu __rcu *test_rcu_pointer;

static int test_rcu_usage(void)
{
	rcu_assign_pointer(test_rcu_pointer, &test_rcu_value);
	return rcu_dereference(test_rcu_pointer)->value;
}

static int test_leak(void)
{
	int i;

	/* One that an old value on some stack points to is no loss. */
	for (i = 0; i < 16; i++)
		if (!test_alloc())
			return -ENOMEM;
	return 0;
}

static int test_shift(void)
{
	int bits = 40, value = 1;

	OPTIMIZER_HIDE_VAR(bits);
	value <<= bits;
	OPTIMIZER_HIDE_VAR(value);
	return 0;
}

/* What lies behind the array is there: no case for KASAN. */
static struct {
	int array[4];
	int rest[4];
} test_arrays;

static int test_bounds(void)
{
	int i = ARRAY_SIZE(test_arrays.array) + 1;

	OPTIMIZER_HIDE_VAR(i);
	(void)READ_ONCE(test_arrays.array[i]);
	return 0;
}

static void test_timer_fn(struct timer_list *timer)
{
}

static int test_free_active(void)
{
	struct timer_list *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return -ENOMEM;
	timer_setup(timer, test_timer_fn, 0);
	mod_timer(timer, jiffies + 3600 * HZ);
	kfree(timer);
	return 0;
}

static int test_list(void)
{
	LIST_HEAD(list);
	struct list_head entry;

	list_add(&entry, &list);
	list_del(&entry);
	list_del(&entry);
	return 0;
}

static int test_refcount(void)
{
	refcount_t refs = REFCOUNT_INIT(1);

	if (refcount_dec_and_test(&refs))
		refcount_inc(&refs);
	return 0;
}

static int test_hang(void)
{
	/* Longer than the detector is told to bear */
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_timeout(12 * HZ);
	return 0;
}

/* Plainly, by two threads that run long enough to meet */
static int test_race_value;

static int test_race_fn(void *unused)
{
	unsigned long end = jiffies + 5 * HZ;

	while (time_before(jiffies, end)) {
		test_race_value++;
		cond_resched();
	}
	/* kthread_stop() comes for it. */
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static int test_race(void)
{
	struct task_struct *task = kthread_run(test_race_fn, NULL, "bufsync_race");
	unsigned long end = jiffies + 5 * HZ;

	if (IS_ERR(task))
		return PTR_ERR(task);
	while (time_before(jiffies, end)) {
		test_race_value++;
		cond_resched();
	}
	kthread_stop(task);
	return 0;
}

/*
 * DMA takes a device. Mappings that a driver has left behind are looked for when
 * it is unbound, and on the bus of PCI only.
 */
static bool test_dma_forget;

static int test_dma_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	dma_addr_t addr;
	void *p;

	p = kzalloc(PAGE_SIZE, GFP_KERNEL);
	if (!p)
		return -ENOMEM;
	addr = dma_map_single(&pdev->dev, p, PAGE_SIZE, DMA_TO_DEVICE);
	if (dma_mapping_error(&pdev->dev, addr)) {
		kfree(p);
		return -EIO;
	}
	if (!test_dma_forget)
		dma_unmap_single(&pdev->dev, addr, PAGE_SIZE / 2,
				 DMA_TO_DEVICE);
	/* No leak: that is another bug. */
	pci_set_drvdata(pdev, p);
	return 0;
}

static void test_dma_remove(struct pci_dev *pdev)
{
	kfree(pci_get_drvdata(pdev));
}

static const struct pci_device_id test_dma_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },	/* QEMU's edu */
	{ }
};

static struct pci_driver test_dma_driver = {
	.name = "bufsync_test_bugs",
	.id_table = test_dma_ids,
	.probe = test_dma_probe,
	.remove = test_dma_remove,
};

static int test_dma(void)
{
	int ret = pci_register_driver(&test_dma_driver);

	if (!ret)
		pci_unregister_driver(&test_dma_driver);
	return ret;
}

static int test_dma_never_unmapped(void)
{
	test_dma_forget = true;
	return test_dma();
}

static const struct {
	const char *name;
	int (*run)(void);
} test_bugs[] = {
	{ "none", test_none },
	{ "use_after_free", test_use_after_free },
	{ "out_of_bounds", test_out_of_bounds },
	{ "vmalloc_out_of_bounds", test_vmalloc_out_of_bounds },
	{ "double_free", test_double_free },
	{ "lock_order", test_lock_order },
	{ "sleep_in_atomic", test_sleep_in_atomic },
	{ "rcu_usage", test_rcu_usage },
	{ "leak", test_leak },
	{ "shift", test_shift },
	{ "bounds", test_bounds },
	{ "free_active", test_free_active },
	{ "list", test_list },
	{ "refcount", test_refcount },
	{ "hang", test_hang },
	{ "race", test_race },
	{ "dma_wrong_size", test_dma },
	{ "dma_never_unmapped", test_dma_never_unmapped },
};

static int __init test_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(test_bugs); i++)
		if (!strcmp(bug, test_bugs[i].name))
			return test_bugs[i].run();
	return -EINVAL;
}

static void __exit test_exit(void)
{
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("bufsync: bugs, for tests of what detects them");
MODULE_LICENSE("GPL");
