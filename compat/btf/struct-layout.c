// SPDX-License-Identifier: GPL-2.0-only
/*
 * struct-layout BASE MODULE STRUCT
 *
 * Prints the size in bytes of a struct and the offset in bits of each of its
 * members, as the BTF in MODULE describes them:
 *
 *	size 64 node 0 task 128 ...
 *
 * BASE holds the BTF that MODULE's is split from; both may be the same file.
 * Each is an ELF file with a .BTF section, or raw BTF as in /sys/kernel/btf.
 * Built when the modules are, on machines that need not have bpftool.
 *
 * Format: Documentation/bpf/btf.rst in the kernel tree.
 *
 * Exit status: 0 printed; 1 MODULE's BTF has no such struct; 2 there is no
 * BTF to look into; 3 usage; 4 the BTF is damaged or of a newer kind.
 */
#include <elf.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOUND = 0, ABSENT = 1, NO_BTF = 2, USAGE = 3, UNREADABLE = 4 };

struct btf {
	const char *data;
	size_t size;
	const struct btf_header *hdr;
	const char *types;
	const char *strs;
};

static char *read_file(const char *name, size_t *size)
{
	char *data = NULL, *more;
	size_t room = 0;
	FILE *f = fopen(name, "rb");

	*size = 0;
	if (!f)
		return NULL;
	do {
		if (*size == room) {
			room = room ? 2 * room : 1 << 20;
			more = realloc(data, room);
			if (!more)
				exit(NO_BTF);
			data = more;
		}
		*size += fread(data + *size, 1, room - *size, f);
	} while (!feof(f) && !ferror(f));
	fclose(f);
	return data;
}

/* Narrows @btf from a whole ELF file to its .BTF section. */
static int find_section(struct btf *btf)
{
	const Elf64_Ehdr *eh = (const void *)btf->data;
	const Elf64_Shdr *sh, *names;
	int i;

	if (btf->size < sizeof(*eh) || eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_shentsize != sizeof(*sh) || eh->e_shstrndx >= eh->e_shnum ||
	    eh->e_shoff > btf->size ||
	    (btf->size - eh->e_shoff) / sizeof(*sh) < eh->e_shnum)
		return -1;

	sh = (const void *)(btf->data + eh->e_shoff);
	names = &sh[eh->e_shstrndx];
	if (names->sh_offset > btf->size ||
	    names->sh_size > btf->size - names->sh_offset || !names->sh_size ||
	    btf->data[names->sh_offset + names->sh_size - 1])
		return -1;

	for (i = 0; i < eh->e_shnum; i++, sh++) {
		if (sh->sh_name >= names->sh_size ||
		    strcmp(btf->data + names->sh_offset + sh->sh_name, ".BTF"))
			continue;
		if (sh->sh_type == SHT_NOBITS || sh->sh_offset > btf->size ||
		    sh->sh_size > btf->size - sh->sh_offset)
			return -1;
		btf->data += sh->sh_offset;
		btf->size = sh->sh_size;
		return 0;
	}
	return -1;
}

static int open_btf(struct btf *btf, const char *name)
{
	const struct btf_header *hdr;
	size_t rest;

	btf->data = read_file(name, &btf->size);
	if (!btf->data)
		return -1;
	if (btf->size >= SELFMAG && !memcmp(btf->data, ELFMAG, SELFMAG) &&
	    find_section(btf))
		return -1;

	hdr = (const void *)btf->data;
	btf->hdr = hdr;
	if (btf->size < sizeof(*hdr) || hdr->magic != BTF_MAGIC ||
	    hdr->hdr_len > btf->size)
		return -1;
	rest = btf->size - hdr->hdr_len;
	if (hdr->type_off > rest || hdr->type_len > rest - hdr->type_off ||
	    hdr->str_off > rest || hdr->str_len > rest - hdr->str_off ||
	    !hdr->str_len)
		return -1;
	btf->types = btf->data + hdr->hdr_len + hdr->type_off;
	btf->strs = btf->data + hdr->hdr_len + hdr->str_off;
	return btf->strs[hdr->str_len - 1] ? -1 : 0;
}

/* Names of split BTF count on from the end of the base's. */
static const char *name_of(const struct btf *base, const struct btf *btf,
			   unsigned int off)
{
	if (off < base->hdr->str_len)
		return base->strs + off;
	if (base != btf && off - base->hdr->str_len < btf->hdr->str_len)
		return btf->strs + off - base->hdr->str_len;
	return "?";
}

/* Bytes that follow struct btf_type; -1 for a kind not known here. */
static long tail_of(const struct btf_type *t)
{
	unsigned int vlen = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	case BTF_KIND_INT:
		return sizeof(__u32);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return vlen * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return vlen * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return vlen * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return vlen * sizeof(struct btf_param);
	case BTF_KIND_VAR:
		return sizeof(struct btf_var);
	case BTF_KIND_DATASEC:
		return vlen * sizeof(struct btf_var_secinfo);
	case BTF_KIND_DECL_TAG:
		return sizeof(struct btf_decl_tag);
	default:
		return -1;
	}
}

static void print_struct(const struct btf *base, const struct btf *btf,
			 const struct btf_type *t)
{
	const struct btf_member *m = (const void *)(t + 1);
	unsigned int i;

	printf("size %u", t->size);
	for (i = 0; i < BTF_INFO_VLEN(t->info); i++)
		printf(" %s %u", name_of(base, btf, m[i].name_off),
		       BTF_INFO_KFLAG(t->info) ?
		       BTF_MEMBER_BIT_OFFSET(m[i].offset) : m[i].offset);
	printf("\n");
}

int main(int argc, char **argv)
{
	struct btf base, module, *btf = &module;
	size_t off = 0, left;

	if (argc != 4) {
		fprintf(stderr, "usage: %s BASE MODULE STRUCT\n", argv[0]);
		return USAGE;
	}
	if (open_btf(&base, argv[1]))
		return NO_BTF;
	if (!strcmp(argv[1], argv[2]))
		btf = &base;
	else if (open_btf(&module, argv[2]))
		return NO_BTF;

	while ((left = btf->hdr->type_len - off) >= sizeof(struct btf_type)) {
		const struct btf_type *t = (const void *)(btf->types + off);
		long tail = tail_of(t);

		left -= sizeof(*t);
		if (tail < 0 || (size_t)tail > left)
			return UNREADABLE;
		if (BTF_INFO_KIND(t->info) == BTF_KIND_STRUCT &&
		    !strcmp(name_of(&base, btf, t->name_off), argv[3])) {
			print_struct(&base, btf, t);
			return FOUND;
		}
		off += sizeof(*t) + tail;
	}
	return ABSENT;
}
