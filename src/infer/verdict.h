/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verdict, and the rules that lead to it. docs/HOWTO-cause.md tells how to add one. */
#pragma once

#include "infer/fact.h"

enum vh_state { /* what the VM is doing now */
	VH_STATE_UNKNOWN,
	VH_STATE_RUNNING,
	VH_STATE_IDLE,
	VH_STATE_SPINNING,
	VH_STATE_BLOCKED,
	VH_STATE_STARVED,
	VH_STATE_PAUSED,
	VH_STATE_STOPPED,
	VH_STATE_DEAD,
	VH_N_STATE
};
VH_NAMES_DECLARE(vh_state, enum vh_state);

enum vh_hung { VH_HUNG_UNKNOWN, VH_HUNG_YES, VH_HUNG_NO };

enum vh_confidence { VH_POSSIBLE, VH_LIKELY, VH_CERTAIN, VH_N_CONFIDENCE };
VH_NAMES_DECLARE(vh_confidence, enum vh_confidence);

/* Where a cause lies. A cause of an outer layer explains what is seen of the inner ones: nothing
 * can be said of a guest whose process is stopped. */
enum vh_layer { VH_LAYER_GUEST, VH_LAYER_VMM, VH_LAYER_HOST, VH_N_LAYER };
VH_NAMES_DECLARE(vh_layer, enum vh_layer);

/* How much a fact says. */
enum vh_weight {
	VH_WEAK,   /* fits, but fits other things too */
	VH_STRONG, /* hardly seen without this cause */
	VH_PROOF   /* for: cannot be otherwise; against: the cause is refuted */
};

struct vh_judgement; /* of one rule, in the making */

struct vh_rule {
	const char *id;    /* cause id: stable, kebab-case */
	const char *title; /* a clause for the first line: "the guest spins with interrupts off" */
	enum vh_layer layer;
	enum vh_state state;
	/* VH_HUNG_UNKNOWN: worth telling, but it says nothing of whether the VM hangs (a migration
	 * that never ends, a block job that waits): it goes in front of a VM that is well, and
	 * behind whatever hangs one. */
	enum vh_hung hung;
	/* NULL-terminated ids of more general causes that this one contains: where it holds, they
	 * say nothing more. NULL for none. */
	const char *const *includes;
	/* What it says stays so whatever holds the VM: a panic, a full disk. No other cause hides
	 * it, and as a second trouble it is named in the first line. */
	bool lasting;
	/* A trouble of its own that makes no VM hang, nor well: it is never the answer, only named
	 * beside it. */
	bool aside;
	/* For `vmhang explain`: what it means; what shows it; what to do. Plain paragraphs. */
	const char *meaning, *shown_by, *what_to_do;
	/* Weighs the facts: vh_for, vh_against, vh_next. A rule that finds nothing in favour is
	 * silent; one that has something for it and a VH_PROOF against it was ruled out. */
	void (*judge)(const struct vh_facts *facts, struct vh_judgement *j);
};
extern const struct vh_rule *const vh_rules[]; /* NULL-terminated: src/infer/rules/rules.c */
const struct vh_rule *vh_rule_find(const char *id);

/* A NULL fact is ignored, so that a rule can pass what vh_fact() found. The note says, in a clause,
 * why the fact bears on the cause; NULL where that is plain. */
void vh_for(struct vh_judgement *j, enum vh_weight weight, const struct vh_fact *f);
void vh_against(struct vh_judgement *j, enum vh_weight weight, const struct vh_fact *f);
/* Holds the confidence down, with the reason: "registers could not be read". */
void vh_at_most(struct vh_judgement *j, enum vh_confidence limit, const char *reason);
/* Another state than the rule's: an idle guest, where the rule is of one that works. */
void vh_state_is(struct vh_judgement *j, enum vh_state state);
/* A more exact title than the rule's ("the guest is paused: drive virtio0 has no space left"). */
void vh_title(struct vh_judgement *j, const char *fmt, ...) VH_PRINTF(2, 3);
/* A next step: what to do, and a command to paste or NULL. The command may use {pid} {name} {log}.
 */
void vh_next(struct vh_judgement *j, const char *command, const char *fmt, ...) VH_PRINTF(3, 4);

struct vh_step {
	char *text;    /* "see what holds the socket" */
	char *command; /* to paste; NULL without one */
};

struct vh_cause { /* a rule's finished judgement */
	const struct vh_rule *rule;
	char *title;
	enum vh_state state; /* the rule's, unless it said another */
	enum vh_confidence confidence;
	double score;
	const struct vh_fact **for_, **against; /* strongest first; facts live in vh_facts */
	size_t n_for, n_against;
	char **limits; /* reasons of vh_at_most */
	size_t n_limits;
	struct vh_step *next;
	size_t n_next;
};

struct vh_not_seen { /* something that would have helped */
	char *what;  /* "registers of vCPU 0" */
	char *why;   /* "not asked: the thread is traced" */
	char *how;   /* how to enable it, or NULL */
	enum vh_status status;
};

struct vh_verdict {
	enum vh_state state;
	enum vh_hung hung;
	const struct vh_cause *cause; /* NULL: unknown */
	char *headline;               /* one line: the answer */
	char *changed;            /* a clause: what it did until when; NULL where it did not turn */
	char *also;               /* a clause: further troubles, nearest first; NULL without */
	struct vh_cause **causes; /* all that have something for them, best first */
	size_t n_causes;
	struct vh_cause **ruled_out;
	size_t n_ruled_out;
	struct vh_not_seen *not_seen;
	size_t n_not_seen;
	char **remarks; /* what the reader must know: the probe changed the VM, it died half-way,
			   ... */
	size_t n_remarks;
	struct vh_step *next; /* of the cause; for unknown: which evidence would settle it */
	size_t n_next;
};

struct vh_verdict *vh_judge(const struct vh_facts *facts);
void vh_verdict_free(struct vh_verdict *v);
