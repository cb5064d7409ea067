/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs of docs/vfio-pci-dmabuf.md begin and end with.
 */
#ifndef _DOCS_DEVICE_H
#define _DOCS_DEVICE_H

#include <err.h>

#include "vfio_util.h"

static struct vfio_dev docs_dev;

/* A device whose BAR 0 is memory; its fd */
static int docs_device(void)
{
	if (vfio_start(&docs_dev, VFIO_BOCHS, VFIO_OURS))
		errx(1, "no device");
	return docs_dev.fd;
}

/* Gives it back. What the program ends with: @failed is what went wrong, or NULL */
static int docs_done(const char *failed)
{
	vfio_stop(&docs_dev);
	if (failed)
		warnx("%s", failed);
	return !!failed;
}

#endif /* _DOCS_DEVICE_H */
