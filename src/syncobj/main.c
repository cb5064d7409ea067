// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/syncobj: the device, its ioctl table, loading and unloading.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/uaccess.h>
#include <drm/drm.h>

#include <bufsync/args.h>
#include <bufsync/btf_verdict.h>

#include "syncobj_private.h"
#include "wait_entry.h"
#include "watch.h"

/* The values are DRM's, so that users may mix the names. */
static_assert(SYNCOBJ_CREATE_SIGNALED == DRM_SYNCOBJ_CREATE_SIGNALED);
static_assert(SYNCOBJ_WAIT_FLAGS_WAIT_ALL == DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL);
static_assert(SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT ==
	      DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT);
static_assert(SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE ==
	      DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE);
#ifdef DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE
static_assert(SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE ==
	      DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE);
#endif
static_assert(SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED ==
	      DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED);

/* 32-bit callers see the same structs. */
static_assert(sizeof(struct syncobj_create_args) == 8);
static_assert(sizeof(struct syncobj_wait_args) == 48);
static_assert(sizeof(struct syncobj_array_args) == 24);
static_assert(sizeof(struct syncobj_transfer_args) == 32);
static_assert(sizeof(struct syncobj_eventfd_args) == 24);
static_assert(sizeof(struct syncobj_sync_file_args) == 16);
static_assert(sizeof(struct syncobj_caps) == 48);
static_assert(sizeof(struct syncobj_eventfd_batch_args) == 24);
static_assert(sizeof(struct syncobj_eventfd_cancel_args) == 32);
static_assert(sizeof(struct syncobj_status_args) == 40);

/**
 * syncobj_caps_ioctl() - SYNCOBJ_IOC_CAPS
 * @argp: struct syncobj_caps
 *
 * Return: 0 or an error that the header names.
 */
int syncobj_caps_ioctl(void __user *argp)
{
	struct syncobj_caps caps;
	int usize;

	usize = bufsync_copy_sized(&caps, argp, sizeof(caps),
				   offsetofend(typeof(caps), out_reserved));
	if (usize < 0)
		return usize;

	caps = (struct syncobj_caps) {
		.size = sizeof(caps),
		.out_version = SYNCOBJ_VERSION,
		.out_features = SYNCOBJ_FEATURES_ALL,
		.out_create_flags = SYNCOBJ_CREATE_FLAGS_ALL,
		.out_wait_flags = SYNCOBJ_WAIT_FLAGS_ALL,
		.out_query_flags = SYNCOBJ_QUERY_FLAGS_ALL,
		.out_transfer_flags = SYNCOBJ_TRANSFER_FLAGS_ALL,
		.out_eventfd_flags = SYNCOBJ_EVENTFD_FLAGS_ALL,
		.out_cancel_flags = SYNCOBJ_CANCEL_FLAGS_ALL,
		.out_max_count = SYNCOBJ_MAX_COUNT,
	};
	if (copy_to_user(argp, &caps, min_t(size_t, usize, sizeof(caps))))
		return -EFAULT;
	return 0;
}

static long syncobj_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case SYNCOBJ_IOC_CREATE:
		return syncobj_create_ioctl(argp);
	case SYNCOBJ_IOC_WAIT:
		return syncobj_wait_ioctl(argp);
	case SYNCOBJ_IOC_RESET:
		return syncobj_reset_ioctl(argp);
	case SYNCOBJ_IOC_SIGNAL:
		return syncobj_signal_ioctl(argp);
	case SYNCOBJ_IOC_QUERY:
		return syncobj_query_ioctl(argp);
	case SYNCOBJ_IOC_TRANSFER:
		return syncobj_transfer_ioctl(argp);
	case SYNCOBJ_IOC_EVENTFD:
		return syncobj_eventfd_ioctl(argp);
	case SYNCOBJ_IOC_EXPORT_SYNC_FILE:
		return syncobj_export_sync_file_ioctl(argp);
	case SYNCOBJ_IOC_IMPORT_SYNC_FILE:
		return syncobj_import_sync_file_ioctl(argp);
	case SYNCOBJ_IOC_CAPS:
		return syncobj_caps_ioctl(argp);
	case SYNCOBJ_IOC_EVENTFD_BATCH:
		return syncobj_eventfd_batch_ioctl(argp);
	case SYNCOBJ_IOC_EVENTFD_CANCEL:
		return syncobj_eventfd_cancel_ioctl(argp);
	case SYNCOBJ_IOC_STATUS:
		return syncobj_status_ioctl(argp);
	default:
		return -ENOIOCTLCMD;
	}
}

static const struct file_operations syncobj_dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = syncobj_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/* Anybody may use it, as anybody may use a render node: it has no power. */
static struct miscdevice syncobj_miscdev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "syncobj",
	.fops = &syncobj_dev_fops,
	.mode = 0666,
};

static int syncobj_refuse_clash(void)
{
	pr_err("this kernel has its own /dev/syncobj; not loading\n");
	/* Not EEXIST: modprobe takes that for success. */
	return -EBUSY;
}

/* Registering the name a second time would leave a splat in the log. */
static bool syncobj_node_taken(void)
{
	struct path path;

	if (kern_path("/sys/class/misc/syncobj", 0, &path))
		return false;
	path_put(&path);
	return true;
}

static int __init syncobj_init(void)
{
	int ret;

	if (syncobj_node_taken())
		return syncobj_refuse_clash();

	/* Before anything is put on one of DRM's lists. */
	if (BUFSYNC_SYNCOBJ_WAIT_ENTRY_BTF < 0) {
		pr_err("this kernel's drm_syncobj wait entry is not the layout this module knows (type information); not loading (report kernel version)\n");
		return -EOPNOTSUPP;
	}
	ret = syncobj_wait_entry_selftest();
	if (ret == -EOPNOTSUPP)
		pr_err("this kernel's drm_syncobj wait entry is not the layout this module knows; not loading (report kernel version)\n");
	if (ret)
		return ret;

	ret = syncobj_lookup_init();
	if (ret == -EOPNOTSUPP)
		pr_err("this kernel's syncobj files are not what this module knows; not loading (report kernel version)\n");
	if (ret)
		return ret;

	ret = syncobj_notifier_start();
	if (ret)
		return ret;

	ret = misc_register(&syncobj_miscdev);
	if (ret)
		syncobj_notifier_stop();
	/* without /sys it could not be seen before */
	return ret == -EEXIST ? syncobj_refuse_clash() : ret;
}

static void __exit syncobj_exit(void)
{
	misc_deregister(&syncobj_miscdev);
	syncobj_notifier_stop();
}

module_init(syncobj_init);
module_exit(syncobj_exit);

MODULE_DESCRIPTION("DRM synchronisation objects by file descriptor");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
MODULE_VERSION(BUFSYNC_VERSION);
/* For bug reports: what the build could find out about DRM's wait entry. */
MODULE_INFO(wait_entry, BUFSYNC_SYNCOBJ_WAIT_ENTRY_TEXT);
