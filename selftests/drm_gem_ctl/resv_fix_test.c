// SPDX-License-Identifier: GPL-2.0-only
/*
 * The live patch for virtio-gpu refuses kernels that do not need it, before and
 * after the driver is there. (scripts/livepatch-test has one that does.)
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "module_util.h"

#define PATCH	"virtio_gpu_resv_fix"
#define CHECK	"bufsync-virtio-gpu-check"

static void refused(struct __test_metadata *_metadata)
{
	static char log[65536];
	char *line;
	int kmsg;

	/* What modprobe would load first, for a module that is installed */
	ASSERT_EQ(0, module_probe("drm"));
	kmsg = kmsg_start();
	ASSERT_GE(kmsg, 0);
	EXPECT_EQ(-EOPNOTSUPP, module_load(PATCH));
	EXPECT_FALSE(module_loaded(PATCH));
	EXPECT_NE(0, access("/sys/kernel/livepatch/" PATCH, F_OK));
	kmsg_read(kmsg, log, sizeof(log));
	close(kmsg);
	/* One sentence, which says why */
	line = strstr(log, "CVE-2026-64098; not loading");
	ASSERT_NE(NULL, line) {
		TH_LOG("%s", log);
	}
	EXPECT_EQ(NULL, strstr(line + 1, PATCH ": ")) {
		TH_LOG("%s", log);
	}
	EXPECT_EQ(NULL, strstr(log, "TAINT_LIVEPATCH")) {
		TH_LOG("%s", log);
	}
	EXPECT_EQ(NULL, kmsg_splat(log)) {
		TH_LOG("%s", log);
	}
}

static bool affected(void)
{
	char text[512];

	return command_run(CHECK, text, sizeof(text)) == 1;
}

TEST(refuses)
{
	if (!kernel_is_row())
		SKIP(return, "only in a guest: the patch would stay if it were taken");
	if (affected())
		SKIP(return, "this kernel needs it");
	refused(_metadata);
}

TEST(refuses_with_the_driver)
{
	if (!kernel_is_row())
		SKIP(return, "only in a guest: the patch would stay if it were taken");
	if (affected())
		SKIP(return, "this kernel needs it");
	if (module_probe("virtio-gpu"))
		SKIP(return, "no virtio-gpu");
	refused(_metadata);
}

/* The program's status and text for a made-up module of Linux 6.1.5 */
static int check(const char *environment, char *text, size_t size)
{
	char command[512];

	snprintf(command, sizeof(command), "%s; %s MODROOT=$d %s 6.1.5; %s",
		 "d=$(mktemp -d); mkdir -p $d/6.1.5/updates; echo x >$d/6.1.5/updates/virtio-gpu.ko",
		 environment, CHECK, "ret=$?; rm -r $d; exit $ret");
	return command_run(command, text, size);
}

/* 1 is a kernel with the bug, and nothing else is. */
TEST(check_that_fails)
{
	char text[512];

	EXPECT_EQ(1, check("", text, sizeof(text))) TH_LOG("%s", text);
	EXPECT_EQ(2, check("TMPDIR=/nonexistent", text, sizeof(text)))
		TH_LOG("%s", text);
	/* No octal number, and before the repair */
	EXPECT_EQ(2, command_run(CHECK " 6.1.09", text, sizeof(text)))
		TH_LOG("%s", text);
	EXPECT_NE(NULL, strstr(text, "from before")) TH_LOG("%s", text);
}

TEST_HARNESS_MAIN
