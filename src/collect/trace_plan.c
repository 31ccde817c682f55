/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/trace_plan.h"

/*
 * The raw program of an event, and the arguments that it expects (vh_btf_tracepoint; `*`: any from
 * here on). Where the kernel's are others, or it does not tell, the classic program is used.
 */
static const struct row {
	const char *args;
	const char *raw, *classic;
} rows[VH_N_TP] = {
	/* arm64. x86 hands over the vCPU, and the record has what it read out of it. */
	[VH_TP_EXIT] = {"iii", "raw_kvm_exit", "tp_kvm_exit"},
	[VH_TP_ENTRY] = {"*", "raw_kvm_entry", "tp_kvm_entry"},
	[VH_TP_FPU] = {"i", "raw_kvm_fpu", "tp_kvm_fpu"},
	[VH_TP_USERSPACE_EXIT] = {"ii", "raw_kvm_userspace_exit", "tp_kvm_userspace_exit"},
	[VH_TP_PIO] = {"iiiip", "raw_kvm_pio", "tp_kvm_pio"},
	[VH_TP_MMIO] = {"iiip", "raw_kvm_mmio", "tp_kvm_mmio"},
	[VH_TP_FAST_MMIO] = {"i", "raw_kvm_fast_mmio", "tp_kvm_fast_mmio"},
	[VH_TP_MSR] = {"iiii", "raw_kvm_msr", "tp_kvm_msr"},
	[VH_TP_CR] = {"iii", "raw_kvm_cr", "tp_kvm_cr"},
	[VH_TP_CPUID] = {"iiiiiiii", "raw_kvm_cpuid", "tp_kvm_cpuid"},
	[VH_TP_HYPERCALL] = {"iiiii", "raw_kvm_hypercall", "tp_kvm_hypercall"},
	[VH_TP_HV_HYPERCALL] = {"iiiii*", "raw_kvm_hv_hypercall", "tp_kvm_hv_hypercall"},
	[VH_TP_XEN_HYPERCALL] = {"iiiiiiii", "raw_kvm_xen_hypercall", "tp_kvm_xen_hypercall"},
	[VH_TP_PAGE_FAULT] = {NULL, NULL, "tp_kvm_page_fault"},
	[VH_TP_INJ_VIRQ] = {"iii", "raw_kvm_inj_virq", "tp_kvm_inj_virq"},
	[VH_TP_INJ_EXCEPTION] = {"iii*", "raw_kvm_inj_exception", "tp_kvm_inj_exception"},
	[VH_TP_APIC_IPI] = {"ii", "raw_kvm_apic_ipi", "tp_kvm_apic_ipi"},
	[VH_TP_APIC_ACCEPT] = {"iiii", "raw_kvm_apic_accept_irq", "tp_kvm_apic_accept_irq"},
	[VH_TP_EOI] = {"pi", "raw_kvm_eoi", "tp_kvm_eoi"},
	[VH_TP_EMULATE] = {NULL, NULL, "tp_kvm_emulate_insn"},
	[VH_TP_VMGEXIT] = {"ip", "raw_kvm_vmgexit_enter", "tp_kvm_vmgexit_enter"},
	[VH_TP_VMGEXIT_MSR] = {"ii*", "raw_kvm_vmgexit_msr_protocol_enter",
		"tp_kvm_vmgexit_msr_protocol_enter"},
	[VH_TP_VCPU_WAKEUP] = {"iii", "raw_kvm_vcpu_wakeup", "tp_kvm_vcpu_wakeup"},
	[VH_TP_SET_IRQ] = {"iii", "raw_kvm_set_irq", "tp_kvm_set_irq"},
	/* With prev_state (5.18), and before; 5.18's own candidates had it second: "ippi" is none
	 * of those. */
	[VH_TP_SCHED_SWITCH] = {"ipp*", "raw_sched_switch", "tp_sched_switch"},
	[VH_TP_SCHED_WAKEUP] = {"p", "raw_sched_wakeup", "tp_sched_wakeup"},
};

static bool fits(const char *args, const char *pattern)
{
	for (; *pattern && *pattern != '*'; args++, pattern++)
		if (*args != *pattern)
			return false;
	return *pattern == '*' || !*args;
}

/* The name without its system. */
static const char *short_name(const struct vh_tp_format *f, enum vh_tp tp)
{
	const char *full = f->name ? f->name : vh_tp_name(tp), *colon = strchr(full, ':');

	return colon ? colon + 1 : full;
}

/* What the raw programs of the scheduler's events need to know of task_struct. */
static bool task_offsets(
	const struct vh_btf *btf, enum vh_tp tp, const char *args, struct vh_bpf_config *config)
{
	int64_t pid = vh_btf_offset(btf, "task_struct", "pid");
	int64_t state = 0;

	if (tp == VH_TP_SCHED_SWITCH && strlen(args) == 3) {
		state = vh_btf_offset(btf, "task_struct", "state"); /* before 5.14 */
		if (state < 0)
			state = vh_btf_offset(btf, "task_struct", "__state");
		/* 0 would say that sched_switch tells it; thread_info lies there. */
		if (state <= 0)
			return false;
	}
	if (pid <= 0 || pid > UINT16_MAX || state < 0 || state > UINT16_MAX)
		return false;
	config->pid_offset = (uint32_t)pid;
	if (tp == VH_TP_SCHED_SWITCH)
		config->state_offset = (uint32_t)state;
	return true;
}

static bool can_be_raw(const struct vh_btf *btf, enum vh_tp tp, const struct vh_tp_format *format,
	struct vh_bpf_config *config)
{
	const struct row *row = &rows[tp];
	char args[VH_BTF_MAX_ARGS + 1];

	if (!row->raw)
		return false;
	/* Another event, with the same fields but other arguments (arm64). */
	if (format->name && !vh_streq(format->name, vh_tp_name(tp)))
		return false;
	if (vh_streq(row->args, "*"))
		return true;
	if (!btf || !vh_btf_tracepoint(btf, short_name(format, tp), args) || !fits(args, row->args))
		return false;
	if (tp == VH_TP_SCHED_SWITCH || tp == VH_TP_SCHED_WAKEUP)
		return task_offsets(btf, tp, args, config);
	return true;
}

void vh_bpf_choose(const struct vh_btf *btf, const struct vh_tp_format formats[VH_N_TP],
	const char *no_formats, struct vh_bpf_choice out[VH_N_TP], struct vh_bpf_config *config)
{
	for (int i = 0; i < VH_N_TP; i++) {
		const struct row *row = &rows[i];
		struct vh_bpf_choice *c = &out[i];
		const char **unused = c->unused;

		*c = (struct vh_bpf_choice){.state = VH_EVENT_ABSENT};
		config->layout[i] = formats[i].layout;
		if (!no_formats && formats[i].absent)
			; /* this kernel has none */
		else if (can_be_raw(btf, (enum vh_tp)i, &formats[i], config))
			c->program = row->raw, c->raw = true;
		else if (formats[i].usable)
			c->program = row->classic;
		else
			c->state = VH_EVENT_FAILED;
		if (!c->program && c->state == VH_EVENT_FAILED)
			c->why = vh_strdup(formats[i].why ? formats[i].why
					   : no_formats   ? no_formats
							  : "its format cannot be read");
		if (row->raw && c->program != row->raw)
			*unused++ = row->raw;
		if (c->program != row->classic)
			*unused = row->classic;
	}
}

void vh_bpf_choices_free(struct vh_bpf_choice choices[VH_N_TP])
{
	for (int i = 0; i < VH_N_TP; i++)
		free(choices[i].why);
}
