// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "edu_util.h"
#include "module_util.h"
#include "syncobj_util.h"
#include "text_util.h"
#include "vfio_util.h"

#define EDU_DRIVER	"bufsync_test_edu"
#define EDU_MAX		32

/* An importer that is mapped can keep the exporter from being closed. */
static int edu_fds[EDU_MAX];
static int edu_count;

int edu_start(char *bdf)
{
	char driver[32] = "";
	int ret = module_load(EDU_DRIVER);

	if (ret && ret != -EEXIST)
		return ret;
	ret = vfio_find(VFIO_EDU, bdf);
	if (ret)
		return ret;
	ret = vfio_sysfs_write(bdf, "driver_override", EDU_DRIVER);
	if (ret)
		return ret;
	ret = vfio_sysfs_write(bdf, "driver/unbind", bdf);
	if (ret && ret != -ENOENT)
		return ret;
	ret = text_write("/sys/bus/pci/drivers_probe", bdf);
	if (ret)
		return ret;
	vfio_driver(bdf, driver, sizeof(driver));
	return strcmp(driver, EDU_DRIVER) ? -ENXIO : 0;
}

int edu_stop(const char *bdf)
{
	int ret;

	while (edu_count)
		close(edu_fds[--edu_count]);
	ret = vfio_sysfs_write(bdf, "driver/unbind", bdf);
	/* An empty line is none. */
	return vfio_sysfs_write(bdf, "driver_override", "\n") ?: ret;
}

int edu_open(void)
{
	int fd;

	if (edu_count == EDU_MAX)
		return -EMFILE;
	fd = node_open("/dev/bufsync_test_edu");
	if (fd >= 0)
		edu_fds[edu_count++] = fd;
	return fd;
}

void edu_close(int edu)
{
	int i;

	for (i = 0; i < edu_count; i++) {
		if (edu_fds[i] != edu)
			continue;
		edu_fds[i] = edu_fds[--edu_count];
		close(edu);
		return;
	}
}

int edu_attach(int edu, int dmabuf, uint32_t flags)
{
	struct test_edu_attach_args args = { .fd = dmabuf, .flags = flags };

	return so_try(edu, TEST_EDU_ATTACH, &args);
}

int edu_detach(int edu)
{
	return so_try(edu, TEST_EDU_DETACH, NULL);
}

int edu_map(int edu, int direction)
{
	return so_try(edu, TEST_EDU_MAP, (void *)(long)direction);
}

int edu_unmap(int edu)
{
	return so_try(edu, TEST_EDU_UNMAP, NULL);
}

int edu_import(int edu, int dmabuf, uint32_t flags)
{
	int ret = edu_attach(edu, dmabuf, flags);

	if (ret)
		return ret;
	ret = edu_map(edu, EDU_BOTH);
	if (ret)
		edu_detach(edu);
	return ret;
}

int edu_release(int edu)
{
	return edu_unmap(edu) ?: edu_detach(edu);
}

int edu_pin(int edu)
{
	return so_try(edu, TEST_EDU_PIN, NULL);
}

int edu_unpin(int edu)
{
	return so_try(edu, TEST_EDU_UNPIN, NULL);
}

int edu_stats(int edu, struct test_edu_stats_args *stats)
{
	return so_try(edu, TEST_EDU_STATS, stats);
}

int64_t edu_told(int edu)
{
	struct test_edu_stats_args stats;
	int ret = edu_stats(edu, &stats);

	return ret ?: (int64_t)stats.out_told;
}

bool edu_told_soon(int edu, int64_t before)
{
	int64_t end = in_ms(30000);

	while (edu_told(edu) <= before && now_ns() < end)
		sleep_ms(10);
	return edu_told(edu) > before;
}

int64_t edu_forced(int edu)
{
	struct test_edu_stats_args stats;
	int ret = edu_stats(edu, &stats);

	return ret ?: (int64_t)stats.out_forced;
}

int edu_mapped(int edu)
{
	struct test_edu_stats_args stats;
	int ret = edu_stats(edu, &stats);

	return ret ?: (int)stats.out_mapped;
}

static int edu_copy(int edu, unsigned long request, uint64_t offset,
		    const void *data, uint32_t len, uint32_t flags)
{
	struct test_edu_copy_args args = {
		.offset = offset,
		.len = len,
		.flags = flags,
		.data = (uintptr_t)data,
	};

	return so_try(edu, request, &args);
}

int edu_copy_from(int edu, uint64_t offset, void *data, uint32_t len,
		  uint32_t flags)
{
	return edu_copy(edu, TEST_EDU_COPY_FROM, offset, data, len, flags);
}

int edu_copy_to(int edu, uint64_t offset, const void *data, uint32_t len,
		uint32_t flags)
{
	return edu_copy(edu, TEST_EDU_COPY_TO, offset, data, len, flags);
}
