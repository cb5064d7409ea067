// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz - calls to bufsync's devices that nobody would make; see docs/fuzzing.md.
 *
 * fuzz --seconds N --workers N --seed N --splats FILE --log FILE [--off]
 * fuzz --reduce LOG --splats FILE --state FILE
 * fuzz --print STATE
 *
 * The files of --log and --state have 16 MiB. They may be a BAR of ivshmem: what is in
 * there outlives the guest.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "reduce.h"
#include "splat.h"

#define MEMORY	(16UL << 20)

_Static_assert(sizeof(struct log) <= MEMORY, "log");
_Static_assert(sizeof(struct reduction) <= MEMORY, "reduction");

static void *memory_map(const char *path, bool write)
{
	int fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	void *map = MAP_FAILED;

	/* A file that is read may be the shorter one of the two. */
	if (fd >= 0)
		map = mmap(NULL, MEMORY, PROT_READ | (write ? PROT_WRITE : 0),
			   write ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED) {
		perror(path);
		exit(2);
	}
	close(fd);
	return map;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "workers", required_argument, NULL, 'w' },
		{ "seed", required_argument, NULL, 'S' },
		{ "splats", required_argument, NULL, 'p' },
		{ "log", required_argument, NULL, 'l' },
		{ "state", required_argument, NULL, 't' },
		{ "reduce", required_argument, NULL, 'r' },
		{ "print", required_argument, NULL, 'P' },
		{ "off", no_argument, NULL, 'o' },
		{}
	};
	const char *log = NULL, *state = NULL, *splats = NULL, *from = NULL;
	unsigned int seconds = 60, workers = 4;
	uint64_t seed = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 's')
			seconds = atoi(optarg);
		else if (opt == 'w')
			workers = atoi(optarg);
		else if (opt == 'S')
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 'p')
			splats = optarg;
		else if (opt == 'l')
			log = optarg;
		else if (opt == 't')
			state = optarg;
		else if (opt == 'r')
			from = optarg;
		else if (opt == 'o')
			may_off = true;
		else if (opt == 'P')
			return print_case(memory_map(optarg, false));
		else
			return 2;
	}
	if (!splats || workers < 1 || workers > MAX_THREADS / 2 || (from ? !state : !log)) {
		fprintf(stderr, "fuzz: see the head of main.c\n");
		return 2;
	}
	world_init();
	if (from)
		return reduce(memory_map(from, false), memory_map(state, true), splats);
	while (!seed)
		if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
			return 2;
	printf("fuzz: seed 0x%lx, %u workers of 2 threads, %u s\n", seed, workers, seconds);
	fflush(stdout);
	splat_init(splats);
	return run(seconds, workers, seed, memory_map(log, true));
}
