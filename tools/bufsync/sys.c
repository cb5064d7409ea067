// SPDX-License-Identifier: GPL-2.0-only
/* Files of the system that is looked at: this one, or one below --root. */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bufsync.h"

static void vpath(char path[PATH_SIZE], const char *format, va_list args)
{
	size_t len = snprintf(path, PATH_SIZE, "%s", opt_root);

	if (len < PATH_SIZE)
		vsnprintf(path + len, PATH_SIZE - len, format, args);
}

void sys_path(char path[PATH_SIZE], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vpath(path, format, args);
	va_end(args);
}

FILE *sys_open(const char *format, ...)
{
	char path[PATH_SIZE];
	va_list args;

	va_start(args, format);
	vpath(path, format, args);
	va_end(args);
	return fopen(path, "re");
}

/* Return: 1 or 0; -errno if that cannot be told */
int sys_is_there(const char *format, ...)
{
	char path[PATH_SIZE];
	va_list args;

	va_start(args, format);
	vpath(path, format, args);
	va_end(args);
	if (!access(path, F_OK))
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

/* Return: 0 or -errno */
int sys_stat(struct stat *st, const char *format, ...)
{
	char path[PATH_SIZE];
	va_list args;

	va_start(args, format);
	vpath(path, format, args);
	va_end(args);
	return stat(path, st) ? -errno : 0;
}

/**
 * sys_line - the first line of a file, without its end
 * @line:	gets it; "" on an error
 * @format:	the path's
 *
 * Return: 0 or -errno
 */
int sys_line(char line[LINE_SIZE], const char *format, ...)
{
	char path[PATH_SIZE];
	int error = 0;
	FILE *file;
	va_list args;

	*line = 0;
	va_start(args, format);
	vpath(path, format, args);
	va_end(args);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	errno = 0;
	if (!fgets(line, LINE_SIZE, file)) {
		error = ferror(file) ? -errno : 0;
		*line = 0;
	}
	fclose(file);
	line[strcspn(line, "\n")] = 0;
	return error;
}

/**
 * sys_link_name - the last part of where a link points
 * @name:	gets it; "" on an error
 * @format:	the path's
 *
 * Return: 0 or -errno
 */
int sys_link_name(char name[LINE_SIZE], const char *format, ...)
{
	char path[PATH_SIZE], to[PATH_SIZE];
	const char *last;
	ssize_t len;
	va_list args;

	*name = 0;
	va_start(args, format);
	vpath(path, format, args);
	va_end(args);
	len = readlink(path, to, sizeof(to) - 1);
	if (len < 0)
		return -errno;
	to[len] = 0;
	last = strrchr(to, '/');
	snprintf(name, LINE_SIZE, "%.1000s", last ? last + 1 : to);
	return 0;
}

static int no_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/**
 * sys_each - the names in a directory, sorted as versions are
 * @fn:		is called with each
 * @data:	for it
 * @format:	the path's
 *
 * Return: how many, or -errno
 */
int sys_each(sys_name_fn fn, void *data, const char *format, ...)
{
	struct dirent **names;
	char path[PATH_SIZE];
	int count, i;
	va_list args;

	va_start(args, format);
	vpath(path, format, args);
	va_end(args);
	count = scandir(path, &names, no_dots, versionsort);
	if (count < 0)
		return -errno;
	for (i = 0; i < count; i++) {
		fn(names[i]->d_name, data);
		free(names[i]);
	}
	free(names);
	return count;
}
