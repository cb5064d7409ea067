// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guards of <bufsync/guards.h>: bufsync_test_guards tries them when it is
 * loaded, and has in its parameters what it saw.
 */
#include <stdlib.h>

#include "harness.h"
#include "module_util.h"
#include "param_util.h"

#define MODULE	"bufsync_test_guards"

FIXTURE(guards) {
	int kmsg;
	char log[65536];
};

FIXTURE_SETUP(guards)
{
	module_probe("drm");
	module_unload(MODULE);
	self->kmsg = kmsg_start();
	ASSERT_GE(self->kmsg, 0);
	ASSERT_EQ(0, module_load(MODULE));
}

FIXTURE_TEARDOWN(guards)
{
	EXPECT_EQ(0, module_unload(MODULE));
	kmsg_read(self->kmsg, self->log, sizeof(self->log));
	EXPECT_EQ(NULL, kmsg_splat(self->log)) {
		TH_LOG("%s", self->log);
	}
}

static int seen(const char *name)
{
	char value[32];

	if (param_get(MODULE, name, value, sizeof(value)))
		return -1000;
	return atoi(value);
}

TEST_F(guards, reservation)
{
	EXPECT_EQ(1, seen("resv_held"));
	EXPECT_EQ(0, seen("resv_held_after"));
	EXPECT_EQ(0, seen("resv_held_after_return"));
}

TEST_F(guards, reservation_interruptible)
{
	EXPECT_EQ(0, seen("intr_err"));
	EXPECT_EQ(1, seen("intr_held"));
	EXPECT_EQ(0, seen("intr_held_after"));
}

/* What a signal kept away is not unlocked: it is another task's. */
TEST_F(guards, reservation_interrupted)
{
	EXPECT_EQ(-EINTR, seen("intr_signal_err"));
	EXPECT_EQ(1, seen("intr_signal_held_after"));
}

TEST_F(guards, device)
{
	EXPECT_EQ(1, seen("dev_entered"));
	EXPECT_EQ(0, seen("dev_unplugged_within"));
	EXPECT_EQ(1, seen("dev_unplugged_after"));
}

TEST_F(guards, device_unplugged)
{
	EXPECT_EQ(0, seen("dev_entered_unplugged"));
	EXPECT_EQ(1, seen("dev_second_unplugged"));
}

TEST_HARNESS_MAIN
