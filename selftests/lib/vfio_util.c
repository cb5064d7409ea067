// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "module_util.h"
#include "syncobj_util.h"
#include "text_util.h"
#include "vfio_util.h"

#define PCI_DEVICES	"/sys/bus/pci/devices"
#define TYPE1		"vfio_iommu_type1"

static void device_path(const char *bdf, const char *file, char *path)
{
	snprintf(path, PATH_MAX, PCI_DEVICES "/%s/%s", bdf, file);
}

int vfio_sysfs_read(const char *bdf, const char *file, char *text, size_t size)
{
	char path[PATH_MAX];

	device_path(bdf, file, path);
	return text_read(path, text, size);
}

int vfio_sysfs_write(const char *bdf, const char *file, const char *text)
{
	char path[PATH_MAX];

	device_path(bdf, file, path);
	return text_write(path, text);
}

int vfio_sysfs_poke(const char *bdf, const char *what)
{
	return vfio_sysfs_write(bdf, what, "1");
}

/* The last part of where the link @file of the device leads, "" if it is not */
static void device_link(const char *bdf, const char *file, char *name,
			size_t size)
{
	char path[PATH_MAX], to[PATH_MAX];
	const char *last;
	ssize_t n;

	device_path(bdf, file, path);
	n = readlink(path, to, sizeof(to) - 1);
	to[n > 0 ? n : 0] = '\0';
	last = strrchr(to, '/');
	snprintf(name, size, "%s", last ? last + 1 : to);
}

/* What a role's device looks like */
struct role {
	uint16_t vendor;
	uint16_t device;
	bool behind_port;
	unsigned int function;
	uint64_t bar2;	/* 0: any size */
};

static const struct role roles[] = {
	[VFIO_BOCHS] = { 0x1234, 0x1111, true, 0, 0 },
	[VFIO_SIBLING] = { 0x1234, 0x1111, true, 1, 0 },
	[VFIO_BIG] = { 0x1af4, 0x1110, true, 0, 1UL << 30 },
	[VFIO_MEMORY] = { 0x1af4, 0x1110, true, 0, 128UL << 20 },
	[VFIO_GPU] = { 0x1af4, 0x1050, true, 0, 0 },
	[VFIO_EDU] = { 0x1234, 0x11e8, false, 0, 0 },
	[VFIO_IVSHMEM] = { 0x1af4, 0x1110, false, 0, 4UL << 20 },
};

static unsigned int device_id(const char *bdf, const char *file)
{
	char text[32];

	if (vfio_sysfs_read(bdf, file, text, sizeof(text)))
		return 0;
	return strtoul(text, NULL, 16);
}

static uint64_t device_bar_size(const char *bdf, int bar)
{
	unsigned long long start, end, size = 0;
	char path[PATH_MAX];
	int line;
	FILE *f;

	device_path(bdf, "resource", path);
	f = fopen(path, "re");
	if (!f)
		return 0;
	for (line = 0; line <= bar; line++) {
		if (fscanf(f, "%llx %llx %*x", &start, &end) != 2)
			break;
		if (line == bar && end > start)
			size = end - start + 1;
	}
	fclose(f);
	return size;
}

/* On the root bus its directory lies in the host bridge's, pciDDDD:BB. */
static bool device_behind_port(const char *bdf)
{
	char path[PATH_MAX], parent[64];
	char *real, *slash;

	device_path(bdf, "", path);
	real = realpath(path, NULL);
	if (!real)
		return false;
	slash = strrchr(real, '/');
	*slash = '\0';
	slash = strrchr(real, '/');
	snprintf(parent, sizeof(parent), "%s", slash ? slash + 1 : real);
	free(real);
	return strncmp(parent, "pci", 3) != 0;
}

static bool device_is(const char *bdf, const struct role *role)
{
	const char *dot = strrchr(bdf, '.');

	return dot && strtoul(dot + 1, NULL, 16) == role->function &&
	       device_id(bdf, "vendor") == role->vendor &&
	       device_id(bdf, "device") == role->device &&
	       device_behind_port(bdf) == role->behind_port &&
	       (!role->bar2 || device_bar_size(bdf, 2) == role->bar2);
}

int vfio_find(enum vfio_role role, char *bdf)
{
	DIR *dir = opendir(PCI_DEVICES);
	struct dirent *de;
	int ret = -ENODEV;

	while (dir && ret && (de = readdir(dir))) {
		if (de->d_name[0] == '.' || !device_is(de->d_name, &roles[role]))
			continue;
		snprintf(bdf, 16, "%.15s", de->d_name);
		ret = 0;
	}
	if (dir)
		closedir(dir);
	return ret;
}

int vfio_driver(const char *bdf, char *name, size_t size)
{
	char path[PATH_MAX];

	device_path(bdf, "", path);
	if (access(path, F_OK))
		return -errno;
	device_link(bdf, "driver", name, size);
	return 0;
}

static int driver_load(const char *driver)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s", driver);
	if (!access(path, F_OK))
		return 0;
	return module_probe(driver) ? -ENOENT : 0;
}

/* The machine does not remap interrupts, and without that type1 says no. */
static int type1_load(void)
{
	const char *unsafe =
		"/sys/module/" TYPE1 "/parameters/allow_unsafe_interrupts";

	if (access(unsafe, F_OK) && module_probe(TYPE1))
		return -ENOENT;
	return text_write(unsafe, "1");
}

static int driver_release(const char *bdf)
{
	int ret = vfio_sysfs_write(bdf, "driver/unbind", bdf);

	return ret == -ENOENT ? 0 : ret;
}

static bool driver_is_vfio(const char *driver)
{
	return !strcmp(driver, VFIO_STOCK) || !strcmp(driver, VFIO_OURS);
}

/* A group is given away as a whole: nobody else may drive a part of it. */
static int group_release(const char *bdf)
{
	char path[PATH_MAX], driver[64];
	struct dirent *de;
	int ret = 0;
	DIR *dir;

	device_path(bdf, "iommu_group/devices", path);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (!ret && (de = readdir(dir))) {
		if (de->d_name[0] == '.' || !strcmp(de->d_name, bdf))
			continue;
		device_link(de->d_name, "driver", driver, sizeof(driver));
		if (*driver && !driver_is_vfio(driver) &&
		    strcmp(driver, "pcieport"))
			ret = driver_release(de->d_name);
	}
	closedir(dir);
	return ret;
}

void vfio_group_path(const char *bdf, char *path, size_t size)
{
	char group[32];

	device_link(bdf, "iommu_group", group, sizeof(group));
	snprintf(path, size, "/dev/vfio/%s", group);
}

static int driver_probe(const char *bdf, const char *driver)
{
	char is[64];
	int ret;

	vfio_driver(bdf, is, sizeof(is));
	if (!strcmp(is, driver))
		return 0;
	ret = driver_release(bdf);
	if (!ret)
		ret = text_write("/sys/bus/pci/drivers_probe", bdf);
	if (ret)
		return ret;
	/* A failure to probe is none of the write's. */
	vfio_driver(bdf, is, sizeof(is));
	return strcmp(is, driver) ? -ENODEV : 0;
}

int vfio_bind(const char *bdf, const char *driver)
{
	int64_t end = in_ms(5000);
	char path[64], line[64];
	int ret;

	ret = driver_load(driver);
	if (!ret)
		ret = type1_load();
	if (ret)
		return ret;
	snprintf(line, sizeof(line), "%s\n", driver);
	ret = vfio_sysfs_write(bdf, "driver_override", line);
	if (!ret)
		ret = driver_probe(bdf, driver);
	if (ret || !driver_is_vfio(driver))
		return ret;
	ret = group_release(bdf);
	if (ret)
		return ret;
	vfio_group_path(bdf, path, sizeof(path));
	while (access(path, R_OK | W_OK)) {
		if (now_ns() > end)
			return -ETIMEDOUT;
		sleep_ms(5);
	}
	return 0;
}

int vfio_unbind(const char *bdf)
{
	int ret = driver_release(bdf);
	int clear = vfio_sysfs_write(bdf, "driver_override", "\n");

	return ret ?: clear;
}

static int fd_copy(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -errno : copy;
}

static int group_open(struct vfio_dev *dev)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[64];

	dev->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (dev->container < 0)
		return -errno;
	vfio_group_path(dev->bdf, path, sizeof(path));
	dev->group = open(path, O_RDWR | O_CLOEXEC);
	if (dev->group < 0)
		return -errno;
	if (ioctl(dev->group, VFIO_GROUP_GET_STATUS, &status))
		return -errno;
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return -EPERM;
	if (ioctl(dev->group, VFIO_GROUP_SET_CONTAINER, &dev->container) ||
	    ioctl(dev->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -errno;
	return 0;
}

static int group_share(struct vfio_dev *dev, const struct vfio_dev *share)
{
	dev->container = fd_copy(share->container);
	dev->group = fd_copy(share->group);
	return dev->container < 0 ? dev->container :
	       dev->group < 0 ? dev->group : 0;
}

int vfio_open(struct vfio_dev *dev, const char *bdf,
	      const struct vfio_dev *share)
{
	int ret;

	dev->container = -1;
	dev->group = -1;
	dev->fd = -1;
	/* The two may be the same string. */
	if (dev->bdf != bdf)
		snprintf(dev->bdf, sizeof(dev->bdf), "%s", bdf);
	ret = share ? group_share(dev, share) : group_open(dev);
	if (!ret) {
		dev->fd = ioctl(dev->group, VFIO_GROUP_GET_DEVICE_FD, dev->bdf);
		ret = dev->fd < 0 ? -errno : 0;
	}
	if (ret)
		vfio_close(dev);
	return ret;
}

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vfio_close(struct vfio_dev *dev)
{
	fd_close(&dev->fd);
	fd_close(&dev->group);
	fd_close(&dev->container);
}

int vfio_start(struct vfio_dev *dev, enum vfio_role role, const char *driver)
{
	int ret;

	dev->container = -1;
	dev->group = -1;
	dev->fd = -1;
	dev->bdf[0] = '\0';
	ret = vfio_find(role, dev->bdf);
	if (!ret)
		ret = vfio_bind(dev->bdf, driver);
	return ret ?: vfio_open(dev, dev->bdf, NULL);
}

void vfio_stop(struct vfio_dev *dev)
{
	vfio_close(dev);
	vfio_unbind(dev->bdf);
}
