// SPDX-License-Identifier: GPL-2.0-only
/*
 * 32-bit callers. The calls go through int 0x80, the 32-bit entry of an
 * x86-64 kernel, so that compat_ioctl is what runs, with arguments and arrays
 * in the low 4 GiB. Needs no 32-bit compiler and no 32-bit libc.
 */
#include <fcntl.h>
#include <sys/eventfd.h>

#include "compat32.h"
#include "env_util.h"

/* Everything that a call can see lies here. */
struct low {
	union {
		struct syncobj_create_args create;
		struct syncobj_wait_args wait;
		struct syncobj_array_args array;
		struct syncobj_transfer_args transfer;
		struct syncobj_eventfd_args efd;
		struct syncobj_sync_file_args sync_file;
		struct syncobj_caps caps;
		struct syncobj_eventfd_batch_args batch;
		struct syncobj_eventfd_cancel_args cancel;
		struct syncobj_status_args status;
		uint32_t live;
	};
	int fds[16];
	uint64_t points[16];
	int results[16];
	struct syncobj_eventfd_args entries[16];
};

FIXTURE(compat32) {
	struct env env;
	struct low *low;
	int so;
	uint32_t id;
};

FIXTURE_SETUP(compat32)
{
	env_setup(_metadata, &self->env);
	if (!have_int80())
		SKIP(return, "the kernel takes no 32-bit calls");
	self->low = mmap(NULL, self->env.page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, self->low);
	ASSERT_EQ(0, (uintptr_t)self->low >> 32);

	self->low->create = (struct syncobj_create_args) { .fd = -1 };
	ASSERT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_CREATE,
			   &self->low->create));
	self->so = self->low->create.fd;
	self->low->fds[0] = self->so;
}

FIXTURE_TEARDOWN(compat32)
{
	env_teardown(_metadata, &self->env);
}

/*
 * The control: a file whose driver has only the 64-bit operation answers
 * ENOTTY through this entry and not through the other.
 */
TEST_F(compat32, is_the_compat_entry)
{
	self->low->live = 12345;
	EXPECT_EQ(-ENOTTY, try32(self->env.tf, TEST_FENCE_IOC_LIVE,
				 &self->low->live));
	EXPECT_EQ(12345, self->low->live);
	EXPECT_EQ(0, so_try(self->env.tf, TEST_FENCE_IOC_LIVE,
			    &self->low->live));
	EXPECT_NE(12345, self->low->live);
}

TEST_F(compat32, create)
{
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->so, F_GETFD));
	self->low->create.flags = SYNCOBJ_CREATE_SIGNALED;
	ASSERT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_CREATE,
			   &self->low->create));
	EXPECT_EQ(0, so_wait1(self->env.dev, self->low->create.fd, 0, 0, 0));
	self->low->create.flags = 2;
	EXPECT_EQ(-EINVAL, try32(self->env.dev, SYNCOBJ_IOC_CREATE,
				 &self->low->create));
	EXPECT_EQ(-EFAULT, try32(self->env.dev, SYNCOBJ_IOC_CREATE, NULL));
	EXPECT_EQ(-ENOTTY, try32(self->env.dev, _IO(0xcd, 0x50), self->low));
}

TEST_F(compat32, signal_query_reset)
{
	struct low *low = self->low;

	low->array = (struct syncobj_array_args) {
		.fds = (uintptr_t)low->fds,
		.points = (uintptr_t)low->points,
		.count = 1,
	};
	low->points[0] = 0x123456789abcdef0;
	ASSERT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_SIGNAL, &low->array));
	low->points[0] = 0;
	ASSERT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_QUERY, &low->array));
	EXPECT_EQ(0x123456789abcdef0, low->points[0]);
	low->array.flags = SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED;
	low->points[0] = 0;
	ASSERT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_QUERY, &low->array));
	EXPECT_EQ(0x123456789abcdef0, low->points[0]);
	low->array.flags = 0;
	EXPECT_EQ(-EINVAL, try32(self->env.dev, SYNCOBJ_IOC_RESET,
				 &low->array));
	low->array.points = 0;
	ASSERT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_RESET, &low->array));
	EXPECT_EQ(-EINVAL, so_wait1(self->env.dev, self->so, 0, 0, 0));
}

TEST_F(compat32, wait)
{
	struct low *low = self->low;
	int64_t end;

	low->points[0] = 1;
	low->wait = (struct syncobj_wait_args) {
		.fds = (uintptr_t)low->fds,
		.points = (uintptr_t)low->points,
		.count = 1,
		.first_signaled = SO_POISON,
	};
	EXPECT_EQ(-EINVAL, try32(self->env.dev, SYNCOBJ_IOC_WAIT, &low->wait));
	low->wait.flags = SO_SUBMIT;
	EXPECT_EQ(-ETIME, try32(self->env.dev, SYNCOBJ_IOC_WAIT, &low->wait));
	end = in_ms(40);
	low->wait.timeout_nsec = end;
	EXPECT_EQ(-ETIME, try32(self->env.dev, SYNCOBJ_IOC_WAIT, &low->wait));
	EXPECT_GE(now_ns(), end);
	EXPECT_EQ(SO_POISON, low->wait.first_signaled);
	low->wait.pad = 1;
	EXPECT_EQ(-EINVAL, try32(self->env.dev, SYNCOBJ_IOC_WAIT, &low->wait));
	low->wait.pad = 0;
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0,
			    &self->id));
	ASSERT_EQ(0, tf_signal_how(self->env.tf, self->id, 0,
				   TEST_FENCE_DELAYED, 20));
	low->wait.timeout_nsec = INT64_MAX;
	EXPECT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_WAIT, &low->wait));
	EXPECT_EQ(0, low->wait.first_signaled);
	low->wait.fds = 8;
	EXPECT_EQ(-EFAULT, try32(self->env.dev, SYNCOBJ_IOC_WAIT, &low->wait));
}

/* All bits of the 64-bit fields count, also the upper ones of pointers. */
TEST_F(compat32, high_pointer_bits)
{
	struct low *low = self->low;

	low->array = (struct syncobj_array_args) {
		.fds = (uintptr_t)low->fds | 1ULL << 62,
		.points = (uintptr_t)low->points,
		.count = 1,
	};
	low->points[0] = 1;
	EXPECT_EQ(-EFAULT, try32(self->env.dev, SYNCOBJ_IOC_SIGNAL,
				 &low->array));
	low->array.fds = (uintptr_t)low->fds;
	low->array.points |= 1ULL << 62;
	EXPECT_EQ(-EFAULT, try32(self->env.dev, SYNCOBJ_IOC_SIGNAL,
				 &low->array));
}

TEST_F(compat32, transfer)
{
	struct low *low = self->low;

	low->transfer = (struct syncobj_transfer_args) {
		.src_fd = self->so,
		.dst_fd = self->so,
		.src_point = 1ULL << 40,
		.dst_point = (1ULL << 40) + 1,
	};
	EXPECT_EQ(-EINVAL, try32(self->env.dev, SYNCOBJ_IOC_TRANSFER,
				 &low->transfer));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1ULL << 40));
	EXPECT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_TRANSFER,
			   &low->transfer));
	EXPECT_EQ((1ULL << 40) + 1, so_query1(self->env.dev, self->so));
	low->transfer.src_fd = 999;
	EXPECT_EQ(-EBADF, try32(self->env.dev, SYNCOBJ_IOC_TRANSFER,
				&low->transfer));
}

TEST_F(compat32, eventfd_batch_cancel)
{
	struct low *low = self->low;
	int efd = efd_new(), i;

	low->efd = (struct syncobj_eventfd_args) {
		.syncobj_fd = self->so,
		.eventfd = efd,
		.point = 1ULL << 33,
	};
	ASSERT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_EVENTFD, &low->efd));
	for (i = 0; i < 16; i++)
		low->entries[i] = low->efd;
	low->batch = (struct syncobj_eventfd_batch_args) {
		.size = sizeof(low->batch),
		.entries = (uintptr_t)low->entries,
		.count = 16,
	};
	ASSERT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_EVENTFD_BATCH,
			   &low->batch));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(0, efd_quiet(efd));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1ULL << 33));
	sleep_ms(20);
	EXPECT_EQ(17, efd_wait(efd));

	low->entries[7].eventfd = 999;
	EXPECT_EQ(-EBADF, try32(self->env.dev, SYNCOBJ_IOC_EVENTFD_BATCH,
				&low->batch));
	EXPECT_EQ(7, low->batch.out_index);
	EXPECT_EQ(0, efd_quiet(efd));

	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, efd, 1ULL << 34, 0));
	low->cancel = (struct syncobj_eventfd_cancel_args) {
		.size = sizeof(low->cancel),
		.syncobj_fd = self->so,
		.eventfd = efd,
		.point = 1ULL << 34,
	};
	EXPECT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_EVENTFD_CANCEL,
			   &low->cancel));
	EXPECT_EQ(1, low->cancel.out_cancelled);
	EXPECT_EQ(-ENOENT, try32(self->env.dev, SYNCOBJ_IOC_EVENTFD_CANCEL,
				 &low->cancel));
}

TEST_F(compat32, sync_file)
{
	struct low *low = self->low;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 3, 0,
			    &self->id));
	low->sync_file = (struct syncobj_sync_file_args) {
		.syncobj_fd = self->so,
		.point = 4,
	};
	EXPECT_EQ(-EINVAL, try32(self->env.dev, SYNCOBJ_IOC_EXPORT_SYNC_FILE,
				 &low->sync_file));
	low->sync_file.point = 3;
	ASSERT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_EXPORT_SYNC_FILE,
			   &low->sync_file));
	EXPECT_EQ(0, sync_file_status(low->sync_file.sync_file_fd));
	low->sync_file.point = 5;
	ASSERT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_IMPORT_SYNC_FILE,
			   &low->sync_file));
	EXPECT_EQ(5, so_last1(self->env.dev, self->so));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(5, so_query1(self->env.dev, self->so));
}

TEST_F(compat32, caps_and_status)
{
	struct low *low = self->low;
	struct syncobj_caps caps;

	ASSERT_EQ(0, so_caps(self->env.dev, &caps));
	low->caps = (struct syncobj_caps) { .size = sizeof(low->caps) };
	ASSERT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_CAPS, &low->caps));
	EXPECT_EQ(0, memcmp(&caps, &low->caps, sizeof(caps)));

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0,
			    &self->id));
	low->fds[1] = self->so;
	low->points[0] = 1;
	low->points[1] = 2;
	low->status = (struct syncobj_status_args) {
		.size = sizeof(low->status),
		.fds = (uintptr_t)low->fds,
		.points = (uintptr_t)low->points,
		.out_status = (uintptr_t)low->results,
		.count = 2,
	};
	ASSERT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_STATUS, &low->status));
	EXPECT_EQ(SYNCOBJ_STATUS_PENDING, low->results[0]);
	EXPECT_EQ(SYNCOBJ_STATUS_UNSUBMITTED, low->results[1]);
	ASSERT_EQ(0, tf_signal_how(self->env.tf, self->id, -EIO,
				   TEST_FENCE_DIRECT, 0));
	ASSERT_EQ(0, try32(self->env.dev, SYNCOBJ_IOC_STATUS, &low->status));
	EXPECT_EQ(-EIO, low->results[0]);
}

TEST_HARNESS_MAIN
