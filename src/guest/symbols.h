/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Linux kernel's symbols, from its kallsyms tables in guest memory (kernel/kallsyms.c,
 * scripts/kallsyms.c): no System.map, no debug information. Four layouts are known: 64-bit markers
 * (4.18); 32-bit markers with offsets before the names (to 6.1); offsets behind token_index (6.4
 * on); place-relative offsets (7.x).
 */
#pragma once

#include "base/text.h"
#include "guest/space.h"

#define VH_KERNEL_LOW  UINT64_C(0xffffffff80000000) /* x86-64: the image lies in these 1 GiB */
#define VH_KERNEL_HIGH UINT64_C(0xffffffffbfffffff)
/* Where a kernel's image may lie, by the kind of its page tables: as above, or for arm64 all of
 * what is above the linear map. */
void vh_kernel_window(const struct vh_root *root, uint64_t *low, uint64_t *high);

struct vh_symbols;

struct vh_symbol {
	const char *name; /* lives in the symbols */
	char type;        /* as in /proc/kallsyms: 'T', 't', 'D', ... */
	uint64_t gva;
	uint64_t size; /* up to the next symbol; 0 unknown */
};

/*
 * Looks for the tables in the ranges, read-only ones first. 0; -ENOENT: none there, and *why (the
 * caller frees it) tells how far it came; or as vh_space_read().
 */
int vh_symbols_find(struct vh_space *s, const struct vh_range *ranges, size_t n,
	struct vh_symbols **out, char **why);
/* Made by hand, for tests of those who use symbols: names and addresses in any order. */
struct vh_symbols *vh_symbols_of(const struct vh_symbol *list, size_t n);
void vh_symbols_free(struct vh_symbols *y);

size_t vh_symbols_count(const struct vh_symbols *y);
/* In the order of the kernel's table. */
bool vh_symbols_get(const struct vh_symbols *y, size_t i, struct vh_symbol *out);
/* The address of a name, the first in table order; false: no such symbol. */
bool vh_symbols_address(const struct vh_symbols *y, const char *name, uint64_t *gva);
/* What covers an address; among aliases the one the kernel itself reports: the lowest index. */
bool vh_symbols_at(const struct vh_symbols *y, uint64_t gva, struct vh_symbol *out);
/* "6.1 to 6.3", for notes. */
const char *vh_symbols_layout(const struct vh_symbols *y);
