/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a pidfd keeps its struct pid: in the inode of a file system of its own
 * from 6.9 on (cb12fd8e0dab "pidfd: add pidfs"), in the file of an anonymous
 * inode before. Neither is exported. The caller proves the pointer before it
 * follows it.
 */
#ifndef _BUFSYNC_COMPAT_LINUX_PIDFS_H
#define _BUFSYNC_COMPAT_LINUX_PIDFS_H

#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/string.h>

#ifdef BUFSYNC_HAVE_PIDFS
#include_next <linux/pidfs.h>

static inline bool bufsync_file_may_be_pidfd(struct file *file)
{
	return file_inode(file)->i_sb->s_magic == PID_FS_MAGIC;
}

static inline void *bufsync_pidfd_pointer(struct file *file)
{
	return file_inode(file)->i_private;
}
#else
static inline bool bufsync_file_may_be_pidfd(struct file *file)
{
	return file_inode(file)->i_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       !strcmp(file->f_path.dentry->d_name.name, "[pidfd]");
}

static inline void *bufsync_pidfd_pointer(struct file *file)
{
	return file->private_data;
}
#endif

#endif /* _BUFSYNC_COMPAT_LINUX_PIDFS_H */
