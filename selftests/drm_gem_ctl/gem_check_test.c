// SPDX-License-Identifier: GPL-2.0-only
/*
 * bufsync-gem-check: made-up releases, the kernel that runs, and one that answers as
 * those do where the ioctl is live.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gem_util.h"
#include "harness.h"
#include "module_util.h"

static char out[1024];

static int run(const char *before, const char *arguments)
{
	char command[512];

	snprintf(command, sizeof(command), "%s bufsync-gem-check %s 2>&1",
		 before, arguments);
	return command_run(command, out, sizeof(out));
}

TEST(releases)
{
	static const struct {
		const char *release;
		int status;
		const char *fix;
	} cases[] = {
		{ "6.1.0-47-amd64", 0, NULL },
		{ "6.12.107+deb13-amd64", 0, NULL },
		{ "6.17.13+deb14-amd64", 0, NULL },
		{ "6.18.0-rc1", 1, "6.18.36" },
		{ "6.18", 1, "6.18.36" },
		{ "6.18.15+deb14-amd64", 1, "6.18.36" },
		{ "6.18.35-amd64", 1, "6.18.36" },
		{ "6.18.36-amd64", 0, NULL },
		{ "6.18.100", 0, NULL },
		{ "6.18.09", 1, "6.18.36" },
		{ "6.19.0", 1, "7.0.13" },
		{ "6.19.14+deb14-amd64", 1, "7.0.13" },
		{ "7.0.0", 1, "7.0.13" },
		{ "7.0.12-amd64", 1, "7.0.13" },
		{ "7.0.13-amd64", 0, NULL },
		{ "7.1.0", 0, NULL },
		{ "7.3.4+deb13-amd64", 0, NULL },
		{ "7.18.1", 0, NULL },
		{ "8.0.1", 0, NULL },
		{ "5.10.0-30-amd64", 0, NULL },
		/* what Linux it is, if the release does not tell */
		{ "6.18.0-5-generic 6.18.40", 0, NULL },
		{ "6.18.0-5-generic 6.18.3", 1, "6.18.36" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(cases[i].status, run("", cases[i].release)) {
			TH_LOG("%s: %s", cases[i].release, out);
		}
		EXPECT_EQ(cases[i].status, !!strstr(out, "\nfix: ")) {
			TH_LOG("%s: %s", cases[i].release, out);
		}
		if (cases[i].fix)
			EXPECT_NE(NULL, strstr(strstr(out, "\nfix: ") ?: "",
					       cases[i].fix)) TH_LOG("%s", out);
	}
}

TEST(usage)
{
	static const char wrong[][24] = {
		"--help", "linux", "x6.18.15", "6", "6.18.1 6.18.2 6.18.3",
		"6.18.1 new",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		EXPECT_EQ(2, run("", wrong[i])) {
			TH_LOG("%s: %s", wrong[i], out);
		}
}

/* Where there is a node the kernel itself is asked. */
TEST(running_kernel)
{
	int drm = gem_open_driver("vgem");

	ASSERT_GE(drm, 0);
	EXPECT_EQ(0, run("", "")) TH_LOG("%s", out);
	EXPECT_NE(NULL, strstr(out, "(EINVAL)")) TH_LOG("%s", out);
	EXPECT_EQ(0, run("", "$(uname -r)")) TH_LOG("%s", out);
	EXPECT_NE(NULL, strstr(out, "(EINVAL)")) TH_LOG("%s", out);
	/* The same without privileges; render nodes are not for everybody. */
	EXPECT_EQ(0, run("setpriv --reuid 65534 --clear-groups", ""))
		TH_LOG("%s", out);
	close(drm);
}

TEST(running_kernel_without_nodes)
{
	EXPECT_EQ(0, run("BUFSYNC_GEM_NODES=/nowhere", "")) TH_LOG("%s", out);
	EXPECT_NE(NULL, strstr(out, " in Linux ")) TH_LOG("%s", out);
}

/* What answers is believed, not the version. */
TEST(kernel_that_answers)
{
	char path[256], before[320];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	static const struct {
		int error, status;
	} cases[] = { { 0, 1 }, { ENOENT, 1 }, { EINVAL, 0 }, { EPERM, 0 } };
	int drm = gem_open_driver("vgem");
	size_t i;

	ASSERT_GE(drm, 0);
	ASSERT_GT(len, 0);
	path[len] = '\0';
	*strrchr(path, '/') = '\0';
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(before, sizeof(before),
			 "FAKE_ERRNO=%d LD_PRELOAD=%s/libfake-change.so",
			 cases[i].error, path);
		EXPECT_EQ(cases[i].status, run(before, "")) {
			TH_LOG("%d: %s", cases[i].error, out);
		}
		EXPECT_EQ(cases[i].status, !!strstr(out, "\nfix: "))
			TH_LOG("%s", out);
	}
	close(drm);
}

TEST_HARNESS_MAIN
