/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Who is at the other end of a socket, as a pidfd: for a service that lets its
 * clients pay, what charge_fd of dma_heap_memcg takes.
 *
 * The kernel remembers of a connected AF_UNIX socket (SOCK_STREAM, SOCK_SEQPACKET) one
 * process: for the one who accepted, that which has called connect(); for the one who
 * connected, that which has called listen(); of a socketpair() the one who made it,
 * which is often the caller itself. A process that was given the socket later is not
 * it, nor is a child. SO_PEERPIDFD of Linux 6.5 gives a pidfd of that process, and of
 * no other.
 *
 * Before 6.5 there is but its number, by SO_PEERCRED. When the process has ended and was
 * waited for, the number can be that of a new process. So the number is opened, and then
 * two things are looked at, while the pidfd tells that its process lives:
 *
 * - The connection still stands. A process that ends closes its end before its number
 *   can be another's, unless it has given the socket to somebody.
 * - The user by whom the connection was made is one of the process's (real, effective,
 *   saved). Nobody can pass off another user's process as his own.
 *
 * What remains on such kernels:
 *
 * - A client can hand its end to another process, end, and have its number taken by a
 *   process of the same user, all that before the pidfd is made. That process pays
 *   then, or its cgroup, which may be another one. It helps to ask right after accept().
 *   To be sure, set SO_PASSCRED and send the client a random number; believe the pidfd
 *   only if a message brings that back with the same process in SCM_CREDENTIALS, and
 *   the pidfd's process is alive after it: then the message was sent by it.
 * - Some get -ESRCH who would be served since 6.5: a process that has shut the
 *   connection down, or has wholly given up the user by whom it was made.
 * - /proc must be that of this pid namespace, and show the process (hidepid).
 *
 * For C and C++, wants _GNU_SOURCE. May be used by threads.
 */
#ifndef _BUFSYNC_PEER_H
#define _BUFSYNC_PEER_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD	77
#endif

/* Is one of these events there? 0 or 1, or a negative errno. */
static inline int bufsync_peer_poll(int fd, short events)
{
	struct pollfd pfd;
	int ret;

	pfd.fd = fd;
	pfd.events = events;
	pfd.revents = 0;
	do {
		ret = poll(&pfd, 1, 0);
	} while (ret < 0 && (errno == EINTR || errno == EAGAIN));
	if (ret < 0)
		return -errno;
	return (pfd.revents & (events | POLLHUP)) != 0;
}

/* Is @uid one of the process's? 0 or 1, or a negative errno. */
static inline int bufsync_peer_has_uid(pid_t pid, uid_t uid)
{
	unsigned int real, effective, saved;
	char path[32], status[1024], *at;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, status, sizeof(status) - 1);
	if (len < 0)
		len = -errno;
	close(fd);
	if (len < 0)
		return (int)len;
	status[len] = '\0';
	at = strstr(status, "\nUid:");
	if (!at || sscanf(at, "\nUid: %u %u %u", &real, &effective, &saved) != 3)
		return -EIO;
	return uid == real || uid == effective || uid == saved;
}

/**
 * bufsync_peer_pidfd_by_cred - what bufsync_peer_pidfd() does before Linux 6.5
 * @sock:	a connected AF_UNIX socket
 *
 * Return: the pidfd, close-on-exec, or a negative errno: as bufsync_peer_pidfd()
 */
static inline int bufsync_peer_pidfd_by_cred(int sock)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);
	int pidfd, ret;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &size))
		return -errno;
	/* Nobody; or somebody in a pid namespace that is not below this one. */
	if (!cred.pid)
		return cred.uid == (uid_t)-1 ? -ENODATA : -ESRCH;
	pidfd = (int)syscall(SYS_pidfd_open, cred.pid, 0);
	if (pidfd < 0)
		return -errno;
	ret = bufsync_peer_has_uid(cred.pid, cred.uid);
	if (ret == 1) {
		ret = bufsync_peer_poll(sock, POLLHUP);
		if (ret >= 0)
			ret = !ret;
	}
	/*
	 * Last: as long as this process lives its number is nobody else's, so
	 * that what has been read was about it.
	 */
	if (bufsync_peer_poll(pidfd, POLLIN))
		ret = -ESRCH;
	if (ret == 1)
		return pidfd;
	close(pidfd);
	return ret ? ret : -ESRCH;
}

/**
 * bufsync_peer_pidfd - a pidfd of the process at the other end of a socket
 * @sock:	a connected AF_UNIX socket, SOCK_STREAM or SOCK_SEQPACKET
 *
 * Return: the pidfd, close-on-exec, to be closed by the caller; or a negative errno:
 *   -EBADF,
 *   -ENOTSOCK	@sock is none
 *   -ENODATA	the socket is not connected, or not of AF_UNIX
 *   -ESRCH	the process is gone; before 6.5 also: it cannot be told to be the one
 *   -EACCES,
 *   -ENOENT	before 6.5: /proc does not show it
 *   -EMFILE,
 *   -ENFILE,
 *   -ENOMEM
 */
static inline int bufsync_peer_pidfd(int sock)
{
	int pidfd = -1;
	socklen_t size = sizeof(pidfd);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size)) {
		if (errno == ENOPROTOOPT)
			return bufsync_peer_pidfd_by_cred(sock);
		/* Kernels differ in how they say that it is gone. */
		return errno == EINVAL ? -ESRCH : -errno;
	}
	/* Some give a pidfd of one that is gone. */
	if (!bufsync_peer_poll(pidfd, POLLIN))
		return pidfd;
	close(pidfd);
	return -ESRCH;
}

#endif /* _BUFSYNC_PEER_H */
