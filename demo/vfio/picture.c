// SPDX-License-Identifier: GPL-2.0-only
/* What is drawn: something that is known again when seen. */
#include "vfio-demo.h"

/* Eight colour bars */
static uint32_t bars(unsigned int x)
{
	static const uint32_t color[] = {
		0xffffff, 0xffff00, 0x00ffff, 0x00ff00,
		0xff00ff, 0xff0000, 0x0000ff, 0x202020,
	};

	return color[x * 8 / WIDTH];
}

/* Dark to light, below them */
static uint32_t ramp(unsigned int x)
{
	return (x * 255 / (WIDTH - 1)) * 0x010101;
}

static unsigned int distance2(unsigned int x, unsigned int y)
{
	int dx = (int)x - WIDTH / 2, dy = (int)y - HEIGHT / 2;

	return dx * dx + dy * dy;
}

static uint32_t test_card(unsigned int x, unsigned int y)
{
	unsigned int d2 = distance2(x, y);

	if (d2 >= 280 * 280 && d2 < 292 * 292)
		return 0xffffff;
	if (x % 64 == 0 || y % 64 == 0)
		return 0x808080;
	return y < HEIGHT * 3 / 4 ? bars(x) : ramp(x);
}

/* The second client's */
static uint32_t rings(unsigned int x, unsigned int y)
{
	unsigned int d2 = distance2(x, y);

	return d2 / 4096 % 2 ? 0xff8000 : 0x004060 + (x / 8 << 8 & 0x7f00);
}

uint32_t picture(unsigned int which, unsigned int x, unsigned int y)
{
	switch (which) {
	case 0:
		return test_card(x, y);
	case 1:
		return rings(x, y);
	default:
		return 0;
	}
}
