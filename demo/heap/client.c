// SPDX-License-Identifier: GPL-2.0-only
/* The processes that do what they are asked for. Both are unprivileged. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "heap-demo.h"

#define MAX_BUFFERS	4

static int buffers[MAX_BUFFERS];
static int nr_buffers;
static __u64 *map;	/* of the first buffer */
static int payer = -1;
static int grant = -1;

static void enter(const struct cgroup *cg, uid_t uid)
{
	cgroup_enter(cg);
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		fail("setresuid: %s", strerror(errno));
	die_with_parent();
}

static void keep(int buf)
{
	if (nr_buffers == MAX_BUFFERS)
		fail("too many buffers");
	buffers[nr_buffers++] = buf;
}

/* Returns an errno. */
static int allocate(int heap, __u64 len, int charge_fd)
{
	int buf = heap_alloc(heap, len, charge_fd);

	if (buf < 0)
		return -buf;
	keep(buf);
	return 0;
}

static void drop_all(void)
{
	if (map && munmap(map, SIZE))
		fail("munmap: %s", strerror(errno));
	map = NULL;
	while (nr_buffers)
		close(buffers[--nr_buffers]);
}

static __u64 map_and_fill(int buf, __u64 seed)
{
	__u64 wrong;

	keep(buf);
	map = buffer_map(buf);
	wrong = buffer_wrong(buf, map, 0);
	buffer_fill(buf, map, seed);
	return wrong;
}

/* Returns the value of the answer, and perhaps an fd for it. */
static __u64 serve_one(const struct msg *msg, int fd, int *answer)
{
	switch (msg->op) {
	case OP_ALLOC:
		if (fd >= 0) {	/* else whom it was the last time */
			close(payer);
			payer = fd;
		}
		return allocate(dev, msg->value, payer);
	case OP_STOCK:
		return allocate(stock, msg->value, 0);
	case OP_DROP:
		close(buffers[--nr_buffers]);
		return 0;
	case OP_MAP:
		return map_and_fill(fd, msg->value);
	case OP_WRONG:
		return buffer_wrong(buffers[0], map, msg->value);
	case OP_FILL:
		buffer_fill(buffers[0], map, msg->value);
		return 0;
	case OP_GRANT:
		grant = heap_grant(0, msg->value);
		if (grant < 0)
			fail("GRANT: %s", strerror(-grant));
		*answer = grant;
		return 0;
	case OP_REVOKE:
		close(grant);
		return 0;
	case OP_CLOSE:
		drop_all();
		return 0;
	default:
		return 0;
	}
}

static void serve(void)
{
	struct msg msg;
	int fd, answer;

	do {
		fd = recv_msg(&parent, &msg);
		answer = -1;
		msg.time = now();
		msg.value = serve_one(&msg, fd, &answer);
		msg.time = now() - msg.time;
		send_msg(&parent, &msg, answer);
	} while (msg.op != OP_EXIT);
}

void run_client(void)
{
	enter(&client, CLIENT_UID);
	serve();
}

void run_stranger(void)
{
	enter(&stranger, STRANGER_UID);
	serve();
}
