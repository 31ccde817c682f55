/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/report.h"

struct vh_report *vh_report_new(struct vh_case *c)
{
	struct vh_report *r = vh_alloc(sizeof(*r));

	r->c = c;
	r->model = vh_model_build(c);
	r->facts = vh_facts_build(r->model);
	r->verdict = vh_judge(r->facts);
	return r;
}

void vh_report_free(struct vh_report *r)
{
	if (!r)
		return;
	vh_verdict_free(r->verdict);
	vh_facts_free(r->facts);
	vh_model_free(r->model);
	vh_case_free(r->c);
	free(r);
}

int vh_report_exit_status(const struct vh_report *r)
{
	return r->verdict->hung == VH_HUNG_NO ? 0 : r->verdict->hung == VH_HUNG_YES ? 1 : 2;
}
