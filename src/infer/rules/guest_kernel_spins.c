/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/protected.h"

static void weigh(const struct vh_facts *f, struct vh_judgement *j, int v)
{
	enum vh_stage stage = vh_stage_seen(f, v);

	if (stage == VH_STAGE_UNKNOWN || vh_stage_is_firmware(stage) || !vh_runs_all_it_can(f, v))
		return;
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_STAGE, v));
	vh_for(j, VH_WEAK, vh_runs_all_it_can(f, v));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_NO_EXITS, v));
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_PAUSES, v));
	vh_against(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_HALTS, v));
	vh_against(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_ASKS_HOST, v));
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_guest_is_visible(f) || !vh_fact(f, VH_FACT_GUEST_HAS_GHCB) ||
		!vh_fact(f, VH_FACT_VCPU_BUSY))
		return;
	for (size_t i = 0; i < f->model->n_vcpus; i++)
		weigh(f, j, f->model->vcpus[i]->index);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_LOCKUP));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_NO_KERNEL_RAN));
	/* A kernel that came up has started the other CPUs, and takes interrupts. */
	bool early = vh_fact(f, VH_FACT_APS_HARDLY_RAN) && vh_fact(f, VH_FACT_VCPU_RAN_LONG) &&
		     vh_fact(f, VH_FACT_VCPU_NO_EXITS) && vh_fact(f, VH_FACT_VCPU_PAUSES);

	vh_for(j, VH_STRONG, early ? vh_fact(f, VH_FACT_APS_HARDLY_RAN) : NULL);
	vh_for(j, VH_STRONG, early ? vh_fact(f, VH_FACT_VCPU_RAN_LONG) : NULL);
	if (!early && !vh_fact(f, VH_FACT_TEXT_LOCKUP))
		vh_at_most(j, VH_POSSIBLE,
			"a program that computes looks the same: where it runs is encrypted");
	vh_title(j, "a CPU of the guest's operating system spins%s",
		early ? ", before the kernel started the other CPUs" : "");
	vh_next(j, NULL, "look at the guest's console: a kernel reports a lockup after 20 s");
	vh_next_monitor(j, f, "inject-nmi", "inject-nmi",
		"make the guest's kernel print on its console where it is: Linux does so at an "
		"NMI");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"guest-spins", NULL};

const struct vh_rule vh_rule_guest_kernel_spins = {
	.id = "guest-kernel-spins",
	.title = "a CPU of the encrypted guest's operating system spins",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning = "The control registers of an encrypted guest are those of an operating system, "
		   "and a vCPU of it runs all the time. Whether it waits for a lock or computes "
		   "cannot be told from its code, for that is encrypted.",
	.shown_by = "CR0.AM and EFER.SCE set; a full CPU; PAUSE exits, as waiting for a lock makes "
		    "them; a lockup on the guest's console.",
	.what_to_do = "The guest's console tells: a lockup report, or nothing, and then it works.",
	.includes = includes,
	.judge = judge,
};
