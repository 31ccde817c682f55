/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/prompt.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *stage = vh_fact_of(f, VH_FACT_VCPU_STAGE, 0);
	const struct vh_fact *off = vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, 0);
	const struct vh_fact *exception = vh_fact(f, VH_FACT_FIRMWARE_EXCEPTION);
	const struct vh_fact *assert = vh_fact(f, VH_FACT_FIRMWARE_ASSERT);
	const struct vh_fact *stays = vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, 0);

	/* Of an encrypted guest the rules on its spins tell more. */
	if (!vh_guest_is_visible(f) || (!exception && !assert) ||
		vh_fact(f, VH_FACT_GUEST_HAS_GHCB))
		return;
	bool seen = stage && vh_boot_cpu_in_firmware(f) && off && stays;

	vh_for(j, seen ? VH_PROOF : VH_STRONG, exception);
	vh_for(j, seen ? VH_PROOF : VH_STRONG, assert);
	vh_for(j, VH_STRONG, seen ? stays : NULL);
	vh_for(j, VH_STRONG, off);
	vh_for(j, VH_WEAK, stage);
	if (stage && !vh_boot_cpu_in_firmware(f))
		vh_against(j, VH_PROOF, stage);
	if (!stage)
		vh_at_most(j, VH_POSSIBLE,
			"whether the firmware still runs was not seen: its report may be of an "
			"earlier start");
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, 0));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_IRQS_ON, 0));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_LOGIN));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_PANIC));
	vh_title(j, "%s, and stopped itself",
		exception ? "the firmware met an exception"
			  : "an assertion of the firmware failed");
	vh_next_serial(j, f, "grep -aE -A6 'Exception Type|ASSERT'",
		"read its report, where the VM's serial port goes to a file: the module that "
		"failed is named in it");
	vh_next(j,
		"tr '\\0' '\\n' < /proc/{pid}/cmdline | grep -iE "
		"'pflash|firmware|ovmf|edk2|\\.fd|bios'",
		"find out the firmware's version, and try another build");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {
	VH_PROMPT_INCLUDES, "firmware-spins", "firmware-dead-loop", NULL};

const struct vh_rule vh_rule_firmware_crashed = {
	.id = "firmware-crashed",
	.title = "the firmware met an error that it cannot handle, and stopped itself",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "UEFI firmware (edk2), or an application or driver that runs under it "
		   "(a boot loader, an option ROM), caused a processor exception, or an "
		   "assertion of it failed. It reports that on its serial port or debug "
		   "console and stops in a loop without an exit.",
	.shown_by = "\"!!!! X64 Exception Type\" or an ASSERT line on the serial port or "
		    "debug console; the boot CPU is in the firmware, with interrupts off, "
		    "in one place.",
	.what_to_do = "The report names the exception, RIP and the module's image "
		      "(\"ImageBase\", the path of the build). If that is a boot loader: its "
		      "version, and the disk that it came from. If it is the firmware: "
		      "another build of OVMF, and fewer devices, one CPU, less memory, to "
		      "find what it stumbles on.",
	.includes = includes,
	.judge = judge,
};
