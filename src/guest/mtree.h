/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's memory trees as text (softmmu/memory.c, 2.5 to 10.0), parsed. Hostile: bounded. */
#pragma once

#include "base/text.h"

enum vh_region_kind { VH_REGION_IO, VH_REGION_RAM, VH_REGION_ROM };

/* A line: "  00000000000003f8-00000000000003ff (prio 0, i/o): serial owner:{dev id=x}". */
struct vh_region {
	uint64_t first, last;
	int64_t priority;
	enum vh_region_kind kind;
	unsigned depth; /* of indentation */
	size_t end;     /* in its list: the first behind it that is not in it */
	bool disabled;
	char *name;      /* escaped */
	char *owner;     /* id of the device; NULL: it has none */
	char *target;    /* of an alias: the region it shows; NULL: no alias */
	uint64_t offset; /* of an alias: where in the target; in a flat view: into the region */
};

/* What stands under one heading. */
struct vh_region_list {
	char *name; /* address space, or region */
	struct vh_region *rows;
	size_t n;
};

struct vh_mtree {
	struct vh_region_list *lists;
	size_t n;
};

/* A heading "address-space: X", "memory-region: X" each begins a list; of a flat view, every
 * address space that it names ("AS \"X\", root: Y") has it. */
void vh_mtree_parse(struct vh_mtree *t, struct vh_str text);
void vh_mtree_free(struct vh_mtree *t);
const struct vh_region_list *vh_mtree_list(const struct vh_mtree *t, const char *name);

/* The region that answers at an address of a tree: the highest priority wins, a container yields to
 * what is in it, and where nothing in it answers, to what lies under it. NULL: none. */
const struct vh_region *vh_mtree_at(
	const struct vh_mtree *t, const struct vh_region_list *l, uint64_t address);
/* In a flat view, which has no overlaps. */
const struct vh_region *vh_mtree_flat_at(const struct vh_region_list *l, uint64_t address);
/* The container of the region of that name that begins there; NULL: not found, or the root. */
const struct vh_region *vh_mtree_container(
	const struct vh_region_list *l, const char *name, uint64_t first);
