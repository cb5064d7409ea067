// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel that does not account kernel memory (cgroup.memory=nokmem): it would
 * charge nobody and enforce no limit, so nobody may be named.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "heap_env.h"

FIXTURE(nokmem) {
	struct heap_env env;
	struct cg cg;
	int cgfd;
	char log[65536];
};

FIXTURE_SETUP(nokmem)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->cg, &self->env.top, "target"));
	self->cgfd = cg_open(&self->cg, 0);
	ASSERT_GE(self->cgfd, 0);
}

FIXTURE_TEARDOWN(nokmem)
{
	heap_env_teardown(_metadata, &self->env);
}

/* The control: is this the boot that the test is about? */
TEST_F(nokmem, boot)
{
	int dev = self->env.dev, fd;

	ASSERT_EQ(0, cg_move(&self->cg, getpid()));
	fd = heap_alloc(dev, MIB(64), HEAP_SELF);
	ASSERT_GE(fd, 0);
	EXPECT_GT(MIB(32), cg_read(&self->cg, "memory.current"));
}

TEST_F(nokmem, nobody_can_be_charged)
{
	struct dma_heap_memcg_query_args query;
	int dev = self->env.dev, fds = count_fds();
	struct dma_heap_memcg_caps caps;
	pid_t pid = cg_spawn(&self->cg);
	int pidfd = pidfd_of(pid, 0);

	ASSERT_GE(pidfd, 0);
	EXPECT_EQ(-EOPNOTSUPP, heap_alloc(dev, MIB(1), self->cgfd));
	EXPECT_EQ(-EOPNOTSUPP, heap_alloc(dev, MIB(1), pidfd));
	EXPECT_EQ(-EOPNOTSUPP, heap_query(dev, self->cgfd, &query));
	EXPECT_EQ(-EOPNOTSUPP, heap_grant(dev, self->cgfd, MIB(1), INT64_MAX));
	EXPECT_EQ(fds + 1, count_fds());
	cg_kill(pid);
	ASSERT_EQ(0, cg_move(&self->cg, getpid()));
	ASSERT_EQ(0, heap_caps(dev, &caps));
	EXPECT_EQ(0, caps.out_features & ~DMA_HEAP_MEMCG_FEATURE_HUGE_FAULT);
}

TEST_F(nokmem, one_line_in_the_log)
{
	const char *line;

	heap_alloc(self->env.dev, MIB(1), self->cgfd);
	heap_alloc(self->env.dev, MIB(1), self->cgfd);
	/* of all that was said since the boot */
	lseek(self->env.kmsg, 0, SEEK_SET);
	kmsg_read(self->env.kmsg, self->log, sizeof(self->log));
	line = strstr(self->log, "nobody can be charged");
	ASSERT_NE(NULL, line) TH_LOG("%s", self->log);
	EXPECT_EQ(NULL, strstr(line + 1, "nobody can be charged"));
}

/* The caller's own buffers are not charged either, and work. */
TEST_F(nokmem, works_uncharged)
{
	int dev = self->env.dev, fd, other;
	char name[64];
	void *map;

	ASSERT_EQ(0, cg_move(&self->cg, getpid()));
	fd = heap_alloc(dev, MIB(4), HEAP_SELF);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, buf_name(fd, name, sizeof(name)));
	EXPECT_STREQ("", name);
	map = buf_map(fd, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(buf_is_zero(map, MIB(4)));
	buf_fill(map, MIB(4), 1);
	EXPECT_EQ(0, buf_differs(map, MIB(4), 1));
	EXPECT_EQ(0, heap_transfer(dev, fd, HEAP_SELF));
	EXPECT_EQ(-EOPNOTSUPP, heap_transfer(dev, fd, self->cgfd));
	EXPECT_EQ(0, buf_differs(map, MIB(4), 1));
	munmap(map, MIB(4));
	other = heap_alloc_plain(dev, MIB(1));
	EXPECT_GE(other, 0);
}

TEST_HARNESS_MAIN
