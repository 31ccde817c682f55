/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts from the interrupt controllers: what is pending, and what holds it back. */
#include "infer/facts_build.h"

/* Windows halts at DISPATCH_LEVEL (priority 2) with its own deferred calls below that pending. */
#define TPR_OF_IDLE 0x3f

/* An interrupt that is pending for a vCPU, and from which controller. */
struct pending {
	struct vh_irq irq;
	bool of_pic;
	uint8_t base[2]; /* of the PIC: first vector of each chip */
};

static struct pending pending_at(const struct vh_facts *facts, const struct vh_vcpu *v, int look)
{
	const struct vh_apic *a = &v->apic[look];
	const struct vh_pic *p = &facts->model->pic[look];
	struct pending apic = {.irq = vh_apic_pending(a)};
	struct pending pic = {
		.irq = vh_pic_pending(p), .of_pic = true, .base = {p->base[0], p->base[1]}};

	/* What the CPU would take stands before what is held back. */
	if (!a->seen || !a->takes_pic || pic.irq.state == VH_IRQ_NONE ||
		apic.irq.state == VH_IRQ_DELIVERABLE)
		return apic;
	return pic.irq.state == VH_IRQ_DELIVERABLE || apic.irq.state == VH_IRQ_NONE ? pic : apic;
}

/* "interrupt 0x20 (IRQ 0: the timer)" */
static char *name_of(const struct pending *p, int line)
{
	if (!p->of_pic)
		return vh_asprintf("interrupt 0x%x", (unsigned)line);
	return vh_asprintf("interrupt 0x%x (line %d of the PIC%s)",
		(unsigned)p->base[line / 8] + (unsigned)line % 8, line,
		line == 0 ? ", the timer" : "");
}

/* The same at both looks. */
static bool stays(const struct pending *a, const struct pending *b)
{
	return a->irq.state == b->irq.state && a->of_pic == b->of_pic &&
	       a->irq.pending == b->irq.pending && a->irq.blocker == b->irq.blocker;
}

static void ground(struct vh_facts *facts, struct vh_fact *f)
{
	vh_fact_ground(facts, f, "hmp.info-lapic", vh_subject_vcpu(f->vcpu).s);
	vh_fact_ground(facts, f, "hmp.info-pic", NULL);
}

/* It waits in HLT with interrupts on, and nothing has woken it. */
static bool waits_for_interrupt(const struct vh_facts *facts, int v)
{
	return vh_fact_of(facts, VH_FACT_VCPU_HLT, v) &&
	       vh_fact_of(facts, VH_FACT_VCPU_IRQS_ON, v) &&
	       vh_fact_of(facts, VH_FACT_VCPU_RIP_FIXED, v) &&
	       vh_fact_of(facts, VH_FACT_VCPU_NEVER_WAKES, v);
}

/* A vCPU that was seen halted with interrupts on, and stays so: what it does not take. */
static void halted_facts(struct vh_facts *facts, int v, const struct pending *p)
{
	vh_auto_free char *pending = name_of(p, p->irq.pending);
	struct vh_fact *f = NULL;

	if (p->irq.state == VH_IRQ_IN_SERVICE) {
		vh_auto_free char *blocker = name_of(p, p->irq.blocker);
		bool same = p->irq.blocker == p->irq.pending;

		f = vh_fact_add(facts, VH_FACT_VCPU_IRQ_UNACKED, v, p->irq.blocker,
			"vCPU %d never acknowledged %s, which holds back %s", v, blocker,
			same ? "the next one, which is pending" : pending);
	} else if (p->irq.state == VH_IRQ_PRIORITY && p->irq.pending > TPR_OF_IDLE) {
		f = vh_fact_add(facts, VH_FACT_VCPU_IRQ_BELOW_TPR, v, p->irq.blocker,
			"vCPU %d is halted at task priority 0x%x, which holds back %s", v,
			(unsigned)p->irq.blocker, pending);
	} else if (p->irq.state == VH_IRQ_DELIVERABLE) {
		f = vh_fact_add(facts, VH_FACT_VCPU_IRQ_NOT_TAKEN, v, p->irq.pending,
			"%s was pending for vCPU %d at both looks; nothing holds it back, and it "
			"was not taken",
			pending, v);
	}
	if (f)
		ground(facts, f);
}

static void vcpu_facts(struct vh_facts *facts, const struct vh_vcpu *v)
{
	struct pending first = pending_at(facts, v, 0), last = pending_at(facts, v, 1);
	int n = v->index;

	if (last.irq.state == VH_IRQ_NONE)
		return;
	if (waits_for_interrupt(facts, n) && stays(&first, &last)) {
		halted_facts(facts, n, &last);
	} else if (vh_fact_of(facts, VH_FACT_VCPU_IRQS_OFF, n)) {
		vh_auto_free char *pending = name_of(&last, last.irq.pending);

		ground(facts,
			vh_fact_add(facts, VH_FACT_VCPU_IRQ_PENDING_OFF, n, last.irq.pending,
				"%s is pending for vCPU %d, which has interrupts off", pending, n));
	}
}

/* Whether the last interrupt that an APIC sent goes to that vCPU. The APIC id is the index but on
 * odd topologies; the destination is a whole word with x2APIC, else its highest byte. */
static bool goes_to(const struct vh_apic *from, int vcpu)
{
	unsigned shorthand = (from->icr[0] >> 18) & 3;
	uint32_t destination = from->icr[1], id = (uint32_t)vcpu;

	if (shorthand)
		return shorthand >= 2;
	if (from->icr[0] & (1U << 11)) /* logical, flat: a bit a CPU */
		return id < 8 && (destination >> 24) & (1U << id);
	return destination == id || destination == id << 24;
}

/* Delivery modes fixed and lowest priority: what an operating system's CPUs call each other by. */
static bool is_call(uint32_t icr)
{
	return ((icr >> 8) & 7) <= 1 && (icr & 0xff) >= 16;
}

static bool is_pending(const struct vh_apic *a, unsigned vector)
{
	return a->seen && a->irr[vector / 32] & (1U << (vector % 32));
}

/* The last call of a vCPU that runs, not taken by another that cannot take it. */
static void call_facts(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_apic *from = &v->apic[1];
	unsigned vector = from->icr[0] & 0xff;

	if (!from->seen || !is_call(from->icr[0]))
		return;
	for (size_t i = 0; i < facts->model->n_vcpus; i++) {
		const struct vh_vcpu *to = facts->model->vcpus[i];
		int n = to->index;
		bool halted = vh_fact_of(facts, VH_FACT_VCPU_HLT, n);

		if (to == v || !goes_to(from, n) || !is_pending(&to->apic[1], vector) ||
			(halted && !is_pending(&to->apic[0], vector)) ||
			!vh_fact_of(facts, VH_FACT_VCPU_IRQS_OFF, n) ||
			!vh_fact_of(facts, VH_FACT_VCPU_RIP_FIXED, n))
			continue;
		struct vh_fact *f = vh_fact_add(facts, VH_FACT_VCPU_IPI_UNHEARD, v->index, n,
			"the last interrupt that vCPU %d sent, 0x%x, is still pending for vCPU %d, "
			"which %s with interrupts off",
			v->index, vector, n, halted ? "is halted" : "stays in one place");

		ground(facts, f);
		vh_fact_ground(facts, f, "hmp.info-lapic", vh_subject_vcpu(n).s);
		return;
	}
}

/* Only where every controller was read. */
static void timer_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_pic *p = &m->pic[1];
	bool pic_open = (p->imr[0] & 0xfb) != 0xfb || (!(p->imr[0] & 4) && p->imr[1] != 0xff);

	if (!p->seen || !p->ioapic_seen || p->ioapic_open || !m->n_vcpus)
		return;
	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_apic *a = &m->vcpus[i]->apic[1];

		if (!a->seen || (a->enabled && (!a->has_timer || !a->timer_off)) ||
			(a->takes_pic && pic_open))
			return;
	}
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_NO_TIMER_ARMED, -1, NAN,
		"no timer interrupt can come: the local APIC's timer is off, and every line of the "
		"PIC and I/O APIC is masked");

	vh_fact_ground(facts, f, "hmp.info-lapic", NULL);
	vh_fact_ground(facts, f, "hmp.info-pic", NULL);
}

void vh_facts_of_interrupts(struct vh_facts *facts)
{
	for (size_t i = 0; i < facts->model->n_vcpus; i++) {
		const struct vh_vcpu *v = facts->model->vcpus[i];

		if (!v->regs_are_guest)
			continue;
		vcpu_facts(facts, v);
		call_facts(facts, v);
	}
	timer_facts(facts);
}
