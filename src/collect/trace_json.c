/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of a tally as evidence trace.exits: docs/trace-format.md. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "bpf/names.h"
#include "bpf/tables.h"
#include "collect/trace_tally.h"

#define KEYS_OF_A_KIND 128 /* listed for a thread */
#define COPY_ATTEMPTS  1000

/* "0x3f8": no JSON number holds 64 bits everywhere. */
static void put_hex(struct json_object *o, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	json_object_object_add(o, key, json_object_new_string(text));
}

/* What says nothing is left out. */
static void put_count(struct json_object *o, const char *key, uint64_t value)
{
	if (value)
		vh_json_put_u64(o, key, value);
}

static void put_timing(struct json_object *o, const struct vh_tally_timing *t)
{
	/* What began before this span and ended in it was of the span, too. */
	vh_json_put_u64(o, "count", VH_MAX(t->count, t->timed));
	if (!t->timed)
		return;
	vh_json_put_u64(o, "timed", t->timed);
	vh_json_put_u64(o, "total_ns", t->total_ns);
	vh_json_put_u64(o, "min_ns", t->min_ns);
	vh_json_put_u64(o, "max_ns", t->max_ns);
	json_object_object_add(o, "squares",
		json_object_new_double(ldexp((double)t->squares[1], 64) + (double)t->squares[0]));
}

static struct json_object *exit_row(const struct vh_exit_slot *slot)
{
	struct json_object *o = json_object_new_object(), *log2;
	size_t n = VH_N_LOG2;

	put_hex(o, "reason", slot->reason);
	put_timing(o, &slot->timing);
	while (n && !slot->log2[n - 1])
		n--;
	if (!n)
		return o;
	log2 = json_object_new_array();
	for (size_t i = 0; i < n; i++)
		json_object_array_add(log2, json_object_new_int64(slot->log2[i]));
	json_object_object_add(o, "log2", log2);
	return o;
}

static struct json_object *exits_of(struct vh_tally *t, size_t thread, uint32_t epoch)
{
	struct json_object *rows = json_object_new_array();
	struct vh_exit_slot *slots = &t->exits[vh_exit_base((uint32_t)thread, epoch)];

	for (size_t i = 0; i < VH_EXIT_SLOTS; i++) {
		if (!slots[i].used)
			continue;
		json_object_array_add(rows, exit_row(&slots[i]));
		slots[i] = (struct vh_exit_slot){0};
	}
	return rows;
}

/* Keys of one thread, gathered before they are listed. */
struct keys {
	struct vh_key_slot *list;
	size_t n;
};

static int by_kind_and_count(const void *a, const void *b)
{
	const struct vh_key_slot *x = a, *y = b;
	uint64_t i = VH_MAX(x->timing.count, x->timing.timed),
		 j = VH_MAX(y->timing.count, y->timing.timed);

	if (x->used != y->used)
		return x->used < y->used ? -1 : 1;
	if (i != j)
		return i > j ? -1 : 1;
	return (x->value > y->value) - (x->value < y->value);
}

static struct json_object *key_row(const struct vh_key_slot *slot)
{
	struct json_object *o = json_object_new_object();

	vh_json_put_text(o, "kind", vh_key_kind_name((enum vh_key_kind)(slot->used - 1)));
	put_hex(o, "value", slot->value);
	if (slot->detail)
		put_hex(o, "detail", slot->detail);
	if (slot->reason != VH_NO_REASON)
		put_hex(o, "reason", slot->reason);
	put_timing(o, &slot->timing);
	return o;
}

/* Adds "keys", and "more" where there are too many of a kind. */
static void put_keys(struct json_object *o, struct keys *keys)
{
	struct json_object *rows = json_object_new_array();
	struct json_object *more = json_object_new_object();

	if (keys->n)
		qsort(keys->list, keys->n, sizeof(*keys->list), by_kind_and_count);
	for (size_t i = 0, end; i < keys->n; i = end) {
		uint64_t hidden = 0, count = 0;

		for (end = i; end < keys->n && keys->list[end].used == keys->list[i].used; end++) {
			if (end - i < KEYS_OF_A_KIND) {
				json_object_array_add(rows, key_row(&keys->list[end]));
				continue;
			}
			hidden++;
			count += VH_MAX(keys->list[end].timing.count, keys->list[end].timing.timed);
		}
		if (!hidden)
			continue;
		struct json_object *rest = json_object_new_object();

		vh_json_put_u64(rest, "keys", hidden);
		vh_json_put_u64(rest, "count", count);
		json_object_object_add(
			more, vh_key_kind_name((enum vh_key_kind)(keys->list[i].used - 1)), rest);
	}
	json_object_object_add(o, "keys", rows);
	if (json_object_object_length(more))
		json_object_object_add(o, "more", more);
	else
		json_object_put(more);
}

/* Moves the thread's keys out of its tables. */
static void take_keys(struct vh_tally *t, size_t thread, uint32_t epoch, struct keys *keys)
{
	struct vh_key_slot *slots = &t->keys[vh_key_base((uint32_t)thread, epoch, 0, t->slots)];

	for (size_t i = 0; i < (size_t)VH_N_TABLE * t->slots; i++) {
		if (!slots[i].used)
			continue;
		if (slots[i].used <= VH_N_KEY_KIND)
			VH_PUSH(keys->list, keys->n) = slots[i];
		slots[i] = (struct vh_key_slot){0};
	}
}

/* Those keys of others that belong to this vCPU; -1: to the VM. */
static void take_shared(const struct vh_tally *t, int vcpu, struct keys *keys)
{
	for (size_t i = 0; i < t->n_shared; i++) {
		const struct vh_tally_shared *s = &t->shared[i];
		int owner = s->key.owner == VH_TRACE_VM ? -1
			    : t->index_of               ? t->index_of(t->index_data, s->key.owner)
							: (int)s->key.owner;

		if (owner == vcpu && s->key.kind < VH_N_KEY_KIND)
			VH_PUSH(keys->list, keys->n) = (struct vh_key_slot){.used = s->key.kind + 1,
				.value = s->key.value,
				.detail = s->key.detail,
				.reason = VH_NO_REASON,
				.timing.count = s->count};
	}
}

static uint64_t sum_of(const struct vh_vcpu_state *s)
{
	uint64_t sum = 0;

	for (int p = 0; p < VH_N_PLACE; p++)
		for (int r = 0; r < VH_N_REST; r++)
			sum += s->time_ns[p][r];
	return sum;
}

/* A whole copy of a state that may be written at this moment. */
static struct vh_vcpu_state copy_state(const volatile struct vh_vcpu_state *from)
{
	struct vh_vcpu_state s;

	for (int i = 0; i < COPY_ATTEMPTS; i++) {
		s = *(const struct vh_vcpu_state *)from;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (sum_of(&s) == s.since_ns - s.begin_ns && from->since_ns == s.since_ns)
			break;
	}
	if (s.place >= VH_N_PLACE || s.rest >= VH_N_REST)
		s.place = s.rest = 0;
	return s;
}

/* Where the time went since the last reading. A thread's event may have been under way when the
 * last reading was taken, so that time was booked to the place before: it is taken back here. */
static void time_since(const struct vh_vcpu_state *last, const struct vh_vcpu_state *now,
	int64_t time[VH_N_PLACE][VH_N_REST])
{
	int64_t owed = 0, *largest = &time[0][0];

	for (int p = 0; p < VH_N_PLACE; p++)
		for (int r = 0; r < VH_N_REST; r++) {
			time[p][r] = (int64_t)(now->time_ns[p][r] - last->time_ns[p][r]);
			if (time[p][r] < 0) {
				owed -= time[p][r];
				time[p][r] = 0;
			}
			if (time[p][r] > *largest)
				largest = &time[p][r];
		}
	*largest = VH_MAX(*largest - owed, 0);
}

static void put_time(struct json_object *o, int64_t time[VH_N_PLACE][VH_N_REST])
{
	struct json_object *places = json_object_new_object();

	for (int p = 0; p < VH_N_PLACE; p++) {
		struct json_object *rests = NULL;

		for (int r = 0; r < VH_N_REST; r++) {
			if (time[p][r] <= 0)
				continue;
			rests = rests ? rests : json_object_new_object();
			vh_json_put_i64(rests, vh_rest_name((enum vh_rest)r), time[p][r]);
		}
		if (rests)
			json_object_object_add(places, vh_place_name((enum vh_place)p), rests);
	}
	json_object_object_add(o, "time_ns", places);
}

/* Extends a copied state up to now, and says since when it has been where it is. */
static int64_t extend(struct vh_vcpu_state *s, int64_t now)
{
	int64_t for_ns = VH_MAX(now - (int64_t)s->since_ns, 0);

	s->time_ns[s->place][s->rest] += (uint64_t)for_ns;
	return for_ns;
}

/* Of a vCPU that was unplugged and plugged in again the younger thread has what others counted. */
static bool is_youngest(const struct vh_tally *t, size_t thread)
{
	for (size_t i = thread + 1; i < t->n_threads; i++)
		if (t->threads[i].vcpu == t->threads[thread].vcpu)
			return false;
	return true;
}

static struct json_object *thread_row(
	struct vh_tally *t, size_t i, struct vh_vcpu_state *now, int64_t until_ns, uint32_t epoch)
{
	struct vh_tally_thread *thread = &t->threads[i];
	struct json_object *o = json_object_new_object();
	int64_t time[VH_N_PLACE][VH_N_REST];
	struct keys keys = {0};
	int64_t for_ns = extend(now, thread->ended ? VH_MIN(thread->ended_ns, until_ns) : until_ns);

	vh_json_put_i64(o, "vcpu", thread->vcpu);
	vh_json_put_i64(o, "tid", thread->tid);
	if (thread->ended)
		vh_json_put_bool(o, "ended", true);
	if (thread->began_ns > t->read_ns)
		vh_json_put_i64(o, "began_ns", thread->began_ns - t->read_ns);
	time_since(&thread->last, now, time);
	put_time(o, time);
	vh_json_put_text(o, "place", vh_place_name((enum vh_place)now->place));
	vh_json_put_text(o, "rest", vh_rest_name((enum vh_rest)now->rest));
	vh_json_put_i64(o, "since_ns", for_ns);
	put_count(o, "entries", now->entries - thread->last.entries);
	json_object_object_add(o, "exits", exits_of(t, i, epoch));
	take_keys(t, i, epoch, &keys);
	if (is_youngest(t, i))
		take_shared(t, thread->vcpu, &keys);
	put_keys(o, &keys);
	free(keys.list);
	return o;
}

/* Of its own events all but the scheduler's are only of a vCPU; that some of them (a guest that
 * spins has nothing but emulated instructions) do not come must not hide it. */
static bool had_vcpu_event(const struct vh_vcpu_state *s)
{
	for (int tp = 0; tp < VH_N_TP; tp++)
		if (tp != VH_TP_SCHED_SWITCH && tp != VH_TP_SCHED_WAKEUP && s->seen[tp])
			return true;
	return false;
}

/* The lowest index that no thread has: threads without a name are in the order they were made. */
static int free_index(const struct vh_tally *t)
{
	for (int index = 0;; index++) {
		bool taken = false;

		for (size_t i = 0; i < t->n_threads && !taken; i++)
			taken = t->threads[i].vcpu == index;
		if (!taken)
			return index;
	}
}

static void put_threads(struct json_object *o, struct vh_tally *t, struct vh_vcpu_state *states,
	uint32_t epoch, int64_t now)
{
	struct json_object *rows = json_object_new_array(), *vm;
	struct keys keys = {0};

	for (size_t i = 0; i < t->n_threads; i++) {
		struct vh_tally_thread *thread = &t->threads[i];
		/* One that had ended before: told once. */
		bool over = thread->ended && thread->ended_ns <= t->read_ns;

		if (thread->vcpu < 0 && had_vcpu_event(&states[i]))
			thread->vcpu = free_index(t);
		if (thread->vcpu >= 0 && !over)
			json_object_array_add(rows, thread_row(t, i, &states[i], now, epoch));
	}
	take_shared(t, -1, &keys);
	if (keys.n) {
		vm = json_object_new_object();
		vh_json_put_i64(vm, "vcpu", -1);
		put_keys(vm, &keys);
		json_object_array_add(rows, vm);
	}
	free(keys.list);
	json_object_object_add(o, "threads", rows);
}

static uint64_t seen_of(const struct vh_tally *t, const struct vh_vcpu_state *states, int tp)
{
	uint32_t kind = tp == VH_TP_SET_IRQ ? VH_KEY_GSI : VH_KEY_ACCEPT;
	uint64_t seen = 0;

	for (size_t i = 0; i < t->n_threads; i++)
		seen += states[i].seen[tp] - t->threads[i].last.seen[tp];
	for (size_t i = 0; (tp == VH_TP_SET_IRQ || tp == VH_TP_APIC_ACCEPT) && i < t->n_shared; i++)
		if (t->shared[i].key.kind == kind)
			seen += t->shared[i].count;
	return seen;
}

static void put_events(
	struct json_object *o, const struct vh_tally *t, const struct vh_vcpu_state *states)
{
	struct json_object *rows = json_object_new_array();
	uint64_t lost = 0;

	for (int tp = 0; tp < VH_N_TP; tp++) {
		const struct vh_tally_event *e = &t->events[tp];
		struct json_object *row = json_object_new_object();

		vh_json_put_text(row, "name", e->name);
		vh_json_put_text(row, "state", vh_event_state_name(e->state));
		put_count(row, "seen", seen_of(t, states, tp));
		put_count(row, "lost", e->lost);
		put_count(row, "span_ns", e->span_ns > 0 ? (uint64_t)e->span_ns : 0);
		if (e->why)
			vh_json_put_text(row, "why", e->why);
		json_object_array_add(rows, row);
		lost += e->lost;
	}
	json_object_object_add(o, "events", rows);
	vh_json_put_u64(o, "lost", lost);
}

void vh_tally_copy(struct vh_tally *t, int64_t now)
{
	free(t->copies);
	t->copies = vh_alloc((t->n_threads + 1) * sizeof(*t->copies));
	for (size_t i = 0; i < t->n_threads; i++)
		t->copies[i] = copy_state(&t->states[i]);
	t->copied_ns = now ? now : vh_now_ns();
}

struct json_object *vh_tally_read(struct vh_tally *t, uint32_t epoch, int64_t now)
{
	struct json_object *o = json_object_new_object();
	uint64_t missed = t->shared_missed;
	uint32_t isa = 0;

	if (!t->copies)
		vh_tally_copy(t, now);
	now = t->copied_ns;
	struct vh_vcpu_state *states = t->copies;

	for (size_t i = 0; i < t->n_threads; i++) {
		missed += states[i].missed - t->threads[i].last.missed;
		isa = states[i].isa ? states[i].isa : isa;
	}
	vh_json_put_i64(o, "span_ns", now - t->read_ns);
	if (isa)
		vh_json_put_i64(o, "isa", isa);
	put_events(o, t, states);
	vh_json_put_u64(o, "missed", missed);
	put_count(o, "untraced", t->untraced);
	put_threads(o, t, states, epoch, now);
	for (size_t i = 0; i < t->n_threads; i++) {
		/* Those that are in no row were not extended. */
		if (t->threads[i].vcpu < 0)
			extend(&states[i], now);
		t->threads[i].last = states[i];
	}
	t->read_ns = now;
	free(t->copies);
	t->copies = NULL;
	return o;
}
