// SPDX-License-Identifier: GPL-2.0-only
/* Copies by the DMA engine, from where an importer was told that its dma-buf is. */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "edu.h"

/* Registers, in BAR 0 */
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_DMA_RUN	BIT(0)
#define EDU_DMA_OUT	BIT(1)	/* from edu to the bus */

/* The engine's own memory. All of it at once is too much for some versions. */
#define EDU_MEMORY	0x40000
#define EDU_PIECE	2048

/* One run of the engine */
static int test_dma(struct test_edu *edu, u64 src, u64 dst, u32 len, u64 cmd)
{
	unsigned long end = jiffies + 10 * HZ;

	/* Data in memory before the device looks. */
	wmb();
	writeq(src, edu->regs + EDU_DMA_SRC);
	writeq(dst, edu->regs + EDU_DMA_DST);
	writeq(len, edu->regs + EDU_DMA_COUNT);
	writeq(cmd | EDU_DMA_RUN, edu->regs + EDU_DMA_CMD);
	while (readq(edu->regs + EDU_DMA_CMD) & EDU_DMA_RUN) {
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		usleep_range(1000, 5000);
	}
	return 0;
}

static int test_dma_in(struct test_edu *edu, u64 addr, u32 len)
{
	return test_dma(edu, addr, EDU_MEMORY, len, 0);
}

static int test_dma_out(struct test_edu *edu, u64 addr, u32 len)
{
	return test_dma(edu, EDU_MEMORY, addr, len, EDU_DMA_OUT);
}

/* At @pos of the page. Nothing of an earlier run may be left to be read. */
static int test_piece_from(struct test_edu *edu, u64 addr, u32 pos, u32 len)
{
	memset(edu->page + pos, TEST_EDU_POISON, len);
	return test_dma_in(edu, edu->page_dma + pos, len) ?:
	       test_dma_in(edu, addr, len) ?:
	       test_dma_out(edu, edu->page_dma + pos, len);
}

static int test_piece_to(struct test_edu *edu, u64 addr, u32 pos, u32 len)
{
	return test_dma_in(edu, edu->page_dma + pos, len) ?:
	       test_dma_out(edu, addr, len);
}

/* Where @offset is, and how much there follows; 0: nowhere known */
static u64 test_locate(const struct test_file *tf, u64 offset, u64 *addr)
{
	u32 i;

	for (i = 0; i < min_t(u32, tf->nents, TEST_EDU_MAX_ENTRIES); i++) {
		if (offset < tf->entries[i].len) {
			*addr = tf->entries[i].addr + offset;
			return tf->entries[i].len - offset;
		}
		offset -= tf->entries[i].len;
	}
	return 0;
}

static int test_pieces(struct test_file *tf,
		       const struct test_edu_copy_args *args, bool from)
{
	u32 pos, len;
	u64 addr, left;
	int ret;

	for (pos = 0; pos < args->len; pos += len) {
		left = test_locate(tf, args->offset + pos, &addr);
		if (!left)
			return -EINVAL;
		len = min3(left, (u64)args->len - pos, (u64)EDU_PIECE);
		ret = from ? test_piece_from(tf->edu, addr, pos, len) :
			     test_piece_to(tf->edu, addr, pos, len);
		if (ret)
			return ret;
	}
	return 0;
}

/* So that the callback waits for the engine */
static int test_copy_mapped(struct test_file *tf,
			    const struct test_edu_copy_args *args, bool from)
{
	struct dma_resv *resv;
	int ret;

	if (!tf->attach || tf->flags & TEST_EDU_BARE)
		return -EINVAL;
	resv = tf->attach->dmabuf->resv;
	dma_resv_lock(resv, NULL);
	if (tf->stale)
		ret = -ESTALE;
	else if (!tf->sgt)
		ret = -EINVAL;
	else
		ret = test_pieces(tf, args, from);
	dma_resv_unlock(resv);
	return ret;
}

int test_copy(struct test_file *tf, void __user *argp, bool from)
{
	struct test_edu *edu = tf->edu;
	struct test_edu_copy_args args;
	void __user *data;
	int ret;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	if (!args.len || args.len > TEST_EDU_MAX_COPY ||
	    args.flags & ~TEST_EDU_RAW || args.offset > S64_MAX)
		return -EINVAL;
	data = u64_to_user_ptr(args.data);

	mutex_lock(&edu->engine);
	ret = 0;
	if (!from && copy_from_user(edu->page, data, args.len))
		ret = -EFAULT;
	if (!ret && args.flags & TEST_EDU_RAW)
		ret = test_pieces(tf, &args, from);
	else if (!ret)
		ret = test_copy_mapped(tf, &args, from);
	if (!ret && from && copy_to_user(data, edu->page, args.len))
		ret = -EFAULT;
	mutex_unlock(&edu->engine);
	return ret;
}
