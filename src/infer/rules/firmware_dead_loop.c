/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/protected.h"

#define NAE_MSR 0x7c

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	struct vh_firmware_spin s;
	const struct vh_fact *assert = vh_fact(f, VH_FACT_FIRMWARE_ASSERT);
	const struct vh_fact *ghcb = vh_fact_of(f, VH_FACT_VCPU_GHCB_LAST, 0);
	bool msr = ghcb && (int)ghcb->value == NAE_MSR;

	if (!vh_firmware_spins(f, &s) || (!s.silent && !assert))
		return;
	vh_for_firmware_spin(j, &s);
	vh_for(j, assert &&s.silent ? VH_PROOF : VH_STRONG, assert);
	vh_for(j, VH_STRONG, msr ? ghcb : NULL);
	vh_for(j, VH_WEAK, s.event);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_FIRMWARE_EXCEPTION));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_GHCB_CLEARED, 0));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_FIRMWARE_MMIO_ENCRYPTED));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_ASKS_HOST, 0));
	vh_against_firmware_spin(j, f);
	if (!assert && !msr)
		vh_at_most(j, VH_POSSIBLE,
			"nothing tells which loop it is, for its code is encrypted: a dead loop "
			"fits whatever it did before");
	vh_title(j, "the firmware stopped itself in a dead loop (CpuDeadLoop)%s",
		assert ? " at an assertion" : "");
	vh_next_firmware_spin(j, f);
}

static const char *const includes[] = {
	"firmware-spins", "boot-cpu-spins-aps-never-started", "guest-spins", NULL};

const struct vh_rule vh_rule_firmware_dead_loop = {
	.id = "firmware-dead-loop",
	.title = "the firmware stopped itself in a dead loop (CpuDeadLoop)",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning =
		"edk2 ends in a loop without an exit where it cannot go on: a failed assertion, an "
		"exception that was reported, an error without a handler. Since 2021 that loop "
		"executes PAUSE (MdePkg, CpuDeadLoop.c). A RELEASE build says nothing about it.",
	.shown_by =
		"The boot CPU spins with PAUSE and asks the host for nothing. A DEBUG build leaves "
		"an ASSERT line or an exception's report on the debug console or serial port. Its "
		"GHCB page still has the event that came last.",
	.what_to_do =
		"A DEBUG build of the firmware with a debug console at 0x402 names file and line.",
	.includes = includes,
	.judge = judge,
};
