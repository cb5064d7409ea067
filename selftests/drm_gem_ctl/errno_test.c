// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each error of the header, with arguments that are right otherwise. After each
 * call the file has the handles that it had, and nothing has leaked.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "gem_env.h"

FIXTURE(err) {
	struct gem_env env;
	int drm, dmabuf, fds;
	uint32_t a, b;
};

FIXTURE_SETUP(err)
{
	gem_env_setup(_metadata, &self->env);
	self->drm = gem_open_driver("vgem");
	if (gem_lacks(self->drm))
		SKIP(return, "no device of this driver");
	ASSERT_GE(self->drm, 0);
	self->a = gem_new(self->drm, 1);
	self->b = gem_new(self->drm, 2);
	ASSERT_NE(0, self->a);
	ASSERT_NE(0, self->b);
	self->dmabuf = gem_export(self->drm, self->a);
	ASSERT_GE(self->dmabuf, 0);
	self->fds = count_fds();
}

/* All is as before: both handles with their objects, one of them cached. */
FIXTURE_TEARDOWN(err)
{
	struct drm_gem_ctl_entry entry;

	EXPECT_EQ(self->fds, count_fds());
	EXPECT_EQ(2, gem_count(self->env.dev, self->drm));
	EXPECT_EQ(1, gem_count_cached(self->env.dev, self->drm));
	EXPECT_EQ(0, gem_entry(self->env.dev, self->drm, self->a, &entry));
	EXPECT_EQ(GEM_PAGE, entry.obj_size);
	EXPECT_EQ(1, entry.handle_count);
	EXPECT_EQ(inode_of(self->dmabuf), entry.dmabuf_ino);
	EXPECT_EQ(0, gem_entry(self->env.dev, self->drm, self->b, &entry));
	EXPECT_EQ(2 * GEM_PAGE, entry.obj_size);
	EXPECT_EQ(0, entry.dmabuf_ino);
	gem_env_teardown(_metadata, &self->env);
}

/* What each call says of this fd in the place of the DRM file */
static void drm_fd(struct __test_metadata *_metadata, FIXTURE_DATA(err) *self,
		   int fd, int want, const char *what)
{
	struct drm_gem_ctl_prime_info_args info;

	EXPECT_EQ(want, gem_move(self->env.dev, fd, self->a, 77))
		TH_LOG("%s", what);
	EXPECT_EQ(want, gem_list(self->env.dev, fd, 0, NULL, 0, NULL))
		TH_LOG("%s", what);
	EXPECT_EQ(want, gem_info(self->env.dev, fd, self->dmabuf, &info))
		TH_LOG("%s", what);
	EXPECT_EQ(want, gem_import_no_move(self->env.dev, fd, self->dmabuf,
					   NULL, NULL)) TH_LOG("%s", what);
}

TEST_F(err, drm_fd_is_none)
{
	int fd;

	drm_fd(_metadata, self, -1, -EBADF, "-1");
	drm_fd(_metadata, self, 1000, -EBADF, "not open");
	fd = open("/dev/dri", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	drm_fd(_metadata, self, fd, -ENOTTY, "a directory");
	close(fd);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	drm_fd(_metadata, self, fd, -ENOTTY, "/dev/null");
	close(fd);
	fd = eventfd(0, EFD_CLOEXEC);
	drm_fd(_metadata, self, fd, -ENOTTY, "an eventfd");
	close(fd);
	drm_fd(_metadata, self, self->env.dev, -ENOTTY, GEM_NODE);
	drm_fd(_metadata, self, self->dmabuf, -ENOTTY, "a dma-buf");
	fd = open("/dev/dri", O_PATH | O_CLOEXEC);
	drm_fd(_metadata, self, fd, -EBADF, "an O_PATH fd");
	close(fd);
	fd = open("/dev/syncobj", O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		drm_fd(_metadata, self, fd, -ENOTTY, "/dev/syncobj");
		close(fd);
	}
}

TEST_F(err, no_gem)
{
	int fd = gem_open_driver("bufsync_bare");

	ASSERT_GE(fd, 0);
	drm_fd(_metadata, self, fd, -EOPNOTSUPP, "a device without GEM");
	close(fd);
}

TEST_F(err, accelerator)
{
	int fd;

	if (access("/sys/class/accel", F_OK))
		SKIP(return, "the kernel has no accelerators");
	fd = gem_open_accel("bufsync_accel");
	ASSERT_GE(fd, 0);
	drm_fd(_metadata, self, fd, -EOPNOTSUPP, "an accelerator");
	close(fd);
}

TEST_F(err, move)
{
	int dev = self->env.dev, drm = self->drm;

	EXPECT_EQ(-ENOENT, gem_move(dev, drm, 77, 78));
	EXPECT_EQ(-ENOENT, gem_move(dev, drm, 77, 77));
	EXPECT_EQ(-ENOENT, gem_move(dev, drm, 77, self->a));
	EXPECT_EQ(-ENOENT, gem_move(dev, drm, DRM_GEM_CTL_MAX_HANDLE, 78));
	EXPECT_EQ(-EEXIST, gem_move(dev, drm, self->a, self->b));
	EXPECT_EQ(-EEXIST, gem_move(dev, drm, self->b, self->a));
	EXPECT_EQ(-EINVAL, gem_move(dev, drm, self->a, 0));
	EXPECT_EQ(-EINVAL, gem_move(dev, drm, 0, 78));
	EXPECT_EQ(-EINVAL, gem_move(dev, drm, 0, 0));
	EXPECT_EQ(-EINVAL, gem_move(dev, drm, self->a, 0x7fffffff));
	EXPECT_EQ(-EINVAL, gem_move(dev, drm, self->a, 0x80000000));
	EXPECT_EQ(-EINVAL, gem_move(dev, drm, self->a, 0xffffffff));
	EXPECT_EQ(-EINVAL, gem_move(dev, drm, 0x7fffffff, 78));
	EXPECT_EQ(-EINVAL, gem_move(dev, drm, 0xffffffff, 78));
}

/* A driver that is not listed; its handles can be listed all the same. */
TEST_F(err, move_by_another_driver)
{
	int fd = gem_open_driver("bufsync_gem");
	uint32_t handle;

	ASSERT_GE(fd, 0);
	handle = gem_new(fd, 1);
	ASSERT_NE(0, handle);
	EXPECT_EQ(-EOPNOTSUPP, gem_move(self->env.dev, fd, handle, 77));
	EXPECT_EQ(-EOPNOTSUPP, gem_move(self->env.dev, fd, handle, handle));
	EXPECT_EQ(-EOPNOTSUPP, gem_move(self->env.dev, fd, 0, 0));
	EXPECT_EQ(1, gem_count(self->env.dev, fd));
	close(fd);
}

TEST_F(err, list)
{
	struct drm_gem_ctl_entry entries[2];
	struct drm_gem_ctl_list_args args, good = {
		.size = sizeof(args),
		.drm_fd = self->drm,
		.entries = (uintptr_t)entries,
		.count = 2,
		.entry_size = sizeof(entries[0]),
	};
	const uint32_t wrong[] = { 0, 1, 8, 12, 17, 33, 36, GEM_PAGE + 8,
				   0x80000000, 0xfffffff8 };
	size_t i;
	char *p;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		args = good;
		args.entry_size = wrong[i];
		EXPECT_EQ(-EINVAL, gem_try(self->env.dev, DRM_GEM_CTL_IOC_LIST,
					   &args)) TH_LOG("%u", wrong[i]);
	}
	/* The fd comes before the ranges. */
	args.drm_fd = -1;
	EXPECT_EQ(-EBADF, gem_try(self->env.dev, DRM_GEM_CTL_IOC_LIST, &args));
	args = good;
	args.entries = 8;
	EXPECT_EQ(-EFAULT, gem_try(self->env.dev, DRM_GEM_CTL_IOC_LIST, &args));
	/* The second entry lies where nothing is. */
	p = mmap(NULL, 2 * GEM_PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, munmap(p + GEM_PAGE, GEM_PAGE));
	args = good;
	args.entries = (uintptr_t)p + GEM_PAGE - sizeof(entries[0]);
	EXPECT_EQ(-EFAULT, gem_try(self->env.dev, DRM_GEM_CTL_IOC_LIST, &args));
	args.count = 1;
	EXPECT_EQ(0, gem_try(self->env.dev, DRM_GEM_CTL_IOC_LIST, &args));
	/* Also by pieces */
	args = good;
	args.entry_size = 64;
	args.entries = (uintptr_t)p + GEM_PAGE - 64;
	EXPECT_EQ(-EFAULT, gem_try(self->env.dev, DRM_GEM_CTL_IOC_LIST, &args));
	args.entries = (uintptr_t)p + GEM_PAGE - 48;
	args.count = 1;
	EXPECT_EQ(-EFAULT, gem_try(self->env.dev, DRM_GEM_CTL_IOC_LIST, &args));
}

/* Nothing is imported that the caller cannot be told of. */
TEST_F(err, answer_that_cannot_be_written)
{
	struct drm_gem_ctl_import_args *args;
	int fd = gem_memcg_heap(GEM_PAGE);

	ASSERT_GE(fd, 0);
	args = mmap(NULL, GEM_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, args);
	*args = (struct drm_gem_ctl_import_args) {
		.size = sizeof(*args),
		.drm_fd = self->drm,
		.dmabuf_fd = fd,
	};
	ASSERT_EQ(0, mprotect(args, GEM_PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, gem_try(self->env.dev,
				   DRM_GEM_CTL_IOC_IMPORT_NO_MOVE, args));
	EXPECT_EQ(2, gem_count(self->env.dev, self->drm));
	EXPECT_EQ(0, dmabuf_attached(inode_of(fd)));
	close(fd);
}

TEST_F(err, dmabuf_fd)
{
	static const struct {
		const char *path;
		int flags, want;
	} cases[] = {
		{ "/dev/null", O_RDWR, -EINVAL },
		{ "/dev", O_RDONLY | O_DIRECTORY, -EINVAL },
		{ GEM_NODE, O_RDWR, -EINVAL },
	};
	struct drm_gem_ctl_prime_info_args info;
	size_t i;
	int fd;

	EXPECT_EQ(-EBADF, gem_info(self->env.dev, self->drm, -1, &info));
	EXPECT_EQ(-EBADF, gem_import_no_move(self->env.dev, self->drm, -1,
					     NULL, NULL));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		fd = open(cases[i].path, cases[i].flags | O_CLOEXEC);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(cases[i].want, gem_info(self->env.dev, self->drm, fd,
						  &info))
			TH_LOG("%s", cases[i].path);
		EXPECT_EQ(cases[i].want,
			  gem_import_no_move(self->env.dev, self->drm, fd,
					     NULL, NULL))
			TH_LOG("%s", cases[i].path);
		close(fd);
	}
	EXPECT_EQ(-EINVAL, gem_info(self->env.dev, self->drm, self->drm,
				    &info));
}

TEST_HARNESS_MAIN
