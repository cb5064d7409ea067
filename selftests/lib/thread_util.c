// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "syncobj_util.h"
#include "text_util.h"
#include "thread_util.h"

char task_state(pid_t tid)
{
	char path[64], line[512];
	char *paren;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	f = fopen(path, "re");
	if (!f)
		return 'X';
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	paren = strrchr(line, ')');
	return paren && paren[1] ? paren[2] : 'X';
}

bool task_asleep(pid_t tid)
{
	int64_t end = in_ms(10000);
	char state;

	do {
		state = task_state(tid);
		if (state == 'S')
			return true;
		if (state == 'X' || state == 'Z')
			return false;
		sleep_ms(1);
	} while (now_ns() < end);
	return false;
}

static void *waiter_thread(void *arg)
{
	struct waiter *w = arg;

	__atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	w->ret = so_wait(w->dev, w->fds, w->points, w->count, w->timeout,
			 w->flags, &w->first);
	w->end = now_ns();
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	return NULL;
}

int waiter_start(struct waiter *w)
{
	int ret;

	w->tid = 0;
	w->done = false;
	ret = pthread_create(&w->thread, NULL, waiter_thread, w);
	if (ret)
		return -ret;
	while (!__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE))
		sched_yield();
	while (!__atomic_load_n(&w->done, __ATOMIC_ACQUIRE) &&
	       task_state(w->tid) != 'S')
		sleep_ms(1);
	return 0;
}

bool waiter_sleeps(struct waiter *w)
{
	sleep_ms(10);
	/* Woken, it may not have run yet. */
	return task_asleep(w->tid) &&
	       !__atomic_load_n(&w->done, __ATOMIC_ACQUIRE);
}

int waiter_join(struct waiter *w)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 15;
	if (pthread_timedjoin_np(w->thread, NULL, &ts))
		return -ETIMEDOUT;
	return w->ret;
}

pid_t task_named(const char *name)
{
	DIR *proc = opendir("/proc");
	char path[64], comm[32];
	pid_t found = -ESRCH;
	struct dirent *de;

	while (proc && found < 0 && (de = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%.20s/comm", de->d_name);
		if (!text_read(path, comm, sizeof(comm)) && !strcmp(comm, name))
			found = atoi(de->d_name);
	}
	if (proc)
		closedir(proc);
	return found;
}

int pin_cpu0(bool fifo)
{
	struct sched_param param = { .sched_priority = fifo ? 10 : 0 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return -errno;
	if (sched_setscheduler(0, fifo ? SCHED_FIFO : SCHED_OTHER, &param))
		return -errno;
	return 0;
}

int stress_seconds(void)
{
	const char *env = getenv("BUFSYNC_STRESS_SECONDS");

	return env && *env ? atoi(env) : 30;
}

int send_fd(int sock, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(fd))] = {};
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
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

int recv_fd(int sock)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = {};
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
		return -errno;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -ENOMSG;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}
