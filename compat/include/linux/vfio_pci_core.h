/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio_pci_core, which variant drivers are made of, has grown.
 *
 * BARs are claimed and mapped when a device is opened, since 7.1; before that at
 * their first use, which a driver could ask for from 6.8 on. Whether a device
 * decodes memory can be asked since then, too. Some parameters of vfio-pci
 * belong to each device since 7.2; before that they were the core's.
 */
#ifndef _BUFSYNC_COMPAT_LINUX_VFIO_PCI_CORE_H
#define _BUFSYNC_COMPAT_LINUX_VFIO_PCI_CORE_H

#include_next <linux/vfio_pci_core.h>

#include <linux/printk.h>

#ifndef BUFSYNC_HAVE_VFIO_MEMORY_ENABLED
static inline bool
bufsync_vfio_memory_enabled(struct vfio_pci_core_device *vdev)
{
	__le16 command = *(__le16 *)&vdev->vconfig[PCI_COMMAND];
	struct pci_dev *pdev = vdev->pdev;

	/* Functions that SR-IOV makes cannot turn it off. */
	return (__force int)pdev->current_state < (__force int)PCI_D3hot &&
	       (pdev->no_command_memory ||
		le16_to_cpu(command) & PCI_COMMAND_MEMORY);
}

#define __vfio_pci_memory_enabled(vdev)	bufsync_vfio_memory_enabled(vdev)
#endif

#ifndef BUFSYNC_HAVE_VFIO_MAPS_BARS
/* What cannot be claimed stays without a mapping, as it does since 7.1. */
static inline void bufsync_vfio_map_bar(struct vfio_pci_core_device *vdev,
					int bar)
{
#ifdef BUFSYNC_HAVE_VFIO_SETUP_BARMAP
	vfio_pci_core_setup_barmap(vdev, bar);
#else
	struct pci_dev *pdev = vdev->pdev;

	if (pci_request_selected_regions(pdev, 1 << bar, "vfio-pci"))
		return;
	/* The core undoes both, for BARs that have this. */
	vdev->barmap[bar] = pci_iomap(pdev, bar, 0);
	if (!vdev->barmap[bar])
		pci_release_selected_regions(pdev, 1 << bar);
#endif
}

/* This is what finds out which BARs can be mapped. */
static inline void bufsync_vfio_finish_enable(struct vfio_pci_core_device *vdev)
{
	int bar;

	vfio_pci_core_finish_enable(vdev);
	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		if (vdev->bar_mmap_supported[bar])
			bufsync_vfio_map_bar(vdev, bar);
}

#define vfio_pci_core_finish_enable(vdev) bufsync_vfio_finish_enable(vdev)
#endif

#ifdef BUFSYNC_HAVE_VFIO_DEVICE_PARAMS
static inline void bufsync_vfio_pci_behave(struct vfio_pci_core_device *vdev,
					   bool nointxmask, bool disable_vga,
					   bool disable_idle_d3)
{
	vdev->nointxmask = nointxmask;
	vdev->disable_vga = disable_vga;
	vdev->disable_idle_d3 = disable_idle_d3;
}

static inline void bufsync_vfio_pci_warn(bool any)
{
}
#else
static inline void bufsync_vfio_pci_behave(struct vfio_pci_core_device *vdev,
					   bool nointxmask, bool disable_vga,
					   bool disable_idle_d3)
{
}

static inline void bufsync_vfio_pci_warn(bool any)
{
	if (any)
		pr_warn("nointxmask, disable_vga and disable_idle_d3 have no effect: on this kernel those of vfio-pci hold for all\n");
}
#endif

/* Members of struct vfio_device_ops that this kernel has and others have not */
static inline void bufsync_vfio_pci_more_ops(struct vfio_device_ops *ops)
{
#ifdef BUFSYNC_HAVE_VFIO_IOMMUFD
	ops->bind_iommufd = vfio_iommufd_physical_bind;
	ops->unbind_iommufd = vfio_iommufd_physical_unbind;
	ops->attach_ioas = vfio_iommufd_physical_attach_ioas;
#endif
#ifdef BUFSYNC_HAVE_VFIO_DETACH_IOAS
	ops->detach_ioas = vfio_iommufd_physical_detach_ioas;
#endif
#ifdef BUFSYNC_HAVE_VFIO_PASID
	ops->pasid_attach_ioas = vfio_iommufd_physical_pasid_attach_ioas;
	ops->pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas;
#endif
#ifdef BUFSYNC_HAVE_VFIO_MATCH_TOKEN
	ops->match_token_uuid = vfio_pci_core_match_token_uuid;
#endif
#ifdef BUFSYNC_HAVE_VFIO_REGION_INFO_CAPS
	ops->get_region_info_caps = vfio_pci_ioctl_get_region_info;
#endif
}

#endif /* _BUFSYNC_COMPAT_LINUX_VFIO_PCI_CORE_H */
