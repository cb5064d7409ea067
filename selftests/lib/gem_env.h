/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every test of drm_gem_ctl begins and ends with. The end is a test of its
 * own: with all fds of the process closed, nobody uses the module, and the kernel
 * has not complained about what DRM has found in the files.
 */
#ifndef _GEM_ENV_H
#define _GEM_ENV_H

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"

#include "gem_util.h"
#include "module_util.h"
#include "param_util.h"

/* Each driver that the tests move handles of; the last is the tests' own. */
#define GEM_DRIVERS	"vgem,virtio_gpu,bochs-drm,bufsync_gem"

/* A machine of somebody's has not each device that a guest has. */
static inline bool gem_lacks(int fd)
{
	return fd == -ENODEV && !kernel_is_row();
}

struct gem_env {
	int dev;
	int refs;
	int kmsg;
	unsigned long taint;
};

/* The module with MOVE for these drivers; NULL: as it is by itself */
static inline int gem_reload(const char *drivers)
{
	char parameter[192];
	int ret = module_settle(GEM_MODULE, 0);

	if (!ret)
		ret = module_unload(GEM_MODULE);
	if (ret && ret != -ENOENT && ret != -1)
		return ret;
	snprintf(parameter, sizeof(parameter), "move_drivers=%s",
		 drivers ? drivers : "");
	return module_probe_with(GEM_MODULE, drivers ? parameter : NULL) ?
	       -EIO : 0;
}

/*
 * The same, unless it is so already: on a debug kernel it takes seconds. Programs whose
 * tests begin with it restore the module when they are through.
 */
static inline int gem_use(const char *drivers)
{
	return param_is(GEM_MODULE, "move_drivers", drivers) ? 0 :
	       gem_reload(drivers);
}

static inline void gem_env_setup(struct __test_metadata *_metadata,
				 struct gem_env *env)
{
	env->taint = taint_bits();
	env->kmsg = kmsg_start();
	ASSERT_GE(env->kmsg, 0);
	env->refs = module_refcnt(GEM_MODULE);
	ASSERT_GE(env->refs, 0) TH_LOG(GEM_MODULE " is not loaded");
	env->dev = gem_ctl_open();
	ASSERT_GE(env->dev, 0);
}

static inline void gem_env_teardown(struct __test_metadata *_metadata,
				    struct gem_env *env)
{
	static char log[65536];
	int kmsg = dup2(env->kmsg, 3);

	syscall(SYS_close_range, kmsg < 0 ? 3 : 4, UINT_MAX, 0);
	EXPECT_EQ(env->refs, module_settle(GEM_MODULE, env->refs))
		TH_LOG("the module is still in use");
	kmsg_read(kmsg, log, sizeof(log));
	EXPECT_EQ(NULL, kmsg_splat(log)) TH_LOG("%s", log);
	EXPECT_EQ(env->taint, taint_bits());
	close(kmsg);
}

#endif /* _GEM_ENV_H */
