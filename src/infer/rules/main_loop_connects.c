/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/mainloop.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *blocked = vh_fact(f, VH_FACT_MAIN_BLOCKED);

	if (!blocked || !vh_main_loop_may_hang(f) || !((int)blocked->value == VH_WAIT_CONNECT))
		return;
	vh_for_main_loop(j, f, blocked);
	vh_title(j, "%s", blocked->text);
	vh_next(j,
		"ss -tanp | grep -F pid={pid} | grep -i syn; ss -xlp | awk '$3 > $4 || $3 == $4'",
		"see whom it connects to: SYN-SENT of TCP, or a UNIX socket whose backlog is full "
		"(Recv-Q as large as Send-Q)");
	vh_next(j, NULL,
		"make the other side accept, or end it: then the connect fails, and the VM goes "
		"on. "
		"TCP gives up by itself after some two minutes");
	vh_next_backtraces(j);
}

static const char *const includes[] = {"vmm-main-loop-blocked", NULL};

const struct vh_rule vh_rule_main_loop_connects = {
	.id = "main-loop-connects",
	.title = "the VMM's main loop waits for a connection that nobody takes",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"QEMU connects some of its devices in its main loop and waits until that is done:"
		" a character device or a network backend that was added or reconnects (without "
		"reconnect=), an NBD or iSCSI server. The other side does not accept: its program"
		" hangs, its backlog is full, or its packets are lost.",
	.shown_by = "The main thread sleeps in connect(2) at every look, and query-status is not "
		    "answered.",
	.what_to_do =
		"See to the other side. For good: let the VMM be the server (server=on,wait=off),"
		" or give reconnect=, which connects beside the main loop.",
	.includes = includes,
	.judge = judge,
};
