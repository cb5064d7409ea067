// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup_util.h"
#include "module_util.h"
#include "syncobj_util.h"
#include "text_util.h"

#define CG_MOUNT	"/sys/fs/cgroup"

/* Where cgroup2 is mounted, and where this process came from. */
static struct cg cg_root;
static struct cg cg_origin;

static int path_of(char *buf, size_t size, const struct cg *cg,
		   const char *file)
{
	int n = snprintf(buf, size, "%s/%s", cg->path, file);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* The whole file, at most @size - 1 bytes of it */
static int read_file(const struct cg *cg, const char *file, char *buf,
		     size_t size)
{
	char path[PATH_MAX];
	size_t used = 0;
	ssize_t n = 1;
	int fd, ret;

	ret = path_of(path, sizeof(path), cg, file);
	if (ret)
		return ret;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (used < size - 1 && n > 0) {
		n = read(fd, buf + used, size - 1 - used);
		if (n > 0)
			used += n;
	}
	ret = n < 0 ? -errno : 0;
	buf[used] = '\0';
	close(fd);
	return ret;
}

static int find_mount(struct cg *cg)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int ret = -ENOENT;

	if (!f)
		return -errno;
	while (ret && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup2"))
			continue;
		snprintf(cg->path, sizeof(cg->path), "%s", m->mnt_dir);
		ret = 0;
	}
	endmntent(f);
	return ret;
}

static int root_setup(void)
{
	int ret = find_mount(&cg_root);

	/* Not over what a machine of somebody's has there. */
	if (ret == -ENOENT && kernel_is_row()) {
		if (mount("cgroup2", CG_MOUNT, "cgroup2", 0, NULL))
			return -errno;
		ret = find_mount(&cg_root);
	}
	return ret;
}

static void origin_setup(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[512];

	cg_origin = cg_root;
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		/* the one of cgroup2, relative to its root */
		if (strncmp(line, "0::/", 4) || !line[4])
			continue;
		if (path_of(cg_origin.path, sizeof(cg_origin.path), &cg_root,
			    line + 4))
			cg_origin = cg_root;
	}
	if (f)
		fclose(f);
}

int cg_setup(struct cg *top)
{
	char name[64];
	int ret = root_setup();

	if (ret)
		return ret;
	origin_setup();
	snprintf(name, sizeof(name), "bufsync-%d", getpid());
	ret = cg_new(top, &cg_root, name);
	if (ret == -EEXIST) {
		/* of a test that was killed, whose number this one has */
		cg_teardown(top);
		ret = cg_new(top, &cg_root, name);
	}
	if (ret)
		return ret;
	ret = cg_write(top, "cgroup.subtree_control", "+memory");
	if (ret)
		cg_remove(top);
	return ret;
}

static int remove_tree(const struct cg *cg)
{
	int64_t end = in_ms(10000);
	DIR *dir = opendir(cg->path);
	struct dirent *de;
	struct cg below;
	int ret;

	if (!dir)
		return -errno;
	while ((de = readdir(dir))) {
		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		if (!path_of(below.path, sizeof(below.path), cg, de->d_name))
			remove_tree(&below);
	}
	closedir(dir);
	/* Busy until those that were killed are gone. */
	while ((ret = cg_remove(cg)) == -EBUSY && now_ns() < end)
		sleep_ms(5);
	return ret;
}

int cg_teardown(struct cg *top)
{
	int ret;

	if (cg_move(&cg_origin, 0))
		cg_move(&cg_root, 0);
	ret = cg_write(top, "cgroup.kill", "1");
	return remove_tree(top) ?: ret;
}

/* Writing it, even if nothing changes, waits for all that is being removed. */
static int enable_memory(const struct cg *cg)
{
	char buf[256];
	int ret = read_file(cg, "cgroup.subtree_control", buf, sizeof(buf));

	if (ret || strstr(buf, "memory"))
		return ret;
	return cg_write(cg, "cgroup.subtree_control", "+memory");
}

int cg_new(struct cg *cg, const struct cg *parent, const char *name)
{
	struct cg new;
	int ret;

	ret = path_of(new.path, sizeof(new.path), parent, name) ?:
	      enable_memory(parent);
	if (ret)
		return ret;
	*cg = new;
	return mkdir(cg->path, 0755) ? -errno : 0;
}

int cg_remove(const struct cg *cg)
{
	return rmdir(cg->path) ? -errno : 0;
}

int cg_open(const struct cg *cg, int flags)
{
	int fd = open(cg->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);

	return fd < 0 ? -errno : fd;
}

void cg_parent(struct cg *parent, const struct cg *cg)
{
	*parent = *cg;
	*strrchr(parent->path, '/') = '\0';
}

uint64_t cg_id(const struct cg *cg)
{
	struct stat st;

	return stat(cg->path, &st) ? 0 : st.st_ino;
}

int cg_move(const struct cg *cg, pid_t pid)
{
	return cg_write_bytes(cg, "cgroup.procs", pid);
}

static int64_t number(const char *text)
{
	return strncmp(text, "max", 3) ? strtoll(text, NULL, 10) : INT64_MAX;
}

int64_t cg_read(const struct cg *cg, const char *file)
{
	char buf[64];
	int ret = read_file(cg, file, buf, sizeof(buf));

	return ret ?: number(buf);
}

int64_t cg_read_key(const struct cg *cg, const char *file, const char *key)
{
	size_t len = strlen(key);
	char buf[16384], *line;
	int ret;

	ret = read_file(cg, file, buf, sizeof(buf));
	if (ret)
		return ret;
	for (line = buf; *line; line += strcspn(line, "\n") + 1) {
		if (!strncmp(line, key, len) && line[len] == ' ')
			return number(line + len + 1);
		if (!strchr(line, '\n'))
			break;
	}
	return -ENOENT;
}

int cg_write(const struct cg *cg, const char *file, const char *value)
{
	char path[PATH_MAX];

	return path_of(path, sizeof(path), cg, file) ?: text_write(path, value);
}

int cg_write_bytes(const struct cg *cg, const char *file, int64_t bytes)
{
	char value[32] = "max";

	if (bytes != INT64_MAX)
		snprintf(value, sizeof(value), "%" PRId64, bytes);
	return cg_write(cg, file, value);
}

static int64_t read_any(const struct cg *cg, const char *file, const char *key)
{
	return key ? cg_read_key(cg, file, key) : cg_read(cg, file);
}

/*
 * Tells all CPUs to give back what they keep in stock for @cg and below, which
 * comes to pass a little later.
 */
static void drain_stocks(const struct cg *cg)
{
	int64_t high = cg_read(cg, "memory.high");

	if (high < 0)
		return;
	/* A limit below what is in use empties all stocks first. */
	cg_write_bytes(cg, "memory.high", 0);
	cg_write_bytes(cg, "memory.high", high);
}

static int64_t settle(const struct cg *cg, const char *file, const char *key,
		      int64_t want, int64_t slack)
{
	int64_t drain = in_ms(3000), end = in_ms(10000), value;

	for (;;) {
		value = read_any(cg, file, key);
		if ((value >= want - slack && value <= want + slack) ||
		    now_ns() >= end)
			return value;
		if (now_ns() >= drain && !strcmp(file, "memory.current")) {
			drain_stocks(cg);
			drain = INT64_MAX;
		}
		sleep_ms(10);
	}
}

int64_t cg_settle(const struct cg *cg, const char *file, int64_t want,
		  int64_t slack)
{
	return settle(cg, file, NULL, want, slack);
}

int64_t cg_settle_key(const struct cg *cg, const char *file, const char *key,
		      int64_t want, int64_t slack)
{
	return settle(cg, file, key, want, slack);
}

static bool settles(const struct cg *cg, const char *file, const char *key,
		    int64_t want, int64_t slack)
{
	int64_t value = settle(cg, file, key, want, slack);

	if (value >= want - slack && value <= want + slack)
		return true;
	fprintf(stderr, "# %s %s: %" PRId64 ", not %" PRId64 "\n", cg->path,
		key ?: file, value, want);
	return false;
}

bool cg_settles(const struct cg *cg, int64_t want, int64_t slack)
{
	return settles(cg, "memory.current", NULL, want, slack);
}

bool cg_settles_stat(const struct cg *cg, const char *key, int64_t want,
		     int64_t slack)
{
	return settles(cg, "memory.stat", key, want, slack);
}

int64_t cg_slack(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return (64 * cpus + 256) * sysconf(_SC_PAGESIZE);
}

/*
 * The child goes to its cgroup itself, and this one waits for that: nobody
 * may name it before it is there. If it is @alone it has closed what the test
 * has open by then: a copy would keep a buffer alive.
 */
static pid_t start(const struct cg *cg, int (*fn)(void *arg), void *arg,
		   bool alone)
{
	int sync[2], ret;
	pid_t pid;

	if (pipe2(sync, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0) {
		if (alone) {
			sync[1] = dup2(sync[1], 3);
			syscall(SYS_close_range, 4, UINT_MAX, 0);
		} else {
			close(sync[0]);
		}
		ret = cg_move(cg, 0);
		if (write(sync[1], &ret, sizeof(ret)) != sizeof(ret) || ret)
			_exit(127);
		close(sync[1]);
		_exit(fn(arg));
	}
	ret = pid < 0 ? -errno : 0;
	close(sync[1]);
	if (!ret && read(sync[0], &ret, sizeof(ret)) != sizeof(ret))
		ret = -EPIPE;
	close(sync[0]);
	if (ret && pid > 0)
		cg_kill(pid);
	return ret ?: pid;
}

static int sleep_on(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return 0;
}

pid_t cg_spawn(const struct cg *cg)
{
	return start(cg, sleep_on, NULL, true);
}

pid_t cg_run(const struct cg *cg, int (*fn)(void *arg), void *arg)
{
	return start(cg, fn, arg, false);
}

void cg_kill(pid_t pid)
{
	/* What did not start must not stand for everybody, as -1 does. */
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int cg_reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

int pidfd_of(pid_t pid, unsigned int flags)
{
	int fd = syscall(SYS_pidfd_open, pid, flags);

	return fd < 0 ? -errno : fd;
}
