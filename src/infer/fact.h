/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts: typed statements that follow from the evidence ("vCPU 0 ran 99 % of the window"). Rules
 * reason over facts alone. A fact that could not be established is simply not there; that something
 * is not so is a fact of its own.
 */
#pragma once

#include "decode/model.h"

enum vh_fact_id {
#define FACT(symbol, name, meaning) VH_FACT_##symbol,
#include "infer/facts.def"
#undef FACT
	VH_N_FACT
};
const char *vh_fact_name(enum vh_fact_id id);    /* "vcpu-busy" */
const char *vh_fact_meaning(enum vh_fact_id id); /* what the fact states in general */

/* What VH_FACT_LOW_PRIORITY rests on: its value. */
enum vh_low_priority { VH_LOW_NICE, VH_LOW_AUTOGROUP, VH_LOW_WEIGHT, VH_LOW_IDLE_POLICY };

struct vh_fact {
	enum vh_fact_id id;
	int vcpu;         /* the vCPU it is about, -1 for none */
	double value;     /* its number (share, rate, count); NAN without one */
	char *text;       /* the statement, with names and numbers, for people; escaped */
	size_t *evidence; /* indices of evidence in the case */
	size_t n_evidence;
	char **lines; /* of a log or a backtrace, that prove it: a few, escaped */
	size_t n_lines;
};

struct vh_facts {
	const struct vh_model *model;
	struct vh_fact **list;
	size_t n;
};

/* Establishes all facts of a model, which must outlive them. */
struct vh_facts *vh_facts_build(const struct vh_model *model);
void vh_facts_free(struct vh_facts *facts);

/* The first fact of that id (of any vCPU), or of that vCPU; NULL if it does not hold. */
const struct vh_fact *vh_fact(const struct vh_facts *facts, enum vh_fact_id id);
const struct vh_fact *vh_fact_of(const struct vh_facts *facts, enum vh_fact_id id, int vcpu);
/* How many vCPUs it holds for. */
size_t vh_fact_count(const struct vh_facts *facts, enum vh_fact_id id);

/* "SIGTTOU"; "a signal" where none of those that stop a process is known. */
const char *vh_stop_signal_name(int number);

/* For the builders in facts_*.c: adds a fact and returns it. */
struct vh_fact *vh_fact_add(struct vh_facts *facts, enum vh_fact_id id, int vcpu, double value,
	const char *fmt, ...) VH_PRINTF(5, 6);
/* Adds a line that proves it, which is escaped. */
void vh_fact_line(struct vh_fact *f, const char *fmt, ...) VH_PRINTF(2, 3);
/* Names evidence of a source and subject (NULL: any) as its ground. */
void vh_fact_ground(
	struct vh_facts *facts, struct vh_fact *f, const char *source, const char *subject);
