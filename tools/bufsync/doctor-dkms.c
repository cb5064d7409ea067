// SPDX-License-Identifier: GPL-2.0-only
/* doctor: what dkms has, for each kernel; and what its last build said. */
#include <errno.h>
#include <string.h>

#include "bufsync.h"

#define TREE	"/var/lib/dkms/bufsync"

struct dkms {
	struct doctor *doctor;
	char versions[LINE_SIZE];	/* that dkms has, separated by blanks */
	bool same;			/* this program's is among them */
};

static void see_version(const char *name, void *data)
{
	struct dkms *dkms = data;
	size_t used = strlen(dkms->versions);

	/* The other names are links, kernel-RELEASE-ARCH. */
	if (name[0] < '0' || name[0] > '9')
		return;
	snprintf(dkms->versions + used, sizeof(dkms->versions) - used, "%s%s",
		 used ? " " : "", name);
	if (!strcmp(name, BUFSYNC_VERSION))
		dkms->same = true;
}

enum state { ABSENT, BUILT, INSTALLED };

static enum state state_of(const char *release, const char *arch)
{
	if (sys_is_there(TREE "/kernel-%s-%s", release, arch) > 0)
		return INSTALLED;
	if (sys_is_there(TREE "/" BUFSYNC_VERSION "/%s", release) > 0)
		return BUILT;
	return ABSENT;
}

static void see_kernel(const char *release, void *data)
{
	struct dkms *dkms = data;
	struct doctor *doctor = dkms->doctor;
	bool runs = !strcmp(release, doctor->kernel.release);
	enum state state = state_of(release, doctor->kernel.arch);
	char fix[LINE_SIZE];

	/* A folder that only other modules, or headers, have left */
	if (!runs && sys_is_there("/lib/modules/%s/modules.builtin", release) <= 0)
		return;
	snprintf(fix, sizeof(fix), "sudo dkms install bufsync/" BUFSYNC_VERSION " -k %.500s",
		 release);
	if (state == INSTALLED)
		found(doctor, "dkms", "ok", NULL, "installed for %s", release);
	else if (!kernel_supported(release))
		found(doctor, "dkms", "note", NULL,
		      "%s is not supported; dkms leaves it out", release);
	else
		found(doctor, "dkms", runs ? "problem" : "note", fix, "%s for %s%s",
		      state == BUILT ? "built but not installed" : "not built", release,
		      runs ? ", which runs" : "");
}

void doctor_dkms(struct doctor *doctor)
{
	struct dkms dkms = { .doctor = doctor };
	int count = sys_each(see_version, &dkms, TREE);

	if (count == -ENOENT) {
		if (module_is_ours(&doctor->modules[0]))
			found(doctor, "dkms", "note", NULL,
			      "dkms does not have bufsync; its modules came another way");
		else
			found(doctor, "dkms", "problem",
			      "sudo make install, in the source of bufsync; or install the package bufsync-dkms",
			      "dkms does not have bufsync");
		return;
	}
	if (count < 0) {
		found(doctor, "dkms", "unknown", NULL, TREE ": %s", strerror(-count));
		return;
	}
	if (dkms.same)
		found(doctor, "dkms", "ok", NULL, "dkms has bufsync/%s", dkms.versions);
	else
		found(doctor, "dkms", "problem", "sudo make install, in the source of bufsync",
		      "dkms has bufsync/%s; this command is of " BUFSYNC_VERSION,
		      *dkms.versions ? dkms.versions : "(no version)");
	count = sys_each(see_kernel, &dkms, "/lib/modules");
	if (count < 0)
		found(doctor, "dkms", "unknown", NULL, "/lib/modules: %s", strerror(-count));
}

static bool is_error(const char *line)
{
	return strstr(line, "error:") || strstr(line, "Error ") || strstr(line, "***") ||
	       strstr(line, "compat/probe:");
}

/**
 * doctor_make_log - what the last build by dkms complained about
 *
 * Return: lines, the last 20; none if there is no log of a failed build; NULL if it
 * cannot be read
 */
struct json_object *doctor_make_log(void)
{
	/* dkms moves it when a build has worked. */
	FILE *file = sys_open(TREE "/" BUFSYNC_VERSION "/build/make.log");
	struct json_object *lines;
	char line[LINE_SIZE];

	if (!file)
		return errno == ENOENT ? json_object_new_array() : NULL;
	lines = json_object_new_array();
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		out_harmless(line);
		if (!is_error(line))
			continue;
		if (json_object_array_length(lines) == 20)
			json_object_array_del_idx(lines, 0, 1);
		json_object_array_add(lines, json_object_new_string(line));
	}
	fclose(file);
	return lines;
}
