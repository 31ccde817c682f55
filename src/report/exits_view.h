/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is shown of an interval, before it is known how it is written down. For the writers. */
#pragma once

#include "report/exits.h"
#include "report/view.h"

/* A key stands for its row where it has at least this share of it. */
#define VH_EXITS_MOST 0.5

struct vh_exits_view {
	/* Headline and identity, and the sections "split", "table" and "notes", each where there is
	 * something in it. */
	struct vh_view *v;
};
struct vh_exits_view *vh_exits_view(const struct vh_exits *e, const struct vh_exits_about *about,
	const struct vh_exits_options *o);
void vh_exits_view_free(struct vh_exits_view *view);

/* For the builders. */

struct vh_exits_line {
	const struct vh_timing *timing;
	const struct vh_exit_row *row; /* one of these two, or neither */
	const struct vh_exit_key *key;
	const char *name;
	size_t at; /* in what was sorted */
};
void vh_exits_sort_lines(struct vh_exits_line *lines, size_t n, enum vh_exits_sort sort);
/* The keys of a kind, behind an exit (reason) or wherever they happened (any), sorted; the caller
 * frees the array. */
struct vh_exits_line *vh_exits_keys_of(const struct vh_vcpu_exits *v, enum vh_key_kind kind,
	bool any, uint64_t reason, enum vh_exits_sort sort, size_t *n);

/* The kinds that are the rows where no kvm_exit tells the reason: first those that tell what the
 * guest does. */
extern const enum vh_key_kind vh_exits_event_kinds[];
extern const size_t vh_exits_n_event_kinds;
enum vh_key_kind vh_exits_kind_of(enum vh_exits_of of);
/* "port 0x3f8, out, 1 byte (serial port COM1)"; the caller frees it. */
char *vh_exit_key_name(const struct vh_exit_key *k);
/* What a kind of key is called: "port I/O". */
const char *vh_key_kind_title(enum vh_key_kind kind);

bool vh_exits_is_statistics(const struct vh_exits *e);
/* The rows are exit reasons; else the events behind exits, where no kvm_exit fires. A VM of which
 * nothing at all was seen had no exit. */
bool vh_exits_has_reasons(const struct vh_exits *e);
double vh_exits_per_second(const struct vh_exits *e, double count);
double vh_exits_key_rate(const struct vh_exits_merged *m, const struct vh_exit_key *k);
void vh_exits_cell_rate(struct vh_view_section *s, double value);

/* "41203 exits a second, 98 % of them io: port 0x3f8, out, 1 byte; time: guest 97 %, KVM 3 %"; the
 * caller frees it. */
char *vh_exits_headline(const struct vh_exits *e, const struct vh_exits_merged *m,
	const struct vh_exits_options *o);
void vh_exits_add_split(struct vh_view *v, const struct vh_exits *e,
	const struct vh_exits_merged *m, const struct vh_exits_options *o);
/* Which vCPUs are told, by their place in e: all, or of many those that slept least. The caller
 * frees it. */
bool *vh_exits_told_vcpus(const struct vh_exits *e, size_t most);
void vh_exits_add_counters(struct vh_view *v, const struct vh_exits *e,
	const struct vh_exits_merged *m, const struct vh_exits_options *o);
void vh_exits_add_table(struct vh_view *v, const struct vh_exits *e,
	const struct vh_exits_merged *m, const struct vh_exits_options *o);
/* What a reader must know of the numbers: how they were counted, what is missing. */
void vh_exits_add_notes(
	struct vh_view *v, const struct vh_exits *e, const struct vh_exits_options *o);
