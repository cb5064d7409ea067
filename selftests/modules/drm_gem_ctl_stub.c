// SPDX-License-Identifier: GPL-2.0-only
/* What the build makes of drm_gem_ctl where the kernel lacks something. */
#define BUFSYNC_STUB_REASON_DRM_GEM_CTL \
	"this kernel does not export drm_gem_nothing"
#include "../../src/stub-drm_gem_ctl.c"
