// SPDX-License-Identifier: GPL-2.0-only
/* Each allocation of each call of /dev/drm_gem, failing. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "gem_env.h"

#include "failnth_env.h"

/* Handles, of which the last is the one that moves */
#define COUNT	40
#define FAR	100000

struct call {
	int dev;
	int drm;
	int fd;
	int other;	/* a dma-buf of another device */
	uint32_t handle;
	int imported;	/* what the import has returned */
	struct drm_gem_ctl_entry entries[COUNT + 1];
};

FIXTURE(nth) {
	struct gem_env env;
	struct call call;
};

FIXTURE_SETUP(nth)
{
	struct call *c = &self->call;
	uint32_t i;
	int virtio;

	gem_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, failnth_setup());
	c->dev = self->env.dev;
	c->drm = gem_open_driver("vgem");
	ASSERT_GE(c->drm, 0);
	for (i = 1; i <= COUNT; i++)
		ASSERT_EQ(i, gem_new(c->drm, 1));
	/* It has a member among the dma-bufs to be moved as well. */
	c->fd = gem_export(c->drm, COUNT);
	ASSERT_GE(c->fd, 0);
	virtio = gem_open_driver("virtio_gpu");
	ASSERT_GE(virtio, 0);
	c->other = gem_export(virtio, gem_new(virtio, 1));
	ASSERT_GE(c->other, 0);
}

FIXTURE_TEARDOWN(nth)
{
	gem_env_teardown(_metadata, &self->env);
}

static int dev_open(void *arg)
{
	int fd = open(GEM_NODE, O_RDWR | O_CLOEXEC);

	((struct call *)arg)->fd = fd;
	return fd < 0 ? -errno : fd;
}

static int dev_opened(void *arg)
{
	return dev_open(arg) < 0;
}

static int fd_close(void *arg)
{
	return failnth_close(arg, ((struct call *)arg)->fd);
}

static int caps(void *arg)
{
	struct drm_gem_ctl_caps caps;

	return gem_caps(((struct call *)arg)->dev, &caps);
}

static int list(void *arg)
{
	struct call *c = arg;

	return gem_list(c->dev, c->drm, 0, c->entries, COUNT + 1, NULL);
}

static bool all_there(void *arg)
{
	struct call *c = arg;
	uint32_t i;

	if (list(arg) != COUNT)
		return false;
	for (i = 0; i < COUNT; i++)
		if (c->entries[i].handle != i + 1)
			return false;
	return true;
}

/* So far away that the table needs more levels */
static int move(void *arg)
{
	struct call *c = arg;

	return gem_move(c->dev, c->drm, COUNT, FAR);
}

static int move_back(void *arg, int ret)
{
	struct call *c = arg;

	return ret ?: gem_move(c->dev, c->drm, FAR, COUNT);
}

static int prime_info(void *arg)
{
	struct drm_gem_ctl_prime_info_args info;
	struct call *c = arg;

	return gem_info(c->dev, c->drm, c->other, &info);
}

static int import(void *arg)
{
	struct call *c = arg;
	uint32_t class;

	c->imported = gem_import_no_move(c->dev, c->drm, c->other, &c->handle,
					 &class);
	return c->imported;
}

/* That memory is lost after the import is the one error that leaves a handle. */
static bool import_unchanged(void *arg)
{
	struct call *c = arg;

	if (c->imported == -EFAULT && list(arg) == COUNT + 1)
		gem_close(c->drm, c->entries[COUNT].handle);
	return all_there(arg);
}

static int import_undo(void *arg, int ret)
{
	struct call *c = arg;

	return ret ?: gem_close(c->drm, c->handle);
}

static const struct failnth calls[] = {
	{ .name = "open", .call = dev_open, .undo = failnth_close, .least = 2 },
	{ .name = "close", .before = dev_opened, .call = fd_close },
	{ .name = "CAPS", .call = caps, .least = 2 },
	/* entries, the arguments both ways, entries out */
	{ .name = "LIST", .call = list, .unchanged = all_there, .least = 4 },
	{ .name = "MOVE", .call = move, .unchanged = all_there,
	  .undo = move_back, .least = 1 },
	{ .name = "PRIME_INFO", .call = prime_info, .unchanged = all_there,
	  .least = 2 },
	{ .name = "IMPORT_NO_MOVE", .call = import, .unchanged = import_unchanged,
	  .undo = import_undo, .least = 5 },
};

TEST_F(nth, calls)
{
	failnth_all(_metadata, calls, ARRAY_SIZE(calls), &self->call);
	EXPECT_TRUE(all_there(&self->call));
}

TEST_HARNESS_MAIN
