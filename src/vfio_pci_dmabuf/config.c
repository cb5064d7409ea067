// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes to the configuration space that can make a BAR disappear: memory
 * decoding, the power state, and a reset of the function.
 *
 * It is not looked at what is written. The core copies it from the user a second
 * time, and by then it can be something else: a write that seemed harmless would
 * turn memory off under mappings that still work.
 */
#include <linux/bitmap.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/pci_regs.h>

#include "vfio_pci_dmabuf_private.h"

static void vdmabuf_config_add(struct vdmabuf_device *vd, int capability,
			       int reg, int size)
{
	struct pci_dev *pdev = to_pci_dev(vd->core.vdev.dev);
	int pos;

	for (pos = pci_find_capability(pdev, capability); pos;
	     pos = pci_find_next_capability(pdev, pos, capability))
		if (pos + reg + size <= PCI_CFG_SPACE_SIZE)
			bitmap_set(vd->brackets, pos + reg, size);
}

/**
 * vdmabuf_config_init() - find the registers
 * @vd:		the device
 *
 * The layout is the device's own; VFIO hides capabilities but does not move
 * them. Extended capabilities do not turn BARs off.
 *
 * Context: process, when the function is bound.
 */
void vdmabuf_config_init(struct vdmabuf_device *vd)
{
	bitmap_set(vd->brackets, PCI_COMMAND, 2);
	vdmabuf_config_add(vd, PCI_CAP_ID_PM, PCI_PM_CTRL, 2);
	vdmabuf_config_add(vd, PCI_CAP_ID_EXP, PCI_EXP_DEVCTL, 2);
	vdmabuf_config_add(vd, PCI_CAP_ID_AF, PCI_AF_CTRL, 1);
}

/**
 * vdmabuf_config_brackets() - does a write need the gate closed?
 * @vd:		the device
 * @pos:	of the write, as VFIO has it: the region in the upper bits
 * @count:	bytes
 *
 * Context: any.
 * Return: true if it touches one of these registers.
 */
bool vdmabuf_config_brackets(const struct vdmabuf_device *vd, loff_t pos,
			     size_t count)
{
	u64 first = pos - VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_CONFIG_REGION_INDEX);
	u64 end;

	/* Other regions are far beyond it, or before it. */
	if (first >= PCI_CFG_SPACE_SIZE)
		return false;
	/* A few bytes, mostly */
	end = first + min_t(size_t, count, PCI_CFG_SPACE_SIZE - first);
	for (; first < end; first++)
		if (test_bit(first, vd->brackets))
			return true;
	return false;
}
