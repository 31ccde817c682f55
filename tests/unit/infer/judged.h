/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of verdicts share: from a case through decoding and facts to the verdict. */
#pragma once

#include "infer/verdict.h"
#include "tests/unit/casebuild.h"
#include "tests/unit/test.h"

/* A case all the way to its verdict; owns everything. */
struct judged {
	struct vh_case *c;
	struct vh_model *model;
	struct vh_facts *facts;
	struct vh_verdict *v;
};

static inline struct judged judge(struct vh_case *c)
{
	struct judged j = {.c = c};

	j.model = vh_model_build(c);
	j.facts = vh_facts_build(j.model);
	j.v = vh_judge(j.facts);
	return j;
}

static inline void drop(struct judged *j)
{
	vh_verdict_free(j->v);
	vh_facts_free(j->facts);
	vh_model_free(j->model);
	vh_case_free(j->c);
}

#define EXPECT(c, id, state_, hung_, confidence_)                                                  \
	expect((c), (id), VH_STATE_##state_, VH_HUNG_##hung_, (confidence_), __LINE__)

static inline void expect(struct vh_case *c, const char *id, enum vh_state state, enum vh_hung hung,
	enum vh_confidence confidence, int line)
{
	struct judged j = judge(c);
	const char *got = j.v->cause ? j.v->cause->rule->id : "unknown";

	if (strcmp(got, id) || j.v->state != state || j.v->hung != hung ||
		(j.v->cause && j.v->cause->confidence != confidence)) {
		for (size_t i = 0; i < j.facts->n; i++)
			print_message("# fact %s: %s\n", vh_fact_name(j.facts->list[i]->id),
				j.facts->list[i]->text);
		for (size_t i = 0; i < j.v->n_causes; i++)
			print_message("# cause %s %s %.0f\n", j.v->causes[i]->rule->id,
				vh_confidence_name(j.v->causes[i]->confidence),
				j.v->causes[i]->score);
		fail_msg("line %d: want %s, got %s, %s, %s: %s", line, id, got,
			vh_state_name(j.v->state),
			j.v->cause ? vh_confidence_name(j.v->cause->confidence) : "-",
			j.v->headline);
	}
	drop(&j);
}

/* The code around RIP, which is at the 32nd byte. */
static inline void put_code(
	struct vh_case *c, int vcpu, uint64_t rip, const char *before, const char *at)
{
	vh_auto_free char *subject = vh_asprintf("vcpu:%d", vcpu);
	vh_auto_free char *text =
		vh_asprintf("%" PRIx64 "\n%s%s\n", rip - strlen(before) / 2, before, at);

	case_text(c, VH_ASKED, "guest.code", subject, text);
}

/* Further looks at a vCPU's registers, as collect takes them of a busy one. */
static inline void look_again(struct vh_case *c, int vcpu, struct vh_registers r, uint64_t step)
{
	for (int i = 0; i < 4; i++) {
		case_registers_in(c, VH_ASKED_AGAIN, vcpu, r);
		r.rip += step;
	}
}
