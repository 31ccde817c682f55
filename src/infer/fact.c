/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/facts_build.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
	const char *name, *meaning;
} table[VH_N_FACT] = {
#define FACT(symbol, name, meaning) [VH_FACT_##symbol] = {name, meaning},
#include "infer/facts.def"
#undef FACT
};

const char *vh_fact_name(enum vh_fact_id id)
{
	return table[id].name;
}

const char *vh_fact_meaning(enum vh_fact_id id)
{
	return table[id].meaning;
}

struct vh_fact *vh_fact_add(
	struct vh_facts *facts, enum vh_fact_id id, int vcpu, double value, const char *fmt, ...)
{
	struct vh_fact *f = vh_alloc(sizeof(*f));
	va_list args;

	VH_PUSH(facts->list, facts->n) = f;
	f->id = id;
	f->vcpu = vcpu;
	f->value = value;
	va_start(args, fmt);
	f->text = vh_vasprintf(fmt, args);
	va_end(args);
	/* Names of drives, threads and files are in it: whoever prints a fact must not care. */
	char *escaped = vh_escaped(f->text);

	free(f->text);
	f->text = escaped;
	return f;
}

void vh_fact_ground(
	struct vh_facts *facts, struct vh_fact *f, const char *source, const char *subject)
{
	const struct vh_case *c = facts->model->c;

	size_t begin = f->n_evidence;

	for (const struct vh_evidence *e = vh_case_find(c, source, subject, VH_N_ROUND); e;
		e = vh_case_older(e, subject))
		VH_PUSH(f->evidence, f->n_evidence) = e->index;
	/* In the order of the case. */
	for (size_t i = begin, k = f->n_evidence; i + 1 < k--; i++) {
		size_t index = f->evidence[i];

		f->evidence[i] = f->evidence[k];
		f->evidence[k] = index;
	}
}

const struct vh_fact *vh_fact_of(const struct vh_facts *facts, enum vh_fact_id id, int vcpu)
{
	for (size_t i = 0; i < facts->n; i++)
		if (facts->list[i]->id == id && facts->list[i]->vcpu == vcpu)
			return facts->list[i];
	return NULL;
}

const struct vh_fact *vh_fact(const struct vh_facts *facts, enum vh_fact_id id)
{
	for (size_t i = 0; i < facts->n; i++)
		if (facts->list[i]->id == id)
			return facts->list[i];
	return NULL;
}

size_t vh_fact_count(const struct vh_facts *facts, enum vh_fact_id id)
{
	size_t n = 0;

	for (size_t i = 0; i < facts->n; i++)
		n += facts->list[i]->id == id;
	return n;
}

void vh_fact_line(struct vh_fact *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vh_auto_free char *text = vh_vasprintf(fmt, args);
	va_end(args);
	VH_PUSH(f->lines, f->n_lines) = vh_escaped(text);
}

struct vh_facts *vh_facts_build(const struct vh_model *model)
{
	struct vh_facts *facts = vh_alloc(sizeof(*facts));

	facts->model = model;
	vh_facts_of_host(facts);
	vh_facts_of_vcpus(facts);
	vh_facts_of_cpus(facts);
	vh_facts_of_memory(facts);
	vh_facts_of_exits(facts);
	vh_facts_of_protected(facts);
	vh_facts_of_interrupts(facts);
	vh_facts_of_vmm(facts);
	vh_facts_of_runstate(facts);
	vh_facts_of_storage(facts);
	vh_facts_of_inside(facts);
	vh_facts_of_kernel(facts);
	vh_facts_of_mainloop(facts);
	vh_facts_of_serial(facts);
	vh_facts_of_jobs(facts);
	vh_facts_of_texts(facts);
	vh_facts_of_boot(facts);
	vh_facts_of_giveup(facts);
	vh_facts_of_change(facts);
	vh_facts_of_progress(facts);
	return facts;
}

void vh_facts_free(struct vh_facts *facts)
{
	if (!facts)
		return;
	for (size_t i = 0; i < facts->n; i++) {
		free(facts->list[i]->text);
		free(facts->list[i]->evidence);
		for (size_t k = 0; k < facts->list[i]->n_lines; k++)
			free(facts->list[i]->lines[k]);
		free(facts->list[i]->lines);
		free(facts->list[i]);
	}
	free(facts->list);
	free(facts);
}
