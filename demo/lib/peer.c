// SPDX-License-Identifier: GPL-2.0-only
/* The processes of a demo, and what they say to each other. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "demo.h"

#define MAX_PEERS	4

struct peer parent;

static struct peer peers[MAX_PEERS];
static int nr_peers;

/* To be said again after a change of credentials, which ends it. */
void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent.pid)
		_exit(1);
}

struct peer *peer_start(const char *name, void (*run)(void))
{
	struct peer *peer = &peers[nr_peers];
	pid_t self = getpid();
	int socks[2];

	if (nr_peers == MAX_PEERS ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		fail("socketpair: %s", strerror(errno));
	peer->name = name;
	peer->sock = socks[0];
	fflush(stdout);
	peer->pid = fork();
	if (peer->pid < 0)
		fail("fork: %s", strerror(errno));
	if (peer->pid) {
		close(socks[1]);
		nr_peers++;
		return peer;
	}

	parent = (struct peer){ "the parent", self, socks[1] };
	die_with_parent();
	while (nr_peers >= 0)
		close(peers[nr_peers--].sock);
	nr_peers = 0;
	run();
	exit(0);
}

void peer_join(struct peer *peer)
{
	int status;

	if (waitpid(peer->pid, &status, 0) != peer->pid || status)
		fail("%s has failed", peer->name);
	peer->pid = 0;
}

void peers_kill(void)
{
	int i;

	for (i = 0; i < nr_peers; i++)
		if (peers[i].pid)
			kill(peers[i].pid, SIGKILL);
}

void peers_end(void)
{
	struct msg msg;
	int i;

	for (i = 0; i < nr_peers; i++)
		while (recv(peers[i].sock, &msg, sizeof(msg), MSG_DONTWAIT) ==
		       sizeof(msg))
			if (msg.failed)
				printf("    %s: %s\n", peers[i].name, msg.text);
	peers_kill();
	while (waitpid(-1, NULL, 0) > 0)
		;
}

void send_msg(const struct peer *peer, const struct msg *msg, int fd)
{
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(sizeof(fd))];
	} control = { .hdr = { CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec iov = { (void *)msg, sizeof(*msg) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(fd));
		hdr.msg_control = &control;
		hdr.msg_controllen = sizeof(control);
	}
	if (sendmsg(peer->sock, &hdr, MSG_NOSIGNAL) != sizeof(*msg))
		fail("%s is gone: %s", peer->name, strerror(errno));
}

int recv_msg(const struct peer *peer, struct msg *msg)
{
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { msg, sizeof(*msg) };
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(peer->sock, &hdr, MSG_CMSG_CLOEXEC) != sizeof(*msg))
		fail("%s is gone", peer->name);
	if (msg->failed)
		fail("%s: %s", peer->name, msg->text);
	if (CMSG_FIRSTHDR(&hdr))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&hdr)), sizeof(fd));
	return fd;
}

void send_fd(const struct peer *peer, int fd)
{
	struct msg msg = { .failed = false };

	send_msg(peer, &msg, fd);
}

int recv_fd(const struct peer *peer)
{
	struct msg msg;
	int fd = recv_msg(peer, &msg);

	if (fd < 0)
		fail("no fd came over the socket");
	return fd;
}

void send_value(const struct peer *peer, __s64 time, __u64 value)
{
	struct msg msg = { .time = time, .value = value };

	send_msg(peer, &msg, -1);
}
