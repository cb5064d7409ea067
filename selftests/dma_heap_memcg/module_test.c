// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading: while in use, beside a device of the same name; and
 * the module's parameters.
 */
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "harness.h"

#include "dmabuf_util.h"
#include "heap_util.h"
#include "module_util.h"
#include "reload_env.h"
#include "syncobj_util.h"
#include "unpriv_env.h"

#define NAME	"dma_heap_memcg"
#define SYSFS	"/sys/class/misc/dma_heap_memcg"

FIXTURE(module) {
	int kmsg;
	unsigned long taint;
	char log[65536];
};

/* What a test before this one may have left behind */
static void restore(void)
{
	module_unload("bufsync_test_heap_clash");
	module_unload("dma_heap_memcg_stub");
	if (!module_loaded(NAME))
		module_probe(NAME);
}

FIXTURE_SETUP(module)
{
	restore();
	ASSERT_TRUE(module_loaded(NAME));
	ASSERT_EQ(0, module_settle(NAME, 0)) TH_LOG("somebody else uses it");
	self->kmsg = kmsg_start();
	ASSERT_GE(self->kmsg, 0);
	self->taint = taint_bits();
}

static const char *read_log(FIXTURE_DATA(module) *self)
{
	kmsg_read(self->kmsg, self->log, sizeof(self->log));
	return self->log;
}

/* Whatever happened: no splat, and the module is back as it was. */
FIXTURE_TEARDOWN(module)
{
	struct dma_heap_memcg_caps caps;
	int fd;

	EXPECT_EQ(NULL, kmsg_splat(read_log(self))) TH_LOG("%s", self->log);
	buf_unmap_all();
	syscall(SYS_close_range, 3, UINT_MAX, 0);
	EXPECT_EQ(self->taint, taint_bits());
	module_settle(NAME, 0);
	/* This gives its parameters their first values. */
	module_unload(NAME);
	restore();
	EXPECT_TRUE(module_loaded(NAME));
	fd = heap_open();
	EXPECT_GE(fd, 0);
	EXPECT_EQ(0, heap_caps(fd, &caps));
	EXPECT_EQ(DMA_HEAP_MEMCG_REMOTE_SIGNAL, caps.out_remote_policy);
	EXPECT_EQ(DMA_HEAP_MEMCG_HIGH_THROTTLE, caps.out_high_policy);
	close(fd);
}

/* devtmpfs has its own thread. */
static bool gone(const char *path)
{
	int64_t end = in_ms(5000);

	while (!access(path, F_OK) && now_ns() < end)
		sleep_ms(10);
	return access(path, F_OK) && errno == ENOENT;
}

TEST_F_TIMEOUT(module, unload_and_load, 300)
{
	int dev, buf;

	EXPECT_EQ(0, access(SYSFS, F_OK));
	EXPECT_EQ(0, access(HEAP_TABLE, F_OK));
	ASSERT_EQ(0, module_unload(NAME));
	EXPECT_FALSE(module_loaded(NAME));
	EXPECT_TRUE(gone(SYSFS));
	EXPECT_TRUE(gone(HEAP_TABLE));
	EXPECT_TRUE(gone(HEAP_NODE));
	ASSERT_EQ(0, module_probe(NAME));
	dev = heap_open();
	ASSERT_GE(dev, 0);
	EXPECT_EQ(0, access(SYSFS, F_OK));
	EXPECT_EQ(0, access(HEAP_TABLE, F_OK));
	buf = heap_alloc(dev, MIB(1), HEAP_SELF);
	EXPECT_GE(buf, 0);
}

TEST_F_TIMEOUT(module, busy_while_open, 300)
{
	int dev = heap_open();

	ASSERT_GE(dev, 0);
	EXPECT_EQ(-EAGAIN, module_unload(NAME));
	close(dev);
	EXPECT_EQ(0, module_settle(NAME, 0));
	EXPECT_EQ(0, module_unload(NAME));
}

/* The device is closed: a buffer alone keeps it, and works. */
TEST_F_TIMEOUT(module, busy_while_there_is_a_buffer, 300)
{
	int dev = heap_open(), buf = heap_alloc(dev, MIB(4), HEAP_SELF);
	char *p;

	ASSERT_GE(buf, 0);
	close(dev);
	EXPECT_EQ(-EAGAIN, module_unload(NAME));
	p = buf_map(buf, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(buf_is_zero(p, MIB(4)));
	close(buf);
	EXPECT_EQ(-EAGAIN, module_unload(NAME));
	/* Faults come into the module. */
	buf_fill(p, MIB(4), 1);
	EXPECT_EQ(0, buf_differs(p, MIB(4), 1));
	munmap(p, MIB(4));
	EXPECT_EQ(0, module_settle(NAME, 0));
	EXPECT_EQ(0, module_unload(NAME));
}

TEST_F_TIMEOUT(module, busy_while_a_device_has_a_buffer, 300)
{
	int dev = heap_open(), buf = heap_alloc(dev, MIB(4), HEAP_SELF);
	int td = td_open();

	ASSERT_GE(buf, 0);
	ASSERT_GE(td, 0);
	ASSERT_EQ(0, td_attach(td, buf));
	close(dev);
	close(buf);
	EXPECT_EQ(-EAGAIN, module_unload(NAME));
	ASSERT_EQ(0, td_map(td, TD_BOTH, NULL));
	close(td);
	EXPECT_EQ(0, module_settle(NAME, 0));
	EXPECT_EQ(0, module_unload(NAME));
}

TEST_F_TIMEOUT(module, busy_while_there_is_a_grant, 300)
{
	int dev = heap_open();
	int grant = heap_grant(dev, HEAP_SELF, MIB(1), INT64_MAX);
	int copy = dup(grant);

	ASSERT_GE(grant, 0);
	close(dev);
	EXPECT_EQ(-EAGAIN, module_unload(NAME));
	/* This revokes it; it is still a file of the module's. */
	close(grant);
	EXPECT_EQ(-EAGAIN, module_unload(NAME));
	close(copy);
	EXPECT_EQ(0, module_settle(NAME, 0));
	EXPECT_EQ(0, module_unload(NAME));
}

/* Right after the last buffer has gone, however it went */
TEST_F_TIMEOUT(module, unload_races_with_the_last_buffer, 300)
{
	int64_t end;
	int i, dev, ret;
	pid_t pid;
	char *p;

	for (i = 0; i < 6; i++) {
		dev = heap_open();
		ASSERT_GE(dev, 0);
		pid = fork();
		if (pid == 0) {
			/* It is killed with all of it. */
			p = buf_map(heap_alloc(dev, MIB(24), HEAP_SELF),
				    PROT_READ | PROT_WRITE);
			if (p != MAP_FAILED)
				buf_fill(p, MIB(24), 1);
			raise(SIGKILL);
		}
		close(dev);
		end = in_ms(30000);
		do {
			ret = module_unload(NAME);
		} while (ret == -EAGAIN && now_ns() < end);
		ASSERT_EQ(0, ret);
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		ASSERT_EQ(0, module_probe(NAME));
	}
}

/* A kernel that has its own: one sentence, and nothing is changed. */
/* A buffer that is mapped longer than the heap's fd is open */
static int use(void *arg, int thread)
{
	int dev = reload_open(HEAP_NODE), buf;
	uint64_t *map;

	(void)arg;
	if (dev < 0)
		return dev;
	buf = heap_alloc(dev, KIB(64), HEAP_SELF);
	close(dev);
	if (buf < 0)
		return buf;
	map = mmap(NULL, KIB(64), PROT_READ | PROT_WRITE, MAP_SHARED, buf, 0);
	close(buf);
	if (map == MAP_FAILED)
		return -errno;
	*map = thread;
	munmap(map, KIB(64));
	return 0;
}

TEST_F_TIMEOUT(module, goes_and_comes_under_use, 300)
{
	struct reload r = {
		.module = NAME, .use = use,
		.gone_min = 10, .busy_min = 10, .used_min = 100,
	};

	reload_all(_metadata, &r);
}

TEST_F_TIMEOUT(module, refuses_beside_another, 300)
{
	char out[1024];

	ASSERT_EQ(0, module_unload(NAME));
	EXPECT_TRUE(gone(SYSFS));
	ASSERT_EQ(0, module_load("bufsync_test_heap_clash"));
	read_log(self);
	EXPECT_NE(0, command_run("LC_ALL=C modprobe " NAME " 2>&1", out,
				 sizeof(out)));
	EXPECT_NE(NULL, strstr(out, "Device or resource busy"))
		TH_LOG("%s", out);
	EXPECT_FALSE(module_loaded(NAME));
	read_log(self);
	EXPECT_EQ(1, kmsg_lines(self->log, NAME ":")) TH_LOG("%s", self->log);
	EXPECT_EQ(1, kmsg_lines(self->log, "not loading"))
		TH_LOG("%s", self->log);
	EXPECT_EQ(NULL, kmsg_splat(self->log)) TH_LOG("%s", self->log);
	EXPECT_NE(0, access(HEAP_TABLE, F_OK));
	ASSERT_EQ(0, module_unload("bufsync_test_heap_clash"));
	EXPECT_EQ(0, module_probe(NAME));
}

/* What the build makes for a kernel without a symbol that it needs */
TEST_F_TIMEOUT(module, stub_says_what_is_missing, 300)
{
	ASSERT_EQ(0, module_unload(NAME));
	EXPECT_TRUE(gone(SYSFS));
	read_log(self);
	EXPECT_EQ(-EOPNOTSUPP, module_load("dma_heap_memcg_stub"));
	EXPECT_NE(0, access(SYSFS, F_OK));
	read_log(self);
	EXPECT_EQ(1, kmsg_lines(self->log, NAME "_stub: this kernel does not"))
		TH_LOG("%s", self->log);
	EXPECT_EQ(1, kmsg_lines(self->log, "dma_buf_nothing; not loading"))
		TH_LOG("%s", self->log);
}

struct word {
	const char *param;
	const char *word;
	uint32_t value;		/* in CAPS */
};

static const struct word words[] = {
	{ "remote_policy", "off", DMA_HEAP_MEMCG_REMOTE_OFF },
	{ "remote_policy", "strict", DMA_HEAP_MEMCG_REMOTE_STRICT },
	{ "remote_policy", "signal", DMA_HEAP_MEMCG_REMOTE_SIGNAL },
	{ "high_policy", "ignore", DMA_HEAP_MEMCG_HIGH_IGNORE },
	{ "high_policy", "fail", DMA_HEAP_MEMCG_HIGH_FAIL },
	{ "high_policy", "throttle", DMA_HEAP_MEMCG_HIGH_THROTTLE },
};

static uint32_t word_in_caps(const char *param, int dev)
{
	struct dma_heap_memcg_caps caps;

	if (heap_caps(dev, &caps))
		return UINT32_MAX;
	return strcmp(param, "high_policy") ? caps.out_remote_policy :
					      caps.out_high_policy;
}

TEST_F(module, parameters)
{
	static const char * const wrong[] = {
		"\n", "0", "1", "stric", "strictx", "Strict", " strict",
		"strict signal", "fai", "failed", "none", "Y",
	};
	int dev = heap_open(), i, j;
	char buf[64], line[32];

	ASSERT_GE(dev, 0);
	for (i = 0; i < (int)ARRAY_SIZE(words); i++) {
		const struct word *w = &words[i];

		EXPECT_EQ(0, heap_param_set(w->param, w->word));
		EXPECT_EQ(0, heap_param_get(w->param, buf, sizeof(buf)));
		EXPECT_STREQ(w->word, buf);
		EXPECT_EQ(w->value, word_in_caps(w->param, dev));
		for (j = 0; j < (int)ARRAY_SIZE(wrong); j++) {
			EXPECT_EQ(-EINVAL, heap_param_set(w->param, wrong[j]))
				TH_LOG("%s: '%s'", w->param, wrong[j]);
		}
		EXPECT_EQ(w->value, word_in_caps(w->param, dev));
		/* as echo writes it */
		snprintf(line, sizeof(line), "%s\n", w->word);
		EXPECT_EQ(0, heap_param_set(w->param, line));
		EXPECT_EQ(w->value, word_in_caps(w->param, dev));
	}
	/* The words of the one are not the other's. */
	EXPECT_EQ(-EINVAL, heap_param_set("remote_policy", "fail"));
	EXPECT_EQ(-EINVAL, heap_param_set("high_policy", "off"));
}

TEST_F(module, parameters_are_for_root)
{
	static const char * const names[] = { "remote_policy", "high_policy" };
	char path[128], buf[64];
	struct stat st;
	int i, status;
	pid_t pid;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), HEAP_PARAMS "/%s", names[i]);
		ASSERT_EQ(0, stat(path, &st));
		EXPECT_EQ(0644, st.st_mode & 07777);
		EXPECT_EQ(0, st.st_uid);
	}
	pid = fork();
	if (pid == 0) {
		if (become_nobody())
			_exit(1);
		for (i = 0; i < 2; i++)
			if (heap_param_get(names[i], buf, sizeof(buf)) ||
			    heap_param_set(names[i], buf) != -EACCES)
				_exit(2);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* At load: a wrong word is an error, and not the default. */
TEST_F_TIMEOUT(module, parameters_at_load, 300)
{
	char out[1024], buf[64];
	int dev;

	ASSERT_EQ(0, module_unload(NAME));
	EXPECT_NE(0, command_run("modprobe " NAME " remote_policy=everybody 2>&1",
				 out, sizeof(out)));
	EXPECT_FALSE(module_loaded(NAME));
	EXPECT_EQ(0, command_run("modprobe " NAME
				 " remote_policy=strict high_policy=fail 2>&1",
				 out, sizeof(out))) TH_LOG("%s", out);
	dev = heap_open();
	ASSERT_GE(dev, 0);
	EXPECT_EQ(0, heap_param_get("remote_policy", buf, sizeof(buf)));
	EXPECT_STREQ("strict", buf);
	EXPECT_EQ(DMA_HEAP_MEMCG_REMOTE_STRICT,
		  word_in_caps("remote_policy", dev));
	EXPECT_EQ(DMA_HEAP_MEMCG_HIGH_FAIL, word_in_caps("high_policy", dev));
}

TEST_HARNESS_MAIN
