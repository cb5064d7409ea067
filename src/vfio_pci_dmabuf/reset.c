// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the PCI core says of resets and errors.
 *
 * It says so for each function that a reset reaches, whoever has asked for it:
 * this device's user, the user of a function beside it, or root by sysfs. The
 * device lock is held from prepare to done, so the two come in pairs, and the
 * function stays bound.
 */
#include <linux/pci.h>

#include "vfio_pci_dmabuf_private.h"

static struct vdmabuf_gate *vdmabuf_pci_gate(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *vdev = dev_get_drvdata(&pdev->dev);

	return to_vdmabuf(&vdev->vdev)->gate;
}

static void vdmabuf_reset_prepare(struct pci_dev *pdev)
{
	struct vdmabuf_gate *gate = vdmabuf_pci_gate(pdev);

	vdmabuf_gate_linger(gate);
	vdmabuf_gate_enter(gate);
	if (vfio_pci_core_err_handlers.reset_prepare)
		vfio_pci_core_err_handlers.reset_prepare(pdev);
}

static void vdmabuf_reset_done(struct pci_dev *pdev)
{
	struct vdmabuf_gate *gate = vdmabuf_pci_gate(pdev);

	if (vfio_pci_core_err_handlers.reset_done)
		vfio_pci_core_err_handlers.reset_done(pdev);
	vdmabuf_gate_mend(gate, pdev);
	vdmabuf_gate_sleeps(gate, false);
	vdmabuf_gate_leave(gate);
}

/* The core tells the user, who decides what to do. */
static pci_ers_result_t vdmabuf_error_detected(struct pci_dev *pdev,
					       pci_channel_state_t state)
{
	if (state != pci_channel_io_normal)
		vdmabuf_gate_break(vdmabuf_pci_gate(pdev));
	return vfio_pci_core_aer_err_detected(pdev, state);
}

static void vdmabuf_resume(struct pci_dev *pdev)
{
	vdmabuf_gate_mend(vdmabuf_pci_gate(pdev), pdev);
}

/* in pci_driver.err_handler */
const struct pci_error_handlers vdmabuf_err_handlers = {
	.error_detected = vdmabuf_error_detected,
	.resume = vdmabuf_resume,
	.reset_prepare = vdmabuf_reset_prepare,
	.reset_done = vdmabuf_reset_done,
};
