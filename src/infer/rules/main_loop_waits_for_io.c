/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *waits = vh_fact(f, VH_FACT_MAIN_WAITS_FOR_IO);
	size_t n = f->model->n_vcpus;

	if (!waits)
		return;
	vh_for(j, VH_STRONG, waits);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_STORAGE_SILENT));
	if (n && vh_fact_count(f, VH_FACT_VCPU_HELD_BY_VMM) == n)
		vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_HELD_BY_VMM));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_MONITOR_ANSWERS));
	vh_at_most(j, VH_LIKELY,
		"the main thread polls as it does at rest: that it waits for this request is "
		"concluded from its silence");
	vh_title(j, "the VMM waits for a request to storage that gets no answer: %s",
		vh_fact(f, VH_FACT_STORAGE_SILENT)->text);
	vh_next(j, "grep -H . /proc/{pid}/task/*/wchan; ls -l /proc/{pid}/fd",
		"see which storage does not answer, and bring it back: the VM then goes on by "
		"itself");
	vh_next(j, NULL,
		"send no further monitor commands: each only queues up behind. A reset or quit "
		"waits for the same request");
}

static const char *const includes[] = {"vmm-main-loop-blocked", "vm-paused", NULL};

const struct vh_rule vh_rule_main_loop_waits_for_io = {
	.id = "main-loop-waits-for-io",
	.title = "the VMM waits for a request to storage that gets no answer",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.includes = includes,
	.meaning =
		"Something made the VMM wait until all requests to a drive have ended (stop, "
		"snapshot, reset, unplug, the end of a block job), and one of them never ends, for "
		"its storage does not answer. The main loop waits in that place, so that a stalled "
		"disk has become a VM and a monitor that hang.",
	.shown_by = "query-status gets no answer, although the main thread polls as at rest, while "
		    "another thread waited for storage during the whole window.",
	.what_to_do =
		"Bring the storage back. Where it is lost for good, only ending the process helps "
		"(a thread in state D even outlives that until the storage answers).",
	.judge = judge,
};
