/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/healthy.h"

static void weigh_vcpus(const struct vh_facts *f, struct vh_judgement *j)
{
	for (size_t i = 0; i < f->model->n_vcpus; i++) {
		int v = f->model->vcpus[i]->index;
		const struct vh_fact *hlt = vh_fact_of(f, VH_FACT_VCPU_HLT, v);
		const struct vh_fact *on = vh_fact_of(f, VH_FACT_VCPU_IRQS_ON, v);
		const struct vh_fact *wakes = vh_fact_of(f, VH_FACT_VCPU_WAKES, v);
		const struct vh_fact *takes = vh_fact_of(f, VH_FACT_VCPU_TAKES_IRQS, v);
		const struct vh_fact *halts = vh_fact_of(f, VH_FACT_VCPU_HALTS, v);
		const struct vh_fact *sleeps = vh_fact_of(f, VH_FACT_VCPU_BLOCKS_IN_KVM, v);

		if (hlt && on) {
			/* HLT with interrupts on, and interrupts that come: it waits, and is well.
			 */
			vh_for(j, wakes ? VH_PROOF : VH_STRONG, hlt);
			vh_for(j, VH_STRONG, on);
			vh_for(j, VH_STRONG, wakes);
		} else if (sleeps && (on || !vh_registers_known(f, v))) {
			/* Not known to be halted, or looked at in the moment when it was woken. */
			vh_for(j, wakes ? VH_STRONG : VH_WEAK, sleeps);
			vh_for(j, VH_STRONG, wakes);
			vh_for(j, VH_WEAK, on);
			vh_for(j, VH_WEAK, halts);
			vh_for(j, VH_WEAK, takes);
		}
	}
}

/* DOS and small systems live in real mode; under UEFI an operating system has left it by now. */
static void doubt_health_in_firmware(const struct vh_facts *f, struct vh_judgement *j)
{
	enum vh_stage stage = vh_stage_seen(f, 0);

	if (stage == VH_STAGE_OVMF_DXE || stage == VH_STAGE_OVMF_SEC_PEI)
		vh_at_most(j, VH_POSSIBLE,
			"it idles in UEFI firmware or a boot loader: in its shell, its menu, or "
			"waiting "
			"for a device");
	else if (vh_registers_known(f, 0) && vh_boot_cpu_in_firmware(f) &&
		 vh_fact(f, VH_FACT_VCPU_HLT))
		vh_at_most(j, VH_LIKELY,
			"it idles in firmware or a boot loader: an operating system should run by "
			"now, "
			"unless none is meant to");
}

void vh_weigh_idleness(const struct vh_facts *f, struct vh_judgement *j)
{
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_BUSY));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_STARVED));
	weigh_vcpus(f, j);
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_ACTIVE));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_STUCK_IN_KVM));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_IRQ_UNACKED));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_IRQ_BELOW_TPR));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_VCPU_IRQ_NOT_TAKEN));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_RESETS));
	vh_against(j, VH_PROOF, vh_many_shutdowns(f));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_NO_BOOT));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_PANIC));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_BOOT_PROMPT));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_BOOT_WAITS_FOR_PERSON));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_BOOTS_REPEAT));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_PASSPHRASE));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_PRESS_KEY));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_NETWORK_BOOT_FAILED));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_NO_SYSTEM));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_DISK_UNREADABLE));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_LOCKUP));
	vh_doubt_health_of_kernel(j, f);
	vh_against(j, VH_WEAK, vh_fact(f, VH_FACT_TEXT_TROUBLE));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_THREAD_ON_STORAGE));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_MONITOR_SILENT));
	vh_doubt_health_without_storage(j, f);
	vh_doubt_health_of_unseen_drives(j, f);
	doubt_health_in_firmware(f, j);
	if (!vh_fact(f, VH_FACT_VCPU_HLT))
		vh_at_most(j, VH_LIKELY,
			"no vCPU was seen halted with interrupts on: threads that sleep may also "
			"be halted for ever");
}

void vh_weigh_health(const struct vh_facts *f, struct vh_judgement *j)
{
	if (vh_fact(f, VH_FACT_VCPU_BUSY) || vh_fact(f, VH_FACT_VCPU_ACTIVE)) {
		vh_weigh_work(f, j);
		return;
	}
	vh_state_is(j, VH_STATE_IDLE);
	vh_weigh_idleness(f, j);
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	if (!vh_guest_is_visible(f))
		return;
	vh_weigh_idleness(f, j);
	vh_next(j, NULL,
		"if a service in it does not answer, look inside: its network, its disks, the "
		"service "
		"itself; from outside nothing is seen to hang");
}

const struct vh_rule vh_rule_guest_idle = {
	.id = "guest-idle",
	.title = "the guest is idle: it waits for work with interrupts on",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_IDLE,
	.hung = VH_HUNG_NO,
	.meaning = "The vCPUs are halted and wait for interrupts, as an operating system does "
		   "that has nothing to do. That is health, as far as it can be seen from "
		   "outside: a program in it may still wait for something that never comes.",
	.shown_by = "HLT=1 with IF=1, hardly any CPU use, wake-ups by its timer or devices.",
	.what_to_do =
		"Nothing, if it should be idle. Otherwise look inside: blocked tasks, network, "
		"disks.",
	.judge = judge,
};
