// SPDX-License-Identifier: GPL-2.0-only
/*
 * cursor_signal [before|after]: a signal for a task that waits for the
 * reservation of a new cursor of virtio-gpu's. Kernels without the repair of
 * CVE-2026-64098 then crash. scripts/livepatch-test runs it.
 *
 * before, after: with virtio_gpu_resv_fix, loaded before or after the driver; it
 * is unloaded at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "../modules/bufsync_test_resv.h"
#include "module_util.h"
#include "param_util.h"
#include "syncobj_util.h"
#include "text_util.h"

#define PATCH		"virtio_gpu_resv_fix"
#define PATCH_DIR	"/sys/kernel/livepatch/" PATCH
#define CURSOR		64
#define HOLD_MS		3000

static void fail(const char *what, int ret)
{
	fprintf(stderr, "%s: %s\n", what, strerror(ret < 0 ? -ret : errno));
	exit(1);
}

static void patch_load(void)
{
	int ret;

	/* modprobe would, for a module that is installed */
	module_probe("drm");
	ret = module_load(PATCH);
	if (ret)
		fail("load " PATCH, ret);
}

static int patch_file(const char *name)
{
	char path[128], value = '?';
	int fd;

	snprintf(path, sizeof(path), PATCH_DIR "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (read(fd, &value, 1) != 1)
		value = '?';
	close(fd);
	return value;
}

/* Until all tasks have left the function that is replaced */
static void patch_settle(void)
{
	int64_t end = in_ms(60000);

	while (patch_file("transition") == '1' && now_ns() < end)
		sleep_ms(50);
	if (patch_file("transition") == '1') {
		fprintf(stderr, "the transition does not end\n");
		exit(1);
	}
}

static void patch_unload(void)
{
	int64_t end = in_ms(60000);
	int ret = text_write(PATCH_DIR "/enabled", "0");

	if (ret)
		fail("disable " PATCH, ret);
	do {
		sleep_ms(50);
		ret = module_unload(PATCH);
	} while (ret && now_ns() < end);
	if (ret)
		fail("unload " PATCH, ret);
}

static int open_card(void)
{
	int64_t end = in_ms(10000);
	drmVersionPtr version;
	char path[64];
	int i, fd, same;

	do {
		for (i = 0; i < 8; i++) {
			snprintf(path, sizeof(path), "/dev/dri/card%d", i);
			fd = open(path, O_RDWR | O_CLOEXEC);
			if (fd < 0)
				continue;
			version = drmGetVersion(fd);
			same = version && !strcmp(version->name, "virtio_gpu");
			drmFreeVersion(version);
			if (same)
				return fd;
			close(fd);
		}
		sleep_ms(50);
	} while (now_ns() < end);
	fail("no virtio_gpu", -ENODEV);
	return -1;
}

static uint32_t create_dumb(int fd, uint32_t width, uint32_t height,
			    uint32_t *pitch)
{
	struct drm_mode_create_dumb dumb = {
		.width = width, .height = height, .bpp = 32,
	};

	if (drmIoctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb))
		fail("CREATE_DUMB", 0);
	*pitch = dumb.pitch;
	return dumb.handle;
}

/* A picture on the first screen; returns its CRTC. */
static uint32_t show_picture(int fd)
{
	drmModeResPtr res = drmModeGetResources(fd);
	uint32_t handle, fb, pitch, crtc;
	drmModeConnectorPtr conn = NULL;
	drmModeModeInfoPtr mode;
	int i;

	if (!res || !res->count_crtcs)
		fail("no CRTC", -ENODEV);
	crtc = res->crtcs[0];
	for (i = 0; i < res->count_connectors; i++) {
		conn = drmModeGetConnector(fd, res->connectors[i]);
		if (conn && conn->connection == DRM_MODE_CONNECTED &&
		    conn->count_modes)
			break;
		drmModeFreeConnector(conn);
		conn = NULL;
	}
	if (!conn)
		fail("no screen", -ENODEV);
	mode = &conn->modes[0];
	handle = create_dumb(fd, mode->hdisplay, mode->vdisplay, &pitch);
	if (drmModeAddFB(fd, mode->hdisplay, mode->vdisplay, 24, 32, pitch,
			 handle, &fb))
		fail("ADDFB", 0);
	if (drmModeSetCrtc(fd, crtc, fb, 0, 0, &conn->connector_id, 1, mode))
		fail("SETCRTC", 0);
	drmModeFreeConnector(conn);
	drmModeFreeResources(res);
	return crtc;
}

static struct test_resv_hold_args hold = { .ms = HOLD_MS };

static void *holder(void *arg)
{
	(void)arg;
	int fd = node_open("/dev/bufsync_test_resv");

	if (fd < 0)
		fail("bufsync_test_resv", fd);
	if (ioctl(fd, TEST_RESV_HOLD, &hold))
		fail("HOLD", 0);
	return NULL;
}

static void alarmed(int sig)
{
	(void)sig;
}

/* In place of libdrm's, which would try again after a signal */
static int set_cursor(int fd, uint32_t crtc, uint32_t handle)
{
	struct drm_mode_cursor cursor = {
		.flags = DRM_MODE_CURSOR_BO, .crtc_id = crtc,
		.width = CURSOR, .height = CURSOR, .handle = handle,
	};

	return ioctl(fd, DRM_IOCTL_MODE_CURSOR, &cursor) ? -errno : 0;
}

int main(int argc, char **argv)
{
	const struct itimerval timer = { .it_value.tv_sec = 1 };
	const char *patch = argc > 1 ? argv[1] : "";
	struct sigaction sa = { .sa_handler = alarmed };
	uint32_t crtc, handle, pitch;
	pthread_t thread;
	sigset_t set;
	int64_t start;
	int fd, ret;

	ret = module_load("bufsync_test_resv");
	if (ret && ret != -EEXIST)
		fail("load bufsync_test_resv", ret);
	if (!strcmp(patch, "before"))
		patch_load();
	if (module_probe("virtio-gpu"))
		fail("modprobe virtio-gpu", -ENODEV);
	fd = open_card();
	crtc = show_picture(fd);
	if (!strcmp(patch, "after"))
		patch_load();
	if (*patch)
		patch_settle();

	handle = create_dumb(fd, CURSOR, CURSOR, &pitch);
	if (drmPrimeHandleToFD(fd, handle, DRM_CLOEXEC, &hold.fd))
		fail("HANDLE_TO_FD", 0);

	sigaction(SIGALRM, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&thread, NULL, holder, NULL))
		fail("thread", 0);
	sleep_ms(500);
	setitimer(ITIMER_REAL, &timer, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);

	start = now_ns();
	ret = set_cursor(fd, crtc, handle);
	printf("cursor: %d after %lld ms\n", ret,
	       (long long)(now_ns() - start) / 1000000);
	fflush(stdout);
	pthread_join(thread, NULL);
	/* Held and let go again: the next one need not wait. */
	if (!ret)
		ret = set_cursor(fd, crtc, handle);
	if (ret)
		fail("MODE_CURSOR", ret);

	if (*patch)
		patch_unload();
	return 0;
}
