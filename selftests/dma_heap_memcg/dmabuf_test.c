// SPDX-License-Identifier: GPL-2.0-only
/* What every dma-buf can: CPU access, a name, a size, to be passed around. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "heap_env.h"

#include "dmabuf_util.h"
#include "syncobj_util.h"
#include "thread_util.h"
#include "unpriv_env.h"

#define SIZE	MIB(16)

FIXTURE(dmabuf) {
	struct heap_env env;
	struct cg cg;
	int buf;	/* SIZE bytes, charged to cg */
};

FIXTURE_SETUP(dmabuf)
{
	heap_env_setup(_metadata, &self->env);
	ASSERT_EQ(0, cg_new(&self->cg, &self->env.top, "dmabuf"));
	self->buf = heap_alloc(self->env.dev, SIZE, cg_open(&self->cg, 0));
	ASSERT_GE(self->buf, 0);
}

FIXTURE_TEARDOWN(dmabuf)
{
	buf_unmap_all();
	heap_env_teardown(_metadata, &self->env);
}

/*
 * Nobody may, but somebody does (KVM did) take a reference to a page of a dma-buf: of
 * its block that page is left, and charged, and nothing else.
 */
TEST_F(dmabuf, a_page_that_is_held)
{
	const int64_t size = MIB(8);
	int td = td_open(), other, buf, dir;
	struct cg held;
	char *p;

	ASSERT_GE(td, 0);
	ASSERT_EQ(0, cg_new(&held, &self->env.top, "held"));
	dir = cg_open(&held, 0);
	memory_compact();
	buf = heap_alloc(self->env.dev, size, dir);
	ASSERT_GE(buf, 0);
	ASSERT_EQ(0, td_import(td, buf, TD_BOTH));
	ASSERT_EQ(0, td_sg_fill(td, 0, size, 0x5a5a));
	ASSERT_EQ(0, td_hold(td, 0));
	ASSERT_EQ(0, td_release(td));
	EXPECT_TRUE(cg_charged(&held, size));
	close(buf);
	EXPECT_TRUE(cg_charged(&held, 0));
	/* It is used by others again. */
	other = heap_alloc(self->env.dev, size, dir);
	ASSERT_GE(other, 0);
	p = buf_map(other, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(buf_is_zero(p, size));
	buf_fill(p, size, 3);
	close(td);
	EXPECT_EQ(0, buf_differs(p, size, 3));
	munmap(p, size);
	close(other);
	EXPECT_TRUE(cg_charged(&held, 0));
}

static const uint64_t accesses[] = {
	DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE, DMA_BUF_SYNC_RW,
};

TEST_F(dmabuf, sync)
{
	char *p = buf_map(self->buf, PROT_READ | PROT_WRITE);
	int i, ro;

	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < (int)ARRAY_SIZE(accesses); i++) {
		EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_START |
				      accesses[i]));
		buf_fill(p, SIZE, i);
		EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_END |
				      accesses[i]));
		EXPECT_EQ(0, buf_differs(p, SIZE, i));
	}
	/* They may be nested, and nobody counts them. */
	EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_START |
			      DMA_BUF_SYNC_READ));
	EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_START |
			      DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));

	ro = heap_alloc_flags(self->env.dev, PAGE, O_RDONLY | O_CLOEXEC,
			      HEAP_SELF);
	ASSERT_GE(ro, 0);
	EXPECT_EQ(0, buf_sync(ro, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
	EXPECT_EQ(0, buf_sync(ro, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ));
}

TEST_F(dmabuf, sync_refuses)
{
	EXPECT_EQ(-EINVAL, buf_sync(self->buf, 0));
	EXPECT_EQ(-EINVAL, buf_sync(self->buf, DMA_BUF_SYNC_END));
	EXPECT_EQ(-EINVAL, buf_sync(self->buf, 8));
	EXPECT_EQ(-EINVAL, buf_sync(self->buf, DMA_BUF_SYNC_RW | 8));
	EXPECT_EQ(-EINVAL, buf_sync(self->buf, DMA_BUF_SYNC_RW | 1ULL << 32));
	EXPECT_EQ(-EINVAL, buf_sync(self->buf, UINT64_MAX));
	EXPECT_EQ(-EFAULT, so_try(self->buf, DMA_BUF_IOCTL_SYNC, NULL));
	EXPECT_EQ(-ENOTTY, so_try(self->buf, _IO('b', 0x77), NULL));
	/* The device's own ioctls are the device's. */
	EXPECT_EQ(-ENOTTY, so_try(self->buf, DMA_HEAP_MEMCG_IOC_CAPS, NULL));
}

/* With a device's mapping, and one of the kernel's, that want to be synced */
TEST_F(dmabuf, sync_while_mapped_elsewhere)
{
	char *p = buf_map(self->buf, PROT_READ | PROT_WRITE);
	int i, td = td_open();
	uint64_t sum;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_GE(td, 0);
	ASSERT_EQ(0, td_import(td, self->buf, TD_BOTH));
	ASSERT_EQ(0, td_vmap(td, self->buf));
	for (i = 0; i < (int)ARRAY_SIZE(accesses); i++) {
		EXPECT_EQ(0, td_sg_fill(td, 0, SIZE, 100 + i));
		EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_START |
				      accesses[i]));
		EXPECT_EQ(0, words_other(p, SIZE, 100 + i));
		buf_fill(p, SIZE, i);
		EXPECT_EQ(0, buf_sync(self->buf, DMA_BUF_SYNC_END |
				      accesses[i]));
		EXPECT_EQ(0, td_sg_sum(td, 0, SIZE, &sum));
		EXPECT_EQ(words_sum(p, SIZE), sum);
		EXPECT_EQ(0, td_vmap_sum(td, 0, SIZE, &sum));
		EXPECT_EQ(words_sum(p, SIZE), sum);
	}
}

TEST_F(dmabuf, size_and_seeking)
{
	EXPECT_EQ(SIZE, lseek(self->buf, 0, SEEK_END));
	EXPECT_EQ(0, lseek(self->buf, 0, SEEK_SET));
	EXPECT_EQ(-1, lseek(self->buf, 1, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->buf, -1, SEEK_END));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->buf, 0, SEEK_CUR));
	EXPECT_EQ(EINVAL, errno);
}

/* Only by mapping */
TEST_F(dmabuf, no_read_or_write)
{
	char c = 'x';

	EXPECT_EQ(-1, read(self->buf, &c, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->buf, &c, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ftruncate(self->buf, PAGE));
	EXPECT_EQ(SIZE, buf_size(self->buf));
}

static bool fdinfo_has(int fd, const char *want)
{
	char path[64], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = !strcmp(line, want);
	if (f)
		fclose(f);
	return found;
}

TEST_F(dmabuf, name)
{
	char name[64], want[64], longest[33];

	snprintf(want, sizeof(want), "cg:%llu",
		 (unsigned long long)cg_id(&self->cg));
	ASSERT_EQ(0, buf_name(self->buf, name, sizeof(name)));
	EXPECT_STREQ(want, name);
	snprintf(want, sizeof(want), "size:\t%lld\n", (long long)SIZE);
	EXPECT_TRUE(fdinfo_has(self->buf, want));

	/* Whoever uses it may call it something else. */
	EXPECT_EQ(0, buf_set_name(self->buf, "framebuffer 7"));
	ASSERT_EQ(0, buf_name(self->buf, name, sizeof(name)));
	EXPECT_STREQ("framebuffer 7", name);

	memset(longest, 'x', sizeof(longest));
	longest[32] = '\0';
	EXPECT_EQ(-EINVAL, buf_set_name(self->buf, longest));
	longest[31] = '\0';
	EXPECT_EQ(0, buf_set_name(self->buf, longest));
	ASSERT_EQ(0, buf_name(self->buf, name, sizeof(name)));
	EXPECT_STREQ(longest, name);
	EXPECT_EQ(-EFAULT, buf_set_name(self->buf, (char *)1));
	ASSERT_EQ(0, buf_name(self->buf, name, sizeof(name)));
	EXPECT_STREQ(longest, name);
}

TEST_F(dmabuf, ready_while_nobody_works_on_it)
{
	struct pollfd pfd = { .fd = self->buf, .events = POLLIN | POLLOUT };

	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT, pfd.revents);
}

/* An unprivileged client: sees seed 1, leaves seed 2. */
static int client(int sock)
{
	char *p, byte = 'k';
	int buf;

	if (become_nobody())
		return 1;
	buf = recv_fd(sock);
	if (buf < 0)
		return 2;
	p = buf_map(buf, PROT_READ | PROT_WRITE);
	if (p == MAP_FAILED)
		return 3;
	close(buf);
	if (buf_differs(p, SIZE, 1))
		return 4;
	buf_fill(p, SIZE, 2);
	/* It stays mapped until the other end says so. */
	if (write(sock, &byte, 1) != 1 || read(sock, &byte, 1) != 1)
		return 5;
	return 0;
}

/* In the socket, then in another process: the charge stays all the while. */
TEST_F(dmabuf, passed_over_a_socket)
{
	char *p = buf_map(self->buf, PROT_READ | PROT_WRITE), byte = 'k';
	int dev = self->env.dev, socks[2], fd, status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	buf_fill(p, SIZE, 1);
	munmap(p, SIZE);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				socks));
	ASSERT_EQ(0, send_fd(socks[0], self->buf));
	close(self->buf);
	EXPECT_EQ(SIZE, cg_local_bytes(dev, &self->cg));

	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(socks[0]);
		_exit(client(socks[1]));
	}
	close(socks[1]);
	ASSERT_EQ(1, read(socks[0], &byte, 1));
	EXPECT_EQ(SIZE, cg_local_bytes(dev, &self->cg));
	EXPECT_TRUE(cg_charged(&self->cg, SIZE));
	ASSERT_EQ(1, write(socks[0], &byte, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, cg_local_bytes(dev, &self->cg));
	EXPECT_TRUE(cg_charged(&self->cg, 0));

	/* Sent and never received: gone with the socket. */
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				socks));
	fd = heap_alloc(dev, SIZE, cg_open(&self->cg, 0));
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, send_fd(socks[0], fd));
	close(fd);
	EXPECT_EQ(SIZE, cg_local_bytes(dev, &self->cg));
	close(socks[0]);
	close(socks[1]);
	EXPECT_TRUE(cg_charged(&self->cg, 0));
	EXPECT_EQ(0, cg_local_bytes(dev, &self->cg));
}

/* Any fd of it keeps it: a duplicate, a child's. */
TEST_F(dmabuf, the_last_fd_counts)
{
	int dev = self->env.dev, copy = dup(self->buf), fds[2], status;
	char byte;
	pid_t pid;

	ASSERT_GE(copy, 0);
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	close(self->buf);
	EXPECT_EQ(SIZE, cg_local_bytes(dev, &self->cg));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[1]);
		_exit(read(fds[0], &byte, 1) ? 1 : 0);
	}
	close(fds[0]);
	close(copy);
	EXPECT_EQ(SIZE, cg_local_bytes(dev, &self->cg));
	EXPECT_TRUE(cg_charged(&self->cg, SIZE));
	close(fds[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, cg_local_bytes(dev, &self->cg));
	EXPECT_TRUE(cg_charged(&self->cg, 0));
}

TEST_HARNESS_MAIN
