/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether kernel memory is accounted went by another name before 6.3.
 */
#ifndef _BUFSYNC_COMPAT_LINUX_MEMCONTROL_H
#define _BUFSYNC_COMPAT_LINUX_MEMCONTROL_H

#include_next <linux/memcontrol.h>

#ifndef BUFSYNC_HAVE_KMEM_ONLINE
#define memcg_kmem_online()	memcg_kmem_enabled()
#endif

#endif /* _BUFSYNC_COMPAT_LINUX_MEMCONTROL_H */
