// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics: one record for each memory cgroup that a call has named, and for
 * all above it. They are the series' line "dmabuf" of memory.stat, which a
 * module cannot add to.
 *
 * A record goes by the serial number of the memory cgroup, which is never used
 * again, and does not pin it. (A cgroup that the controller is taken from and
 * given back gets another memory cgroup.) A charge is entered all the way up,
 * so that the ancestors' totals stay right when a cgroup is removed: its
 * charges go to its parent then, where they are counted already.
 *
 * A record stays as long as its memory cgroup does. Those of removed ones are
 * looked for when the table has doubled since the last time. Records are not
 * charged: there are no more of them than cgroups, which cost much more.
 */
#include <linux/cgroup.h>
#include <linux/memcontrol.h>
#include <linux/mutex.h>
#include <linux/nsproxy.h>
#include <linux/proc_fs.h>
#include <linux/rhashtable.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "dma_heap_memcg_private.h"
#include "trace.h"

/* Not looked for below this number. */
#define MHEAP_RECORDS_MIN	64U

/*
 * Protects the list, insertion and removal, and the two numbers. Above no
 * other lock of this module. Lookups use RCU.
 */
static DEFINE_MUTEX(mheap_records_lock);
static LIST_HEAD(mheap_records);
static unsigned int mheap_records_nr;
static unsigned int mheap_records_prune_at = MHEAP_RECORDS_MIN;

static struct rhashtable mheap_records_by_serial;
static const struct rhashtable_params mheap_records_params = {
	.key_len = sizeof_field(struct mheap_record, serial),
	.key_offset = offsetof(struct mheap_record, serial),
	.head_offset = offsetof(struct mheap_record, node),
	.automatic_shrinking = true,
};

static void mheap_records_prune(struct work_struct *work);
static DECLARE_WORK(mheap_records_work, mheap_records_prune);

static struct mheap_record *mheap_record_find(struct mem_cgroup *memcg)
{
	struct mheap_record *record;

	rcu_read_lock();
	record = rhashtable_lookup(&mheap_records_by_serial,
				   &memcg->css.serial_nr,
				   mheap_records_params);
	if (record && !refcount_inc_not_zero(&record->refs))
		record = NULL;
	rcu_read_unlock();
	return record;
}

/* @parent's reference goes to the new record. */
static struct mheap_record *mheap_record_add(struct mem_cgroup *memcg,
					     struct mheap_record *parent)
{
	struct mheap_record *record;

	record = kzalloc(sizeof(*record), GFP_KERNEL);
	if (!record)
		return NULL;
	record->serial = memcg->css.serial_nr;
	record->id = cgroup_id(memcg->css.cgroup);
	snprintf(record->name, sizeof(record->name), "cg:%llu", record->id);
	record->parent = parent;
	/* the table's and the caller's */
	refcount_set(&record->refs, 2);

	if (rhashtable_insert_fast(&mheap_records_by_serial, &record->node,
				   mheap_records_params)) {
		kfree(record);
		return NULL;
	}
	list_add_tail(&record->list, &mheap_records);
	mheap_records_nr++;
	return record;
}

/* The missing ones of @memcg and all above it, from the top down. */
static struct mheap_record *mheap_record_create(struct mem_cgroup *memcg)
{
	struct mheap_record *record, *parent = NULL;
	struct mem_cgroup *at, *above = NULL;

	do {
		/* the highest one that is not done yet */
		for (at = memcg; parent_mem_cgroup(at) != above;)
			at = parent_mem_cgroup(at);

		record = mheap_record_find(at);
		if (record) {
			mheap_record_put(parent);
		} else {
			record = mheap_record_add(at, parent);
			if (!record) {
				mheap_record_put(parent);
				return NULL;
			}
		}
		parent = record;
		above = at;
	} while (at != memcg);

	if (mheap_records_nr > mheap_records_prune_at)
		schedule_work(&mheap_records_work);
	return record;
}

/**
 * mheap_record_get() - the record of a memory cgroup
 * @memcg: referenced
 *
 * Context: process, may sleep.
 * Return: a reference, or NULL if there is no memory.
 */
struct mheap_record *mheap_record_get(struct mem_cgroup *memcg)
{
	struct mheap_record *record;

	record = mheap_record_find(memcg);
	if (record)
		return record;

	guard(mutex)(&mheap_records_lock);
	return mheap_record_create(memcg);
}

/**
 * mheap_record_put() - drop a reference
 * @record: from mheap_record_get(), or NULL
 *
 * The table's own reference is dropped by pruning only, so this is never the
 * last one.
 *
 * Context: any.
 */
void mheap_record_put(struct mheap_record *record)
{
	if (record)
		refcount_dec(&record->refs);
}

static void mheap_peak(struct mheap_record *record, s64 bytes)
{
	s64 peak = atomic64_read(&record->peak);

	while (bytes > peak &&
	       !atomic64_try_cmpxchg(&record->peak, &peak, bytes))
		;
}

/**
 * mheap_record_charge() - enter a buffer
 * @record:	referenced, or NULL; the buffer takes a reference of its own
 * @len:	bytes
 *
 * Context: any.
 */
void mheap_record_charge(struct mheap_record *record, size_t len)
{
	if (!record)
		return;
	refcount_inc(&record->refs);
	atomic64_add(len, &record->local_bytes);
	atomic64_inc(&record->local_buffers);
	for (; record; record = record->parent) {
		atomic64_inc(&record->charges);
		atomic64_inc(&record->buffers);
		mheap_peak(record, atomic64_add_return(len, &record->bytes));
	}
}

/**
 * mheap_record_uncharge() - take a buffer out, and its reference
 * @record:	that it was entered in, or NULL
 * @len:	bytes
 *
 * Context: any.
 */
void mheap_record_uncharge(struct mheap_record *record, size_t len)
{
	struct mheap_record *at;

	if (!record)
		return;
	atomic64_sub(len, &record->local_bytes);
	atomic64_dec(&record->local_buffers);
	for (at = record; at; at = at->parent) {
		atomic64_dec(&at->buffers);
		atomic64_sub(len, &at->bytes);
	}
	mheap_record_put(record);
}

/**
 * mheap_record_denied() - count a call refused for lack of permission
 * @record:	of the cgroup that it would have charged, or NULL
 * @error:	that it gets
 *
 * Context: any.
 */
void mheap_record_denied(struct mheap_record *record, int error)
{
	trace_dma_heap_memcg_denied(mheap_record_id(record), error);
	for (; record; record = record->parent)
		atomic64_inc(&record->denials);
}

/**
 * mheap_record_failed() - count a call that found no memory
 * @record:	of the cgroup that it would have charged, or NULL
 * @len:	bytes
 * @error:	that it gets
 *
 * Context: any.
 */
void mheap_record_failed(struct mheap_record *record, size_t len, int error)
{
	trace_dma_heap_memcg_failed(mheap_record_id(record), len, error);
	for (; record; record = record->parent)
		atomic64_inc(&record->failures);
}

/**
 * mheap_record_throttled() - count a call that met memory.high
 * @record: of the cgroup that it charges, or NULL
 *
 * Context: any.
 */
void mheap_record_throttled(struct mheap_record *record)
{
	for (; record; record = record->parent)
		atomic64_inc(&record->throttled);
}

static void mheap_record_remove(struct mheap_record *record)
{
	rhashtable_remove_fast(&mheap_records_by_serial, &record->node,
			       mheap_records_params);
	list_del(&record->list);
	mheap_records_nr--;
	mheap_record_put(record->parent);
	kfree_rcu(record, rcu);
}

/*
 * The cgroup may be there and have another memory cgroup by now, or none of
 * its own. In a kernel thread, which sees the whole hierarchy.
 */
static bool mheap_record_lives(const struct mheap_record *record)
{
	struct cgroup *cgroup = cgroup_get_from_id(record->id);
	struct cgroup_subsys_state *css;
	bool lives;

	if (IS_ERR(cgroup))
		return false;
	css = cgroup_get_e_css(cgroup, &memory_cgrp_subsys);
	lives = css->serial_nr == record->serial;
	css_put(css);
	cgroup_put(cgroup);
	return lives;
}

static void mheap_records_prune(struct work_struct *work)
{
	struct mheap_record *record, *next;

	mutex_lock(&mheap_records_lock);
	/* Children come after their parents in the list. */
	list_for_each_entry_safe_reverse(record, next, &mheap_records, list)
		if (refcount_read(&record->refs) == 1 &&
		    !mheap_record_lives(record) &&
		    refcount_dec_if_one(&record->refs))
			mheap_record_remove(record);
	mheap_records_prune_at = max(2 * mheap_records_nr, MHEAP_RECORDS_MIN);
	mutex_unlock(&mheap_records_lock);
}

/* The table for administrators: /proc/dma_heap_memcg */

static void *mheap_table_start(struct seq_file *m, loff_t *pos)
{
	mutex_lock(&mheap_records_lock);
	return seq_list_start_head(&mheap_records, *pos);
}

static void *mheap_table_next(struct seq_file *m, void *v, loff_t *pos)
{
	return seq_list_next(v, &mheap_records, pos);
}

static void mheap_table_stop(struct seq_file *m, void *v)
{
	mutex_unlock(&mheap_records_lock);
}

static void mheap_table_path(struct seq_file *m, u64 id)
{
	struct cgroup *cgroup = cgroup_get_from_id(id);
	char *path;

	if (IS_ERR(cgroup)) {
		seq_puts(m, "(removed)");
		return;
	}
	path = kmalloc(PATH_MAX, GFP_KERNEL);
	if (path && cgroup_path_ns(cgroup, path, PATH_MAX,
				   current->nsproxy->cgroup_ns) >= 0)
		seq_escape(m, path, " \t\n\\");
	kfree(path);
	cgroup_put(cgroup);
}

static int mheap_table_show(struct seq_file *m, void *v)
{
	struct mheap_record *r = list_entry(v, struct mheap_record, list);

	if (v == &mheap_records) {
		seq_puts(m, "# cgroup bytes buffers peak local_bytes local_buffers charges denials failures throttled path\n");
		return 0;
	}
	seq_printf(m, "%llu %lld %lld %lld %lld %lld %lld %lld %lld %lld ",
		   r->id, atomic64_read(&r->bytes),
		   atomic64_read(&r->buffers), atomic64_read(&r->peak),
		   atomic64_read(&r->local_bytes),
		   atomic64_read(&r->local_buffers),
		   atomic64_read(&r->charges), atomic64_read(&r->denials),
		   atomic64_read(&r->failures), atomic64_read(&r->throttled));
	mheap_table_path(m, r->id);
	seq_putc(m, '\n');
	return 0;
}

static const struct seq_operations mheap_table_ops = {
	.start = mheap_table_start,
	.next = mheap_table_next,
	.stop = mheap_table_stop,
	.show = mheap_table_show,
};

/**
 * mheap_records_start() - make the table
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int mheap_records_start(void)
{
	int ret = rhashtable_init(&mheap_records_by_serial, &mheap_records_params);

	if (ret)
		return ret;
	/* Names other people's cgroups: for root. */
	if (!proc_create_seq("dma_heap_memcg", 0400, NULL, &mheap_table_ops)) {
		rhashtable_destroy(&mheap_records_by_serial);
		return -ENOMEM;
	}
	return 0;
}

/**
 * mheap_records_stop() - free all records
 *
 * No buffer, grant or call is left.
 *
 * Context: process, may sleep.
 */
void mheap_records_stop(void)
{
	struct mheap_record *record, *next;

	remove_proc_entry("dma_heap_memcg", NULL);
	cancel_work_sync(&mheap_records_work);
	list_for_each_entry_safe_reverse(record, next, &mheap_records, list) {
		WARN_ON_ONCE(refcount_read(&record->refs) != 1);
		mheap_record_remove(record);
	}
	rhashtable_destroy(&mheap_records_by_serial);
}
