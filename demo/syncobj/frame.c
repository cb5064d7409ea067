// SPDX-License-Identifier: GPL-2.0-only
/* The frame that is drawn and looked at. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "syncobj-demo.h"

static __u32 pixel(__u64 seed, unsigned int i)
{
	__u64 x = seed + i * 0x9e3779b97f4a7c15ULL;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return x >> 32;
}

__u64 checksum(const __u32 *frame)
{
	__u64 sum = 0xcbf29ce484222325ULL;
	unsigned int i;

	for (i = 0; i < WIDTH * HEIGHT; i++)
		sum = (sum ^ frame[i]) * 0x100000001b3ULL;
	return sum;
}

/*
 * From the top to the bottom, with a rest in the middle: who looks before
 * the end has half of the last frame.
 */
void draw(__u32 *frame, __u64 seed)
{
	unsigned int i;

	for (i = 0; i < WIDTH * HEIGHT; i++) {
		if (i == WIDTH * HEIGHT / 2)
			usleep(20000);
		frame[i] = pixel(seed, i);
	}
}

unsigned int wrong_pixels(const __u32 *frame, __u64 seed)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < WIDTH * HEIGHT; i++)
		wrong += frame[i] != pixel(seed, i);
	return wrong;
}

__u32 *map_frame(int fd)
{
	void *map = mmap(NULL, FRAME_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);

	if (map == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	return map;
}
