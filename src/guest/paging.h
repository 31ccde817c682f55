/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What page tables of an architecture look like: all that the walker (space.c) must know of it. */
#pragma once

#include "guest/space.h"

struct vh_paging_form {
	enum vh_paging paging;
	unsigned levels, page_bits, index_bits, va_bits;
	bool lpa2; /* of ARM64: entries hold 52 bits of an address (FEAT_LPA2) */
	uint64_t table_bytes;
};
struct vh_paging_form vh_paging_form(const struct vh_root *root);

/* Bits of the address below an entry's index, of a table of `level` (1: of pages). */
unsigned vh_paging_shift(const struct vh_paging_form *f, unsigned level);
/* Entries that such a table has, a power of two (the topmost one may have fewer than its room), and
 * which of them an address is of. */
unsigned vh_paging_entries(const struct vh_paging_form *f, unsigned level);
unsigned vh_paging_index(const struct vh_paging_form *f, unsigned level, uint64_t gva);
/* An address as it is written: sign-extended where the architecture does so. */
uint64_t vh_paging_extend(const struct vh_paging_form *f, uint64_t gva);
bool vh_paging_canonical(const struct vh_paging_form *f, uint64_t gva);

struct vh_paging_entry {
	vh_gpa gpa; /* of the table, or the page, that it leads to */
	bool leaf;
	bool writable, executable, user; /* as far as this entry allows it */
};
/* False where the entry maps nothing. */
bool vh_paging_decode(const struct vh_paging_form *f, unsigned level, uint64_t entry,
	struct vh_paging_entry *out);
