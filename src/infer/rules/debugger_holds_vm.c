/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *debug = vh_fact(f, VH_FACT_RUNSTATE_DEBUG);
	const struct vh_fact *paused = vh_fact(f, VH_FACT_RUNSTATE_PAUSED);
	const struct vh_fact *client = vh_fact(f, VH_FACT_GDB_CLIENT);

	vh_for(j, VH_PROOF, debug);
	/* The stub stops the VM as "stop" does when a debugger connects or interrupts it. */
	if (paused && client)
		vh_for(j, VH_WEAK, paused);
	if (debug || paused)
		vh_for(j, VH_STRONG, client);
	if (!debug && !(paused && client))
		return;
	if (debug && !client)
		vh_title(j, "the VM stands at a breakpoint, and no debugger is connected any more");
	vh_next(j, "ss -xtnp | grep -F pid={pid}",
		"find the debugger: the other end of the connection to the stub (-s, -gdb)");
	vh_next_monitor(j, f, "resume", "cont",
		"let it go on from the debugger (\"continue\", \"detach\"); if that is gone, from "
		"here");
}

static const char *const includes[] = {"vm-paused", NULL};

const struct vh_rule vh_rule_debugger_holds_vm = {
	.id = "debugger-holds-vm",
	.title = "a debugger holds the VM (gdb stub)",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning =
		"QEMU has a gdb stub (-s, -gdb, gdbserver). A debugger that connects to it stops "
		"the guest at once, and so do its breakpoints and its interrupt key. The guest goes"
		" on when the debugger lets it.",
	.shown_by =
		"query-status says \"debug\" (a breakpoint or a single step), or \"paused\" while "
		"query-chardev shows a client on the stub (\"gdb\"): connecting stops the VM in "
		"the "
		"same way as \"stop\".",
	.what_to_do = "Ask whoever debugs it. Let it go on from there (\"continue\", \"detach\"), "
		      "or with "
		      "\"cont\" where the debugger is gone. A stub that nobody needs does not "
		      "belong on a "
		      "VM in use: whoever reaches its port controls the guest.",
	.includes = includes,
	.judge = judge,
};
