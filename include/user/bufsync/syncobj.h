/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ioctls of /dev/syncobj as functions.
 *
 * One function an ioctl; what it means, and its errors, <linux/syncobj.h> says.
 * "dev" is an fd of /dev/syncobj, "fds" are syncobjs, "points" has as many points,
 * or is NULL where the ioctl allows that. All return 0 or more, or a negative
 * errno; errno itself is of no meaning afterwards.
 *
 * A signal does not end a call: it is made again, towards the same point in time.
 * Whoever wants to be woken by a signal waits in poll() for an eventfd instead.
 *
 * For C and C++, wants _GNU_SOURCE, or nothing but the default of the compiler. May be
 * used by threads.
 */
#ifndef _BUFSYNC_SYNCOBJ_H
#define _BUFSYNC_SYNCOBJ_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <sys/ioctl.h>
#include <linux/syncobj.h>

/* For ever, as a timeout */
#define BUFSYNC_SYNCOBJ_FOREVER		INT64_MAX

/* A call that a signal has ended has changed nothing, its arguments included. */
static inline int bufsync_syncobj_ioctl(int dev, unsigned long request,
					void *arg)
{
	int ret;

	do {
		ret = ioctl(dev, request, arg);
	} while (ret == -1 && (errno == EINTR || errno == EAGAIN));
	return ret == -1 ? -errno : ret;
}

/* An array, as the ioctls take it */
static inline __u64 bufsync_syncobj_array(const void *array)
{
	return (__u64)(uintptr_t)array;
}

/**
 * bufsync_syncobj_open - open /dev/syncobj
 *
 * Return: the fd, close-on-exec, or a negative errno
 */
static inline int bufsync_syncobj_open(void)
{
	int dev = open("/dev/syncobj", O_RDWR | O_CLOEXEC);

	return dev < 0 ? -errno : dev;
}

/**
 * bufsync_syncobj_after - a point in time, as timeouts and deadlines are told
 * @nsec:	nanoseconds from now; 0 or less is now
 *
 * Taken once, before a loop that waits for one thing after the other: so the loop as
 * a whole ends in time.
 *
 * Return: nanoseconds of CLOCK_MONOTONIC; BUFSYNC_SYNCOBJ_FOREVER for what is later
 * than can be told
 */
static inline __s64 bufsync_syncobj_after(__s64 nsec)
{
	struct timespec ts;
	__s64 now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (__s64)ts.tv_sec * 1000000000 + ts.tv_nsec;
	if (nsec <= 0)
		return now;
	return nsec < INT64_MAX - now ? now + nsec : BUFSYNC_SYNCOBJ_FOREVER;
}

/**
 * bufsync_syncobj_create - CREATE
 * @dev:	/dev/syncobj
 * @flags:	0 or SYNCOBJ_CREATE_SIGNALED
 *
 * Return: the syncobj's fd, close-on-exec, or a negative errno
 */
static inline int bufsync_syncobj_create(int dev, __u32 flags)
{
	struct syncobj_create_args args;
	int ret;

	memset(&args, 0, sizeof(args));
	args.flags = flags;
	ret = bufsync_syncobj_ioctl(dev, SYNCOBJ_IOC_CREATE, &args);
	return ret ? ret : args.fd;
}

/**
 * bufsync_syncobj_wait_deadline - WAIT, with a hint to the drivers
 * @dev:	/dev/syncobj
 * @fds:	what to wait for
 * @points:	or NULL: point 0 of all
 * @count:	how many; 0 returns 0 at once
 * @flags:	SYNCOBJ_WAIT_FLAGS_*
 * @timeout_nsec: when to give up, see bufsync_syncobj_after(); 0 looks once
 * @deadline_nsec: with SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE, when the result is wanted
 * @first:	gets the index of an entry that is met; or NULL
 *
 * Return: 0, or a negative errno: -ETIME when the time is over
 */
static inline int
bufsync_syncobj_wait_deadline(int dev, const int *fds, const __u64 *points,
			      __u32 count, __u32 flags, __s64 timeout_nsec,
			      __u64 deadline_nsec, __u32 *first)
{
	struct syncobj_wait_args args;
	int ret;

	memset(&args, 0, sizeof(args));
	args.fds = bufsync_syncobj_array(fds);
	args.points = bufsync_syncobj_array(points);
	args.count = count;
	args.flags = flags;
	args.timeout_nsec = timeout_nsec;
	args.deadline_nsec = deadline_nsec;
	ret = bufsync_syncobj_ioctl(dev, SYNCOBJ_IOC_WAIT, &args);
	if (!ret && first)
		*first = args.first_signaled;
	return ret;
}

/**
 * bufsync_syncobj_wait - WAIT
 * @dev:	/dev/syncobj
 * @fds:	what to wait for
 * @points:	or NULL: point 0 of all
 * @count:	how many; 0 returns 0 at once
 * @flags:	SYNCOBJ_WAIT_FLAGS_*, but for _WAIT_DEADLINE
 * @timeout_nsec: when to give up, see bufsync_syncobj_after(); 0 looks once
 * @first:	gets the index of an entry that is met; or NULL
 *
 * Return: 0, or a negative errno: -ETIME when the time is over
 */
static inline int bufsync_syncobj_wait(int dev, const int *fds,
				       const __u64 *points, __u32 count,
				       __u32 flags, __s64 timeout_nsec,
				       __u32 *first)
{
	return bufsync_syncobj_wait_deadline(dev, fds, points, count, flags,
					     timeout_nsec, 0, first);
}

/* What RESET, SIGNAL and QUERY have in common */
static inline int bufsync_syncobj_each(int dev, unsigned long request,
				       const int *fds, const __u64 *points,
				       __u32 count, __u32 flags)
{
	struct syncobj_array_args args;

	memset(&args, 0, sizeof(args));
	args.fds = bufsync_syncobj_array(fds);
	args.points = bufsync_syncobj_array(points);
	args.count = count;
	args.flags = flags;
	return bufsync_syncobj_ioctl(dev, request, &args);
}

/**
 * bufsync_syncobj_reset - RESET: take the fences away
 * @dev:	/dev/syncobj
 * @fds:	of which
 * @count:	how many
 *
 * Return: 0, or a negative errno
 */
static inline int bufsync_syncobj_reset(int dev, const int *fds, __u32 count)
{
	return bufsync_syncobj_each(dev, SYNCOBJ_IOC_RESET, fds, NULL, count,
				    0);
}

/**
 * bufsync_syncobj_signal - SIGNAL: add a signalled point to each
 * @dev:	/dev/syncobj
 * @fds:	to which
 * @points:	or NULL: point 0 to all
 * @count:	how many
 *
 * Return: 0, or a negative errno
 */
static inline int bufsync_syncobj_signal(int dev, const int *fds,
					 const __u64 *points, __u32 count)
{
	return bufsync_syncobj_each(dev, SYNCOBJ_IOC_SIGNAL, fds, points,
				    count, 0);
}

/**
 * bufsync_syncobj_query - QUERY: how far the timelines are
 * @dev:	/dev/syncobj
 * @fds:	which
 * @points:	gets the points
 * @count:	how many
 * @flags:	0, or SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED
 *
 * Return: 0, or a negative errno
 */
static inline int bufsync_syncobj_query(int dev, const int *fds, __u64 *points,
					__u32 count, __u32 flags)
{
	return bufsync_syncobj_each(dev, SYNCOBJ_IOC_QUERY, fds, points, count,
				    flags);
}

/**
 * bufsync_syncobj_transfer - TRANSFER: give a fence to another syncobj
 * @dev:	/dev/syncobj
 * @src_fd:	where the fence is
 * @src_point:	at which point
 * @dst_fd:	where it goes
 * @dst_point:	the point to be added; 0 replaces what is there
 * @flags:	0, or SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT: wait up to 5 seconds for a
 *		fence. A signal begins these anew.
 *
 * Return: 0, or a negative errno: -ETIME when nobody has submitted one
 */
static inline int bufsync_syncobj_transfer(int dev, int src_fd, __u64 src_point,
					   int dst_fd, __u64 dst_point,
					   __u32 flags)
{
	struct syncobj_transfer_args args;

	memset(&args, 0, sizeof(args));
	args.src_fd = src_fd;
	args.dst_fd = dst_fd;
	args.src_point = src_point;
	args.dst_point = dst_point;
	args.flags = flags;
	return bufsync_syncobj_ioctl(dev, SYNCOBJ_IOC_TRANSFER, &args);
}

/**
 * bufsync_syncobj_eventfd - EVENTFD: let a point add 1 to an eventfd
 * @dev:	/dev/syncobj
 * @syncobj_fd:	the syncobj
 * @point:	its point; it need not be there yet
 * @eventfd:	the eventfd
 * @flags:	0: when it has signalled; SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE: when it
 *		has a fence
 *
 * Return: 0, or a negative errno
 */
static inline int bufsync_syncobj_eventfd(int dev, int syncobj_fd, __u64 point,
					  int eventfd, __u32 flags)
{
	struct syncobj_eventfd_args args;

	memset(&args, 0, sizeof(args));
	args.syncobj_fd = syncobj_fd;
	args.eventfd = eventfd;
	args.point = point;
	args.flags = flags;
	return bufsync_syncobj_ioctl(dev, SYNCOBJ_IOC_EVENTFD, &args);
}

/**
 * bufsync_syncobj_export_sync_file - EXPORT_SYNC_FILE
 * @dev:	/dev/syncobj
 * @syncobj_fd:	the syncobj
 * @point:	the point whose fence is wanted; it must be there
 *
 * Return: the sync_file's fd, close-on-exec, or a negative errno
 */
static inline int bufsync_syncobj_export_sync_file(int dev, int syncobj_fd,
						   __u64 point)
{
	struct syncobj_sync_file_args args;
	int ret;

	memset(&args, 0, sizeof(args));
	args.syncobj_fd = syncobj_fd;
	args.point = point;
	ret = bufsync_syncobj_ioctl(dev, SYNCOBJ_IOC_EXPORT_SYNC_FILE, &args);
	return ret ? ret : args.sync_file_fd;
}

/**
 * bufsync_syncobj_import_sync_file - IMPORT_SYNC_FILE
 * @dev:	/dev/syncobj
 * @syncobj_fd:	the syncobj
 * @point:	the point to be added; 0 replaces what is there
 * @sync_file_fd: the sync_file; it stays open
 *
 * Return: 0, or a negative errno
 */
static inline int bufsync_syncobj_import_sync_file(int dev, int syncobj_fd,
						   __u64 point,
						   int sync_file_fd)
{
	struct syncobj_sync_file_args args;

	memset(&args, 0, sizeof(args));
	args.syncobj_fd = syncobj_fd;
	args.sync_file_fd = sync_file_fd;
	args.point = point;
	return bufsync_syncobj_ioctl(dev, SYNCOBJ_IOC_IMPORT_SYNC_FILE, &args);
}

/**
 * bufsync_syncobj_caps - CAPS: what the module can do
 * @dev:	/dev/syncobj
 * @caps:	gets it; what an older module does not know is 0
 *
 * Return: 0, or a negative errno: -ENOTTY if the device has nothing but the ioctls of
 * the series
 */
static inline int bufsync_syncobj_caps(int dev, struct syncobj_caps *caps)
{
	memset(caps, 0, sizeof(*caps));
	caps->size = (__u32)sizeof(*caps);
	return bufsync_syncobj_ioctl(dev, SYNCOBJ_IOC_CAPS, caps);
}

/**
 * bufsync_syncobj_eventfd_batch - EVENTFD_BATCH: all registrations or none
 * @dev:	/dev/syncobj
 * @entries:	as for EVENTFD
 * @count:	how many
 * @index:	gets the entry that is to blame for an error, if one is; or NULL
 *
 * Return: 0, or a negative errno
 */
static inline int
bufsync_syncobj_eventfd_batch(int dev,
			      const struct syncobj_eventfd_args *entries,
			      __u32 count, __u32 *index)
{
	struct syncobj_eventfd_batch_args args;
	int ret;

	memset(&args, 0, sizeof(args));
	args.size = (__u32)sizeof(args);
	args.entries = bufsync_syncobj_array(entries);
	args.count = count;
	ret = bufsync_syncobj_ioctl(dev, SYNCOBJ_IOC_EVENTFD_BATCH, &args);
	if (ret && index)
		*index = args.out_index;
	return ret;
}

/**
 * bufsync_syncobj_eventfd_cancel - EVENTFD_CANCEL
 * @dev:	/dev/syncobj
 * @syncobj_fd:	the registrations' syncobj
 * @point:	their point; 0 with SYNCOBJ_CANCEL_FLAGS_ANY_POINT
 * @eventfd:	their eventfd
 * @flags:	0, or SYNCOBJ_CANCEL_FLAGS_ANY_POINT
 * @cancelled:	gets how many there were; or NULL
 *
 * What of them has fired before may still be in the eventfd's counter.
 *
 * Return: 0, or a negative errno: -ENOENT if there is none, also because it has fired
 */
static inline int bufsync_syncobj_eventfd_cancel(int dev, int syncobj_fd,
						 __u64 point, int eventfd,
						 __u32 flags, __u32 *cancelled)
{
	struct syncobj_eventfd_cancel_args args;
	int ret;

	memset(&args, 0, sizeof(args));
	args.size = (__u32)sizeof(args);
	args.flags = flags;
	args.syncobj_fd = syncobj_fd;
	args.eventfd = eventfd;
	args.point = point;
	ret = bufsync_syncobj_ioctl(dev, SYNCOBJ_IOC_EVENTFD_CANCEL, &args);
	if (!ret && cancelled)
		*cancelled = args.out_cancelled;
	return ret;
}

/**
 * bufsync_syncobj_status - STATUS: what has become of each point
 * @dev:	/dev/syncobj
 * @fds:	of which
 * @points:	or NULL: point 0 of all
 * @status:	gets SYNCOBJ_STATUS_*, or below 0 the error that a point signalled with
 * @count:	how many
 *
 * Return: 0, or a negative errno
 */
static inline int bufsync_syncobj_status(int dev, const int *fds,
					 const __u64 *points, __s32 *status,
					 __u32 count)
{
	struct syncobj_status_args args;

	memset(&args, 0, sizeof(args));
	args.size = (__u32)sizeof(args);
	args.fds = bufsync_syncobj_array(fds);
	args.points = bufsync_syncobj_array(points);
	args.out_status = bufsync_syncobj_array(status);
	args.count = count;
	return bufsync_syncobj_ioctl(dev, SYNCOBJ_IOC_STATUS, &args);
}

#endif /* _BUFSYNC_SYNCOBJ_H */
