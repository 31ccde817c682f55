/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A vCPU in the JSON report: each register raw and decoded. */
#include "report/json.h"

#include <stdio.h>

#define CODE_LINES 8

static void put_names(struct json_object *o, const char *key, uint64_t value,
	void (*names)(uint64_t value, struct vh_buf *out))
{
	vh_auto_buf struct vh_buf text = {0};

	names(value, &text);
	vh_report_put(o, key, vh_buf_str(&text));
}

static void put_segment(struct json_object *o, const char *key, const struct vh_segment *s)
{
	struct json_object *segment = json_object_new_object();

	vh_report_put_hex(segment, "selector", s->selector);
	vh_report_put_hex(segment, "base", s->base);
	vh_report_put_hex(segment, "limit", s->limit);
	vh_report_put_hex(segment, "flags", s->flags);
	json_object_object_add(o, key, segment);
}

/* What is not visible is null, whatever the dump says: a zero there is none of the guest's. */
static void put_hex_if(struct json_object *o, const char *key, uint64_t value, bool seen)
{
	if (seen)
		vh_report_put_hex(o, key, value);
	else
		json_object_object_add(o, key, NULL);
}

static void put_general(struct json_object *o, const struct vh_registers *r, enum vh_regime regime)
{
	const struct {
		const char *key;
		uint64_t value;
		enum vh_reg_class reg;
	} rows[] = {
		{"rip", r->rip, VH_REG_RIP},
		{"rflags", r->rflags, VH_REG_RFLAGS},
		{"cr0", r->cr0, VH_REG_CR0},
		{"cr2", r->cr2, VH_REG_CR2},
		{"cr3", r->cr3, VH_REG_CR3},
		{"cr4", r->cr4, VH_REG_CR4},
		{"efer", r->efer, VH_REG_EFER},
		{"rax", r->rax, VH_REG_ARGUMENTS},
		{"rbx", r->rbx, VH_REG_ARGUMENTS},
		{"rcx", r->rcx, VH_REG_ARGUMENTS},
		{"rdx", r->rdx, VH_REG_ARGUMENTS},
		{"rsi", r->rsi, VH_REG_ARGUMENTS},
		{"rdi", r->rdi, VH_REG_GENERAL},
		{"rbp", r->rbp, VH_REG_GENERAL},
		{"rsp", r->rsp, VH_REG_GENERAL},
		{"gdt_base", r->gdt_base, VH_REG_SEGMENTS},
		{"gdt_limit", r->gdt_limit, VH_REG_SEGMENTS},
		{"idt_base", r->idt_base, VH_REG_SEGMENTS},
		{"idt_limit", r->idt_limit, VH_REG_SEGMENTS},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		put_hex_if(o, rows[i].key, rows[i].value,
			vh_trust_of(regime, rows[i].reg) != VH_TRUST_HIDDEN);
	for (int i = 0; i < 8; i++) {
		char key[8];

		snprintf(key, sizeof(key), "r%d", i + 8);
		put_hex_if(o, key, r->r[i],
			r->is_64bit && vh_trust_of(regime, VH_REG_GENERAL) != VH_TRUST_HIDDEN);
	}
}

static void put_segments(struct json_object *o, const struct vh_registers *r, bool seen)
{
	const struct {
		const char *key;
		const struct vh_segment *s;
	} rows[] = {{"es", &r->es}, {"cs", &r->cs}, {"ss", &r->ss}, {"ds", &r->ds}, {"fs", &r->fs},
		{"gs", &r->gs}, {"ldt", &r->ldt}, {"tr", &r->tr}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		if (seen)
			put_segment(o, rows[i].key, rows[i].s);
		else
			json_object_object_add(o, rows[i].key, NULL);
}

/* What follows from registers of which some are not the guest's is null too. */
static void put_decoded(struct json_object *o, const struct vh_registers *r, enum vh_regime regime)
{
	bool controls = vh_trust_of(regime, VH_REG_CR0) == VH_TRUST_CURRENT;
	bool all = regime == VH_REGIME_PLAIN;
	struct vh_registers shown = all ? *r : vh_registers_of_controls(r->cr0, r->cr4, r->efer);

	vh_json_put_text(
		o, "stage", vh_stage_name(controls ? vh_stage_of(&shown) : VH_STAGE_UNKNOWN));
	vh_json_put_text(o, "stage_doubt", controls ? vh_stage_doubt(&shown) : NULL);
	vh_json_put_text(o, "mode", all ? vh_registers_mode(r) : NULL);
	put_hex_if(o, "linear_rip", vh_registers_linear_rip(r), all);
	json_object_object_add(
		o, "interrupts_on", all ? json_object_new_boolean(vh_registers_if(r)) : NULL);
	vh_report_put_known(o, "cpl", all ? (int64_t)r->cpl : -1);
	json_object_object_add(o, "hlt",
		vh_trust_of(regime, VH_REG_HLT) == VH_TRUST_CURRENT
			? json_object_new_boolean(r->hlt)
			: NULL);
	json_object_object_add(o, "smm", all ? json_object_new_boolean(r->smm) : NULL);
	put_names(o, "rflags_names", all ? r->rflags : 0, vh_rflags_text);
	put_names(o, "cr0_names", controls ? r->cr0 : 0, vh_cr0_text);
	put_names(o, "cr4_names", controls ? r->cr4 : 0, vh_cr4_text);
	put_names(o, "efer_names", controls ? r->efer : 0, vh_efer_text);
}

static struct json_object *registers(const struct vh_registers *r, enum vh_regime regime)
{
	struct json_object *o = json_object_new_object();

	put_general(o, r, regime);
	put_segments(o, r, vh_trust_of(regime, VH_REG_SEGMENTS) != VH_TRUST_HIDDEN);
	put_decoded(o, r, regime);
	return o;
}

static struct json_object *trust(enum vh_regime regime)
{
	struct json_object *o = json_object_new_object();

	for (int i = 0; i < VH_N_REG_CLASS; i++)
		vh_json_put_text(o, vh_reg_class_name((enum vh_reg_class)i),
			vh_trust_name(vh_trust_of(regime, (enum vh_reg_class)i)));
	return o;
}

static struct json_object *last_event(const struct vh_residue *e)
{
	struct json_object *o;

	if (e->kind == VH_RESIDUE_NONE)
		return NULL;
	o = json_object_new_object();
	vh_json_put_text(o, "kind", vh_residue_name(e->kind));
	vh_json_put_bool(o, "sure", e->sure);
	put_hex_if(o, "msr", e->msr, e->kind == VH_RESIDUE_MSR);
	put_hex_if(o, "value", e->value,
		e->kind == VH_RESIDUE_MSR || e->kind == VH_RESIDUE_PORT ||
			e->kind == VH_RESIDUE_TSC);
	put_hex_if(o, "leaf", e->leaf, e->kind == VH_RESIDUE_CPUID && e->leaf != UINT64_MAX);
	vh_report_put(o, "text", e->text);
	return o;
}

static struct json_object *glimpses(const struct vh_vcpu *cpu)
{
	struct json_object *array = json_object_new_array();

	for (unsigned i = 0; cpu->regs_are_guest && i < cpu->n_glimpses; i++) {
		struct json_object *o = json_object_new_object();

		vh_report_put_hex(o, "rip", cpu->glimpses[i].rip);
		json_object_object_add(o, "hlt",
			cpu->glimpses[i].hlt < 0 ? NULL
						 : json_object_new_boolean(cpu->glimpses[i].hlt));
		vh_json_put_bool(o, "interrupts_on", cpu->glimpses[i].irqs_on);
		vh_json_put_bool(o, "user_mode", cpu->glimpses[i].user_mode);
		json_object_array_add(array, o);
	}
	return array;
}

static struct json_object *arm_registers(const struct vh_arm_registers *r)
{
	struct json_object *o = json_object_new_object(), *x = json_object_new_array();
	vh_auto_buf struct vh_buf masked = {0}, flags = {0};

	vh_report_put_hex(o, "pc", r->pc);
	put_hex_if(o, "sp", r->sp, r->has_sp);
	vh_report_put_hex(o, "pstate", r->pstate);
	vh_json_put_i64(o, "el", vh_arm_el(r));
	vh_json_put_bool(o, "interrupts_on", vh_arm_irqs_on(r));
	vh_arm_masked_text(r->pstate, &masked);
	vh_json_put_text(o, "masked", vh_buf_str(&masked));
	vh_arm_flags_text(r->pstate, &flags);
	vh_json_put_text(o, "flags", vh_buf_str(&flags));
	for (int i = 0; i < VH_ARM_X; i++) {
		char hex[24];

		snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)r->x[i]);
		json_object_array_add(x, r->x_seen >> i & 1 ? json_object_new_string(hex) : NULL);
	}
	json_object_object_add(o, "x", x);
	return o;
}

static struct json_object *code(const struct vh_vcpu *cpu)
{
	struct json_object *o, *lines = json_object_new_array();
	vh_auto_buf struct vh_buf bytes = {0}, text = {0};
	struct vh_str rest, line;

	if (!cpu->code.seen) {
		json_object_put(lines);
		return NULL;
	}
	o = json_object_new_object();
	for (size_t i = 0; i < cpu->code.n; i++)
		vh_buf_printf(&bytes, "%02x", cpu->code.bytes[i]);
	vh_report_put_hex(o, "address", cpu->code.address);
	vh_json_put_text(o, "bytes", vh_buf_str(&bytes));
	if (cpu->regs[0].valid)
		vh_disassemble(&cpu->code, &cpu->regs[0],
			vh_code_loop_start(cpu, vh_registers_linear_rip(&cpu->regs[0])), CODE_LINES,
			&text);
	rest = (struct vh_str){vh_buf_str(&text), text.len};
	while (vh_next_line(&rest, &line))
		json_object_array_add(lines, vh_json_text(line));
	json_object_object_add(o, "disassembly", lines);
	return o;
}

/* linux/kvm.h, KVM_MP_STATE_* of x86; NULL: another number. */
static const char *mp_state_name(int state)
{
	static const char *const names[] = {[0] = "runnable",
		[1] = "uninitialized",
		[2] = "init-received",
		[3] = "halted",
		[4] = "sipi-received",
		[9] = "ap-reset-hold"};

	return state >= 0 && (size_t)state < VH_ARRAY_SIZE(names) ? names[state] : NULL;
}

static struct json_object *kvm_state(const struct vh_kvm_state *s)
{
	if (!s->seen)
		return NULL;
	struct json_object *o = json_object_new_object();

	vh_json_put_i64(o, "mp_state", s->mp_state);
	vh_json_put_text(o, "mp_state_name", mp_state_name(s->mp_state));
	vh_json_put_bool(o, "protected", s->is_protected);
	vh_report_put_hex(o, "cr0", s->cr0);
	vh_report_put_hex(o, "cr4", s->cr4);
	vh_report_put_hex(o, "efer", s->efer);
	vh_report_put_hex(o, "cr0_owned", s->cr0_owned);
	vh_report_put_hex(o, "cr4_owned", s->cr4_owned);
	put_hex_if(o, "ghcb_gpa", s->ghcb_gpa, s->has_ghcb);
	return o;
}

static struct json_object *ghcb(const struct vh_vcpu *cpu)
{
	vh_auto_buf struct vh_buf text = {0};

	if (!cpu->has_ghcb_page)
		return NULL;
	vh_ghcb_page_text(&cpu->ghcb_page, &text);
	return vh_json_text(vh_str(vh_buf_str(&text)));
}

struct json_object *vh_report_vcpu(const struct vh_vcpu *cpu)
{
	struct json_object *o = json_object_new_object();
	struct json_object *dumps = json_object_new_array();
	struct json_object *arm = json_object_new_array();

	for (size_t i = 0; i < VH_ARRAY_SIZE(cpu->arm); i++)
		if (cpu->arm[i].valid && cpu->regs_are_guest)
			json_object_array_add(arm, arm_registers(&cpu->arm[i]));
	for (size_t i = 0; i < VH_ARRAY_SIZE(cpu->regs); i++)
		if (cpu->regs[i].valid)
			json_object_array_add(dumps, registers(&cpu->regs[i], cpu->regime));
	vh_json_put_i64(o, "index", cpu->index);
	vh_report_put_known(o, "tid", cpu->thread ? cpu->thread->tid : -1);
	vh_report_put(o, "qom_path", cpu->qom_path);
	vh_json_put_text(o, "registers_status", vh_status_name(cpu->regs_status));
	vh_json_put_bool(o, "registers_are_guest", cpu->regs_are_guest);
	vh_json_put_text(o, "registers_regime", vh_regime_name(cpu->regime));
	vh_report_put(o, "registers_why", cpu->regs_are_guest ? NULL : cpu->regime_why);
	json_object_object_add(o, "registers_trust", trust(cpu->regime));
	json_object_object_add(o, "kvm_state", kvm_state(&cpu->kvm_state));
	json_object_object_add(o, "ghcb", ghcb(cpu));
	json_object_object_add(o, "last_event", last_event(&cpu->residue));
	json_object_object_add(o, "registers", dumps);
	json_object_object_add(o, "registers_arm64", arm);
	json_object_object_add(o, "glimpses", glimpses(cpu));
	json_object_object_add(o, "code", code(cpu));
	json_object_object_add(o, "counters", vh_report_counters(&cpu->kvm));
	return o;
}
