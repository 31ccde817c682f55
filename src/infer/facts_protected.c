/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts of encrypted guests, and those that tell of a guest although its registers are hidden: what
 * its last own event was, how long its vCPUs have run in all, which exits were counted.
 */
#include "infer/facts_build.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/units.h"

/* More than any boot takes. */
#define LONG_NS (600 * VH_NS_PER_S)
/* A shorter count does not tell what does not happen. */
#define MIN_SPAN_NS (200 * VH_NS_PER_MS)
/* CPU time in which no operating system comes up on a CPU: facts_vcpu.c has the same bound. */
#define HARDLY_NS (500 * VH_NS_PER_MS)

static void kind_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_conf_view *c = &m->conf;
	vh_auto_buf struct vh_buf policy = {0};
	struct vh_fact *f;

	if (m->confidential == VH_CONF_NONE)
		return;
	if (c->has_policy)
		vh_conf_policy_text(m->confidential, c->policy, &policy);
	vh_auto_free char *told = vh_asprintf("%s%s%s; as told by %s",
		vh_conf_title(m->confidential), policy.len ? ": " : "", vh_buf_str(&policy),
		vh_conf_source_title(c->source));

	if (vh_conf_hides_registers(m->confidential)) {
		f = vh_fact_add(facts, VH_FACT_REGISTERS_HIDDEN, -1, m->confidential,
			"the guest is encrypted (%s): the registers that the VMM shows are not its "
			"registers",
			told);
		if (c->evidence < m->c->n_evidence)
			VH_PUSH(f->evidence, f->n_evidence) = c->evidence;
	}
	if (vh_conf_has_ghcb(m->confidential)) {
		f = vh_fact_add(facts, VH_FACT_GUEST_HAS_GHCB, -1, m->confidential,
			"the guest asks its host for everything through a shared page (GHCB): %s",
			told);
		if (c->evidence < m->c->n_evidence)
			VH_PUSH(f->evidence, f->n_evidence) = c->evidence;
	}
	if (c->launch && !vh_streq(c->launch, "running") && !vh_prefix(c->launch, "send"))
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_LAUNCH_NOT_FINISHED, -1, NAN,
				"the launch of the encrypted guest is not finished: query-sev says "
				"\"%s\"",
				c->launch),
			"qmp.query-sev", NULL);
}

static void reset_state_fact(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_vcpu *v = m->vcpus[i];

		if (v->regime != VH_REGIME_CACHE)
			continue;
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_REGISTERS_OF_RESET, -1, NAN,
				"the registers in the dump are those of the reset (CR0=%" PRIx64
				", EIP=%" PRIx64 "), and say nothing of the guest: %s",
				v->regs[0].cr0, v->regs[0].rip, v->regime_why),
			"hmp.info-registers", NULL);
		return;
	}
}

/* What the registers of an encrypted guest are from. */
static void ground_registers(struct vh_facts *facts, struct vh_fact *f, const struct vh_vcpu *v)
{
	if (v->regs_by_kvm)
		vh_fact_ground(facts, f, "trace.vcpu", NULL);
	else
		vh_fact_ground(facts, f, "hmp.info-registers", vh_subject_vcpu(v->index).s);
}

static void event_facts(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_registers *r = &v->regs[v->regs[1].valid ? 1 : 0];
	const struct vh_residue *e = &v->residue;

	if (v->regime != VH_REGIME_GHCB || e->kind == VH_RESIDUE_NONE)
		return;
	ground_registers(facts,
		vh_fact_add(facts, VH_FACT_VCPU_LAST_EVENT, v->index, e->kind,
			"the last event that vCPU %d asked the host for: %s", v->index, e->text),
		v);
	if (e->kind == VH_RESIDUE_MSR && e->msr == 0x1b)
		ground_registers(facts,
			vh_fact_add(facts, VH_FACT_VCPU_LAST_APIC_BASE, v->index, (double)e->msr,
				"behind its access to IA32_APIC_BASE (EAX=%" PRIx64 ") no port "
				"I/O, MMIO, CPUID or MSR access of vCPU %d came to its end; "
				"firmware reads it right before it reaches for the local APIC",
				r->rax, v->index),
			v);
	ground_registers(facts,
		r->hlt ? vh_fact_add(facts, VH_FACT_VCPU_HLT, v->index, 1,
				 "vCPU %d is halted (HLT=1, which KVM keeps of it)", v->index)
		       : vh_fact_add(facts, VH_FACT_VCPU_NOT_HLT, v->index, 1,
				 "vCPU %d is not halted (HLT=0, which KVM keeps of it)", v->index),
		v);
}

/* KVM_MP_STATE_AP_RESET_HOLD of linux/kvm.h: the firmware of a SEV-ES guest parks its other CPUs
 * there, after it ran on them. */
#define MP_STATE_AP_RESET_HOLD 9
#define MP_STATE_UNINITIALIZED 1 /* of every CPU but the boot CPU, until an INIT comes */

static void state_facts(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_ghcb_page *page = &v->ghcb_page;
	vh_auto_buf struct vh_buf text = {0};

	if (v->kvm_state.seen && v->kvm_state.mp_state == MP_STATE_AP_RESET_HOLD)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_VCPU_RESET_HOLD, v->index, NAN,
				"vCPU %d was started by the firmware, and parked again (AP reset "
				"hold)",
				v->index),
			"trace.vcpu", NULL);
	if (v->index > 0 && v->kvm_state.seen && v->kvm_state.mp_state == MP_STATE_UNINITIALIZED)
		vh_fact_ground(facts,
			vh_fact_add(facts, VH_FACT_AP_UNINITIALIZED, v->index, NAN,
				"no start (INIT, SIPI) has reached vCPU %d since its last reset: "
				"KVM has it as not initialised",
				v->index),
			"trace.vcpu", NULL);
	if (!v->has_ghcb_page)
		return;
	vh_ghcb_page_text(page, &text);
	vh_fact_ground(facts,
		page->cleared
			? vh_fact_add(facts, VH_FACT_VCPU_GHCB_CLEARED, v->index, NAN,
				  "the GHCB page of vCPU %d is all zero: it was cleared for an "
				  "event, and the event did not come",
				  v->index)
			: vh_fact_add(facts, VH_FACT_VCPU_GHCB_LAST, v->index,
				  (double)page->exit_code,
				  "the last event in the GHCB page of vCPU %d: %s", v->index,
				  vh_buf_str(&text)),
		"guest.ghcb", vh_subject_vcpu(v->index).s);
}

/* --- How long they ran in all ----------------------------------------------------------------- */

static int64_t ran_ns(const struct vh_vcpu *v)
{
	const struct vh_thread *t = v->thread;

	if (!t || !(t->last.seen || t->first.seen))
		return -1;
	return t->last.seen ? t->last.cpu_ns : t->first.cpu_ns;
}

static void ground_time(struct vh_facts *facts, struct vh_fact *f, const struct vh_vcpu *v)
{
	vh_fact_ground(facts, f, "task.schedstat", vh_subject_tid(v->thread->tid).s);
	vh_fact_ground(facts, f, "task.stat", vh_subject_tid(v->thread->tid).s);
}

static void lifetime_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	int64_t most = -1, least = INT64_MAX;
	size_t others = 0;

	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_vcpu *v = m->vcpus[i];
		int64_t ns = ran_ns(v);

		if (ns >= LONG_NS)
			ground_time(facts,
				vh_fact_add(facts, VH_FACT_VCPU_RAN_LONG, v->index,
					(double)ns / VH_NS_PER_S,
					"vCPU %d has used %s of CPU time since it was created: no "
					"boot takes so long",
					v->index, vh_duration_text(ns).s),
				v);
		if (v->index == 0)
			continue;
		if (ns < 0)
			return;
		others++;
		most = VH_MAX(most, ns);
		least = VH_MIN(least, ns);
	}
	if (!others || most >= HARDLY_NS)
		return;
	vh_auto_free char *how = least == most ? vh_strdup(vh_used_text(most).s)
					       : vh_asprintf("%s to %s", vh_used_text(least).s,
							 vh_used_text(most).s);
	vh_auto_free char *who = others == 1 ? vh_strdup("the other vCPU")
					     : vh_asprintf("the other %zu vCPUs", others);
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_APS_HARDLY_RAN, -1,
		(double)most / VH_NS_PER_S,
		"%s used %s of CPU time%s in all: it is unlikely that an operating system ran "
		"there; a short start by the firmware, before it parks a CPU again, so little time "
		"does not rule out",
		who, how, others == 1 ? "" : " each");

	for (size_t i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i]->index > 0)
			ground_time(facts, f, m->vcpus[i]);
}

#define CR0_AM   (UINT64_C(1) << 18)
#define CR4_PGE  (UINT64_C(1) << 7)
#define EFER_SCE UINT64_C(1)

static void no_kernel_fact(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_fact *stage = vh_fact_of(facts, VH_FACT_VCPU_STAGE, 0);
	const struct vh_vcpu *v = m->n_vcpus ? m->vcpus[0] : NULL;

	if (!stage || !v || v->index || !vh_stage_is_firmware((enum vh_stage)(int)stage->value))
		return;
	const struct vh_registers *r = &v->regs[v->regs[1].valid ? 1 : 0];

	if ((r->cr0 & CR0_AM) || (r->efer & EFER_SCE) ||
		(m->n_vcpus > 1 && !vh_fact(facts, VH_FACT_APS_HARDLY_RAN)))
		return;
	ground_registers(facts,
		vh_fact_add(facts, VH_FACT_NO_KERNEL_RAN, -1, NAN,
			"no operating system's kernel ever ran: vCPU 0 has CR0.AM=0, EFER.SCE=0, "
			"CR4.PGE=%d%s",
			!!(r->cr4 & CR4_PGE),
			m->n_vcpus > 1 ? ", and the other vCPUs have hardly run" : ""),
		v);
}

/* --- Exits, where only a table of them is there ----------------------------------------------- */

/* The rows of a vCPU; of the VM as a whole where it is the only one that does not sleep. */
static const struct vh_vcpu_exits *rows_of(const struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_model *m = facts->model;
	const struct vh_vcpu_exits *own = vh_exits_of(m->exits, v->index);

	if (own && own->n_rows)
		return own;
	if (!m->exits->vm || !m->exits->vm->n_rows ||
		vh_fact_of(facts, VH_FACT_VCPU_ASLEEP, v->index))
		return NULL;
	for (size_t i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i] != v && !vh_fact_of(facts, VH_FACT_VCPU_ASLEEP, m->vcpus[i]->index))
			return NULL;
	return m->exits->vm;
}

static bool is_hosts(enum vh_exit_means means)
{
	return means == VH_MEANS_INTERRUPT || means == VH_MEANS_SMI_NMI || means == VH_MEANS_PAUSE;
}

static void table_facts(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_exits *e = facts->model->exits;
	const struct vh_vcpu_exits *x = rows_of(facts, v);
	uint64_t all = 0, hosts = 0;

	if (!x || vh_fact_of(facts, VH_FACT_VCPU_NO_EXITS, v->index) || e->span_ns < MIN_SPAN_NS)
		return;
	for (size_t i = 0; i < x->n_rows; i++) {
		all += x->rows[i].timing.count;
		if (is_hosts(vh_exit_means(e->isa, x->rows[i].reason)))
			hosts += x->rows[i].timing.count;
	}
	uint64_t pauses = vh_rows_of(e, x, VH_MEANS_PAUSE), halts = vh_rows_of(e, x, VH_MEANS_HALT);

	if (pauses && !vh_fact_of(facts, VH_FACT_VCPU_PAUSES, v->index))
		vh_fact_traced(facts, vh_fact_add(facts, VH_FACT_VCPU_PAUSES, v->index, NAN,
					      "vCPU %d executes PAUSE in a loop: %" PRIu64
					      " of %" PRIu64 " exits are for that",
					      v->index, pauses, all));
	if (halts && !vh_fact_of(facts, VH_FACT_VCPU_HALTS, v->index))
		vh_fact_traced(facts, vh_fact_add(facts, VH_FACT_VCPU_HALTS, v->index, NAN,
					      "vCPU %d halts and is woken: %" PRIu64 " of %" PRIu64
					      " exits are for that",
					      v->index, halts, all));
	/* Of another guest, the facts of exits tell more. */
	if (all > hosts + halts && vh_fact(facts, VH_FACT_GUEST_HAS_GHCB) &&
		vh_never_rests(facts, v->index) &&
		!vh_fact_of(facts, VH_FACT_VCPU_ASKS_HOST, v->index))
		vh_fact_traced(facts, vh_fact_add(facts, VH_FACT_VCPU_ASKS_HOST, v->index, NAN,
					      "vCPU %d asks the host for things: %" PRIu64
					      " of %" PRIu64 " exits are for what the guest did",
					      v->index, all - hosts - halts, all));
	if (all && all == hosts && vh_never_rests(facts, v->index))
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_VCPU_NO_EXITS, v->index, NAN,
				"vCPU %d runs guest code all the time, and of %" PRIu64
				" exits that were counted none was for something that the guest "
				"did: it asks the host for nothing",
				v->index, all));
}

/* --- What was written ------------------------------------------------------------------------- */

static void serial_fact(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_log_view *empty = NULL;

	for (size_t i = 0; i < m->n_logs; i++) {
		const struct vh_log_view *l = &m->logs[i];

		if (l->kind != VH_LOG_SERIAL || !vh_status_has_data(l->status))
			continue;
		if (l->size_bytes || l->tail.n)
			return;
		empty = l;
	}
	if (!empty)
		return;
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_SERIAL_EMPTY, -1, NAN,
		"the guest has written nothing on its serial port (%s)", empty->path);

	VH_PUSH(f->evidence, f->n_evidence) = empty->evidence;
}

/* A guest's panic comes as an event, with what kind of guest it was: QEMU qapi/run-state.json,
 * GuestPanicInformation; the text of a TDX guest's fatal report is its own. */
static void tdx_fact(struct vh_facts *facts)
{
	const struct vh_case *c = facts->model->c;

	vh_case_foreach (c, e) {
		vh_auto_error struct vh_error *err = NULL;

		if (!vh_streq(e->source, "qmp.event") || !vh_streq(e->subject, "GUEST_PANICKED"))
			continue;
		vh_auto_json struct json_object *event = vh_json_parse(vh_evidence_text(e), &err);
		struct json_object *info = vh_json_at(event, "data", "info", NULL);
		int64_t code = -1;

		if (!vh_streq(vh_json_string(info, "type", NULL), "tdx"))
			continue;
		vh_json_i64(info, "error-code", &code);
		const char *message = vh_json_string(info, "message", NULL);
		struct vh_fact *f = vh_fact_add(facts, VH_FACT_TDX_FATAL, -1, (double)code,
			"the TDX guest reported a fatal error, code %" PRId64 "%s%.64s%s", code,
			message && *message ? ": \"" : "", message ? message : "",
			message && *message ? "\"" : "");

		VH_PUSH(f->evidence, f->n_evidence) = e->index;
		return;
	}
}

void vh_facts_of_protected(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	kind_facts(facts);
	reset_state_fact(facts);
	lifetime_facts(facts);
	for (size_t i = 0; i < m->n_vcpus; i++) {
		event_facts(facts, m->vcpus[i]);
		state_facts(facts, m->vcpus[i]);
		if (m->exits)
			table_facts(facts, m->vcpus[i]);
	}
	no_kernel_fact(facts);
	serial_fact(facts);
	tdx_fact(facts);
}
