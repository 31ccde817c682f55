/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/protected.h"

#define NAE_CPUID 0x72

static bool is_kind(const struct vh_fact *event, enum vh_residue_kind kind)
{
	return event && (enum vh_residue_kind)(int)event->value == kind;
}

/* What the other vCPUs' last events say: untouched since reset, or parked by a reset hold. */
static void weigh_others(const struct vh_facts *f, struct vh_judgement *j)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct vh_fact *e = f->list[i];

		if (e->id != VH_FACT_VCPU_LAST_EVENT || e->vcpu == 0)
			continue;
		if (is_kind(e, VH_RESIDUE_RESET))
			vh_for(j, VH_STRONG, e);
		else if (is_kind(e, VH_RESIDUE_ZERO))
			vh_against(j, VH_WEAK, e);
	}
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	struct vh_firmware_spin s;
	const struct vh_fact *waits = vh_fact(f, VH_FACT_AP_WAITS_FOR_SIPI);
	const struct vh_fact *ignores = vh_fact(f, VH_FACT_AP_IGNORES_SIPI);
	const struct vh_fact *lost = vh_fact(f, VH_FACT_VCPU_IPI_LOST);
	const struct vh_fact *ghcb = vh_fact_of(f, VH_FACT_VCPU_GHCB_LAST, 0);

	if (f->model->n_vcpus < 2 || !vh_firmware_spins(f, &s) || !s.silent)
		return;
	vh_for_firmware_spin(j, &s);
	vh_for(j, VH_WEAK, s.aps);
	vh_for(j, VH_STRONG, waits);
	vh_for(j, VH_STRONG, ignores);
	vh_for(j, VH_STRONG, lost);
	vh_for(j, VH_STRONG, ghcb && (int)ghcb->value == NAE_CPUID ? ghcb : NULL);
	/* Before it waits, edk2 reads time or checks the vendor: CPUID or port I/O is what is left.
	 */
	if (is_kind(s.event, VH_RESIDUE_CPUID) || is_kind(s.event, VH_RESIDUE_PORT))
		vh_for(j, VH_STRONG, s.event);
	vh_for_all(j, f, VH_STRONG, VH_FACT_AP_UNINITIALIZED);
	vh_against(j, VH_STRONG, s.apic);
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_GHCB_CLEARED, 0));
	weigh_others(f, j);
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_RESET_HOLD));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_FIRMWARE_ASSERT));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_FIRMWARE_MMIO_ENCRYPTED));
	vh_against_firmware_spin(j, f);
	if (!waits && !ignores && !lost)
		vh_at_most(j, VH_POSSIBLE,
			"that the other vCPUs have used little CPU time is thin: firmware that "
			"woke them and parked them again leaves as little, and whether INIT and "
			"SIPI were sent was not seen");
	vh_title(j, "the firmware waits for the other vCPUs, which do not come");
	vh_next_firmware_spin(j, f);
}

static const char *const includes[] = {
	"firmware-spins", "boot-cpu-spins-aps-never-started", "guest-spins", NULL};

const struct vh_rule vh_rule_firmware_waits_for_aps = {
	.id = "firmware-waits-for-aps",
	.title = "the firmware waits for the other vCPUs, which do not come",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning =
		"edk2's MpInitLib starts the other CPUs with INIT and SIPI and waits for them in "
		"loops with PAUSE that have no time-out. KVM drops a SIPI to a CPU that has not "
		"taken its INIT yet; then the boot CPU waits for ever (edk2 pull request 13164 and "
		"issue 10293 are this hang on ordinary guests).",
	.shown_by =
		"The boot CPU spins with PAUSE and asks the host for nothing, with CPUID or port "
		"I/O as its last event; the other vCPUs are as reset left them, or were sent INIT "
		"and SIPI and did not run.",
	.what_to_do =
		"Trace a start (kvm_apic_ipi, kvm_apic_accept_irq). Try one vCPU, and a newer "
		"firmware.",
	.includes = includes,
	.judge = judge,
};
