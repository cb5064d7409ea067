// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_pci_dmabuf: a driver for any PCI function that is given to user space.
 *
 * It takes only what it is told to take, by driver_override or the parameter
 * ids, and has no module alias: otherwise programs that look for the best VFIO
 * driver of a function would find this one before vfio-pci.
 */
#include <linux/build_bug.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/string.h>

#include "vfio_pci_dmabuf_private.h"

static_assert(sizeof(struct vfio_region_dma_range) == 16);
static_assert(sizeof(struct vfio_device_feature_dma_buf) == 16);
static_assert(sizeof(struct vfio_dmabuf_revoke) == 4);
static_assert(sizeof(struct vfio_dmabuf_memattr) == 8);
static_assert(sizeof(struct vfio_dmabuf_info) == 120);
static_assert(offsetof(struct vfio_dmabuf_info, out_exports) == 32);
static_assert(offsetof(struct vfio_dmabuf_info, out_state) == 80);
/* The core finds its device as the driver data. */
static_assert(offsetof(struct vdmabuf_device, core) == 0);

static char *vdmabuf_ids = "";
module_param_named(ids, vdmabuf_ids, charp, 0);
MODULE_PARM_DESC(ids,
		 "functions to take, as vendor:device[:subvendor[:subdevice[:class[:class_mask]]]], separated by commas");

static bool vdmabuf_enable_sriov;
module_param_named(enable_sriov, vdmabuf_enable_sriov, bool, 0644);
MODULE_PARM_DESC(enable_sriov, "as of vfio-pci");

static bool vdmabuf_disable_denylist;
module_param_named(disable_denylist, vdmabuf_disable_denylist, bool, 0444);
MODULE_PARM_DESC(disable_denylist,
		 "take functions with known defects, which their user may exploit");

/* Stock vfio-pci's list: accelerators of Intel's. */
static const struct pci_device_id vdmabuf_denylist[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x0435) },	/* QAT DH895XCC */
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x0443) },
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x19e2) },	/* QAT C3XXX */
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x19e3) },
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x37c8) },	/* QAT C62X */
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x37c9) },
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x0b25) },	/* DSA */
	{ PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x0cfe) },	/* IAX */
	{ }
};

/*
 * Intel's integrated displays, and no others of Intel's, have this. For them
 * vfio-pci adds regions, by functions that it does not export.
 */
#define VDMABUF_INTEL_OPREGION	0xfc

static bool vdmabuf_has_opregion(struct pci_dev *pdev)
{
	u32 address;

	if (pdev->vendor != PCI_VENDOR_ID_INTEL ||
	    pdev->class >> 16 != PCI_BASE_CLASS_DISPLAY)
		return false;
	pci_read_config_dword(pdev, VDMABUF_INTEL_OPREGION, &address);
	return address && address != ~0U;
}

static int vdmabuf_refused(struct pci_dev *pdev)
{
	if (vdmabuf_has_opregion(pdev)) {
		pci_err(pdev, "integrated display of Intel's: needs regions that only vfio-pci has\n");
		return -EOPNOTSUPP;
	}
	if (!pci_match_id(vdmabuf_denylist, pdev))
		return 0;
	if (vdmabuf_disable_denylist) {
		pci_warn(pdev, "has known defects, taken nevertheless\n");
		return 0;
	}
	pci_err(pdev, "has known defects, see the parameter disable_denylist\n");
	return -EINVAL;
}

static int vdmabuf_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vdmabuf_device *vd;
	int ret;

	ret = vdmabuf_refused(pdev);
	if (ret)
		return ret;
	vd = vfio_alloc_device(vdmabuf_device, core.vdev, &pdev->dev,
			       &vdmabuf_vfio_ops);
	if (IS_ERR(vd))
		return PTR_ERR(vd);

	dev_set_drvdata(&pdev->dev, &vd->core);
	ret = vfio_pci_core_register_device(&vd->core);
	if (ret)
		vfio_put_device(&vd->core.vdev);
	return ret;
}

static void vdmabuf_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *vdev = dev_get_drvdata(&pdev->dev);

	vfio_pci_core_unregister_device(vdev);
	vfio_put_device(&vdev->vdev);
}

static int vdmabuf_sriov_configure(struct pci_dev *pdev, int nr_virtfn)
{
	if (!vdmabuf_enable_sriov)
		return -ENOENT;
	return vfio_pci_core_sriov_configure(dev_get_drvdata(&pdev->dev),
					     nr_virtfn);
}

static const struct pci_device_id vdmabuf_ids_table[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID) },
	{ }
};

/* Not constant: the core adds its power management. */
static struct pci_driver vdmabuf_pci_driver = {
	.name = KBUILD_MODNAME,
	.id_table = vdmabuf_ids_table,
	.probe = vdmabuf_probe,
	.remove = vdmabuf_remove,
	.sriov_configure = vdmabuf_sriov_configure,
	.err_handler = &vdmabuf_err_handlers,
	.driver_managed_dma = true,
};

static int vdmabuf_add_id(const char *id)
{
	u32 vendor, device, subvendor = PCI_ANY_ID, subdevice = PCI_ANY_ID;
	u32 class = 0, class_mask = 0;

	if (sscanf(id, "%x:%x:%x:%x:%x:%x", &vendor, &device, &subvendor,
		   &subdevice, &class, &class_mask) < 2)
		return -EINVAL;
	return pci_add_dynid(&vdmabuf_pci_driver, vendor, device, subvendor,
			     subdevice, class, class_mask, 0);
}

/* A wrong one keeps the others from nothing, as with vfio-pci. */
static void vdmabuf_add_ids(void)
{
	char *id, *rest = vdmabuf_ids;

	while ((id = strsep(&rest, ",")))
		if (*id && vdmabuf_add_id(id))
			pr_warn("ids: \"%s\" is not taken\n", id);
}

/* Not one of those that the kernel had before the series. */
static bool __init vdmabuf_alias_ok(unsigned int alias)
{
	return !alias || (alias >= VFIO_DMABUF_ALIAS_REVOKE &&
			  alias < VFIO_DMABUF_FEATURE_INFO);
}

static int __init vdmabuf_module_init(void)
{
	int ret;

	if (!vdmabuf_alias_ok(vdmabuf_revoke_alias) ||
	    !vdmabuf_alias_ok(vdmabuf_memattr_alias) ||
	    (vdmabuf_revoke_alias &&
	     vdmabuf_revoke_alias == vdmabuf_memattr_alias)) {
		pr_err("revoke_alias and memattr_alias: two different numbers from %u to %u, or 0\n",
		       VFIO_DMABUF_ALIAS_REVOKE, VFIO_DMABUF_FEATURE_INFO - 1);
		return -EINVAL;
	}
	bufsync_vfio_pci_warn(vdmabuf_nointxmask || vdmabuf_disable_vga ||
			      vdmabuf_disable_idle_d3);
	bufsync_vfio_pci_more_ops(&vdmabuf_vfio_ops);
	ret = pci_register_driver(&vdmabuf_pci_driver);
	if (!ret)
		vdmabuf_add_ids();
	return ret;
}
module_init(vdmabuf_module_init);

static void __exit vdmabuf_module_exit(void)
{
	pci_unregister_driver(&vdmabuf_pci_driver);
}
module_exit(vdmabuf_module_exit);

MODULE_DESCRIPTION("BAR ranges of VFIO devices as DMABUFs that can be mapped and revoked");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
MODULE_VERSION(BUFSYNC_VERSION);
