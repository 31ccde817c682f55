/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/storage.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *unseen = vh_fact(f, VH_FACT_ANSWER_NOT_SEEN);

	if (!vh_guest_is_visible(f) || !unseen)
		return;
	vh_for_all(j, f, VH_STRONG, VH_FACT_ANSWER_NOT_SEEN);
	vh_weigh_waiting_guest(j, f);
	/* Then it is the guest that does not look. */
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_BUSY));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_STARVED));
	vh_at_most(j, VH_LIKELY, "a driver that polls leaves the ring so as well");
	if (!unseen->value)
		vh_at_most(
			j, VH_POSSIBLE, "the guest's mark is 0: it may be one that was never used");
	vh_title(j, "the guest was not told of an answer: %s", unseen->text);
	vh_next(j, NULL,
		"see whether interrupts of that disk are raised; in a guest that still runs a "
		"shell: "
		"/proc/interrupts");
	vh_next(j, "vmhang diagnose {name} --save {name}.vmhang",
		"keep this evidence for a report to QEMU or to the kernel (irqfd, MSI-X routing, "
		"posted "
		"interrupts), above all after a migration or a hot-plug");
	vh_next(j, NULL,
		"any further request to the same disk may wake it; else reset the guest, which "
		"loses what it "
		"had not written");
}

const struct vh_rule vh_rule_lost_virtio_interrupt = {
	.id = "lost-virtio-interrupt",
	.title = "a virtio disk answered, and the guest does not know it",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "The device answered a request and put that into the ring; the guest had asked "
		   "for an "
		   "interrupt and has not looked since: the interrupt was lost, is masked, or went "
		   "to a "
		   "vCPU that does not take it. The guest waits for what it already has.",
	.shown_by =
		"The used index is ahead of the guest's used_event (with VIRTIO_RING_F_EVENT_IDX), "
		"nothing is in flight, nothing moves, and no vCPU is busy.",
	.what_to_do =
		"A later completion of the same queue mostly cures it. Keep the evidence; look at "
		"what "
		"came before: migration, CPU or PCI hot-plug, changes of interrupt affinity.",
	.judge = judge,
};
