/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/panic.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_judge_panic(f, j, VH_FACT_PANIC_INIT_KILLED,
		    "the guest's kernel panicked: its init process died"))
		return;
	vh_next(j, "vmhang diagnose {name} --verbose",
		"read what init wrote last, above the panic; exitcode 0x7f00 is a program or "
		"library that was not found, 0x0b a crash (SIGSEGV), 0x00000009 somebody's kill");
	vh_next_after_panic(j, f);
}

const struct vh_rule vh_rule_guest_panic_init_killed = {
	.id = "guest-panic-init-killed",
	.title = "the guest's kernel panicked: its init process died",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.lasting = true,
	.meaning = "Process 1 ended, without which a Linux cannot go on. The exit code says how: "
		   "0x0000NN00 it returned NN itself (0x7f00: what it was to start, or a library, "
		   "was not found), 0x0000000b it crashed, 0x00000007 a bus error: mostly its disk "
		   "could not be read.",
	.shown_by =
		"\"Attempted to kill init! exitcode=0x...\". The panic is the last thing on the "
		"console; one vCPU polls, the others are halted with interrupts off.",
	.what_to_do =
		"In the initramfs a script of it failed: its last lines say which. In the "
		"running system: boot a rescue system, run fsck, look for damaged libraries (a "
		"broken update of libc or systemd), and at the disk for errors.",
	.includes = vh_panic_includes,
	.judge = judge,
};
