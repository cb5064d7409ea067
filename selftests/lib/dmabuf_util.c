// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dmabuf_util.h"
#include "heap_util.h"
#include "module_util.h"
#include "syncobj_util.h"
#include "text_util.h"

#define FD_ARG(fd)	((void *)(long)(fd))

int td_open(void)
{
	int ret = module_load("bufsync_test_dmabuf");

	if (ret && ret != -EEXIST)
		return ret;
	return node_open("/dev/bufsync_test_dmabuf");
}

int td_attach(int td, int dmabuf)
{
	return so_try(td, TEST_DMABUF_ATTACH, FD_ARG(dmabuf));
}

int td_detach(int td)
{
	return so_try(td, TEST_DMABUF_DETACH, NULL);
}

int td_map(int td, int direction, struct test_dmabuf_map_args *figures)
{
	struct test_dmabuf_map_args args = { .direction = direction };
	int ret = so_try(td, TEST_DMABUF_MAP, &args);

	if (figures)
		*figures = args;
	return ret;
}

int td_unmap(int td)
{
	return so_try(td, TEST_DMABUF_UNMAP, NULL);
}

int td_import(int td, int dmabuf, int direction)
{
	int ret = td_attach(td, dmabuf);

	if (ret)
		return ret;
	ret = td_map(td, direction, NULL);
	if (ret)
		td_detach(td);
	return ret;
}

int td_release(int td)
{
	return td_unmap(td) ?: td_detach(td);
}

int td_hold(int td, uint64_t offset)
{
	return so_try(td, TEST_DMABUF_HOLD, &offset);
}

int td_vmap(int td, int dmabuf)
{
	return so_try(td, TEST_DMABUF_VMAP, FD_ARG(dmabuf));
}

int td_vunmap(int td)
{
	return so_try(td, TEST_DMABUF_VUNMAP, NULL);
}

static int td_access(int td, unsigned long request, uint64_t offset,
		     uint64_t len, uint64_t value, uint64_t *sum)
{
	struct test_dmabuf_access_args args = {
		.offset = offset,
		.len = len,
		.value = value,
	};
	int ret = so_try(td, request, &args);

	if (sum)
		*sum = args.out_sum;
	return ret;
}

int td_sg_fill(int td, uint64_t offset, uint64_t len, uint64_t value)
{
	return td_access(td, TEST_DMABUF_SG_FILL, offset, len, value, NULL);
}

int td_sg_sum(int td, uint64_t offset, uint64_t len, uint64_t *sum)
{
	return td_access(td, TEST_DMABUF_SG_SUM, offset, len, 0, sum);
}

int td_vmap_fill(int td, uint64_t offset, uint64_t len, uint64_t value)
{
	return td_access(td, TEST_DMABUF_VMAP_FILL, offset, len, value, NULL);
}

int td_vmap_sum(int td, uint64_t offset, uint64_t len, uint64_t *sum)
{
	return td_access(td, TEST_DMABUF_VMAP_SUM, offset, len, 0, sum);
}

uint64_t words_sum(const void *map, uint64_t len)
{
	const uint64_t *p = map;
	uint64_t i, sum = 0;

	for (i = 0; i < len / sizeof(*p); i++)
		sum += p[i];
	return sum;
}

uint64_t words_other(const void *map, uint64_t len, uint64_t value)
{
	const uint64_t *p = map;
	uint64_t i, other = 0;

	for (i = 0; i < len / sizeof(*p); i++)
		other += p[i] != value;
	return other;
}

int buf_set_name(int dmabuf, const char *name)
{
	return so_try(dmabuf, DMA_BUF_SET_NAME, (void *)name);
}

int buf_export_fence(int dmabuf, uint32_t flags)
{
	struct dma_buf_export_sync_file args = { .flags = flags, .fd = -1 };
	int ret = so_try(dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &args);

	return ret ?: args.fd;
}

int buf_import_fence(int dmabuf, uint32_t flags, int sync_file)
{
	struct dma_buf_import_sync_file args = {
		.flags = flags,
		.fd = sync_file,
	};

	return so_try(dmabuf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &args);
}

/* The next one from @from on; its end is written to *end. */
static char *next_mapping(const char *from, char **end)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512], *found = NULL;
	unsigned long first, last;

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (!strstr(line, " /dmabuf:") ||
		    sscanf(line, "%lx-%lx", &first, &last) != 2 ||
		    first < (unsigned long)from)
			continue;
		found = (char *)first;
		*end = (char *)last;
	}
	if (f)
		fclose(f);
	return found;
}

void buf_unmap_all(void)
{
	char *p = NULL, *end;

	/* Each time anew: there is no telling what the kernel has merged. */
	while ((p = next_mapping(p, &end))) {
		munmap(p, end - p);
		p = end;
	}
}

bool cg_charged(const struct cg *cg, int64_t bytes)
{
	int64_t slack = cg_slack();
	int64_t is = cg_settle(cg, "memory.current", bytes, slack);

	if (is >= bytes - slack && is <= bytes + slack)
		return true;
	fprintf(stderr, "# %s: %lld bytes, not %lld\n", cg->path,
		(long long)is, (long long)bytes);
	return false;
}

static int query(int dev, const struct cg *cg,
		 struct dma_heap_memcg_query_args *q)
{
	int ret, fd = cg_open(cg, 0);

	if (fd < 0)
		return fd;
	ret = heap_query(dev, fd, q);
	close(fd);
	return ret;
}

int64_t cg_local_bytes(int dev, const struct cg *cg)
{
	struct dma_heap_memcg_query_args q;
	int ret = query(dev, cg, &q);

	return ret ?: (int64_t)q.out_local_bytes;
}

int64_t cg_bytes(int dev, const struct cg *cg)
{
	struct dma_heap_memcg_query_args q;
	int ret = query(dev, cg, &q);

	return ret ?: (int64_t)q.out_bytes;
}

void memory_compact(void)
{
	/* Not every kernel has them. */
	text_write("/proc/sys/vm/drop_caches", "1");
	text_write("/proc/sys/vm/compact_memory", "1");
}
