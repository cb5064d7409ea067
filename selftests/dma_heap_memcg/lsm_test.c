// SPDX-License-Identifier: GPL-2.0-only
/*
 * Security modules decide about rule 5: they are asked whether the caller may
 * send the process signal 0. Here one is a BPF program, of nine instructions.
 *
 * The kernel must have "bpf" among its security modules, and type information.
 */
#include "access.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/mount.h>

#define SECURITYFS	"/sys/kernel/security"

/* What the caller found; shared with it */
struct found {
	int step;		/* that could not be done */
	int verdict;		/* of the program, negative errno */
	uid_t uid;
	uint64_t caps;
	int kill;		/* -errno, as the program is asked by kill() */
	int before, during, after;
	int grant, transfer;
	int sibling, own_dir, granted, directory;
	int other_process;
	int leaked;
};

FIXTURE(lsm) {
	struct access_env a;
	struct found *found;
	int hook;		/* number of the type of task_kill()'s hook */
	int foreign;		/* pidfd in the target, of root */
	pid_t foreign_pid;
	int sibling;		/* pidfd in the caller's cgroup */
	int own_dir;
	int grant;
};

static bool lsm_is_on(const char *name)
{
	char list[512] = "", *word, *rest = list;
	bool mounted;
	ssize_t n;
	int fd;

	mounted = access(SECURITYFS "/lsm", R_OK) &&
		  !mount("securityfs", SECURITYFS, "securityfs", 0, NULL);
	fd = open(SECURITYFS "/lsm", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, list, sizeof(list) - 1);
		list[n < 0 ? 0 : n] = '\0';
		close(fd);
	}
	if (mounted)
		umount2(SECURITYFS, MNT_DETACH);
	while ((word = strsep(&rest, ",\n")))
		if (!strcmp(word, name))
			return true;
	return false;
}

FIXTURE_SETUP(lsm)
{
	struct victim v = {};

	/* before anything that would have to be undone */
	if (!lsm_is_on("bpf"))
		SKIP(return, "bpf is none of the kernel's security modules");
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		SKIP(return, "the kernel has no type information");

	access_env_setup(_metadata, &self->a);
	self->hook = libbpf_find_vmlinux_btf_id("task_kill", BPF_LSM_MAC);
	ASSERT_GT(self->hook, 0);
	self->found = mmap(NULL, sizeof(*self->found), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->found);

	self->foreign = victim(_metadata, &self->a.target, &v);
	self->foreign_pid = v.pid;
	self->sibling = process_of(_metadata, &self->a.caller, OTHER);
	self->own_dir = cg_open(&self->a.caller, 0);
	self->grant = heap_grant(self->a.env.dev, self->a.dir, MIB(64),
				 INT64_MAX);
	ASSERT_GE(self->own_dir, 0);
	ASSERT_GE(self->grant, 0);
}

FIXTURE_TEARDOWN(lsm)
{
	access_env_teardown(_metadata, &self->a);
}

/* A link that refuses signal 0 from process @tgid as long as it is open */
static int refuse_signal_0(int hook, pid_t tgid, int verdict)
{
	const struct bpf_insn program[] = {
		/* r6 = sig, the third argument of task_kill() */
		{ .code = BPF_LDX | BPF_MEM | BPF_DW,
		  .dst_reg = BPF_REG_6, .src_reg = BPF_REG_1, .off = 16 },
		{ .code = BPF_JMP | BPF_CALL,
		  .imm = BPF_FUNC_get_current_pid_tgid },
		{ .code = BPF_ALU64 | BPF_RSH | BPF_K,
		  .dst_reg = BPF_REG_0, .imm = 32 },
		/* It is an int: its upper half may be anything. */
		{ .code = BPF_JMP32 | BPF_JNE | BPF_K,
		  .dst_reg = BPF_REG_6, .off = 3, .imm = 0 },
		{ .code = BPF_JMP32 | BPF_JNE | BPF_K,
		  .dst_reg = BPF_REG_0, .off = 2, .imm = tgid },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_0, .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct bpf_prog_load_opts opts = {
		.sz = sizeof(opts),
		.expected_attach_type = BPF_LSM_MAC,
		.attach_btf_id = hook,
	};
	int prog, link;

	prog = bpf_prog_load(BPF_PROG_TYPE_LSM, "refuse_signal_0", "GPL",
			     program, ARRAY_SIZE(program), &opts);
	if (prog < 0)
		return -errno;
	link = bpf_raw_tracepoint_open(NULL, prog);
	link = link < 0 ? -errno : link;
	close(prog);
	return link;
}

static int try_alloc(int dev, uint32_t charge_fd)
{
	int fd = heap_alloc(dev, TRY_LEN, charge_fd);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int calls(FIXTURE_DATA(lsm) *self, struct found *f)
{
	int own, link, fds, dev = heap_open();

	own = heap_alloc(dev, TRY_LEN, HEAP_SELF);
	if (own < 0)
		return 3;
	f->before = try_alloc(dev, self->foreign);
	link = refuse_signal_0(self->hook, getpid(), f->verdict);
	if (link < 0) {
		fprintf(stderr, "# bpf: %s\n", strerror(-link));
		return 4;
	}
	/* The control: it is attached, and asked. */
	f->kill = kill(self->foreign_pid, 0) ? -errno : 0;

	fds = count_fds();
	f->during = try_alloc(dev, self->foreign);
	f->grant = heap_grant(dev, self->foreign, TRY_LEN, INT64_MAX);
	f->transfer = heap_transfer(dev, own, self->foreign);
	f->leaked = count_fds() - fds;

	/* what nobody is asked about */
	f->sibling = try_alloc(dev, self->sibling);
	f->own_dir = try_alloc(dev, self->own_dir);
	f->granted = try_alloc(dev, self->grant);
	f->directory = try_alloc(dev, self->a.dir);
	f->other_process = fork();
	if (!f->other_process)
		_exit(-try_alloc(dev, self->foreign));
	f->other_process = cg_reap(f->other_process);

	close(link);
	f->after = try_alloc(dev, self->foreign);
	return 0;
}

static int caller_main(void *arg)
{
	FIXTURE_DATA(lsm) *self = arg;
	struct found *f = self->found;

	if (become(f->uid, f->caps, 0))
		f->step = 1;
	else
		f->step = calls(self, f);
	return f->step;
}

static void refused_with(struct __test_metadata *_metadata,
			 FIXTURE_DATA(lsm) *self, int verdict)
{
	struct dma_heap_memcg_query_args before, after;
	struct found *f = self->found;

	*f = (struct found) { .verdict = verdict, .caps = ALL_CAPS };
	before = cgroup_stats(_metadata, &self->a, &self->a.target);
	EXPECT_EQ(0, cg_reap(cg_run(&self->a.caller, caller_main, self)))
		TH_LOG("step %d", f->step);
	after = cgroup_stats(_metadata, &self->a, &self->a.target);

	/* It is root: rules 5 and 6 would hold. */
	EXPECT_EQ(0, f->before);
	EXPECT_EQ(verdict, f->kill);
	EXPECT_EQ(verdict, f->during);
	EXPECT_EQ(verdict, f->grant);
	EXPECT_EQ(verdict, f->transfer);
	EXPECT_EQ(0, f->leaked);
	EXPECT_EQ(0, f->sibling);
	EXPECT_EQ(0, f->own_dir);
	EXPECT_EQ(0, f->granted);
	EXPECT_EQ(0, f->directory);
	EXPECT_EQ(0, f->other_process);
	EXPECT_EQ(0, f->after);

	EXPECT_EQ(before.out_denials + 3, after.out_denials);
	/* before, after, by the grant, the directory, and somebody else */
	EXPECT_EQ(before.out_charges + 5, after.out_charges);
	EXPECT_EQ(before.out_bytes, after.out_bytes);
}

TEST_F(lsm, refuses)
{
	refused_with(_metadata, self, -EACCES);
}

/* An errno that could be the rules' own: still nothing else is tried. */
TEST_F(lsm, refuses_with_eperm)
{
	refused_with(_metadata, self, -EPERM);
}

/* Any of those that a program may return */
TEST_F(lsm, refuses_with_another_errno)
{
	refused_with(_metadata, self, -ENOLCK);
}

/* It can take away, not give: who may not send a signal is not asked about. */
TEST_F(lsm, does_not_permit)
{
	struct found *f = self->found;

	*f = (struct found) {
		.verdict = -EACCES,
		/* nothing but the power to attach a program */
		.caps = CAP(SYS_ADMIN) | CAP(BPF) | CAP(PERFMON),
	};
	close(self->foreign);
	self->foreign = process_of(_metadata, &self->a.target, OTHER);
	EXPECT_EQ(0, cg_reap(cg_run(&self->a.caller, caller_main, self)))
		TH_LOG("step %d", f->step);
	/* of another process, root's */
	EXPECT_EQ(-EACCES, f->kill);
	EXPECT_EQ(-EPERM, f->before);
	EXPECT_EQ(-EPERM, f->during);
	EXPECT_EQ(-EPERM, f->grant);
	EXPECT_EQ(-EPERM, f->transfer);
	EXPECT_EQ(0, f->sibling);
	EXPECT_EQ(0, f->granted);
	EXPECT_EQ(EPERM, f->other_process);
	EXPECT_EQ(-EPERM, f->after);
}

TEST_HARNESS_MAIN
