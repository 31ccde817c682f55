/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *waits = vh_fact(f, VH_FACT_REQUEST_NOT_TAKEN);

	if (!vh_guest_is_visible(f) || !waits)
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_REQUEST_NOT_TAKEN);
	vh_weigh_waiting_guest(j, f);
	vh_at_most(j, VH_LIKELY,
		"an I/O thread that is blocked, or a block job that holds the drive still, does "
		"not take "
		"requests either");
	vh_title(j, "a virtio disk was not told of a request: %s", waits->text);
	vh_next_monitor(j, f, "domjobinfo", "query-block-jobs",
		"see first that no block job or snapshot holds the drive still");
	vh_next(j, "gdb -p {pid} -batch -ex 'thread apply all bt' 2>/dev/null",
		"keep what the VMM's threads do (this stops the VM for a moment), for a report to "
		"QEMU or "
		"to the kernel (eventfd, irqfd)");
	vh_next(j, NULL,
		"any further request to the same disk wakes it: try one in the guest, or a reset "
		"of the "
		"guest");
}

const struct vh_rule vh_rule_lost_virtio_kick = {
	.id = "lost-virtio-kick",
	.title = "a virtio disk was not told of a request that the guest made",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "The guest put a request into a disk's ring, and the device did not take it "
		   "though it has "
		   "nothing else to do: the notification (kick) was lost, or never sent. The guest "
		   "waits for an answer that cannot come.",
	.shown_by = "The available index in the guest's memory is ahead of what the device took "
		    "(last-avail-idx), nothing is in flight, and neither moves.",
	.what_to_do = "Any later kick of the same queue cures it. It is a fault: of QEMU's event "
		      "loop, of the "
		      "kernel's eventfd, or of the guest's driver. Keep the evidence for a report.",
	.judge = judge,
};
