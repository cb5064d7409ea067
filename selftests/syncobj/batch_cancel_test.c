// SPDX-License-Identifier: GPL-2.0-only
/* EVENTFD_BATCH and EVENTFD_CANCEL. */
#include <fcntl.h>

#include "env_util.h"

#define ANY_POINT	SYNCOBJ_CANCEL_FLAGS_ANY_POINT

FIXTURE(batch) {
	struct env env;
	int so;
	int efd;
	uint32_t id;
	int refs;
};

FIXTURE_SETUP(batch)
{
	env_setup(_metadata, &self->env);
	self->so = so_create(self->env.dev, 0);
	ASSERT_GE(self->so, 0);
	self->efd = efd_new();
	self->refs = module_refcnt("syncobj");
}

FIXTURE_TEARDOWN(batch)
{
	env_teardown(_metadata, &self->env);
}

static int watch(FIXTURE_DATA(batch) *self, uint64_t point, uint32_t flags)
{
	return so_eventfd(self->env.dev, self->so, self->efd, point, flags);
}

static void fill(struct syncobj_eventfd_args *entries, int count, int so,
		 int efd)
{
	int i;

	memset(entries, 0, count * sizeof(*entries));
	for (i = 0; i < count; i++) {
		entries[i].syncobj_fd = so;
		entries[i].eventfd = efd;
		entries[i].point = 1 + i;
	}
}

TEST_F(batch, registers_all)
{
	struct syncobj_eventfd_args entries[40];
	uint64_t sum = 0;
	uint32_t index;
	int efd[40], i;

	fill(entries, 40, self->so, self->efd);
	for (i = 0; i < 40; i++) {
		efd[i] = efd_new();
		entries[i].eventfd = efd[i];
	}
	ASSERT_EQ(0, so_batch(self->env.dev, entries, 40, &index));
	for (i = 0; i < 40; i++)
		sum += efd_take(efd[i]);
	EXPECT_EQ(0, sum);
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 20));
	for (i = 0; i < 20; i++)
		EXPECT_EQ(1, efd_wait(efd[i]));
	sleep_ms(20);
	for (i = 20; i < 40; i++)
		EXPECT_EQ(0, efd_take(efd[i]));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 40));
	for (i = 20; i < 40; i++)
		EXPECT_EQ(1, efd_wait(efd[i]));
}

/* Met, pending and unsubmitted in one call, with both flags */
TEST_F(batch, mixed)
{
	struct syncobj_eventfd_args entries[6];
	int efd[6], i;

	fill(entries, 6, self->so, -1);
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 2, 0,
			    &self->id));
	for (i = 0; i < 6; i++) {
		efd[i] = efd_new();
		entries[i].eventfd = efd[i];
		entries[i].point = 1 + i / 2;
		entries[i].flags = i & 1 ? SO_AVAIL : 0;
	}
	ASSERT_EQ(0, so_batch(self->env.dev, entries, 6, NULL));
	EXPECT_EQ(1, efd_take(efd[0]));
	EXPECT_EQ(1, efd_take(efd[1]));
	EXPECT_EQ(0, efd_take(efd[2]));
	EXPECT_EQ(1, efd_take(efd[3]));
	EXPECT_EQ(0, efd_take(efd[4]));
	EXPECT_EQ(0, efd_quiet(efd[5]));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(1, efd_wait(efd[2]));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 3));
	EXPECT_EQ(1, efd_wait(efd[4]));
	EXPECT_EQ(1, efd_wait(efd[5]));
}

/*
 * One bad entry, at each place and in each way: its index is told, nothing is
 * registered, and nothing fires, not even what was met already.
 */
TEST_F(batch, all_or_nothing)
{
	struct syncobj_eventfd_args entries[12];
	int plain = open("/dev/null", O_RDWR | O_CLOEXEC);
	uint32_t index;
	int how, i, want;

	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 6));
	for (i = 0; i < 12; i++) {
		for (how = 0; how < 6; how++) {
			fill(entries, 12, self->so, self->efd);
			want = -EBADF;
			switch (how) {
			case 0:
				entries[i].syncobj_fd = -1;
				break;
			case 1:
				entries[i].syncobj_fd = plain;
				break;
			case 2:
				entries[i].eventfd = 9999;
				break;
			case 3:
				entries[i].eventfd = plain;
				want = -EINVAL;
				break;
			case 4:
				entries[i].flags = 1;
				want = -EINVAL;
				break;
			case 5:
				entries[i].pad = 1;
				want = -EINVAL;
				break;
			}
			EXPECT_EQ(want, so_batch(self->env.dev, entries, 12,
						 &index));
			EXPECT_EQ(i, index) TH_LOG("entry %d way %d", i, how);
		}
	}
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
	EXPECT_EQ(0, efd_quiet(self->efd));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 100));
	EXPECT_EQ(0, efd_quiet(self->efd));
	EXPECT_EQ(-ENOENT, so_cancel(self->env.dev, self->so, self->efd, 0,
				     ANY_POINT, NULL));
}

TEST_F(batch, flags_and_faults)
{
	struct syncobj_eventfd_batch_args args = { .size = sizeof(args) };
	struct syncobj_eventfd_args *entries;
	size_t page = self->env.page;
	char *end = guarded(_metadata, page, 1) + page;

	entries = (void *)(end - 2 * sizeof(*entries));
	fill(entries, 2, self->so, self->efd);
	args.entries = (uintptr_t)entries;
	args.count = 3;
	EXPECT_EQ(-EFAULT, so_try(self->env.dev, SYNCOBJ_IOC_EVENTFD_BATCH,
				  &args));
	args.count = 2;
	args.flags = 1;
	EXPECT_EQ(-EINVAL, so_try(self->env.dev, SYNCOBJ_IOC_EVENTFD_BATCH,
				  &args));
	args.flags = 0;
	EXPECT_EQ(0, module_refcnt("syncobj") - self->refs);
	EXPECT_EQ(0, so_try(self->env.dev, SYNCOBJ_IOC_EVENTFD_BATCH, &args));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 2));
	sleep_ms(20);
	EXPECT_EQ(2, efd_wait(self->efd));
}

/* Many entries of many syncobjs, ended by cancelling one by one */
TEST_F(batch, large)
{
	struct syncobj_eventfd_args *entries = calloc(3000, sizeof(*entries));
	int so[10], i;
	uint32_t n, sum = 0;

	ASSERT_NE(NULL, entries);
	fill(entries, 3000, -1, self->efd);
	for (i = 0; i < 10; i++)
		so[i] = so_create(self->env.dev, 0);
	for (i = 0; i < 3000; i++)
		entries[i].syncobj_fd = so[i % 10];
	ASSERT_EQ(0, so_batch(self->env.dev, entries, 3000, NULL));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, so_cancel(self->env.dev, so[i], self->efd, 0,
				       ANY_POINT, &n));
		sum += n;
	}
	EXPECT_EQ(3000, sum);
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
}

TEST_F(batch, cancel_unsubmitted)
{
	uint32_t n;

	ASSERT_EQ(0, watch(self, 3, 0));
	ASSERT_EQ(0, so_cancel(self->env.dev, self->so, self->efd, 3, 0, &n));
	EXPECT_EQ(1, n);
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 3));
	EXPECT_EQ(0, efd_quiet(self->efd));
	EXPECT_EQ(-ENOENT, so_cancel(self->env.dev, self->so, self->efd, 3, 0,
				     NULL));
}

TEST_F(batch, cancel_pending_fence)
{
	uint32_t n;

	/* registered before and after submission */
	ASSERT_EQ(0, watch(self, 2, 0));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 2, 0,
			    &self->id));
	ASSERT_EQ(0, watch(self, 2, 0));
	sleep_ms(20);
	ASSERT_EQ(0, so_cancel(self->env.dev, self->so, self->efd, 2, 0, &n));
	EXPECT_EQ(2, n);
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(0, efd_quiet(self->efd));
	EXPECT_EQ(self->refs, module_settle("syncobj", self->refs));
}

TEST_F(batch, cancel_after_firing)
{
	ASSERT_EQ(0, watch(self, 2, 0));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 2));
	EXPECT_EQ(1, efd_wait(self->efd));
	EXPECT_EQ(-ENOENT, so_cancel(self->env.dev, self->so, self->efd, 2, 0,
				     NULL));
}

/* More than are freed at a time: there is nothing to cancel, and none is lost. */
TEST_F(batch, cancel_after_many_have_fired)
{
	uint32_t id;
	int i;

	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0, &id));
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, watch(self, 1, 0));
	ASSERT_EQ(0, tf_signal(self->env.tf, id));
	EXPECT_EQ(-ENOENT, so_cancel(self->env.dev, self->so, self->efd, 0,
				     ANY_POINT, NULL));
	EXPECT_EQ(1000, efd_take(self->efd));
}

/* This syncobj, this eventfd, this point, and nothing else */
TEST_F(batch, cancel_is_exact)
{
	int so2 = so_create(self->env.dev, 0), efd2 = efd_new(), i;
	uint32_t n;

	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, watch(self, i, 0));
		ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, efd2, i, 0));
		ASSERT_EQ(0, so_eventfd(self->env.dev, so2, self->efd, i, 0));
	}
	ASSERT_EQ(0, watch(self, 2, SO_AVAIL));
	ASSERT_EQ(0, so_cancel(self->env.dev, self->so, self->efd, 2, 0, &n));
	EXPECT_EQ(2, n);
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 3));
	for (i = 0; i < 3; i++)
		sleep_ms(10);
	EXPECT_EQ(2, efd_wait(self->efd));
	EXPECT_EQ(3, efd_wait(efd2));
	ASSERT_EQ(0, so_signal1(self->env.dev, so2, 3));
	sleep_ms(30);
	EXPECT_EQ(3, efd_wait(self->efd));
}

TEST_F(batch, cancel_any_point)
{
	int efd2 = efd_new(), i;
	uint32_t n;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, watch(self, i, i & 1 ? SO_AVAIL : 0));
		ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, efd2, i, 0));
	}
	EXPECT_EQ(-EINVAL, so_cancel(self->env.dev, self->so, self->efd, 1,
				     ANY_POINT, NULL));
	ASSERT_EQ(0, so_cancel(self->env.dev, self->so, self->efd, 0,
			       ANY_POINT, &n));
	EXPECT_EQ(5, n);
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 9));
	sleep_ms(30);
	EXPECT_EQ(5, efd_wait(efd2));
	EXPECT_EQ(0, efd_take(self->efd));
}

/* Point 0 without the flag is point 0. */
TEST_F(batch, cancel_point_zero)
{
	uint32_t n;

	ASSERT_EQ(0, watch(self, 0, 0));
	ASSERT_EQ(0, watch(self, 1, 0));
	ASSERT_EQ(0, so_cancel(self->env.dev, self->so, self->efd, 0, 0, &n));
	EXPECT_EQ(1, n);
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(1, efd_wait(self->efd));
}

/* Through copies of both files, from another process and another device fd */
TEST_F(batch, cancel_by_another)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, watch(self, 1, 0));
	pid = fork();
	if (pid == 0) {
		int dev = so_open();
		int so = dup(self->so), efd = dup(self->efd);
		uint32_t n;

		_exit(so_cancel(dev, so, efd, 1, 0, &n) || n != 1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(0, efd_quiet(self->efd));
}

struct race {
	int tf;
	uint32_t id;
	int go;
};

static void *signal_thread(void *arg)
{
	struct race *r = arg;

	while (!__atomic_load_n(&r->go, __ATOMIC_ACQUIRE))
		;
	tf_signal_how(r->tf, r->id, 0, TEST_FENCE_IRQ, 0);
	return NULL;
}

/*
 * After CANCEL has returned nothing fires any more: either it says that it
 * ended the registration and the counter stays 0, or the event is there
 * already.
 */
TEST_F(batch, cancel_against_signal)
{
	int won = 0, lost = 0, i, ret;
	struct race r;
	pthread_t thread;
	uint64_t count, later;

	for (i = 0; i < 100; i++) {
		int so = so_create(self->env.dev, 0);

		r = (struct race) { .tf = self->env.tf };
		/* every other one is pending when its fence comes */
		if (i & 1)
			ASSERT_EQ(0, so_eventfd(self->env.dev, so, self->efd, 1,
						0));
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, so, 1, 0,
				    &r.id));
		if (!(i & 1))
			ASSERT_EQ(0, so_eventfd(self->env.dev, so, self->efd, 1,
						0));
		ASSERT_EQ(0, pthread_create(&thread, NULL, signal_thread, &r));
		__atomic_store_n(&r.go, 1, __ATOMIC_RELEASE);
		for (ret = i % 97; ret > 0; ret--)
			__atomic_load_n(&r.go, __ATOMIC_ACQUIRE);
		/* some are too late for sure */
		if (i % 10 == 9)
			EXPECT_EQ(0, pthread_join(thread, NULL));
		ret = so_cancel(self->env.dev, so, self->efd, 1, 0, NULL);
		count = efd_take(self->efd);
		if (i % 10 != 9)
			EXPECT_EQ(0, pthread_join(thread, NULL));
		if (ret == 0)
			won++;
		else
			lost++;
		EXPECT_TRUE(ret == 0 || ret == -ENOENT);
		later = efd_take(self->efd);
		EXPECT_EQ(ret ? 1 : 0, count) TH_LOG("round %d", i);
		EXPECT_EQ(0, later) TH_LOG("fired after CANCEL, round %d", i);
		close(so);
	}
	sleep_ms(20);
	EXPECT_EQ(0, efd_take(self->efd));
	TH_LOG("cancelled %d, fired %d", won, lost);
	EXPECT_GT(won, 0);
	EXPECT_GT(lost, 0);
}

/* A call that cannot tell what it did has not done it. */
TEST_F(batch, result_cannot_be_written)
{
	struct syncobj_eventfd_cancel_args *cancel;
	struct syncobj_eventfd_batch_args *batch;
	struct syncobj_eventfd_args entries[2];
	void *page;

	page = mmap(NULL, self->env.page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);

	ASSERT_EQ(0, watch(self, 1, 0));
	cancel = page;
	*cancel = (struct syncobj_eventfd_cancel_args) {
		.size = sizeof(*cancel),
		.syncobj_fd = self->so,
		.eventfd = self->efd,
		.point = 1,
	};
	ASSERT_EQ(0, mprotect(page, self->env.page, PROT_READ));
	EXPECT_EQ(-EFAULT, so_try(self->env.dev, SYNCOBJ_IOC_EVENTFD_CANCEL,
				  cancel));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(1, efd_wait(self->efd));

	/* The second entry is wrong, and its index cannot be told. */
	fill(entries, 2, self->so, self->efd);
	entries[0].point = 2;
	entries[1].syncobj_fd = self->efd;
	ASSERT_EQ(0, mprotect(page, self->env.page, PROT_READ | PROT_WRITE));
	batch = page;
	*batch = (struct syncobj_eventfd_batch_args) {
		.size = sizeof(*batch),
		.entries = (uintptr_t)entries,
		.count = 2,
	};
	ASSERT_EQ(0, mprotect(page, self->env.page, PROT_READ));
	EXPECT_EQ(-EFAULT, so_try(self->env.dev, SYNCOBJ_IOC_EVENTFD_BATCH,
				  batch));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 2));
	EXPECT_EQ(0, efd_quiet(self->efd));
}

TEST_HARNESS_MAIN
