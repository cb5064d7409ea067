// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may charge whom. The rules are those of the uAPI header, by number.
 *
 * Whoever can charge a cgroup can push it to its limit, that is, deny its
 * processes memory. So the question is always whether the caller could do as
 * much without this device.
 *
 * Credentials are the caller's at the time of the call. What rests on a
 * capability must also be possible for the device's opener: else a program with
 * privileges that is handed an open device would lend them to whoever chose the
 * arguments.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/memcontrol.h>
#include <linux/mount.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/user_namespace.h>

#include "dma_heap_memcg_private.h"

/* DMA_HEAP_MEMCG_REMOTE_*, a module parameter */
int mheap_remote_policy = DMA_HEAP_MEMCG_REMOTE_SIGNAL;

/*
 * Rule 2. Below one's own cgroup a charge also counts against oneself. The
 * root has no limit to count against; but who is in it can take all memory.
 */
static bool mheap_is_below_caller(struct mem_cgroup *memcg)
{
	bool below;

	rcu_read_lock();
	below = mem_cgroup_is_descendant(memcg, mem_cgroup_from_task(current));
	rcu_read_unlock();
	return below;
}

/*
 * Rule 4. The cgroup was given to whoever may create others in it, through
 * this mount: in a container it may be read-only.
 */
static bool mheap_may_write(struct file *dev, struct file *dir)
{
	const struct cred *old;
	int ret;

	if (mnt_want_write(dir->f_path.mnt))
		return false;
	ret = inode_permission(file_mnt_idmap(dir), file_inode(dir), MAY_WRITE);
	if (!ret) {
		old = override_creds(dev->f_cred);
		ret = inode_permission(file_mnt_idmap(dir), file_inode(dir),
				       MAY_WRITE);
		revert_creds(old);
	}
	mnt_drop_write(dir->f_path.mnt);
	return !ret;
}

/* As for pidfd_send_signal(): what one cannot see one cannot signal. */
static bool mheap_pid_visible(struct pid *pid)
{
	struct pid_namespace *own = task_active_pid_ns(current);
	struct pid_namespace *ns = ns_of_pid(pid);

	while (ns && ns != own)
		ns = ns->parent;
	return ns;
}

/* The part of kill()'s rule that needs no capability */
static bool mheap_same_user(struct task_struct *task, const struct cred *tcred)
{
	const struct cred *cred = current_cred();

	return same_thread_group(current, task) ||
	       uid_eq(cred->euid, tcred->suid) ||
	       uid_eq(cred->euid, tcred->uid) ||
	       uid_eq(cred->uid, tcred->suid) ||
	       uid_eq(cred->uid, tcred->uid);
}

static bool mheap_capable(struct file *dev, struct user_namespace *ns, int cap)
{
	return ns_capable(ns, cap) && file_ns_capable(dev, ns, cap);
}

/*
 * Rules 5 and 6: signal 0 is delivered to nobody, but asked about. Security
 * modules are asked last; if one refuses, its word is final.
 */
static int mheap_may_signal(struct file *dev, const struct mheap_target *target,
			    struct task_struct *task, const struct cred *tcred)
{
	if (!mheap_memcg_is_root(target->memcg) &&
	    mheap_pid_visible(target->pid) &&
	    (mheap_same_user(task, tcred) ||
	     mheap_capable(dev, tcred->user_ns, CAP_KILL)))
		return kill_pid(target->pid, 0, 0);
	return mheap_capable(dev, tcred->user_ns, CAP_SYS_RESOURCE) ? 0 : -EPERM;
}

/*
 * The cgroup was found before, and a process may move on and become somebody
 * else in between: a login does both. Who may signal what it is now must not
 * charge where it was then. So the answer counts only if the process was in
 * that cgroup with those credentials.
 */
static int mheap_access_pid(struct file *dev, const struct mheap_target *target)
{
	struct task_struct *task;
	const struct cred *tcred;
	int ret;

	task = get_pid_task(target->pid, PIDTYPE_PID);
	if (!task)
		return -ESRCH;
	tcred = get_task_cred(task);
	ret = mheap_may_signal(dev, target, task, tcred);
	if (ret)
		goto put;
	/*
	 * Credentials before the cgroup: whoever moves and then commits new
	 * credentials, which is a release, is seen to have moved if the new
	 * ones were seen.
	 */
	smp_rmb();
	ret = mheap_target_stayed(target, task);
	if (ret)
		goto put;
	/*
	 * The cgroup before the credentials again: whoever was away and is back
	 * has committed others before. The reference keeps the pointer from
	 * being used for those.
	 */
	smp_rmb();
	if (rcu_access_pointer(task->real_cred) != tcred)
		ret = -EPERM;
put:
	put_cred(tcred);
	put_task_struct(task);
	return ret;
}

/**
 * mheap_access() - may the caller charge this target?
 * @dev:	the open device of the call
 * @target:	filled by mheap_target_get()
 *
 * Context: process, may sleep.
 * Return: 0; -EPERM; the errno of a security module; -ESRCH if the process
 * has gone meanwhile.
 */
int mheap_access(struct file *dev, const struct mheap_target *target)
{
	int policy = READ_ONCE(mheap_remote_policy);

	if (target->own || !target->memcg)
		return 0;
	if (policy == DMA_HEAP_MEMCG_REMOTE_OFF)
		return -EPERM;
	if (target->named == MHEAP_GRANT)
		return 0;
	if (mheap_is_below_caller(target->memcg))
		return 0;

	/* To charge the root is to charge nobody: a way out of one's limit. */
	if (target->named == MHEAP_CGROUP &&
	    !mheap_memcg_is_root(target->memcg) &&
	    mheap_may_write(dev, target->dir))
		return 0;
	if (policy != DMA_HEAP_MEMCG_REMOTE_SIGNAL)
		return -EPERM;
	if (target->named == MHEAP_PIDFD)
		return mheap_access_pid(dev, target);
	return mheap_capable(dev, &init_user_ns, CAP_SYS_RESOURCE) ? 0 : -EPERM;
}
