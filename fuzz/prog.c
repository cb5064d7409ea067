// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making and changing programs: what a value may be follows from its meaning.
 */
#include <string.h>

#include "fuzz.h"

static const uint64_t boundary[] = {
	0, 1, 2, 3, 7, 8, 0xff, 0xfff, 0x1000, 0x1001, 0xffff, 0x10000, 0x10001,
	0x7ffffffe, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x100000000,
	1ULL << 40, 1ULL << 62, (1ULL << 63) - 1, 1ULL << 63, -4096ULL, -2ULL, -1ULL,
};

#define PICK(r, a) ((a)[below(r, sizeof(a) / sizeof((a)[0]))])

static uint64_t raw_value(struct rng *r, const struct field *f)
{
	/* Of what takes memory either little or what nobody has. */
	static const uint64_t sizes[] = {
		0, 1, 0xfff, 0x1001, 1ULL << 40, 1ULL << 47, 1ULL << 62,
		(1ULL << 63) - 1, 1ULL << 63, -4096ULL, -4095ULL, -1ULL,
	};
	static const uint64_t lengths[] = {
		0, 1, 8, 9, 16, 17, 64, 512, 513, 65536, 65537, 0x7fffffff, 0xffffffff,
	};

	switch (f->type) {
	case T_BYTES:
	case T_PAGES:
		return PICK(r, sizes);
	case T_SMALL:
		return chance(r, 50) ? 0 : -1ULL;
	case T_LEN:
		return PICK(r, lengths);
	case T_SIZE:
		return chance(r, 50) ? below(r, 200) : PICK(r, boundary);
	default:
		return chance(r, 80) ? PICK(r, boundary) : rnd(r);
	}
}

/* Array: 8 bits of length, 4 of place, 4 for nothing, and what is in it. */
static uint64_t array_value(struct rng *r, const struct field *f, bool good)
{
	uint64_t n = 1 + below(r, 4), place = P_GOOD;

	if (!good) {
		if (chance(r, 15))
			n = below(r, 24);
		if (chance(r, 2))
			n = 255;
		if (chance(r, 8))
			place = below(r, NPLACES);
		if (f->opt && chance(r, 30))
			place = P_NULL;
	}
	return n | place << 8 | rnd(r) << 16;
}

static uint64_t fd_value(struct rng *r, const struct field *f, bool good)
{
	uint64_t v = below(r, NSLOTS) | (uint64_t)below(r, f->nkinds) << 8;

	if (good)
		return v & 0xff;
	if (chance(r, 4) || f->kinds[0] == K_any)	/* any kind */
		v |= 1 << 12 | (uint64_t)(1 + below(r, NKINDS - 1)) << 16;
	return v;
}

/**
 * value_make() - a value for a field
 * @r:	random numbers
 * @f:	the field
 * @raw:	out: taken as it is
 * @v:	out: the value
 * @good:	one that the call should like
 */
void value_make(struct rng *r, const struct field *f, uint8_t *raw, uint64_t *v, bool good)
{
	static const uint8_t points[] = { 0, 0, 1, 1, 2, 3, 4, 5 };
	uint64_t set = 0;
	unsigned int i;

	*raw = 0;
	if (!good && chance(r, f->type == T_PAD || f->type == T_SIZE ? 2 : 3)) {
		*raw = 1;
		*v = raw_value(r, f);
		return;
	}
	switch (f->type) {
	case T_FD:
		*v = fd_value(r, f, good);
		break;
	case T_OUTFD:
		*v = 0;	/* the call's dst */
		break;
	case T_ARRAY:
		*v = array_value(r, f, good);
		break;
	case T_FLAGS:
		for (i = 0; i < f->nset; i++)
			if (chance(r, 40))
				set |= f->set[i];
		*v = set;
		break;
	case T_ENUM:
		*v = good ? f->set[0] : f->set[below(r, f->nset)];
		break;
	case T_POINT:
		*v = chance(r, 90) ? PICK(r, points) : below(r, 12);
		break;
	case T_TIMEOUT:
	case T_EXPIRY:
	case T_NUM:
		*v = below(r, 1 << 16);
		break;
	case T_HANDLE:
		*v = good ? 1 : 1 + below(r, 10);
		break;
	case T_BYTES:
		*v = chance(r, 70) ? PAGE << below(r, 5) : 1 + below(r, 1 << 17);
		break;
	case T_PAGES:
		*v = PAGE * (1 + below(r, chance(r, 80) ? 4 : 64));
		break;
	case T_OFFSET:
		*v = PAGE * (chance(r, 60) ? 0 : below(r, chance(r, 80) ? 8 : 4096));
		break;
	case T_SMALL:
		*v = 1 + below(r, 64);
		break;
	default:
		*v = 0;
	}
}

void call_make(struct rng *r, struct call *c, unsigned int nr, bool good)
{
	const struct desc *d = &descs[nr];
	unsigned int i;

	memset(c, 0, sizeof(*c));
	c->nr = nr;
	c->dst = below(r, NSLOTS);
	if (!good) {
		if (chance(r, 3))
			c->place = below(r, NPLACES);
		c->fill = chance(r, 20) ? 0xff : 0;
	}
	for (i = 0; i < d->nfields; i++)
		value_make(r, &d->fields[i], &c->raw[i], &c->v[i], good);
}

static unsigned int pick_call(struct rng *r)
{
	static unsigned int total;
	unsigned int i, at;

	if (!total) {
		for (i = at = 0; i < NCALLS; i++)
			at += descs[i].weight;
		total = at;
	}
	for (;;) {
		at = below(r, total);
		for (i = 0; at >= descs[i].weight; i++)
			at -= descs[i].weight;
		if (!descs[i].off || may_off)
			return i;
	}
}

static void prog_insert(struct rng *r, struct prog *p)
{
	unsigned int at;

	if (p->n == MAX_CALLS)
		return;
	at = below(r, p->n + 1);
	memmove(&p->c[at + 1], &p->c[at], (p->n - at) * sizeof(p->c[0]));
	call_make(r, &p->c[at], pick_call(r), false);
	p->n++;
}

static void prog_remove(struct rng *r, struct prog *p)
{
	unsigned int at;

	if (p->n < 2)
		return;
	at = below(r, p->n--);
	memmove(&p->c[at], &p->c[at + 1], (p->n - at) * sizeof(p->c[0]));
}

static void prog_value(struct rng *r, struct prog *p)
{
	struct call *c = &p->c[below(r, p->n)];
	const struct desc *d = &descs[c->nr];
	unsigned int i;

	if (!d->nfields || chance(r, 10)) {
		c->place = chance(r, 50) ? below(r, NPLACES) : P_GOOD;
		c->dst = below(r, NSLOTS);
		return;
	}
	i = below(r, d->nfields);
	value_make(r, &d->fields[i], &c->raw[i], &c->v[i], false);
}

static const struct prog *prog_pick(struct rng *r)
{
	uint32_t n = __atomic_load_n(&sh->corpus, __ATOMIC_RELAXED);

	return &sh->prog[below(r, n < MAX_CORPUS ? n : MAX_CORPUS)];
}

/* The first calls of @p, the last of another one */
static void prog_splice(struct rng *r, struct prog *p)
{
	struct prog other = *prog_pick(r);
	unsigned int keep, from, n;

	if (!other.n || other.n > MAX_CALLS)
		return;
	keep = 1 + below(r, p->n);
	from = below(r, other.n);
	n = other.n - from;
	if (n > MAX_CALLS - keep)
		n = MAX_CALLS - keep;
	memcpy(&p->c[keep], &other.c[from], n * sizeof(p->c[0]));
	p->n = keep + n;
}

/* Another process may be writing it. */
static bool prog_sane(const struct prog *p)
{
	unsigned int i;

	if (!p->n || p->n > MAX_CALLS)
		return false;
	for (i = 0; i < p->n; i++)
		if (p->c[i].nr >= NCALLS || (descs[p->c[i].nr].off && !may_off))
			return false;
	return true;
}

/**
 * prog_next() - the next program to be run: a new one, or a changed one of the corpus
 * @r:	random numbers
 * @p:	out: the program
 */
void prog_next(struct rng *r, struct prog *p)
{
	unsigned int i, n;

	if (!sh->corpus || chance(r, 20))
		goto fresh;
	*p = *prog_pick(r);
	if (!prog_sane(p))
		goto fresh;
	for (n = 1 + below(r, 4); n; n--) {
		switch (below(r, 8)) {
		case 0:
		case 1:
			prog_insert(r, p);
			break;
		case 2:
			prog_remove(r, p);
			break;
		case 3:
			prog_splice(r, p);
			break;
		default:
			prog_value(r, p);
		}
	}
	if (prog_sane(p))
		return;
fresh:
	p->n = 3 + below(r, MAX_CALLS - 2);
	for (i = 0; i < p->n; i++)
		call_make(r, &p->c[i], pick_call(r), false);
}
