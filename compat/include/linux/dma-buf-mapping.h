/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device memory mapped for an importer, since 6.19. Before that: each piece by
 * dma_map_resource(), and a table of DMA addresses without pages.
 *
 * Two things are wrong with the kernel's own, up to 7.3 at least. It maps all
 * pieces to the first address of the range that it has from the IOMMU, so that
 * the second piece fails. And it frees nothing of the table, as it sets the
 * number of entries to 0, which the table is freed by.
 */
#ifndef _BUFSYNC_COMPAT_LINUX_DMA_BUF_MAPPING_H
#define _BUFSYNC_COMPAT_LINUX_DMA_BUF_MAPPING_H

#ifdef BUFSYNC_HAVE_DMABUF_PHYS_VEC
#include_next <linux/dma-buf-mapping.h>
#endif

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/limits.h>
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/slab.h>

#ifndef BUFSYNC_HAVE_DMABUF_PHYS_VEC
struct phys_vec {
	phys_addr_t paddr;
	size_t len;
};
#endif

struct p2pdma_provider;

/* Lengths of a scatter list are unsigned int. */
#define BUFSYNC_SG_MAX	ALIGN_DOWN((size_t)UINT_MAX, PAGE_SIZE)

/* Do the accesses of a device go through an IOMMU that maps them? */
static inline bool bufsync_iommu_translates(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain && domain->type & __IOMMU_DOMAIN_PAGING;
}

static inline void bufsync_free_pieces(struct dma_buf_attachment *attach,
				       struct sg_table *sgt,
				       enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		/* The end of what a mapping that failed half-way has done */
		if (!sg_dma_len(sg))
			break;
		dma_unmap_resource(attach->dev, sg_dma_address(sg),
				   sg_dma_len(sg), dir, DMA_ATTR_SKIP_CPU_SYNC);
	}
	sgt->orig_nents = sgt->nents;
	sg_free_table(sgt);
	kfree(sgt);
}

static inline struct sg_table *
bufsync_map_pieces(struct dma_buf_attachment *attach,
		   const struct phys_vec *phys, size_t nr,
		   enum dma_data_direction dir)
{
	struct scatterlist *sg;
	struct sg_table *sgt;
	size_t i, len, done;
	unsigned int nents = 0;
	dma_addr_t addr;

	for (i = 0; i < nr; i++)
		nents += DIV_ROUND_UP(phys[i].len, BUFSYNC_SG_MAX);

	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL_ACCOUNT);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	if (sg_alloc_table(sgt, nents, GFP_KERNEL_ACCOUNT)) {
		kfree(sgt);
		return ERR_PTR(-ENOMEM);
	}

	sg = sgt->sgl;
	for (i = 0; i < nr; i++) {
		for (done = 0; done < phys[i].len; done += len) {
			len = min(phys[i].len - done, BUFSYNC_SG_MAX);
			addr = dma_map_resource(attach->dev,
						phys[i].paddr + done, len, dir,
						DMA_ATTR_SKIP_CPU_SYNC);
			if (dma_mapping_error(attach->dev, addr)) {
				bufsync_free_pieces(attach, sgt, dir);
				return ERR_PTR(-EINVAL);
			}
			sg_set_page(sg, NULL, 0, 0);
			sg_dma_address(sg) = addr;
			sg_dma_len(sg) = len;
			sg = sg_next(sg);
		}
		cond_resched();
	}
	/* Nobody shall look for pages. */
	sgt->orig_nents = 0;
	return sgt;
}

#ifdef BUFSYNC_HAVE_DMABUF_PHYS_VEC
/*
 * Who makes the mappings of an attachment is decided when it is made, as both
 * must undo their own. Its private data tells.
 */
static inline void bufsync_attach_init(struct dma_buf_attachment *attach,
				       size_t nr)
{
	attach->priv = nr > 1 && bufsync_iommu_translates(attach->dev) ?
		       attach : NULL;
}

static inline struct sg_table *
bufsync_phys_vec_to_sgt(struct dma_buf_attachment *attach,
			struct p2pdma_provider *provider,
			struct phys_vec *phys, size_t nr, size_t size,
			enum dma_data_direction dir)
{
	if (attach->priv)
		return bufsync_map_pieces(attach, phys, nr, dir);
	return dma_buf_phys_vec_to_sgt(attach, provider, phys, nr, size, dir);
}

static inline void bufsync_free_sgt(struct dma_buf_attachment *attach,
				    struct sg_table *sgt,
				    enum dma_data_direction dir)
{
	if (attach->priv) {
		bufsync_free_pieces(attach, sgt, dir);
		return;
	}
	sgt->orig_nents = sgt->nents;
	dma_buf_free_sgt(attach, sgt, dir);
}

#else
static inline void bufsync_attach_init(struct dma_buf_attachment *attach,
				       size_t nr)
{
}

static inline struct sg_table *
bufsync_phys_vec_to_sgt(struct dma_buf_attachment *attach,
			struct p2pdma_provider *provider,
			struct phys_vec *phys, size_t nr, size_t size,
			enum dma_data_direction dir)
{
	return bufsync_map_pieces(attach, phys, nr, dir);
}

#define bufsync_free_sgt(attach, sgt, dir) \
	bufsync_free_pieces(attach, sgt, dir)
#endif

#define dma_buf_phys_vec_to_sgt(attach, provider, phys, nr, size, dir) \
	bufsync_phys_vec_to_sgt(attach, provider, phys, nr, size, dir)
#define dma_buf_free_sgt(attach, sgt, dir) \
	bufsync_free_sgt(attach, sgt, dir)

#endif /* _BUFSYNC_COMPAT_LINUX_DMA_BUF_MAPPING_H */
