// SPDX-License-Identifier: GPL-2.0-only
/* memory.max: who is over it gets ENOMEM, and nothing else happens. */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>

#include "heap_env.h"
#include "syncobj_util.h"
#include "text_util.h"

#define LEN	MIB(64)

FIXTURE(limit) {
	struct heap_env env;
	struct cg outer;	/* of all that follow */
	struct cg target, neighbour;
	int dir;		/* of target */
	pid_t neighbour_pid;	/* has memory there */
	int64_t slack;
};

/* The events of a cgroup and of those below it */
struct events {
	int64_t max;
	int64_t oom;
	int64_t oom_kill;
};

static struct events events_of(const struct cg *cg)
{
	return (struct events) {
		.max = cg_read_key(cg, "memory.events", "max"),
		.oom = cg_read_key(cg, "memory.events", "oom"),
		.oom_kill = cg_read_key(cg, "memory.events", "oom_kill"),
	};
}

/* A process that has so many bytes of anonymous memory */
struct holder {
	int64_t bytes;
	int *ready;
};

static int hold(void *arg)
{
	const struct holder *holder = arg;
	char *p = mmap(NULL, holder->bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	memset(p, 1, holder->bytes);
	__atomic_store_n(holder->ready, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
	return 0;
}

static pid_t holder_start(const struct cg *cg, int64_t bytes)
{
	struct holder holder = { .bytes = bytes };
	int64_t end = in_ms(30000);
	pid_t pid;

	/* Reclaim must find nothing: no swap, where there is any. */
	cg_write(cg, "memory.swap.max", "0");
	holder.ready = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (holder.ready == MAP_FAILED)
		return -ENOMEM;
	pid = cg_run(cg, hold, &holder);
	while (pid > 0 && now_ns() < end &&
	       !__atomic_load_n(holder.ready, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	munmap(holder.ready, sizeof(int));
	return pid;
}

static bool alive(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

/* Pages that the whole machine has allocated so far */
static int64_t pages_allocated(int vmstat)
{
	static char buf[65536];
	int64_t sum = 0;
	char *p = buf;
	ssize_t n;

	n = pread(vmstat, buf, sizeof(buf) - 1, 0);
	if (n <= 0)
		return -1;
	buf[n] = '\0';
	while ((p = strstr(p, "\npgalloc_"))) {
		p += strcspn(p, " ");
		sum += strtoll(p, &p, 10);
	}
	return sum;
}

FIXTURE_SETUP(limit)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->outer, &self->env.top, "outer"));
	ASSERT_EQ(0, cg_new(&self->target, &self->outer, "target"));
	ASSERT_EQ(0, cg_new(&self->neighbour, &self->outer, "neighbour"));
	self->dir = cg_open(&self->target, 0);
	ASSERT_GE(self->dir, 0);
	self->neighbour_pid = holder_start(&self->neighbour, MIB(8));
	ASSERT_GT(self->neighbour_pid, 0);
	self->slack = cg_slack();
}

FIXTURE_TEARDOWN(limit)
{
	EXPECT_TRUE(alive(self->neighbour_pid));
	EXPECT_EQ(0, events_of(&self->outer).oom);
	EXPECT_EQ(0, events_of(&self->outer).oom_kill);
	cg_kill(self->neighbour_pid);
	heap_env_teardown(_metadata, &self->env);
}

/*
 * What cannot fit is seen before a page is allocated: neither the cgroup's
 * highest value, nor its events, nor the machine's counter of pages move. The
 * last of these is everybody's; the call with the least shows it.
 */
TEST_F(limit, below_the_request)
{
	int64_t before, pages = INT64_MAX, time = INT64_MAX, t, peak;
	int vmstat = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	struct events ev = events_of(&self->target);
	int i, fd;

	ASSERT_GE(pages_allocated(vmstat), 0);
	ASSERT_EQ(0, cg_write_bytes(&self->target, "memory.max", LEN / 2));
	/* The first call makes what is kept of this cgroup. */
	EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, LEN, self->dir));
	peak = cg_read(&self->target, "memory.peak");
	ASSERT_GE(peak, 0);
	for (i = 0; i < 20; i++) {
		before = pages_allocated(vmstat);
		t = now_ns();
		EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, LEN, self->dir));
		t = now_ns() - t;
		before = pages_allocated(vmstat) - before;
		if (t < time)
			time = t;
		if (before < pages)
			pages = before;
	}
	EXPECT_LE(pages, 8);
	EXPECT_LT(time, 20 * NSEC_PER_MSEC);
	EXPECT_GT(peak + MIB(1), cg_read(&self->target, "memory.peak"));
	EXPECT_EQ(ev.max, events_of(&self->target).max);
	EXPECT_EQ(0, events_of(&self->target).oom);
	EXPECT_TRUE(cg_settles(&self->target, 0, self->slack));

	/* The counter counts. */
	before = pages_allocated(vmstat);
	fd = heap_alloc(self->env.dev, LEN / 4, self->dir);
	ASSERT_GE(fd, 0);
	EXPECT_GE(pages_allocated(vmstat) - before, LEN / 4 / PAGE);
	EXPECT_LT(peak + LEN / 8, cg_read(&self->target, "memory.peak"));
}

/* The same for a limit further up */
TEST_F(limit, below_the_request_further_up)
{
	struct dma_heap_memcg_query_args query;
	int64_t peak;

	ASSERT_EQ(0, cg_write_bytes(&self->target, "memory.max", 4 * LEN));
	ASSERT_EQ(0, cg_write_bytes(&self->outer, "memory.max", LEN / 2));
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir, &query));
	EXPECT_EQ(LEN / 2, query.out_limit);
	peak = cg_read(&self->outer, "memory.peak");
	EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, LEN, self->dir));
	/* but for what is kept of the cgroup from now on */
	EXPECT_GT(peak + MIB(1), cg_read(&self->outer, "memory.peak"));
	EXPECT_EQ(0, events_of(&self->outer).max);
	EXPECT_TRUE(cg_settles(&self->target, 0, self->slack));
}

/*
 * The request fits into the limit, but not into what is left of it. Somebody's
 * memory, which cannot be swapped, is in the way. Each thread that allocates
 * gives up after 16 rounds of reclaim.
 */
static void reclaim_path(struct __test_metadata *_metadata,
			 FIXTURE_DATA(limit) *self, const struct cg *limited)
{
	static const struct {
		int64_t len;
		int events;
	} calls[] = {
		/* by the caller alone; and the same again */
		{ MIB(14), 40 }, { MIB(14), 40 },
		/* by up to four threads */
		{ MIB(40), 4 * 40 },
	};
	int64_t target, outer, time;
	struct events ev;
	pid_t pid;
	size_t i;
	int fd;

	pid = holder_start(&self->target, MIB(48));
	ASSERT_GT(pid, 0);
	target = cg_read(&self->target, "memory.current");
	outer = cg_read(&self->outer, "memory.current");
	ASSERT_GE(target, MIB(48));
	ASSERT_EQ(0, cg_write_bytes(limited, "memory.max",
				    cg_read(limited, "memory.current") +
				    MIB(8)));
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		ev = events_of(limited);
		time = now_ns();
		EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, calls[i].len,
					      self->dir));
		EXPECT_LT(now_ns() - time, 10 * NSEC_PER_SEC);
		EXPECT_EQ(0, events_of(limited).oom);
		EXPECT_EQ(0, events_of(limited).oom_kill);
		/* so it was this path */
		EXPECT_GE(events_of(limited).max, ev.max + 1);
		EXPECT_LE(events_of(limited).max, ev.max + calls[i].events);
		EXPECT_TRUE(cg_settles(&self->target, target, self->slack));
		EXPECT_TRUE(cg_settles(&self->outer, outer, 2 * self->slack));
	}
	EXPECT_TRUE(alive(pid));
	EXPECT_TRUE(alive(self->neighbour_pid));
	/* What is left can be had. */
	fd = heap_alloc(self->env.dev, MIB(5), self->dir);
	EXPECT_GE(fd, 0);
	close(fd);
	cg_kill(pid);
}

TEST_F(limit, below_what_is_left)
{
	reclaim_path(_metadata, self, &self->target);
}

TEST_F(limit, below_what_is_left_further_up)
{
	reclaim_path(_metadata, self, &self->outer);
}

/* The limit holds to the page; bookkeeping counts, but is small. */
TEST_F(limit, exactly)
{
	int64_t max = LEN + self->slack;
	int fd;

	ASSERT_EQ(0, cg_write_bytes(&self->target, "memory.max", LEN - PAGE));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, LEN, self->dir));
	EXPECT_EQ(0, events_of(&self->target).max);

	ASSERT_EQ(0, cg_write_bytes(&self->target, "memory.max", LEN));
	fd = heap_alloc(self->env.dev, LEN, self->dir);
	EXPECT_TRUE(fd >= 0 || fd == -ENOMEM);
	EXPECT_LE(cg_read(&self->target, "memory.current"), LEN);
	if (fd >= 0)
		close(fd);
	EXPECT_TRUE(cg_settles(&self->target, 0, self->slack));

	ASSERT_EQ(0, cg_write_bytes(&self->target, "memory.max", max));
	fd = heap_alloc(self->env.dev, LEN, self->dir);
	ASSERT_GE(fd, 0);
	EXPECT_LE(cg_read(&self->target, "memory.current"), max);
	EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, max - LEN + PAGE,
				      self->dir));
	close(fd);
}

/* Large files, as many as are enough */
static char files[256][256];
static size_t nr_files;
static int64_t to_find;

static int find_file(const char *path, const struct stat *st, int type,
		     struct FTW *ftw)
{
	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode) || st->st_size < KIB(256) ||
	    strlen(path) >= sizeof(files[0]))
		return 0;
	snprintf(files[nr_files++], sizeof(files[0]), "%s", path);
	to_find -= st->st_size;
	return to_find <= 0 || nr_files == ARRAY_SIZE(files);
}

static int read_files(void *arg)
{
	static char buf[1 << 20];
	size_t i;
	int fd;

	(void)arg;
	for (i = 0; i < nr_files; i++) {
		fd = open(files[i], O_RDONLY | O_CLOEXEC);
		while (fd >= 0 && read(fd, buf, sizeof(buf)) > 0)
			;
		close(fd);
	}
	return 0;
}

/* What can be reclaimed, the contents of files, makes room. */
TEST_F(limit, page_cache_makes_room)
{
	int64_t file;
	pid_t pid;
	int fd;

	/* Here, as who finds a file is charged for what is known of it. */
	to_find = MIB(56);
	nftw("/usr/lib", find_file, 16, FTW_PHYS);
	/* Whoever read it before is charged for it. */
	ASSERT_EQ(0, text_write("/proc/sys/vm/drop_caches", "1"));
	ASSERT_EQ(0, cg_write_bytes(&self->target, "memory.max", MIB(40)));
	pid = cg_run(&self->target, read_files, NULL);
	ASSERT_GT(pid, 0);
	ASSERT_EQ(0, cg_reap(pid));
	file = cg_settle_key(&self->target, "memory.stat", "file", MIB(36),
			     MIB(6));
	/* So this cannot fit beside it. */
	if (file >= MIB(24)) {
		fd = heap_alloc(self->env.dev, MIB(28), self->dir);
		ASSERT_GE(fd, 0);
		EXPECT_LE(cg_read(&self->target, "memory.current"), MIB(40));
		EXPECT_GE(cg_read(&self->target, "memory.current"), MIB(28));
		close(fd);
	}
	/* Else that is charged to it for ever. */
	ASSERT_EQ(0, cg_write(&self->target, "memory.high", "0"));
	ASSERT_EQ(0, cg_write(&self->target, "memory.high", "max"));
	if (file < MIB(24))
		SKIP(return, "no files that could be reclaimed: %jd bytes",
		     (intmax_t)file);
}

TEST_F(limit, failures_are_counted)
{
	struct dma_heap_memcg_query_args query;
	int outer = cg_open(&self->outer, 0);
	pid_t pid;

	ASSERT_EQ(0, cg_write_bytes(&self->target, "memory.max", MIB(32)));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, LEN, self->dir));
	EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, LEN, self->dir));
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir, &query));
	EXPECT_EQ(2, query.out_failures);
	EXPECT_EQ(MIB(32), query.out_limit);
	pid = holder_start(&self->target, MIB(16));
	ASSERT_GT(pid, 0);
	EXPECT_EQ(-ENOMEM, heap_alloc(self->env.dev, MIB(24), self->dir));
	ASSERT_EQ(0, heap_query(self->env.dev, self->dir, &query));
	EXPECT_EQ(3, query.out_failures);
	EXPECT_EQ(0, query.out_charges);
	EXPECT_EQ(0, query.out_peak);
	EXPECT_EQ(0, query.out_denials);
	EXPECT_EQ(0, query.out_throttled);
	ASSERT_EQ(0, heap_query(self->env.dev, outer, &query));
	EXPECT_EQ(3, query.out_failures);
	cg_kill(pid);
}

TEST_HARNESS_MAIN
