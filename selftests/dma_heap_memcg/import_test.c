// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices: attached, mapped, at work on a buffer while others are; and the
 * kernel's own mapping.
 *
 * Mappings that exist at the same time are for reading, all but one: DMA
 * debugging takes two devices that write to one page for a mistake.
 */
#include <pthread.h>

#include "heap_env.h"

#include "dmabuf_util.h"
#include "syncobj_util.h"

#define SIZE	MIB(16)

FIXTURE(import) {
	struct heap_env env;
	struct cg cg;
	int cg_fd;
	int buf;	/* SIZE bytes, charged to cg */
	int td;
};

FIXTURE_SETUP(import)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->cg, &self->env.top, "import"));
	self->cg_fd = cg_open(&self->cg, 0);
	memory_compact();
	self->buf = heap_alloc(self->env.dev, SIZE, self->cg_fd);
	ASSERT_GE(self->buf, 0);
	self->td = td_open();
	ASSERT_GE(self->td, 0) TH_LOG("no bufsync_test_dmabuf");
}

FIXTURE_TEARDOWN(import)
{
	buf_unmap_all();
	heap_env_teardown(_metadata, &self->env);
}

/* A table has all of the buffer, in as few entries as can be expected. */
TEST_F(import, figures)
{
	const struct {
		int64_t len;
		uint32_t nents;	/* at most */
	} cases[] = {
		{ PAGE, 1 }, { 3 * PAGE, 3 }, { 16 * PAGE, 1 }, { 17 * PAGE, 2 },
		{ 256 * PAGE, 1 }, { HUGE, 1 }, { HUGE + 17 * PAGE, 3 },
		{ MIB(64), 64 },
	};
	struct test_dmabuf_map_args figures;
	int i, buf;

	for (i = 0; i < (int)ARRAY_SIZE(cases); i++) {
		buf = heap_alloc(self->env.dev, cases[i].len, self->cg_fd);
		ASSERT_GE(buf, 0);
		ASSERT_EQ(0, td_attach(self->td, buf));
		ASSERT_EQ(0, td_map(self->td, TD_BOTH, &figures));
		TH_LOG("%lld KiB: %u entries, %llu to %llu KiB",
		       (long long)cases[i].len >> 10, figures.out_nents,
		       figures.out_min >> 10, figures.out_max >> 10);
		EXPECT_EQ(cases[i].len, figures.out_len);
		EXPECT_GE(figures.out_min, PAGE);
		EXPECT_LE(figures.out_nents, cases[i].nents);
		ASSERT_EQ(0, td_release(self->td));
		close(buf);
	}
}

/* What is asked for in the wrong order does not get to the exporter. */
TEST_F(import, order)
{
	EXPECT_EQ(-EINVAL, td_map(self->td, TD_BOTH, NULL));
	EXPECT_EQ(-EINVAL, td_detach(self->td));
	ASSERT_EQ(0, td_attach(self->td, self->buf));
	EXPECT_EQ(-EBUSY, td_attach(self->td, self->buf));
	EXPECT_EQ(-EINVAL, td_unmap(self->td));
	EXPECT_EQ(-EINVAL, td_map(self->td, 3, NULL));
	ASSERT_EQ(0, td_map(self->td, TD_BOTH, NULL));
	EXPECT_EQ(-EINVAL, td_detach(self->td));
	ASSERT_EQ(0, td_unmap(self->td));
	ASSERT_EQ(0, td_detach(self->td));
	EXPECT_EQ(-EINVAL, td_attach(self->td, self->td));
	EXPECT_EQ(-EBADF, td_attach(self->td, 9999));
}

TEST_F(import, zeroed)
{
	uint64_t sum = 1;

	ASSERT_EQ(0, td_import(self->td, self->buf, TD_TO_DEVICE));
	EXPECT_EQ(0, td_sg_sum(self->td, 0, SIZE, &sum));
	EXPECT_EQ(0, sum);
}

/* Both ways, all of it and a piece that crosses the border of blocks */
TEST_F(import, data_of_the_device)
{
	char *p = buf_map(self->buf, PROT_READ | PROT_WRITE);
	int64_t from = MIB(2) - 18 * PAGE + 8, len = MIB(4) + 20 * PAGE + 16;
	uint64_t sum;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, td_import(self->td, self->buf, TD_BOTH));
	buf_fill(p, SIZE, 1);
	EXPECT_EQ(0, td_sg_sum(self->td, 0, SIZE, &sum));
	EXPECT_EQ(words_sum(p, SIZE), sum);
	EXPECT_EQ(0, td_sg_sum(self->td, from, len, &sum));
	EXPECT_EQ(words_sum(p + from, len), sum);

	EXPECT_EQ(0, td_sg_fill(self->td, 0, SIZE, 0x1122334455667788));
	EXPECT_EQ(0, words_other(p, SIZE, 0x1122334455667788));
	EXPECT_EQ(0, td_sg_fill(self->td, from, len, 7));
	EXPECT_EQ(0, words_other(p, from, 0x1122334455667788));
	EXPECT_EQ(0, words_other(p + from, len, 7));
	EXPECT_EQ(0, words_other(p + from + len, SIZE - from - len,
				 0x1122334455667788));
	EXPECT_EQ(-EINVAL, td_sg_fill(self->td, SIZE - 8, 16, 9));

	/* It stays when the device is gone. */
	ASSERT_EQ(0, td_release(self->td));
	EXPECT_EQ(0, words_other(p + from, len, 7));
}

TEST_F(import, data_of_the_kernel)
{
	char *p = buf_map(self->buf, PROT_READ | PROT_WRITE);
	int64_t from = MIB(2) - 18 * PAGE + 8, len = MIB(4) + 20 * PAGE + 16;
	uint64_t sum;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, td_vmap(self->td, self->buf));
	EXPECT_EQ(0, td_vmap_sum(self->td, 0, SIZE, &sum));
	EXPECT_EQ(0, sum);
	buf_fill(p, SIZE, 1);
	EXPECT_EQ(0, td_vmap_sum(self->td, 0, SIZE, &sum));
	EXPECT_EQ(words_sum(p, SIZE), sum);
	EXPECT_EQ(0, td_vmap_sum(self->td, from, len, &sum));
	EXPECT_EQ(words_sum(p + from, len), sum);
	EXPECT_EQ(0, td_vmap_fill(self->td, from, len, 7));
	EXPECT_EQ(0, words_other(p + from, len, 7));
	EXPECT_EQ(0, buf_differs(p, from, 1));
	ASSERT_EQ(0, td_vunmap(self->td));

	/* a second time, and beside a device */
	ASSERT_EQ(0, td_vmap(self->td, self->buf));
	ASSERT_EQ(0, td_import(self->td, self->buf, TD_BOTH));
	EXPECT_EQ(0, td_sg_fill(self->td, 0, SIZE, 3));
	EXPECT_EQ(0, td_vmap_sum(self->td, 0, SIZE, &sum));
	EXPECT_EQ(SIZE / 8 * 3, sum);
	EXPECT_EQ(0, td_vmap_fill(self->td, 0, SIZE, 4));
	EXPECT_EQ(0, td_sg_sum(self->td, 0, SIZE, &sum));
	EXPECT_EQ(SIZE / 8 * 4, sum);
	EXPECT_EQ(0, words_other(p, SIZE, 4));
}

/* Several users of the kernel's mapping; the last one takes it down. */
TEST_F(import, mapped_by_several)
{
	int i, td[3];
	uint64_t sum;

	for (i = 0; i < 3; i++) {
		td[i] = td_open();
		ASSERT_EQ(0, td_vmap(td[i], self->buf));
	}
	ASSERT_EQ(0, td_vmap_fill(td[0], 0, SIZE, 5));
	close(td[0]);
	for (i = 1; i < 3; i++) {
		EXPECT_EQ(0, td_vmap_sum(td[i], 0, SIZE, &sum));
		EXPECT_EQ(SIZE / 8 * 5, sum);
		ASSERT_EQ(0, td_vunmap(td[i]));
	}
	ASSERT_EQ(0, td_vmap(td[1], self->buf));
	EXPECT_EQ(0, td_vmap_sum(td[1], 0, SIZE, &sum));
	EXPECT_EQ(SIZE / 8 * 5, sum);
}

/* Each has a table of its own, and leaves without regard for the others. */
TEST_F(import, several_devices)
{
	struct test_dmabuf_map_args figures;
	int i, td[4];
	uint64_t sum;

	ASSERT_EQ(0, td_import(self->td, self->buf, TD_BOTH));
	for (i = 0; i < 4; i++) {
		td[i] = td_open();
		ASSERT_GE(td[i], 0);
		ASSERT_EQ(0, td_attach(td[i], self->buf));
	}
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, td_map(td[i], TD_TO_DEVICE, &figures));
		EXPECT_EQ(SIZE, figures.out_len);
	}
	ASSERT_EQ(0, td_sg_fill(self->td, 0, SIZE, 6));
	/* the one that is not mapped, one that is, the one that wrote */
	ASSERT_EQ(0, td_detach(td[3]));
	ASSERT_EQ(0, td_release(td[0]));
	close(self->td);
	for (i = 1; i < 3; i++) {
		EXPECT_EQ(0, td_sg_sum(td[i], 0, SIZE, &sum));
		EXPECT_EQ(SIZE / 8 * 6, sum);
	}
	/* mapped again by one whose attachment has stayed */
	ASSERT_EQ(0, td_unmap(td[1]));
	ASSERT_EQ(0, td_map(td[1], TD_BOTH, &figures));
	EXPECT_EQ(SIZE, figures.out_len);
	ASSERT_EQ(0, td_sg_fill(td[1], 0, SIZE, 8));
	EXPECT_EQ(0, td_sg_sum(td[2], 0, SIZE, &sum));
	EXPECT_EQ(SIZE / 8 * 8, sum);
}

/* An importer's reference is as good as an fd. */
TEST_F(import, keeps_the_charge)
{
	struct cg *cg = &self->cg;
	int dev = self->env.dev;
	uint64_t sum;

	ASSERT_EQ(0, td_attach(self->td, self->buf));
	close(self->buf);
	EXPECT_EQ(SIZE, cg_local_bytes(dev, cg));
	EXPECT_TRUE(cg_charged(cg, SIZE));
	ASSERT_EQ(0, td_map(self->td, TD_BOTH, NULL));
	ASSERT_EQ(0, td_sg_fill(self->td, 0, SIZE, 2));
	EXPECT_EQ(SIZE, cg_local_bytes(dev, cg));
	ASSERT_EQ(0, td_release(self->td));
	EXPECT_EQ(0, cg_local_bytes(dev, cg));
	EXPECT_TRUE(cg_charged(cg, 0));

	/* the same with the kernel's mapping, let go of by close() */
	self->buf = heap_alloc(dev, SIZE, self->cg_fd);
	ASSERT_GE(self->buf, 0);
	ASSERT_EQ(0, td_vmap(self->td, self->buf));
	close(self->buf);
	EXPECT_EQ(SIZE, cg_local_bytes(dev, cg));
	EXPECT_TRUE(cg_charged(cg, SIZE));
	EXPECT_EQ(0, td_vmap_sum(self->td, 0, SIZE, &sum));
	EXPECT_EQ(0, sum);
	close(self->td);
	EXPECT_EQ(0, cg_local_bytes(dev, cg));
	EXPECT_TRUE(cg_charged(cg, 0));
}

/* Tables and mappings are not what the client asked for: it does not pay. */
TEST_F(import, charges_nothing)
{
	int i, td;

	EXPECT_TRUE(cg_charged(&self->cg, SIZE));
	for (i = 0; i < 50; i++) {
		td = td_open();
		ASSERT_EQ(0, td_import(td, self->buf, TD_TO_DEVICE));
		ASSERT_EQ(0, td_vmap(td, self->buf));
	}
	EXPECT_EQ(SIZE, cg_local_bytes(self->env.dev, &self->cg));
	EXPECT_TRUE(cg_charged(&self->cg, SIZE));
}

#define ROUNDS	32

struct storm {
	pthread_t thread;
	int buf;
	int bad;	/* an errno, or 1 for wrong data */
	int rounds;
};

static void *storm(void *arg)
{
	struct storm *s = arg;
	int td = td_open();
	uint64_t sum;

	for (; !s->bad && s->rounds < ROUNDS; s->rounds++) {
		s->bad = td_import(td, s->buf, TD_TO_DEVICE) ?:
			 td_sg_sum(td, 0, MIB(1), &sum);
		if (!s->bad && sum != MIB(1) / 8 * 9)
			s->bad = 1;
		if (!s->bad && s->rounds % 4 == 0)
			s->bad = td_vmap(td, s->buf) ?: td_vunmap(td);
		if (!s->bad)
			s->bad = td_release(td);
	}
	close(td);
	return NULL;
}

/* Attached, mapped, unmapped and detached by four at a time */
TEST_F(import, storm)
{
	char *p = buf_map(self->buf, PROT_READ | PROT_WRITE);
	struct storm storms[4];
	int64_t end = in_ms(60000);
	int i, left, turns = 0;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, td_vmap(self->td, self->buf));
	ASSERT_EQ(0, td_vmap_fill(self->td, 0, SIZE, 9));
	ASSERT_EQ(0, td_vunmap(self->td));
	for (i = 0; i < 4; i++) {
		storms[i] = (struct storm) { .buf = self->buf };
		ASSERT_EQ(0, pthread_create(&storms[i].thread, NULL, storm,
					    &storms[i]));
	}
	/* Meanwhile this process goes on working with it. */
	do {
		EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_START |
				      DMA_BUF_SYNC_WRITE));
		buf_fill(p + MIB(1), MIB(1), turns);
		EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_END |
				      DMA_BUF_SYNC_WRITE));
		EXPECT_EQ(0, buf_differs(p + MIB(1), MIB(1), turns++));
		for (i = 0, left = 0; i < 4; i++)
			left += !__atomic_load_n(&storms[i].bad,
						 __ATOMIC_RELAXED) &&
				__atomic_load_n(&storms[i].rounds,
						__ATOMIC_RELAXED) < ROUNDS;
	} while (left && now_ns() < end);
	for (i = 0; i < 4; i++) {
		pthread_join(storms[i].thread, NULL);
		EXPECT_EQ(0, storms[i].bad);
		EXPECT_EQ(ROUNDS, storms[i].rounds);
	}
	EXPECT_EQ(SIZE, cg_local_bytes(self->env.dev, &self->cg));
}

TEST_HARNESS_MAIN
