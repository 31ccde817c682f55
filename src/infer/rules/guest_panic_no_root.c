/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/panic.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_judge_panic(f, j, VH_FACT_PANIC_NO_ROOT,
		    "the guest's kernel panicked: no root file system"))
		return;
	vh_next(j, "virsh domblklist {name}",
		"see which disks the VM has, and whether one was left out or attached in "
		"another way than before");
	vh_next(j, NULL,
		"compare root= on the kernel's command line with them (the line \"Command line:\" "
		"further up on the console); boot an older kernel or a rescue system if a new "
		"one lacks its initramfs");
	vh_next_after_panic(j, f);
}

const struct vh_rule vh_rule_guest_panic_no_root = {
	.id = "guest-panic-no-root",
	.title = "the guest's kernel panicked: no root file system",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_DEAD,
	.hung = VH_HUNG_YES,
	.lasting = true,
	.meaning = "The kernel started, but could not mount the file system that it was told to "
		   "start from. Mostly its initramfs is missing or lacks the driver of the disk "
		   "(after an update of the kernel, or after the disk moved from ide or scsi to "
		   "virtio), root= names a disk that is not there, or the VM was started without "
		   "that disk.",
	.shown_by =
		"\"VFS: Unable to mount root fs on unknown-block(0,0)\": with (0,0) no driver has "
		"claimed any such disk, with other numbers the disk is there and holds no file "
		"system that the kernel knows. The panic is the last thing on the console; one "
		"vCPU polls, the others are halted with interrupts off.",
	.what_to_do =
		"Boot the previous kernel from the boot menu, or a rescue system, and build the "
		"initramfs anew (update-initramfs -u, dracut -f). Make sure that the VM has its "
		"disk on the bus that the guest expects.",
	.includes = vh_panic_includes,
	.judge = judge,
};
