// SPDX-License-Identifier: GPL-2.0-only
/*
 * move-handle PID FD FROM TO - another process's handle gets another number, in its DRM
 * file FD: what a restore does to a program that knows nothing of it.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <bufsync/gem-restore.h>

int main(int argc, char **argv)
{
	int ctl, process, drm;

	if (argc != 5)
		errx(2, "usage: move-handle PID FD FROM TO");
	ctl = bufsync_gem_open();
	if (ctl < 0)
		err(1, "/dev/drm_gem");
	process = syscall(SYS_pidfd_open, atoi(argv[1]), 0);
	if (process < 0)
		err(1, "process %s", argv[1]);
	drm = syscall(SYS_pidfd_getfd, process, atoi(argv[2]), 0);
	if (drm < 0)
		err(1, "its fd %s", argv[2]);
	if (bufsync_gem_move(ctl, drm, atoi(argv[3]), atoi(argv[4])))
		err(1, "MOVE");
	return 0;
}
