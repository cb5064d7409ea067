// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once, for BUFSYNC_STRESS_SECONDS (30) at least: two processes of four
 * threads that allocate, map, transfer and close, and one that makes and
 * removes the cgroups, changes their limits and kills who lives there. At the
 * end nothing is charged any more.
 *
 * A limit must not be set below what is in use, nor reached by a process that
 * needs memory itself: the kernel would kill, and write a stack trace to the
 * log. So limits are lowered while nobody charges the cgroup, or by somebody
 * whom a signal keeps from seeing to it, and processes come while there is no
 * limit, and sleep.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "heap_env.h"

#include "dmabuf_util.h"
#include "stress_worker.h"
#include "syncobj_util.h"
#include "thread_util.h"

#define PROCESSES	2

static const struct {
	const char *name;
	int min;	/* in 30 seconds; a machine that is slower takes longer */
} ops[OPS] = {
	[ALLOC] = { "ALLOC", 50 }, [TOUCH] = { "touch", 20 },
	[TRANSFER] = { "TRANSFER", 10 }, [CLOSE] = { "close", 50 },
	[QUERY] = { "QUERY", 30 }, [TABLE] = { "table", 15 },
	[GRANT] = { "GRANT", 10 }, [ATTACH] = { "attach", 10 },
	[FULL] = { "ENOMEM", 1 }, [MKDIR] = { "mkdir", 3 },
	[RMDIR] = { "rmdir", 3 }, [LIMIT] = { "memory.max", 3 },
	[HIGH] = { "memory.high", 3 }, [KILL] = { "kill", 3 },
	[BELOW] = { "memory.max below what is in use", 3 },
};

FIXTURE(stress) {
	struct heap_env env;
	struct stress *s;
	char policy[32];
};

FIXTURE_SETUP(stress)
{
	pthread_rwlockattr_t attr;
	int i;

	heap_env_setup(_metadata, &self->env);
	ASSERT_LE(0, td_open());
	ASSERT_EQ(0, heap_param_get("high_policy", self->policy,
				    sizeof(self->policy)));
	/* Sleeping is not what is to be tested here. */
	ASSERT_EQ(0, heap_param_set("high_policy", "fail"));
	self->s = mmap(NULL, sizeof(*self->s), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->s);
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	i = PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
	pthread_rwlockattr_setkind_np(&attr, i);
	for (i = 0; i < STRESS_CGROUPS; i++)
		pthread_rwlock_init(&self->s->lock[i], &attr);
}

FIXTURE_TEARDOWN(stress)
{
	EXPECT_EQ(0, heap_param_set("high_policy", self->policy));
	heap_env_teardown(_metadata, &self->env);
}

static void spawn(struct stress *s, const struct cg *cg, int i)
{
	pid_t pid;

	stress_check(s, LIMIT, cg_write(cg, "memory.max", "max"));
	pid = cg_spawn(cg);
	if (pid < 0) {
		stress_bad(s, KILL, pid);
		return;
	}
	if (!task_asleep(pid))
		stress_bad(s, KILL, -ETIMEDOUT);
	__atomic_store_n(&s->target[i], pid, __ATOMIC_RELAXED);
}

static void kill_target(struct stress *s, int i)
{
	pid_t pid = __atomic_load_n(&s->target[i], __ATOMIC_RELAXED);

	if (!pid)
		return;
	/* Those who name it notice some time between these two. */
	cg_kill(pid);
	__atomic_store_n(&s->target[i], 0, __ATOMIC_RELAXED);
	stress_check(s, KILL, 0);
}

static void lower(struct stress *s, const struct cg *cg, int i, int64_t limit)
{
	int64_t used;

	pthread_rwlock_wrlock(&s->lock[i]);
	used = cg_read(cg, "memory.current");
	if (used > limit - MIB(1))
		limit = used + MIB(1);
	stress_check(s, LIMIT, used < 0 ? (int)used :
			       cg_write_bytes(cg, "memory.max", limit));
	pthread_rwlock_unlock(&s->lock[i]);
}

static void nothing(int sig)
{
	(void)sig;
}

/* Writes when it is traced: with a signal that came after it began. */
static int write_stopped(int fd, const char *value)
{
	ssize_t len = strlen(value);
	pid_t self = getpid();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGUSR1, nothing);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		return errno;
	/* No other system call may come between these two. */
	syscall(SYS_kill, self, SIGSTOP);
	return syscall(SYS_write, fd, value, len) == len ? 0 : errno;
}

static int stopped_by(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFSTOPPED(status) ? WSTOPSIG(status) : -ECHILD;
}

/*
 * The kernel sets the limit, and then looks whether more is in use: if so it
 * reclaims and kills, until a signal is pending. So let one be pending.
 */
static int write_signalled(const struct cg *cg, int64_t limit)
{
	char path[sizeof(cg->path) + 16], value[32];
	int fd, ret;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/memory.max", cg->path);
	snprintf(value, sizeof(value), "%jd", (intmax_t)limit);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		_exit(write_stopped(fd, value));
	ret = pid < 0 ? -errno : 0;
	close(fd);
	if (ret)
		return ret;
	ret = stopped_by(pid);
	if (ret == SIGSTOP) {
		/* to where it enters write() */
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
		ret = stopped_by(pid);
	}
	if (ret != SIGTRAP) {
		cg_kill(pid);
		return -EPROTO;
	}
	kill(pid, SIGUSR1);
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return -cg_reap(pid);
}

/* At any moment of those that charge it: half of what it is charged with */
static void lower_below(struct stress *s, const struct cg *cg)
{
	int64_t used = cg_read(cg, "memory.current");
	int ret;

	ret = used < 0 ? (int)used : write_signalled(cg, used / 2);
	stress_check(s, LIMIT, ret);
	if (!ret && cg_read(cg, "memory.current") >
		    cg_read(cg, "memory.max"))
		stress_check(s, BELOW, 0);
	sleep_ms(10);
}

/* One life of a cgroup after the other, each at another stage */
static int manager_process(struct stress *s, const struct cg *top)
{
	char name[8];
	struct cg cg;
	int step, i, ret;

	for (step = 0; !stress_stopped(s); step++) {
		i = step % STRESS_CGROUPS;
		stress_cgroup(&cg, top, i);
		snprintf(name, sizeof(name), "s%d", i);
		switch ((step / STRESS_CGROUPS + i) % 9) {
		case 0:
			kill_target(s, i);
			if (stress_check(s, RMDIR, cg_remove(&cg)))
				stress_check(s, MKDIR, cg_new(&cg, top, name));
			break;
		case 1:
			lower(s, &cg, i, MIB(2));
			break;
		case 2:
		case 4:
			kill_target(s, i);
			spawn(s, &cg, i);
			break;
		case 3:
			lower(s, &cg, i, MIB(16));
			break;
		case 5:
			ret = cg_write_bytes(&cg, "memory.high", PAGE);
			sleep_ms(20);
			ret = cg_write(&cg, "memory.high", "max") ?: ret;
			stress_check(s, HIGH, ret);
			break;
		case 6:
		case 7:
			lower_below(s, &cg);
			break;
		case 8:
			lower(s, &cg, i, MIB(8));
			break;
		}
		sleep_ms(10);
	}
	for (i = 0; i < STRESS_CGROUPS; i++)
		kill_target(s, i);
	return 0;
}

static long least(int op)
{
	return (long)ops[op].min * stress_seconds() / 30;
}

static bool enough(const struct stress *s)
{
	int op;

	for (op = 0; op < OPS; op++)
		if ((long)__atomic_load_n(&s->done[op], __ATOMIC_RELAXED) <
		    least(op))
			return false;
	return true;
}

TEST_F_TIMEOUT(stress, everything_at_once, 600)
{
	int seconds = stress_seconds(), i, status, dev = self->env.dev;
	struct cg *top = &self->env.top, cg;
	struct dma_heap_memcg_query_args q;
	int64_t end = in_ms(seconds * 1000), too_long = in_ms(seconds * 10000);
	struct stress *s = self->s;
	pid_t pids[PROCESSES + 1];
	char name[8];

	for (i = 0; i < STRESS_CGROUPS; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		ASSERT_EQ(0, cg_new(&cg, top, name));
	}
	for (i = 0; i <= PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(i < PROCESSES ? stress_worker(s, top, dev, 1 + i * 99) :
				      manager_process(s, top));
	}
	while (!stress_stopped(s) && now_ns() < too_long &&
	       (now_ns() < end || !enough(s)))
		sleep_ms(50);
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i <= PROCESSES; i++) {
		EXPECT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status) TH_LOG("process %d: %#x", i, status);
	}
	EXPECT_EQ(0, s->bad)
		TH_LOG("%s: %s", ops[s->bad_op].name, strerror(-s->bad));

	for (i = 0; i < OPS; i++) {
		TH_LOG("%6lu %s", s->done[i], ops[i].name);
		EXPECT_LE(least(i), (long)s->done[i])
			TH_LOG("too few: %s", ops[i].name);
	}

	/* Nobody has a buffer any more, so nobody is charged for one. */
	i = cg_open(top, 0);
	ASSERT_EQ(0, heap_query(dev, i, &q));
	EXPECT_EQ(0, q.out_bytes);
	EXPECT_EQ(0, q.out_buffers);
	EXPECT_EQ(0, q.out_local_bytes);
	EXPECT_EQ(0, q.out_local_buffers);
	EXPECT_TRUE(cg_charged(top, 0));
}

TEST_HARNESS_MAIN
