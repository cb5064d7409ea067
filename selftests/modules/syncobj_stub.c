// SPDX-License-Identifier: GPL-2.0-only
/* What the build makes of syncobj where the kernel lacks something. */
#define BUFSYNC_STUB_REASON_SYNCOBJ \
	"this kernel does not export drm_syncobj_nothing"
#include "../../src/stub-syncobj.c"
