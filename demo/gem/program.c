// SPDX-License-Identifier: GPL-2.0-only
/* The process that is killed. */
#include <string.h>
#include <unistd.h>

#include "gem-demo.h"

void run_program(void)
{
	int drm[GEM_FILES], ret;

	ret = gem_files_open(drm);
	if (ret)
		fail("vgem and virtio-gpu: %s", strerror(-ret));
	ret = gem_scene(drm);
	if (ret)
		fail("objects: %s", strerror(-ret));
	ret = gem_files_send(parent.sock, drm);
	if (ret)
		fail("files: %s", strerror(-ret));
	for (;;)
		pause();
}
