/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Symbols as they are kept, and how the parts of their reader (symbols*.c) hand them on. */
#pragma once

#include "guest/symbols.h"

/* Kernels have 90,000 to 210,000; a table that claims more than this is none. */
#define VH_SYMBOLS_MAX (1u << 20)

/* A type and a name (KSYM_NAME_LEN: 128, from 6.1 on 512), and what copying by 16 bytes may add. */
#define VH_SYMBOLS_NAME (512u + 16u)

struct vh_symbols {
	size_t n;
	uint64_t *gva;  /* in table order */
	uint32_t *name; /* where in text: a type, the name, NUL; 0: it could not be read */
	char *text;
	size_t text_bytes, text_room;
	/* By name: slots of an open table; index + 1, 0 empty. */
	struct vh_symbols_slot {
		uint32_t hash, at;
	} * slots;
	uint32_t mask;
	/* By address: indices of those in the kernel's half, of an alias the lowest. */
	uint32_t *order;
	size_t n_order;
	const char *layout;
};

/* Room for n symbols, none of which has a name yet. */
struct vh_symbols *vh_symbols_room(size_t n);
/* Where the next type and name go: VH_SYMBOLS_NAME bytes are free there; NULL where the text is
 * full. Then the first n of them become those of symbol i. */
char *vh_symbols_name_room(struct vh_symbols *y);
void vh_symbols_take_name(struct vh_symbols *y, size_t i, size_t n);
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
	struct vh_kallsyms_token {
		uint16_t at, bytes; /* behind tokens */
	} token[256];
};

/* Ten tokens that stand for themselves in each table. */
#define VH_KALLSYMS_DIGITS "0\0001\0002\0003\0004\0005\0006\0007\0008\0009"

/* symbols_find.c: where the tables are. The digits at or behind from; c->n: none. */
size_t vh_kallsyms_digits(const struct vh_symbols_copy *c, size_t from);
/* True where a table of tokens, '0' of which lies at zero, and its index are there: sets these. */
bool vh_kallsyms_tokens(const struct vh_symbols_copy *c, size_t zero, struct vh_kallsyms *k);
/* True where markers, names and their number are before it: sets these. */
bool vh_kallsyms_names(struct vh_kallsyms *k);
uint64_t vh_kallsyms_marker(const struct vh_kallsyms *k, size_t block);
/* symbols_decode.c: the names of a block; true where it ends where the next begins. y NULL: checks
 * alone. */
bool vh_kallsyms_block(const struct vh_kallsyms *k, size_t block, struct vh_symbols *y);
/* How far the copy must go for the addresses, which may lie behind the rest. */
size_t vh_kallsyms_end(const struct vh_kallsyms *k);
/* Addresses of all; false where no layout fits. low and high: what they may be. */
bool vh_kallsyms_addresses(
	const struct vh_kallsyms *k, uint64_t low, uint64_t high, struct vh_symbols *y);
