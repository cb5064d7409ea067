// SPDX-License-Identifier: GPL-2.0-only
/*
 * drm_gem_ctl at work, with nothing faked: checkpoint and restore.
 *
 * A program has objects in three DRM files, two of vgem and one of virtio-gpu. Some
 * are shared between them, and the handles have holes. The parent gets the files over
 * a socket, saves what is in them, and kills the program. Another process makes the
 * objects again and gives them their handles: by MOVE, and a third one without the
 * module. The parent looks whether all is as it was.
 *
 * vgem, virtio_gpu and drm_gem_ctl must be loaded. Each step must come to its end
 * within STEP_SECONDS. Exit status 0: every step has been proved.
 */
#include <unistd.h>

#include "gem-demo.h"

struct gem_image image;

int main(void)
{
	if (geteuid())
		fail("must be root");
	run_checkpoint(peer_start("the program", run_program));
	return 0;
}
