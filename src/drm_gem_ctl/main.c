// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/drm_gem: the device, its ioctl table, loading and unloading.
 */
#include <linux/build_bug.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <drm/drm_gem.h>

#include <bufsync/args.h>
#include <bufsync/btf_verdict.h>

#include "drm_gem_ctl_private.h"

/* 32-bit callers see the same structs. */
static_assert(sizeof(struct drm_gem_ctl_caps) == 160);
static_assert(sizeof(struct drm_gem_ctl_move_args) == 24);
static_assert(sizeof(struct drm_gem_ctl_entry) == 32);
static_assert(sizeof(struct drm_gem_ctl_list_args) == 40);
static_assert(sizeof(struct drm_gem_ctl_prime_info_args) == 120);
static_assert(sizeof(struct drm_gem_ctl_import_args) == 24);

static u64 gemctl_features(void)
{
	u64 features = DRM_GEM_CTL_FEATURE_MOVE | DRM_GEM_CTL_FEATURE_LIST |
		       DRM_GEM_CTL_FEATURE_PRIME_INFO |
		       DRM_GEM_CTL_FEATURE_IMPORT_NO_MOVE;

	if (!gemctl_kernel_known())
		return 0;
	if (BUFSYNC_GEM_TELLS_STATUS)
		features |= DRM_GEM_CTL_FEATURE_STATUS;
	return features;
}

static int gemctl_caps_ioctl(void __user *argp)
{
	struct drm_gem_ctl_caps caps;
	int usize;

	usize = bufsync_copy_sized(&caps, argp, sizeof(caps),
				   offsetofend(typeof(caps), out_drivers));
	if (usize < 0)
		return usize;

	caps = (struct drm_gem_ctl_caps) {
		.size = sizeof(caps),
		.out_version = DRM_GEM_CTL_VERSION,
		.out_features = gemctl_features(),
		.out_entry_size = sizeof(struct drm_gem_ctl_entry),
		.out_max_entries = DRM_GEM_CTL_MAX_ENTRIES,
		.out_max_handle = DRM_GEM_CTL_MAX_HANDLE,
	};
	strscpy(caps.out_drivers, gemctl_move_drivers(),
		sizeof(caps.out_drivers));
	if (copy_to_user(argp, &caps, min_t(size_t, usize, sizeof(caps))))
		return -EFAULT;
	return 0;
}

static long gemctl_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case DRM_GEM_CTL_IOC_CAPS:
		return gemctl_caps_ioctl(argp);
	case DRM_GEM_CTL_IOC_MOVE:
		return gemctl_move_ioctl(argp);
	case DRM_GEM_CTL_IOC_LIST:
		return gemctl_list_ioctl(argp);
	case DRM_GEM_CTL_IOC_PRIME_INFO:
		return gemctl_prime_info_ioctl(argp);
	case DRM_GEM_CTL_IOC_IMPORT_NO_MOVE:
		return gemctl_import_ioctl(argp);
	default:
		return -ENOIOCTLCMD;
	}
}

static const struct file_operations gemctl_dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = gemctl_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/* Anybody may use it: the DRM fd is what entitles, and for MOVE a capability. */
static struct miscdevice gemctl_miscdev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "drm_gem",
	.fops = &gemctl_dev_fops,
	.mode = 0666,
};

/* Registering the name a second time would leave a splat in the log. */
static bool gemctl_node_taken(void)
{
	struct path path;

	if (kern_path("/sys/class/misc/drm_gem", 0, &path))
		return false;
	path_put(&path);
	return true;
}

/* Not this module's to close; but who loads it should know. */
static void gemctl_warn_of_kernel(void)
{
#ifdef BUFSYNC_HAVE_GEM_UNSAFE_MOVE
	pr_warn("this kernel's own DRM_IOCTL_GEM_CHANGE_HANDLE is live and unsafe (CVE-2026-53145): upgrade the kernel\n");
#endif
}

static int __init gemctl_init(void)
{
	int ret;

	if (gemctl_node_taken()) {
		pr_err("this kernel has its own /dev/drm_gem; not loading\n");
		/* Not EEXIST: modprobe takes that for success. */
		return -EBUSY;
	}
	if (BUFSYNC_PRIME_MEMBER_BTF < 0) {
		pr_err("this kernel's drm_prime_member is not the layout this module knows (type information); not loading (report kernel version)\n");
		return -EOPNOTSUPP;
	}
	ret = misc_register(&gemctl_miscdev);
	if (!ret)
		gemctl_warn_of_kernel();
	return ret;
}

static void __exit gemctl_exit(void)
{
	misc_deregister(&gemctl_miscdev);
}

module_init(gemctl_init);
module_exit(gemctl_exit);

MODULE_DESCRIPTION("GEM handles: move, list, and import without migration");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
MODULE_VERSION(BUFSYNC_VERSION);
MODULE_IMPORT_NS("DMA_BUF");
/* For bug reports: what the build could find out about DRM's members. */
MODULE_INFO(prime_member, BUFSYNC_PRIME_MEMBER_TEXT);
