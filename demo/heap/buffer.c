// SPDX-License-Identifier: GPL-2.0-only
/* What is in a buffer. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/dma-buf.h>

#include "heap-demo.h"

#define WORDS	(SIZE / (__s64)sizeof(__u64))
#define STEP	0x9e3779b97f4a7c15ULL

static void cpu_access(int buf, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	if (ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync))
		fail("DMA_BUF_IOCTL_SYNC: %s", strerror(errno));
}

__u64 *buffer_map(int buf)
{
	void *map;

	if (lseek(buf, 0, SEEK_END) != SIZE)
		fail("what came is no dma-buf of 64 MiB");
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, buf, 0);
	if (map == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	return map;
}

void buffer_fill(int buf, __u64 *map, __u64 seed)
{
	__s64 i;

	cpu_access(buf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
	for (i = 0; i < WORDS; i++)
		map[i] = seed += STEP;
	cpu_access(buf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
}

__u64 buffer_wrong(int buf, const __u64 *map, __u64 seed)
{
	__u64 step = seed ? STEP : 0, wrong = 0;
	__s64 i;

	cpu_access(buf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	for (i = 0; i < WORDS; i++)
		wrong += map[i] != (seed += step);
	cpu_access(buf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
	return wrong;
}

/* The name as everybody sees it who may see the fd. */
void buffer_name(int buf, char *name, size_t size)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", buf);
	f = fopen(path, "re");
	if (!f)
		fail("%s: %s", path, strerror(errno));
	name[0] = '\0';
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "name:\t", 6))
			snprintf(name, size, "%s", line + 6);
	}
	fclose(f);
}
