// SPDX-License-Identifier: GPL-2.0-only
/* The table for administrators, /proc/dma_heap_memcg. */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "heap_env.h"
#include "syncobj_util.h"
#include "unpriv_env.h"

#define HEADER	"# cgroup bytes buffers peak local_bytes local_buffers " \
		"charges denials failures throttled path\n"

FIXTURE(table) {
	struct heap_env env;
	struct cg mid, leaf;
	int dir_mid, dir_leaf;
};

FIXTURE_SETUP(table)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->mid, &self->env.top, "mid"));
	ASSERT_EQ(0, cg_new(&self->leaf, &self->mid, "leaf"));
	self->dir_mid = cg_open(&self->mid, 0);
	self->dir_leaf = cg_open(&self->leaf, 0);
	ASSERT_GE(self->dir_leaf, 0);
}

FIXTURE_TEARDOWN(table)
{
	heap_env_teardown(_metadata, &self->env);
}

struct row {
	uint64_t cgroup;
	int64_t bytes, buffers, peak, local_bytes, local_buffers;
	int64_t charges, denials, failures, throttled;
	char path[512];
};

static bool parse(const char *line, struct row *row)
{
	int end = 0;

	return sscanf(line, "%" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNd64
		      " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
		      " %" SCNd64 " %" SCNd64 " %511s%n",
		      &row->cgroup, &row->bytes, &row->buffers, &row->peak,
		      &row->local_bytes, &row->local_buffers, &row->charges,
		      &row->denials, &row->failures, &row->throttled,
		      row->path, &end) == 11 && !strcmp(line + end, "\n");
}

/* Rows, or a negative errno; the one of @cgroup, how often it is there. */
static int table_read(uint64_t cgroup, struct row *found, int *count)
{
	FILE *f = fopen(HEAP_TABLE, "re");
	char line[1024];
	struct row row;
	int rows = 0;

	*count = 0;
	if (!f)
		return -errno;
	if (!fgets(line, sizeof(line), f) || strcmp(line, HEADER))
		rows = -EPROTO;
	while (rows >= 0 && fgets(line, sizeof(line), f)) {
		if (!parse(line, &row)) {
			fprintf(stderr, "# not a row: %s", line);
			rows = -EPROTO;
			break;
		}
		rows++;
		if (row.cgroup == cgroup) {
			*found = row;
			++*count;
		}
	}
	fclose(f);
	return rows;
}

static void expect_row(struct __test_metadata *_metadata, int dev, int dir,
		       const struct row *row)
{
	struct dma_heap_memcg_query_args query;

	ASSERT_EQ(0, heap_query(dev, dir, &query));
	EXPECT_EQ(query.out_cgroup, row->cgroup);
	EXPECT_EQ(query.out_bytes, row->bytes);
	EXPECT_EQ(query.out_buffers, row->buffers);
	EXPECT_EQ(query.out_peak, row->peak);
	EXPECT_EQ(query.out_local_bytes, row->local_bytes);
	EXPECT_EQ(query.out_local_buffers, row->local_buffers);
	EXPECT_EQ(query.out_charges, row->charges);
	EXPECT_EQ(query.out_denials, row->denials);
	EXPECT_EQ(query.out_failures, row->failures);
	EXPECT_EQ(query.out_throttled, row->throttled);
}

TEST_F(table, says_what_query_says)
{
	uint64_t mid = cg_id(&self->mid), leaf = cg_id(&self->leaf);
	struct cg root;
	size_t prefix;
	struct row row;
	int count, fd;

	cg_parent(&root, &self->env.top);
	prefix = strlen(root.path);
	fd = heap_alloc(self->env.dev, MIB(4), self->dir_leaf);
	ASSERT_GE(fd, 0);
	close(fd);
	fd = heap_alloc(self->env.dev, MIB(2), self->dir_leaf);
	ASSERT_GE(fd, 0);
	fd = heap_alloc(self->env.dev, MIB(1), self->dir_mid);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, cg_write_bytes(&self->leaf, "memory.max", MIB(8)));
	EXPECT_EQ(-ENOMEM,
		  heap_alloc(self->env.dev, MIB(16), self->dir_leaf));

	ASSERT_GE(table_read(leaf, &row, &count), 2);
	ASSERT_EQ(1, count);
	expect_row(_metadata, self->env.dev, self->dir_leaf, &row);
	EXPECT_EQ(MIB(2), row.bytes);
	EXPECT_EQ(MIB(4), row.peak);
	EXPECT_EQ(1, row.failures);
	EXPECT_STREQ(self->leaf.path + prefix, row.path);

	ASSERT_GE(table_read(mid, &row, &count), 2);
	ASSERT_EQ(1, count);
	expect_row(_metadata, self->env.dev, self->dir_mid, &row);
	EXPECT_EQ(MIB(3), row.bytes);
	EXPECT_EQ(MIB(1), row.local_bytes);
	EXPECT_STREQ(self->mid.path + prefix, row.path);
}

/* A removed cgroup is in it while it has buffers, without a path. */
TEST_F(table, removed)
{
	uint64_t leaf = cg_id(&self->leaf);
	struct row row;
	int count, fd;

	fd = heap_alloc(self->env.dev, MIB(4), self->dir_leaf);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, cg_remove(&self->leaf));
	ASSERT_GE(table_read(leaf, &row, &count), 2);
	ASSERT_EQ(1, count);
	EXPECT_STREQ("(removed)", row.path);
	EXPECT_EQ(MIB(4), row.bytes);
	EXPECT_EQ(1, row.local_buffers);
	close(fd);
	ASSERT_GE(table_read(leaf, &row, &count), 1);
	if (count) {
		EXPECT_EQ(0, row.bytes);
		EXPECT_STREQ("(removed)", row.path);
	}
}

/* The number of a row is never that of another cgroup later. */
TEST_F(table, same_name_again)
{
	uint64_t old = cg_id(&self->leaf), new;
	struct row row;
	int count, fd;

	fd = heap_alloc(self->env.dev, MIB(4), self->dir_leaf);
	ASSERT_GE(fd, 0);
	close(self->dir_leaf);
	ASSERT_EQ(0, cg_remove(&self->leaf));
	ASSERT_EQ(0, cg_new(&self->leaf, &self->mid, "leaf"));
	self->dir_leaf = cg_open(&self->leaf, 0);
	new = cg_id(&self->leaf);
	EXPECT_NE(old, new);
	ASSERT_GE(heap_alloc(self->env.dev, MIB(1), self->dir_leaf), 0);
	ASSERT_GE(table_read(new, &row, &count), 3);
	ASSERT_EQ(1, count);
	EXPECT_EQ(MIB(1), row.bytes);
	ASSERT_GE(table_read(old, &row, &count), 3);
	ASSERT_EQ(1, count);
	EXPECT_EQ(MIB(4), row.bytes);
}

static int open_as_nobody(void *arg)
{
	(void)arg;
	if (become_nobody())
		return 255;
	return open(HEAP_TABLE, O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
}

/* It has the names of everybody's cgroups. */
TEST_F(table, for_root_only)
{
	struct stat st;
	pid_t pid;

	ASSERT_EQ(0, stat(HEAP_TABLE, &st));
	EXPECT_EQ(0400, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
	pid = cg_run(&self->leaf, open_as_nobody, NULL);
	ASSERT_GT(pid, 0);
	EXPECT_EQ(EACCES, cg_reap(pid));
}

/* What is known of cgroups that are gone is forgotten sooner or later. */
TEST_F(table, forgets)
{
	enum { COUNT = 300, MOST = 200 };
	struct cg cg;
	struct row row;
	int i, fd, dir, count, rows;
	int64_t end;
	char name[32];

	for (i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		ASSERT_EQ(0, cg_new(&cg, &self->mid, name));
		dir = cg_open(&cg, 0);
		ASSERT_GE(dir, 0);
		fd = heap_alloc(self->env.dev, PAGE, dir);
		ASSERT_GE(fd, 0);
		close(fd);
		close(dir);
		ASSERT_EQ(0, cg_remove(&cg));
	}
	end = in_ms(10000);
	do {
		rows = table_read(0, &row, &count);
		sleep_ms(10);
	} while (rows > MOST && now_ns() < end);
	ASSERT_GE(rows, 0);
	EXPECT_LE(rows, MOST);
	/* and the sum is not */
	fd = heap_alloc(self->env.dev, PAGE, self->dir_leaf);
	ASSERT_GE(fd, 0);
	ASSERT_GE(table_read(cg_id(&self->mid), &row, &count), 2);
	ASSERT_EQ(1, count);
	EXPECT_EQ(COUNT + 1, row.charges);
	EXPECT_EQ(PAGE, row.bytes);
}

/*
 * A directory that the controller is taken from and given back has another
 * memory cgroup each time: what was known of the former is forgotten as well.
 */
TEST_F(table, forgets_the_former)
{
	enum { COUNT = 200, MOST = 150 };
	struct dma_heap_memcg_query_args query;
	int i, dir, count, rows;
	struct cg outer, cg;
	struct row row;
	int64_t end;

	ASSERT_EQ(0, cg_new(&outer, &self->mid, "outer"));
	ASSERT_EQ(0, cg_new(&cg, &outer, "inner"));
	dir = cg_open(&cg, 0);
	ASSERT_GE(dir, 0);
	for (i = 0; i < COUNT; i++) {
		ASSERT_EQ(0, heap_query(self->env.dev, dir, &query));
		EXPECT_EQ(cg_id(&cg), query.out_cgroup);
		ASSERT_EQ(0, cg_write(&outer, "cgroup.subtree_control",
				      "-memory"));
		ASSERT_EQ(0, cg_write(&outer, "cgroup.subtree_control",
				      "+memory"));
	}
	end = in_ms(10000);
	do {
		rows = table_read(0, &row, &count);
		sleep_ms(10);
	} while (rows > MOST && now_ns() < end);
	ASSERT_GE(rows, 0);
	EXPECT_LE(rows, MOST);
}

TEST_HARNESS_MAIN
