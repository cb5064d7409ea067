// SPDX-License-Identifier: GPL-2.0-only
/* EXPORT_SYNC_FILE and IMPORT_SYNC_FILE. */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <linux/sync_file.h>

#include "env_util.h"

FIXTURE(sync_file) {
	struct env env;
	int so;
	uint32_t id;
};

FIXTURE_SETUP(sync_file)
{
	env_setup(_metadata, &self->env);
	self->so = so_create(self->env.dev, 0);
	ASSERT_GE(self->so, 0);
}

FIXTURE_TEARDOWN(sync_file)
{
	env_teardown(_metadata, &self->env);
}

static int poll_in(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms);
}

TEST_F(sync_file, export_is_a_cloexec_sync_file)
{
	int fd;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0,
			    &self->id));
	fd = so_export(self->env.dev, self->so, 1);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(0, sync_file_status(fd));
	EXPECT_EQ(0, poll_in(fd, 0));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(1, poll_in(fd, 5000));
	EXPECT_EQ(1, sync_file_status(fd));
}

TEST_F(sync_file, export_takes_the_point)
{
	uint32_t id[3];
	int fd[3], i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so,
				    i + 1, 0, &id[i]));
	for (i = 0; i < 3; i++)
		fd[i] = so_export(self->env.dev, self->so, i + 1);
	ASSERT_EQ(0, tf_signal(self->env.tf, id[0]));
	EXPECT_EQ(1, sync_file_status(fd[0]));
	EXPECT_EQ(0, sync_file_status(fd[1]));
	ASSERT_EQ(0, tf_signal(self->env.tf, id[1]));
	EXPECT_EQ(1, sync_file_status(fd[1]));
	EXPECT_EQ(0, sync_file_status(fd[2]));
	/* point 0 is the last one */
	EXPECT_EQ(0, sync_file_status(so_export(self->env.dev, self->so, 0)));
	ASSERT_EQ(0, tf_signal(self->env.tf, id[2]));
	EXPECT_EQ(1, sync_file_status(so_export(self->env.dev, self->so, 0)));
}

/* Never blocks and never makes a fence of what is not there. */
TEST_F(sync_file, export_unsubmitted)
{
	int before = count_fds();
	int64_t start = now_ns();

	EXPECT_EQ(-EINVAL, so_export(self->env.dev, self->so, 0));
	EXPECT_EQ(-EINVAL, so_export(self->env.dev, self->so, 1));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 4));
	EXPECT_EQ(-EINVAL, so_export(self->env.dev, self->so, 5));
	EXPECT_LT(now_ns() - start, NSEC_PER_SEC);
	EXPECT_EQ(before, count_fds());
}

TEST_F(sync_file, export_survives_the_syncobj)
{
	int fd;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 3, 0,
			    &self->id));
	fd = so_export(self->env.dev, self->so, 3);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
	close(self->so);
	EXPECT_EQ(0, sync_file_status(fd));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(1, sync_file_status(fd));
}

TEST_F(sync_file, export_carries_the_error)
{
	int fd, fd2;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 0, 0,
			    &self->id));
	fd = so_export(self->env.dev, self->so, 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, tf_signal_how(self->env.tf, self->id, -EIO,
				   TEST_FENCE_DIRECT, 0));
	EXPECT_EQ(-EIO, sync_file_status(fd));
	fd2 = so_export(self->env.dev, self->so, 0);
	ASSERT_GE(fd2, 0);
	EXPECT_EQ(-EIO, sync_file_status(fd2));
	/* For a wait it is a signal like any other. */
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 0, 0, 0));
}

TEST_F(sync_file, export_fault)
{
	struct syncobj_sync_file_args *args;
	int before, i;

	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	args = mmap(NULL, self->env.page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, args);
	args->syncobj_fd = self->so;
	args->point = 1;
	ASSERT_EQ(0, mprotect(args, self->env.page, PROT_READ));
	before = count_fds();
	for (i = 0; i < 5; i++)
		EXPECT_EQ(-EFAULT, so_try(self->env.dev,
					  SYNCOBJ_IOC_EXPORT_SYNC_FILE, args));
	EXPECT_EQ(before, count_fds());
}

TEST_F(sync_file, import_replaces_at_zero)
{
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 9));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 0, 0,
			    &self->id));
	EXPECT_EQ(0, so_last1(self->env.dev, self->so));
	EXPECT_EQ(-EINVAL, so_wait1(self->env.dev, self->so, 9, 0, 0));
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->so, 0, 0, 0));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 0, 0, 0));
}

TEST_F(sync_file, import_adds_a_point)
{
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 9));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 12, 0,
			    &self->id));
	EXPECT_EQ(12, so_last1(self->env.dev, self->so));
	EXPECT_EQ(9, so_query1(self->env.dev, self->so));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 9, 0, 0));
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->so, 10, 0, 0));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(12, so_query1(self->env.dev, self->so));
}

/*
 * A sync_file may hold a chain (exported from a timeline) or an array (merged
 * ones); as a point of a timeline neither may cause the kernel's warning.
 */
TEST_F(sync_file, import_chains_and_arrays)
{
	struct sync_merge_data merge = { .name = "merged" };
	int other = so_create(self->env.dev, 0);
	int kmsg = kmsg_start();
	char log[16384];
	int chain, a, b;
	uint32_t id[3];

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, other, 1, 0, &id[0]));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, other, 2, 0, &id[1]));
	chain = so_export(self->env.dev, other, 2);
	ASSERT_GE(chain, 0);
	EXPECT_EQ(0, so_import(self->env.dev, self->so, chain, 5));
	EXPECT_EQ(0, so_import(self->env.dev, self->so, chain, 6));
	EXPECT_EQ(0, so_query1(self->env.dev, self->so));

	a = tf_create(self->env.tf, 0, &id[2]);
	ASSERT_GE(a, 0);
	merge.fd2 = chain;
	ASSERT_EQ(0, ioctl(a, SYNC_IOC_MERGE, &merge));
	b = merge.fence;
	EXPECT_EQ(0, so_import(self->env.dev, self->so, b, 7));

	ASSERT_EQ(0, tf_signal(self->env.tf, id[0]));
	ASSERT_EQ(0, tf_signal(self->env.tf, id[1]));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 6, 0, 0));
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, self->so, 7, 0, 0));
	ASSERT_EQ(0, tf_signal(self->env.tf, id[2]));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 7, 0, 0));
	EXPECT_EQ(7, so_query1(self->env.dev, self->so));

	/* and as the fence of a binary one */
	EXPECT_EQ(0, so_import(self->env.dev, self->so, chain, 0));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->so, 0, 0, 0));
	kmsg_read(kmsg, log, sizeof(log));
	EXPECT_EQ(NULL, kmsg_splat(log)) TH_LOG("%s", log);
}

TEST_F(sync_file, import_other_files)
{
	int efd = efd_new();
	int other = so_create(self->env.dev, SYNCOBJ_CREATE_SIGNALED);

	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 3));
	EXPECT_EQ(-EINVAL, so_import(self->env.dev, self->so, efd, 0));
	EXPECT_EQ(-EINVAL, so_import(self->env.dev, self->so, other, 0));
	EXPECT_EQ(-EINVAL, so_import(self->env.dev, self->so, self->env.dev, 4));
	EXPECT_EQ(3, so_query1(self->env.dev, self->so));
}

/* There and back again, through a second syncobj */
TEST_F(sync_file, round_trip)
{
	int other = so_create(self->env.dev, 0);
	int fd;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 8, 0,
			    &self->id));
	fd = so_export(self->env.dev, self->so, 8);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, so_import(self->env.dev, other, fd, 1));
	close(fd);
	EXPECT_EQ(-ETIME, so_wait1(self->env.dev, other, 1, 0, 0));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(0, so_wait1(self->env.dev, other, 1, 0, 0));
}

TEST_HARNESS_MAIN
