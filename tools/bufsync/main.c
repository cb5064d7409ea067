// SPDX-License-Identifier: GPL-2.0-only
/* The options that all subcommands have, and the way to these. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bufsync.h"

bool opt_json;
const char *opt_root = "";

static const struct command commands[] = {
	{ "status", "modules, nodes, and what the modules can do here",
	  "status\n\n"
	  "Versions of the package, of the modules that are loaded and of those on disk,\n"
	  "the device nodes, the features that the modules say they have on this kernel,\n"
	  "and the parameters of vfio_pci_dmabuf.\n", status_run },
	{ "doctor", "looks for what is wrong, and says what helps",
	  "doctor [--report]\n\n"
	  "Each finding that is not fine comes with the line that fixes it.\n\n"
	  "  --report  one text to be pasted into a bug report: also all that status\n"
	  "            says, the kernel's last messages and the last failed build\n\n"
	  "Exit status: 0 no problem found, 1 a problem, 2 usage. What could not be\n"
	  "found out is \"unknown\", which is no problem and not fine either.\n", doctor_run },
	{ "heap", "which cgroup pays for how much dma-buf memory",
	  "heap [--watch [SECONDS]] [--count N]\n\n"
	  "The table /proc/dma_heap_memcg, most first. It is root's; who may open\n"
	  "/dev/dma_heap/memcg sees the same of the cgroups below /sys/fs/cgroup.\n\n"
	  "  --watch   again each second, or each SECONDS\n"
	  "  --count   end after so many\n", heap_run },
	{ "vfio", "PCI devices given away, and who has slices of them",
	  "vfio list\n"
	  "       bufsync vfio bind [--stock] [--dry-run] BDF...\n"
	  "       bufsync vfio unbind [--dry-run] BDF...\n"
	  "       bufsync vfio slices\n\n"
	  "The first three are bufsync-vfio's. slices tells which processes hold slices\n"
	  "of which device, and in which state those are, as far as the caller may\n"
	  "look into the processes.\n", vfio_run },
	{ "gem", "GEM handles of a process, and what a dma-buf is",
	  "gem list [PID|NODE]\n"
	  "       bufsync gem owner PID FD\n\n"
	  "list shows the handles of all DRM files that a process, or all processes, have\n"
	  "open (NODE: only files of that node, such as /dev/dri/renderD128). owner\n"
	  "tells who has exported the dma-buf that PID has as FD, and what importing it\n"
	  "would mean. Both need /dev/drm_gem, and the right to trace the process.\n",
	  gem_run },
	{ "syncobj", "states of the sync objects of a process",
	  "syncobj watch [--interval SECONDS] [--count N] FD|PID|PID:FD\n\n"
	  "State and points of all sync objects that PID has fds of, or of one; FD is one\n"
	  "that this command has inherited. It goes on until it is interrupted, each\n"
	  "second or each SECONDS, or N times. Needs /dev/syncobj, and the right to trace\n"
	  "the process.\n", syncobj_run },
};

#define COMMANDS	ARRAY_SIZE(commands)

static const char common_help[] =
	"\n"
	"Everywhere:\n"
	"  --json      print JSON\n"
	"  --root DIR  look at DIR/proc, DIR/sys and so on, instead of this system\n"
	"  --help      this\n";

void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("bufsync: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

static void usage(FILE *to)
{
	size_t i;

	fputs("usage: bufsync COMMAND [OPTION...]\n\n", to);
	for (i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-8s  %s\n", commands[i].name, commands[i].brief);
	fputs("\nbufsync COMMAND --help tells more.\n", to);
	fputs(common_help, to);
	fputs("  --version   the version\n", to);
}

int usage_error(const struct command *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "bufsync %s: ", command->name);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nusage: bufsync %.*s\n", (int)strcspn(command->help, "\n"),
		command->help);
	return EXIT_USAGE;
}

static int set_root(const char *dir)
{
	static char root[PATH_SIZE];
	char *full = realpath(dir, NULL);

	if (!full) {
		complain("--root %s: %s", dir, strerror(errno));
		return -1;
	}
	snprintf(root, sizeof(root), "%s", full);
	free(full);
	if (strcmp(root, "/"))
		opt_root = root;
	return 0;
}

/*
 * common_options - take what all subcommands have out of argv
 *
 * Return: how many are left; -1 for an error, of which has been told
 */
static int common_options(int argc, char **argv, bool *help, bool *version)
{
	int i, left = 1;

	for (i = 1; i < argc; i++) {
		char *arg = argv[i];

		if (!strcmp(arg, "--")) {
			while (i < argc)
				argv[left++] = argv[i++];
			break;
		} else if (!strcmp(arg, "--json")) {
			opt_json = true;
		} else if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
			*help = true;
		} else if (!strcmp(arg, "--version")) {
			*version = true;
		} else if (!strncmp(arg, "--root=", 7)) {
			if (set_root(arg + 7))
				return -1;
		} else if (!strcmp(arg, "--root")) {
			if (++i == argc) {
				complain("--root: of which directory?");
				return -1;
			}
			if (set_root(argv[i]))
				return -1;
		} else {
			argv[left++] = arg;
		}
	}
	argv[left] = NULL;
	return left;
}

int main(int argc, char **argv)
{
	bool help = false, version = false;
	size_t i;
	int null;

	/* No file that is opened below may become 0, which ioctls take for the caller. */
	do {
		null = open("/dev/null", O_RDWR);
	} while (null >= 0 && null <= STDERR_FILENO);
	close(null);
	argc = common_options(argc, argv, &help, &version);
	if (argc < 0)
		return EXIT_USAGE;
	if (version) {
		puts("bufsync " BUFSYNC_VERSION " (" BUFSYNC_GIT ")");
		return EXIT_FINE;
	}
	if (argc < 2) {
		usage(help ? stdout : stderr);
		return help ? EXIT_FINE : EXIT_USAGE;
	}
	for (i = 0; i < COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		if (help) {
			printf("usage: bufsync %s%s", commands[i].help, common_help);
			return EXIT_FINE;
		}
		out_begin(false);
		return commands[i].run(&commands[i], argc - 1, argv + 1);
	}
	complain("there is no command '%s'", argv[1]);
	usage(stderr);
	return EXIT_USAGE;
}
