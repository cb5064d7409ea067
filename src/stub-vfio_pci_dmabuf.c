// SPDX-License-Identifier: GPL-2.0-only
#define BUFSYNC_STUB_REASON BUFSYNC_STUB_REASON_VFIO_PCI_DMABUF
#include "stub.h"
