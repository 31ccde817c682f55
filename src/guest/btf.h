/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Types of a guest's kernel, from the BTF in its memory (kernel Documentation/bpf/btf.rst).
 * Hostile: every offset, count and chain is bounded. (src/collect/btf.c asks the host's own
 * kernel.)
 */
#pragma once

#include "base/text.h"

struct vh_btf;
#define VH_BTF_MAX (64u << 20)

/* Copies data. 0, -EBADMSG and *why (the caller frees it). */
int vh_guest_btf_parse(const void *data, size_t n, struct vh_btf **out, char **why);
/* Bytes from the header on that belong to a BTF whose first bytes are at data: 0 where it is none.
 */
size_t vh_guest_btf_size(const void *data, size_t n);
void vh_guest_btf_free(struct vh_btf *b);
size_t vh_guest_btf_types(const struct vh_btf *b);

struct vh_field {
	uint32_t offset, size; /* bytes */
	uint32_t bit_offset;   /* of a bit field within the byte at offset */
	uint32_t bits;         /* 0: no bit field */
	uint32_t count;        /* of an array: elements; else 1 */
};
/* "task_struct", "thread.sp": members of members behind a dot, anonymous ones looked through. */
bool vh_guest_btf_field(
	const struct vh_btf *b, const char *type, const char *path, struct vh_field *out);
/* Of a struct, union or typedef. */
bool vh_guest_btf_sizeof(const struct vh_btf *b, const char *type, uint32_t *bytes);
/* The value of an enumerator ("MOD_TEXT") of an enum, anonymous or not. */
bool vh_guest_btf_enumerator(const struct vh_btf *b, const char *name, int64_t *value);
