/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Suspend, as far as it is about processes: all are frozen, and thawed a second
 * later. (The guest's root is a device that does not survive more.)
 */
#ifndef _FREEZE_UTIL_H
#define _FREEZE_UTIL_H

#include <unistd.h>

#include "text_util.h"

/* Can this kernel stop there? */
static inline int freeze_possible(void)
{
	return !access("/sys/power/pm_test", W_OK) &&
	       !access("/sys/power/state", W_OK);
}

/* -EBUSY if somebody did not let himself be frozen, for twenty seconds */
static inline int freeze_all(void)
{
	int ret = text_write("/sys/module/suspend/parameters/pm_test_delay",
			       "1") ?:
		  text_write("/sys/power/pm_test", "freezer") ?:
		  text_write("/sys/power/state", "freeze");

	text_write("/sys/power/pm_test", "none");
	return ret;
}

#endif /* _FREEZE_UTIL_H */
