/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/timeline_slices.h"

#include <stdio.h>

static const struct vh_slice nothing = {.reason = VH_NO_REASON};

/* Tells the sleep that ended last: whether it was a halt is known only behind it. */
static void tell_sleep(struct vh_slicer *s)
{
	bool in_kvm = s->place == VH_PLACE_KVM || s->place == VH_PLACE_INSIDE;

	if (!s->slept)
		return;
	s->slept = false;
	if (!s->sleep.name)
		s->sleep.name = in_kvm && (s->woken || vh_exit_means(s->isa, s->about.reason) ==
							       VH_MEANS_HALT)
					? "halted"
					: "asleep";
	s->slice(s->data, &s->sleep);
}

/* It is on a CPU from now on. */
static void end_rest(struct vh_slicer *s)
{
	if (s->rest == VH_REST_ON)
		return;
	s->sleep = nothing;
	s->sleep.name = s->rest == VH_REST_READY ? "waits for a CPU" : NULL;
	s->sleep.from_ns = s->rest_ns;
	s->sleep.to_ns = s->now_ns;
	s->slept = true;
	s->woken = false;
	s->rest = VH_REST_ON;
}

static void begin_rest(struct vh_slicer *s, enum vh_rest rest)
{
	end_rest(s);
	tell_sleep(s);
	s->rest = rest;
	s->rest_ns = s->now_ns;
}

static void tell_place(struct vh_slicer *s)
{
	char name[80];
	const char *reason = NULL;

	switch (s->place) {
	case VH_PLACE_GUEST:
		snprintf(name, sizeof(name), "guest");
		break;
	case VH_PLACE_INSIDE:
		snprintf(name, sizeof(name), "inside");
		break;
	case VH_PLACE_KVM:
	case VH_PLACE_USER:
		if (s->about.reason != VH_NO_REASON)
			reason = s->place == VH_PLACE_KVM
					 ? vh_exit_reason_name(s->isa, s->about.reason)
					 : vh_kvm_exit_name(s->about.reason);
		snprintf(name, sizeof(name), "%s", s->place == VH_PLACE_KVM ? "KVM" : "user space");
		if (reason)
			snprintf(name + strlen(name), sizeof(name) - strlen(name), ": %s", reason);
		else if (s->about.reason != VH_NO_REASON)
			snprintf(name + strlen(name), sizeof(name) - strlen(name), ": 0x%llx",
				(unsigned long long)s->about.reason);
		break;
	default:
		s->about = nothing;
		snprintf(name, sizeof(name), "%s", VH_SLICE_UNKNOWN);
	}
	s->about.name = name;
	s->about.from_ns = s->place_ns;
	s->about.to_ns = s->now_ns;
	s->slice(s->data, &s->about);
}

static void move(struct vh_slicer *s, enum vh_place place)
{
	end_rest(s);
	tell_sleep(s);
	tell_place(s);
	s->place = place;
	s->place_ns = s->now_ns;
	s->about = nothing;
}

static bool has(const struct vh_perf_record *r, int position)
{
	return r->present >> position & 1;
}

static void take_exit(struct vh_slicer *s, const struct vh_perf_record *r)
{
	static const enum vh_isa isas[] = {[1] = VH_ISA_VMX, [2] = VH_ISA_SVM, [3] = VH_ISA_PVM};
	uint64_t isa = r->value[VH_F_EXIT_ISA];
	uint64_t ret = r->value[VH_F_EXIT_RET] & INT32_MAX;

	if (has(r, VH_F_EXIT_ISA) && isa < VH_ARRAY_SIZE(isas))
		s->isa = isas[isa];
	else if (has(r, VH_F_EXIT_RET))
		s->isa = VH_ISA_ARM64;
	move(s, VH_PLACE_KVM);
	s->about.reason = r->value[VH_F_EXIT_REASON];
	if (has(r, VH_F_EXIT_RET) && ret != 2) /* as vh_exit_reason_of has it */
		s->about.reason = 0x100 + ret;
	s->about.rip = r->value[VH_F_EXIT_RIP];
	s->about.has_rip = has(r, VH_F_EXIT_RIP);
	s->about.info1 = r->value[VH_F_EXIT_INFO1];
	s->about.info2 = r->value[VH_F_EXIT_INFO2];
	s->about.has_info = has(r, VH_F_EXIT_INFO1) && has(r, VH_F_EXIT_INFO2);
}

static void take_tracepoint(struct vh_slicer *s, const struct vh_perf_record *r)
{
	switch (r->tp) {
	case VH_TP_EXIT:
		take_exit(s, r);
		break;
	case VH_TP_ENTRY:
		s->enters = true;
		move(s, VH_PLACE_GUEST);
		break;
	case VH_TP_FPU:
		if (r->value[VH_F_FPU_LOAD])
			move(s, s->enters ? VH_PLACE_KVM : VH_PLACE_INSIDE);
		else
			move(s, VH_PLACE_USER);
		break;
	case VH_TP_USERSPACE_EXIT:
		if (s->place != VH_PLACE_USER)
			move(s, VH_PLACE_USER);
		s->about.reason = r->value[VH_F_USERSPACE_REASON];
		s->about.err = r->value[VH_F_USERSPACE_ERRNO];
		s->about.has_err = has(r, VH_F_USERSPACE_ERRNO) && s->about.err;
		break;
	default:
		end_rest(s);
		s->woken |= r->tp == VH_TP_VCPU_WAKEUP;
		s->instant(s->data, r);
	}
}

void vh_slicer_end(struct vh_slicer *s, int64_t now_ns)
{
	s->now_ns = VH_MAX(s->now_ns, now_ns);
	if (!s->ended)
		move(s, VH_PLACE_UNKNOWN);
	s->ended = true;
}

void vh_slicer_take(struct vh_slicer *s, const struct vh_perf_record *r)
{
	struct vh_perf_record now = *r;

	if (s->ended)
		return;
	now.time_ns = s->now_ns = VH_MAX(s->now_ns, r->time_ns);
	switch (r->kind) {
	case VH_PERF_TRACEPOINT:
		take_tracepoint(s, &now);
		break;
	case VH_PERF_SWITCH_IN:
		end_rest(s);
		break;
	case VH_PERF_SWITCH_OUT:
		begin_rest(s, r->preempted ? VH_REST_READY : VH_REST_ASLEEP);
		break;
	case VH_PERF_LOST:
		/* Nobody knows where it is behind that. */
		move(s, VH_PLACE_UNKNOWN);
		s->instant(s->data, &now);
		break;
	case VH_PERF_EXIT:
		vh_slicer_end(s, now.time_ns);
		s->instant(s->data, &now);
		break;
	default:
		break;
	}
}
