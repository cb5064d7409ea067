// SPDX-License-Identifier: GPL-2.0-only
/* TRANSFER refused: nothing has changed; without the reason it works. */
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "transfer_env.h"

#include "syncobj_util.h"
#include "unpriv_env.h"

#define SIZE	MIB(16)

FIXTURE(refused) {
	struct transfer_env t;
};

FIXTURE_SETUP(refused)
{
	transfer_env_setup(_metadata, &self->t, SIZE);
}

FIXTURE_TEARDOWN(refused)
{
	transfer_env_teardown(_metadata, &self->t);
}

static int64_t failures(struct transfer_env *t, int cg_fd)
{
	struct dma_heap_memcg_query_args q;
	int ret = heap_query(t->dev, cg_fd, &q);

	return ret ?: (int64_t)q.out_failures;
}

static int64_t kills(const struct cg *cg)
{
	return cg_read_key(cg, "memory.events", "oom_kill");
}

/* No room for it at all, which can be told before anything is done */
TEST_F(refused, above_the_limit)
{
	struct transfer_env *t = &self->t;
	int64_t before;

	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, t->b_fd));
	ASSERT_EQ(0, cg_write_bytes(&t->a, "memory.max", SIZE / 2));
	before = failures(t, t->a_fd);
	ASSERT_GE(before, 0);
	EXPECT_EQ(-ENOMEM, heap_transfer(t->dev, t->buf, t->a_fd));
	is_at(_metadata, t, &t->b);
	EXPECT_EQ(before + 1, failures(t, t->a_fd));
	EXPECT_EQ(0, failures(t, t->b_fd));
	ASSERT_EQ(0, cg_write(&t->a, "memory.max", "max"));
	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, t->a_fd));
	is_at(_metadata, t, &t->a);
}

/* The room ends halfway; a process in the cgroup lives on. */
TEST_F(refused, little_below_the_limit)
{
	struct transfer_env *t = &self->t;
	pid_t pid = cg_spawn(&t->b);
	int other, i;

	ASSERT_GT(pid, 0);
	other = heap_alloc(t->dev, SIZE / 2, t->b_fd);
	ASSERT_GE(other, 0);
	ASSERT_EQ(0, cg_write_bytes(&t->b, "memory.max", SIZE + SIZE / 4));
	for (i = 0; i < 5; i++)
		EXPECT_EQ(-ENOMEM, heap_transfer(t->dev, t->buf, t->b_fd));
	EXPECT_EQ(0, kill(pid, 0));
	EXPECT_EQ(0, kills(&t->b));
	EXPECT_EQ(5, failures(t, t->b_fd));
	close(other);
	is_at(_metadata, t, &t->a);
	ASSERT_EQ(0, cg_write(&t->b, "memory.max", "max"));
	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, t->b_fd));
	is_at(_metadata, t, &t->b);
	EXPECT_EQ(0, kill(pid, 0));
	cg_kill(pid);
}

/* Both are charged while it is copied, and so is what they have in common. */
TEST_F(refused, limit_of_the_parent)
{
	struct transfer_env *t = &self->t;
	struct cg parent, c[2];
	int buf, to, i;
	char *p;

	ASSERT_EQ(0, cg_new(&parent, &t->env.top, "parent"));
	ASSERT_EQ(0, cg_new(&c[0], &parent, "c0"));
	ASSERT_EQ(0, cg_new(&c[1], &parent, "c1"));
	to = cg_open(&c[1], 0);
	buf = heap_alloc(t->dev, SIZE, cg_open(&c[0], 0));
	ASSERT_GE(buf, 0);
	p = buf_map(buf, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	buf_fill(p, SIZE, 2);

	ASSERT_EQ(0, cg_write_bytes(&parent, "memory.max", SIZE * 3 / 2));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-ENOMEM, heap_transfer(t->dev, buf, to));
	EXPECT_EQ(SIZE, cg_local_bytes(t->dev, &c[0]));
	EXPECT_EQ(0, cg_local_bytes(t->dev, &c[1]));
	EXPECT_EQ(SIZE, cg_bytes(t->dev, &parent));
	EXPECT_TRUE(cg_charged(&parent, SIZE));
	EXPECT_EQ(0, buf_differs(p, SIZE, 2));
	ASSERT_EQ(0, cg_write_bytes(&parent, "memory.max",
				    2 * SIZE + MIB(2) + cg_slack()));
	ASSERT_EQ(0, heap_transfer(t->dev, buf, to));
	EXPECT_EQ(SIZE, cg_local_bytes(t->dev, &c[1]));
	EXPECT_TRUE(cg_charged(&parent, SIZE));
	EXPECT_EQ(0, buf_differs(p, SIZE, 2));
}

TEST_F(refused, while_a_device_has_it)
{
	struct transfer_env *t = &self->t;
	int td = td_open(), td2 = td_open();

	ASSERT_GE(td, 0);
	ASSERT_GE(td2, 0);
	ASSERT_EQ(0, td_attach(td, t->buf));
	EXPECT_EQ(-EBUSY, heap_transfer(t->dev, t->buf, t->b_fd));
	ASSERT_EQ(0, td_map(td, TD_BOTH, NULL));
	EXPECT_EQ(-EBUSY, heap_transfer(t->dev, t->buf, t->b_fd));
	is_at(_metadata, t, &t->a);
	ASSERT_EQ(0, td_attach(td2, t->buf));
	ASSERT_EQ(0, td_release(td));
	EXPECT_EQ(-EBUSY, heap_transfer(t->dev, t->buf, t->b_fd));
	close(td2);
	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, t->b_fd));
	is_at(_metadata, t, &t->b);

	/* A device that comes now gets the new pages. */
	ASSERT_EQ(0, td_import(td, t->buf, TD_BOTH));
	ASSERT_EQ(0, td_sg_fill(td, 0, SIZE, 77));
	EXPECT_EQ(0, words_other(t->p, SIZE, 77));
}

TEST_F(refused, while_the_kernel_has_it_mapped)
{
	struct transfer_env *t = &self->t;
	int td = td_open(), td2 = td_open();
	uint64_t sum;

	ASSERT_GE(td, 0);
	ASSERT_GE(td2, 0);
	ASSERT_EQ(0, td_vmap(td, t->buf));
	ASSERT_EQ(0, td_vmap(td2, t->buf));
	EXPECT_EQ(-EBUSY, heap_transfer(t->dev, t->buf, t->b_fd));
	ASSERT_EQ(0, td_vunmap(td));
	EXPECT_EQ(-EBUSY, heap_transfer(t->dev, t->buf, t->b_fd));
	is_at(_metadata, t, &t->a);
	ASSERT_EQ(0, td_vunmap(td2));
	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, t->b_fd));
	is_at(_metadata, t, &t->b);
	ASSERT_EQ(0, td_vmap(td, t->buf));
	EXPECT_EQ(0, td_vmap_sum(td, 0, SIZE, &sum));
	EXPECT_EQ(words_sum(t->p, SIZE), sum);
}

static int foreign_buffer(void)
{
	struct udmabuf_create args = { .size = 16 * PAGE };
	int fd, dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);

	if (dev < 0)
		return -errno;
	args.memfd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (ftruncate(args.memfd, args.size) ||
	    fcntl(args.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -errno;
	fd = ioctl(dev, UDMABUF_CREATE, &args);
	return fd < 0 ? -errno : fd;
}

/* On kernels that have neither heap nor udmabuf drm_test has a third one. */
TEST_F(refused, what_is_not_of_this_heap)
{
	struct transfer_env *t = &self->t;
	int stock = heap_stock_open(), buf = foreign_buffer(), fds[2];
	int grant = heap_grant(t->dev, t->a_fd, SIZE, INT64_MAX);

	TH_LOG("udmabuf: %d, stock heap: %d", buf, stock);
	if (kernel_is_row() && kernel_at_least(6, 12)) {
		ASSERT_GE(buf, 0);
#ifndef __aarch64__	/* Debian's are built without dma-heaps. */
		ASSERT_GE(stock, 0);
#endif
	}
	if (buf >= 0)
		EXPECT_EQ(-EINVAL, heap_transfer(t->dev, buf, t->b_fd));
	if (stock >= 0) {
		buf = heap_alloc_plain(stock, 16 * PAGE);
		ASSERT_GE(buf, 0);
		EXPECT_EQ(-EINVAL, heap_transfer(t->dev, buf, t->b_fd));
	}
	ASSERT_GE(grant, 0);
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	EXPECT_EQ(-EINVAL, heap_transfer(t->dev, t->dev, t->b_fd));
	EXPECT_EQ(-EINVAL, heap_transfer(t->dev, grant, t->b_fd));
	EXPECT_EQ(-EINVAL, heap_transfer(t->dev, t->b_fd, t->b_fd));
	EXPECT_EQ(-EINVAL, heap_transfer(t->dev, fds[0], t->b_fd));
	close(fds[0]);
	EXPECT_EQ(-EBADF, heap_transfer(t->dev, fds[0], t->b_fd));
	EXPECT_EQ(-EBADF, heap_transfer(t->dev, -1, t->b_fd));
	EXPECT_EQ(0, cg_bytes(t->dev, &t->b));
}

TEST_F(refused, to_what_cannot_be_charged)
{
	struct transfer_env *t = &self->t;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int before = count_fds();

	EXPECT_EQ(-EBADF, heap_transfer(t->dev, t->buf, null));
	EXPECT_EQ(-EBADF, heap_transfer(t->dev, t->buf, t->dev));
	EXPECT_EQ(-EBADF, heap_transfer(t->dev, t->buf, t->buf));
	EXPECT_EQ(-EBADF, heap_transfer(t->dev, t->buf, 9999));
	EXPECT_EQ(before, count_fds());
	is_at(_metadata, t, &t->a);
}

struct unprivileged {
	struct transfer_env *t;
	int pidfd;	/* of root's process in b */
};

/* Nobody, in a cgroup beside a and b, with fds that root has opened */
static int unprivileged(void *arg)
{
	struct unprivileged *u = arg;
	struct transfer_env *t = u->t;

	if (become_nobody())
		return 1;
	if (heap_transfer(t->dev, t->buf, t->b_fd) != -EPERM)
		return 2;
	if (heap_transfer(t->dev, t->buf, u->pidfd) != -EPERM)
		return 3;
	if (buf_differs(t->p, SIZE, 1))
		return 4;
	/* To take a charge upon oneself needs no permission. */
	if (heap_transfer(t->dev, t->buf, HEAP_SELF))
		return 5;
	/* But there is no way back. */
	if (heap_transfer(t->dev, t->buf, t->a_fd) != -EPERM)
		return 6;
	return 0;
}

TEST_F(refused, without_permission)
{
	struct transfer_env *t = &self->t;
	struct dma_heap_memcg_query_args q;
	struct unprivileged u = { .t = t };
	struct cg own;
	pid_t pid, child;
	int status;

	ASSERT_EQ(0, cg_new(&own, &t->env.top, "own"));
	pid = cg_spawn(&t->b);
	u.pidfd = pidfd_of(pid, 0);
	ASSERT_GE(u.pidfd, 0);

	child = cg_run(&own, unprivileged, &u);
	ASSERT_GT(child, 0);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("status %#x", status);
	EXPECT_EQ(SIZE, cg_local_bytes(t->dev, &own));
	EXPECT_EQ(0, cg_bytes(t->dev, &t->a));
	EXPECT_EQ(0, cg_bytes(t->dev, &t->b));
	EXPECT_TRUE(cg_charged(&own, SIZE));
	EXPECT_EQ(0, buf_differs(t->p, SIZE, 1));
	ASSERT_EQ(0, heap_query(t->dev, t->b_fd, &q));
	EXPECT_EQ(2, q.out_denials);
	EXPECT_EQ(0, q.out_failures);
	ASSERT_EQ(0, heap_query(t->dev, t->a_fd, &q));
	EXPECT_EQ(1, q.out_denials);
	cg_kill(pid);

	/* Root may, from the root. */
	ASSERT_EQ(0, heap_transfer(t->dev, t->buf, t->a_fd));
	is_at(_metadata, t, &t->a);
}

/* Flags and sizes that this module does not know */
TEST_F(refused, unknown_arguments)
{
	struct transfer_env *t = &self->t;
	struct {
		struct dma_heap_memcg_transfer_args args;
		uint64_t more;
	} a = {
		.args.size = sizeof(a.args),
		.args.dmabuf_fd = t->buf,
		.args.charge_fd = t->b_fd,
	};
	const unsigned long cmd = DMA_HEAP_MEMCG_IOC_TRANSFER;

	a.args.flags = 1;
	EXPECT_EQ(-EINVAL, so_try(t->dev, cmd, &a));
	a.args.flags = 0;
	a.args.size = offsetof(struct dma_heap_memcg_transfer_args, charge_fd);
	EXPECT_EQ(-EINVAL, so_try(t->dev, cmd, &a));
	a.args.size = sizeof(a);
	a.more = 1;
	EXPECT_EQ(-E2BIG, so_try(t->dev, cmd, &a));
	EXPECT_EQ(-EFAULT, so_try(t->dev, cmd, NULL));
	is_at(_metadata, t, &t->a);
	/* A longer struct is all right if what is new in it is zero. */
	a.more = 0;
	EXPECT_EQ(0, so_try(t->dev, cmd, &a));
	is_at(_metadata, t, &t->b);
}

TEST_HARNESS_MAIN
