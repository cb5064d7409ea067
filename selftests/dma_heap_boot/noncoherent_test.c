// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine whose PCI devices do not see the processors' caches, as its device tree says:
 * the kernel cleans and invalidates them for each mapping and call to synchronise. (It
 * shows that this runs, and ends well. Emulated processors have no caches, so what is
 * missing shows in bounce_test.)
 */
#include <glob.h>
#include <string.h>
#include <sys/mman.h>

#include "heap_env.h"

#include "dmabuf_util.h"
#include "edu_util.h"

/* Two blocks */
#define SIZE	(17 * PAGE)
#define LEN	TEST_EDU_MAX_COPY

FIXTURE(noncoherent) {
	struct heap_env env;
	char bdf[16];
	int buf, edu;
	char *p;
	char data[LEN];
};

FIXTURE_SETUP(noncoherent)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, edu_start(self->bdf));
	self->edu = edu_open();
	ASSERT_LE(0, self->edu);
	self->buf = heap_alloc(self->env.dev, SIZE, HEAP_SELF);
	ASSERT_LE(0, self->buf);
	self->p = buf_map(self->buf, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->p);
	memset(self->data, 0x5a, LEN);
	ASSERT_EQ(0, edu_import(self->edu, self->buf, TEST_EDU_STATIC));
}

FIXTURE_TEARDOWN(noncoherent)
{
	EXPECT_EQ(0, edu_stop(self->bdf));
	buf_unmap_all();
	heap_env_teardown(_metadata, &self->env);
}

TEST_F(noncoherent, boot)
{
	glob_t found;

	EXPECT_EQ(0, glob("/proc/device-tree/pcie@*/dma-noncoherent", 0, NULL,
			  &found));
	globfree(&found);
	EXPECT_NE(0, glob("/proc/device-tree/pcie@*/dma-coherent", 0, NULL,
			  &found));
}

/* In both blocks */
TEST_F(noncoherent, device_to_processor)
{
	static const int64_t pages[] = { 0, 3, 16 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		ASSERT_EQ(0, edu_copy_to(self->edu, pages[i] * PAGE, self->data,
					 LEN, 0));
		ASSERT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_START |
				      DMA_BUF_SYNC_READ));
		EXPECT_EQ(0, memcmp(self->p + pages[i] * PAGE, self->data, LEN));
		ASSERT_EQ(0, buf_sync(self->buf,
				      DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ));
	}
	EXPECT_TRUE(buf_is_zero(self->p + PAGE, PAGE));
	EXPECT_EQ(0, edu_release(self->edu));
}

TEST_F(noncoherent, processor_to_device)
{
	char got[LEN];

	ASSERT_EQ(0, buf_sync(self->buf,
			      DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE));
	memcpy(self->p + 16 * PAGE, self->data, LEN);
	ASSERT_EQ(0, buf_sync(self->buf,
			      DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE));
	ASSERT_EQ(0, edu_copy_from(self->edu, 16 * PAGE, got, LEN, 0));
	EXPECT_EQ(0, memcmp(got, self->data, LEN));
	EXPECT_EQ(0, edu_release(self->edu));
}

TEST_HARNESS_MAIN
