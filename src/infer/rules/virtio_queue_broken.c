/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *broken = vh_fact(f, VH_FACT_VIRTIO_BROKEN);
	const struct vh_fact *log = vh_fact(f, VH_FACT_LOG_VIRTIO_BROKEN);

	if (!vh_guest_is_visible(f) || (!broken && !log))
		return;
	vh_for_all(j, f, VH_PROOF, VH_FACT_VIRTIO_BROKEN);
	/* It may have been reset since. */
	vh_for(j, broken ? VH_STRONG : VH_WEAK, log);
	vh_weigh_waiting_guest(j, f);
	if (broken)
		vh_title(j, "%s", broken->text);
	vh_next(j, "grep -i virtio {log} | tail",
		"see what QEMU found wrong: a driver or firmware of the guest that writes nonsense "
		"into "
		"the ring, memory that was lost in a migration, or a fault of QEMU");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {"lost-virtio-kick", "lost-virtio-interrupt", NULL};

const struct vh_rule vh_rule_virtio_queue_broken = {
	.id = "virtio-queue-broken",
	.title = "QEMU found a virtio ring broken, and serves the device no longer",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning =
		"QEMU found something in a virtio ring that cannot be (an index that jumped, a "
		"descriptor outside of memory), marked the device broken, and ignores it until the "
		"guest resets it. Drivers do that rarely, so that the guest waits for ever.",
	.shown_by =
		"x-query-virtio-status says broken: true (QEMU 7.2 and later); QEMU's log has a "
		"line \"virtio: ...\".",
	.what_to_do = "Keep QEMU's log and the evidence, then reset the guest. Where it comes "
		      "again, look at "
		      "the guest's driver versions, and at what happened before: a migration, a "
		      "hibernation.",
	.includes = includes,
	.judge = judge,
};
