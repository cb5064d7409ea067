// SPDX-License-Identifier: GPL-2.0-only
/* Each allocation of each call of /dev/dma_heap/memcg and of a grant, failing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "heap_env.h"

#include "dmabuf_util.h"
#include "failnth_env.h"

#define SIZE	KIB(64)
/* From here on others help to allocate. */
#define BIG	MIB(17)

struct call {
	int dev;
	int fd;
	int buf;	/* SIZE bytes, charged to a */
	char *map;
	int table;	/* HEAP_TABLE */
	int info;	/* fdinfo of grant */
	int grant;	/* for a, SIZE bytes */
	int pidfd;	/* of one in a */
	int a_fd, b_fd;
	struct cg a, b;
	char text[4096];
};

FIXTURE(nth) {
	struct heap_env env;
	struct call call;
	pid_t pid;
};

FIXTURE_SETUP(nth)
{
	struct call *c = &self->call;

	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, failnth_setup());
	c->dev = self->env.dev;
	ASSERT_EQ(0, cg_new(&c->a, &self->env.top, "a"));
	ASSERT_EQ(0, cg_new(&c->b, &self->env.top, "b"));
	c->a_fd = cg_open(&c->a, 0);
	c->b_fd = cg_open(&c->b, 0);
	self->pid = cg_spawn(&c->a);
	c->pidfd = pidfd_of(self->pid, 0);
	ASSERT_GE(c->pidfd, 0);
}

FIXTURE_TEARDOWN(nth)
{
	buf_unmap_all();
	cg_kill(self->pid);
	heap_env_teardown(_metadata, &self->env);
}

/* The device */

static int dev_open(void *arg)
{
	int fd = open(HEAP_NODE, O_RDWR | O_CLOEXEC);

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
	struct dma_heap_memcg_caps caps;

	return heap_caps(((struct call *)arg)->dev, &caps);
}

static int query(void *arg)
{
	struct dma_heap_memcg_query_args query;
	struct call *c = arg;

	return heap_query(c->dev, c->a_fd, &query);
}

static int query_pid(void *arg)
{
	struct dma_heap_memcg_query_args query;
	struct call *c = arg;

	return heap_query(c->dev, c->pidfd, &query);
}

/* From its beginning, each time anew */
static int table(void *arg)
{
	struct call *c = arg;
	ssize_t n = pread(c->table, c->text, sizeof(c->text), 0);

	return n < 0 ? -errno : n > 0 ? 0 : -ENODATA;
}

static const struct failnth device[] = {
	{ .name = "open", .call = dev_open, .undo = failnth_close, .least = 2 },
	{ .name = "close", .before = dev_opened, .call = fd_close },
	{ .name = "CAPS", .call = caps, .least = 2 },
	{ .name = "QUERY", .call = query, .least = 2 },
	{ .name = "QUERY by pidfd", .call = query_pid, .least = 2 },
	{ .name = "read of the table", .call = table, .least = 1 },
};

TEST_F(nth, device)
{
	self->call.table = open(HEAP_TABLE, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(self->call.table, 0);
	failnth_all(_metadata, device, ARRAY_SIZE(device), &self->call);
}

/* Buffers */

static int alloc_own(void *arg)
{
	return heap_alloc_plain(((struct call *)arg)->dev, SIZE);
}

static int alloc_for(void *arg)
{
	struct call *c = arg;

	return heap_alloc(c->dev, SIZE, c->a_fd);
}

static int alloc_for_pid(void *arg)
{
	struct call *c = arg;

	return heap_alloc(c->dev, SIZE, c->pidfd);
}

static int alloc_big(void *arg)
{
	struct call *c = arg;

	return heap_alloc(c->dev, BIG, c->a_fd);
}

/* Its budget is one buffer. */
static int alloc_granted(void *arg)
{
	struct call *c = arg;

	return heap_alloc(c->dev, SIZE, c->grant);
}

static bool nothing_charged(void *arg)
{
	struct call *c = arg;

	return !cg_local_bytes(c->dev, &c->a) && !cg_local_bytes(c->dev, &c->b);
}

static const struct failnth allocs[] = {
	/* the buffer, its dma-buf, inode and file, the arguments both ways */
	{ .name = "ALLOC", .call = alloc_own, .undo = failnth_close,
	  .least = 6 },
	{ .name = "ALLOC for a cgroup", .call = alloc_for,
	  .unchanged = nothing_charged, .undo = failnth_close, .least = 6 },
	{ .name = "ALLOC for a process", .call = alloc_for_pid,
	  .unchanged = nothing_charged, .undo = failnth_close, .least = 6 },
	{ .name = "ALLOC by a grant", .call = alloc_granted,
	  .unchanged = nothing_charged, .undo = failnth_close, .least = 6 },
	{ .name = "ALLOC of much", .call = alloc_big,
	  .unchanged = nothing_charged, .undo = failnth_close, .least = 6 },
};

TEST_F(nth, allocs)
{
	struct call *c = &self->call;

	c->grant = heap_grant(c->dev, c->a_fd, SIZE, INT64_MAX);
	ASSERT_GE(c->grant, 0);
	failnth_all(_metadata, allocs, ARRAY_SIZE(allocs), c);
	EXPECT_TRUE(nothing_charged(c));
}

/* A cgroup that no call has named yet: each time another one */

static int newest(void *arg)
{
	struct call *c = arg;
	static int number;
	char name[16];
	struct cg top;

	cg_parent(&top, &c->a);
	cg_remove(&c->b);
	close(c->b_fd);
	snprintf(name, sizeof(name), "new%d", number++);
	if (cg_new(&c->b, &top, name))
		return -1;
	c->b_fd = cg_open(&c->b, 0);
	return c->b_fd < 0;
}

static int alloc_newest(void *arg)
{
	struct call *c = arg;

	return heap_alloc(c->dev, SIZE, c->b_fd);
}

static const struct failnth records[] = {
	{ .name = "ALLOC for a new cgroup", .before = newest,
	  .call = alloc_newest, .unchanged = nothing_charged,
	  .undo = failnth_close, .least = 6 },
};

TEST_F(nth, records)
{
	failnth_all(_metadata, records, ARRAY_SIZE(records), &self->call);
}

/* TRANSFER */

static int transfer(void *arg)
{
	struct call *c = arg;

	return heap_transfer(c->dev, c->buf, c->b_fd);
}

/* Charged to @cg and not to @other, named so, with its contents */
static bool is_at(struct call *c, const struct cg *cg, const struct cg *other)
{
	char want[64], name[64];

	snprintf(want, sizeof(want), "cg:%llu", (unsigned long long)cg_id(cg));
	return !buf_name(c->buf, name, sizeof(name)) && !strcmp(name, want) &&
	       cg_local_bytes(c->dev, cg) == SIZE &&
	       !cg_local_bytes(c->dev, other) && !buf_differs(c->map, SIZE, 1);
}

static bool is_at_a(void *arg)
{
	struct call *c = arg;

	return is_at(c, &c->a, &c->b);
}

static int transfer_back(void *arg, int ret)
{
	struct call *c = arg;

	if (ret || !is_at(c, &c->b, &c->a))
		return -EUCLEAN;
	return heap_transfer(c->dev, c->buf, c->a_fd);
}

static const struct failnth transfers[] = {
	{ .name = "TRANSFER", .call = transfer, .unchanged = is_at_a,
	  .undo = transfer_back, .least = 2 },
};

TEST_F(nth, transfers)
{
	struct call *c = &self->call;

	c->buf = heap_alloc(c->dev, SIZE, c->a_fd);
	ASSERT_GE(c->buf, 0);
	c->map = buf_map(c->buf, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, c->map);
	buf_fill(c->map, SIZE, 1);
	failnth_all(_metadata, transfers, ARRAY_SIZE(transfers), c);
	EXPECT_TRUE(is_at_a(c));
}

/* Grants */

static int grant(void *arg)
{
	struct call *c = arg;

	return heap_grant(c->dev, c->a_fd, SIZE, INT64_MAX);
}

static int granted(void *arg)
{
	((struct call *)arg)->fd = grant(arg);
	return ((struct call *)arg)->fd < 0;
}

static int info(void *arg)
{
	struct call *c = arg;
	ssize_t n = pread(c->info, c->text, sizeof(c->text), 0);

	return n < 0 ? -errno : n > 0 ? 0 : -ENODATA;
}

static const struct failnth grants[] = {
	/* the grant, its inode, its file, the arguments */
	{ .name = "GRANT", .call = grant, .undo = failnth_close, .least = 4 },
	{ .name = "close of a grant", .before = granted, .call = fd_close },
	{ .name = "fdinfo of a grant", .call = info, .least = 1 },
};

TEST_F(nth, grants)
{
	struct call *c = &self->call;
	char path[64];

	c->grant = grant(c);
	ASSERT_GE(c->grant, 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", c->grant);
	c->info = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(c->info, 0);
	failnth_all(_metadata, grants, ARRAY_SIZE(grants), c);
}

TEST_HARNESS_MAIN
