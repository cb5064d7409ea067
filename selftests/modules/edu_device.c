// SPDX-License-Identifier: GPL-2.0-only
/* The PCI function. It binds to nothing by itself, only by driver_override. */
#include <linux/dma-mapping.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/wait.h>

#include "edu.h"

/* Protects the two below. */
static DEFINE_MUTEX(test_lock);
static struct test_edu *test_edu;
static unsigned int test_users;
static DECLARE_WAIT_QUEUE_HEAD(test_idle);

struct test_edu *test_edu_get(void)
{
	struct test_edu *edu;

	mutex_lock(&test_lock);
	edu = test_edu;
	if (edu)
		test_users++;
	mutex_unlock(&test_lock);
	return edu;
}

void test_edu_put(void)
{
	mutex_lock(&test_lock);
	if (!--test_users)
		wake_up_all(&test_idle);
	mutex_unlock(&test_lock);
}

static int test_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct test_edu *edu;
	int ret = 0;

	if (pdev->vendor != 0x1234 || pdev->device != 0x11e8)
		return -ENODEV;
	edu = devm_kzalloc(dev, sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	edu->pdev = pdev;
	mutex_init(&edu->engine);

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(28));
	if (ret)
		return ret;
	/* Else DMA debugging complains of entries above 64 KiB. */
	dma_set_max_seg_size(dev, UINT_MAX);
	edu->regs = pcim_iomap(pdev, 0, 0);
	if (!edu->regs)
		return -ENOMEM;
	edu->page = dmam_alloc_coherent(dev, TEST_EDU_MAX_COPY,
					&edu->page_dma, GFP_KERNEL);
	if (!edu->page)
		return -ENOMEM;
	pci_set_master(pdev);

	mutex_lock(&test_lock);
	if (test_edu) {
		ret = -EBUSY;
	} else {
		test_edu = edu;
		pci_set_drvdata(pdev, edu);
	}
	mutex_unlock(&test_lock);
	if (ret)
		pci_clear_master(pdev);
	return ret;
}

static bool test_unused(void)
{
	bool unused;

	mutex_lock(&test_lock);
	unused = !test_users;
	mutex_unlock(&test_lock);
	return unused;
}

static void test_remove(struct pci_dev *pdev)
{
	mutex_lock(&test_lock);
	test_edu = NULL;
	mutex_unlock(&test_lock);
	wait_event(test_idle, test_unused());
	pci_clear_master(pdev);
}

static const struct pci_device_id test_ids[] = {
	{ }
};

static struct pci_driver test_driver = {
	.name = "bufsync_test_edu",
	.id_table = test_ids,
	.probe = test_probe,
	.remove = test_remove,
};

int __init test_device_register(void)
{
	return pci_register_driver(&test_driver);
}

void test_device_unregister(void)
{
	pci_unregister_driver(&test_driver);
}
