// SPDX-License-Identifier: GPL-2.0-only
/* bufsync doctor: the findings, the report, and the verdict. */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "bufsync.h"

/**
 * found - add a finding
 * @doctor:	which counts them
 * @check:	what it is about, a word
 * @status:	"ok", "note", "unknown" or "problem"
 * @fix:	the line that helps, or NULL
 * @format:	a sentence, as printf()'s
 */
void found(struct doctor *doctor, const char *check, const char *status, const char *fix,
	   const char *format, ...)
{
	struct json_object *finding = json_object_new_object();
	char text[PATH_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	out_harmless(text);
	add_string(finding, "check", check);
	add_string(finding, "status", status);
	add_string(finding, "text", text);
	if (fix)
		add_string(finding, "fix", fix);
	json_object_array_add(doctor->findings, finding);
	doctor->problems += !strcmp(status, "problem");
	doctor->unknown += !strcmp(status, "unknown");
}

static const char *member(struct json_object *of, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(of, key, &value) ? json_object_get_string(value) : NULL;
}

static void print_findings(struct json_object *findings)
{
	size_t i;

	for (i = 0; i < json_object_array_length(findings); i++) {
		struct json_object *finding = json_object_array_get_idx(findings, i);
		const char *status = member(finding, "status"), *fix = member(finding, "fix");

		printf("%s%-8s%s %-12s %s\n", out_colour(status), status, out_plain(),
		       member(finding, "check"), member(finding, "text"));
		if (fix)
			printf("%-21s fix: %s\n", "", fix);
	}
}

static void print_lines(struct json_object *doc, const char *key, const char *title)
{
	struct json_object *lines;
	size_t i;

	if (!json_object_object_get_ex(doc, key, &lines))
		return;
	printf("\n%s:\n", title);
	if (!lines)
		puts("  unknown");
	else if (!json_object_array_length(lines))
		puts("  none");
	for (i = 0; lines && i < json_object_array_length(lines); i++)
		printf("  %s\n", json_object_get_string(json_object_array_get_idx(lines, i)));
}

/* Findings do not fit into a table; the rest is as everywhere. */
static void print_text(struct json_object *doc, bool report)
{
	struct json_object *value;

	out_progress("%s", "");
	/* What a bug tracker is to leave as it is */
	if (report)
		puts("```");
	json_object_object_get_ex(doc, "findings", &value);
	print_findings(value);
	if (json_object_object_get_ex(doc, "status", &value)) {
		putchar('\n');
		out_text(stdout, value);
	}
	print_lines(doc, "kernel_log", "last messages of the modules in the kernel's log");
	print_lines(doc, "build_log", "errors of the last build by dkms");
	printf("\n%s\n", member(doc, "verdict"));
	if (report)
		puts("```");
}

static void add_verdict(struct json_object *doc, const struct doctor *doctor)
{
	char text[LINE_SIZE];

	if (!doctor->problems && !doctor->unknown)
		snprintf(text, sizeof(text), "all is fine");
	else
		snprintf(text, sizeof(text), "%u problem%s, %u thing%s unknown%s",
			 doctor->problems, doctor->problems == 1 ? "" : "s",
			 doctor->unknown, doctor->unknown == 1 ? "" : "s",
			 doctor->unknown && geteuid() ? " (as root more can be found out)" : "");
	add_number(doc, "problems", doctor->problems);
	add_number(doc, "unknown", doctor->unknown);
	add_string(doc, "verdict", text);
}

int doctor_run(const struct command *self, int argc, char **argv)
{
	static void (* const checks[])(struct doctor *) = {
		doctor_kernel, doctor_build, doctor_probe, doctor_dkms, doctor_modules,
		doctor_secure_boot, doctor_nodes, doctor_cgroup, doctor_machine, doctor_log,
	};
	struct doctor doctor = { 0 };
	struct json_object *doc;
	size_t i;

	if (argc > 2)
		return usage_error(self, "'%s' is too much", argv[2]);
	if (argc == 2) {
		if (strcmp(argv[1], "--report"))
			return usage_error(self, "'%s' is no option", argv[1]);
		doctor.report = true;
		out_begin(true);
	}
	doc = json_object_new_object();
	doctor.findings = json_object_new_array();
	out_progress("looking at modules ...");
	kernel_read(&doctor.kernel);
	modules_read(&doctor.kernel, doctor.modules);
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		out_progress("checking %zu of %zu ...", i + 1,
			     ARRAY_SIZE(checks));
		checks[i](&doctor);
	}

	add_string(doc, "version", BUFSYNC_VERSION);
	add_string(doc, "git", BUFSYNC_GIT);
	add(doc, "findings", doctor.findings);
	if (doctor.report)
		add(doc, "status", status_document(&doctor.kernel, doctor.modules));
	add(doc, "kernel_log", doctor_kernel_log());
	add(doc, "build_log", doctor_make_log());
	add_verdict(doc, &doctor);
	if (opt_json)
		out_document(doc);
	else
		print_text(doc, doctor.report);
	json_object_put(doc);
	return doctor.problems ? EXIT_PROBLEM : EXIT_FINE;
}
