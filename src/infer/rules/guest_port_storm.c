/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storm.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_weigh_storm(f, j, VH_FACT_VCPU_PORT_STORM))
		return;
	vh_next_device(j, f);
	vh_next_keep_and_reset(j, f);
}

const struct vh_rule vh_rule_guest_port_storm = {
	.id = "guest-port-storm",
	.title = "the guest accesses one I/O port for ever",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning = "A vCPU reads or writes one I/O port in a loop and does nothing else: it polls "
		   "a device that never gives what it waits for, or the device is not there at all "
		   "and reads as ones.",
	.shown_by = "Of all exits that the guest causes, nearly every one is an access to that "
		    "port, from "
		    "one or two instructions, thousands of times a second, while the vCPU never "
		    "sleeps. "
		    "Certain where the code there is a loop without an exit. A clock (PM timer, "
		    "PIT) and "
		    "ports that move data are not taken for it.",
	.what_to_do =
		"The port tells the device (info mtree, info qtree). Is its backend all right? "
		"Is it the device that this guest's firmware or driver expects, on this "
		"machine type?",
	.includes = vh_storm_includes,
	.judge = judge,
};
