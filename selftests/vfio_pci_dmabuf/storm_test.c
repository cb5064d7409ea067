// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once, for BUFSYNC_STRESS_SECONDS (30) at least: two devices whose
 * slices and BAR mappings are touched all the time, while they are reset in three
 * ways, their configuration is written to, slices come and are revoked, processes
 * fork, a third device comes and goes, and a fourth resets itself (FLR). In the
 * first half nothing turns memory off, and no access may fail that does not with
 * stock's mapping; in the second half all may, and must work again at the end. What
 * is revoked is revoked: no access that begins after REVOKE has returned may
 * succeed, in either half.
 */
#include "storm_env.h"

#include <linux/pci_regs.h>

#define SEED	0x01000000U
/* Pages that are touched all the time: 4 MiB, and some in their middle */
#define PAGES	(MIB(4) / PAGE)
#define ODD	64U
#define ODD_AT	(PAGES / 2 - 12)
/* Where slices come and go, and keep nothing */
#define CHURN	MIB(8)
#define CHURNS	(MIB(8) / PAGE)
/* A slice there has so many pages at most: 600 of 4 KiB. */
#define MOST	(CHURNS * 600 / 2048)

enum op {
	RESET, HOT_RESET, SIBLING_RESET, SYSFS_RESET, FLR, HARMLESS, MEMORY,
	EXPORT, WRITE_COMBINE, REVOKE, FORK, UNBIND, OPS
};

static const struct {
	const char *name;
	int min;	/* in 30 seconds; a machine that is slower takes longer */
	int debug;	/* the same under a debug kernel */
} ops[OPS] = {
	[RESET] = { "VFIO_DEVICE_RESET", 5, 5 },
	[HOT_RESET] = { "hot reset", 5, 5 },
	[SIBLING_RESET] = { "hot reset by the sibling", 5, 5 },
	[SYSFS_RESET] = { "reset by sysfs", 5, 5 },
	[FLR] = { "FLR by a write", 5, 5 },
	[HARMLESS] = { "write to COMMAND", 20, 20 },
	[MEMORY] = { "memory off and on", 20, 20 },
	[EXPORT] = { "export", 30, 6 },
	/* of which by chance some are */
	[WRITE_COMBINE] = { "write-combining", 5, 1 },
	[REVOKE] = { "REVOKE", 20, 4 },
	[FORK] = { "fork", 5, 1 },
	[UNBIND] = { "unbind", 3, 1 },
};

/* Exit status of an heir */
enum { NOT_STALE, STALE, TOO_SLOW };

struct storm;

/* One of the two, and what is done to it */
struct target {
	struct storm *storm;
	struct vfio_dev *dev;
	int bar;
	struct view a, odd;
	uint32_t *map;		/* stock's */
	struct toucher t[4];	/* the last: on map */
	pthread_t resetter, churner, writer;
	uint64_t zaps, waits;
};

struct storm {
	struct stage s;
	struct vfio_dev sibling, gpu;
	struct target bochs, memory;
	struct view regs;	/* of gpu, whose contents no reset keeps */
	struct toucher regs_t;
	pthread_t binder, flr;
	bool debug;	/* a debug kernel */
	/*
	 * Children have copies of all fds. Before 6.3 stock VFIO does not bear that the
	 * last ones of a container and of its group are closed at the same time (the
	 * notification of type1's, after it has been freed). So children (readers) and the
	 * device that comes and goes (the writer) are not there together, on such kernels.
	 */
	pthread_rwlock_t apart;
	bool old;
	struct tally tally;
};

static struct storm storm;

static void apart_init(void)
{
	pthread_rwlockattr_t attr;

	storm.old = !kernel_at_least(6, 3);
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr,
				      PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&storm.apart, &attr);
	pthread_rwlockattr_destroy(&attr);
}

static void apart_lock(bool write)
{
	if (!storm.old)
		return;
	if (write)
		pthread_rwlock_wrlock(&storm.apart);
	else
		pthread_rwlock_rdlock(&storm.apart);
}

static void apart_unlock(void)
{
	if (storm.old)
		pthread_rwlock_unlock(&storm.apart);
}

#define COUNT(op, ret)	tally_count(&storm.tally, op, ret, __LINE__)
#define BAD(op, ret)	tally_bad(&storm.tally, op, ret, __LINE__)

static bool stopped(void)
{
	return tally_stopped(&storm.tally);
}

static bool toggles(void)
{
	return flag_get(&storm.tally.toggle);
}

/* Resets: the bus of the one has two functions, the other's is its own. */

static void *bochs_resetter(void *arg)
{
	struct target *t = arg;
	int i;

	for (i = 0; !stopped(); i++) {
		if (i % 2)
			COUNT(HOT_RESET, vfio_hot_reset(t->dev));
		else
			COUNT(SIBLING_RESET, vfio_hot_reset(&storm.sibling));
		sleep_ms(i % 7 * 5);
	}
	return NULL;
}

static void *memory_resetter(void *arg)
{
	struct target *t = arg;
	int i;

	for (i = 0; !stopped(); i++) {
		if (i % 3 == 0)
			COUNT(RESET, vfio_reset(t->dev));
		else if (i % 3 == 1)
			COUNT(SYSFS_RESET,
			      vfio_sysfs_poke(t->dev->bdf, "reset"));
		else
			COUNT(HOT_RESET, vfio_hot_reset(t->dev));
		sleep_ms(i % 7 * 5);
	}
	return NULL;
}

/* What a guest's driver does; the file's other resets say if they come to nothing. */
static void *flr(void *arg)
{
	uint64_t zaps;
	int i, ret;

	(void)arg;
	for (i = 0; !stopped(); i++) {
		zaps = zaps_of(&storm.gpu);
		ret = vfio_flr_by_config(&storm.gpu);
		if (!ret && zaps_of(&storm.gpu) < zaps + 2)
			ret = -EIO;
		COUNT(FLR, ret);
		sleep_ms(i % 7 * 5);
	}
	return NULL;
}

/* Writes to COMMAND; those that turn memory off only in the second half */
static void *writer(void *arg)
{
	struct target *t = arg;
	uint16_t command;
	int i, ret;

	for (i = 0; !stopped(); i++) {
		if (toggles()) {
			ret = vfio_memory_enable(t->dev, false);
			sleep_ms(i % 3);
			COUNT(MEMORY, ret ?: vfio_memory_enable(t->dev, true));
		} else {
			ret = vfio_config_read(t->dev, PCI_COMMAND, &command,
					       sizeof(command));
			if (ret > 0)
				ret = vfio_config_write(t->dev, PCI_COMMAND,
							&command,
							sizeof(command));
			COUNT(HARMLESS, ret);
		}
		sleep_ms(i % 11);
	}
	return NULL;
}

/* A child that touches the slice until it is gone, and for a while then */
static int heir(struct toucher *t)
{
	int64_t end = in_ms(120000);
	size_t i, after = 0;

	for (i = 0; after < 50; i++) {
		touch_once(t, i);
		after += flag_get(t->gone);
		if (i % 64 == 0 && now_ns() > end)
			return TOO_SLOW;
	}
	return t->stale || t->good + t->bus != i ? STALE : NOT_STALE;
}

/* Can any page be read? A debug kernel's SIGBUS takes its time. */
static bool any_alive(uint32_t *p, size_t pages)
{
	size_t i, step = storm.debug ? 16 : 1;

	for (i = 0; i < pages; i += step)
		if (!touch(page_of(p, i), 1))
			return true;
	return false;
}

/* The life of a slice: made, used by threads and a child, revoked */
static void generation(struct target *t, unsigned int *seed, bool *gone)
{
	struct toucher users[2] = { { .gone = gone }, { .gone = gone } };
	size_t pages = 1 + rand_r(seed) % MOST, i;
	size_t at = CHURN / PAGE + rand_r(seed) % (CHURNS - MOST);
	bool toggled = toggles();
	struct view v = { .size = pages * PAGE };
	pid_t pid = 0;
	int ret;

	__atomic_store_n(gone, false, __ATOMIC_RELEASE);
	v.fd = vfio_export(t->dev, t->bar, at * PAGE, v.size,
			   O_RDWR | O_CLOEXEC);
	if (!COUNT(EXPORT, v.fd))
		return;
	if (rand_r(seed) % 3 == 0)
		COUNT(WRITE_COMBINE, vfio_memattr(t->dev, v.fd,
						  VFIO_DMABUF_MEMATTR_WC));
	v.p = map_aligned(v.fd, v.size, 0, PROT_READ | PROT_WRITE,
			  rand_r(seed) % 2 ? HUGE : PAGE);
	if (v.p == MAP_FAILED) {
		BAD(EXPORT, -errno);
		close(v.fd);
		return;
	}
	for (i = 0; i < 2; i++) {
		users[i].p = v.p;
		users[i].pages = pages;
		ret = toucher_start(&users[i]);
		if (ret)
			BAD(EXPORT, ret);
	}
	if (rand_r(seed) % 4 == 0) {
		apart_lock(false);
		pid = fork();
		if (pid == 0) {
			struct toucher own = {
				.p = v.p, .pages = pages, .gone = gone,
			};

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(heir(&own));
		}
		COUNT(FORK, pid < 0 ? -errno : 0);
		if (pid < 0)
			apart_unlock();
	}
	sleep_ms(rand_r(seed) % 10);
	COUNT(REVOKE, vfio_revoke(t->dev, v.fd));
	flag_set(gone);
	sleep_ms(2);
	for (i = 0; i < 2; i++) {
		toucher_stop(&users[i]);
		if (users[i].stale)
			BAD(REVOKE, -ESTALE);
		if (!toggled && !toggles() && users[i].wrong)
			BAD(EXPORT, -EIO);
	}
	if (any_alive(v.p, pages))
		BAD(REVOKE, -ESTALE);
	ret = NOT_STALE;
	if (pid > 0) {
		ret = reap_in(pid, 180000);
		apart_unlock();
	}
	if (ret == TOO_SLOW || ret == -ETIMEDOUT)
		BAD(FORK, -ETIMEDOUT);
	else if (ret != NOT_STALE)
		BAD(FORK, -ESTALE);
	view_close(&v);
}

static void *churner(void *arg)
{
	struct target *t = arg;
	unsigned int seed = t->bar;
	bool *gone = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	while (!stopped())
		generation(t, &seed, gone);
	munmap(gone, PAGE);
	return NULL;
}

struct unbinding {
	pthread_t thread;
	const char *bdf;
	int ret;
};

static void *unbind(void *arg)
{
	struct unbinding *u = arg;

	u->ret = vfio_unbind(u->bdf);
	return NULL;
}

/* Unbound while it is open and a slice of it is in use: that waits. */
static void come_and_go(void)
{
	struct unbinding u = { };
	struct vfio_dev dev;
	uint32_t value;
	char *p;
	int fd, ret;

	ret = vfio_start(&dev, VFIO_IVSHMEM, VFIO_OURS);
	if (ret < 0) {
		BAD(UNBIND, ret);
		return;
	}
	vfio_memory_enable(&dev, true);
	fd = vfio_export(&dev, 2, 0, MIB(4), O_RDWR | O_CLOEXEC);
	p = mmap(NULL, MIB(4), PROT_READ, MAP_SHARED, fd, 0);
	u.bdf = dev.bdf;
	if (fd < 0 || p == MAP_FAILED || !try_read32(p, &value) ||
	    pthread_create(&u.thread, NULL, unbind, &u)) {
		BAD(UNBIND, -EIO);
		return;
	}
	sleep_ms(20);
	if (!try_read32(p + PAGE, &value))
		BAD(UNBIND, -EIO);
	vfio_close(&dev);
	pthread_join(u.thread, NULL);
	COUNT(UNBIND, u.ret);
	if (try_read32(p, &value) || try_read32(p + PAGE, &value) ||
	    mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED)
		BAD(UNBIND, -ESTALE);
	munmap(p, MIB(4));
	close(fd);
}

static void *binder(void *arg)
{
	(void)arg;
	while (!stopped()) {
		apart_lock(true);
		come_and_go();
		apart_unlock();
		/* Children want to be born. */
		sleep_ms(storm.old ? 5 : 0);
	}
	return NULL;
}

static void tally_init(void)
{
	enum op op;

	storm.tally.count = OPS;
	storm.tally.resets = FLR;
	storm.tally.memory = MEMORY;
	for (op = 0; op < OPS; op++) {
		long min = storm.debug ? ops[op].debug : ops[op].min;

		storm.tally.names[op] = ops[op].name;
		storm.tally.least[op] = min * stress_seconds() / 30;
	}
}

FIXTURE(storm) {
	int unused;
};

static void target_setup(struct __test_metadata *_metadata, struct target *t,
			 struct vfio_dev *dev, int bar)
{
	struct stage *s = &storm.s;

	t->dev = dev;
	t->bar = bar;
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	ASSERT_EQ(0, view_open(&t->a, dev, bar, 0, PAGES * PAGE, HUGE));
	ASSERT_EQ(0, view_open(&t->odd, dev, bar, ODD_AT * PAGE, ODD * PAGE,
			       PAGE));
	t->map = bar_map_aligned(dev, bar, 0, PAGES * PAGE, HUGE);
	ASSERT_NE(MAP_FAILED, t->map);
	ASSERT_TRUE(fill(t->map, PAGES, SEED));
	t->zaps = zaps_of(dev);
	t->waits = info_of(dev, -1).out_waits;
	ASSERT_EQ(0, stage_touch(s, &t->t[0], t->a.p, PAGES, SEED));
	ASSERT_EQ(0, stage_touch(s, &t->t[1], t->a.p, PAGES, SEED));
	ASSERT_EQ(0, stage_touch(s, &t->t[2], t->odd.p, ODD, SEED + ODD_AT));
	ASSERT_EQ(0, stage_touch(s, &t->t[3], t->map, PAGES, 0));
}

FIXTURE_SETUP(storm)
{
	struct stage *s = &storm.s;
	char bdf[16];

	storm.debug = kernel_is_debug();
	tally_init();
	apart_init();
	vfio_env_setup(_metadata, &s->env, VFIO_BOCHS, VFIO_OURS);
	ASSERT_EQ(0, vfio_find(VFIO_SIBLING, bdf));
	ASSERT_EQ(0, vfio_bind(bdf, VFIO_STOCK));
	ASSERT_EQ(0, vfio_open(&storm.sibling, bdf, &s->env.dev));
	ASSERT_EQ(0, vfio_start(&s->second, VFIO_MEMORY, VFIO_OURS));
	target_setup(_metadata, &storm.bochs, &s->env.dev, 0);
	target_setup(_metadata, &storm.memory, &s->second, 2);
	ASSERT_EQ(0, vfio_start(&storm.gpu, VFIO_GPU, VFIO_OURS));
	ASSERT_EQ(0, vfio_memory_enable(&storm.gpu, true));
	ASSERT_EQ(0, view_open(&storm.regs, &storm.gpu, 4, 0,
			       GPU_PAGES * PAGE, PAGE));
	ASSERT_EQ(0, stage_touch(s, &storm.regs_t, storm.regs.p, GPU_PAGES, 0));
}

static void everybody_stop(void)
{
	pthread_t *threads[] = {
		&storm.bochs.resetter, &storm.bochs.churner,
		&storm.bochs.writer, &storm.memory.resetter, &storm.memory.churner,
		&storm.memory.writer, &storm.binder, &storm.flr,
	};
	size_t i;

	flag_set(&storm.tally.stop);
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		if (!*threads[i])
			continue;
		pthread_join(*threads[i], NULL);
		*threads[i] = 0;
	}
}

FIXTURE_TEARDOWN(storm)
{
	everybody_stop();
	stage_stop(&storm.s);
	vfio_stop(&storm.sibling);
	if (storm.gpu.bdf[0])
		vfio_stop(&storm.gpu);
	stage_teardown(_metadata, &storm.s);
}

/* Half of the time; ten times as long is too long. */
static void rage(void)
{
	int ms = stress_seconds() * 500;

	tally_wait(&storm.tally, ms, 10 * ms);
}

static void first_half(struct __test_metadata *_metadata, struct target *t)
{
	const char *name = t == &storm.memory ? "memory" : "bochs";
	unsigned long stocks = count_get(&t->t[3].bus);
	int i;

	for (i = 0; i < 4; i++)
		TH_LOG("%s, mapping %d: %lu, %lu SIGBUS, %lu wrong", name, i,
		       count_get(&t->t[i].good), count_get(&t->t[i].bus),
		       count_get(&t->t[i].wrong));
	EXPECT_EQ(0, stocks);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, count_get(&t->t[i].bus)) TH_LOG("%d", i);
		EXPECT_EQ(0, count_get(&t->t[i].wrong)) TH_LOG("%d", i);
	}
}

static void second_half(struct __test_metadata *_metadata, struct target *t)
{
	int i;

	for (i = 0; i < 4; i++) {
		/* Off means off, for each of them. */
		EXPECT_LT(0, t->t[i].bus);
		EXPECT_LT(0, t->t[i].good);
	}
	/* What was read was there, also when memory came and went. */
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, t->t[i].wrong) TH_LOG("%d", i);
	EXPECT_EQ(0, differ(t->a.p, PAGES, SEED));
	EXPECT_EQ(0, differ(t->odd.p, ODD, SEED + ODD_AT));
	EXPECT_EQ(0, differ(t->map, PAGES, SEED));
	EXPECT_EQ(VFIO_DMABUF_STATE_ON, info_of(t->dev, t->a.fd).out_state);
	EXPECT_LT(t->zaps, zaps_of(t->dev));
	EXPECT_LT(t->waits, info_of(t->dev, -1).out_waits);
	/* Those that last, and none of those that came and went */
	EXPECT_EQ(2, info_of(t->dev, -1).out_slices);
}

TEST_F_TIMEOUT(storm, everything_at_once, 600)
{
	struct target *bochs = &storm.bochs, *memory = &storm.memory;
	int i;

	ASSERT_EQ(0, pthread_create(&bochs->resetter, NULL, bochs_resetter,
				    bochs));
	ASSERT_EQ(0, pthread_create(&memory->resetter, NULL, memory_resetter, memory));
	ASSERT_EQ(0, pthread_create(&bochs->churner, NULL, churner, bochs));
	ASSERT_EQ(0, pthread_create(&memory->churner, NULL, churner, memory));
	ASSERT_EQ(0, pthread_create(&bochs->writer, NULL, writer, bochs));
	ASSERT_EQ(0, pthread_create(&memory->writer, NULL, writer, memory));
	ASSERT_EQ(0, pthread_create(&storm.binder, NULL, binder, NULL));
	ASSERT_EQ(0, pthread_create(&storm.flr, NULL, flr, NULL));

	rage();
	first_half(_metadata, bochs);
	first_half(_metadata, memory);
	flag_set(&storm.tally.toggle);
	rage();

	everybody_stop();
	for (i = 0; i < 4; i++) {
		EXPECT_TRUE(toucher_moves(&bochs->t[i]));
		EXPECT_TRUE(toucher_moves(&memory->t[i]));
	}
	EXPECT_TRUE(toucher_moves(&storm.regs_t));
	stage_stop(&storm.s);
	/* Nothing turns this one's memory off. */
	EXPECT_EQ(0, storm.regs_t.bus);
	EXPECT_EQ(0, storm.regs_t.wrong);
	EXPECT_LT(0, info_of(&storm.gpu, -1).out_waits);
	tally_check(_metadata, &storm.tally);
	second_half(_metadata, bochs);
	second_half(_metadata, memory);
}

TEST_HARNESS_MAIN
