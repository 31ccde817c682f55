/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages of a guest and the registers of its vCPUs as one piece of bytes (evidence guest.pages):
 * what a look read, so that it can be had anew. Little-endian: "VHPAGES1", u32 number of pages, u32
 * bytes of text, the text (HMP "info registers -a"; may be empty), a u64 guest-physical address a
 * page (ascending, multiples of 4096), the pages.
 */
#pragma once

#include "base/text.h"
#include "guest/memory.h"

#define VH_PAGES_MAX_BYTES (64u << 20)

/* As many pages as VH_PAGES_MAX_BYTES have room for; *left_out: how many have none. */
void vh_pages_write(const struct vh_pages *pages, struct vh_str registers, struct vh_buf *out,
	size_t *left_out);

struct vh_pages_view { /* into the bytes that were parsed, but for gpa */
	struct vh_str registers;
	vh_gpa *gpa;
	const uint8_t *data;
	size_t n;
};
/* Checks all but what the pages hold. False, and a clause in *why: broken. */
bool vh_pages_parse(struct vh_str bytes, struct vh_pages_view *out, const char **why);
void vh_pages_view_free(struct vh_pages_view *v);
