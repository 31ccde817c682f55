/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *dumps = vh_fact(f, VH_FACT_DUMPS_CORE);

	if (!dumps || vh_fact(f, VH_FACT_PROCESS_GONE))
		return;
	vh_for(j, VH_PROOF, dumps);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LOG_VMM_ERROR));
	vh_for_all(j, f, VH_WEAK, VH_FACT_THREAD_ON_STORAGE);
	vh_next(j, "cat /proc/sys/kernel/core_pattern; ls -l /proc/{pid}/cwd; df -h",
		"see where it goes, and whether that gets on: the process ends when all is "
		"written");
	vh_next(j, "tail -n 20 {log}; dmesg -T | grep -F {pid} | tail",
		"see why it crashed: an assertion in its log, a segfault in the kernel's");
	vh_next(j, "kill -9 {pid}",
		"if nobody needs the dump, give it up: the process ends, and the VM can be started "
		"anew");
	vh_next(j, "echo 0x33 >/proc/PID-OF-THE-NEXT/coredump_filter",
		"for the next time: leave guest memory out of dumps (QEMU: -machine "
		"dump-guest-core=off)");
}

const struct vh_rule vh_rule_process_dumping_core = {
	.id = "process-dumping-core",
	.title = "the VMM crashed, and its memory is being written to a core dump",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning =
		"The VMM got a fatal signal: an assertion failed (SIGABRT), a bad pointer "
		"(SIGSEGV), a memory error. Before it ends the kernel writes its memory to a file"
		" or to a program (systemd-coredump, apport). With guest memory in it that takes "
		"minutes, during which the VM seems to hang and cannot be started anew.",
	.shown_by =
		"/proc/PID/status says CoreDumping: 1. All threads but the one that dumps wait to"
		" end.",
	.what_to_do =
		"Wait for it, or kill it where the dump is not needed or goes to storage that "
		"does not answer. The dump, and the last lines of the VMM's log, tell the reason:"
		" report them.",
	.judge = judge,
};
