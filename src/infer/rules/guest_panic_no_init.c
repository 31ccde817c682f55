/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/panic.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_judge_panic(
		    f, j, VH_FACT_PANIC_NO_INIT, "the guest's kernel panicked: no init to start"))
		return;
	vh_next(j, "virt-ls -d {name} /sbin",
		"look into its root file system from outside: is it the right one, and is "
		"/sbin/init there, with the C library it needs?");
	vh_next_after_panic(j, f);
}

const struct vh_rule vh_rule_guest_panic_no_init = {
	.id = "guest-panic-no-init",
	.title = "the guest's kernel panicked: no init to start",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.lasting = true,
	.meaning = "A file system was mounted as root, but it holds no program that the kernel "
		   "could start as init: it is the wrong disk or partition, an empty one, or its "
		   "/sbin/init or the libraries of it are gone or damaged. init= on the command "
		   "line may also name something that is not there.",
	.shown_by =
		"\"No working init found\" or \"Requested init ... failed\". The panic is the last "
		"thing on the console; one vCPU polls, the others are halted with interrupts "
		"off.",
	.what_to_do =
		"Check that root= is the system's root and not another partition. Boot a rescue "
		"system, run fsck, and reinstall the init package (systemd, busybox).",
	.includes = vh_panic_includes,
	.judge = judge,
};
