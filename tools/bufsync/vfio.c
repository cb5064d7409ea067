// SPDX-License-Identifier: GPL-2.0-only
/* bufsync vfio: what bufsync-vfio does, and slices. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bufsync.h"

static void set_places(void)
{
	static char sysfs[PATH_SIZE], vfio_nodes[PATH_SIZE];

	if (!*opt_root)
		return;
	sys_path(sysfs, "/sys");
	sys_path(vfio_nodes, "/dev/vfio");
	setenv("BUFSYNC_VFIO_SYSFS", sysfs, 1);
	setenv("BUFSYNC_VFIO_NODES", vfio_nodes, 1);
}

/* row_of - a line of "bufsync-vfio list", whose last column may have blanks */
static struct json_object *row_of(const char *line)
{
	static const char * const keys[] = { "device", "ids", "driver", "node" };
	struct json_object *row = json_object_new_object();
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		len = strcspn(line, " ");
		add(row, keys[i], json_object_new_string_len(line, len));
		line += len;
		line += strspn(line, " ");
	}
	add_string(row, "processes", line);
	return row;
}

static int list(char **argv)
{
	struct json_object *doc = json_object_new_object(), *lines = json_object_new_array();
	struct json_object *rows = json_object_new_array();
	int ret = tool_lines(argv, lines);
	size_t i;

	/* The first line has the titles. */
	for (i = 1; !ret && i < json_object_array_length(lines); i++) {
		const char *line = json_object_get_string(json_object_array_get_idx(lines, i));

		json_object_array_add(rows, row_of(line));
	}
	if (ret) {
		json_object_put(rows);
		rows = NULL;
	}
	add(doc, "devices", rows);
	if (ret)
		add(doc, "lines", json_object_get(lines));
	out_document(doc);
	json_object_put(doc);
	json_object_put(lines);
	return ret ? EXIT_PROBLEM : EXIT_FINE;
}

/* As JSON the sentences that it says, and whether it worked. */
static int quote(char **argv)
{
	struct json_object *doc = json_object_new_object(), *lines = json_object_new_array();
	int ret = tool_lines(argv, lines);

	add(doc, "done", json_object_new_boolean(!ret));
	add(doc, "lines", lines);
	out_document(doc);
	json_object_put(doc);
	return ret < 0 ? EXIT_PROBLEM : ret;
}

int vfio_run(const struct command *self, int argc, char **argv)
{
	char path[PATH_SIZE];

	if (argc < 2)
		return usage_error(self, "say what to do");
	if (!strcmp(argv[1], "slices")) {
		if (argc > 2)
			return usage_error(self, "'%s' is too much", argv[2]);
		return slices_run(self);
	}
	if (strcmp(argv[1], "list") && strcmp(argv[1], "bind") && strcmp(argv[1], "unbind"))
		return usage_error(self, "'%s' is not known", argv[1]);
	if (tool_path(path, "bufsync-vfio")) {
		complain("bufsync-vfio is not installed");
		return EXIT_PROBLEM;
	}
	set_places();
	argv[0] = path;
	if (!strcmp(argv[1], "list") && argc == 2)
		return list(argv);
	if (opt_json)
		return quote(argv);
	execv(path, argv);
	complain("%s: %s", path, strerror(errno));
	return EXIT_PROBLEM;
}
