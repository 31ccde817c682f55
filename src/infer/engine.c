/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From facts to a verdict. Each rule weighs the facts for and against its cause; the engine turns
 * that into a confidence, ranks the causes and lets an outer layer explain the inner ones.
 */
#include <stdarg.h>
#include <stdio.h>

#include "infer/missing.h"
#include "infer/notseen.h"

static const char *const state_names[VH_N_STATE] = {
	[VH_STATE_UNKNOWN] = "unknown",
	[VH_STATE_RUNNING] = "running",
	[VH_STATE_IDLE] = "idle",
	[VH_STATE_SPINNING] = "spinning",
	[VH_STATE_BLOCKED] = "blocked",
	[VH_STATE_STARVED] = "starved",
	[VH_STATE_PAUSED] = "paused",
	[VH_STATE_STOPPED] = "stopped",
	[VH_STATE_DEAD] = "dead",
};
VH_NAMES_DEFINE(vh_state, enum vh_state, state_names)

static const char *const confidence_names[VH_N_CONFIDENCE] = {
	[VH_POSSIBLE] = "possible",
	[VH_LIKELY] = "likely",
	[VH_CERTAIN] = "certain",
};
VH_NAMES_DEFINE(vh_confidence, enum vh_confidence, confidence_names)

static const char *const layer_names[VH_N_LAYER] = {
	[VH_LAYER_GUEST] = "guest",
	[VH_LAYER_VMM] = "vmm",
	[VH_LAYER_HOST] = "host",
};
VH_NAMES_DEFINE(vh_layer, enum vh_layer, layer_names)

/* What a fact of each weight adds to a cause's score. */
static const double weight_score[] = {[VH_WEAK] = 1, [VH_STRONG] = 4, [VH_PROOF] = 16};

struct weighed {
	const struct vh_fact *fact;
	enum vh_weight weight;
};

struct vh_judgement {
	const struct vh_rule *rule;
	struct weighed *for_, *against;
	size_t n_for, n_against;
	enum vh_state state;
	enum vh_confidence limit;
	char **limits;
	size_t n_limits;
	char *title;
	struct vh_step *next;
	size_t n_next;
};

const struct vh_rule *vh_rule_find(const char *id)
{
	for (size_t i = 0; vh_rules[i]; i++)
		if (vh_streq(vh_rules[i]->id, id))
			return vh_rules[i];
	return NULL;
}

void vh_for(struct vh_judgement *j, enum vh_weight weight, const struct vh_fact *f)
{
	if (f)
		VH_PUSH(j->for_, j->n_for) = (struct weighed){f, weight};
}

void vh_against(struct vh_judgement *j, enum vh_weight weight, const struct vh_fact *f)
{
	if (f)
		VH_PUSH(j->against, j->n_against) = (struct weighed){f, weight};
}

void vh_at_most(struct vh_judgement *j, enum vh_confidence limit, const char *reason)
{
	j->limit = VH_MIN(j->limit, limit);
	VH_PUSH(j->limits, j->n_limits) = vh_strdup(reason);
}

void vh_state_is(struct vh_judgement *j, enum vh_state state)
{
	j->state = state;
}

void vh_title(struct vh_judgement *j, const char *fmt, ...)
{
	va_list args;

	free(j->title);
	va_start(args, fmt);
	j->title = vh_vasprintf(fmt, args);
	va_end(args);
}

void vh_next(struct vh_judgement *j, const char *command, const char *fmt, ...)
{
	struct vh_step *step = &VH_PUSH(j->next, j->n_next);
	va_list args;

	va_start(args, fmt);
	step->text = vh_vasprintf(fmt, args);
	va_end(args);
	step->command = vh_strdup(command);
}

static int by_weight(const void *a, const void *b)
{
	return (int)((const struct weighed *)b)->weight - (int)((const struct weighed *)a)->weight;
}

/* The facts alone, strongest first; equal ones stay in the rule's order. */
static const struct vh_fact **strongest_first(struct weighed *list, size_t n)
{
	const struct vh_fact **facts = vh_alloc(n * sizeof(const struct vh_fact *));
	size_t taken = 0;

	for (int weight = VH_PROOF; weight >= VH_WEAK; weight--)
		for (size_t i = 0; i < n; i++)
			if ((int)list[i].weight == weight)
				facts[taken++] = list[i].fact;
	return facts;
}

/* A kind of fact counts once, at its heaviest: many vCPUs that say the same must not outweigh the
 * one that says something else. */
static double score_of(const struct weighed *list, size_t n)
{
	double of_kind[VH_N_FACT] = {0}, score = 0;

	for (size_t i = 0; i < n; i++)
		of_kind[list[i].fact->id] =
			VH_MAX(of_kind[list[i].fact->id], weight_score[list[i].weight]);
	for (size_t i = 0; i < VH_N_FACT; i++)
		score += of_kind[i];
	return score;
}

static enum vh_confidence confidence_of(const struct vh_judgement *j)
{
	double against = score_of(j->against, j->n_against);
	double in_favour = score_of(j->for_, j->n_for);
	enum vh_confidence c = VH_POSSIBLE;

	if (j->n_for && j->for_[0].weight == VH_PROOF && against < weight_score[VH_STRONG])
		c = VH_CERTAIN;
	else if (in_favour >= weight_score[VH_STRONG] && in_favour > 2 * against)
		c = VH_LIKELY;
	return VH_MIN(c, j->limit);
}

static struct vh_cause *cause_of(struct vh_judgement *j)
{
	struct vh_cause *cause = vh_alloc(sizeof(*cause));

	if (j->n_for)
		qsort(j->for_, j->n_for, sizeof(*j->for_), by_weight);
	cause->rule = j->rule;
	cause->state = j->state;
	cause->confidence = confidence_of(j);
	cause->score = score_of(j->for_, j->n_for) - score_of(j->against, j->n_against);
	cause->for_ = strongest_first(j->for_, j->n_for);
	cause->against = strongest_first(j->against, j->n_against);
	cause->n_for = j->n_for;
	cause->n_against = j->n_against;
	char *title = vh_escaped(j->title ? j->title : j->rule->title);

	cause->title = title;
	cause->limits = j->limits;
	cause->n_limits = j->n_limits;
	cause->next = j->next;
	cause->n_next = j->n_next;
	return cause;
}

static void cause_free(struct vh_cause *cause)
{
	for (size_t i = 0; i < cause->n_limits; i++)
		free(cause->limits[i]);
	for (size_t i = 0; i < cause->n_next; i++) {
		free(cause->next[i].text);
		free(cause->next[i].command);
	}
	free(cause->limits);
	free(cause->next);
	free(cause->title);
	free(cause->for_);
	free(cause->against);
	free(cause);
}

static bool is_refuted(const struct vh_judgement *j)
{
	for (size_t i = 0; i < j->n_against; i++)
		if (j->against[i].weight == VH_PROOF)
			return true;
	return false;
}

/* Best first: surer, then the outer layer, then more evidence. */
static int compare_causes(const void *a, const void *b)
{
	const struct vh_cause *x = *(struct vh_cause *const *)a, *y = *(struct vh_cause *const *)b;

	if (x->rule->aside != y->rule->aside)
		return x->rule->aside ? 1 : -1;
	if (x->confidence != y->confidence)
		return (int)y->confidence - (int)x->confidence;
	if (x->rule->layer != y->rule->layer)
		return (int)y->rule->layer - (int)x->rule->layer;
	if (x->score < y->score || x->score > y->score)
		return x->score < y->score ? 1 : -1;
	return strcmp(x->rule->id, y->rule->id);
}

static bool includes(const struct vh_rule *rule, const char *id)
{
	for (size_t i = 0; rule->includes && rule->includes[i]; i++)
		if (strcmp(rule->includes[i], id) == 0)
			return true;
	return false;
}

/* True where the better cause leaves nothing to say for the other: it is a special case of it, or
 * it lies in an outer layer and keeps the inner one from being seen at all. What a vCPU does while
 * its process is stopped says nothing about the guest. */
static bool hides(const struct vh_cause *outer, const struct vh_cause *inner)
{
	if (outer->rule->aside)
		return false;
	if (outer->confidence >= inner->confidence && includes(outer->rule, inner->rule->id))
		return true;
	return outer->confidence == VH_CERTAIN && !inner->rule->lasting &&
	       outer->rule->layer > inner->rule->layer && outer->rule->hung == VH_HUNG_YES &&
	       outer->rule->state != VH_STATE_STARVED;
}

static void drop_hidden(struct vh_verdict *v)
{
	bool *hidden = vh_alloc((v->n_causes + 1) * sizeof(*hidden));
	size_t kept = 0;

	/* Also by one that has less for it: the special cause need not repeat all that the general
	 * one is made of. */
	for (size_t i = 0; i < v->n_causes; i++)
		for (size_t k = 0; k < v->n_causes && !hidden[i]; k++)
			hidden[i] = k != i && !hidden[k] && hides(v->causes[k], v->causes[i]);
	for (size_t i = 0; i < v->n_causes; i++)
		if (hidden[i])
			cause_free(v->causes[i]);
		else
			v->causes[kept++] = v->causes[i];
	v->n_causes = kept;
	free(hidden);
}

/* True where the cause says whether the VM hangs, and is more than a mere possibility. */
static bool decides(const struct vh_cause *c)
{
	return !c->rule->aside && c->rule->hung != VH_HUNG_UNKNOWN && c->confidence > VH_POSSIBLE;
}

static const struct vh_cause *first_that_decides(const struct vh_verdict *v)
{
	for (size_t i = 0; i < v->n_causes; i++)
		if (decides(v->causes[i]))
			return v->causes[i];
	return NULL;
}

/* What says nothing of whether the VM hangs goes in front of a VM that is well, and behind all that
 * hangs one. */
static void place_asides(struct vh_verdict *v)
{
	const struct vh_cause *decisive = first_that_decides(v);
	bool hangs = decisive && decisive->rule->hung == VH_HUNG_YES;
	struct vh_cause **sorted = vh_alloc((v->n_causes + 1) * sizeof(*sorted));
	size_t n = 0;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < v->n_causes; i++) {
			struct vh_cause *c = v->causes[i];
			bool aside =
				c->rule->hung == VH_HUNG_UNKNOWN && c->confidence > VH_POSSIBLE;

			if ((hangs ? !aside : aside) == (pass == 0))
				sorted[n++] = c;
		}
	free(v->causes);
	v->causes = sorted;
}

static void judge_rules(struct vh_verdict *v, const struct vh_facts *facts)
{
	for (size_t i = 0; vh_rules[i]; i++) {
		struct vh_judgement j = {
			.rule = vh_rules[i], .state = vh_rules[i]->state, .limit = VH_CERTAIN};

		vh_rules[i]->judge(facts, &j);
		bool refuted = is_refuted(&j);
		struct vh_cause *cause = cause_of(&j);

		free(j.for_);
		free(j.against);
		free(j.title);
		if (refuted)
			VH_PUSH(v->ruled_out, v->n_ruled_out) = cause;
		else if (cause->n_for && cause->score > 0)
			VH_PUSH(v->causes, v->n_causes) = cause;
		else
			cause_free(cause);
	}
	if (v->n_causes)
		qsort(v->causes, v->n_causes, sizeof(struct vh_cause *), compare_causes);
	if (v->n_ruled_out)
		qsort(v->ruled_out, v->n_ruled_out, sizeof(struct vh_cause *), compare_causes);
	drop_hidden(v);
	if (v->n_causes)
		place_asides(v);
}

/* The state that the threads alone show, for a verdict without a cause. */
static enum vh_state state_without_cause(const struct vh_facts *facts)
{
	static const struct {
		enum vh_fact_id fact;
		enum vh_state state;
	} rows[] = {
		{VH_FACT_VCPU_STARVED, VH_STATE_STARVED},
		{VH_FACT_VCPU_WAITS_IN_KERNEL, VH_STATE_BLOCKED},
		{VH_FACT_VCPU_BUSY, VH_STATE_RUNNING},
		{VH_FACT_VCPU_ACTIVE, VH_STATE_RUNNING},
		{VH_FACT_VCPU_BLOCKS_IN_KVM, VH_STATE_IDLE},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		if (vh_fact(facts, rows[i].fact))
			return rows[i].state;
	return VH_STATE_UNKNOWN;
}

static void add_step(struct vh_verdict *v, const char *text, const char *command)
{
	VH_PUSH(v->next, v->n_next) = (struct vh_step){vh_strdup(text), vh_strdup(command)};
}

/* Which evidence would settle it, and how to get it. */
static void add_missing_steps(struct vh_verdict *v, const struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	if (m->c->passive)
		add_step(v,
			"ask the monitor too: registers tell work from a spin, and idle from "
			"halted for ever",
			"vmhang diagnose {name}");
	else if (vh_fact(facts, VH_FACT_MONITOR_BUSY))
		add_step(v,
			"find who holds the monitor, and let it go: registers tell work from a "
			"spin, and idle from "
			"halted for ever",
			"ss -xap | grep -F {socket}");
	else if (m->monitor.state == VH_MONITOR_NONE)
		add_step(v,
			"it has no QMP monitor that vmhang could ask: give it one for the next "
			"time: -qmp unix:PATH,server=on,wait=off",
			NULL);
	for (size_t i = 0; i < v->n_not_seen; i++) {
		const struct vh_not_seen *s = &v->not_seen[i];
		vh_auto_free char *text =
			s->how ? vh_asprintf("let vmhang see %s: %s", s->what, s->how) : NULL;

		if (text)
			add_step(v, text, NULL);
	}
	add_step(v, "look longer: a second may be too short for what happens rarely",
		"vmhang diagnose {name} --window 10s --verbose");
}

/* How many vCPUs run is part of the answer only where each was seen. */
static void tell_load(struct vh_buf *line, const struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	size_t busy = vh_fact_count(facts, VH_FACT_VCPU_BUSY), unknown = 0;

	for (size_t i = 0; i < m->n_vcpus; i++)
		unknown += !m->vcpus[i]->thread || isnan(m->vcpus[i]->thread->run_share);
	if (busy)
		vh_buf_printf(line, "; %zu of %zu vCPUs run", busy, m->n_vcpus);
	else if (unknown)
		vh_buf_printf(line, "; of %zu of its %zu vCPUs it is not known whether they run",
			unknown, m->n_vcpus);
	else if (m->n_vcpus == 1)
		vh_buf_puts(line, "; its vCPU does not run all the time");
	else if (m->n_vcpus)
		vh_buf_printf(line, "; none of its %zu vCPUs runs all the time", m->n_vcpus);
}

/* Of a pasted text: vCPUs that run, and of which somebody left out the registers. */
static void tell_undumped(struct vh_buf *line, const struct vh_facts *facts)
{
	size_t n = vh_undumped_vcpus(facts), all = facts->model->n_vcpus;

	if (n && n < all)
		vh_buf_printf(line, ", of %zu of them the text has no registers", n);
}

static void conclude_unknown(struct vh_verdict *v, const struct vh_facts *facts)
{
	vh_auto_buf struct vh_buf line = {0};
	/* What tells most of what a cause is still missing for. */
	static const enum vh_fact_id telling[] = {VH_FACT_STORAGE_SILENT};

	v->state = state_without_cause(facts);
	v->hung = VH_HUNG_UNKNOWN;
	vh_buf_puts(&line, "no known cause explains what is seen");
	tell_load(&line, facts);
	tell_undumped(&line, facts);
	for (size_t i = 0; i < VH_ARRAY_SIZE(telling); i++) {
		const struct vh_fact *f = vh_fact(facts, telling[i]);

		if (!f)
			continue;
		vh_buf_puts(&line, "; ");
		vh_escape(&line, vh_str(f->text), false);
	}
	if (v->n_causes && !v->causes[0]->rule->aside &&
		v->causes[0]->score >= weight_score[VH_STRONG])
		vh_buf_printf(&line, "; perhaps %s", v->causes[0]->title);
	v->headline = vh_buf_steal(&line);
	add_missing_steps(v, facts);
}

static void copy_steps(struct vh_verdict *v, const struct vh_cause *cause)
{
	for (size_t i = 0; i < cause->n_next; i++)
		VH_PUSH(v->next, v->n_next) = (struct vh_step){
			vh_strdup(cause->next[i].text), vh_strdup(cause->next[i].command)};
}

static bool is_healthy(const struct vh_verdict *v)
{
	const struct vh_cause *decisive = first_that_decides(v);

	return decisive && decisive->rule->hung == VH_HUNG_NO;
}

static void add_remarks(struct vh_verdict *v, const struct vh_facts *facts)
{
	const struct vh_case *c = facts->model->c;

	for (size_t i = 0; i < facts->n; i++)
		if (facts->list[i]->id == VH_FACT_PROBE_CHANGED)
			VH_PUSH(v->remarks, v->n_remarks) =
				vh_asprintf("asking changed the VM: %s", facts->list[i]->text);
	if (vh_case_find_data(c, "guest.screendump", NULL, VH_N_ROUND) && !is_healthy(v))
		VH_PUSH(v->remarks, v->n_remarks) = vh_strdup(
			"the screen is in a graphics mode, and was not read: --save keeps a "
			"picture of it (tar --zstd -xf FILE shows it)");
	vh_case_foreach (c, e) {
		if (strcmp(e->source, "vmhang.note") == 0 && e->data)
			VH_PUSH(v->remarks, v->n_remarks) = vh_escaped(e->data);
	}
}

/* A healthy VM that got work, or finished it, is no news; one that was kept from running is. */
static void tell_change(struct vh_verdict *v, const struct vh_facts *facts)
{
	vh_auto_buf struct vh_buf text = {0};

	for (size_t i = 0; i < facts->n; i++) {
		const struct vh_fact *f = facts->list[i];

		if (f->id == VH_FACT_WENT_ON || f->id == VH_FACT_FLAPS ||
			(f->id == VH_FACT_TURNED && v->hung != VH_HUNG_NO))
			vh_buf_printf(&text, "%s%s", text.len ? "; " : "", f->text);
	}
	if (text.len)
		v->changed = vh_escaped(vh_buf_str(&text));
}

/* Two troubles at once: mending the nearest alone would not bring the guest back. */
static void tell_also(struct vh_verdict *v)
{
	vh_auto_buf struct vh_buf text = {0};

	for (size_t i = 0; i < v->n_causes; i++) {
		const struct vh_cause *c = v->causes[i];

		if (c != v->cause && c->rule->lasting && c->rule->hung == VH_HUNG_YES &&
			c->confidence >= VH_LIKELY)
			vh_buf_printf(&text, "%s%s (%s)", text.len ? "; " : "", c->title,
				vh_confidence_name(c->confidence));
	}
	if (text.len)
		v->also = vh_buf_steal(&text);
}

struct vh_verdict *vh_judge(const struct vh_facts *facts)
{
	struct vh_verdict *v = vh_alloc(sizeof(*v));

	judge_rules(v, facts);
	vh_not_seen_list(facts->model, v);
	add_remarks(v, facts);
	/* A mere possibility among several is no answer. */
	if (!v->n_causes || v->causes[0]->confidence == VH_POSSIBLE || v->causes[0]->rule->aside) {
		conclude_unknown(v, facts);
		tell_change(v, facts);
		vh_missing_steps(facts, v);
		return v;
	}
	v->cause = v->causes[0];
	const struct vh_cause *decisive = first_that_decides(v);

	v->state = v->cause->state;
	v->hung = decisive ? decisive->rule->hung : VH_HUNG_UNKNOWN;
	v->headline = vh_strdup(v->cause->title);
	tell_change(v, facts);
	tell_also(v);
	copy_steps(v, v->cause);
	vh_missing_steps(facts, v);
	return v;
}

void vh_verdict_free(struct vh_verdict *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n_causes; i++)
		cause_free(v->causes[i]);
	for (size_t i = 0; i < v->n_ruled_out; i++)
		cause_free(v->ruled_out[i]);
	for (size_t i = 0; i < v->n_not_seen; i++) {
		free(v->not_seen[i].what);
		free(v->not_seen[i].why);
		free(v->not_seen[i].how);
	}
	for (size_t i = 0; i < v->n_remarks; i++)
		free(v->remarks[i]);
	for (size_t i = 0; i < v->n_next; i++) {
		free(v->next[i].text);
		free(v->next[i].command);
	}
	free(v->causes);
	free(v->ruled_out);
	free(v->not_seen);
	free(v->remarks);
	free(v->next);
	free(v->headline);
	free(v->changed);
	free(v->also);
	free(v);
}
