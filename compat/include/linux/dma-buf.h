/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Importers that cannot stay are "invalidated" since 6.19 or 7.0; before that
 * they were "notified of a move". Since then they can also say that they do not
 * take part, by having no such callback. An fd that is reserved beforehand can
 * be given its dma-buf by name since 7.1.
 */
#ifndef _BUFSYNC_COMPAT_LINUX_DMA_BUF_H
#define _BUFSYNC_COMPAT_LINUX_DMA_BUF_H

#include_next <linux/dma-buf.h>

#ifndef BUFSYNC_HAVE_DMABUF_INVALIDATE
#include <linux/kallsyms.h>
#include <linux/string.h>

#define dma_buf_invalidate_mappings(dmabuf)	dma_buf_move_notify(dmabuf)

/*
 * RDMA's pinned memory regions had a callback before they could do without,
 * which does nothing but complain. It is known by its name only.
 */
static inline bool bufsync_attach_revocable(struct dma_buf_attachment *attach)
{
	static const char deaf[] = "ib_umem_dmabuf_unsupported_move_notify+";
	char name[KSYM_SYMBOL_LEN];

	if (!attach->importer_ops || !attach->importer_ops->move_notify)
		return false;
	sprint_symbol(name, (unsigned long)attach->importer_ops->move_notify);
	return strncmp(name, deaf, strlen(deaf)) != 0;
}

#define dma_buf_attach_revocable(attach)	bufsync_attach_revocable(attach)
#endif

#ifndef BUFSYNC_HAVE_DMABUF_FD_INSTALL
#include <linux/file.h>

#define dma_buf_fd_install(dmabuf, fd)	fd_install(fd, (dmabuf)->file)
#endif

#endif /* _BUFSYNC_COMPAT_LINUX_DMA_BUF_H */
