// SPDX-License-Identifier: GPL-2.0-only
/* Who may charge whom: the rules of the header, by number, and the policies. */
#include <sys/mount.h>

#include "access.h"

FIXTURE(access) {
	struct access_env a;
};

FIXTURE_SETUP(access)
{
	access_env_setup(_metadata, &self->a);
}

FIXTURE_TEARDOWN(access)
{
	access_env_teardown(_metadata, &self->a);
}

/* A process of cgroup "caller" tries to charge cgroup "target". */
static int try_as(struct __test_metadata *_metadata, struct access_env *a,
		  uid_t uid, uint64_t caps, int node, uint32_t charge_fd)
{
	struct attempt how = {
		.from = &a->caller,
		.to = &a->target,
		.uid = uid,
		.caps = caps,
		.node = node,
		.charge_fd = charge_fd,
	};

	return attempt(_metadata, a, &how);
}

/* Rule 1, which no policy takes away */
TEST_F(access, own_cgroup)
{
	static const uint32_t names[] = { 0, -1, -10000, -10001 };
	struct attempt how = {
		.from = &self->a.caller,
		.to = &self->a.caller,
		.uid = NOBODY,
	};
	unsigned int i;

	ASSERT_EQ(0, heap_param_set("remote_policy", "off"));
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		how.charge_fd = names[i];
		EXPECT_EQ(0, attempt(_metadata, &self->a, &how))
			TH_LOG("%d", (int)names[i]);
	}
	how.own_pidfd = true;
	EXPECT_EQ(0, attempt(_metadata, &self->a, &how));
	how.own_pidfd = false;

	/* whatever else may be said of a process there, or of the directory */
	how.charge_fd = process_of(_metadata, &self->a.caller, 0);
	EXPECT_EQ(0, attempt(_metadata, &self->a, &how));
	how.charge_fd = cg_open(&self->a.caller, 0);
	EXPECT_EQ(0, attempt(_metadata, &self->a, &how));
}

/* Cgroups without the memory controller are charged as the next above. */
TEST_F(access, own_cgroup_by_controller)
{
	struct attempt how = { .to = &self->a.caller, .uid = NOBODY };
	struct cg sub = self->a.caller;

	strcat(sub.path, "/sub");
	ASSERT_EQ(0, mkdir(sub.path, 0755));
	ASSERT_EQ(0, heap_param_set("remote_policy", "off"));

	how.from = &sub;
	how.charge_fd = process_of(_metadata, &self->a.caller, OTHER);
	EXPECT_EQ(0, attempt(_metadata, &self->a, &how));
	how.from = &self->a.caller;
	how.charge_fd = process_of(_metadata, &sub, OTHER);
	EXPECT_EQ(0, attempt(_metadata, &self->a, &how));
	how.charge_fd = cg_open(&sub, O_PATH);
	EXPECT_EQ(0, attempt(_metadata, &self->a, &how));
}

/* Rule 2; no cgroup but the root has both processes and cgroups below. */
TEST_F(access, below)
{
	struct attempt how = {
		.from = &self->a.root,
		.to = &self->a.target,
		.uid = NOBODY,
	};
	uint32_t fds[] = {
		process_of(_metadata, &self->a.target, 0), self->a.dir
	};
	unsigned int i;

	ASSERT_EQ(0, heap_param_set("remote_policy", "strict"));
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		how.charge_fd = fds[i];
		EXPECT_EQ(0, attempt(_metadata, &self->a, &how));
		EXPECT_EQ(-EPERM, try_as(_metadata, &self->a, NOBODY, NO_CAPS,
					 0, fds[i]));
	}
}

static int alloc_as_nobody(void *arg)
{
	int fd;

	if (become(NOBODY, NO_CAPS, 0))
		return 201;	/* no errno */
	fd = heap_alloc(heap_open(), TRY_LEN, *(int *)arg);
	return fd < 0 ? -fd : 0;
}

/* The way is open downwards only. */
TEST_F(access, above)
{
	int fd = cg_open(&self->a.env.top, 0);

	EXPECT_EQ(EPERM, cg_reap(cg_run(&self->a.caller, alloc_as_nobody,
					&fd)));
	EXPECT_EQ(0, cgroup_stats(_metadata, &self->a,
				  &self->a.env.top).out_charges);
	EXPECT_EQ(1, cgroup_stats(_metadata, &self->a,
				  &self->a.env.top).out_denials);
}

/* Rule 4. The fds were opened by root, before: what counts is who uses them. */
TEST_F(access, cgroup_directory)
{
	static const struct {
		uid_t owner;
		gid_t group;
		mode_t mode;
		uid_t uid;
		uint64_t caps;
		int ret;
	} t[] = {
		{ 0, 0, 0755, NOBODY, NO_CAPS, -EPERM },
		{ NOBODY, 0, 0755, NOBODY, NO_CAPS, 0 },
		{ OTHER, 0, 0755, NOBODY, NO_CAPS, -EPERM },
		{ 0, NOBODY, 0775, NOBODY, NO_CAPS, 0 },
		{ 0, NOBODY, 0755, NOBODY, NO_CAPS, -EPERM },
		{ 0, OTHER, 0775, NOBODY, NO_CAPS, -EPERM },
		{ 0, OTHER, 0757, NOBODY, NO_CAPS, 0 },
		/* the owner's bits decide for the owner */
		{ NOBODY, NOBODY, 0575, NOBODY, NO_CAPS, -EPERM },
		/* root: as the owner, as nobody in particular, as root */
		{ 0, 0, 0755, 0, NO_CAPS, 0 },
		{ NOBODY, NOBODY, 0700, 0, NO_CAPS, -EPERM },
		{ NOBODY, NOBODY, 0700, 0, ALL_CAPS, 0 },
		{ 0, 0, 0755, NOBODY, CAP(DAC_OVERRIDE), 0 },
		{ 0, 0, 0755, NOBODY, CAP(DAC_READ_SEARCH) | CAP(FOWNER) |
				      CAP(CHOWN) | CAP(KILL), -EPERM },
	};
	int fds[] = { self->a.dir, cg_open(&self->a.target, O_PATH) };
	unsigned int i, j;
	int ret;

	ASSERT_EQ(0, heap_param_set("remote_policy", "strict"));
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		ASSERT_EQ(0, chown(self->a.target.path, t[i].owner,
				   t[i].group));
		ASSERT_EQ(0, chmod(self->a.target.path, t[i].mode));
		for (j = 0; j < ARRAY_SIZE(fds); j++) {
			ret = try_as(_metadata, &self->a, t[i].uid, t[i].caps,
				     self->a.env.dev, fds[j]);
			EXPECT_EQ(t[i].ret, ret)
				TH_LOG("line %u, fd %u", i, j);
		}
	}
}

/* Rule 5, as kill(): real or effective uid against the real or saved one */
TEST_F(access, process_by_uid)
{
	static const struct {
		struct victim victim;
		int ret;
	} t[] = {
		{ { .ruid = NOBODY, .euid = NOBODY, .suid = NOBODY }, 0 },
		{ { .ruid = OTHER, .euid = OTHER, .suid = OTHER }, -EPERM },
		{ { .ruid = 0, .euid = 0, .suid = 0 }, -EPERM },
		/* a setuid program of root's that NOBODY has started */
		{ { .ruid = NOBODY, .euid = 0, .suid = 0 }, 0 },
		/* one that is NOBODY for a while only */
		{ { .ruid = 0, .euid = NOBODY, .suid = 0 }, -EPERM },
		{ { .ruid = 0, .euid = 0, .suid = NOBODY }, 0 },
	};
	struct victim v;
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		v = t[i].victim;
		fd = victim(_metadata, &self->a.target, &v);
		EXPECT_EQ(t[i].ret, try_as(_metadata, &self->a, NOBODY,
					   NO_CAPS, 0, fd))
			TH_LOG("line %u", i);
		ASSERT_EQ(0, heap_param_set("remote_policy", "strict"));
		EXPECT_EQ(-EPERM, try_as(_metadata, &self->a, NOBODY,
					 NO_CAPS, 0, fd));
		ASSERT_EQ(0, heap_param_set("remote_policy", "signal"));
	}
}

/* Rules 5, 6 and 4 by capability */
#define NAMED_CAPS (CAP(KILL) | CAP(SYS_RESOURCE) | CAP(DAC_OVERRIDE))

TEST_F(access, capabilities)
{
	static const struct {
		uid_t uid;
		uint64_t caps;
		int process;
		int directory;
	} t[] = {
		{ NOBODY, NO_CAPS, -EPERM, -EPERM },
		{ NOBODY, CAP(KILL), 0, -EPERM },
		{ NOBODY, CAP(SYS_RESOURCE), 0, 0 },
		{ NOBODY, CAP(DAC_OVERRIDE), -EPERM, 0 },
		{ NOBODY, ~NAMED_CAPS, -EPERM, -EPERM },
		{ NOBODY, NAMED_CAPS, 0, 0 },
		{ NOBODY, ALL_CAPS, 0, 0 },
		{ 0, NO_CAPS, -EPERM, 0 },
		{ 0, ALL_CAPS, 0, 0 },
	};
	int fd = process_of(_metadata, &self->a.target, OTHER);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		EXPECT_EQ(t[i].process, try_as(_metadata, &self->a, t[i].uid,
					       t[i].caps, 0, fd))
			TH_LOG("line %u", i);
		EXPECT_EQ(t[i].directory, try_as(_metadata, &self->a, t[i].uid,
						 t[i].caps, 0, self->a.dir))
			TH_LOG("line %u", i);
	}

	/* What is left of them: who may write may write. */
	ASSERT_EQ(0, heap_param_set("remote_policy", "strict"));
	EXPECT_EQ(-EPERM, try_as(_metadata, &self->a, 0, ALL_CAPS, 0, fd));
	EXPECT_EQ(0, try_as(_metadata, &self->a, 0, ALL_CAPS, 0, self->a.dir));
	EXPECT_EQ(-EPERM, try_as(_metadata, &self->a, NOBODY,
				 CAP(SYS_RESOURCE) | CAP(KILL), 0,
				 self->a.dir));
}

/* A capability is wanted twice: of whoever opened the node, and who uses it. */
TEST_F(access, confused_deputy)
{
	const uint64_t cap = CAP(SYS_RESOURCE);
	struct access_env *a = &self->a;
	int fd = process_of(_metadata, &a->target, OTHER);
	int by_root = a->env.dev;
	int by_nobody = node_of(_metadata, NOBODY, NO_CAPS);
	int by_cap = node_of(_metadata, NOBODY, cap);

	/* a node that was passed lends its opener's power to nobody */
	EXPECT_EQ(-EPERM, try_as(_metadata, a, NOBODY, 0, by_root, fd));
	EXPECT_EQ(-EPERM, try_as(_metadata, a, NOBODY, 0, by_root, a->dir));
	EXPECT_EQ(-EPERM, try_as(_metadata, a, NOBODY, 0, by_cap, fd));
	EXPECT_EQ(-EPERM, try_as(_metadata, a, NOBODY, 0, by_cap, a->dir));

	/* nor the power of whoever was talked into using it */
	EXPECT_EQ(-EPERM, try_as(_metadata, a, NOBODY, cap, by_nobody, fd));
	EXPECT_EQ(-EPERM, try_as(_metadata, a, NOBODY, cap, by_nobody,
				 a->dir));

	EXPECT_EQ(0, try_as(_metadata, a, NOBODY, cap, by_cap, fd));
	EXPECT_EQ(0, try_as(_metadata, a, NOBODY, cap, by_cap, a->dir));
	EXPECT_EQ(0, try_as(_metadata, a, NOBODY, cap, by_root, fd));
	EXPECT_EQ(0, try_as(_metadata, a, NOBODY, cap, by_root, a->dir));

	/* So do the rules before, if they rest on a capability. */
	EXPECT_EQ(-EPERM, try_as(_metadata, a, NOBODY, CAP(KILL), by_nobody,
				 fd));
	EXPECT_EQ(0, try_as(_metadata, a, NOBODY, CAP(KILL), by_root, fd));
	EXPECT_EQ(-EPERM, try_as(_metadata, a, NOBODY, CAP(DAC_OVERRIDE),
				 by_nobody, a->dir));
	EXPECT_EQ(0, try_as(_metadata, a, NOBODY, CAP(DAC_OVERRIDE), by_root,
			    a->dir));
	/* What needs none does not ask who opened it. */
	EXPECT_EQ(0, try_as(_metadata, a, OTHER, 0, by_nobody, fd));
}

/*
 * A directory seen through a mount that is read-only, as containers have it,
 * is not one to write to, whatever its mode.
 */
TEST_F(access, read_only_mount)
{
	const uint64_t caps = CAP(DAC_OVERRIDE);
	struct access_env *a = &self->a;
	int dir;

	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	EXPECT_EQ(0, try_as(_metadata, a, NOBODY, caps, 0, a->dir));
	ASSERT_EQ(0, mount(a->target.path, a->target.path, NULL, MS_BIND,
			   NULL));
	ASSERT_EQ(0, mount(NULL, a->target.path, NULL,
			   MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	dir = cg_open(&a->target, 0);
	ASSERT_GE(dir, 0);
	EXPECT_EQ(-EPERM, try_as(_metadata, a, NOBODY, caps, 0, dir));
	close(dir);
	EXPECT_EQ(0, umount(a->target.path));
	/* the other mount is as it was */
	EXPECT_EQ(0, try_as(_metadata, a, NOBODY, caps, 0, a->dir));
}

static int charge_root(void *arg)
{
	const int *arg_fds = arg;
	int fd;

	if (become_uid(NOBODY, arg_fds[2] ? CAP(SYS_RESOURCE) : NO_CAPS))
		return 1;
	fd = heap_alloc(arg_fds[0], TRY_LEN, arg_fds[1]);
	return fd < 0 ? -fd : 0;
}

/* To charge the root is to charge nobody: it takes the power over limits. */
TEST_F(access, root_cgroup)
{
	struct access_env *a = &self->a;
	int fds[3] = { a->env.dev };

	fds[1] = process_of(_metadata, &a->root, NOBODY);
	EXPECT_EQ(EPERM, cg_reap(cg_run(&a->caller, charge_root, fds)));
	fds[2] = 1;
	EXPECT_EQ(0, cg_reap(cg_run(&a->caller, charge_root, fds)));
}

/* The same by a socket, as a sandbox gets its node */
TEST_F(access, node_by_socket)
{
	struct attempt how = {
		.from = &self->a.caller,
		.to = &self->a.target,
		.uid = NOBODY,
	};
	int sock[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	how.sock = sock[1];
	how.charge_fd = process_of(_metadata, &self->a.target, 0);
	ASSERT_EQ(0, send_fd(sock[0], self->a.env.dev));
	EXPECT_EQ(-EPERM, attempt(_metadata, &self->a, &how));
	how.charge_fd = process_of(_metadata, &self->a.target, NOBODY);
	ASSERT_EQ(0, send_fd(sock[0], self->a.env.dev));
	EXPECT_EQ(0, attempt(_metadata, &self->a, &how));
}

TEST_HARNESS_MAIN
