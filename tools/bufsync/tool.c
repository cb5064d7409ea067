// SPDX-License-Identifier: GPL-2.0-only
/* This bundle's other programs: where they are, and what they say. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "bufsync.h"

/**
 * tool_path - where another program of the bundle is
 * @path:	gets it
 * @name:	its name
 *
 * Beside this one; in the folder above it, where this one has been built; or in sbin, where
 * it is installed. Never from $PATH, as this may be root.
 *
 * Return: 0, or -ENOENT
 */
int tool_path(char path[PATH_SIZE], const char *name)
{
	char self[PATH_SIZE / 2];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *end;

	if (len > 0) {
		self[len] = 0;
		end = strrchr(self, '/');
		*end = 0;
		snprintf(path, PATH_SIZE, "%s/%s", self, name);
		if (!access(path, X_OK))
			return 0;
		snprintf(path, PATH_SIZE, "%s/../%s", self, name);
		if (!access(path, X_OK))
			return 0;
		snprintf(path, PATH_SIZE, "%s/../sbin/%s", self, name);
		if (!access(path, X_OK))
			return 0;
	}
	snprintf(path, PATH_SIZE, "/usr/sbin/%s", name);
	return access(path, X_OK) ? -ENOENT : 0;
}

/**
 * tool_lines - run a program
 * @argv:	its path and arguments
 * @lines:	an array that what it prints is added to, both of its outputs
 *
 * Return: its exit status, or -errno
 */
int tool_lines(char **argv, struct json_object *lines)
{
	char line[PATH_SIZE];
	int ends[2], status;
	FILE *from;
	pid_t pid;

	if (pipe(ends))
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		status = -errno;
		close(ends[0]);
		close(ends[1]);
		return status;
	}
	if (!pid) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		execv(argv[0], argv);
		_exit(127);
	}
	close(ends[1]);
	from = fdopen(ends[0], "r");
	while (from && fgets(line, sizeof(line), from)) {
		line[strcspn(line, "\n")] = 0;
		json_object_array_add(lines, json_object_new_string(line));
	}
	if (from)
		fclose(from);
	else
		close(ends[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}
