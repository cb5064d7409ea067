// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guards of <bufsync/guards.h> do, tried when the module is loaded; its
 * parameters are what was seen. -1: not tried.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>

#include <bufsync/guards.h>

static int resv_held = -1;
module_param(resv_held, int, 0444);
static int resv_held_after = -1;
module_param(resv_held_after, int, 0444);
static int resv_held_after_return = -1;
module_param(resv_held_after_return, int, 0444);
static int intr_err = -1;
module_param(intr_err, int, 0444);
static int intr_held = -1;
module_param(intr_held, int, 0444);
static int intr_held_after = -1;
module_param(intr_held_after, int, 0444);
static int intr_signal_err = -1;
module_param(intr_signal_err, int, 0444);
static int intr_signal_held_after = -1;
module_param(intr_signal_held_after, int, 0444);
static int dev_entered = -1;
module_param(dev_entered, int, 0444);
static int dev_unplugged_within = -1;
module_param(dev_unplugged_within, int, 0444);
static int dev_unplugged_after = -1;
module_param(dev_unplugged_after, int, 0444);
static int dev_entered_unplugged = -1;
module_param(dev_entered_unplugged, int, 0444);
static int dev_second_unplugged = -1;
module_param(dev_second_unplugged, int, 0444);

/* How long something that must not happen is waited for, and that must */
#define TEST_SHORT	msecs_to_jiffies(200)
#define TEST_LONG	msecs_to_jiffies(60000)

static struct dma_resv test_resv;

static bool test_return_within(struct dma_resv *resv)
{
	guard(bufsync_resv)(resv);
	return dma_resv_is_locked(resv);
}

static void test_resv_guard(struct dma_resv *resv)
{
	{
		guard(bufsync_resv)(resv);
		dma_resv_assert_held(resv);
		resv_held = dma_resv_is_locked(resv);
	}
	resv_held_after = dma_resv_is_locked(resv);
	if (test_return_within(resv))
		resv_held_after_return = dma_resv_is_locked(resv);
}

static int test_interrupted(void *resv)
{
	allow_signal(SIGUSR1);
	send_sig(SIGUSR1, current, 0);
	{
		CLASS(bufsync_resv_intr, held)(resv);
		intr_signal_err = held.err;
	}
	intr_signal_held_after = dma_resv_is_locked(resv);
	flush_signals(current);
	/* Not gone before kthread_stop() */
	while (!kthread_should_stop())
		msleep(20);
	return 0;
}

static int test_intr_class(struct dma_resv *resv)
{
	struct task_struct *task;

	{
		CLASS(bufsync_resv_intr, held)(resv);
		intr_err = held.err;
		intr_held = dma_resv_is_locked(resv);
	}
	intr_held_after = dma_resv_is_locked(resv);

	/* Somebody else has it: what was not taken is not given back. */
	guard(bufsync_resv)(resv);
	task = kthread_run(test_interrupted, resv, "bufsync_test");
	if (IS_ERR(task))
		return PTR_ERR(task);
	msleep(100);
	kthread_stop(task);
	return 0;
}

DEFINE_DRM_GEM_FOPS(test_fops);

static const struct drm_driver test_driver = {
	.driver_features = DRIVER_GEM,
	.fops = &test_fops,
	.name = "bufsync_test",
	.desc = "devices to unplug for the tests of bufsync",
#ifdef TEST_HAVE_DRIVER_DATE
	.date = "0",
#endif
	.major = 1,
};

struct test_device {
	struct platform_device *parent;
	struct drm_device *drm;
	struct work_struct unplug;
	struct completion unplugged;
};

static void test_unplug(struct work_struct *work)
{
	struct test_device *td = container_of(work, struct test_device, unplug);

	drm_dev_unplug(td->drm);
	complete(&td->unplugged);
}

static int test_plug(struct test_device *td)
{
	int ret;

	INIT_WORK(&td->unplug, test_unplug);
	init_completion(&td->unplugged);
	td->parent = platform_device_register_simple("bufsync_test_guards",
						     PLATFORM_DEVID_AUTO, NULL,
						     0);
	if (IS_ERR(td->parent))
		return PTR_ERR(td->parent);
	td->drm = drm_dev_alloc(&test_driver, &td->parent->dev);
	if (IS_ERR(td->drm)) {
		ret = PTR_ERR(td->drm);
		goto unregister_parent;
	}
	ret = drm_dev_register(td->drm, 0);
	if (ret)
		goto put_drm;
	return 0;

put_drm:
	drm_dev_put(td->drm);
unregister_parent:
	platform_device_unregister(td->parent);
	return ret;
}

static void test_scrap(struct test_device *td)
{
	flush_work(&td->unplug);
	drm_dev_put(td->drm);
	platform_device_unregister(td->parent);
}

/* Unplugging waits for those who are within, of any device. */
static void test_dev_class(struct test_device *first,
			   struct test_device *second)
{
	{
		CLASS(bufsync_drm_dev, dev)(first->drm);
		dev_entered = dev.entered;
		schedule_work(&first->unplug);
		dev_unplugged_within =
			wait_for_completion_timeout(&first->unplugged,
						    TEST_SHORT) > 0;
	}
	if (!dev_unplugged_within)
		dev_unplugged_after =
			wait_for_completion_timeout(&first->unplugged,
						    TEST_LONG) > 0;
	{
		CLASS(bufsync_drm_dev, dev)(first->drm);
		dev_entered_unplugged = dev.entered;
	}
	/* If that had left what it had not entered, this would not end. */
	schedule_work(&second->unplug);
	dev_second_unplugged = wait_for_completion_timeout(&second->unplugged,
							   TEST_LONG) > 0;
}

static int __init test_init(void)
{
	static struct test_device first, second;
	int ret;

	dma_resv_init(&test_resv);
	test_resv_guard(&test_resv);
	ret = test_intr_class(&test_resv);
	dma_resv_fini(&test_resv);
	if (ret)
		return ret;

	ret = test_plug(&first);
	if (ret)
		return ret;
	ret = test_plug(&second);
	if (ret) {
		drm_dev_unplug(first.drm);
		test_scrap(&first);
		return ret;
	}
	test_dev_class(&first, &second);
	if (!dev_second_unplugged) {
		/* It hangs, and so would this. */
		__module_get(THIS_MODULE);
		return 0;
	}
	test_scrap(&second);
	test_scrap(&first);
	return 0;
}
module_init(test_init);

static void __exit test_exit(void)
{
}
module_exit(test_exit);

MODULE_DESCRIPTION("The guards of bufsync, tried");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
