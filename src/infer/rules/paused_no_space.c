/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

/* A command that shows the space where the first full drive lies. */
static char *where_space_is_missing(const struct vh_model *m)
{
	for (size_t i = 0; i < m->n_drives; i++) {
		if (!vh_streq(m->drives[i].io_status, "nospace"))
			continue;
		vh_auto_free char *path = vh_shell_path(m->drives[i].file);

		if (path && vh_prefix(m->drives[i].file, "/dev/"))
			return vh_asprintf(
				"lvs -a -o +data_percent,metadata_percent; lsblk %s", path);
		if (path)
			return vh_asprintf("df -h %s; df -i %s", path, path);
	}
	return vh_strdup("df -h; lvs -a -o +data_percent,metadata_percent");
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *paused = vh_fact(f, VH_FACT_RUNSTATE_IO_ERROR);
	const struct vh_fact *space = vh_fact(f, VH_FACT_DRIVE_NO_SPACE);

	if (paused && space) {
		vh_for(j, VH_PROOF, paused);
		vh_for_all(j, f, VH_PROOF, VH_FACT_DRIVE_NO_SPACE);
		vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LIBVIRT_REASON));
		vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_LOG_VMM_ERROR));
		vh_title(j, "the VM is paused on a write error: %s", space->text);
	} else if (paused)
		return;
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_RUNNING));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RUNSTATE_PAUSED));
	vh_auto_free char *command = where_space_is_missing(f->model);

	vh_next(j, command,
		"make room where the drive lies: in the host's file system (or its inodes or "
		"quota), or "
		"in the thin pool below its volume. Old snapshots and qcow2 overlays are mostly "
		"what "
		"filled it");
	vh_next_monitor(j, f, "resume", "cont",
		"then resume: the failed write is sent again, and nothing is lost. If it pauses "
		"again at "
		"once, there is still not enough room");
}

static const char *const includes[] = {"paused-io-error", NULL};

const struct vh_rule vh_rule_paused_no_space = {
	.id = "paused-no-space",
	.title = "the VM is paused: a drive has no space left on the host",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_PAUSED,
	.hung = VH_HUNG_YES,
	.meaning =
		"A write of the guest needed space that the host no longer has (ENOSPC): the file "
		"system is full, a quota is used up, or the thin pool under a volume is. The "
		"drive's "
		"policy (werror=enospc is the default) paused the VM rather than tell the guest.",
	.shown_by = "query-status says \"io-error\" and query-block names the drive with io-status "
		    "\"nospace\".",
	.what_to_do = "Make room, then resume. Do not reset it: nothing is lost yet, and the guest "
		      "has not noticed anything but the time.",
	.includes = includes,
	.judge = judge,
};
