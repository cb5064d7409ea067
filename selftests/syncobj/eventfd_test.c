// SPDX-License-Identifier: GPL-2.0-only
/* EVENTFD: when it fires, and how often. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "env_util.h"

FIXTURE(eventfd) {
	struct env env;
	int so;
	int efd;
	uint32_t id;
};

FIXTURE_SETUP(eventfd)
{
	env_setup(_metadata, &self->env);
	self->so = so_create(self->env.dev, 0);
	ASSERT_GE(self->so, 0);
	self->efd = efd_new();
	ASSERT_GE(self->efd, 0);
}

FIXTURE_TEARDOWN(eventfd)
{
	env_teardown(_metadata, &self->env);
}

static int watch(FIXTURE_DATA(eventfd) *self, uint64_t point, uint32_t flags)
{
	return so_eventfd(self->env.dev, self->so, self->efd, point, flags);
}

/* Both flags x what there is at the time of the call */
TEST_F(eventfd, met_already)
{
	uint32_t id;

	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 3));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 5, 0, &id));

	ASSERT_EQ(0, watch(self, 3, 0));
	EXPECT_EQ(1, efd_take(self->efd)) TH_LOG("not at once");
	ASSERT_EQ(0, watch(self, 2, 0));
	EXPECT_EQ(1, efd_take(self->efd)) TH_LOG("collapsed point");
	ASSERT_EQ(0, watch(self, 3, SO_AVAIL));
	EXPECT_EQ(1, efd_take(self->efd));
	ASSERT_EQ(0, watch(self, 4, SO_AVAIL));
	EXPECT_EQ(1, efd_take(self->efd));
	ASSERT_EQ(0, watch(self, 5, SO_AVAIL));
	EXPECT_EQ(1, efd_take(self->efd));
	ASSERT_EQ(0, watch(self, 0, SO_AVAIL));
	EXPECT_EQ(1, efd_take(self->efd));

	ASSERT_EQ(0, watch(self, 5, 0));
	ASSERT_EQ(0, watch(self, 6, 0));
	ASSERT_EQ(0, watch(self, 6, SO_AVAIL));
	EXPECT_EQ(0, efd_quiet(self->efd));
	ASSERT_EQ(0, tf_signal(self->env.tf, id));
	EXPECT_EQ(1, efd_wait(self->efd));
	EXPECT_EQ(0, efd_quiet(self->efd));
}

/* Its point and no earlier one, once and no more */
TEST_F(eventfd, fires_for_its_point_only)
{
	int i;

	ASSERT_EQ(0, watch(self, 4, 0));
	for (i = 1; i <= 3; i++)
		ASSERT_EQ(0, so_signal1(self->env.dev, self->so, i));
	EXPECT_EQ(0, efd_quiet(self->efd));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 4));
	EXPECT_EQ(1, efd_wait(self->efd));
	for (i = 5; i <= 8; i++)
		ASSERT_EQ(0, so_signal1(self->env.dev, self->so, i));
	EXPECT_EQ(0, efd_quiet(self->efd));
}

TEST_F(eventfd, a_higher_point_meets_it)
{
	ASSERT_EQ(0, watch(self, 4, 0));
	ASSERT_EQ(0, watch(self, ~0ULL, 0));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 0x100000002));
	EXPECT_EQ(1, efd_wait(self->efd));
	EXPECT_EQ(0, efd_quiet(self->efd));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, ~0ULL));
	EXPECT_EQ(1, efd_wait(self->efd));
}

/* Point 0: any fence, from none */
TEST_F(eventfd, point_zero)
{
	ASSERT_EQ(0, watch(self, 0, 0));
	ASSERT_EQ(0, watch(self, 0, SO_AVAIL));
	EXPECT_EQ(0, efd_quiet(self->efd));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 0, 0,
			    &self->id));
	EXPECT_EQ(1, efd_wait(self->efd));
	EXPECT_EQ(0, efd_quiet(self->efd));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(1, efd_wait(self->efd));
}

/* Unsubmitted, then submitted, then signalled: which step fires which flag */
TEST_F(eventfd, submission_and_signal)
{
	int avail = efd_new();

	ASSERT_EQ(0, watch(self, 2, 0));
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, avail, 2, SO_AVAIL));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0,
			    &self->id));
	EXPECT_EQ(0, efd_quiet(avail));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(0, efd_quiet(avail));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 2, 0,
			    &self->id));
	EXPECT_EQ(1, efd_wait(avail));
	EXPECT_EQ(0, efd_quiet(self->efd));
	ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
	EXPECT_EQ(1, efd_wait(self->efd));
	EXPECT_EQ(0, efd_quiet(avail));
}

TEST_F(eventfd, fences_that_signal_in_irq)
{
	uint32_t how;

	for (how = TEST_FENCE_DIRECT; how <= TEST_FENCE_DELAYED; how++) {
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 0, 0,
				    &self->id));
		ASSERT_EQ(0, watch(self, 0, 0));
		EXPECT_EQ(0, efd_quiet(self->efd));
		ASSERT_EQ(0, tf_signal_how(self->env.tf, self->id, 0, how, 10));
		EXPECT_EQ(1, efd_wait(self->efd)) TH_LOG("how %u", how);
	}
}

/* A fence that only tells when it is asked to signal */
TEST_F(eventfd, lax_fences)
{
	static const uint32_t kinds[] = { TEST_FENCE_QUIET, TEST_FENCE_BLIND };
	size_t i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1,
				    kinds[i], &self->id));
		ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
		ASSERT_EQ(0, watch(self, 1, 0));
		EXPECT_EQ(1, efd_wait(self->efd));

		/* registered before submission */
		ASSERT_EQ(0, watch(self, 2, 0));
		ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 2,
				    kinds[i], &self->id));
		EXPECT_EQ(0, efd_quiet(self->efd));
		ASSERT_EQ(0, tf_signal(self->env.tf, self->id));
		EXPECT_EQ(1, efd_wait(self->efd));
	}
}

TEST_F(eventfd, error_fires_as_well)
{
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0,
			    &self->id));
	ASSERT_EQ(0, watch(self, 1, 0));
	ASSERT_EQ(0, tf_signal_how(self->env.tf, self->id, -ECANCELED,
				   TEST_FENCE_DIRECT, 0));
	EXPECT_EQ(1, efd_wait(self->efd));
}

/* The same again adds 1 again; other points of the same eventfd as well. */
TEST_F(eventfd, registered_several_times)
{
	uint64_t sum = 0, got;
	int i;

	ASSERT_EQ(0, watch(self, 1, 0));
	ASSERT_EQ(0, watch(self, 1, 0));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	while (sum < 2 && (got = efd_wait(self->efd)))
		sum += got;
	EXPECT_EQ(2, sum);

	for (i = 2; i <= 11; i++)
		ASSERT_EQ(0, watch(self, i, i & 1 ? SO_AVAIL : 0));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 20));
	for (sum = 0; sum < 10 && (got = efd_wait(self->efd));)
		sum += got;
	EXPECT_EQ(10, sum);
	EXPECT_EQ(0, efd_quiet(self->efd));
}

/* What a registration has found stays the one: see WAIT. */
TEST_F(eventfd, snapshot)
{
	uint32_t old;

	ASSERT_EQ(0, watch(self, 1, 0));
	ASSERT_EQ(0, tf_add(self->env.tf, self->env.dev, self->so, 1, 0, &old));
	ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, self->efd, 1, 0));
	/* both have seen it; give the first time to */
	sleep_ms(30);
	ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(0, efd_quiet(self->efd));
	ASSERT_EQ(0, tf_signal(self->env.tf, old));
	sleep_ms(20);
	EXPECT_EQ(2, efd_wait(self->efd));
}

TEST_F(eventfd, reset_before_submission)
{
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	ASSERT_EQ(0, watch(self, 2, 0));
	ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
	EXPECT_EQ(0, efd_quiet(self->efd));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(0, efd_quiet(self->efd));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 2));
	EXPECT_EQ(1, efd_wait(self->efd));
}

/* The counter is added to, and a full one does not hang anybody. */
TEST_F(eventfd, counter)
{
	uint64_t full = ~0ULL - 1, value = 40;

	ASSERT_EQ(8, write(self->efd, &value, 8));
	ASSERT_EQ(0, watch(self, 1, 0));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	sleep_ms(20);
	EXPECT_EQ(41, efd_wait(self->efd));

	ASSERT_EQ(8, write(self->efd, &full, 8));
	ASSERT_EQ(0, watch(self, 2, 0));
	ASSERT_EQ(0, watch(self, 3, 0));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 3));
	sleep_ms(20);
	/* An overflow shows as the largest number. */
	EXPECT_EQ(~0ULL, efd_wait(self->efd));
}

TEST_F(eventfd, semaphore_and_epoll)
{
	int sem = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int i;

	ASSERT_GE(ep, 0);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, sem, &ev));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, sem, 1, 0));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 10));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 5000));
	sleep_ms(20);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(1, efd_wait(sem));
	EXPECT_EQ(0, efd_quiet(sem));
}

/* One eventfd for several syncobjs, and several for one */
TEST_F(eventfd, many_to_many)
{
	int so[5], efd[5], i, j;

	for (i = 0; i < 5; i++) {
		so[i] = so_create(self->env.dev, 0);
		efd[i] = efd_new();
	}
	for (i = 0; i < 5; i++)
		for (j = 0; j < 5; j++)
			ASSERT_EQ(0, so_eventfd(self->env.dev, so[i], efd[j],
						1 + j, 0));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, so_signal1(self->env.dev, so[i], 3));
	sleep_ms(50);
	for (j = 0; j < 5; j++)
		EXPECT_EQ(j < 3 ? 5 : 0, efd_take(efd[j]));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, so_signal1(self->env.dev, so[i], 9));
	sleep_ms(50);
	for (j = 3; j < 5; j++)
		EXPECT_EQ(5, efd_take(efd[j]));
}

/* Points registered downwards, upwards and mixed fire in their order. */
TEST_F(eventfd, sorted)
{
	static const int order[] = { 5, 3, 9, 1, 7, 2, 8, 4, 6, 10 };
	int efd[11], i, j;

	for (i = 0; i < 10; i++) {
		efd[order[i]] = efd_new();
		ASSERT_EQ(0, so_eventfd(self->env.dev, self->so,
					efd[order[i]], order[i], 0));
	}
	for (i = 1; i <= 10; i++) {
		ASSERT_EQ(0, so_signal1(self->env.dev, self->so, i));
		EXPECT_EQ(1, efd_wait(efd[i])) TH_LOG("point %d", i);
		for (j = i + 1; j <= 10; j++)
			EXPECT_EQ(0, efd_take(efd[j]));
	}
}

/* Registered on a point that only TRANSFER or IMPORT brings */
TEST_F(eventfd, woken_by_any_submission)
{
	int other = so_create(self->env.dev, SYNCOBJ_CREATE_SIGNALED);
	int fd;

	ASSERT_EQ(0, watch(self, 1, 0));
	ASSERT_EQ(0, so_transfer(self->env.dev, other, 0, self->so, 1, 0));
	EXPECT_EQ(1, efd_wait(self->efd));
	ASSERT_EQ(0, watch(self, 2, 0));
	fd = so_export(self->env.dev, other, 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, so_import(self->env.dev, self->so, fd, 2));
	EXPECT_EQ(1, efd_wait(self->efd));
	/* binary replacement meets point 0 and no other */
	ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
	ASSERT_EQ(0, watch(self, 0, 0));
	ASSERT_EQ(0, watch(self, 1, 0));
	ASSERT_EQ(0, so_import(self->env.dev, self->so, fd, 0));
	EXPECT_EQ(1, efd_wait(self->efd));
	EXPECT_EQ(0, efd_quiet(self->efd));
}

/* How often the module's thread has gone to sleep; -1 if there is none */
static long notifier_slept(void)
{
	char path[64], line[128];
	long slept = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", task_named(NOTIFIER));
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "voluntary_ctxt_switches: %ld", &slept);
	if (f)
		fclose(f);
	return slept;
}

/* They serve the watches themselves; only DRM's clients need the thread. */
TEST_F(eventfd, our_calls_do_without_the_notifier)
{
	int other = so_create(self->env.dev, SYNCOBJ_CREATE_SIGNALED);
	int fd = so_export(self->env.dev, other, 0);
	long slept = notifier_slept();

	ASSERT_LE(0, slept);
	ASSERT_EQ(0, watch(self, 1, 0));
	ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
	EXPECT_EQ(1, efd_take(self->efd));
	ASSERT_EQ(0, watch(self, 2, 0));
	ASSERT_EQ(0, so_transfer(self->env.dev, other, 0, self->so, 2, 0));
	EXPECT_EQ(1, efd_take(self->efd));
	ASSERT_EQ(0, watch(self, 3, 0));
	ASSERT_EQ(0, so_import(self->env.dev, self->so, fd, 3));
	EXPECT_EQ(1, efd_take(self->efd));
	ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
	ASSERT_EQ(0, watch(self, 0, 0));
	ASSERT_EQ(0, so_import(self->env.dev, self->so, fd, 0));
	EXPECT_EQ(1, efd_take(self->efd));
	EXPECT_EQ(slept, notifier_slept());
}

#define MANY	500	/* registrations that fire together */
#define SLOW	3000	/* entries of the WAIT */

/*
 * All that a call of ours makes due has fired when it returns, and what it
 * takes away has been seen, also when the notifier was quicker and is still
 * at it: it is, while DRM goes through the entries of a long WAIT.
 */
TEST_F_TIMEOUT(eventfd, notifier_is_quicker, 120)
{
	struct syncobj_eventfd_args entries[MANY] = {};
	int fds[SLOW], later = efd_new(), round, i;
	uint64_t points[SLOW];

	for (i = 0; i < SLOW; i++) {
		fds[i] = self->so;
		points[i] = 1;
	}
	for (i = 0; i < MANY; i++) {
		entries[i].syncobj_fd = self->so;
		entries[i].eventfd = self->efd;
		entries[i].point = 1;
	}
	for (round = 0; round < 40; round++) {
		struct waiter w = {
			.dev = self->env.dev,
			.fds = fds,
			.points = points,
			.count = SLOW,
			.flags = SO_SUBMIT | SO_ALL,
			.timeout = INT64_MAX,
		};

		ASSERT_EQ(0, so_batch(self->env.dev, entries, MANY, NULL));
		ASSERT_EQ(0, so_eventfd(self->env.dev, self->so, later, 5, 0));
		ASSERT_EQ(0, waiter_start(&w));
		ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 1));
		EXPECT_EQ(MANY, efd_take(self->efd)) TH_LOG("round %d", round);
		ASSERT_EQ(0, so_signal1(self->env.dev, self->so, 5));
		ASSERT_EQ(0, so_reset1(self->env.dev, self->so));
		ASSERT_EQ(1, efd_take(later)) TH_LOG("lost, round %d", round);
		EXPECT_EQ(0, waiter_join(&w));
	}
}

TEST_HARNESS_MAIN
