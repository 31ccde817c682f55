/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_IO_ERROR);

	if (!vh_guest_is_visible(f) || !text)
		return;
	vh_for(j, VH_STRONG, text);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_DRIVE_ERRORS));
	vh_at_most(j, VH_POSSIBLE,
		"guests go on after such errors: what they do about them is not seen");
	vh_title(j, "the guest's disk answers with errors: %s", text->text);
	vh_next_of_drive_errors(j, f);
}

const struct vh_rule vh_rule_guest_io_errors = {
	.id = "guest-io-errors",
	.title = "the guest's disk answers with errors",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_NO,

	.meaning = "The guest's kernel reports errors of its disk. What it does about them is its "
		   "own affair: programs get an error, file systems may become read-only later. It "
		   "says nothing of whether the guest hangs now.",
	.shown_by = "\"I/O error, dev ...\" or \"Buffer I/O error\" on the console since it was "
		    "started; more sure where the VMM, too, counts failed requests of a drive.",
	.what_to_do =
		"Look at the storage behind that drive on the host. werror=stop and rerror=stop "
		"make the VMM pause the guest at an error instead of handing it on, so that it "
		"can go on once the storage is well.",

	.judge = judge,
};
