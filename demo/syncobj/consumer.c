// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process that waits. It has a DRM device, virtio-gpu, as well, and imports
 * the timeline there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/syncobj.h>
#include <xf86drm.h>

#include "syncobj-demo.h"

static int open_virtio_gpu(char *name, size_t size)
{
	struct dirent *entry;
	drmVersionPtr version;
	DIR *dir = opendir("/dev/dri");
	uint64_t cap = 0;
	bool found;
	int fd;

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "renderD", 7))
			continue;
		snprintf(name, size, "/dev/dri/%.32s", entry->d_name);
		fd = open(name, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		version = drmGetVersion(fd);
		found = version && !strcmp(version->name, "virtio_gpu");
		drmFreeVersion(version);
		if (!found) {
			close(fd);
			continue;
		}
		closedir(dir);
		if (drmGetCap(fd, DRM_CAP_SYNCOBJ_TIMELINE, &cap) || !cap)
			fail("%s: virtio_gpu of this kernel has no timeline syncobjs",
			     name);
		return fd;
	}
	fail("no DRM device of the driver virtio_gpu (modprobe virtio-gpu)");
}

static void check_frame(const __u32 *frame, __u64 seed, __s64 time)
{
	unsigned int wrong = wrong_pixels(frame, seed);

	if (wrong)
		fail("%u of %u pixels are wrong: woken too early", wrong,
		     WIDTH * HEIGHT);
	send_value(&parent, time, checksum(frame));
}

static void consumer_frames(int timeline, const __u32 *frame)
{
	__u64 one = 1, seeds[2];
	struct syncobj_wait_args wait = {
		.fds = (uintptr_t)&timeline,
		.points = (uintptr_t)&one,
		.count = 1,
		.flags = SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
	};
	struct msg msg;
	unsigned int i;
	int event;

	for (i = 0; i < 2; i++) {
		recv_msg(&parent, &msg);
		seeds[i] = msg.value;
	}

	/* Point 2 by eventfd, and nothing may come of it for now. */
	event = so_eventfd(timeline, 2);
	expect_quiet(event, QUIET_MSEC);
	send_value(&parent, now(), 0);

	/* Point 1 by sleeping. The producer goes on when it sees us sleep. */
	wait.timeout_nsec = now() + WAIT_NSEC;
	call("WAIT", SYNCOBJ_IOC_WAIT, &wait);
	check_frame(frame, seeds[0], now());

	/* That was not point 2. */
	expect_quiet(event, QUIET_MSEC);
	send_value(&parent, now(), 0);
	check_frame(frame, seeds[1], expect_fired(event));
}

static void consumer_drm(int timeline)
{
	uint64_t three = 3, four = 4, one = 1, point = 0;
	struct msg msg = { .failed = false };
	uint32_t handle, own;
	char name[64];
	int drm, fd;

	drm = open_virtio_gpu(name, sizeof(name));
	if (drmSyncobjFDToHandle(drm, timeline, &handle))
		fail("drmSyncobjFDToHandle: %s", strerror(errno));
	if (drmSyncobjQuery(drm, &handle, &point, 1))
		fail("drmSyncobjQuery: %s", strerror(errno));
	msg.value = point;
	snprintf(msg.text, sizeof(msg.text), "%s", name);
	send_msg(&parent, &msg, -1);

	/* They signal, DRM waits. */
	if (drmSyncobjTimelineWait(drm, &handle, &three, 1, now() + WAIT_NSEC,
				   DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
				   NULL))
		fail("drmSyncobjTimelineWait: %s", strerror(errno));
	send_value(&parent, now(), 3);

	/* DRM signals, they wait. */
	recv_msg(&parent, &msg);
	send_value(&parent, now(), 4);
	if (drmSyncobjTimelineSignal(drm, &handle, &four, 1))
		fail("drmSyncobjTimelineSignal: %s", strerror(errno));

	/* The same with a timeline that DRM has made. */
	if (drmSyncobjCreate(drm, 0, &own) ||
	    drmSyncobjHandleToFD(drm, own, &fd))
		fail("drmSyncobjCreate, HandleToFD: %s", strerror(errno));
	send_fd(&parent, fd);
	recv_msg(&parent, &msg);
	send_value(&parent, now(), 1);
	if (drmSyncobjTimelineSignal(drm, &own, &one, 1))
		fail("drmSyncobjTimelineSignal: %s", strerror(errno));
}

void run_consumer(void)
{
	struct msg msg = { .failed = false };
	char path[64];
	int timeline, memfd;
	ssize_t len;
	__u32 *frame;

	timeline = recv_fd(&parent);
	memfd = recv_fd(&parent);
	dev = open_device();
	frame = map_frame(memfd);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", timeline);
	len = readlink(path, msg.text, sizeof(msg.text) - 1);
	if (len < 0 || strcmp(msg.text, "anon_inode:syncobj_file"))
		fail("what came is no syncobj but '%s'", msg.text);
	so_query(timeline, 0);
	so_status(timeline, 1, SYNCOBJ_STATUS_UNSUBMITTED);
	so_status(timeline, 2, SYNCOBJ_STATUS_UNSUBMITTED);
	msg.value = timeline;
	send_msg(&parent, &msg, -1);

	consumer_frames(timeline, frame);
	consumer_drm(timeline);
}
