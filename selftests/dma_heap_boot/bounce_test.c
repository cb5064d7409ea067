// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel in which each device has memory of its own to look at (swiotlb=force): what
 * it and the processor write gets to the other by calls to synchronise, or not at all.
 * Emulated processors have no caches, so that a call that is missing shows nowhere else.
 */
#include <sys/mman.h>

#include "heap_env.h"

#include "dmabuf_util.h"

/* Two blocks, each of which swiotlb has room for */
#define SIZE	(17 * PAGE)

#define OLD	0x0101010101010101ULL
#define NEW	0x2345678923456789ULL

FIXTURE(bounce) {
	struct heap_env env;
	int buf, td;
	char *p;
};

static void fill_words(void *map, int64_t size, uint64_t value)
{
	uint64_t *word = map;
	int64_t i;

	for (i = 0; i < size / 8; i++)
		word[i] = value;
}

/* The device has it, and both see OLD. */
FIXTURE_SETUP(bounce)
{
	heap_env_setup(_metadata, &self->env);
	self->buf = heap_alloc(self->env.dev, SIZE, HEAP_SELF);
	ASSERT_GE(self->buf, 0);
	self->p = buf_map(self->buf, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->p);
	fill_words(self->p, SIZE, OLD);
	self->td = td_open();
	ASSERT_GE(self->td, 0);
	ASSERT_EQ(0, td_import(self->td, self->buf, TD_BOTH));
}

FIXTURE_TEARDOWN(bounce)
{
	buf_unmap_all();
	heap_env_teardown(_metadata, &self->env);
}

static bool device_sees(int td, uint64_t value)
{
	uint64_t sum = 0;

	return !td_sg_sum(td, 0, SIZE, &sum) && sum == SIZE / 8 * value;
}

/* The control: nothing passes by itself. */
TEST_F(bounce, boot)
{
	fill_words(self->p, SIZE, NEW);
	EXPECT_TRUE(device_sees(self->td, OLD));
	ASSERT_EQ(0, td_sg_fill(self->td, 0, SIZE, 3));
	EXPECT_EQ(0, words_other(self->p, SIZE, NEW));
}

TEST_F(bounce, mapped)
{
	EXPECT_TRUE(device_sees(self->td, OLD));
}

TEST_F(bounce, written_by_the_processor)
{
	ASSERT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	fill_words(self->p, SIZE, NEW);
	ASSERT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
	EXPECT_TRUE(device_sees(self->td, NEW));
}

TEST_F(bounce, written_by_the_device)
{
	ASSERT_EQ(0, td_sg_fill(self->td, 0, SIZE, NEW));
	EXPECT_EQ(0, words_other(self->p, SIZE, OLD));
	ASSERT_EQ(0, buf_sync(self->buf,
			      DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
	EXPECT_EQ(0, words_other(self->p, SIZE, NEW));
	ASSERT_EQ(0, buf_sync(self->buf,
			      DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ));
}

TEST_F(bounce, unmapped)
{
	ASSERT_EQ(0, td_sg_fill(self->td, 0, SIZE, NEW));
	ASSERT_EQ(0, td_unmap(self->td));
	EXPECT_EQ(0, words_other(self->p, SIZE, NEW));
	/* and mapped again, without a call in between */
	fill_words(self->p, SIZE, 7);
	ASSERT_EQ(0, td_map(self->td, TD_TO_DEVICE, NULL));
	EXPECT_TRUE(device_sees(self->td, 7));
}

/* By turns, as a renderer and a display use it */
TEST_F(bounce, by_turns)
{
	uint64_t i;

	for (i = 1; i < 100; i++) {
		ASSERT_EQ(0, td_sg_fill(self->td, 0, SIZE, i));
		ASSERT_EQ(0, buf_sync(self->buf,
				      DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
		ASSERT_EQ(0, words_other(self->p, SIZE, i));
		fill_words(self->p, SIZE, ~i);
		ASSERT_EQ(0, buf_sync(self->buf,
				      DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
		ASSERT_TRUE(device_sees(self->td, ~i));
	}
}

TEST_HARNESS_MAIN
