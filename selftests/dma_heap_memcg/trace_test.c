// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints: one line for what happened, which says what happened to
 * whom, and none for what did not.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "heap_env.h"
#include "syncobj_util.h"
#include "unpriv_env.h"

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

#define FIELDS_MAX	128

/* Of each event */
struct lines {
	int count[NR];
	char last[NR][FIELDS_MAX];	/* the fields of the last line */
};

static int read_lines(const struct cg *instance, struct lines *lines)
{
	char path[512], line[1024], *found;
	size_t len;
	int event;
	FILE *f;

	memset(lines, 0, sizeof(*lines));
	snprintf(path, sizeof(path), "%s/trace", instance->path);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		line[strcspn(line, "\n")] = '\0';
		for (event = 0; event < NR; event++) {
			found = strstr(line, names[event]);
			len = strlen(names[event]);
			if (!found || strncmp(found + len, ": ", 2))
				continue;
			lines->count[event]++;
			snprintf(lines->last[event], FIELDS_MAX, "%s",
				 found + len + 2);
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

	if (become_nobody())
		return 255;
	fd = heap_alloc(fds[0], MIB(1), fds[1]);
	return fd < 0 ? -fd : 0;
}

/* There are so many, and the last one says so. */
#define EXPECT_LINES(n, event, ...) do {				\
	char want[FIELDS_MAX];						\
	int of = event;							\
									\
	snprintf(want, sizeof(want), __VA_ARGS__);			\
	EXPECT_EQ(n, lines.count[of]);					\
	EXPECT_STREQ(want, lines.last[of]);				\
} while (0)

TEST_F(trace, events)
{
	unsigned long long own_id = cg_id(&self->own), id = cg_id(&self->target);
	int fds[2] = { self->env.dev, self->dir };
	const size_t len = MIB(1);
	struct lines lines;
	int event, own, fd;
	struct stat st;
	pid_t pid;

	if (!self->instance.path[0])
		SKIP(return, "the kernel has no trace events");
	for (event = 0; event < NR; event++) {
		ASSERT_EQ(0, turn_on(&self->instance, names[event]))
			TH_LOG("%s", names[event]);
	}

	fd = heap_alloc(self->env.dev, len - 1, self->dir);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, fstat(fd, &st));
	ASSERT_EQ(0, read_lines(&self->instance, &lines));
	EXPECT_LINES(1, ALLOC, "cgroup=%llu len=%zu ino=%lu", id, len,
		     (unsigned long)st.st_ino);
	EXPECT_EQ(0, lines.count[FREE]);
	EXPECT_EQ(0, lines.count[TRANSFER]);

	own = cg_open(&self->own, 0);
	ASSERT_EQ(0, heap_transfer(self->env.dev, fd, own));
	/* There it is already: nothing happens. */
	ASSERT_EQ(0, heap_transfer(self->env.dev, fd, own));
	close(own);
	ASSERT_EQ(0, read_lines(&self->instance, &lines));
	EXPECT_EQ(1, lines.count[ALLOC]);
	EXPECT_EQ(0, lines.count[FREE]);
	EXPECT_LINES(1, TRANSFER, "cgroup=%llu->%llu len=%zu ino=%lu", id,
		     own_id, len, (unsigned long)st.st_ino);

	close(fd);
	ASSERT_EQ(0, read_lines(&self->instance, &lines));
	EXPECT_EQ(1, lines.count[ALLOC]);
	EXPECT_LINES(1, FREE, "cgroup=%llu len=%zu ino=%lu", own_id, len,
		     (unsigned long)st.st_ino);
	EXPECT_EQ(0, lines.count[DENIED]);
	EXPECT_EQ(0, lines.count[FAILED]);

	pid = cg_run(&self->own, alloc_as_nobody, fds);
	ASSERT_GT(pid, 0);
	ASSERT_EQ(EPERM, cg_reap(pid));
	ASSERT_EQ(0, read_lines(&self->instance, &lines));
	EXPECT_LINES(1, DENIED, "cgroup=%llu error=%d", id, -EPERM);
	EXPECT_EQ(0, lines.count[FAILED]);

	ASSERT_EQ(0, cg_write_bytes(&self->target, "memory.max", len));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, 2 * len, self->dir));
	ASSERT_EQ(0, read_lines(&self->instance, &lines));
	EXPECT_EQ(1, lines.count[ALLOC]);
	EXPECT_EQ(1, lines.count[FREE]);
	EXPECT_EQ(1, lines.count[TRANSFER]);
	EXPECT_EQ(1, lines.count[DENIED]);
	EXPECT_LINES(1, FAILED, "cgroup=%llu len=%zu error=%d", id, 2 * len,
		     -ENOMEM);
}

/* Each on its own */
TEST_F(trace, not_enabled)
{
	struct lines lines;
	int fd;

	if (!self->instance.path[0])
		SKIP(return, "the kernel has no trace events");
	ASSERT_EQ(0, turn_on(&self->instance, names[FREE]));
	fd = heap_alloc(self->env.dev, MIB(1), self->dir);
	ASSERT_GE(fd, 0);
	close(fd);
	ASSERT_EQ(0, read_lines(&self->instance, &lines));
	EXPECT_EQ(0, lines.count[ALLOC]);
	EXPECT_EQ(1, lines.count[FREE]);
}

TEST_HARNESS_MAIN
