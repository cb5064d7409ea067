// SPDX-License-Identifier: GPL-2.0-only
/*
 * A call as C, for a selftest to be made of it. Fds are KIND[SLOT].
 */
#include <inttypes.h>

#include "fuzz.h"

static void fd_print(FILE *out, const struct field *f, uint64_t v)
{
	unsigned int kind = f->kinds[(v >> 8 & 0xf) % f->nkinds];

	if (v & 1 << 12 && v >> 16)
		kind = (v >> 16) % NKINDS;
	fprintf(out, "%s[%u]", kind_names[kind], (unsigned int)(v & (NSLOTS - 1)));
}

static const char *time_name(const struct field *f, uint64_t v)
{
	unsigned int how = v % 100;

	if (f->type == T_EXPIRY)
		return how < 70 ? "INT64_MAX" : how < 85 ? "in_us(1000)" : "in_us(0) - 1";
	if (how < 70)
		return "0";
	if (how < 85)
		return "in_us(50)";
	if (how < 96)
		return "in_us(1000)";
	return how < 98 ? "INT64_MAX" : "-1";
}

static void scalar_print(FILE *out, const struct field *f, uint8_t raw, uint64_t v)
{
	if (!raw && f->type == T_FD)
		fd_print(out, f, v);
	else if (!raw && (f->type == T_TIMEOUT || f->type == T_EXPIRY))
		fprintf(out, "%s", time_name(f, v));
	else
		fprintf(out, "0x%" PRIx64, v);
}

/* The same values as elem_write() of exec.c makes */
static void elem_print(FILE *out, const struct field *f, struct rng *r)
{
	unsigned int i, kind = f->kinds[0], slot = 0;
	uint8_t raw;
	uint64_t v;

	switch (f->elem) {
	case E_FD:
		if (chance(r, 98))
			slot = below(r, NSLOTS);
		else
			kind = below(r, NKINDS);
		fprintf(out, "%s[%u]", kind_names[kind], slot);
		break;
	case E_POINT:
		v = chance(r, 95) ? below(r, 6) : rnd(r) >> below(r, 64);
		fprintf(out, "%" PRIu64, v);
		break;
	case E_STRUCT:
		fprintf(out, "{ ");
		for (i = 0; i < f->sub->nfields; i++) {
			const struct field *s = &f->sub->fields[i];

			value_make(r, s, &raw, &v, chance(r, 80));
			if (s->type == T_FD && !raw)
				v = (v & ~0xffULL) | below(r, NSLOTS);
			fprintf(out, ".%s = ", s->name);
			scalar_print(out, s, raw, v);
			fprintf(out, ", ");
		}
		fprintf(out, "}");
		break;
	default:
		fprintf(out, "0");
	}
}

static void array_print(FILE *out, const struct field *f, uint64_t v)
{
	static const char *const places[] = {
		[P_KERNEL] = "an address of the kernel's", [P_READONLY] = "read only",
		[P_EDGE] = "half of it is not mapped", [P_ODD] = "not aligned",
		[P_BUFFER] = "in a mapping",
	};
	static const char *const types[] = { "int", "__u64", "__s32", "char", "struct" };
	unsigned int n = v & 0xff, place = v >> 8 & 0xf, i;
	struct rng r = { .s = (v >> 16) | 1 };

	if (place == P_NULL) {
		fprintf(out, "0");
		return;
	}
	if (place < NPLACES && places[place])
		fprintf(out, "/* %s */ ", places[place]);
	fprintf(out, "(uintptr_t)(%s%s%s[]){ ", types[f->elem], f->elem == E_STRUCT ? " " : "",
		f->elem == E_STRUCT ? f->sub->name : "");
	for (i = 0; i < n; i++) {
		elem_print(out, f, &r);
		fprintf(out, ", ");
	}
	fprintf(out, "}");
}

static void value_print(FILE *out, const struct desc *d, const struct call *c, unsigned int i)
{
	const struct field *f = &d->fields[i];

	if (!c->raw[i] && f->type == T_ARRAY)
		array_print(out, f, c->v[i]);
	else if (!c->raw[i] && f->type == T_LEN)
		fprintf(out, "%u", c->raw[f->ref] ? 1 : (unsigned int)(c->v[f->ref] & 0xff));
	else if (!c->raw[i] && f->type == T_SIZE)
		fprintf(out, "%u", d->size);
	else
		scalar_print(out, f, c->raw[i], c->v[i]);
}

void call_print(FILE *out, const struct call *c, unsigned int n)
{
	const struct desc *d = &descs[c->nr];
	unsigned int i;

	if (d->what == C_IOCTL && d->str) {
		fprintf(out, "\tstruct %s a%u = {\n", d->str, n);
		for (i = 0; i < d->nfields; i++) {
			if (d->fields[i].type == T_OUTFD)
				continue;
			fprintf(out, "\t\t.%s = ", d->fields[i].name);
			value_print(out, d, c, i);
			fprintf(out, ",\n");
		}
		fprintf(out, "\t};\n");
		if (c->place)
			fprintf(out, "\t/* place %u */\n", c->place);
		fprintf(out, "\tioctl(%s[%u], %s, &a%u);\n", kind_names[d->kind], c->dst,
			d->symbol, n);
		for (i = 0; i < d->nfields; i++)
			if (d->fields[i].type == T_OUTFD)
				fprintf(out, "\tslot(%s, %u, a%u.%s);\n",
					kind_names[d->fields[i].kinds[0]], c->dst, n,
					d->fields[i].name);
		return;
	}
	fprintf(out, "\t");
	if (d->has_ret && d->ret)
		fprintf(out, "%s[%u] = ", kind_names[d->ret], c->dst);
	fprintf(out, "%s(", d->what == C_OPEN ? "open" : d->name);
	if (d->what == C_OPEN)
		fprintf(out, "\"%s\"", d->paths[(c->raw[0] ? 0 : c->v[0]) % d->npaths]);
	for (i = 0; d->what != C_OPEN && i < d->nfields; i++) {
		fprintf(out, i ? ", " : "");
		value_print(out, d, c, i);
	}
	fprintf(out, ");\n");
}
