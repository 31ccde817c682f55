/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/protected.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	struct vh_firmware_spin s;
	const struct vh_fact *asks = vh_fact_of(f, VH_FACT_VCPU_ASKS_HOST, 0);
	const struct vh_fact *clock = vh_fact_of(f, VH_FACT_VCPU_READS_CLOCK, 0);

	if (!vh_firmware_spins(f, &s))
		return;
	/* A lock with a time-out and every wait for a device read the clock, which is a port of
	 * OVMF's: each turn is an event. */
	vh_against(j, VH_PROOF, s.silent);
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_POLLS_DEVICE, 0));
	vh_for(j, VH_STRONG, clock);
	vh_for(j, VH_STRONG, asks);
	vh_for(j, VH_WEAK, asks || clock ? s.ran_long : NULL);
	vh_against_firmware_spin(j, f);
	vh_at_most(j, VH_POSSIBLE,
		"firmware polls slow devices with time-outs, and goes on: look longer");
	vh_next(j, "vmhang exits {name}", "see what it asks for, and whether that changes");
}

const struct vh_rule vh_rule_firmware_polls_device = {
	.id = "firmware-polls-device",
	.title = "the firmware polls a device, a clock or a lock with a time-out",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning = "The firmware of an encrypted guest waits for a device, or for a lock that has "
		   "a time-out. Either reads a clock in each turn: OVMF's is a port of the ACPI "
		   "power management timer, and a port is a request to the host.",
	.shown_by = "The boot CPU runs all the time, and asks the host for the same thing over and "
		    "over.",
	.what_to_do = "See which port or address it is: vmhang exits names the device behind it.",
	.judge = judge,
};
