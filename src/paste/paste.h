/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Evidence from somebody else's terminal: a text in which outputs of commands stand in any mix and
 * order, with prose, prompts and quoting around them, as cases. What is found becomes raw evidence
 * of the source that a live VM has in the same format, else of a source "pasted.*"
 * (docs/evidence.md); `pasted.index` says what was recognised where, and what was not. Nothing in
 * the text is ever run.
 */
#pragma once

#include "case/case.h"

struct vh_paste;
struct vh_paste *vh_paste_new(void);
/* Looks through one text; several are taken for evidence of the same VMs. The name is for people.
 */
void vh_paste_add(struct vh_paste *p, const char *name, struct vh_str text);
/*
 * Ends it: a case for each VM of which there is evidence, those with most of it first; none where
 * nothing was recognised. The caller frees the cases and the list. Frees p.
 */
struct vh_case **vh_paste_finish(struct vh_paste *p, size_t *n);
