/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_READ_ONLY);
	const struct vh_fact *errors = vh_fact(f, VH_FACT_DRIVE_ERRORS);

	if (!vh_guest_is_visible(f) || !text)
		return;
	vh_for(j, VH_STRONG, text);
	vh_for(j, VH_STRONG, errors);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_IO_ERROR));
	vh_at_most(j, VH_LIKELY,
		"it is what the guest said once: whether it has been mended since was not seen");
	vh_title(j, "a file system of the guest is read-only after an error: %s", text->text);
	vh_next_of_drive_errors(j, f);
	vh_next(j, NULL,
		"then restart the guest, and let it check the file system (fsck): mounting it "
		"read-write again without a check may lose data");
}

static const char *const includes[] = {"guest-io-errors", NULL};

const struct vh_rule vh_rule_guest_filesystem_readonly = {
	.id = "guest-filesystem-readonly",
	.title = "a file system of the guest met an error and is read-only",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_YES,

	.meaning = "The guest's kernel met an error of its disk, or damage in a file system, and "
		   "made the file system read-only (ext4) or shut it down (XFS, Btrfs) so that "
		   "nothing gets worse. The guest runs on, but programs that write fail or stop: "
		   "no logins, no logs, a database that does not answer.",
	.shown_by =
		"\"Remounting filesystem read-only\", \"Shutting down filesystem\" or \"forced "
		"readonly\" on the console since it was started; more sure where the VMM itself "
		"has answered requests with errors.",
	.what_to_do =
		"First the disk: a full or failing storage on the host, a lost path to it. Then "
		"restart the guest and let fsck run. Without errors of the disk it was damage "
		"in the file system: fsck, and look for its origin (a disk attached to two VMs, "
		"a crash of the host).",
	.includes = includes,
	.judge = judge,
};
