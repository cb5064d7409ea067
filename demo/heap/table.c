// SPDX-License-Identifier: GPL-2.0-only
/* /proc/dma_heap_memcg */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap-demo.h"

#define TABLE	"/proc/dma_heap_memcg"
#define COLUMNS	11	/* the last one is the path */

static void print_line(char * const *column)
{
	static const int width[COLUMNS - 1] = {
		6, 8, 7, 9, 11, 13, 7, 7, 8, 9
	};
	int i;

	printf("   ");
	for (i = 0; i < COLUMNS - 1; i++)
		printf(" %*s", width[i], column[i]);
	printf(" %s\n", column[i]);
}

static void compare(const struct cgroup *cg, char * const *column)
{
	struct dma_heap_memcg_query_args args = heap_query(cg);
	const __u64 query[COLUMNS - 1] = {
		args.out_cgroup, args.out_bytes, args.out_buffers,
		args.out_peak, args.out_local_bytes, args.out_local_buffers,
		args.out_charges, args.out_denials, args.out_failures,
		args.out_throttled,
	};
	int i;

	for (i = 0; i < COLUMNS - 1; i++)
		if (strtoull(column[i], NULL, 10) != query[i])
			fail("%s: column %d is %s, QUERY says %llu", TABLE,
			     i + 1, column[i], query[i]);
}

/* A line's columns; that of the titles begins with a '#'. */
static void split(char *line, char **column)
{
	char *rest = line + strspn(line, "# ");
	int i;

	line[strcspn(line, "\n")] = '\0';
	for (i = 0; i < COLUMNS; i++) {
		column[i] = strsep(&rest, " ");
		if (!column[i])
			fail("%s: a line has %d columns", TABLE, i);
	}
}

void table_print(void)
{
	/* The stranger's has never been charged. */
	const struct cgroup *of[] = { &top, &service, &client };
	char line[512], *column[COLUMNS];
	unsigned int i, found = 0;
	FILE *f = fopen(TABLE, "re");

	if (!f)
		fail("%s: %s", TABLE, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		split(line, column);
		if (line[0] == '#')
			print_line(column);
		for (i = 0; i < 3; i++) {
			if (strtoull(column[0], NULL, 10) != of[i]->id)
				continue;
			print_line(column);
			found++;
			if (of[i] != &client)	/* it has been removed */
				compare(of[i], column);
		}
	}
	fclose(f);
	if (found != 3)
		fail("%s has %u of the 3 cgroups", TABLE, found);
}
