/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a reader must know of the numbers: who counted, what was lost, what could not be seen. */
#include <inttypes.h>

#include "base/units.h"
#include "report/exits_view.h"

/* What is not told without an event. An event that is not in here is news only where something is
 * wrong with it: many a kernel has no Hyper-V. */
static const struct {
	const char *event, *without;
} uses[] = {
	{"kvm:kvm_exit", "no exit reasons; guest and KVM cannot be told apart"},
	{"kvm:kvm_entry", "exits have no handling time"},
	{"kvm:kvm_userspace_exit", "what QEMU must handle is not told"},
	{"kvm:kvm_pio", "no ports"},
	{"kvm:kvm_mmio", "no MMIO addresses"},
	{"kvm:kvm_msr", "no MSRs"},
	{"kvm:kvm_page_fault", "no page faults"},
	{"sched:sched_switch", "halted, blocked and waiting vCPUs count as running"},
};

static const char *without(const char *event)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(uses); i++)
		if (vh_streq(uses[i].event, event))
			return uses[i].without;
	return NULL;
}

static void add_event(struct vh_view_section *s, const struct vh_trace_event *ev)
{
	const char *misses = without(ev->name);

	switch (ev->state) {
	case VH_EVENT_SAMPLED:
		vh_view_line(s,
			"%s was counted for %s only%s%s: its samples and its rate are of that "
			"time",
			ev->name, vh_duration_text((int64_t)ev->span_ns).s, ev->why ? ", for " : "",
			ev->why ? ev->why : "");
		break;
	case VH_EVENT_ABSENT:
		if (misses)
			vh_view_line(s, "this kernel has no %s: %s", ev->name, misses);
		break;
	case VH_EVENT_FAILED:
		vh_view_line(s, "%s could not be counted%s%s%s%s", ev->name, ev->why ? " (" : "",
			ev->why ? ev->why : "", ev->why ? ")" : "", "");
		if (misses)
			vh_view_line(s, "without %s: %s", ev->name, misses);
		break;
	case VH_EVENT_UNWANTED:
		/* It was sampled in an earlier interval, or this backend has no use for it. */
		if (ev->why)
			vh_view_line(s, "%s is not counted (%s)", ev->name, ev->why);
		break;
	default:
		break;
	}
}

static bool is_counted(const struct vh_exits *e, const char *event)
{
	const struct vh_trace_event *ev = vh_exits_event(e, event);

	return ev && (ev->state == VH_EVENT_ATTACHED || ev->state == VH_EVENT_SAMPLED);
}

/* kvm_exit is there, but no VM ever makes it fire. */
static bool silent_exits(const struct vh_exits *e)
{
	return !vh_exits_has_reasons(e) && is_counted(e, "kvm:kvm_exit");
}

/* Events whose code address had no room. It is no key of a device: whoever reads the ports need not
 * doubt them for it, and a guest that works has always more addresses than anybody wants to see. */
static uint64_t missed_code(const struct vh_exits *e)
{
	static const struct {
		const char *event;
		enum vh_key_kind kind;
	} code[] = {
		{"kvm:kvm_exit", VH_KEY_RIP},
		{"kvm:kvm_emulate_insn", VH_KEY_EMULATED},
	};
	uint64_t missed = 0;

	for (size_t i = 0; i < VH_ARRAY_SIZE(code); i++) {
		const struct vh_trace_event *ev = vh_exits_event(e, code[i].event);
		uint64_t counted = 0;

		for (size_t k = 0; k < e->n_vcpus; k++)
			counted += vh_exits_count(e->vcpus[k], code[i].kind);
		if (ev && ev->seen > counted)
			missed += ev->seen - counted;
	}
	return VH_MIN(missed, e->missed);
}

static void add_missed(
	struct vh_view_section *s, const struct vh_exits *e, const struct vh_exits_options *o)
{
	uint64_t code = missed_code(e), others = e->missed - code;

	if (others)
		vh_view_line(s,
			"%" PRIu64 " events are not in the rows: there were too many different "
			"ports, addresses or the like to count each",
			others);
	if (code && o->of == VH_EXITS_VMEXIT)
		vh_view_line(s,
			"of %" PRIu64 " events the address of the code is not told: there were too "
			"many different ones to count each",
			code);
}

void vh_exits_add_notes(
	struct vh_view *v, const struct vh_exits *e, const struct vh_exits_options *o)
{
	struct vh_view_section *s = vh_view_add(v, "notes", VH_VIEW_LINES, "%s", "");

	if (e->lost)
		vh_view_line(s, "%" PRIu64 " events were lost%s: all numbers are too low", e->lost,
			vh_streq(e->backend, "perf")
				? ", for they came faster than they could be read"
				: "");
	add_missed(s, e, o);
	if (e->untraced)
		vh_view_line(s,
			"%" PRIu64 " threads came later and found no room: those of them that "
			"are vCPUs are not counted",
			e->untraced);
	if (vh_exits_is_statistics(e)) {
		vh_view_line(s, "KVM's own counters tell how often, but not why, where or for how "
				"long");
		if (o->of != VH_EXITS_VMEXIT)
			vh_view_line(s, "so there is nothing to show of --event %s",
				vh_exits_of_name(o->of));
	} else if (silent_exits(e)) {
		vh_view_line(s,
			"kvm_exit never fires here, as where KVM emulates the guest's "
			"instructions: the rows are the events behind exits, and one exit may "
			"cause several; KVM_RUN is guest and KVM together");
	}
	if (!vh_exits_is_statistics(e) && !e->sees_exits && !is_counted(e, "kvm:kvm_fpu"))
		vh_view_line(s,
			"without kvm:kvm_fpu and kvm:kvm_entry nothing tells when the guest "
			"goes on: what it ran counts as user space");
	if (e->why_not_better)
		vh_view_line(s, "no better backend: %s", e->why_not_better);
	for (size_t i = 0; i < e->n_events; i++)
		add_event(s, &e->events[i]);
}
