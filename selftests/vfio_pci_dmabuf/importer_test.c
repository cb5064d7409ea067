// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that import slices: who may, what they get, and that they have let go
 * of it when it is said that they have. What arrives by DMA is edu_test's
 * matter.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <linux/dma-buf.h>

#include "vfio_env.h"

#include "edu_util.h"
#include "fence_util.h"
#include "param_util.h"
#include "pte_util.h"
#include "slice_util.h"
#include "syncobj_util.h"

#define SIZE	MIB(4)
#define BAR	2

/* Longest time that a reset may wait for importers, and all that it does */
#define RESET_NS	(60 * NSEC_PER_SEC)

FIXTURE(importer) {
	struct vfio_env env;
	char edu_bdf[16];
	int edu;
	int buf;	/* SIZE bytes */
	uint32_t kernel;	/* TEST_EDU_HAS_* */
};

FIXTURE_SETUP(importer)
{
	struct test_edu_stats_args stats;

	vfio_env_setup(_metadata, &self->env, VFIO_BIG, VFIO_OURS);
	ASSERT_EQ(0, vfio_memory_enable(&self->env.dev, true));
	ASSERT_EQ(0, edu_start(self->edu_bdf)) TH_LOG("no edu");
	self->buf = vfio_export(&self->env.dev, BAR, SIZE, SIZE,
				O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->buf, 0);
	self->edu = edu_open();
	ASSERT_GE(self->edu, 0);
	ASSERT_EQ(0, edu_stats(self->edu, &stats));
	self->kernel = stats.out_features;
	ASSERT_TRUE(self->kernel & TEST_EDU_HAS_IOMMU);
}

FIXTURE_TEARDOWN(importer)
{
	/* What is mapped by one can keep the device from being closed. */
	EXPECT_EQ(0, edu_stop(self->edu_bdf));
	EXPECT_EQ(0, param_set(VFIO_OURS, "p2p", "safe"));
	EXPECT_EQ(0, param_set(VFIO_OURS, "importer_wait_ms", "1000"));
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

static uint64_t importers(const struct vfio_dev *dev, int buf)
{
	return INFO_OF(dev, buf, out_importers);
}

/* Something that may not come to its end */
struct action {
	pthread_t thread;
	int (*work)(struct action *action);
	struct vfio_dev *dev;
	int buf;
	void *map;
	int ret;
	int64_t ns;
	bool done;
};

static void *action_run(void *arg)
{
	struct action *action = arg;
	int64_t start = now_ns();

	action->ret = action->work(action);
	action->ns = now_ns() - start;
	__atomic_store_n(&action->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static int action_start(struct action *action)
{
	return pthread_create(&action->thread, NULL, action_run, action);
}

/* After some time for it to end, if it does not wait. */
static bool action_waits(const struct action *action)
{
	sleep_ms(500);
	return !__atomic_load_n(&action->done, __ATOMIC_ACQUIRE);
}

static int action_join(struct action *action)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 60;
	return pthread_timedjoin_np(action->thread, NULL, &ts) ? -ETIMEDOUT :
								 action->ret;
}

static int do_revoke(struct action *action)
{
	return vfio_revoke(action->dev, action->buf);
}

static int do_close(struct action *action)
{
	int fd = action->dev->fd;

	action->dev->fd = -1;
	return close(fd);
}

/* The last of a slice: its mapping and its fd */
static int do_drop(struct action *action)
{
	if (munmap(action->map, SIZE) || close(action->buf))
		return -errno;
	return 0;
}

/* One for it to work with */
static int slice_mapped(const struct vfio_dev *dev, struct action *action)
{
	action->buf = vfio_export(dev, BAR, 0, SIZE, O_RDWR | O_CLOEXEC);
	if (action->buf < 0)
		return action->buf;
	action->map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, action->buf, 0);
	return action->map == MAP_FAILED ? -errno : 0;
}

static int do_touch(struct action *action)
{
	uint32_t value;

	return try_read32(action->map, &value) ? 0 : -EFAULT;
}

static bool told_by(int edu, int64_t before)
{
	return edu_told(edu) > before;
}

/* The same for somebody who is about to: it has begun then. */
static bool told_soon_by(int edu, int64_t before)
{
	int64_t end = in_ms(30000);

	while (!told_by(edu, before) && now_ns() < end)
		sleep_ms(10);
	return told_by(edu, before);
}

/*
 * Nobody who cannot be told, and nobody who cannot take what has no memory
 * behind it. One who can and does comes through, so it is not for another
 * reason that the others do not.
 */
TEST_F(importer, refused)
{
	struct vfio_dev *dev = &self->env.dev;
	int edu = self->edu, buf = self->buf;

	EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, TEST_EDU_NO_P2P));
	EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, TEST_EDU_STATIC));
	if (self->kernel & TEST_EDU_HAS_NO_CALLBACK) {
		EXPECT_EQ(-EOPNOTSUPP,
			  edu_attach(edu, buf, TEST_EDU_NO_CALLBACK));
	} else {
		EXPECT_EQ(-EOPNOTSUPP,
			  edu_attach(edu, buf, TEST_EDU_PINNED));
		EXPECT_EQ(-EOPNOTSUPP,
			  edu_attach(edu, buf,
				     TEST_EDU_PINNED | TEST_EDU_LAZY));
	}
	EXPECT_EQ(0, importers(dev, buf));

	EXPECT_EQ(0, edu_attach(edu, buf, 0));
	EXPECT_EQ(0, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(0, edu_release(edu));
}

/* The parameter that decides */
TEST_F(importer, forbidden)
{
	struct vfio_dev *dev = &self->env.dev;
	int edu = self->edu, buf = self->buf;
	char value[16];

	ASSERT_EQ(0, param_get(VFIO_OURS, "p2p", value, sizeof(value)));
	EXPECT_STREQ("safe", value);
	EXPECT_EQ(-EINVAL, param_set(VFIO_OURS, "p2p", "sometimes"));
	EXPECT_FALSE(INFO_OF(dev, -1, out_features) &
		     VFIO_DMABUF_FEATURE_BIT_P2P_FORCED);

	ASSERT_EQ(0, param_set(VFIO_OURS, "p2p", "off"));
	EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, 0));
	EXPECT_FALSE(INFO_OF(dev, -1, out_features) &
		     VFIO_DMABUF_FEATURE_BIT_P2P_FORCED);

	/* Kernels that map for importers themselves cannot be forced to. */
	ASSERT_EQ(0, param_set(VFIO_OURS, "p2p", "force"));
	EXPECT_EQ(!kernel_at_least(6, 19),
		  !!(INFO_OF(dev, -1, out_features) &
		     VFIO_DMABUF_FEATURE_BIT_P2P_FORCED));
	EXPECT_EQ(0, edu_import(edu, buf, 0));
	EXPECT_EQ(0, edu_release(edu));
	/* Even so not those who cannot be told. */
	EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, TEST_EDU_NO_P2P));
	EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, TEST_EDU_STATIC));

	ASSERT_EQ(0, param_set(VFIO_OURS, "p2p", "safe"));
	EXPECT_EQ(0, edu_import(edu, buf, 0));
	EXPECT_EQ(0, edu_release(edu));
}

/*
 * A device that nothing keeps from reaching anything. Without the kernel's
 * help nobody knows what lies between it and the slice.
 */
TEST_F(importer, without_iommu)
{
	struct vfio_dev *dev = &self->env.dev;
	int pte, edu = self->edu, buf = self->buf;
	struct test_edu_stats_args stats;
	struct test_pte_args args;
	uint32_t value;
	char *p;

	EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, TEST_EDU_BARE));
	ASSERT_EQ(0, param_set(VFIO_OURS, "p2p", "force"));
	/* The kernel does not let itself be forced any more. */
	if (kernel_at_least(6, 19)) {
		EXPECT_EQ(-EOPNOTSUPP, edu_attach(edu, buf, TEST_EDU_BARE));
		return;
	}
	ASSERT_EQ(0, edu_import(edu, buf, TEST_EDU_BARE));
	ASSERT_EQ(0, edu_stats(edu, &stats));
	EXPECT_EQ(SIZE, stats.out_len);
	pte = pte_open();
	ASSERT_GE(pte, 0);
	p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, buf, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(try_read32(p, &value));
	ASSERT_EQ(0, pte_read(pte, p, &args));
	EXPECT_EQ(args.out_pfn * PAGE, stats.out_entries[0].addr);
	ASSERT_EQ(0, vfio_revoke(dev, buf));
	EXPECT_EQ(1, edu_forced(edu));
	EXPECT_EQ(0, edu_detach(edu));
}

/* A table has all of the slice, and INFO knows of it. */
TEST_F(importer, map)
{
	const struct vfio_region_dma_range ranges[] = {
		{ 8 * PAGE, 2 * PAGE }, { 0, PAGE }, { 64 * PAGE, 5 * PAGE },
		{ 69 * PAGE, PAGE }, { 2 * PAGE, PAGE },
	};
	struct vfio_dev *dev = &self->env.dev;
	struct test_edu_stats_args stats;
	struct vfio_dmabuf_info info;
	int many, edu = self->edu;
	uint64_t len = 0;
	unsigned int i;

	ASSERT_EQ(0, edu_import(edu, self->buf, 0));
	ASSERT_EQ(0, vfio_info(dev, self->buf, &info));
	EXPECT_EQ(1, info.out_importers);
	EXPECT_EQ(1, info.out_mapped);
	ASSERT_EQ(0, edu_stats(edu, &stats));
	EXPECT_EQ(1, stats.out_mapped);
	EXPECT_EQ(SIZE, stats.out_len);
	EXPECT_EQ(1, stats.out_nents);
	/* what edu can reach */
	EXPECT_LE(stats.out_entries[0].addr + SIZE, 1UL << 28);
	EXPECT_EQ(0, stats.out_entries[0].addr % PAGE);
	EXPECT_EQ(0, edu_release(edu));
	ASSERT_EQ(0, vfio_info(dev, self->buf, &info));
	EXPECT_EQ(0, info.out_importers);
	EXPECT_EQ(0, info.out_mapped);

	many = vfio_export_ranges(dev, BAR, ranges, 5, O_RDWR);
	ASSERT_GE(many, 0);
	EXPECT_EQ(4, INFO_OF(dev, many, out_nr_ranges));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, edu_attach(edu, many, 0));
		ASSERT_EQ(0, edu_map(edu, i));
		ASSERT_EQ(0, edu_stats(edu, &stats));
		EXPECT_EQ(10 * PAGE, stats.out_len);
		EXPECT_LE(stats.out_nents, 4);
		EXPECT_EQ(1, importers(dev, many));
		EXPECT_EQ(0, importers(dev, self->buf));
		EXPECT_EQ(0, edu_release(edu));
	}
	for (i = 0; i < stats.out_nents; i++) {
		EXPECT_NE(0, stats.out_entries[i].addr);
		len += stats.out_entries[i].len;
	}
	EXPECT_EQ(10 * PAGE, len);
	EXPECT_EQ(0, importers(dev, many));
}

/* Several, of which each has a table of its own */
TEST_F(importer, several)
{
	struct vfio_dev *dev = &self->env.dev;
	struct test_edu_stats_args stats[3];
	int i, edu[3];

	for (i = 0; i < 3; i++) {
		edu[i] = i ? edu_open() : self->edu;
		ASSERT_EQ(0, edu_import(edu[i], self->buf, 0));
		ASSERT_EQ(0, edu_stats(edu[i], &stats[i]));
		EXPECT_EQ(i + 1, importers(dev, self->buf));
		EXPECT_EQ(1, INFO_OF(dev, -1, out_mapped));
	}
	EXPECT_NE(stats[0].out_entries[0].addr, stats[1].out_entries[0].addr);
	EXPECT_NE(stats[1].out_entries[0].addr, stats[2].out_entries[0].addr);
	EXPECT_EQ(0, edu_release(edu[1]));
	EXPECT_EQ(2, importers(dev, self->buf));
	ASSERT_EQ(0, vfio_revoke(dev, self->buf));
	EXPECT_EQ(0, importers(dev, self->buf));
	EXPECT_EQ(1, edu_forced(edu[0]));
	EXPECT_EQ(0, edu_forced(edu[1]));
	EXPECT_EQ(1, edu_forced(edu[2]));
	EXPECT_EQ(0, edu_detach(edu[0]));
	EXPECT_EQ(0, edu_detach(edu[2]));
}

TEST_F(importer, memory_off)
{
	struct vfio_dev *dev = &self->env.dev;
	int late, edu = self->edu;
	int64_t told;

	ASSERT_EQ(0, edu_import(edu, self->buf, 0));
	told = edu_told(edu);
	ASSERT_EQ(0, vfio_memory_enable(dev, false));
	EXPECT_TRUE(told_by(edu, told));
	EXPECT_EQ(1, edu_forced(edu));
	EXPECT_EQ(0, edu_mapped(edu));
	EXPECT_EQ(0, importers(dev, self->buf));
	EXPECT_EQ(-ENODEV, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(0, importers(dev, self->buf));
	/* to attach is fine */
	late = edu_open();
	EXPECT_EQ(0, edu_attach(late, self->buf, 0));
	EXPECT_EQ(-ENODEV, edu_map(late, EDU_BOTH));

	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(0, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(0, edu_map(late, EDU_BOTH));
	EXPECT_EQ(2, importers(dev, self->buf));
	EXPECT_EQ(0, edu_release(edu));
	EXPECT_EQ(0, edu_release(late));
	EXPECT_EQ(0, INFO_OF(dev, -1, out_late));
}

TEST_F(importer, reset)
{
	struct vfio_dev *dev = &self->env.dev;
	int i, edu = self->edu;
	int64_t told;

	ASSERT_EQ(0, edu_import(edu, self->buf, 0));
	for (i = 0; i < 4; i++) {
		told = edu_told(edu);
		ASSERT_EQ(0, i % 2 ? vfio_sysfs_poke(dev->bdf, "reset") :
				     vfio_reset(dev));
		EXPECT_TRUE(told_by(edu, told));
		EXPECT_EQ(i + 1, edu_forced(edu));
		EXPECT_EQ(0, edu_mapped(edu));
		EXPECT_EQ(0, importers(dev, self->buf));
		ASSERT_EQ(0, vfio_memory_enable(dev, true));
		ASSERT_EQ(0, edu_map(edu, EDU_BOTH));
	}
	EXPECT_EQ(0, edu_release(edu));
	EXPECT_EQ(0, INFO_OF(dev, -1, out_late));
}

/* For good, and of this slice only */
TEST_F(importer, revoke)
{
	struct vfio_dev *dev = &self->env.dev;
	int other, second, edu = self->edu;
	int64_t told;

	second = vfio_export(dev, BAR, SIZE, SIZE, O_RDWR);
	ASSERT_GE(second, 0);
	other = edu_open();
	ASSERT_EQ(0, edu_import(edu, self->buf, 0));
	ASSERT_EQ(0, edu_import(other, second, 0));
	told = edu_told(other);
	EXPECT_EQ(2, INFO_OF(dev, -1, out_mapped));

	ASSERT_EQ(0, vfio_revoke(dev, self->buf));
	EXPECT_EQ(1, edu_forced(edu));
	EXPECT_EQ(0, edu_mapped(edu));
	EXPECT_EQ(told, edu_told(other));
	EXPECT_EQ(1, edu_mapped(other));
	EXPECT_EQ(1, importers(dev, second));
	EXPECT_EQ(1, INFO_OF(dev, -1, out_mapped));
	EXPECT_EQ(-ENODEV, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(0, edu_detach(edu));
	EXPECT_EQ(-ENODEV, edu_attach(edu, self->buf, 0));

	/* The range is free for somebody else. */
	EXPECT_EQ(0, edu_import(edu, second, 0));
	EXPECT_EQ(0, edu_release(edu));
	EXPECT_EQ(0, edu_release(other));
}

/* One who is attached without being mapped is not waited for. */
TEST_F(importer, revoke_attached)
{
	int lazy = edu_open();

	ASSERT_EQ(0, edu_attach(self->edu, self->buf, 0));
	ASSERT_EQ(0, edu_attach(lazy, self->buf, TEST_EDU_LAZY));
	ASSERT_EQ(0, edu_map(lazy, EDU_BOTH));
	ASSERT_EQ(0, edu_unmap(lazy));
	ASSERT_EQ(0, vfio_revoke(&self->env.dev, self->buf));
	EXPECT_EQ(-ENODEV, edu_map(self->edu, EDU_BOTH));
	EXPECT_EQ(-ENODEV, edu_map(lazy, EDU_BOTH));
	EXPECT_EQ(0, edu_detach(self->edu));
	EXPECT_EQ(0, edu_detach(lazy));
}

/* What is pinned stays revocable. */
TEST_F(importer, pin)
{
	struct vfio_dev *dev = &self->env.dev;
	int edu = self->edu;

	ASSERT_EQ(0, edu_attach(edu, self->buf, 0));
	/* The core's own pins are not the importer's. */
	ASSERT_EQ(0, edu_map(edu, EDU_BOTH));
	if (!kernel_at_least(6, 16))
		EXPECT_EQ(-EOPNOTSUPP, edu_pin(edu));
	ASSERT_EQ(0, edu_unmap(edu));
	ASSERT_EQ(0, edu_pin(edu));
	if (!kernel_at_least(6, 16)) {
		/* Before that a pin meant to stay, whatever happens. */
		EXPECT_EQ(-EOPNOTSUPP, edu_map(edu, EDU_BOTH));
		EXPECT_EQ(0, importers(dev, self->buf));
		EXPECT_EQ(0, edu_unpin(edu));
		EXPECT_EQ(0, edu_map(edu, EDU_BOTH));
		EXPECT_EQ(0, edu_unmap(edu));
		EXPECT_EQ(0, edu_detach(edu));
		return;
	}
	ASSERT_EQ(0, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(1, importers(dev, self->buf));
	ASSERT_EQ(0, vfio_reset(dev));
	EXPECT_EQ(1, edu_forced(edu));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	ASSERT_EQ(0, edu_map(edu, EDU_BOTH));
	ASSERT_EQ(0, vfio_revoke(dev, self->buf));
	EXPECT_EQ(2, edu_forced(edu));
	EXPECT_EQ(0, importers(dev, self->buf));
	EXPECT_EQ(0, edu_unpin(edu));
	EXPECT_EQ(0, edu_detach(edu));
}

/* What nobody may write to, or read, no device may either. */
TEST_F(importer, read_only)
{
	struct vfio_dev *dev = &self->env.dev;
	int buf = vfio_export(dev, BAR, 0, SIZE, O_RDONLY);
	int edu = self->edu, wo;

	ASSERT_GE(buf, 0);
	ASSERT_EQ(0, edu_attach(edu, buf, 0));
	EXPECT_EQ(-EACCES, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(-EACCES, edu_map(edu, EDU_WRITES));
	EXPECT_EQ(0, importers(dev, buf));
	EXPECT_EQ(0, edu_map(edu, EDU_READS));
	EXPECT_EQ(1, importers(dev, buf));
	EXPECT_EQ(0, edu_unmap(edu));
	EXPECT_EQ(0, edu_detach(edu));
	close(buf);

	wo = vfio_export(dev, BAR, 0, SIZE, O_WRONLY);
	ASSERT_GE(wo, 0);
	ASSERT_EQ(0, edu_attach(edu, wo, 0));
	EXPECT_EQ(-EACCES, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(-EACCES, edu_map(edu, EDU_READS));
	EXPECT_EQ(0, edu_map(edu, EDU_WRITES));
	EXPECT_EQ(0, edu_unmap(edu));
	EXPECT_EQ(0, edu_detach(edu));
	close(wo);
}

/* REVOKE returns when the last one has unmapped, not before. */
TEST_F(importer, revoke_waits)
{
	struct vfio_dev *dev = &self->env.dev;
	struct action action = {
		.work = do_revoke, .dev = dev, .buf = self->buf,
	};
	int first = self->edu, second = edu_open(), eager = edu_open();

	ASSERT_EQ(0, edu_import(first, self->buf, TEST_EDU_LAZY));
	ASSERT_EQ(0, edu_import(second, self->buf, TEST_EDU_LAZY));
	ASSERT_EQ(0, edu_import(eager, self->buf, 0));
	ASSERT_EQ(0, action_start(&action));
	ASSERT_TRUE(told_soon_by(first, 0));
	EXPECT_TRUE(action_waits(&action));
	EXPECT_EQ(1, edu_told(first));
	EXPECT_EQ(1, edu_told(second));
	EXPECT_EQ(1, edu_forced(eager));
	EXPECT_EQ(2, importers(dev, self->buf));
	EXPECT_EQ(VFIO_DMABUF_STATE_REVOKED,
		  INFO_OF(dev, self->buf, out_state));
	/* for all but those who have it still */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_SHARED,
				   self->buf, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-ENODEV, edu_map(eager, EDU_BOTH));

	EXPECT_EQ(0, edu_unmap(first));
	EXPECT_TRUE(action_waits(&action));
	EXPECT_EQ(0, edu_unmap(second));
	EXPECT_EQ(0, action_join(&action));
	EXPECT_GE(action.ns, NSEC_PER_SEC / 2);
	EXPECT_EQ(0, importers(dev, self->buf));
	EXPECT_EQ(-EBADFD, vfio_revoke(dev, self->buf));
	EXPECT_EQ(0, edu_detach(first));
	EXPECT_EQ(0, edu_detach(second));
	EXPECT_EQ(0, edu_detach(eager));
}

/* Other things go on meanwhile. */
TEST_F(importer, revoke_waits_alone)
{
	struct vfio_dev *dev = &self->env.dev;
	struct action action = {
		.work = do_revoke, .dev = dev, .buf = self->buf,
	};
	int other, second, lazy = self->edu;
	uint32_t value;
	char *p;

	ASSERT_EQ(0, edu_import(lazy, self->buf, TEST_EDU_LAZY));
	ASSERT_EQ(0, action_start(&action));
	ASSERT_TRUE(told_soon_by(lazy, 0));
	EXPECT_TRUE(action_waits(&action));

	second = vfio_export(dev, BAR, SIZE, SIZE, O_RDWR);
	ASSERT_GE(second, 0);
	p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, second, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p, &value));
	other = edu_open();
	ASSERT_EQ(0, edu_import(other, second, 0));
	ASSERT_EQ(0, vfio_revoke(dev, second));
	EXPECT_EQ(1, edu_forced(other));
	EXPECT_EQ(0, edu_detach(other));
	EXPECT_TRUE(action_waits(&action));

	/* Closing the importer's file unmaps as well. */
	edu_close(lazy);
	EXPECT_EQ(0, action_join(&action));
}

TEST_F(importer, revoke_killed)
{
	struct vfio_dev *dev = &self->env.dev;
	struct action again = {
		.work = do_revoke, .dev = dev, .buf = self->buf,
	};
	int status, lazy = self->edu;
	int64_t end, told;
	pid_t pid;

	ASSERT_EQ(0, edu_import(lazy, self->buf, TEST_EDU_LAZY));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(vfio_revoke(dev, self->buf) ? 1 : 0);
	ASSERT_TRUE(told_soon_by(lazy, 0));
	sleep_ms(300);
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	end = in_ms(10000);
	while (waitpid(pid, &status, WNOHANG) != pid) {
		ASSERT_LT(now_ns(), end) TH_LOG("it cannot be killed");
		sleep_ms(10);
	}
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	/* revoked, but somebody still has it */
	EXPECT_EQ(VFIO_DMABUF_STATE_REVOKED,
		  INFO_OF(dev, self->buf, out_state));
	EXPECT_EQ(1, importers(dev, self->buf));
	/* Who asks once more waits as well: the answer must be true for all. */
	told = edu_told(lazy);
	ASSERT_EQ(0, action_start(&again));
	ASSERT_TRUE(told_soon_by(lazy, told));
	EXPECT_TRUE(action_waits(&again));
	EXPECT_EQ(1, edu_mapped(lazy));
	EXPECT_EQ(0, edu_unmap(lazy));
	EXPECT_EQ(-EBADFD, action_join(&again));
	EXPECT_EQ(0, importers(dev, self->buf));
	EXPECT_EQ(-ENODEV, edu_map(lazy, EDU_BOTH));
	EXPECT_EQ(0, edu_detach(lazy));
}

/* Lines of the driver that are not the PCI core's */
static int lines_of(const char *log)
{
	const char *line, *end;
	int count = 0;

	for (line = log; *line; line = *end ? end + 1 : end) {
		char text[512];

		end = line + strcspn(line, "\n");
		snprintf(text, sizeof(text), "%.*s", (int)(end - line), line);
		count += strstr(text, VFIO_OURS) && !strstr(text, "resetting") &&
			 !strstr(text, "reset done") &&
			 !strstr(text, "enabling device");
	}
	return count;
}

/* A reset holds locks; it does not wait for somebody for ever, but says so. */
TEST_F(importer, reset_is_bounded)
{
	static char log[65536];
	struct vfio_dev *dev = &self->env.dev;
	int kmsg, lazy = self->edu;
	int64_t start;

	ASSERT_EQ(0, edu_import(lazy, self->buf, TEST_EDU_LAZY));
	kmsg = kmsg_start();
	ASSERT_GE(kmsg, 0);
	start = now_ns();
	ASSERT_EQ(0, vfio_reset(dev));
	EXPECT_LT(now_ns() - start, RESET_NS);
	EXPECT_EQ(1, edu_told(lazy));
	EXPECT_EQ(1, edu_mapped(lazy));
	EXPECT_EQ(1, importers(dev, self->buf));
	EXPECT_EQ(1, INFO_OF(dev, -1, out_late));
	kmsg_read(kmsg, log, sizeof(log));
	EXPECT_EQ(1, lines_of(log)) TH_LOG("%s", log);
	EXPECT_EQ(VFIO_DMABUF_STATE_ON, INFO_OF(dev, self->buf, out_state));

	/* Nothing is wrong with the slice. */
	EXPECT_EQ(0, edu_unmap(lazy));
	EXPECT_EQ(0, importers(dev, self->buf));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(0, edu_map(lazy, EDU_BOTH));
	EXPECT_EQ(0, edu_unmap(lazy));
	ASSERT_EQ(0, vfio_revoke(dev, self->buf));
	EXPECT_EQ(0, edu_detach(lazy));
}

/* REVOKE waits for as long as it takes, but not without a word. */
static bool says_so(int kmsg)
{
	static char log[65536];
	int64_t end = in_ms(60000);

	do {
		sleep_ms(100);
		kmsg_read(kmsg, log, sizeof(log));
		if (strstr(log, "is revoked, and another device still has it"))
			return true;
	} while (now_ns() < end);
	return false;
}

/* Anybody who has a slice can give it work that does not end. */
TEST_F(importer, fence)
{
	struct vfio_dev *dev = &self->env.dev;
	struct action action = {
		.work = do_revoke, .dev = dev, .buf = self->buf,
	};
	struct dma_buf_import_sync_file work = { .flags = DMA_BUF_SYNC_WRITE };
	int ctl = tf_open(), kmsg, lazy = self->edu;
	int64_t start;
	uint32_t id;

	ASSERT_GE(ctl, 0);
	work.fd = tf_create(ctl, 0, &id);
	ASSERT_GE(work.fd, 0);
	ASSERT_EQ(0, ioctl(self->buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &work));
	ASSERT_EQ(0, edu_import(lazy, self->buf, TEST_EDU_LAZY));
	start = now_ns();
	ASSERT_EQ(0, vfio_reset(dev));
	EXPECT_LT(now_ns() - start, RESET_NS);
	EXPECT_EQ(1, INFO_OF(dev, -1, out_late));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));

	kmsg = kmsg_start();
	ASSERT_GE(kmsg, 0);
	ASSERT_EQ(0, action_start(&action));
	EXPECT_TRUE(says_so(kmsg));
	EXPECT_TRUE(action_waits(&action));
	/* The end of the work is not that of the mapping. */
	EXPECT_EQ(0, tf_signal(ctl, id));
	EXPECT_TRUE(action_waits(&action));
	EXPECT_EQ(0, edu_unmap(lazy));
	EXPECT_EQ(0, action_join(&action));
	EXPECT_LE(10 * NSEC_PER_SEC, action.ns);
	EXPECT_EQ(0, edu_detach(lazy));
	close(work.fd);
	close(ctl);
}

/* How long, is a parameter. */
TEST_F(importer, reset_waits_as_long_as_told)
{
	static const char * const ms[] = { "200", "200", "3000" };
	struct vfio_dev *dev = &self->env.dev;
	int i, lazy = self->edu;
	int64_t took[3], start;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, param_set(VFIO_OURS, "importer_wait_ms", ms[i]));
		ASSERT_EQ(0, edu_import(lazy, self->buf, TEST_EDU_LAZY));
		start = now_ns();
		ASSERT_EQ(0, vfio_reset(dev));
		took[i] = now_ns() - start;
		EXPECT_EQ(i + 1, INFO_OF(dev, -1, out_late));
		EXPECT_EQ(1, edu_mapped(lazy));
		EXPECT_EQ(0, edu_release(lazy));
		ASSERT_EQ(0, vfio_memory_enable(dev, true));
	}
	/* less what may be missing of a tick */
	EXPECT_LE(3 * NSEC_PER_SEC - 20 * NSEC_PER_MSEC, took[2]);
	/* One of the others may have been held up by something else. */
	if (took[1] < took[0])
		took[0] = took[1];
	EXPECT_LE(2 * NSEC_PER_SEC, took[2] - took[0]);
}

/* The memory must not be somebody else's before the last one has left it. */
TEST_F(importer, close_waits)
{
	struct vfio_dev *dev = &self->env.dev;
	struct action action = { .work = do_close, .dev = dev };
	struct action drop = { .work = do_drop };
	struct action touch = { .work = do_touch };
	int lazy = self->edu, eager = edu_open();
	uint32_t value;

	ASSERT_EQ(0, slice_mapped(dev, &drop));
	ASSERT_TRUE(try_read32(drop.map, &value));
	ASSERT_EQ(0, slice_mapped(dev, &touch));
	ASSERT_TRUE(try_read32(touch.map, &value));
	ASSERT_EQ(0, edu_import(lazy, self->buf, TEST_EDU_LAZY));
	ASSERT_EQ(0, edu_import(eager, self->buf, 0));
	ASSERT_EQ(0, action_start(&action));
	ASSERT_TRUE(told_soon_by(lazy, 0));
	EXPECT_TRUE(action_waits(&action));
	EXPECT_EQ(0, edu_mapped(eager));
	EXPECT_EQ(1, edu_mapped(lazy));
	/* Nobody else waits for it: perhaps they are those who should let go. */
	ASSERT_EQ(0, action_start(&drop));
	EXPECT_EQ(0, action_join(&drop));
	ASSERT_EQ(0, action_start(&touch));
	EXPECT_EQ(-EFAULT, action_join(&touch));
	EXPECT_TRUE(action_waits(&action));
	EXPECT_EQ(0, edu_unmap(lazy));
	EXPECT_EQ(0, action_join(&action));

	EXPECT_EQ(-ENODEV, edu_map(lazy, EDU_BOTH));
	EXPECT_EQ(-ENODEV, edu_map(eager, EDU_BOTH));
	EXPECT_EQ(0, edu_detach(lazy));
	EXPECT_EQ(0, edu_detach(eager));
	EXPECT_EQ(-ENODEV, edu_attach(eager, self->buf, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_SHARED,
				   self->buf, 0));
	EXPECT_EQ(ENODEV, errno);
}

/* An importer's reference is as good as an fd, but not as the device's. */
TEST_F(importer, keeps_the_slice)
{
	struct vfio_dev *dev = &self->env.dev;
	int edu = self->edu;

	ASSERT_EQ(0, edu_import(edu, self->buf, 0));
	close(self->buf);
	EXPECT_EQ(1, INFO_OF(dev, -1, out_slices));
	EXPECT_EQ(1, INFO_OF(dev, -1, out_mapped));
	EXPECT_EQ(1, edu_mapped(edu));
	ASSERT_EQ(0, vfio_memory_enable(dev, false));
	EXPECT_EQ(1, edu_forced(edu));
	EXPECT_EQ(-ENODEV, edu_map(edu, EDU_BOTH));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(0, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(0, edu_release(edu));
	EXPECT_EQ(0, INFO_OF(dev, -1, out_slices));

	self->buf = vfio_export(dev, BAR, 0, SIZE, O_RDWR);
	ASSERT_GE(self->buf, 0);
	ASSERT_EQ(0, edu_import(edu, self->buf, 0));
	close(self->buf);
	close(dev->fd);
	dev->fd = -1;
	EXPECT_EQ(1, edu_forced(edu));
	EXPECT_EQ(-ENODEV, edu_map(edu, EDU_BOTH));
	EXPECT_EQ(0, edu_detach(edu));
}

struct mapper {
	pthread_t thread;
	int edu;
	int buf;
	bool *stop;
	unsigned long mapped;
	unsigned long off;
	int bad;
};

static void *mapper_run(void *arg)
{
	struct mapper *m = arg;
	int ret;

	while (!m->bad && !__atomic_load_n(m->stop, __ATOMIC_RELAXED)) {
		ret = edu_map(m->edu, EDU_BOTH);
		m->mapped += !ret;
		m->off += ret == -ENODEV;
		if (ret && ret != -ENODEV && ret != -EBUSY)
			m->bad = ret;
		/* half of the times it is left to the callback */
		if (!ret && m->mapped % 2) {
			ret = edu_unmap(m->edu);
			if (ret && ret != -EINVAL)
				m->bad = ret;
		}
	}
	return NULL;
}

/* Mapping and taking away at the same time, for a while */
TEST_F(importer, race)
{
	struct vfio_dev *dev = &self->env.dev;
	int64_t end = in_ms(5000);
	struct mapper mappers[3];
	unsigned long turns = 0;
	bool stop = false;
	int i;

	for (i = 0; i < 3; i++) {
		mappers[i] = (struct mapper) {
			.edu = i ? edu_open() : self->edu, .stop = &stop,
		};
		ASSERT_EQ(0, edu_attach(mappers[i].edu, self->buf, 0));
		ASSERT_EQ(0, pthread_create(&mappers[i].thread, NULL,
					    mapper_run, &mappers[i]));
	}
	do {
		EXPECT_EQ(0, vfio_memory_enable(dev, false));
		EXPECT_EQ(0, importers(dev, self->buf));
		EXPECT_EQ(0, vfio_memory_enable(dev, true));
		sleep_ms(1);
		if (!(++turns % 16))
			EXPECT_EQ(0, vfio_reset(dev));
	} while (now_ns() < end);
	EXPECT_EQ(0, vfio_memory_enable(dev, true));
	sleep_ms(50);
	ASSERT_EQ(0, vfio_revoke(dev, self->buf));
	EXPECT_EQ(0, importers(dev, self->buf));
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++) {
		pthread_join(mappers[i].thread, NULL);
		EXPECT_EQ(0, mappers[i].bad);
		EXPECT_GT(mappers[i].mapped, 10);
		EXPECT_GT(mappers[i].off, 0);
		EXPECT_EQ(0, edu_mapped(mappers[i].edu));
		EXPECT_EQ(0, edu_detach(mappers[i].edu));
	}
	EXPECT_EQ(0, INFO_OF(dev, -1, out_late));
}

TEST_HARNESS_MAIN
