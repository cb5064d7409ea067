// SPDX-License-Identifier: GPL-2.0-only
/* The tracepoints: one line for what happened, and none for what did not. */
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>

#include "heap_env.h"
#include "syncobj_util.h"

#define NOBODY	65534
#define TRACING	"/sys/kernel/tracing"
#define EVENTS	"events/dma_heap_memcg"

enum event { ALLOC, FREE, TRANSFER, DENIED, FAILED, NR };

static const char * const names[NR] = {
	"dma_heap_memcg_alloc", "dma_heap_memcg_free",
	"dma_heap_memcg_transfer",
	"dma_heap_memcg_denied", "dma_heap_memcg_failed",
};

/* Tracing of its own: nothing else is in there, and nobody is disturbed. */
FIXTURE(trace) {
	struct heap_env env;
	struct cg own, target;
	int dir;
	struct cg instance;	/* a directory with files, as a cgroup */
};

FIXTURE_SETUP(trace)
{
	struct stat st;

	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->own, &self->env.top, "own"));
	ASSERT_EQ(0, cg_new(&self->target, &self->env.top, "target"));
	self->dir = cg_open(&self->target, 0);
	ASSERT_GE(self->dir, 0);
	if (stat(TRACING "/events", &st))
		return;
	snprintf(self->instance.path, sizeof(self->instance.path),
		 TRACING "/instances/bufsync-%d", getpid());
	ASSERT_EQ(0, mkdir(self->instance.path, 0700));
}

FIXTURE_TEARDOWN(trace)
{
	if (self->instance.path[0]) {
		cg_write(&self->instance, EVENTS "/enable", "0");
		EXPECT_EQ(0, cg_remove(&self->instance));
	}
	heap_env_teardown(_metadata, &self->env);
}

/* How many lines of each event there are */
static int count_lines(const struct cg *instance, int *counts)
{
	char path[512], line[1024], *found;
	int event;
	FILE *f;

	memset(counts, 0, NR * sizeof(*counts));
	snprintf(path, sizeof(path), "%s/trace", instance->path);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		for (event = 0; event < NR; event++) {
			found = strstr(line, names[event]);
			counts[event] += found &&
					 found[strlen(names[event])] == ':';
		}
	}
	fclose(f);
	return 0;
}

static int turn_on(const struct cg *instance, const char *event)
{
	char file[128];

	snprintf(file, sizeof(file), EVENTS "/%s/enable", event);
	return cg_write(instance, file, "1");
}

static int alloc_as_nobody(void *arg)
{
	const int *fds = arg;
	int fd;

	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return 255;
	fd = heap_alloc(fds[0], MIB(1), fds[1]);
	return fd < 0 ? -fd : 0;
}

TEST_F(trace, events)
{
	int fds[2] = { self->env.dev, self->dir };
	int counts[NR], event, own, fd;
	pid_t pid;

	if (!self->instance.path[0])
		SKIP(return, "the kernel has no trace events");
	for (event = 0; event < NR; event++) {
		ASSERT_EQ(0, turn_on(&self->instance, names[event]))
			TH_LOG("%s", names[event]);
	}

	fd = heap_alloc(self->env.dev, MIB(1), self->dir);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, count_lines(&self->instance, counts));
	EXPECT_EQ(1, counts[ALLOC]);
	EXPECT_EQ(0, counts[FREE]);
	EXPECT_EQ(0, counts[TRANSFER]);

	own = cg_open(&self->own, 0);
	ASSERT_EQ(0, heap_transfer(self->env.dev, fd, own));
	close(own);
	ASSERT_EQ(0, count_lines(&self->instance, counts));
	EXPECT_EQ(1, counts[ALLOC]);
	EXPECT_EQ(0, counts[FREE]);
	EXPECT_EQ(1, counts[TRANSFER]);

	close(fd);
	ASSERT_EQ(0, count_lines(&self->instance, counts));
	EXPECT_EQ(1, counts[ALLOC]);
	EXPECT_EQ(1, counts[FREE]);
	EXPECT_EQ(0, counts[DENIED]);
	EXPECT_EQ(0, counts[FAILED]);

	pid = cg_run(&self->own, alloc_as_nobody, fds);
	ASSERT_GT(pid, 0);
	ASSERT_EQ(EPERM, cg_reap(pid));
	ASSERT_EQ(0, count_lines(&self->instance, counts));
	EXPECT_EQ(1, counts[DENIED]);
	EXPECT_EQ(0, counts[FAILED]);

	ASSERT_EQ(0, cg_write_bytes(&self->target, "memory.max", MIB(1)));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, MIB(2), self->dir));
	ASSERT_EQ(0, count_lines(&self->instance, counts));
	EXPECT_EQ(1, counts[ALLOC]);
	EXPECT_EQ(1, counts[FREE]);
	EXPECT_EQ(1, counts[DENIED]);
	EXPECT_EQ(1, counts[FAILED]);
}

/* Each on its own */
TEST_F(trace, not_enabled)
{
	int counts[NR], fd;

	if (!self->instance.path[0])
		SKIP(return, "the kernel has no trace events");
	ASSERT_EQ(0, turn_on(&self->instance, names[FREE]));
	fd = heap_alloc(self->env.dev, MIB(1), self->dir);
	ASSERT_GE(fd, 0);
	close(fd);
	ASSERT_EQ(0, count_lines(&self->instance, counts));
	EXPECT_EQ(0, counts[ALLOC]);
	EXPECT_EQ(1, counts[FREE]);
}

TEST_HARNESS_MAIN
