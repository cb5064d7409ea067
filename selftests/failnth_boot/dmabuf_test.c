// SPDX-License-Identifier: GPL-2.0-only
/* Each allocation of what can be done with a buffer of dma_heap_memcg, failing. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "heap_env.h"

#include "dmabuf_util.h"
#include "failnth_env.h"

#define SIZE	MIB(1)

struct call {
	int dev;
	int buf;
	int td;		/* an importer */
	int fd;
	int fence;	/* a sync_file of buf */
	char *map;
	int a_fd;
	struct cg a;
};

FIXTURE(nth) {
	struct heap_env env;
	struct call call;
};

FIXTURE_SETUP(nth)
{
	struct call *c = &self->call;

	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, failnth_setup());
	c->dev = self->env.dev;
	ASSERT_EQ(0, cg_new(&c->a, &self->env.top, "a"));
	c->a_fd = cg_open(&c->a, 0);
	c->buf = heap_alloc(c->dev, SIZE, c->a_fd);
	ASSERT_GE(c->buf, 0);
	c->td = td_open();
	ASSERT_GE(c->td, 0);
}

FIXTURE_TEARDOWN(nth)
{
	buf_unmap_all();
	heap_env_teardown(_metadata, &self->env);
}

/* For the processor */

static int map(void *arg)
{
	struct call *c = arg;

	/* Where nothing else is, and so no page table */
	c->map = mmap((void *)(1UL << 40), SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_FIXED_NOREPLACE, c->buf, 0);
	return c->map == MAP_FAILED ? -errno : 0;
}

static int unmap(void *arg, int ret)
{
	(void)ret;
	return munmap(((struct call *)arg)->map, SIZE);
}

/* The kernel tries again when a fault cannot be served. */
static int touch(void *arg)
{
	char *p = ((struct call *)arg)->map + SIZE / 2;

	(*(volatile char *)p)++;
	return 0;
}

static int begin(void *arg)
{
	return buf_sync(((struct call *)arg)->buf,
			DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
}

static int end(void *arg)
{
	return buf_sync(((struct call *)arg)->buf,
			DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
}

static int set_name(void *arg)
{
	return buf_set_name(((struct call *)arg)->buf, "nth");
}

static int export(void *arg)
{
	return buf_export_fence(((struct call *)arg)->buf, DMA_BUF_SYNC_RW);
}

static int import(void *arg)
{
	struct call *c = arg;

	return buf_import_fence(c->buf, DMA_BUF_SYNC_WRITE, c->fence);
}

static int allocated(void *arg)
{
	struct call *c = arg;

	c->fd = heap_alloc(c->dev, SIZE, HEAP_SELF);
	return c->fd < 0;
}

static int fd_close(void *arg)
{
	return failnth_close(arg, ((struct call *)arg)->fd);
}

static const struct failnth processor[] = {
	{ .name = "mmap", .call = map, .undo = unmap, .least = 1 },
	{ .name = "fault", .before = map, .call = touch, .undo = unmap,
	  .points = 1 },
	{ .name = "begin_cpu_access", .call = begin, .least = 1 },
	{ .name = "end_cpu_access", .call = end, .least = 1 },
	{ .name = "SET_NAME", .call = set_name, .least = 2 },
	{ .name = "EXPORT_SYNC_FILE", .call = export, .undo = failnth_close,
	  .least = 3 },
	{ .name = "IMPORT_SYNC_FILE", .call = import, .least = 1 },
	{ .name = "close", .before = allocated, .call = fd_close },
};

TEST_F(nth, processor)
{
	struct call *c = &self->call;

	c->fence = export(c);
	ASSERT_GE(c->fence, 0);
	failnth_all(_metadata, processor, ARRAY_SIZE(processor), c);
}

/* For devices and for the kernel itself */

static int attach(void *arg)
{
	struct call *c = arg;

	return td_attach(c->td, c->buf);
}

static int attached(void *arg)
{
	return attach(arg);
}

static int detach(void *arg, int ret)
{
	(void)ret;
	return td_detach(((struct call *)arg)->td);
}

static int device_map(void *arg)
{
	return td_map(((struct call *)arg)->td, TD_BOTH, NULL);
}

static int mapped(void *arg)
{
	return attach(arg) ?: device_map(arg);
}

static int device_unmap(void *arg)
{
	return td_unmap(((struct call *)arg)->td);
}

static int release(void *arg, int ret)
{
	(void)ret;
	return td_release(((struct call *)arg)->td);
}

static int do_detach(void *arg)
{
	return td_detach(((struct call *)arg)->td);
}

static int begin_undo(void *arg, int ret)
{
	return end(arg) ?: release(arg, ret);
}

static bool is_unattached(void *arg)
{
	struct call *c = arg;

	/* Refused while a device or the kernel uses the pages. */
	return !heap_transfer(c->dev, c->buf, HEAP_SELF) &&
	       !heap_transfer(c->dev, c->buf, c->a_fd);
}

/* No vmap: the kernel warns of an exporter that cannot. */
static const struct failnth devices[] = {
	{ .name = "attach", .call = attach, .unchanged = is_unattached,
	  .undo = detach, .least = 3 },
	{ .name = "detach", .before = attached, .call = do_detach },
	{ .name = "map", .before = attached, .call = device_map,
	  .undo = release, .least = 1 },
	{ .name = "unmap", .before = mapped, .call = device_unmap,
	  .undo = detach },
	{ .name = "begin_cpu_access of a device's", .before = mapped,
	  .call = begin, .undo = begin_undo, .least = 1 },
};

TEST_F(nth, devices)
{
	failnth_all(_metadata, devices, ARRAY_SIZE(devices), &self->call);
}

TEST_HARNESS_MAIN
