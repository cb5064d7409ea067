/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Before 6.3 a mount's idmapping was a user namespace, also as the argument of
 * inode_permission().
 */
#ifndef _BUFSYNC_COMPAT_LINUX_FS_H
#define _BUFSYNC_COMPAT_LINUX_FS_H

#include_next <linux/fs.h>

#ifndef BUFSYNC_HAVE_MNT_IDMAP
#define file_mnt_idmap(file)	file_mnt_user_ns(file)
#endif

#endif /* _BUFSYNC_COMPAT_LINUX_FS_H */
