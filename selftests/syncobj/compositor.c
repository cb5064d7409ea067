// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a Wayland compositor and its client do with explicit synchronisation,
 * with nothing but <linux/syncobj.h> and libc: no DRM device, no libdrm, and
 * none of the other tests' helpers.
 *
 * The client makes a timeline and passes it over a socket. For each frame it
 * commits an acquire point that nobody has submitted yet and a release point.
 * The compositor registers an eventfd for the acquire point, sleeps in poll(),
 * and, when the client has signalled, takes the point's fence as a sync_file,
 * as it would for KMS; it gives the client a fence for the release point in
 * the same way.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/syncobj.h>

#define FRAMES	5

/* One commit, as it would go over the Wayland socket */
struct commit {
	uint64_t acquire;
	uint64_t release;
};

static int test_number;

static void passed(const char *what)
{
	printf("ok %d %s\n", ++test_number, what);
	fflush(stdout);
}

static void failed(const char *who, const char *what)
{
	printf("# %s: %s: %s\n", who, what, strerror(errno));
	if (who[0] == 'c' && who[1] == 'o')
		printf("not ok %d %s\n", ++test_number, what);
	exit(1);
}

#define CHECK(who, cond)		\
	do {				\
		if (!(cond))		\
			failed(who, #cond);	\
	} while (0)

static int send_fd(int sock, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -1;
}

static int recv_fd(int sock)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

static int create(int dev, uint32_t flags)
{
	struct syncobj_create_args args = { .flags = flags };

	return ioctl(dev, SYNCOBJ_IOC_CREATE, &args) ? -1 : args.fd;
}

static int signal_point(int dev, int timeline, uint64_t point)
{
	struct syncobj_array_args args = {
		.fds = (uintptr_t)&timeline,
		.points = (uintptr_t)&point,
		.count = 1,
	};

	return ioctl(dev, SYNCOBJ_IOC_SIGNAL, &args);
}

static int wait_point(int dev, int timeline, uint64_t point)
{
	struct syncobj_wait_args args = {
		.fds = (uintptr_t)&timeline,
		.points = (uintptr_t)&point,
		.timeout_nsec = INT64_MAX,
		.count = 1,
		.flags = SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
	};

	return ioctl(dev, SYNCOBJ_IOC_WAIT, &args);
}

static uint64_t query(int dev, int timeline)
{
	uint64_t point = ~0ULL;
	struct syncobj_array_args args = {
		.fds = (uintptr_t)&timeline,
		.points = (uintptr_t)&point,
		.count = 1,
	};

	return ioctl(dev, SYNCOBJ_IOC_QUERY, &args) ? ~0ULL : point;
}

static int export_point(int dev, int timeline, uint64_t point)
{
	struct syncobj_sync_file_args args = {
		.syncobj_fd = timeline,
		.point = point,
	};

	return ioctl(dev, SYNCOBJ_IOC_EXPORT_SYNC_FILE, &args) ?
		-1 : args.sync_file_fd;
}

static int import_point(int dev, int timeline, int sync_file, uint64_t point)
{
	struct syncobj_sync_file_args args = {
		.syncobj_fd = timeline,
		.sync_file_fd = sync_file,
		.point = point,
	};

	return ioctl(dev, SYNCOBJ_IOC_IMPORT_SYNC_FILE, &args);
}

static int watch(int dev, int timeline, uint64_t point, int eventfd)
{
	struct syncobj_eventfd_args args = {
		.syncobj_fd = timeline,
		.eventfd = eventfd,
		.point = point,
	};

	return ioctl(dev, SYNCOBJ_IOC_EVENTFD, &args);
}

static void render(void)
{
	struct timespec ts = { .tv_nsec = 20000000 };

	nanosleep(&ts, NULL);
}

static void client(int sock)
{
	int dev = open("/dev/syncobj", O_RDWR | O_CLOEXEC);
	struct commit commit;
	int timeline, i;
	char byte;

	CHECK("client", dev >= 0);
	timeline = create(dev, 0);
	CHECK("client", timeline >= 0);
	CHECK("client", !send_fd(sock, timeline));

	for (i = 0; i < FRAMES; i++) {
		commit.acquire = 2 * i + 1;
		commit.release = 2 * i + 2;
		/* Committed first, rendered afterwards. */
		CHECK("client", write(sock, &commit, sizeof(commit)) ==
		      sizeof(commit));
		/* The first time not before the compositor has looked. */
		if (i == 0)
			CHECK("client", read(sock, &byte, 1) == 1);
		render();
		CHECK("client", !signal_point(dev, timeline, commit.acquire));
		CHECK("client", !wait_point(dev, timeline, commit.release));
	}
	exit(0);
}

static void compositor(int sock)
{
	int dev = open("/dev/syncobj", O_RDWR | O_CLOEXEC);
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int timeline, scanout, sync_file, i;
	struct pollfd pfd = { .fd = efd, .events = POLLIN };
	struct commit commit;
	uint64_t count;

	CHECK("compositor", dev >= 0);
	CHECK("compositor", efd >= 0);
	timeline = recv_fd(sock);
	CHECK("compositor", timeline >= 0);
	passed("a timeline passed over a socket");

	/* Stands for the fence that KMS gives back for a flip. */
	scanout = create(dev, SYNCOBJ_CREATE_SIGNALED);
	CHECK("compositor", scanout >= 0);

	for (i = 0; i < FRAMES; i++) {
		CHECK("compositor", read(sock, &commit, sizeof(commit)) ==
		      sizeof(commit));
		/* Not submitted yet: nothing to hand to KMS. */
		if (i == 0) {
			CHECK("compositor",
			      export_point(dev, timeline, commit.acquire) < 0 &&
			      errno == EINVAL);
			passed("an unsubmitted point is not exported");
		}
		CHECK("compositor",
		      !watch(dev, timeline, commit.acquire, efd));
		if (i == 0) {
			CHECK("compositor", poll(&pfd, 1, 0) == 0);
			passed("an eventfd waits for an unsubmitted point");
			CHECK("compositor", write(sock, "", 1) == 1);
		}
		CHECK("compositor", poll(&pfd, 1, 10000) == 1);
		CHECK("compositor", read(efd, &count, 8) == 8 && count == 1);
		CHECK("compositor", query(dev, timeline) == commit.acquire);

		sync_file = export_point(dev, timeline, commit.acquire);
		CHECK("compositor", sync_file >= 0);
		CHECK("compositor", fcntl(sync_file, F_GETFD) == FD_CLOEXEC);
		close(sync_file);

		sync_file = export_point(dev, scanout, 0);
		CHECK("compositor", sync_file >= 0);
		CHECK("compositor", !import_point(dev, timeline, sync_file,
						  commit.release));
		close(sync_file);
	}
	passed("the eventfd fires when the client signals, once a frame");
	passed("acquire points exported, release points imported");
}

int main(void)
{
	int sock[2], status;
	pid_t pid;

	printf("TAP version 13\n1..6\n");
	fflush(stdout);
	alarm(60);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
		failed("compositor", "socketpair");
	pid = fork();
	if (pid < 0)
		failed("compositor", "fork");
	if (pid == 0) {
		/* Not inherited; whoever waits for ever shall not do so here. */
		alarm(60);
		close(sock[0]);
		client(sock[1]);
	}
	close(sock[1]);
	compositor(sock[0]);
	CHECK("compositor", waitpid(pid, &status, 0) == pid && status == 0);
	passed("the client has seen all its release points");
	return 0;
}
