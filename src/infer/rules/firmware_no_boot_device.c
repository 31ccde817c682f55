/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_NO_BOOT);
	const struct vh_fact *stage = vh_fact_of(f, VH_FACT_VCPU_STAGE, 0);
	bool known = stage && vh_boot_cpu_in_firmware(f);

	if (!vh_guest_is_visible(f))
		return;
	/* While it is busy it may still try the next device. */
	vh_for(j, known && !vh_fact_of(f, VH_FACT_VCPU_BUSY, 0) ? VH_PROOF : VH_STRONG, text);
	if (!text)
		return;
	vh_for(j, VH_WEAK, stage && known ? stage : NULL);
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_HLT, 0));
	if (stage && !known)
		vh_against(j, VH_PROOF, stage);
	vh_next(j, NULL,
		"look at the VM's drives and boot order: is the disk attached, is it the right "
		"one, is it empty? "
		"does a BIOS guest's disk hold only an UEFI loader, or the other way round?");
	for (size_t i = 0; i < f->model->vm->n_drives; i++) {
		const char *file = f->model->vm->drives[i].file;

		if (!file || file[0] != '/' || strchr(file, '\''))
			continue;
		vh_auto_free char *command = vh_asprintf("qemu-img info -U '%s'", file);

		vh_next(j, command, "see whether the disk is what it should be");
		break;
	}
}

const struct vh_rule vh_rule_firmware_no_boot_device = {
	.id = "firmware-no-boot-device",
	.title = "the firmware found nothing to boot",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_YES,
	.meaning =
		"The firmware looked through its boot devices, found no operating system on any, "
		"and waits.",
	.shown_by =
		"Its message on the screen or serial console (\"No bootable device.\" of "
		"SeaBIOS, the shell or boot manager of UEFI), while the boot CPU is in firmware "
		"code and mostly halted.",
	.what_to_do =
		"Check the drives, the boot order, and whether firmware (BIOS, UEFI) and disk "
		"fit together.",
	.judge = judge,
};
