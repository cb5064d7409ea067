/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every test of vfio_pci_dmabuf begins and ends with. The end is a test
 * of its own: with all fds and mappings of the process gone the device can be
 * unbound, and nobody uses the module any more.
 */
#ifndef _VFIO_ENV_H
#define _VFIO_ENV_H

#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "harness.h"

#include "module_util.h"
#include "syncobj_util.h"
#include "vfio_util.h"

struct vfio_env {
	struct vfio_dev dev;
	int kmsg;
	unsigned long taint;
};

static inline void vfio_env_setup(struct __test_metadata *_metadata,
				  struct vfio_env *env, enum vfio_role role,
				  const char *driver)
{
	env->taint = taint_bits();
	env->kmsg = kmsg_start();
	ASSERT_EQ(0, vfio_start(&env->dev, role, driver))
		TH_LOG("cannot open the device by %s", driver);
}

/* Does the log come to have @text? What it had before that is read by then. */
static inline bool kmsg_tells(int kmsg, const char *text, int ms)
{
	static char log[65536];
	int64_t end = in_ms(ms);

	do {
		kmsg_read(kmsg, log, sizeof(log));
		if (strstr(log, text))
			return true;
		sleep_ms(5);
	} while (now_ns() < end);
	return false;
}

/* What is still mapped at this point keeps the device open. */
static inline void vfio_env_teardown(struct __test_metadata *_metadata,
				     struct vfio_env *env)
{
	static char log[65536];
	int kmsg;

	kmsg_read(env->kmsg, log, sizeof(log));
	EXPECT_EQ(NULL, kmsg_splat(log)) TH_LOG("%s", log);
	EXPECT_EQ(env->taint, taint_bits());
	/* Nothing but the log stays open. */
	kmsg = dup2(env->kmsg, 3);
	syscall(SYS_close_range, kmsg < 0 ? 3 : 4, UINT_MAX, 0);
	EXPECT_EQ(0, vfio_unbind(env->dev.bdf));
	EXPECT_EQ(0, module_settle(VFIO_OURS, 0))
		TH_LOG("the module is still in use");
	/* what the end of it all has caused */
	kmsg_read(kmsg, log, sizeof(log));
	EXPECT_EQ(NULL, kmsg_splat(log)) TH_LOG("%s", log);
	EXPECT_EQ(env->taint, taint_bits());
	close(kmsg);
}

#endif /* _VFIO_ENV_H */
