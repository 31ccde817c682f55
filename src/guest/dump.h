/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory of a guest in a file: an ELF core as QEMU writes it (dump-guest-memory, virsh dump
 * --memory-only), or a kdump-compressed dump (the same with a format, makedumpfile). Who made the
 * file is not known, so it is read within the sandbox, by its descriptor alone.
 */
#pragma once

#include "guest/kernel.h"

enum vh_dump_kind { VH_DUMP_NONE, VH_DUMP_ELF, VH_DUMP_KDUMP };
/* By the first VH_DUMP_HEAD bytes, or as many as there are. */
enum vh_dump_kind vh_dump_kind_of(const void *head, size_t n);
#define VH_DUMP_HEAD 64u

struct vh_dump {
	struct vh_memory *memory; /* NULL: see why */
	struct vh_cpu *cpus;      /* of its notes; NULL: they tell of none */
	size_t n_cpus;
	char *why;
	char *note; /* what of the guest's memory is not in it; NULL: nothing is known to be missing
		     */
};
/* fd is borrowed, and stays open as long as the memory. */
void vh_dump_open_elf(int fd, struct vh_dump *out);
void vh_dump_free(struct vh_dump *d);
/* For a reader: the note about pages that a filter left out and trouble with the file; NULL where
 * there is neither. The caller frees it. */
char *vh_dump_note(uint64_t left_out, uint64_t in_dump, const char *trouble);

/* Behind vh_unpack_load(): that a library is missing which its pages need is told by why. */
void vh_dump_open_kdump(int fd, struct vh_dump *out);

/* The vCPUs of ELF notes (dump_notes.c). */
void vh_dump_take_notes(const uint8_t *notes, size_t n, struct vh_dump *out);
#define VH_DUMP_MAX_NOTES (8u << 20)
