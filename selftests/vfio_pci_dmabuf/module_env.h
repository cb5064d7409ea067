/* SPDX-License-Identifier: GPL-2.0-only */
/* The module, to load anew and otherwise, and a device for it. */
#ifndef _MODULE_ENV_H
#define _MODULE_ENV_H

#include <stdio.h>
#include <sys/syscall.h>

#include "vfio_env.h"

#include "param_util.h"
#include "slice_util.h"

#define NAME	VFIO_OURS

struct module_env {
	int kmsg;
	unsigned long taint;
	char bdf[16];
	struct vfio_dev dev;
	char log[65536];
};

static inline void module_env_setup(struct __test_metadata *_metadata,
				    struct module_env *m)
{
	if (!module_loaded(NAME))
		module_probe(NAME);
	ASSERT_TRUE(module_loaded(NAME));
	ASSERT_EQ(0, module_settle(NAME, 0)) TH_LOG("somebody else uses it");
	ASSERT_EQ(0, vfio_find(VFIO_BOCHS, m->bdf));
	m->kmsg = kmsg_start();
	ASSERT_GE(m->kmsg, 0);
	m->taint = taint_bits();
}

static inline const char *read_log(struct module_env *m)
{
	kmsg_read(m->kmsg, m->log, sizeof(m->log));
	return m->log;
}

/* Whatever happened: no splat, and the module is there with its defaults. */
static inline void module_env_teardown(struct __test_metadata *_metadata,
				       struct module_env *m)
{
	EXPECT_EQ(NULL, kmsg_splat(read_log(m))) TH_LOG("%s", m->log);
	EXPECT_EQ(m->taint, taint_bits());
	unmap_all();
	syscall(SYS_close_range, 3, UINT_MAX, 0);
	EXPECT_EQ(0, vfio_unbind(m->bdf));
	if (module_loaded(NAME)) {
		EXPECT_EQ(0, module_settle(NAME, 0));
		EXPECT_EQ(0, module_unload(NAME));
	}
	EXPECT_EQ(0, module_probe(NAME));
	EXPECT_TRUE(param_is(NAME, "bar_mmap", "stock"));
	EXPECT_TRUE(param_is(NAME, "revoke_alias", "13"));
	EXPECT_TRUE(param_is(NAME, "memattr_alias", "14"));
	EXPECT_TRUE(param_is(NAME, "write_combine", "prefetchable"));
	EXPECT_TRUE(param_is(NAME, "p2p", "safe"));
	EXPECT_TRUE(param_is(NAME, "importer_wait_ms", "1000"));
}

static inline int start(struct module_env *m)
{
	return vfio_start(&m->dev, VFIO_BOCHS, NAME);
}

/* By modprobe; its exit status, and what it said in @out */
static inline int load_with(const char *parameters, char *out, size_t size)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "LC_ALL=C modprobe -- " NAME " %s 2>&1", parameters);
	return command_run(command, out, size);
}

#endif /* _MODULE_ENV_H */
