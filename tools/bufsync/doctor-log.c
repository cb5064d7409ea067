// SPDX-License-Identifier: GPL-2.0-only
/* doctor: what the modules have said in the kernel's log. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bufsync.h"

#define LOG_LINES	20

static bool is_ours(const char *text)
{
	static const char * const names[MODULES] = { BUFSYNC_MODULES };
	int i;

	for (i = 0; i < MODULES; i++) {
		size_t len = strlen(names[i]);

		if (!strncmp(text, names[i], len) && text[len] == ':')
			return true;
	}
	return false;
}

/* see_record - "priority,number,microseconds,flags;text", and lines that begin with a blank */
static void see_record(char *record, struct json_object *lines)
{
	char *text = strchr(record, ';');
	char line[LINE_SIZE];
	unsigned long long when;

	if (*record == ' ' || !text || sscanf(record, "%*u,%*u,%llu", &when) != 1)
		return;
	text++;
	if (!is_ours(text))
		return;
	if (json_object_array_length(lines) == LOG_LINES)
		json_object_array_del_idx(lines, 0, 1);
	snprintf(line, sizeof(line), "[%5llu.%06llu] %s", when / 1000000, when % 1000000, text);
	out_harmless(line);
	json_object_array_add(lines, json_object_new_string(line));
}

/**
 * doctor_kernel_log - the modules' last lines in the kernel's log
 *
 * Return: an array; NULL and errno if it cannot be read
 */
struct json_object *doctor_kernel_log(void)
{
	struct json_object *lines = json_object_new_array();
	char path[PATH_SIZE], buffer[16384], *line, *end;
	ssize_t size;
	int fd, error;

	sys_path(path, "/dev/kmsg");
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		goto fail;
	/* A read of the device gives one record, of a file as much as there is room for. */
	for (;;) {
		size = read(fd, buffer, sizeof(buffer) - 1);
		if (size < 0 && errno == EPIPE)
			continue;	/* it was overwritten meanwhile */
		if (size < 0 && errno != EAGAIN)
			goto fail;
		if (size <= 0)
			break;
		buffer[size] = 0;
		for (line = buffer; *line; line = end) {
			end = line + strcspn(line, "\n");
			if (*end)
				*end++ = 0;
			see_record(line, lines);
		}
	}
	close(fd);
	return lines;

fail:
	error = errno;
	if (fd >= 0)
		close(fd);
	json_object_put(lines);
	errno = error;
	return NULL;
}

void doctor_log(struct doctor *doctor)
{
	struct json_object *lines = doctor_kernel_log();
	const char *line, *refused = NULL;
	size_t i;

	if (!lines) {
		found(doctor, "log", "unknown", "sudo dmesg", "the kernel's log: %s",
		      strerror(errno));
		return;
	}
	for (i = 0; i < json_object_array_length(lines); i++) {
		line = json_object_get_string(json_object_array_get_idx(lines, i));
		if (strstr(line, "not loading"))
			refused = line;
	}
	if (refused)
		found(doctor, "log", "note", NULL, "a module has refused to load: %s", refused);
	else
		found(doctor, "log", "ok", NULL, "no module has refused to load");
	json_object_put(lines);
}
