/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *prelaunch = vh_fact(f, VH_FACT_RUNSTATE_PRELAUNCH);

	vh_for(j, VH_PROOF, prelaunch);
	/* -S stands on every libvirt command line: alone it says nothing. */
	if (prelaunch)
		vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_OPTION_PAUSED_AT_START));
	if (prelaunch && vh_streq(f->model->vm->libvirt.reason, "user"))
		vh_title(j,
			"the VM was created paused (virsh create or start --paused), and nobody "
			"resumed it");
	else if (prelaunch && vh_streq(f->model->vm->libvirt.reason, "starting up"))
		vh_title(j, "libvirt built the VM and did not come to start it");
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	vh_next_monitor(j, f, "resume", "cont", "start it");
}

const struct vh_rule vh_rule_never_started = {
	.id = "never-started",
	.title = "the VM was created paused (-S) and never started",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning = "The VMM set everything up and waits for the command to start the vCPUs, "
		   "which never came.",
	.shown_by = "query-status says \"prelaunch\". (-S alone says nothing: libvirt gives it "
		    "to every VM.)",
	.what_to_do = "Start it, or find out why the management software did not: it may have "
		      "died half-way, or still wait for something (a hook, a network, a disk).",
	.judge = judge,
};
