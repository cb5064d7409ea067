/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fuzzer's types: what a call is (made of uapi.txt), a program, a log.
 *
 * A program is a list of calls. It names fds by kind and slot: each process has
 * NSLOTS fds of each kind, and a call that gives an fd puts it in a slot, whose
 * former fd is closed. So a program says nothing of numbers and can be run anywhere.
 */
#ifndef _FUZZ_H
#define _FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NSLOTS		8
#define MAX_FIELDS	14
#define MAX_CALLS	12
#define MAX_THREADS	16
#define PAGE		4096UL

struct ctx;

enum type {
	T_FD, T_OUTFD, T_ARRAY, T_LEN, T_SIZE, T_FLAGS, T_ENUM, T_POINT, T_TIMEOUT,
	T_EXPIRY, T_HANDLE, T_BYTES, T_PAGES, T_OFFSET, T_SMALL, T_NUM, T_PAD,
};

enum elem { E_FD, E_POINT, E_STATUS, E_BYTES, E_STRUCT };
enum what { C_IOCTL, C_OPEN, C_OP };

struct sub;

struct field {
	const char *name;
	uint16_t off;
	uint8_t size;
	uint8_t type;
	uint8_t ref;	/* array: its count; count: the first array */
	uint8_t elem;
	uint8_t opt;
	uint8_t nset;
	uint8_t nkinds;
	uint8_t kinds[8];
	const uint64_t *set;
	const struct sub *sub;
};

/* An element of an array */
struct sub {
	const char *name;
	unsigned int size;
	const struct field *fields;
	unsigned int nfields;
};

struct desc {
	const char *name;
	const char *symbol;
	const char *module;
	const char *str;
	enum what what;
	unsigned long request;
	unsigned int size;
	unsigned int weight;
	uint8_t kind;
	uint8_t ret;
	bool has_ret;
	bool off;	/* turns a device off */
	bool shared;
	bool ours;
	const char *const *paths;
	unsigned int npaths;
	long (*op)(struct ctx *x, const uint64_t *v);
	const struct field *fields;
	unsigned int nfields;
};

#include "gen.h"

extern const struct desc descs[NCALLS];
extern const char *const kind_names[NKINDS];

/* Where an argument lies */
enum place { P_GOOD, P_NULL, P_KERNEL, P_READONLY, P_EDGE, P_ODD, P_BUFFER, NPLACES };

struct call {
	uint8_t nr;
	uint8_t place;
	uint8_t dst;	/* slot of what it gives */
	uint8_t fill;	/* what the kernel writes is this before */
	uint8_t raw[MAX_FIELDS];	/* the value as it is */
	uint64_t v[MAX_FIELDS];
};

struct prog {
	uint32_t n;
	struct call c[MAX_CALLS];
};

/* The log: memory that outlives the guest, see scripts/fuzz. */
struct entry {
	uint32_t seq;
	uint32_t life;
	uint32_t cur;
	struct prog prog;
};

#define LOG_ENTRIES	512
#define LOG_MAGIC	0x7a7a7566

struct log {
	uint32_t magic;
	uint32_t threads;
	uint64_t seed;
	struct ring {
		uint32_t seq;
		uint32_t life;
		struct entry e[LOG_ENTRIES];
	} ring[MAX_THREADS];
};

/* What a thread tells the supervisor */
struct stat_thread {
	uint64_t calls;
	uint64_t ioctls;
	uint64_t ours;
	uint64_t good;	/* of ours, those that returned 0 */
	uint64_t progs;
	int tid;
};

#define MAX_CORPUS	4096
#define COVER_BITS	262144U

/* Shared by all processes; races cost a program or a count */
struct shared {
	struct stat_thread t[MAX_THREADS];
	uint32_t corpus;
	uint32_t edges;
	uint32_t outcomes;
	uint32_t vfio_group;
	uint8_t cover[COVER_BITS / 8];
	uint8_t outcome[COVER_BITS / 8];
	uint64_t per_call[NCALLS];
	uint64_t per_good[NCALLS];
	uint64_t per_ns[NCALLS];
	struct prog prog[MAX_CORPUS];
};

struct rng {
	uint64_t s;
};

struct ctx {
	struct rng rng;
	uint8_t *arena;		/* ARENA bytes, then nothing */
	uint8_t *arena_ro;	/* the same memory, read only */
	struct stat_thread *st;
	uint64_t *kcov;
	int kcov_fd;
	int retkind;
	int sibling;		/* index of the other thread, -1 */
	unsigned int index;
};

#define ARENA		1048576UL
#define KCOV_WORDS	(16UL << 10)
/* Where mappings are made, see ops.c */
#define MAPS		8
#define MAP_SIZE	1048576UL
#define MAPS_AT		((uint8_t *)0x200000000000)

extern struct shared *sh;
extern int pool[NKINDS][NSLOTS];
extern int targets[4];	/* processes that are charged; 0: the caller */
extern int group_fd;
extern char vfio_bdf[16];
extern bool may_off;

static inline uint64_t rnd(struct rng *r)
{
	r->s ^= r->s << 13;
	r->s ^= r->s >> 7;
	r->s ^= r->s << 17;
	return r->s * 0x2545f4914f6cdd1dULL;
}

/* 0 to @n - 1 */
static inline unsigned int below(struct rng *r, unsigned int n)
{
	return (uint32_t)(rnd(r) >> 32) % n;
}

static inline bool chance(struct rng *r, unsigned int percent)
{
	return below(r, 100) < percent;
}

/* prog.c */
void value_make(struct rng *r, const struct field *f, uint8_t *raw, uint64_t *v, bool good);
void call_make(struct rng *r, struct call *c, unsigned int nr, bool good);
void prog_next(struct rng *r, struct prog *p);

/* exec.c */
void ctx_init(struct ctx *x, unsigned int index, uint64_t seed);
void kcov_start(struct ctx *x);
long call_run(struct ctx *x, const struct call *c);
void pool_prologue(struct ctx *x, uint64_t seed);
void pool_close(void);

/* ops.c */
void maps_init(void);
extern __thread void *touching;	/* sigjmp_buf of an access that may fail */

/* run.c */
void process_init(void);
int run(unsigned int seconds, unsigned int workers, uint64_t seed, struct log *log);
void world_init(void);

/* reduce.c */
int reduce(const struct log *log, void *memory, const char *splats);
int print_case(const void *memory);

/* print.c */
void call_print(FILE *out, const struct call *c, unsigned int n);

#endif
