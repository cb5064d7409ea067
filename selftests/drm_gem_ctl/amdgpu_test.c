// SPDX-License-Identifier: GPL-2.0-only
/*
 * bufsync_amdgpu_list(): amdgpu's own list, as a process sees it whose handles become
 * more while it asks. The ioctls end here, in a driver that is made up; the list that
 * is built from LIST is shim_test's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <bufsync/gem-list.h>

#include "harness.h"

static struct {
	const char *driver;
	__u32 handles;		/* that there are */
	int again, interrupted;	/* how often a call has to be repeated */
	int grow;		/* how often there are more after a call */
	int error;
	int calls;
} fake;

static int fails(int error)
{
	errno = error;
	return -1;
}

/* As drivers/gpu/drm/amd/amdgpu/amdgpu_gem.c does it */
static int fake_list(struct drm_amdgpu_gem_list_handles *args)
{
	struct drm_amdgpu_gem_list_handles_entry *entries =
		(void *)(uintptr_t)args->entries;
	__u32 i, handles = fake.handles;

	fake.calls++;
	if (fake.error)
		return fails(fake.error);
	if (fake.interrupted) {
		fake.interrupted--;
		return fails(EINTR);
	}
	if (fake.again) {
		/* More while it looked; it tells the number from before. */
		fake.again--;
		args->num_entries = fake.handles++;
		return fails(EAGAIN);
	}
	if (fake.grow) {
		fake.grow--;
		fake.handles *= 3;
	}
	if (args->num_entries < handles) {
		args->num_entries = handles;
		return 0;
	}
	for (i = 0; i < handles; i++)
		entries[i] = (struct drm_amdgpu_gem_list_handles_entry) {
			.gem_handle = i + 1,
		};
	args->num_entries = handles;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	struct drm_version *version;
	va_list ap;
	void *arg;

	(void)fd;
	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	switch (request) {
	case DRM_IOCTL_VERSION:
		version = arg;
		snprintf(version->name, version->name_len + 1, "%s",
			 fake.driver);
		return 0;
	case DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES:
		return fake_list(arg);
	default:
		return fails(ENOTTY);
	}
}

/* Freed memory that a list which nobody has written would show */
static void dirt(void)
{
	void *p = malloc(64 * sizeof(struct drm_amdgpu_gem_list_handles_entry));

	memset(p, 0x5a, 64 * sizeof(struct drm_amdgpu_gem_list_handles_entry));
	free(p);
}

FIXTURE(amdgpu) {
	int unused;
};

FIXTURE_SETUP(amdgpu)
{
	memset(&fake, 0, sizeof(fake));
	fake.driver = "amdgpu";
	dirt();
}

FIXTURE_TEARDOWN(amdgpu)
{
}

static void lists(struct __test_metadata *_metadata, size_t want)
{
	struct drm_amdgpu_gem_list_handles_entry *entries;
	size_t count, i;

	ASSERT_EQ(0, bufsync_amdgpu_list(-1, 5, &entries, &count));
	ASSERT_EQ(want, count);
	for (i = 0; i < count; i++)
		ASSERT_EQ(i + 1, entries[i].gem_handle);
	free(entries);
}

TEST_F(amdgpu, none)
{
	lists(_metadata, 0);
}

TEST_F(amdgpu, some)
{
	fake.handles = 10;
	lists(_metadata, 10);
	EXPECT_EQ(1, fake.calls);
}

TEST_F(amdgpu, many)
{
	fake.handles = 5000;
	lists(_metadata, 5000);
	EXPECT_EQ(2, fake.calls);
}

TEST_F(amdgpu, interrupted)
{
	fake.handles = 10;
	fake.interrupted = 2;
	lists(_metadata, 10);
}

/* The call that is repeated has room for as many as the first. */
TEST_F(amdgpu, more_in_the_middle_of_a_call)
{
	fake.handles = 10;
	fake.again = 3;
	lists(_metadata, 13);
}

TEST_F(amdgpu, more_between_calls)
{
	fake.handles = 100;
	fake.grow = 4;
	lists(_metadata, 100 * 81);
}

TEST_F(amdgpu, errors)
{
	struct drm_amdgpu_gem_list_handles_entry *entries;
	size_t count;

	fake.error = EFAULT;
	EXPECT_EQ(-1, bufsync_amdgpu_list(-1, 5, &entries, &count));
	EXPECT_EQ(EFAULT, errno);
	/* a kernel that has none, and no module */
	fake.error = EINVAL;
	EXPECT_EQ(-1, bufsync_amdgpu_list(-1, 5, &entries, &count));
	EXPECT_EQ(EINVAL, errno);
	fake.error = 0;
	fake.driver = "i915";
	EXPECT_EQ(-1, bufsync_amdgpu_list(-1, 5, &entries, &count));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

TEST_HARNESS_MAIN
