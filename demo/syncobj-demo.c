// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/syncobj at work, with nothing faked.
 *
 * Two processes share a timeline and a frame buffer. The producer opens
 * nothing but /dev/syncobj. The consumer has a DRM device, virtio-gpu, as
 * well, and imports the timeline there. The consumer waits for points that
 * nobody has submitted; the producer draws and signals; what the consumer
 * then finds in the frame buffer shows that it was not woken too early.
 *
 * The parent is the producer and prints. The consumer is forked before
 * anything is opened, and answers over a socket. Each step must come to its
 * end within STEP_SECONDS. Exit status 0: every step has been proved.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <linux/sync_file.h>
#include <linux/syncobj.h>
#include <xf86drm.h>

#define STEP_SECONDS	10
#define WAIT_NSEC	(5 * 1000000000LL)	/* shorter than a step */
#define WAIT_MSEC	5000
#define QUIET_MSEC	100

#define WIDTH		640
#define HEIGHT		360
#define FRAME_SIZE	(WIDTH * HEIGHT * sizeof(__u32))

/* One message between the two; also what a failed consumer says. */
struct msg {
	bool failed;
	__s64 time;
	__u64 value;
	char text[128];
};

static char text[512];
static int sock;
static int dev;
static pid_t consumer_pid;	/* in the producer only */
static int step;
static __s64 step_start, demo_start;

static __s64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static double msec(__s64 nsec)
{
	return nsec / 1e6;
}

/* Ends the process that calls it, and the demo with it. */
#define fail(...) \
	(snprintf(text, sizeof(text), __VA_ARGS__), fail_with_text())

static _Noreturn void fail_with_text(void)
{
	struct msg msg = { .failed = true };

	memcpy(msg.text, text, sizeof(msg.text) - 1);
	if (!consumer_pid) {
		send(sock, &msg, sizeof(msg), MSG_NOSIGNAL);
		_exit(1);
	}

	printf("    FAILED: %s\n", text);
	while (recv(sock, &msg, sizeof(msg), MSG_DONTWAIT) == sizeof(msg)) {
		if (msg.failed)
			printf("    consumer: %s\n", msg.text);
	}
	fflush(stdout);
	kill(consumer_pid, SIGKILL);
	_exit(1);
}

static void call(const char *name, unsigned long request, void *args)
{
	if (ioctl(dev, request, args))
		fail("%s: %s", name, strerror(errno));
}

/* ---- between the two processes ---- */

static void send_msg(const struct msg *msg, int fd)
{
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(sizeof(fd))];
	} control = { .hdr = { CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec iov = { (void *)msg, sizeof(*msg) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(fd));
		hdr.msg_control = &control;
		hdr.msg_controllen = sizeof(control);
	}
	if (sendmsg(sock, &hdr, MSG_NOSIGNAL) != sizeof(*msg))
		fail("the other process is gone: %s", strerror(errno));
}

/* Returns the fd that came with the message; -1 if there was none. */
static int recv_msg(struct msg *msg)
{
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { msg, sizeof(*msg) };
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC) != sizeof(*msg))
		fail("the other process is gone");
	if (msg->failed)
		fail("consumer: %s", msg->text);
	if (CMSG_FIRSTHDR(&hdr))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&hdr)), sizeof(fd));
	return fd;
}

static void send_fd(int fd)
{
	struct msg msg = { .failed = false };

	send_msg(&msg, fd);
}

static int recv_fd(void)
{
	struct msg msg;
	int fd = recv_msg(&msg);

	if (fd < 0)
		fail("no fd came over the socket");
	return fd;
}

static void send_value(__s64 time, __u64 value)
{
	struct msg msg = { .time = time, .value = value };

	send_msg(&msg, -1);
}

/* ---- what is printed ---- */

static void on_alarm(int sig)
{
	static const char late[] = "    FAILED: no result within 10 seconds\n";

	(void)sig;
	if (write(STDOUT_FILENO, late, sizeof(late) - 1) < 0)
		_exit(2);
	kill(consumer_pid, SIGKILL);
	_exit(1);
}

static void begin(const char *title)
{
	printf("\n%2d. %s\n", ++step, title);
	fflush(stdout);
	alarm(STEP_SECONDS);
	step_start = now();
}

#define proved(...) \
	(snprintf(text, sizeof(text), __VA_ARGS__), end_with_text())

static void end_with_text(void)
{
	alarm(0);
	printf("    %s  [%.1f ms]\n", text, msec(now() - step_start));
	fflush(stdout);
}

/* ---- /dev/syncobj ---- */

static int open_device(void)
{
	int fd = open("/dev/syncobj", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("/dev/syncobj: %s (is the module loaded?)",
		     strerror(errno));
	return fd;
}

static int so_create(void)
{
	struct syncobj_create_args args = { .flags = 0 };

	call("CREATE", SYNCOBJ_IOC_CREATE, &args);
	return args.fd;
}

static void so_signal(int fd, __u64 point)
{
	struct syncobj_array_args args = {
		.fds = (uintptr_t)&fd,
		.points = (uintptr_t)&point,
		.count = 1,
	};

	call("SIGNAL", SYNCOBJ_IOC_SIGNAL, &args);
}

static void so_query(int fd, __u64 expected)
{
	__u64 point = ~0ULL;
	struct syncobj_array_args args = {
		.fds = (uintptr_t)&fd,
		.points = (uintptr_t)&point,
		.count = 1,
	};

	call("QUERY", SYNCOBJ_IOC_QUERY, &args);
	if (point != expected)
		fail("QUERY says %llu instead of %llu", point, expected);
}

static void so_status(int fd, __u64 point, __s32 expected)
{
	__s32 status = -1;
	struct syncobj_status_args args = {
		.size = sizeof(args),
		.fds = (uintptr_t)&fd,
		.points = (uintptr_t)&point,
		.out_status = (uintptr_t)&status,
		.count = 1,
	};

	call("STATUS", SYNCOBJ_IOC_STATUS, &args);
	if (status != expected)
		fail("STATUS of point %llu is %d instead of %d", point, status,
		     expected);
}

static int so_eventfd(int fd, __u64 point)
{
	struct syncobj_eventfd_args args = { .syncobj_fd = fd, .point = point };

	args.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (args.eventfd < 0)
		fail("eventfd: %s", strerror(errno));
	call("EVENTFD", SYNCOBJ_IOC_EVENTFD, &args);
	return args.eventfd;
}

static void expect_quiet(int event, int timeout)
{
	struct pollfd pfd = { .fd = event, .events = POLLIN };

	if (poll(&pfd, 1, timeout))
		fail("the eventfd has fired too early");
}

/* Returns when it fired. */
static __s64 expect_fired(int event)
{
	struct pollfd pfd = { .fd = event, .events = POLLIN };
	__u64 count;
	__s64 time;

	if (poll(&pfd, 1, WAIT_MSEC) != 1)
		fail("the eventfd has not fired within %d ms", WAIT_MSEC);
	time = now();
	if (read(event, &count, sizeof(count)) != sizeof(count) || count != 1)
		fail("the eventfd's counter is not 1");
	if (poll(&pfd, 1, 0))
		fail("the eventfd has fired twice");
	return time;
}

/* ---- the frame ---- */

static __u32 pixel(__u64 seed, unsigned int i)
{
	__u64 x = seed + i * 0x9e3779b97f4a7c15ULL;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return x >> 32;
}

static __u64 checksum(const __u32 *frame)
{
	__u64 sum = 0xcbf29ce484222325ULL;
	unsigned int i;

	for (i = 0; i < WIDTH * HEIGHT; i++)
		sum = (sum ^ frame[i]) * 0x100000001b3ULL;
	return sum;
}

/*
 * From the top to the bottom, with a rest in the middle: who looks before
 * the end has half of the last frame.
 */
static void draw(__u32 *frame, __u64 seed)
{
	unsigned int i;

	for (i = 0; i < WIDTH * HEIGHT; i++) {
		if (i == WIDTH * HEIGHT / 2)
			usleep(20000);
		frame[i] = pixel(seed, i);
	}
}

static unsigned int wrong_pixels(const __u32 *frame, __u64 seed)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < WIDTH * HEIGHT; i++)
		wrong += frame[i] != pixel(seed, i);
	return wrong;
}

static __u32 *map_frame(int fd)
{
	void *map = mmap(NULL, FRAME_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);

	if (map == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	return map;
}

/* ---- the consumer ---- */

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
	send_value(time, checksum(frame));
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
		recv_msg(&msg);
		seeds[i] = msg.value;
	}

	/* Point 2 by eventfd, and nothing may come of it for now. */
	event = so_eventfd(timeline, 2);
	expect_quiet(event, QUIET_MSEC);
	send_value(now(), 0);

	/* Point 1 by sleeping. The producer goes on when it sees us sleep. */
	wait.timeout_nsec = now() + WAIT_NSEC;
	call("WAIT", SYNCOBJ_IOC_WAIT, &wait);
	check_frame(frame, seeds[0], now());

	/* That was not point 2. */
	expect_quiet(event, QUIET_MSEC);
	send_value(now(), 0);
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
	send_msg(&msg, -1);

	/* They signal, DRM waits. */
	if (drmSyncobjTimelineWait(drm, &handle, &three, 1, now() + WAIT_NSEC,
				   DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
				   NULL))
		fail("drmSyncobjTimelineWait: %s", strerror(errno));
	send_value(now(), 3);

	/* DRM signals, they wait. */
	recv_msg(&msg);
	send_value(now(), 4);
	if (drmSyncobjTimelineSignal(drm, &handle, &four, 1))
		fail("drmSyncobjTimelineSignal: %s", strerror(errno));

	/* The same with a timeline that DRM has made. */
	if (drmSyncobjCreate(drm, 0, &own) ||
	    drmSyncobjHandleToFD(drm, own, &fd))
		fail("drmSyncobjCreate, HandleToFD: %s", strerror(errno));
	send_fd(fd);
	recv_msg(&msg);
	send_value(now(), 1);
	if (drmSyncobjTimelineSignal(drm, &own, &one, 1))
		fail("drmSyncobjTimelineSignal: %s", strerror(errno));
}

static void consumer(void)
{
	struct msg msg = { .failed = false };
	char path[64];
	int timeline, memfd;
	ssize_t len;
	__u32 *frame;

	timeline = recv_fd();
	memfd = recv_fd();
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
	send_msg(&msg, -1);

	consumer_frames(timeline, frame);
	consumer_drm(timeline);
}

/* ---- the producer ---- */

/* Sees to it that the consumer sleeps in an ioctl, as the kernel has it. */
static void expect_asleep(unsigned long request)
{
	__s64 end = now() + WAIT_NSEC;
	char path[64], line[256];
	unsigned long nr, fd, arg;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", consumer_pid);
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

	recv_msg(&msg);
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
	send_fd(timeline);
	send_fd(memfd);
	recv_msg(&msg);
	proved("process %d holds it as fd %llu -> %s, points 1 and 2 are not submitted",
	       consumer_pid, msg.value, msg.text);
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
		send_value(0, seeds[i]);
	recv_msg(&msg);
	expect_asleep(SYNCOBJ_IOC_WAIT);
	usleep(QUIET_MSEC * 1000);
	expect_asleep(SYNCOBJ_IOC_WAIT);
	so_query(timeline, 0);
	proved("eventfd silent; process %d asleep in ioctl SYNCOBJ_IOC_WAIT, also %d ms later",
	       consumer_pid, QUIET_MSEC);

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
	recv_msg(&msg);
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
	recv_msg(&msg);
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
	send_value(0, 0);
	recv_msg(&msg);
	latency = msec(expect_fired(event) - msg.time);
	so_query(timeline, 4);
	so_status(timeline, 4, SYNCOBJ_STATUS_SIGNALED);
	proved("fired once %.2f ms after drmSyncobjTimelineSignal began; QUERY says 4",
	       latency);

	begin("The same with a timeline made by virtio-gpu (drmSyncobjHandleToFD)");
	foreign = recv_fd();
	so_query(foreign, 0);
	event = so_eventfd(foreign, 1);
	expect_quiet(event, QUIET_MSEC);
	send_value(0, 0);
	recv_msg(&msg);
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

static void producer(void)
{
	struct utsname uts;
	int timeline, status;
	__u32 *frame;

	uname(&uts);
	printf("Linux %s %s: process %d draws, process %d consumes\n",
	       uts.release, uts.machine, getpid(), consumer_pid);
	signal(SIGALRM, on_alarm);
	demo_start = now();

	step_caps();
	timeline = step_share(&frame);
	step_frames(timeline, frame);
	step_drm(timeline);
	step_sync_file(timeline);

	alarm(STEP_SECONDS);
	if (waitpid(consumer_pid, &status, 0) != consumer_pid || status)
		fail("the consumer has failed");
	printf("\nAll %d steps proved in %.1f s.\n", step,
	       (now() - demo_start) / 1e9);
}

int main(void)
{
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks)) {
		perror("socketpair");
		return 1;
	}
	fflush(stdout);
	consumer_pid = fork();
	if (consumer_pid < 0) {
		perror("fork");
		return 1;
	}
	sock = socks[consumer_pid ? 0 : 1];
	close(socks[consumer_pid ? 1 : 0]);
	if (consumer_pid) {
		producer();
	} else {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		consumer();
	}
	return 0;
}
