/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *failed = vh_fact(f, VH_FACT_DRIVE_FAILED);

	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_IO_ERROR));
	if (vh_fact(f, VH_FACT_RUNSTATE_IO_ERROR)) {
		vh_for_all(j, f, VH_STRONG, VH_FACT_DRIVE_FAILED);
		vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
		vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LOG_VMM_ERROR));
	}
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_PAUSED));
	if (failed)
		vh_title(j, "the VM is paused on an I/O error: %s", failed->text);
	vh_next(j, "dmesg -T | tail -50; df -h; lvs -a 2>/dev/null",
		"find the storage error on the host (an I/O error, a lost path, a full file system "
		"or pool), and mend it");
	vh_next_monitor(j, f, "resume", "cont",
		"then resume: the failed request is sent again, and nothing is lost");
}

const struct vh_rule vh_rule_paused_io_error = {
	.id = "paused-io-error",
	.title = "the VM is paused on an I/O error of a drive",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning = "A drive's request failed on the host, and the drive's error policy "
		   "(werror/rerror=stop or enospc) made the VMM pause the VM rather than tell "
		   "the guest.",
	.shown_by = "query-status says \"io-error\". query-block names the drive: io-status "
		    "\"failed\" (of \"nospace\" paused-no-space tells more).",
	.what_to_do =
		"Mend the storage first (bring the path back), then resume the VM: "
		"the failed request is repeated. Do not reset it: that loses what is in flight.",
	.judge = judge,
};
