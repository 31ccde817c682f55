/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the registers of each vCPU mean, by the kind of guest, QEMU's version and their own form. */
#include "decode/decoder.h"

/*
 * A dump without any segment is KVM's answer for a vCPU whose state is encrypted. Nothing else
 * tells so in evidence that somebody pasted: then the guest is SEV-ES, for SEV leaves the registers
 * readable, and of SNP and TDX guests KVM gives no registers. Not on a processor of Intel's.
 */
static void tell_kind_by_registers(struct vh_model *m)
{
	bool bare = false;

	if (m->confidential != VH_CONF_NONE || m->conf.denied)
		return;
	for (size_t i = 0; i < m->n_vcpus; i++)
		bare |= vh_dump_shape_of(&m->vcpus[i]->regs[0]) == VH_DUMP_BARE;
	if (!bare)
		return;
	m->confidential = m->exits && m->exits->isa == VH_ISA_VMX ? VH_CONF_OTHER : VH_CONF_SEV_ES;
	m->conf.source = VH_CONF_BY_REGISTERS;
	m->conf.evidence = vh_model_evidence(m, "hmp.info-registers", NULL);
}

/* As QEMU caches it, the state of the reset is that of every vCPU; a vCPU of which code runs has
 * left it long ago. Of a live VM the code there would tell; of pasted evidence nothing else does.
 */
static bool is_cache_though_untold(const struct vh_model *m)
{
	bool busy = false;

	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_vcpu *v = m->vcpus[i];

		if (v->code.seen ||
			(v->regs[0].valid && vh_dump_shape_of(&v->regs[0]) != VH_DUMP_RESET))
			return false;
		busy |= v->regs[0].valid && v->thread && v->thread->run_share > 0.5 &&
			v->thread->last.cpu_ns > 60 * VH_NS_PER_S;
	}
	return busy;
}

static void judge_vcpu(const struct vh_model *m, struct vh_vcpu *v, bool cache)
{
	struct vh_trust_question q = {.kind = m->confidential,
		.shape = vh_dump_shape_of(&v->regs[0]),
		.qemu = {m->monitor.version[0], m->monitor.version[1]},
		.launched = !m->conf.launch || vh_streq(m->conf.launch, "running")};
	struct vh_trust_answer a = vh_trust_judge(&q);

	v->regime = a.regime;
	v->regime_why = a.why;
	if (!v->regs[0].valid) {
		v->regime = VH_REGIME_UNKNOWN;
		v->regs_are_guest = !vh_conf_hides_registers(m->confidential);
		return;
	}
	if (cache && v->regime == VH_REGIME_PLAIN) {
		v->regime = VH_REGIME_CACHE;
		v->regime_why = "a vCPU that runs all the time is not in the state of the reset: "
				"QEMU shows that of guests whose registers it cannot have";
	}
	v->regs_are_guest = v->regime == VH_REGIME_PLAIN;
	if (v->regime == VH_REGIME_GHCB)
		v->residue = vh_residue_of(&v->regs[v->regs[1].valid ? 1 : 0]);
}

void vh_decode_protected(struct vh_decoder *d)
{
	struct vh_model *m = d->m;

	tell_kind_by_registers(m);
	bool cache = is_cache_though_untold(m);

	for (size_t i = 0; i < m->n_vcpus; i++)
		judge_vcpu(m, m->vcpus[i], cache);
}
