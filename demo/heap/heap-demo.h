/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the demo of /dev/dma_heap/memcg share. */
#ifndef _HEAP_DEMO_H
#define _HEAP_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/dma-heap-memcg.h>
#include <linux/types.h>

#include "demo.h"

#define NODE		"/dev/dma_heap/memcg"
#define STOCK		"/dev/dma_heap/system"

#define MIB(n)		((__s64)(n) << 20)
#define LIMIT		MIB(96)		/* the client's memory.max */
#define SIZE		MIB(64)		/* of the frame that is shared */
#define SMALL		MIB(8)		/* what is allocated by a grant */
#define BUDGET		MIB(12)
/*
 * memory.current also has what the processes themselves use, and what each
 * CPU keeps in stock.
 */
#define SLACK		MIB(2)

#define CLIENT_UID	1000
#define STRANGER_UID	65534

/* What the service asks a client for: struct msg.op */
enum op {
	OP_READY,	/* answer */
	OP_ALLOC,	/* allocate msg.value bytes for whom the fd names */
	OP_STOCK,	/* the same from the stock heap; nobody is named */
	OP_DROP,	/* close what was allocated last */
	OP_MAP,		/* map the fd, find zeroes, fill it */
	OP_WRONG,	/* how many words of it are not as it was filled */
	OP_FILL,	/* fill it again */
	OP_GRANT,	/* make a grant for yourself of msg.value bytes */
	OP_REVOKE,	/* close it */
	OP_CLOSE,	/* unmap and close all buffers */
	OP_EXIT,
};

struct cgroup {
	char path[128];
	__u64 id;
};

/* all made by main() before the processes are started */
extern struct cgroup top, service, client, stranger;
extern int dev, stock;

/* cgroup.c */
void cgroups_make(void);
void cgroups_remove(void);
void cgroup_enter(const struct cgroup *cg);
int cgroup_remove(const struct cgroup *cg);
int cgroup_open(const struct cgroup *cg);
/* A file with one number, or the number behind @key. */
__s64 cgroup_read(const struct cgroup *cg, const char *file, const char *key);
/* Waits until the number is @want give or take SLACK; returns it. */
__s64 cgroup_expect(const struct cgroup *cg, const char *file, const char *key,
		    __s64 want);
double mib(__s64 bytes);

/* heap.c */
void heap_caps(struct dma_heap_memcg_caps *caps);
/* Return the fd or -errno. */
int heap_alloc(int heap, __u64 len, int charge_fd);
int heap_grant(int charge_fd, __u64 budget);
struct dma_heap_memcg_query_args heap_query(const struct cgroup *cg);
void heap_transfer(int buf, int charge_fd);

/* buffer.c */
__u64 *buffer_map(int buf);
void buffer_fill(int buf, __u64 *map, __u64 seed);
/* How many words are not what buffer_fill() wrote; seed 0: are not zero. */
__u64 buffer_wrong(int buf, const __u64 *map, __u64 seed);
void buffer_name(int buf, char *name, size_t size);

/* table.c */
/* Prints the lines of the demo's cgroups, and compares them with QUERY. */
void table_print(void);

/* client.c: the processes that do what they are asked for */
void run_client(void);
void run_stranger(void);

/* service.c: the process that allocates, and prints */
void run_service(struct peer *client_peer, struct peer *stranger_peer);

#endif /* _HEAP_DEMO_H */
