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
#include <time.h>
#include <unistd.h>
#include <linux/dma-heap-memcg.h>

#include "samples.h"

#define ROUNDS	9
#define KIB(n)	((size_t)(n) << 10)
#define MIB(n)	((size_t)(n) << 20)
#define CGROUP	"/sys/fs/cgroup/heap-bench"

static int ours, stock;
static unsigned int charge_fd;	/* 0: nobody, as all here is in the root */

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "heap-bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

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

static int64_t alloc_free(int dev, size_t len)
{
	int n = len >= MIB(16) ? 1 : 32, i;
	int64_t start = now();

	for (i = 0; i < n; i++)
		close(alloc(dev, len));
	return (now() - start) / n;
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

enum { MMAP, TOUCH, MUNMAP };

static int64_t mapping(int dev, size_t len, int what)
{
	int fd = alloc(dev, len);
	int64_t t[4], sum = 0;
	char *p;
	void *at = map_at(len);
	size_t i;

	t[0] = now();
	p = mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	t[1] = now();
	if (p == MAP_FAILED)
		die("mmap");
	for (i = 0; i < len; i += 4096)
		sum += __atomic_load_n(p + i, __ATOMIC_RELAXED);
	t[2] = now();
	munmap(p, len);
	t[3] = now();
	close(fd);
	return t[what + 1] - t[what] + sum;
}

static int64_t mmap_only(int dev, size_t len)
{
	return mapping(dev, len, MMAP);
}

static int64_t touch(int dev, size_t len)
{
	return mapping(dev, len, TOUCH);
}

static int64_t munmap_only(int dev, size_t len)
{
	return mapping(dev, len, MUNMAP);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *name, const char *figure, size_t len, int64_t *a,
		   int64_t *b)
{
	samples("dma_heap_memcg", figure, len, a, ROUNDS, b, ROUNDS, 1);
	qsort(a, ROUNDS, sizeof(*a), compare);
	qsort(b, ROUNDS, sizeof(*b), compare);
	printf("%-34s %12lld %12lld %12lld %12lld  %.4f\n", name,
	       (long long)a[0], (long long)a[ROUNDS / 2], (long long)b[0],
	       (long long)b[ROUNDS / 2],
	       (double)a[ROUNDS / 2] / b[ROUNDS / 2]);
	fflush(stdout);
}

static void against_stock(const char *name, const char *figure,
			  int64_t (*fn)(int, size_t), size_t len)
{
	int64_t a[ROUNDS], b[ROUNDS];
	int i;

	if (stock < 0)
		return;
	for (i = 0; i < ROUNDS; i++) {
		a[i] = fn(ours, len);
		b[i] = fn(stock, len);
	}
	report(name, figure, len, a, b);
}

static void charged_against_uncharged(size_t len, unsigned int fd)
{
	int64_t a[ROUNDS], b[ROUNDS];
	char name[64];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		charge_fd = fd;
		a[i] = alloc_free(ours, len);
		charge_fd = 0;
		b[i] = alloc_free(ours, len);
	}
	charge_fd = fd;
	snprintf(name, sizeof(name), "charged/uncharged %zu KiB", len >> 10);
	report(name, "charge", len, a, b);
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die(path);
	close(fd);
}

/* A process in a cgroup of its own; returns its pidfd. */
static int client_start(pid_t *pid)
{
	char text[32];
	int fd;

	write_to("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	mkdir(CGROUP, 0755);
	*pid = fork();
	if (*pid == 0) {
		for (;;)
			pause();
	}
	snprintf(text, sizeof(text), "%d", *pid);
	write_to(CGROUP "/cgroup.procs", text);
	fd = syscall(SYS_pidfd_open, *pid, 0);
	if (*pid < 0 || fd < 0)
		die("client");
	return fd;
}

int main(void)
{
	static const size_t sizes[] = {
		KIB(4), KIB(64), MIB(1), MIB(8), MIB(64),
	};
	char name[64];
	pid_t client;
	size_t i;
	int fd;

	ours = open("/dev/dma_heap/memcg", O_RDWR | O_CLOEXEC);
	if (ours < 0)
		die("/dev/dma_heap/memcg");
	stock = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	fd = client_start(&client);
	charge_fd = fd;

	printf("%-34s %12s %12s %12s %12s  %s\n", "operation", "ours min",
	       "ours median", "other min", "other median", "ratio");
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		snprintf(name, sizeof(name), "alloc+free charged/stock %zu KiB",
			 sizes[i] >> 10);
		against_stock(name, "alloc_free", alloc_free, sizes[i]);
	}
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		charged_against_uncharged(sizes[i], fd);
	against_stock("mmap 256 MiB", "mmap", mmap_only, MIB(256));
	against_stock("first touch 256 MiB", "touch", touch, MIB(256));
	against_stock("munmap 256 MiB", "munmap", munmap_only, MIB(256));
	kill(client, SIGKILL);
	waitpid(client, NULL, 0);
	rmdir(CGROUP);
	return 0;
}
