// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Two processes share a timeline: cc -I include/uapi syncobj-example.c */
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/syncobj.h>

static int open_device(void)
{
	int dev = open("/dev/syncobj", O_RDWR | O_CLOEXEC);

	if (dev < 0)
		err(1, "/dev/syncobj");
	return dev;
}

static void call(int dev, const char *name, unsigned long request, void *args)
{
	if (ioctl(dev, request, args))
		err(1, "%s", name);
}

/* QUERY gives a timeline's last signalled point, SIGNAL adds one. */
static __u64 point_of(int dev, int fd, unsigned long request, __u64 point)
{
	struct syncobj_array_args args = {
		.fds = (uintptr_t)&fd, .points = (uintptr_t)&point, .count = 1,
	};

	call(dev, "QUERY or SIGNAL", request, &args);
	return point;
}

/* Sends or receives an fd, with the one byte of data that it needs. */
static void pass_fd(int sock, int *fd, int send)
{
	union { struct cmsghdr hdr; char room[CMSG_SPACE(sizeof(*fd))]; } c = {
		.hdr = { CMSG_LEN(sizeof(*fd)), SOL_SOCKET, SCM_RIGHTS },
	};
	struct iovec iov = { .iov_base = &(char){ 0 }, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &c, .msg_controllen = sizeof(c) };

	if (send)
		memcpy(CMSG_DATA(&c.hdr), fd, sizeof(*fd));
	if ((send ? sendmsg(sock, &msg, 0) : recvmsg(sock, &msg, 0)) != 1)
		err(1, "pass_fd");
	if (!send)
		memcpy(fd, CMSG_DATA(&c.hdr), sizeof(*fd));
}

static int producer(int sock)
{
	int dev = open_device(), timeline;

	pass_fd(sock, &timeline, 0);
	usleep(10000);	/* ... renders ... */
	point_of(dev, timeline, SYNCOBJ_IOC_SIGNAL, 1);
	return 0;
}

int main(void)
{
	struct syncobj_create_args new = { .flags = 0 }, other = { .flags = 0 };
	struct syncobj_eventfd_args watch = { .point = 1 };
	struct syncobj_sync_file_args file = { .point = 1 };
	struct pollfd pfd = { .events = POLLIN };
	int dev = open_device(), socks[2];
	__u64 fired, last, moved;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, socks))
		err(1, "socketpair");
	if (!fork())
		return producer(socks[1]);

	call(dev, "CREATE", SYNCOBJ_IOC_CREATE, &new);
	pfd.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	watch.eventfd = pfd.fd;
	watch.syncobj_fd = new.fd;
	call(dev, "EVENTFD", SYNCOBJ_IOC_EVENTFD, &watch);
	pass_fd(socks[0], &new.fd, 1);

	/* Nobody has submitted point 1 yet. */
	if (poll(&pfd, 1, 5000) != 1 || read(pfd.fd, &fired, 8) != 8)
		errx(1, "the eventfd has not fired");
	last = point_of(dev, new.fd, SYNCOBJ_IOC_QUERY, 0);
	printf("eventfd fired %llu time, timeline at point %llu\n", fired, last);

	/* The point's fence as a sync_file, and into another timeline. */
	file.syncobj_fd = new.fd;
	call(dev, "EXPORT", SYNCOBJ_IOC_EXPORT_SYNC_FILE, &file);
	call(dev, "CREATE", SYNCOBJ_IOC_CREATE, &other);
	file.syncobj_fd = other.fd;
	file.point = 5;
	call(dev, "IMPORT", SYNCOBJ_IOC_IMPORT_SYNC_FILE, &file);
	moved = point_of(dev, other.fd, SYNCOBJ_IOC_QUERY, 0);
	printf("its sync_file is point %llu of another timeline\n", moved);
	return fired != 1 || last != 1 || moved != 5;
}
