/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts from counted exits: do interrupts reach a vCPU, and the other CPUs that it calls. */
#include "infer/facts_build.h"

#include <inttypes.h>

#include "base/clock.h"

/* Delivery modes of an interrupt between CPUs (Intel SDM vol. 3, 11.6.1; bits 8-10 of the ICR). */
enum { MODE_FIXED = 0, MODE_LOWEST = 1, MODE_INIT = 5, MODE_STARTUP = 6 };

/* KVM injects nothing that it sees where the CPU delivers interrupts itself (APICv, AVIC); an EOI
 * is seen where the guest's EOI exits or is emulated. */
static uint64_t delivered(const struct vh_vcpu_exits *x)
{
	uint64_t injected = 0;

	for (size_t i = 0; i < x->n_keys; i++) {
		const struct vh_exit_key *k = &x->keys[i];

		/* Not INT n, and not again what an exit had come in between of. */
		if (k->kind == VH_KEY_VIRQ && !(k->detail & 3))
			injected += k->timing.count;
	}
	return VH_MAX(injected, vh_exits_count(x, VH_KEY_EOI));
}

/* Interrupt lines that were raised: by the PIC they reach a CPU unseen by its local APIC. */
static bool lines_rise(const struct vh_exits *e)
{
	for (size_t i = 0; e->vm && i < e->vm->n_keys; i++)
		if (e->vm->keys[i].kind == VH_KEY_GSI && e->vm->keys[i].detail)
			return true;
	return false;
}

void vh_facts_of_irqs(struct vh_facts *facts, const struct vh_vcpu_exits *x)
{
	const struct vh_exits *e = facts->model->exits;
	uint64_t taken = delivered(x), sent = vh_exits_count(x, VH_KEY_ACCEPT);
	double seconds = e->span_ns / VH_NS_PER_S;
	/* Where guest and KVM are told apart, whatever is injected is seen. */
	bool sure = vh_trace_counts(e, "kvm:kvm_apic_accept_irq") &&
		    vh_trace_counts(e, "kvm:kvm_eoi") && vh_trace_counts(e, "kvm:kvm_inj_virq") &&
		    (e->sees_exits || !lines_rise(e)) && !vh_rows_of(e, x, VH_MEANS_IRQ_WINDOW);

	if (taken)
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_VCPU_TAKES_IRQS, x->vcpu,
				(double)taken / seconds, "vCPU %d takes %.0f interrupts a second",
				x->vcpu, (double)taken / seconds));
	else if (sent)
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_VCPU_IRQS_WAIT, x->vcpu, (double)sent,
				"%" PRIu64 " interrupts were sent to vCPU %d in %.1f s, and it was "
				"not seen to take one",
				sent, x->vcpu, seconds));
	else if (sure && vh_never_rests(facts, x->vcpu))
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_VCPU_TAKES_NO_IRQS, x->vcpu, 0,
				"no interrupt was sent to vCPU %d in %.1f s, nor did it take one",
				x->vcpu, seconds));
}

static unsigned mode_of(uint64_t icr)
{
	return (unsigned)(icr >> 8) & 7;
}

/* INIT with the level bit clear only resets the arbitration of old CPUs. */
static bool is_init(uint64_t icr)
{
	return mode_of(icr) == MODE_INIT && (icr & (1U << 14));
}

/* Does it go to that vCPU? The APIC id is the index but on odd topologies; shorthand 3 is all but
 * the sender, 2 all. */
static bool goes_to(const struct vh_exit_key *k, int vcpu)
{
	unsigned shorthand = (unsigned)(k->value >> 18) & 3;

	return shorthand >= 2 || (!shorthand && k->detail == (uint64_t)vcpu);
}

/* What the vCPUs sent to each other, and which vectors any of them accepted. */
struct ipis {
	bool accepted[256];
	bool more_accepted;                /* than are listed */
	const struct vh_exit_key **starts; /* INIT and SIPI */
	size_t n_starts;
};
/* A guest that starts its CPUs sends some to each; a case file may have been made up. */
#define MAX_STARTS 4096

static struct ipis ipis_of(const struct vh_exits *e)
{
	struct ipis ipis = {0};

	for (size_t i = 0; i < e->n_vcpus; i++) {
		ipis.more_accepted |= e->vcpus[i]->more[VH_KEY_ACCEPT].keys > 0;
		for (size_t n = 0; n < e->vcpus[i]->n_keys; n++) {
			const struct vh_exit_key *k = &e->vcpus[i]->keys[n];

			if (k->kind == VH_KEY_ACCEPT)
				ipis.accepted[k->value & 0xff] = true;
			if (k->kind == VH_KEY_IPI && ipis.n_starts < MAX_STARTS &&
				(is_init(k->value) || mode_of(k->value) == MODE_STARTUP))
				VH_PUSH(ipis.starts, ipis.n_starts) = k;
		}
	}
	return ipis;
}

static void lost_ipi_facts(
	struct vh_facts *facts, const struct vh_vcpu_exits *x, const struct ipis *ipis)
{
	for (size_t i = 0; i < x->n_keys; i++) {
		const struct vh_exit_key *k = &x->keys[i];
		unsigned vector = (unsigned)k->value & 0xff;

		if (k->kind != VH_KEY_IPI || mode_of(k->value) > MODE_LOWEST ||
			ipis->accepted[vector])
			continue;
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_VCPU_IPI_LOST, x->vcpu, (double)k->timing.count,
				"vCPU %d sent interrupt 0x%x to APIC 0x%" PRIx64 " %" PRIu64
				" times, and no vCPU accepted it",
				x->vcpu, vector, k->detail, k->timing.count));
		return;
	}
}

/* What was sent to an application processor that does not run. */
static void start_facts(struct vh_facts *facts, int vcpu, const struct ipis *ipis)
{
	uint64_t inits = 0, starts = 0;

	for (size_t i = 0; i < ipis->n_starts; i++) {
		const struct vh_exit_key *k = ipis->starts[i];

		if (!goes_to(k, vcpu))
			continue;
		*(is_init(k->value) ? &inits : &starts) += k->timing.count;
	}
	if (starts)
		vh_fact_traced(
			facts, vh_fact_add(facts, VH_FACT_AP_IGNORES_SIPI, vcpu, (double)starts,
				       "vCPU %d was told to start %" PRIu64
				       " times (SIPI), and did not enter the guest",
				       vcpu, starts));
	else if (inits)
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_AP_WAITS_FOR_SIPI, vcpu, (double)inits,
				"vCPU %d was told to wait for its start (INIT), but nobody started "
				"it (SIPI)",
				vcpu));
}

void vh_facts_of_ipis(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	if (vh_streq(m->exits->backend, "statistics"))
		return;
	struct ipis ipis = ipis_of(m->exits);

	for (size_t i = 0; i < m->n_vcpus; i++) {
		int n = m->vcpus[i]->index;
		const struct vh_vcpu_exits *x = vh_traced(facts, n);

		/* Of a message whose receiver was not counted nobody can say that it was lost. */
		if (x && !m->exits->lost && !m->exits->missed && !ipis.more_accepted &&
			vh_trace_counts(m->exits, "kvm:kvm_apic_accept_irq"))
			lost_ipi_facts(facts, x, &ipis);
		if (n > 0 && vh_fact_of(facts, VH_FACT_VCPU_NO_ENTRY, n))
			start_facts(facts, n, &ipis);
	}
	free(ipis.starts);
}
