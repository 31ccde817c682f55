/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_INITRAMFS_SHELL);

	if (!vh_guest_is_visible(f) || !text)
		return;
	vh_weigh_shell(f, j, text);
	vh_title(j, "the guest did not find its root file system and waits in the shell of its "
		    "initramfs");
	vh_next(j, "virsh domblklist {name}",
		"see whether it has the disk that it should start from: the lines above the prompt "
		"name it");
	vh_next(j, "virsh console {name}",
		"at its prompt: \"cat /proc/cmdline\" (what is root=?), \"blkid\" (which disks are "
		"there?), \"cat /proc/modules\" (is the disk's driver loaded?); \"exit\" tries "
		"again");
}

static const char *const includes[] = {
	"guest-waits-at-prompt", "guest-waits-for-root-device", "guest-io-errors", NULL};

const struct vh_rule vh_rule_guest_initramfs_shell = {
	.id = "guest-initramfs-shell",
	.title = "the guest waits in the shell of its initramfs",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_YES,

	.meaning = "The initramfs, which is to find and mount the root file system, gave up and "
		   "started a shell: the disk that root= names is not there (missing from the VM, "
		   "another bus whose driver the initramfs lacks, a changed UUID after a clone), "
		   "or its file system needs fsck by hand, or its key was not given.",
	.shown_by =
		"The prompt \"(initramfs)\" or \"dracut:/#\" is the last thing on the console, and "
		"the vCPUs are at rest.",
	.what_to_do =
		"The lines above the prompt say what was missing. With a clone or a restored "
		"image compare UUIDs; after a change of the disk's bus build the initramfs anew "
		"in a rescue system (update-initramfs -u -k all, dracut -f --regenerate-all). "
		"\"fsck -y DEVICE\" where it asks for it.",
	.includes = includes,
	.judge = judge,
};
