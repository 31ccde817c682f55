/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/trace_tally.h"

#include "base/clock.h"
#include "bpf/exits.h"

#define KEY_BYTES_MAX (32u << 20) /* of all threads; a VM has mostly less than a hundred */
#define SLOTS_MAX     512
#define SLOTS_MIN     32

size_t vh_tally_key_bytes(size_t threads, uint32_t slots)
{
	return threads * 2 * VH_N_TABLE * slots * sizeof(struct vh_key_slot);
}

size_t vh_tally_exit_bytes(size_t threads)
{
	return threads * 2 * VH_EXIT_SLOTS * sizeof(struct vh_exit_slot);
}

uint32_t vh_tally_slots(size_t threads)
{
	uint32_t slots = SLOTS_MAX;

	while (slots > SLOTS_MIN && vh_tally_key_bytes(threads, slots) > KEY_BYTES_MAX)
		slots /= 2;
	return slots;
}

void vh_tally_alloc(struct vh_tally *t, size_t capacity)
{
	t->capacity = capacity;
	t->slots = vh_tally_slots(capacity);
	t->states = vh_alloc(capacity * sizeof(*t->states));
	t->keys = vh_alloc(vh_tally_key_bytes(capacity, t->slots));
	t->exits = vh_alloc(vh_tally_exit_bytes(capacity));
}

void vh_tally_free_own(struct vh_tally *t)
{
	free(t->states);
	free(t->keys);
	free(t->exits);
	free(t->threads);
	free(t->copies);
	*t = (struct vh_tally){0};
}

bool vh_tally_add(struct vh_tally *t, pid_t tid, int vcpu, int64_t now, bool runs)
{
	if (t->n_threads >= t->capacity) {
		t->untraced++;
		return false;
	}
	struct vh_vcpu_state *s = &t->states[t->n_threads];

	*s = (struct vh_vcpu_state){.tid = (__u32)tid,
		.rest = runs ? VH_REST_ON : VH_REST_ASLEEP,
		.begin_ns = (__u64)now,
		.since_ns = (__u64)now};
	struct vh_tally_thread *thread = &VH_PUSH(t->threads, t->n_threads);

	*thread = (struct vh_tally_thread){.tid = tid, .vcpu = vcpu, .began_ns = now, .last = *s};
	return true;
}
