// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which error, with all else valid; and that a call that fails has made
 * nothing, revoked nothing and keeps nothing. EINTR is in importer_wait_test.c.
 */
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <linux/udmabuf.h>

#include "errno_env.h"

FIXTURE(errors) {
	struct errno_env e;
};

FIXTURE_SETUP(errors)
{
	errno_env_setup(_metadata, &self->e);
}

FIXTURE_TEARDOWN(errors)
{
	errno_env_teardown(_metadata, &self->e);
}

/* REVOKE, both of MEMATTR, and INFO, for one fd */
static void expect_all(struct __test_metadata *_metadata,
		       FIXTURE_DATA(errors) *self, int fd, int error)
{
	struct vfio_dmabuf_memattr attr = { .dmabuf_fd = fd };
	struct vfio_dmabuf_info info;

	EXPECT_EQ(error, vfio_revoke(self->e.dev, fd));
	EXPECT_EQ(error, vfio_memattr(self->e.dev, fd, VFIO_DMABUF_MEMATTR_NC));
	EXPECT_EQ(error, vfio_memattr(self->e.dev, fd, VFIO_DMABUF_MEMATTR_WC));
	EXPECT_EQ(error, vfio_feature(self->e.dev->fd, GET | MEMATTR, &attr,
				      sizeof(attr)));
	/* -1 is the device for this one. */
	if (fd != -1)
		EXPECT_EQ(error, vfio_info(self->e.dev, fd, &info));
	expect_same(_metadata, &self->e);
}

TEST_F(errors, not_open)
{
	static const int fds[] = { -1, -2, BAD_FD, INT32_MAX, INT32_MIN };
	int path = open("/", O_PATH | O_CLOEXEC), closed = dup(self->e.fd);
	size_t i;

	close(closed);
	self->e.fds++;
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		expect_all(_metadata, self, fds[i], -EBADF);
	expect_all(_metadata, self, closed, -EBADF);
	expect_all(_metadata, self, path, -EBADF);
	close(path);
	self->e.fds--;
}

TEST_F(errors, no_dmabuf)
{
	int fds[] = {
		self->e.dev->fd, self->e.dev->group, self->e.dev->container,
		eventfd(0, EFD_CLOEXEC), memfd_create("memfd", MFD_CLOEXEC),
		open("/dev/null", O_RDWR | O_CLOEXEC),
		open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	size_t i;

	self->e.fds += 4;
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		ASSERT_GE(fds[i], 0) TH_LOG("kind %zu", i);
		expect_all(_metadata, self, fds[i], -EINVAL);
		if (_metadata->exit_code)
			TH_LOG("up to kind %zu", i);
	}
	for (i = 3; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	self->e.fds -= 4;
}

/* A dma-buf of ordinary memory; -errno, -ENOENT on a kernel that has none */
static int memory_dmabuf(void)
{
	int node = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), mem, fd;
	struct udmabuf_create arg = { .size = PAGE };

	if (node < 0)
		return -errno;
	mem = memfd_create("mem", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (ftruncate(mem, PAGE) || fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK))
		return -errno;
	arg.memfd = mem;
	fd = ioctl(node, UDMABUF_CREATE, &arg);
	close(mem);
	close(node);
	return fd < 0 ? -errno : fd;
}

TEST_F(errors, of_somebody_else)
{
	struct vfio_dev other, sibling;
	int fd, mine;

	/* another device, and one of the same group, of the same driver */
	ASSERT_EQ(0, vfio_start(&other, VFIO_EDU, VFIO_OURS));
	fd = vfio_export(&other, 0, 0, PAGE, O_RDWR);
	ASSERT_GE(fd, 0);
	self->e.fds = count_fds();
	expect_all(_metadata, self, fd, -ENODEV);
	mine = vfio_revoke(&other, self->e.fd);
	EXPECT_EQ(-ENODEV, mine);
	EXPECT_EQ(0, vfio_revoke(&other, fd));
	/* nor does it tell a stranger that it is revoked */
	expect_all(_metadata, self, fd, -ENODEV);
	close(fd);
	vfio_stop(&other);

	ASSERT_EQ(0, vfio_find(VFIO_SIBLING, sibling.bdf));
	ASSERT_EQ(0, vfio_bind(sibling.bdf, VFIO_OURS));
	ASSERT_EQ(0, vfio_open(&sibling, sibling.bdf, self->e.dev));
	fd = vfio_export(&sibling, 0, 0, PAGE, O_RDWR);
	ASSERT_GE(fd, 0);
	self->e.fds = count_fds();
	expect_all(_metadata, self, fd, -ENODEV);
	close(fd);
	close(sibling.fd);
	EXPECT_EQ(0, vfio_unbind(sibling.bdf));
	self->e.fds = count_fds();

	fd = memory_dmabuf();
	if (fd == -ENOENT && !kernel_at_least(6, 12))
		return;
	ASSERT_GE(fd, 0) TH_LOG("no dma-buf of another kind");
	self->e.fds++;
	expect_all(_metadata, self, fd, -ENODEV);
	close(fd);
	self->e.fds--;
}

TEST_F(errors, revoked)
{
	int fd = vfio_export(self->e.dev, 0, 0, PAGE, O_RDWR);
	struct vfio_dmabuf_memattr attr = { .dmabuf_fd = fd };
	struct vfio_dmabuf_info info;

	ASSERT_EQ(0, vfio_revoke(self->e.dev, fd));
	self->e.was.out_exports++;
	self->e.was.out_revokes++;
	self->e.fds++;
	EXPECT_EQ(-EBADFD, vfio_revoke(self->e.dev, fd));
	EXPECT_EQ(-EBADFD, vfio_memattr(self->e.dev, fd, 0));
	EXPECT_EQ(-EBADFD, vfio_memattr(self->e.dev, fd, 1));
	EXPECT_EQ(-EBADFD, vfio_feature(self->e.dev->fd, GET | MEMATTR, &attr,
					sizeof(attr)));
	EXPECT_EQ(-ENODEV, try_map(fd, PAGE, RW, MAP_SHARED, 0));
	/* It can still be asked about. */
	EXPECT_EQ(0, vfio_info(self->e.dev, fd, &info));
	EXPECT_EQ(VFIO_DMABUF_STATE_REVOKED, info.out_state);
	EXPECT_EQ(PAGE, info.out_size);
	expect_same(_metadata, &self->e);
	close(fd);
	self->e.fds--;
}

TEST_F(errors, values)
{
	struct vfio_dmabuf_info info = { .dmabuf_fd = self->e.fd };
	static const uint32_t unknown[] = { 2, 3, 1U << 31, UINT32_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		EXPECT_EQ(-ENOENT, vfio_memattr(self->e.dev, self->e.fd,
						unknown[i]));
		expect_same(_metadata, &self->e);
	}
	for (i = 0; i < 32; i++) {
		info.flags = 1U << i;
		EXPECT_EQ(-EINVAL, vfio_feature(self->e.dev->fd, GET | INFO,
						&info, sizeof(info)));
	}
}

/* By the size of the payload no struct is too short. */
TEST_F(errors, operations)
{
	static const struct {
		uint32_t flags;
		int want;
	} calls[] = {
		{ DMA_BUF, -EINVAL }, { SET | DMA_BUF, -EINVAL },
		{ INFO, -EINVAL }, { SET | INFO, -EINVAL },
		{ REVOKE, -EINVAL }, { GET | REVOKE, -EINVAL },
		{ MEMATTR, -EINVAL }, { GET | SET | MEMATTR, -EINVAL },
		{ GET | SET | INFO, -EINVAL }, { GET | SET | REVOKE, -EINVAL },
		{ PROBE | SET | INFO, -EINVAL },
		{ PROBE | GET | REVOKE, -EINVAL },
		{ PROBE | GET | SET | MEMATTR, 0 },
		/* not ours: whatever the kernel says */
		{ GET | 0xfcff, -ENOTTY }, { SET | 0xfcff, -ENOTTY },
		{ GET | 0xfd03, -ENOTTY }, { SET | 0xfd03, -ENOTTY },
		{ PROBE | 0xfd03, -ENOTTY }, { PROBE | 0xffff, -ENOTTY },
		{ GET | SET | 0xfd03, -EINVAL },
		/* the series' numbers, for GET */
		{ GET | VFIO_DMABUF_ALIAS_REVOKE, -ENOTTY },
		{ PROBE | GET | VFIO_DMABUF_ALIAS_REVOKE, -ENOTTY },
		{ GET | VFIO_DMABUF_ALIAS_MEMATTR, -ENOTTY },
		{ PROBE | GET | VFIO_DMABUF_ALIAS_MEMATTR, -ENOTTY },
		/* a bit that means nothing */
		{ GET | INFO | 1U << 19, -EINVAL },
		{ SET | REVOKE | 1U << 31, -EINVAL },
		{ PROBE | REVOKE | 1U << 20, -EINVAL },
	};
	uint32_t payload[64] = { self->e.fd };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		EXPECT_EQ(calls[i].want,
			  vfio_feature(self->e.dev->fd, calls[i].flags, payload,
				       sizeof(payload)))
			TH_LOG("flags %#x", calls[i].flags);
		expect_same(_metadata, &self->e);
	}
}

TEST_F(errors, no_fd_left)
{
	struct rlimit limit, few;
	int next = dup(self->e.fd);

	ASSERT_GE(next, 0);
	close(next);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	few = limit;
	few.rlim_cur = next;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	EXPECT_EQ(-EMFILE, vfio_export(self->e.dev, 0, 0, PAGE, O_RDWR));
	/* those that need none */
	EXPECT_EQ(0, vfio_memattr(self->e.dev, self->e.fd, 0));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	expect_same(_metadata, &self->e);
}

TEST_HARNESS_MAIN
