/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Suspend, as far as it is about processes: all are frozen, and thawed a second
 * later. (The guest's root is a device that does not survive more.)
 */
#ifndef _FREEZE_UTIL_H
#define _FREEZE_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static inline int freeze_write(const char *path, const char *text)
{
	int ret = 0, fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Can this kernel stop there? */
static inline int freeze_possible(void)
{
	return !access("/sys/power/pm_test", W_OK) &&
	       !access("/sys/power/state", W_OK);
}

/* -EBUSY if somebody did not let himself be frozen, for twenty seconds */
static inline int freeze_all(void)
{
	int ret = freeze_write("/sys/module/suspend/parameters/pm_test_delay",
			       "1") ?:
		  freeze_write("/sys/power/pm_test", "freezer") ?:
		  freeze_write("/sys/power/state", "freeze");

	freeze_write("/sys/power/pm_test", "none");
	return ret;
}

#endif /* _FREEZE_UTIL_H */
