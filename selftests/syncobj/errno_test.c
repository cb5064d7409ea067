// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which error, in which order of checks, and that a call that fails has
 * changed nothing and keeps nothing.
 */
#include <fcntl.h>

#include "env_util.h"

#define BAD_FD		9999
#define BAD_PTR		1ULL

FIXTURE(errors) {
	struct env env;
	int so;
	int efd;
	int plain;	/* some other file */
	int path;	/* an O_PATH fd */
	int fds;	/* how many are open */
	int refs;
};

FIXTURE_SETUP(errors)
{
	env_setup(_metadata, &self->env);
	self->so = so_create(self->env.dev, 0);
	ASSERT_GE(self->so, 0);
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	self->efd = efd_new();
	self->plain = open("/dev/null", O_RDWR | O_CLOEXEC);
	self->path = open("/", O_PATH | O_CLOEXEC);
	ASSERT_GE(self->path, 0);
	self->fds = count_fds();
	self->refs = module_refcnt("syncobj");
}

FIXTURE_TEARDOWN(errors)
{
	EXPECT_EQ(self->fds, count_fds()) TH_LOG("an fd has leaked");
	EXPECT_EQ(self->refs, module_refcnt("syncobj"));
	EXPECT_EQ(0, efd_quiet(self->efd));
	env_teardown(_metadata, &self->env);
}

/* The fd that each call takes, of every wrong kind */
TEST_F(errors, not_a_syncobj)
{
	int bad[] = {
		-1, BAD_FD, INT_MIN, self->plain, self->path, self->efd,
		self->env.dev, self->env.tf, 0,
	};
	int dev = self->env.dev;
	uint64_t point = 1;
	int status;
	size_t i;

	bad[8] = so_export(dev, self->so, 1);
	ASSERT_GE(bad[8], 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		int fd = bad[i];

		EXPECT_EQ(-EBADF, so_wait(dev, &fd, &point, 1, 0, 0, NULL))
			TH_LOG("kind %zu", i);
		EXPECT_EQ(-EBADF, so_reset(dev, &fd, 1));
		EXPECT_EQ(-EBADF, so_signal(dev, &fd, &point, 1));
		EXPECT_EQ(-EBADF, so_query(dev, &fd, &point, 1, 0));
		EXPECT_EQ(-EBADF, so_transfer(dev, fd, 0, self->so, 0, 0));
		EXPECT_EQ(-EBADF, so_transfer(dev, self->so, 1, fd, 0, 0));
		EXPECT_EQ(-EBADF, so_transfer(dev, self->so, 1, fd, 3, 0));
		EXPECT_EQ(-EBADF, so_eventfd(dev, fd, self->efd, 1, 0));
		EXPECT_EQ(-EBADF, so_export(dev, fd, 1));
		EXPECT_EQ(-EBADF, so_import(dev, fd, bad[8], 1));
		EXPECT_EQ(-EBADF, so_cancel(dev, fd, self->efd, 1, 0, NULL));
		EXPECT_EQ(-EBADF, so_status(dev, &fd, &point, &status, 1));
	}
	close(bad[8]);
}

TEST_F(errors, eventfd_argument)
{
	int dev = self->env.dev;
	int kinds[] = { self->plain, self->so, self->env.dev };
	size_t i;

	EXPECT_EQ(-EBADF, so_eventfd(dev, self->so, -1, 1, 0));
	EXPECT_EQ(-EBADF, so_eventfd(dev, self->so, BAD_FD, 1, 0));
	EXPECT_EQ(-EBADF, so_cancel(dev, self->so, BAD_FD, 1, 0, NULL));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-EINVAL, so_eventfd(dev, self->so, kinds[i], 1, 0));
		EXPECT_EQ(-EINVAL, so_eventfd(dev, self->so, kinds[i], 9, 0));
		EXPECT_EQ(-EINVAL, so_cancel(dev, self->so, kinds[i], 9, 0,
					     NULL));
	}
	/* The syncobj comes first. */
	EXPECT_EQ(-EBADF, so_eventfd(dev, BAD_FD, self->plain, 1, 0));
	EXPECT_EQ(-EBADF, so_cancel(dev, BAD_FD, self->plain, 1, 0, NULL));
}

TEST_F(errors, sync_file_argument)
{
	int dev = self->env.dev;

	EXPECT_EQ(-EINVAL, so_import(dev, self->so, -1, 2));
	EXPECT_EQ(-EINVAL, so_import(dev, self->so, BAD_FD, 2));
	EXPECT_EQ(-EINVAL, so_import(dev, self->so, self->plain, 0));
	EXPECT_EQ(1, so_last1(dev, self->so));
}

/* TRANSFER: flags and padding, then the source, then the destination */
TEST_F(errors, transfer_order)
{
	int dev = self->env.dev;
	struct syncobj_transfer_args args = {
		.src_fd = BAD_FD, .dst_fd = BAD_FD, .pad = 1,
	};

	EXPECT_EQ(-EINVAL, so_try(dev, SYNCOBJ_IOC_TRANSFER, &args));
	EXPECT_EQ(-EINVAL, so_transfer(dev, BAD_FD, 0, BAD_FD, 0, 1));
	EXPECT_EQ(-EINVAL, so_transfer(dev, BAD_FD, 0, BAD_FD, 0, SO_AVAIL));
	EXPECT_EQ(-EINVAL, so_transfer(dev, BAD_FD, 0, BAD_FD, 0, 1U << 31));
	EXPECT_EQ(-EBADF, so_transfer(dev, BAD_FD, 0, self->so, 0, 0));
}

/* Padding and flags are seen before the count, the fds and the points. */
TEST_F(errors, flags_before_fds)
{
	int dev = self->env.dev, bad = BAD_FD;
	struct syncobj_wait_args wait = {
		.fds = (uintptr_t)&bad, .count = 1,
	};
	struct syncobj_eventfd_args efd = {
		.syncobj_fd = bad, .eventfd = bad,
	};
	struct syncobj_eventfd_cancel_args cancel = {
		.size = sizeof(cancel), .syncobj_fd = bad, .eventfd = bad,
	};
	struct syncobj_status_args status = {
		.size = sizeof(status), .fds = (uintptr_t)&bad, .count = 1,
	};
	struct syncobj_array_args array = {
		.fds = (uintptr_t)&bad, .count = 1,
	};
	uint32_t bit;

	for (bit = 0; bit < 32; bit++) {
		wait.pad = 1U << bit;
		EXPECT_EQ(-EINVAL, so_try(dev, SYNCOBJ_IOC_WAIT, &wait));
		efd.pad = 1U << bit;
		EXPECT_EQ(-EINVAL, so_try(dev, SYNCOBJ_IOC_EVENTFD, &efd));
		cancel.pad = 1U << bit;
		EXPECT_EQ(-EINVAL, so_try(dev, SYNCOBJ_IOC_EVENTFD_CANCEL,
					  &cancel));
		status.pad = 1U << bit;
		EXPECT_EQ(-EINVAL, so_try(dev, SYNCOBJ_IOC_STATUS, &status));
		status.pad = 0;
		status.flags = 1U << bit;
		EXPECT_EQ(-EINVAL, so_try(dev, SYNCOBJ_IOC_STATUS, &status));
		status.flags = 0;
		array.flags = 1U << bit;
		EXPECT_EQ(-EINVAL, so_try(dev, SYNCOBJ_IOC_RESET, &array));
		EXPECT_EQ(-EINVAL, so_try(dev, SYNCOBJ_IOC_SIGNAL, &array));
		EXPECT_EQ(bit ? -EINVAL : -EBADF,
			  so_try(dev, SYNCOBJ_IOC_QUERY, &array));
	}
	wait.pad = 0;
	wait.flags = 16;
	EXPECT_EQ(-EINVAL, so_try(dev, SYNCOBJ_IOC_WAIT, &wait));
	wait.flags = 0;
	EXPECT_EQ(-EBADF, so_try(dev, SYNCOBJ_IOC_WAIT, &wait));
	/* and with a count of 0, where that would be a success */
	wait.count = 0;
	wait.pad = 1;
	EXPECT_EQ(-EINVAL, so_try(dev, SYNCOBJ_IOC_WAIT, &wait));
	wait.pad = 0;
	wait.flags = 1U << 31;
	EXPECT_EQ(-EINVAL, so_try(dev, SYNCOBJ_IOC_WAIT, &wait));
}

TEST_F(errors, reset_takes_no_points)
{
	uint64_t point = 1;
	struct syncobj_array_args args = {
		.fds = (uintptr_t)&self->so,
		.points = (uintptr_t)&point,
		.count = 1,
	};
	int bad = BAD_FD;

	EXPECT_EQ(-EINVAL, so_try(self->env.dev, SYNCOBJ_IOC_RESET, &args));
	args.points = BAD_PTR;
	EXPECT_EQ(-EINVAL, so_try(self->env.dev, SYNCOBJ_IOC_RESET, &args));
	args.fds = (uintptr_t)&bad;
	EXPECT_EQ(-EINVAL, so_try(self->env.dev, SYNCOBJ_IOC_RESET, &args));
	EXPECT_EQ(1, so_query1(self->env.dev, self->so));
}

/* Count 0: 0 in WAIT, also with garbage, and EINVAL in the others */
TEST_F(errors, count_zero)
{
	const int *fds = (void *)(uintptr_t)BAD_PTR;
	uint64_t *points = (void *)(uintptr_t)BAD_PTR;
	int dev = self->env.dev;
	uint32_t first;

	EXPECT_EQ(0, so_wait(dev, fds, points, 0, INT64_MAX, 15, &first));
	EXPECT_EQ(0, so_wait(dev, NULL, NULL, 0, 0, 0, &first));
	EXPECT_EQ(-EINVAL, so_reset(dev, fds, 0));
	EXPECT_EQ(-EINVAL, so_reset(dev, NULL, 0));
	EXPECT_EQ(-EINVAL, so_signal(dev, fds, points, 0));
	EXPECT_EQ(-EINVAL, so_query(dev, fds, points, 0, 0));
	EXPECT_EQ(-EINVAL, so_status(dev, fds, points, NULL, 0));
	EXPECT_EQ(-EINVAL, so_batch(dev, NULL, 0, NULL));
}

/* The args struct itself: unmapped, and mapped but for its last byte */
TEST_F(errors, arguments_fault)
{
	static const struct {
		unsigned int request;
		size_t size;
	} calls[] = {
		{ SYNCOBJ_IOC_CREATE, sizeof(struct syncobj_create_args) },
		{ SYNCOBJ_IOC_WAIT, sizeof(struct syncobj_wait_args) },
		{ SYNCOBJ_IOC_RESET, sizeof(struct syncobj_array_args) },
		{ SYNCOBJ_IOC_SIGNAL, sizeof(struct syncobj_array_args) },
		{ SYNCOBJ_IOC_QUERY, sizeof(struct syncobj_array_args) },
		{ SYNCOBJ_IOC_TRANSFER, sizeof(struct syncobj_transfer_args) },
		{ SYNCOBJ_IOC_EVENTFD, sizeof(struct syncobj_eventfd_args) },
		{ SYNCOBJ_IOC_EXPORT_SYNC_FILE,
		  sizeof(struct syncobj_sync_file_args) },
		{ SYNCOBJ_IOC_IMPORT_SYNC_FILE,
		  sizeof(struct syncobj_sync_file_args) },
		{ SYNCOBJ_IOC_CAPS, sizeof(struct syncobj_caps) },
		{ SYNCOBJ_IOC_EVENTFD_BATCH,
		  sizeof(struct syncobj_eventfd_batch_args) },
		{ SYNCOBJ_IOC_EVENTFD_CANCEL,
		  sizeof(struct syncobj_eventfd_cancel_args) },
		{ SYNCOBJ_IOC_STATUS, sizeof(struct syncobj_status_args) },
	};
	size_t page = self->env.page, i;
	char *end = guarded(_metadata, page, 1) + page;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		char *half = end - calls[i].size + 1;

		EXPECT_EQ(-EFAULT, so_try(self->env.dev, calls[i].request,
					  NULL));
		EXPECT_EQ(-EFAULT, so_try(self->env.dev, calls[i].request, end));
		memset(half, 0, calls[i].size - 1);
		if (_IOC_NR(calls[i].request) >= 0x80)
			*half = calls[i].size;
		EXPECT_EQ(-EFAULT, so_try(self->env.dev, calls[i].request, half))
			TH_LOG("number %#x", calls[i].request);
	}
}

/* Arrays that are not there, one by one, and their order */
TEST_F(errors, arrays_fault)
{
	int dev = self->env.dev, bad = BAD_FD, status;
	const int *nofds = (void *)(uintptr_t)BAD_PTR;
	uint64_t *nopoints = (void *)(uintptr_t)BAD_PTR;
	uint64_t point = 1;
	uint32_t first;

	EXPECT_EQ(-EFAULT, so_wait(dev, nofds, &point, 1, 0, 0, &first));
	EXPECT_EQ(-EFAULT, so_wait(dev, NULL, &point, 1, 0, 0, &first));
	EXPECT_EQ(-EFAULT, so_wait(dev, &self->so, nopoints, 1, 0, 0, &first));
	EXPECT_EQ(SO_POISON, first);
	EXPECT_EQ(-EFAULT, so_reset(dev, nofds, 1));
	EXPECT_EQ(-EFAULT, so_signal(dev, nofds, &point, 1));
	EXPECT_EQ(-EFAULT, so_signal(dev, &self->so, nopoints, 1));
	EXPECT_EQ(-EFAULT, so_query(dev, nofds, &point, 1, 0));
	EXPECT_EQ(-EFAULT, so_query(dev, &self->so, nopoints, 1, 0));
	EXPECT_EQ(-EFAULT, so_query(dev, &self->so, NULL, 1, 0));
	EXPECT_EQ(-EFAULT, so_status(dev, nofds, &point, &status, 1));
	EXPECT_EQ(-EFAULT, so_status(dev, &self->so, nopoints, &status, 1));
	EXPECT_EQ(-EFAULT, so_status(dev, &self->so, &point, NULL, 1));
	EXPECT_EQ(-EFAULT, so_batch(dev, (void *)nopoints, 1, NULL));
	/* fds are looked up before the points are read */
	EXPECT_EQ(-EBADF, so_wait(dev, &bad, nopoints, 1, 0, 0, NULL));
	EXPECT_EQ(-EBADF, so_signal(dev, &bad, nopoints, 1));
	EXPECT_EQ(1, so_last1(dev, self->so));
}

/* Written to only: QUERY and STATUS into memory that may only be read */
TEST_F(errors, readonly_results)
{
	struct syncobj_caps *caps;
	void *ro = mmap(NULL, self->env.page, PROT_READ,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct syncobj_wait_args *wait;

	ASSERT_NE(MAP_FAILED, ro);
	EXPECT_EQ(-EFAULT, so_query(self->env.dev, &self->so, ro, 1, 0));
	EXPECT_EQ(-EFAULT, so_status(self->env.dev, &self->so, NULL, ro, 1));

	wait = mmap(NULL, self->env.page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, wait);
	wait->fds = (uintptr_t)&self->so;
	wait->count = 1;
	ASSERT_EQ(0, mprotect(wait, self->env.page, PROT_READ));
	EXPECT_EQ(-EFAULT, so_try(self->env.dev, SYNCOBJ_IOC_WAIT, wait));

	caps = mmap(NULL, self->env.page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, caps);
	caps->size = sizeof(*caps);
	ASSERT_EQ(0, mprotect(caps, self->env.page, PROT_READ));
	EXPECT_EQ(-EFAULT, so_try(self->env.dev, SYNCOBJ_IOC_CAPS, caps));
}

/* One bad fd among good ones, at each place: nothing has changed. */
TEST_F(errors, one_bad_fd_changes_nothing)
{
	uint64_t points[10], got[10];
	int fds[10], status[10];
	int dev = self->env.dev;
	int i, bad, keep;

	for (i = 0; i < 10; i++) {
		fds[i] = so_create(dev, 0);
		ASSERT_GE(fds[i], 0);
		ASSERT_EQ(0, so_signal1(dev, fds[i], 50 + i));
		points[i] = 100;
	}
	for (bad = 0; bad < 10; bad++) {
		keep = fds[bad];
		fds[bad] = bad & 1 ? self->plain : BAD_FD;
		EXPECT_EQ(-EBADF, so_reset(dev, fds, 10));
		EXPECT_EQ(-EBADF, so_signal(dev, fds, points, 10));
		EXPECT_EQ(-EBADF, so_signal(dev, fds, NULL, 10));
		memset(got, 0x5a, sizeof(got));
		memset(status, 0x5a, sizeof(status));
		EXPECT_EQ(-EBADF, so_query(dev, fds, got, 10, 0));
		EXPECT_EQ(-EBADF, so_status(dev, fds, NULL, status, 10));
		EXPECT_EQ(-EBADF, so_wait(dev, fds, NULL, 10, 0, SO_ALL, NULL));
		fds[bad] = keep;
		for (i = 0; i < 10; i++) {
			EXPECT_EQ(0x5a5a5a5a5a5a5a5aULL, got[i]);
			EXPECT_EQ(0x5a5a5a5a, status[i]);
			EXPECT_EQ(50 + i, so_query1(dev, fds[i]));
		}
	}
	for (i = 0; i < 10; i++)
		close(fds[i]);
}

/* EFAULT in SIGNAL's points: nothing is signalled. */
TEST_F(errors, bad_points_signal_nothing)
{
	size_t page = self->env.page;
	uint64_t *half = (void *)(guarded(_metadata, page, 1) + page - 8);
	int fds[2] = { self->so, self->so };

	*half = 44;
	EXPECT_EQ(-EFAULT, so_signal(self->env.dev, fds, half, 2));
	EXPECT_EQ(1, so_last1(self->env.dev, self->so));
	EXPECT_EQ(0, so_signal(self->env.dev, fds, half, 1));
	EXPECT_EQ(44, so_last1(self->env.dev, self->so));
}

TEST_HARNESS_MAIN
