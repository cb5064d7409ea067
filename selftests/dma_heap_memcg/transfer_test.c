// SPDX-License-Identifier: GPL-2.0-only
/* TRANSFER: somebody else pays, and nobody who uses the buffer notices. */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "transfer_env.h"

#define SIZE	MIB(16)

FIXTURE(transfer) {
	struct transfer_env t;
};

FIXTURE_SETUP(transfer)
{
	transfer_env_setup(_metadata, &self->t, SIZE);
}

FIXTURE_TEARDOWN(transfer)
{
	transfer_env_teardown(_metadata, &self->t);
}

TEST_F(transfer, there_and_back)
{
	struct transfer_env *t = &self->t;
	struct dma_heap_memcg_query_args q;
	char *q_map;

	is_at(_metadata, t, &t->a);
	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, t->b_fd));
	is_at(_metadata, t, &t->b);
	ASSERT_EQ(0, heap_query(t->dev, t->b_fd, &q));
	EXPECT_EQ(1, q.out_local_buffers);
	ASSERT_EQ(0, heap_query(t->dev, t->a_fd, &q));
	EXPECT_EQ(0, q.out_local_buffers);
	EXPECT_EQ(SIZE, q.out_peak);

	/* The old mapping and a new one are of the same pages. */
	q_map = buf_map(t->buf, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, q_map);
	EXPECT_EQ(0, buf_differs(q_map, SIZE, 1));
	buf_fill(t->p, SIZE, 2);
	EXPECT_EQ(0, buf_differs(q_map, SIZE, 2));
	buf_fill(q_map, SIZE, 1);
	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, t->a_fd));
	is_at(_metadata, t, &t->a);
	EXPECT_EQ(0, buf_differs(q_map, SIZE, 1));
}

TEST_F(transfer, to_a_process_and_to_oneself)
{
	struct transfer_env *t = &self->t;
	pid_t pid = cg_spawn(&t->b);
	int pidfd = pidfd_of(pid, 0);

	ASSERT_GE(pidfd, 0);
	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, pidfd));
	is_at(_metadata, t, &t->b);
	cg_kill(pid);
	EXPECT_EQ(-ESRCH, heap_transfer(t->dev, t->buf, pidfd));
	is_at(_metadata, t, &t->b);

	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, HEAP_SELF));
	EXPECT_EQ(0, cg_bytes(t->dev, &t->env.top));
	EXPECT_TRUE(cg_charged(&t->b, 0));
	EXPECT_EQ(0, buf_differs(t->p, SIZE, 1));
	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, t->a_fd));
	is_at(_metadata, t, &t->a);
}

TEST_F(transfer, sizes)
{
	const int64_t sizes[] = {
		PAGE, 17 * PAGE, MIB(1), MIB(2), MIB(3) + 19 * PAGE, MIB(24),
	};
	struct transfer_env *t = &self->t;
	int i, buf;
	char *p;

	for (i = 0; i < (int)ARRAY_SIZE(sizes); i++) {
		buf = heap_alloc(t->dev, sizes[i], t->a_fd);
		ASSERT_GE(buf, 0);
		p = buf_map_at(buf, PROT_READ | PROT_WRITE, (i & 1) * PAGE);
		ASSERT_NE(MAP_FAILED, p);
		/* once before anybody has touched it */
		ASSERT_EQ(0, heap_transfer(t->dev, buf, t->b_fd));
		EXPECT_TRUE(buf_is_zero(p, sizes[i]));
		buf_fill(p, sizes[i], i);
		ASSERT_EQ(0, heap_transfer(t->dev, buf, t->a_fd));
		EXPECT_EQ(0, buf_differs(p, sizes[i], i));
		EXPECT_EQ(SIZE + sizes[i], cg_local_bytes(t->dev, &t->a));
		munmap(p, sizes[i]);
		/* and once while it is mapped nowhere */
		ASSERT_EQ(0, heap_transfer(t->dev, buf, t->b_fd));
		p = buf_map(buf, PROT_READ);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(0, buf_differs(p, sizes[i], i));
		munmap(p, sizes[i]);
		close(buf);
		EXPECT_EQ(0, cg_local_bytes(t->dev, &t->b));
	}
	is_at(_metadata, t, &t->a);
}

/* A name that somebody has given it is not the module's to change. */
TEST_F(transfer, name_of_the_user)
{
	struct transfer_env *t = &self->t;
	char name[64];

	ASSERT_EQ(0, buf_set_name(t->buf, "cg: mine"));
	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, t->b_fd));
	ASSERT_EQ(0, buf_name(t->buf, name, sizeof(name)));
	EXPECT_STREQ("cg: mine", name);
}

TEST_F(transfer, to_the_same)
{
	struct transfer_env *t = &self->t;
	pid_t pid = cg_spawn(&t->a);
	int pidfd = pidfd_of(pid, 0), td = td_open();

	ASSERT_GE(pidfd, 0);
	ASSERT_GE(td, 0);
	/* not even if a limit leaves no room for a copy */
	ASSERT_EQ(0, cg_write_bytes(&t->a, "memory.max",
				    SIZE + MIB(2) + cg_slack()));
	EXPECT_EQ(0, heap_transfer(t->dev, t->buf, t->a_fd));
	EXPECT_EQ(0, heap_transfer(t->dev, t->buf, pidfd));
	is_at(_metadata, t, &t->a);
	/* nor if it could not be moved */
	ASSERT_EQ(0, td_attach(td, t->buf));
	EXPECT_EQ(0, heap_transfer(t->dev, t->buf, t->a_fd));
	is_at(_metadata, t, &t->a);
	cg_kill(pid);
}

/* Mappings of another process, one that it has touched and one not yet */
static int onlooker(struct transfer_env *t, char *fresh, int from_parent,
		    int to_parent)
{
	char byte = 0;

	if (buf_differs(t->p, SIZE, 1))
		return 1;
	if (write(to_parent, &byte, 1) != 1 || read(from_parent, &byte, 1) != 1)
		return 2;
	if (buf_differs(t->p, SIZE, 3) || buf_differs(fresh, SIZE, 3))
		return 3;
	buf_fill(fresh, SIZE, 4);
	return 0;
}

TEST_F(transfer, mappings_of_others)
{
	struct transfer_env *t = &self->t;
	char *fresh = buf_map(t->buf, PROT_READ | PROT_WRITE), byte = 0;
	int down[2], up[2], status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, fresh);
	ASSERT_EQ(0, pipe2(down, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(up, O_CLOEXEC));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(down[1]);
		_exit(onlooker(t, fresh, down[0], up[1]));
	}
	close(up[1]);
	ASSERT_EQ(1, read(up[0], &byte, 1));
	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, t->b_fd));
	EXPECT_EQ(0, buf_differs(t->p, SIZE, 1));
	buf_fill(t->p, SIZE, 3);
	ASSERT_EQ(1, write(down[1], &byte, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, buf_differs(t->p, SIZE, 4));
}

/* Any fd will do; what can be seen through it does not change. */
TEST_F(transfer, read_only_fd)
{
	struct transfer_env *t = &self->t;
	int ro = heap_alloc_flags(t->dev, SIZE, O_RDONLY | O_CLOEXEC, t->a_fd);
	char *p = buf_map(ro, PROT_READ);

	ASSERT_GE(ro, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(buf_is_zero(p, SIZE));
	ASSERT_EQ(0, heap_transfer(t->dev, ro, t->b_fd));
	EXPECT_EQ(SIZE, cg_local_bytes(t->dev, &t->b));
	EXPECT_TRUE(buf_is_zero(p, SIZE));
	EXPECT_EQ(-1, mprotect(p, SIZE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
}

/* The old cgroup is removed first, and its parent charged meanwhile. */
TEST_F(transfer, from_a_removed_cgroup)
{
	struct transfer_env *t = &self->t;

	ASSERT_EQ(0, cg_remove(&t->a));
	EXPECT_EQ(SIZE, cg_bytes(t->dev, &t->env.top));
	EXPECT_TRUE(cg_charged(&t->env.top, SIZE));
	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, t->b_fd));
	EXPECT_EQ(SIZE, cg_local_bytes(t->dev, &t->b));
	EXPECT_EQ(SIZE, cg_bytes(t->dev, &t->env.top));
	EXPECT_TRUE(cg_charged(&t->b, SIZE));
	EXPECT_TRUE(cg_charged(&t->env.top, SIZE));
	EXPECT_EQ(0, buf_differs(t->p, SIZE, 1));
}

TEST_F(transfer, to_a_removed_cgroup)
{
	struct transfer_env *t = &self->t;

	ASSERT_EQ(0, cg_remove(&t->b));
	EXPECT_EQ(-ENODEV, heap_transfer(t->dev, t->buf, t->b_fd));
	EXPECT_EQ(SIZE, cg_local_bytes(t->dev, &t->a));
	EXPECT_TRUE(cg_charged(&t->a, SIZE));
	EXPECT_TRUE(cg_charged(&t->env.top, SIZE));
	EXPECT_EQ(0, buf_differs(t->p, SIZE, 1));
}

/* A grant's bytes come back when its buffer goes to somebody else. */
TEST_F(transfer, budget_of_a_grant)
{
	struct transfer_env *t = &self->t;
	int grant = heap_grant(t->dev, t->a_fd, SIZE, INT64_MAX);
	int first, second;

	ASSERT_GE(grant, 0);
	close(t->buf);
	munmap(t->p, SIZE);
	first = heap_alloc(t->dev, SIZE, grant);
	ASSERT_GE(first, 0);
	EXPECT_EQ(-EDQUOT, heap_alloc(t->dev, PAGE, grant));
	ASSERT_EQ(0, heap_transfer(t->dev, first, t->b_fd));
	second = heap_alloc(t->dev, SIZE / 2, grant);
	ASSERT_GE(second, 0);

	/* and are needed for a buffer that comes */
	EXPECT_EQ(-EDQUOT, heap_transfer(t->dev, first, grant));
	EXPECT_EQ(SIZE, cg_local_bytes(t->dev, &t->b));
	EXPECT_EQ(SIZE / 2, cg_local_bytes(t->dev, &t->a));
	close(second);
	ASSERT_EQ(0, heap_transfer(t->dev, first, grant));
	EXPECT_EQ(SIZE, cg_local_bytes(t->dev, &t->a));
	EXPECT_EQ(-EDQUOT, heap_alloc(t->dev, PAGE, grant));

	/* To the same cgroup, but not by the grant: it is let go of. */
	ASSERT_EQ(0, heap_transfer(t->dev, first, t->a_fd));
	EXPECT_EQ(SIZE, cg_local_bytes(t->dev, &t->a));
	second = heap_alloc(t->dev, SIZE, grant);
	ASSERT_GE(second, 0);
	EXPECT_EQ(2 * SIZE, cg_local_bytes(t->dev, &t->a));

	/* A refused transfer costs nothing. */
	close(first);
	ASSERT_EQ(0, heap_transfer(t->dev, second, t->b_fd));
	ASSERT_EQ(0, cg_write_bytes(&t->a, "memory.max", SIZE / 2));
	EXPECT_EQ(-ENOMEM, heap_transfer(t->dev, second, grant));
	ASSERT_EQ(0, cg_write(&t->a, "memory.max", "max"));
	first = heap_alloc(t->dev, SIZE, grant);
	EXPECT_GE(first, 0);
	EXPECT_EQ(SIZE, cg_local_bytes(t->dev, &t->a));
	EXPECT_EQ(SIZE, cg_local_bytes(t->dev, &t->b));
}

TEST_HARNESS_MAIN
