/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *poisoned = vh_fact(f, VH_FACT_MEMORY_POISONED);
	const struct vh_fact *failed = vh_fact(f, VH_FACT_LOG_INTERNAL_ERROR);
	const struct vh_fact *efault = vh_fact(f, VH_FACT_KVM_RUN_EFAULT);
	const struct vh_fact *error = vh_fact(f, VH_FACT_RUNSTATE_INTERNAL_ERROR);

	if (!poisoned)
		return;
	vh_for(j, VH_STRONG, poisoned);
	vh_for(j, VH_STRONG, error);
	vh_for(j, VH_WEAK, failed ? failed : efault);
	/* Guests survive most of them: QEMU hands the error on, and Linux ends the process. */
	if (!error)
		vh_at_most(
			j, VH_POSSIBLE, "a guest may have borne it, and work on without that page");
	vh_next(j, "dmesg -T | grep -iE 'memory failure|hardware error|mce|edac'",
		"see the page, and which memory module it is in (EDAC)");
	vh_next(j, "ras-mc-ctl --errors", "see what else that module did (rasdaemon)");
	vh_next(j, NULL,
		"restart the VM (its memory is lost in that place), move the others to another "
		"host, "
		"and have the module replaced");
}

static const char *const includes[] = {"vmm-internal-error", "guest-memory-unavailable", NULL};

const struct vh_rule vh_rule_memory_poisoned = {
	.id = "memory-poisoned",
	.title = "a memory module of the host failed in a page of the guest",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning = "The host's hardware found an error in a page of the guest's memory "
		   "that cannot be corrected, and the kernel took the page out of use. The "
		   "VMM is told by SIGBUS and passes it on to the guest as a machine "
		   "check; where that is not possible, the VM stops with an internal "
		   "error.",
	.shown_by = "The host's kernel log says \"Memory failure: ... due to hardware memory "
		    "corruption\" with a thread of this VM, and the VMM reports "
		    "internal-error.",
	.what_to_do = "Replace the module. Restart the VM: what was in the page is lost, and "
		      "was not always noticed.",
	.includes = includes,
	.judge = judge,
};
