/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The case file: a tar archive, zstd-compressed, of case.json and raw attachments
 * (docs/case-format.md). Loading trusts nothing in it: every size has a cap, attachments are found
 * by name and never written to disk, and a file that ends early is an error that says so.
 */
#pragma once

#include "case/case.h"

#define VH_CASE_SCHEMA "vmhang.case/1"

/* Caps, of writing and of reading. */
#define VH_CASE_MAX_UNPACKED   (256U << 20)
#define VH_CASE_MAX_JSON       (64U << 20)
#define VH_CASE_MAX_ATTACHMENT (64U << 20)

/* Writes path, mode 0600, through a temporary file beside it, so that a full disk leaves no half a
 * case and an existing file is replaced only by a whole one. */
struct vh_error *vh_case_save(const struct vh_case *c, const char *path);
/*
 * "-" is standard input. On success *out is the caller's. The error's code is EMEDIUMTYPE where it
 * is no case file at all, ENOTSUP for one of a newer major schema, an errno value where it could
 * not be read, and 0 for a case file that is damaged.
 */
struct vh_error *vh_case_load(const char *path, struct vh_case **out);
/* The same from memory; `name` is what errors call it. */
struct vh_error *vh_case_load_memory(
	const char *name, const void *data, size_t size, struct vh_case **out);
/* case.json of a case without an archive around it; attachments inline. Used by tests. */
struct json_object *vh_case_to_json(const struct vh_case *c);
