// SPDX-License-Identifier: GPL-2.0-only
/* What the build makes of vfio_pci_dmabuf where the kernel lacks something. */
#define BUFSYNC_STUB_REASON_VFIO_PCI_DMABUF \
	"this kernel does not export vfio_pci_core_nothing"
#include "../../src/stub-vfio_pci_dmabuf.c"
