// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process that draws and signals, and prints. It opens nothing but
 * /dev/syncobj.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <linux/sync_file.h>
#include <linux/syncobj.h>
#include <xf86drm.h>

#include "syncobj-demo.h"

static struct peer *consumer;

/* Sees to it that the consumer sleeps in an ioctl, as the kernel has it. */
static void expect_asleep(unsigned long request)
{
	__s64 end = now() + WAIT_NSEC;
	char path[64], line[256];
	unsigned long nr, fd, arg;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", consumer->pid);
	do {
		usleep(2000);
		f = fopen(path, "r");
		if (!f)
			fail("%s: %s", path, strerror(errno));
		nr = 0;
		arg = 0;
		if (!fgets(line, sizeof(line), f) ||
		    sscanf(line, "%lu %lx %lx", &nr, &fd, &arg) != 3)
			nr = ~0UL;	/* it runs */
		fclose(f);
		if (nr == SYS_ioctl && arg == request)
			return;
	} while (now() < end);
	fail("the consumer does not sleep in ioctl 0x%lx", request);
}

/* The consumer's answer, of a time that must not lie before @start. */
static __u64 expect_after(__s64 start, double *latency)
{
	struct msg msg;

	recv_msg(consumer, &msg);
	if (msg.time < start)
		fail("woken %.3f ms before SIGNAL", msec(start - msg.time));
	*latency = msec(msg.time - start);
	return msg.value;
}

static void step_caps(void)
{
	struct syncobj_caps caps = { .size = sizeof(caps) };
	const __u64 need = SYNCOBJ_FEATURE_STATUS;

	begin("Ask the device what it can do (CAPS)");
	dev = open_device();
	call("CAPS", SYNCOBJ_IOC_CAPS, &caps);
	if (caps.out_version < 1 || (caps.out_features & need) != need)
		fail("version %u, features 0x%llx: too few", caps.out_version,
		     caps.out_features);
	proved("interface version %u; has%s%s STATUS%s; %u syncobjs per call at most",
	       caps.out_version,
	       caps.out_features & SYNCOBJ_FEATURE_EVENTFD_BATCH ?
	       " EVENTFD_BATCH," : "",
	       caps.out_features & SYNCOBJ_FEATURE_EVENTFD_CANCEL ?
	       " EVENTFD_CANCEL," : "",
	       caps.out_features & SYNCOBJ_FEATURE_DEADLINE ?
	       ", fence deadlines" : "", caps.out_max_count);
}

static int step_share(__u32 **frame)
{
	struct msg msg;
	int timeline, memfd;

	begin("Create a timeline and a frame buffer, pass both to another process");
	timeline = so_create();
	memfd = memfd_create("frame", MFD_CLOEXEC);
	if (memfd < 0 || ftruncate(memfd, FRAME_SIZE))
		fail("memfd: %s", strerror(errno));
	*frame = map_frame(memfd);
	send_fd(consumer, timeline);
	send_fd(consumer, memfd);
	recv_msg(consumer, &msg);
	proved("process %d holds it as fd %llu -> %s, points 1 and 2 are not submitted",
	       consumer->pid, msg.value, msg.text);
	return timeline;
}

static void step_frames(int timeline, __u32 *frame)
{
	__u64 seeds[2], sum;
	double latency;
	struct msg msg;
	__s64 start;
	int i;

	if (getrandom(seeds, sizeof(seeds), 0) != sizeof(seeds))
		fail("getrandom: %s", strerror(errno));

	begin("The consumer registers an eventfd on point 2, then sleeps in WAIT for point 1");
	for (i = 0; i < 2; i++)
		send_value(consumer, 0, seeds[i]);
	recv_msg(consumer, &msg);
	expect_asleep(SYNCOBJ_IOC_WAIT);
	usleep(QUIET_MSEC * 1000);
	expect_asleep(SYNCOBJ_IOC_WAIT);
	so_query(timeline, 0);
	proved("eventfd silent; process %d asleep in ioctl SYNCOBJ_IOC_WAIT, also %d ms later",
	       consumer->pid, QUIET_MSEC);

	begin("The producer draws frame 1 and signals point 1: WAIT returns");
	draw(frame, seeds[0]);
	start = now();
	so_signal(timeline, 1);
	sum = expect_after(start, &latency);
	if (sum != checksum(frame))
		fail("the consumer saw another frame");
	proved("awake %.2f ms after SIGNAL; all %d pixels right, checksum %016llx",
	       latency, WIDTH * HEIGHT, sum);

	begin("The producer draws frame 2 and signals point 2: the eventfd fires");
	recv_msg(consumer, &msg);
	so_query(timeline, 1);
	draw(frame, seeds[1]);
	start = now();
	so_signal(timeline, 2);
	sum = expect_after(start, &latency);
	if (sum != checksum(frame))
		fail("the consumer saw another frame");
	so_query(timeline, 2);
	proved("silent on point 1, fired once %.2f ms after SIGNAL of 2; checksum %016llx",
	       latency, sum);
}

static void step_drm(int timeline)
{
	double latency;
	struct msg msg;
	__s64 start;
	int event, foreign;

	begin("virtio-gpu imports the timeline's fd (drmSyncobjFDToHandle)");
	recv_msg(consumer, &msg);
	if (msg.value != 2)
		fail("drmSyncobjQuery says %llu instead of 2", msg.value);
	proved("driver virtio_gpu, %s: drmSyncobjQuery says 2", msg.text);

	begin("/dev/syncobj signals point 3, drmSyncobjTimelineWait wakes up");
	expect_asleep(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT);
	start = now();
	so_signal(timeline, 3);
	expect_after(start, &latency);
	proved("was asleep in DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, awake %.2f ms after SIGNAL",
	       latency);

	begin("virtio-gpu signals point 4, the eventfd of /dev/syncobj fires");
	event = so_eventfd(timeline, 4);
	expect_quiet(event, QUIET_MSEC);
	send_value(consumer, 0, 0);
	recv_msg(consumer, &msg);
	latency = msec(expect_fired(event) - msg.time);
	so_query(timeline, 4);
	so_status(timeline, 4, SYNCOBJ_STATUS_SIGNALED);
	proved("fired once %.2f ms after drmSyncobjTimelineSignal began; QUERY says 4",
	       latency);

	begin("The same with a timeline made by virtio-gpu (drmSyncobjHandleToFD)");
	foreign = recv_fd(consumer);
	so_query(foreign, 0);
	event = so_eventfd(foreign, 1);
	expect_quiet(event, QUIET_MSEC);
	send_value(consumer, 0, 0);
	recv_msg(consumer, &msg);
	latency = msec(expect_fired(event) - msg.time);
	so_query(foreign, 1);
	proved("fired once after %.2f ms; QUERY says 1", latency);
}

static void step_sync_file(int timeline)
{
	struct syncobj_sync_file_args args = {
		.syncobj_fd = timeline,
		.point = 99,
	};
	struct sync_file_info info = { .status = -1 };
	struct pollfd pfd = { .events = POLLIN };

	begin("Export point 4 as a sync_file, import it as point 7 of a new timeline");
	if (!ioctl(dev, SYNCOBJ_IOC_EXPORT_SYNC_FILE, &args) || errno != EINVAL)
		fail("EXPORT of a point that nobody has submitted was not refused");
	args.point = 4;
	call("EXPORT", SYNCOBJ_IOC_EXPORT_SYNC_FILE, &args);
	pfd.fd = args.sync_file_fd;
	if (poll(&pfd, 1, 0) != 1 ||
	    ioctl(pfd.fd, SYNC_IOC_FILE_INFO, &info) || info.status != 1)
		fail("the sync_file's status is %d", info.status);

	args.syncobj_fd = so_create();
	args.point = 7;
	so_query(args.syncobj_fd, 0);
	call("IMPORT", SYNCOBJ_IOC_IMPORT_SYNC_FILE, &args);
	so_query(args.syncobj_fd, 7);
	so_status(args.syncobj_fd, 8, SYNCOBJ_STATUS_UNSUBMITTED);
	proved("SYNC_IOC_FILE_INFO: signalled; QUERY says 7; EXPORT of point 99 refused (EINVAL)");
}

void run_producer(struct peer *peer)
{
	__s64 start = now();
	struct utsname uts;
	int timeline;
	__u32 *frame;

	consumer = peer;
	uname(&uts);
	printf("Linux %s %s: process %d draws, process %d consumes\n",
	       uts.release, uts.machine, getpid(), consumer->pid);

	step_caps();
	timeline = step_share(&frame);
	step_frames(timeline, frame);
	step_drm(timeline);
	step_sync_file(timeline);

	alarm(STEP_SECONDS);
	peer_join(consumer);
	printf("\nAll %d steps proved in %.1f s.\n", step,
	       (now() - start) / 1e9);
}
