// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <linux/pci_regs.h>

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

static int device_write(const char *bdf, const char *file, const char *text)
{
	char path[PATH_MAX];

	device_path(bdf, file, path);
	return text_write(path, text);
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
	[VFIO_GPU] = { 0x1af4, 0x1050, true, 0, 0 },
	[VFIO_EDU] = { 0x1234, 0x11e8, false, 0, 0 },
	[VFIO_IVSHMEM] = { 0x1af4, 0x1110, false, 0, 4UL << 20 },
};

static unsigned int device_id(const char *bdf, const char *file)
{
	char path[PATH_MAX];
	unsigned int id = 0;
	FILE *f;

	device_path(bdf, file, path);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%x", &id) != 1)
		id = 0;
	fclose(f);
	return id;
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
	int ret = device_write(bdf, "driver/unbind", bdf);

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

static void group_path(const char *bdf, char *path, size_t size)
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
	ret = device_write(bdf, "driver_override", line);
	if (!ret)
		ret = driver_probe(bdf, driver);
	if (ret || !driver_is_vfio(driver))
		return ret;
	ret = group_release(bdf);
	if (ret)
		return ret;
	group_path(bdf, path, sizeof(path));
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
	int clear = device_write(bdf, "driver_override", "\n");

	return ret ?: clear;
}

int vfio_sysfs_poke(const char *bdf, const char *what)
{
	return device_write(bdf, what, "1");
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
	group_path(dev->bdf, path, sizeof(path));
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

static int region_info(const struct vfio_dev *dev, unsigned int index,
		       struct vfio_region_info *info)
{
	*info = (struct vfio_region_info){
		.argsz = sizeof(*info),
		.index = index,
	};
	return ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info) ? -errno : 0;
}

size_t vfio_bar_size(const struct vfio_dev *dev, int bar)
{
	struct vfio_region_info info;

	return region_info(dev, bar, &info) ? 0 : info.size;
}

off_t region_offset(const struct vfio_dev *dev, int index)
{
	struct vfio_region_info info;
	int ret = region_info(dev, index, &info);

	return ret ?: (off_t)info.offset;
}

void *vfio_bar_map(const struct vfio_dev *dev, int bar, int prot)
{
	struct vfio_region_info info;
	int ret = region_info(dev, bar, &info);

	if (ret) {
		errno = -ret;
		return MAP_FAILED;
	}
	return mmap(NULL, info.size, prot, MAP_SHARED, dev->fd, info.offset);
}

/* The same for all devices; asked for once, so as not to double each access. */
static off_t config_offset(const struct vfio_dev *dev)
{
	static _Atomic off_t offset;
	struct vfio_region_info info;
	int ret;

	if (!offset) {
		ret = region_info(dev, VFIO_PCI_CONFIG_REGION_INDEX, &info);
		if (ret)
			return ret;
		offset = info.offset;
	}
	return offset;
}

ssize_t vfio_config_read(const struct vfio_dev *dev, off_t pos, void *buf,
			 size_t size)
{
	off_t offset = config_offset(dev);
	ssize_t n;

	if (offset < 0)
		return offset;
	n = pread(dev->fd, buf, size, offset + pos);
	return n < 0 ? -errno : n;
}

ssize_t vfio_config_write(const struct vfio_dev *dev, off_t pos,
			  const void *buf, size_t size)
{
	off_t offset = config_offset(dev);
	ssize_t n;

	if (offset < 0)
		return offset;
	n = pwrite(dev->fd, buf, size, offset + pos);
	return n < 0 ? -errno : n;
}

/* The 16 bits at @pos: those of @mask become @value. */
static int config_change(const struct vfio_dev *dev, off_t pos, uint16_t mask,
			 uint16_t value)
{
	uint16_t word;
	ssize_t n;

	n = vfio_config_read(dev, pos, &word, sizeof(word));
	if (n == sizeof(word)) {
		word = (word & ~mask) | value;
		n = vfio_config_write(dev, pos, &word, sizeof(word));
	}
	return n == sizeof(word) ? 0 : n < 0 ? n : -EIO;
}

int vfio_memory_enable(const struct vfio_dev *dev, bool on)
{
	return config_change(dev, PCI_COMMAND, PCI_COMMAND_MEMORY,
			     on ? PCI_COMMAND_MEMORY : 0);
}

uint8_t vfio_capability(const struct vfio_dev *dev, uint8_t id)
{
	uint8_t pos = PCI_CAPABILITY_LIST, cap[2];
	int left;

	if (vfio_config_read(dev, pos, &pos, 1) != 1)
		return 0;
	/* As many as fit, should the list be a ring. */
	for (left = 48; left && pos >= PCI_STD_HEADER_SIZEOF; left--) {
		if (vfio_config_read(dev, pos & ~3, cap, sizeof(cap)) != 2)
			return 0;
		if (cap[0] == id)
			return pos & ~3;
		pos = cap[1];
	}
	return 0;
}

int vfio_power_state(const struct vfio_dev *dev, unsigned int state)
{
	uint8_t pm = vfio_capability(dev, PCI_CAP_ID_PM);

	if (!pm)
		return -ENOTSUP;
	return config_change(dev, pm + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK,
			     state);
}

int vfio_reset(const struct vfio_dev *dev)
{
	return ioctl(dev->fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

int vfio_hot_reset(const struct vfio_dev *dev)
{
	struct vfio_pci_hot_reset_info *info;
	struct vfio_pci_hot_reset *reset;
	uint32_t count = 0;
	size_t size;
	int ret;

	/* How many there are comes with the error. */
	for (;;) {
		size = sizeof(*info) + count * sizeof(info->devices[0]);
		info = calloc(1, size);
		if (!info)
			return -ENOMEM;
		info->argsz = size;
		ret = ioctl(dev->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
		ret = ret ? -errno : 0;
		if (ret != -ENOSPC || info->count <= count)
			break;
		count = info->count;
		free(info);
	}
	free(info);
	if (ret)
		return ret;

	/* Should one of another group be among them, the kernel objects. */
	size = sizeof(*reset) + sizeof(reset->group_fds[0]);
	reset = calloc(1, size);
	if (!reset)
		return -ENOMEM;
	reset->argsz = size;
	reset->count = 1;
	reset->group_fds[0] = dev->group;
	ret = ioctl(dev->fd, VFIO_DEVICE_PCI_HOT_RESET, reset) ? -errno : 0;
	free(reset);
	return ret;
}

int vfio_flr_by_config(const struct vfio_dev *dev)
{
	uint8_t exp = vfio_capability(dev, PCI_CAP_ID_EXP);
	uint32_t can = 0;

	if (!exp)
		return -ENOTSUP;
	vfio_config_read(dev, exp + PCI_EXP_DEVCAP, &can, sizeof(can));
	if (!(can & PCI_EXP_DEVCAP_FLR))
		return -ENOTSUP;
	return config_change(dev, exp + PCI_EXP_DEVCTL,
			     PCI_EXP_DEVCTL_BCR_FLR, PCI_EXP_DEVCTL_BCR_FLR);
}

int vfio_low_power(const struct vfio_dev *dev, bool enter)
{
	uint32_t feature = enter ? VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY :
				   VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;

	return vfio_feature(dev->fd, VFIO_DEVICE_FEATURE_SET | feature, NULL,
			    0);
}

int vfio_feature(int fd, uint32_t flags, void *payload, size_t size)
{
	struct vfio_device_feature *feature;
	int ret;

	feature = malloc(sizeof(*feature) + size);
	if (!feature)
		return -ENOMEM;
	feature->argsz = sizeof(*feature) + size;
	feature->flags = flags;
	if (size)
		memcpy(feature->data, payload, size);
	ret = ioctl(fd, VFIO_DEVICE_FEATURE, feature);
	if (ret < 0)
		ret = -errno;
	else if (size)
		memcpy(payload, feature->data, size);
	free(feature);
	return ret;
}

int vfio_probe(int fd, uint32_t flags)
{
	return vfio_feature(fd, flags | VFIO_DEVICE_FEATURE_PROBE, NULL, 0);
}

int vfio_export(const struct vfio_dev *dev, int bar, uint64_t offset,
		uint64_t length, uint32_t open_flags)
{
	struct vfio_region_dma_range range = {
		.offset = offset,
		.length = length,
	};

	return vfio_export_ranges(dev, bar, &range, 1, open_flags);
}

int vfio_export_ranges(const struct vfio_dev *dev, int bar,
		       const struct vfio_region_dma_range *ranges,
		       unsigned int nr, uint32_t open_flags)
{
	struct vfio_device_feature_dma_buf *args;
	size_t size = sizeof(*args) + nr * sizeof(*ranges);
	int ret;

	args = calloc(1, size);
	if (!args)
		return -ENOMEM;
	args->region_index = bar;
	args->open_flags = open_flags;
	args->nr_ranges = nr;
	if (nr)
		memcpy(args->dma_ranges, ranges, nr * sizeof(*ranges));
	ret = vfio_feature(dev->fd, VFIO_DEVICE_FEATURE_GET |
			   VFIO_DEVICE_FEATURE_DMA_BUF, args, size);
	free(args);
	return ret;
}

int vfio_revoke(const struct vfio_dev *dev, int dmabuf)
{
	struct vfio_dmabuf_revoke args = { .dmabuf_fd = dmabuf };

	return vfio_feature(dev->fd, VFIO_DEVICE_FEATURE_SET |
			    VFIO_DMABUF_FEATURE_REVOKE, &args, sizeof(args));
}

int vfio_memattr(const struct vfio_dev *dev, int dmabuf, uint32_t memattr)
{
	struct vfio_dmabuf_memattr args = {
		.dmabuf_fd = dmabuf,
		.memattr = memattr,
	};

	return vfio_feature(dev->fd, VFIO_DEVICE_FEATURE_SET |
			    VFIO_DMABUF_FEATURE_MEMATTR, &args, sizeof(args));
}

int vfio_info(const struct vfio_dev *dev, int dmabuf,
	      struct vfio_dmabuf_info *info)
{
	memset(info, 0, sizeof(*info));
	info->dmabuf_fd = dmabuf;
	return vfio_feature(dev->fd, VFIO_DEVICE_FEATURE_GET |
			    VFIO_DMABUF_FEATURE_INFO, info, sizeof(*info));
}

/* What this thread is about to access, and where it goes on if it cannot. */
static __thread const volatile char * volatile guarded;
static __thread sigjmp_buf guard;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	const volatile char *addr = info->si_addr;
	const volatile char *at = guarded;

	(void)context;
	if (info->si_code > 0 && at && addr >= at && addr < at + 4) {
		guarded = NULL;
		siglongjmp(guard, 1);
	}
	/* Somebody else's: it happens again at once. */
	signal(sig, SIG_DFL);
	if (info->si_code <= 0)
		raise(sig);
}

/* Nothing is blocked in the handler, so there is no mask to restore. */
static void sigbus_take(void)
{
	struct sigaction action = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}

static pthread_once_t sigbus_taken = PTHREAD_ONCE_INIT;

bool try_read32(const volatile void *addr, uint32_t *value)
{
	pthread_once(&sigbus_taken, sigbus_take);
	if (sigsetjmp(guard, 0))
		return false;
	guarded = addr;
	*value = *(const volatile uint32_t *)addr;
	guarded = NULL;
	return true;
}

bool try_write32(volatile void *addr, uint32_t value)
{
	pthread_once(&sigbus_taken, sigbus_take);
	if (sigsetjmp(guard, 0))
		return false;
	guarded = addr;
	*(volatile uint32_t *)addr = value;
	guarded = NULL;
	return true;
}

void *map_aligned(int fd, size_t size, off_t offset, int prot, size_t align)
{
	size_t page = sysconf(_SC_PAGESIZE), whole;
	char *space, *at, *map;
	int err;

	size = (size + page - 1) & ~(page - 1);
	if (align < page)
		align = page;
	whole = size + align;
	space = mmap(NULL, whole, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		return MAP_FAILED;
	at = (char *)(((uintptr_t)space + align - 1) & ~(uintptr_t)(align - 1));
	map = mmap(at, size, prot, MAP_SHARED | MAP_FIXED, fd, offset);
	if (map == MAP_FAILED) {
		err = errno;
		munmap(space, whole);
		errno = err;
		return MAP_FAILED;
	}
	if (at > space)
		munmap(space, at - space);
	if (at + size < space + whole)
		munmap(at + size, space + whole - (at + size));
	return map;
}

long thread_faults(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? -errno : usage.ru_minflt;
}
