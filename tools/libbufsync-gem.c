// SPDX-License-Identifier: GPL-2.0-only
/*
 * libbufsync-gem.so - lets programs that were written for newer kernels use
 * /dev/drm_gem as it is:
 *
 *   LD_PRELOAD=/usr/lib/bufsync/libbufsync-gem.so PROGRAM
 *
 * Three ioctls on DRM fds are answered by the module:
 *
 *   DRM_IOCTL_GEM_CHANGE_HANDLE		MOVE. The kernel's own is never called while the
 *					module is there: where it is not switched off, it is
 *					not safe.
 *   DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES	the same list, built, if the kernel has none
 *   DRM_IOCTL_PRIME_FD_TO_HANDLE	IMPORT_NO_MOVE, if the flag is set that the RFC
 *					"DRM_PRIME_FD_TO_HANDLE_NO_MOVE" gave bit 0. Kernels
 *					ignore it.
 *
 * All others go through. Without the module, or when it says that the fd is no DRM
 * file, so do these. Nothing is kept between calls, so a program may fork, have
 * threads, and close or replace any fd. What does not call ioctl() of libc, a static
 * program for instance, is not reached.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <bufsync/gem-list.h>
#include <bufsync/gem-restore.h>

/* drm.h has these since Linux 6.18; the same by other names. */
struct change_handle {
	__u32 handle;
	__u32 new_handle;
};

#ifndef DRM_IOCTL_GEM_CHANGE_HANDLE
#define DRM_IOCTL_GEM_CHANGE_HANDLE	DRM_IOWR(0xD2, struct change_handle)
#endif
#define PRIME_NO_MOVE			1

typedef int (*ioctl_fn)(int fd, unsigned long request, ...);

static int next_ioctl(int fd, unsigned long request, void *arg)
{
	static ioctl_fn cached;
	ioctl_fn next = __atomic_load_n(&cached, __ATOMIC_RELAXED);
	int error = errno;

	if (!next) {
		next = (ioctl_fn)dlsym(RTLD_NEXT, "ioctl");
		if (!next)
			return syscall(SYS_ioctl, fd, request, arg);
		__atomic_store_n(&cached, next, __ATOMIC_RELAXED);
		errno = error;
	}
	return next(fd, request, arg);
}

/* The module's answer, or that there is none */
#define NOT_OURS	(-2)

/*
 * The program's memory, which need not be there: as the kernel reads and writes it.
 * Where a sandbox forbids that it is touched as it is.
 */
static int copy(int write, void *ours, void *theirs, size_t size)
{
	struct iovec local = { ours, size }, remote = { theirs, size };
	ssize_t n = write ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0) :
			    process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

	if (n == (ssize_t)size)
		return 0;
	if (n >= 0 || errno == EFAULT) {
		errno = EFAULT;
		return -1;
	}
	memcpy(write ? theirs : ours, write ? ours : theirs, size);
	return 0;
}

/* Returns the module's fd, -1 with errno, or NOT_OURS if there is no module. */
static int module_open(void)
{
	int ctl = bufsync_gem_open();

	if (ctl >= 0)
		return ctl;
	/* Without fds or memory it is not known whether the module is there. */
	return errno == EMFILE || errno == ENFILE || errno == ENOMEM ?
	       -1 : NOT_OURS;
}

static int module_close(int ctl, int ret)
{
	int error = errno;

	close(ctl);
	errno = error;
	return ret && error == ENOTTY ? NOT_OURS : ret;
}

static int change_handle(int drm, void *arg)
{
	struct change_handle args;
	int ctl = module_open(), ret;

	if (ctl < 0)
		return ctl;
	ret = copy(0, &args, arg, sizeof(args));
	if (!ret)
		ret = bufsync_gem_move(ctl, drm, args.handle, args.new_handle);
	return module_close(ctl, ret);
}

static int import_no_move(int drm, void *arg)
{
	struct drm_gem_ctl_import_args args = {
		.size = sizeof(args),
		.drm_fd = drm,
	};
	struct drm_prime_handle prime;
	int ctl, ret, error;

	if (copy(0, &prime, arg, sizeof(prime)) ||
	    !(prime.flags & PRIME_NO_MOVE))
		return NOT_OURS;
	ctl = module_open();
	if (ctl < 0)
		return ctl;
	args.dmabuf_fd = prime.fd;
	ret = bufsync_gem_ioctl(ctl, DRM_GEM_CTL_IOC_IMPORT_NO_MOVE, &args);
	error = errno;
	/* After ESTALE too there is a handle, which is the caller's. */
	if (!ret || error == ESTALE) {
		prime.handle = args.out_handle;
		if (copy(1, &prime, arg, sizeof(prime)))
			ret = -1;
		else
			errno = error;
	}
	return module_close(ctl, ret);
}

/* As amdgpu does it: entries for which there is no room are only counted. */
static int list_fill(struct drm_amdgpu_gem_list_handles *args, void *arg,
		     struct drm_amdgpu_gem_list_handles_entry *entries,
		     size_t count)
{
	if (count && count <= args->num_entries &&
	    copy(1, entries, (void *)(uintptr_t)args->entries,
		 count * sizeof(*entries)))
		return -1;
	args->num_entries = count;
	return copy(1, args, arg, sizeof(*args));
}

static int list_handles(int drm, void *arg)
{
	struct drm_amdgpu_gem_list_handles_entry *entries;
	struct drm_amdgpu_gem_list_handles args;
	int ctl = module_open(), ret;
	size_t count;

	if (ctl < 0)
		return ctl;
	ret = bufsync_amdgpu_list_built(ctl, drm, &entries, &count);
	if (!ret) {
		ret = copy(0, &args, arg, sizeof(args)) ? -1 :
		      list_fill(&args, arg, entries, count);
		free(entries);
	} else if (errno == EOPNOTSUPP) {
		/* another driver's ioctl */
		errno = ENOTTY;
	}
	return module_close(ctl, ret);
}

static int answer_list(int fd, void *arg)
{
	int error, ret = next_ioctl(fd, DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES, arg);

	if (ret != -1 || errno != EINVAL)
		return ret;
	error = errno;
	ret = list_handles(fd, arg);
	if (ret != NOT_OURS)
		return ret;
	errno = error;
	return -1;
}

/* ioctl() is no cancellation point of POSIX, but open() and close() are. */
static int answer(int fd, unsigned long request, void *arg)
{
	int state, ret;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	if (request == DRM_IOCTL_GEM_CHANGE_HANDLE)
		ret = change_handle(fd, arg);
	else if (request == DRM_IOCTL_PRIME_FD_TO_HANDLE)
		ret = import_no_move(fd, arg);
	else
		ret = answer_list(fd, arg);
	pthread_setcancelstate(state, &state);
	return ret;
}

/* libc's request is an unsigned long; only 32 bits of it reach the kernel. */
__attribute__((visibility("default")))
int ioctl(int fd, unsigned long request, ...)
{
	int error = errno, ret = NOT_OURS;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);

	request = (unsigned int)request;
	if (request == DRM_IOCTL_GEM_CHANGE_HANDLE ||
	    request == DRM_IOCTL_PRIME_FD_TO_HANDLE ||
	    request == DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES)
		ret = answer(fd, request, arg);
	if (ret == NOT_OURS) {
		errno = error;
		return next_ioctl(fd, request, arg);
	}
	if (!ret)
		errno = error;
	return ret;
}
