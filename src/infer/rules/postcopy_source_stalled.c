/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/moving.h"

/* A vCPU that waits for a page which does not come, or NULL. */
static const struct vh_fact *vcpu_without_its_page(const struct vh_facts *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->list[i]->id == VH_FACT_VCPU_WAITS_FOR_PAGE &&
			!vh_pages_come(f, f->list[i]->vcpu))
			return f->list[i];
	return NULL;
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *here = vh_fact(f, VH_FACT_POSTCOPY_DESTINATION);
	const struct vh_fact *there = vh_fact(f, VH_FACT_POSTCOPY_SOURCE);
	const struct vh_fact *threads = vh_fact(f, VH_FACT_POSTCOPY_THREADS);
	const struct vh_fact *waits = vcpu_without_its_page(f);
	const struct vh_fact *still = vh_fact(f, VH_FACT_MIGRATION_STILL);
	const struct vh_fact *sender = vh_fact(f, VH_FACT_MIGRATION_SENDER_WAITS);

	if (waits && (here || threads)) {
		vh_for(j, VH_PROOF, waits);
		vh_for(j, VH_STRONG, here);
		vh_for(j, VH_STRONG, threads);
		vh_title(j,
			"vCPU %d waits for memory that the source of its post-copy migration "
			"does not send",
			waits->vcpu);
		vh_next(j, NULL,
			"look at the source host: its process must live and run (vmhang diagnose "
			"there), and the network between the two too. The VM's memory is still "
			"there: do not end that process");
	} else if (there && (still || sender)) {
		vh_for(j, VH_PROOF, there);
		vh_for(j, VH_STRONG, still);
		vh_for(j, VH_STRONG, sender);
		vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_MIGRATION_MOVES));
		vh_title(j,
			"the VM runs on its destination, and the memory that it needs from here "
			"is not sent");
		vh_next(j, NULL,
			"look at the destination host, and at the network between the two: do not "
			"end this process, for the VM's memory is here");
	} else {
		return;
	}
	vh_next_monitor(j, f, "domjobabort --postcopy", "migrate-pause",
		"where the network is lost for good: say so on both sides (capability "
		"postcopy-ram), "
		"and recover the migration over another connection (migrate-recover there, migrate "
		"with resume here)");
	vh_next(j, NULL, "reset nothing meanwhile: the VM exists in two halves");
}

static const char *const includes[] = {"vcpu-waits-for-page", "migration-stalled",
	"migration-last-step", "migration-last-step-stuck", "postcopy-source-serves", "vm-paused",
	NULL};

const struct vh_rule vh_rule_postcopy_source_stalled = {
	.id = "postcopy-source-stalled",
	.title = "the VM waits for memory that its migration's source does not send",
	.layer = VH_LAYER_VMM,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.includes = includes,
	.meaning =
		"In a post-copy migration the VM runs on its destination before its memory is "
		"there; a page that it touches is fetched from the source. That does not happen: "
		"the source is stopped or dead, or the network between the two is.",
	.shown_by = "At the destination: a vCPU in KVM_RUN sleeps in handle_userfault and is not "
		    "woken, "
		    "beside post-copy threads (fault-default, postcopy/listen, mig/dst/fault) or "
		    "\"postcopy-active\". At the source: \"postcopy-active\", and no byte is sent.",
	.what_to_do =
		"Bring the source or the network back: the VM then goes on by itself. A VM whose "
		"source is lost for good cannot be saved: only its disks are left. Ask the monitor "
		"at the destination for no registers: a vCPU that waits for a page may never come "
		"back from that.",
	.judge = judge,
};
