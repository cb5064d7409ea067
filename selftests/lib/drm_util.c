// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "drm_util.h"
#include "module_util.h"
#include "syncobj_util.h"

#define TEST_DRIVER	"bufsync_test"

static int open_minor(const char *driver, int minor)
{
	char path[64];
	drmVersionPtr version;
	uint64_t cap = 0;
	int fd, same;

	snprintf(path, sizeof(path), "/dev/dri/renderD%d", minor);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -ENODEV;
	version = drmGetVersion(fd);
	same = version && !strcmp(version->name, driver);
	drmFreeVersion(version);
	if (!same) {
		close(fd);
		return -ENODEV;
	}
	if (drmGetCap(fd, DRM_CAP_SYNCOBJ_TIMELINE, &cap) || !cap) {
		close(fd);
		return -EOPNOTSUPP;
	}
	return fd;
}

static int open_driver(const char *driver)
{
	int minor, fd;

	for (minor = 128; minor < 144; minor++) {
		fd = open_minor(driver, minor);
		if (fd != -ENODEV)
			return fd;
	}
	return -ENODEV;
}

int drm_open(const char *driver)
{
	int64_t end = in_ms(5000);
	int ret;

	if (!strcmp(driver, TEST_DRIVER)) {
		ret = module_load("bufsync_test_drm");
		if (ret && ret != -EEXIST)
			return ret;
	} else if (drm_driver_probe(driver)) {
		return -ENODEV;
	}
	/* The node comes a little later than the device. */
	do {
		ret = open_driver(driver);
		if (ret != -ENODEV)
			return ret;
		sleep_ms(10);
	} while (now_ns() < end);
	return ret;
}

int drm_ret(int ret)
{
	return ret == -1 ? -errno : ret;
}
