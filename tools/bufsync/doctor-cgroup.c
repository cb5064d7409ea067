// SPDX-License-Identifier: GPL-2.0-only
/* doctor: cgroup v2 and its memory controller, by which dma_heap_memcg charges. */
#include <errno.h>
#include <string.h>

#include "bufsync.h"

#define V2_FIX		"boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line"
#define MEMORY_FIX	"boot without cgroup_disable=memory (and on some ARM boards with cgroup_enable=memory)"

/* find_mount - where the first cgroup2 is. Return: 1, 0 if nowhere, -errno */
static int find_mount(char where[LINE_SIZE])
{
	FILE *file = sys_open("/proc/self/mountinfo");
	char line[PATH_SIZE];
	int ret = 0;

	if (!file)
		return -errno;
	/* ID parent device root mountpoint options ... - type source options */
	while (!ret && fgets(line, sizeof(line), file)) {
		const char *type = strstr(line, " - ");

		if (type && !strncmp(type, " - cgroup2 ", 11))
			ret = sscanf(line, "%*s %*s %*s %*s %1000s", where) == 1;
	}
	fclose(file);
	return ret;
}

/* What /proc/cgroups says of the memory controller. Return: whether it does */
static bool old_memory(int *hierarchy, int *enabled)
{
	FILE *file = sys_open("/proc/cgroups");
	char line[LINE_SIZE];
	bool there = false;

	if (!file)
		return false;
	while (!there && fgets(line, sizeof(line), file))
		there = sscanf(line, "memory %d %*d %d", hierarchy, enabled) == 2;
	fclose(file);
	return there;
}

static bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word);
	const char *at = line;

	while ((at = strstr(at, word))) {
		if ((at == line || at[-1] == ' ') && (!at[len] || at[len] == ' '))
			return true;
		at += len;
	}
	return false;
}

void doctor_cgroup(struct doctor *doctor)
{
	char where[LINE_SIZE], words[LINE_SIZE], fix[LINE_SIZE];
	int hierarchy = 0, enabled = 1, error, mounted = find_mount(where);

	if (old_memory(&hierarchy, &enabled) && !enabled) {
		found(doctor, "cgroup", "problem", MEMORY_FIX,
		      "the memory controller is switched off: nobody is charged");
		return;
	}
	if (hierarchy) {
		found(doctor, "cgroup", "problem", V2_FIX,
		      "the memory controller is in cgroup v1: nobody can be named by a directory, and limits there are not told");
		return;
	}
	if (mounted < 0) {
		found(doctor, "cgroup", "unknown", NULL, "/proc/self/mountinfo: %s",
		      strerror(-mounted));
		return;
	}
	if (!mounted) {
		found(doctor, "cgroup", "problem", V2_FIX, "cgroup v2 is not mounted");
		return;
	}
	error = sys_line(words, "%s/cgroup.controllers", where);
	if (error) {
		found(doctor, "cgroup", "unknown", NULL, "%s/cgroup.controllers: %s", where,
		      strerror(-error));
		return;
	}
	if (!has_word(words, "memory")) {
		found(doctor, "cgroup", "problem", MEMORY_FIX,
		      "%s has no memory controller", where);
		return;
	}
	error = sys_line(words, "%s/cgroup.subtree_control", where);
	snprintf(fix, sizeof(fix), "echo +memory | sudo tee %.800s/cgroup.subtree_control", where);
	if (error)
		found(doctor, "cgroup", "unknown", NULL, "%s/cgroup.subtree_control: %s", where,
		      strerror(-error));
	else if (!has_word(words, "memory"))
		found(doctor, "cgroup", "problem", fix,
		      "the memory controller is off below %s: all is charged to the root", where);
	else
		found(doctor, "cgroup", "ok", NULL, "cgroup v2 with the memory controller, at %s",
		      where);
}
