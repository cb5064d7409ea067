// SPDX-License-Identifier: GPL-2.0-only
/* Each allocation of each call of /dev/syncobj, failing. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "env_util.h"

#include "failnth_env.h"

/* More than fit on the kernel's stack */
#define COUNT	20

struct call {
	int dev;
	int fd;
	int fds[COUNT];		/* syncobjs */
	uint64_t points[COUNT];
	uint64_t values[COUNT];
	int status[COUNT];
	struct syncobj_eventfd_args entries[COUNT];
	int src;	/* two points that have not signalled */
	int dst;
	int efd;
	int sync_file;
};

FIXTURE(nth) {
	struct env env;
	struct call call;
};

FIXTURE_SETUP(nth)
{
	struct call *c = &self->call;
	uint32_t id;
	int i;

	env_setup(_metadata, &self->env);
	ASSERT_EQ(0, failnth_setup());
	c->dev = self->env.dev;
	for (i = 0; i < COUNT; i++) {
		c->fds[i] = so_create(c->dev, 0);
		ASSERT_GE(c->fds[i], 0);
		c->points[i] = 1;
	}
	c->src = so_create(c->dev, 0);
	c->dst = so_create(c->dev, 0);
	c->efd = efd_new();
	for (i = 0; i < COUNT; i++)
		c->entries[i] = (struct syncobj_eventfd_args) {
			.syncobj_fd = c->fds[i],
			.eventfd = c->efd,
			.point = 7,
		};
	ASSERT_EQ(0, tf_add(self->env.tf, c->dev, c->src, 1, 0, &id));
	ASSERT_EQ(0, tf_add(self->env.tf, c->dev, c->src, 2, 0, &id));
	c->sync_file = tf_create(self->env.tf, 0, &id);
	ASSERT_GE(c->sync_file, 0);
}

FIXTURE_TEARDOWN(nth)
{
	env_teardown(_metadata, &self->env);
}

/* The device */

static int dev_open(void *arg)
{
	int fd = open(SO_NODE, O_RDWR | O_CLOEXEC);

	((struct call *)arg)->fd = fd;
	return fd < 0 ? -errno : fd;
}

static int dev_opened(void *arg)
{
	return dev_open(arg) < 0 ? -1 : 0;
}

static int fd_close(void *arg)
{
	return failnth_close(arg, ((struct call *)arg)->fd);
}

static int create(void *arg)
{
	return so_create(((struct call *)arg)->dev, 0);
}

static int create_signaled(void *arg)
{
	return so_create(((struct call *)arg)->dev, SYNCOBJ_CREATE_SIGNALED);
}

static int created(void *arg)
{
	((struct call *)arg)->fd = create_signaled(arg);
	return ((struct call *)arg)->fd < 0;
}

static int caps(void *arg)
{
	struct syncobj_caps caps = { .size = sizeof(caps) };

	return so_try(((struct call *)arg)->dev, SYNCOBJ_IOC_CAPS, &caps);
}

static const struct failnth device[] = {
	{ .name = "open", .call = dev_open, .undo = failnth_close, .least = 2 },
	{ .name = "close", .before = dev_opened, .call = fd_close },
	{ .name = "CREATE", .call = create, .undo = failnth_close, .least = 3 },
	{ .name = "CREATE signaled", .call = create_signaled,
	  .undo = failnth_close, .least = 3 },
	{ .name = "close of a syncobj", .before = created, .call = fd_close },
	{ .name = "CAPS", .call = caps, .least = 2 },
};

TEST_F(nth, device)
{
	failnth_all(_metadata, device, ARRAY_SIZE(device), &self->call);
}

/* Arrays */

static int empty(void *arg)
{
	struct call *c = arg;

	return so_reset(c->dev, c->fds, COUNT);
}

/* All have point 1, but for the first. */
static int filled(void *arg)
{
	struct call *c = arg;

	return so_reset(c->dev, c->fds, COUNT) ?:
	       so_signal(c->dev, c->fds + 1, c->points + 1, COUNT - 1);
}

static bool is_empty(void *arg)
{
	struct call *c = arg;
	int i;

	for (i = 0; i < COUNT; i++)
		if (so_status1(c->dev, c->fds[i], 0) !=
		    SYNCOBJ_STATUS_UNSUBMITTED)
			return false;
	return true;
}

static bool is_filled(void *arg)
{
	struct call *c = arg;
	int i;

	for (i = 0; i < COUNT; i++)
		if (so_query1(c->dev, c->fds[i]) != (i ? 1 : 0))
			return false;
	return true;
}

static int wait_any(void *arg)
{
	struct call *c = arg;
	uint32_t first;

	return so_wait(c->dev, c->fds, c->points, COUNT, 0, SO_SUBMIT, &first);
}

static int do_signal(void *arg)
{
	struct call *c = arg;

	return so_signal(c->dev, c->fds, c->points, COUNT);
}

static int query(void *arg)
{
	struct call *c = arg;

	return so_query(c->dev, c->fds, c->values, COUNT, 0);
}

static int status(void *arg)
{
	struct call *c = arg;

	return so_status(c->dev, c->fds, c->points, c->status, COUNT);
}

static const struct failnth arrays[] = {
	/* two or three arrays to allocate, one or two to copy, the arguments */
	{ .name = "WAIT", .before = filled, .call = wait_any,
	  .unchanged = is_filled, .least = 6 },
	{ .name = "RESET", .before = filled, .call = empty,
	  .unchanged = is_filled, .least = 3 },
	{ .name = "SIGNAL", .before = empty, .call = do_signal,
	  .unchanged = is_empty, .least = 6 + COUNT },
	{ .name = "QUERY", .before = filled, .call = query,
	  .unchanged = is_filled, .least = 3 },
	{ .name = "STATUS", .before = filled, .call = status,
	  .unchanged = is_filled, .least = 5 },
};

TEST_F(nth, arrays)
{
	failnth_all(_metadata, arrays, ARRAY_SIZE(arrays), &self->call);
}

/* Fences that come from elsewhere */

static int dst_empty(void *arg)
{
	struct call *c = arg;

	return so_reset1(c->dev, c->dst);
}

static bool dst_is_empty(void *arg)
{
	struct call *c = arg;

	return so_status1(c->dev, c->dst, 0) == SYNCOBJ_STATUS_UNSUBMITTED;
}

static int transfer(void *arg)
{
	struct call *c = arg;

	return so_transfer(c->dev, c->src, 2, c->dst, 1, 0);
}

static int transfer_whole(void *arg)
{
	struct call *c = arg;

	return so_transfer(c->dev, c->src, 2, c->dst, 0, 0);
}

static int export(void *arg)
{
	struct call *c = arg;

	return so_export(c->dev, c->src, 2);
}

static int import(void *arg)
{
	struct call *c = arg;

	return so_import(c->dev, c->dst, c->sync_file, 1);
}

static const struct failnth fences[] = {
	/* the merged fence, the point */
	{ .name = "TRANSFER", .before = dst_empty, .call = transfer,
	  .unchanged = dst_is_empty, .least = 3 },
	{ .name = "TRANSFER to 0", .before = dst_empty, .call = transfer_whole,
	  .unchanged = dst_is_empty, .least = 1 },
	{ .name = "EXPORT_SYNC_FILE", .call = export, .undo = failnth_close,
	  .least = 3 },
	{ .name = "IMPORT_SYNC_FILE", .before = dst_empty, .call = import,
	  .unchanged = dst_is_empty, .least = 2 },
};

TEST_F(nth, fences)
{
	failnth_all(_metadata, fences, ARRAY_SIZE(fences), &self->call);
}

/* eventfds */

static int watch(void *arg)
{
	struct call *c = arg;

	return so_eventfd(c->dev, c->fds[0], c->efd, 7, 0);
}

static int watched(void *arg)
{
	return watch(arg);
}

static int watch_fence(void *arg)
{
	struct call *c = arg;

	return so_eventfd(c->dev, c->src, c->efd, 2, 0);
}

static int cancel_of(struct call *c, int fd, uint64_t point)
{
	uint32_t cancelled = 0;
	int ret = so_cancel(c->dev, fd, c->efd, point, 0, &cancelled);

	return ret ?: cancelled != 1;
}

static int cancel(void *arg)
{
	struct call *c = arg;

	return cancel_of(c, c->fds[0], 7);
}

static int unwatch(void *arg, int ret)
{
	(void)ret;
	return cancel(arg);
}

static int unwatch_fence(void *arg, int ret)
{
	struct call *c = arg;

	(void)ret;
	return cancel_of(c, c->src, 2);
}

/* None is there to be cancelled, and none has fired. */
static bool none_watched(void *arg)
{
	struct call *c = arg;
	int i;

	for (i = 0; i < COUNT; i++)
		if (cancel_of(c, c->fds[i], 7) != -ENOENT)
			return false;
	return cancel_of(c, c->src, 2) == -ENOENT && !efd_take(c->efd);
}

static int batch(void *arg)
{
	struct call *c = arg;
	uint32_t index;

	return so_batch(c->dev, c->entries, COUNT, &index);
}

static int unbatch(void *arg, int ret)
{
	struct call *c = arg;
	int i;

	for (i = 0; i < COUNT && !ret; i++)
		ret = cancel_of(c, c->fds[i], 7);
	return ret;
}

static const struct failnth eventfds[] = {
	/* the watch, its sink, its set, the arguments */
	{ .name = "EVENTFD", .call = watch, .unchanged = none_watched,
	  .undo = unwatch, .least = 4 },
	{ .name = "EVENTFD of a fence", .call = watch_fence,
	  .unchanged = none_watched, .undo = unwatch_fence, .least = 4 },
	/* two arrays, arguments and entries, one sink */
	{ .name = "EVENTFD_BATCH", .call = batch, .unchanged = none_watched,
	  .undo = unbatch, .least = 5 + 2 * COUNT },
	{ .name = "EVENTFD_CANCEL", .before = watched, .call = cancel,
	  .least = 1 },
};

TEST_F(nth, eventfds)
{
	empty(&self->call);
	failnth_all(_metadata, eventfds, ARRAY_SIZE(eventfds), &self->call);
	EXPECT_EQ(0, efd_take(self->call.efd));
}

TEST_HARNESS_MAIN
