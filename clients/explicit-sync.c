// SPDX-License-Identifier: GPL-2.0-only
/*
 * explicit-sync - a Wayland client whose timelines come from /dev/syncobj.
 *
 * The compositor is not ours. By linux-drm-syncobj-v1 it imports the timelines into a DRM
 * device, waits for the acquire point of a frame by the driver's ioctls, and signals the
 * release point of the frame before. The client itself makes no DRM call but for its
 * buffers, which are dumb buffers of virtio-gpu: a compositor without a GPU takes those.
 *
 * Prints "ok - NAME" or "not ok - NAME" and before it "# WHY"; argv[1] is what all names
 * begin with, argv[2] is where it writes: the compositor starts it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <wayland-client.h>
#include <xf86drm.h>
#include <xf86drmMode.h>
#include <drm_fourcc.h>
#include <linux/syncobj.h>
#include "linux-dmabuf-v1.h"
#include "linux-drm-syncobj-v1.h"
#include "xdg-shell.h"

#define SIZE	64	/* of a picture, in pixels */
#define QUIET	1000	/* ms in which nothing may come */
#define SOON	20000	/* ms in which it must: the machine is emulated */

static struct wl_display *display;
static struct wl_compositor *compositor;
static struct wl_output *screen;
static struct xdg_wm_base *shell;
static struct zwp_linux_dmabuf_v1 *dmabuf;
static struct wp_linux_drm_syncobj_manager_v1 *manager;
static bool configured, shown;
static const char *prefix;
static int dev, failures;

static void result(bool good, const char *name, const char *why, ...)
{
	va_list args;

	if (!good) {
		failures++;
		printf("# ");
		va_start(args, why);
		vprintf(why, args);
		va_end(args);
		printf("\nnot ");
	}
	printf("ok - %s:%s\n", prefix, name);
	fflush(stdout);
}

static void fatal(const char *what)
{
	result(false, "set-up", "%s: %s", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Handles events until *flag is set or so many ms have passed. */
static bool dispatch_until(const bool *flag, int ms)
{
	int64_t end = now_ns() + ms * 1000000ll, left;

	while (!*flag && (left = end - now_ns()) > 0) {
		struct pollfd pfd = {
			.fd = wl_display_get_fd(display), .events = POLLIN,
		};

		while (wl_display_prepare_read(display))
			wl_display_dispatch_pending(display);
		wl_display_flush(display);
		if (poll(&pfd, 1, left / 1000000 + 1) > 0)
			wl_display_read_events(display);
		else
			wl_display_cancel_read(display);
		if (wl_display_dispatch_pending(display) < 0)
			fatal("the compositor has ended the connection");
	}
	return *flag;
}

/* /dev/syncobj */
static int syncobj_create(void)
{
	struct syncobj_create_args args = { 0 };

	if (ioctl(dev, SYNCOBJ_IOC_CREATE, &args))
		fatal("SYNCOBJ_IOC_CREATE");
	return args.fd;
}

static void syncobj_signal(int fd, __u64 point)
{
	struct syncobj_array_args args = {
		.fds = (uintptr_t)&fd, .points = (uintptr_t)&point, .count = 1,
	};

	if (ioctl(dev, SYNCOBJ_IOC_SIGNAL, &args))
		fatal("SYNCOBJ_IOC_SIGNAL");
}

/* 0 when it has signalled, else an errno. */
static int syncobj_wait(int fd, __u64 point, int ms)
{
	struct syncobj_wait_args args = {
		.fds = (uintptr_t)&fd, .points = (uintptr_t)&point, .count = 1,
		.timeout_nsec = now_ns() + ms * 1000000ll,
		.flags = SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
	};

	return ioctl(dev, SYNCOBJ_IOC_WAIT, &args) ? errno : 0;
}

static int syncobj_eventfd(int fd, __u64 point)
{
	struct syncobj_eventfd_args args = {
		.syncobj_fd = fd, .point = point,
		.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};

	if (args.eventfd < 0 || ioctl(dev, SYNCOBJ_IOC_EVENTFD, &args))
		fatal("SYNCOBJ_IOC_EVENTFD");
	return args.eventfd;
}

/* A picture, as a dma-buf of the device that the compositor draws with */
static struct wl_buffer *buffer_create(int drm)
{
	struct zwp_linux_buffer_params_v1 *params;
	uint32_t handle, pitch;
	struct wl_buffer *buffer;
	uint64_t size;
	int fd;

	if (drmModeCreateDumbBuffer(drm, SIZE, SIZE, 32, 0, &handle, &pitch, &size))
		fatal("drmModeCreateDumbBuffer");
	if (drmPrimeHandleToFD(drm, handle, DRM_CLOEXEC | DRM_RDWR, &fd))
		fatal("drmPrimeHandleToFD");
	params = zwp_linux_dmabuf_v1_create_params(dmabuf);
	zwp_linux_buffer_params_v1_add(params, fd, 0, 0, pitch,
				       DRM_FORMAT_MOD_LINEAR >> 32,
				       DRM_FORMAT_MOD_LINEAR & UINT32_MAX);
	buffer = zwp_linux_buffer_params_v1_create_immed(params, SIZE, SIZE,
							 DRM_FORMAT_XRGB8888, 0);
	zwp_linux_buffer_params_v1_destroy(params);
	close(fd);
	return buffer;
}

static void global(void *data, struct wl_registry *registry, uint32_t name,
		   const char *interface, uint32_t version)
{
	const struct {
		const struct wl_interface *interface;
		uint32_t version;
		void *object;
	} wanted[] = {
		{ &wl_compositor_interface, 4, &compositor },
		{ &wl_output_interface, 1, &screen },
		{ &xdg_wm_base_interface, 1, &shell },
		{ &zwp_linux_dmabuf_v1_interface, 3, &dmabuf },
		{ &wp_linux_drm_syncobj_manager_v1_interface, 1, &manager },
	};
	size_t i;

	for (i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (!strcmp(interface, wanted[i].interface->name))
			*(void **)wanted[i].object =
				wl_registry_bind(registry, name, wanted[i].interface,
						 wanted[i].version);
}

static void global_remove(void *data, struct wl_registry *registry, uint32_t name)
{
}

static const struct wl_registry_listener registry_listener = { global, global_remove };

static void ping(void *data, struct xdg_wm_base *base, uint32_t serial)
{
	xdg_wm_base_pong(base, serial);
}

static const struct xdg_wm_base_listener shell_listener = { ping };

static void configure(void *data, struct xdg_surface *surface, uint32_t serial)
{
	xdg_surface_ack_configure(surface, serial);
	configured = true;
}

static const struct xdg_surface_listener xdg_surface_listener = { configure };

/* The compositor says on which screen a surface is once it has a frame to show. */
static void enter(void *data, struct wl_surface *surface, struct wl_output *output)
{
	shown = true;
}

static void leave(void *data, struct wl_surface *surface, struct wl_output *output)
{
}

static const struct wl_surface_listener surface_listener = {
	.enter = enter, .leave = leave,
};

static struct wp_linux_drm_syncobj_timeline_v1 *import(int fd)
{
	return wp_linux_drm_syncobj_manager_v1_import_timeline(manager, fd);
}

int main(int argc, char **argv)
{
	struct wp_linux_drm_syncobj_timeline_v1 *acquire_timeline, *release_timeline;
	struct wp_linux_drm_syncobj_surface_v1 *sync;
	struct xdg_surface *xdg_surface;
	struct wl_surface *surface;
	struct wl_buffer *frame[2];
	struct pollfd pfd = { .events = POLLIN };
	int drm, acquire, release, watch, ret;
	uint64_t fired = 0;

	if (argc != 3 || !freopen(argv[2], "w", stdout))
		return 2;
	prefix = argv[1];
	dev = open("/dev/syncobj", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		fatal("/dev/syncobj");
	drm = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	if (drm < 0)
		fatal("/dev/dri/card0");
	display = wl_display_connect(NULL);
	if (!display)
		fatal("no compositor");
	wl_registry_add_listener(wl_display_get_registry(display), &registry_listener, NULL);
	wl_display_roundtrip(display);
	errno = EOPNOTSUPP;
	if (!compositor || !screen || !shell || !dmabuf || !manager)
		fatal("the compositor lacks a protocol");
	xdg_wm_base_add_listener(shell, &shell_listener, NULL);

	acquire = syncobj_create();
	release = syncobj_create();
	acquire_timeline = import(acquire);
	release_timeline = import(release);
	result(wl_display_roundtrip(display) >= 0, "imports",
	       "import_timeline: error %d", wl_display_get_error(display));

	surface = wl_compositor_create_surface(compositor);
	wl_surface_add_listener(surface, &surface_listener, NULL);
	xdg_surface = xdg_wm_base_get_xdg_surface(shell, surface);
	xdg_surface_add_listener(xdg_surface, &xdg_surface_listener, NULL);
	xdg_surface_get_toplevel(xdg_surface);
	wl_surface_commit(surface);
	if (!dispatch_until(&configured, SOON))
		fatal("no configure");
	sync = wp_linux_drm_syncobj_manager_v1_get_surface(manager, surface);
	frame[0] = buffer_create(drm);
	frame[1] = buffer_create(drm);

	/* A frame whose acquire point nobody has submitted must not be shown. */
	wp_linux_drm_syncobj_surface_v1_set_acquire_point(sync, acquire_timeline, 0, 1);
	wp_linux_drm_syncobj_surface_v1_set_release_point(sync, release_timeline, 0, 1);
	wl_surface_attach(surface, frame[0], 0, 0);
	wl_surface_damage_buffer(surface, 0, 0, SIZE, SIZE);
	wl_surface_commit(surface);
	result(!dispatch_until(&shown, QUIET), "waits-for-acquire",
	       "shown before the acquire point");

	syncobj_signal(acquire, 1);
	result(dispatch_until(&shown, SOON), "shows-when-acquired",
	       "not shown after the acquire point");

	ret = syncobj_wait(release, 1, QUIET);
	result(ret == ETIME, "keeps-what-is-shown", "the shown frame's release point: %s",
	       strerror(ret));

	/* The next frame, which is ready, takes the first one's place. */
	watch = syncobj_eventfd(release, 1);
	syncobj_signal(acquire, 2);
	wp_linux_drm_syncobj_surface_v1_set_acquire_point(sync, acquire_timeline, 0, 2);
	wp_linux_drm_syncobj_surface_v1_set_release_point(sync, release_timeline, 0, 2);
	wl_surface_attach(surface, frame[1], 0, 0);
	wl_surface_damage_buffer(surface, 0, 0, SIZE, SIZE);
	wl_surface_commit(surface);
	wl_display_flush(display);
	ret = syncobj_wait(release, 1, SOON);
	result(!ret, "releases", "WAIT for the release point: %s", strerror(ret));
	pfd.fd = watch;
	ret = poll(&pfd, 1, SOON) == 1 && read(watch, &fired, sizeof(fired)) == sizeof(fired);
	result(ret && fired == 1, "eventfd-of-release", "fired %llu times",
	       (unsigned long long)fired);
	ret = syncobj_wait(release, 2, QUIET);
	result(ret == ETIME, "releases-in-order", "the second frame's release point: %s",
	       strerror(ret));

	/* That all this was about syncobjs: another kind of fd is an error. */
	import(dev);
	ret = wl_display_roundtrip(display);
	result(ret < 0 && errno == EPROTO, "refuses-others", "errno %s", strerror(errno));
	return failures != 0;
}
