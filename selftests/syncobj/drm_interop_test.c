// SPDX-License-Identifier: GPL-2.0-only
/*
 * The syncobjs here and those of a DRM driver are the same objects, in both
 * directions; with virtio-gpu, and with a driver that every kernel has.
 */
#include <fcntl.h>
#include <sched.h>
#include <xf86drm.h>

#include "env_util.h"
#include "drm_util.h"

FIXTURE(interop) {
	struct env env;
	int drm;
	int so;		/* made here */
	uint32_t handle;	/* the same for DRM */
};

FIXTURE_VARIANT(interop) {
	const char *driver;
};

FIXTURE_VARIANT_ADD(interop, test_driver) {
	.driver = "bufsync_test",
};

FIXTURE_VARIANT_ADD(interop, virtio_gpu) {
	.driver = "virtio_gpu",
};

FIXTURE_SETUP(interop)
{
	env_setup(_metadata, &self->env);
	self->drm = drm_open(variant->driver);
	if (self->drm == -EOPNOTSUPP || self->drm == -ENODEV)
		SKIP(return, "%s has no timeline syncobjs", variant->driver);
	ASSERT_GE(self->drm, 0);
	self->so = so_create(self->env.dev, 0);
	ASSERT_GE(self->so, 0);
	ASSERT_EQ(0, drmSyncobjFDToHandle(self->drm, self->so, &self->handle));
}

FIXTURE_TEARDOWN(interop)
{
	env_teardown(_metadata, &self->env);
}

static int drm_signal(FIXTURE_DATA(interop) *self, uint64_t point)
{
	return drm_ret(drmSyncobjTimelineSignal(self->drm, &self->handle,
						&point, 1));
}

TEST_F(interop, our_fd_in_drm)
{
	uint64_t point = 0;

	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 17));
	ASSERT_EQ(0, drmSyncobjQuery(self->drm, &self->handle, &point, 1));
	EXPECT_EQ(17, point);
	ASSERT_EQ(0, drm_signal(self, 18));
	EXPECT_EQ(18, so_query1(self->env.dev, self->so));
	/* and the handle keeps it when the fd is gone */
	close(self->so);
	ASSERT_EQ(0, drmSyncobjQuery(self->drm, &self->handle, &point, 1));
	EXPECT_EQ(18, point);
}

TEST_F(interop, drm_fd_here)
{
	uint32_t handle;
	uint64_t point;
	int fd;

	ASSERT_EQ(0, drmSyncobjCreate(self->drm, DRM_SYNCOBJ_CREATE_SIGNALED,
				      &handle));
	ASSERT_EQ(0, drmSyncobjHandleToFD(self->drm, handle, &fd));
	EXPECT_EQ(0, so_wait1(self->env.dev, fd, 0, 0, 0));
	ASSERT_EQ(0, so_reset1(self->env.dev, fd));
	EXPECT_EQ(-EINVAL, drm_ret(drmSyncobjWait(self->drm, &handle, 1, 0, 0,
						  NULL)));
	ASSERT_EQ(0, so_signal1(self->env.dev, fd, 3));
	ASSERT_EQ(0, drmSyncobjQuery(self->drm, &handle, &point, 1));
	EXPECT_EQ(3, point);
	/* every call here takes it */
	EXPECT_EQ(SYNCOBJ_STATUS_SIGNALED, so_status1(self->env.dev, fd, 3));
	EXPECT_EQ(0, so_transfer(self->env.dev, fd, 3, self->so, 5, 0));
	EXPECT_EQ(0, so_transfer(self->env.dev, self->so, 5, fd, 4, 0));
	EXPECT_EQ(4, so_last1(self->env.dev, fd));
	/* and it stays when DRM's side is gone */
	ASSERT_EQ(0, drmSyncobjDestroy(self->drm, handle));
	close(self->drm);
	EXPECT_EQ(4, so_query1(self->env.dev, fd));
}

/* A handle to an fd to a handle to an fd: one object all the time */
TEST_F(interop, round_trip)
{
	uint32_t handle;
	int fd;

	ASSERT_EQ(0, drmSyncobjHandleToFD(self->drm, self->handle, &fd));
	EXPECT_NE(self->so, fd);
	ASSERT_EQ(0, drmSyncobjFDToHandle(self->drm, fd, &handle));
	ASSERT_EQ(0, so_signal1(self->env.dev, fd, 8));
	EXPECT_EQ(8, so_query1(self->env.dev, self->so));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
}

/* DRM's handle is no fd and its fd no syncobj here. */
TEST_F(interop, drm_device_is_no_syncobj)
{
	EXPECT_EQ(-EBADF, so_wait1(self->env.dev, self->drm, 0, 0, 0));
	EXPECT_NE(0, drmSyncobjFDToHandle(self->drm, self->env.dev,
					  &self->handle));
}

TEST_F(interop, drm_signal_wakes_our_wait)
{
	uint64_t points[2] = { 4, 1 };
	int fds[2] = { self->so, so_create(self->env.dev, 0) };
	struct waiter w = {
		.dev = self->env.dev,
		.fds = fds,
		.points = points,
		.count = 2,
		.flags = SO_SUBMIT,
		.timeout = INT64_MAX,
	};

	ASSERT_EQ(0, waiter_start(&w));
	ASSERT_EQ(0, drm_signal(self, 3));
	EXPECT_TRUE(waiter_sleeps(&w));
	ASSERT_EQ(0, drm_signal(self, 4));
	EXPECT_EQ(0, waiter_join(&w));
	EXPECT_EQ(0, w.first);
}

TEST_F(interop, drm_signal_fires_our_eventfd)
{
	int efd = efd_new();

	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, efd, 4, 0));
	ASSERT_EQ(0, drm_signal(self, 3));
	EXPECT_EQ(0, efd_quiet(efd));
	ASSERT_EQ(0, drm_signal(self, 4));
	EXPECT_EQ(1, efd_wait(efd));
	ASSERT_EQ(0, drmSyncobjReset(self->drm, &self->handle, 1));
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, efd, 0, SO_AVAIL));
	EXPECT_EQ(0, efd_quiet(efd));
	ASSERT_EQ(0, drmSyncobjSignal(self->drm, &self->handle, 1));
	EXPECT_EQ(1, efd_wait(efd));
}

/*
 * DRM adds the point, and before the thread that it wakes has run a caller of ours
 * adds another one, or takes all away. The watch is served first.
 */
TEST_F(interop, before_the_notifier_runs)
{
	int efd = efd_new(), far = efd_new();
	pid_t task = task_named(NOTIFIER);
	cpu_set_t all, zero;

	ASSERT_LT(0, task);
	ASSERT_EQ(0, sched_getaffinity(task, sizeof(all), &all));
	CPU_ZERO(&zero);
	CPU_SET(0, &zero);
	ASSERT_EQ(0, sched_setaffinity(task, sizeof(zero), &zero));
	/* It has no turn until this thread sleeps. */
	ASSERT_EQ(0, pin_cpu0(true));
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, efd, 4, 0));
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, far, 6, 0));
	ASSERT_EQ(0, drm_signal(self, 4));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 5));
	ASSERT_EQ(0, pin_cpu0(false));
	EXPECT_EQ(1, efd_wait(efd));
	EXPECT_EQ(0, efd_quiet(far));

	/* Those of 6 and 7, and after them there is nothing to watch. */
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, efd, 7, 0));
	ASSERT_EQ(0, pin_cpu0(true));
	ASSERT_EQ(0, drm_signal(self, 7));
	ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
	ASSERT_EQ(0, pin_cpu0(false));
	EXPECT_EQ(1, efd_wait(efd));
	EXPECT_EQ(1, efd_wait(far));
	EXPECT_EQ(0, sched_setaffinity(task, sizeof(all), &all));
}

#define SPEED_OBJECTS	48
#define SPEED_ROUNDS	25

/*
 * Registers and cancels on the points that DRM is about to submit; for every
 * other syncobj only, as it thereby does the notifier's work for their sets.
 */
struct canceller {
	int dev;
	int efd;
	int so[SPEED_OBJECTS];
	uint64_t point;		/* the next that DRM submits */
	bool stop;
	uint64_t made;
	uint64_t cancelled;
	int ret;
};

static void *canceller_thread(void *arg)
{
	struct canceller *c = arg;
	int i = 0, ret = 0;
	uint64_t point;
	uint32_t n;

	for (; !__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE) && !ret; i++) {
		int so = c->so[2 * i % SPEED_OBJECTS];

		point = __atomic_load_n(&c->point, __ATOMIC_ACQUIRE);
		ret = so_eventfd(c->dev, so, c->efd, point, 0);
		if (ret)
			break;
		c->made++;
		ret = so_cancel(c->dev, so, c->efd, point, 0, &n);
		if (!ret)
			c->cancelled += n;
		if (ret == -ENOENT)
			ret = 0;
	}
	c->ret = ret;
	return NULL;
}

/*
 * DRM submits points of many syncobjs at once, of which only the notifier
 * hears: no event is lost and none comes twice, while others register, cancel
 * and so make and end sets under its hands.
 */
TEST_F(interop, drm_submits_at_speed)
{
	struct syncobj_eventfd_args entries[SPEED_OBJECTS] = {};
	struct canceller c = { .dev = self->env.dev, .efd = efd_new() };
	uint64_t points[SPEED_OBJECTS], sum = 0, got;
	uint32_t handles[SPEED_OBJECTS];
	pthread_t thread;
	int i, round;

	for (i = 0; i < SPEED_OBJECTS; i++) {
		c.so[i] = so_create(self->env.dev, 0);
		ASSERT_EQ(0, drmSyncobjFDToHandle(self->drm, c.so[i],
						  &handles[i]));
		entries[i].syncobj_fd = c.so[i];
		entries[i].eventfd = efd_new();
	}
	c.point = 1;
	ASSERT_EQ(0, pthread_create(&thread, NULL, canceller_thread, &c));
	for (round = 1; round <= SPEED_ROUNDS; round++) {
		for (i = 0; i < SPEED_OBJECTS; i++)
			points[i] = round;
		for (i = 0; i < SPEED_OBJECTS; i++)
			entries[i].point = round;
		ASSERT_EQ(0, so_batch(self->env.dev, entries, SPEED_OBJECTS,
				      NULL));
		ASSERT_EQ(0, drmSyncobjTimelineSignal(self->drm, handles,
						      points, SPEED_OBJECTS));
		__atomic_store_n(&c.point, round + 1, __ATOMIC_RELEASE);
		for (i = 0; i < SPEED_OBJECTS; i++) {
			ASSERT_EQ(1, efd_wait(entries[i].eventfd)) {
				TH_LOG("round %d, syncobj %d", round, i);
			}
		}
	}
	__atomic_store_n(&c.stop, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, c.ret);
	sleep_ms(30);
	for (i = 0; i < SPEED_OBJECTS; i++)
		EXPECT_EQ(0, efd_take(entries[i].eventfd));

	TH_LOG("%llu registered beside, %llu cancelled",
	       (unsigned long long)c.made, (unsigned long long)c.cancelled);
	EXPECT_GT(c.cancelled, 0);
	while (sum < c.made - c.cancelled && (got = efd_wait(c.efd)))
		sum += got;
	EXPECT_EQ(c.made - c.cancelled, sum + efd_take(c.efd));
}

struct drm_waiter {
	int drm;
	uint32_t handle;
	uint64_t point;
	int ret;
	int tid;
};

static void *drm_wait_thread(void *arg)
{
	struct drm_waiter *w = arg;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	w->ret = drm_ret(drmSyncobjTimelineWait(w->drm, &w->handle, &w->point,
						1, in_ms(10000),
						SO_ALL | SO_SUBMIT, NULL));
	return NULL;
}

TEST_F(interop, our_signal_wakes_drm_wait)
{
	struct drm_waiter w = {
		.drm = self->drm,
		.handle = self->handle,
		.point = 6,
		.ret = 1,
	};
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, drm_wait_thread, &w));
	while (!__atomic_load_n(&w.tid, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	ASSERT_TRUE(task_asleep(w.tid));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 5));
	sleep_ms(10);
	ASSERT_TRUE(task_asleep(w.tid));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 6));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, w.ret);
}

/* Ours and DRM's eventfds of the same point, where DRM has them */
TEST_F(interop, our_signal_fires_drm_eventfd)
{
	int ours = efd_new(), theirs = efd_new();
	int ret;

	ret = drm_ret(drmSyncobjEventfd(self->drm, self->handle, 2, theirs, 0));
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, ours, 2, 0));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(0, efd_take(theirs));
	EXPECT_EQ(0, efd_quiet(ours));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 2));
	EXPECT_EQ(1, efd_wait(ours));
	/* before 6.6 DRM does not have the call */
	if (kernel_at_least(6, 6)) {
		EXPECT_EQ(0, ret);
		EXPECT_EQ(1, efd_wait(theirs));
	}
}

/* Real fences put in by one side, waited for by the other */
TEST_F(interop, fences_cross)
{
	uint64_t point = 2;
	uint32_t id, tmp;
	int fd;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 2, 0, &id));
	EXPECT_EQ(-ETIME, drm_ret(drmSyncobjTimelineWait(self->drm,
							 &self->handle, &point,
							 1, 0, 0, NULL)));
	ASSERT_EQ(0, tf_signal(self->env.tf, id));
	EXPECT_EQ(0, drmSyncobjTimelineWait(self->drm, &self->handle, &point, 1,
					    0, 0, NULL));

	fd = tf_create(self->env.tf, 0, &id);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, drmSyncobjCreate(self->drm, 0, &tmp));
	ASSERT_EQ(0, drmSyncobjImportSyncFile(self->drm, tmp, fd));
	ASSERT_EQ(0, drmSyncobjTransfer(self->drm, self->handle, 3, tmp, 0, 0));
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->so, 3, 0, 0));
	ASSERT_EQ(0, tf_signal(self->env.tf, id));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 3, 0, 0));
}

/* A wait here on syncobjs that both sides made, and all of a batch */
TEST_F(interop, mixed_arrays)
{
	uint32_t handle[6];
	uint64_t points[12];
	int fds[12], i;

	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, drmSyncobjCreate(self->drm, 0, &handle[i]));
		ASSERT_EQ(0, drmSyncobjHandleToFD(self->drm, handle[i],
						  &fds[i]));
		fds[6 + i] = so_create(self->env.dev, 0);
	}
	for (i = 0; i < 12; i++)
		points[i] = 1 + i;
	ASSERT_EQ(0, drmSyncobjTimelineSignal(self->drm, handle, points, 6));
	EXPECT_EQ(-ETIME, so_wait(self->env.dev, fds, points, 12, 0,
				  SO_ALL | SO_SUBMIT, NULL));
	ASSERT_EQ(0, so_signal(self->env.dev, fds + 6, points + 6, 6));
	EXPECT_EQ(0, so_wait(self->env.dev, fds, points, 12, 0, SO_ALL, NULL));
	memset(points, 0, sizeof(points));
	ASSERT_EQ(0, so_query(self->env.dev, fds, points, 12, 0));
	for (i = 0; i < 12; i++)
		EXPECT_EQ(1 + i, points[i]);
}

TEST_HARNESS_MAIN
