// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running a call: its values become arguments, what it gives goes to a slot.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "structs.h"

int pool[NKINDS][NSLOTS];

/* That of the slot, or if it is empty of another one */
static int slot_get(unsigned int kind, unsigned int slot)
{
	unsigned int i;
	int fd;

	for (i = 0; i < NSLOTS; i++) {
		fd = __atomic_load_n(&pool[kind][(slot + i) % NSLOTS], __ATOMIC_RELAXED);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

static void slot_put(unsigned int kind, unsigned int slot, int fd)
{
	int old = __atomic_exchange_n(&pool[kind][slot % NSLOTS], fd, __ATOMIC_RELAXED);

	if (old >= 0)
		close(old);
}

static int fd_of(const struct field *f, uint64_t v)
{
	/* charge_fd: the caller */
	static const int self[] = { 0, -1, -10000, -10001 };
	unsigned int kind = f->kinds[(v >> 8 & 0xf) % f->nkinds];

	if (v & 1 << 12 && v >> 16)
		kind = (v >> 16) % NKINDS;
	if (kind == K_self)
		return self[v & 3];
	return slot_get(kind, v & 0xff);
}

static int64_t time_in(int64_t ns)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec + ns;
}

static int64_t timeout_of(const struct field *f, uint64_t v)
{
	unsigned int how = v % 100;

	if (f->type == T_EXPIRY)
		return how < 70 ? INT64_MAX : how < 85 ? time_in(1000000) : time_in(-1);
	if (how < 70)
		return 0;
	if (how < 85)
		return time_in(50000);
	if (how < 96)
		return time_in(1000000);
	return how < 98 ? INT64_MAX : -1;
}

static uint64_t value_of(const struct field *f, uint8_t raw, uint64_t v)
{
	if (raw)
		return v;
	switch (f->type) {
	case T_FD:
		return fd_of(f, v);
	case T_TIMEOUT:
	case T_EXPIRY:
		return timeout_of(f, v);
	case T_OUTFD:
		return 0;
	default:
		return v;
	}
}

static void store(uint8_t *at, unsigned int size, uint64_t v)
{
	if (size == 4)
		*(uint32_t *)at = v;
	else if (size == 8)
		*(uint64_t *)at = v;
	else
		memset(at, v, size);
}

/*
 * An address for @size bytes, and where to write what shall be there, NULL if it
 * cannot be written. @index: of the arrays of a call, so that they do not overlap.
 */
static uint8_t *place_for(struct ctx *x, unsigned int place, size_t size, unsigned int index,
			  uint8_t **write)
{
	size_t at = (1 + index) * (ARENA / 16);

	*write = NULL;
	switch (place) {
	case P_NULL:
		return NULL;
	case P_KERNEL:
		return (uint8_t *)0xffff888000001000;
	case P_READONLY:
		*write = x->arena + at;
		return x->arena_ro + at;
	case P_EDGE:	/* half of it is there */
		if (size > ARENA)
			size = ARENA;
		at = ARENA - (size / 2 & ~7UL);
		*write = x->arena + at;
		return x->arena + at;
	case P_ODD:
		at++;
		break;
	case P_BUFFER:	/* a mapping of a buffer, if there is one */
		return MAPS_AT + index % MAPS * MAP_SIZE;
	default:
		break;
	}
	*write = x->arena + at;
	return x->arena + at;
}

static size_t elem_size(const struct field *f)
{
	switch (f->elem) {
	case E_POINT:
		return 8;
	case E_BYTES:
		return 32;
	case E_STRUCT:
		return f->sub->size;
	default:
		return 4;
	}
}

static void elem_write(const struct field *f, struct rng *r, uint8_t *at)
{
	uint8_t raw;
	uint64_t v;
	unsigned int i;

	switch (f->elem) {
	case E_FD:
		store(at, 4, chance(r, 98) ? slot_get(f->kinds[0], below(r, NSLOTS)) :
					      slot_get(below(r, NKINDS), 0));
		break;
	case E_POINT:
		store(at, 8, chance(r, 95) ? below(r, 6) : rnd(r) >> below(r, 64));
		break;
	case E_STRUCT:
		for (i = 0; i < f->sub->nfields; i++) {
			const struct field *s = &f->sub->fields[i];

			value_make(r, s, &raw, &v, chance(r, 80));
			if (s->type == T_FD && !raw)
				v = (v & ~0xffULL) | below(r, NSLOTS);
			store(at + s->off, s->size, value_of(s, raw, v));
		}
		break;
	default:
		break;
	}
}

static uint64_t array_make(struct ctx *x, const struct field *f, uint64_t v, unsigned int index)
{
	struct rng r = { .s = (v >> 16) | 1 };
	size_t size = elem_size(f), n = v & 0xff, i, room;
	uint8_t *write, *at = place_for(x, v >> 8 & 0xf, n * size, index, &write);

	if (!write)
		return (uintptr_t)at;
	room = x->arena + ARENA - write;
	for (i = 0; i < n && (i + 1) * size <= room; i++)
		elem_write(f, &r, write + i * size);
	return (uintptr_t)at;
}

static uint64_t field_value(struct ctx *x, const struct call *c, const struct desc *d,
			    unsigned int i)
{
	const struct field *f = &d->fields[i];

	if (c->raw[i])
		return c->v[i];
	switch (f->type) {
	case T_ARRAY:
		return array_make(x, f, c->v[i], i);
	case T_LEN:
		return c->raw[f->ref] ? 1 : c->v[f->ref] & 0xff;
	case T_SIZE:
		return d->size;
	default:
		return value_of(f, c->raw[i], c->v[i]);
	}
}

/* Fds that it has been given */
static void results(const struct call *c, const struct desc *d, const uint8_t *arg)
{
	unsigned int i;

	for (i = 0; i < d->nfields; i++)
		if (d->fields[i].type == T_OUTFD)
			slot_put(d->fields[i].kinds[0], c->dst,
				 *(const int32_t *)(arg + d->fields[i].off));
}

static long ioctl_run(struct ctx *x, const struct call *c, const struct desc *d)
{
	uint8_t *arg = NULL, *write = NULL;
	unsigned int i;
	long ret;

	if (d->size) {
		/* Not half of it when it gives fds, which would be lost. */
		arg = place_for(x, c->place, d->size, MAX_FIELDS, &write);
		if (write) {
			size_t room = x->arena + ARENA - write;

			if (room >= d->size + 64) {
				memset(write, c->fill, d->size);
				memset(write + d->size, c->place == P_ODD, 64);
				for (i = 0; i < d->nfields; i++)
					store(write + d->fields[i].off, d->fields[i].size,
					      field_value(x, c, d, i));
			}
		}
	}
	ret = ioctl(slot_get(d->kind, c->dst), d->request, arg);
	if (ret >= 0 && write && c->place == P_GOOD)
		results(c, d, write);
	return ret;
}

static long open_run(const struct call *c, const struct desc *d)
{
	const char *path = d->paths[(c->raw[0] ? 0 : c->v[0]) % d->npaths];
	int fd = open(path, O_RDWR | O_CLOEXEC);

	/* a directory */
	return fd < 0 ? open(path, O_RDONLY | O_CLOEXEC) : fd;
}

static long op_run(struct ctx *x, const struct call *c, const struct desc *d)
{
	uint64_t v[MAX_FIELDS];
	unsigned int i;

	for (i = 0; i < d->nfields; i++)
		v[i] = value_of(&d->fields[i], c->raw[i], c->v[i]);
	return d->op(x, v);
}

/**
 * call_run() - run a call
 * @x:	of the thread that runs it
 * @c:	the call
 *
 * Return: as the system call; errno is set.
 */
long call_run(struct ctx *x, const struct call *c)
{
	const struct desc *d = &descs[c->nr];
	long ret;

	errno = 0;
	x->retkind = d->ret;
	switch (d->what) {
	case C_IOCTL:
		ret = ioctl_run(x, c, d);
		break;
	case C_OPEN:
		ret = open_run(c, d);
		break;
	default:
		ret = op_run(x, c, d);
	}
	if (ret > 0 && d->has_ret && x->retkind) {
		int err = errno;

		slot_put(x->retkind, c->dst, ret);
		errno = err;
	}
	return ret;
}

/*
 * Only the last one who has the fds. Timelines must have no fences left to signal, see
 * uapi.txt: they go forward by more than any fence is ahead of them.
 */
void pool_close(void)
{
	unsigned int kind, slot;
	uint32_t far = INT32_MAX;

	for (slot = 0; slot < NSLOTS; slot++)
		if (pool[K_sw_sync][slot] >= 0)
			ioctl(pool[K_sw_sync][slot], SW_SYNC_IOC_INC, &far);
	for (kind = 0; kind < NKINDS; kind++)
		for (slot = 0; slot < NSLOTS; slot++)
			if (pool[kind][slot] >= 0)
				close(pool[kind][slot]);
}

/* Something good in the first slots, which all processes inherit; always the same */
void pool_prologue(struct ctx *x, uint64_t seed)
{
	unsigned int pass, nr;
	struct call c;

	x->rng.s = seed | 1;
	memset(pool, 0xff, sizeof(pool));
	for (pass = 0; pass < 3; pass++)
		for (nr = 0; nr < NCALLS; nr++) {
			if (!descs[nr].shared)
				continue;
			call_make(&x->rng, &c, nr, true);
			c.dst = pass;
			call_run(x, &c);
		}
}

void ctx_init(struct ctx *x, unsigned int index, uint64_t seed)
{
	int fd = memfd_create("arena", MFD_CLOEXEC);

	memset(x, 0, sizeof(*x));
	x->index = index;
	x->rng.s = seed * 0x9e3779b97f4a7c15ULL | 1;
	x->st = &sh->t[index];
	x->kcov_fd = -1;
	x->sibling = -1;
	if (fd < 0 || ftruncate(fd, ARENA))
		_exit(2);
	/* Followed by memory that is not there */
	x->arena = mmap(NULL, 2 * ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mmap(x->arena, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	x->arena_ro = mmap(NULL, ARENA, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
}

#define KCOV_INIT_TRACE	_IOR('c', 1, unsigned long)
#define KCOV_ENABLE	_IO('c', 100)

/* For the calling thread; without kcov, nothing */
void kcov_start(struct ctx *x)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	void *map;

	if (fd < 0)
		return;
	if (ioctl(fd, KCOV_INIT_TRACE, KCOV_WORDS))
		goto out;
	map = mmap(NULL, KCOV_WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		goto out;
	if (ioctl(fd, KCOV_ENABLE, 0))
		goto unmap;
	x->kcov = map;
	x->kcov_fd = fd;
	return;
unmap:
	munmap(map, KCOV_WORDS * 8);
out:
	close(fd);
}
