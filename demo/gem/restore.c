// SPDX-License-Identifier: GPL-2.0-only
/* The process that becomes what the program was. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "gem-demo.h"

static struct bufsync_gem_move moves[GEM_FILES][GEM_OBJECTS];
static int drm[GEM_FILES];

/* The handles of the first file as they come */
static void make(struct msg *answer)
{
	size_t i, len = 0;
	int ret;

	ret = gem_files_open(drm);
	if (!ret)
		ret = gem_image_make(&image, drm, moves);
	if (ret)
		fail("objects: %s", strerror(-ret));
	for (i = 0; i < image.count[FILE_VGEM]; i++) {
		len += snprintf(answer->text + len, sizeof(answer->text) - len,
				" %u", moves[FILE_VGEM][i].handle);
		answer->value += moves[FILE_VGEM][i].handle !=
				 moves[FILE_VGEM][i].new_handle;
	}
}

static void restore(enum op op, struct msg *answer)
{
	int ctl = op == OP_MOVE ? bufsync_gem_open() : -1, f, ret;
	__s64 start = now();

	if (op == OP_MOVE && ctl < 0)
		fail("/dev/drm_gem: %s", strerror(errno));
	for (f = 0; f < GEM_FILES; f++) {
		ret = op == OP_MOVE ?
		      bufsync_gem_restore_by_move(ctl, drm[f], moves[f],
						  image.count[f]) :
		      bufsync_gem_restore_by_import(drm[f], moves[f],
						    image.count[f], NULL, NULL);
		if (ret)
			fail("handles: %s", strerror(errno));
		answer->value += image.count[f];
	}
	answer->time = now() - start;
	if (ctl >= 0)
		close(ctl);
}

void run_restore(void)
{
	for (;;) {
		struct msg msg, answer = {};
		int ret;

		recv_msg(&parent, &msg);
		if (msg.op == OP_MAKE) {
			make(&answer);
			send_msg(&parent, &answer, -1);
			continue;
		}
		restore(msg.op, &answer);
		send_msg(&parent, &answer, -1);
		ret = gem_files_send(parent.sock, drm);
		if (ret)
			fail("files: %s", strerror(-ret));
	}
}
