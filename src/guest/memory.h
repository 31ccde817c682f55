/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's physical memory, wherever it is: a running VMM's (read without stopping it, and without
 * bringing a page into the host's memory that is not there), a dump's, or the pages that a case
 * kept. Every byte may be wrong and may change between two reads, so whoever reads copies once and
 * parses the copy. All reads together have a budget of bytes and of time.
 */
#pragma once

#include "base/clock.h"
#include "base/util.h"

/* Three kinds of addresses that must not be mixed up. Guest-virtual ones, which Linux's structures
 * are full of, are plain uint64_t named gva. */
typedef struct {
	uint64_t a;
} vh_gpa; /* guest-physical */
typedef struct {
	uint64_t a;
} vh_hva; /* virtual in the VMM's process */

#define VH_GUEST_PAGE UINT64_C(4096)

/* Guest-physical memory that is one piece in the VMM too. */
struct vh_ram {
	vh_gpa gpa;
	uint64_t bytes;
	vh_hva hva;
};
#define VH_MAX_RAM 256

struct vh_run { /* of pages that can be read */
	vh_gpa gpa;
	uint64_t bytes;
};

struct vh_memory;

/* Where the bytes come from. Addresses are page-aligned and within [gpa, gpa + bytes) of a piece of
 * RAM. */
struct vh_memory_source {
	/* 0, -ENODATA (the page is not in the host's memory, or the dump left it out), or another
	 * negative errno. Whole or nothing. */
	int (*read)(void *self, vh_gpa gpa, void *to, size_t n);
	/* The first run of pages that can be read at or behind gpa, not longer than most bytes;
	 * false where there is none any more. */
	bool (*next)(void *self, vh_gpa gpa, uint64_t most, struct vh_run *run);
	void (*free)(void *self);
};

/* Takes self. ram is copied; at most VH_MAX_RAM pieces are used. */
struct vh_memory *vh_memory_new(
	const struct vh_memory_source *source, void *self, const struct vh_ram *ram, size_t n);
/*
 * Of a running process: /proc/PID/mem and /proc/PID/pagemap, opened for reading, which are
 * borrowed. Only pages whose bit 63 ("present") is set are read
 * (Documentation/admin-guide/mm/pagemap.rst): reading an absent one would allocate it, one in swap
 * would be read back in, and one that a post-copy migration has not brought would wait for it.
 */
struct vh_memory *vh_memory_of_process(
	int mem_fd, int pagemap_fd, const struct vh_ram *ram, size_t n);
/*
 * Of pages in one buffer, which is borrowed: page i is of address gpa[i] (page-aligned, ascending)
 * and lies at data + i * 4096.
 */
struct vh_memory *vh_memory_of_pages(const vh_gpa *gpa, size_t n, const uint8_t *data);
void vh_memory_free(struct vh_memory *m);
/* For sources that read a file: all n bytes from offset at on. 0, -ENODATA where the file ends
 * before them, or another negative errno. */
int vh_read_at(int fd, uint64_t at, void *to, size_t n);

/* Reads further than this fail with -EDQUOT (bytes) or -ETIME. Without it: 256 MiB, no deadline. */
void vh_memory_set_budget(struct vh_memory *m, uint64_t bytes, struct vh_deadline deadline);
/* Keeps a copy of every page that is read from now on (for a case file), up to so many; a page that
 * changes keeps its first copy. */
void vh_memory_keep_pages(struct vh_memory *m, size_t most);
struct vh_pages {
	vh_gpa *gpa; /* ascending */
	uint8_t *data;
	size_t n;
};
/* A copy of the kept pages, ascending. */
void vh_memory_take_kept(const struct vh_memory *m, struct vh_pages *out);
void vh_pages_free(struct vh_pages *p);

struct vh_memory_use {
	uint64_t bytes, reads;
	uint64_t absent; /* reads that failed because a page was not there */
	bool out_of_bytes, out_of_time;
};
struct vh_memory_use vh_memory_used(const struct vh_memory *m);

/*
 * All n bytes or nothing. 0, -EFAULT (no RAM there), -ENODATA (a page is not in the host's memory),
 * -EDQUOT, -ETIME (budget), or another negative errno. to is undefined after a failure.
 */
int vh_memory_read(struct vh_memory *m, vh_gpa gpa, void *to, size_t n);
/* The same, for a search through all of memory: what is read so is not kept for a case file. */
int vh_memory_glance(struct vh_memory *m, vh_gpa gpa, void *to, size_t n);
/* True where all of it is RAM. */
bool vh_memory_has(const struct vh_memory *m, vh_gpa gpa, uint64_t n);
/* Runs of readable pages, in ascending order: the first at or behind gpa, cut to most bytes. */
bool vh_memory_next(struct vh_memory *m, vh_gpa gpa, uint64_t most, struct vh_run *run);
