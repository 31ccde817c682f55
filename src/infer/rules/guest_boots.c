/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/healthy.h"

/* What got on within the window. */
static void weigh_progress(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *const moves[] = {vh_fact(f, VH_FACT_CONSOLE_GREW),
		vh_fact(f, VH_FACT_DRIVES_MOVE), vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, 0),
		vh_fact_of(f, VH_FACT_VCPU_RUNS_WIDELY, 0)};

	for (size_t i = 0; i < VH_ARRAY_SIZE(moves); i++)
		vh_for(j, VH_STRONG, moves[i]);
}

static void weigh_against(const struct vh_facts *f, struct vh_judgement *j)
{
	static const enum vh_fact_id ended[] = {VH_FACT_RESETS, VH_FACT_TEXT_PANIC,
		VH_FACT_TEXT_NO_BOOT, VH_FACT_TEXT_BOOT_PROMPT, VH_FACT_TEXT_LOGIN,
		VH_FACT_BOOT_WAITS_FOR_PERSON, VH_FACT_BOOTS_REPEAT, VH_FACT_FIRMWARE_EXCEPTION,
		VH_FACT_FIRMWARE_ASSERT, VH_FACT_VCPU_WAITS_ON_SERIAL, VH_FACT_TEXT_OOM_LOOP};
	static const enum vh_fact_id unfit[] = {VH_FACT_TEXT_LOCKUP, VH_FACT_TEXT_TROUBLE,
		VH_FACT_VCPU_STARVED, VH_FACT_MONITOR_SILENT, VH_FACT_THREAD_ON_STORAGE};
	static const enum vh_fact_id stuck[] = {VH_FACT_VCPU_PORT_STORM, VH_FACT_VCPU_MMIO_STORM,
		VH_FACT_VCPU_MSR_STORM, VH_FACT_VCPU_POLLS_DEVICE, VH_FACT_VCPU_FAULT_LOOP,
		VH_FACT_VCPU_EXCEPTION_LOOP, VH_FACT_VCPU_STUCK_IN_KVM};

	for (size_t i = 0; i < VH_ARRAY_SIZE(ended); i++)
		vh_against(j, VH_PROOF, vh_fact(f, ended[i]));
	for (size_t i = 0; i < VH_ARRAY_SIZE(unfit); i++)
		vh_against(j, VH_STRONG, vh_fact(f, unfit[i]));
	for (size_t i = 0; i < VH_ARRAY_SIZE(stuck); i++) {
		vh_against(j, VH_STRONG, vh_fact(f, stuck[i]));
		if (vh_fact(f, stuck[i]))
			vh_at_most(
				j, VH_POSSIBLE, "a vCPU does one and the same thing all the time");
	}
	vh_against(j, VH_PROOF, vh_dead_loop(f));
	vh_against(j, VH_PROOF, vh_many_shutdowns(f));
	vh_doubt_health_without_storage(j, f);
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *kernel = vh_fact(f, VH_FACT_KERNEL_YOUNG);
	const struct vh_fact *firmware = kernel ? NULL : vh_young_firmware(f);
	const struct vh_fact *stage = vh_fact_of(f, VH_FACT_VCPU_STAGE, 0);

	if (!vh_guest_is_visible(f) || (!kernel && !firmware))
		return;
	vh_for(j, VH_STRONG, kernel);
	vh_for(j, VH_STRONG, firmware);
	vh_for(j, firmware ? VH_STRONG : VH_WEAK, stage);
	vh_for(j, VH_WEAK, kernel ? vh_fact(f, VH_FACT_VM_YOUNG) : NULL);
	weigh_progress(f, j);
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

static const char *const includes[] = {
	"guest-busy", "guest-idle", "guest-disk-busy", "guest-on-another-console", NULL};

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
		"The VM was started within the last minutes, its boot CPU has used less than 10 s "
		"of CPU time, and its control registers are of firmware or a loader; or time "
		"stamps "
		"on the kernel's console are small and were written within the window.",
	.what_to_do = "Wait. Firmware takes seconds, a kernel some ten, services up to minutes; "
		      "many vCPUs, much memory, and a host that is loaded or emulates (TCG) take "
		      "longer. If the next look shows the same stage and nothing new on the "
		      "console, it hangs there.",
	.judge = judge,
};
