/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/dma_heap/memcg: a dma-heap that charges a memory cgroup of the caller's
 * choice.
 *
 * DMA_HEAP_IOCTL_ALLOC of <linux/dma-heap.h> works here as on any dma-heap,
 * and charges the buffer to the caller's memory cgroup. With the longer struct
 * below, which is that of the series "dma-buf: heaps: charge to a client's
 * cgroup" of May 2026, it charges somebody else's. Numbers from 0x40 on are
 * additions; DMA_HEAP_MEMCG_IOC_CAPS tells which of them a running module has.
 *
 * An open file of the device holds no state but the credentials of its opener.
 *
 * Who is charged
 * --------------
 *
 * All fields called charge_fd take the same:
 *
 *   0 or -1                the caller
 *   -10000, -10001         the caller (PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP)
 *   a pidfd                the process or thread that it stands for
 *   a cgroup2 directory    that cgroup; it needs no process. O_PATH will do.
 *   a grant                the cgroup that the grant was made for; ALLOC and
 *                          TRANSFER only, and QUERY
 *
 * What is charged is the nearest cgroup from there upwards that has the memory
 * controller, and all cgroups above it. It is found once, at the beginning of
 * a call. A process that moves to another cgroup takes no charge with it. If
 * the cgroup is removed the charge goes to its parent.
 *
 * Who may charge whom
 * -------------------
 *
 * Denied with EPERM unless one of these holds:
 *
 *   1. it is the caller's own cgroup
 *   2. it is below the caller's own cgroup
 *   3. it is named by a grant
 *   4. it is named by a cgroup directory that the caller may write to, through
 *      that mount; and so may who opened the device
 *   5. it is named by a pidfd whose process the caller may send a signal to, as
 *      pidfd_send_signal() would; if that takes CAP_KILL, who opened the device
 *      must have it, too. Security modules are asked about signal 0.
 *   6. the caller has CAP_SYS_RESOURCE in the user namespace of the process
 *      (cgroup directory: in the initial one), and so has who opened the device
 *
 * The module parameter remote_policy is off (1), strict (1 to 4) or signal (all).
 * If a security module is what refuses 5, 6 is not tried, and its errno is
 * returned. The root cgroup, which nothing is counted in, takes 1, 3 or 6. A process
 * that moves, or changes its credentials, while 5 and 6 are tried is EPERM.
 *
 * Limits
 * ------
 *
 * memory.max of the cgroup and of those above it holds. A call that would
 * exceed it gets ENOMEM, and nobody is killed. Pages are kernel memory: they
 * are not swapped and not reclaimed.
 *
 * memory.high of another cgroup than the caller's own is what the module
 * parameter high_policy says: throttle (sleep up to two seconds, then go on),
 * fail (EAGAIN) or ignore. The caller itself is throttled by the kernel.
 *
 * Errors that hold for all ioctls
 * -------------------------------
 *
 *   EBADF       charge_fd is not open, or none of the above
 *   ESRCH       the process of the pidfd is gone
 *   EINVAL      the process of the pidfd is a kernel thread; unknown flag;
 *               nonzero padding; a struct that is shorter than its first
 *               version
 *   EPERM       see above; a security module may choose another errno
 *   EOPNOTSUPP  charge_fd names a cgroup, and the kernel does not account
 *               kernel memory (cgroup.memory=nokmem, cgroup_disable=memory),
 *               or has the memory controller in cgroup v1. There GRANT and
 *               QUERY are so for the caller as well, and with v1 TRANSFER is.
 *   ENODEV      the grant was revoked; the cgroup was removed
 *   ETIME       the grant has expired
 *   EDQUOT      the grant's budget is spent
 *   EFAULT      the arguments cannot be read or written
 *   ENOTTY      unknown ioctl
 *   E2BIG       bytes beyond the known end of an argument that carries its
 *               size (numbers from 0x40 on) are not zero, or the size is above
 *               a page
 *
 * and those named at each ioctl. A call that failed has charged nothing, and
 * returned no fd.
 */
#ifndef _UAPI_LINUX_DMA_HEAP_MEMCG_H
#define _UAPI_LINUX_DMA_HEAP_MEMCG_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct dma_heap_memcg_allocation_data - DMA_HEAP_MEMCG_IOCTL_ALLOC
 * @len:	bytes, rounded up to whole pages
 * @fd:		0, else EINVAL; out: the dma-buf
 * @fd_flags:	O_CLOEXEC and one of O_RDONLY, O_WRONLY, O_RDWR
 * @heap_flags:	0
 * @charge_fd:	see above; "charge_pid_fd" in the series
 * @__padding:	0
 *
 * The first 24 bytes are struct dma_heap_allocation_data. The command is told
 * by its type, number and direction; the size in it is the caller's. Fields that a
 * shorter struct lacks are 0; it must reach to the end of @fd. What a longer
 * one has behind @__padding is ignored, as all dma-heaps do.
 *
 * A heap without this module takes the long struct as well and charges nobody.
 * To find out, ask CAPS, or pass a @charge_fd that cannot be right.
 *
 * The pages are zeroed. The buffer's name, as fdinfo shows it, is "cg:" and
 * the charged cgroup's number until somebody sets another.
 *
 * Errors: EINVAL for @len 0 or one that overflows, and for wrong flags; ENOMEM
 * for a limit, for more than half of the machine's memory, and for lack of
 * memory; EAGAIN for memory.high; EINTR on a signal that kills; EMFILE, ENFILE.
 */
struct dma_heap_memcg_allocation_data {
	__aligned_u64 len;
	__u32 fd;
	__u32 fd_flags;
	__aligned_u64 heap_flags;
	__u32 charge_fd;
	__u32 __padding;
};

#define DMA_HEAP_MEMCG_IOCTL_ALLOC \
	_IOWR('H', 0x0, struct dma_heap_memcg_allocation_data)

/* struct dma_heap_memcg_caps.out_features */
#define DMA_HEAP_MEMCG_FEATURE_PIDFD		(1ULL << 0)
#define DMA_HEAP_MEMCG_FEATURE_CGROUP_FD	(1ULL << 1)
#define DMA_HEAP_MEMCG_FEATURE_GRANT		(1ULL << 2)
#define DMA_HEAP_MEMCG_FEATURE_QUERY		(1ULL << 3)
#define DMA_HEAP_MEMCG_FEATURE_TRANSFER		(1ULL << 4)
/* The kernel can map huge pages of a buffer at one fault (6.12 and newer). */
#define DMA_HEAP_MEMCG_FEATURE_HUGE_FAULT	(1ULL << 5)

/* struct dma_heap_memcg_caps.out_remote_policy */
#define DMA_HEAP_MEMCG_REMOTE_OFF		0
#define DMA_HEAP_MEMCG_REMOTE_STRICT		1
#define DMA_HEAP_MEMCG_REMOTE_SIGNAL		2

/* struct dma_heap_memcg_caps.out_high_policy */
#define DMA_HEAP_MEMCG_HIGH_IGNORE		0
#define DMA_HEAP_MEMCG_HIGH_FAIL		1
#define DMA_HEAP_MEMCG_HIGH_THROTTLE		2

#define DMA_HEAP_MEMCG_VERSION			1

/**
 * struct dma_heap_memcg_caps - DMA_HEAP_MEMCG_IOC_CAPS
 * @size:	in: sizeof(struct dma_heap_memcg_caps). Out: the size that the
 *		module knows; at most the given number of bytes is written.
 * @out_version: DMA_HEAP_MEMCG_VERSION
 * @out_features: DMA_HEAP_MEMCG_FEATURE_*
 * @out_max_len: the longest buffer, in bytes; limits may be lower
 * @out_remote_policy: DMA_HEAP_MEMCG_REMOTE_*, at this moment
 * @out_high_policy: DMA_HEAP_MEMCG_HIGH_*, at this moment
 * @out_orders:	bit n: buffers are made of blocks of 2^n pages
 * @out_reserved: 0
 */
struct dma_heap_memcg_caps {
	__u32 size;
	__u32 out_version;
	__aligned_u64 out_features;
	__aligned_u64 out_max_len;
	__u32 out_remote_policy;
	__u32 out_high_policy;
	__u32 out_orders;
	__u32 out_reserved;
};

/**
 * struct dma_heap_memcg_grant_args - DMA_HEAP_MEMCG_IOC_GRANT
 * @size:	sizeof(struct dma_heap_memcg_grant_args)
 * @flags:	0
 * @charge_fd:	whose cgroup the grant is for; not a grant. The rules are those
 *		for charging it.
 * @out_fd:	the grant, close-on-exec
 * @budget:	bytes that may be charged by it at a time; not 0
 * @expires_nsec: absolute, CLOCK_MONOTONIC of the initial time namespace;
 *		INT64_MAX: never
 *
 * A grant is a permission to charge that can be passed over a socket. Whoever
 * has its fd charges the cgroup by naming it in charge_fd, without any other
 * privilege. A buffer that is freed or transferred away gives its bytes back.
 *
 * It ends when the process that made it closes its fd, or any duplicate of it
 * in that process, also by exec or exit. Copies that others hold get ENODEV
 * then. What was charged before stays charged.
 *
 * A process that moves to another cgroup afterwards does not take the grant
 * with it. fdinfo of the grant shows cgroup, budget, used bytes and expiry.
 *
 * Errors: EINVAL for @budget 0, for a negative @expires_nsec, for a @charge_fd
 * that is a grant, also one that has ended; EMFILE, ENFILE, ENOMEM.
 */
struct dma_heap_memcg_grant_args {
	__u32 size;
	__u32 flags;
	__u32 charge_fd;
	__u32 out_fd;
	__aligned_u64 budget;
	__s64 expires_nsec;
};

/* struct dma_heap_memcg_query_args.out_flags */
/* The root cgroup: the kernel neither counts nor limits what it is charged. */
#define DMA_HEAP_MEMCG_QUERY_UNLIMITED		(1 << 0)

/**
 * struct dma_heap_memcg_query_args - DMA_HEAP_MEMCG_IOC_QUERY
 * @size:	in: sizeof(struct dma_heap_memcg_query_args). Out: the size that
 *		the module knows; at most the given number of bytes is written.
 * @flags:	0
 * @charge_fd:	whose cgroup. Everybody who has the fd may ask.
 * @out_flags:	DMA_HEAP_MEMCG_QUERY_*
 * @out_cgroup:	number of the cgroup that is charged: its directory's inode
 * @out_limit:	bytes, the lowest memory.max from there to the root;
 *		UINT64_MAX if there is none
 * @out_local_bytes: charged to this cgroup itself
 * @out_local_buffers: as many buffers
 * @out_bytes:	charged to this cgroup or one below it, removed ones included:
 *		what the line "kernel" of memory.stat has grown by, bookkeeping
 *		aside
 * @out_buffers: as many buffers
 * @out_peak:	the highest value of @out_bytes
 * @out_charges: calls that charged this cgroup or one below it
 * @out_denials: calls that were refused for lack of permission
 * @out_failures: calls that failed for a limit or lack of memory
 * @out_throttled: calls that memory.high delayed or refused
 *
 * Counts begin with the first call that names the cgroup. All but the two
 * local ones are also those of the cgroups below.
 *
 * Errors: ENOMEM.
 */
struct dma_heap_memcg_query_args {
	__u32 size;
	__u32 flags;
	__u32 charge_fd;
	__u32 out_flags;
	__aligned_u64 out_cgroup;
	__aligned_u64 out_limit;
	__aligned_u64 out_local_bytes;
	__aligned_u64 out_local_buffers;
	__aligned_u64 out_bytes;
	__aligned_u64 out_buffers;
	__aligned_u64 out_peak;
	__aligned_u64 out_charges;
	__aligned_u64 out_denials;
	__aligned_u64 out_failures;
	__aligned_u64 out_throttled;
};

/**
 * struct dma_heap_memcg_transfer_args - DMA_HEAP_MEMCG_IOC_TRANSFER
 * @size:	sizeof(struct dma_heap_memcg_transfer_args)
 * @flags:	0
 * @dmabuf_fd:	a buffer of this heap; any fd of it will do
 * @charge_fd:	who is charged for it from now on
 *
 * Mappings stay, and so do the contents: the buffer gets new pages and the
 * old ones are freed. For the time of the copy both cgroups are charged.
 * Writers wait meanwhile. If @charge_fd names the cgroup that is charged
 * already, nothing happens but that the grant changes, to the one named or to
 * none.
 *
 * Errors: EBADF also for a @dmabuf_fd that is not open; EINVAL for one that is
 * no buffer of this heap; EBUSY while a device is attached to it, or the kernel
 * has mapped it; ENOMEM, EAGAIN, EINTR as for ALLOC. Nothing has changed then.
 */
struct dma_heap_memcg_transfer_args {
	__u32 size;
	__u32 flags;
	__u32 dmabuf_fd;
	__u32 charge_fd;
};

#define DMA_HEAP_MEMCG_IOC_CAPS		_IO('H', 0x40)
#define DMA_HEAP_MEMCG_IOC_GRANT	_IO('H', 0x41)
#define DMA_HEAP_MEMCG_IOC_QUERY	_IO('H', 0x42)
#define DMA_HEAP_MEMCG_IOC_TRANSFER	_IO('H', 0x43)

#endif /* _UAPI_LINUX_DMA_HEAP_MEMCG_H */
