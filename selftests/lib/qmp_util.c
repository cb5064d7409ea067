// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "module_util.h"
#include "qmp_util.h"
#include "syncobj_util.h"

#define PORTS		"/sys/class/virtio-ports"
#define PORT_NAME	"qmp"
#define ANSWER_MS	30000

/* JSON: no more of it than it takes to look at what QEMU says. */

static const char *skip_space(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* From the opening quote to behind the closing one */
static const char *skip_string(const char *p)
{
	for (p++; *p && *p != '"'; p++)
		if (*p == '\\' && p[1])
			p++;
	return *p ? p + 1 : p;
}

static const char *skip_value(const char *p)
{
	int depth = 0;

	for (; *p; p++) {
		if (!depth && strchr(",}]", *p))
			break;
		if (*p == '"')
			p = skip_string(p) - 1;
		else if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
	}
	return p;
}

/* The value of the member @key of the object @p; NULL if it has none */
static const char *member(const char *p, const char *key, size_t *len)
{
	size_t key_len = strlen(key);
	const char *name, *value;
	bool found;

	p = skip_space(p);
	if (*p != '{')
		return NULL;
	for (p = skip_space(p + 1); *p == '"'; p = skip_space(p)) {
		name = p;
		p = skip_space(skip_string(p));
		if (*p != ':')
			return NULL;
		found = !strncmp(name + 1, key, key_len) &&
			name[key_len + 1] == '"';
		value = skip_space(p + 1);
		p = skip_value(value);
		if (found) {
			*len = p - value;
			return value;
		}
		if (*p == ',')
			p++;
	}
	return NULL;
}

static void unescape(const char *from, size_t len, char *to, size_t size)
{
	const char *end = from + len - 1;
	size_t n = 0;
	char c;

	/* Without the quotes. What is not ASCII becomes a question mark. */
	for (from++; from < end && n + 1 < size; from++) {
		c = *from;
		if (c == '\\') {
			c = *++from;
			c = c == 'n' ? '\n' : c == 'r' ? '\r' :
			    c == 't' ? '\t' : c;
			if (c == 'u') {
				c = '?';
				from += 4;
			}
		}
		to[n++] = c;
	}
	if (size)
		to[n] = '\0';
}

static int escape(const char *from, char *to, size_t size)
{
	size_t n = 0;

	for (; *from; from++) {
		if (n + 8 > size)
			return -E2BIG;
		if (*from == '"' || *from == '\\')
			n += sprintf(to + n, "\\%c", *from);
		else if ((unsigned char)*from < 0x20)
			n += sprintf(to + n, "\\u%04x", *from);
		else
			to[n++] = *from;
	}
	to[n] = '\0';
	return 0;
}

/* Lines */

static int wait_for(int qmp, short what, int64_t end)
{
	struct pollfd pfd = { .fd = qmp, .events = what };
	int64_t left = (end - now_ns()) / NSEC_PER_MSEC;
	int n;

	n = poll(&pfd, 1, left > 0 ? left : 0);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (!n)
		return -ETIMEDOUT;
	/* It says hang-up when nobody is at the other end. */
	return pfd.revents & what ? 0 : -EPIPE;
}

static int line_send(int qmp, const char *line, int64_t end)
{
	size_t left = strlen(line);
	ssize_t n;
	int ret;

	while (left) {
		n = write(qmp, line, left);
		if (n >= 0) {
			line += n;
			left -= n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		ret = wait_for(qmp, POLLOUT, end);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * A line without its end, in memory of its own. By the byte: what follows is
 * the next call's, which may be another process's.
 */
static int line_get(int qmp, char **line, int64_t end)
{
	size_t used = 0, size = 0;
	char c, *grown;
	ssize_t n;
	int ret;

	*line = NULL;
	for (;;) {
		n = read(qmp, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			ret = wait_for(qmp, POLLIN, end);
			if (!ret)
				continue;
		} else {
			ret = n < 0 ? -errno : -EPIPE;
		}
		if (n <= 0)
			break;
		if (used + 2 > size) {
			size = size ? 2 * size : 256;
			grown = realloc(*line, size);
			ret = -ENOMEM;
			if (!grown)
				break;
			*line = grown;
		}
		(*line)[used] = c == '\n' ? '\0' : c;
		if (c == '\n')
			return 0;
		used++;
	}
	free(*line);
	*line = NULL;
	return ret;
}

/*
 * Sends @command, "{...}", under an id of its own and takes lines up to the one that has
 * it. Others are events, the greeting, or of a process that did not wait.
 */
static int transact(int qmp, const char *command, char **answer)
{
	static _Atomic unsigned int count;
	int64_t end = in_ms(ANSWER_MS);
	char id[64], *line;
	const char *is;
	size_t len;
	int ret;

	*answer = NULL;
	snprintf(id, sizeof(id), "\"%d.%llx.%x\"", getpid(),
		 (unsigned long long)now_ns(), ++count);
	if (asprintf(&line, "{\"id\": %s, %s\n", id, command + 1) < 0)
		return -ENOMEM;
	ret = line_send(qmp, line, end);
	free(line);
	while (!ret) {
		ret = line_get(qmp, &line, end);
		if (ret)
			break;
		is = member(line, "id", &len);
		if (is && len == strlen(id) && !memcmp(is, id, len)) {
			*answer = line;
			return 0;
		}
		free(line);
	}
	return ret;
}

/* What @command returns: a string unescaped, anything else as JSON */
static int command_return(int qmp, const char *command, char *answer,
			  size_t size)
{
	const char *value;
	char *line;
	size_t len;
	int ret;

	ret = transact(qmp, command, &line);
	if (ret)
		return ret;
	value = member(line, "return", &len);
	if (!value) {
		fprintf(stderr, "# qmp: %s: %s\n", command, line);
		ret = -EREMOTEIO;
	} else if (answer && *value == '"') {
		unescape(value, len, answer, size);
	} else if (answer) {
		snprintf(answer, size, "%.*s", (int)len, value);
	}
	free(line);
	return ret;
}

int qmp_command(int qmp, const char *what, const char *arguments,
		char *answer, size_t size)
{
	char *command;
	int ret;

	if (asprintf(&command, "{\"execute\": \"%s\", \"arguments\": {%s}}",
		     what, arguments) < 0)
		return -ENOMEM;
	ret = command_return(qmp, command, answer, size);
	free(command);
	return ret;
}

int qmp_human(int qmp, const char *line, char *answer, size_t size)
{
	char escaped[1024], arguments[1100];
	int ret = escape(line, escaped, sizeof(escaped));

	if (ret)
		return ret;
	snprintf(arguments, sizeof(arguments), "\"command-line\": \"%s\"",
		 escaped);
	return qmp_command(qmp, "human-monitor-command", arguments, answer, size);
}

static bool port_is(const char *port, const char *name)
{
	char path[PATH_MAX], is[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), PORTS "/%s/name", port);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(is, sizeof(is), f))
		is[0] = '\0';
	fclose(f);
	is[strcspn(is, "\n")] = '\0';
	return !strcmp(is, name);
}

static int port_open(const char *name)
{
	DIR *dir = opendir(PORTS);
	struct dirent *de;
	char path[PATH_MAX] = "";
	int fd;

	while (dir && !*path && (de = readdir(dir)))
		if (port_is(de->d_name, name))
			snprintf(path, sizeof(path), "/dev/%s", de->d_name);
	if (dir)
		closedir(dir);
	if (!*path)
		return -ENODEV;
	/* One that is just being closed elsewhere is busy for a moment. */
	fd = node_open(path);
	if (fd >= 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

int qmp_open(void)
{
	int ret, qmp = port_open(PORT_NAME);
	const char *error, *class;
	char *line;
	size_t len;

	if (qmp < 0)
		return qmp;
	ret = transact(qmp, "{\"execute\": \"qmp_capabilities\"}", &line);
	if (!ret) {
		/* Once is enough, whoever it was. */
		error = member(line, "error", &len);
		class = error ? member(error, "class", &len) : NULL;
		if (error && (!class ||
			      strncmp(class, "\"CommandNotFound\"", len))) {
			fprintf(stderr, "# qmp: %s\n", line);
			ret = -EREMOTEIO;
		}
		free(line);
	}
	if (ret) {
		close(qmp);
		return ret;
	}
	return qmp;
}
