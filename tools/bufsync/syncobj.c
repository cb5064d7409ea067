// SPDX-License-Identifier: GPL-2.0-only
/* bufsync syncobj watch: states and points of the sync objects of a process. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <linux/syncobj.h>

#include "bufsync.h"

#define NODE	"/dev/syncobj"
#define LINK	"anon_inode:syncobj_file"

struct watched {
	int dev;
	pid_t pid;
	int fd;				/* only this one; -1: all */
	struct json_object *rows;
};

static struct json_object *point(int dev, int fd, unsigned int flags)
{
	uint64_t value = 0;
	struct syncobj_array_args args = {
		.fds = (uintptr_t)&fd, .points = (uintptr_t)&value, .count = 1, .flags = flags,
	};

	return ioctl(dev, SYNCOBJ_IOC_QUERY, &args) ? NULL : json_object_new_uint64(value);
}

static void add_state(struct json_object *row, int dev, int fd)
{
	int status = 0;
	struct syncobj_status_args args = {
		.size = sizeof(args), .fds = (uintptr_t)&fd,
		.out_status = (uintptr_t)&status, .count = 1,
	};
	char error[64];

	if (ioctl(dev, SYNCOBJ_IOC_STATUS, &args)) {
		add(row, "state", NULL);
	} else if (status < 0) {
		snprintf(error, sizeof(error), "error: %s", strerror(-status));
		add_string(row, "state", error);
	} else {
		add_string(row, "state", status == SYNCOBJ_STATUS_UNSUBMITTED ? "no fence" :
			   status == SYNCOBJ_STATUS_PENDING ? "pending" :
			   status == SYNCOBJ_STATUS_SIGNALED ? "signaled" : NULL);
	}
}

static void see_syncobj(const struct proc_fd *at, void *data)
{
	struct watched *watched = data;
	struct json_object *row;
	int fd, error = 0;

	if (strcmp(at->link, LINK) || (watched->fd >= 0 && watched->fd != at->fd))
		return;
	fd = proc_fd_copy(at->pid, at->fd);
	if (fd < 0)
		error = -fd;
	row = json_object_new_object();
	add_number(row, "fd", at->fd);
	if (error) {
		add(row, "state", NULL);
		add(row, "signaled_point", NULL);
		add(row, "last_point", NULL);
	} else {
		add_state(row, watched->dev, fd);
		add(row, "signaled_point", point(watched->dev, fd, 0));
		add(row, "last_point",
		    point(watched->dev, fd, SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED));
		close(fd);
	}
	add_string(row, "why", error ? strerror(error) : "");
	json_object_array_add(watched->rows, row);
}

static struct json_object *document(void *data)
{
	struct json_object *doc = json_object_new_object();
	struct watched *watched = data;
	char name[LINE_SIZE];
	int error;

	watched->rows = json_object_new_array();
	error = proc_each_fd(watched->pid, see_syncobj, watched);
	if (error) {
		complain("process %d: %s", watched->pid, strerror(-error));
		json_object_put(watched->rows);
		json_object_put(doc);
		return NULL;
	}
	proc_name(watched->pid, name);
	add_number(doc, "pid", watched->pid);
	add_string(doc, "process", *name ? name : NULL);
	add(doc, "syncobjs", watched->rows);
	return doc;
}

/* An fd that has been inherited, or a process, or PID:FD */
static bool parse(const char *text, struct watched *watched)
{
	char number[32], path[64], link[64];
	const char *colon = strchr(text, ':');
	int value;

	watched->fd = -1;
	if (colon) {
		snprintf(number, sizeof(number), "%.*s", (int)(colon - text), text);
		if (!proc_number(number, &value) || !proc_number(colon + 1, &watched->fd))
			return false;
		watched->pid = value;
		return true;
	}
	if (!proc_number(text, &value))
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", value);
	memset(link, 0, sizeof(link));
	if (readlink(path, link, sizeof(link) - 1) > 0 && !strcmp(link, LINK)) {
		watched->pid = getpid();
		watched->fd = value;
	} else {
		watched->pid = value;
	}
	return true;
}

int syncobj_run(const struct command *self, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 }
	};
	struct watched watched;
	double seconds = 1;
	int c, count = 0, ret;
	char why[LINE_SIZE];

	while ((c = getopt_long(argc, argv, "i:n:", long_options, NULL)) != -1) {
		if (c == 'i' && !watch_interval(optarg, &seconds))
			return usage_error(self, "'%s' is no interval", optarg);
		if (c == 'n' && !watch_count(optarg, &count))
			return usage_error(self, "'%s' is no count", optarg);
		if (c == '?')
			return usage_error(self, "see --help");
	}
	if (argc - optind != 2 || strcmp(argv[optind], "watch"))
		return usage_error(self, "say watch, and what");
	if (!parse(argv[optind + 1], &watched))
		return usage_error(self, "'%s' is neither an fd nor a process", argv[optind + 1]);
	watched.dev = node_open(NODE);
	if (watched.dev < 0) {
		complain("%s", node_why(why, NODE, -watched.dev));
		return EXIT_PROBLEM;
	}
	ret = watch(seconds, count, document, &watched);
	close(watched.dev);
	return ret;
}
