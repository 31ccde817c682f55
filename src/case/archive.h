/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The case file: a tar archive, zstd-compressed, of case.json and raw attachments
 * (docs/case-format.md). Loading trusts nothing in it: every size has a cap, attachments are found
 * by name and never written to disk, and a file that ends early is an error that says so.
 */
#pragma once

#include "case/case.h"

#define VH_CASE_SCHEMA "vmhang.case/1"

/* Writes path through a temporary file beside it, so that a full disk leaves no half a case and an
 * existing file is replaced only by a whole one. */
struct vh_error *vh_case_save(const struct vh_case *c, const char *path);
/* "-" is standard input. On success *out is the caller's. */
struct vh_error *vh_case_load(const char *path, struct vh_case **out);
/* case.json of a case without an archive around it; attachments inline. Used by save and tests. */
struct json_object *vh_case_to_json(const struct vh_case *c);
