/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct fd before 6.12 is a pair and has no accessors.
 */
#ifndef _BUFSYNC_COMPAT_LINUX_FILE_H
#define _BUFSYNC_COMPAT_LINUX_FILE_H

#include_next <linux/file.h>

#ifndef BUFSYNC_HAVE_FD_FILE
static inline struct file *bufsync_fd_file(struct fd f)
{
	return f.file;
}

#define fd_file(f) bufsync_fd_file(f)
#endif

#ifndef BUFSYNC_HAVE_FD_EMPTY
static inline bool bufsync_fd_empty(struct fd f)
{
	return !f.file;
}

#define fd_empty(f) bufsync_fd_empty(f)
#endif

#endif /* _BUFSYNC_COMPAT_LINUX_FILE_H */
