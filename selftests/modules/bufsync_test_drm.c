// SPDX-License-Identifier: GPL-2.0-only
/*
 * A DRM device that can do syncobjs and nothing else, for tests on kernels
 * whose virtio-gpu cannot, and for the same test on all others.
 */
#include <linux/module.h>
#include <linux/platform_device.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>

DEFINE_DRM_GEM_FOPS(test_drm_fops);

static const struct drm_driver test_drm_driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER | DRIVER_SYNCOBJ |
			   DRIVER_SYNCOBJ_TIMELINE,
	.fops = &test_drm_fops,
	.name = "bufsync_test",
	.desc = "syncobjs for the tests of bufsync",
#ifdef TEST_HAVE_DRIVER_DATE
	.date = "0",
#endif
	.major = 1,
};

static struct platform_device *test_drm_parent;
static struct drm_device *test_drm;

static int __init test_drm_init(void)
{
	int ret;

	test_drm_parent = platform_device_register_simple("bufsync_test_drm",
							  -1, NULL, 0);
	if (IS_ERR(test_drm_parent))
		return PTR_ERR(test_drm_parent);

	test_drm = drm_dev_alloc(&test_drm_driver, &test_drm_parent->dev);
	if (IS_ERR(test_drm)) {
		ret = PTR_ERR(test_drm);
		goto unregister_parent;
	}

	ret = drm_dev_register(test_drm, 0);
	if (ret)
		goto put_drm;
	return 0;

put_drm:
	drm_dev_put(test_drm);
unregister_parent:
	platform_device_unregister(test_drm_parent);
	return ret;
}
module_init(test_drm_init);

static void __exit test_drm_exit(void)
{
	drm_dev_unregister(test_drm);
	drm_dev_put(test_drm);
	platform_device_unregister(test_drm_parent);
}
module_exit(test_drm_exit);

MODULE_DESCRIPTION("DRM device for the tests of bufsync");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
