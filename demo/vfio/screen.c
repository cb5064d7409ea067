// SPDX-License-Identifier: GPL-2.0-only
/* What is on the screen, by QEMU's monitor. */
#include <stdlib.h>
#include <string.h>

#include "qmp_util.h"
#include "vfio-demo.h"

#define SCREEN	"bochs0"

static int qmp;

void screen_open(void)
{
	qmp = qmp_open();
	if (qmp < 0)
		fail("QEMU's monitor: %s (not in a guest of scripts/vm?)",
		     strerror(-qmp));
}

unsigned int screen_wrong(unsigned int which, const char *png)
{
	unsigned int x, y, wrong = 0;
	struct qmp_image image;
	const uint8_t *rgb;
	int ret;

	ret = qmp_screen(qmp, SCREEN, &image, png);
	if (ret)
		fail("screendump: %s", strerror(-ret));
	if (image.width != WIDTH || image.height != HEIGHT)
		fail("the screen has %u x %u pixels", image.width,
		     image.height);
	rgb = image.rgb;
	for (y = 0; y < HEIGHT; y++)
		for (x = 0; x < WIDTH; x++, rgb += 3)
			wrong += (rgb[0] << 16 | rgb[1] << 8 | rgb[2]) !=
				 (int)picture(which, x, y);
	free(image.rgb);
	return wrong;
}
