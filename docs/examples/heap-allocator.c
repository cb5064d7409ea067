// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * An allocator whose clients pay: cc -I include/user -I include/uapi heap-allocator.c
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <bufsync/peer.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap-memcg.h>

#define NODE		"/dev/dma_heap/memcg"
#define SIZE		(4 << 20)

static int dev;

/* Sends or receives a number, and an fd if that is not -1. */
static int pass(int sock, int send, __u64 *number, int *fd)
{
	union { struct cmsghdr hdr; char room[CMSG_SPACE(sizeof(*fd))]; } c = {
		.hdr = { CMSG_LEN(sizeof(*fd)), SOL_SOCKET, SCM_RIGHTS },
	};
	struct iovec iov = { number, sizeof(*number) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &c,
			      .msg_controllen = CMSG_LEN(sizeof(*fd)) };

	if (send) {
		memcpy(CMSG_DATA(&c.hdr), fd, sizeof(*fd));
		if (*fd < 0)
			msg.msg_controllen = 0;
		return sendmsg(sock, &msg, MSG_NOSIGNAL) == sizeof(*number);
	}
	*fd = -1;
	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != sizeof(*number))
		return 0;
	if (CMSG_FIRSTHDR(&msg))
		memcpy(fd, CMSG_DATA(&c.hdr), sizeof(*fd));
	return 1;
}

/* Returns the grant, or -errno. charge_fd 0 is the caller. */
static int make_grant(int charge_fd, __u64 budget)
{
	struct dma_heap_memcg_grant_args args = {
		.size = sizeof(args), .charge_fd = charge_fd,
		.budget = budget, .expires_nsec = INT64_MAX,
	};

	if (ioctl(dev, DMA_HEAP_MEMCG_IOC_GRANT, &args))
		return -errno;
	return args.out_fd;
}

/*
 * From a client only a grant is taken. It could as well send the pidfd or the
 * cgroup directory of somebody else, whom the service may be allowed to
 * charge. Of these a grant can be made, of a grant it cannot.
 */
static int is_grant(int fd)
{
	int grant = make_grant(fd, 1);

	if (grant >= 0)
		close(grant);
	return grant == -EINVAL;
}

/* The service: returns the buffer, or -errno. -1 and 0 would be the service. */
static int allocate(__u64 len, int payer)
{
	struct dma_heap_memcg_allocation_data data = {
		.len = len, .fd_flags = O_RDWR | O_CLOEXEC, .charge_fd = payer,
	};

	if (payer <= 0)
		return payer ? payer : -EBADF;
	if (ioctl(dev, DMA_HEAP_MEMCG_IOCTL_ALLOC, &data))
		return -errno;
	return data.fd;
}

/* One client, until it goes */
static void serve(int sock)
{
	int peer = bufsync_peer_pidfd(sock), grant, buf;
	__u64 number;

	while (pass(sock, 0, &number, &grant)) {
		if (grant < 0)
			buf = allocate(number, peer);
		else
			buf = allocate(number, is_grant(grant) ? grant : -EPERM);
		number = buf < 0 ? -buf : 0;
		pass(sock, 1, &number, &buf);
		close(grant);
		close(buf);
	}
}

/*
 * A process a client: charging may wait for memory of a client's cgroup, for as long
 * as that takes, and so may writing to who does not read.
 */
static void service(int listener)
{
	int sock;

	signal(SIGCHLD, SIG_IGN);	/* nobody waits for them */
	for (;;) {
		sock = accept(listener, NULL, NULL);
		if (!fork()) {
			close(listener);
			serve(sock);
			_exit(0);
		}
		close(sock);
	}
}

/* The client: asks for a buffer, returns what the service says. */
static int request(int sock, int grant, int *buf)
{
	__u64 number = SIZE;

	if (!pass(sock, 1, &number, &grant) || !pass(sock, 0, &number, buf))
		errx(1, "the service is gone");
	return number;
}

/* What the client's cgroup is charged for. */
static __u64 charged(void)
{
	struct dma_heap_memcg_query_args args = { .size = sizeof(args) };

	if (ioctl(dev, DMA_HEAP_MEMCG_IOC_QUERY, &args))
		err(1, "QUERY");
	return args.out_local_bytes;
}

static void draw(int buf)
{
	struct dma_buf_sync sync = { DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };
	unsigned int i, *pixel = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
				      MAP_SHARED, buf, 0);

	if (pixel == MAP_FAILED || ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync))
		err(1, "mmap, DMA_BUF_IOCTL_SYNC");
	for (i = 0; i < SIZE / sizeof(*pixel); i++) {
		if (pixel[i])
			errx(1, "the buffer is not zeroed");
		pixel[i] = i;
	}
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	if (ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync) || munmap(pixel, SIZE))
		err(1, "DMA_BUF_IOCTL_SYNC, munmap");
}

static int connect_to(const struct sockaddr_un *addr, socklen_t len)
{
	int sock = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	if (connect(sock, (const void *)addr, len))
		err(1, "connect");
	return sock;
}

static int client(const struct sockaddr_un *addr, socklen_t len)
{
	__u64 before = charged(), during, after, again;
	int sock = connect_to(addr, len), grant = make_grant(0, SIZE);
	int buf, none, error;

	/* Whoever holds this may charge us SIZE bytes, until we close it. */
	if (grant < 0 || request(sock, grant, &buf))
		errx(1, "no grant, or the service refuses");
	draw(buf);
	during = charged() - before;
	if (request(sock, grant, &none) != EDQUOT)
		errx(1, "the budget does not hold");
	close(buf);
	after = charged() - before;
	close(grant);
	/* This one it could charge. It must not, on the word of a client. */
	none = syscall(SYS_pidfd_open, getppid(), 0);
	if (request(sock, none, &none) != EPERM)
		errx(1, "it charges whom it is told to");

	/* As another client, which has no grant: the service finds out who asks. */
	error = request(connect_to(addr, len), -1, &buf);
	again = charged() - before;
	printf("by grant %llu KiB, after close %llu; by pidfd %llu KiB (%s)\n",
	       during >> 10, after >> 10, again >> 10, strerror(error));
	return during != SIZE || after || error || again != SIZE;
}

int main(void)
{
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), ret;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(addr);
	pid_t pid;

	/* An open file of it holds no state: one does for all processes. */
	dev = open(NODE, O_RDWR | O_CLOEXEC);
	if (dev < 0)
		err(errno == ENOENT ? 4 : 1, NODE);
	/* Without a path the kernel gives the socket a name. */
	if (bind(listener, (void *)&addr, sizeof(addr.sun_family)) ||
	    listen(listener, 8) || getsockname(listener, (void *)&addr, &len))
		err(1, "socket");
	pid = fork();
	if (!pid) {
		alarm(60);	/* if the client breaks off */
		service(listener);
	}
	ret = client(&addr, len);
	kill(pid, SIGTERM);
	return ret;
}
