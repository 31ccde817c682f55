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

static void put_general(struct json_object *o, const struct vh_registers *r)
{
	const struct {
		const char *key;
		uint64_t value;
	} rows[] = {
		{"rip", r->rip},
		{"rflags", r->rflags},
		{"cr0", r->cr0},
		{"cr2", r->cr2},
		{"cr3", r->cr3},
		{"cr4", r->cr4},
		{"efer", r->efer},
		{"rax", r->rax},
		{"rbx", r->rbx},
		{"rcx", r->rcx},
		{"rdx", r->rdx},
		{"rsi", r->rsi},
		{"rdi", r->rdi},
		{"rbp", r->rbp},
		{"rsp", r->rsp},
		{"gdt_base", r->gdt_base},
		{"gdt_limit", r->gdt_limit},
		{"idt_base", r->idt_base},
		{"idt_limit", r->idt_limit},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		vh_report_put_hex(o, rows[i].key, rows[i].value);
	for (int i = 0; i < 8; i++) {
		char key[8];

		snprintf(key, sizeof(key), "r%d", i + 8);
		if (r->is_64bit)
			vh_report_put_hex(o, key, r->r[i]);
		else
			json_object_object_add(o, key, NULL);
	}
}

static void put_decoded(struct json_object *o, const struct vh_registers *r)
{
	vh_json_put_text(o, "stage", vh_stage_name(vh_stage_of(r)));
	vh_json_put_text(o, "mode", vh_registers_mode(r));
	vh_report_put_hex(o, "linear_rip", vh_registers_linear_rip(r));
	vh_json_put_bool(o, "interrupts_on", vh_registers_if(r));
	vh_json_put_i64(o, "cpl", r->cpl);
	vh_json_put_bool(o, "hlt", r->hlt);
	vh_json_put_bool(o, "smm", r->smm);
	put_names(o, "rflags_names", r->rflags, vh_rflags_text);
	put_names(o, "cr0_names", r->cr0, vh_cr0_text);
	put_names(o, "cr4_names", r->cr4, vh_cr4_text);
	put_names(o, "efer_names", r->efer, vh_efer_text);
}

static struct json_object *registers(const struct vh_registers *r)
{
	struct json_object *o = json_object_new_object();

	put_general(o, r);
	put_segment(o, "es", &r->es);
	put_segment(o, "cs", &r->cs);
	put_segment(o, "ss", &r->ss);
	put_segment(o, "ds", &r->ds);
	put_segment(o, "fs", &r->fs);
	put_segment(o, "gs", &r->gs);
	put_segment(o, "ldt", &r->ldt);
	put_segment(o, "tr", &r->tr);
	put_decoded(o, r);
	return o;
}

static struct json_object *glimpses(const struct vh_vcpu *cpu)
{
	struct json_object *array = json_object_new_array();

	for (unsigned i = 0; i < cpu->n_glimpses; i++) {
		struct json_object *o = json_object_new_object();

		vh_report_put_hex(o, "rip", cpu->glimpses[i].rip);
		vh_json_put_bool(o, "hlt", cpu->glimpses[i].hlt);
		vh_json_put_bool(o, "interrupts_on", cpu->glimpses[i].irqs_on);
		vh_json_put_bool(o, "user_mode", cpu->glimpses[i].user_mode);
		json_object_array_add(array, o);
	}
	return array;
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

struct json_object *vh_report_vcpu(const struct vh_vcpu *cpu)
{
	struct json_object *o = json_object_new_object();
	struct json_object *dumps = json_object_new_array();

	for (size_t i = 0; i < VH_ARRAY_SIZE(cpu->regs); i++)
		if (cpu->regs[i].valid)
			json_object_array_add(dumps, registers(&cpu->regs[i]));
	vh_json_put_i64(o, "index", cpu->index);
	vh_report_put_known(o, "tid", cpu->thread ? cpu->thread->tid : -1);
	vh_report_put(o, "qom_path", cpu->qom_path);
	vh_json_put_text(o, "registers_status", vh_status_name(cpu->regs_status));
	vh_json_put_bool(o, "registers_are_guest", cpu->regs_are_guest);
	json_object_object_add(o, "registers", dumps);
	json_object_object_add(o, "glimpses", glimpses(cpu));
	json_object_object_add(o, "code", code(cpu));
	json_object_object_add(o, "counters", vh_report_counters(&cpu->kvm));
	return o;
}
