/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DRM devices that are tested through public interfaces only, whatever they are.
 *
 * BUFSYNC_DRM names them, with commas between: drivers as DRM knows them
 * ("virtio_gpu") or nodes ("/dev/dri/renderD128"). Without it they are in a guest
 * those that it has, and on a machine of somebody's each whose driver is neither
 * one of the tests' nor software.
 *
 * A machine's owner may be looking at the device. A render node can do nothing to
 * what is on the screen. A primary node is opened only where that is not enough, and
 * who opens it while nobody is its master becomes that, which is undone at once.
 */
#ifndef _DEVICE_UTIL_H
#define _DEVICE_UTIL_H

#define DEVICES_MAX	16

struct device {
	char name[64];		/* for test names: the driver's, and the node's */
	char driver[32];
	char node[64];		/* empty: the first one of the driver */
};

/* How many there are to test, at most DEVICES_MAX */
int devices_find(struct device *devices);

/*
 * Its render node or, if it has none, its primary one; and always the primary one of
 * the device that @fd is of. A negative errno: -ENODEV if there is no such device.
 */
int device_open(const struct device *device);
int device_open_primary(int fd);

#endif /* _DEVICE_UTIL_H */
