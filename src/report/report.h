/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing a verdict down. Reads the case, its model, facts and verdict; touches nothing else. */
#pragma once

#include "infer/verdict.h"

#define VH_REPORT_SCHEMA "vmhang.report/1"

struct vh_report {
	struct vh_case *c;
	struct vh_model *model;
	struct vh_facts *facts;
	struct vh_verdict *verdict;
};
/* Decodes and judges a case, which it takes. */
struct vh_report *vh_report_new(struct vh_case *c);
void vh_report_free(struct vh_report *r);

struct vh_text_options {
	bool verbose; /* tables: threads, rates, registers, evidence */
	bool colour;
	unsigned width; /* columns to wrap at; 0: VH_DEFAULT_WIDTH */
};
#define VH_DEFAULT_WIDTH 100
void vh_report_text(
	const struct vh_report *r, const struct vh_text_options *options, struct vh_buf *out);
/* docs/report.schema.json */
struct json_object *vh_report_json(const struct vh_report *r);
/* 0 healthy, 1 hung, 2 could not tell. */
int vh_report_exit_status(const struct vh_report *r);
/* What a cause means, what shows it and what to do; width as above. */
void vh_explain(const struct vh_rule *rule, unsigned width, struct vh_buf *out);
