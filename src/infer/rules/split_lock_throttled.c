/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *waits = vh_fact(f, VH_FACT_VCPU_SPLIT_LOCK);
	const struct vh_fact *log = vh_fact(f, VH_FACT_SPLIT_LOCK_LOG);

	/* The line in the log is written once a thread: it tells nothing of now. */
	if (!waits)
		return;
	vh_for_all(j, f, log ? VH_PROOF : VH_STRONG, VH_FACT_VCPU_SPLIT_LOCK);
	vh_for(j, VH_STRONG, log);
	vh_title(j, "the host slows vCPU %d down for split locks of the guest", waits->vcpu);
	vh_next(j, "dmesg -T | grep -iE 'split.lock|#AC|bus_lock'",
		"see which VMs take split locks, and where");
	vh_next(j, "sysctl -w kernel.split_lock_mitigate=0",
		"let such threads go on without the penalty (Linux 6.0 and later; older ones: boot "
		"with split_lock_detect=off); others of the host may then notice the bus locks");
	vh_next(j, NULL,
		"find the program in the guest that does it (games, old Windows drivers, databases "
		"with packed structures), and update it");
}

static const char *const includes[] = {"vcpu-never-enters", NULL};

const struct vh_rule vh_rule_split_lock_throttled = {
	.id = "split-lock-throttled",
	.title = "the host slows the vCPUs down for split locks of the guest",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "The guest executes locked instructions on data that crosses two cache "
		   "lines. They stop the memory bus of the whole machine, so that the "
		   "host's kernel punishes the thread that does it: each costs 10 ms and a "
		   "lock that only one thread of the host holds at a time. A guest that "
		   "does it often stands nearly still.",
	.shown_by = "The vCPU's thread is met in split_lock_warn (msleep_interruptible or "
		    "down_interruptible within KVM_RUN), and the host's kernel log says "
		    "\"x86/split lock detection: #AC: ... took a split_lock trap\", once a "
		    "thread.",
	.what_to_do = "Mend the program in the guest. Until then kernel.split_lock_mitigate=0 "
		      "takes the penalty away and leaves the warning.",
	.includes = includes,
	.judge = judge,
};
