// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that are killed: in the middle of each thing that can be done with
 * a slice, or with a mapping of the device fd that behaves as one. Nothing stays
 * behind, and the device can be used by the next one.
 */
#include <pthread.h>
#include <sched.h>

#include "vfio_env.h"

#include "bar_env.h"
#include "slice_util.h"
#include "syncobj_util.h"

/* What a process is doing when it is killed, for ever; it has the device. */
struct victim {
	struct vfio_dev dev;
	int fd;
	char *p;
	int bar;
	int *steps;	/* shared */
};

static void step(struct victim *v)
{
	__atomic_add_fetch(v->steps, 1, __ATOMIC_RELEASE);
}

static void touching(struct victim *v)
{
	for (;; step(v))
		get32(v->p);
}

static void revoking(struct victim *v)
{
	char *p;
	int fd;

	for (;; step(v)) {
		fd = vfio_export(&v->dev, v->bar, 0, PAGE, O_RDWR);
		p = slice_map(fd, PAGE, RW);
		if (p == MAP_FAILED || !alive(p) ||
		    vfio_revoke(&v->dev, fd) || alive(p))
			_exit(1);
		munmap(p, PAGE);
		close(fd);
	}
}

static void toggling(struct victim *v)
{
	for (;; step(v))
		if (vfio_memory_enable(&v->dev, false) ||
		    vfio_memory_enable(&v->dev, true))
			_exit(1);
}

static void *toucher(void *arg)
{
	struct victim *v = arg;

	for (;;)
		get32(v->p);
	return NULL;
}

static void resetting(struct victim *v)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, toucher, v))
		_exit(1);
	for (;; step(v))
		if (vfio_reset(&v->dev))
			_exit(1);
}

static void pausing(struct victim *v)
{
	step(v);
	step(v);
	for (;;)
		pause();
}

static void only_the_slice(struct victim *v)
{
	drop_device(&v->dev);
	if (alive(v->p))
		_exit(1);
	pausing(v);
}

static void only_the_bar(struct victim *v)
{
	drop_device(&v->dev);
	if (!alive(v->p))
		_exit(1);
	pausing(v);
}

FIXTURE(killed) {
	struct vfio_env env;
	struct vfio_dev *dev;
	int *steps;
};

FIXTURE_VARIANT(killed) {
	enum vfio_role role;
	int bar;
	void (*fn)(struct victim *v);
	bool by_fd;	/* a mapping of the device fd, bar_mmap=dmabuf */
};

FIXTURE_VARIANT_ADD(killed, touching) { VFIO_BOCHS, 0, touching, false };
FIXTURE_VARIANT_ADD(killed, idle) { VFIO_BOCHS, 0, pausing, false };
FIXTURE_VARIANT_ADD(killed, revoking) { VFIO_BOCHS, 0, revoking, false };
FIXTURE_VARIANT_ADD(killed, toggling) { VFIO_BOCHS, 0, toggling, false };
FIXTURE_VARIANT_ADD(killed, resetting) { VFIO_GPU, 4, resetting, false };
FIXTURE_VARIANT_ADD(killed, only_the_slice) {
	VFIO_BOCHS, 0, only_the_slice, false
};

FIXTURE_VARIANT_ADD(killed, touching_bar) { VFIO_BOCHS, 0, touching, true };
FIXTURE_VARIANT_ADD(killed, idle_bar) { VFIO_BOCHS, 0, pausing, true };
FIXTURE_VARIANT_ADD(killed, toggling_bar) { VFIO_BOCHS, 0, toggling, true };
FIXTURE_VARIANT_ADD(killed, resetting_bar) { VFIO_GPU, 4, resetting, true };
/* It holds the device, and is the last that does. */
FIXTURE_VARIANT_ADD(killed, only_the_bar) { VFIO_BOCHS, 0, only_the_bar, true };

static char *map_page(const struct vfio_dev *dev, int bar, int fd, bool by_fd)
{
	return by_fd ? mmap(NULL, PAGE, RW, MAP_SHARED, dev->fd,
			    region_offset(dev, bar)) :
		       slice_map(fd, PAGE, RW);
}

FIXTURE_SETUP(killed)
{
	ASSERT_EQ(0, variant->by_fd ? bar_mmap_load() : 0);
	vfio_env_setup(_metadata, &self->env, variant->role, VFIO_OURS);
	self->dev = &self->env.dev;
	/* Bound, and nobody has it. */
	vfio_close(self->dev);
	self->steps = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->steps);
}

FIXTURE_TEARDOWN(killed)
{
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

static bool steps_reach(const int *steps, int want)
{
	int64_t end = in_ms(30000);

	while (__atomic_load_n(steps, __ATOMIC_ACQUIRE) < want) {
		if (now_ns() > end)
			return false;
		sched_yield();
	}
	return true;
}

/* At eight different times; what was his is nobody's afterwards. */
TEST_F(killed, at_any_time)
{
	struct victim v = { .bar = variant->bar, .steps = self->steps };
	int64_t start;
	int i, status, fd;
	pid_t pid;
	char *p;

	for (i = 0; i < 8; i++) {
		*self->steps = 0;
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (vfio_open(&v.dev, self->dev->bdf, NULL))
				_exit(2);
			v.fd = vfio_export(&v.dev, v.bar, 0, PAGE, O_RDWR);
			v.p = map_page(&v.dev, v.bar, v.fd, variant->by_fd);
			if (v.p == MAP_FAILED || !alive(v.p))
				_exit(3);
			variant->fn(&v);
			_exit(4);
		}
		ASSERT_TRUE(steps_reach(self->steps, 2));
		start = now_ns();
		while (now_ns() < start + i * NSEC_PER_MSEC)
			sched_yield();
		kill(pid, SIGKILL);
		start = now_ns();
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			TH_LOG("status %#x", status);
		EXPECT_LT(now_ns() - start, 10 * NSEC_PER_SEC);
		EXPECT_EQ(0, module_settle(VFIO_OURS, 0)) TH_LOG("%d", i);

		ASSERT_EQ(0, vfio_open(self->dev, self->dev->bdf, NULL));
		EXPECT_EQ(0, INFO_OF(self->dev, -1, out_slices));
		fd = vfio_export(self->dev, variant->bar, 0, PAGE, O_RDWR);
		p = map_page(self->dev, variant->bar, fd, variant->by_fd);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_TRUE(alive(p));
		munmap(p, PAGE);
		close(fd);
		vfio_close(self->dev);
	}
}

FIXTURE(waiting) {
	struct vfio_env env;
	int fd;
	char *p;
};

FIXTURE_VARIANT(waiting) {
	bool by_fd;
};

FIXTURE_VARIANT_ADD(waiting, slice) { .by_fd = false };
FIXTURE_VARIANT_ADD(waiting, bar) { .by_fd = true };

FIXTURE_SETUP(waiting)
{
	ASSERT_EQ(0, variant->by_fd ? bar_mmap_load() : 0);
	vfio_env_setup(_metadata, &self->env, VFIO_GPU, VFIO_OURS);
	self->fd = vfio_export(&self->env.dev, 4, 0, PAGE, O_RDWR);
	self->p = map_page(&self->env.dev, 4, self->fd, variant->by_fd);
	ASSERT_NE(MAP_FAILED, self->p);
}

FIXTURE_TEARDOWN(waiting)
{
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

struct resets {
	const struct vfio_dev *dev;
	pthread_t thread;
	bool stop;
	int failed;
};

static void *reset_loop(void *arg)
{
	struct resets *r = arg;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE))
		r->failed += vfio_reset(r->dev) != 0;
	return NULL;
}

/* A client that waits for the end of a reset need not see it. */
TEST_F(waiting, client_is_killed)
{
	struct resets resets = { .dev = &self->env.dev };
	uint64_t waits;
	int64_t start, end;
	int i, status;
	pid_t pid;

	ASSERT_EQ(0, pthread_create(&resets.thread, NULL, reset_loop,
				    &resets));
	for (i = 0; i < 8; i++) {
		waits = INFO_OF(&self->env.dev, -1, out_waits);
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			drop_device(&self->env.dev);
			for (;;)
				get32(self->p);
		}
		end = in_ms(20000);
		while (INFO_OF(&self->env.dev, -1, out_waits) == waits &&
		       now_ns() < end)
			sched_yield();
		EXPECT_LT(waits, INFO_OF(&self->env.dev, -1, out_waits));
		kill(pid, SIGKILL);
		start = now_ns();
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			TH_LOG("status %#x", status);
		EXPECT_LT(now_ns() - start, 10 * NSEC_PER_SEC);
	}
	__atomic_store_n(&resets.stop, true, __ATOMIC_RELEASE);
	pthread_join(resets.thread, NULL);
	EXPECT_EQ(0, resets.failed);
	/* It is as usable as before. */
	EXPECT_TRUE(alive(self->p));
	EXPECT_EQ(VFIO_DMABUF_STATE_ON,
		  INFO_OF(&self->env.dev, self->fd, out_state));
	EXPECT_EQ(0, vfio_revoke(&self->env.dev, self->fd));
	/* A mapping of the device fd is none of that slice's. */
	EXPECT_EQ(variant->by_fd, alive(self->p));
}

/* A mapping that a child has inherited, when everything else is gone */
TEST_F(waiting, heir_is_killed)
{
	char bdf[16];
	int i, status;
	pid_t pid;

	memcpy(bdf, self->env.dev.bdf, sizeof(bdf));
	for (i = 0; i < 4; i++) {
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			drop_device(&self->env.dev);
			close(self->fd);
			signal(SIGBUS, SIG_DFL);
			for (;;)
				get32(self->p);
		}
		ASSERT_LT(0, pid);
		munmap(self->p, PAGE);
		close(self->fd);
		vfio_close(&self->env.dev);
		if (variant->by_fd) {
			/* Open still, so nobody gets it away from there. */
			EXPECT_LT(0, module_refcnt(VFIO_OURS));
			EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
			kill(pid, SIGKILL);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(variant->by_fd ? SIGKILL : SIGBUS, WTERMSIG(status));
		EXPECT_EQ(0, module_settle(VFIO_OURS, 0));
		ASSERT_EQ(0, vfio_open(&self->env.dev, bdf, NULL));
		EXPECT_EQ(0, INFO_OF(&self->env.dev, -1, out_slices));
		self->fd = vfio_export(&self->env.dev, 4, 0, PAGE, O_RDWR);
		self->p = map_page(&self->env.dev, 4, self->fd, variant->by_fd);
		ASSERT_NE(MAP_FAILED, self->p);
		EXPECT_TRUE(alive(self->p));
	}
}

TEST_HARNESS_MAIN
