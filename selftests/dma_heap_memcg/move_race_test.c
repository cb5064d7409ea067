// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that moves to another cgroup and becomes another user while it is
 * named, as a login does: who may signal what it has become must not charge
 * where it was before.
 */
#include <linux/securebits.h>
#include <sys/prctl.h>

#include "access.h"
#include "param_util.h"

#define DELAY	"bufsync_test_delay"
/* Of each outcome so many, and of both together */
#define ENOUGH	20
#define CALLS	400

/* What those who take part tell each other; shared */
struct moving {
	int dev;
	int pidfd;	/* of the process that moves */
	int procs[2];	/* cgroup.procs of "target" and of "open" */
	int done;	/* calls that charged somebody */
	int refused;
	int failed;	/* what else was the result */
};

FIXTURE(race) {
	struct access_env a;
	struct cg open;		/* where the process may be signalled */
	struct moving *m;
};

static int procs_of(const struct cg *cg)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/cgroup.procs", cg->path);
	return open(path, O_WRONLY | O_CLOEXEC);
}

FIXTURE_SETUP(race)
{
	access_env_setup(_metadata, &self->a);
	ASSERT_EQ(0, cg_new(&self->open, &self->a.env.top, "open"));
	self->m = mmap(NULL, sizeof(*self->m), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->m);
	self->m->dev = self->a.env.dev;
	self->m->procs[0] = procs_of(&self->a.target);
	self->m->procs[1] = procs_of(&self->open);
	ASSERT_GE(self->m->procs[0], 0);
	ASSERT_GE(self->m->procs[1], 0);
	ASSERT_EQ(0, module_load(DELAY));
}

FIXTURE_TEARDOWN(race)
{
	EXPECT_EQ(0, module_unload(DELAY));
	access_env_teardown(_metadata, &self->a);
}

/* Never NOBODY in "target": goes first there, and comes last from there. */
static int move_for_ever(void *arg)
{
	const struct moving *m = arg;
	int i;

	/* It keeps its capabilities, whoever it is. */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP))
		return 1;
	for (i = 0;; i++) {
		if (setresuid(OTHER, OTHER, OTHER) ||
		    write(m->procs[0], "0", 1) != 1)
			return 2;
		usleep(i % 3 * 700);
		if (write(m->procs[1], "0", 1) != 1 ||
		    setresuid(NOBODY, NOBODY, NOBODY))
			return 3;
		usleep(i % 5 * 1100);
	}
}

static void count(struct moving *m, int ret)
{
	if (ret == -EPERM)
		m->refused++;
	else if (ret < 0)
		m->failed = ret;
	else
		m->done++;
}

/* ALLOC, and GRANT with what it is good for, in turn */
static int charge(void *arg)
{
	struct moving *m = arg;
	int64_t end = in_ms(120000);
	int fd, buf;

	if (become(NOBODY, NO_CAPS, 0))
		return 1;
	while ((m->done < ENOUGH || m->refused < ENOUGH ||
		m->done + m->refused < CALLS) && !m->failed) {
		if (now_ns() > end)
			return 2;
		fd = heap_alloc(m->dev, PAGE, m->pidfd);
		count(m, fd);
		close(fd);
		fd = heap_grant(m->dev, m->pidfd, PAGE, INT64_MAX);
		count(m, fd);
		if (fd < 0)
			continue;
		buf = heap_alloc(m->dev, PAGE, fd);
		if (buf < 0)
			m->failed = buf;
		close(buf);
		close(fd);
	}
	return 0;
}

/* Returns the pid; it starts when told to. */
static int charge_when_told(void *arg)
{
	raise(SIGSTOP);
	return charge(arg);
}

static void run(struct __test_metadata *_metadata, FIXTURE_DATA(race) *self,
		const char *found, const char *judged)
{
	struct dma_heap_memcg_query_args there, open;
	char number[16];
	pid_t mover, pid;
	int status;

	mover = access_keep(cg_run(&self->a.target, move_for_ever, self->m));
	ASSERT_GT(mover, 0);
	self->m->pidfd = pidfd_of(mover, 0);
	ASSERT_GE(self->m->pidfd, 0);
	pid = access_keep(cg_run(&self->a.caller, charge_when_told, self->m));
	ASSERT_GT(pid, 0);
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	snprintf(number, sizeof(number), "%d", pid);
	ASSERT_EQ(0, param_set(DELAY, "found", found));
	ASSERT_EQ(0, param_set(DELAY, "judged", judged));
	ASSERT_EQ(0, param_set(DELAY, "pid", number));
	kill(pid, SIGCONT);
	EXPECT_EQ(0, cg_reap(pid));
	access_nr--;

	EXPECT_EQ(0, self->m->failed);
	TH_LOG("%d calls charged, %d were refused", self->m->done,
	       self->m->refused);
	there = cgroup_stats(_metadata, &self->a, &self->a.target);
	open = cgroup_stats(_metadata, &self->a, &self->open);
	EXPECT_EQ(0, there.out_charges);
	EXPECT_LT(0, there.out_denials);
	EXPECT_EQ(self->m->done, open.out_charges);
	/* it goes on */
	EXPECT_EQ(0, waitpid(mover, &status, WNOHANG));
}

/* As they come */
TEST_F(race, without_delay)
{
	run(_metadata, self, "0", "0");
}

/* Has moved on, and become another user, when its credentials are read */
TEST_F(race, moved_on)
{
	run(_metadata, self, "1500", "0");
}

/* The same, and is back when it is asked where it is */
TEST_F(race, moved_on_and_back)
{
	run(_metadata, self, "1500", "1500");
}

TEST_HARNESS_MAIN
