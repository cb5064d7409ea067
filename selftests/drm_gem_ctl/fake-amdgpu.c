// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes any DRM device look like amdgpu, as far as a list of handles needs it: its
 * name, and GEM_OP. Handle 3 is closed when it is asked. With FAKE_NATIVE it has
 * LIST_HANDLES, too, with one entry that is told from all others.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <bufsync/gem-list.h>

static int gem_op(struct drm_amdgpu_gem_op *op)
{
	struct drm_amdgpu_gem_create_in *info = (void *)(uintptr_t)op->value;

	if (op->op != AMDGPU_GEM_OP_GET_GEM_CREATE_INFO) {
		errno = EINVAL;
		return -1;
	}
	if (op->handle == 3) {
		errno = ENOENT;
		return -1;
	}
	info->bo_size = op->handle * 4096ULL;
	info->alignment = 65536;
	info->domains = AMDGPU_GEM_DOMAIN_VRAM;
	info->domain_flags = ~0ULL;
	return 0;
}

static int native(struct drm_amdgpu_gem_list_handles *args)
{
	struct drm_amdgpu_gem_list_handles_entry *entries =
		(void *)(uintptr_t)args->entries;

	if (args->num_entries)
		entries[0] = (struct drm_amdgpu_gem_list_handles_entry) {
			.gem_handle = 4711,
		};
	args->num_entries = 1;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*next)(int fd, unsigned long request, ...) =
		(int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	struct drm_version *version;
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == DRM_IOCTL_AMDGPU_GEM_OP)
		return gem_op(arg);
	if (request == DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES && getenv("FAKE_NATIVE"))
		return native(arg);
	ret = next(fd, request, arg);
	version = arg;
	if (request == DRM_IOCTL_VERSION && !ret && version->name)
		memcpy(version->name, "amdgpu", sizeof("amdgpu"));
	return ret;
}
