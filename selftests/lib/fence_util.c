// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fence_util.h"
#include "module_util.h"
#include "syncobj_util.h"

int tf_open(void)
{
	int fd, ret;

	ret = module_load("bufsync_test_fence");
	if (ret && ret != -EEXIST)
		return ret;
	fd = node_open("/dev/bufsync_test_fence");
	return fd;
}

int tf_create(int ctl, uint32_t flags, uint32_t *id)
{
	struct test_fence_create args = { .fd = -1, .flags = flags };
	int ret = so_try(ctl, TEST_FENCE_IOC_CREATE, &args);

	*id = args.id;
	return ret ?: args.fd;
}

int tf_signal_how(int ctl, uint32_t id, int error, uint32_t how,
		  uint32_t delay_ms)
{
	struct test_fence_signal args = {
		.id = id,
		.error = error,
		.how = how,
		.delay_ms = delay_ms,
	};

	return so_try(ctl, TEST_FENCE_IOC_SIGNAL, &args);
}

int tf_signal(int ctl, uint32_t id)
{
	return tf_signal_how(ctl, id, 0, TEST_FENCE_DIRECT, 0);
}

int tf_info(int ctl, uint32_t id, struct test_fence_info *info)
{
	*info = (struct test_fence_info) { .id = id };
	return so_try(ctl, TEST_FENCE_IOC_INFO, info);
}

int tf_add(int ctl, int dev, int syncobj, uint64_t point, uint32_t flags,
	   uint32_t *id)
{
	int fd = tf_create(ctl, flags, id);
	int ret;

	if (fd < 0)
		return fd;
	ret = so_import(dev, syncobj, fd, point);
	close(fd);
	return ret;
}

int tf_live(int ctl)
{
	uint32_t live;
	int ret = so_try(ctl, TEST_FENCE_IOC_LIVE, &live);

	return ret ?: (int)live;
}

int tf_settle(int ctl, int want)
{
	int64_t end = in_ms(5000);

	/* Files are put with some delay, and fences with them. */
	while (tf_live(ctl) != want && now_ns() < end)
		sleep_ms(5);
	return tf_live(ctl);
}

int sync_file_status(int fd)
{
	struct sync_file_info info = { .num_fences = 0 };

	if (ioctl(fd, SYNC_IOC_FILE_INFO, &info))
		return -errno;
	return info.status;
}
