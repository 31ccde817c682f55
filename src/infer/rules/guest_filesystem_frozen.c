/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *told = vh_fact(f, VH_FACT_HUNG_ON_FREEZE);
	const struct vh_fact *inside = vh_fact(f, VH_FACT_INSIDE_ON_FREEZE);
	const struct vh_fact *text = inside ? inside : told;

	if (!vh_guest_is_visible(f) || !text)
		return;
	vh_for(j, VH_PROOF, inside);
	vh_for(j, VH_STRONG, told);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_HUNG_TASK));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_STORAGE_SILENT));
	vh_weigh_waiting(f, j);
	vh_title(j, "a file system of the guest is frozen, and was not thawed: %s", text->text);
	vh_next(j, "virsh domfsthaw {name}", "thaw it through the guest agent");
	vh_next(j, "virsh domjobinfo {name}",
		"see whether a snapshot or backup is still at it: it must thaw when it is done");
	vh_next(j, NULL,
		"without an agent: \"fsfreeze -u MOUNTPOINT\" in the guest, on a shell that is "
		"open "
		"already; or Alt-SysRq-j, which thaws all of them");
}

static const char *const includes[] = {
	"guest-hung-task", "guest-deadlock", "guest-waits-for-storage", NULL};

const struct vh_rule vh_rule_guest_filesystem_frozen = {
	.id = "guest-filesystem-frozen",
	.title = "a file system of the guest was frozen and not thawed",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,

	.meaning = "A snapshot or backup froze the guest's file systems (guest-fsfreeze-freeze, "
		   "fsfreeze -f), and they were not thawed: the backup was interrupted, the agent "
		   "or the monitor did not answer, or the agent itself writes to what it froze. "
		   "Every task that writes waits, and no login works, for it writes too.",
	.shown_by =
		"\"INFO: task ... blocked\" with percpu_rwsem_wait or __percpu_down_read under "
		"vfs_write, mnt_want_write or a page fault that wants to write; nothing outside "
		"waits for storage, and writes to the disk have stopped.",
	.what_to_do =
		"Thaw it: virsh domfsthaw. Nothing is lost: what waits goes on. Then find out "
		"why the backup did not: its log, and the agent's (qemu-ga) in the guest.",
	.includes = includes,
	.judge = judge,
};
