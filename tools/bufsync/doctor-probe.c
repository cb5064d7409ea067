// SPDX-License-Identifier: GPL-2.0-only
/*
 * doctor: which interfaces of the kernel are its own, and which the bundle had to put
 * something in the place of. compat/probe is asked, which compiles: some seconds, so only
 * for a report.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bufsync.h"

#define SOURCE	"/usr/src/bufsync-" BUFSYNC_VERSION "/compat"

/* Lines of a file that begin with a text, or have it behind the first "|" */
static int count_lines(const char *path, const char *begin)
{
	FILE *file = fopen(path, "re");
	char line[PATH_SIZE];
	int count = 0;

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		count += !strncmp(line, begin, strlen(begin));
	fclose(file);
	return count;
}

/* Questions whose answer is yes or no; the two controls are none. */
static int count_questions(void)
{
	FILE *file = fopen(SOURCE "/probes", "re");
	char line[PATH_SIZE], name[64], kind[32];
	int count = 0;

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s | %31s", name, kind) != 2 || *name == '#' ||
		    !strncmp(name, "CONTROL_", 8))
			continue;
		count += !strcmp(kind, "header") || !strcmp(kind, "compile") ||
			 !strcmp(kind, "symbol");
	}
	fclose(file);
	return count;
}

static void count_answers(struct doctor *doctor, const char *dir)
{
	char path[PATH_SIZE];
	int questions = count_questions(), yes, stubs;

	snprintf(path, sizeof(path), "%s/bufsync/config.h", dir);
	yes = count_lines(path, "#define BUFSYNC_HAVE_");
	stubs = count_lines(path, "#define BUFSYNC_STUB_REASON_");
	if (questions < 0 || yes < 0) {
		found(doctor, "compat", "unknown", NULL, "compat/probe has left no answers");
		return;
	}
	/* CONTROL_YES is among them. */
	yes--;
	found(doctor, "compat", stubs ? "problem" : "ok",
	      stubs ? OTHER_KERNEL_FIX : NULL,
	      "compat: %d native, %d backported or done without, %d modules unavailable",
	      yes, questions - yes, stubs);
}

void doctor_probe(struct doctor *doctor)
{
	struct json_object *lines;
	char dir[] = "/tmp/bufsync-doctor.XXXXXX";
	char kdir[PATH_SIZE], out[PATH_SIZE];
	char *probe[4] = { SOURCE "/probe", kdir, out, NULL };
	char *remove[4] = { "/bin/rm", "-rf", dir, NULL };
	int ret;

	if (!doctor->report)
		return;
	snprintf(kdir, sizeof(kdir), "/lib/modules/%s/build", doctor->kernel.release);
	if (*opt_root || access(probe[0], X_OK) || access(kdir, R_OK) || !mkdtemp(dir)) {
		found(doctor, "compat", "unknown", NULL,
		      "what this kernel has cannot be asked without " SOURCE " and its headers");
		return;
	}
	out_progress("asking what this kernel has (some seconds) ...");
	snprintf(out, sizeof(out), "%s/out", dir);
	lines = json_object_new_array();
	ret = tool_lines(probe, lines);
	if (ret)
		found(doctor, "compat", "unknown", NULL, "compat/probe: %s",
		      ret < 0 ? strerror(-ret) : json_object_array_length(lines) ?
		      json_object_get_string(json_object_array_get_idx(lines, 0)) : "it failed");
	else
		count_answers(doctor, out);
	tool_lines(remove, lines);
	json_object_put(lines);
}
