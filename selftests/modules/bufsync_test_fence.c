// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unsignalled dma_fences for tests, each handed out as a sync_file.
 *
 * An open file of /dev/bufsync_test_fence owns the fences that it has made and
 * signals whatever is left of them when it is closed, so that a test that dies
 * leaves nobody waiting. A fence's lock lies in the fence, and each fence pins
 * the module.
 *
 * The file operations have no compat_ioctl on purpose: the 32-bit test takes
 * this device as its proof that it goes through the compat entry.
 */
#include <linux/dma-fence.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/sync_file.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "bufsync_test_fence.h"

struct test_fence {
	struct dma_fence base;
	spinlock_t lock;	/* base's lock; also covers the rest */
	u32 flags;
	u32 state;
	u32 deadlines;
	int error;
	ktime_t deadline;
	struct irq_work irq_work;
	struct delayed_work delayed_work;
};

struct test_file {
	struct mutex lock;	/* no two signals of one fence at a time */
	struct xarray fences;
};

static atomic_t test_fence_live = ATOMIC_INIT(0);

static struct test_fence *to_test_fence(struct dma_fence *fence)
{
	return container_of(fence, struct test_fence, base);
}

static const char *test_fence_get_driver_name(struct dma_fence *fence)
{
	return "bufsync_test";
}

static const char *test_fence_get_timeline_name(struct dma_fence *fence)
{
	return "bufsync_test";
}

/* Called with the fence's lock held. */
static bool test_fence_enable_signaling(struct dma_fence *fence)
{
	struct test_fence *f = to_test_fence(fence);

	f->state |= TEST_FENCE_ENABLED;
	return !(f->state & TEST_FENCE_SIGNALLED);
}

static bool test_fence_signaled(struct dma_fence *fence)
{
	struct test_fence *f = to_test_fence(fence);

	return !(f->flags & TEST_FENCE_BLIND) &&
		READ_ONCE(f->state) & TEST_FENCE_SIGNALLED;
}

static void test_fence_release(struct dma_fence *fence)
{
	atomic_dec(&test_fence_live);
	dma_fence_free(fence);
	module_put(THIS_MODULE);
}

#ifdef TEST_HAVE_SET_DEADLINE
static void test_fence_set_deadline(struct dma_fence *fence, ktime_t deadline)
{
	struct test_fence *f = to_test_fence(fence);
	unsigned long irqflags;

	spin_lock_irqsave(&f->lock, irqflags);
	f->state |= TEST_FENCE_DEADLINE;
	f->deadline = deadline;
	f->deadlines++;
	spin_unlock_irqrestore(&f->lock, irqflags);
}
#endif

static const struct dma_fence_ops test_fence_ops = {
	.get_driver_name = test_fence_get_driver_name,
	.get_timeline_name = test_fence_get_timeline_name,
	.enable_signaling = test_fence_enable_signaling,
	.signaled = test_fence_signaled,
	.release = test_fence_release,
#ifdef TEST_HAVE_SET_DEADLINE
	.set_deadline = test_fence_set_deadline,
#endif
};

static void test_fence_signal_now(struct test_fence *f)
{
	unsigned long irqflags;

	spin_lock_irqsave(&f->lock, irqflags);
	if (f->state & TEST_FENCE_SIGNALLED)
		goto unlock;
	if (f->error)
		dma_fence_set_error(&f->base, f->error);
	if (in_hardirq())
		f->state |= TEST_FENCE_IN_HARDIRQ;
	WRITE_ONCE(f->state, f->state | TEST_FENCE_SIGNALLED);
	if (!(f->flags & (TEST_FENCE_QUIET | TEST_FENCE_BLIND)) ||
	    f->state & TEST_FENCE_ENABLED)
		dma_fence_signal_locked(&f->base);
unlock:
	spin_unlock_irqrestore(&f->lock, irqflags);
}

static void test_fence_irq_work(struct irq_work *work)
{
	struct test_fence *f = container_of(work, struct test_fence, irq_work);

	test_fence_signal_now(f);
	dma_fence_put(&f->base);
}

/* Consumes one reference of the fence. */
static void test_fence_signal_irq(struct test_fence *f)
{
	if (!irq_work_queue(&f->irq_work))
		dma_fence_put(&f->base);
}

static void test_fence_delayed_work(struct work_struct *work)
{
	struct test_fence *f = container_of(to_delayed_work(work),
					    struct test_fence, delayed_work);

	test_fence_signal_irq(f);
}

static struct test_fence *test_fence_alloc(u32 flags)
{
	struct test_fence *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return NULL;
	f->flags = flags;
	spin_lock_init(&f->lock);
	init_irq_work(&f->irq_work, test_fence_irq_work);
	INIT_DELAYED_WORK(&f->delayed_work, test_fence_delayed_work);
	__module_get(THIS_MODULE);
	atomic_inc(&test_fence_live);
	/* Tests signal in any order, which only fences of several contexts may. */
	dma_fence_init(&f->base, &test_fence_ops, &f->lock,
		       dma_fence_context_alloc(1), 1);
	return f;
}

static long test_fence_create_ioctl(struct test_file *tf, void __user *argp)
{
	struct test_fence_create args;
	struct sync_file *sync_file;
	struct test_fence *f;
	int fd, ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.pad || args.flags & ~(TEST_FENCE_QUIET | TEST_FENCE_BLIND))
		return -EINVAL;

	f = test_fence_alloc(args.flags);
	if (!f)
		return -ENOMEM;

	ret = -ENOMEM;
	sync_file = sync_file_create(&f->base);
	if (!sync_file)
		goto put_fence;

	ret = get_unused_fd_flags(O_CLOEXEC);
	if (ret < 0)
		goto put_file;
	fd = ret;

	ret = xa_alloc(&tf->fences, &args.id, f, xa_limit_31b, GFP_KERNEL);
	if (ret)
		goto put_fd;

	args.fd = fd;
	ret = -EFAULT;
	if (copy_to_user(argp, &args, sizeof(args)))
		goto erase;

	/* From here on the file owns the fence. */
	fd_install(fd, sync_file->file);
	return 0;

erase:
	xa_erase(&tf->fences, args.id);
put_fd:
	put_unused_fd(fd);
put_file:
	fput(sync_file->file);
put_fence:
	test_fence_signal_now(f);
	dma_fence_put(&f->base);
	return ret;
}

static long test_fence_signal_locked(struct test_fence *f,
				     const struct test_fence_signal *args)
{
	if (f->state & TEST_FENCE_SIGNALLED)
		return -EALREADY;
	f->error = args->error;

	switch (args->how) {
	case TEST_FENCE_DIRECT:
		test_fence_signal_now(f);
		return 0;
	case TEST_FENCE_IRQ:
		dma_fence_get(&f->base);
		test_fence_signal_irq(f);
		return 0;
	case TEST_FENCE_DELAYED:
		dma_fence_get(&f->base);
		if (!schedule_delayed_work(&f->delayed_work,
					   msecs_to_jiffies(args->delay_ms)))
			dma_fence_put(&f->base);
		return 0;
	default:
		return -EINVAL;
	}
}

static long test_fence_signal_ioctl(struct test_file *tf, void __user *argp)
{
	struct test_fence_signal args;
	struct test_fence *f;
	long ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (args.error > 0 || args.error < -MAX_ERRNO)
		return -EINVAL;

	/* Fences stay in the table until the file is closed. */
	f = xa_load(&tf->fences, args.id);
	if (!f)
		return -ENOENT;

	mutex_lock(&tf->lock);
	ret = test_fence_signal_locked(f, &args);
	mutex_unlock(&tf->lock);
	return ret;
}

static long test_fence_info_ioctl(struct test_file *tf, void __user *argp)
{
	struct test_fence_info args;
	struct test_fence *f;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;

	f = xa_load(&tf->fences, args.id);
	if (!f)
		return -ENOENT;

	spin_lock_irq(&f->lock);
	args.state = f->state;
	args.deadline_ns = ktime_to_ns(f->deadline);
	args.deadlines = f->deadlines;
	spin_unlock_irq(&f->lock);

	return copy_to_user(argp, &args, sizeof(args)) ? -EFAULT : 0;
}

static long test_fence_ioctl(struct file *file, unsigned int cmd,
			     unsigned long arg)
{
	void __user *argp = (void __user *)arg;
	struct test_file *tf = file->private_data;

	switch (cmd) {
	case TEST_FENCE_IOC_CREATE:
		return test_fence_create_ioctl(tf, argp);
	case TEST_FENCE_IOC_SIGNAL:
		return test_fence_signal_ioctl(tf, argp);
	case TEST_FENCE_IOC_INFO:
		return test_fence_info_ioctl(tf, argp);
	case TEST_FENCE_IOC_LIVE:
		return put_user((u32)atomic_read(&test_fence_live),
				(u32 __user *)argp);
	default:
		return -ENOTTY;
	}
}

static int test_fence_open(struct inode *inode, struct file *file)
{
	struct test_file *tf = kzalloc(sizeof(*tf), GFP_KERNEL);

	if (!tf)
		return -ENOMEM;
	mutex_init(&tf->lock);
	xa_init_flags(&tf->fences, XA_FLAGS_ALLOC1);
	file->private_data = tf;
	return 0;
}

static int test_fence_close(struct inode *inode, struct file *file)
{
	struct test_file *tf = file->private_data;
	struct test_fence *f;
	unsigned long id;

	xa_for_each(&tf->fences, id, f) {
		if (cancel_delayed_work_sync(&f->delayed_work))
			dma_fence_put(&f->base);
		/* Waits for a grace period in any case under PREEMPT_RT. */
		if (irq_work_is_busy(&f->irq_work))
			irq_work_sync(&f->irq_work);
		test_fence_signal_now(f);
		dma_fence_put(&f->base);
	}
	xa_destroy(&tf->fences);
	kfree(tf);
	return 0;
}

static const struct file_operations test_fence_fops = {
	.owner = THIS_MODULE,
	.open = test_fence_open,
	.release = test_fence_close,
	.unlocked_ioctl = test_fence_ioctl,
};

static struct miscdevice test_fence_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "bufsync_test_fence",
	.fops = &test_fence_fops,
	.mode = 0666,
};

static int __init test_fence_init(void)
{
	return misc_register(&test_fence_misc);
}
module_init(test_fence_init);

static void __exit test_fence_exit(void)
{
	misc_deregister(&test_fence_misc);
	/* The last release() may still be between module_put() and its end. */
	synchronize_rcu();
	rcu_barrier();
}
module_exit(test_fence_exit);

MODULE_DESCRIPTION("Unsignalled dma_fences for the tests of bufsync");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
