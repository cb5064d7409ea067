// SPDX-License-Identifier: GPL-2.0-only
#define BUFSYNC_STUB_REASON BUFSYNC_STUB_REASON_DRM_GEM_CTL
#include "stub.h"
