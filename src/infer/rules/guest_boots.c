/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/healthy.h"

/* Firmware that is well is through by then, on a slow host too. */
#define FIRMWARE_S 30.0

/* In real mode any small system may live for good. */
static bool is_on_the_way(enum vh_stage stage)
{
	return stage == VH_STAGE_LINUX_DECOMPRESSOR ||
	       (vh_stage_is_firmware(stage) && stage != VH_STAGE_REAL_MODE &&
		       stage != VH_STAGE_RESET);
}

/* Firmware or a loader, in a VM that was just started; or NULL. */
static const struct vh_fact *young_firmware(const struct vh_facts *f)
{
	const struct vh_fact *young = vh_fact(f, VH_FACT_VM_YOUNG);

	return young && young->value < FIRMWARE_S && is_on_the_way(vh_stage_seen(f, 0)) ? young
											: NULL;
}

/* What got on within the window. */
static bool weigh_progress(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *const moves[] = {vh_fact(f, VH_FACT_CONSOLE_GREW),
		vh_fact(f, VH_FACT_DRIVES_MOVE), vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, 0),
		vh_fact_of(f, VH_FACT_VCPU_RUNS_WIDELY, 0)};
	bool any = false;

	for (size_t i = 0; i < VH_ARRAY_SIZE(moves); i++) {
		vh_for(j, VH_STRONG, moves[i]);
		any |= moves[i] != NULL;
	}
	return any;
}

static void weigh_against(const struct vh_facts *f, struct vh_judgement *j)
{
	static const enum vh_fact_id ended[] = {VH_FACT_RESETS, VH_FACT_TEXT_PANIC,
		VH_FACT_TEXT_NO_BOOT, VH_FACT_TEXT_BOOT_PROMPT, VH_FACT_TEXT_LOGIN,
		VH_FACT_VCPU_WAITS_ON_SERIAL};
	static const enum vh_fact_id unfit[] = {VH_FACT_TEXT_LOCKUP, VH_FACT_TEXT_TROUBLE,
		VH_FACT_VCPU_STARVED, VH_FACT_MONITOR_SILENT, VH_FACT_THREAD_ON_STORAGE,
		VH_FACT_VCPU_PORT_STORM, VH_FACT_VCPU_MMIO_STORM, VH_FACT_VCPU_MSR_STORM,
		VH_FACT_VCPU_POLLS_DEVICE, VH_FACT_VCPU_FAULT_LOOP, VH_FACT_VCPU_EXCEPTION_LOOP,
		VH_FACT_VCPU_STUCK_IN_KVM, VH_FACT_VCPU_SMALL_LOOP};

	for (size_t i = 0; i < VH_ARRAY_SIZE(ended); i++)
		vh_against(j, VH_PROOF, vh_fact(f, ended[i]));
	for (size_t i = 0; i < VH_ARRAY_SIZE(unfit); i++)
		vh_against(j, VH_STRONG, vh_fact(f, unfit[i]));
	vh_against(j, VH_PROOF, vh_dead_loop(f));
	vh_against(j, VH_PROOF, vh_many_shutdowns(f));
	vh_doubt_health_without_storage(j, f);
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *kernel = vh_fact(f, VH_FACT_KERNEL_YOUNG);
	const struct vh_fact *firmware = kernel ? NULL : young_firmware(f);
	const struct vh_fact *stage = vh_fact_of(f, VH_FACT_VCPU_STAGE, 0);

	if (!vh_guest_is_visible(f) || (!kernel && !firmware))
		return;
	vh_for(j, VH_STRONG, kernel);
	vh_for(j, VH_STRONG, firmware);
	vh_for(j, firmware ? VH_STRONG : VH_WEAK, stage);
	vh_for(j, VH_WEAK, kernel ? vh_fact(f, VH_FACT_VM_YOUNG) : NULL);
	if (!weigh_progress(f, j))
		vh_at_most(j, VH_POSSIBLE, "nothing was seen to get on");
	if (firmware && !vh_fact_of(f, VH_FACT_VCPU_BUSY, 0) &&
		!vh_fact_of(f, VH_FACT_VCPU_ACTIVE, 0))
		vh_at_most(j, VH_POSSIBLE, "its firmware waits: for a key, a device, the network");
	weigh_against(f, j);
	vh_at_most(j, VH_LIKELY, "whether it will come up, only time can tell");
	if (kernel)
		vh_title(j, "the guest is booting: its kernel has been up for %.0f s, and gets on",
			kernel->value);
	else
		vh_title(j, "the guest is booting: it was started %.0f s ago, and is in %s",
			firmware->value, vh_stage_title(vh_stage_seen(f, 0)));
	vh_next(j, "vmhang diagnose {name} --window 10s", "wait a little, and look again");
	vh_next(j, NULL, "follow its console meanwhile");
}

static const char *const includes[] = {"guest-busy", "guest-idle", "guest-disk-busy", NULL};

const struct vh_rule vh_rule_guest_boots = {
	.id = "guest-boots",
	.title = "the guest is booting",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_NO,
	.includes = includes,
	.meaning =
		"The VM was started a short while ago, or its kernel was, and it gets on: its "
		"firmware runs all over its code, or its kernel writes line after line. Firmware "
		"works with interrupts off, on one CPU, in loops that measure time; that is not a "
		"hang.",
	.shown_by =
		"The VM's age; control registers of firmware whose RIP moves; or time stamps on "
		"the kernel's console that are small and were written within the window.",
	.what_to_do = "Wait. Firmware takes seconds, a kernel some ten, services up to minutes; "
		      "many vCPUs, much memory, and a host that is loaded or emulates (TCG) take "
		      "longer. If the next look shows the same stage and nothing new on the "
		      "console, it hangs there.",
	.judge = judge,
};
