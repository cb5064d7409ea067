// SPDX-License-Identifier: GPL-2.0-only
/*
 * All of the module, compiled at once: see Kbuild.
 */
#include "main.c"
#include "args.c"
#include "eventfd.c"
#include "lookup.c"
#include "notifier.c"
#include "point.c"
#include "selftest.c"
#include "sink.c"
#include "sync_file.c"
#include "timeline.c"
#include "wait.c"
#include "wait_entry.c"
#include "watch.c"
