/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the pieces of a guest's RAM are in QEMU's memory: by QEMU's own memory tree and one
 * question a block, or, where no monitor answers, guessed from the process's mappings. Pure.
 */
#pragma once

#include "guest/memory.h"
#include "guest/mtree.h"

struct vh_ram_piece {
	struct vh_ram ram;
	char *block;     /* "pc.ram" */
	uint64_t offset; /* of the piece in its block */
	bool known;      /* hva is set */
};

struct vh_rammap {
	struct vh_ram_piece *pieces; /* ascending */
	size_t n;
};

/* What is RAM in the flat view of address space "memory": without the memory of a screen, flash and
 * devices; the shadowed ROMs below 1 MiB are RAM. Host addresses are not known yet. */
void vh_rammap_of_mtree(struct vh_rammap *map, const struct vh_mtree *t);
void vh_rammap_free(struct vh_rammap *map);
/* The next piece whose host address is to be asked for (HMP gpa2hva), at or behind *i; false: all
 * are known. The answer is for all pieces of its block. */
bool vh_rammap_unknown(const struct vh_rammap *map, size_t *i);
void vh_rammap_answer(struct vh_rammap *map, size_t i, vh_hva hva);
/* The pieces whose host addresses are known; how many, up to most. */
size_t vh_rammap_take(const struct vh_rammap *map, struct vh_ram *out, size_t most);

/* Behind the "is" of "Host virtual address for 0x0 (pc.ram) is 0x7f..."; false: another answer. */
bool vh_rammap_hva(struct vh_str answer, vh_hva *hva);

/*
 * The Nth guess, the likeliest first: which mappings (text of /proc/PID/maps) are the guest's
 * memory of so many bytes, and where an x86 machine of that type ("pc-i440fx-7.2", "q35") has its
 * hole. Pieces of RAM, up to most; 0: no further guess.
 */
size_t vh_rammap_guess(struct vh_str maps, uint64_t memory_bytes, const char *machine, unsigned nth,
	struct vh_ram *out, size_t most);
