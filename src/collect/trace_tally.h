/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a backend counted (src/bpf/tables.h), and the evidence made of it. The tables are BPF maps
 * that are mapped here, or memory of our own.
 */
#pragma once

#include <linux/types.h>

#include "base/json.h"
#include "bpf/names.h"
#include "bpf/tables.h"
#include "collect/trace.h"

struct vh_tally_event {
	const char *name; /* the caller's */
	enum vh_event_state state;
	uint64_t lost;   /* since the last reading */
	int64_t span_ns; /* how long of this span it was counted; 0: all of it */
	const char *why; /* the caller's; NULL: no reason */
};

/* A thread, at the same index in all tables. */
struct vh_tally_thread {
	pid_t tid;
	int vcpu; /* -1: not told yet, and it is left out of the evidence until it has an event */
	bool ended;
	int64_t began_ns; /* counted from then on, CLOCK_MONOTONIC */
	int64_t ended_ns;
	struct vh_vcpu_state last; /* at the last reading */
};

struct vh_tally_shared {
	struct vh_shared_key key;
	uint64_t count;
};

struct vh_tally {
	/* Of `capacity` threads, laid out as vh_key_base and vh_exit_base have it. */
	struct vh_vcpu_state *states;
	struct vh_key_slot *keys;
	struct vh_exit_slot *exits;
	size_t capacity;
	uint32_t slots; /* of one table: a power of two */
	struct vh_tally_thread *threads;
	size_t n_threads;
	size_t untraced;                /* threads for which there was no room */
	struct vh_tally_shared *shared; /* of the epoch that is read; the backend fills it */
	size_t n_shared;
	uint64_t shared_missed;       /* since the last reading: there was no room in the table */
	int64_t read_ns;              /* the last reading, or the begin */
	struct vh_vcpu_state *copies; /* of states, between vh_tally_copy and vh_tally_read */
	int64_t copied_ns;
	struct vh_tally_event events[VH_N_TP];
	/* For the receivers of kvm_apic_accept_irq; NULL: ids are indices. Returns an index. */
	int (*index_of)(void *data, uint32_t vcpu_id);
	void *index_data;
};

/* How many slots a table has so that the tables of so many threads fit; a power of two. */
uint32_t vh_tally_slots(size_t threads);
size_t vh_tally_key_bytes(size_t threads, uint32_t slots); /* of all threads */
size_t vh_tally_exit_bytes(size_t threads);

/* Begins a thread: its state is all zero but for the time and whether it runs. False: no room. */
bool vh_tally_add(struct vh_tally *t, pid_t tid, int vcpu, int64_t now, bool runs);

/* The tables in memory of our own, for a backend that counts here. */
void vh_tally_alloc(struct vh_tally *t, size_t capacity);
void vh_tally_free_own(struct vh_tally *t);

/* Ends a span: copies the states, which may be written at this moment. now 0: the clock. */
void vh_tally_copy(struct vh_tally *t, int64_t now);
/*
 * The evidence of the span, out of the states as they were copied (they are now, where that was not
 * done before) and the tables of `epoch`, which nothing writes any more, and clears them.
 * "span_ns", "isa", "events", "lost", "missed" and "threads" of docs/trace-format.md; the caller
 * adds the rest.
 */
struct json_object *vh_tally_read(struct vh_tally *t, uint32_t epoch, int64_t now);
