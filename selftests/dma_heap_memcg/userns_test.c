// SPDX-License-Identifier: GPL-2.0-only
/*
 * User and pid namespaces: what root of one may charge, and who may charge a
 * process that is in one.
 *
 * The namespace here was made by root, so that no setting of the kernel's is
 * in the way. Its root is NOBODY outside; no other uid exists in it. The
 * process that has made it, "inside", is in it as a uid that it does not know.
 */
#include "access.h"
#include "text_util.h"

FIXTURE(userns) {
	struct access_env a;
	int ns;
	int inside;
};

/* A process in a new namespace; where to put an fd of that, and its pidfd */
static void new_userns(struct __test_metadata *_metadata, const struct cg *cg,
		       int *ns, int *pidfd)
{
	struct victim v = { .unshare = true };
	char path[64];

	*pidfd = victim(_metadata, cg, &v);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", v.pid);
	ASSERT_EQ(0, text_write(path, "0 65534 1\n"));
	snprintf(path, sizeof(path), "/proc/%d/ns/user", v.pid);
	*ns = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(*ns, 0);
}

FIXTURE_SETUP(userns)
{
	access_env_setup(_metadata, &self->a);
	new_userns(_metadata, &self->a.target, &self->ns, &self->inside);
}

FIXTURE_TEARDOWN(userns)
{
	access_env_teardown(_metadata, &self->a);
}

/* As NOBODY outside, or, with a namespace, as what it is there: root */
static int try_in(struct __test_metadata *_metadata, struct access_env *a,
		  int userns, uint64_t caps, int node, uint32_t charge_fd)
{
	struct attempt how = {
		.from = &a->caller,
		.to = &a->target,
		.uid = NOBODY,
		.caps = caps,
		.userns = userns,
		.node = node,
		.charge_fd = charge_fd,
	};

	return attempt(_metadata, a, &how);
}

static int inside_ids(void *arg)
{
	FIXTURE_DATA(userns) *self = arg;

	if (become(0, ALL_CAPS, self->ns))
		return 1;
	return getuid() || geteuid() || setresuid(NOBODY, -1, -1) != -1;
}

/* The control: it is root, and there is no other uid. */
TEST_F(userns, root_inside_is_root)
{
	EXPECT_EQ(0, cg_reap(cg_run(&self->a.caller, inside_ids, self)));
}

/* All capabilities of a namespace count for nothing outside. */
TEST_F(userns, root_inside_is_nobody_outside)
{
	struct access_env *a = &self->a;
	int nodes[] = { 0, a->env.dev };
	int root = process_of(_metadata, &a->target, 0);
	int other = process_of(_metadata, &a->target, OTHER);
	int nobody = process_of(_metadata, &a->target, NOBODY);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		EXPECT_EQ(-EPERM, try_in(_metadata, a, self->ns, ALL_CAPS,
					 nodes[i], root));
		EXPECT_EQ(-EPERM, try_in(_metadata, a, self->ns, ALL_CAPS,
					 nodes[i], other));
		EXPECT_EQ(-EPERM, try_in(_metadata, a, self->ns, ALL_CAPS,
					 nodes[i], a->dir));
		/* which is what it is itself */
		EXPECT_EQ(0, try_in(_metadata, a, self->ns, ALL_CAPS,
				    nodes[i], nobody));
	}
	ASSERT_EQ(0, chown(a->target.path, NOBODY, NOBODY));
	EXPECT_EQ(0, try_in(_metadata, a, self->ns, ALL_CAPS, 0, a->dir));
	EXPECT_EQ(0, try_in(_metadata, a, self->ns, NO_CAPS, 0, a->dir));
}

/* The way of everybody who may make namespaces */
TEST_F(userns, namespace_of_ones_own)
{
	struct attempt how = {
		.from = &self->a.caller,
		.to = &self->a.target,
		.uid = NOBODY,
		/* for kernels that let only some make one; gone then */
		.caps = CAP(SYS_ADMIN),
		.unshare = true,
	};

	how.charge_fd = process_of(_metadata, &self->a.target, OTHER);
	EXPECT_EQ(-EPERM, attempt(_metadata, &self->a, &how));
	how.charge_fd = self->inside;
	EXPECT_EQ(-EPERM, attempt(_metadata, &self->a, &how));
	how.charge_fd = self->a.dir;
	EXPECT_EQ(-EPERM, attempt(_metadata, &self->a, &how));
	how.charge_fd = process_of(_metadata, &self->a.target, NOBODY);
	EXPECT_EQ(0, attempt(_metadata, &self->a, &how));
}

/* A process in the namespace, of another uid: its capabilities do count. */
TEST_F(userns, root_inside_rules_inside)
{
	struct access_env *a = &self->a;
	uint64_t cap = CAP(SYS_RESOURCE);
	int ns = self->ns, fd = self->inside;
	int by_nobody = node_of(_metadata, NOBODY, NO_CAPS);

	EXPECT_EQ(0, try_in(_metadata, a, ns, ALL_CAPS, 0, fd));
	EXPECT_EQ(0, try_in(_metadata, a, ns, CAP(KILL), 0, fd));
	EXPECT_EQ(0, try_in(_metadata, a, ns, cap, 0, fd));
	EXPECT_EQ(0, try_in(_metadata, a, ns, cap, a->env.dev, fd));
	EXPECT_EQ(-EPERM, try_in(_metadata, a, ns, cap, by_nobody, fd));
	EXPECT_EQ(-EPERM, try_in(_metadata, a, ns, NO_CAPS, 0, fd));
	EXPECT_EQ(-EPERM, try_in(_metadata, a, ns, ~(cap | CAP(KILL)), 0, fd));

	/* Nobody is root of it, but not by being nobody. */
	EXPECT_EQ(-EPERM, try_in(_metadata, a, 0, NO_CAPS, 0, fd));
	/* Those of the namespace around it reach it. */
	EXPECT_EQ(0, try_in(_metadata, a, 0, cap, 0, fd));
	EXPECT_EQ(0, try_in(_metadata, a, 0, CAP(KILL), 0, fd));

	ASSERT_EQ(0, heap_param_set("remote_policy", "strict"));
	EXPECT_EQ(-EPERM, try_in(_metadata, a, ns, ALL_CAPS, 0, fd));
}

/* Beside each other: two namespaces whose root is the same uid */
TEST_F(userns, other_namespace)
{
	int ns, fd;

	new_userns(_metadata, &self->a.target, &ns, &fd);
	EXPECT_EQ(0, try_in(_metadata, &self->a, ns, ALL_CAPS, 0, fd));
	EXPECT_EQ(-EPERM, try_in(_metadata, &self->a, ns, ALL_CAPS, 0,
				 self->inside));
	EXPECT_EQ(-EPERM, try_in(_metadata, &self->a, self->ns, ALL_CAPS, 0,
				 fd));
}

/* A namespace is no shelter from one's own user, and opens to no other. */
TEST_F(userns, uid_of_a_process_inside)
{
	struct victim same = { .ruid = NOBODY, .userns = self->ns };
	struct victim other = { .ruid = OTHER, .userns = self->ns };

	EXPECT_EQ(0, try_in(_metadata, &self->a, 0, NO_CAPS, 0,
			    victim(_metadata, &self->a.target, &same)));
	EXPECT_EQ(-EPERM, try_in(_metadata, &self->a, 0, NO_CAPS, 0,
				 victim(_metadata, &self->a.target, &other)));
}

/*
 * The first process of a pid namespace sends its pidfd, which is 1 to it, and
 * sleeps.
 */
struct inner {
	uid_t uid;
	int sock[2];
};

static int inner_main(void *arg)
{
	const struct inner *inner = arg;
	pid_t pid;

	if (unshare(CLONE_NEWPID))
		return 1;
	pid = fork();
	if (pid) {
		/* and takes it along */
		syscall(SYS_close_range, 3, UINT_MAX, 0);
		return cg_reap(pid);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (become_uid(inner->uid, NO_CAPS) || getpid() != 1 ||
	    send_fd(inner->sock[1], pidfd_of(getpid(), 0)))
		_exit(2);
	/* The change of uid has cleared it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	syscall(SYS_close_range, 3, UINT_MAX, 0);
	for (;;)
		pause();
}

static int inner_process(struct __test_metadata *_metadata,
			 const struct cg *cg, uid_t uid)
{
	struct inner inner = { .uid = uid };
	int fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				inner.sock));
	ASSERT_GT(access_keep(cg_run(cg, inner_main, &inner)), 0);
	close(inner.sock[1]);
	fd = recv_fd(inner.sock[0]);
	ASSERT_GT(fd, 0);
	close(inner.sock[0]);
	return fd;
}

/* A pidfd is no number: it means the same in all pid namespaces. */
TEST_F(userns, pid_namespaces)
{
	struct attempt how = {
		.from = &self->a.caller,
		.to = &self->a.target,
		.uid = NOBODY,
	};
	int nobody = inner_process(_metadata, &self->a.target, NOBODY);
	int other = inner_process(_metadata, &self->a.target, OTHER);

	how.charge_fd = nobody;
	EXPECT_EQ(0, attempt(_metadata, &self->a, &how));
	how.charge_fd = other;
	EXPECT_EQ(-EPERM, attempt(_metadata, &self->a, &how));

	/*
	 * From within one, what is outside can be held but not signalled,
	 * neither by the same user, nor with CAP_KILL.
	 */
	how.pidns = true;
	EXPECT_EQ(-EPERM, attempt(_metadata, &self->a, &how));
	how.charge_fd = nobody;
	EXPECT_EQ(-EPERM, attempt(_metadata, &self->a, &how));
	how.caps = CAP(KILL);
	EXPECT_EQ(-EPERM, attempt(_metadata, &self->a, &how));
	how.caps = NO_CAPS;
	how.to = &self->a.caller;
	how.own_pidfd = true;
	EXPECT_EQ(0, attempt(_metadata, &self->a, &how));
}

TEST_HARNESS_MAIN
