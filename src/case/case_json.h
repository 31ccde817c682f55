/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* case.json (docs/case-format.md), without the archive around it. */
#pragma once

#include "case/case.h"

/* Pieces of evidence in one case: as many as are written or read, no more. */
#define VH_CASE_MAX_EVIDENCE 100000
/* Values in case.json: what a case of that many pieces needs, and no memory bomb. */
#define VH_CASE_MAX_VALUES 2000000
#define VH_CASE_MAX_TEXT   (16 << 10) /* longer data is an attachment */

/* True where the data of e is written into case.json itself. */
bool vh_evidence_is_inline(const struct vh_evidence *e);
/*
 * The JSON form. names[i], where not NULL, is the file that holds the data of evidence i; all other
 * data stands in the JSON. names NULL: all of it does.
 */
struct json_object *vh_case_json_write(const struct vh_case *c, char *const names[]);

/* Where attachments come from: hands over the data of a file (NUL-terminated, the caller's) or an
 * error. */
struct vh_attachments {
	struct vh_error *(*take)(
		struct vh_attachments *from, const char *name, char **data, size_t *size);
};
/* Parses case.json, which may be anybody's. An error names the piece that it is about; its code is
 * ENOTSUP where the case is of a newer vmhang. */
struct vh_error *vh_case_json_read(
	struct vh_str text, struct vh_attachments *from, struct vh_case **out);
