/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The registers of a vCPU, raw and decoded, for --verbose. */
#include <inttypes.h>

#include "report/view.h"

#define CODE_LINES 8

static void bits_line(struct vh_view_section *s, const char *name, uint64_t value,
	void (*names)(uint64_t value, struct vh_buf *out))
{
	vh_auto_buf struct vh_buf text = {0};

	names(value, &text);
	vh_view_line(
		s, "%-7s %016" PRIx64 "%s%s", name, value, text.len ? "  " : "", vh_buf_str(&text));
}

static void add_state(struct vh_view_section *s, const struct vh_registers *r)
{
	vh_view_line(s, "%s, %s, CPL %u, interrupts %s%s%s", vh_stage_title(vh_stage_of(r)),
		vh_registers_mode(r), r->cpl, vh_registers_if(r) ? "on" : "off",
		r->hlt ? ", halted (HLT)" : "", r->smm ? ", in SMM" : "");
}

static void add_values(struct vh_view_section *s, const struct vh_registers *r)
{
	vh_view_line(s, "%-7s %016" PRIx64 "  linear %" PRIx64, "RIP", r->rip,
		vh_registers_linear_rip(r));
	bits_line(s, "RFLAGS", r->rflags, vh_rflags_text);
	bits_line(s, "CR0", r->cr0, vh_cr0_text);
	vh_view_line(s, "%-7s %016" PRIx64, "CR2", r->cr2);
	vh_view_line(s, "%-7s %016" PRIx64, "CR3", r->cr3);
	bits_line(s, "CR4", r->cr4, vh_cr4_text);
	bits_line(s, "EFER", r->efer, vh_efer_text);
	vh_view_line(s,
		"RAX %016" PRIx64 "  RBX %016" PRIx64 "  RCX %016" PRIx64 "  RDX %016" PRIx64,
		r->rax, r->rbx, r->rcx, r->rdx);
	vh_view_line(s,
		"RSI %016" PRIx64 "  RDI %016" PRIx64 "  RBP %016" PRIx64 "  RSP %016" PRIx64,
		r->rsi, r->rdi, r->rbp, r->rsp);
	for (int i = 0; r->is_64bit && i < 8; i += 4)
		vh_view_line(s,
			"R%-2d %016" PRIx64 "  R%-2d %016" PRIx64 "  R%-2d %016" PRIx64
			"  R%-2d %016" PRIx64,
			i + 8, r->r[i], i + 9, r->r[i + 1], i + 10, r->r[i + 2], i + 11,
			r->r[i + 3]);
	vh_view_line(s,
		"CS %04x base %" PRIx64 "  SS %04x  TR %04x  GDT %" PRIx64 "+%x  IDT %" PRIx64
		"+%x",
		r->cs.selector, r->cs.base, r->ss.selector, r->tr.selector, r->gdt_base,
		r->gdt_limit, r->idt_base, r->idt_limit);
}

/* Where else it was seen: RIPs that differ tell work from a spin. */
static void add_glimpses(struct vh_view_section *s, const struct vh_vcpu *cpu)
{
	vh_auto_buf struct vh_buf text = {0};

	for (unsigned i = 1; i < cpu->n_glimpses; i++)
		vh_buf_printf(&text, " %" PRIx64 "%s", cpu->glimpses[i].rip,
			cpu->glimpses[i].hlt > 0 ? " (HLT)" : "");
	if (text.len)
		vh_view_line(s, "%s later:%s", cpu->arm[0].valid ? "PC" : "RIP", vh_buf_str(&text));
}

static void add_code(struct vh_view_section *s, const struct vh_vcpu *cpu)
{
	vh_auto_buf struct vh_buf text = {0};
	struct vh_str rest, line;

	uint64_t rip = vh_registers_linear_rip(&cpu->regs[0]);

	if (!cpu->code.seen || !vh_disassemble(&cpu->code, &cpu->regs[0],
				       vh_code_loop_start(cpu, rip), CODE_LINES, &text))
		return;
	vh_view_line(s, "code at RIP:");
	rest = (struct vh_str){vh_buf_str(&text), text.len};
	while (vh_next_line(&rest, &line))
		vh_view_line(s, "%.*s", (int)line.n, line.s);
}

/* --- Of an encrypted guest: only what is known to be something ---------------------------------
 */

static void trusted_line(struct vh_view_section *s, const struct vh_vcpu *cpu,
	enum vh_reg_class reg, const char *name, uint64_t value,
	void (*names)(uint64_t value, struct vh_buf *out))
{
	enum vh_trust trust = vh_trust_of(cpu->regime, reg);
	vh_auto_buf struct vh_buf text = {0};

	if (trust == VH_TRUST_HIDDEN) {
		vh_view_line(s, "%-7s %-16s  [%s]", name, "-", vh_trust_title(trust));
		return;
	}
	if (names && trust == VH_TRUST_CURRENT)
		names(value, &text);
	vh_view_line(s, "%-7s %016" PRIx64 "  [%s]%s%s", name, value, vh_trust_title(trust),
		text.len ? "  " : "", vh_buf_str(&text));
}

static void add_trusted(struct vh_view_section *s, const struct vh_vcpu *cpu)
{
	const struct vh_registers *r = &cpu->regs[cpu->regs[1].valid ? 1 : 0];
	struct vh_registers shown = vh_registers_of_controls(r->cr0, r->cr4, r->efer);
	const char *doubt = vh_stage_doubt(&shown);

	if (vh_trust_of(cpu->regime, VH_REG_CR0) == VH_TRUST_CURRENT)
		vh_view_line(s, "%s%s%s%s", vh_stage_title(vh_stage_of(&shown)),
			r->hlt ? ", halted (HLT)" : "", doubt ? "; less sure: " : "",
			doubt ? doubt : "");
	if (cpu->residue.kind != VH_RESIDUE_NONE)
		vh_view_line(s, "its last own event: %s", cpu->residue.text);
	trusted_line(s, cpu, VH_REG_CR0, "CR0", r->cr0, vh_cr0_text);
	trusted_line(s, cpu, VH_REG_CR4, "CR4", r->cr4, vh_cr4_text);
	trusted_line(s, cpu, VH_REG_EFER, "EFER", r->efer, vh_efer_text);
	trusted_line(s, cpu, VH_REG_ARGUMENTS, "RAX", r->rax, NULL);
	trusted_line(s, cpu, VH_REG_ARGUMENTS, "RBX", r->rbx, NULL);
	trusted_line(s, cpu, VH_REG_ARGUMENTS, "RCX", r->rcx, NULL);
	trusted_line(s, cpu, VH_REG_ARGUMENTS, "RDX", r->rdx, NULL);
	trusted_line(s, cpu, VH_REG_ARGUMENTS, "RSI", r->rsi, NULL);
	trusted_line(s, cpu, VH_REG_RIP, "RIP", r->rip, NULL);
	trusted_line(s, cpu, VH_REG_RFLAGS, "RFLAGS", r->rflags, NULL);
	trusted_line(s, cpu, VH_REG_CR2, "CR2", r->cr2, NULL);
	trusted_line(s, cpu, VH_REG_CR3, "CR3", r->cr3, NULL);
	vh_view_line(s, "RDI, RBP, RSP, R8 to R15, segments and tables [%s]",
		vh_trust_title(vh_trust_of(cpu->regime, VH_REG_SEGMENTS)));
}

/* --- 64-bit ARM --------------------------------------------------------------------------------
 */

static void add_arm(struct vh_view_section *s, const struct vh_arm_registers *r)
{
	vh_auto_buf struct vh_buf masked = {0}, flags = {0}, row = {0};

	vh_arm_masked_text(r->pstate, &masked);
	vh_arm_flags_text(r->pstate, &flags);
	vh_view_line(s, "%s, interrupts %s, stack of %s", vh_arm_el_title(vh_arm_el(r)),
		vh_arm_irqs_on(r) ? "on" : "off", r->pstate & VH_PSTATE_SP ? "its level" : "EL0");
	vh_view_line(s, "%-7s %016" PRIx64, "PC", r->pc);
	if (r->has_sp)
		vh_view_line(s, "%-7s %016" PRIx64, "SP", r->sp);
	vh_view_line(s, "%-7s %016" PRIx64 "  masked: %s, flags: %s", "PSTATE", r->pstate,
		masked.len ? vh_buf_str(&masked) : "none", flags.len ? vh_buf_str(&flags) : "none");
	for (int i = 0; i < VH_ARM_X; i++) {
		if (r->x_seen >> i & 1)
			vh_buf_printf(&row, "%sX%02d %016" PRIx64, row.len ? "  " : "", i, r->x[i]);
		if (row.len && (i % 4 == 3 || i == VH_ARM_X - 1)) {
			vh_view_line(s, "%s", vh_buf_str(&row));
			vh_buf_free(&row);
		}
	}
}

void vh_view_add_registers(struct vh_view *v, const struct vh_vcpu *cpu)
{
	struct vh_view_section *s;

	if (cpu->arm[0].valid && cpu->regs_are_guest) {
		s = vh_view_add(v, "registers", VH_VIEW_LINES, "vCPU %d", cpu->index);
		add_arm(s, &cpu->arm[0]);
		add_glimpses(s, cpu);
		return;
	}
	if (!cpu->regs[0].valid) {
		s = vh_view_add(v, "registers", VH_VIEW_LINES, "vCPU %d", cpu->index);
		vh_view_line(s, "registers: %s",
			cpu->regs_status == VH_OK ? "not a dump that vmhang can read"
						  : vh_status_name(cpu->regs_status));
		return;
	}
	s = vh_view_add(v, "registers", VH_VIEW_LINES, "vCPU %d%s", cpu->index,
		cpu->regs_are_guest ? "" : ": NOT the guest's registers (the guest is encrypted)");
	if (!cpu->regs_are_guest) {
		if (cpu->regime_why)
			vh_view_line(s, "%s", cpu->regime_why);
		add_trusted(s, cpu);
		return;
	}
	add_state(s, &cpu->regs[0]);
	add_values(s, &cpu->regs[0]);
	add_glimpses(s, cpu);
	add_code(s, cpu);
}
