# SPDX-License-Identifier: GPL-2.0-only
# Programs that are blocks of PAGES; to include before lib.mk, with DOC_RULES behind it.
# DOC_OBJECTS are what they are linked with.

DOCS_CODE := ../../scripts/lib/docs-code
DOC_PROGS := $(shell $(DOCS_CODE) list $(PAGES) | sed -n 's/ run .*//p')
TEST_GEN_PROGS += $(DOC_PROGS)

define DOC_RULES
$$(addprefix $$(OUTPUT)/,$$(DOC_PROGS)): $$(OUTPUT)/%: $$(PAGES) $$(DOCS_CODE) $$(DOC_OBJECTS)
	$$(DOCS_CODE) c $$* $$(PAGES) >$$@.c
	$$(CC) $$(CFLAGS) -I. $$(LDFLAGS) $$@.c $$(DOC_OBJECTS) $$(LDLIBS) -o $$@
endef
