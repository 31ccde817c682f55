/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/panic.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *panicked = vh_fact(f, VH_FACT_RUNSTATE_PANICKED);
	const char *page = NULL;
	const struct vh_fact *why = vh_panic_reason(f, &page);

	vh_for(j, VH_PROOF, panicked);
	if (panicked && why) {
		vh_for(j, VH_STRONG, why);
		vh_title(j, "the guest panicked and told the VMM so (pvpanic): %s", why->text);
		vh_auto_free char *command = vh_asprintf("vmhang explain %s", page);

		vh_next(j, command, "read what that reason means, and what to do about it");
	}
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	vh_next(j, "virsh dump --memory-only {name} {name}.core",
		"keep a memory dump for crash or drgn, if the reason is not on the console "
		"(libvirt)");
	vh_next_keep_and_reset(j, f);
}

const struct vh_rule vh_rule_guest_panicked = {
	.id = "guest-panicked",
	.title = "the guest panicked and told the VMM so (pvpanic)",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.lasting = true,
	.includes = vh_panics,
	.meaning = "The guest's kernel panicked and reported it through a panic device "
		   "(pvpanic, Hyper-V crash registers, S390 or ACPI); the VMM stopped the VM, "
		   "as it was told to.",
	.shown_by =
		"query-status says \"guest-panicked\"; the console mostly has the panic's text.",
	.what_to_do =
		"Read the panic's text on the serial console or screen. Take a memory dump if it "
		"is not clear, then reset.",
	.judge = judge,
};
