/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/mainloop.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *blocked = vh_fact(f, VH_FACT_MAIN_BLOCKED);

	if (!blocked || !vh_main_loop_may_hang(f) || !((int)blocked->value == VH_WAIT_PEER))
		return;
	vh_for_main_loop(j, f, blocked);
	vh_title(j, "%s", blocked->text);
	vh_next(j, "ss -xp | grep -F pid={pid}; ls -l /proc/{pid}/fd",
		"find the program at the other end (the inode of its end stands behind ours), and "
		"see "
		"what it is at: its state, its stack, its log");
	vh_next(j, NULL,
		"mend it, or end it: the read then ends with an error, and the VM goes on, without "
		"that device until it is plugged in again");
	vh_next_backtraces(j);
}

static const char *const includes[] = {"vmm-main-loop-blocked", NULL};

const struct vh_rule vh_rule_main_loop_waits_for_helper = {
	.id = "main-loop-waits-for-helper",
	.title = "the VMM's main loop waits for another program's answer",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"Some devices live in another program: vhost-user backends (DPDK, virtiofsd, "
		"SPDK), swtpm, the bridge helper, a passthrough daemon. QEMU asks it in its main "
		"loop and waits for the answer, for ever: the program hangs, is stopped, or has a"
		" bug.",
	.shown_by = "The main thread sleeps in a read of a socket or pipe (recvmsg, read) at every "
		    "look, and query-status is not answered.",
	.what_to_do = "The VMM is a victim: look at the program at the other end. Send no further "
		      "monitor commands until it answers.",
	.includes = includes,
	.judge = judge,
};
