// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Whose a dma-buf is, and an import that moves no memory:
 * cc -I include/user -I include/uapi gem-import.c
 */
#include <err.h>
#include <stdio.h>
#include <bufsync/gem-restore.h>

static int open_node(const char *path)
{
	int drm = open(path, O_RDWR | O_CLOEXEC);

	if (drm < 0)
		err(1, "%s", path);
	return drm;
}

/* What a client sends: a buffer of the device that it has chosen */
static int client(const char *path)
{
	int drm = open_node(path), dmabuf;
	__u32 handle;

	if (bufsync_gem_create_dumb(drm, NULL, &handle))
		err(1, "%s: create", path);
	dmabuf = bufsync_gem_export(drm, handle);
	if (dmabuf < 0)
		err(1, "%s: export", path);
	close(drm);
	return dmabuf;
}

int main(int argc, char **argv)
{
	struct drm_gem_ctl_prime_info_args info = { .size = sizeof(info) };
	struct drm_gem_ctl_import_args import = { .size = sizeof(import) };
	int ctl, drm, dmabuf;

	if (argc != 3)
		errx(2, "usage: gem-import /dev/dri/CLIENTS /dev/dri/OURS");
	ctl = bufsync_gem_open();
	if (ctl < 0)
		err(1, "/dev/drm_gem");
	dmabuf = client(argv[1]);
	drm = open_node(argv[2]);

	info.drm_fd = drm;
	info.dmabuf_fd = dmabuf;
	if (bufsync_gem_ioctl(ctl, DRM_GEM_CTL_IOC_PRIME_INFO, &info))
		err(1, "PRIME_INFO");
	/* The dev_t of a node: /dev/char/MAJOR:MINOR leads to it. */
	printf("of %s, %u:%u, class %u\n", info.out_driver,
	       info.out_primary_major, info.out_primary_minor, info.out_class);

	import.drm_fd = drm;
	import.dmabuf_fd = dmabuf;
	if (!bufsync_gem_ioctl(ctl, DRM_GEM_CTL_IOC_IMPORT_NO_MOVE, &import))
		printf("imported, handle %u\n", import.out_handle);
	else if (errno == EXDEV || errno == EOPNOTSUPP)
		printf("not imported, it may have to move\n");
	else	/* The driver's import has failed, as without the module. */
		err(1, "IMPORT_NO_MOVE");
	return 0;
}
