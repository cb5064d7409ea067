/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * All handles of a DRM file, and what amdgpu's are made of.
 *
 * LIST of /dev/drm_gem gives a page at a time; here all pages are put together. A
 * newer kernel has a list of its own for amdgpu, DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES.
 * On others the same entries are built from LIST and from an ioctl that amdgpu has
 * had for long, GEM_OP with GET_GEM_CREATE_INFO.
 *
 * "ctl" is an fd of /dev/drm_gem, "drm" one of /dev/dri/cardN or renderDN. Functions
 * that return int return 0, or -1 and errno. May be used by threads. Needs libc and
 * the kernel's headers, not libdrm.
 */
#ifndef _BUFSYNC_GEM_LIST_H
#define _BUFSYNC_GEM_LIST_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* Debian 12 has them of libdrm alone. */
#if defined(__has_include) && !__has_include("drm/drm.h")
#include <libdrm/drm.h>
#include <libdrm/amdgpu_drm.h>
#else
#include <drm/drm.h>
#include <drm/amdgpu_drm.h>
#endif
#include <drm/drm_gem_ctl.h>

/* amdgpu_drm.h has these since Linux 6.18. */
#ifndef DRM_AMDGPU_GEM_LIST_HANDLES
#define DRM_AMDGPU_GEM_LIST_HANDLES	0x19
#define AMDGPU_GEM_LIST_HANDLES_FLAG_IS_IMPORT	1

struct drm_amdgpu_gem_list_handles {
	__u64 entries;
	__u32 num_entries;
	__u32 padding;
};

struct drm_amdgpu_gem_list_handles_entry {
	__u32 gem_handle;
	__u32 flags;
	__u64 size;
	__u64 preferred_domains;
	__u64 alloc_flags;
	__u64 alignment;
};

#define DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_AMDGPU_GEM_LIST_HANDLES, \
		 struct drm_amdgpu_gem_list_handles)
#endif

/*
 * The flags that GEM_CREATE takes, of those that an object can have: the kernel's
 * own AMDGPU_GEM_CREATE_SETTABLE_MASK, with which it fills alloc_flags. As a number,
 * since older headers do not have all the names.
 */
#define BUFSYNC_AMDGPU_SETTABLE		0x1f6cfULL

/* As drmIoctl() */
static inline int bufsync_gem_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(fd, request, arg);
	} while (ret == -1 && (errno == EINTR || errno == EAGAIN));
	return ret;
}

/**
 * bufsync_gem_open - open /dev/drm_gem
 *
 * Return: the fd, or -1 and errno
 */
static inline int bufsync_gem_open(void)
{
	return open("/dev/drm_gem", O_RDWR | O_CLOEXEC);
}

/**
 * bufsync_gem_driver - the name of a DRM fd's driver
 * @drm:	the DRM fd
 * @name:	gets the name, cut to fit, NUL-terminated
 * @size:	bytes there, at least 1
 *
 * Return: 0, or -1 and errno
 */
static inline int bufsync_gem_driver(int drm, char *name, size_t size)
{
	struct drm_version version;

	memset(&version, 0, sizeof(version));
	memset(name, 0, size);
	version.name = name;
	version.name_len = size - 1;
	return bufsync_gem_ioctl(drm, DRM_IOCTL_VERSION, &version);
}

/**
 * bufsync_gem_list - all handles of a DRM file
 * @ctl:	/dev/drm_gem
 * @drm:	the DRM fd
 * @entries:	gets an array to be freed with free(), handles ascending
 * @count:	gets its length
 *
 * However many there are and become. What is opened or closed while it runs may be
 * in it or not; all that is there from beginning to end is in it, once.
 *
 * Return: 0, or -1 and errno: what LIST gives, and ENOMEM
 */
static inline int bufsync_gem_list(int ctl, int drm,
				   struct drm_gem_ctl_entry **entries,
				   size_t *count)
{
	struct drm_gem_ctl_entry *all = NULL, *larger;
	struct drm_gem_ctl_list_args args;
	size_t room = 0, n = 0;
	int error;

	memset(&args, 0, sizeof(args));
	args.size = sizeof(args);
	args.drm_fd = drm;
	args.entry_size = sizeof(*all);
	args.count = DRM_GEM_CTL_MAX_ENTRIES;
	do {
		if (room - n < args.count) {
			room = 2 * room + args.count;
			larger = (struct drm_gem_ctl_entry *)
				 realloc(all, room * sizeof(*all));
			if (!larger)
				goto fail;
			all = larger;
		}
		args.entries = (uintptr_t)(all + n);
		if (bufsync_gem_ioctl(ctl, DRM_GEM_CTL_IOC_LIST, &args))
			goto fail;
		n += args.out_count;
		args.first = args.out_next;
	} while (args.first);
	*entries = all;
	*count = n;
	return 0;

fail:
	error = errno;
	free(all);
	errno = error;
	return -1;
}

/**
 * bufsync_amdgpu_entry - what amdgpu's list would tell about a handle
 * @drm:	an amdgpu fd
 * @from:	what LIST tells about it
 * @to:		gets the entry
 *
 * The alignment is in bytes, as amdgpu_drm.h says and GEM_CREATE takes it.
 *
 * Return: 0, or -1 and errno: what GEM_OP gives, ENOENT if it has been closed
 */
static inline int
bufsync_amdgpu_entry(int drm, const struct drm_gem_ctl_entry *from,
		     struct drm_amdgpu_gem_list_handles_entry *to)
{
	struct drm_amdgpu_gem_create_in info;
	struct drm_amdgpu_gem_op op;

	memset(&info, 0, sizeof(info));
	memset(&op, 0, sizeof(op));
	op.handle = from->handle;
	op.op = AMDGPU_GEM_OP_GET_GEM_CREATE_INFO;
	op.value = (uintptr_t)&info;
	if (bufsync_gem_ioctl(drm, DRM_IOCTL_AMDGPU_GEM_OP, &op))
		return -1;
	memset(to, 0, sizeof(*to));
	to->gem_handle = from->handle;
	if (from->flags & DRM_GEM_CTL_ENTRY_IMPORTED)
		to->flags = AMDGPU_GEM_LIST_HANDLES_FLAG_IS_IMPORT;
	to->size = info.bo_size;
	to->preferred_domains = info.domains;
	to->alloc_flags = info.domain_flags & BUFSYNC_AMDGPU_SETTABLE;
	to->alignment = info.alignment;
	return 0;
}

/**
 * bufsync_amdgpu_list_built - amdgpu's list, from LIST and GEM_OP
 * @ctl:	/dev/drm_gem
 * @drm:	an amdgpu fd
 * @entries:	gets an array to be freed with free(), handles ascending
 * @count:	gets its length
 *
 * Return: 0, or -1 and errno: what LIST and GEM_OP give, EOPNOTSUPP if the driver is
 * another one, ENOMEM
 */
static inline int
bufsync_amdgpu_list_built(int ctl, int drm,
			  struct drm_amdgpu_gem_list_handles_entry **entries,
			  size_t *count)
{
	struct drm_amdgpu_gem_list_handles_entry *all;
	struct drm_gem_ctl_entry *list;
	size_t listed, i, n = 0;
	char name[16];
	int error;

	if (bufsync_gem_driver(drm, name, sizeof(name)))
		return -1;
	if (strcmp(name, "amdgpu")) {
		errno = EOPNOTSUPP;
		return -1;
	}
	if (bufsync_gem_list(ctl, drm, &list, &listed))
		return -1;
	all = (struct drm_amdgpu_gem_list_handles_entry *)
	      malloc((listed + 1) * sizeof(*all));
	error = all ? 0 : ENOMEM;
	for (i = 0; !error && i < listed; i++) {
		if (!bufsync_amdgpu_entry(drm, &list[i], &all[n]))
			n++;
		else if (errno != ENOENT)
			error = errno;
	}
	free(list);
	if (error) {
		free(all);
		errno = error;
		return -1;
	}
	*entries = all;
	*count = n;
	return 0;
}

/**
 * bufsync_amdgpu_list_native - amdgpu's list, by amdgpu
 * @drm:	an amdgpu fd
 * @entries:	gets an array to be freed with free(), handles ascending
 * @count:	gets its length
 *
 * Return: 0, or -1 and errno: EINVAL on a kernel that does not have it, ENOMEM
 */
static inline int
bufsync_amdgpu_list_native(int drm,
			   struct drm_amdgpu_gem_list_handles_entry **entries,
			   size_t *count)
{
	struct drm_amdgpu_gem_list_handles_entry *all = NULL;
	struct drm_amdgpu_gem_list_handles args;
	__u32 room = 64;
	int error, ret;

	for (;;) {
		free(all);
		all = (struct drm_amdgpu_gem_list_handles_entry *)
		      malloc(room * sizeof(*all));
		if (!all)
			return -1;
		do {
			/* EAGAIN has changed them. */
			memset(&args, 0, sizeof(args));
			args.entries = (uintptr_t)all;
			args.num_entries = room;
			ret = ioctl(drm, DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES,
				    &args);
		} while (ret == -1 && (errno == EINTR || errno == EAGAIN));
		if (ret) {
			error = errno;
			free(all);
			errno = error;
			return -1;
		}
		if (args.num_entries <= room)
			break;
		/* None was written. */
		room = args.num_entries + args.num_entries / 4;
	}
	*entries = all;
	*count = args.num_entries;
	return 0;
}

/**
 * bufsync_amdgpu_list - amdgpu's list, by amdgpu where it has one, else built
 * @ctl:	/dev/drm_gem, or -1: then only amdgpu's own
 * @drm:	an amdgpu fd
 * @entries:	gets an array to be freed with free(), handles ascending
 * @count:	gets its length
 *
 * amdgpu's own fills alignment with pages as it was merged for Linux 6.18, where its
 * header says bytes, and with bytes in Linux 7.3. That is passed on as it is.
 *
 * Return: 0, or -1 and errno: as bufsync_amdgpu_list_built(), and EINVAL if there is
 * neither
 */
static inline int
bufsync_amdgpu_list(int ctl, int drm,
		    struct drm_amdgpu_gem_list_handles_entry **entries,
		    size_t *count)
{
	char name[16];

	/* The number is another ioctl with other drivers. */
	if (bufsync_gem_driver(drm, name, sizeof(name)))
		return -1;
	if (strcmp(name, "amdgpu")) {
		errno = EOPNOTSUPP;
		return -1;
	}
	if (!bufsync_amdgpu_list_native(drm, entries, count))
		return 0;
	if (errno != EINVAL || ctl < 0)
		return -1;
	return bufsync_amdgpu_list_built(ctl, drm, entries, count);
}

#endif /* _BUFSYNC_GEM_LIST_H */
