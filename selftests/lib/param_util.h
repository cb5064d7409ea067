/* SPDX-License-Identifier: GPL-2.0-only */
/* Parameters of modules, and how to put back what they were. */
#ifndef _PARAM_UTIL_H
#define _PARAM_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline int param_open(const char *module, const char *name, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module,
		 name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Without the newline */
static inline int param_get(const char *module, const char *name, char *value,
			    size_t size)
{
	int fd = param_open(module, name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, value, size - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	value[n] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return 0;
}

static inline int param_set(const char *module, const char *name,
			    const char *value)
{
	int fd = param_open(module, name, O_WRONLY), ret = 0;

	if (fd < 0)
		return fd;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

#endif /* _PARAM_UTIL_H */
