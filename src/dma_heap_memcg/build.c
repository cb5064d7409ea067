// SPDX-License-Identifier: GPL-2.0-only
/*
 * All of the module, compiled at once: see Kbuild.
 */
#include "main.c"
#include "access.c"
#include "admit.c"
#include "alloc.c"
#include "buffer.c"
#include "device.c"
#include "grant.c"
#include "limit.c"
#include "mmap.c"
#include "pages.c"
#include "pidfd.c"
#include "policy.c"
#include "query.c"
#include "record.c"
#include "target.c"
#include "transfer.c"
