// SPDX-License-Identifier: GPL-2.0-only
/* The device goes while its handles are moved and listed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "gem_env.h"
#include "syncobj_util.h"
#include "text_util.h"

#define UNPLUG	"/sys/module/bufsync_test_gem/parameters/unplug"

FIXTURE(unplug) {
	struct gem_env env;
	int drm;
};

FIXTURE_SETUP(unplug)
{
	module_unload("bufsync_test_gem");
	ASSERT_EQ(0, gem_reload(GEM_DRIVERS));
	gem_env_setup(_metadata, &self->env);
}

FIXTURE_TEARDOWN(unplug)
{
	gem_env_teardown(_metadata, &self->env);
	EXPECT_EQ(0, gem_reload(NULL));
}

struct worker {
	int dev, drm, dmabuf;
	uint32_t from, to;
	unsigned long moved, listed;
	bool stop;
	int ret;
	pthread_t thread;
};

static void *work(void *arg)
{
	struct drm_gem_ctl_prime_info_args info;
	struct drm_gem_ctl_entry entry;
	struct worker *w = arg;
	uint32_t from = w->from, to = w->to, swap;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		w->ret = gem_move(w->dev, w->drm, from, to);
		if (w->ret)
			break;
		swap = from;
		from = to;
		to = swap;
		__atomic_add_fetch(&w->moved, 1, __ATOMIC_RELAXED);
		w->ret = gem_list(w->dev, w->drm, from, &entry, 1, NULL);
		if (w->ret < 0)
			break;
		w->ret = gem_info(w->dev, w->drm, w->dmabuf, &info);
		if (w->ret)
			break;
		w->listed++;
	}
	return NULL;
}

static void workers_start(struct __test_metadata *_metadata,
			  FIXTURE_DATA(unplug) *self, struct worker *w)
{
	int i;

	for (i = 0; i < 4; i++) {
		w[i] = (struct worker) {
			.dev = self->env.dev, .drm = self->drm,
			.from = gem_new(self->drm, 1), .to = 100 + i,
		};
		ASSERT_NE(0, w[i].from);
		w[i].dmabuf = gem_export(self->drm, w[i].from);
		ASSERT_GE(w[i].dmabuf, 0);
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, work, &w[i]));
		while (__atomic_load_n(&w[i].moved, __ATOMIC_RELAXED) < 10)
			sleep_ms(1);
	}
}

/* Each has ended, because the device has gone and for nothing else. */
static void workers_end(struct __test_metadata *_metadata, struct worker *w)
{
	int i;

	for (i = 0; i < 4; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_EQ(-ENODEV, w[i].ret);
		EXPECT_LE(10, w[i].moved);
	}
}

static void gone(struct __test_metadata *_metadata, FIXTURE_DATA(unplug) *self,
		 int dmabuf)
{
	struct drm_gem_ctl_prime_info_args info;

	EXPECT_EQ(-ENODEV, gem_move(self->env.dev, self->drm, 1, 5));
	EXPECT_EQ(-ENODEV, gem_list(self->env.dev, self->drm, 0, NULL, 0,
				    NULL));
	EXPECT_EQ(-ENODEV, gem_info(self->env.dev, self->drm, dmabuf, &info));
	EXPECT_EQ(-ENODEV, gem_import_no_move(self->env.dev, self->drm, dmabuf,
					      NULL, NULL));
}

TEST_F(unplug, device_pulled_out)
{
	int i, vgem = gem_open_driver("vgem");
	struct drm_gem_ctl_prime_info_args info;
	struct worker w[4];

	self->drm = gem_open_driver("bufsync_gem");
	if (gem_lacks(self->drm))
		SKIP(return, "no device of this driver");
	ASSERT_GE(self->drm, 0);
	workers_start(_metadata, self, w);
	ASSERT_EQ(0, text_write(UNPLUG, "1"));
	workers_end(_metadata, w);
	gone(_metadata, self, w[0].dmabuf);
	/* Its dma-bufs can still be asked about, by others. */
	ASSERT_EQ(0, gem_info(self->env.dev, vgem, w[0].dmabuf, &info));
	EXPECT_EQ(DRM_GEM_CTL_CLASS_FOREIGN, info.out_class);
	EXPECT_STREQ("bufsync_gem", info.out_driver);
	for (i = 0; i < 4; i++)
		close(w[i].dmabuf);
	close(self->drm);
	close(vgem);
	EXPECT_EQ(0, module_settle("bufsync_test_gem", 0));
	EXPECT_EQ(0, module_unload("bufsync_test_gem"));
}

/* A page that comes only when somebody gives it, or when @uffd is closed */
static void *page_withheld(int *uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range.len = GEM_PAGE,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	void *page;

	*uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	page = mmap(NULL, GEM_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (*uffd < 0 || page == MAP_FAILED)
		return NULL;
	range.range.start = (uintptr_t)page;
	if (ioctl(*uffd, UFFDIO_API, &api) ||
	    ioctl(*uffd, UFFDIO_REGISTER, &range))
		return NULL;
	return page;
}

struct waiter {
	int dev, drm;
	void *page;
	int listed, unplugged;
	bool done;
};

static void *list_there(void *arg)
{
	struct waiter *w = arg;

	w->listed = gem_list(w->dev, w->drm, 0, w->page, 1, NULL);
	return NULL;
}

static void *unplug_it(void *arg)
{
	struct waiter *w = arg;

	w->unplugged = text_write(UNPLUG, "1");
	__atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* A list that is written to memory which does not come: nobody else waits for it. */
TEST_F(unplug, while_a_caller_withholds_its_memory)
{
	struct waiter w = { .dev = self->env.dev };
	int uffd, vgem = gem_open_driver("vgem");
	struct pollfd fault = { .events = POLLIN };
	pthread_t list, unplug;
	int64_t end;

	self->drm = gem_open_driver("bufsync_gem");
	if (gem_lacks(self->drm))
		SKIP(return, "no device of this driver");
	ASSERT_GE(self->drm, 0);
	w.page = page_withheld(&uffd);
	if (uffd < 0 && errno == ENOSYS)
		SKIP(return, "the kernel has no userfaultfd");
	ASSERT_NE(NULL, w.page);
	/* Another device than the one that goes, even */
	ASSERT_EQ(1, gem_new(vgem, 1));
	w.drm = vgem;
	ASSERT_EQ(0, pthread_create(&list, NULL, list_there, &w));
	fault.fd = uffd;
	ASSERT_EQ(1, poll(&fault, 1, 10000));
	ASSERT_EQ(0, pthread_create(&unplug, NULL, unplug_it, &w));
	end = in_ms(10000);
	while (!__atomic_load_n(&w.done, __ATOMIC_ACQUIRE) && now_ns() < end)
		sleep_ms(1);
	EXPECT_TRUE(__atomic_load_n(&w.done, __ATOMIC_ACQUIRE));
	/* Now it comes, and the list with it. */
	close(uffd);
	pthread_join(list, NULL);
	pthread_join(unplug, NULL);
	EXPECT_EQ(0, w.unplugged);
	EXPECT_EQ(1, w.listed);
	EXPECT_EQ(1, ((struct drm_gem_ctl_entry *)w.page)->handle);
	close(self->drm);
	close(vgem);
	EXPECT_EQ(0, module_settle("bufsync_test_gem", 0));
	EXPECT_EQ(0, module_unload("bufsync_test_gem"));
}

/*
 * The virtio device of a node, in /sys/bus/virtio/devices. The node's parent is that,
 * or the PCI function that it is behind, from 6.10 on.
 */
static bool virtio_name(int drm, char *name, size_t size)
{
	char path[128], link[128];
	struct dirent *entry;
	struct stat st;
	ssize_t n;
	DIR *dir;

	if (fstat(drm, &st))
		return false;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device",
		 major(st.st_rdev), minor(st.st_rdev));
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return false;
	link[n] = '\0';
	snprintf(name, size, "%s", strrchr(link, '/') + 1);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "virtio", 6))
			snprintf(name, size, "%s", entry->d_name);
	if (dir)
		closedir(dir);
	return !strncmp(name, "virtio", 6);
}

/*
 * A command that the device has not answered when virtio-gpu is unbound holds its
 * objects for ever, of which the kernel warns when the device is freed. The console's
 * cursor makes some, five times a second.
 */
static void driver_idle(void)
{
	text_write("/sys/class/graphics/fbcon/cursor_blink", "0");
	sleep_ms(1000);
}

/* A driver that is unbound from its device */
TEST_F(unplug, driver_unbound)
{
	struct worker w[4];
	char name[280];
	int i;

	if (!kernel_is_row())
		SKIP(return, "only in a guest: a driver is taken from its device");
	self->drm = gem_open_driver("virtio_gpu");
	ASSERT_GE(self->drm, 0);
	ASSERT_TRUE(virtio_name(self->drm, name, sizeof(name)))
		TH_LOG("%s", name);
	workers_start(_metadata, self, w);
	driver_idle();
	ASSERT_EQ(0, text_write("/sys/bus/virtio/drivers/virtio_gpu/unbind",
				name)) TH_LOG("%s", name);
	workers_end(_metadata, w);
	gone(_metadata, self, w[0].dmabuf);
	/* Nor does it wait for the work item that lets go of objects. */
	sleep_ms(500);
	for (i = 0; i < 4; i++)
		close(w[i].dmabuf);
	close(self->drm);
	ASSERT_EQ(0, text_write("/sys/bus/virtio/drivers/virtio_gpu/bind",
				name));
	/* It is all as before. */
	self->drm = gem_open_driver("virtio_gpu");
	ASSERT_GE(self->drm, 0);
	ASSERT_EQ(1, gem_new(self->drm, 1));
	EXPECT_EQ(0, gem_move(self->env.dev, self->drm, 1, 2));
}

TEST_HARNESS_MAIN
