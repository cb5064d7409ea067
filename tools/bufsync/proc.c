// SPDX-License-Identifier: GPL-2.0-only
/* Processes, their open files, and copies of these. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "bufsync.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open	434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd	438
#endif

/* A number from 0 on, and nothing else */
bool proc_number(const char *text, int *number)
{
	char *end;
	long value;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtol(text, &end, 10);
	if (*end || errno || value > INT32_MAX)
		return false;
	*number = value;
	return true;
}

void proc_name(pid_t pid, char name[LINE_SIZE])
{
	sys_line(name, "/proc/%d/comm", pid);
}

/* For scandir(): the names that are numbers */
static int is_number(const struct dirent *entry)
{
	int number;

	return proc_number(entry->d_name, &number);
}

/**
 * proc_each_fd - the open files of a process
 * @pid:	the process
 * @fn:		is called with each
 * @data:	for it
 *
 * Return: 0, or -errno: EACCES without the right to look, ENOENT if there is no such process
 */
int proc_each_fd(pid_t pid, proc_fd_fn fn, void *data)
{
	char path[PATH_SIZE], link[PATH_SIZE];
	struct proc_fd at = { .pid = pid, .link = link };
	struct dirent **names;
	ssize_t len;
	int count, i;

	sys_path(path, "/proc/%d/fd", pid);
	count = scandir(path, &names, is_number, versionsort);
	if (count < 0)
		return -errno;
	for (i = 0; i < count; i++) {
		proc_number(names[i]->d_name, &at.fd);
		free(names[i]);
		sys_path(path, "/proc/%d/fd/%d", pid, at.fd);
		len = readlink(path, link, sizeof(link) - 1);
		if (len < 0)
			continue;	/* closed since */
		link[len] = 0;
		fn(&at, data);
	}
	free(names);
	return 0;
}

/**
 * proc_each - all processes
 * @fn:		is called with each; returns 0 or -errno
 * @data:	for it
 *
 * Return: how many could not be looked into; -errno if not even their list
 */
int proc_each(int (*fn)(pid_t pid, void *data), void *data)
{
	char path[PATH_SIZE];
	struct dirent **names;
	int count, i, closed = 0, pid, error;

	sys_path(path, "/proc");
	count = scandir(path, &names, is_number, versionsort);
	if (count < 0)
		return -errno;
	for (i = 0; i < count; i++) {
		proc_number(names[i]->d_name, &pid);
		free(names[i]);
		error = fn(pid, data);
		/* ENOENT, ESRCH: it has exited. */
		if (error == -EACCES || error == -EPERM)
			closed++;
	}
	free(names);
	return closed;
}

/**
 * proc_fd_copy - an fd for a file that another process has open
 * @pid:	the process
 * @fd:		its fd
 *
 * Return: the fd, to be closed; or -errno: EPERM without the right to trace the process,
 * EOPNOTSUPP if the system that is looked at is not the one that runs
 */
int proc_fd_copy(pid_t pid, int fd)
{
	int pidfd, copy;

	if (*opt_root)
		return -EOPNOTSUPP;
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	copy = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (copy < 0)
		copy = -errno;
	close(pidfd);
	return copy;
}

/* What the line "KEY:" of the fdinfo says; false if there is none */
bool proc_fdinfo(pid_t pid, int fd, const char *key, char value[LINE_SIZE])
{
	FILE *file = sys_open("/proc/%d/fdinfo/%d", pid, fd);
	size_t len = strlen(key);
	bool there = false;
	char *begin;

	*value = 0;
	if (!file)
		return false;
	while (!there && fgets(value, LINE_SIZE, file)) {
		if (strncmp(value, key, len) || value[len] != ':')
			continue;
		begin = value + len + 1;
		begin += strspn(begin, " \t");
		begin[strcspn(begin, "\n")] = 0;
		memmove(value, begin, strlen(begin) + 1);
		there = true;
	}
	if (!there)
		*value = 0;
	fclose(file);
	return there;
}
