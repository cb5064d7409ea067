/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bufsync - the command. Each subcommand builds one document, a tree of json-c, and
 * out.c prints it as JSON or as text: both say the same.
 *
 * What could not be found out is a null in the document, "unknown" in the text. It is
 * never left out and never taken for fine.
 */
#ifndef BUFSYNC_H
#define BUFSYNC_H

#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <json-c/json.h>

#include "config.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define __printf(format, first)	__attribute__(( \
					__format__(__printf__, format, first)))

/* Exit statuses */
enum { EXIT_FINE, EXIT_PROBLEM, EXIT_USAGE };

/* A path, and what is read of a file that tells one thing */
#define PATH_SIZE	4096
#define LINE_SIZE	1024

struct command {
	const char *name;
	const char *brief;
	const char *help;	/* what --help prints below the usage line */
	int (*run)(const struct command *self, int argc, char **argv);
};

/* main.c */
extern bool opt_json;
/* In place of "/": "" without --root */
extern const char *opt_root;
int usage_error(const struct command *command, const char *format, ...)
	__printf(2, 3);
void complain(const char *format, ...) __printf(1, 2);

/* out.c */
void out_begin(bool report);
void out_document(struct json_object *doc);
void out_text(FILE *to, struct json_object *doc);
void out_harmless(char *text);
void out_clear(void);
const char *out_colour(const char *status);
const char *out_plain(void);
void out_progress(const char *format, ...) __printf(1, 2);
void add(struct json_object *to, const char *key, struct json_object *value);
void add_string(struct json_object *to, const char *key, const char *value);
void add_number(struct json_object *to, const char *key, int64_t value);

/* sys.c: files below the root */
void sys_path(char path[PATH_SIZE], const char *format, ...)
	__printf(2, 3);
FILE *sys_open(const char *format, ...) __printf(1, 2);
int sys_is_there(const char *format, ...) __printf(1, 2);
int sys_stat(struct stat *st, const char *format, ...)
	__printf(2, 3);
int sys_line(char line[LINE_SIZE], const char *format, ...)
	__printf(2, 3);
int sys_link_name(char name[LINE_SIZE], const char *format, ...)
	__printf(2, 3);
typedef void (*sys_name_fn)(const char *name, void *data);
int sys_each(sys_name_fn fn, void *data, const char *format, ...)
	__printf(3, 4);

/* tool.c: this bundle's other programs */
int tool_path(char path[PATH_SIZE], const char *name);
int tool_lines(char **argv, struct json_object *lines);

/* proc.c: processes and their fds */
struct proc_fd {
	pid_t pid;
	int fd;
	const char *link;	/* where /proc/PID/fd/FD points */
};

typedef void (*proc_fd_fn)(const struct proc_fd *at, void *data);
bool proc_number(const char *text, int *number);
void proc_name(pid_t pid, char name[LINE_SIZE]);
int proc_each_fd(pid_t pid, proc_fd_fn fn, void *data);
int proc_each(int (*fn)(pid_t pid, void *data), void *data);
int proc_fd_copy(pid_t pid, int fd);
bool proc_fdinfo(pid_t pid, int fd, const char *key, char value[LINE_SIZE]);

/* kernel.c: which kernel it is about */
struct kernel {
	char release[LINE_SIZE];	/* "" if unknown */
	char version[LINE_SIZE];	/* /proc/version */
	char arch[LINE_SIZE];
};

void kernel_read(struct kernel *kernel);
bool kernel_supported(const char *release);
void kernel_linux_version(const struct kernel *kernel, char version[LINE_SIZE]);

/* modules.c */
struct module {
	const char *name;
	/* What modprobe would load */
	bool indexed;			/* there is an index of modules to look in */
	bool on_disk;
	bool builtin;
	bool stub;			/* built to refuse to load */
	bool readable;			/* what follows is known */
	char path[PATH_SIZE];
	char version[LINE_SIZE];
	char srcversion[LINE_SIZE];
	char signer[LINE_SIZE];		/* "": not signed */
	/* What is loaded */
	bool loaded;
	char loaded_version[LINE_SIZE];
	char loaded_srcversion[LINE_SIZE];
};

#define MODULES		BUFSYNC_MODULE_COUNT

void modules_read(const struct kernel *kernel, struct module modules[MODULES]);
bool module_is_ours(const struct module *module);

/* nodes.c */
struct node {
	const char *path;
	const char *module;
	mode_t mode;
	const char *group;		/* that the udev rule gives it to, NULL: root */
};

#define NODES 3
extern const struct node nodes[NODES];
int node_may_open(const struct node *node);
int node_open(const char *path);
const char *node_why(char why[LINE_SIZE], const char *path, int error);

/* caps.c */
struct json_object *caps_features(void);

/* status.c */
struct json_object *status_document(const struct kernel *kernel,
				    const struct module modules[MODULES]);

/* doctor.c, doctor-*.c */
struct doctor {
	struct json_object *findings;
	struct kernel kernel;
	struct module modules[MODULES];
	bool report;
	unsigned int problems;
	unsigned int unknown;
};

/* The documents are not installed. */
#define OTHER_KERNEL_FIX \
	"boot a kernel of the list in docs/supported-kernels.md of bufsync's source"

/* status: "ok", "note", "unknown" or "problem" */
void found(struct doctor *doctor, const char *check, const char *status, const char *fix,
	   const char *format, ...) __printf(5, 6);
void doctor_kernel(struct doctor *doctor);
void doctor_build(struct doctor *doctor);
void doctor_probe(struct doctor *doctor);
void doctor_dkms(struct doctor *doctor);
void doctor_modules(struct doctor *doctor);
void doctor_secure_boot(struct doctor *doctor);
const char *doctor_refused(const struct module *module);
void doctor_nodes(struct doctor *doctor);
void doctor_machine(struct doctor *doctor);
void doctor_cgroup(struct doctor *doctor);
struct json_object *doctor_kernel_log(void);
struct json_object *doctor_make_log(void);
void doctor_log(struct doctor *doctor);

/* watch.c: what goes on until it is interrupted */
bool watch_interval(const char *text, double *seconds);
bool watch_count(const char *text, int *count);
int watch(double seconds, long count, struct json_object *(*document)(void *data),
	  void *data);

/* The subcommands */
int status_run(const struct command *self, int argc, char **argv);
int doctor_run(const struct command *self, int argc, char **argv);
int heap_run(const struct command *self, int argc, char **argv);
int vfio_run(const struct command *self, int argc, char **argv);
int slices_run(const struct command *self);
int gem_run(const struct command *self, int argc, char **argv);
int syncobj_run(const struct command *self, int argc, char **argv);

#endif /* BUFSYNC_H */
