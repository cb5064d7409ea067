// SPDX-License-Identifier: GPL-2.0-only
/*
 * dma_heap_memcg against the stock system heap, in one boot, alternating.
 *
 * With scripts/vm --icount a nanosecond is an instruction of the guest's one
 * CPU, so that the figures are instructions per operation and the same on every
 * machine. Each line: operation, smallest and median of ROUNDS for both, and
 * the ratio of the medians; and the samples (samples.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/dma-heap-memcg.h>

#include "dmabuf_util.h"
#include "run.h"
#include "samples.h"
#include "syncobj_util.h"
#include "text_util.h"

#define ROUNDS	9
#define FEW	3	/* where a round takes seconds */
#define MANY	256
#define KIB(n)	((size_t)(n) << 10)
#define MIB(n)	((size_t)(n) << 20)
#define CGROUP	"/sys/fs/cgroup/heap-bench"

static int ours, stock, importer;
static unsigned int charge_fd;	/* 0: nobody, as all here is in the root */

static int alloc(int dev, size_t len)
{
	struct dma_heap_memcg_allocation_data data = {
		.len = len,
		.fd_flags = O_RDWR | O_CLOEXEC,
		.charge_fd = dev == ours ? charge_fd : 0,
	};

	if (ioctl(dev, DMA_HEAP_MEMCG_IOCTL_ALLOC, &data))
		die("ALLOC");
	return data.fd;
}

/* Of small buffers many: what the allocators have at hand differs from one to the next. */
static int nr_buffers(size_t len)
{
	return len <= KIB(64) ? MANY : len <= MIB(1) ? MANY / 8 : 1;
}

/* One after another, as a client that has one buffer at a time */
static int64_t alloc_free(int dev, size_t len)
{
	int n = nr_buffers(len), i;
	int64_t start = now_ns();

	for (i = 0; i < n; i++)
		close(alloc(dev, len));
	return (now_ns() - start) / n;
}

/* What follows measures one thing after another, and writes each to its place in @took. */

static void one(int dev, size_t len, int64_t *took)
{
	took[0] = alloc_free(dev, len);
}

static void many(int dev, size_t len, int64_t *took)
{
	int n = nr_buffers(len), fds[MANY], i;
	int64_t t[3];

	t[0] = now_ns();
	for (i = 0; i < n; i++)
		fds[i] = alloc(dev, len);
	t[1] = now_ns();
	for (i = 0; i < n; i++)
		close(fds[i]);
	t[2] = now_ns();
	for (i = 0; i < 2; i++)
		took[i] = (t[i + 1] - t[i]) / n;
}

/*
 * By a test module's device. What that adds of its own is a look at each entry of the
 * table, for both.
 */
static void import(int dev, size_t len, int64_t *took)
{
	int fd = alloc(dev, len);
	int64_t t[3];

	t[0] = now_ns();
	if (td_import(importer, fd, TD_BOTH))
		die("attach and map");
	t[1] = now_ns();
	if (td_release(importer))
		die("unmap and detach");
	t[2] = now_ns();
	close(fd);
	took[0] = t[1] - t[0];
	took[1] = t[2] - t[1];
}

/* Both must be given the same place, aligned for huge pages. */
static void *map_at(size_t len)
{
	size_t huge = MIB(2);
	char *p = mmap(NULL, len + huge, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t at = ((uintptr_t)p + huge - 1) & ~(huge - 1);

	munmap(p, len + huge);
	return (void *)at;
}

static void mapping(int dev, size_t len, int64_t *took)
{
	int fd = alloc(dev, len);
	int64_t t[4], sum = 0;
	char *p;
	void *at = map_at(len);
	size_t i;

	t[0] = now_ns();
	p = mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	t[1] = now_ns();
	if (p == MAP_FAILED)
		die("mmap");
	for (i = 0; i < len; i += 4096)
		sum += __atomic_load_n(p + i, __ATOMIC_RELAXED);
	t[2] = now_ns();
	munmap(p, len);
	t[3] = now_ns();
	close(fd);
	for (i = 0; i < 3; i++)
		took[i] = t[i + 1] - t[i] + sum;
}

static void report(const char *name, const char *figure, size_t len, int64_t *a,
		   int64_t *b, int rounds)
{
	char what[48];

	snprintf(what, sizeof(what), "%s %zu KiB", name, len >> 10);
	compared("dma_heap_memcg", what, figure, len, a, b, rounds, 1);
}

#define PARTS	3

static const struct {
	void (*fn)(int dev, size_t len, int64_t *took);
	size_t largest;
	const char *figures[PARTS];
} operations[] = {
	{ one, MIB(64), { "alloc_free" } },
	{ many, MIB(1024), { "alloc", "free" } },
	{ mapping, MIB(1024), { "mmap", "touch", "munmap" } },
	{ import, MIB(1024), { "attach_map", "unmap_detach" } },
};

static void against_stock(unsigned int op, size_t len)
{
	int64_t a[PARTS][ROUNDS], b[PARTS][ROUNDS], t[PARTS];
	int rounds = len < MIB(256) ? ROUNDS : FEW, i, part;

	for (i = 0; i < rounds; i++) {
		operations[op].fn(ours, len, t);
		for (part = 0; part < PARTS; part++)
			a[part][i] = t[part];
		operations[op].fn(stock, len, t);
		for (part = 0; part < PARTS; part++)
			b[part][i] = t[part];
	}
	for (part = 0; part < PARTS && operations[op].figures[part]; part++)
		report(operations[op].figures[part], operations[op].figures[part], len,
		       a[part], b[part], rounds);
}

static void charged_against_uncharged(size_t len, unsigned int fd)
{
	int64_t a[ROUNDS], b[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		charge_fd = fd;
		a[i] = alloc_free(ours, len);
		charge_fd = 0;
		b[i] = alloc_free(ours, len);
	}
	charge_fd = fd;
	report("charge, uncharged", "charge", len, a, b, ROUNDS);
}

/* A process in a cgroup of its own; returns its pidfd. */
static int client_start(pid_t *pid)
{
	char text[32];
	int fd;

	check("memory controller",
	      text_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory"));
	mkdir(CGROUP, 0755);
	*pid = fork();
	if (*pid == 0) {
		for (;;)
			pause();
	}
	snprintf(text, sizeof(text), "%d", *pid);
	check(CGROUP, text_write(CGROUP "/cgroup.procs", text));
	fd = syscall(SYS_pidfd_open, *pid, 0);
	if (*pid < 0 || fd < 0)
		die("client");
	return fd;
}

int main(void)
{
	static const size_t sizes[] = {
		KIB(4), KIB(64), MIB(1), MIB(8), MIB(64), MIB(256), MIB(1024),
	};
	unsigned int i, op;
	pid_t client;
	int fd;

	ours = open("/dev/dma_heap/memcg", O_RDWR | O_CLOEXEC);
	if (ours < 0)
		die("/dev/dma_heap/memcg");
	stock = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	importer = td_open();
	if (importer < 0)
		die("bufsync_test_dmabuf");
	fd = client_start(&client);
	charge_fd = fd;

	printf("%-34s %12s %12s %12s %12s  %s\n", "operation", "ours min",
	       "ours median", "other min", "other median", "ratio");
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		if (quick() && sizes[i] > MIB(64))
			break;
		for (op = 0; op < sizeof(operations) / sizeof(*operations); op++)
			if (stock >= 0 && sizes[i] <= operations[op].largest)
				against_stock(op, sizes[i]);
		if (sizes[i] <= MIB(64))
			charged_against_uncharged(sizes[i], fd);
	}
	kill(client, SIGKILL);
	waitpid(client, NULL, 0);
	rmdir(CGROUP);
	return 0;
}
