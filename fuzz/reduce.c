// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making a finding small: the last programs of a process, then less and less of them,
 * as long as the kernel still complains or the guest dies.
 *
 * The state lies in memory that outlives the guest. What was being tried when
 * it died is what killed it; the next guest goes on from there.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "reduce.h"
#include "splat.h"

/* Programs of each thread that are tried first */
#define NDEPTHS		4
static const unsigned int depths[NDEPTHS] = { 1, 4, 30, 120 };

#define TRIAL_MS	5000
#define DEATH_MS	3000
#define REPEAT		8

static void say(const struct reduction *s, const char *what)
{
	printf("fuzz: %s: %u + %u calls\n", what, s->best.n[0], s->best.n[1]);
	fflush(stdout);
}

/* Entries of @ring's last life, the oldest first; of the last @depth programs */
static unsigned int collect(const struct ring *ring, unsigned int depth, struct call *to)
{
	uint32_t seq = ring->seq, first;
	unsigned int n = 0, i;

	if (depth > LOG_ENTRIES - 1)
		depth = LOG_ENTRIES - 1;
	first = seq > depth ? seq - depth : 0;
	for (; first < seq; first++) {
		const struct entry *e = &ring->e[first % LOG_ENTRIES];

		if (e->life != ring->life || e->prog.n > MAX_CALLS)
			continue;
		for (i = 0; i < e->prog.n && n < CASE_CALLS; i++)
			if (e->prog.c[i].nr < NCALLS)
				to[n++] = e->prog.c[i];
	}
	return n;
}

struct trial_thread {
	const struct call *c;
	unsigned int n;
	unsigned int index;
};

static void *trial_thread(void *arg)
{
	struct trial_thread *t = arg;
	unsigned int i;
	struct ctx x;

	ctx_init(&x, t->index, t->index + 1);
	x.sibling = !t->index;
	x.st->tid = syscall(SYS_gettid);
	for (i = 0; i < t->n; i++) {
		x.st->calls++;
		call_run(&x, &t->c[i]);
	}
	x.st->tid = 0;
	return NULL;
}

static void trial_process(const struct kase *k, uint64_t seed)
{
	struct trial_thread t[2];
	pthread_t second;
	unsigned int i;
	struct ctx x;

	process_init();
	ctx_init(&x, 0, seed);
	pool_prologue(&x, seed);
	for (i = 0; i < 2; i++)
		t[i] = (struct trial_thread){ k->c[i], k->n[i], i };
	if (k->n[1] && pthread_create(&second, NULL, trial_thread, &t[1]))
		_exit(2);
	trial_thread(&t[0]);
	if (k->n[1])
		pthread_join(second, NULL);
	pool_close();
	_exit(0);
}

/*
 * Calls that sleep are woken as when fuzzing.
 *
 * Return: whether the kernel complained.
 */
static bool trial_wait(pid_t pid, bool *stuck)
{
	uint64_t seen[2] = { -1, -1 };
	unsigned int ms, i, end = TRIAL_MS;
	bool found = false;

	for (ms = 0; ms < end + DEATH_MS; ms += 2) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return found;
		usleep(2000);
		if (ms == end)
			kill(pid, SIGKILL);
		if (ms % 20)
			continue;
		if (!found && splat_seen()) {
			found = true;
			kill(pid, SIGKILL);
			end = ms;
		}
		for (i = 0; i < 2; i++) {
			if (seen[i] == sh->t[i].calls && sh->t[i].tid > 0)
				syscall(SYS_tgkill, pid, sh->t[i].tid, SIGALRM);
			seen[i] = sh->t[i].calls;
		}
	}
	*stuck = true;
	return found;
}

static void warn_again(void)
{
	FILE *f = fopen("/sys/kernel/debug/clear_warn_once", "we");

	if (f) {
		fputs("1", f);
		fclose(f);
	}
}

/* Does the kernel complain about the candidate? It may not survive it. */
static bool trial(struct reduction *s, bool *stuck)
{
	unsigned int repeat, i;
	bool found;
	pid_t pid;

	warn_again();
	splat_seen();
	s->trials++;
	__atomic_store_n(&s->trying, 1, __ATOMIC_SEQ_CST);
	/* What is seen at once needs no patience. */
	repeat = s->took ? 3 * s->took : REPEAT;
	if (repeat > REPEAT)
		repeat = REPEAT;
	if (s->phase == R_VERIFY)
		repeat = 8 * REPEAT;
	for (i = 0; i < repeat; i++) {
		sh->t[0].tid = 0;
		sh->t[1].tid = 0;
		pid = fork();
		if (!pid)
			trial_process(&s->cand, s->seed);
		found = trial_wait(pid, stuck);
		if (!found)
			usleep(20000);	/* work that is put off */
		if (found || splat_seen()) {
			__atomic_store_n(&s->trying, 0, __ATOMIC_SEQ_CST);
			snprintf(s->line, sizeof(s->line), "%s", splat_line());
			s->took = i + 1 > s->took ? i + 1 : s->took;
			return true;
		}
		if (*stuck)
			break;
	}
	__atomic_store_n(&s->trying, 0, __ATOMIC_SEQ_CST);
	return false;
}

static void accept(struct reduction *s)
{
	s->best = s->cand;
	say(s, "still");
}

/* What complains once a boot, and not by KASAN, wants a boot for each try. */
static bool want_boot(const struct reduction *s)
{
	return !strstr(s->line, "KASAN") && !strstr(s->line, "WARNING") &&
	       !strstr(s->line, "refcount");
}

static bool cand_find(struct reduction *s, const struct log *log)
{
	unsigned int workers = log->threads / 2, i, w;

	if (s->a >= NDEPTHS * workers)
		return false;
	/* All depths of the process that was named, then the others */
	w = (s->suspect / 2 + s->a / NDEPTHS) % workers;
	for (i = 0; i < 2; i++)
		s->cand.n[i] = collect(&log->ring[2 * w + i], depths[s->a % NDEPTHS], s->cand.c[i]);
	/* A thread of the case runs on; the other one's calls are in the order of their own. */
	return true;
}

static bool cand_thread(struct reduction *s)
{
	if (s->a > 1)
		return false;
	s->cand = s->best;
	/* The one that stays is the first. */
	if (s->a == 1) {
		memcpy(s->cand.c[0], s->cand.c[1], sizeof(s->cand.c[0]));
		s->cand.n[0] = s->cand.n[1];
	}
	s->cand.n[1] = 0;
	return true;
}

/* Without the @b calls from @a on, of both threads' as one list */
static bool cand_chunk(struct reduction *s)
{
	unsigned int total = s->best.n[0] + s->best.n[1], t, i, at, n;

	if (!s->b)
		s->b = total > 1 ? (total + 1) / 2 : 1;
	if (s->a >= total) {
		if (s->b == 1)
			return false;
		s->b = (s->b + 1) / 2;
		s->a = 0;
	}
	for (t = at = 0; t < 2; t++) {
		for (i = n = 0; i < s->best.n[t]; i++, at++)
			if (at < s->a || at >= s->a + s->b)
				s->cand.c[t][n++] = s->best.c[t][i];
		s->cand.n[t] = n;
	}
	return s->cand.n[0] + s->cand.n[1] > 0;
}

/* A value of the simplest kind instead of what it is */
static bool cand_value(struct reduction *s)
{
	unsigned int t, i, f, at = 0;

	s->cand = s->best;
	for (t = 0; t < 2; t++)
		for (i = 0; i < s->best.n[t]; i++) {
			struct call *c = &s->cand.c[t][i];
			const struct desc *d = &descs[c->nr];

			for (f = 0; f <= d->nfields; f++, at++) {
				struct call was = *c;

				if (at < s->a)
					continue;
				s->a = at;
				if (f == d->nfields) {
					c->place = P_GOOD;
					c->fill = 0;
				} else {
					struct rng r = { .s = 1 };

					value_make(&r, &d->fields[f], &c->raw[f], &c->v[f], true);
					if (d->fields[f].type == T_ARRAY)
						c->v[f] = 1 | 1 << 16;
					else if (d->fields[f].type == T_FD)
						c->v[f] = was.v[f] & 0xff;
				}
				if (memcmp(&was, c, sizeof(was)))
					return true;
			}
		}
	return false;
}

static void next_phase(struct reduction *s)
{
	s->phase++;
	s->a = 0;
	s->b = 0;
}

/* One step: true if there is something to try in s->cand */
static bool candidate(struct reduction *s, const struct log *log)
{
	switch (s->phase) {
	case R_FIND:
		return cand_find(s, log);
	case R_THREAD:
		return cand_thread(s);
	case R_CHUNK:
		return cand_chunk(s);
	case R_VALUE:
		return cand_value(s);
	default:
		return false;
	}
}

/* What to do with the result of a try */
static void result(struct reduction *s, bool found)
{
	if (found)
		accept(s);
	switch (s->phase) {
	case R_FIND:
		s->a++;
		if (found)
			next_phase(s);
		break;
	case R_CHUNK:
		/* What came behind has moved here. */
		if (!found)
			s->a += s->b;
		break;
	case R_THREAD:
		if (found)
			next_phase(s);
		else
			s->a++;
		break;
	default:
		s->a++;
	}
}

/* A process that spins in the kernel would slow all that follows. */
static void boot_now(void)
{
	FILE *f = fopen("/proc/sysrq-trigger", "we");

	printf("fuzz: a process does not die: a new guest\n");
	fflush(stdout);
	if (f) {
		fputs("b", f);
		fclose(f);
	}
	pause();
}

/**
 * reduce() - go on with a reduction
 * @log:	of the run that found it
 * @memory:	struct reduction; zeroed for a new one but for suspect
 * @splats:	file with the patterns of what a kernel's log must not tell
 *
 * Return: 0: done; 1: not found again; 4: call it again in a new guest.
 */
int reduce(const struct log *log, void *memory, const char *splats)
{
	struct reduction *s = memory;
	bool stuck = false, found;

	splat_init(splats);
	s->seed = log->seed;
	if (s->trying) {
		s->trying = 0;
		snprintf(s->line, sizeof(s->line), "the guest died");
		if (s->phase == R_VERIFY) {
			s->verified = true;
			s->phase = R_DONE;
		} else {
			result(s, true);
		}
	}
	while (s->phase < R_VERIFY) {
		if (!candidate(s, log)) {
			if (s->phase == R_FIND)
				return 1;
			next_phase(s);
			/* With a fresh kernel */
			if (s->phase == R_VERIFY)
				return 4;
			continue;
		}
		found = trial(s, &stuck);
		result(s, found);
		if (stuck)
			boot_now();
		if (found && want_boot(s))
			return 4;
	}
	if (s->phase == R_VERIFY) {
		s->cand = s->best;
		s->verified = trial(s, &stuck);
		s->phase = R_DONE;
	}
	printf("fuzz: %s, %u tries, %s\n", s->line, s->trials,
	       s->verified ? "seen again in a fresh guest" : "not seen again in a fresh guest");
	return 0;
}

/* The case as C, on stdout */
int print_case(const void *memory)
{
	const struct reduction *s = memory;
	unsigned int t, i, n = 0;

	printf("/* %s */\n", s->line);
	for (t = 0; t < 2; t++) {
		if (!s->best.n[t])
			continue;
		printf("static void thread_%u(void)\n{\n", t);
		for (i = 0; i < s->best.n[t]; i++)
			call_print(stdout, &s->best.c[t][i], n++);
		printf("}\n\n");
	}
	return 0;
}
