// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process that draws. Of the device it has one slice, and that only while
 * the primary lets it.
 */
#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bufsync/aligned-map.h>

#include "vfio-demo.h"

static sigjmp_buf gone;
static __u64 drawn;
static int slice = -1;
static uint32_t *frame;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(gone, 1);
}

static void draw(unsigned int which)
{
	unsigned int x, y;

	for (y = 0; y < HEIGHT; y++)
		for (x = 0; x < WIDTH; x++)
			frame[y * WIDTH + x] = picture(which, x, y);
	__sync_synchronize();	/* what was combined is written */
	drawn++;
}

static void map_and_draw(int fd, unsigned int which)
{
	slice = fd;
	frame = bufsync_map_aligned(slice, FRAME, 0, PROT_READ | PROT_WRITE,
				    0);
	if (frame == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	draw(which);
	send_value(&parent, now(), drawn);
}

/* Answers when a picture is complete, and when it may draw no more. */
static void draw_on(unsigned int which)
{
	struct sigaction action = { .sa_handler = on_sigbus };

	sigaction(SIGBUS, &action, NULL);
	drawn = 0;
	if (!sigsetjmp(gone, 1)) {
		draw(which);
		send_value(&parent, now(), drawn);
		for (;;)
			draw(which);
	}
	send_value(&parent, now(), drawn);
}

static int map_again(void)
{
	void *map = mmap(NULL, FRAME, PROT_READ, MAP_SHARED, slice, 0);

	if (map == MAP_FAILED)
		return errno;
	munmap(map, FRAME);
	return 0;
}

void run_client(void)
{
	struct msg msg;
	int fd;

	if (setgroups(0, NULL) ||
	    setresgid(CLIENT_UID, CLIENT_UID, CLIENT_UID) ||
	    setresuid(CLIENT_UID, CLIENT_UID, CLIENT_UID))
		fail("setresuid: %s", strerror(errno));
	die_with_parent();
	for (;;) {
		fd = recv_msg(&parent, &msg);
		switch (msg.op) {
		case OP_DRAW:
			map_and_draw(fd, msg.value);
			break;
		case OP_DRAW_ON:
			draw_on(msg.value);
			break;
		case OP_MAP:
			send_value(&parent, now(), map_again());
			break;
		default:
			return;
		}
	}
}
