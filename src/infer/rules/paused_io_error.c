/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

/* "df -h" of the first full drive's file, if that can be pasted as it is. */
static char *where_space_is_missing(const struct vh_model *m)
{
	for (size_t i = 0; i < m->n_drives; i++) {
		const char *file = m->drives[i].file;
		vh_auto_free char *shown = vh_escaped(file);

		/* A path may hold anything, an escape sequence for a terminal too. */
		if (vh_streq(m->drives[i].io_status, "nospace") && file && file[0] == '/' &&
			!strpbrk(file, "'{\n") && strcmp(shown, file) == 0)
			return vh_asprintf("df -h '%s'", file);
	}
	return vh_strdup("df -h");
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *space = vh_fact(f, VH_FACT_DRIVE_NO_SPACE);
	const struct vh_fact *failed = vh_fact(f, VH_FACT_DRIVE_FAILED);

	vh_for(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_IO_ERROR));
	if (vh_fact(f, VH_FACT_RUNSTATE_IO_ERROR)) {
		vh_for_all(j, f, VH_STRONG, VH_FACT_DRIVE_NO_SPACE);
		vh_for_all(j, f, VH_STRONG, VH_FACT_DRIVE_FAILED);
		vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
		vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LOG_VMM_ERROR));
	}
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_PAUSED));
	if (space)
		vh_title(j, "the VM is paused on a write error: %s", space->text);
	else if (failed)
		vh_title(j, "the VM is paused on an I/O error: %s", failed->text);
	if (space) {
		vh_auto_free char *command = where_space_is_missing(f->model);

		vh_next(j, command, "make room on the host's file system that holds the drive");
	} else {
		vh_next(j, "dmesg -T | tail -50",
			"find the storage error on the host, and mend it");
	}
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
		    "\"nospace\" (the host's file system or thin pool is full) or \"failed\".",
	.what_to_do =
		"Mend the storage first (make room, bring the path back), then resume the VM: "
		"the failed request is repeated. Do not reset it: that loses what is in flight.",
	.judge = judge,
};
