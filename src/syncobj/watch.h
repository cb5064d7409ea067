/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watches: eventfds that fire when a point is met. See watch.c.
 */
#ifndef _SYNCOBJ_WATCH_H
#define _SYNCOBJ_WATCH_H

#include <linux/dma-fence.h>
#include <linux/eventfd.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/wait.h>

#include "wait_entry.h"

struct task_struct;

/**
 * struct syncobj_watch_set - all watches of one syncobj
 * @entry:	on the syncobj's cb_list while @pending is not empty, for the
 *		lowest of its points, or one that was and has been cancelled
 *		since; its task is the notifier, or the caller of
 *		syncobj_watch_hold()
 * @syncobj:	holds a reference
 * @pending:	watches whose point has not been submitted, by point
 * @users:	its watches, and calls at work on it
 * @hash:	in the table of sets, by @syncobj; read under RCU
 * @all:	on the list of all sets; read under RCU
 * @woken:	the notifier's alone: on its list of sets to look at
 * @refs:	one while there are @users, and one while the notifier looks
 * @rcu:	for readers of @hash and @all
 *
 * A set pins the module. syncobj_watch_lock protects all but @woken and @refs.
 */
struct syncobj_watch_set {
	struct syncobj_wait_entry entry;
	struct drm_syncobj *syncobj;
	struct rb_root_cached pending;
	unsigned long users;
	struct hlist_node hash;
	struct list_head all;
	struct list_head woken;
	refcount_t refs;
	struct rcu_head rcu;
};

/**
 * struct syncobj_sink - an eventfd that watches fire into
 * @ctx:	holds a reference; the file may be gone
 * @wqh:	the wait queue of @ctx
 * @wait:	on @wqh, to hear when the last copy of the eventfd is closed
 * @watches:	all that would fire into it
 * @hash:	in the table of sinks, by @ctx
 * @refs:	its watches, calls at work on it, and the reaper's list
 * @closed:	there is no copy of the eventfd any more; set under the lock
 *		of @wqh
 * @reap:	on the reaper's list of closed sinks
 *
 * syncobj_watch_lock protects the rest.
 */
struct syncobj_sink {
	struct eventfd_ctx *ctx;
	wait_queue_head_t *wqh;
	wait_queue_entry_t wait;
	struct list_head watches;
	struct hlist_node hash;
	refcount_t refs;
	bool closed;
	struct llist_node reap;
};

/**
 * struct syncobj_watch - one registration
 * @set:	of its syncobj
 * @sink:	its eventfd
 * @sink_link:	on &syncobj_sink.watches
 * @pending:	on &syncobj_watch_set.pending while it waits for its point
 * @fence:	the point's fence once there is one; holds a reference
 * @fence_cb:	on @fence
 * @reap:	on the reaper's list of watches that are done
 * @point:	what is watched
 * @flags:	SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE or 0
 * @unfired:	the fence has signalled where the eventfd could not be
 *
 * Neither pending nor with a fence: not started yet. Only the call that made
 * it touches such a watch.
 *
 * syncobj_watch_lock protects all but @fence_cb, @reap and @unfired.
 */
struct syncobj_watch {
	struct syncobj_watch_set *set;
	struct syncobj_sink *sink;
	struct list_head sink_link;
	struct rb_node pending;
	struct dma_fence *fence;
	struct dma_fence_cb fence_cb;
	struct llist_node reap;
	u64 point;
	u32 flags;
	bool unfired;
};

/* sink.c */
struct syncobj_sink *syncobj_sink_get(struct file *eventfd);
struct syncobj_sink *syncobj_sink_find(struct file *eventfd);
void syncobj_sink_put(struct syncobj_sink *sink);

/* watch.c */
extern struct mutex syncobj_watch_lock;
extern struct list_head syncobj_watch_sets;

struct syncobj_watch *syncobj_watch_create(struct drm_syncobj *syncobj,
					   struct file *eventfd,
					   u64 point, u32 flags);
void syncobj_watch_start(struct syncobj_watch *watch);
bool syncobj_watch_stop(struct syncobj_watch *watch);
void syncobj_watch_end(struct syncobj_watch *watch);
void syncobj_watch_advance(struct syncobj_watch_set *set);
void syncobj_watch_set_put(struct syncobj_watch_set *set);
void syncobj_watch_sweep(void);
struct syncobj_watch_set *__syncobj_watch_hold(struct drm_syncobj *syncobj);
void syncobj_watch_serve(struct syncobj_watch_set *set);

/**
 * syncobj_watch_hold() - be the one who serves a syncobj's watches
 * @syncobj: held by the caller
 *
 * For our own calls, before they change a syncobj: its watches fire before the
 * call returns, as DRM's do, and the notifier need not be woken.
 *
 * Context: process, may sleep. Takes syncobj_watch_lock, and keeps it if this
 * returns a set.
 * Return: the set, for syncobj_watch_serve(), which must follow; NULL if there
 * is nothing to serve.
 */
static inline struct syncobj_watch_set *
syncobj_watch_hold(struct drm_syncobj *syncobj)
{
	return list_empty(&syncobj_watch_sets) ? NULL :
						 __syncobj_watch_hold(syncobj);
}

/* notifier.c */
int syncobj_notifier_start(void);
void syncobj_notifier_stop(void);
struct task_struct *syncobj_notifier_task(void);
void syncobj_notifier_watch_done(struct syncobj_watch *watch);
void syncobj_notifier_sink_closed(struct syncobj_sink *sink);
bool syncobj_notifier_reap(void);
void syncobj_notifier_sweep_later(void);

#endif /* _SYNCOBJ_WATCH_H */
