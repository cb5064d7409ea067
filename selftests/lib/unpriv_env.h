/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes without privileges, and how they end. */
#ifndef _UNPRIV_ENV_H
#define _UNPRIV_ENV_H

#include <errno.h>
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define NOBODY	65534

/* For good: a user that owns nothing, of no other group. 0 or a negative errno */
static inline int become_nobody(void)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return -errno;
	return setuid(0) ? 0 : -EPERM;
}

/* A child that has found nothing wrong, which is its exit status 0 */
static inline void expect_child(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

#endif /* _UNPRIV_ENV_H */
