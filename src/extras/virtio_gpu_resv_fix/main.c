// SPDX-License-Identifier: GPL-2.0-only
/*
 * A live patch for virtio-gpu as it was before the repair of CVE-2026-64098.
 *
 * Ended by "echo 0 > /sys/kernel/livepatch/virtio_gpu_resv_fix/enabled"; then it
 * can be unloaded.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/utsname.h>

#include "array.h"
#include "vgrf_kernel.h"

#if IS_ENABLED(CONFIG_LIVEPATCH)
static struct klp_func vgrf_funcs[] = {
	{
		.old_name = "virtio_gpu_array_lock_resv",
		.new_func = vgrf_array_lock,
	},
	{ }
};

/*
 * The driver is there, or about to be, and not patched yet. Should it be about
 * to be, it is refused as well: this module has been asked for.
 */
static int vgrf_pre_patch(struct klp_object *obj)
{
	int ret = vgrf_array_selftest((vgrf_lock_fn)vgrf_funcs[0].old_func);

	if (ret == -EINVAL) {
		pr_err("virtio-gpu's array of objects is not the one known here, not patching\n");
		return -EOPNOTSUPP;
	}
	return ret;
}

static struct klp_object vgrf_objects[] = {
	{
		.name = "virtio_gpu",
		.funcs = vgrf_funcs,
		.callbacks.pre_patch = vgrf_pre_patch,
	},
	{ }
};

static struct klp_patch vgrf_patch = {
	.mod = THIS_MODULE,
	.objs = vgrf_objects,
};

static int vgrf_enable(void)
{
	/* This module's own, for which nothing can go wrong but the test. */
	int ret = vgrf_array_selftest(vgrf_array_lock);

	if (ret)
		return ret;
	return klp_enable_patch(&vgrf_patch);
}

#if VGRF_AFFECTED
/* Marks the kernel as patched when the module is loaded, even if it refuses. */
MODULE_INFO(livepatch, "Y");
#endif
#else
static int vgrf_enable(void)
{
	pr_err("this kernel cannot be patched while it runs (CONFIG_LIVEPATCH), not loading\n");
	return -EOPNOTSUPP;
}
#endif

static int __init vgrf_init(void)
{
	const struct new_utsname *uts = init_utsname();
	const char *wrong = vgrf_array_wrong();

	if (!VGRF_AFFECTED) {
		pr_err("%s; not loading\n", VGRF_WHY);
		return -EOPNOTSUPP;
	}
	/* The above has been found out for one kernel. */
	if (strcmp(uts->release, VGRF_RELEASE) ||
	    (*VGRF_VERSION && strcmp(uts->version, VGRF_VERSION))) {
		pr_err("built for another kernel, %s %s; not loading\n",
		       VGRF_RELEASE, VGRF_VERSION);
		return -EOPNOTSUPP;
	}
	if (wrong) {
		pr_err("virtio-gpu's array of objects is not the one known here (%s, by type information); not loading\n",
		       wrong);
		return -EOPNOTSUPP;
	}
	return vgrf_enable();
}
module_init(vgrf_init);

static void __exit vgrf_exit(void)
{
}
module_exit(vgrf_exit);

MODULE_DESCRIPTION("Live patch: virtio-gpu locks single objects whatever signals come");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
