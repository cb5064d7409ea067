// SPDX-License-Identifier: GPL-2.0-only
/*
 * The notifier: a kernel thread that DRM wakes when a watched point has been
 * submitted, and that cleans up after watches that have fired and eventfds
 * that have been closed, both of which are noticed where nothing can be
 * freed. Besides, a work item that sweeps while there is anything to sweep.
 *
 * DRM's wake-up does not say for which syncobj it is, so the thread looks at
 * all sets. It does so without a lock and touches one word of each.
 */
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/sched/task.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "syncobj_private.h"
#include "watch.h"

/* How long a watch that nothing can end stays, in jiffies, at the most. */
#define SYNCOBJ_SWEEP_PERIOD	(2 * HZ)

/* How many watches are ended before others get the lock. */
#define SYNCOBJ_REAP_MAX	128

static struct task_struct *syncobj_notifier;

/* Filled in any context; emptied under syncobj_watch_lock. */
static LLIST_HEAD(syncobj_done_watches);
static LLIST_HEAD(syncobj_closed_sinks);

static void syncobj_sweep_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(syncobj_sweep, syncobj_sweep_work);

/**
 * syncobj_notifier_task() - the thread that wait entries of sets wake
 *
 * Context: any, between syncobj_notifier_start() and _stop().
 * Return: it.
 */
struct task_struct *syncobj_notifier_task(void)
{
	return syncobj_notifier;
}

/**
 * syncobj_notifier_watch_done() - have a watch freed
 * @watch: its fence callback has run; belongs to the reaper from here on
 *
 * Context: any.
 */
void syncobj_notifier_watch_done(struct syncobj_watch *watch)
{
	if (llist_add(&watch->reap, &syncobj_done_watches))
		wake_up_process(syncobj_notifier);
}

/**
 * syncobj_notifier_sink_closed() - have the watches of a closed eventfd ended
 * @sink: the caller's reference passes to the reaper
 *
 * Context: any.
 */
void syncobj_notifier_sink_closed(struct syncobj_sink *sink)
{
	if (llist_add(&sink->reap, &syncobj_closed_sinks))
		wake_up_process(syncobj_notifier);
}

/*
 * Ends watches of a closed eventfd, up to a total of SYNCOBJ_REAP_MAX. Those
 * that have fired are on the list of the done; those that have not been
 * started are ended by the call that makes them.
 */
static unsigned int syncobj_reap_sink(struct syncobj_sink *sink, unsigned int n)
{
	struct syncobj_watch *watch, *next;

	list_for_each_entry_safe(watch, next, &sink->watches, sink_link) {
		if (!syncobj_watch_stop(watch))
			continue;
		syncobj_watch_end(watch);
		if (++n >= SYNCOBJ_REAP_MAX) {
			/* Wakes: whoever runs this need not come back. */
			syncobj_notifier_sink_closed(sink);
			return n;
		}
		cond_resched();
	}
	syncobj_sink_put(sink);
	return n + 1;
}

/**
 * syncobj_notifier_reap() - clean up a little
 *
 * Besides the notifier, those who make watches do this, so that the one
 * thread cannot be outrun.
 *
 * Context: process. The caller holds syncobj_watch_lock.
 * Return: true if there may be more to do.
 */
bool syncobj_notifier_reap(void)
{
	struct llist_node *node;
	unsigned int n = 0;

	lockdep_assert_held(&syncobj_watch_lock);

	while (n < SYNCOBJ_REAP_MAX &&
	       (node = llist_del_first(&syncobj_done_watches))) {
		struct syncobj_watch *watch =
			llist_entry(node, struct syncobj_watch, reap);

		if (watch->unfired)
			eventfd_signal(watch->sink->ctx);
		syncobj_watch_end(watch);
		n++;
	}

	while (n < SYNCOBJ_REAP_MAX &&
	       (node = llist_del_first(&syncobj_closed_sinks)))
		n = syncobj_reap_sink(llist_entry(node, struct syncobj_sink,
						  reap), n);

	return n >= SYNCOBJ_REAP_MAX;
}

/* Collects the sets whose wait entry DRM has served. */
static void syncobj_notifier_scan(struct list_head *woken)
{
	struct syncobj_watch_set *set;

	rcu_read_lock();
	list_for_each_entry_rcu(set, &syncobj_watch_sets, all) {
		if (READ_ONCE(set->entry.fence) &&
		    refcount_inc_not_zero(&set->refs))
			list_add_tail(&set->woken, woken);
	}
	rcu_read_unlock();
}

static int syncobj_notifier_fn(void *unused)
{
	struct syncobj_watch_set *set, *next;

	for (;;) {
		LIST_HEAD(woken);

		/* Before looking, or a wake-up in between would be lost. */
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;

		syncobj_notifier_scan(&woken);
		if (list_empty(&woken) && llist_empty(&syncobj_done_watches) &&
		    llist_empty(&syncobj_closed_sinks)) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);

		list_for_each_entry_safe(set, next, &woken, woken) {
			scoped_guard(mutex, &syncobj_watch_lock)
				syncobj_watch_advance(set);
			syncobj_watch_set_put(set);
			cond_resched();
		}
		/* A little only: sets that wake meanwhile come first. */
		scoped_guard(mutex, &syncobj_watch_lock)
			syncobj_notifier_reap();
		cond_resched();
	}

	__set_current_state(TASK_RUNNING);
	return 0;
}

static void syncobj_sweep_work(struct work_struct *work)
{
	guard(mutex)(&syncobj_watch_lock);

	syncobj_watch_sweep();
	if (!list_empty(&syncobj_watch_sets))
		syncobj_notifier_sweep_later();
}

/**
 * syncobj_notifier_sweep_later() - see to it that the sets get swept
 *
 * Context: any.
 */
void syncobj_notifier_sweep_later(void)
{
	queue_delayed_work(system_power_efficient_wq, &syncobj_sweep,
			   round_jiffies_relative(SYNCOBJ_SWEEP_PERIOD));
}

/**
 * syncobj_notifier_start() - start the thread
 *
 * Context: process, may sleep.
 * Return: 0 or an error of kthread_create().
 */
int syncobj_notifier_start(void)
{
	struct task_struct *task;

	task = kthread_run(syncobj_notifier_fn, NULL, "syncobj-notify");
	if (IS_ERR(task))
		return PTR_ERR(task);
	syncobj_notifier = task;
	return 0;
}

/**
 * syncobj_notifier_stop() - stop the thread and the sweep
 *
 * There are no sets any more, as each pins the module, and so no watches and
 * no open sinks. Closed ones may still be on their way to the reaper.
 *
 * Context: process, may sleep.
 */
void syncobj_notifier_stop(void)
{
	cancel_delayed_work_sync(&syncobj_sweep);
	kthread_stop(syncobj_notifier);
	/*
	 * An eventfd that is being closed may be on its way to the list still:
	 * a spinlock is a reader of RCU, under PREEMPT_RT as well.
	 */
	synchronize_rcu();

	guard(mutex)(&syncobj_watch_lock);
	while (syncobj_notifier_reap())
		;
}
