/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/drm_gem: what DRM's own ioctls do not offer about GEM handles, for any DRM
 * file: move a handle to another number, list handles, tell whose a dma-buf is,
 * and import one only if that moves no memory.
 *
 * Each call takes a DRM fd, as opened from /dev/dri/cardN or renderDN, and acts on
 * the handles of that open file. An open file of this device holds no state.
 *
 * Each struct begins with its size as the caller knows it, so that it can grow
 * under the same number. A size below the struct's first version is EINVAL;
 * fields beyond what the module knows must be zero (E2BIG); fields that an old
 * caller does not send count as zero. Fields named out_ are ignored on input.
 *
 * Rules that hold for all ioctls
 * ------------------------------
 *
 * Checks come in this order: copy of the arguments, flags and padding, permission,
 * fds, ranges. A call that fails has changed nothing, but for ESTALE, and for an
 * import whose arguments another thread takes out of memory in the middle of the
 * call: EFAULT, and the handle stays.
 *
 * Errors:
 *
 *   EBADF       an fd is not open
 *   ENOTTY      unknown ioctl number, or the DRM fd is no DRM file
 *   EOPNOTSUPP  a node of an accelerator (/dev/accel), a driver without GEM, or a
 *               kernel that is newer than this module knows
 *   ENODEV      the device has been unplugged
 *   EFAULT      the arguments, or an array that they name, cannot be read or
 *               written
 *   EINVAL      unknown flag, nonzero padding, size or handle out of range, a
 *               dma-buf fd that is none
 *   E2BIG       see above, or the size is above a page
 *   ENOMEM      memory, the caller's memory cgroup included
 *   EUCLEAN     DRM's own record of which dma-bufs this file has handles for is
 *               not what this module knows. Nothing has been written. (The first
 *               call of all may take up to seconds to find out, if handles are just
 *               being closed.)
 *
 * and those named at each ioctl. A return value above zero never occurs.
 */
#ifndef _UAPI_DRM_DRM_GEM_CTL_H
#define _UAPI_DRM_DRM_GEM_CTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* struct drm_gem_ctl_caps.out_version */
#define DRM_GEM_CTL_VERSION			1

/* struct drm_gem_ctl_caps.out_features */
#define DRM_GEM_CTL_FEATURE_MOVE		(1ULL << 0)
#define DRM_GEM_CTL_FEATURE_LIST		(1ULL << 1)
#define DRM_GEM_CTL_FEATURE_PRIME_INFO		(1ULL << 2)
#define DRM_GEM_CTL_FEATURE_IMPORT_NO_MOVE	(1ULL << 3)
/* LIST tells DRM_GEM_CTL_ENTRY_RESIDENT and _PURGEABLE where a driver does */
#define DRM_GEM_CTL_FEATURE_STATUS		(1ULL << 4)

/* The highest handle that MOVE takes: DRM's table ends with it. */
#define DRM_GEM_CTL_MAX_HANDLE			0x7ffffffe
/* The most entries that one LIST returns */
#define DRM_GEM_CTL_MAX_ENTRIES			512

/**
 * struct drm_gem_ctl_caps - DRM_GEM_CTL_IOC_CAPS
 * @size:	in: sizeof(struct drm_gem_ctl_caps). Out: the size that the module
 *		knows; at most the given number of bytes is written.
 * @out_version: DRM_GEM_CTL_VERSION
 * @out_features: DRM_GEM_CTL_FEATURE_*; what this kernel can do, not what the
 *		caller may
 * @out_entry_size: sizeof(struct drm_gem_ctl_entry) as the module knows it
 * @out_max_entries: DRM_GEM_CTL_MAX_ENTRIES
 * @out_max_handle: DRM_GEM_CTL_MAX_HANDLE
 * @out_reserved: 0
 * @out_drivers: names of the drivers that MOVE works with, separated by
 *		commas, NUL-terminated
 */
struct drm_gem_ctl_caps {
	__u32 size;
	__u32 out_version;
	__aligned_u64 out_features;
	__u32 out_entry_size;
	__u32 out_max_entries;
	__u32 out_max_handle;
	__u32 out_reserved;
	char out_drivers[128];
};

/**
 * struct drm_gem_ctl_move_args - DRM_GEM_CTL_IOC_MOVE
 * @size:	sizeof(struct drm_gem_ctl_move_args)
 * @flags:	0
 * @drm_fd:	the DRM file
 * @handle:	a handle of it
 * @new_handle:	the number that it shall have, 1 to DRM_GEM_CTL_MAX_HANDLE; may
 *		be the same
 * @pad:	0
 *
 * Afterwards the object has @new_handle in place of @handle. Nobody ever sees it
 * with both or with neither. All else stays: its mappings and their offsets, its
 * name, its dma-buf; importing that dma-buf into this file gives @new_handle where it
 * gave @handle.
 *
 * For who restores a process that had these handles. Drivers that remember
 * objects by handle must not have them changed, so it works only with those that
 * are known not to (struct drm_gem_ctl_caps.out_drivers). User space that
 * remembers handles must be told by whoever moves them.
 *
 * Errors: EPERM without CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN in the initial user
 * namespace; EOPNOTSUPP for another driver; ENOENT if there is no @handle, or it is
 * just being created or closed; EEXIST if @new_handle is in use, or just being
 * created or closed.
 */
struct drm_gem_ctl_move_args {
	__u32 size;
	__u32 flags;
	__s32 drm_fd;
	__u32 handle;
	__u32 new_handle;
	__u32 pad;
};

/* struct drm_gem_ctl_entry.flags */
/* it was imported from a dma-buf of another device or file */
#define DRM_GEM_CTL_ENTRY_IMPORTED		(1 << 0)
/* it has been exported as a dma-buf, by this file or another one */
#define DRM_GEM_CTL_ENTRY_EXPORTED		(1 << 1)
/* it has a global name (DRM_IOCTL_GEM_FLINK) */
#define DRM_GEM_CTL_ENTRY_NAMED			(1 << 2)
/*
 * importing its dma-buf into this file gives this handle, or another one that has the
 * flag, if several of the same object have been exported
 */
#define DRM_GEM_CTL_ENTRY_PRIME_CACHED		(1 << 3)
/* its memory is system memory and never anything else */
#define DRM_GEM_CTL_ENTRY_SYSTEM_ONLY		(1 << 4)
/* what the driver says, if DRM_GEM_CTL_ENTRY_STATUS is set */
#define DRM_GEM_CTL_ENTRY_STATUS		(1 << 5)
#define DRM_GEM_CTL_ENTRY_RESIDENT		(1 << 6)
#define DRM_GEM_CTL_ENTRY_PURGEABLE		(1 << 7)

/**
 * struct drm_gem_ctl_entry - a handle of a DRM file
 * @handle:	its number
 * @flags:	DRM_GEM_CTL_ENTRY_*
 * @obj_size:	of the object, in bytes
 * @dmabuf_ino:	st_ino of its dma-buf's fds, 0 if it has none. Two objects with
 *		the same number, in any file or process, share memory.
 * @handle_count: handles of this object in all files, as DRM counts them: kernels
 *		whose framebuffers keep handles alive count those too
 * @pad:	0
 */
struct drm_gem_ctl_entry {
	__u32 handle;
	__u32 flags;
	__aligned_u64 obj_size;
	__aligned_u64 dmabuf_ino;
	__u32 handle_count;
	__u32 pad;
};

/**
 * struct drm_gem_ctl_list_args - DRM_GEM_CTL_IOC_LIST
 * @size:	sizeof(struct drm_gem_ctl_list_args)
 * @flags:	0
 * @drm_fd:	the DRM file
 * @first:	the lowest handle that is wanted
 * @entries:	pointer to @count entries of @entry_size bytes each
 * @count:	entries that there is room for; above DRM_GEM_CTL_MAX_ENTRIES
 *		counts as that. 0 only tells @out_next.
 * @entry_size:	sizeof(struct drm_gem_ctl_entry). A smaller one, from 16 on and a
 *		multiple of 8, gets the beginning of each entry; in a larger one
 *		what the module does not know becomes 0. A page at most.
 * @out_count:	entries written, with handles that ascend
 * @out_next:	the handle to go on with as @first, which is there unless it has
 *		been closed meanwhile; 0 if there are no more
 *
 * Which handles there are and of which objects was all true at one point in time.
 * For a list as a whole that is so only while nobody changes it. What other files can
 * change about an object, its name, its export, its other handles, is as it was when
 * its entry was written.
 */
struct drm_gem_ctl_list_args {
	__u32 size;
	__u32 flags;
	__s32 drm_fd;
	__u32 first;
	__aligned_u64 entries;
	__u32 count;
	__u32 entry_size;
	__u32 out_count;
	__u32 out_next;
};

/*
 * struct drm_gem_ctl_prime_info_args.out_class: what importing the dma-buf into
 * the DRM file means for its memory. What is below DRM_GEM_CTL_CLASS_FOREIGN
 * never changes as long as the dma-buf and the DRM file exist, but that a dma-buf
 * becomes ALREADY by an import, and ends to be by closing the handle.
 */
/* this file has a handle of it */
#define DRM_GEM_CTL_CLASS_ALREADY		1
/* it is an object of the same device */
#define DRM_GEM_CTL_CLASS_SAME_DEVICE		2
/* it is system memory and can never be anything else */
#define DRM_GEM_CTL_CLASS_SYSTEM_ONLY		3
/* it is an object of another DRM device, which may have to move it */
#define DRM_GEM_CTL_CLASS_FOREIGN		4
/* it is of something that this module does not know */
#define DRM_GEM_CTL_CLASS_UNKNOWN		5

/**
 * struct drm_gem_ctl_prime_info_args - DRM_GEM_CTL_IOC_PRIME_INFO
 * @size:	sizeof(struct drm_gem_ctl_prime_info_args)
 * @flags:	0
 * @drm_fd:	the DRM file that might import
 * @dmabuf_fd:	the dma-buf
 * @out_class:	DRM_GEM_CTL_CLASS_*
 * @out_handle:	for ALREADY the handle, else 0
 * @out_ino:	st_ino of the dma-buf's fds
 * @out_size:	of the dma-buf, in bytes
 * @out_primary_major: of the exporting DRM device's primary node; 0 if the exporter is
 *		not known to be a DRM device, or is an accelerator, which has none
 * @out_primary_minor: as above
 * @out_render_major: of its render node; 0 if it has none
 * @out_render_minor: as above
 * @out_driver:	the exporting DRM driver's name, NUL-terminated; empty if the exporter
 *		is not known to be a DRM device
 * @out_exporter: the name that the exporter gave itself, NUL-terminated
 *
 * Attaches nothing, maps nothing, and takes nothing from anybody.
 */
struct drm_gem_ctl_prime_info_args {
	__u32 size;
	__u32 flags;
	__s32 drm_fd;
	__s32 dmabuf_fd;
	__u32 out_class;
	__u32 out_handle;
	__aligned_u64 out_ino;
	__aligned_u64 out_size;
	__u32 out_primary_major;
	__u32 out_primary_minor;
	__u32 out_render_major;
	__u32 out_render_minor;
	char out_driver[32];
	char out_exporter[32];
};

/**
 * struct drm_gem_ctl_import_args - DRM_GEM_CTL_IOC_IMPORT_NO_MOVE
 * @size:	sizeof(struct drm_gem_ctl_import_args)
 * @flags:	0
 * @drm_fd:	the DRM file
 * @dmabuf_fd:	the dma-buf
 * @out_handle:	the handle, as DRM_IOCTL_PRIME_FD_TO_HANDLE would give it
 * @out_class:	DRM_GEM_CTL_CLASS_*, also with EXDEV and EOPNOTSUPP
 *
 * Success means that the import caused no migration, because the memory is the
 * importer's own or can only ever be system memory. Failure means that it may
 * move, not that it would. Whether devices could reach each other's memory, or
 * which place would be the best, is not answered.
 *
 * Errors: EXDEV for DRM_GEM_CTL_CLASS_FOREIGN, EOPNOTSUPP for _UNKNOWN, both with
 * nothing attached; what the driver's own import returns; ESTALE if another thread
 * has put another dma-buf in the place of @dmabuf_fd meanwhile, which has been
 * imported then, whatever it is: @out_handle is that one's. It is ESTALE as well if
 * another thread has moved or closed the new handle before it was told.
 */
struct drm_gem_ctl_import_args {
	__u32 size;
	__u32 flags;
	__s32 drm_fd;
	__s32 dmabuf_fd;
	__u32 out_handle;
	__u32 out_class;
};

#define DRM_GEM_CTL_IOC_CAPS		_IO(0xCE, 0x80)
#define DRM_GEM_CTL_IOC_MOVE		_IO(0xCE, 0x81)
#define DRM_GEM_CTL_IOC_LIST		_IO(0xCE, 0x82)
#define DRM_GEM_CTL_IOC_PRIME_INFO	_IO(0xCE, 0x83)
#define DRM_GEM_CTL_IOC_IMPORT_NO_MOVE	_IO(0xCE, 0x84)

#endif /* _UAPI_DRM_DRM_GEM_CTL_H */
