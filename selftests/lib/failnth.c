// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failnth.h"
#include "kselftest.h"
#include "module_util.h"
#include "text_util.h"

#define DEBUGFS		"/sys/kernel/debug/"
/* More than any call has: then it is not the call that ends it. */
#define POINTS_MAX	5000
/*
 * Tries for a point at which the call succeeds: it may be one that is there now and
 * then only, as when a slab cache needs a page, and hide one that matters.
 */
#define TRIES		3

static int nth_fd = -1;

/*
 * All caches but kmemleak's own. It keeps a record of each allocation, and does
 * without if there is no memory for it: that would be every other point. Calls do
 * not always have the same points, so some that matter would be missed then.
 */
static int caches_mark(void)
{
	DIR *dir = opendir("/sys/kernel/slab");
	struct dirent *de;
	char path[300];
	int marked = 0;

	if (!dir)
		return -errno;
	while ((de = readdir(dir))) {
		if (*de->d_name == '.' || !strncmp(de->d_name, "kmemleak", 8))
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/failslab",
			 de->d_name);
		marked += !text_write(path, "1");
	}
	closedir(dir);
	return marked ? 0 : -ENOENT;
}

int failnth_setup(void)
{
	static const struct {
		const char *path, *text;
	} settings[] = {
		{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "failslab/cache-filter", "Y" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ DEBUGFS "fail_page_alloc/min-order", "0" },
		/* A trace of each in the log looks like the kernel's complaints. */
		{ DEBUGFS "failslab/verbose", "0" },
		{ DEBUGFS "fail_page_alloc/verbose", "0" },
		{ DEBUGFS "fail_usercopy/verbose", "0" },
	};
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		ret = text_write(settings[i].path, settings[i].text);
		if (ret)
			return ret;
	}
	ret = caches_mark();
	if (ret)
		return ret;
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return nth_fd < 0 ? -errno : 0;
}

int failnth_close(void *arg, int fd)
{
	(void)arg;
	return close(fd) ? -errno : 0;
}

static int nth_set(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(nth_fd, text, len, 0) == len ? 0 : -EIO;
}

/*
 * How many points are left before one fails; 0 if it has. Reading is a point as
 * well: if it is the one that fails, there was one left.
 */
static int nth_left(void)
{
	char text[16] = "";
	ssize_t n = pread(nth_fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return errno == EFAULT ? 1 : -errno;
	return atoi(text);
}

static __printf(2, 3) void wrong(struct failnth_result *result,
				 const char *format, ...)
{
	va_list args;

	/* What was seen first */
	if (*result->wrong)
		return;
	va_start(args, format);
	vsnprintf(result->wrong, sizeof(result->wrong), format, args);
	va_end(args);
}

static bool is_documented(const struct failnth *walk, int ret)
{
	static const int usual[] = { ENOMEM, EFAULT, 0 };
	const int *errnos = walk->errnos ?: usual;

	for (; *errnos; errnos++)
		if (ret == -*errnos)
			return true;
	return false;
}

static void undo(const struct failnth *walk, void *arg, unsigned int nth,
		 int ret, struct failnth_result *result)
{
	int undone = walk->undo ? walk->undo(arg, ret) : 0;

	if (undone)
		wrong(result, "point %u: undone with %d", nth, undone);
}

/* The call failed. */
static void failed(const struct failnth *walk, void *arg, unsigned int nth,
		   int ret, struct failnth_result *result)
{
	result->failed++;
	if (!is_documented(walk, ret))
		wrong(result, "point %u: %s", nth, strerror(-ret));
	if (walk->unchanged && !walk->unchanged(arg))
		wrong(result, "point %u: %s, and something has changed", nth,
		      strerror(-ret));
	ret = walk->call(arg);
	if (ret < 0)
		wrong(result, "after point %u: %s", nth, strerror(-ret));
	else
		undo(walk, arg, nth, ret, result);
}

/* One step; returns whether something was made to fail. */
static bool step(const struct failnth *walk, void *arg, unsigned int nth,
		 struct failnth_result *result)
{
	int ret, left;

	ret = walk->before ? walk->before(arg) : 0;
	if (ret) {
		wrong(result, "before point %u: %d", nth, ret);
		return false;
	}
	ret = walk->arm ? walk->arm(arg, nth) : nth_set(nth);
	if (ret) {
		wrong(result, "cannot be armed: %s", strerror(-ret));
		return false;
	}
	ret = walk->call(arg);
	left = nth_left();
	nth_set(0);
	if (walk->arm)
		walk->arm(arg, 0);
	if (left < 0)
		wrong(result, "fail-nth cannot be read: %s", strerror(-left));

	if (ret >= 0)
		undo(walk, arg, nth, ret, result);
	else if (!left)
		failed(walk, arg, nth, ret, result);
	else
		wrong(result, "by itself: %s", strerror(-ret));
	return !left;
}

void failnth_walk(const struct failnth *walk, void *arg,
		  struct failnth_result *result)
{
	unsigned int before, tries;
	int fds = count_fds();
	bool more = true;

	*result = (struct failnth_result) { .points = 0 };
	while (more && !*result->wrong && result->points < POINTS_MAX) {
		before = result->failed;
		for (tries = 0; tries < TRIES && more && !*result->wrong &&
		     result->failed == before; tries++)
			more = step(walk, arg, result->points + 1, result);
		result->points += more;
		if (count_fds() != fds)
			wrong(result, "point %u: %d fds more", result->points,
			      count_fds() - fds);
	}
	if (result->points == POINTS_MAX)
		wrong(result, "no end after %u points", result->points);
	if (result->failed < walk->least)
		wrong(result, "failed at %u points, not at %u",
		      result->failed, walk->least);
	if (result->points < walk->points)
		wrong(result, "%u points, not %u", result->points,
		      walk->points);
}
