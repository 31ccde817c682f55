/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/units.h"
#include "infer/rules/common.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *hit = vh_fact(f, VH_FACT_MEMORY_LIMIT_HIT);
	const struct vh_fact *faults = vh_fact(f, VH_FACT_VCPU_MAJOR_FAULTS);
	const struct vh_fact *reclaims = vh_fact(f, VH_FACT_VCPU_RECLAIMS);
	const struct vh_fact *pressure = vh_fact(f, VH_FACT_MEMORY_PRESSURE);
	const struct vh_cgroup_view *g = &f->model->cgroup;

	/* At the limit alone many are well: the cache of files fills what there is. */
	if (!hit || (!faults && !reclaims))
		return;
	vh_for(j,
		faults && (pressure || reclaims) && !vh_fact(f, VH_FACT_VCPU_BUSY) ? VH_PROOF
										   : VH_STRONG,
		hit);
	vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_MAJOR_FAULTS);
	vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_RECLAIMS);
	vh_for(j, VH_WEAK, pressure);
	/* Pages may be read in quickly, beside work that goes on. */
	if (!reclaims && (!pressure || vh_fact(f, VH_FACT_VCPU_BUSY)))
		vh_at_most(j, VH_POSSIBLE, "it is not seen that much time is lost by it");
	if (g->memory_limit_bytes > 0)
		vh_title(j,
			"its cgroup's memory limit (%s%s) makes its vCPUs wait for their own pages",
			vh_bytes_text((uint64_t)g->memory_limit_bytes).s,
			g->memory_limit_is_high ? ", memory.high" : "");
	vh_auto_free char *command =
		g->memory_group && g->memory_group[0] == '/' && !strchr(g->memory_group, '\'')
			? vh_asprintf("grep -Hs . '%s'/memory.{max,high,current,events} "
				      "'%s'/memory.{limit_in_bytes,usage_in_bytes,failcnt}",
				  g->memory_group, g->memory_group)
			: vh_strdup("cat /proc/{pid}/cgroup");

	vh_next(j, command, "see the limit, and how often it was met");
	vh_next(j, NULL,
		"raise it there (memory.max and memory.high, memory.limit_in_bytes; MemoryMax= of "
		"its systemd unit, virsh memtune {name}): guest memory, and some hundred MiB for "
		"QEMU itself");
}

static const char *const includes[] = {
	"host-swapping", "host-memory-exhausted", "storage-in-d-state", NULL};

const struct vh_rule vh_rule_memory_limit_thrash = {
	.id = "memory-limit-thrash",
	.title = "its cgroup's memory limit makes the vCPUs wait for their own pages",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_BLOCKED,
	.hung = VH_HUNG_YES,
	.meaning = "The cgroup of the VM may use less memory than the guest touches. "
		   "Whatever the guest needs must be freed elsewhere first: pages of "
		   "file-backed or shared guest memory are written out and read in again, "
		   "anonymous ones are swapped. The guest crawls.",
	.shown_by = "memory.events max or high (v1: memory.failcnt) grows, the vCPUs' "
		    "threads have major faults all the time (majflt in "
		    "/proc/PID/task/TID/stat) and are met in reclaim (shrink_*), and memory "
		    "pressure is high.",
	.what_to_do = "Raise the limit above guest memory plus QEMU's overhead, or make the "
		      "guest smaller. Virtual machines want no memory limit close to their "
		      "size: the cache of QEMU's files counts too (cache=none helps).",
	.includes = includes,
	.judge = judge,
};
