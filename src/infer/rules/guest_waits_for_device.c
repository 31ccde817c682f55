/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *polls = vh_fact(f, VH_FACT_VCPU_POLLS_DEVICE);

	if (!vh_guest_is_visible(f) || !polls)
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_POLLS_DEVICE);
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_STORAGE_SILENT));
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_THREAD_ON_STORAGE));
	vh_for(j, VH_WEAK, vh_runs_all_it_can(f, polls->vcpu));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, polls->vcpu));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_READS_CLOCK, polls->vcpu));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_STAGE, polls->vcpu));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_USER_MODE, polls->vcpu));
	if (vh_fact(f, VH_FACT_EXITS_LOST))
		vh_at_most(j, VH_POSSIBLE, "events were lost: it may do more than was seen");
	vh_title(j, "the guest waits for a device: %s", polls->text);
	vh_next_monitor(j, f, "domstats --block", "query-blockstats",
		"if it is a disk's: see whether its requests complete, and how many a second");
	vh_next_monitor(j, f, "domblklist", "query-block",
		"see whether the drive is throttled (iops, bps), and on which storage it lies");
	vh_next(j, NULL, "mend that storage: the guest goes on by itself when the device answers");
}

static const char *const includes[] = {"guest-spins", "guest-spins-irqs-off", "guest-spins-irqs-on",
	"boot-cpu-spins-aps-never-started", NULL};

const struct vh_rule vh_rule_guest_waits_for_device = {
	.id = "guest-waits-for-device",
	.title = "the guest waits for a device, and polls it",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "Firmware or a driver sent a command and polls the device until it is done, "
		   "which takes very long or for ever: a throttled drive, slow or dead storage "
		   "behind it.",
	.shown_by = "Nearly all that the guest does is to read one status register, thousands of "
		    "times a "
		    "second; it is a disk controller's, or the guest goes on once in a while (a "
		    "command, "
		    "then polls again).",
	.what_to_do = "Look at the storage behind the drive, and at its throttling "
		      "(throttling.iops-total, libvirt's iotune). The vCPU looks busy, but nothing "
		      "is wrong with the guest.",
	.includes = includes,
	.judge = judge,
};
