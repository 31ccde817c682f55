/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

/* Beside another cause: where the VMM itself says "io-error", paused-no-space says it all. */
static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *space = vh_fact(f, VH_FACT_DRIVE_NO_SPACE);

	if (!vh_fact(f, VH_FACT_RUNSTATE_PAUSED) || !space)
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_DRIVE_NO_SPACE);
	vh_title(j, "%s", space->text);
	vh_next(j, "df -h; lvs -a -o +data_percent,metadata_percent",
		"make room where the drive lies, before the VM is resumed: its write is sent "
		"again then");
}

const struct vh_rule vh_rule_drive_full = {
	.id = "drive-full",
	.title = "a drive has no space left on the host",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.lasting = true,
	.meaning = "The VM is paused by somebody, and besides, a write of its guest found no "
		   "space on the host. Resumed as it is, it pauses again at once, then for the "
		   "error.",
	.shown_by = "query-status says \"paused\", and query-block has a drive whose io-status is "
		    "\"nospace\".",
	.what_to_do = "Make room first (file system, quota, thin pool), then resume the VM: the "
		      "failed write is sent again, and nothing is lost.",
	.judge = judge,
};
