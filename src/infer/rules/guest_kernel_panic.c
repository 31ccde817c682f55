/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_PANIC);
	const struct vh_fact *pause = vh_fact(f, VH_FACT_VCPU_PAUSE_LOOP);
	bool parked = false;

	if (!text)
		return;
	/* To let it go on would bring nothing back. */
	if (!vh_guest_is_visible(f)) {
		vh_for(j, VH_STRONG, text);
		vh_at_most(j, VH_LIKELY,
			"the guest itself is kept from running, and cannot be looked at");
		vh_title(j, "%s", text->text);
		return;
	}
	/* A panicked Linux parks the other CPUs with interrupts off; one, and be it not the boot
	 * CPU, polls or halts too. */
	for (size_t i = 0; i < f->model->n_vcpus; i++) {
		int v = f->model->vcpus[i]->index;

		if (f->model->n_vcpus > 1 && !vh_stage_is_firmware(vh_stage_seen(f, v)) &&
			vh_fact_of(f, VH_FACT_VCPU_HLT, v) &&
			vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, v))
			parked = true;
		/* That of a halted one stays where it is in health, too. */
		if (vh_fact_of(f, VH_FACT_VCPU_BUSY, v))
			vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v));
	}
	vh_for(j, parked ? VH_PROOF : VH_STRONG, text);
	if (parked) {
		vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_IRQS_OFF);
		vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_HLT);
	}
	vh_for(j, VH_STRONG, pause);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_VCPU_BUSY));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_USER_MODE));
	vh_against(j, VH_WEAK, vh_fact(f, VH_FACT_TEXT_LOGIN));
	vh_title(j, "%s", text->text);
	vh_next(j, "vmhang diagnose {name} --verbose", "read the lines before the panic");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {
	"guest-spins-irqs-off", "guest-spins-irqs-on", "guest-spins", "guest-halted-forever", NULL};

const struct vh_rule vh_rule_guest_kernel_panic = {
	.id = "guest-kernel-panic",
	.title = "the guest's kernel panicked",
	.layer = VH_LAYER_GUEST,
	.lasting = true,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "The guest's kernel met an error that it cannot go on from, printed why, "
		   "and stays there (panic=0).",
	.shown_by =
		"\"Kernel panic - not syncing\" (or another system's like) is the last thing on "
		"the serial console or the screen. One vCPU polls or halts, the others are "
		"halted with interrupts off.",
	.what_to_do = "The text says why. For the next time: panic=10 on the kernel's command "
		      "line reboots it, a pvpanic device tells the VMM.",
	.includes = includes,
	.judge = judge,
};
