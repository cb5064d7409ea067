// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/syncobj against the syncobj handles of a DRM driver, virtio-gpu, through
 * libdrm: in one boot, alternating, on objects of their own.
 *
 * With scripts/vm --icount a nanosecond is an instruction of the guest's one
 * CPU. Each line: operation, smallest and median for both, and the ratio of the
 * medians; and the samples (samples.h).
 *
 * This process has one thread and shares its table of files with nobody, but where a line
 * says "threads": there a second thread, asleep, makes each lookup of an fd dearer.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xf86drm.h>

#include "drm_util.h"
#include "module_util.h"
#include "run.h"
#include "samples.h"
#include "syncobj_util.h"

#define ROUNDS	5
#define FEW	3	/* where a round takes seconds */
#define OPS	64	/* a sample */
#define BATCH	900
#define MOST	4096
#define WATCHES	10000

enum { OURS, DRM };

static int dev, drm;
static int efd;
static uint64_t last;	/* the newest point of whatever is signalled */

/* The syncobjs of both sides, and points for a call that takes many */
static int fds[WATCHES];
static uint32_t handles[MOST];
static uint64_t points[MOST];

static void report(const char *name, const char *figure, long long n, int64_t *a,
		   int64_t *b, int rounds, unsigned int per)
{
	compared("syncobj", name, figure, n, a, b, rounds, per);
}

static void signal_some(int side, uint32_t n, uint64_t point)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		points[i] = point;
	if (side == OURS)
		check("SIGNAL", so_signal(dev, fds, points, n));
	else
		check("TIMELINE_SIGNAL",
		      drmSyncobjTimelineSignal(drm, handles, points, n));
}

static int64_t one_signal(int side)
{
	int64_t start = now_ns();
	int i;

	for (i = 0; i < OPS; i++)
		signal_some(side, 1, ++last);
	return now_ns() - start;
}

static int64_t one_query(int side)
{
	int64_t start = now_ns();
	uint64_t point;
	int i;

	for (i = 0; i < OPS; i++)
		if (side == OURS)
			check("QUERY", so_query(dev, fds, &point, 1, 0));
		else
			check("QUERY", drmSyncobjQuery(drm, handles, &point, 1));
	return now_ns() - start;
}

/* Waits for point @point of the first @n. */
static void wait_for(int side, uint32_t n, uint64_t point, uint32_t flags)
{
	uint32_t first, i;

	for (i = 0; i < n; i++)
		points[i] = point;
	if (side == OURS)
		check("WAIT", so_wait(dev, fds, points, n, INT64_MAX, flags, &first));
	else
		check("TIMELINE_WAIT",
		      drmSyncobjTimelineWait(drm, handles, points, n, INT64_MAX, flags,
					     &first));
}

static int64_t one_wait(int side)
{
	int64_t start;
	int i;

	signal_some(side, 1, ++last);
	start = now_ns();
	for (i = 0; i < OPS; i++)
		wait_for(side, 1, last, 0);
	return now_ns() - start;
}

static int64_t one_create(int side)
{
	int64_t start = now_ns();
	uint32_t handle;
	int i, fd;

	for (i = 0; i < OPS; i++) {
		if (side == OURS) {
			close(check("CREATE", so_create(dev, 0)));
			continue;
		}
		check("CREATE", drmSyncobjCreate(drm, 0, &handle));
		check("HANDLE_TO_FD", drmSyncobjHandleToFD(drm, handle, &fd));
		close(fd);
		check("DESTROY", drmSyncobjDestroy(drm, handle));
	}
	return now_ns() - start;
}

/*
 * What a compositor does in a frame with a timeline that has come over the socket as an
 * fd: its point 1 is watched, and signalled, which fires the eventfd; then point 2, the
 * release point, is signalled, and the timeline let go of. With DRM the fd becomes a
 * handle first. The client signals by @client, its own way or DRM's as its GPU's driver.
 */
static int64_t frames(int side, int client)
{
	uint64_t points[] = { 1, 2 }, count;
	int received[OPS], i, more = OPS;
	uint32_t theirs[OPS], handle;
	int64_t time;

	for (i = 0; i < OPS; i++) {
		received[i] = check("CREATE", so_create(dev, 0));
		check("FD_TO_HANDLE", drmSyncobjFDToHandle(drm, received[i], &theirs[i]));
	}
	time = now_ns();
	for (i = 0; i < OPS; i++) {
		if (side == OURS) {
			check("EVENTFD", so_eventfd(dev, received[i], efd, points[0], 0));
		} else {
			check("FD_TO_HANDLE",
			      drmSyncobjFDToHandle(drm, received[i], &handle));
			check("EVENTFD", drmSyncobjEventfd(drm, handle, points[0], efd, 0));
		}
		if (client == OURS)
			check("SIGNAL", so_signal(dev, &received[i], &points[0], 1));
		else
			check("TIMELINE_SIGNAL",
			      drmSyncobjTimelineSignal(drm, &theirs[i], &points[0], 1));
		if (side == OURS)
			check("SIGNAL", so_signal(dev, &received[i], &points[1], 1));
		else
			check("TIMELINE_SIGNAL",
			      drmSyncobjTimelineSignal(drm, &handle, &points[1], 1));
		if (side == DRM)
			check("DESTROY", drmSyncobjDestroy(drm, handle));
		close(received[i]);
	}
	/* All have fired; blocks until they have. */
	for (; more; more -= count)
		if (read(efd, &count, sizeof(count)) != sizeof(count))
			die("eventfd");
	time = now_ns() - time;
	for (i = 0; i < OPS; i++)
		check("DESTROY", drmSyncobjDestroy(drm, theirs[i]));
	return time;
}

static int64_t one_frame(int side)
{
	return frames(side, side);
}

static int64_t one_frame_drm_client(int side)
{
	return frames(side, DRM);
}

/*
 * Fences are freed after a grace period, in batches, in one of two ways that differ by
 * 400 instructions; which it is depends on how many wait for that already, and on what else
 * does. The kernel has done with all of them after 5 s, which cost little with --icount. Then it
 * is the same for both sides, and what it is for signals that come with a display's frames.
 */
static int64_t settled(int64_t (*fn)(int side), int side)
{
	sleep_ms(wall() ? 50 : 6000);
	return fn(side);
}

static void against_drm(const char *name, const char *figure, int64_t (*fn)(int side))
{
	int64_t a[ROUNDS], b[ROUNDS];
	int i;

	fn(OURS);
	fn(DRM);
	for (i = 0; i < ROUNDS; i++) {
		a[i] = settled(fn, OURS);
		b[i] = settled(fn, DRM);
	}
	report(name, figure, -1, a, b, ROUNDS, OPS);
}

static int64_t one_batch(int side)
{
	int64_t start = now_ns();

	signal_some(side, BATCH, ++last);
	return now_ns() - start;
}

static void batches(void)
{
	int64_t a[ROUNDS], b[ROUNDS], c[ROUNDS], copy[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		a[i] = settled(one_batch, OURS);
		/* OPS calls; as if they were as many as the batch has syncobjs */
		b[i] = settled(one_signal, DRM) * BATCH / OPS;
		c[i] = settled(one_batch, DRM);
	}
	memcpy(copy, a, sizeof(a));
	report("signal 900, an object; DRM 1", "batch_signal", -1, a, b, ROUNDS, BATCH);
	report("signal 900, an object; DRM 900", "batch_signal_both", -1, copy, c, ROUNDS,
	       BATCH);
}

/*
 * A process that signals a point of each of the first n, one call each, or of the last of
 * them alone. It is told what by a pipe and runs when the one that waits sleeps: it
 * has the policy for idle tasks, so that each call's wake-up is followed by a look.
 */
struct order {
	int side;
	uint32_t first;
	uint32_t n;
	uint64_t point;
};

static int orders;

static void late_signaller(int from, const int *shared)
{
	struct sched_param param = { 0 };
	struct order order;
	uint32_t i;

	/*
	 * As a client has: of a DRM file that processes use in turns, each call would wait
	 * for a grace period, as the file notes whose it is.
	 */
	drm = check("virtio_gpu", drm_open("virtio_gpu"));
	for (i = 0; i < MOST; i++)
		check("FD_TO_HANDLE", drmSyncobjFDToHandle(drm, shared[i], &handles[i]));
	if (sched_setscheduler(0, SCHED_IDLE, &param))
		die("SCHED_IDLE");
	while (read(from, &order, sizeof(order)) == sizeof(order)) {
		for (i = order.first; i < order.n; i++)
			if (order.side == OURS)
				check("SIGNAL", so_signal(dev, &fds[i], &order.point, 1));
			else
				check("TIMELINE_SIGNAL",
				      drmSyncobjTimelineSignal(drm, &handles[i],
							       &order.point, 1));
	}
	exit(0);
}

static pid_t start_signaller(void)
{
	static int shared[MOST];
	int ends[2], i;
	pid_t pid;

	for (i = 0; i < MOST; i++)
		check("HANDLE_TO_FD", drmSyncobjHandleToFD(drm, handles[i], &shared[i]));
	if (pipe(ends))
		die("pipe");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		close(ends[1]);
		late_signaller(ends[0], shared);
	}
	close(ends[0]);
	for (i = 0; i < MOST; i++)
		close(shared[i]);
	orders = ends[1];
	return pid;
}

static int64_t wait_late(int side, uint32_t n, bool all)
{
	struct order order = {
		.side = side,
		.first = all ? 0 : n - 1,
		.n = n,
		.point = ++last,
	};
	int64_t start;

	if (write(orders, &order, sizeof(order)) != sizeof(order))
		die("pipe");
	start = now_ns();
	wait_for(side, n, last, SO_SUBMIT | (all ? SO_ALL : 0));
	return now_ns() - start;
}

static void late_waits(bool all)
{
	int64_t a[ROUNDS], b[ROUNDS];
	int rounds, i, n;
	char name[40];

	for (n = 1; n <= (quick() ? MOST / 16 : MOST); n *= 4) {
		rounds = n < 1024 ? ROUNDS : FEW;
		wait_late(OURS, n, all);
		if (n < MOST)
			wait_late(DRM, n, all);
		for (i = 0; i < rounds; i++) {
			a[i] = wait_late(OURS, n, all);
			b[i] = wait_late(DRM, n, all);
		}
		snprintf(name, sizeof(name), "WAIT_%s, %d", all ? "ALL" : "ANY", n);
		report(name, all ? "wait_all" : "wait_any", n, a, b, rounds, 1);
	}
}

/* A signal of another syncobj's while so many others are watched */
static void watched(int n)
{
	static struct syncobj_eventfd_args entries[WATCHES];
	int64_t a[ROUNDS], b[ROUNDS];
	int i, j, refs = module_refcnt("syncobj"), watching;
	char name[40];

	for (j = 0; j < n; j++) {
		entries[j].syncobj_fd = check("CREATE", so_create(dev, 0));
		entries[j].point = 1;
	}
	for (i = 0; i < ROUNDS; i++) {
		b[i] = settled(one_signal, OURS);
		watching = check("eventfd", efd_new());
		for (j = 0; j < n; j++)
			entries[j].eventfd = watching;
		check("EVENTFD_BATCH", so_batch(dev, entries, n, NULL));
		/* Making them emptied the allocator's caches, which the next few signals refill */
		settled(one_signal, OURS);
		a[i] = settled(one_signal, OURS);
		/* ends them all, a little later */
		close(watching);
		if (module_settle("syncobj", refs) != refs) {
			errno = EBUSY;
			die("watches of a closed eventfd");
		}
	}
	for (j = 0; j < n; j++)
		close(entries[j].syncobj_fd);
	snprintf(name, sizeof(name), "signal, %d watched; none", n);
	report(name, "signal_watched", n, a, b, ROUNDS, OPS);
}

static void *sleeper(void *arg)
{
	(void)arg;
	pause();
	return NULL;
}

int main(void)
{
	struct rlimit limit = { 2 * WATCHES + 100, 2 * WATCHES + 100 };
	pthread_t thread;
	pid_t pid;
	int i;

	dev = check("/dev/syncobj", so_open());
	drm = check("virtio_gpu", drm_open("virtio_gpu"));
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE");
	efd = eventfd(0, EFD_CLOEXEC);
	if (efd < 0)
		die("eventfd");
	for (i = 0; i < MOST; i++) {
		fds[i] = check("CREATE", so_create(dev, 0));
		check("CREATE", drmSyncobjCreate(drm, 0, &handles[i]));
	}

	printf("%-34s %12s %12s %12s %12s  %s\n", "", "ours min", "median", "drm min",
	       "median", "ratio");
	against_drm("signal", "signal", one_signal);
	against_drm("query", "query", one_query);
	against_drm("wait, signalled", "wait_signalled", one_wait);
	against_drm("create, fd, close", "create", one_create);
	against_drm("frame", "frame", one_frame);
	against_drm("frame of a DRM client", "frame_drm_client", one_frame_drm_client);
	batches();
	watched(1);
	if (!quick())
		watched(WATCHES);

	pid = start_signaller();
	late_waits(true);
	late_waits(false);
	close(orders);
	waitpid(pid, NULL, 0);

	if (quick())
		return 0;
	if (pthread_create(&thread, NULL, sleeper, NULL))
		die("pthread_create");
	against_drm("threads: signal", "signal_threads", one_signal);
	against_drm("threads: query", "query_threads", one_query);
	against_drm("threads: wait, signalled", "wait_signalled_threads", one_wait);
	against_drm("threads: frame", "frame_threads", one_frame);
	return 0;
}
