// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cost of living: what loading a module takes, how large it is, and how much of the
 * kernel's memory an object has.
 *
 * Memory is what all slab caches have grown by, over many objects that stay, so that what
 * belongs to an object and is the kernel's (files, inodes, directory entries) counts,
 * and what a page has left over, too. Pages of buffers are no slabs. The samples
 * are bytes an object, but those of loading, which are instructions with
 * scripts/vm --icount.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xf86drm.h>

#include "drm_util.h"
#include "heap_util.h"
#include "module_util.h"
#include "run.h"
#include "samples.h"
#include "syncobj_util.h"
#include "vfio_util.h"

#define ROUNDS	5
#define OBJECTS	2000	/* a round; none of them goes before the end */

static int syncobj, drm, heap, stock, efd;
static struct vfio_dev vfio;
static int fds[ROUNDS * OBJECTS];
static uint32_t handles[ROUNDS * OBJECTS];

static void syncobj_new(int i)
{
	fds[i] = check("CREATE", so_create(syncobj, 0));
}

static void handle_new(int i)
{
	check("CREATE", drmSyncobjCreate(drm, 0, &handles[i]));
}

static void watch_new(int i)
{
	check("EVENTFD", so_eventfd(syncobj, fds[i], efd, 1, 0));
}

static void drm_watch_new(int i)
{
	check("EVENTFD", drmSyncobjEventfd(drm, handles[i], 1, efd, 0));
}

static void buffer_new(int i)
{
	(void)i;
	check("ALLOC", heap_alloc_plain(heap, 4096));
}

static void stock_buffer_new(int i)
{
	(void)i;
	check("ALLOC", heap_alloc_plain(stock, 4096));
}

static void slice_new(int i)
{
	(void)i;
	check("export", vfio_export(&vfio, 0, 0, 4096, O_RDWR | O_CLOEXEC));
}

static int64_t slab_bytes(void)
{
	char line[128];
	int64_t kib = -1;
	FILE *file;

	/* What others have freed goes; processors add up once a second what they have counted. */
	sleep_ms(2500);
	file = fopen("/proc/meminfo", "re");
	if (!file)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Slab: %ld kB", &kib) == 1)
			break;
	fclose(file);
	if (kib < 0)
		die("/proc/meminfo: no Slab");
	return kib * 1024;
}

/* By how much slab caches grow in a round */
static int64_t grown(void (*new)(int i), int round)
{
	int64_t before = slab_bytes();
	int i;

	for (i = 0; i < OBJECTS; i++)
		new(round * OBJECTS + i);
	return slab_bytes() - before;
}

static void memory(const char *name, const char *module, const char *figure,
		   void (*ours)(int i), void (*other)(int i))
{
	int64_t a[ROUNDS], b[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		a[i] = grown(ours, i);
		if (other)
			b[i] = grown(other, i);
	}
	samples(module, figure, -1, a, ROUNDS, b, other ? ROUNDS : 0, OBJECTS);
	qsort(a, ROUNDS, sizeof(*a), compare);
	qsort(b, other ? ROUNDS : 0, sizeof(*b), compare);
	printf("%-34s %12lld %12lld\n", name, (long long)a[ROUNDS / 2] / OBJECTS,
	       other ? (long long)b[ROUNDS / 2] / OBJECTS : -1);
}

static int64_t cpu_time_of_children(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NSEC_PER_SEC +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
}

/*
 * modprobe, with what it needs loaded: the time it computes. It also waits, for a disk that has
 * nothing to do with instructions.
 */
static void load(const char *module)
{
	int64_t t[ROUNDS], size;
	char path[96];
	FILE *file;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		check("unload", module_unload(module));
		t[i] = cpu_time_of_children();
		if (module_probe(module))
			die(module);
		t[i] = cpu_time_of_children() - t[i];
	}
	samples(module, "load", -1, t, ROUNDS, NULL, 0, 1);
	snprintf(path, sizeof(path), "/sys/module/%s/coresize", module);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%ld", &size) != 1)
		die(path);
	fclose(file);
	samples(module, "size", -1, &size, 1, NULL, 0, 1);
	qsort(t, ROUNDS, sizeof(*t), compare);
	printf("%-34s %12lld %12lld\n", module, (long long)t[ROUNDS / 2],
	       (long long)size);
}

int main(void)
{
	static const char * const modules[] = {
		"syncobj", "dma_heap_memcg", "drm_gem_ctl", "vfio_pci_dmabuf",
	};
	struct rlimit limit = { 6 * sizeof(fds), 6 * sizeof(fds) };
	size_t i;

	printf("%-34s %12s %12s\n", "module", "load", "bytes");
	for (i = 0; i < sizeof(modules) / sizeof(*modules); i++)
		load(modules[i]);

	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE");
	syncobj = check("/dev/syncobj", so_open());
	drm = check("virtio_gpu", drm_open("virtio_gpu"));
	heap = check(HEAP_NODE, heap_open());
	stock = check(HEAP_STOCK, heap_stock_open());
	check("VFIO_BOCHS", vfio_start(&vfio, VFIO_BOCHS, VFIO_OURS));
	efd = check("eventfd", efd_new());

	printf("\n%-34s %12s %12s\n", "bytes of slab caches", "ours", "other");
	memory("syncobj, fd; handle", "syncobj", "memory", syncobj_new, handle_new);
	memory("pending eventfd", "syncobj", "memory_watch", watch_new, drm_watch_new);
	memory("buffer of one page", "dma_heap_memcg", "memory", buffer_new,
	       stock_buffer_new);
	memory("slice", "vfio_pci_dmabuf", "memory", slice_new, NULL);
	return 0;
}
