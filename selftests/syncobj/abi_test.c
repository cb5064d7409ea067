// SPDX-License-Identifier: GPL-2.0-only
/* The node, the numbers and structs of the header, and CAPS. */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <linux/syncobj.h>

#include "env_util.h"

/*
 * Numbers and layouts of the series, written out: whatever changes them
 * breaks programs that are compiled already.
 */
#define AT(type, field, offset) \
	_Static_assert(offsetof(struct type, field) == (offset), #type)
#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)

SIZE(syncobj_create_args, 8);
AT(syncobj_create_args, fd, 0);
AT(syncobj_create_args, flags, 4);
SIZE(syncobj_wait_args, 48);
AT(syncobj_wait_args, fds, 0);
AT(syncobj_wait_args, points, 8);
AT(syncobj_wait_args, timeout_nsec, 16);
AT(syncobj_wait_args, count, 24);
AT(syncobj_wait_args, flags, 28);
AT(syncobj_wait_args, first_signaled, 32);
AT(syncobj_wait_args, pad, 36);
AT(syncobj_wait_args, deadline_nsec, 40);
SIZE(syncobj_array_args, 24);
AT(syncobj_array_args, points, 8);
AT(syncobj_array_args, count, 16);
AT(syncobj_array_args, flags, 20);
SIZE(syncobj_transfer_args, 32);
AT(syncobj_transfer_args, dst_fd, 4);
AT(syncobj_transfer_args, src_point, 8);
AT(syncobj_transfer_args, dst_point, 16);
AT(syncobj_transfer_args, flags, 24);
AT(syncobj_transfer_args, pad, 28);
SIZE(syncobj_eventfd_args, 24);
AT(syncobj_eventfd_args, eventfd, 4);
AT(syncobj_eventfd_args, point, 8);
AT(syncobj_eventfd_args, flags, 16);
SIZE(syncobj_sync_file_args, 16);
AT(syncobj_sync_file_args, sync_file_fd, 4);
AT(syncobj_sync_file_args, point, 8);
SIZE(syncobj_caps, 48);
SIZE(syncobj_eventfd_batch_args, 24);
SIZE(syncobj_eventfd_cancel_args, 32);
SIZE(syncobj_status_args, 40);

_Static_assert(SYNCOBJ_IOC_CREATE == 0xc008cd00, "CREATE");
_Static_assert(SYNCOBJ_IOC_WAIT == 0xc030cd01, "WAIT");
_Static_assert(SYNCOBJ_IOC_RESET == 0x4018cd02, "RESET");
_Static_assert(SYNCOBJ_IOC_SIGNAL == 0x4018cd03, "SIGNAL");
_Static_assert(SYNCOBJ_IOC_QUERY == 0x4018cd04, "QUERY");
_Static_assert(SYNCOBJ_IOC_TRANSFER == 0x4020cd05, "TRANSFER");
_Static_assert(SYNCOBJ_IOC_EVENTFD == 0x4018cd06, "EVENTFD");
_Static_assert(SYNCOBJ_IOC_EXPORT_SYNC_FILE == 0xc010cd07, "EXPORT");
_Static_assert(SYNCOBJ_IOC_IMPORT_SYNC_FILE == 0x4010cd08, "IMPORT");
_Static_assert(SYNCOBJ_IOC_CAPS == 0xcd80, "CAPS");
_Static_assert(SYNCOBJ_IOC_EVENTFD_BATCH == 0xcd81, "EVENTFD_BATCH");
_Static_assert(SYNCOBJ_IOC_EVENTFD_CANCEL == 0xcd82, "EVENTFD_CANCEL");
_Static_assert(SYNCOBJ_IOC_STATUS == 0xcd83, "STATUS");

_Static_assert(SYNCOBJ_CREATE_SIGNALED == 1, "flag");
_Static_assert(SYNCOBJ_WAIT_FLAGS_WAIT_ALL == 1, "flag");
_Static_assert(SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT == 2, "flag");
_Static_assert(SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE == 4, "flag");
_Static_assert(SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE == 8, "flag");
_Static_assert(SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED == 1, "flag");

FIXTURE(abi) {
	struct env env;
};

FIXTURE_SETUP(abi)
{
	env_setup(_metadata, &self->env);
}

FIXTURE_TEARDOWN(abi)
{
	env_teardown(_metadata, &self->env);
}

TEST_F(abi, node_is_for_everyone)
{
	struct stat st;

	ASSERT_EQ(0, stat(SO_NODE, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0666, st.st_mode & 07777);
	EXPECT_EQ(10, major(st.st_rdev));
}

TEST_F(abi, udev_link_below_dri)
{
	struct stat node, link;

	ASSERT_EQ(0, stat(SO_NODE, &node));
	ASSERT_EQ(0, lstat("/dev/dri/syncobj", &link));
	EXPECT_TRUE(S_ISLNK(link.st_mode));
	ASSERT_EQ(0, stat("/dev/dri/syncobj", &link));
	EXPECT_EQ(node.st_rdev, link.st_rdev);
}

TEST_F(abi, unknown_numbers)
{
	static const unsigned int unknown[] = {
		_IO(0xcd, 0x09), _IO(0xcd, 0x0f), _IO(0xcd, 0x7f),
		_IO(0xcd, 0x84), _IO(0xcd, 0xff), _IO(0xce, 0x00),
		_IO('d', 0xbf), _IO(0xcd, 0x00),
		/* known numbers with another size or direction */
		_IOWR(0xcd, 0x00, __u32), _IOR(0xcd, 0x04, struct syncobj_array_args),
		_IOWR(0xcd, 0x01, struct syncobj_array_args),
	};
	struct syncobj_wait_args args = {};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		EXPECT_EQ(-ENOTTY, so_try(self->env.dev, unknown[i], &args))
			TH_LOG("number %#x", unknown[i]);
	}
}

TEST_F(abi, nothing_but_ioctls)
{
	struct pollfd pfd = { .fd = self->env.dev, .events = POLLIN };
	char byte = 0;

	EXPECT_EQ(-1, read(self->env.dev, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->env.dev, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->env.page, PROT_READ, MAP_SHARED,
				   self->env.dev, 0));
	EXPECT_EQ(ENODEV, errno);
	/* no poll operation: always ready, as with any such file */
	EXPECT_EQ(1, poll(&pfd, 1, 0));
}

/* Every open file serves every syncobj, also one that was opened later. */
TEST_F(abi, device_holds_no_state)
{
	int so = so_create(self->env.dev, 0);
	int other;

	ASSERT_GE(so, 0);
	close(self->env.dev);
	other = so_open();
	ASSERT_GE(other, 0);
	EXPECT_EQ(0, so_signal1(other, so, 3));
	EXPECT_EQ(3, so_query1(other, so));
}

TEST_F(abi, caps_values)
{
	struct syncobj_caps caps;

	ASSERT_EQ(0, so_caps(self->env.dev, &caps));
	EXPECT_EQ(sizeof(caps), caps.size);
	EXPECT_EQ(SYNCOBJ_VERSION, caps.out_version);
	EXPECT_EQ(SYNCOBJ_FEATURE_EVENTFD_BATCH |
		  SYNCOBJ_FEATURE_EVENTFD_CANCEL | SYNCOBJ_FEATURE_STATUS,
		  caps.out_features & ~SYNCOBJ_FEATURE_DEADLINE);
	EXPECT_EQ(0x1, caps.out_create_flags);
	EXPECT_EQ(0xf, caps.out_wait_flags);
	EXPECT_EQ(0x1, caps.out_query_flags);
	EXPECT_EQ(0x2, caps.out_transfer_flags);
	EXPECT_EQ(0x4, caps.out_eventfd_flags);
	EXPECT_EQ(0x1, caps.out_cancel_flags);
	EXPECT_EQ(65536, caps.out_max_count);
	EXPECT_EQ(0, caps.out_reserved);
}

/* What CAPS says about flags is what the calls do. */
TEST_F(abi, caps_tell_the_truth)
{
	struct syncobj_wait_args wait = {};
	struct syncobj_caps caps;
	unsigned int bit;
	int so, efd;

	ASSERT_EQ(0, so_caps(self->env.dev, &caps));
	efd = efd_new();
	so = so_create(self->env.dev, SYNCOBJ_CREATE_SIGNALED);
	ASSERT_GE(so, 0);

	for (bit = 0; bit < 32; bit++) {
		uint32_t flag = 1U << bit;
		uint64_t point;
		int fd;

		fd = so_create(self->env.dev, flag);
		EXPECT_EQ(!(caps.out_create_flags & flag), fd == -EINVAL);
		if (fd >= 0)
			close(fd);

		wait.flags = flag;
		EXPECT_EQ(caps.out_wait_flags & flag ? 0 : -EINVAL,
			  so_try(self->env.dev, SYNCOBJ_IOC_WAIT, &wait));
		EXPECT_EQ(caps.out_query_flags & flag ? 0 : -EINVAL,
			  so_query(self->env.dev, &so, &point, 1, flag));
		EXPECT_EQ(caps.out_transfer_flags & flag ? 0 : -EINVAL,
			  so_transfer(self->env.dev, so, 0, so, 0, flag));
		EXPECT_EQ(caps.out_eventfd_flags & flag ? 0 : -EINVAL,
			  so_eventfd(self->env.dev, so, efd, 0, flag));
		EXPECT_EQ(caps.out_cancel_flags & flag ? -ENOENT : -EINVAL,
			  so_cancel(self->env.dev, so, efd, 0, flag, NULL));
	}
}

/* A struct that carries its size: shorter, longer, longer and dirty. */
TEST_F(abi, sized_structs)
{
	union {
		struct syncobj_caps caps;
		struct syncobj_eventfd_batch_args batch;
		struct syncobj_eventfd_cancel_args cancel;
		struct syncobj_status_args status;
		unsigned char bytes[256];
		uint32_t size;
	} u;
	static const struct {
		unsigned int request;
		uint32_t size;
	} calls[] = {
		{ SYNCOBJ_IOC_CAPS, sizeof(u.caps) },
		{ SYNCOBJ_IOC_EVENTFD_BATCH, sizeof(u.batch) },
		{ SYNCOBJ_IOC_EVENTFD_CANCEL, sizeof(u.cancel) },
		{ SYNCOBJ_IOC_STATUS, sizeof(u.status) },
	};
	struct syncobj_eventfd_args entry = { .syncobj_fd = -1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		uint32_t known = calls[i].size;
		int longer;

		memset(&u, 0, sizeof(u));
		EXPECT_EQ(-EINVAL, so_try(self->env.dev, calls[i].request, &u));
		u.size = known - 1;
		EXPECT_EQ(-EINVAL, so_try(self->env.dev, calls[i].request, &u));
		u.size = 4;
		EXPECT_EQ(-EINVAL, so_try(self->env.dev, calls[i].request, &u));

		/*
		 * Zeroes beyond the end change nothing: a bad fd is still the
		 * first thing that is wrong, and CAPS succeeds.
		 */
		for (longer = 0; longer < 2; longer++) {
			memset(&u, 0, sizeof(u));
			u.size = longer ? sizeof(u) : known;
			if (calls[i].request == SYNCOBJ_IOC_EVENTFD_BATCH) {
				u.batch.entries = (uintptr_t)&entry;
				u.batch.count = 1;
			} else if (calls[i].request == SYNCOBJ_IOC_EVENTFD_CANCEL) {
				u.cancel.syncobj_fd = -1;
			} else if (calls[i].request == SYNCOBJ_IOC_STATUS) {
				u.status.fds = (uintptr_t)&entry.syncobj_fd;
				u.status.count = 1;
			}
			EXPECT_EQ(calls[i].request == SYNCOBJ_IOC_CAPS ?
				  0 : -EBADF,
				  so_try(self->env.dev, calls[i].request, &u))
				TH_LOG("number %#x", calls[i].request);
		}

		memset(&u, 0, sizeof(u));
		u.size = known + 8;
		u.bytes[known + 7] = 1;
		EXPECT_EQ(-E2BIG, so_try(self->env.dev, calls[i].request, &u))
			TH_LOG("number %#x", calls[i].request);

		/* The page behind a struct that claims to be longer */
		memset(&u, 0, sizeof(u));
		u.size = 0xffffffff;
		EXPECT_EQ(-E2BIG, so_try(self->env.dev, calls[i].request, &u));
	}
}

/* At most the given number of bytes is written, and the size is told. */
TEST_F(abi, caps_longer_caller)
{
	struct {
		struct syncobj_caps caps;
		unsigned char tail[16];
	} args = { .caps.size = sizeof(args) };
	size_t i;

	ASSERT_EQ(0, so_try(self->env.dev, SYNCOBJ_IOC_CAPS, &args));
	EXPECT_EQ(sizeof(args.caps), args.caps.size);
	for (i = 0; i < sizeof(args.tail); i++)
		EXPECT_EQ(0, args.tail[i]);
}

TEST_F(abi, caps_ignores_outputs_on_input)
{
	struct syncobj_caps want, caps;

	ASSERT_EQ(0, so_caps(self->env.dev, &want));
	memset(&caps, 0xff, sizeof(caps));
	caps.size = sizeof(caps);
	ASSERT_EQ(0, so_try(self->env.dev, SYNCOBJ_IOC_CAPS, &caps));
	EXPECT_EQ(0, memcmp(&want, &caps, sizeof(caps)));
}

TEST_HARNESS_MAIN
