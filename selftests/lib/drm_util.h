/* SPDX-License-Identifier: GPL-2.0-only */
/* DRM devices that can do syncobjs, through libdrm. */
#ifndef _DRM_UTIL_H
#define _DRM_UTIL_H

#include <stdint.h>

/* Opens the render node of the driver; loads it if it is the test's own. */
int drm_open(const char *driver);

/*
 * libdrm's calls return 0 or -1 with errno, or, some of them, a negative
 * errno. Either way this makes a negative errno of it.
 */
int drm_ret(int ret);

#endif /* _DRM_UTIL_H */
