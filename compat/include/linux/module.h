/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MODULE_IMPORT_NS() takes a string since 6.13, and a bare word before.
 */
#ifndef _BUFSYNC_COMPAT_LINUX_MODULE_H
#define _BUFSYNC_COMPAT_LINUX_MODULE_H

#include_next <linux/module.h>

#ifndef BUFSYNC_HAVE_IMPORT_NS_STRING
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns)	MODULE_INFO(import_ns, ns)
#endif

#endif /* _BUFSYNC_COMPAT_LINUX_MODULE_H */
