// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel that has the memory controller in a hierarchy of cgroup version 1:
 * the caller is charged there, and nobody can be named. In a boot of its own,
 * as the controller may not be able to go back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#include "cgroup_util.h"
#include "heap_util.h"
#include "module_util.h"

#define V1	"/tmp/bufsync-v1"
#define V2	"/tmp/bufsync-v2"
#define SIZE	MIB(64)

FIXTURE(v1) {
	struct cg root, cg;
	int dev;
	int refs;
	int v2;		/* directory of cgroup2 */
};

/* Once, and for good */
static int mount_at(const char *type, const char *where, const char *what)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/cgroup.procs", where);
	if (!access(path, F_OK))
		return 0;
	if (mkdir(where, 0755))
		return -errno;
	return mount(type, where, type, 0, what) ? -errno : 0;
}

FIXTURE_SETUP(v1)
{
	self->root = (struct cg) { .path = V1 };
	self->cg = (struct cg) { .path = V1 "/target" };
	ASSERT_EQ(0, mount_at("cgroup", V1, "memory"));
	ASSERT_EQ(0, mount_at("cgroup2", V2, NULL));
	ASSERT_EQ(0, mkdir(self->cg.path, 0755));
	self->v2 = open(V2, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_GE(self->v2, 0);
	self->refs = module_refcnt("dma_heap_memcg");
	self->dev = heap_open();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(v1)
{
	close(self->dev);
	close(self->v2);
	EXPECT_EQ(0, cg_move(&self->root, 0));
	EXPECT_EQ(0, cg_remove(&self->cg));
	EXPECT_EQ(self->refs, module_settle("dma_heap_memcg", self->refs));
}

/* What the kernel says of kernel memory there */
static int64_t in_use(const struct cg *cg)
{
	return cg_read(cg, "memory.kmem.usage_in_bytes");
}

TEST_F(v1, the_caller_is_charged)
{
	char name[64];
	int64_t fd;
	void *map;

	ASSERT_EQ(0, cg_move(&self->cg, 0));
	fd = heap_alloc(self->dev, SIZE, HEAP_SELF);
	ASSERT_GE(fd, 0);
	EXPECT_LE(SIZE - cg_slack(), in_use(&self->cg));
	EXPECT_GE(SIZE + cg_slack(), in_use(&self->cg));
	/* There is no number for it. */
	ASSERT_EQ(0, buf_name(fd, name, sizeof(name)));
	EXPECT_STREQ("", name);
	map = buf_map(fd, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(buf_is_zero(map, SIZE));
	munmap(map, SIZE);
	close(fd);
	EXPECT_GE(cg_slack(), cg_settle(&self->cg, "memory.kmem.usage_in_bytes",
					0, cg_slack()));
	fd = heap_alloc_plain(self->dev, MIB(1));
	EXPECT_GE(fd, 0);
	close(fd);
	ASSERT_EQ(0, cg_write_bytes(&self->cg, "memory.limit_in_bytes",
				    SIZE / 2));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->dev, SIZE, HEAP_SELF));
}

TEST_F(v1, nobody_can_be_named)
{
	struct dma_heap_memcg_query_args query;
	int dev = self->dev, pidfd, buf, fds;
	pid_t pid = cg_spawn(&self->cg);
	int named[4];
	unsigned int i;

	ASSERT_GT(pid, 0);
	pidfd = pidfd_of(pid, 0);
	ASSERT_GE(pidfd, 0);
	buf = heap_alloc(dev, MIB(1), HEAP_SELF);
	ASSERT_GE(buf, 0);
	named[0] = pidfd;
	named[1] = pidfd_of(getpid(), 0);
	named[2] = self->v2;
	named[3] = cg_open(&self->cg, 0);
	fds = count_fds();
	for (i = 0; i < ARRAY_SIZE(named); i++) {
		EXPECT_EQ(-EOPNOTSUPP, heap_alloc(dev, MIB(1), named[i]));
		EXPECT_EQ(-EOPNOTSUPP, heap_query(dev, named[i], &query));
		EXPECT_EQ(-EOPNOTSUPP, heap_grant(dev, named[i], MIB(1),
						  INT64_MAX));
		EXPECT_EQ(-EOPNOTSUPP, heap_transfer(dev, buf, named[i]));
	}
	EXPECT_EQ(-EOPNOTSUPP, heap_query(dev, HEAP_SELF, &query));
	EXPECT_EQ(-EOPNOTSUPP, heap_grant(dev, HEAP_SELF, MIB(1), INT64_MAX));
	EXPECT_EQ(-EOPNOTSUPP, heap_transfer(dev, buf, HEAP_SELF));
	EXPECT_EQ(fds, count_fds());
	cg_kill(pid);
	for (i = 0; i < ARRAY_SIZE(named); i++)
		if (named[i] != self->v2)
			close(named[i]);
	close(buf);
}

TEST_F(v1, caps)
{
	struct dma_heap_memcg_caps caps;

	ASSERT_EQ(0, heap_caps(self->dev, &caps));
	EXPECT_EQ(0, caps.out_features & ~DMA_HEAP_MEMCG_FEATURE_HUGE_FAULT);
}

TEST_HARNESS_MAIN
