/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *limit = vh_fact(f, VH_FACT_DRIVE_THROTTLED);

	if (!vh_guest_is_visible(f) || !limit)
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_DRIVE_THROTTLED);
	vh_for_all(j, f, VH_WEAK, VH_FACT_REQUEST_UNANSWERED);
	vh_weigh_waiting_guest(j, f);
	/* Then it is not the limit. */
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_STORAGE_SILENT));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_REQUESTS_FAIL));
	vh_title(j, "the guest waits for a throttled drive: %s", limit->text);
	vh_next_monitor(j, f, "domblklist", "query-block",
		"see the limit (iops, bps), and who set it: iotune in the domain's XML, "
		"throttling.* or a "
		"throttle-group on the command line, the platform's storage policy");
	vh_next(j, NULL,
		"raise it (virsh blkdeviotune DOMAIN DEVICE --total-iops-sec N; "
		"block_set_io_throttle): "
		"the guest goes on at once");
}

static const char *const includes[] = {"storage-does-not-answer", "guest-waits-for-device", NULL};

const struct vh_rule vh_rule_drive_throttled = {
	.id = "drive-throttled",
	.title = "the guest waits for a drive that QEMU throttles",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"The drive has a limit of requests or bytes a second (throttling, libvirt's "
		"iotune), "
		"and the guest asks for far more than that: each request waits for half a second "
		"and "
		"more. The storage itself may be well.",
	.shown_by = "query-block shows iops or bps limits for a drive that is in use, and its "
		    "requests "
		    "take very long on average.",
	.what_to_do = "Raise or remove the limit; it can be changed while the VM runs.",
	.includes = includes,
	.judge = judge,
};
