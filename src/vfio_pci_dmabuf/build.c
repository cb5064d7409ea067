// SPDX-License-Identifier: GPL-2.0-only
/*
 * All of the module, compiled at once: see Kbuild.
 */
#include "main.c"
#include "bar.c"
#include "buffer.c"
#include "config.c"
#include "device.c"
#include "fault.c"
#include "feature.c"
#include "gate.c"
#include "importer.c"
#include "insert.c"
#include "params.c"
#include "ranges.c"
#include "reset.c"
