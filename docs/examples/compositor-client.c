// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A client of compositor-loop.c; and, to be told by a third word, what a compositor
 * has to cope with. cc -I include/user -I include/uapi compositor-client.c
 */
#define _GNU_SOURCE
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <bufsync/syncobj.h>
#include "compositor-loop.h"

#define WAIT_NSEC	20000000000LL

static int dev, sock, fds[FDS];

/* 0, or an errno */
static int send_message(const void *data, size_t size, int with_fds)
{
	union { struct cmsghdr hdr; char room[CMSG_SPACE(sizeof(fds))]; } c = {
		.hdr = { CMSG_LEN(sizeof(fds)), SOL_SOCKET, SCM_RIGHTS },
	};
	struct iovec iov = { (void *)data, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (with_fds) {
		memcpy(CMSG_DATA(&c.hdr), fds, sizeof(fds));
		msg.msg_control = &c;
		msg.msg_controllen = sizeof(c);
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? errno : 0;
}

static __u32 *make_pool(void)
{
	__u32 *pool;

	fds[POOL] = memfd_create("pool", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fds[POOL] < 0 || ftruncate(fds[POOL], POOL_SIZE) ||
	    fcntl(fds[POOL], F_ADD_SEALS, F_SEAL_SHRINK))
		err(1, "memfd");
	pool = mmap(NULL, POOL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		    fds[POOL], 0);
	if (pool == MAP_FAILED)
		err(1, "mmap");
	return pool;
}

static void check(int ret, const char *what)
{
	if (ret < 0)
		errx(1, "%s: %s", what, strerror(-ret));
}

/* Waits until what was committed with this point is off the screen. */
static void wait_released(__u64 point)
{
	check(bufsync_syncobj_wait(dev, &fds[RELEASE], &point, 1,
				   SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
				   bufsync_syncobj_after(WAIT_NSEC), NULL),
	      "the compositor does not release");
}

/* Not in one go, so that who looks too early sees half of it */
static void draw(__u32 *pixel, __u32 color)
{
	int i;

	for (i = 0; i < PIXELS; i++) {
		pixel[i] = color;
		if (i == PIXELS / 2)
			usleep(random() % 8000);
	}
}

int main(int argc, char **argv)
{
	const char *bad = argc > 3 ? argv[3] : "";
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct commit new = { .point = 0 };
	__u64 frames;
	__u32 *pool;
	char byte;

	if (argc < 3)
		errx(2, "usage: compositor-client SOCKET FRAMES [dies|stalls|floods]");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", argv[1]);
	frames = strtoull(argv[2], NULL, 10);
	srandom(getpid());
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (connect(sock, (void *)&addr, sizeof(addr)))
		err(1, "%s", argv[1]);
	dev = bufsync_syncobj_open();
	check(dev, "/dev/syncobj");
	fds[ACQUIRE] = bufsync_syncobj_create(dev, 0);
	fds[RELEASE] = bufsync_syncobj_create(dev, 0);
	check(fds[ACQUIRE] < 0 ? fds[ACQUIRE] : fds[RELEASE], "CREATE");
	pool = make_pool();
	check(-send_message("", 1, 1), "hello");

	while (new.point < frames || !strcmp(bad, "floods")) {
		new.buffer = ++new.point % BUFFERS;
		if (new.point > BUFFERS && strcmp(bad, "floods"))
			wait_released(new.point - BUFFERS);
		/* First told, then drawn: the compositor waits, not this. */
		if (send_message(&new, sizeof(new), 0))
			errx(3, "thrown out");
		if (!strcmp(bad, "floods"))
			continue;
		if (!strcmp(bad, "dies") && new.point == frames / 2)
			raise(SIGKILL);
		if (!strcmp(bad, "stalls") && new.point == frames / 2)
			errx(3, "thrown out, %zd", recv(sock, &byte, 1, 0));
		draw(pool + new.buffer * PIXELS, new.point);
		check(bufsync_syncobj_signal(dev, &fds[ACQUIRE], &new.point, 1),
		      "SIGNAL");
	}
	/* The last one is on the screen when the one before it is released. */
	if (frames > 1)
		wait_released(frames - 1);
	return 0;
}
