// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "syncobj_util.h"

#define PTR(p)	((uint64_t)(uintptr_t)(p))

int so_try(int dev, unsigned long request, void *arg)
{
	int ret = ioctl(dev, request, arg);

	/* No call returns more than 0; let one that does be seen. */
	return ret < 0 ? -errno : ret;
}

int so_open(void)
{
	int fd = open(SO_NODE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int so_create(int dev, uint32_t flags)
{
	struct syncobj_create_args args = { .fd = -1, .flags = flags };
	int ret = so_try(dev, SYNCOBJ_IOC_CREATE, &args);

	return ret ?: args.fd;
}

int so_wait(int dev, const int *fds, const uint64_t *points, uint32_t count,
	    int64_t timeout, uint32_t flags, uint32_t *first)
{
	struct syncobj_wait_args args = {
		.fds = PTR(fds),
		.points = PTR(points),
		.timeout_nsec = timeout,
		.count = count,
		.flags = flags,
		.first_signaled = SO_POISON,
	};
	int ret = so_try(dev, SYNCOBJ_IOC_WAIT, &args);

	if (first)
		*first = args.first_signaled;
	return ret;
}

static int so_array(int dev, unsigned long request, const int *fds,
		    const uint64_t *points, uint32_t count, uint32_t flags)
{
	struct syncobj_array_args args = {
		.fds = PTR(fds),
		.points = PTR(points),
		.count = count,
		.flags = flags,
	};

	return so_try(dev, request, &args);
}

int so_reset(int dev, const int *fds, uint32_t count)
{
	return so_array(dev, SYNCOBJ_IOC_RESET, fds, NULL, count, 0);
}

int so_signal(int dev, const int *fds, const uint64_t *points, uint32_t count)
{
	return so_array(dev, SYNCOBJ_IOC_SIGNAL, fds, points, count, 0);
}

int so_query(int dev, const int *fds, uint64_t *points, uint32_t count,
	     uint32_t flags)
{
	return so_array(dev, SYNCOBJ_IOC_QUERY, fds, points, count, flags);
}

int so_transfer(int dev, int src, uint64_t src_point, int dst,
		uint64_t dst_point, uint32_t flags)
{
	struct syncobj_transfer_args args = {
		.src_fd = src,
		.dst_fd = dst,
		.src_point = src_point,
		.dst_point = dst_point,
		.flags = flags,
	};

	return so_try(dev, SYNCOBJ_IOC_TRANSFER, &args);
}

int so_eventfd(int dev, int fd, int eventfd, uint64_t point, uint32_t flags)
{
	struct syncobj_eventfd_args args = {
		.syncobj_fd = fd,
		.eventfd = eventfd,
		.point = point,
		.flags = flags,
	};

	return so_try(dev, SYNCOBJ_IOC_EVENTFD, &args);
}

int so_export(int dev, int fd, uint64_t point)
{
	struct syncobj_sync_file_args args = {
		.syncobj_fd = fd,
		.sync_file_fd = -1,
		.point = point,
	};
	int ret = so_try(dev, SYNCOBJ_IOC_EXPORT_SYNC_FILE, &args);

	return ret ?: args.sync_file_fd;
}

int so_import(int dev, int fd, int sync_file, uint64_t point)
{
	struct syncobj_sync_file_args args = {
		.syncobj_fd = fd,
		.sync_file_fd = sync_file,
		.point = point,
	};

	return so_try(dev, SYNCOBJ_IOC_IMPORT_SYNC_FILE, &args);
}

int so_batch(int dev, const struct syncobj_eventfd_args *entries,
	     uint32_t count, uint32_t *index)
{
	struct syncobj_eventfd_batch_args args = {
		.size = sizeof(args),
		.entries = PTR(entries),
		.count = count,
		.out_index = SO_POISON,
	};
	int ret = so_try(dev, SYNCOBJ_IOC_EVENTFD_BATCH, &args);

	if (index)
		*index = args.out_index;
	return ret;
}

int so_cancel(int dev, int fd, int eventfd, uint64_t point, uint32_t flags,
	      uint32_t *cancelled)
{
	struct syncobj_eventfd_cancel_args args = {
		.size = sizeof(args),
		.flags = flags,
		.syncobj_fd = fd,
		.eventfd = eventfd,
		.point = point,
		.out_cancelled = SO_POISON,
	};
	int ret = so_try(dev, SYNCOBJ_IOC_EVENTFD_CANCEL, &args);

	if (cancelled)
		*cancelled = args.out_cancelled;
	return ret;
}

int so_status(int dev, const int *fds, const uint64_t *points, int *status,
	      uint32_t count)
{
	struct syncobj_status_args args = {
		.size = sizeof(args),
		.fds = PTR(fds),
		.points = PTR(points),
		.out_status = PTR(status),
		.count = count,
	};

	return so_try(dev, SYNCOBJ_IOC_STATUS, &args);
}

int so_caps(int dev, struct syncobj_caps *caps)
{
	*caps = (struct syncobj_caps) { .size = sizeof(*caps) };
	return so_try(dev, SYNCOBJ_IOC_CAPS, caps);
}

int so_wait1(int dev, int fd, uint64_t point, int64_t timeout, uint32_t flags)
{
	return so_wait(dev, &fd, &point, 1, timeout, flags, NULL);
}

int so_signal1(int dev, int fd, uint64_t point)
{
	return so_signal(dev, &fd, &point, 1);
}

int so_reset1(int dev, int fd)
{
	return so_reset(dev, &fd, 1);
}

/* A status is never as low as this: errnos end at 4095. */
#define NO_STATUS	(-100000)

int so_status1(int dev, int fd, uint64_t point)
{
	int status = NO_STATUS;
	int ret = so_status(dev, &fd, &point, &status, 1);

	return ret ? NO_STATUS + ret : status;
}

uint64_t so_query1(int dev, int fd)
{
	uint64_t point = ~0ULL;

	return so_query(dev, &fd, &point, 1, 0) ? ~0ULL : point;
}

uint64_t so_last1(int dev, int fd)
{
	uint64_t point = ~0ULL;

	return so_query(dev, &fd, &point, 1,
			SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED) ? ~0ULL : point;
}

int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t in_ms(int64_t ms)
{
	return now_ns() + ms * NSEC_PER_MSEC;
}

void sleep_ms(int ms)
{
	struct timespec ts = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * NSEC_PER_MSEC,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
}

int efd_new(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

uint64_t efd_take(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static uint64_t efd_poll(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	poll(&pfd, 1, ms);
	return efd_take(fd);
}

uint64_t efd_wait(int fd)
{
	return efd_poll(fd, 10000);
}

uint64_t efd_quiet(int fd)
{
	return efd_poll(fd, 30);
}
