// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of a buffer, in blocks as large as can be had.
 *
 * The blocks are no compound pages: to make and unmake those takes a write to
 * each page's descriptor, which is 4 to 8 % of what a buffer costs. Nobody may
 * take references to single pages of a dma-buf, so none is missed. (TTM does
 * the same, for the same reason.) The order is kept in page->private.
 *
 * The page allocator charges each block to the memory cgroup that is active in
 * the allocating task. Large blocks are tried without reclaim: there are
 * smaller ones. Single pages may reclaim, within the cgroup as well, but
 * nobody is killed for them (__GFP_RETRY_MAYFAIL).
 *
 * Zeroing is what an allocation costs, and the page allocator does it. So the
 * slots of a large buffer are allocated by several kernel threads at a time,
 * unless the caller is bound to some of the machine's memory, which they are not.
 */
#include <linux/cpuset.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "dma_heap_memcg_private.h"

/* Pages for which it is worth to wake another thread */
#define MHEAP_PAGES_PER_WORKER	((8UL << 20) >> PAGE_SHIFT)
#define MHEAP_MAX_WORKERS	16U

static unsigned int mheap_parallel = 4;

static int mheap_parallel_set(const char *text, const struct kernel_param *param)
{
	return param_set_uint_minmax(text, param, 0, MHEAP_MAX_WORKERS);
}

static const struct kernel_param_ops mheap_parallel_ops = {
	.set = mheap_parallel_set,
	.get = param_get_uint,
};

module_param_cb(parallel, &mheap_parallel_ops, &mheap_parallel, 0644);
MODULE_PARM_DESC(parallel,
		 "threads that allocate a buffer from 16 MiB on (0 to 16, default 4; 0 and 1: only the caller)");

/*
 * Sizes of blocks: orders of the page allocator, falling. The first is what
 * one PMD maps; a page allocator that has no such has none to give.
 */
const unsigned int mheap_orders[] = {
	MHEAP_SLOT_ORDER, 8, 4, 0
};

const unsigned int mheap_nr_orders = ARRAY_SIZE(mheap_orders);

static struct workqueue_struct *mheap_wq;

/*
 * One slot while it is filled: blocks on a list by page->lru; @left pages are
 * missing. What is to come is of order mheap_orders[@first] at most, so that
 * each block is aligned to its size.
 */
struct mheap_slot {
	struct list_head blocks;
	unsigned int nr_blocks;
	unsigned int left;
	unsigned int first;
};

/*
 * One allocation. @next is the slot that nobody has begun; @error ends the
 * work of all.
 */
struct mheap_job {
	struct mem_cgroup *memcg;
	unsigned int nr_slots;
	gfp_t zero;
	struct mheap_slot *slots;
	atomic_t next;
	int error;
};

struct mheap_worker {
	struct work_struct work;
	struct mheap_job *job;
};

static gfp_t mheap_gfp(unsigned int order, gfp_t zero, bool reclaim)
{
	gfp_t gfp = GFP_HIGHUSER | __GFP_ACCOUNT | __GFP_NOWARN | zero;

	if (order || !reclaim)
		return (gfp & ~__GFP_RECLAIM) | __GFP_NORETRY;
	return gfp | __GFP_RETRY_MAYFAIL;
}

/* The largest block that is there, of at most @nr pages. */
static struct page *mheap_block_alloc(unsigned long nr, gfp_t zero,
				      unsigned int *first, bool reclaim)
{
	struct page *page;
	unsigned int i;

	for (i = *first; i < ARRAY_SIZE(mheap_orders); i++) {
		if (nr < 1UL << mheap_orders[i])
			continue;
		page = alloc_pages(mheap_gfp(mheap_orders[i], zero, reclaim),
				   mheap_orders[i]);
		if (page) {
			set_page_private(page, mheap_orders[i]);
			return page;
		}
		/* What was not there is not there for the next block. */
		*first = i + 1;
	}
	return NULL;
}

static void mheap_block_free(struct page *page)
{
	unsigned int i, order = mheap_block_order(page);

	set_page_private(page, 0);
	if (likely(!order || page_count(page) == 1)) {
		__free_pages(page, order);
		return;
	}
	/*
	 * Somebody has taken a reference after all (KVM does). The charge is
	 * the first page's; freed in parts, the others would stay charged.
	 */
	split_page(page, order);
	for (i = 0; i < 1U << order; i++)
		__free_page(page + i);
}

/* Who cannot reclaim leaves what it could not get. */
static int mheap_slot_fill(struct mheap_job *job, struct mheap_slot *slot,
			   unsigned int *first, bool caller)
{
	struct page *page;

	*first = max(*first, slot->first);
	while (slot->left && !READ_ONCE(job->error)) {
		if (caller && fatal_signal_pending(current))
			return -EINTR;
		page = mheap_block_alloc(slot->left, job->zero, first, caller);
		if (!page)
			return -ENOMEM;
		list_add_tail(&page->lru, &slot->blocks);
		slot->nr_blocks++;
		slot->left -= 1U << mheap_block_order(page);
		slot->first = *first;
		cond_resched();
	}
	return 0;
}

/* Fills slots that nobody has begun. */
static int mheap_job_run(struct mheap_job *job, bool caller)
{
	unsigned int index, first = 0;
	int ret = 0;

	while (!ret && !READ_ONCE(job->error)) {
		index = atomic_inc_return(&job->next) - 1;
		if (index >= job->nr_slots)
			break;
		ret = mheap_slot_fill(job, &job->slots[index], &first, caller);
	}
	return ret;
}

/*
 * A helper does not reclaim: in a kernel thread that is throttled by the
 * cgroup's memory.high, and cannot be interrupted. Nor does it keep what the
 * cgroup was above that, which the kernel writes down for whoever charges.
 */
static void mheap_worker_run(struct work_struct *work)
{
	struct mheap_worker *worker = container_of(work, struct mheap_worker,
						   work);
	struct mem_cgroup *old = set_active_memcg(worker->job->memcg);
	unsigned int over_high = current->memcg_nr_pages_over_high;

	mheap_job_run(worker->job, false);
	current->memcg_nr_pages_over_high = over_high;
	set_active_memcg(old);
}

/* The caller: what nobody has begun, and then what the helpers have left */
static int mheap_job_finish(struct mheap_job *job)
{
	unsigned int i, first = 0;
	int ret = 0;

	for (i = 0; i < job->nr_slots && !ret; i++)
		if (job->slots[i].left)
			ret = mheap_slot_fill(job, &job->slots[i], &first, true);
	return ret;
}

/* Is memory from anywhere as good as from where the caller would take it? */
static bool mheap_anywhere(void)
{
#ifdef CONFIG_NUMA
	if (current->mempolicy)
		return false;
#endif
	return nodes_subset(node_states[N_MEMORY], cpuset_current_mems_allowed);
}

/*
 * Helpers beside the caller. Without memory for them the caller works alone.
 */
static struct mheap_worker *mheap_workers_start(struct mheap_job *job,
						unsigned long nr_pages,
						unsigned int *nr)
{
	struct mheap_worker *workers;
	unsigned int i;

	*nr = min(READ_ONCE(mheap_parallel), num_online_cpus());
	*nr = min_t(unsigned long, *nr, nr_pages / MHEAP_PAGES_PER_WORKER);
	if (*nr < 2 || !mheap_anywhere())
		return NULL;
	(*nr)--;
	workers = kcalloc(*nr, sizeof(*workers), GFP_KERNEL | __GFP_NOWARN);
	if (!workers)
		return NULL;
	for (i = 0; i < *nr; i++) {
		workers[i].job = job;
		INIT_WORK(&workers[i].work, mheap_worker_run);
		queue_work(mheap_wq, &workers[i].work);
	}
	return workers;
}

/* Those that did not get to run are not waited for. */
static void mheap_workers_stop(struct mheap_worker *workers, unsigned int nr)
{
	unsigned int i;

	if (!workers)
		return;
	for (i = 0; i < nr; i++)
		cancel_work_sync(&workers[i].work);
	kfree(workers);
}

/* Memory for bookkeeping; @memcg is active. Never kills either. */
static void *mheap_array(size_t n, size_t size)
{
	return kvmalloc_array(n, size, GFP_KERNEL_ACCOUNT |
			      __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

static int mheap_job_collect(struct mheap_job *job, struct mheap_pages *pages)
{
	struct page **blocks, *page, *next;
	unsigned int i, n = 0;

	for (i = 0; i < job->nr_slots; i++)
		n += job->slots[i].nr_blocks;
	pages->nr_blocks = n;
	if (n > 1) {
		pages->many = mheap_array(n, sizeof(*pages->many));
		if (!pages->many)
			return -ENOMEM;
	}
	if (job->nr_slots > 1) {
		pages->slots = mheap_array(job->nr_slots,
					   sizeof(*pages->slots));
		if (!pages->slots) {
			kvfree(pages->many);
			return -ENOMEM;
		}
	}

	blocks = mheap_pages_blocks(pages);
	n = 0;
	for (i = 0; i < job->nr_slots; i++) {
		if (pages->slots)
			pages->slots[i] = n;
		list_for_each_entry_safe(page, next, &job->slots[i].blocks,
					 lru) {
			list_del(&page->lru);
			blocks[n++] = page;
		}
		cond_resched();
	}
	return 0;
}

static void mheap_job_undo(struct mheap_job *job)
{
	struct page *page, *next;
	unsigned int i;

	for (i = 0; i < job->nr_slots; i++) {
		list_for_each_entry_safe(page, next, &job->slots[i].blocks,
					 lru) {
			list_del(&page->lru);
			mheap_block_free(page);
			cond_resched();
		}
	}
}

/**
 * mheap_pages_alloc() - allocate the pages of a buffer
 * @pages:	to fill
 * @memcg:	referenced; whose charge, also for the bookkeeping. NULL: nobody's
 * @nr:		pages, above 0
 * @flags:	MHEAP_PAGES_DIRTY: they need not be zeroed
 *
 * Context: process, may sleep and reclaim.
 * Return: 0; -ENOMEM; -EINTR on a fatal signal. Nothing is left then.
 */
int mheap_pages_alloc(struct mheap_pages *pages, struct mem_cgroup *memcg,
		      unsigned long nr, unsigned int flags)
{
	unsigned int i, nr_slots = DIV_ROUND_UP(nr, MHEAP_SLOT_PAGES);
	int ret;
	struct mheap_slot one_slot, *slots = &one_slot;
	struct mheap_worker *workers;
	struct mheap_job job = {
		.memcg = memcg,
		.nr_slots = nr_slots,
		.zero = flags & MHEAP_PAGES_DIRTY ? 0 : __GFP_ZERO,
	};
	unsigned long left = nr;
	struct mem_cgroup *old;
	unsigned int nr_workers;

	if (nr_slots > 1) {
		slots = kvmalloc_array(nr_slots, sizeof(*slots), GFP_KERNEL |
				       __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
		if (!slots)
			return -ENOMEM;
	}
	for (i = 0; i < nr_slots; i++) {
		INIT_LIST_HEAD(&slots[i].blocks);
		slots[i].nr_blocks = 0;
		slots[i].left = min(left, MHEAP_SLOT_PAGES);
		slots[i].first = 0;
		left -= slots[i].left;
	}
	job.slots = slots;

	*pages = (struct mheap_pages) { .nr = nr };
	old = set_active_memcg(memcg);
	workers = mheap_workers_start(&job, nr, &nr_workers);
	ret = mheap_job_run(&job, true);
	/* What the helpers have in hand they give up then. */
	WRITE_ONCE(job.error, ret);
	mheap_workers_stop(workers, nr_workers);
	if (!ret)
		ret = mheap_job_finish(&job);
	if (!ret)
		ret = mheap_job_collect(&job, pages);
	set_active_memcg(old);
	if (ret)
		mheap_job_undo(&job);
	if (slots != &one_slot)
		kvfree(slots);
	return ret;
}

/**
 * mheap_pages_free() - free them all
 * @pages: filled by mheap_pages_alloc()
 *
 * Context: process, may sleep.
 */
void mheap_pages_free(struct mheap_pages *pages)
{
	struct page **blocks = mheap_pages_blocks(pages);
	unsigned int i;

	for (i = 0; i < pages->nr_blocks; i++) {
		mheap_block_free(blocks[i]);
		cond_resched();
	}
	if (pages->nr_blocks > 1)
		kvfree(pages->many);
	kvfree(pages->slots);
}

/**
 * mheap_pages_block() - find the block of a page
 * @pages:	filled by mheap_pages_alloc()
 * @index:	of the page in the buffer, below @pages->nr
 * @offset:	where to put the page's index in the block
 *
 * Context: any.
 * Return: where the block's first page is. The blocks of the pages that follow
 * are behind it.
 */
struct page **mheap_pages_block(struct mheap_pages *pages,
				unsigned long index, unsigned long *offset)
{
	struct page **block = mheap_pages_blocks(pages);

	if (pages->slots)
		block += pages->slots[index >> MHEAP_SLOT_ORDER];
	index &= MHEAP_SLOT_PAGES - 1;
	while (index >= 1UL << mheap_block_order(*block))
		index -= 1UL << mheap_block_order(*block++);
	*offset = index;
	return block;
}

/**
 * mheap_pages_start() - get ready to allocate
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int mheap_pages_start(void)
{
	mheap_wq = alloc_workqueue("dma_heap_memcg", WQ_UNBOUND, 0);
	return mheap_wq ? 0 : -ENOMEM;
}

/**
 * mheap_pages_stop() - undo mheap_pages_start()
 *
 * Context: process, may sleep.
 */
void mheap_pages_stop(void)
{
	destroy_workqueue(mheap_wq);
}
