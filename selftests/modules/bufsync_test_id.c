// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the kernel take a PCI function for another one while this is loaded: for one
 * of those that a driver must look at twice and that no machine here has. The
 * function itself stays what it is. And claims a BAR, which a driver then must not.
 */
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/pci.h>

static char *function;
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "DOMAIN:BUS:SLOT.FUNCTION, which no driver has");
static ushort vendor;
module_param(vendor, ushort, 0444);
MODULE_PARM_DESC(vendor, "what its vendor is (0: as it is)");
static ushort device;
module_param(device, ushort, 0444);
MODULE_PARM_DESC(device, "what its device id is, if there is a vendor");
static int claim = -1;
module_param(claim, int, 0444);
MODULE_PARM_DESC(claim, "BAR to claim (-1: none)");
static int where = -1;
module_param(where, int, 0444);
MODULE_PARM_DESC(where, "position in its configuration space (-1: none)");
static uint value;
module_param(value, uint, 0444);
MODULE_PARM_DESC(value, "what a read of 32 bits from there gives");

static struct pci_dev *test_pdev;
static unsigned short test_vendor, test_device;
static struct pci_ops *test_stock_ops;
static struct pci_ops test_ops;

static int test_read(struct pci_bus *bus, unsigned int devfn, int pos, int size,
		     u32 *val)
{
	if (devfn != test_pdev->devfn || pos != where || size != 4)
		return test_stock_ops->read(bus, devfn, pos, size, val);
	*val = value;
	return PCIBIOS_SUCCESSFUL;
}

static int __init test_init(void)
{
	unsigned int domain, bus, slot, func;
	int ret;

	if (!function || sscanf(function, "%x:%x:%x.%x", &domain, &bus, &slot,
				&func) != 4)
		return -EINVAL;
	test_pdev = pci_get_domain_bus_and_slot(domain, bus,
						PCI_DEVFN(slot, func));
	if (!test_pdev)
		return -ENODEV;
	ret = claim >= 0 ? pci_request_region(test_pdev, claim, KBUILD_MODNAME) : 0;
	if (ret) {
		pci_dev_put(test_pdev);
		return ret;
	}
	test_vendor = test_pdev->vendor;
	test_device = test_pdev->device;
	if (vendor) {
		test_pdev->vendor = vendor;
		test_pdev->device = device;
	}
	if (where >= 0) {
		test_stock_ops = test_pdev->bus->ops;
		test_ops = *test_stock_ops;
		test_ops.read = test_read;
		pci_bus_set_ops(test_pdev->bus, &test_ops);
	}
	return 0;
}

static void __exit test_exit(void)
{
	if (test_stock_ops) {
		pci_bus_set_ops(test_pdev->bus, test_stock_ops);
		/* Reads are under no lock that could be taken here. None is that long. */
		msleep(20);
	}
	test_pdev->vendor = test_vendor;
	test_pdev->device = test_device;
	if (claim >= 0)
		pci_release_region(test_pdev, claim);
	pci_dev_put(test_pdev);
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("Other ids of a PCI function for the tests of bufsync");
MODULE_AUTHOR("bufsync");
MODULE_LICENSE("GPL");
