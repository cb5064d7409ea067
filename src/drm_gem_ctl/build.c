// SPDX-License-Identifier: GPL-2.0-only
/*
 * All of the module, compiled at once: see Kbuild.
 */
#include "main.c"
#include "class.c"
#include "file.c"
#include "import.c"
#include "list.c"
#include "move.c"
#include "prime.c"
