/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A client that makes a grant of its own cgroup, which is "target" here, and
 * does what it is told; and a service in "caller", without any other right.
 */
#ifndef _GRANT_H
#define _GRANT_H

#include "access.h"

#include <linux/close_range.h>
#include <pthread.h>

#define BUDGET	MIB(16)

/* Bytes of buffers that the cgroup itself is charged for */
static inline int64_t charged(struct __test_metadata *_metadata,
			      const struct access_env *a, const struct cg *cg)
{
	return cgroup_stats(_metadata, a, cg).out_local_bytes;
}

/* One allocation, closed at once */
static inline int use_grant(int dev, int grant, uint64_t len)
{
	int fd = heap_alloc(dev, len, grant);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* A number from fdinfo; -ENOENT if there is no such line */
static inline int64_t grant_info(int grant, const char *key)
{
	char path[64], line[256];
	size_t len = strlen(key);
	int64_t value = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", grant);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && !strncmp(line + len, ":\t", 2))
			value = strtoll(line + len + 2, NULL, 10);
	fclose(f);
	return value;
}

struct client {
	/* in */
	const struct cg *cg;
	uid_t uid;
	uint32_t charge_fd;
	uint64_t budget;	/* 0: BUDGET */
	int64_t expires;	/* 0: never */
	/* out */
	pid_t pid;
	int grant;	/* as it was sent here */
	/* its commands and answers */
	int sock;
	int far;
};

static inline void *close_in_thread(void *arg)
{
	return close(*(int *)arg) ? arg : NULL;
}

static inline int exec_echo(int sock)
{
	if (dup2(sock, 0) < 0 || dup2(sock, 1) < 0)
		return -errno;
	execl("/proc/self/exe", "grant", "--echo", NULL);
	return -errno;
}

static inline int client_does(const struct client *c, int dev, int grant,
			      char command)
{
	pthread_t thread;
	void *failed;
	pid_t pid;
	int fd;

	switch (command) {
	case 'a':	/* allocates by its own grant */
		return use_grant(dev, grant, TRY_LEN);
	case 'c':	/* closes the grant */
		return close(grant);
	case 'd':	/* closes a duplicate of it */
		return close(dup(grant));
	case 'D':	/* closes the node */
		return close(dev);
	case 'e':	/* becomes another program, which answers */
		return exec_echo(c->far);
	case 'E':	/* and which has the grant still */
		return fcntl(grant, F_SETFD, 0) ?: exec_echo(c->far);
	case 'f':	/* has a child that closes its copy, and exits */
		pid = fork();
		if (pid == 0)
			_exit(close(grant) != 0);
		return cg_reap(pid);
	case 'm':	/* puts it elsewhere, and closes where it was */
		fd = dup(grant);
		return fd < 0 || close(grant);
	case 'o':	/* has another file replace it */
		return dup2(c->far, grant) != grant;
	case 'r':	/* closes it by range */
		return syscall(SYS_close_range, grant, grant, 0);
	case 'R':	/* marks it by range, which closes nothing */
		return syscall(SYS_close_range, grant, grant,
			       CLOSE_RANGE_CLOEXEC);
	case 't':	/* closes it in another thread */
		if (pthread_create(&thread, NULL, close_in_thread, &grant))
			return -1;
		return pthread_join(thread, &failed) || failed;
	case 'x':
		_exit(0);
	}
	return -1;
}

static inline int client_main(void *arg)
{
	const struct client *c = arg;
	int dev, grant;
	char command;

	close(c->sock);
	if (become(c->uid, c->uid ? NO_CAPS : ALL_CAPS, 0))
		return 1;
	dev = heap_open();
	grant = heap_grant(dev, c->charge_fd, c->budget, c->expires);
	if (grant < 0)
		return -grant;
	if (send_fd(c->far, grant))
		return 2;
	while (read(c->far, &command, 1) == 1) {
		if (client_does(c, dev, grant, command))
			command = '!';
		if (write(c->far, &command, 1) != 1)
			break;
	}
	return 0;
}

static inline void client_start(struct __test_metadata *_metadata,
				struct client *c)
{
	int sock[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	c->sock = sock[0];
	c->far = sock[1];
	c->budget = c->budget ?: BUDGET;
	c->expires = c->expires ?: INT64_MAX;
	c->pid = access_keep(cg_run(c->cg, client_main, c));
	ASSERT_GT(c->pid, 0);
	close(c->far);
	c->grant = recv_fd(c->sock);
	ASSERT_GT(c->grant, 0);
}

/* Returns the command once it is done; 0 if the client has ended. */
static inline char client_do(struct client *c, char command)
{
	char answer = 0;

	/* MSG_NOSIGNAL: it may have ended before. */
	if (send(c->sock, &command, 1, MSG_NOSIGNAL) != 1 ||
	    read(c->sock, &answer, 1) != 1)
		return 0;
	return answer;
}

/* What 'e' and 'E' become: says that it runs, then repeats what it is told. */
static inline int echo(void)
{
	char byte = 'e';

	do {
		if (write(1, &byte, 1) != 1)
			return 1;
	} while (read(0, &byte, 1) == 1);
	return 0;
}

/* A process that has nothing but the grant, perhaps sent to it */
struct service {
	uint32_t charge_fd;
	int sock;	/* receives it here */
	int pass_to;	/* sends it on, instead of using it */
	uint64_t len;
};

static inline int service_main(void *arg)
{
	struct service *s = arg;
	int fd = s->sock ? recv_fd(s->sock) : (int)s->charge_fd;

	/* no errno */
	if (become(OTHER, NO_CAPS, 0) || fd <= 0)
		return 201;
	if (s->pass_to)
		return send_fd(s->pass_to, fd) ? 202 : 0;
	return -use_grant(heap_open(), fd, s->len ?: TRY_LEN);
}

/* Returns 0 or the errno. */
static inline int serve(const struct cg *cg, uint32_t charge_fd)
{
	struct service s = { .charge_fd = charge_fd };

	return cg_reap(cg_run(cg, service_main, &s));
}

#endif /* _GRANT_H */
