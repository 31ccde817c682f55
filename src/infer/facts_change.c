/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts of change: what was so when vmhang began to look, and is not so any more. */
#include "infer/facts_build.h"

#include "base/clock.h"

/* Something other than the guest kept its vCPUs from running: in words, else NULL. */
static const char *holder(const struct vh_facts *facts, enum vh_wait wait)
{
	switch (wait) {
	case VH_WAIT_FROZEN:
		return "the cgroup freezer held it";
	case VH_WAIT_USERFAULT:
	case VH_WAIT_FUSE:
		return "its vCPUs waited for a page of its memory";
	case VH_WAIT_DISK:
		return "its vCPUs waited for storage of the host";
	case VH_WAIT_MEMORY:
		return "its vCPUs waited for memory of the host";
	case VH_WAIT_FUTEX:
		/* TCG parks a halted vCPU in the same place. */
		return facts->model->vm->accel == VH_ACCEL_KVM ? "the VMM held its vCPUs" : NULL;
	default:
		return NULL;
	}
}

static char *came_alive_text(
	const struct vh_facts *facts, const struct vh_turn_view *v, const char *when)
{
	const char *held = holder(facts, v->waited);

	if (held)
		return vh_asprintf("until %s %s, and it goes on since", when, held);
	return vh_asprintf("until %s no vCPU ran, and since then it does", when);
}

static char *fell_silent_text(
	const struct vh_facts *facts, const struct vh_turn_view *v, const char *when)
{
	const char *held = holder(facts, v->waits);

	if (held)
		return vh_asprintf("until %s it ran, and since then %s", when, held);
	return vh_asprintf("until %s it ran, and since then no vCPU does", when);
}

static char *text_of(const struct vh_facts *facts, const struct vh_turn_view *v)
{
	vh_auto_free char *when = vh_asprintf(
		"%.1f s after vmhang began to look", (double)v->turn.at_ns / VH_NS_PER_S);

	switch (v->turn.kind) {
	case VH_TURN_STOPPED:
		return vh_asprintf("until %s it ran, and then it was stopped", when);
	case VH_TURN_WENT_ON:
		return vh_asprintf("until %s it was stopped, and it goes on since", when);
	case VH_TURN_CAME_ALIVE:
		return came_alive_text(facts, v, when);
	case VH_TURN_FELL_SILENT:
		return fell_silent_text(facts, v, when);
	case VH_TURN_WAITS_ELSEWHERE:
		return holder(facts, v->waited) ? came_alive_text(facts, v, when)
						: fell_silent_text(facts, v, when);
	case VH_TURN_LOAD_ROSE:
		return vh_asprintf("until %s it hardly ran, and it runs since", when);
	case VH_TURN_LOAD_FELL:
		return vh_asprintf("until %s it ran, and since then it hardly does", when);
	default:
		return NULL;
	}
}

/* True where it did not run for a reason that is none of the guest's, and runs again. */
static bool was_held(const struct vh_facts *facts, const struct vh_turn_view *v)
{
	if (v->turn.kind == VH_TURN_WENT_ON)
		return true;
	return (v->turn.kind == VH_TURN_CAME_ALIVE || v->turn.kind == VH_TURN_WAITS_ELSEWHERE) &&
	       holder(facts, v->waited) && !holder(facts, v->waits);
}

static void add(struct vh_facts *facts, const struct vh_turn_view *v)
{
	vh_auto_free char *text = text_of(facts, v);

	if (!text)
		return;
	enum vh_fact_id id = was_held(facts, v) ? VH_FACT_WENT_ON : VH_FACT_TURNED;
	struct vh_fact *f = vh_fact_add(facts, id, -1, v->turn.kind, "%s", text);

	VH_PUSH(f->evidence, f->n_evidence) = v->evidence;
}

void vh_facts_of_change(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	add(facts, &m->turned_before);
	add(facts, &m->turned);
	if (!m->turned_before.turn.kind || !m->turned.turn.kind)
		return;
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_FLAPS, -1, NAN,
		"it turned in each of two windows: what is so now may not be so for long");

	VH_PUSH(f->evidence, f->n_evidence) = m->turned_before.evidence;
	VH_PUSH(f->evidence, f->n_evidence) = m->turned.evidence;
}
