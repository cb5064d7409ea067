// SPDX-License-Identifier: GPL-2.0-only
/*
 * drm_gem_ctl: what MOVE costs with one handle and with many, and against the way
 * that needs no module; what LIST costs a handle.
 *
 * With scripts/vm --icount a nanosecond is an instruction of the guest's one CPU.
 * Each line: the smallest of ROUNDS, and the ratio of interest; and the samples
 * (samples.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <drm/drm_gem_ctl.h>
#include <bufsync/gem-restore.h>

#include "run.h"
#include "samples.h"
#include "syncobj_util.h"

#define ROUNDS	5
#define MANY	10000U
#define SOME	1000U
#define MOVES	64U

static int ctl, drm;

/* One thing that is measured */
struct times {
	int64_t t[ROUNDS];
	int64_t best;
};

static void smallest(struct times *times)
{
	int i;

	times->best = times->t[0];
	for (i = 1; i < ROUNDS; i++)
		times->best = times->t[i] < times->best ? times->t[i] : times->best;
}

static int open_vgem(void)
{
	char path[32], name[16];
	int i, fd;

	for (i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!bufsync_gem_driver(fd, name, sizeof(name)) &&
		    !strcmp(name, "vgem"))
			return fd;
		close(fd);
	}
	errno = ENODEV;
	die("vgem");
	return -1;
}

static void move(uint32_t from, uint32_t to)
{
	if (bufsync_gem_move(ctl, drm, from, to))
		die("MOVE");
}

/* Handles up to @n; every one exported if @exported, its dma-buf's fd closed */
static void fill(uint32_t n, int exported)
{
	uint32_t handle;
	int fd;

	drm = open_vgem();
	do {
		if (bufsync_gem_create_dumb(drm, NULL, &handle))
			die("create");
		if (!exported)
			continue;
		fd = bufsync_gem_export(drm, handle);
		if (fd < 0)
			die("export");
		close(fd);
	} while (handle < n);
}

/* One MOVE, of a handle in the middle, beyond all others and back */
static struct times one_move(uint32_t n, int exported)
{
	uint32_t handle = (n + 1) / 2, i;
	struct times times;
	int64_t t;
	int round;

	fill(n, exported);
	for (round = 0; round < ROUNDS; round++) {
		t = now_ns();
		for (i = 0; i < MOVES / 2; i++) {
			move(handle, n + 1);
			move(n + 1, handle);
		}
		times.t[round] = (now_ns() - t) / MOVES;
	}
	close(drm);
	smallest(&times);
	return times;
}

/* The same effect without the module, with as many handles below */
static struct times one_restore(uint32_t n)
{
	struct bufsync_gem_move moves = { .handle = 1, .new_handle = n };
	struct times times;
	int64_t t;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		fill(1, 0);
		moves.handle = 1;
		t = now_ns();
		if (bufsync_gem_restore_by_import(drm, &moves, 1, NULL, NULL))
			die("restore");
		times.t[round] = now_ns() - t;
		close(drm);
	}
	smallest(&times);
	return times;
}

/* A whole page of LIST, from the middle */
static struct times one_list(uint32_t count, int exported)
{
	static struct drm_gem_ctl_entry entries[DRM_GEM_CTL_MAX_ENTRIES];
	struct drm_gem_ctl_list_args args = {
		.size = sizeof(args),
		.entries = (uintptr_t)entries,
		.entry_size = sizeof(entries[0]),
	};
	struct times times;
	uint32_t n;
	int64_t t;
	int round;

	fill(count, exported);
	for (round = 0; round < ROUNDS; round++) {
		n = 0;
		args.out_next = 0;
		t = now_ns();
		do {
			args.drm_fd = drm;
			args.first = args.out_next;
			args.count = DRM_GEM_CTL_MAX_ENTRIES;
			if (ioctl(ctl, DRM_GEM_CTL_IOC_LIST, &args))
				die("LIST");
			n += args.out_count;
		} while (args.out_next);
		times.t[round] = now_ns() - t;
		if (n != count)
			die("LIST has not told all");
	}
	close(drm);
	smallest(&times);
	return times;
}

/*
 * What the kernel's copy of as many bytes as an entry has costs, in hundredths: a page of
 * a file in memory is read, whole and a little of it.
 */
static int64_t one_copy(void)
{
	static _Alignas(4096) char page[4096];
	size_t sizes[2] = { sizeof(page), 64 };
	int fd = memfd_create("gem-bench", 0), round, i;
	int64_t best[2] = { INT64_MAX, INT64_MAX }, t;

	if (fd < 0 || write(fd, page, sizeof(page)) != sizeof(page))
		die("memfd");
	for (round = 0; round < 10 * ROUNDS; round++) {
		for (i = 0; i < 2; i++) {
			t = now_ns();
			if (pread(fd, page, sizes[i], 0) != (ssize_t)sizes[i])
				die("pread");
			t = now_ns() - t;
			best[i] = t < best[i] ? t : best[i];
		}
	}
	close(fd);
	return (best[0] - best[1]) * 100 *
	       (int64_t)sizeof(struct drm_gem_ctl_entry) /
	       (int64_t)(sizes[0] - sizes[1]);
}

/* A figure is of @ours; the line has the ratio the way round that is a large number. */
static void line(const char *what, const char *figure, const struct times *ours,
		 const struct times *other, bool inverse, const char *ratio)
{
	const struct times *a = inverse ? ours : other, *b = inverse ? other : ours;

	if (figure)
		samples("drm_gem_ctl", figure, -1, ours->t, ROUNDS, other->t, ROUNDS, 1);
	printf("%-44s %10lld %10lld  %8.2f %s\n", what, (long long)a->best,
	       (long long)b->best, (double)b->best / a->best, ratio);
}

/* In hundredths, @copy too: what LIST costs for MANY handles, but for the copy */
static void per_entry(const char *figure, const struct times *list, int64_t copy)
{
	int64_t above[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++)
		above[i] = list->t[i] * 100 - copy * MANY;
	samples("drm_gem_ctl", figure, -1, above, ROUNDS, NULL, 0, 100 * MANY);
}

int main(void)
{
	struct times one, many, list1, list10, exported;
	int64_t copy;

	ctl = bufsync_gem_open();
	if (ctl < 0)
		die("/dev/drm_gem");
	printf("%-44s %10s %10s  %8s\n", "operation", "a", "b", "b / a");

	one = one_move(1, 0);
	many = one_move(MANY, 0);
	line("MOVE: 1 handle, 10000 handles", "move", &many, &one, false, "(1.10)");
	one = one_move(1, 1);
	many = one_move(MANY, 1);
	line("MOVE: 1 and 10000, all exported", "move_exported", &many, &one, false, "");
	one = one_move(SOME, 0);
	many = one_restore(SOME);
	line("1000 handles: MOVE, without the module", "restore", &one, &many, true, "(100)");

	list1 = one_list(SOME, 0);
	list10 = one_list(MANY, 0);
	line("LIST: 1000 handles, 10000 handles", NULL, &list10, &list1, false, "(10)");
	samples("drm_gem_ctl", "list", SOME, list1.t, ROUNDS, NULL, 0, 1);
	samples("drm_gem_ctl", "list", MANY, list10.t, ROUNDS, NULL, 0, 1);
	exported = one_list(MANY, 1);
	line("LIST of 10000: plain, exported", "list_exported", &exported, &list10, false, "");
	printf("LIST: %lld and %lld an entry, with the copy\n",
	       (long long)list10.best / MANY, (long long)exported.best / MANY);
	copy = one_copy();
	printf("LIST: %.1f and %.1f an entry above the copy, which is %.1f (60)\n",
	       (list10.best * 100.0 / MANY - copy) / 100,
	       (exported.best * 100.0 / MANY - copy) / 100, copy / 100.0);
	per_entry("list_entry", &list10, copy);
	per_entry("list_entry_exported", &exported, copy);
	samples("drm_gem_ctl", "list_copy", -1, &copy, 1, NULL, 0, 100);
	return 0;
}
