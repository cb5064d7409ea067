/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kselftest's harness. It gives a test 30 seconds, which a test of a few
 * seconds exceeds under a debug kernel on a busy machine. A test that hangs
 * is ended all the same, by this or by the runner's own limit.
 */
#ifndef _HARNESS_H
#define _HARNESS_H

#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 240

#endif /* _HARNESS_H */
