// SPDX-License-Identifier: GPL-2.0-only
/*
 * bar_mmap=dmabuf, a short storm: mappings of two device fds are touched all the
 * time, made, inherited by children and dropped, while the devices are reset in
 * four ways. In the second half memory goes off and on as well. No access of the
 * first half may fail; none, in either, may see what is not there.
 * BUFSYNC_STRESS_SECONDS as for storm_test; this one takes a third of it.
 */
#include "bar_env.h"
#include "storm_env.h"

#define SEED	0x01000000U
#define PAGES	1024U
#define ODD	64U

enum op { HOT, BY_SIBLING, RESET, SYSFS, MEMORY, MAP, FORK, OPS };

/* One of the two devices */
struct target {
	const struct vfio_dev *dev;
	int bar;
	uint32_t *a, *odd;
	struct toucher t[3];
	pthread_t resetter, mapper;
};

static struct {
	struct stage s;
	struct vfio_dev memory;
	struct target bochs_target, memory_target;
	struct tally tally;
} storm = {
	.tally = {
		.count = OPS,
		.resets = SYSFS + 1,
		.memory = MEMORY,
		.names = {
			[HOT] = "hot reset",
			[BY_SIBLING] = "hot reset by the sibling",
			[RESET] = "VFIO_DEVICE_RESET",
			[SYSFS] = "reset by sysfs",
			[MEMORY] = "memory off and on",
			[MAP] = "mapping made and dropped",
			[FORK] = "mapping inherited",
		},
		.least = {
			[HOT] = 3, [BY_SIBLING] = 3, [RESET] = 3, [SYSFS] = 3,
			[MEMORY] = 10, [MAP] = 10, [FORK] = 2,
		},
	},
};

#define COUNT(op, ret)	tally_count(&storm.tally, op, ret, __LINE__)

static bool stopped(void)
{
	return tally_stopped(&storm.tally);
}

static bool toggles(void)
{
	return flag_get(&storm.tally.toggle);
}

static void toggle(const struct target *t)
{
	if (!toggles())
		return;
	COUNT(MEMORY, vfio_memory_enable(t->dev, false) ?:
		      vfio_memory_enable(t->dev, true));
}

static void *resetter(void *arg)
{
	struct target *t = arg;
	bool pair = t == &storm.bochs_target;
	int i;

	for (i = 0; !stopped(); i++) {
		if (pair && i % 2)
			COUNT(BY_SIBLING, vfio_hot_reset(&storm.s.second));
		else if (pair || i % 3 == 0)
			COUNT(HOT, vfio_hot_reset(t->dev));
		else if (i % 3 == 1)
			COUNT(RESET, vfio_reset(t->dev));
		else
			COUNT(SYSFS, vfio_sysfs_poke(t->dev->bdf, "reset"));
		toggle(t);
		sleep_ms(i % 7 * 5);
	}
	return NULL;
}

/* How the mapping looks to who has nothing else of the device */
enum { ALL_THERE, SOME_SIGBUS, STALE };

static int look(uint32_t *p, size_t first, size_t pages)
{
	int ret = ALL_THERE;
	uint32_t value;
	size_t i;

	for (i = 0; i < pages; i++) {
		if (!try_read32(page_of(p, i), &value))
			ret = SOME_SIGBUS;
		else if (value != SEED + first + i)
			return STALE;
	}
	return ret;
}

/* From before it began until after it has ended no memory was turned off. */
static int judge(int seen, bool toggled)
{
	if (seen == SOME_SIGBUS && (toggled || toggles()))
		return 0;
	return seen == ALL_THERE ? 0 : seen == SOME_SIGBUS ? -EFAULT : -ESTALE;
}

static void map_once(struct target *t, unsigned int *seed)
{
	size_t pages = 1 + rand_r(seed) % 600;
	size_t first = rand_r(seed) % (PAGES - 600);
	bool toggled = toggles();
	bool fork_too = rand_r(seed) % 4 == 0;
	pid_t pid = -1;
	uint32_t *p;

	p = bar_map_aligned(t->dev, t->bar, first * PAGE, pages * PAGE,
			    rand_r(seed) % 2 ? HUGE : PAGE);
	if (p == MAP_FAILED) {
		COUNT(MAP, -errno);
		return;
	}
	if (fork_too) {
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(look(p, first, pages));
		}
	}
	COUNT(MAP, judge(look(p, first, pages), toggled));
	munmap(p, pages * PAGE);
	if (fork_too)
		COUNT(FORK, pid < 0 ? -ENOMEM :
			    judge(reap_in(pid, 180000), toggled));
}

static void *mapper(void *arg)
{
	struct target *t = arg;
	unsigned int seed = t->bar + 1;

	while (!stopped())
		map_once(t, &seed);
	return NULL;
}

static void target_setup(struct __test_metadata *_metadata, struct target *t,
			 const struct vfio_dev *dev, int bar)
{
	t->dev = dev;
	t->bar = bar;
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	t->a = bar_map_aligned(dev, bar, 0, PAGES * PAGE, HUGE);
	t->odd = bar_map_aligned(dev, bar, 500 * PAGE, ODD * PAGE, PAGE);
	ASSERT_NE(MAP_FAILED, t->a);
	ASSERT_NE(MAP_FAILED, t->odd);
	ASSERT_TRUE(fill(t->a, PAGES, SEED));
	ASSERT_EQ(0, stage_touch(&storm.s, &t->t[0], t->a, PAGES, SEED));
	ASSERT_EQ(0, stage_touch(&storm.s, &t->t[1], t->a, PAGES, SEED));
	ASSERT_EQ(0, stage_touch(&storm.s, &t->t[2], t->odd, ODD, SEED + 500));
	ASSERT_EQ(0, pthread_create(&t->resetter, NULL, resetter, t));
	ASSERT_EQ(0, pthread_create(&t->mapper, NULL, mapper, t));
}

static void target_stop(struct target *t)
{
	if (t->resetter)
		pthread_join(t->resetter, NULL);
	if (t->mapper)
		pthread_join(t->mapper, NULL);
	t->resetter = 0;
	t->mapper = 0;
}

static void everybody_stop(void)
{
	flag_set(&storm.tally.stop);
	target_stop(&storm.bochs_target);
	target_stop(&storm.memory_target);
}

/* A sixth of the time, or longer: until there is enough of everything */
static void rage(void)
{
	tally_wait(&storm.tally, stress_seconds() * 1000 / 6, 240000);
}

FIXTURE(bar_storm) {
	int unused;
};

FIXTURE_SETUP(bar_storm)
{
	ASSERT_EQ(0, bar_mmap_load());
	vfio_env_setup(_metadata, &storm.s.env, VFIO_BOCHS, VFIO_OURS);
	ASSERT_EQ(0, sibling_open(&storm.s, VFIO_STOCK));
	ASSERT_EQ(0, vfio_start(&storm.memory, VFIO_MEMORY, VFIO_OURS));
}

FIXTURE_TEARDOWN(bar_storm)
{
	everybody_stop();
	stage_stop(&storm.s);
	unmap_named(UNMAP_SLICES);
	if (storm.memory.bdf[0])
		vfio_stop(&storm.memory);
	stage_teardown(_metadata, &storm.s);
}

static void check(struct __test_metadata *_metadata, struct target *t,
		  bool may_fail)
{
	int i;

	for (i = 0; i < 3; i++) {
		TH_LOG("BAR %d, mapping %d: %lu, %lu SIGBUS, %lu wrong", t->bar,
		       i, count_get(&t->t[i].good), count_get(&t->t[i].bus),
		       count_get(&t->t[i].wrong));
		EXPECT_LT(0, count_get(&t->t[i].good));
		EXPECT_EQ(0, count_get(&t->t[i].wrong));
		EXPECT_EQ(may_fail, count_get(&t->t[i].bus) > 0);
	}
}

TEST_F_TIMEOUT(bar_storm, short, 600)
{
	struct target *bochs = &storm.bochs_target, *memory = &storm.memory_target;
	int i;

	target_setup(_metadata, bochs, &storm.s.env.dev, 0);
	target_setup(_metadata, memory, &storm.memory, 2);
	rage();
	check(_metadata, bochs, false);
	check(_metadata, memory, false);
	flag_set(&storm.tally.toggle);
	rage();
	everybody_stop();
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(toucher_moves(&bochs->t[i]));
		EXPECT_TRUE(toucher_moves(&memory->t[i]));
	}
	stage_stop(&storm.s);
	tally_check(_metadata, &storm.tally);
	check(_metadata, bochs, true);
	check(_metadata, memory, true);
	EXPECT_EQ(0, differ(bochs->a, PAGES, SEED));
	EXPECT_EQ(0, differ(bochs->odd, ODD, SEED + 500));
	EXPECT_EQ(0, differ(memory->a, PAGES, SEED));
	EXPECT_EQ(0, differ(memory->odd, ODD, SEED + 500));
	EXPECT_LT(0, info_of(memory->dev, -1).out_waits);
	/* They are nobody's slices. */
	EXPECT_EQ(0, info_of(memory->dev, -1).out_slices);
}

TEST_HARNESS_MAIN
