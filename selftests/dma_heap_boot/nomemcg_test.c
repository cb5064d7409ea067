// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel without the memory controller (cgroup_disable=memory): the heap is
 * a heap as any other.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#include "cgroup_util.h"
#include "heap_util.h"
#include "module_util.h"

FIXTURE(nomemcg) {
	int dev;
	int refs;
};

FIXTURE_SETUP(nomemcg)
{
	self->refs = module_refcnt("dma_heap_memcg");
	self->dev = heap_open();
	ASSERT_GE(self->dev, 0);
}

FIXTURE_TEARDOWN(nomemcg)
{
	close(self->dev);
	EXPECT_EQ(self->refs, module_settle("dma_heap_memcg", self->refs));
}

/* The control: is this the boot that the test is about? */
TEST_F(nomemcg, boot)
{
	char controllers[256] = "";
	int fd = open("/sys/fs/cgroup/cgroup.controllers", O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_LE(0, read(fd, controllers, sizeof(controllers) - 1));
	EXPECT_EQ(NULL, strstr(controllers, "memory"));
}

TEST_F(nomemcg, caps)
{
	struct dma_heap_memcg_caps caps;

	ASSERT_EQ(0, heap_caps(self->dev, &caps));
	EXPECT_EQ(0, caps.out_features & ~DMA_HEAP_MEMCG_FEATURE_HUGE_FAULT);
}

TEST_F(nomemcg, nobody_can_be_charged)
{
	struct dma_heap_memcg_query_args query;
	int pidfd = pidfd_of(getpid(), 0);
	int cgfd = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY);

	ASSERT_GE(pidfd, 0);
	ASSERT_GE(cgfd, 0);
	EXPECT_EQ(-EOPNOTSUPP, heap_alloc(self->dev, MIB(1), pidfd));
	EXPECT_EQ(-EOPNOTSUPP, heap_alloc(self->dev, MIB(1), cgfd));
	EXPECT_EQ(-EOPNOTSUPP, heap_query(self->dev, HEAP_SELF, &query));
	EXPECT_EQ(-EOPNOTSUPP, heap_grant(self->dev, HEAP_SELF, MIB(1),
					  INT64_MAX));
	close(pidfd);
	close(cgfd);
}

TEST_F(nomemcg, works)
{
	int fd = heap_alloc(self->dev, MIB(20), HEAP_SELF);
	void *map;

	ASSERT_GE(fd, 0);
	map = buf_map(fd, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(buf_is_zero(map, MIB(20)));
	buf_fill(map, MIB(20), 1);
	EXPECT_EQ(0, heap_transfer(self->dev, fd, HEAP_SELF));
	EXPECT_EQ(0, buf_differs(map, MIB(20), 1));
	munmap(map, MIB(20));
	close(fd);
}

TEST_HARNESS_MAIN
