/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the memcg heap share. All names begin with mheap_.
 *
 * A call resolves its charge_fd to a target (target.c), asks whether the
 * caller may charge it (access.c) and whether its limits leave room (limit.c),
 * and then allocates pages (pages.c) that the page allocator charges to the
 * target's memory cgroup. Nothing here pins that cgroup afterwards: each page
 * has a reference to an object cgroup, which moves to the parent when the
 * cgroup is removed.
 *
 * Who holds whom: a buffer holds a record (statistics) and perhaps a grant; a
 * record holds its parent's; a grant holds its memory cgroup until it is
 * revoked. A dma-buf, a grant's file and an open device hold the module.
 *
 * Lock order, outermost first:
 *
 *   mmap_lock, dma_resv lock (the core's)
 *     mheap_buffer.lock
 *       i_mmap_rwsem (by unmap_mapping_range())
 *   mheap_records_lock (record.c)
 *   mheap_grant.lock, dma_buf.name_lock: innermost spinlocks
 *
 * User memory is not touched under any of them.
 */
#ifndef _DMA_HEAP_MEMCG_PRIVATE_H
#define _DMA_HEAP_MEMCG_PRIVATE_H

#include <linux/atomic.h>
#include <linux/cgroup.h>
#include <linux/dma-buf.h>
#include <linux/list.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <linux/dma-heap-memcg.h>

struct file;
struct pid;
struct scatterlist;
struct sg_table;
struct task_struct;
struct vm_area_struct;

/* The pages of a buffer are grouped into slots that one PMD can map. */
#define MHEAP_SLOT_ORDER	(PMD_SHIFT - PAGE_SHIFT)
#define MHEAP_SLOT_PAGES	BIT(MHEAP_SLOT_ORDER)

/**
 * struct mheap_pages - memory of a buffer
 * @nr:		pages
 * @nr_blocks:	allocations that they are in
 * @one:	the block, if it is one
 * @many:	the blocks, if they are more, in the order of their addresses in
 *		the buffer. None crosses the border of a slot, and within its
 *		slot each is aligned to its size.
 * @slots:	index of each slot's first block, if there is more than one slot
 */
struct mheap_pages {
	unsigned long nr;
	unsigned int nr_blocks;
	union {
		struct page *one;
		struct page **many;
	};
	unsigned int *slots;
};

static inline unsigned int mheap_block_order(struct page *block)
{
	return page_private(block);
}

static inline struct page **mheap_pages_blocks(struct mheap_pages *pages)
{
	return pages->nr_blocks > 1 ? pages->many : &pages->one;
}

/* Flags of mheap_pages_alloc() */
#define MHEAP_PAGES_DIRTY	BIT(0)	/* will be overwritten */

/* "cg:" and a number of 64 bits */
#define MHEAP_NAME_SIZE		24

/**
 * struct mheap_record - what is known of one memory cgroup
 * @node:	in the table, by @serial
 * @list:	in the list of all; mheap_records_lock
 * @refs:	one for being in the table, one for each buffer, child and call
 * @serial:	of the memory cgroup
 * @id:		number of the cgroup, as user space knows it
 * @name:	of its buffers in fdinfo, "cg:" and @id
 * @parent:	of the next memory cgroup upwards; NULL for the root
 * @local_bytes: charged to this one
 * @local_buffers: as many buffers
 * @bytes:	charged to this one or one below
 * @buffers:	as many buffers
 * @peak:	highest value of @bytes
 * @charges:	how often something was charged
 * @denials:	calls refused for lack of permission
 * @failures:	calls that failed for a limit or lack of memory
 * @throttled:	calls that memory.high delayed or refused
 * @rcu:	for lookups while it is removed
 *
 * Counters are changed without a lock, each on its own.
 */
struct mheap_record {
	struct rhash_head node;
	struct list_head list;
	refcount_t refs;
	u64 serial;
	u64 id;
	char name[MHEAP_NAME_SIZE];
	struct mheap_record *parent;
	atomic64_t local_bytes;
	atomic64_t local_buffers;
	atomic64_t bytes;
	atomic64_t buffers;
	atomic64_t peak;
	atomic64_t charges;
	atomic64_t denials;
	atomic64_t failures;
	atomic64_t throttled;
	struct rcu_head rcu;
};

/**
 * struct mheap_buffer - a dma-buf of this heap
 * @lock:	protects all that follows, but @len and @ino. Whoever uses @pages reads;
 *		whoever changes anything writes. Taken under mmap_lock (faults)
 *		and under the reservation's lock (map, vmap); above i_mmap_rwsem.
 * @len:	bytes, whole pages; never changes
 * @ino:	inode of the dma-buf's file; never changes
 * @pages:	changed by TRANSFER only
 * @attachments: of devices
 * @vmaps:	users of @vaddr
 * @vaddr:	the kernel's mapping
 * @record:	of the cgroup that is charged; NULL if none is
 * @grant:	that it was charged by; NULL if none was
 */
struct mheap_buffer {
	struct rw_semaphore lock;
	size_t len;
	unsigned long ino;
	struct mheap_pages pages;
	struct list_head attachments;
	unsigned int vmaps;
	void *vaddr;
	struct mheap_record *record;
	struct mheap_grant *grant;
};

/* How a target was named */
enum mheap_named {
	MHEAP_CALLER,
	MHEAP_PIDFD,
	MHEAP_CGROUP,
	MHEAP_GRANT,
};

/**
 * struct mheap_target - whom a call charges
 * @named:	by what
 * @memcg:	referenced; NULL if nothing can be charged
 * @own:	it is the caller's own
 * @pid:	referenced; MHEAP_PIDFD only
 * @dir:	referenced; MHEAP_CGROUP only
 * @grant:	referenced; MHEAP_GRANT only
 */
struct mheap_target {
	enum mheap_named named;
	struct mem_cgroup *memcg;
	bool own;
	struct pid *pid;
	struct file *dir;
	struct mheap_grant *grant;
};

/*
 * Can cgroups be named, and be told apart by their number? With the memory
 * controller in a hierarchy of version 1 the caller is charged, as the kernel
 * does it there, and that is all.
 */
static inline bool mheap_memcg_is_v2(void)
{
	return cgroup_subsys_on_dfl(memory_cgrp_subsys);
}

/* The kernel neither counts nor limits what the root is charged. */
static inline bool mheap_memcg_is_root(struct mem_cgroup *memcg)
{
	return !parent_mem_cgroup(memcg);
}

static inline bool mheap_memcg_is_limited(struct mem_cgroup *memcg)
{
	return memcg && !mheap_memcg_is_root(memcg);
}

/* access.c */
extern int mheap_remote_policy;
int mheap_access(struct file *dev, const struct mheap_target *target);

/* admit.c */
int mheap_admit(struct file *dev, const struct mheap_target *target,
		struct mheap_record **record);
int mheap_admit_len(const struct mheap_target *target,
		    struct mheap_record *record, size_t len);

/* alloc.c */
int mheap_alloc_ioctl(struct file *dev, unsigned int cmd, void __user *argp);
u64 mheap_max_len(void);

/* buffer.c */
struct dma_buf *mheap_buffer_create(const struct mheap_target *target,
				    struct mheap_record *record, size_t len,
				    unsigned int fd_flags);
struct mheap_buffer *mheap_buffer_of(struct dma_buf *dmabuf);
char *mheap_buffer_name(const struct mheap_record *record);

/* device.c */
int mheap_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
void mheap_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
struct sg_table *mheap_map(struct dma_buf_attachment *attach,
			   enum dma_data_direction dir);
void mheap_unmap(struct dma_buf_attachment *attach, struct sg_table *table,
		 enum dma_data_direction dir);
int mheap_begin_cpu_access(struct dma_buf *dmabuf,
			   enum dma_data_direction dir);
int mheap_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir);
int mheap_vmap(struct dma_buf *dmabuf, struct iosys_map *map);
void mheap_vunmap(struct dma_buf *dmabuf, struct iosys_map *map);

/* grant.c */
int mheap_grant_ioctl(struct file *dev, void __user *argp);
struct mheap_grant *mheap_grant_from_file(struct file *file);
int mheap_grant_memcg(struct mheap_grant *grant, struct mem_cgroup **memcg);
int mheap_grant_use(struct mheap_grant *grant, size_t len);
void mheap_grant_unuse(struct mheap_grant *grant, size_t len);
void mheap_grant_get(struct mheap_grant *grant);
void mheap_grant_put(struct mheap_grant *grant);

/* limit.c */
extern int mheap_high_policy;
u64 mheap_limit(struct mem_cgroup *memcg);
int mheap_limit_check(struct mem_cgroup *memcg, unsigned long nr);
int mheap_limit_high(struct mem_cgroup *memcg, unsigned long nr, bool *delayed);

/* mmap.c */
int mheap_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma);

/* pages.c */
extern const unsigned int mheap_orders[];
extern const unsigned int mheap_nr_orders;
int mheap_pages_alloc(struct mheap_pages *pages, struct mem_cgroup *memcg,
		      unsigned long nr, unsigned int flags);
void mheap_pages_free(struct mheap_pages *pages);
struct page **mheap_pages_block(struct mheap_pages *pages,
				unsigned long index, unsigned long *offset);
int mheap_pages_start(void);
void mheap_pages_stop(void);

/* pidfd.c */
int mheap_pidfd_pid(struct file *file, struct pid **pid);

/* policy.c */
extern const struct kernel_param_ops mheap_remote_policy_ops;
extern const struct kernel_param_ops mheap_high_policy_ops;

/* query.c */
int mheap_query_ioctl(struct file *dev, void __user *argp);

/* record.c */
struct mheap_record *mheap_record_get(struct mem_cgroup *memcg);
void mheap_record_put(struct mheap_record *record);
void mheap_record_charge(struct mheap_record *record, size_t len);
void mheap_record_uncharge(struct mheap_record *record, size_t len);
void mheap_record_denied(struct mheap_record *record, int error);
void mheap_record_failed(struct mheap_record *record, size_t len, int error);
void mheap_record_throttled(struct mheap_record *record);
int mheap_records_start(void);
void mheap_records_stop(void);

static inline u64 mheap_record_id(const struct mheap_record *record)
{
	return record ? record->id : 0;
}

/* target.c */
int mheap_target_get(u32 charge_fd, struct mheap_target *target);
int mheap_target_stayed(const struct mheap_target *target,
			struct task_struct *task);
void mheap_target_put(struct mheap_target *target);

/* transfer.c */
int mheap_transfer_ioctl(struct file *dev, void __user *argp);

#endif /* _DMA_HEAP_MEMCG_PRIVATE_H */
