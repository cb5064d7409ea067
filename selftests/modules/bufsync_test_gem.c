// SPDX-License-Identifier: GPL-2.0-only
/*
 * A DRM device whose GEM objects are of a kind that drm_gem_ctl knows nothing of:
 * they have a file for their pages, as those of a graphics card may have, and could
 * be anywhere. Importers can attach to them. Beside it an accelerator's node, where
 * the kernel has those, and a DRM device without GEM.
 *
 * Writing to the parameter "unplug" takes the device away, as pulling it out would.
 * "close_ms" is how long it takes to close a handle. With "keep" the next object whose
 * handle is closed is kept, and the next that is made is that one.
 */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include <drm/drm_accel.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_mode.h>
#include <drm/drm_prime.h>

/* @sgt: of an object that was imported */
struct test_gem_object {
	struct drm_gem_object base;
	struct page **pages;
	struct sg_table *sgt;
};

static struct test_gem_object *to_test(struct drm_gem_object *obj)
{
	return container_of(obj, struct test_gem_object, base);
}

static void test_gem_free(struct drm_gem_object *obj)
{
	struct test_gem_object *test = to_test(obj);

	if (test->pages)
		drm_gem_put_pages(obj, test->pages, true, true);
	if (test->sgt)
		drm_prime_gem_destroy(obj, test->sgt);
	drm_gem_object_release(obj);
	kfree(test);
}

/* Under the reservation's lock, or that of the import */
static struct sg_table *test_gem_sg_table(struct drm_gem_object *obj)
{
	struct test_gem_object *test = to_test(obj);
	struct page **pages;

	if (!test->pages) {
		pages = drm_gem_get_pages(obj);
		if (IS_ERR(pages))
			return ERR_CAST(pages);
		test->pages = pages;
	}
	return drm_prime_pages_to_sg(obj->dev, test->pages,
				     obj->size >> PAGE_SHIFT);
}

static unsigned int test_close_ms;
module_param_named(close_ms, test_close_ms, uint, 0644);

static bool test_keep;
module_param_named(keep, test_keep, bool, 0644);

static struct drm_gem_object *test_kept;

/* The handle is no more, and the file still remembers its dma-buf. */
static void test_gem_close(struct drm_gem_object *obj, struct drm_file *file)
{
	if (READ_ONCE(test_keep)) {
		WRITE_ONCE(test_keep, false);
		drm_gem_object_get(obj);
		obj = xchg(&test_kept, obj);
		if (obj)
			drm_gem_object_put(obj);
	}
	if (READ_ONCE(test_close_ms))
		msleep(READ_ONCE(test_close_ms));
}

static vm_fault_t test_gem_fault(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

static const struct vm_operations_struct test_gem_vm_ops = {
	.fault = test_gem_fault,
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
};

#ifdef BUFSYNC_HAVE_GEM_STATUS
/* By the number of pages, so that a test can have what it wants. */
static enum drm_gem_object_status test_gem_status(struct drm_gem_object *obj)
{
	unsigned long pages = obj->size >> PAGE_SHIFT;

	return (pages % 2 ? DRM_GEM_OBJECT_RESIDENT : 0) |
	       (pages % 4 / 2 ? DRM_GEM_OBJECT_PURGEABLE : 0);
}
#endif

static const struct drm_gem_object_funcs test_gem_funcs = {
	.free = test_gem_free,
	.close = test_gem_close,
	.get_sg_table = test_gem_sg_table,
	.vm_ops = &test_gem_vm_ops,
#ifdef BUFSYNC_HAVE_GEM_STATUS
	.status = test_gem_status,
#endif
};

static int test_gem_dumb(struct drm_file *file, struct drm_device *dev,
			 struct drm_mode_create_dumb *args)
{
	struct drm_gem_object *kept = xchg(&test_kept, NULL);
	struct test_gem_object *test;
	int ret;

	if (kept) {
		args->size = kept->size;
		ret = drm_gem_handle_create(file, kept, &args->handle);
		drm_gem_object_put(kept);
		return ret;
	}
	test = kzalloc(sizeof(*test), GFP_KERNEL);
	if (!test)
		return -ENOMEM;
	args->pitch = args->width * DIV_ROUND_UP(args->bpp, 8);
	args->size = PAGE_ALIGN((u64)args->pitch * args->height);
	test->base.funcs = &test_gem_funcs;
	ret = drm_gem_object_init(dev, &test->base, args->size);
	if (ret) {
		kfree(test);
		return ret;
	}
	ret = drm_gem_handle_create(file, &test->base, &args->handle);
	drm_gem_object_put(&test->base);
	return ret;
}

static struct drm_gem_object *
test_gem_import(struct drm_device *dev, struct dma_buf_attachment *attach,
		struct sg_table *sgt)
{
	struct test_gem_object *test = kzalloc(sizeof(*test), GFP_KERNEL);

	if (!test)
		return ERR_PTR(-ENOMEM);
	test->base.funcs = &test_gem_funcs;
	drm_gem_private_object_init(dev, &test->base, attach->dmabuf->size);
	test->sgt = sgt;
	return &test->base;
}

DEFINE_DRM_GEM_FOPS(test_gem_fops);

static const struct drm_driver test_gem_driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER,
	.fops = &test_gem_fops,
	.dumb_create = test_gem_dumb,
	.gem_prime_import_sg_table = test_gem_import,
#ifdef BUFSYNC_HAVE_GEM_PRIME_CHOSEN
	.prime_handle_to_fd = drm_gem_prime_handle_to_fd,
	.prime_fd_to_handle = drm_gem_prime_fd_to_handle,
#endif
	.name = "bufsync_gem",
	.desc = "GEM objects for the tests of bufsync",
#ifdef TEST_HAVE_DRIVER_DATE
	.date = "0",
#endif
	.major = 1,
};

static const struct drm_driver test_bare_driver = {
	.driver_features = DRIVER_RENDER,
	.fops = &test_gem_fops,
	.name = "bufsync_bare",
	.desc = "a device without GEM for the tests of bufsync",
#ifdef TEST_HAVE_DRIVER_DATE
	.date = "0",
#endif
	.major = 1,
};

#ifdef BUFSYNC_HAVE_ACCEL
static const struct file_operations test_accel_fops = {
	.owner = THIS_MODULE,
	DRM_ACCEL_FOPS,
};

static const struct drm_driver test_accel_driver = {
	.driver_features = DRIVER_GEM | DRIVER_COMPUTE_ACCEL,
	.fops = &test_accel_fops,
	.name = "bufsync_accel",
	.desc = "an accelerator for the tests of bufsync",
#ifdef TEST_HAVE_DRIVER_DATE
	.date = "0",
#endif
	.major = 1,
};
#endif

static const struct drm_driver * const test_drivers[] = {
	&test_gem_driver,
	&test_bare_driver,
#ifdef BUFSYNC_HAVE_ACCEL
	&test_accel_driver,
#endif
};

static struct platform_device *test_parent;
static struct drm_device *test_devices[ARRAY_SIZE(test_drivers)];
static bool test_unplugged;

static int test_unplug_set(const char *text, const struct kernel_param *param)
{
	if (!test_devices[0] || test_unplugged)
		return -ENODEV;
	test_unplugged = true;
	drm_dev_unplug(test_devices[0]);
	return 0;
}

static const struct kernel_param_ops test_unplug_ops = {
	.set = test_unplug_set,
};

module_param_cb(unplug, &test_unplug_ops, NULL, 0200);

static void test_devices_remove(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(test_devices); i++) {
		if (!test_devices[i])
			continue;
		if (i || !test_unplugged)
			drm_dev_unregister(test_devices[i]);
		drm_dev_put(test_devices[i]);
	}
	platform_device_unregister(test_parent);
}

static int test_device_add(size_t i)
{
	struct drm_device *dev = drm_dev_alloc(test_drivers[i],
					       &test_parent->dev);
	int ret;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	ret = drm_dev_register(dev, 0);
	if (ret) {
		drm_dev_put(dev);
		return ret;
	}
	test_devices[i] = dev;
	return 0;
}

static int __init test_gem_init(void)
{
	size_t i;
	int ret;

	test_parent = platform_device_register_simple("bufsync_test_gem", -1,
						      NULL, 0);
	if (IS_ERR(test_parent))
		return PTR_ERR(test_parent);
	for (i = 0; i < ARRAY_SIZE(test_drivers); i++) {
		ret = test_device_add(i);
		if (ret) {
			test_devices_remove();
			return ret;
		}
	}
	return 0;
}
module_init(test_gem_init);

static void __exit test_gem_exit(void)
{
	if (test_kept)
		drm_gem_object_put(test_kept);
	test_devices_remove();
}
module_exit(test_gem_exit);

MODULE_DESCRIPTION("GEM objects for the tests of bufsync");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
