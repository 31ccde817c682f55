/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *told = vh_fact(f, VH_FACT_TEXT_WAITS_FOR_ROOT);
	const struct vh_fact *inside = vh_fact(f, VH_FACT_INSIDE_WAITS_FOR_ROOT);
	const struct vh_fact *text = told ? told : inside;

	if (!vh_guest_is_visible(f) || !text)
		return;
	/* A disk may need a moment to appear, and whoever looks then sees the same. */
	vh_for(j, vh_fact(f, VH_FACT_VM_YOUNG) ? VH_STRONG : VH_PROOF, inside);
	vh_weigh_shell(f, j, text);
	vh_title(j, "the guest's start waits for a disk that does not come: %s", text->text);
	vh_next(j, "virsh domblklist {name}",
		"see whether the VM has that disk, and under which name: vda is virtio, sda scsi "
		"or sata");
	vh_next(j, NULL,
		"attach the disk, and the guest goes on by itself; or correct root= (rd.break, or "
		"the boot menu)");
}

static const char *const includes[] = {"guest-waits-at-prompt", NULL};

const struct vh_rule vh_rule_guest_waits_for_root_device = {
	.id = "guest-waits-for-root-device",
	.title = "the guest's start waits for a disk that does not come",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,

	.meaning = "The guest's kernel (rootwait), its initramfs or systemd waits for a disk, "
		   "mostly that of its root file system, and the disk does not appear: it is not "
		   "attached, has another name or UUID than it is asked for, or the driver for it "
		   "is missing. Kernels wait for ever, initramfs and systemd from 30 seconds up to "
		   "some minutes, and then start a shell.",
	.shown_by =
		"\"Waiting for root device\", \"Waiting for root file system\", \"A start job is "
		"running for /dev/...\" or dracut's timeouts are among the last lines of the "
		"console, and the vCPUs are at rest.",
	.what_to_do = "Attach the disk, or make root= name the right one (by UUID rather than by a "
		      "name such as /dev/sda1).",
	.includes = includes,
	.judge = judge,
};
