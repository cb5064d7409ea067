/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who gives out the addresses of a BAR to other devices, since 6.19. Before
 * that, and in Debian with CONFIG_PCI_P2PDMA off before 6.16, nobody could tell
 * whether a transfer from one device to another arrives. It does if an IOMMU
 * translates the importer's accesses: then they go to the root complex. Whether that
 * passes them on the kernels in between can tell, as those since 6.19 do.
 */
#ifndef _BUFSYNC_COMPAT_LINUX_PCI_P2PDMA_H
#define _BUFSYNC_COMPAT_LINUX_PCI_P2PDMA_H

#include_next <linux/pci-p2pdma.h>

#ifdef BUFSYNC_HAVE_DMABUF_PHYS_VEC
/* The kernel's own mapping, which follows, cannot be forced. */
#define bufsync_p2p_can_force()	false

static inline bool bufsync_p2p_reaches(struct p2pdma_provider *provider,
				       struct device *client, bool force)
{
	return pci_p2pdma_distance(to_pci_dev(provider->owner), client,
				   false) >= 0;
}
#else
#include <linux/dma-buf-mapping.h>
#include <linux/pci.h>

#define bufsync_p2p_can_force()	true

struct p2pdma_provider;

/* To be told from NULL, and what bufsync_p2p_reaches() takes for the function */
static inline struct p2pdma_provider *
bufsync_p2p_provider(struct pci_dev *pdev, int bar)
{
	return pci_resource_flags(pdev, bar) & IORESOURCE_MEM ?
	       (struct p2pdma_provider *)pdev : NULL;
}

#define pcim_p2pdma_provider(pdev, bar)	bufsync_p2p_provider(pdev, bar)

static inline bool bufsync_p2p_reaches(struct p2pdma_provider *provider,
				       struct device *client, bool force)
{
	if (force)
		return true;
	return bufsync_iommu_translates(client) &&
	       (!IS_ENABLED(CONFIG_PCI_P2PDMA) ||
		pci_p2pdma_distance((struct pci_dev *)provider, client,
				    false) >= 0);
}
#endif

#endif /* _BUFSYNC_COMPAT_LINUX_PCI_P2PDMA_H */
