/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is asked of decoded exits. */
#include "base/names.h"
#include "decode/exits.h"

static const char *const isa_names[VH_N_ISA] = {
	[VH_ISA_UNKNOWN] = "unknown",
	[VH_ISA_VMX] = "VMX",
	[VH_ISA_SVM] = "SVM",
	[VH_ISA_ARM64] = "arm64",
	[VH_ISA_PVM] = "PVM",
};
/* docs/trace-format.md: the tracepoint that a kind comes from. */
static const char *const events[VH_N_KEY_KIND] = {
	[VH_KEY_PIO] = "kvm:kvm_pio",
	[VH_KEY_MMIO] = "kvm:kvm_mmio",
	[VH_KEY_MSR] = "kvm:kvm_msr",
	[VH_KEY_CR] = "kvm:kvm_cr",
	[VH_KEY_CPUID] = "kvm:kvm_cpuid",
	[VH_KEY_HYPERCALL] = "kvm:kvm_hypercall",
	[VH_KEY_HV_HYPERCALL] = "kvm:kvm_hv_hypercall",
	[VH_KEY_XEN_HYPERCALL] = "kvm:kvm_xen_hypercall",
	[VH_KEY_FAULT] = "kvm:kvm_page_fault",
	[VH_KEY_FAULT_RIP] = "kvm:kvm_page_fault",
	[VH_KEY_VIRQ] = "kvm:kvm_inj_virq",
	[VH_KEY_EXCEPTION] = "kvm:kvm_inj_exception",
	[VH_KEY_IPI] = "kvm:kvm_apic_ipi",
	[VH_KEY_ACCEPT] = "kvm:kvm_apic_accept_irq",
	[VH_KEY_EOI] = "kvm:kvm_eoi",
	[VH_KEY_EMULATED] = "kvm:kvm_emulate_insn",
	[VH_KEY_NAE] = "kvm:kvm_vmgexit_enter",
	[VH_KEY_NAE_MSR] = "kvm:kvm_vmgexit_msr_protocol_enter",
	[VH_KEY_USERSPACE] = "kvm:kvm_userspace_exit",
	[VH_KEY_RIP] = "kvm:kvm_exit",
	[VH_KEY_WAKEUP] = "kvm:kvm_vcpu_wakeup",
	[VH_KEY_GSI] = "kvm:kvm_set_irq",
};

const char *vh_isa_name(enum vh_isa isa)
{
	return vh_name_of(isa_names, VH_N_ISA, (int)isa);
}

const struct vh_vcpu_exits *vh_exits_of(const struct vh_exits *e, int vcpu)
{
	for (size_t i = 0; e && i < e->n_vcpus; i++)
		if (e->vcpus[i]->vcpu == vcpu)
			return e->vcpus[i];
	return NULL;
}

double vh_exits_share(const struct vh_vcpu_exits *v, int place, int rest)
{
	double sum = 0;

	if (!v || v->span_ns <= 0)
		return NAN;
	for (int p = 0; p < VH_N_PLACE; p++)
		for (int r = 0; r < VH_N_REST; r++)
			if ((place < 0 || p == place) && (rest < 0 || r == rest))
				sum += v->time_ns[p][r];
	return sum / v->span_ns;
}

uint64_t vh_exits_count(const struct vh_vcpu_exits *v, enum vh_key_kind kind)
{
	uint64_t n = v->more[kind].count;

	for (size_t i = 0; i < v->n_keys; i++)
		if (v->keys[i].kind == kind)
			n += v->keys[i].timing.count;
	return n;
}

double vh_exits_rate(const struct vh_exits *e, const struct vh_vcpu_exits *v, enum vh_key_kind kind)
{
	double count, span_ns;

	if (!e || !v || (unsigned)kind >= VH_N_KEY_KIND)
		return NAN;
	const struct vh_trace_event *event = vh_exits_event(e, events[kind]);

	count = (double)vh_exits_count(v, kind);
	/* Where the event was not counted, none seen does not mean none. */
	if (count <= 0 &&
		(!event || (event->state != VH_EVENT_ATTACHED && event->state != VH_EVENT_SAMPLED)))
		return NAN;
	span_ns = v->span_ns > 0 ? v->span_ns : e->span_ns;
	if (event && event->state == VH_EVENT_SAMPLED)
		span_ns = VH_MIN(span_ns, event->span_ns);
	return count / span_ns * 1e9;
}

const struct vh_exit_key *vh_exits_top(const struct vh_vcpu_exits *v, enum vh_key_kind kind)
{
	for (size_t i = 0; v && i < v->n_keys; i++)
		if (v->keys[i].kind == kind)
			return &v->keys[i];
	return NULL;
}

const struct vh_trace_event *vh_exits_event(const struct vh_exits *e, const char *name)
{
	for (size_t i = 0; e && i < e->n_events; i++)
		if (vh_streq(e->events[i].name, name))
			return &e->events[i];
	return NULL;
}
