// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who keeps whom: device fds, mappings of the BAR, slices, the driver, the
 * module.
 */
#include "vfio_env.h"

#include "slice_util.h"
#include "syncobj_util.h"
#include "thread_util.h"

#define SIZE	MIB(4)

FIXTURE(life) {
	struct vfio_env env;
	struct vfio_dev *dev;
	int fd;
	char *p;
};

FIXTURE_SETUP(life)
{
	vfio_env_setup(_metadata, &self->env, VFIO_BOCHS, VFIO_OURS);
	self->dev = &self->env.dev;
	self->fd = vfio_export(self->dev, 0, 0, SIZE, O_RDWR | O_CLOEXEC);
	self->p = slice_map(self->fd, SIZE, RW);
	ASSERT_NE(MAP_FAILED, self->p);
	fill(self->p, 0, SIZE, 1);
}

FIXTURE_TEARDOWN(life)
{
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

static int unbind(void *arg)
{
	return -vfio_unbind(arg);
}

TEST_F(life, last_device_fd_closed)
{
	int wc = vfio_export(self->dev, 0, 0, SIZE, O_RDWR | O_CLOEXEC);
	char *q;

	ASSERT_EQ(0, vfio_memattr(self->dev, wc, VFIO_DMABUF_MEMATTR_WC));
	q = slice_map(wc, SIZE, RW);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(0, differs(q, 0, SIZE, 1));
	vfio_close(self->dev);
	EXPECT_FALSE(alive(self->p));
	EXPECT_FALSE(alive(self->p + SIZE - PAGE));
	EXPECT_FALSE(try_write32(self->p, 2));
	EXPECT_FALSE(alive(q));
	EXPECT_FALSE(alive(q + SIZE - PAGE));
	EXPECT_EQ(-ENODEV, try_map(self->fd, PAGE, RW, MAP_SHARED, 0));
	EXPECT_EQ(-ENODEV, try_map(wc, PAGE, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ((off_t)SIZE, lseek(self->fd, 0, SEEK_END));
	/* They do not keep the driver, which a hanging child would tell. */
	EXPECT_EQ(0, in_child(unbind, self->dev->bdf));
	EXPECT_FALSE(alive(self->p));
}

TEST_F(life, one_of_two_device_fds_closed)
{
	int copy = dup(self->dev->fd);

	ASSERT_GE(copy, 0);
	vfio_close(self->dev);
	EXPECT_EQ(0, differs(self->p, 0, SIZE, 1));
	EXPECT_EQ(0, try_map(self->fd, SIZE, RW, MAP_SHARED, 0));
	close(copy);
	EXPECT_FALSE(alive(self->p));
	EXPECT_EQ(-ENODEV, try_map(self->fd, SIZE, RW, MAP_SHARED, 0));
}

TEST_F(life, mapping_of_the_bar_keeps_the_device)
{
	size_t size = vfio_bar_size(self->dev, 0);
	char *bar = vfio_bar_map(self->dev, 0, RW);

	ASSERT_NE(MAP_FAILED, bar);
	vfio_close(self->dev);
	EXPECT_EQ(0, differs(self->p, 0, SIZE, 1));
	EXPECT_EQ(0, try_map(self->fd, SIZE, RW, MAP_SHARED, 0));
	fill(bar, 0, SIZE, 2);
	EXPECT_EQ(0, differs(self->p, 0, SIZE, 2));
	/* A part of it is enough. */
	munmap(bar, size - PAGE);
	EXPECT_EQ(0, differs(self->p, 0, SIZE, 2));
	munmap(bar + size - PAGE, PAGE);
	EXPECT_FALSE(alive(self->p));
	EXPECT_EQ(-ENODEV, try_map(self->fd, SIZE, RW, MAP_SHARED, 0));
}

TEST_F(life, mapping_outlives_its_fd)
{
	close(self->fd);
	EXPECT_EQ(0, differs(self->p, 0, SIZE, 1));
	EXPECT_EQ(1, INFO_OF(self->dev, -1, out_slices));
	/* It is found without an fd, too. */
	ASSERT_EQ(0, vfio_memory_enable(self->dev, false));
	EXPECT_FALSE(alive(self->p));
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	EXPECT_EQ(0, differs(self->p, 0, SIZE, 1));
	vfio_close(self->dev);
	EXPECT_FALSE(alive(self->p));
}

TEST_F(life, opened_again)
{
	char *bar, *q;
	int fd;

	vfio_close(self->dev);
	ASSERT_EQ(0, vfio_open(self->dev, self->env.dev.bdf, NULL));
	EXPECT_FALSE(alive(self->p));
	EXPECT_EQ(-ENODEV, try_map(self->fd, SIZE, RW, MAP_SHARED, 0));
	EXPECT_EQ(0, INFO_OF(self->dev, -1, out_slices));
	EXPECT_EQ(-EBADFD, vfio_revoke(self->dev, self->fd));
	/* the same range once more */
	fd = vfio_export(self->dev, 0, 0, SIZE, O_RDWR);
	q = slice_map(fd, SIZE, RW);
	bar = vfio_bar_map(self->dev, 0, RW);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_NE(MAP_FAILED, bar);
	fill(q, 0, SIZE, 3);
	EXPECT_EQ(0, differs(bar, 0, SIZE, 3));
	EXPECT_FALSE(alive(self->p));
	EXPECT_FALSE(alive(self->p + MIB(2)));
	EXPECT_EQ(1, INFO_OF(self->dev, -1, out_slices));
	/* after the driver has been away as well */
	unmap_all();
	vfio_close(self->dev);
	ASSERT_EQ(0, vfio_unbind(self->dev->bdf));
	ASSERT_EQ(0, vfio_bind(self->dev->bdf, VFIO_OURS));
	ASSERT_EQ(0, vfio_open(self->dev, self->env.dev.bdf, NULL));
	EXPECT_EQ(-ENODEV, try_map(fd, SIZE, RW, MAP_SHARED, 0));
	/* Then it is none of this device's any more. */
	EXPECT_EQ(-ENODEV, vfio_revoke(self->dev, fd));
	EXPECT_EQ(-ENODEV, vfio_revoke(self->dev, self->fd));
	EXPECT_EQ(0, INFO_OF(self->dev, -1, out_exports));
}

TEST_F(life, client_while_the_device_is_closed)
{
	pid_t pid;
	int status, pipes[2];
	char byte = 0;

	ASSERT_EQ(0, pipe(pipes));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		drop_device(self->dev);
		signal(SIGBUS, SIG_DFL);
		for (;;) {
			fill(self->p, 0, PAGE, 4);
			if (write(pipes[1], &byte, 1) != 1)
				_exit(1);
		}
	}
	close(pipes[1]);
	ASSERT_EQ(1, read(pipes[0], &byte, 1));
	vfio_close(self->dev);
	/* or it would wait for somebody to read, and not touch it any more */
	while (read(pipes[0], &byte, 1) == 1)
		;
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS)
		TH_LOG("status %#x", status);
}

TEST_F(life, unbind_waits_for_the_close)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		unmap_all();
		drop_device(self->dev);
		_exit(unbind(self->dev->bdf));
	}
	ASSERT_GT(pid, 0);
	EXPECT_TRUE(task_asleep(pid));
	sleep_ms(200);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_EQ(0, differs(self->p, 0, SIZE, 1));
	vfio_close(self->dev);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_FALSE(alive(self->p));
	EXPECT_EQ(-ENODEV, try_map(self->fd, SIZE, RW, MAP_SHARED, 0));
}

/* Each of them alone keeps the code. */
TEST_F(life, module_stays)
{
	EXPECT_EQ(-EAGAIN, module_unload(VFIO_OURS));
	munmap(self->p, SIZE);
	close(self->fd);
	EXPECT_EQ(-EAGAIN, module_unload(VFIO_OURS));
	self->fd = vfio_export(self->dev, 0, 0, SIZE, O_RDWR);
	ASSERT_GE(self->fd, 0);
	vfio_close(self->dev);
	ASSERT_EQ(0, vfio_unbind(self->dev->bdf));
	EXPECT_EQ(-EAGAIN, module_unload(VFIO_OURS));
	close(self->fd);
	EXPECT_EQ(0, module_settle(VFIO_OURS, 0));

	/* a mapping whose fd is closed, of a device that is not there */
	ASSERT_EQ(0, vfio_start(self->dev, VFIO_BOCHS, VFIO_OURS));
	self->fd = vfio_export(self->dev, 0, 0, SIZE, O_RDWR);
	self->p = slice_map(self->fd, SIZE, RW);
	ASSERT_NE(MAP_FAILED, self->p);
	close(self->fd);
	vfio_stop(self->dev);
	EXPECT_EQ(-EAGAIN, module_unload(VFIO_OURS));
	EXPECT_FALSE(alive(self->p));
	munmap(self->p, SIZE);
	EXPECT_EQ(0, module_settle(VFIO_OURS, 0));
	EXPECT_EQ(0, module_unload(VFIO_OURS));
	EXPECT_FALSE(module_loaded(VFIO_OURS));
	EXPECT_EQ(0, module_probe(VFIO_OURS));
}

TEST_HARNESS_MAIN
