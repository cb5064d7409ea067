// SPDX-License-Identifier: GPL-2.0-only
/* Callers without privileges, with one, and in namespaces of their own. */
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/capability.h>

#include "gem_env.h"
#include "unpriv_env.h"

#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE	40
#endif

FIXTURE(unpriv) {
	struct gem_env env;
	int drm, dmabuf;
	uint32_t handle;
};

FIXTURE_SETUP(unpriv)
{
	gem_env_setup(_metadata, &self->env);
	self->drm = gem_open_driver("vgem");
	if (gem_lacks(self->drm))
		SKIP(return, "no device of this driver");
	ASSERT_GE(self->drm, 0);
	self->handle = gem_new(self->drm, 1);
	ASSERT_EQ(1, self->handle);
	self->dmabuf = gem_export(self->drm, 1);
	ASSERT_GE(self->dmabuf, 0);
}

FIXTURE_TEARDOWN(unpriv)
{
	gem_env_teardown(_metadata, &self->env);
}

/* Only this one; for a user who is not root */
static void drop_all_but(int cap)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {};

	data[cap / 32].effective = 1U << cap % 32;
	data[cap / 32].permitted = 1U << cap % 32;
	if (prctl(PR_SET_KEEPCAPS, 1) || setgroups(0, NULL) ||
	    setgid(NOBODY) || setuid(NOBODY) ||
	    syscall(SYS_capset, &header, data))
		_exit(100);
}

/* All but MOVE, by a node that is opened here. 0, or what failed. */
static int everything_but_move(FIXTURE_DATA(unpriv) *self)
{
	struct drm_gem_ctl_prime_info_args info;
	struct drm_gem_ctl_entry entry;
	struct drm_gem_ctl_caps caps;
	int dev = gem_ctl_open();
	uint32_t handle;

	if (dev < 0)
		return 1;
	if (gem_caps(dev, &caps) ||
	    !(caps.out_features & DRM_GEM_CTL_FEATURE_MOVE))
		return 2;
	if (gem_list(dev, self->drm, 0, &entry, 1, NULL) != 1)
		return 3;
	if (gem_info(dev, self->drm, self->dmabuf, &info) ||
	    info.out_class != DRM_GEM_CTL_CLASS_ALREADY)
		return 4;
	if (gem_import_no_move(dev, self->drm, self->dmabuf, &handle, NULL) ||
	    handle != 1)
		return 5;
	return 0;
}

static int refused(FIXTURE_DATA(unpriv) *self)
{
	int dev = gem_ctl_open();

	if (gem_move(dev, self->drm, 1, 2) != -EPERM)
		return 11;
	/* The one that root has opened gives nothing away. */
	if (gem_move(self->env.dev, self->drm, 1, 2) != -EPERM)
		return 12;
	/* Before anything is looked at */
	if (gem_move(dev, -1, 0, 0) != -EPERM)
		return 13;
	return everything_but_move(self);
}

TEST_F(unpriv, nobody)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(become_nobody() ? 100 : refused(self));
	expect_child(_metadata, pid);
	EXPECT_EQ(1, gem_count(self->env.dev, self->drm));
}

static void permitted(struct __test_metadata *_metadata,
		      FIXTURE_DATA(unpriv) *self, int cap)
{
	struct drm_gem_ctl_entry entry;
	pid_t pid = fork();

	if (pid == 0) {
		drop_all_but(cap);
		_exit(gem_move(gem_ctl_open(), self->drm, 1, 2) ? 1 :
		      gem_move(self->env.dev, self->drm, 2, 3) ? 2 : 0);
	}
	expect_child(_metadata, pid);
	EXPECT_EQ(0, gem_entry(self->env.dev, self->drm, 3, &entry));
}

TEST_F(unpriv, checkpoint_restore)
{
	permitted(_metadata, self, CAP_CHECKPOINT_RESTORE);
}

TEST_F(unpriv, sys_admin)
{
	permitted(_metadata, self, CAP_SYS_ADMIN);
}

TEST_F(unpriv, another_capability)
{
	pid_t pid = fork();

	if (pid == 0) {
		drop_all_but(CAP_SYS_PTRACE);
		_exit(refused(self));
	}
	expect_child(_metadata, pid);
}

/* Root in a user namespace of its own has all capabilities there, and none here. */
TEST_F(unpriv, root_elsewhere)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWUSER))
			_exit(99);
		_exit(refused(self));
	}
	expect_child(_metadata, pid);
}

TEST_F(unpriv, other_namespaces_do_not_matter)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC))
			_exit(99);
		_exit(gem_move(self->env.dev, self->drm, 1, 9) ? 1 : 0);
	}
	expect_child(_metadata, pid);
}

TEST_HARNESS_MAIN
