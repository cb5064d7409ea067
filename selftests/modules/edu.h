/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of bufsync_test_edu, and what they share. */
#ifndef _BUFSYNC_TEST_EDU_PRIVATE_H
#define _BUFSYNC_TEST_EDU_PRIVATE_H

#include <linux/dma-direction.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

#include "bufsync_test_edu.h"

struct dma_buf_attachment;
struct pci_dev;

struct test_edu {
	struct pci_dev *pdev;
	void __iomem *regs;
	void *page;		/* where data comes from and goes to */
	dma_addr_t page_dma;
	struct mutex engine;	/* protects the page and the registers */
};

/* An open file, which is an importer */
struct test_file {
	struct test_edu *edu;
	struct mutex lock;	/* one call at a time */
	struct dma_buf_attachment *attach;	/* with a reference; or NULL */
	u32 flags;		/* of the attachment */
	bool pinned;

	/* Under the reservation's lock while there is an attachment */
	struct sg_table *sgt;	/* or NULL */
	enum dma_data_direction dir;
	bool stale;
	u64 told, forced;

	/* The last mapping */
	u32 nents;
	u64 len;
	struct test_edu_entry entries[TEST_EDU_MAX_ENTRIES];
};

/* edu_device.c: the device that is bound, which stays until put; NULL if none is */
struct test_edu *test_edu_get(void);
void test_edu_put(void);
int test_device_register(void);
void test_device_unregister(void);

/* edu_importer.c: requests, with the file's lock held */
int test_attach(struct test_file *tf, void __user *argp);
int test_detach(struct test_file *tf);
int test_map(struct test_file *tf, unsigned long dir);
int test_unmap(struct test_file *tf);
int test_pin(struct test_file *tf);
int test_unpin(struct test_file *tf);
int test_stats(struct test_file *tf, void __user *argp);
int test_bare_register(void);
void test_bare_unregister(void);

/* edu_copy.c */
int test_copy(struct test_file *tf, void __user *argp, bool from);

#endif /* _BUFSYNC_TEST_EDU_PRIVATE_H */
