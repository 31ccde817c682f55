/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts as cases, for tests. */
#pragma once

#include "../test.h"
#include "decode/model.h"
#include "paste/paste.h"

struct pasted {
	struct vh_case **cases;
	size_t n;
};

static inline struct pasted paste_text(const char *text)
{
	struct pasted p = {0};
	struct vh_paste *paste = vh_paste_new();

	vh_paste_add(paste, "t", vh_str(text));
	p.cases = vh_paste_finish(paste, &p.n);
	return p;
}
static inline void pasted_free(struct pasted *p)
{
	for (size_t i = 0; i < p->n; i++)
		vh_case_free(p->cases[i]);
	free(p->cases);
	*p = (struct pasted){0};
}
/* Of one VM; the caller frees the case. */
static inline struct vh_case *paste_one(const char *text)
{
	struct pasted p = paste_text(text);

	assert_int_equal(p.n, 1);
	struct vh_case *c = p.cases[0];

	free(p.cases);
	return c;
}
/* The data of a piece; fails where there is none. */
static inline const char *pasted_data(
	const struct vh_case *c, const char *source, const char *subject)
{
	const struct vh_evidence *e = vh_case_find_data(c, source, subject, VH_N_ROUND);

	if (!e)
		fail_msg("no %s of %s", source, subject ? subject : "anything");
	return e->data;
}
static inline void assert_lines(const struct vh_case *c, const char *source, const char *subject,
	int64_t line, int64_t lines)
{
	const struct vh_evidence *e = vh_case_find_data(c, source, subject, VH_N_ROUND);

	assert_non_null(e);
	assert_int_equal(vh_evidence_number(e, "line", -1), line);
	assert_int_equal(vh_evidence_number(e, "lines", -1), lines);
}
