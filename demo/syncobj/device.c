// SPDX-License-Identifier: GPL-2.0-only
/* /dev/syncobj, and the eventfds that it fires. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <linux/syncobj.h>

#include "syncobj-demo.h"

int dev;

void call(const char *name, unsigned long request, void *args)
{
	if (ioctl(dev, request, args))
		fail("%s: %s", name, strerror(errno));
}

int open_device(void)
{
	int fd = open("/dev/syncobj", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("/dev/syncobj: %s (is the module loaded?)",
		     strerror(errno));
	return fd;
}

int so_create(void)
{
	struct syncobj_create_args args = { .flags = 0 };

	call("CREATE", SYNCOBJ_IOC_CREATE, &args);
	return args.fd;
}

void so_signal(int fd, __u64 point)
{
	struct syncobj_array_args args = {
		.fds = (uintptr_t)&fd,
		.points = (uintptr_t)&point,
		.count = 1,
	};

	call("SIGNAL", SYNCOBJ_IOC_SIGNAL, &args);
}

void so_query(int fd, __u64 expected)
{
	__u64 point = ~0ULL;
	struct syncobj_array_args args = {
		.fds = (uintptr_t)&fd,
		.points = (uintptr_t)&point,
		.count = 1,
	};

	call("QUERY", SYNCOBJ_IOC_QUERY, &args);
	if (point != expected)
		fail("QUERY says %llu instead of %llu", point, expected);
}

void so_status(int fd, __u64 point, __s32 expected)
{
	__s32 status = -1;
	struct syncobj_status_args args = {
		.size = sizeof(args),
		.fds = (uintptr_t)&fd,
		.points = (uintptr_t)&point,
		.out_status = (uintptr_t)&status,
		.count = 1,
	};

	call("STATUS", SYNCOBJ_IOC_STATUS, &args);
	if (status != expected)
		fail("STATUS of point %llu is %d instead of %d", point, status,
		     expected);
}

int so_eventfd(int fd, __u64 point)
{
	struct syncobj_eventfd_args args = { .syncobj_fd = fd, .point = point };

	args.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (args.eventfd < 0)
		fail("eventfd: %s", strerror(errno));
	call("EVENTFD", SYNCOBJ_IOC_EVENTFD, &args);
	return args.eventfd;
}

void expect_quiet(int event, int timeout)
{
	struct pollfd pfd = { .fd = event, .events = POLLIN };

	if (poll(&pfd, 1, timeout))
		fail("the eventfd has fired too early");
}

/* Returns when it fired. */
__s64 expect_fired(int event)
{
	struct pollfd pfd = { .fd = event, .events = POLLIN };
	__u64 count;
	__s64 time;

	if (poll(&pfd, 1, WAIT_MSEC) != 1)
		fail("the eventfd has not fired within %d ms", WAIT_MSEC);
	time = now();
	if (read(event, &count, sizeof(count)) != sizeof(count) || count != 1)
		fail("the eventfd's counter is not 1");
	if (poll(&pfd, 1, 0))
		fail("the eventfd has fired twice");
	return time;
}
