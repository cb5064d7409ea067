/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/syncobj: DRM synchronisation objects by file descriptor.
 *
 * A syncobj is a container for a fence (binary use) or for a line of fences
 * with growing 64-bit numbers, its points (timeline use). The objects behind
 * this device are the ones of the DRM drivers: an fd made here is imported by
 * DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, and an fd made by
 * DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD works here.
 *
 * Numbers 0x00 to 0x0f and their structs are those of the series
 * "misc/syncobj: add /dev/syncobj" of May 2026. Numbers from 0x80 on are
 * additions; SYNCOBJ_IOC_CAPS tells which of them a running module has.
 *
 * Every open file of the device serves every syncobj: it holds no state.
 *
 * Rules that hold for all ioctls
 * ------------------------------
 *
 * Checks come in this order: copy of the arguments, flags and padding, a
 * count of zero, the fds, the points. All fds are looked up before anything
 * changes, so a call that fails on one of them has changed nothing.
 *
 * A point that is not on the timeline yet stands for the next one that will
 * be: point 4 of a timeline with the points 3 and 5 is met by 5. Point 0 is
 * met by any fence, and is what a binary syncobj uses.
 *
 * Errors:
 *
 *   EBADF      an fd is not open, or not a syncobj
 *   EFAULT     the arguments, or an array that they name, cannot be read or
 *              written
 *   EINVAL     unknown flag, nonzero padding, count 0 where it is refused,
 *              count above SYNCOBJ_MAX_COUNT, a point without a fence where
 *              the call may not wait for one
 *   ENOMEM     memory, the caller's memory cgroup included
 *   EMFILE,
 *   ENFILE     no fd, or no file, left for the one to be returned
 *   ENOTTY     unknown ioctl number
 *   E2BIG      bytes beyond the known end of an argument that carries its
 *              size (numbers from 0x80 on) are not zero, or the
 *              size is above a page
 *
 * and those named at each ioctl. A return value above zero never occurs.
 */
#ifndef _UAPI_LINUX_SYNCOBJ_H
#define _UAPI_LINUX_SYNCOBJ_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * SYNCOBJ_MAX_COUNT - the most syncobjs that one call takes
 *
 * The series sets no limit and fails where its one allocation does. A call
 * with more gets EINVAL here.
 */
#define SYNCOBJ_MAX_COUNT			65536

/* struct syncobj_create_args.flags */
#define SYNCOBJ_CREATE_SIGNALED			(1 << 0)

/**
 * struct syncobj_create_args - SYNCOBJ_IOC_CREATE
 * @fd:		out: the new syncobj's fd, close-on-exec. It becomes visible
 *		to the process only once this field has been written.
 * @flags:	SYNCOBJ_CREATE_SIGNALED: begin with a signalled fence instead
 *		of none.
 */
struct syncobj_create_args {
	__s32 fd;
	__u32 flags;
};

/* struct syncobj_wait_args.flags */
#define SYNCOBJ_WAIT_FLAGS_WAIT_ALL		(1 << 0)
#define SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT	(1 << 1)
#define SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE	(1 << 2)
#define SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE	(1 << 3)

/**
 * struct syncobj_wait_args - SYNCOBJ_IOC_WAIT
 * @fds:	pointer to @count syncobj fds (__s32)
 * @points:	pointer to @count points (__u64), or 0: point 0 for all
 * @timeout_nsec: absolute, CLOCK_MONOTONIC. Past, zero or negative: look
 *		once. INT64_MAX: for ever.
 * @count:	entries in both arrays; 0 returns 0 at once
 * @flags:	SYNCOBJ_WAIT_FLAGS_*
 * @first_signaled: out, on success only: index of an entry that is met;
 *		without WAIT_ALL the lowest one that was when the call looked
 * @pad:	0
 * @deadline_nsec: absolute, CLOCK_MONOTONIC; with WAIT_DEADLINE a hint to
 *		the drivers of the fences that are there at entry. Ignored
 *		without the flag, and by kernels before 6.4.
 *
 * Waits until one entry (WAIT_ALL: each) is met. An entry is met when its
 * fence has signalled, with WAIT_AVAILABLE when its fence is there.
 *
 * An entry that has no fence yet is waited for with WAIT_FOR_SUBMIT or
 * WAIT_AVAILABLE; without both it is EINVAL, for all entries before anything
 * else, even if another entry is met or the timeout is 0.
 *
 * The fence that the call has found for an entry stays the one that it waits
 * for: resetting or replacing it later changes nothing. A reset while there
 * is no fence leaves the call waiting.
 *
 * Errors: ETIME when the time is over, never before; EINTR on a signal whose
 * handler was installed without SA_RESTART. With SA_RESTART the call goes on
 * towards the same point in time.
 */
struct syncobj_wait_args {
	__u64 fds;
	__u64 points;
	__s64 timeout_nsec;
	__u32 count;
	__u32 flags;
	__u32 first_signaled;
	__u32 pad;
	__u64 deadline_nsec;
};

/* struct syncobj_array_args.flags, SYNCOBJ_IOC_QUERY */
#define SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED	(1 << 0)

/**
 * struct syncobj_array_args - SYNCOBJ_IOC_RESET, _SIGNAL and _QUERY
 * @fds:	pointer to @count syncobj fds (__s32)
 * @points:	pointer to @count points (__u64); see below
 * @count:	entries in the arrays; 0 is EINVAL
 * @flags:	RESET, SIGNAL: 0. QUERY: SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED
 *
 * RESET takes the fence away; @points must be 0. Whoever waits goes on
 * waiting.
 *
 * SIGNAL adds a signalled point to each timeline; @points 0 adds point 0 to
 * all. Also point 0 is added behind the fence that is there, and signals
 * after it. To replace the fence by a signalled one, as
 * DRM_IOCTL_SYNCOBJ_SIGNAL does, transfer from a syncobj made with
 * SYNCOBJ_CREATE_SIGNALED to dst_point 0. A point that is not above the last
 * one is accepted, with the results that DRM gives.
 *
 * QUERY writes to @points the highest point up to which everything has
 * signalled; 0 for a syncobj that is binary or has no fence. With
 * LAST_SUBMITTED: the last point added.
 */
struct syncobj_array_args {
	__u64 fds;
	__u64 points;
	__u32 count;
	__u32 flags;
};

/**
 * struct syncobj_transfer_args - SYNCOBJ_IOC_TRANSFER
 * @src_fd:	syncobj to take the fence from; looked up first
 * @dst_fd:	syncobj to give it to; may be the same
 * @src_point:	point of the source
 * @dst_point:	point to add to the destination; 0 replaces its fence
 * @flags:	0, or SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT
 * @pad:	0
 *
 * Errors: EINVAL if the source point has no fence; with WAIT_FOR_SUBMIT the
 * call waits up to 5 seconds for one, then ETIME, or EINTR on a signal.
 * A restart after a signal begins those 5 seconds anew.
 */
struct syncobj_transfer_args {
	__s32 src_fd;
	__s32 dst_fd;
	__u64 src_point;
	__u64 dst_point;
	__u32 flags;
	__u32 pad;
};

/**
 * struct syncobj_eventfd_args - SYNCOBJ_IOC_EVENTFD
 * @syncobj_fd:	syncobj to watch; looked up first
 * @eventfd:	eventfd whose counter gets 1 added
 * @point:	point to watch; it need not have a fence yet
 * @flags:	0: when the point has signalled.
 *		SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE: when it has a fence.
 * @pad:	0
 *
 * Adds 1 to the eventfd once, at once if the condition is met. The fence that
 * the registration has found stays the one that it waits for, as in
 * SYNCOBJ_IOC_WAIT. Registering the same again adds 1 again.
 *
 * The registration outlives the file of /dev/syncobj that made it, and the
 * process. It ends when it fires, when it is cancelled, when the last copy
 * of the eventfd is closed, or, as long as the point has no fence, when nobody
 * holds the syncobj any more; the last is noticed within a few seconds.
 *
 * Errors: EBADF if the syncobj fd is bad, or the eventfd is not open;
 * EINVAL if the latter is something else.
 */
struct syncobj_eventfd_args {
	__s32 syncobj_fd;
	__s32 eventfd;
	__u64 point;
	__u32 flags;
	__u32 pad;
};

/**
 * struct syncobj_sync_file_args - SYNCOBJ_IOC_EXPORT_ and _IMPORT_SYNC_FILE
 * @syncobj_fd:	syncobj to read or change
 * @sync_file_fd: EXPORT: out: a new sync_file, close-on-exec.
 *		IMPORT: in: the sync_file to take the fence from
 * @point:	EXPORT: the point whose fence is wanted.
 *		IMPORT: the point to add; 0 replaces the fence
 *
 * Errors: EINVAL for a point that has no fence (EXPORT never waits) and for
 * an fd that is not a sync_file.
 */
struct syncobj_sync_file_args {
	__s32 syncobj_fd;
	__s32 sync_file_fd;
	__u64 point;
};

#define SYNCOBJ_IOC_CREATE		_IOWR(0xCD, 0x00, struct syncobj_create_args)
#define SYNCOBJ_IOC_WAIT		_IOWR(0xCD, 0x01, struct syncobj_wait_args)
#define SYNCOBJ_IOC_RESET		_IOW(0xCD, 0x02, struct syncobj_array_args)
#define SYNCOBJ_IOC_SIGNAL		_IOW(0xCD, 0x03, struct syncobj_array_args)
#define SYNCOBJ_IOC_QUERY		_IOW(0xCD, 0x04, struct syncobj_array_args)
#define SYNCOBJ_IOC_TRANSFER		_IOW(0xCD, 0x05, struct syncobj_transfer_args)
#define SYNCOBJ_IOC_EVENTFD		_IOW(0xCD, 0x06, struct syncobj_eventfd_args)
#define SYNCOBJ_IOC_EXPORT_SYNC_FILE	_IOWR(0xCD, 0x07, struct syncobj_sync_file_args)
#define SYNCOBJ_IOC_IMPORT_SYNC_FILE	_IOW(0xCD, 0x08, struct syncobj_sync_file_args)

/*
 * Additions. Each struct begins with its size as the caller knows it, so that
 * it can grow under the same number. A size below the struct's first version
 * is EINVAL; fields beyond what the module knows must be zero (E2BIG); fields
 * that an old caller does not send count as zero. Fields named out_ are
 * ignored on input.
 */

/* struct syncobj_caps.out_features */
#define SYNCOBJ_FEATURE_EVENTFD_BATCH		(1ULL << 0)
#define SYNCOBJ_FEATURE_EVENTFD_CANCEL		(1ULL << 1)
#define SYNCOBJ_FEATURE_STATUS			(1ULL << 2)
/* WAIT_DEADLINE reaches the drivers on this kernel */
#define SYNCOBJ_FEATURE_DEADLINE		(1ULL << 3)

/* struct syncobj_caps.out_version */
#define SYNCOBJ_VERSION				1

/**
 * struct syncobj_caps - SYNCOBJ_IOC_CAPS
 * @size:	in: sizeof(struct syncobj_caps). Out: the size that the module
 *		knows; at most the given number of bytes is written.
 * @out_version: SYNCOBJ_VERSION
 * @out_features: SYNCOBJ_FEATURE_*
 * @out_create_flags: flags that SYNCOBJ_IOC_CREATE accepts
 * @out_wait_flags: flags that SYNCOBJ_IOC_WAIT accepts
 * @out_query_flags: flags that SYNCOBJ_IOC_QUERY accepts
 * @out_transfer_flags: flags that SYNCOBJ_IOC_TRANSFER accepts
 * @out_eventfd_flags: flags that SYNCOBJ_IOC_EVENTFD and the entries of
 *		SYNCOBJ_IOC_EVENTFD_BATCH accept
 * @out_cancel_flags: flags that SYNCOBJ_IOC_EVENTFD_CANCEL accepts
 * @out_max_count: SYNCOBJ_MAX_COUNT
 * @out_reserved: 0
 */
struct syncobj_caps {
	__u32 size;
	__u32 out_version;
	__aligned_u64 out_features;
	__u32 out_create_flags;
	__u32 out_wait_flags;
	__u32 out_query_flags;
	__u32 out_transfer_flags;
	__u32 out_eventfd_flags;
	__u32 out_cancel_flags;
	__u32 out_max_count;
	__u32 out_reserved;
};

/**
 * struct syncobj_eventfd_batch_args - SYNCOBJ_IOC_EVENTFD_BATCH
 * @size:	sizeof(struct syncobj_eventfd_batch_args)
 * @flags:	0
 * @entries:	pointer to @count struct syncobj_eventfd_args
 * @count:	entries; 0 is EINVAL
 * @out_index:	on an error that one entry caused: its index
 *
 * Registers all entries, or, on any error, none.
 */
struct syncobj_eventfd_batch_args {
	__u32 size;
	__u32 flags;
	__aligned_u64 entries;
	__u32 count;
	__u32 out_index;
};

/* struct syncobj_eventfd_cancel_args.flags */
#define SYNCOBJ_CANCEL_FLAGS_ANY_POINT		(1 << 0)

/**
 * struct syncobj_eventfd_cancel_args - SYNCOBJ_IOC_EVENTFD_CANCEL
 * @size:	sizeof(struct syncobj_eventfd_cancel_args)
 * @flags:	SYNCOBJ_CANCEL_FLAGS_ANY_POINT: any point; @point must be 0
 * @syncobj_fd:	the registration's syncobj
 * @eventfd:	the registration's eventfd. It must be named: holding it is
 *		what entitles a process to cancel.
 * @point:	the registration's point
 * @out_cancelled: how many registrations have been cancelled
 * @pad:	0
 *
 * Ends every pending registration of this syncobj, eventfd and point,
 * whoever made it. When the call has returned none of them will fire any
 * more.
 *
 * Errors: ENOENT if there is none, also because it has fired; the fds as in
 * SYNCOBJ_IOC_EVENTFD.
 */
struct syncobj_eventfd_cancel_args {
	__u32 size;
	__u32 flags;
	__s32 syncobj_fd;
	__s32 eventfd;
	__aligned_u64 point;
	__u32 out_cancelled;
	__u32 pad;
};

/* entries of struct syncobj_status_args.out_status; an error is below 0 */
#define SYNCOBJ_STATUS_UNSUBMITTED		0
#define SYNCOBJ_STATUS_PENDING			1
#define SYNCOBJ_STATUS_SIGNALED			2

/**
 * struct syncobj_status_args - SYNCOBJ_IOC_STATUS
 * @size:	sizeof(struct syncobj_status_args)
 * @flags:	0
 * @fds:	pointer to @count syncobj fds (__s32)
 * @points:	pointer to @count points (__u64), or 0: point 0 for all
 * @out_status:	pointer to @count results (__s32): SYNCOBJ_STATUS_*, or the
 *		negative error number with which the point's fence signalled
 * @count:	entries in the arrays; 0 is EINVAL
 * @pad:	0
 *
 * The error is that of the point's own fence. A point that the kernel has
 * already folded into a later one has none any more and counts as signalled.
 */
struct syncobj_status_args {
	__u32 size;
	__u32 flags;
	__aligned_u64 fds;
	__aligned_u64 points;
	__aligned_u64 out_status;
	__u32 count;
	__u32 pad;
};

#define SYNCOBJ_IOC_CAPS		_IO(0xCD, 0x80)
#define SYNCOBJ_IOC_EVENTFD_BATCH	_IO(0xCD, 0x81)
#define SYNCOBJ_IOC_EVENTFD_CANCEL	_IO(0xCD, 0x82)
#define SYNCOBJ_IOC_STATUS		_IO(0xCD, 0x83)

#endif /* _UAPI_LINUX_SYNCOBJ_H */
