// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sinks: the eventfds that watches fire into.
 *
 * An eventfd's context outlives its file as long as somebody holds it, so a
 * watch would never learn that nobody can read its eventfd any more. The file
 * tells its wait queue when it goes; one entry there for each eventfd, not
 * for each watch, or signalling an eventfd with many watches would be slow.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "watch.h"

/* By context; under syncobj_watch_lock. */
static DEFINE_HASHTABLE(syncobj_sinks, 10);

/* Called under the wait queue's lock, for every event of the eventfd. */
static int syncobj_sink_wake(wait_queue_entry_t *wait, unsigned int mode,
			     int sync, void *key)
{
	struct syncobj_sink *sink = container_of(wait, struct syncobj_sink,
						 wait);

	if ((key_to_poll(key) & EPOLLHUP) && !sink->closed) {
		WRITE_ONCE(sink->closed, true);
		/* Without references it is about to be freed anyway. */
		if (refcount_inc_not_zero(&sink->refs))
			syncobj_notifier_sink_closed(sink);
	}
	return 0;
}

struct syncobj_sink_poll {
	poll_table table;
	struct syncobj_sink *sink;
};

static void syncobj_sink_enqueue(struct file *file, wait_queue_head_t *wqh,
				 poll_table *table)
{
	struct syncobj_sink *sink =
		container_of(table, struct syncobj_sink_poll, table)->sink;

	sink->wqh = wqh;
	add_wait_queue(wqh, &sink->wait);
}

/**
 * syncobj_sink_find() - the sink of an eventfd, if it has one
 * @eventfd: held by the caller
 *
 * Context: process. The caller holds syncobj_watch_lock.
 * Return: the sink, referenced, or NULL.
 */
struct syncobj_sink *syncobj_sink_find(struct file *eventfd)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fileget(eventfd);
	struct syncobj_sink *sink;

	if (IS_ERR(ctx))
		return NULL;

	hash_for_each_possible(syncobj_sinks, sink, hash, (unsigned long)ctx) {
		if (sink->ctx == ctx) {
			refcount_inc(&sink->refs);
			break;
		}
	}
	eventfd_ctx_put(ctx);
	return sink;
}

/**
 * syncobj_sink_get() - the sink of an eventfd, made if need be
 * @eventfd: held by the caller
 *
 * Context: process, may sleep. The caller holds syncobj_watch_lock.
 * Return: the sink, referenced, or an ERR_PTR (-ENOMEM).
 */
struct syncobj_sink *syncobj_sink_get(struct file *eventfd)
{
	struct syncobj_sink *sink = syncobj_sink_find(eventfd);
	struct syncobj_sink_poll poll;

	if (sink)
		return sink;

	sink = kzalloc(sizeof(*sink), GFP_KERNEL_ACCOUNT);
	if (!sink)
		return ERR_PTR(-ENOMEM);
	sink->ctx = eventfd_ctx_fileget(eventfd);
	if (IS_ERR(sink->ctx)) {
		void *err = sink->ctx;

		kfree(sink);
		return err;
	}
	INIT_LIST_HEAD(&sink->watches);
	refcount_set(&sink->refs, 1);
	init_waitqueue_func_entry(&sink->wait, syncobj_sink_wake);

	/* Polling is how others than the eventfd reach its wait queue. */
	poll.sink = sink;
	init_poll_funcptr(&poll.table, syncobj_sink_enqueue);
	vfs_poll(eventfd, &poll.table);

	hash_add(syncobj_sinks, &sink->hash, (unsigned long)sink->ctx);
	return sink;
}

/**
 * syncobj_sink_put() - drop a reference
 * @sink: freed with the last one
 *
 * Context: process. The caller holds syncobj_watch_lock.
 */
void syncobj_sink_put(struct syncobj_sink *sink)
{
	if (!refcount_dec_and_test(&sink->refs))
		return;

	hash_del(&sink->hash);
	/* Also waits for a syncobj_sink_wake() that is running. */
	remove_wait_queue(sink->wqh, &sink->wait);
	eventfd_ctx_put(sink->ctx);
	kfree(sink);
}
