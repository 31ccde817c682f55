/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/protected.h"

bool vh_firmware_spins(const struct vh_facts *f, struct vh_firmware_spin *spin)
{
	enum vh_stage stage = vh_stage_seen(f, 0);

	*spin = (struct vh_firmware_spin){
		.busy = vh_runs_all_it_can(f, 0),
		.stage = vh_fact_of(f, VH_FACT_VCPU_STAGE, 0),
		.silent = vh_fact_of(f, VH_FACT_VCPU_NO_EXITS, 0),
		.pause = vh_fact_of(f, VH_FACT_VCPU_PAUSES, 0),
		.ran_long = vh_fact_of(f, VH_FACT_VCPU_RAN_LONG, 0),
		.aps = vh_fact(f, VH_FACT_APS_HARDLY_RAN),
		.event = vh_fact_of(f, VH_FACT_VCPU_LAST_EVENT, 0),
		.apic = vh_fact_of(f, VH_FACT_VCPU_LAST_APIC_BASE, 0),
	};
	return vh_guest_is_visible(f) && vh_fact(f, VH_FACT_GUEST_HAS_GHCB) && spin->busy &&
	       (stage == VH_STAGE_OVMF_SEC_PEI || stage == VH_STAGE_OVMF_DXE);
}

void vh_for_firmware_spin(struct vh_judgement *j, const struct vh_firmware_spin *spin)
{
	vh_for(j, VH_STRONG, spin->silent);
	vh_for(j, VH_STRONG, spin->pause);
	vh_for(j, VH_WEAK, spin->stage);
}

void vh_against_firmware_spin(struct vh_judgement *j, const struct vh_facts *f)
{
	/* A guest of this kind cannot be reset (its state is sealed): what its console shows is of
	 * this life. */
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_PANIC));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_LOGIN));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_LOCKUP));
	vh_against(j, VH_PROOF, vh_fact_of(f, VH_FACT_VCPU_HALTS, 0));
	vh_against(j, VH_PROOF, vh_fact_of(f, VH_FACT_VCPU_HLT, 0));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_AP_STARTED));
}

void vh_next_firmware_spin(struct vh_judgement *j, const struct vh_facts *f)
{
	vh_next(j,
		"tr '\\0' '\\n' < /proc/{pid}/cmdline | grep -iE 'pflash|firmware|ovmf|edk2|\\.fd'",
		"find out the firmware's version and build: from edk2-stable202405 on a fault in "
		"its exception report can lock it up, and only a DEBUG build says what it met");
	vh_next(j, NULL,
		"start it with a DEBUG build of the firmware and its debug console: -debugcon "
		"file:/tmp/ovmf.log -global isa-debugcon.iobase=0x402. \"MMIO using encrypted "
		"memory\" speaks for the locked exception report, an ASSERT for a dead loop, a "
		"last line of MpInitLib for the wait for the other CPUs");
	vh_next(j, "vmhang diagnose {name} --verbose",
		"run vmhang as root on the host: it reads vCPU 0's GHCB page, which is shared. All "
		"zero speaks for the locked exception report, event 7c with RCX=1b for a dead "
		"loop, event 72 for the wait for the other CPUs");
	vh_next(j,
		"trace-cmd record -e kvm:kvm_vmgexit_enter -e kvm:kvm_apic_ipi -e "
		"kvm:kvm_apic_accept_irq -e kvm:kvm_msr",
		"trace a new start of the VM: INIT and SIPI without a run of the other vCPUs mean "
		"that they were lost; port I/O at 3f8 to 3fb right before the end is an "
		"exception's report");
	vh_next(j, NULL,
		"compare with a start with plain SEV (policy without bit 2), without encryption, "
		"and with one vCPU: the cause is in what goes away");
	vh_next(j, NULL,
		"try a firmware that has its local APIC's page mapped unencrypted in exceptions "
		"(newer), or one older than edk2-stable202405");
	vh_next_keep_and_reset(j, f);
}
