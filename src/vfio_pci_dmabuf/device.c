// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device as VFIO sees it: stock vfio-pci's, and where a BAR could go away,
 * or come back, the gate.
 */
#include <linux/cache.h>
#include <linux/minmax.h>
#include <linux/pagemap.h>
#include <linux/pci.h>
#include <linux/vfio.h>

#include "vfio_pci_dmabuf_private.h"

static int vdmabuf_init(struct vfio_device *core_vdev)
{
	struct vdmabuf_device *vd = to_vdmabuf(core_vdev);
	int ret;

	vd->gate = vdmabuf_gate_alloc();
	if (!vd->gate)
		return -ENOMEM;
	vdmabuf_config_init(vd);
	bufsync_vfio_pci_behave(&vd->core, vdmabuf_nointxmask,
				vdmabuf_disable_vga, vdmabuf_disable_idle_d3);
	ret = vfio_pci_core_init_dev(core_vdev);
	if (ret) {
		vdmabuf_gate_put(vd->gate);
		vd->gate = NULL;
	}
	return ret;
}

static void vdmabuf_release_dev(struct vfio_device *core_vdev)
{
	struct vdmabuf_device *vd = to_vdmabuf(core_vdev);

	vdmabuf_gate_put(vd->gate);
	vfio_pci_core_release_dev(core_vdev);
}

static int vdmabuf_open_device(struct vfio_device *core_vdev)
{
	struct vdmabuf_device *vd = to_vdmabuf(core_vdev);
	int ret;

	ret = vfio_pci_core_enable(&vd->core);
	if (ret)
		return ret;
	vfio_pci_core_finish_enable(&vd->core);
	vdmabuf_gate_open(vd->gate, &vd->core);
	return 0;
}

/* The slices end while the BARs are still there. */
static void vdmabuf_close_device(struct vfio_device *core_vdev)
{
	vdmabuf_gate_close(to_vdmabuf(core_vdev)->gate);
	vfio_pci_core_close_device(core_vdev);
}

/**
 * vdmabuf_device_look() - look whether it sleeps
 * @vd:		an open device
 *
 * Not between the two steps of a reset that the core makes of it: those are
 * under memory_lock.
 *
 * Context: process, may sleep, no locks.
 */
void vdmabuf_device_look(struct vdmabuf_device *vd)
{
	down_read(&vd->core.memory_lock);
	vdmabuf_gate_sleeps(vd->gate,
			    (__force int)vd->core.pdev->current_state >=
			    (__force int)PCI_D3hot);
	up_read(&vd->core.memory_lock);
}

/* Apart from the writes that need none of it */
static noinline ssize_t vdmabuf_write_bracketed(struct vdmabuf_device *vd,
						const char __user *buf,
						size_t count, loff_t *ppos)
{
	struct vdmabuf_bracket bracket;
	ssize_t ret;

	/* Others wait from here on; that should not be for a page of this. */
	fault_in_readable(buf, min_t(size_t, count, PCI_CFG_SPACE_SIZE));
	vdmabuf_bracket_enter(&bracket, vd->gate);
	ret = vfio_pci_core_write(&vd->core.vdev, buf, count, ppos);
	vdmabuf_gate_mend(vd->gate, vd->core.pdev);
	vdmabuf_device_look(vd);
	vdmabuf_bracket_leave(&bracket);
	return ret;
}

static ssize_t vdmabuf_write(struct vfio_device *core_vdev,
			     const char __user *buf, size_t count, loff_t *ppos)
{
	struct vdmabuf_device *vd = to_vdmabuf(core_vdev);

	if (vdmabuf_config_brackets(vd, *ppos, count))
		return vdmabuf_write_bracketed(vd, buf, count, ppos);
	return vfio_pci_core_write(core_vdev, buf, count, ppos);
}

/* A reset says itself when it begins and ends: see reset.c. */
static long vdmabuf_ioctl(struct vfio_device *core_vdev, unsigned int cmd,
			  unsigned long arg)
{
	long ret = vfio_pci_core_ioctl(core_vdev, cmd, arg);

	/* It may have been awakened, and then not been reset. */
	if (ret && (cmd == VFIO_DEVICE_RESET ||
		    cmd == VFIO_DEVICE_PCI_HOT_RESET))
		vdmabuf_device_look(to_vdmabuf(core_vdev));
	return ret;
}

static int vdmabuf_vfio_mmap(struct vfio_device *core_vdev,
			     struct vm_area_struct *vma)
{
	if (vdmabuf_bar_mmap == VDMABUF_BAR_DMABUF)
		return vdmabuf_bar_mmap_vma(to_vdmabuf(core_vdev), vma);
	return vfio_pci_core_mmap(core_vdev, vma);
}

/* main.c adds what only this kernel has. */
struct vfio_device_ops vdmabuf_vfio_ops __ro_after_init = {
	.name = KBUILD_MODNAME,
	.init = vdmabuf_init,
	.release = vdmabuf_release_dev,
	.open_device = vdmabuf_open_device,
	.close_device = vdmabuf_close_device,
	.ioctl = vdmabuf_ioctl,
	.device_feature = vdmabuf_feature,
	.read = vfio_pci_core_read,
	.write = vdmabuf_write,
	.mmap = vdmabuf_vfio_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
};
