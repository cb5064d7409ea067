// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qmp_util.h"
#include "syncobj_util.h"

/* The same directory here and for QEMU; see scripts/lib/qemu.sh. */
#define RUN_DIR		"/run/vm"

/*
 * All of a file. Not by its size: the file is another machine's, and what this
 * one believes to know of it may be old.
 */
static int file_read(const char *path, uint8_t **data, size_t *size)
{
	size_t used = 0, space = 0;
	int ret = 0, fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *grown;
	ssize_t n = 0;

	*data = NULL;
	*size = 0;
	if (fd < 0)
		return -errno;
	for (;;) {
		if (used == space) {
			space = space ? 2 * space : 1 << 20;
			grown = realloc(*data, space);
			if (!grown) {
				ret = -ENOMEM;
				break;
			}
			*data = grown;
		}
		n = read(fd, *data + used, space - used);
		if (n <= 0) {
			ret = n < 0 ? -errno : 0;
			break;
		}
		used += n;
	}
	close(fd);
	*size = used;
	if (ret) {
		free(*data);
		*data = NULL;
	}
	return ret;
}

static int file_write(const char *path, const uint8_t *data, size_t size)
{
	int ret = 0, fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			       0644);
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (size && !ret) {
		n = write(fd, data, size);
		if (n < 0) {
			ret = -errno;
		} else {
			data += n;
			size -= n;
		}
	}
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

/* A number and the one white space behind it */
static const uint8_t *ppm_number(const uint8_t *p, const uint8_t *end,
				 unsigned int *number)
{
	if (!p || p == end || !isdigit(*p))
		return NULL;
	for (*number = 0; p < end && isdigit(*p); p++)
		*number = *number * 10 + (*p - '0');
	return p < end && isspace(*p) ? p + 1 : NULL;
}

static bool ppm_parse(const uint8_t *data, size_t size,
		      struct qmp_image *image)
{
	const uint8_t *p = data, *end = data + size;
	unsigned int max;
	size_t bytes;

	if (size < 3 || memcmp(p, "P6\n", 3))
		return false;
	p = ppm_number(p + 3, end, &image->width);
	p = ppm_number(p, end, &image->height);
	p = ppm_number(p, end, &max);
	if (!p || max != 255)
		return false;
	bytes = (size_t)image->width * image->height * 3;
	if (!bytes || (size_t)(end - p) != bytes)
		return false;
	image->rgb = malloc(bytes);
	if (!image->rgb)
		return false;
	memcpy(image->rgb, p, bytes);
	return true;
}

static int ppm_use(const uint8_t *data, size_t size, void *image)
{
	return ppm_parse(data, size, image) ? 0 : -EBADMSG;
}

/* A PNG that has its end goes to the file @name. */
static int png_use(const uint8_t *data, size_t size, void *name)
{
	if (size < 20 || memcmp(data, "\x89PNG\r\n\x1a\n", 8) ||
	    memcmp(data + size - 8, "IEND", 4))
		return -EBADMSG;
	return file_write(name, data, size);
}

/* @use says -EBADMSG to what is not, or not yet, all of a picture. */
static int shot(int qmp, const char *device, const char *format,
		int (*use)(const uint8_t *data, size_t size, void *arg),
		void *arg)
{
	static _Atomic unsigned int count;
	char path[128], arguments[512];
	int64_t end = in_ms(3000);
	uint8_t *data;
	size_t size;
	int ret;

	/* A new name each time, which nobody here has looked for before. */
	snprintf(path, sizeof(path), RUN_DIR "/screen-%d-%llx-%u.%s", getpid(),
		 (unsigned long long)now_ns(), ++count, format);
	snprintf(arguments, sizeof(arguments),
		 "\"filename\": \"%s\", \"device\": \"%s\", \"format\": \"%s\"",
		 path, device, format);
	ret = qmp_command(qmp, "screendump", arguments, NULL, 0);
	while (!ret) {
		ret = file_read(path, &data, &size);
		if (!ret) {
			ret = use(data, size, arg);
			free(data);
		}
		if ((ret != -EBADMSG && ret != -ENOENT) || now_ns() > end)
			break;
		ret = 0;
		sleep_ms(20);
	}
	unlink(path);
	return ret;
}

int qmp_screen(int qmp, const char *device, struct qmp_image *image,
	       const char *png)
{
	int ret;

	*image = (struct qmp_image){};
	ret = shot(qmp, device, "ppm", ppm_use, image);
	if (ret || !png)
		return ret;
	ret = shot(qmp, device, "png", png_use, (char *)png);
	if (ret) {
		free(image->rgb);
		image->rgb = NULL;
	}
	return ret;
}
