/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included before every source file: messages begin with the module's name.
 */
#ifndef _BUFSYNC_LOG_H
#define _BUFSYNC_LOG_H

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#endif /* _BUFSYNC_LOG_H */
