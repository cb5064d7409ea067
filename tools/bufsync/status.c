// SPDX-License-Identifier: GPL-2.0-only
/* bufsync status */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "bufsync.h"

static struct json_object *module_rows(const struct module modules[MODULES])
{
	struct json_object *rows = json_object_new_array();
	int i;

	for (i = 0; i < MODULES; i++) {
		const struct module *m = &modules[i];
		struct json_object *row = json_object_new_object();
		const char *disk = "none", *loaded = "no";

		if (m->builtin)
			disk = "built in";
		else if (m->on_disk)
			disk = m->readable ? m->version : NULL;
		else if (!m->indexed)
			disk = NULL;
		if (m->loaded)
			loaded = *m->loaded_version ? m->loaded_version : NULL;
		add_string(row, "module", m->name);
		add_string(row, "package", BUFSYNC_VERSION);
		add_string(row, "loaded", loaded);
		add_string(row, "on_disk", disk);
		add_string(row, "path", m->on_disk ? m->path : disk ? "-" : NULL);
		json_object_array_add(rows, row);
	}
	return rows;
}

static void add_owner(struct json_object *row, const struct stat *st)
{
	struct passwd *user = getpwuid(st->st_uid);
	struct group *group = getgrgid(st->st_gid);
	char number[32];

	snprintf(number, sizeof(number), "%u", st->st_uid);
	add_string(row, "owner", user ? user->pw_name : number);
	snprintf(number, sizeof(number), "%u", st->st_gid);
	add_string(row, "group", group ? group->gr_name : number);
}

static struct json_object *node_rows(void)
{
	struct json_object *rows = json_object_new_array();
	int i, error, may;

	for (i = 0; i < NODES; i++) {
		struct json_object *row = json_object_new_object();
		char mode[16];
		struct stat st;

		add_string(row, "node", nodes[i].path);
		error = sys_stat(&st, "%s", nodes[i].path);
		if (error == -ENOENT || error == -ENOTDIR) {
			add_string(row, "mode", "absent");
			add_string(row, "owner", "-");
			add_string(row, "group", "-");
			add_string(row, "you_may_open", "no");
		} else if (error) {
			add(row, "mode", NULL);
			add(row, "owner", NULL);
			add(row, "group", NULL);
			add(row, "you_may_open", NULL);
		} else {
			snprintf(mode, sizeof(mode), "%04o", st.st_mode & 07777);
			add_string(row, "mode", mode);
			add_owner(row, &st);
			may = node_may_open(&nodes[i]);
			add_string(row, "you_may_open", may < 0 ? NULL : may ? "yes" : "no");
		}
		json_object_array_add(rows, row);
	}
	return rows;
}

static void see_parameter(const char *name, void *data)
{
	json_object_array_add(data, json_object_new_string(name));
}

/* The parameters of a loaded module; a word if it has none, or is not loaded */
static struct json_object *parameters_of(const struct module *m)
{
	struct json_object *names, *all;
	char value[LINE_SIZE];
	size_t i;
	int count, error;

	if (!m->loaded)
		return json_object_new_string("not loaded");
	names = json_object_new_array();
	count = sys_each(see_parameter, names, "/sys/module/%s/parameters", m->name);
	if (count < 0) {
		json_object_put(names);
		return count == -ENOENT ? json_object_new_string("none") : NULL;
	}
	all = json_object_new_object();
	for (i = 0; i < json_object_array_length(names); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(names, i));

		error = sys_line(value, "/sys/module/%s/parameters/%s", m->name, name);
		add_string(all, name, error ? NULL : value);
	}
	json_object_put(names);
	return all;
}

struct json_object *status_document(const struct kernel *kernel,
				    const struct module modules[MODULES])
{
	struct json_object *doc = json_object_new_object(), *parameters;
	int i;

	add_string(doc, "version", BUFSYNC_VERSION);
	add_string(doc, "git", BUFSYNC_GIT);
	add_string(doc, "kernel", *kernel->release ? kernel->release : NULL);
	add_string(doc, "architecture", *kernel->arch ? kernel->arch : NULL);
	add(doc, "modules", module_rows(modules));
	add(doc, "nodes", node_rows());
	add(doc, "features", caps_features());
	parameters = json_object_new_object();
	for (i = 0; i < MODULES; i++)
		add(parameters, modules[i].name, parameters_of(&modules[i]));
	add(doc, "parameters", parameters);
	return doc;
}

int status_run(const struct command *self, int argc, char **argv)
{
	struct module modules[MODULES];
	struct json_object *doc;
	struct kernel kernel;

	if (argc > 1)
		return usage_error(self, "'%s' is too much", argv[1]);
	kernel_read(&kernel);
	modules_read(&kernel, modules);
	doc = status_document(&kernel, modules);
	out_document(doc);
	json_object_put(doc);
	return EXIT_FINE;
}
