/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's virtual address space: page tables over its physical memory. Tables are read once and
 * kept, so that what is translated twice is translated alike; how many is bounded, for the guest
 * writes them.
 */
#pragma once

#include "guest/memory.h"

enum vh_paging {
	VH_PAGING_X86_4, /* 4 levels (Intel SDM vol. 3 section 4.5) */
	VH_PAGING_X86_5, /* 5 levels, CR4.LA57 */
	VH_PAGING_ARM64, /* TTBR1 with the granule and width of struct vh_root (Arm ARM D8) */
};

struct vh_root {
	enum vh_paging paging;
	vh_gpa table;
	/* Of ARM64: bits of a page offset (12, 14, 16), and of a virtual address (36 to 52). */
	unsigned page_bits, va_bits;
};
/* Of x86-64 from its control registers: CR3 without its low 12 bits. Paging and long mode must be
 * on. */
struct vh_root vh_root_of_x86(uint64_t cr3, uint64_t cr4);

struct vh_mapping {
	vh_gpa gpa;
	uint64_t page_bytes;             /* 4 KiB, 2 MiB, 1 GiB, ... */
	bool writable, executable, user; /* over all levels */
};

/* A run of the address space that is mapped with the same rights; not of one piece in physical
 * memory. */
struct vh_range {
	uint64_t gva, bytes;
	bool writable, executable, user;
};

struct vh_space;
struct vh_space *vh_space_new(struct vh_memory *m, const struct vh_root *root); /* m is borrowed */
void vh_space_free(struct vh_space *s);
struct vh_memory *vh_space_memory(const struct vh_space *s);
const struct vh_root *vh_space_root(const struct vh_space *s);

/* 0, -ENXIO (not mapped), or as vh_memory_read() of a table; -ELOOP where the tables are more than
 * any guest needs. */
int vh_space_translate(struct vh_space *s, uint64_t gva, struct vh_mapping *out);
/* All n bytes or nothing, as vh_memory_read(), or -ENXIO. At most VH_SPACE_READ_MAX at once. */
int vh_space_read(struct vh_space *s, uint64_t gva, void *to, size_t n);
#define VH_SPACE_READ_MAX (UINT64_C(128) << 20)
int vh_space_u64(struct vh_space *s, uint64_t gva, uint64_t *value);
int vh_space_u32(struct vh_space *s, uint64_t gva, uint32_t *value);
/* A C string of at most size - 1 bytes, NUL-terminated and cut where it is longer. Its length, or
 * a negative errno. Hostile: not escaped. */
ssize_t vh_space_string(struct vh_space *s, uint64_t gva, char *to, size_t size);

/* What is mapped within [low, high], ascending, up to most ranges; how many. */
size_t vh_space_ranges(
	struct vh_space *s, uint64_t low, uint64_t high, struct vh_range *out, size_t most);

/*
 * Copies [gva, gva + n) now, as far as it is mapped from gva on; reads that lie in the copy are of
 * it until the next call: a stack that changes meanwhile is then read as it was at one moment. How
 * many bytes were copied; 0 also takes the copy away.
 */
size_t vh_space_freeze(struct vh_space *s, uint64_t gva, size_t n);
#define VH_FREEZE_MAX (64u << 10)
