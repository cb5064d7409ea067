// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_FEATURE: ours, and who gets the rest.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pci-p2pdma.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "vfio_pci_dmabuf_private.h"

static int vdmabuf_export_feature(struct vdmabuf_device *vd, u32 flags,
				  void __user *arg, size_t argsz)
{
	struct vfio_device_feature_dma_buf __user *user = arg;
	struct vfio_device_feature_dma_buf args;
	struct vfio_region_dma_range *ranges;
	struct vdmabuf_buffer *buffer;
	int fd, ret;

	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_GET,
				 sizeof(args));
	if (ret != 1)
		return ret;
	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	/* Whether @argsz has room for the ranges is not asked by the kernel. */
	if (args.flags || !args.nr_ranges ||
	    args.nr_ranges > VFIO_DMABUF_MAX_RANGES ||
	    args.open_flags & ~(O_ACCMODE | O_CLOEXEC) ||
	    (args.open_flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	ret = vdmabuf_bar_check(&vd->core, args.region_index);
	if (ret)
		return ret;
	/* The rest of the page may be somebody else's. */
	if (pci_resource_len(vd->core.pdev, args.region_index) < PAGE_SIZE)
		return -EOPNOTSUPP;

	ranges = vmemdup_user(&user->dma_ranges,
			      array_size(args.nr_ranges, sizeof(*ranges)));
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	fd = get_unused_fd_flags(args.open_flags & O_CLOEXEC);
	if (fd < 0) {
		kvfree(ranges);
		return fd;
	}
	buffer = vdmabuf_buffer_create(vd, args.region_index, ranges,
				       args.nr_ranges, args.open_flags,
				       KBUILD_MODNAME);
	kvfree(ranges);
	if (IS_ERR(buffer)) {
		put_unused_fd(fd);
		return PTR_ERR(buffer);
	}

	vdmabuf_buffer_publish(buffer);
	dma_buf_fd_install(buffer->dmabuf, fd);
	return fd;
}

static int vdmabuf_revoke_feature(struct vdmabuf_device *vd, u32 flags,
				  void __user *arg, size_t argsz)
{
	struct vfio_dmabuf_revoke args;
	struct vdmabuf_buffer *buffer;
	int ret;

	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_SET,
				 sizeof(args));
	if (ret != 1)
		return ret;
	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;

	buffer = vdmabuf_buffer_get(vd->gate, args.dmabuf_fd);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	ret = vdmabuf_buffer_revoke(buffer);
	vdmabuf_buffer_put(buffer);
	return ret;
}

static int vdmabuf_wc_allowed(const struct vdmabuf_buffer *buffer)
{
	int policy = READ_ONCE(vdmabuf_write_combine);

	if (!vdmabuf_wc_works() || policy == VDMABUF_WC_OFF)
		return -EOPNOTSUPP;
	if (policy == VDMABUF_WC_PREFETCHABLE && !buffer->prefetchable)
		return -EOPNOTSUPP;
	return 0;
}

static int vdmabuf_memattr_set(struct vdmabuf_buffer *buffer, u32 memattr)
{
	int ret;

	if (memattr != VFIO_DMABUF_MEMATTR_NC &&
	    memattr != VFIO_DMABUF_MEMATTR_WC)
		return -ENOENT;

	down_write(&buffer->gate->sem);
	if (buffer->revoked)
		ret = -EBADFD;
	else if (memattr == VFIO_DMABUF_MEMATTR_WC)
		ret = vdmabuf_wc_allowed(buffer);
	else
		ret = 0;
	if (!ret)
		buffer->memattr = memattr;
	up_write(&buffer->gate->sem);
	return ret;
}

static int vdmabuf_memattr_feature(struct vdmabuf_device *vd, u32 flags,
				   void __user *arg, size_t argsz)
{
	struct vfio_dmabuf_memattr args;
	struct vdmabuf_buffer *buffer;
	int ret;

	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_GET |
				 VFIO_DEVICE_FEATURE_SET, sizeof(args));
	if (ret != 1)
		return ret;
	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;

	buffer = vdmabuf_buffer_get(vd->gate, args.dmabuf_fd);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	if (flags & VFIO_DEVICE_FEATURE_SET) {
		ret = vdmabuf_memattr_set(buffer, args.memattr);
	} else {
		down_read(&vd->gate->sem);
		ret = buffer->revoked ? -EBADFD : 0;
		args.memattr = buffer->memattr;
		up_read(&vd->gate->sem);
	}
	vdmabuf_buffer_put(buffer);
	if (!ret && flags & VFIO_DEVICE_FEATURE_GET &&
	    copy_to_user(arg, &args, sizeof(args)))
		ret = -EFAULT;
	return ret;
}

static u32 vdmabuf_features(void)
{
	u32 features = 0;

	if (vdmabuf_wc_works() &&
	    READ_ONCE(vdmabuf_write_combine) != VDMABUF_WC_OFF)
		features |= VFIO_DMABUF_FEATURE_BIT_WC;
#ifdef BUFSYNC_HAVE_PMD_PFNMAP
	features |= VFIO_DMABUF_FEATURE_BIT_HUGE;
#endif
	if (vdmabuf_bar_mmap == VDMABUF_BAR_DMABUF)
		features |= VFIO_DMABUF_FEATURE_BIT_BAR_MMAP;
	if (bufsync_p2p_can_force() &&
	    READ_ONCE(vdmabuf_p2p) == VDMABUF_P2P_FORCE)
		features |= VFIO_DMABUF_FEATURE_BIT_P2P_FORCED;
	return features;
}

static void vdmabuf_info_device(struct vdmabuf_gate *gate,
				struct vfio_dmabuf_info *info)
{
	struct vdmabuf_buffer *buffer;

	lockdep_assert_held(&gate->sem);
	info->out_version = VFIO_DMABUF_VERSION;
	info->out_features = vdmabuf_features();
	info->out_revoke_alias = vdmabuf_revoke_alias;
	info->out_memattr_alias = vdmabuf_memattr_alias;
	info->out_exports = gate->exports;
	info->out_revokes = gate->revokes;
	info->out_zaps = gate->zaps;
	info->out_faults = atomic64_read(&gate->faults);
	info->out_waits = atomic64_read(&gate->waits);
	info->out_late = atomic64_read(&gate->late);
	list_for_each_entry(buffer, &gate->buffers, link) {
		if (buffer->revoked || buffer->holds)
			continue;
		info->out_slices++;
		info->out_mapped += !!READ_ONCE(buffer->mapped);
	}
}

static void vdmabuf_info_slice(const struct vdmabuf_buffer *buffer,
			       struct vfio_dmabuf_info *info)
{
	lockdep_assert_held(&buffer->gate->sem);
	info->out_state = buffer->revoked ? VFIO_DMABUF_STATE_REVOKED :
			  vdmabuf_gate_state(buffer->gate);
	info->out_memattr = buffer->memattr;
	info->out_effective = vdmabuf_wc_works() ? buffer->memattr :
			      VFIO_DMABUF_MEMATTR_NC;
	info->out_nr_ranges = buffer->ranges.nr;
	info->out_size = buffer->ranges.size;
	info->out_slice_faults = atomic64_read(&buffer->faults);
	info->out_importers = READ_ONCE(buffer->mapped);
}

static int vdmabuf_info_feature(struct vdmabuf_device *vd, u32 flags,
				void __user *arg, size_t argsz)
{
	struct vdmabuf_buffer *buffer = NULL;
	struct vfio_dmabuf_info info;
	int ret;

	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_GET,
				 sizeof(info));
	if (ret != 1)
		return ret;
	if (copy_from_user(&info, arg, offsetofend(typeof(info), flags)))
		return -EFAULT;
	if (info.flags)
		return -EINVAL;
	if (info.dmabuf_fd != -1) {
		buffer = vdmabuf_buffer_get(vd->gate, info.dmabuf_fd);
		if (IS_ERR(buffer))
			return PTR_ERR(buffer);
	}

	memset_after(&info, 0, flags);
	down_read(&vd->gate->sem);
	vdmabuf_info_device(vd->gate, &info);
	if (buffer)
		vdmabuf_info_slice(buffer, &info);
	up_read(&vd->gate->sem);
	if (buffer)
		vdmabuf_buffer_put(buffer);
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static int vdmabuf_low_power(struct vdmabuf_device *vd, u32 flags,
			     void __user *arg, size_t argsz)
{
	struct vdmabuf_bracket bracket;
	int ret;

	if (flags & VFIO_DEVICE_FEATURE_PROBE)
		return vfio_pci_core_ioctl_feature(&vd->core.vdev, flags, arg,
						   argsz);
	vdmabuf_bracket_enter(&bracket, vd->gate);
	ret = vfio_pci_core_ioctl_feature(&vd->core.vdev, flags, arg, argsz);
	/* On the way the core takes it out of D3hot, and it comes back in D0. */
	if (!ret)
		vdmabuf_gate_sleeps(vd->gate, false);
	vdmabuf_bracket_leave(&bracket);
	return ret;
}

/* If it has not come as far as that it is where it was. */
static int vdmabuf_low_power_exit(struct vdmabuf_device *vd, u32 flags,
				  void __user *arg, size_t argsz)
{
	int ret = vfio_pci_core_ioctl_feature(&vd->core.vdev, flags, arg,
					      argsz);

	if (!(flags & VFIO_DEVICE_FEATURE_PROBE) && !ret)
		vdmabuf_device_look(vd);
	return ret;
}

/*
 * The number that a SET by one of the series' numbers stands for. They have
 * moved once already, so that REVOKE may be where MEMATTR was: its payload is
 * shorter.
 */
static u32 vdmabuf_unalias(u32 feature, u32 flags, size_t argsz)
{
	if (!(flags & VFIO_DEVICE_FEATURE_SET) || !feature)
		return feature;
	if (feature == vdmabuf_revoke_alias)
		return VFIO_DMABUF_FEATURE_REVOKE;
	if (feature == vdmabuf_memattr_alias)
		return vdmabuf_revoke_alias &&
		       argsz == sizeof(struct vfio_dmabuf_revoke) ?
		       VFIO_DMABUF_FEATURE_REVOKE : VFIO_DMABUF_FEATURE_MEMATTR;
	return feature;
}

/**
 * vdmabuf_feature() - vfio_device_ops.device_feature
 * @core_vdev:	an open device
 * @flags:	number, and GET, SET or PROBE, which VFIO has checked
 * @arg:	user address of the payload
 * @argsz:	bytes of it
 *
 * Context: process, may sleep.
 * Return: what include/uapi/linux/vfio-dmabuf.h says, else the core's.
 */
int vdmabuf_feature(struct vfio_device *core_vdev, u32 flags, void __user *arg,
		    size_t argsz)
{
	u32 feature = flags & VFIO_DEVICE_FEATURE_MASK;
	struct vdmabuf_device *vd = to_vdmabuf(core_vdev);

	switch (vdmabuf_unalias(feature, flags, argsz)) {
	case VFIO_DEVICE_FEATURE_DMA_BUF:
		return vdmabuf_export_feature(vd, flags, arg, argsz);
	case VFIO_DMABUF_FEATURE_INFO:
		return vdmabuf_info_feature(vd, flags, arg, argsz);
	case VFIO_DMABUF_FEATURE_REVOKE:
		return vdmabuf_revoke_feature(vd, flags, arg, argsz);
	case VFIO_DMABUF_FEATURE_MEMATTR:
		return vdmabuf_memattr_feature(vd, flags, arg, argsz);
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
		return vdmabuf_low_power(vd, flags, arg, argsz);
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		return vdmabuf_low_power_exit(vd, flags, arg, argsz);
	default:
		return vfio_pci_core_ioctl_feature(core_vdev, flags, arg,
						   argsz);
	}
}
