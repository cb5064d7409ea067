// SPDX-License-Identifier: GPL-2.0-only
/* doctor: the kernel, and what a build for it needs. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bufsync.h"

#define HEADERS_FIX	"sudo apt-get install linux-headers-%s"

void doctor_kernel(struct doctor *doctor)
{
	const struct kernel *kernel = &doctor->kernel;

	found(doctor, "package", "ok", NULL, "bufsync " BUFSYNC_VERSION " (" BUFSYNC_GIT ")");
	if (!*kernel->release)
		found(doctor, "kernel", "unknown", NULL,
		      "/proc/sys/kernel/osrelease cannot be read: which kernel is this?");
	else if (kernel_supported(kernel->release))
		found(doctor, "kernel", "ok", NULL, "Linux %s is supported ("
		      BUFSYNC_KERNEL_MIN " to " BUFSYNC_KERNEL_MAX ")", kernel->release);
	else
		found(doctor, "kernel", "problem", "boot a kernel from " BUFSYNC_KERNEL_MIN
		      " to " BUFSYNC_KERNEL_MAX ", or look for a newer bufsync",
		      "Linux %s is not supported: " BUFSYNC_KERNEL_MIN " to "
		      BUFSYNC_KERNEL_MAX " are", kernel->release);
	if (!*kernel->arch)
		found(doctor, "architecture", "unknown", NULL,
		      "the architecture is not known (before Linux 6.1 /proc does not tell)");
	else if (!strcmp(kernel->arch, "x86_64") || !strcmp(kernel->arch, "aarch64"))
		found(doctor, "architecture", "ok", NULL, "%s is tested", kernel->arch);
	else
		found(doctor, "architecture", "note", NULL,
		      "%s is not tested: only x86_64 and aarch64 are", kernel->arch);
}

static void check_headers(struct doctor *doctor)
{
	const char *release = doctor->kernel.release;
	int there = sys_is_there("/lib/modules/%s/build/Makefile", release);
	int dkms = sys_is_there("/var/lib/dkms/bufsync");
	char fix[LINE_SIZE];

	snprintf(fix, sizeof(fix), HEADERS_FIX, release);
	if (there > 0)
		found(doctor, "headers", "ok", NULL, "the headers of %s are there", release);
	else if (there < 0)
		found(doctor, "headers", "unknown", NULL,
		      "/lib/modules/%s/build cannot be looked at", release);
	else if (!dkms && module_is_ours(&doctor->modules[0]))
		found(doctor, "headers", "note", fix,
		      "the headers of %s are missing; dkms is not in use here", release);
	else
		found(doctor, "headers", "problem", fix,
		      "the headers of %s are missing: dkms cannot build", release);
}

/* The kernel's own configuration, or what its headers have of it */
static FILE *open_config(const char *release)
{
	static const char * const places[] = {
		"/boot/config-%s", "/lib/modules/%s/config", "/lib/modules/%s/build/.config",
		"/lib/modules/%s/build/include/config/auto.conf",
	};
	FILE *file = NULL;
	char path[LINE_SIZE * 2];
	size_t i;

	for (i = 0; !file && i < ARRAY_SIZE(places); i++) {
		snprintf(path, sizeof(path), places[i], release);
		file = sys_open("%s", path);
	}
	return file;
}

static bool on_path(const char *program)
{
	return sys_is_there("/usr/bin/%s", program) > 0 ||
	       sys_is_there("/usr/local/bin/%s", program) > 0;
}

/* The first line that the compiler itself says; "" if it cannot be asked */
static void ask_compiler(const char *program, char version[LINE_SIZE])
{
	struct json_object *lines = json_object_new_array();
	char path[PATH_SIZE];
	char *argv[3] = { path, "--version", NULL };

	*version = 0;
	snprintf(path, sizeof(path), "/usr/bin/%s", program);
	if (!*opt_root && !tool_lines(argv, lines) && json_object_array_length(lines))
		snprintf(version, LINE_SIZE, "%s",
			 json_object_get_string(json_object_array_get_idx(lines, 0)));
	json_object_put(lines);
}

static void check_compiler(struct doctor *doctor, const char *text)
{
	char program[LINE_SIZE], version[LINE_SIZE], fix[LINE_SIZE];
	const char *dash;

	snprintf(program, sizeof(program), "%.*s", (int)strcspn(text, " "), text);
	if (!*program || strchr(program, '/')) {
		found(doctor, "compiler", "unknown", NULL,
		      "the kernel's configuration does not tell its compiler");
		return;
	}
	/* x86_64-linux-gnu-gcc-14 is in the package gcc-14. */
	dash = strstr(program, "gcc");
	snprintf(fix, sizeof(fix), "sudo apt-get install %s", dash ? dash : program);
	if (!on_path(program)) {
		found(doctor, "compiler", "problem", fix,
		      "%s, which the kernel was built with, is not installed", program);
		return;
	}
	ask_compiler(program, version);
	if (!*version)
		found(doctor, "compiler", *opt_root ? "ok" : "unknown", NULL,
		      *opt_root ? "%s, which the kernel was built with, is installed" :
		      "%s is there, but does not say its version", program);
	else if (!strcmp(version, text))
		found(doctor, "compiler", "ok", NULL, "%s, as the kernel was built with",
		      version);
	else
		found(doctor, "compiler", "note", NULL,
		      "the kernel was built with %s; here is %s, which works as a rule",
		      text, version);
}

static const struct {
	const char *option, *what;
} options[] = {
	{ "CONFIG_MODULES", "all" },
	{ "CONFIG_DRM", "syncobj, drm_gem_ctl" },
	{ "CONFIG_SYNC_FILE", "syncobj" },
	{ "CONFIG_EVENTFD", "syncobj" },
	{ "CONFIG_DMA_SHARED_BUFFER", "all" },
	{ "CONFIG_MEMCG", "dma_heap_memcg" },
	{ "CONFIG_VFIO_PCI_CORE", "vfio_pci_dmabuf" },
};

#define OPTIONS		ARRAY_SIZE(options)

static void check_config(struct doctor *doctor)
{
	FILE *file = open_config(doctor->kernel.release);
	char line[LINE_SIZE], compiler[LINE_SIZE] = "";
	bool set[OPTIONS] = { false };
	bool missing = false;
	size_t i, len;

	if (!file) {
		found(doctor, "compiler", "unknown", NULL,
		      "the kernel's configuration is not there: which compiler was it?");
		found(doctor, "config", "unknown", NULL,
		      "the kernel's configuration is not there");
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		for (i = 0; i < OPTIONS; i++) {
			len = strlen(options[i].option);
			if (!strncmp(line, options[i].option, len) && line[len] == '=' &&
			    (line[len + 1] == 'y' || line[len + 1] == 'm'))
				set[i] = true;
		}
		if (!strncmp(line, "CONFIG_CC_VERSION_TEXT=\"", 24)) {
			snprintf(compiler, sizeof(compiler), "%s", line + 24);
			compiler[strcspn(compiler, "\"")] = 0;
		}
	}
	fclose(file);
	check_compiler(doctor, compiler);
	for (i = 0; i < OPTIONS; i++) {
		if (set[i])
			continue;
		missing = true;
		found(doctor, "config", "problem", "boot a kernel that has it",
		      "the kernel is built without %s, which is needed by: %s",
		      options[i].option, options[i].what);
	}
	if (!missing)
		found(doctor, "config", "ok", NULL, "it has what is needed");
}

static const struct {
	const char *module, *symbol;
} needs[] = { BUFSYNC_NEEDS };

#define NEEDS		ARRAY_SIZE(needs)

/* Which symbols modules get is what no header tells. */
static void check_symbols(struct doctor *doctor)
{
	FILE *file = sys_open("/lib/modules/%s/build/Module.symvers", doctor->kernel.release);
	bool there[NEEDS] = { false };
	char line[LINE_SIZE];
	size_t i, missing = 0;

	if (!file) {
		found(doctor, "symbols", "unknown", NULL,
		      "the list of exported symbols, in the kernel's headers, is not there");
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		const char *symbol = strchr(line, '\t');
		size_t len;

		if (!symbol++)
			continue;
		len = strcspn(symbol, "\t\n");
		for (i = 0; i < NEEDS; i++)
			if (!strncmp(symbol, needs[i].symbol, len) && !needs[i].symbol[len])
				there[i] = true;
	}
	fclose(file);
	for (i = 0; i < NEEDS; i++) {
		if (there[i])
			continue;
		missing++;
		found(doctor, "symbols", "problem", "boot a kernel that exports it",
		      "the kernel does not export %s: %s cannot work",
		      needs[i].symbol, needs[i].module);
	}
	if (!missing)
		found(doctor, "symbols", "ok", NULL,
		      "the kernel exports all %zu symbols needed", NEEDS);
}

void doctor_build(struct doctor *doctor)
{
	if (!*doctor->kernel.release)
		return;
	check_headers(doctor);
	check_config(doctor);
	check_symbols(doctor);
}
