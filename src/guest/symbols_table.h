/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Symbols as they are kept, and how the parts of their reader (symbols*.c) hand them on. */
#pragma once

#include "guest/symbols.h"

/* Kernels have 90,000 to 210,000; a table that claims more than this is none. */
#define VH_SYMBOLS_MAX (1u << 20)

struct vh_symbols {
	size_t n;
	uint64_t *gva;  /* in table order */
	uint32_t *name; /* where in text: a type, the name, NUL; 0: it could not be read */
	char *text;
	size_t text_bytes, text_room;
	/* By name: heads of chains of indices + 1, which go on in next. */
	uint32_t *heads, *next, *hashes;
	uint32_t mask;
	/* By address: indices of those in the kernel's half, of an alias the lowest. */
	uint32_t *order;
	size_t n_order;
	const char *layout;
};

/* Room for n symbols, none of which has a name yet. */
struct vh_symbols *vh_symbols_room(size_t n);
/* Appends a type and a name, and makes it that of symbol i; false where the text is full. */
bool vh_symbols_set_name(struct vh_symbols *y, size_t i, const char *type_and_name, size_t n);
/* Once names and addresses are there: makes them findable. */
void vh_symbols_index(struct vh_symbols *y);

/* What was copied of guest memory, once: n bytes of gva on. Pages that could not be read are 0. */
struct vh_symbols_copy {
	const uint8_t *data;
	size_t n;
	uint64_t gva;
};

/* The tables of kallsyms within a copy. */
struct vh_kallsyms {
	struct vh_symbols_copy copy;
	/* Offsets into the copy: of tokens, of the 256 u16 that tell where each begins, of the
	 * markers (u32 or u64), of the names, and of their number. */
	size_t tokens, token_index, markers, names, num_syms;
	unsigned marker_bytes;
	size_t n_markers, n;
	uint16_t token_bytes[256];
};

/* symbols_find.c: where they are. The next candidate behind *from, which is moved on. */
bool vh_kallsyms_next(const struct vh_symbols_copy *copy, size_t *from, struct vh_kallsyms *k);
uint64_t vh_kallsyms_marker(const struct vh_kallsyms *k, size_t block);
/* symbols_decode.c: the names of a block; true where it ends where the next begins. y NULL: checks
 * alone. */
bool vh_kallsyms_block(const struct vh_kallsyms *k, size_t block, struct vh_symbols *y);
/* Addresses of all; false where no layout fits. low and high: what they may be. */
bool vh_kallsyms_addresses(
	const struct vh_kallsyms *k, uint64_t low, uint64_t high, struct vh_symbols *y);
