// SPDX-License-Identifier: GPL-2.0-only
/*
 * DRM drivers as importers: vgem, and virtio-gpu, which may refuse.
 *
 * The buffer is made of blocks of 64 KiB, which is what a device takes that
 * does not say anything else: DMA debugging complains of longer ones.
 */
#include <fcntl.h>
#include <xf86drm.h>

#include "heap_env.h"

#include "dmabuf_util.h"
#include "drm_util.h"
#include "syncobj_util.h"

#define SIZE	KIB(512)

FIXTURE(drm) {
	struct heap_env env;
	struct cg cg;
	struct cg other;
	int buf;	/* SIZE bytes, charged to cg, filled with seed 1 */
	char *p;
};

FIXTURE_SETUP(drm)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->cg, &self->env.top, "drm"));
	ASSERT_EQ(0, cg_new(&self->other, &self->env.top, "other"));
	self->buf = heap_alloc(self->env.dev, SIZE, cg_open(&self->cg, 0));
	ASSERT_GE(self->buf, 0);
	self->p = buf_map(self->buf, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->p);
	buf_fill(self->p, SIZE, 1);
}

FIXTURE_TEARDOWN(drm)
{
	buf_unmap_all();
	heap_env_teardown(_metadata, &self->env);
}

static int open_node(const char *driver, const char *name, int first)
{
	drmVersionPtr version;
	char path[64];
	int i, fd, same;

	for (i = first; i < first + 16; i++) {
		snprintf(path, sizeof(path), "/dev/dri/%s%d", name, i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		version = drmGetVersion(fd);
		same = version && !strcmp(version->name, driver);
		drmFreeVersion(version);
		if (same)
			return fd;
		close(fd);
	}
	return -ENODEV;
}

/* drm_open() wants syncobjs, which are beside the point here. */
static int open_driver(const char *driver, const char *name, int first)
{
	int64_t end = in_ms(5000);
	int fd;

	if (drm_driver_probe(driver))
		return -ENODEV;
	do {
		fd = open_node(driver, name, first);
		if (fd >= 0)
			return fd;
		sleep_ms(10);
	} while (now_ns() < end);
	return -ENODEV;
}

static int import(int drm, int buf, uint32_t *handle)
{
	return drm_ret(drmPrimeFDToHandle(drm, buf, handle));
}

static int export(int drm, uint32_t handle)
{
	int fd = -1, ret;

	ret = drmPrimeHandleToFD(drm, handle, DRM_CLOEXEC | DRM_RDWR, &fd);
	return drm_ret(ret) ?: fd;
}

static int gem_close(int drm, uint32_t handle)
{
	struct drm_gem_close args = { .handle = handle };

	return drm_ret(drmIoctl(drm, DRM_IOCTL_GEM_CLOSE, &args));
}

/* In and out again: the same pages, and attached as long as it is in there */
static void in_and_out(struct __test_metadata *_metadata,
		       FIXTURE_DATA(drm) *self, int drm)
{
	int dev = self->env.dev, to = cg_open(&self->other, 0), fd;
	uint32_t handle, again;
	char *q;

	ASSERT_EQ(0, import(drm, self->buf, &handle));
	ASSERT_EQ(0, import(drm, self->buf, &again));
	EXPECT_EQ(handle, again);
	EXPECT_EQ(-EBUSY, heap_transfer(dev, self->buf, to));
	close(self->buf);

	/* The driver alone has it. */
	munmap(self->p, SIZE);
	EXPECT_EQ(SIZE, cg_local_bytes(dev, &self->cg));
	fd = export(drm, handle);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(SIZE, buf_size(fd));
	q = buf_map(fd, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(0, buf_differs(q, SIZE, 1));
	buf_fill(q, SIZE, 2);
	close(fd);
	munmap(q, SIZE);
	EXPECT_EQ(SIZE, cg_local_bytes(dev, &self->cg));

	fd = export(drm, handle);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EBUSY, heap_transfer(dev, fd, to));
	EXPECT_EQ(0, gem_close(drm, handle));
	EXPECT_EQ(0, heap_transfer(dev, fd, to));
	q = buf_map(fd, PROT_READ);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(0, buf_differs(q, SIZE, 2));
	EXPECT_EQ(SIZE, cg_local_bytes(dev, &self->other));
	EXPECT_EQ(0, cg_local_bytes(dev, &self->cg));
	munmap(q, SIZE);
	close(fd);
	EXPECT_EQ(0, cg_bytes(dev, &self->env.top));
}

TEST_F(drm, vgem)
{
	int drm = open_driver("vgem", "renderD", 128);

	ASSERT_GE(drm, 0) TH_LOG("no vgem");
	in_and_out(_metadata, self, drm);
}

/* The last reference goes with the driver's file. */
TEST_F(drm, vgem_is_closed)
{
	int drm = open_driver("vgem", "renderD", 128);
	uint32_t handle;

	ASSERT_GE(drm, 0) TH_LOG("no vgem");
	ASSERT_EQ(0, import(drm, self->buf, &handle));
	close(self->buf);
	munmap(self->p, SIZE);
	EXPECT_EQ(SIZE, cg_local_bytes(self->env.dev, &self->cg));
	close(drm);
	EXPECT_EQ(0, cg_local_bytes(self->env.dev, &self->cg));
}

/* Two clients of the driver, that know nothing of each other */
TEST_F(drm, vgem_twice)
{
	int drm[2], fd, i, to = cg_open(&self->other, 0);
	uint32_t handle[2];

	for (i = 0; i < 2; i++) {
		drm[i] = open_driver("vgem", "renderD", 128);
		ASSERT_GE(drm[i], 0) TH_LOG("no vgem");
	}
	ASSERT_EQ(0, import(drm[0], self->buf, &handle[0]));
	fd = export(drm[0], handle[0]);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, gem_close(drm[0], handle[0]));
	ASSERT_EQ(0, import(drm[1], fd, &handle[1]));
	close(drm[0]);
	EXPECT_EQ(-EBUSY, heap_transfer(self->env.dev, fd, to));
	close(drm[1]);
	EXPECT_EQ(0, heap_transfer(self->env.dev, fd, to));
	EXPECT_EQ(0, buf_differs(self->p, SIZE, 1));
}

/* Without blob resources it takes nobody's buffers but its own. */
TEST_F(drm, virtio_gpu)
{
	int drm = open_driver("virtio_gpu", "renderD", 128);
	int to = cg_open(&self->other, 0), ret;
	uint32_t handle;

	if (drm < 0)
		SKIP(return, "no virtio-gpu");
	ret = import(drm, self->buf, &handle);
	if (!ret) {
		TH_LOG("virtio-gpu imports");
		EXPECT_EQ(0, gem_close(drm, handle));
		in_and_out(_metadata, self, drm);
		return;
	}
	TH_LOG("virtio-gpu does not import: %s", strerror(-ret));
	EXPECT_TRUE(ret == -ENODEV || ret == -EINVAL || ret == -EOPNOTSUPP);
	/* It was attached, and mapped, and is not any more. */
	EXPECT_EQ(0, buf_differs(self->p, SIZE, 1));
	EXPECT_EQ(0, heap_transfer(self->env.dev, self->buf, to));
	EXPECT_EQ(0, buf_differs(self->p, SIZE, 1));
	EXPECT_EQ(SIZE, cg_local_bytes(self->env.dev, &self->other));
}

/* What drivers allocate themselves is not this heap's. */
TEST_F(drm, buffer_of_vgem)
{
	struct drm_mode_create_dumb dumb = {
		.width = 64, .height = 64, .bpp = 32,
	};
	int drm = open_driver("vgem", "card", 0), fd;

	ASSERT_GE(drm, 0) TH_LOG("no vgem");
	ASSERT_EQ(0, drm_ret(drmIoctl(drm, DRM_IOCTL_MODE_CREATE_DUMB, &dumb)));
	fd = export(drm, dumb.handle);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EINVAL, heap_transfer(self->env.dev, fd,
					 cg_open(&self->other, 0)));
	EXPECT_EQ(0, cg_bytes(self->env.dev, &self->other));
}

TEST_HARNESS_MAIN
