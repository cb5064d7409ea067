// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a pidfd's file to its struct pid.
 *
 * The kernel exports nothing for this. Where the file has the pointer is told
 * by compat's <linux/pidfs.h>. It is not followed before it has been proved:
 * the first pidfd is taken for one only if the pointer in it is that of a
 * thread that is alive. From then on a pidfd is a file with the same
 * operations, which nothing else can have.
 */
#include <linux/fs.h>
#include <linux/pid.h>
#include <linux/pidfs.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>

#include "dma_heap_memcg_private.h"

/* Of all pidfds; NULL before one was proved. Set once. */
static const struct file_operations *mheap_pidfd_fops;

static bool mheap_is_pid(const void *pointer)
{
	struct task_struct *leader, *thread;
	bool found = false;

	rcu_read_lock();
	for_each_process_thread(leader, thread) {
		if (pointer && task_pid(thread) == pointer) {
			found = true;
			goto out;
		}
	}
out:
	rcu_read_unlock();
	return found;
}

/**
 * mheap_pidfd_pid() - what a pidfd stands for
 * @file:	any file
 * @pid:	where to put a referenced struct pid
 *
 * Context: process. The first time it looks at all threads.
 * Return: 0; -EBADF if @file is no pidfd; -ESRCH if no pidfd was seen before
 * and this one's process is gone.
 */
int mheap_pidfd_pid(struct file *file, struct pid **pid)
{
	const struct file_operations *fops = READ_ONCE(mheap_pidfd_fops);
	void *pointer;

	if (fops ? file->f_op != fops : !bufsync_file_may_be_pidfd(file))
		return -EBADF;

	pointer = bufsync_pidfd_pointer(file);
	if (!fops) {
		/* The file keeps what it points to from being used again. */
		if (!mheap_is_pid(pointer))
			return -ESRCH;
		WRITE_ONCE(mheap_pidfd_fops, file->f_op);
	}
	*pid = get_pid(pointer);
	return 0;
}
