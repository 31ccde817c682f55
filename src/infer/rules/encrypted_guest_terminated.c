/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *ended = vh_fact(f, VH_FACT_KVM_ENDED_GUEST);
	const struct vh_fact *asked = vh_fact(f, VH_FACT_GUEST_TERMINATED);
	const struct vh_fact *stopped = vh_fact(f, VH_FACT_RUNSTATE_INTERNAL_ERROR);
	const struct vh_fact *failed = vh_fact(f, VH_FACT_LOG_INTERNAL_ERROR);

	/* The host's line names no VM: another guest's would fit as well. */
	if (!ended && !(asked && (vh_fact(f, VH_FACT_GUEST_HAS_GHCB) || stopped)))
		return;
	vh_for(j, ended && stopped ? VH_PROOF : VH_STRONG, ended);
	vh_for(j, ended && stopped ? VH_PROOF : VH_STRONG, stopped);
	vh_for(j, VH_STRONG, asked);
	vh_for(j, VH_WEAK, asked ? failed : NULL);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_GHCB_REFUSED));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_GUEST_HAS_GHCB));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	if (!ended && !stopped)
		vh_at_most(j, VH_POSSIBLE,
			"the host's kernel does not say which guest it was, and the VMM's state is "
			"not known");
	if (asked)
		vh_title(j, "%s", asked->text);
	vh_next(j, "dmesg -T | grep -iE 'sev|vmgexit|ghcb|rmp'",
		"see what the host's kernel says: set and code of the reason, and refused requests "
		"before it");
	vh_next(j, NULL,
		"reason set 0 is the protocol's, set 1 is Linux's (or of OVMF's reset vector, "
		"right at the start): host kernel, firmware and guest kernel must agree on the "
		"version of the GHCB protocol and on SNP");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"vmm-internal-error", NULL};

const struct vh_rule vh_rule_encrypted_guest_terminated = {
	.id = "encrypted-guest-terminated",
	.title = "the encrypted guest asked to be terminated, or met a triple fault",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.meaning =
		"A SEV-ES or SEV-SNP guest that meets something it must not go on from asks its "
		"host to end it (GHCB termination request) and says why in two numbers, a set of "
		"reasons and a code. A triple fault ends in the same way. KVM hands that to the "
		"VMM as a system event, which many versions of QEMU do not know.",
	.shown_by = "\"KVM: unknown exit reason 24\" in the VMM's log and the run state "
		    "\"internal-error\"; on older hosts \"kvm run failed Invalid argument\". The "
		    "host's kernel logs \"SEV-ES guest requested termination: SET:CODE\".",
	.what_to_do = "The reason tells: a host that lacks a feature, a page that could not be "
		      "validated, a CPUID table that does not hold. Mostly versions that do not "
		      "fit together.",
	.includes = includes,
	.judge = judge,
};
