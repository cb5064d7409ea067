// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "module_util.h"
#include "syncobj_util.h"
#include "text_util.h"

static int open_in(const char *dir, const char *name)
{
	int fd, dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char file[64];

	if (dir_fd < 0)
		return -1;
	snprintf(file, sizeof(file), "%s.ko", name);
	fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC);
	close(dir_fd);
	return fd;
}

static int module_file(const char *name)
{
	const char *env = getenv("BUFSYNC_MODDIR");
	char exe[PATH_MAX / 2] = "", path[PATH_MAX];
	int fd;

	if (env)
		return open_in(env, name);

	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0) {
		dirname(exe);
		snprintf(path, sizeof(path), "%s/modules", exe);
		fd = open_in(path, name);
		if (fd >= 0)
			return fd;
		snprintf(path, sizeof(path), "%s/../modules", exe);
		fd = open_in(path, name);
		if (fd >= 0)
			return fd;
	}
	return open_in("/mnt/share/modules", name);
}

int module_load(const char *name)
{
	return module_load_with(name, "");
}

int module_load_with(const char *name, const char *parameters)
{
	int ret, fd;

	/* Much quicker than to have the kernel read the file first. */
	if (module_loaded(name))
		return -EEXIST;
	fd = module_file(name);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return ret;
}

int module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

bool module_loaded(const char *name)
{
	return module_refcnt(name) >= 0;
}

int module_refcnt(const char *name)
{
	char path[PATH_MAX];
	int count = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%d", &count) != 1)
		count = -1;
	fclose(f);
	return count;
}

int module_settle(const char *name, int want)
{
	int64_t end = in_ms(30000);
	int count;

	/* Nobody waits for one that is not loaded. */
	while ((count = module_refcnt(name)) != want && count >= 0 &&
	       now_ns() < end)
		sleep_ms(10);
	return count;
}

int module_probe_with(const char *name, const char *parameter)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execlp("modprobe", "modprobe", "--", name, parameter, NULL);
		execl("/sbin/modprobe", "modprobe", "--", name, parameter,
		      NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

int module_probe(const char *name)
{
	return module_probe_with(name, NULL);
}

int drm_driver_probe(const char *driver)
{
	if (!kernel_is_row() && strcmp(driver, "vgem"))
		return -ENODEV;
	return module_probe(strcmp(driver, "bochs-drm") ? driver : "bochs");
}

int command_run(const char *command, char *buf, size_t size)
{
	FILE *f = popen(command, "r");
	int status;

	buf[0] = '\0';
	if (!f)
		return -errno;
	buf[fread(buf, 1, size - 1, f)] = '\0';
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int node_open(const char *path)
{
	int64_t end = in_ms(5000);
	int fd;

	do {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		sleep_ms(10);
	} while (now_ns() < end);
	return -errno;
}

int kmsg_start(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

size_t kmsg_read(int fd, char *buf, size_t size)
{
	size_t used = 0;
	char record[8192];
	const char *text;
	ssize_t n;

	buf[0] = '\0';
	for (;;) {
		n = read(fd, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return used;
		record[n] = '\0';
		/* prefix;text\n and, indented, what else is known of it */
		text = strchr(record, ';');
		text = text ? text + 1 : record;
		n = strcspn(text, "\n");
		if (used + n + 2 > size)
			return used;
		memcpy(buf + used, text, n);
		used += n;
		buf[used++] = '\n';
		buf[used] = '\0';
	}
}

const char *kmsg_splat(const char *buf)
{
	static const char * const words[] = {
		"BUG:", "WARNING:", "Oops", "Call Trace", "refcount_t:",
		"general protection", "possible ", "KASAN", "hung task",
		"soft lockup", "page allocation failure", "list_add corruption",
		"list_del corruption", "stack-protector", "UBSAN", NULL
	};
	static const char race[] = "BUG: KCSAN:";
	const char *found;
	int i;

	for (i = 0; words[i]; i++) {
		found = strstr(buf, words[i]);
		/* The row's judge tells which data races are the bundle's. */
		while (found && !strncmp(found, race, strlen(race)))
			found = strstr(found + 1, words[i]);
		if (found)
			return found;
	}
	return NULL;
}

int kmsg_lines(const char *log, const char *word)
{
	int lines = 0;

	for (log = strstr(log, word); log; log = strchr(log, '\n') ?
	     strstr(strchr(log, '\n'), word) : NULL)
		lines++;
	return lines;
}

bool kernel_at_least(int major, int minor)
{
	struct utsname name;
	int a, b;

	uname(&name);
	return sscanf(name.release, "%d.%d", &a, &b) == 2 &&
	       (a > major || (a == major && b >= minor));
}

bool kernel_is_row(void)
{
	const char *row = getenv("BUFSYNC_ROW");

	return row && strcmp(row, "host");
}

bool kernel_is_debug(void)
{
	const char *row = getenv("BUFSYNC_ROW");

	return row && (!strcmp(row, "debug") || !strcmp(row, "kcsan"));
}

int kernel_rounds(int n)
{
	return kernel_is_debug() ? n / 10 : n;
}

bool kernel_is_realtime(void)
{
	struct utsname name;

	uname(&name);
	return strstr(name.version, "PREEMPT_RT");
}

bool kernel_has_thp(void)
{
	return !access("/sys/kernel/mm/transparent_hugepage", F_OK);
}

bool kernel_maps_huge(void)
{
	return kernel_at_least(6, 12) && kernel_has_thp();
}

unsigned long taint_bits(void)
{
	FILE *f = fopen("/proc/sys/kernel/tainted", "re");
	unsigned long taint = ~0UL;

	if (!f)
		return taint;
	if (fscanf(f, "%lu", &taint) != 1)
		taint = ~0UL;
	fclose(f);
	return taint & ((1UL << 7) | (1UL << 9));
}

int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *de;
	int count = 0;

	if (!dir)
		return -errno;
	while ((de = readdir(dir)))
		count += isdigit((unsigned char)de->d_name[0]) != 0;
	closedir(dir);
	/* less the directory's own */
	return count - 1;
}

static long meminfo_kib(const char *field)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[256];
	long kib = -1;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, field, strlen(field)) &&
		    line[strlen(field)] == ':') {
			kib = atol(line + strlen(field) + 1);
			break;
		}
	}
	fclose(f);
	return kib;
}

/* Empty slab pages stay with their cache until it is told to shrink. */
static void slab_shrink(void)
{
	DIR *dir = opendir("/sys/kernel/slab");
	char path[PATH_MAX];
	struct dirent *de;

	text_write("/proc/sys/vm/drop_caches", "3");
	/* The links are other names of the same caches. */
	while (dir && (de = readdir(dir))) {
		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink",
			 de->d_name);
		text_write(path, "1");
	}
	if (dir)
		closedir(dir);
}

long slab_kib(void)
{
	long last = LONG_MAX, kib;
	int tries;

	/* Until it does not fall any more, with some time for RCU. */
	for (tries = 0; tries < 10; tries++) {
		slab_shrink();
		sleep_ms(150);
		kib = meminfo_kib("SUnreclaim");
		if (kib < 0 || kib >= last)
			return kib;
		last = kib;
	}
	return last;
}

struct slab_caches {
	int count;
	struct {
		char name[64];
		unsigned long active;
		unsigned long total;
		unsigned long size;
	} caches[512];
};

struct slab_caches *slab_caches_read(void)
{
	struct slab_caches *s = calloc(1, sizeof(*s));
	FILE *f = fopen("/proc/slabinfo", "re");
	char line[512];

	while (s && f && s->count < 512 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %lu %lu %lu",
			   s->caches[s->count].name,
			   &s->caches[s->count].active,
			   &s->caches[s->count].total,
			   &s->caches[s->count].size) == 4)
			s->count++;
	}
	if (f)
		fclose(f);
	return s;
}

void slab_caches_report(const struct slab_caches *before,
			const struct slab_caches *after)
{
	long kib;
	int a, b;

	for (a = 0; after && a < after->count; a++) {
		for (b = 0; before && b < before->count; b++)
			if (!strcmp(after->caches[a].name,
				    before->caches[b].name))
				break;
		if (!before || b == before->count)
			continue;
		kib = (long)(after->caches[a].total - before->caches[b].total) *
			(long)after->caches[a].size / 1024;
		if (kib < 64 && kib > -64)
			continue;
		fprintf(stderr, "# %s: %+ld KiB, %+ld in use\n",
			after->caches[a].name, kib,
			(long)(after->caches[a].active -
			       before->caches[b].active));
	}
}
