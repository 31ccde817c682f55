/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/protected.h"

/* How sure is it that this is no boot at work? */
static void limit(
	const struct vh_facts *f, struct vh_judgement *j, const struct vh_firmware_spin *s)
{
	if (vh_fact(f, VH_FACT_AP_STARTED))
		vh_at_most(j, VH_POSSIBLE,
			"other vCPUs have run as well: something started them, and what they do is "
			"not known");
	if (!s->silent && !s->ran_long)
		vh_at_most(j, VH_POSSIBLE,
			"what exits it makes was not counted, and it has not run for long: the "
			"firmware may be at work");
	else if (!s->ran_long && !s->pause)
		vh_at_most(j, VH_POSSIBLE,
			"it has not run for long, and executes no PAUSE: the firmware or a boot "
			"loader may compute");
	else if (vh_looks_at_registers(f, 0) < 2)
		vh_at_most(j, VH_LIKELY,
			"its control registers were seen once: that they stay so is taken from its "
			"CPU time and its exits");
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	struct vh_firmware_spin s;

	if (!vh_firmware_spins(f, &s))
		return;
	bool surely = s.silent && s.pause && s.ran_long;

	vh_for(j, surely ? VH_PROOF : VH_STRONG, s.silent);
	vh_for(j, VH_STRONG, s.pause);
	vh_for(j, VH_STRONG, s.stage);
	vh_for(j, VH_STRONG, s.busy);
	vh_for(j, VH_STRONG, s.ran_long);
	vh_for(j, VH_WEAK, s.aps);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_NO_KERNEL_RAN));
	vh_for(j, VH_WEAK, s.event);
	vh_for(j, VH_WEAK, s.apic);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_SERIAL_EMPTY));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_REGISTERS_HIDDEN));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_ASKS_HOST, 0));
	vh_against_firmware_spin(j, f);
	limit(f, j, &s);
	vh_title(j, "the guest hangs in UEFI firmware: its boot CPU spins%s%s%s",
		s.pause ? " in a loop with PAUSE" : "",
		s.silent ? " and asks its host for nothing" : "",
		s.ran_long && s.aps ? ", practically since it was started" : "");
	vh_next_firmware_spin(j, f);
}

static const char *const includes[] = {"boot-cpu-spins-aps-never-started", "guest-spins",
	"guest-spins-irqs-off", "guest-spins-irqs-on", NULL};

const struct vh_rule vh_rule_firmware_spins = {
	.id = "firmware-spins",
	.title = "the guest hangs in UEFI firmware: its boot CPU spins",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning =
		"An encrypted guest (SEV-ES, SEV-SNP) came no further than its firmware. The boot "
		"CPU is in a loop that needs nothing from the host: no port, no device, no MSR. "
		"Firmware that works asks for such things all the time, for of an encrypted guest "
		"even CPUID is a request to the host.",
	.shown_by =
		"CR0 and EFER, which KVM keeps current of such a guest, are those of edk2's DXE "
		"phase (CR0=80010033, EFER=d00) or of its early phases. vCPU 0 uses a full CPU; "
		"counted exits are interrupts of the host, and PAUSE, which KVM takes guests out "
		"of that wait in a loop. The other vCPUs have used next to no CPU time.",
	.what_to_do =
		"Which loop it is, its code would tell, but that is encrypted. The other causes of "
		"the report are the known ones, with what speaks for each; the steps tell them "
		"apart.",
	.includes = includes,
	.judge = judge,
};
