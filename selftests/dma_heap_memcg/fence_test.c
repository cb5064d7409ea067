// SPDX-License-Identifier: GPL-2.0-only
/* Fences of a buffer: sync_files in and out, poll(), and waits for them. */
#include <poll.h>

#include "heap_env.h"

#include "dmabuf_util.h"
#include "fence_util.h"
#include "syncobj_util.h"

#define SIZE	MIB(1)
#define READ	DMA_BUF_SYNC_READ
#define WRITE	DMA_BUF_SYNC_WRITE
/*
 * What waiting for a fence that signals in 100 ms takes. Its timer counts ticks, and a
 * guest that got no processor for a while takes the late ones all at once.
 */
#define AT_LEAST_NS	(20 * NSEC_PER_MSEC)

FIXTURE(fence) {
	struct heap_env env;
	struct cg cg;
	struct cg other;
	int buf;	/* SIZE bytes, charged to cg */
	int tf;		/* /dev/bufsync_test_fence */
	int live;	/* fences before */
};

FIXTURE_SETUP(fence)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->cg, &self->env.top, "fence"));
	ASSERT_EQ(0, cg_new(&self->other, &self->env.top, "other"));
	self->buf = heap_alloc(self->env.dev, SIZE, cg_open(&self->cg, 0));
	ASSERT_GE(self->buf, 0);
	self->tf = tf_open();
	ASSERT_GE(self->tf, 0) TH_LOG("no bufsync_test_fence");
	self->live = tf_live(self->tf);
}

FIXTURE_TEARDOWN(fence)
{
	int tf;

	buf_unmap_all();
	/* This signals what is left, for poll() keeps the buffer until then. */
	close(self->tf);
	heap_env_teardown(_metadata, &self->env);
	tf = tf_open();
	EXPECT_EQ(self->live, tf_settle(tf, self->live))
		TH_LOG("a fence has leaked");
	close(tf);
}

/* What poll() says at once, or within @ms */
static int ready(int fd, int events, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, ms) < 0 ? -errno : pfd.revents;
}

/* A new fence on the buffer; its id. */
static uint32_t add(struct __test_metadata *_metadata,
		    FIXTURE_DATA(fence) *self, uint32_t flags)
{
	uint32_t id;
	int fd = tf_create(self->tf, 0, &id);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, buf_import_fence(self->buf, flags, fd));
	close(fd);
	return id;
}

/* Of the sync_file that stands for all that @flags must wait for */
static int status(int buf, uint32_t flags)
{
	int fd = buf_export_fence(buf, flags), ret;

	if (fd < 0)
		return fd;
	ret = sync_file_status(fd);
	close(fd);
	return ret;
}

TEST_F(fence, none)
{
	EXPECT_EQ(1, status(self->buf, READ));
	EXPECT_EQ(1, status(self->buf, WRITE));
	EXPECT_EQ(1, status(self->buf, READ | WRITE));
	EXPECT_EQ(POLLIN | POLLOUT, ready(self->buf, POLLIN | POLLOUT, 0));
}

TEST_F(fence, refused)
{
	uint32_t id;
	int fd = tf_create(self->tf, 0, &id);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EINVAL, buf_export_fence(self->buf, 0));
	EXPECT_EQ(-EINVAL, buf_export_fence(self->buf, 8 | READ));
	EXPECT_EQ(-EINVAL, buf_import_fence(self->buf, 0, fd));
	EXPECT_EQ(-EINVAL, buf_import_fence(self->buf, 8 | READ, fd));
	EXPECT_EQ(-EINVAL, buf_import_fence(self->buf, WRITE, self->buf));
	EXPECT_EQ(-EINVAL, buf_import_fence(self->buf, WRITE, -1));
	EXPECT_EQ(1, status(self->buf, WRITE));
	ASSERT_EQ(0, tf_signal(self->tf, id));
}

/* Somebody writes: neither readers nor writers may begin. */
TEST_F(fence, of_a_writer)
{
	uint32_t id = add(_metadata, self, WRITE);

	EXPECT_EQ(0, ready(self->buf, POLLIN | POLLOUT, 0));
	EXPECT_EQ(0, ready(self->buf, POLLIN, 20));
	EXPECT_EQ(0, status(self->buf, READ));
	EXPECT_EQ(0, status(self->buf, WRITE));
	ASSERT_EQ(0, tf_signal(self->tf, id));
	EXPECT_EQ(POLLIN, ready(self->buf, POLLIN, 5000));
	EXPECT_EQ(POLLIN | POLLOUT, ready(self->buf, POLLIN | POLLOUT, 5000));
	EXPECT_EQ(1, status(self->buf, READ));
	EXPECT_EQ(1, status(self->buf, WRITE));
}

/* Somebody reads: others may as well, writers wait. */
TEST_F(fence, of_a_reader)
{
	uint32_t id = add(_metadata, self, READ);

	EXPECT_EQ(POLLIN, ready(self->buf, POLLIN, 0));
	EXPECT_EQ(0, ready(self->buf, POLLOUT, 20));
	EXPECT_EQ(1, status(self->buf, READ));
	EXPECT_EQ(0, status(self->buf, WRITE));
	ASSERT_EQ(0, tf_signal(self->tf, id));
	EXPECT_EQ(POLLOUT, ready(self->buf, POLLOUT, 5000));
	EXPECT_EQ(1, status(self->buf, WRITE));
}

TEST_F(fence, all_of_several)
{
	uint32_t id[3];
	int i, fd;

	for (i = 0; i < 3; i++)
		id[i] = add(_metadata, self, i ? READ : WRITE);
	fd = buf_export_fence(self->buf, WRITE);
	ASSERT_GE(fd, 0);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, sync_file_status(fd));
		EXPECT_EQ(0, ready(self->buf, POLLOUT, 0));
		ASSERT_EQ(0, tf_signal(self->tf, id[i]));
	}
	EXPECT_EQ(POLLIN, ready(fd, POLLIN, 5000));
	EXPECT_EQ(1, sync_file_status(fd));
	EXPECT_EQ(POLLOUT, ready(self->buf, POLLOUT, 5000));
}

/* What was exported is a snapshot. */
TEST_F(fence, export_is_a_snapshot)
{
	uint32_t id[2];
	int fd;

	id[0] = add(_metadata, self, WRITE);
	fd = buf_export_fence(self->buf, READ);
	ASSERT_GE(fd, 0);
	id[1] = add(_metadata, self, WRITE);
	ASSERT_EQ(0, tf_signal(self->tf, id[0]));
	EXPECT_EQ(1, sync_file_status(fd));
	EXPECT_EQ(0, status(self->buf, READ));
	ASSERT_EQ(0, tf_signal(self->tf, id[1]));
	EXPECT_EQ(1, status(self->buf, READ));
}

/* poll() is woken by a fence that signals in an interrupt. */
TEST_F(fence, wakes_poll)
{
	uint32_t id = add(_metadata, self, WRITE);
	int64_t start = now_ns();

	ASSERT_EQ(0, tf_signal_how(self->tf, id, 0, TEST_FENCE_DELAYED, 100));
	EXPECT_EQ(POLLIN, ready(self->buf, POLLIN, 60000));
	EXPECT_GE(now_ns() - start, AT_LEAST_NS);
}

/* The CPU waits as a device would: for writers, and to write for all. */
TEST_F(fence, cpu_access_waits)
{
	uint32_t id = add(_metadata, self, READ);
	int64_t start;

	EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_START | READ));
	EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_END | READ));
	start = now_ns();
	ASSERT_EQ(0, tf_signal_how(self->tf, id, 0, TEST_FENCE_DELAYED, 100));
	EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_START | WRITE));
	EXPECT_GE(now_ns() - start, AT_LEAST_NS);
	EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_END | WRITE));

	id = add(_metadata, self, WRITE);
	start = now_ns();
	ASSERT_EQ(0, tf_signal_how(self->tf, id, 0, TEST_FENCE_DELAYED, 100));
	EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_START | READ));
	EXPECT_GE(now_ns() - start, AT_LEAST_NS);
	EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_END | READ));
}

/* The buffer may go before its fences, and they before it. */
TEST_F(fence, lifetimes)
{
	uint32_t id = add(_metadata, self, WRITE);
	int fd = buf_export_fence(self->buf, WRITE);

	ASSERT_GE(fd, 0);
	close(self->buf);
	EXPECT_EQ(0, cg_local_bytes(self->env.dev, &self->cg));
	EXPECT_EQ(0, sync_file_status(fd));
	ASSERT_EQ(0, tf_signal(self->tf, id));
	EXPECT_EQ(1, sync_file_status(fd));

	self->buf = heap_alloc(self->env.dev, SIZE, HEAP_SELF);
	ASSERT_GE(self->buf, 0);
	add(_metadata, self, WRITE);
	/* This signals it. */
	close(self->tf);
	EXPECT_EQ(POLLIN, ready(self->buf, POLLIN, 5000));
}

/* Fences belong to the dma-buf: new pages do not change them. */
TEST_F(fence, survive_a_transfer)
{
	uint32_t id = add(_metadata, self, WRITE);
	int to = cg_open(&self->other, 0);

	ASSERT_EQ(0, heap_transfer(self->env.dev, self->buf, to));
	EXPECT_EQ(0, ready(self->buf, POLLIN, 0));
	EXPECT_EQ(0, status(self->buf, READ));
	ASSERT_EQ(0, tf_signal(self->tf, id));
	EXPECT_EQ(POLLIN, ready(self->buf, POLLIN, 5000));
	EXPECT_EQ(1, status(self->buf, READ));
}

TEST_HARNESS_MAIN
