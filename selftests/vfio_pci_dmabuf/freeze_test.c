// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine suspends while slices are touched and their device is reset: those who
 * wait for the end of a reset do not hold it up, and see what was there before.
 */
#include <pthread.h>

#include "vfio_env.h"

#include "freeze_util.h"
#include "slice_util.h"
#include "syncobj_util.h"

#define BAR	4

FIXTURE(freeze) {
	struct vfio_env env;
	int fd;
	char *p;
};

FIXTURE_SETUP(freeze)
{
	if (!freeze_possible())
		SKIP(return, "this kernel does not test suspending");
	vfio_env_setup(_metadata, &self->env, VFIO_GPU, VFIO_OURS);
	self->fd = vfio_export(&self->env.dev, BAR, 0, PAGE, O_RDWR);
	self->p = slice_map(self->fd, PAGE, RW);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_TRUE(alive(self->p));
}

FIXTURE_TEARDOWN(freeze)
{
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

struct loop {
	FIXTURE_DATA(freeze) *self;
	pthread_t thread;
	bool stop;
	unsigned long times;
	int failed;
};

static void *reset_loop(void *arg)
{
	struct loop *l = arg;

	while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
		l->failed += vfio_reset(&l->self->env.dev) != 0;
		__atomic_add_fetch(&l->times, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void *touch_loop(void *arg)
{
	struct loop *l = arg;

	while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
		l->failed += !alive(l->self->p);
		__atomic_add_fetch(&l->times, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static bool goes_on(struct loop *l)
{
	unsigned long was = __atomic_load_n(&l->times, __ATOMIC_ACQUIRE);
	int64_t end = in_ms(30000);

	while (__atomic_load_n(&l->times, __ATOMIC_ACQUIRE) < was + 3 &&
	       now_ns() < end)
		sleep_ms(1);
	return __atomic_load_n(&l->times, __ATOMIC_ACQUIRE) >= was + 3;
}

TEST_F_TIMEOUT(freeze, touched_and_reset, 400)
{
	struct loop loops[3] = {};
	int i, round;

	for (i = 0; i < 3; i++) {
		loops[i].self = self;
		ASSERT_EQ(0, pthread_create(&loops[i].thread, NULL,
					    i ? touch_loop : reset_loop,
					    &loops[i]));
	}
	for (round = 0; round < 4; round++) {
		for (i = 0; i < 3; i++)
			ASSERT_TRUE(goes_on(&loops[i])) TH_LOG("%d", i);
		ASSERT_EQ(0, freeze_all()) TH_LOG("round %d", round);
	}
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(goes_on(&loops[i])) TH_LOG("%d", i);
		__atomic_store_n(&loops[i].stop, true, __ATOMIC_RELEASE);
	}
	for (i = 0; i < 3; i++) {
		pthread_join(loops[i].thread, NULL);
		EXPECT_EQ(0, loops[i].failed) TH_LOG("%d", i);
	}
	EXPECT_TRUE(alive(self->p));
}

TEST_HARNESS_MAIN
