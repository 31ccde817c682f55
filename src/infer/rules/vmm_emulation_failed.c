/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *log = vh_fact(f, VH_FACT_KVM_EMULATION_FAILED);
	const struct vh_fact *state = vh_fact(f, VH_FACT_RUNSTATE_INTERNAL_ERROR);

	if (!log)
		return;
	vh_for(j, VH_STRONG, log);
	vh_for(j, VH_PROOF, state);
	vh_for_all(j, f, VH_WEAK, VH_FACT_VCPU_EMULATION_FAILS);
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	vh_title(j, "%s", log->text);
	vh_next(j, "vmhang diagnose {name} --verbose --save {name}.vmhang",
		"keep registers, code bytes and logs: whoever mends this needs them");
	vh_next(j, "dmesg -T | grep -i 'emulation failed'",
		"see whether the host's kernel names the instruction, too");
	vh_next(j,
		"uname -r; tr '\\0' '\\n' < /proc/{pid}/cmdline | grep -A1 -x -e -cpu -e -machine",
		"note the host's kernel and the CPU model: another of either may know the "
		"instruction");
	vh_next_monitor(j, f, "reset", "system_reset", "then reset the guest: it cannot go on");
}

static const char *const includes[] = {"vmm-internal-error", NULL};

const struct vh_rule vh_rule_vmm_emulation_failed = {
	.id = "vmm-emulation-failed",
	.title = "KVM could not emulate an instruction of the guest, and gave up",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "KVM has to carry out some instructions of the guest itself: those that "
		   "access a device's memory, and code in modes that the processor cannot "
		   "virtualise. It met one that its emulator does not know, or the guest "
		   "jumped to where there is no code at all.",
	.shown_by = "query-status says \"internal-error\", and the VMM's log has \"KVM "
		    "internal error. Suberror: 1\" (emulation failure) with the registers "
		    "and the bytes at RIP.",
	.what_to_do = "Look at the bytes. Zeros, ff, or text: the guest lost its way, and "
		      "what it did before is the cause (firmware, a boot loader, memory that "
		      "was overwritten). A real instruction, mostly a vector one (VEX, SSE) "
		      "on a device's memory: a newer host kernel, another device model (no "
		      "vga memory copied by vector code), or a CPU model without that "
		      "extension.",
	.includes = includes,
	.judge = judge,
};
