/* SPDX-License-Identifier: GPL-2.0-only */
/* Modules, the kernel's log, and what a process or the kernel holds. */
#ifndef _MODULE_UTIL_H
#define _MODULE_UTIL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Test-only modules lie in $BUFSYNC_MODDIR, or in modules/ beside or above the
 * program, or in /mnt/share/modules. Returns 0 or the negative errno of
 * finit_module(), -ENOENT if there is no such file.
 */
int module_load(const char *name);
/* The same with parameters, NAME=VALUE and blanks between */
int module_load_with(const char *name, const char *parameters);
/* delete_module(), without waiting and without force */
int module_unload(const char *name);
bool module_loaded(const char *name);
/* -1 if not loaded */
int module_refcnt(const char *name);
/* Waits until the count is @want, or gives up; returns the count, -1 at once. */
int module_settle(const char *name, int want);
/* modprobe, the program; returns its exit status */
int module_probe(const char *name);
/*
 * The same for a driver, by the name that DRM has for it. -ENODEV on a machine of
 * somebody's, but for vgem: it might take the screen from its owner, or be what shows
 * it. (Such devices are for the collection drm_device only.)
 */
int drm_driver_probe(const char *driver);
/* The same with one NAME=VALUE, or NULL */
int module_probe_with(const char *name, const char *parameter);
/* Runs a command of the shell; its output, and its exit status */
int command_run(const char *command, char *buf, size_t size);
/* Opens a device node that may be about to appear. */
int node_open(const char *path);

/* The kernel's log from kmsg_start() on. */
int kmsg_start(void);
size_t kmsg_read(int fd, char *buf, size_t size);
/* A line that no test may cause; NULL if there is none in buf. */
const char *kmsg_splat(const char *buf);
/* Lines of @log that have @word */
int kmsg_lines(const char *log, const char *word);

bool kernel_at_least(int major, int minor);
/*
 * A guest that was booted for a row of scripts/rows: what its kernel and its
 * devices are is known. Not so for the kernel of any machine, and what could disturb
 * who uses that skips itself there, before it does anything.
 */
bool kernel_is_row(void);
bool kernel_is_debug(void);
/* @n, or a tenth on a debug kernel, which takes ten times as long for each */
int kernel_rounds(int n);
bool kernel_is_realtime(void);
/* Transparent huge pages, which a kernel without does not map devices by either */
bool kernel_has_thp(void);
/* Do page tables have large entries of what is mapped by frames? */
bool kernel_maps_huge(void);

/* Bits D (oops) and W (warning) of the kernel's taint */
unsigned long taint_bits(void);

/* Open fds of this process */
int count_fds(void);

/* Unreclaimable slab in KiB once it has settled */
long slab_kib(void);

/* Which caches have grown: take two of them, then report. */
struct slab_caches;
struct slab_caches *slab_caches_read(void);
void slab_caches_report(const struct slab_caches *before,
			const struct slab_caches *after);

#endif /* _MODULE_UTIL_H */
