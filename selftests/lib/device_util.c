// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "device_util.h"
#include "module_util.h"
#include "syncobj_util.h"

#define GUEST_DEVICES	"virtio_gpu,vgem,bochs-drm"

/* Of no hardware, or of a frame buffer that the firmware has left */
static const char * const software[] = {
	"vgem", "vkms", "simpledrm", "efidrm", "vesadrm", "ofdrm",
	"bufsync_test", "bufsync_gem", NULL
};

static bool is_software(const char *driver)
{
	int i;

	for (i = 0; software[i]; i++)
		if (!strcmp(software[i], driver))
			return true;
	return false;
}

static int open_node(const char *node)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (drmGetNodeTypeFromFd(fd) == DRM_NODE_PRIMARY && drmIsMaster(fd))
		drmDropMaster(fd);
	return fd;
}

/* By a node; false if it cannot be opened. */
static bool device_of(struct device *d, const char *node)
{
	int fd = open_node(node);
	drmVersionPtr version;

	snprintf(d->node, sizeof(d->node), "%s", node);
	snprintf(d->name, sizeof(d->name), "%s", strrchr(node, '/') + 1);
	if (fd < 0)
		return false;
	version = drmGetVersion(fd);
	snprintf(d->driver, sizeof(d->driver), "%s",
		 version ? version->name : "");
	drmFreeVersion(version);
	close(fd);
	snprintf(d->name, sizeof(d->name), "%s_%.31s", d->driver,
		 strrchr(node, '/') + 1);
	return true;
}

static bool has_render_node(const char *node)
{
	char pattern[128];
	glob_t found;
	bool has;

	snprintf(pattern, sizeof(pattern),
		 "/sys/class/drm/%s/device/drm/renderD*", strrchr(node, '/') + 1);
	has = !glob(pattern, 0, NULL, &found);
	globfree(&found);
	return has;
}

/* One node of each device: primary ones that have a render node are not touched. */
static int nodes_find(struct device *devices)
{
	glob_t nodes;
	int n = 0;
	size_t i;

	glob("/dev/dri/renderD*", 0, NULL, &nodes);
	glob("/dev/dri/card*", GLOB_APPEND, NULL, &nodes);
	for (i = 0; i < nodes.gl_pathc && n < DEVICES_MAX; i++) {
		const char *node = nodes.gl_pathv[i];

		if (strstr(node, "/card") && has_render_node(node))
			continue;
		n += device_of(&devices[n], node);
	}
	globfree(&nodes);
	return n;
}

static int hardware_find(struct device *devices)
{
	struct device all[DEVICES_MAX];
	int i, n = 0, count = nodes_find(all);

	for (i = 0; i < count; i++)
		if (!is_software(all[i].driver))
			devices[n++] = all[i];
	return n;
}

int devices_find(struct device *devices)
{
	const char *env = getenv("BUFSYNC_DRM");
	char list[256], *word, *rest = list;
	int n = 0;

	memset(devices, 0, DEVICES_MAX * sizeof(*devices));
	if (!env || !*env) {
		if (!kernel_is_row())
			return hardware_find(devices);
		env = GUEST_DEVICES;
	}
	snprintf(list, sizeof(list), "%s", env);
	while (n < DEVICES_MAX && (word = strsep(&rest, ","))) {
		struct device *d = &devices[n];

		if (!*word)
			continue;
		if (*word == '/') {
			device_of(d, word);
		} else {
			snprintf(d->driver, sizeof(d->driver), "%s", word);
			snprintf(d->name, sizeof(d->name), "%s", word);
		}
		n++;
	}
	return n;
}

static int open_driver(const char *driver)
{
	struct device nodes[DEVICES_MAX];
	int i, n = nodes_find(nodes);

	for (i = 0; i < n; i++)
		if (!strcmp(nodes[i].driver, driver))
			return open_node(nodes[i].node);
	return -ENODEV;
}

int device_open(const struct device *device)
{
	int64_t end = in_ms(5000);
	int fd;

	if (device->node[0])
		return open_node(device->node);
	if (kernel_is_row() && drm_driver_probe(device->driver))
		return -ENODEV;
	/* The node comes a little later than the device. */
	while ((fd = open_driver(device->driver)) == -ENODEV && now_ns() < end)
		sleep_ms(10);
	return fd;
}

int device_open_primary(int fd)
{
	char *node = drmGetPrimaryDeviceNameFromFd(fd);
	int ret = node ? open_node(node) : -ENODEV;

	free(node);
	return ret;
}
