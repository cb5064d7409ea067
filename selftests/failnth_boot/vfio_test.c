// SPDX-License-Identifier: GPL-2.0-only
/* Each allocation of what vfio_pci_dmabuf adds to a device, failing. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vfio_env.h"

#include "bar_env.h"
#include "edu_util.h"
#include "failnth_env.h"
#include "slice_util.h"
#include "text_util.h"

#define DRIVER	"/sys/bus/pci/drivers/" VFIO_OURS "/"
#define SIZE	MIB(4)
#define BAR	2
#define RANGES	3
/* Nothing else is there, and so no page table. */
#define NOWHERE	((void *)(1UL << 40))

struct call {
	struct vfio_dev *dev;
	struct vfio_region_dma_range ranges[RANGES];
	int buf;	/* SIZE bytes */
	int fd;
	int bind;	/* the driver's file of that name */
	int edu;
	void *map;
	off_t bar_offset;
	uint64_t slices;	/* with nothing but buf */
};

FIXTURE(nth) {
	struct vfio_env env;
	struct call call;
	char edu_bdf[16];
};

FIXTURE_SETUP(nth)
{
	struct call *c = &self->call;
	int i;

	/* For mmap of the device; all else is the same. */
	ASSERT_EQ(0, bar_mmap_load());
	vfio_env_setup(_metadata, &self->env, VFIO_MEMORY, VFIO_OURS);
	ASSERT_EQ(0, failnth_setup());
	c->dev = &self->env.dev;
	ASSERT_EQ(0, vfio_memory_enable(c->dev, true));
	ASSERT_EQ(0, edu_start(self->edu_bdf));
	c->buf = vfio_export(c->dev, BAR, SIZE, SIZE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(c->buf, 0);
	for (i = 0; i < RANGES; i++)
		c->ranges[i] = (struct vfio_region_dma_range) {
			.offset = i * 2 * PAGE, .length = PAGE,
		};
	c->bar_offset = region_offset(c->dev, BAR);
	c->slices = INFO_OF(c->dev, -1, out_slices);
	ASSERT_EQ(1, c->slices);
	c->edu = edu_open();
	ASSERT_GE(c->edu, 0);
}

FIXTURE_TEARDOWN(nth)
{
	EXPECT_EQ(0, edu_stop(self->edu_bdf));
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

static bool no_slice_more(void *arg)
{
	struct call *c = arg;

	return INFO_OF(c->dev, -1, out_slices) == c->slices;
}

/* Slices */

static int export(void *arg)
{
	return vfio_export(((struct call *)arg)->dev, BAR, SIZE, SIZE,
			   O_RDWR | O_CLOEXEC);
}

static int export_ranges(void *arg)
{
	struct call *c = arg;

	return vfio_export_ranges(c->dev, BAR, c->ranges, RANGES,
				  O_RDWR | O_CLOEXEC);
}

static int exported(void *arg)
{
	((struct call *)arg)->fd = export(arg);
	return ((struct call *)arg)->fd < 0;
}

static int fd_close(void *arg)
{
	return failnth_close(arg, ((struct call *)arg)->fd);
}

static int do_revoke(void *arg)
{
	struct call *c = arg;

	return vfio_revoke(c->dev, c->fd);
}

static int revoke_undo(void *arg, int ret)
{
	struct call *c = arg;

	if (ret || INFO_OF(c->dev, c->fd, out_state) !=
		   VFIO_DMABUF_STATE_REVOKED)
		return -EUCLEAN;
	return fd_close(arg);
}

static int info(void *arg)
{
	struct vfio_dmabuf_info info;
	struct call *c = arg;

	return vfio_info(c->dev, c->buf, &info);
}

static int memattr(void *arg)
{
	struct call *c = arg;

	return vfio_memattr(c->dev, c->buf, VFIO_DMABUF_MEMATTR_WC);
}

static const struct failnth slices[] = {
	/* the slice, its two lists, its name, its inode, its file, what is copied */
	{ .name = "export", .call = export, .unchanged = no_slice_more,
	  .undo = failnth_close, .least = 8 },
	{ .name = "export of ranges", .call = export_ranges,
	  .unchanged = no_slice_more, .undo = failnth_close, .least = 8 },
	{ .name = "close", .before = exported, .call = fd_close },
	{ .name = "REVOKE", .before = exported, .call = do_revoke,
	  .undo = revoke_undo, .least = 1 },
	{ .name = "INFO", .call = info, .least = 2 },
	{ .name = "MEMATTR", .call = memattr, .least = 1 },
};

TEST_F(nth, slices)
{
	failnth_all(_metadata, slices, ARRAY_SIZE(slices), &self->call);
	EXPECT_TRUE(no_slice_more(&self->call));
}

/* Mappings */

static int map(void *arg)
{
	struct call *c = arg;

	c->map = mmap(NOWHERE, SIZE, RW, MAP_SHARED | MAP_FIXED_NOREPLACE,
		      c->buf, 0);
	return c->map == MAP_FAILED ? -errno : 0;
}

static int unmap(void *arg, int ret)
{
	(void)ret;
	return munmap(((struct call *)arg)->map, SIZE);
}

static int map_wc(void *arg)
{
	return memattr(arg) ?: map(arg);
}

static int unmap_wc(void *arg, int ret)
{
	struct call *c = arg;

	return unmap(arg, ret) ?:
	       vfio_memattr(c->dev, c->buf, VFIO_DMABUF_MEMATTR_NC);
}

static int map_bar(void *arg)
{
	struct call *c = arg;

	c->map = mmap(NOWHERE, SIZE, RW, MAP_SHARED | MAP_FIXED_NOREPLACE,
		      c->dev->fd, c->bar_offset);
	return c->map == MAP_FAILED ? -errno : 0;
}

/* The kernel tries again when a fault cannot be served. */
static int touch(void *arg)
{
	get32(((struct call *)arg)->map + SIZE / 2);
	return 0;
}

static int touched(void *arg)
{
	return map(arg) ?: touch(arg);
}

static int reset(void *arg)
{
	struct call *c = arg;

	return ioctl(c->dev->fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

/* After the reset it is there again. */
static int reset_undo(void *arg, int ret)
{
	return touch(arg) ?: unmap(arg, ret);
}

static const struct failnth mappings[] = {
	{ .name = "mmap", .call = map, .undo = unmap, .least = 1 },
	{ .name = "fault", .before = map, .call = touch, .undo = unmap,
	  .points = 1 },
	/* the table is made by the module */
	{ .name = "fault, write-combined", .before = map_wc, .call = touch,
	  .undo = unmap_wc, .points = 4 },
	/* a slice, too */
	{ .name = "mmap of the device", .call = map_bar,
	  .unchanged = no_slice_more, .undo = unmap, .least = 6 },
	{ .name = "fault of the device", .before = map_bar, .call = touch,
	  .undo = unmap, .points = 1 },
	{ .name = "VFIO_DEVICE_RESET", .before = touched, .call = reset,
	  .undo = reset_undo },
};

TEST_F(nth, mappings)
{
	failnth_all(_metadata, mappings, ARRAY_SIZE(mappings), &self->call);
	EXPECT_TRUE(no_slice_more(&self->call));
}

/* Importers */

static int attach(void *arg)
{
	struct call *c = arg;

	return edu_attach(c->edu, c->buf, 0);
}

static int attached(void *arg)
{
	return attach(arg);
}

static int detach(void *arg, int ret)
{
	(void)ret;
	return edu_detach(((struct call *)arg)->edu);
}

static int device_map(void *arg)
{
	return edu_map(((struct call *)arg)->edu, EDU_BOTH);
}

static int mapped(void *arg)
{
	return attach(arg) ?: device_map(arg);
}

static int device_unmap(void *arg)
{
	return edu_unmap(((struct call *)arg)->edu);
}

static int release(void *arg, int ret)
{
	(void)ret;
	return edu_release(((struct call *)arg)->edu);
}

static bool is_not_mapped(void *arg)
{
	struct call *c = arg;

	return !INFO_OF(c->dev, c->buf, out_importers) &&
	       !edu_mapped(c->edu);
}

static int exported_and_mapped(void *arg)
{
	struct call *c = arg;

	return exported(arg) ?: edu_import(c->edu, c->fd, 0);
}

static int revoke_mapped_undo(void *arg, int ret)
{
	struct call *c = arg;

	return edu_mapped(c->edu) ?: edu_detach(c->edu) ?:
	       revoke_undo(arg, ret);
}

static const struct failnth importers[] = {
	{ .name = "attach", .call = attach, .unchanged = is_not_mapped,
	  .undo = detach, .least = 1 },
	/* the table, what the IOMMU needs */
	{ .name = "map", .before = attached, .call = device_map,
	  .unchanged = is_not_mapped, .undo = release, .least = 2 },
	{ .name = "unmap", .before = mapped, .call = device_unmap,
	  .undo = detach },
	{ .name = "REVOKE", .before = exported_and_mapped, .call = do_revoke,
	  .undo = revoke_mapped_undo, .least = 1 },
};

TEST_F(nth, importers)
{
	failnth_all(_metadata, importers, ARRAY_SIZE(importers), &self->call);
}

/* The device: one that is not reset at each open, which takes long */

FIXTURE(device) {
	struct vfio_env env;
	struct call call;
};

FIXTURE_SETUP(device)
{
	vfio_env_setup(_metadata, &self->env, VFIO_IVSHMEM, VFIO_OURS);
	ASSERT_EQ(0, failnth_setup());
	self->call.dev = &self->env.dev;
}

FIXTURE_TEARDOWN(device)
{
	vfio_env_teardown(_metadata, &self->env);
}

static int device_closed(void *arg)
{
	struct call *c = arg;
	int ret = close(c->dev->fd);

	c->dev->fd = -1;
	return ret;
}

static int device_open(void *arg)
{
	struct call *c = arg;

	c->dev->fd = ioctl(c->dev->group, VFIO_GROUP_GET_DEVICE_FD,
			   c->dev->bdf);
	return c->dev->fd < 0 ? -errno : c->dev->fd;
}

static int device_undo(void *arg, int ret)
{
	(void)ret;
	return device_closed(arg);
}

static int device_opened(void *arg)
{
	return device_open(arg) < 0;
}

/* A read and a write */
static int command(void *arg)
{
	return vfio_memory_enable(((struct call *)arg)->dev, true);
}

static const struct failnth while_open[] = {
	{ .name = "command register", .call = command, .least = 2 },
};

static const struct failnth opens[] = {
	{ .name = "open", .call = device_open, .undo = device_undo,
	  .least = 3 },
	{ .name = "close", .before = device_opened, .call = device_closed },
};

TEST_F(device, opens)
{
	struct call *c = &self->call;

	failnth_all(_metadata, while_open, ARRAY_SIZE(while_open), c);
	EXPECT_EQ(0, device_closed(c));
	failnth_all(_metadata, opens, ARRAY_SIZE(opens), c);
	EXPECT_GE(device_open(c), 0);
}

static int driver_bind(void *arg)
{
	struct call *c = arg;
	ssize_t len = strlen(c->dev->bdf), n = write(c->bind, c->dev->bdf, len);

	return n == len ? 0 : n < 0 ? -errno : -EIO;
}

static int driver_unbind(void *arg, int ret)
{
	(void)ret;
	return text_write(DRIVER "unbind", ((struct call *)arg)->dev->bdf);
}

static bool is_not_bound(void *arg)
{
	char name[64];

	return !vfio_driver(((struct call *)arg)->dev->bdf, name,
			    sizeof(name)) && !*name;
}

static const struct failnth binds[] = {
	/* the device, its gate, its group */
	{ .name = "bind", .call = driver_bind, .unchanged = is_not_bound,
	  .undo = driver_unbind, .least = 4 },
};

TEST_F(device, binds)
{
	struct call *c = &self->call;

	vfio_close(c->dev);
	ASSERT_EQ(0, driver_unbind(c, 0));
	c->bind = open(DRIVER "bind", O_WRONLY | O_CLOEXEC);
	ASSERT_GE(c->bind, 0);
	failnth_all(_metadata, binds, ARRAY_SIZE(binds), c);
	EXPECT_TRUE(is_not_bound(c));
}

TEST_HARNESS_MAIN
