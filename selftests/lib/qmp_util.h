/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's own monitor, from within: QEMU's QMP on the virtio port "qmp",
 * which scripts/vm gives each guest.
 */
#ifndef _QMP_UTIL_H
#define _QMP_UTIL_H

#include <stddef.h>
#include <stdint.h>

/* An fd, or a negative errno; -ENODEV without the port */
int qmp_open(void);
/*
 * The command @what; @arguments are the members of that object, in JSON. 0, or
 * -EREMOTEIO if QEMU answered with an error, which goes to stderr. Events are
 * skipped. @answer may be NULL; a string is given without quotes and escapes.
 */
int qmp_command(int qmp, const char *what, const char *arguments,
		char *answer, size_t size);
/* Human monitor command, for what QMP has no command of its own for. */
int qmp_human(int qmp, const char *line, char *answer, size_t size);

/* Screens: qmp_screen.c */

struct qmp_image {
	unsigned int width;
	unsigned int height;
	uint8_t *rgb;	/* three bytes a pixel; free() it */
};

/*
 * What a display's screen shows: @device is its id ("bochs0" is VFIO_BOCHS).
 * @png: if not NULL, the file that gets the picture as a PNG, too.
 */
int qmp_screen(int qmp, const char *device, struct qmp_image *image,
	       const char *png);

#endif /* _QMP_UTIL_H */
