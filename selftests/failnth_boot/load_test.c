// SPDX-License-Identifier: GPL-2.0-only
/* Each allocation of each module's start, failing: see bufsync_test_failnth. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "failnth_env.h"
#include "module_util.h"
#include "param_util.h"

#define HELPER	"bufsync_test_failnth"

struct call {
	const char *name;
	int file;
};

FIXTURE(nth) {
	struct call call;
};

FIXTURE_VARIANT(nth) {
	const char *name;
	unsigned int least;
	int also;	/* an errno beside ENOMEM */
};

/* the thread, the proof's thread and its syncobj, the device */
FIXTURE_VARIANT_ADD(nth, syncobj) { "syncobj", 6, 0 };
/* its table, its workqueue, its file in /proc, the device */
FIXTURE_VARIANT_ADD(nth, dma_heap_memcg) { "dma_heap_memcg", 6, 0 };
/* the device */
FIXTURE_VARIANT_ADD(nth, drm_gem_ctl) { "drm_gem_ctl", 3, 0 };
/* the driver; for want of its directory in /sys/module the kernel says EINVAL */
FIXTURE_VARIANT_ADD(nth, vfio_pci_dmabuf) { "vfio_pci_dmabuf", 2, EINVAL };

FIXTURE_SETUP(nth)
{
	char command[64], path[256];
	int ret;

	ASSERT_EQ(0, failnth_setup());
	ret = module_load(HELPER);
	ASSERT_TRUE(!ret || ret == -EEXIST);
	self->call.name = variant->name;
	ASSERT_EQ(0, param_set(HELPER, "target", variant->name));
	snprintf(command, sizeof(command), "modinfo -n %s", variant->name);
	ASSERT_EQ(0, command_run(command, path, sizeof(path)));
	path[strcspn(path, "\n")] = '\0';
	self->call.file = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(self->call.file, 0) TH_LOG("%s", path);
	/* What it needs stays: the others' loading would be tested as well. */
	ASSERT_EQ(0, module_probe(variant->name));
	ASSERT_EQ(0, module_settle(variant->name, 0));
	ASSERT_EQ(0, module_unload(variant->name));
}

FIXTURE_TEARDOWN(nth)
{
	param_set(HELPER, "nth", "0");
	EXPECT_EQ(0, module_probe(variant->name));
	EXPECT_EQ(0, module_unload(HELPER));
}

static int load(void *arg)
{
	struct call *c = arg;

	return syscall(SYS_finit_module, c->file, "", 0) ? -errno : 0;
}

static int unload(void *arg, int ret)
{
	struct call *c = arg;

	(void)ret;
	/* udev may look at it. */
	module_settle(c->name, 0);
	return module_unload(c->name);
}

static bool is_not_loaded(void *arg)
{
	return !module_loaded(((struct call *)arg)->name);
}

static int arm(void *arg, unsigned int nth)
{
	char text[16];

	(void)arg;
	snprintf(text, sizeof(text), "%u", nth);
	return param_set(HELPER, "nth", text);
}

TEST_F(nth, load)
{
	const int errnos[] = { ENOMEM, variant->also, 0 };
	const struct failnth walk = {
		.name = variant->name, .arm = arm, .call = load,
		.unchanged = is_not_loaded, .undo = unload,
		.errnos = errnos, .least = variant->least,
	};

	failnth_all(_metadata, &walk, 1, &self->call);
}

TEST_HARNESS_MAIN
