// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slices of vfio_pci_dmabuf against the mappings of the device fd that stock
 * vfio-pci makes, in one process, alternating.
 *
 * With scripts/vm --icount a nanosecond is an instruction of the guest's one
 * CPU. Each line: operation, smallest and median for both, and the ratio of the
 * medians; and the samples (samples.h). The devices are those of scripts/vm.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#include "run.h"
#include "samples.h"
#include "syncobj_util.h"
#include "vfio_util.h"

#define ROUNDS	9
#define PAGE	4096UL
#define MIB(n)	((size_t)(n) << 20)
#define BAR	2	/* of VFIO_BIG */
#define VMAS	4096

static struct vfio_dev big, ours, stock;
static long faults[2];

/* Both at the same place, aligned to @align plus @skew. */
static char *place(size_t len, size_t align, size_t skew)
{
	char *p = mmap(NULL, len + 2 * align, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t at = ((uintptr_t)p + align - 1) & ~(align - 1);

	if (p == MAP_FAILED)
		die("mmap");
	munmap(p, len + 2 * align);
	return (char *)at + skew;
}

static char *map_at(char *at, bool slice, int fd, size_t offset, size_t len)
{
	const off_t region = (off_t)BAR << 40;
	char *p = mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		       slice ? fd : big.fd, slice ? offset : region + offset);

	if (p == MAP_FAILED)
		die("mmap of the BAR");
	return p;
}

static void report(const char *name, const char *figure, long long n, int64_t *a,
		   int64_t *b, int rounds)
{
	compared("vfio_pci_dmabuf", name, figure, n, a, b, rounds, 1);
}

static int64_t touch(bool slice, size_t len, size_t align, size_t skew,
		     bool unmap)
{
	int fd = vfio_export(&big, BAR, 0, len, O_RDWR | O_CLOEXEC);
	char *at = place(len, align, skew), *p;
	int64_t start, middle, end;
	uint32_t sum = 0;
	long before;
	size_t i;

	check("export", fd);
	p = map_at(at, slice, fd, 0, len);
	before = thread_faults();
	start = now_ns();
	for (i = 0; i < len; i += PAGE)
		sum += *(volatile uint32_t *)(p + i);
	middle = now_ns();
	faults[slice] = thread_faults() - before;
	munmap(p, len);
	end = now_ns();
	close(fd);
	return (unmap ? end - middle : middle - start) + (sum & 0);
}

static void first_touch(const char *name, const char *figure, size_t len, size_t align,
			size_t skew, int rounds, bool unmap)
{
	int64_t a[ROUNDS], b[ROUNDS], fa[ROUNDS], fb[ROUNDS];
	char of_faults[32];
	int i;

	for (i = 0; i < rounds; i++) {
		a[i] = touch(true, len, align, skew, unmap);
		b[i] = touch(false, len, align, skew, unmap);
		fa[i] = faults[1];
		fb[i] = faults[0];
	}
	report(name, figure, len, a, b, rounds);
	if (unmap)
		return;
	snprintf(of_faults, sizeof(of_faults), "%s_faults", figure);
	samples("vfio_pci_dmabuf", of_faults, len, fa, rounds, fb, rounds, 1);
	printf("%-34s %12ld %12s %12ld\n", "  faults", faults[1], "",
	       faults[0]);
}

/* An unrelated register: the latency timer */
static int64_t config_write(const struct vfio_dev *dev, off_t pos, size_t size)
{
	uint16_t value = 0;
	int64_t start;
	int i;

	check("config read", vfio_config_read(dev, pos, &value, size));
	start = now_ns();
	for (i = 0; i < 64; i++)
		check("config write",
		      vfio_config_write(dev, pos, &value, size));
	return (now_ns() - start) / 64;
}

static void config_writes(const char *name, const char *figure, off_t pos, size_t size)
{
	int64_t a[ROUNDS], b[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		a[i] = config_write(&ours, pos, size);
		b[i] = config_write(&stock, pos, size);
	}
	report(name, figure, -1, a, b, ROUNDS);
}

/* @n mappings side by side that do not merge, one page of each touched */
static char *map_many(bool slice, int fd, int n)
{
	char *at = place(n * 2 * PAGE, MIB(2), 0);
	int i;

	for (i = 0; i < n; i++) {
		map_at(at + i * 2 * PAGE, slice, fd, 0, 2 * PAGE);
		*(volatile uint32_t *)(at + i * 2 * PAGE);
	}
	return at;
}

static int64_t revoke_many(int n)
{
	int fd = vfio_export(&big, BAR, 0, 2 * PAGE, O_RDWR | O_CLOEXEC);
	int64_t start, end;
	char *at;

	check("export", fd);
	at = map_many(true, fd, n);
	start = now_ns();
	check("revoke", vfio_revoke(&big, fd));
	end = now_ns();
	munmap(at, n * 2 * PAGE);
	close(fd);
	return end - start;
}

static int64_t munmap_many(int n)
{
	char *at = map_many(false, -1, n);
	int64_t start = now_ns();

	munmap(at, n * 2 * PAGE);
	return now_ns() - start;
}

static void revokes(void)
{
	int64_t a[ROUNDS], b[ROUNDS];
	char name[40];
	int n, i;

	for (n = 1; n <= (quick() ? VMAS / 8 : VMAS); n *= 8) {
		for (i = 0; i < ROUNDS; i++) {
			a[i] = revoke_many(n);
			b[i] = munmap_many(n);
		}
		snprintf(name, sizeof(name), "revoke, %d mappings; munmap", n);
		report(name, "revoke", n, a, b, ROUNDS);
	}
}

static atomic_bool stop;
static atomic_int nr_resets;
static int64_t per_reset[2];

static void *resets(void *arg)
{
	(void)arg;
	for (; !stop; nr_resets++)
		check("reset", vfio_reset(&big));
	return NULL;
}

/* Loads in two seconds, anywhere in 64 MiB, while the device is being reset */
static int64_t loads(bool slice)
{
	int fd = vfio_export(&big, BAR, 0, MIB(64), O_RDWR | O_CLOEXEC);
	char *p = map_at(place(MIB(64), MIB(2), 0), slice, fd, 0, MIB(64));
	int64_t end = now_ns() + 2000000000LL, count = 0;
	uint32_t seed = 1, sum = 0;
	pthread_t thread;
	int i;

	stop = false;
	nr_resets = 0;
	if (pthread_create(&thread, NULL, resets, NULL))
		die("pthread_create");
	while (now_ns() < end)
		for (i = 0; i < 64; i++, count++) {
			seed = seed * 1664525 + 1013904223;
			sum += *(volatile uint32_t *)(p + (seed & 0x3fffffc));
		}
	stop = true;
	pthread_join(thread, NULL);
	per_reset[slice] = count / (nr_resets ?: 1);
	munmap(p, MIB(64));
	close(fd);
	return count + (sum & 0);
}

static void loads_during_resets(void)
{
	int64_t a[3], b[3];
	int i;

	for (i = 0; i < 3; i++) {
		a[i] = loads(true);
		b[i] = loads(false);
	}
	report("loads during resets (more: better)", "loads", -1, a, b, 3);
	samples("vfio_pci_dmabuf", "loads_between", -1, &per_reset[1], 1, &per_reset[0],
		1, 1);
	printf("%-34s %12lld %12s %12lld\n", "  between one and the next",
	       (long long)per_reset[1], "", (long long)per_reset[0]);
}

/* First touch of the device fd's own mapping: that of ours, that of stock's */
static int64_t bar_touch(const struct vfio_dev *dev)
{
	size_t len = vfio_bar_size(dev, 0), i;
	char *at = place(len, MIB(2), 0), *p;
	uint32_t sum = 0;
	int64_t start;

	p = mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 dev->fd, 0);
	if (p == MAP_FAILED)
		die("mmap of the BAR");
	start = now_ns();
	for (i = 0; i < len; i += PAGE)
		sum += *(volatile uint32_t *)(p + i);
	start = now_ns() - start;
	munmap(p, len);
	return start + (sum & 0);
}

static void bar_touches(const char *figure)
{
	int64_t a[ROUNDS], b[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		a[i] = bar_touch(&ours);
		b[i] = bar_touch(&stock);
	}
	report("touch a BAR by the device fd", figure, vfio_bar_size(&ours, 0), a, b, ROUNDS);
}

/*
 * "loads" asks for that part alone, which more than one CPU can take; "bar" for
 * the part that bar_mmap=dmabuf changes.
 */
int main(int argc, char **argv)
{
	const char *part = argc < 2 ? "" : argv[1];
	bool all = !*part;

	check("VFIO_BIG", vfio_start(&big, VFIO_BIG, VFIO_OURS));
	check("VFIO_BOCHS", vfio_start(&ours, VFIO_BOCHS, VFIO_OURS));
	if (!vfio_find(VFIO_SIBLING, stock.bdf))
		check("VFIO_SIBLING", vfio_bind(stock.bdf, VFIO_STOCK));
	check("VFIO_SIBLING", vfio_open(&stock, stock.bdf, &ours));

	printf("%-34s %12s %12s %12s %12s  %s\n", "", "slice min", "median",
	       "stock min", "median", "ratio");
	if (all) {
		first_touch("touch 64 MiB", "touch", MIB(64), MIB(2), 0, ROUNDS, false);
		first_touch("munmap 64 MiB", "munmap", MIB(64), MIB(2), 0, ROUNDS, true);
		first_touch("touch 8 MiB, misaligned", "touch_misaligned", MIB(8),
			    MIB(2), PAGE, ROUNDS, false);
		if (!quick())
			first_touch("touch 1 GiB", "touch", MIB(1024), MIB(1024), 0, 3,
				    false);
		config_writes("config write, unrelated", "config_write",
			      PCI_LATENCY_TIMER, 1);
		config_writes("config write, COMMAND", "config_command",
			      PCI_COMMAND, 2);
		revokes();
	}
	if (all || !strcmp(part, "bar"))
		bar_touches(all ? "bar_touch" : "bar_touch_dmabuf");
	if ((all && !quick()) || !strcmp(part, "loads"))
		loads_during_resets();
	return 0;
}
