// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watches: what EVENTFD registers.
 *
 * A watch is pending while its point has not been submitted, and then waits
 * for the point's fence, whose callback fires the eventfd. All watches of one
 * syncobj make up its set, and all pending ones share one wait entry on the
 * syncobj, at the lowest of their points: nothing can happen to any of them
 * before that one is there. DRM then wakes the notifier (notifier.c), which
 * advances the set; a call of ours that changes the syncobj has itself woken
 * instead, and does it before it returns.
 *
 * A watch belongs to nobody. It ends when it has fired, when it is cancelled,
 * when its eventfd is closed (sink.c), or when it is pending and its set
 * holds the only reference to the syncobj, so that nobody can ever submit
 * the point. The last is found by sweeping, as nothing reports it.
 *
 * One case differs from a wait entry for each watch: if a low point is added,
 * then a high one, and then the fence is taken away, all before the set has
 * advanced, a watch of the high point has not seen it. It takes clients of
 * DRM's: our own calls keep syncobj_watch_lock from before they change the
 * syncobj until the set has advanced.
 */
#include <linux/dma-fence-chain.h>
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "syncobj_private.h"
#include "watch.h"

/*
 * Protects sets, sinks and watches, but for the fields that say otherwise.
 * The outermost lock of this module; held across a few allocations, never
 * across waiting for user space.
 */
DEFINE_MUTEX(syncobj_watch_lock);

/* Changed under syncobj_watch_lock, read under RCU as well. */
LIST_HEAD(syncobj_watch_sets);
static DEFINE_HASHTABLE(syncobj_sets, 10);

/* Sets, and sets made since the last sweep; under syncobj_watch_lock. */
static unsigned long syncobj_nr_sets, syncobj_nr_fresh;

/* Sweep not before this many sets have been made; see also notifier.c. */
#define SYNCOBJ_SWEEP_MIN	1024

static struct syncobj_watch_set *syncobj_set_find(struct drm_syncobj *syncobj)
{
	struct syncobj_watch_set *set;

	hash_for_each_possible_rcu(syncobj_sets, set, hash,
				   (unsigned long)syncobj,
				   lockdep_is_held(&syncobj_watch_lock)) {
		if (set->syncobj == syncobj)
			return set;
	}
	return NULL;
}

/* The set of a syncobj, made if need be, with one user more; or NULL. */
static struct syncobj_watch_set *syncobj_set_get(struct drm_syncobj *syncobj)
{
	struct syncobj_watch_set *set = syncobj_set_find(syncobj);

	if (set) {
		set->users++;
		return set;
	}

	set = kzalloc(sizeof(*set), GFP_KERNEL_ACCOUNT);
	if (!set)
		return NULL;

	/* The caller's open file holds the module. */
	__module_get(THIS_MODULE);
	drm_syncobj_get(syncobj);
	set->syncobj = syncobj;
	set->entry.task = syncobj_notifier_task();
	set->pending = RB_ROOT_CACHED;
	set->users = 1;
	refcount_set(&set->refs, 1);
	hash_add_rcu(syncobj_sets, &set->hash, (unsigned long)syncobj);
	list_add_tail_rcu(&set->all, &syncobj_watch_sets);

	syncobj_notifier_sweep_later();
	syncobj_nr_sets++;
	syncobj_nr_fresh++;
	if (syncobj_nr_fresh > max(SYNCOBJ_SWEEP_MIN, syncobj_nr_sets / 2))
		syncobj_watch_sweep();
	return set;
}

/**
 * syncobj_watch_set_put() - drop a reference to a set's memory
 * @set: may be freed, after a grace period
 *
 * Context: any.
 */
void syncobj_watch_set_put(struct syncobj_watch_set *set)
{
	if (refcount_dec_and_test(&set->refs))
		kfree_rcu(set, rcu);
}

/* One user less; without users there is nothing to keep the set for. */
static void syncobj_set_put_user(struct syncobj_watch_set *set)
{
	if (--set->users)
		return;

	syncobj_wait_entry_dequeue(set->syncobj, &set->entry);
	dma_fence_put(set->entry.fence);
	hash_del_rcu(&set->hash);
	list_del_rcu(&set->all);
	syncobj_nr_sets--;
	drm_syncobj_put(set->syncobj);
	syncobj_watch_set_put(set);
	/*
	 * Whoever runs this is waited for when the module goes: a call holds
	 * its file, the notifier and the sweep are stopped on exit.
	 */
	module_put(THIS_MODULE);
}

/* Under the fence's lock, in any context. */
static void syncobj_watch_fence_cb(struct dma_fence *fence,
				   struct dma_fence_cb *cb)
{
	struct syncobj_watch *watch =
		container_of(cb, struct syncobj_watch, fence_cb);

	/* Not inside of the waking up for another eventfd. */
	if (eventfd_signal_allowed())
		eventfd_signal(watch->sink->ctx);
	else
		watch->unfired = true;
	syncobj_notifier_watch_done(watch);
}

/**
 * syncobj_watch_create() - make a watch that does nothing yet
 * @syncobj:	held by the caller
 * @eventfd:	held by the caller
 * @point:	to watch
 * @flags:	SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE or 0
 *
 * Context: process, may sleep. The caller holds syncobj_watch_lock.
 * Return: the watch, for syncobj_watch_start() or syncobj_watch_end(); or an
 * ERR_PTR (-ENOMEM).
 */
struct syncobj_watch *syncobj_watch_create(struct drm_syncobj *syncobj,
					   struct file *eventfd,
					   u64 point, u32 flags)
{
	struct syncobj_watch *watch;

	lockdep_assert_held(&syncobj_watch_lock);

	watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	if (!watch)
		return ERR_PTR(-ENOMEM);

	watch->sink = syncobj_sink_get(eventfd);
	if (IS_ERR(watch->sink)) {
		void *err = watch->sink;

		kfree(watch);
		return err;
	}
	watch->set = syncobj_set_get(syncobj);
	if (!watch->set) {
		syncobj_sink_put(watch->sink);
		kfree(watch);
		return ERR_PTR(-ENOMEM);
	}

	list_add_tail(&watch->sink_link, &watch->sink->watches);
	RB_CLEAR_NODE(&watch->pending);
	INIT_LIST_HEAD(&watch->fence_cb.node);
	watch->point = point;
	watch->flags = flags;
	return watch;
}

/**
 * syncobj_watch_stop() - keep a watch from firing
 * @watch: started; ends only by syncobj_watch_end()
 *
 * Context: process. The caller holds syncobj_watch_lock.
 * Return: true if it has not fired and never will; the caller then ends it.
 * False if it has fired: the reaper has it, or it has not been started.
 */
bool syncobj_watch_stop(struct syncobj_watch *watch)
{
	lockdep_assert_held(&syncobj_watch_lock);

	if (watch->fence)
		return dma_fence_remove_callback(watch->fence,
						 &watch->fence_cb);
	return !RB_EMPTY_NODE(&watch->pending);
}

/**
 * syncobj_watch_end() - free a watch
 * @watch: not started, stopped, or taken from the reaper's list
 *
 * Its sink and its set go with their last watch.
 *
 * Context: process. The caller holds syncobj_watch_lock.
 */
void syncobj_watch_end(struct syncobj_watch *watch)
{
	struct syncobj_watch_set *set = watch->set;

	lockdep_assert_held(&syncobj_watch_lock);

	if (!RB_EMPTY_NODE(&watch->pending))
		rb_erase_cached(&watch->pending, &set->pending);
	if (watch->fence) {
		/* Waits for a callback that is still running. */
		dma_fence_remove_callback(watch->fence, &watch->fence_cb);
		dma_fence_put(watch->fence);
	}
	list_del(&watch->sink_link);
	syncobj_sink_put(watch->sink);
	kfree(watch);
	syncobj_set_put_user(set);
}

/* The point is there: fire, or wait for its fence. Consumes @fence. */
static void syncobj_watch_deliver(struct syncobj_watch *watch,
				  struct dma_fence *fence)
{
	watch->fence = fence;
	if (!(watch->flags & SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE) &&
	    !dma_fence_add_callback(fence, &watch->fence_cb,
				    syncobj_watch_fence_cb))
		return;

	eventfd_signal(watch->sink->ctx);
	syncobj_watch_end(watch);
}

/*
 * The fence of a pending watch, referenced, or NULL. @seen is what DRM gave
 * to the set's wait entry for @seen_point: it counts even if it has been
 * taken away since.
 */
static struct dma_fence *syncobj_watch_find(struct syncobj_watch *watch,
					    struct dma_fence *seen,
					    u64 seen_point)
{
	struct dma_fence *fence = dma_fence_get(seen);

	if (fence) {
		if (watch->point == seen_point)
			return fence;
		if (!dma_fence_chain_find_seqno(&fence, watch->point))
			return fence ?: dma_fence_get_stub();
		dma_fence_put(fence);
	}
	return syncobj_point_get(watch->set->syncobj, watch->point);
}

/*
 * Puts the set's wait entry where it belongs. False if the point that it is
 * to wait for is there: the set must advance first.
 */
static bool syncobj_set_settle(struct syncobj_watch_set *set)
{
	struct rb_node *lowest = rb_first_cached(&set->pending);
	struct syncobj_wait_entry *entry = &set->entry;
	u64 point = 0;

	if (lowest) {
		point = rb_entry(lowest, struct syncobj_watch, pending)->point;
		if (entry->node.next && !list_empty_careful(&entry->node) &&
		    entry->point == point)
			return true;
	}

	syncobj_wait_entry_dequeue(set->syncobj, entry);
	if (entry->fence)
		return false;
	if (lowest) {
		entry->point = point;
		syncobj_wait_entry_queue(set->syncobj, entry);
	}
	return !READ_ONCE(entry->fence);
}

/**
 * syncobj_watch_advance() - deliver the fences of points that are there now
 * @set: may be freed if this ends its last watch
 *
 * Context: process. The caller holds syncobj_watch_lock.
 */
void syncobj_watch_advance(struct syncobj_watch_set *set)
{
	struct syncobj_wait_entry *entry = &set->entry;
	struct rb_node *lowest;

	lockdep_assert_held(&syncobj_watch_lock);

	/* The last user went while the notifier still had the set. */
	if (!set->users)
		return;

	set->users++;
	do {
		struct dma_fence *seen = NULL;

		if (READ_ONCE(entry->fence)) {
			syncobj_wait_entry_dequeue(set->syncobj, entry);
			seen = entry->fence;
			WRITE_ONCE(entry->fence, NULL);
		}

		while ((lowest = rb_first_cached(&set->pending))) {
			struct syncobj_watch *watch =
				rb_entry(lowest, struct syncobj_watch, pending);
			struct dma_fence *fence =
				syncobj_watch_find(watch, seen, entry->point);

			/* What is missing here is missing for all above. */
			if (!fence)
				break;
			rb_erase_cached(lowest, &set->pending);
			RB_CLEAR_NODE(lowest);
			syncobj_watch_deliver(watch, fence);
			cond_resched();
		}
		dma_fence_put(seen);
	} while (!syncobj_set_settle(set));
	syncobj_set_put_user(set);
}

static bool syncobj_watch_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct syncobj_watch, pending)->point <
	       rb_entry(b, struct syncobj_watch, pending)->point;
}

/**
 * syncobj_watch_start() - let a watch do its work
 * @watch: new; fires and ends at once if its point is met
 *
 * Context: process. The caller holds syncobj_watch_lock.
 */
void syncobj_watch_start(struct syncobj_watch *watch)
{
	struct syncobj_watch_set *set = watch->set;
	struct dma_fence *fence;

	lockdep_assert_held(&syncobj_watch_lock);

	/* Closed since the watch was made: nobody would ever end it. */
	if (READ_ONCE(watch->sink->closed)) {
		syncobj_watch_end(watch);
		return;
	}

	/* What the entry has seen so far is not for this watch. */
	if (READ_ONCE(set->entry.fence))
		syncobj_watch_advance(set);

	fence = syncobj_point_get(set->syncobj, watch->point);
	if (fence) {
		syncobj_watch_deliver(watch, fence);
		return;
	}

	rb_add_cached(&watch->pending, &set->pending, syncobj_watch_less);
	if (!syncobj_set_settle(set))
		syncobj_watch_advance(set);
}

/*
 * Whom DRM wakes when the point is there. Under DRM's lock, so that whoever
 * adds a point wakes the one or the other, and the old one no more.
 */
static void syncobj_set_wake(struct syncobj_watch_set *set,
			     struct task_struct *task)
{
	spin_lock(&set->syncobj->lock);
	set->entry.task = task;
	spin_unlock(&set->syncobj->lock);
}

/**
 * __syncobj_watch_hold() - see syncobj_watch_hold()
 * @syncobj: held by the caller
 *
 * Context: process, may sleep. Takes syncobj_watch_lock, and keeps it if this
 * returns a set.
 * Return: the set, for syncobj_watch_serve(), which must follow; else NULL.
 */
struct syncobj_watch_set *__syncobj_watch_hold(struct drm_syncobj *syncobj)
{
	struct syncobj_watch_set *set;

	/* Most syncobjs have no watch: find out without the lock. */
	rcu_read_lock();
	set = syncobj_set_find(syncobj);
	rcu_read_unlock();
	if (!set)
		return NULL;

	mutex_lock(&syncobj_watch_lock);
	set = syncobj_set_find(syncobj);
	/* What DRM's clients have added is served before it may go. */
	if (set && READ_ONCE(set->entry.fence)) {
		syncobj_watch_advance(set);
		set = syncobj_set_find(syncobj);
	}
	if (!set || RB_EMPTY_ROOT(&set->pending.rb_root)) {
		mutex_unlock(&syncobj_watch_lock);
		return NULL;
	}
	/* It runs: DRM wakes nobody. */
	syncobj_set_wake(set, current);
	return set;
}

/**
 * syncobj_watch_serve() - serve a syncobj's watches now
 * @set: from syncobj_watch_hold(); may be freed
 *
 * Context: process, may sleep. Releases syncobj_watch_lock.
 */
void syncobj_watch_serve(struct syncobj_watch_set *set)
{
	lockdep_assert_held(&syncobj_watch_lock);

	syncobj_set_wake(set, syncobj_notifier_task());
	if (READ_ONCE(set->entry.fence))
		syncobj_watch_advance(set);
	mutex_unlock(&syncobj_watch_lock);
}

/**
 * syncobj_watch_sweep() - end pending watches that nothing can end any more
 *
 * A set that holds the only reference to its syncobj is the last that knows
 * it: there is no fd and no handle through which its points could come.
 * Watches that have their fence go on, and fire.
 *
 * Context: process, may sleep. The caller holds syncobj_watch_lock.
 */
void syncobj_watch_sweep(void)
{
	struct syncobj_watch_set *set, *next;
	struct rb_node *node;

	lockdep_assert_held(&syncobj_watch_lock);

	list_for_each_entry_safe(set, next, &syncobj_watch_sets, all) {
		cond_resched();
		if (kref_read(&set->syncobj->refcount) != 1)
			continue;
		/*
		 * Of its last moment something may still be undelivered. Pairs
		 * with the release in the kref_put() of the last holder.
		 */
		smp_acquire__after_ctrl_dep();
		set->users++;
		syncobj_watch_advance(set);
		while ((node = rb_first_cached(&set->pending))) {
			syncobj_watch_end(rb_entry(node, struct syncobj_watch,
						   pending));
			cond_resched();
		}
		syncobj_set_settle(set);
		syncobj_set_put_user(set);
	}
	syncobj_nr_fresh = 0;
}
