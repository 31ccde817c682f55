/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notes that QEMU writes into a dump, one a vCPU (target/i386/arch_dump.c): name "QEMU", type 0. */
#include "guest/cpus.h"
#include "guest/dump.h"

struct note {
	const uint8_t *name, *data;
	uint32_t n_name, n_data, type;
};

struct qemu_segment {
	uint32_t selector, limit, flags, pad;
	uint64_t base;
};

/* QEMUCPUState, version 1; kernel_gs_base came later, without a new version. */
struct qemu_cpu {
	uint32_t version, size;
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r[8], rip, rflags;
	struct qemu_segment cs, ds, es, fs, gs, ss, ldt, tr, gdt, idt;
	uint64_t cr[5];
};

#define SEGMENT_L (1u << 21) /* 64-bit code, as QEMU keeps the descriptor's bits */
#define CR0_PG    (UINT64_C(1) << 31)
#define CR4_PAE   (UINT64_C(1) << 5)
/* SCE, LME, LMA, NXE: what a 64-bit system runs with; the note does not tell. */
#define EFER_64 UINT64_C(0xd01)

static size_t padded(uint32_t n)
{
	return ((size_t)n + 3) & ~(size_t)3;
}

static bool next_note(const uint8_t **at, size_t *left, struct note *out)
{
	uint32_t head[3];

	if (*left < sizeof(head))
		return false;
	memcpy(head, *at, sizeof(head));
	size_t name = padded(head[0]), data = padded(head[1]), room = *left - sizeof(head);

	/* The padding of the last one may be left out. */
	if (name > room || head[1] > room - name)
		return false;
	*out = (struct note){.name = *at + sizeof(head),
		.data = *at + sizeof(head) + name,
		.n_name = head[0],
		.n_data = head[1],
		.type = head[2]};
	size_t used = sizeof(head) + name + VH_MIN(data, room - name);

	*at += used;
	*left -= used;
	return true;
}

static struct vh_segment segment_of(const struct qemu_segment *s)
{
	return (struct vh_segment){
		.selector = (uint16_t)s->selector,
		.base = s->base,
		.limit = s->limit,
		.flags = s->flags,
	};
}

static void take_cpu(const struct qemu_cpu *q, struct vh_registers *r)
{
	bool is_64bit = q->cr[0] & CR0_PG && q->cr[4] & CR4_PAE;

	*r = (struct vh_registers){
		.valid = true,
		.is_64bit = true,
		.has_segments = true,
		.rax = q->rax,
		.rbx = q->rbx,
		.rcx = q->rcx,
		.rdx = q->rdx,
		.rsi = q->rsi,
		.rdi = q->rdi,
		.rbp = q->rbp,
		.rsp = q->rsp,
		.rip = q->rip,
		.rflags = q->rflags,
		.cpl = q->cs.selector & 3,
		.a20 = true,
		.hlt_unknown = true,
		.es = segment_of(&q->es),
		.cs = segment_of(&q->cs),
		.ss = segment_of(&q->ss),
		.ds = segment_of(&q->ds),
		.fs = segment_of(&q->fs),
		.gs = segment_of(&q->gs),
		.ldt = segment_of(&q->ldt),
		.tr = segment_of(&q->tr),
		.gdt_base = q->gdt.base,
		.idt_base = q->idt.base,
		.gdt_limit = q->gdt.limit,
		.idt_limit = q->idt.limit,
		.cr0 = q->cr[0],
		.cr2 = q->cr[2],
		.cr3 = q->cr[3],
		.cr4 = q->cr[4],
		.efer = is_64bit && (q->cs.flags & SEGMENT_L || q->rip >> 32) ? EFER_64 : 0,
	};
	memcpy(r->r, q->r, sizeof(r->r));
}

void vh_dump_take_notes(const uint8_t *notes, size_t n, struct vh_dump *out)
{
	struct note note;

	while (next_note(&notes, &n, &note) && out->n_cpus < VH_MAX_CPUS) {
		struct qemu_cpu q;

		if (note.type != 0 || note.n_name != 5 || memcmp(note.name, "QEMU", 5) != 0 ||
			note.n_data < sizeof(q))
			continue;
		memcpy(&q, note.data, sizeof(q));
		if (q.version != 1)
			continue;
		struct vh_cpu *c = &VH_PUSH(out->cpus, out->n_cpus);

		c->index = (int)out->n_cpus - 1;
		take_cpu(&q, &c->x86);
	}
}
