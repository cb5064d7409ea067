// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "syncobj_util.h"
#include "victim_util.h"

void *victim_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int victim_done(struct victim_counts *counts, int op, int ret, bool harmless)
{
	if (ret >= 0)
		__atomic_add_fetch(&counts->done[op], 1, __ATOMIC_RELEASE);
	else if (!harmless &&
		 !__atomic_exchange_n(&counts->bad, ret, __ATOMIC_RELAXED))
		counts->bad_op = op;
	__atomic_add_fetch(&counts->steps, 1, __ATOMIC_RELEASE);
	return ret;
}

static bool steps_reach(const unsigned long *steps, unsigned long want)
{
	int64_t end = in_ms(60000);

	while (__atomic_load_n(steps, __ATOMIC_ACQUIRE) < want) {
		if (now_ns() > end)
			return false;
		sched_yield();
	}
	return true;
}

int victim_kill(unsigned long *steps, unsigned long busy, unsigned int us,
		void (*fn)(void *arg), void *arg)
{
	int64_t start;
	int status;
	bool was;
	pid_t pid;

	__atomic_store_n(steps, 0, __ATOMIC_RELEASE);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn(arg);
		_exit(1);
	}
	was = steps_reach(steps, busy);
	start = now_ns();
	while (now_ns() < start + us * 1000LL)
		sched_yield();
	kill(pid, SIGKILL);
	start = now_ns();
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		return -ECHILD;
	if (now_ns() - start > 10 * NSEC_PER_SEC)
		return -ETIME;
	return was ? 0 : -ETIMEDOUT;
}
