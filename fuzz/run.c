// SPDX-License-Identifier: GPL-2.0-only
/*
 * Workers, each a process of two threads that share its fds, and a supervisor, which
 * wakes those that sleep too long, kills some, and makes new ones.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/vfio.h>

#include "fuzz.h"
#include "splat.h"

#define TICK_MS		20
#define LIFE		3000	/* programs of a thread, then a new process */
#define STATS_S		10
#define DEATH_S		60	/* a killed process is gone by then */
#define DEATH_SPLAT_S	3	/* or may be stuck, after what the kernel said */

struct shared *sh;
bool may_off;

struct worker {
	pid_t pid;
	uint32_t life;
	int64_t killed;		/* when, in ms; 0: it lives */
	uint64_t seen[2];
};

static struct log *the_log;
static int64_t death_ms = DEATH_S * 1000;

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int64_t now_ms(void)
{
	return now_ns() / 1000000;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void on_fault(int sig)
{
	if (touching)
		siglongjmp(touching, 1);
	signal(sig, SIG_DFL);
}

void world_init(void)
{
	int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	const char *env = getenv("FUZZ_TARGETS");
	char path[300];

	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		exit(2);
	if (env)
		sscanf(env, "%d %d %d", &targets[1], &targets[2], &targets[3]);
	env = getenv("FUZZ_VFIO");	/* GROUP BDF */
	if (env && container >= 0 && sscanf(env, "%255s %15s", path + 10, vfio_bdf) == 2) {
		memcpy(path, "/dev/vfio/", 10);
		group_fd = open(path, O_RDWR | O_CLOEXEC);
		if (group_fd < 0 || ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &container) ||
		    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
			fprintf(stderr, "fuzz: no device of VFIO's: %s\n", strerror(errno));
	}
}

static void signals_init(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct rlimit files = { 512, 512 };

	setrlimit(RLIMIT_NOFILE, &files);
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_flags = SA_NODEFER;
	sa.sa_handler = on_fault;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sa.sa_flags = SA_NOCLDWAIT;
	sa.sa_handler = SIG_DFL;
	sigaction(SIGCHLD, &sa, NULL);
}

void process_init(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	splat_close();
	signals_init();
	maps_init();
}

static bool bit_new(uint8_t *map, uint64_t hash, uint32_t *count)
{
	uint32_t bit = (hash * 0x9e3779b97f4a7c15ULL) >> 46;

	if (map[bit / 8] & 1 << bit % 8)
		return false;
	map[bit / 8] |= 1 << bit % 8;
	__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
	return true;
}

static bool cover_new(struct ctx *x)
{
	uint64_t n, i, pc, last = 0;
	bool new = false;

	if (!x->kcov)
		return false;
	n = __atomic_load_n(&x->kcov[0], __ATOMIC_RELAXED);
	for (i = 1; i <= n && i < KCOV_WORDS; i++) {
		pc = x->kcov[i];
		new |= bit_new(sh->cover, pc ^ (last << 21 | last >> 43), &sh->edges);
		last = pc;
	}
	return new;
}

static void corpus_add(struct ctx *x, const struct prog *p)
{
	uint32_t at = __atomic_fetch_add(&sh->corpus, 1, __ATOMIC_RELAXED);

	sh->prog[at < MAX_CORPUS ? at : below(&x->rng, MAX_CORPUS)] = *p;
}

static void prog_run(struct ctx *x, struct entry *e)
{
	struct stat_thread *st = x->st;
	unsigned int last = 0, i;
	bool new = false;

	if (x->kcov)
		__atomic_store_n(&x->kcov[0], 0, __ATOMIC_RELAXED);
	for (i = 0; i < e->prog.n; i++) {
		const struct call *c = &e->prog.c[i];
		const struct desc *d = &descs[c->nr];
		int64_t start = now_ns();
		uint64_t how;
		long ret;

		e->cur = i;
		ret = call_run(x, c);
		sh->per_ns[c->nr] += now_ns() - start;
		st->calls++;
		sh->per_call[c->nr]++;
		sh->per_good[c->nr] += ret >= 0;
		if (d->what == C_IOCTL) {
			st->ioctls++;
			st->ours += d->ours;
			st->good += d->ours && ret >= 0;
		}
		/* Without kcov what came before counts, too. */
		how = c->nr | (ret < 0 ? errno : 0) << 8;
		if (!x->kcov && ret >= 0)
			how |= last << 20;
		new |= bit_new(sh->outcome, how + 1, &sh->outcomes);
		last = ret >= 0 ? c->nr + 1U : 0;
	}
	st->progs++;
	if (cover_new(x) || new)
		corpus_add(x, &e->prog);
}

struct thread {
	unsigned int index;
	unsigned int sibling;
	uint64_t seed;
	uint32_t life;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct ring *ring = &the_log->ring[t->index];
	struct prog next;
	struct ctx x;
	char name[16];
	unsigned int i;

	snprintf(name, sizeof(name), "fuzz.%u", t->index);
	prctl(PR_SET_NAME, name);
	ctx_init(&x, t->index, t->seed);
	x.sibling = t->sibling;
	x.st->tid = syscall(SYS_gettid);
	kcov_start(&x);
	ring->life = t->life;
	for (i = 0; i < LIFE; i++) {
		struct entry *e = &ring->e[ring->seq % LOG_ENTRIES];

		prog_next(&x.rng, &next);
		e->prog = next;
		e->life = t->life;
		e->cur = 0;
		e->seq = ++ring->seq;
		prog_run(&x, e);
	}
	_exit(0);
}

static pid_t worker_start(unsigned int nr, uint32_t life, uint64_t seed)
{
	struct thread t[2];
	pthread_t second;
	unsigned int i;
	pid_t pid = fork();

	if (pid)
		return pid;
	process_init();
	for (i = 0; i < 2; i++) {
		t[i].index = 2 * nr + i;
		t[i].sibling = 2 * nr + !i;
		t[i].seed = seed ^ ((uint64_t)life << 32 | (t[i].index + 1) << 8);
		t[i].life = life;
	}
	if (pthread_create(&second, NULL, thread_main, &t[1]))
		_exit(2);
	thread_main(&t[0]);
	_exit(0);
}

/* Threads whose call has not ended since the last look */
static void wake_sleepers(struct worker *w, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct stat_thread *st = &sh->t[2 * nr + i];
		uint64_t calls = st->calls;

		if (w->seen[i] == calls && st->tid > 0)
			syscall(SYS_tgkill, w->pid, st->tid, SIGALRM);
		w->seen[i] = calls;
	}
}

static void stats(unsigned int workers, int64_t start, struct stat_thread *sum)
{
	double s = (now_ms() - start) / 1000.0;
	unsigned int i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < 2 * workers; i++) {
		sum->calls += sh->t[i].calls;
		sum->ioctls += sh->t[i].ioctls;
		sum->ours += sh->t[i].ours;
		sum->good += sh->t[i].good;
		sum->progs += sh->t[i].progs;
	}
	printf("%.0f s: %lu calls (%.0f/s), %lu ioctls, %lu of bufsync (%lu good), ",
	       s, sum->calls, sum->calls / s, sum->ioctls, sum->ours, sum->good);
	printf("%lu programs, %u edges, %u outcomes, corpus %u\n", sum->progs, sh->edges,
	       sh->outcomes, sh->corpus < MAX_CORPUS ? sh->corpus : MAX_CORPUS);
	fflush(stdout);
}

static void show_stuck(pid_t pid)
{
	char cmd[128];

	printf("fuzz: process %d does not die\n", pid);
	fflush(stdout);
	snprintf(cmd, sizeof(cmd),
		 "for t in /proc/%d/task/*; do cat $t/comm $t/stack; done; echo w >/proc/sysrq-trigger",
		 pid);
	if (system(cmd))
		printf("fuzz: no stacks\n");
}

/* The dead are replaced, unless all shall die. */
static int reap(struct worker *w, unsigned int workers, uint64_t seed, bool over,
		unsigned int *crashed)
{
	unsigned int i;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < workers && w[i].pid != pid; i++)
			;
		if (i == workers)
			continue;
		if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
			++*crashed;
		w[i].pid = over ? 0 : worker_start(i, ++w[i].life, seed);
		w[i].killed = 0;
		w[i].seen[0] = 0;
		w[i].seen[1] = 0;
	}
	for (i = 0; i < workers; i++) {
		if (w[i].pid < 0 && !over)
			w[i].pid = worker_start(i, ++w[i].life, seed);
		if (w[i].killed && now_ms() - w[i].killed > death_ms) {
			show_stuck(w[i].pid);
			return 3;
		}
	}
	return 0;
}

static void kill_worker(struct worker *w)
{
	if (w->pid > 0 && !w->killed) {
		w->killed = now_ms();
		kill(w->pid, SIGKILL);
	}
}

static bool any_left(const struct worker *w, unsigned int workers)
{
	while (workers--)
		if (w[workers].pid > 0)
			return true;
	return false;
}

static int kill_all(struct worker *w, unsigned int workers, unsigned int *crashed)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < workers; i++)
		kill_worker(&w[i]);
	while (!ret && any_left(w, workers)) {
		usleep(TICK_MS * 1000);
		ret = reap(w, workers, 0, true, crashed);
	}
	return ret;
}

static void per_call(void)
{
	unsigned int i;

	for (i = 0; i < NCALLS; i++)
		printf("  %-40s %10lu %10lu %10lu us\n", descs[i].name, sh->per_call[i],
		       sh->per_good[i],
		       sh->per_call[i] ? sh->per_ns[i] / sh->per_call[i] / 1000 : 0);
}

/**
 * run() - the fuzzer
 * @seconds:	how long
 * @workers:	processes, each of two threads
 * @seed:	of the random numbers
 * @log:	where it writes down what it runs
 *
 * Return: 0; 1: the kernel complained; 3: a process does not die.
 */
int run(unsigned int seconds, unsigned int workers, uint64_t seed, struct log *log)
{
	struct worker w[MAX_THREADS / 2] = {};
	int64_t start = now_ms(), said = start;
	struct rng r = { .s = seed | 1 };
	unsigned int i, crashed = 0;
	struct stat_thread sum;
	int ret = 0;
	struct ctx x;

	the_log = log;
	log->magic = LOG_MAGIC;
	log->seed = seed;
	log->threads = 2 * workers;
	ctx_init(&x, 0, seed);

	while (!ret && now_ms() - start < seconds * 1000LL) {
		if (!any_left(w, workers)) {
			pool_prologue(&x, seed);
			for (i = 0; i < workers; i++)
				w[i].pid = worker_start(i, ++w[i].life, seed);
		}
		usleep(TICK_MS * 1000);
		for (i = 0; i < workers; i++)
			wake_sleepers(&w[i], i);
		ret = reap(w, workers, seed, false, &crashed);
		/* Each dies in the middle of something every few seconds. */
		if (below(&r, 150) == 0)
			kill_worker(&w[below(&r, workers)]);
		/* Now and then all, and with them all that they shared. */
		if (!ret && below(&r, 1500) == 0) {
			ret = kill_all(w, workers, &crashed);
			pool_close();
		}
		if (now_ms() - said >= STATS_S * 1000) {
			said += STATS_S * 1000;
			stats(workers, start, &sum);
		}
		if (!ret && splat_seen()) {
			printf("fuzz: the kernel complains: %s\n", splat_line());
			fflush(stdout);
			ret = 1;
			death_ms = DEATH_SPLAT_S * 1000;
		}
	}
	if (ret != 3) {
		int left = kill_all(w, workers, &crashed);

		if (!left)
			pool_close();
		ret = ret ?: left;
	}
	stats(workers, start, &sum);
	if (crashed)
		printf("fuzz: %u processes died of signals\n", crashed);
	if (getenv("FUZZ_CALLS") && *getenv("FUZZ_CALLS"))
		per_call();
	printf("fuzz: total %lu %lu %lu %u\n", sum.calls, sum.ioctls, sum.ours, sh->edges);
	fflush(stdout);
	return ret;
}
