// SPDX-License-Identifier: GPL-2.0-only
/* Memory cgroups, by their files. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "heap-demo.h"

#ifndef CGROUP_ROOT
#define CGROUP_ROOT	"/sys/fs/cgroup"
#endif

/* Where this process came from */
static struct cgroup origin;

static void put_file(const struct cgroup *cg, const char *file,
		     const char *value)
{
	char path[192];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", cg->path, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		fail("write '%s' to %s: %s", value, path, strerror(errno));
	close(fd);
}

static void make(struct cgroup *cg, const char *path)
{
	struct stat st;

	snprintf(cg->path, sizeof(cg->path), CGROUP_ROOT "%s", path);
	rmdir(cg->path);	/* of a run that was interrupted */
	if (mkdir(cg->path, 0755) || stat(cg->path, &st))
		fail("mkdir %s: %s", cg->path, strerror(errno));
	cg->id = st.st_ino;
}

void cgroups_make(void)
{
	struct cgroup root = { .path = CGROUP_ROOT };
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[128], limit[32];

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "0::/", 4))
			snprintf(origin.path, sizeof(origin.path),
				 CGROUP_ROOT "%.100s", line + 3);
	}
	if (!origin.path[0])
		fail("this process is in no cgroup of version 2");
	fclose(f);

	put_file(&root, "cgroup.subtree_control", "+memory");
	make(&top, "/heap-demo");
	put_file(&top, "cgroup.subtree_control", "+memory");
	make(&service, "/heap-demo/service");
	make(&client, "/heap-demo/client");
	make(&stranger, "/heap-demo/stranger");
	snprintf(limit, sizeof(limit), "%lld", LIMIT);
	put_file(&client, "memory.max", limit);
}

/* The processes are gone, but for this one. */
void cgroups_remove(void)
{
	cgroup_enter(&origin);
	cgroup_remove(&client);
	cgroup_remove(&stranger);
	cgroup_remove(&service);
	cgroup_remove(&top);
}

void cgroup_enter(const struct cgroup *cg)
{
	put_file(cg, "cgroup.procs", "0");
}

/* A process may leave it a moment after it has been waited for. */
int cgroup_remove(const struct cgroup *cg)
{
	int tries;

	for (tries = 0; tries < 300; tries++) {
		if (!rmdir(cg->path) || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			break;
		usleep(10000);
	}
	return -1;
}

int cgroup_open(const struct cgroup *cg)
{
	int fd = open(cg->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		fail("%s: %s", cg->path, strerror(errno));
	return fd;
}

__s64 cgroup_read(const struct cgroup *cg, const char *file, const char *key)
{
	char path[192], line[256];
	const char *number = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", cg->path, file);
	f = fopen(path, "re");
	if (!f)
		fail("%s: %s", path, strerror(errno));
	while (!number && fgets(line, sizeof(line), f)) {
		if (!key)
			number = line;
		else if (!strncmp(line, key, strlen(key)) &&
			 line[strlen(key)] == ' ')
			number = line + strlen(key);
	}
	fclose(f);
	if (!number)
		fail("%s has no '%s'", path, key);
	return strtoll(number, NULL, 10);
}

__s64 cgroup_expect(const struct cgroup *cg, const char *file, const char *key,
		    __s64 want)
{
	__s64 end = now() + 3000000000LL;	/* memory.stat may be late */
	__s64 value;

	do {
		value = cgroup_read(cg, file, key);
		if (value >= want - SLACK && value <= want + SLACK)
			return value;
		usleep(20000);
	} while (now() < end);
	fail("%s/%s %s is %.1f MiB instead of %.1f", cg->path, file,
	     key ?: "", mib(value), mib(want));
}

double mib(__s64 bytes)
{
	return bytes / 1048576.0;
}
