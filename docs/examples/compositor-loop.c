// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A compositor's loop: it sleeps in epoll_wait() and nowhere else, whatever its
 * clients do, which are compositor-client.c.
 *
 * cc -I include/user -I include/uapi compositor-loop.c
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <bufsync/syncobj.h>
#include "compositor-loop.h"

#define CLIENTS		32		/* at a time */
#define TICK_NSEC	10000000	/* from one picture to the next */
#define PATIENCE_NSEC	8000000000LL	/* with a client that owes something */

static struct client {
	int sock, event;	/* sock 0: nobody */
	int fds[FDS];
	const __u32 *pool;	/* NULL: has not said hello */
	struct commit queue[BUFFERS], shown;
	unsigned int queued, ready;
	__u64 last;
	__s64 since;	/* when it began to owe something, or 0 */
} clients[CLIENTS];

/* How clients have ended */
static struct { unsigned int done, died, late, wrong; } ends;
static unsigned int gone, frames, torn;
static int dev, epoll;

/* What woke it: an index of clients, doubled, 1 more for the eventfd; or these. */
#define LISTENER	(2 * CLIENTS + 1)
#define TIMER		(2 * CLIENTS)

static void watch(int fd, __u64 what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = what };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		err(1, "epoll_ctl");
}

/* Nothing of a client outlives this: its eventfd ends its registrations. */
static void drop(struct client *c, unsigned int *end)
{
	int i;

	close(c->sock);
	close(c->event);
	for (i = 0; c->pool && i < FDS; i++)
		close(c->fds[i]);
	if (c->pool)
		munmap((void *)c->pool, POOL_SIZE);
	memset(c, 0, sizeof(*c));
	++*end;
	gone++;
}

static void welcome(int listener)
{
	int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c = clients;

	while (c < clients + CLIENTS && c->sock)
		c++;
	if (sock < 0 || c == clients + CLIENTS) {
		close(sock);
		return;
	}
	c->sock = sock;
	c->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->since = bufsync_syncobj_after(0);
	watch(c->sock, 2 * (c - clients));
	watch(c->event, 2 * (c - clients) + 1);
}

/* The pool must not shrink under the eyes of who reads it. */
static int hello(struct client *c)
{
	int seals = fcntl(c->fds[POOL], F_GET_SEALS);
	struct stat st;
	void *pool;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) ||
	    fstat(c->fds[POOL], &st) || (size_t)st.st_size < POOL_SIZE)
		return -1;
	pool = mmap(NULL, POOL_SIZE, PROT_READ, MAP_SHARED, c->fds[POOL], 0);
	if (pool == MAP_FAILED)
		return -1;
	c->pool = pool;
	c->since = 0;
	return 0;
}

static int commit(struct client *c, const struct commit *new)
{
	if (!c->pool || c->queued == BUFFERS || new->point <= c->last ||
	    new->buffer >= BUFFERS)
		return -1;
	/* The client may submit this point later, or never. */
	if (bufsync_syncobj_eventfd(dev, c->fds[ACQUIRE], new->point, c->event,
				    0))
		return -1;
	if (!c->queued)
		c->since = bufsync_syncobj_after(0);
	c->queue[c->queued++] = *new;
	c->last = new->point;
	return 0;
}

/* One message a turn: nobody gets more by sending more. */
static void receive(struct client *c)
{
	union { struct cmsghdr hdr; char room[CMSG_SPACE(sizeof(c->fds))]; } u;
	struct commit new;
	struct iovec iov = { &new, sizeof(new) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &u,
			      .msg_controllen = CMSG_LEN(sizeof(c->fds)) };
	ssize_t len = recvmsg(c->sock, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *hdr = CMSG_FIRSTHDR(&msg);
	int fds[FDS], i, n = 0;

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		drop(c, c->queued ? &ends.died : &ends.done);
		return;
	}
	if (hdr && hdr->cmsg_type == SCM_RIGHTS) {
		n = (hdr->cmsg_len - CMSG_LEN(0)) / sizeof(*fds);
		memcpy(fds, CMSG_DATA(hdr), n * sizeof(*fds));
	}
	if (n == FDS && !c->pool) {
		memcpy(c->fds, fds, sizeof(fds));
		if (!hello(c))
			return;
	}
	for (i = 0; i < n; i++)
		close(fds[i]);
	if (n || len != sizeof(new) || commit(c, &new))
		drop(c, &ends.wrong);
}

static void show_next(struct client *c, __s64 now)
{
	const __u64 before = c->shown.point;

	c->shown = c->queue[0];
	memmove(c->queue, c->queue + 1, sizeof(c->queue) - sizeof(c->queue[0]));
	c->ready--;
	c->since = --c->queued ? now : 0;
	frames++;
	/* What was on the screen is the client's again. */
	if (before && bufsync_syncobj_signal(dev, &c->fds[RELEASE], &before, 1))
		drop(c, &ends.wrong);
}

/* Each pixel that is on the screen is read each time. */
static int is_whole(const struct client *c)
{
	const __u32 *pixel = c->pool + c->shown.buffer * PIXELS;
	int i;

	for (i = 0; i < PIXELS; i++)
		if (pixel[i] != c->shown.point)
			return 0;
	return 1;
}

/* Tells the driver when the frame is wanted. Looks once, does not wait. */
static void hurry(const struct client *c, __s64 deadline)
{
	bufsync_syncobj_wait_deadline(dev, &c->fds[ACQUIRE], &c->queue[0].point,
				      1, SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT |
				      SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE, 0,
				      deadline, NULL);
}

static void compose(__s64 now)
{
	struct client *c;

	for (c = clients; c < clients + CLIENTS; c++) {
		if (c->since && now - c->since > PATIENCE_NSEC)
			drop(c, &ends.late);
		else if (c->ready)
			show_next(c, now);
		else if (c->queued)
			hurry(c, now + TICK_NSEC);
		if (c->shown.point)
			torn += !is_whole(c);
	}
}

/* Until so many clients have come and gone. Returns what the longest turn took. */
static __s64 run(int listener, int timer, unsigned int how_many)
{
	__s64 start, longest = 0;
	struct epoll_event event;
	struct client *c;
	__u64 count, i;

	while (gone < how_many) {
		/* One at a time: what this turn closes has no event left. */
		if (epoll_wait(epoll, &event, 1, -1) != 1)
			continue;
		start = bufsync_syncobj_after(0);
		i = event.data.u64;
		c = &clients[i / 2];
		if (i == LISTENER)
			welcome(listener);
		else if (i == TIMER && read(timer, &count, 8) == 8)
			compose(start);
		else if (i < TIMER && i % 2 == 0)
			receive(c);
		else if (i < TIMER && read(c->event, &count, 8) == 8)
			c->ready += count;
		start = bufsync_syncobj_after(0) - start;
		if (start > longest)
			longest = start;
	}
	return longest;
}

int main(int argc, char **argv)
{
	const struct itimerspec tick = { .it_interval.tv_nsec = TICK_NSEC,
					 .it_value.tv_nsec = TICK_NSEC };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
			      SOCK_NONBLOCK, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	__s64 longest;

	if (argc != 3)
		errx(2, "usage: compositor-loop SOCKET CLIENTS");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", argv[1]);
	dev = bufsync_syncobj_open();
	if (dev < 0)
		errx(1, "/dev/syncobj: %s", strerror(-dev));
	if (bind(listener, (void *)&addr, sizeof(addr)) ||
	    listen(listener, CLIENTS))
		err(1, "%s", argv[1]);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	watch(listener, LISTENER);
	watch(timer, TIMER);
	timerfd_settime(timer, 0, &tick, NULL);
	printf("listening at %s\n", argv[1]);
	fflush(stdout);
	longest = run(listener, timer, atoi(argv[2]));
	printf("%u frames, %u torn; ", frames, torn);
	printf("clients: %u done, %u died, %u late, %u wrong; ", ends.done,
	       ends.died, ends.late, ends.wrong);
	printf("longest turn %lld ms\n", longest / 1000000);
	return torn != 0;
}
