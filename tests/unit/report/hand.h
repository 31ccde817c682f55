/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reports with a verdict made by hand, so that their text does not depend on any rule's words. */
#pragma once

#include "report/report.h"
#include "tests/unit/casebuild.h"

/* What somebody might call a VM to harm who looks at it. */
#define HOSTILE_NAME "web\033[2J'07"

static const struct vh_rule hand_rule = {.id = "hand-made",
	.title = "a cause made by hand",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES};
static const struct vh_rule hand_other = {.id = "other-one",
	.title = "another cause",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES};

static inline struct vh_fact *hand_fact(
	struct vh_report *r, enum vh_fact_id id, int vcpu, const char *text, const char *source)
{
	struct vh_fact *f = vh_fact_add(r->facts, id, vcpu, 0.5, "%s", text);

	if (source)
		vh_fact_ground(r->facts, f, source, NULL);
	return f;
}

static inline struct vh_cause *hand_cause(
	const struct vh_rule *rule, const char *title, enum vh_confidence confidence)
{
	struct vh_cause *cause = vh_alloc(sizeof(*cause));

	cause->rule = rule;
	cause->title = vh_strdup(title);
	cause->confidence = confidence;
	return cause;
}

/* A case of one vCPU with a serial log, and a verdict that says nothing yet. */
static inline struct vh_report *hand_report(const char *name)
{
	struct vh_report *r = vh_alloc(sizeof(*r));

	r->c = case_new(1);
	vh_replace(&r->c->vm->name, name);
	r->c->began_wall_ns = INT64_C(1700000000) * VH_NS_PER_S;
	case_main_thread(r->c);
	case_busy_vcpu(r->c, 0);
	case_status(r->c, "running", true);
	r->model = vh_model_build(r->c);
	r->facts = vh_alloc(sizeof(*r->facts));
	r->facts->model = r->model;
	r->verdict = vh_alloc(sizeof(*r->verdict));
	r->verdict->headline = vh_strdup("no known cause explains what is seen");
	return r;
}

static inline void hand_step(struct vh_report *r, const char *text, const char *command)
{
	VH_PUSH(r->verdict->next, r->verdict->n_next) =
		(struct vh_step){vh_strdup(text), vh_strdup(command)};
}

/* A hung VM with all that a report can say. */
static inline struct vh_report *hand_hung(const char *name)
{
	struct vh_report *r = hand_report(name);
	struct vh_verdict *v = r->verdict;
	struct vh_cause *cause = hand_cause(&hand_rule, "it waits for the other side", VH_LIKELY);
	struct vh_cause *other = hand_cause(&hand_other, "another cause", VH_POSSIBLE);
	struct vh_cause *out = hand_cause(&hand_other, "another cause", VH_POSSIBLE);

	VH_PUSH(cause->for_, cause->n_for) = hand_fact(r, VH_FACT_VCPU_BUSY, 0,
		"vCPU 0 ran 99.0 % of the window, which is a long sentence that has to be broken "
		"somewhere",
		"task.schedstat");
	VH_PUSH(cause->against, cause->n_against) =
		hand_fact(r, VH_FACT_VCPU_WAKES, 0, "vCPU 0 was woken", NULL);
	VH_PUSH(cause->limits, cause->n_limits) = vh_strdup("registers could not be read");
	VH_PUSH(other->for_, other->n_for) = cause->for_[0];
	VH_PUSH(out->against, out->n_against) =
		hand_fact(r, VH_FACT_PROCESS_NOT_STOPPED, -1, "no thread is stopped", "task.stat");
	v->state = VH_STATE_BLOCKED;
	v->hung = VH_HUNG_YES;
	v->cause = cause;
	vh_replace(&v->headline, cause->title);
	VH_PUSH(v->causes, v->n_causes) = cause;
	VH_PUSH(v->causes, v->n_causes) = other;
	VH_PUSH(v->ruled_out, v->n_ruled_out) = out;
	VH_PUSH(v->not_seen, v->n_not_seen) =
		(struct vh_not_seen){vh_strdup("kernel stacks of 3 threads"),
			vh_strdup("denied: Operation not permitted"),
			vh_strdup("run vmhang as root"), VH_DENIED};
	VH_PUSH(v->remarks, v->n_remarks) = vh_strdup("asking changed the VM");
	hand_step(r, "look again", "vmhang diagnose {name} --verbose; kill -0 {pid}");
	hand_step(r, "then think", NULL);
	return r;
}
