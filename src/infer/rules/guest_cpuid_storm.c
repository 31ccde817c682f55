/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storm.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_storm(f, j, VH_FACT_VCPU_CPUID_STORM))
		return;
	vh_next(j,
		"tr '\\0' '\\n' < /proc/{pid}/cmdline | grep -A1 -x -e -cpu -e -machine -e -accel",
		"see which CPU model the guest got, and compare it with one that is known to boot "
		"this guest (-cpu host, -cpu max)");
	vh_next_keep_and_reset(j, f);
}

const struct vh_rule vh_rule_guest_cpuid_storm = {
	.id = "guest-cpuid-storm",
	.title = "the guest executes CPUID for ever",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning = "A vCPU executes CPUID in a loop and does nothing else: it searches the leaves "
		   "for something that this virtual CPU does not show and has no end to its "
		   "search, or it uses CPUID to wait (it serialises), for what never comes.",
	.shown_by = "Of all exits that the guest causes, nearly every one is CPUID, from one or "
		    "two instructions, thousands of times a second, while the vCPU never sleeps.",
	.what_to_do = "Try another CPU model (-cpu host, or an older named one), and without the "
		      "flags that were added to it: a leaf that claims more entries than it has "
		      "(topology 0xb and 0x1f, caches 4 and 0x8000001d) sends such a search round "
		      "for ever. A nested hypervisor in the guest is another suspect.",
	.includes = vh_storm_includes,
	.judge = judge,
};
