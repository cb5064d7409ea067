// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whom a charge_fd names.
 *
 * The memory cgroup is found once and held for the call: a process that moves
 * on meanwhile, or exits, changes nothing any more. But the permission to
 * charge it by a pidfd is one over the process, so that must still be there
 * when it is asked for, see access.c.
 */
#include <linux/cgroup.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/magic.h>
#include <linux/memcontrol.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "dma_heap_memcg_private.h"

/* Pseudo fds of the caller, as for pidfd_send_signal() of 6.16 and newer */
#define MHEAP_PIDFD_SELF_THREAD		((u32)-10000)
#define MHEAP_PIDFD_SELF_THREAD_GROUP	((u32)-10001)

static bool mheap_names_caller(u32 charge_fd)
{
	return charge_fd == 0 || charge_fd == (u32)-1 ||
	       charge_fd == MHEAP_PIDFD_SELF_THREAD ||
	       charge_fd == MHEAP_PIDFD_SELF_THREAD_GROUP;
}

/*
 * A thread that is where @task's process is, or NULL if all of them exit: one
 * that exits does not move along any more, and the first may have done so long
 * ago. Under rcu_read_lock().
 */
static struct task_struct *mheap_live_thread(struct task_struct *task)
{
	struct task_struct *thread;

	if (likely(!(task->flags & PF_EXITING)))
		return task;
	for_each_thread(task, thread)
		if (!(thread->flags & PF_EXITING))
			return thread;
	return NULL;
}

/* NULL only if the process is gone */
static struct mem_cgroup *mheap_memcg_of(struct task_struct *task)
{
	struct task_struct *thread;
	struct mem_cgroup *memcg;

	/* It may move away from a cgroup that is just being removed. */
	rcu_read_lock();
	do {
		thread = mheap_live_thread(task);
		memcg = thread ? mem_cgroup_from_task(thread) : NULL;
	} while (memcg && !css_tryget(&memcg->css));
	rcu_read_unlock();
	return memcg;
}

/**
 * mheap_target_stayed() - is the process where it was found?
 * @target:	filled by mheap_target_get(), with a pidfd
 * @task:	that the pidfd stands for
 *
 * Context: any.
 * Return: 0; -EPERM if it has moved to another cgroup; -ESRCH if it is gone.
 */
int mheap_target_stayed(const struct mheap_target *target,
			struct task_struct *task)
{
	struct task_struct *thread;
	int ret = 0;

	rcu_read_lock();
	thread = mheap_live_thread(task);
	if (!thread)
		ret = -ESRCH;
	else if (mem_cgroup_from_task(thread) != target->memcg)
		ret = -EPERM;
	rcu_read_unlock();
	return ret;
}

static int mheap_target_pid(struct mheap_target *target)
{
	struct task_struct *task = get_pid_task(target->pid, PIDTYPE_PID);
	int ret = 0;

	if (!task)
		return -ESRCH;
	if (task->flags & PF_KTHREAD) {
		ret = -EINVAL;
	} else {
		target->memcg = mheap_memcg_of(task);
		if (!target->memcg)
			ret = -ESRCH;
	}
	put_task_struct(task);
	return ret;
}

/*
 * The lookup takes an fd, which another thread may have made stand for
 * another directory by now. The permission will be asked of @dir, so the
 * cgroup must be that one.
 */
static int mheap_target_dir(struct mheap_target *target, struct file *dir,
			    int fd)
{
	struct cgroup_subsys_state *css;
	struct cgroup *cgroup;

	if (file_inode(dir)->i_sb->s_magic != CGROUP2_SUPER_MAGIC)
		return -EBADF;
	cgroup = cgroup_get_from_fd(fd);
	if (IS_ERR(cgroup))
		return PTR_ERR(cgroup) == -EBADF ? -EBADF : -ENODEV;
	if (cgroup_ino(cgroup) != file_inode(dir)->i_ino) {
		cgroup_put(cgroup);
		return -EBADF;
	}

	css = cgroup_get_e_css(cgroup, &memory_cgrp_subsys);
	cgroup_put(cgroup);
	target->memcg = mem_cgroup_from_css(css);
	return 0;
}

static int mheap_target_file(struct mheap_target *target, struct file *file,
			     int fd)
{
	int ret;

	target->grant = mheap_grant_from_file(file);
	if (target->grant) {
		target->named = MHEAP_GRANT;
		mheap_grant_get(target->grant);
		return mheap_grant_memcg(target->grant, &target->memcg);
	}

	ret = file->f_mode & FMODE_PATH ?
		-EBADF : mheap_pidfd_pid(file, &target->pid);
	if (!ret) {
		target->named = MHEAP_PIDFD;
		return mheap_target_pid(target);
	}
	if (ret != -EBADF)
		return ret;

	target->named = MHEAP_CGROUP;
	target->dir = get_file(file);
	return mheap_target_dir(target, file, fd);
}

/* Does the kernel charge kernel memory to @memcg? The root never is charged. */
static bool mheap_accounted(struct mem_cgroup *memcg)
{
	return mheap_memcg_is_root(memcg) || memcg_kmem_online();
}

/**
 * mheap_target_get() - resolve a charge_fd
 * @charge_fd:	as user space gave it
 * @target:	to fill; mheap_target_put() ends its use, after a success only.
 *		After an error @target->named tells what was named, as far as
 *		that was found out.
 *
 * Says nothing about permission, see mheap_access().
 *
 * Context: process, may sleep.
 * Return: 0. @target->memcg is NULL if the caller was named and the kernel
 * does not account kernel memory. -EBADF, -ESRCH, -EINVAL, -ENODEV, -ETIME,
 * -EOPNOTSUPP as the header says.
 */
int mheap_target_get(u32 charge_fd, struct mheap_target *target)
{
	struct mem_cgroup *own;
	struct file *file;
	int ret;

	*target = (struct mheap_target) { .named = MHEAP_CALLER };

	if (mem_cgroup_disabled()) {
		pr_info_once("the kernel has no memory cgroups: nothing is charged\n");
		return mheap_names_caller(charge_fd) ? 0 : -EOPNOTSUPP;
	}

	own = mheap_memcg_of(current);
	if (mheap_names_caller(charge_fd)) {
		target->memcg = own;
		target->own = true;
		if (!mheap_accounted(own)) {
			pr_info_once("the kernel does not account kernel memory: nothing is charged\n");
			mem_cgroup_put(own);
			target->memcg = NULL;
		}
		return 0;
	}

	/* There every directory of cgroup2 would mean the root. */
	if (!mheap_memcg_is_v2()) {
		ret = -EOPNOTSUPP;
		goto put_own;
	}
	file = fget_raw(charge_fd);
	if (!file) {
		ret = -EBADF;
		goto put_own;
	}
	ret = mheap_target_file(target, file, charge_fd);
	fput(file);
	if (!ret) {
		target->own = target->memcg == own;
		if (!mheap_accounted(target->memcg)) {
			pr_info_once("the kernel does not account kernel memory: nobody can be charged\n");
			ret = -EOPNOTSUPP;
		}
	}
	if (ret)
		mheap_target_put(target);
put_own:
	mem_cgroup_put(own);
	return ret;
}

/**
 * mheap_target_put() - end the use of a target
 * @target: filled by mheap_target_get()
 *
 * Context: process, may sleep.
 */
void mheap_target_put(struct mheap_target *target)
{
	mem_cgroup_put(target->memcg);
	put_pid(target->pid);
	if (target->dir)
		fput(target->dir);
	if (target->grant)
		mheap_grant_put(target->grant);
}
