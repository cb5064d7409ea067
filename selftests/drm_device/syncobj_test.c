// SPDX-License-Identifier: GPL-2.0-only
/*
 * Syncobjs of /dev/syncobj are those of any DRM device that has some: signals, points,
 * waits, events and fences cross, whoever made the syncobj. A device that has none
 * must say so.
 */
#include <errno.h>
#include <xf86drm.h>

#include "device_env.h"
#include "drm_util.h"
#include "env_util.h"

FIXTURE(device) {
	struct env env;
	int drm;
	int so;			/* made here ... */
	uint32_t handle;	/* ... and the same for DRM */
	int their_so;		/* made there, the same way round */
	uint32_t their_handle;
};

DEVICE_VARIANTS

FIXTURE_SETUP(device)
{
	if (!variant->device.name[0])
		SKIP(return, "no DRM device of hardware in this machine");
	env_setup(_metadata, &self->env);
	self->drm = device_open(&variant->device);
	ASSERT_GE(self->drm, 0) TH_LOG("%s: %s", variant->device.name,
				       strerror(-self->drm));
	self->so = so_create(self->env.dev, 0);
	ASSERT_GE(self->so, 0);
}

FIXTURE_TEARDOWN(device)
{
	env_teardown(_metadata, &self->env);
}

static bool has(FIXTURE_DATA(device) *self, uint64_t cap)
{
	uint64_t value = 0;

	return !drmGetCap(self->drm, cap, &value) && value;
}

/* Makes the syncobjs; false if the device has none, which it must have said. */
static bool syncobjs(struct __test_metadata *_metadata,
		     FIXTURE_DATA(device) *self)
{
	int ret = drm_ret(drmSyncobjCreate(self->drm, 0, &self->their_handle));
	int want = has(self, DRM_CAP_SYNCOBJ) ? 0 : -EOPNOTSUPP;

	ASSERT_EQ(want, ret);
	ASSERT_EQ(want, drm_ret(drmSyncobjFDToHandle(self->drm, self->so,
						     &self->handle)));
	if (want)
		return false;
	ASSERT_EQ(0, drmSyncobjHandleToFD(self->drm, self->their_handle,
					  &self->their_so));
	return true;
}

static int drm_signal(FIXTURE_DATA(device) *self, uint32_t handle,
		      uint64_t point)
{
	return drm_ret(drmSyncobjTimelineSignal(self->drm, &handle, &point, 1));
}

static uint64_t drm_query(FIXTURE_DATA(device) *self, uint32_t handle)
{
	uint64_t point = UINT64_MAX;

	drmSyncobjQuery(self->drm, &handle, &point, 1);
	return point;
}

/* The same for timelines */
static bool timelines(struct __test_metadata *_metadata,
		      FIXTURE_DATA(device) *self)
{
	if (!syncobjs(_metadata, self)) {
		ASSERT_EQ(-EOPNOTSUPP, drm_signal(self, 1, 1));
		return false;
	}
	if (has(self, DRM_CAP_SYNCOBJ_TIMELINE))
		return true;
	ASSERT_EQ(-EOPNOTSUPP, drm_signal(self, self->handle, 1));
	return false;
}

static int drm_poll(FIXTURE_DATA(device) *self, uint32_t handle)
{
	return drm_ret(drmSyncobjWait(self->drm, &handle, 1, 0, SO_SUBMIT,
				      NULL));
}

static void signals(struct __test_metadata *_metadata,
		    FIXTURE_DATA(device) *self, int so, uint32_t handle)
{
	int dev = self->env.dev;

	EXPECT_EQ(-ETIME, drm_poll(self, handle));
	ASSERT_EQ(0, so_signal1(dev, so, 0));
	EXPECT_EQ(0, drm_poll(self, handle));
	ASSERT_EQ(0, drmSyncobjReset(self->drm, &handle, 1));
	EXPECT_EQ(-ETIME, so_wait1(dev, so, 0, 0, SO_SUBMIT));
	ASSERT_EQ(0, drmSyncobjSignal(self->drm, &handle, 1));
	EXPECT_EQ(0, so_wait1(dev, so, 0, 0, SO_SUBMIT));
	ASSERT_EQ(0, so_reset1(dev, so));
	EXPECT_EQ(-ETIME, drm_poll(self, handle));
}

TEST_F(device, signals)
{
	if (!syncobjs(_metadata, self))
		SKIP(return, "the device has no syncobjs");
	signals(_metadata, self, self->so, self->handle);
	signals(_metadata, self, self->their_so, self->their_handle);
	/* Neither has been taken for the other. */
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 0));
	EXPECT_EQ(-ETIME, drm_poll(self, self->their_handle));
	/* What one side has lasts when the other's is gone. */
	ASSERT_EQ(0, drmSyncobjSignal(self->drm, &self->their_handle, 1));
	ASSERT_EQ(0, drmSyncobjDestroy(self->drm, self->their_handle));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->their_so, 0, 0, 0));
	close(self->so);
	EXPECT_EQ(0, drm_poll(self, self->handle));
}

static void points(struct __test_metadata *_metadata,
		   FIXTURE_DATA(device) *self, int so, uint32_t handle)
{
	ASSERT_EQ(0, so_signal1(self->env.dev, so, 17));
	EXPECT_EQ(17, drm_query(self, handle));
	ASSERT_EQ(0, drm_signal(self, handle, 18));
	EXPECT_EQ(18, so_query1(self->env.dev, so));
}

TEST_F(device, points)
{
	if (!timelines(_metadata, self))
		SKIP(return, "the device has no timelines");
	points(_metadata, self, self->so, self->handle);
	points(_metadata, self, self->their_so, self->their_handle);
}

struct drm_waiter {
	int drm;
	uint32_t handle;
	int ret;
	int tid;
};

static void *drm_wait(void *arg)
{
	struct drm_waiter *w = arg;
	uint64_t point = 6;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	w->ret = drm_ret(drmSyncobjTimelineWait(w->drm, &w->handle, &point, 1,
						in_ms(10000),
						SO_ALL | SO_SUBMIT, NULL));
	return NULL;
}

TEST_F(device, waits)
{
	struct drm_waiter theirs = { .drm = self->drm, .ret = 1 };
	uint64_t point = 4;
	struct waiter ours = {
		.dev = self->env.dev, .fds = &self->so, .points = &point,
		.count = 1, .flags = SO_SUBMIT, .timeout = INT64_MAX,
	};
	pthread_t thread;

	if (!timelines(_metadata, self))
		SKIP(return, "the device has no timelines");
	ASSERT_EQ(0, waiter_start(&ours));
	ASSERT_EQ(0, drm_signal(self, self->handle, 3));
	EXPECT_TRUE(waiter_sleeps(&ours));
	ASSERT_EQ(0, drm_signal(self, self->handle, 4));
	EXPECT_EQ(0, waiter_join(&ours));

	theirs.handle = self->handle;
	ASSERT_EQ(0, pthread_create(&thread, NULL, drm_wait, &theirs));
	while (!__atomic_load_n(&theirs.tid, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	ASSERT_TRUE(task_asleep(theirs.tid));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 5));
	sleep_ms(10);
	EXPECT_TRUE(task_asleep(theirs.tid));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 6));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, theirs.ret);
}

TEST_F(device, events)
{
	int ours = efd_new(), theirs = efd_new(), ret;

	if (!timelines(_metadata, self))
		SKIP(return, "the device has no timelines");
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, ours, 4, 0));
	ASSERT_EQ(0, drm_signal(self, self->handle, 3));
	EXPECT_EQ(0, efd_quiet(ours));
	ASSERT_EQ(0, drm_signal(self, self->handle, 4));
	EXPECT_EQ(1, efd_wait(ours));

	ret = drm_ret(drmSyncobjEventfd(self->drm, self->handle, 6, theirs, 0));
	if (!kernel_at_least(6, 6)) {
		EXPECT_EQ(-EINVAL, ret);
		return;
	}
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 5));
	EXPECT_EQ(0, efd_quiet(theirs));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 6));
	EXPECT_EQ(1, efd_wait(theirs));
}

/* A pending fence, in on one side and out on the other */
static void fence(struct __test_metadata *_metadata,
		  FIXTURE_DATA(device) *self, int so, uint32_t handle,
		  bool ours_first)
{
	int in, out = -1, dev = self->env.dev;
	uint32_t id;

	in = tf_create(self->env.tf, 0, &id);
	ASSERT_GE(in, 0);
	if (ours_first) {
		ASSERT_EQ(0, so_import(dev, so, in, 0));
		ASSERT_EQ(0, drmSyncobjExportSyncFile(self->drm, handle, &out));
	} else {
		ASSERT_EQ(0, drmSyncobjImportSyncFile(self->drm, handle, in));
		out = so_export(dev, so, 0);
	}
	ASSERT_GE(out, 0);
	EXPECT_EQ(0, sync_file_status(out));
	EXPECT_EQ(-ETIME, so_wait1(dev, so, 0, 0, 0));
	EXPECT_EQ(-ETIME, drm_poll(self, handle));
	ASSERT_EQ(0, tf_signal(self->env.tf, id));
	EXPECT_EQ(1, sync_file_status(out));
	EXPECT_EQ(0, so_wait1(dev, so, 0, 0, 0));
	EXPECT_EQ(0, drm_poll(self, handle));
	close(in);
	close(out);
}

TEST_F(device, sync_files)
{
	if (!syncobjs(_metadata, self))
		SKIP(return, "the device has no syncobjs");
	fence(_metadata, self, self->so, self->handle, true);
	fence(_metadata, self, self->so, self->handle, false);
	fence(_metadata, self, self->their_so, self->their_handle, true);
	fence(_metadata, self, self->their_so, self->their_handle, false);
}

TEST_HARNESS_MAIN
