/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

/* So small a quota, used up in nearly every period, leaves a guest nothing to live on, even where
 * the kernel's clock lets it have a little more than that. */
#define NOTHING_CPUS 0.05
#define ALL_PERIODS  0.9

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *throttled = vh_fact(f, VH_FACT_THROTTLED);
	const struct vh_fact *starved = vh_fact(f, VH_FACT_VCPU_STARVED);
	const struct vh_fact *quota = vh_fact(f, VH_FACT_CPU_QUOTA);

	bool nothing = throttled && throttled->value >= ALL_PERIODS && quota &&
		       quota->value < NOTHING_CPUS && vh_fact(f, VH_FACT_VCPU_BUSY);

	vh_for(j, starved || nothing ? VH_PROOF : VH_STRONG, throttled);
	if (throttled) {
		vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_STARVED);
		vh_for(j, VH_WEAK, quota);
	}
	/* Both are true then: with more CPU time it would only spin faster. */
	vh_against(j, VH_WEAK, vh_starved_in_a_closed_loop(f));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_NOT_THROTTLED));
	if (throttled && !starved && !nothing)
		vh_at_most(j, VH_POSSIBLE,
			"its vCPUs still get most of the CPU time that they ask for");
	if (quota)
		vh_title(j, "its cgroup's CPU quota (%.2f CPUs) starves the VM", quota->value);
	const char *group = f->model->cgroup.quota_group;
	vh_auto_free char *command =
		group && group[0] == '/' && !strchr(group, '\'')
			? vh_asprintf("grep -Hs . '%s'/cpu.max '%s'/cpu.cfs_quota_us '%s'/cpu.stat",
				  group, group, group)
			: vh_strdup("cat /proc/{pid}/cgroup");

	vh_next(j, command, "see the quota, and how often it ran out (nr_throttled of nr_periods)");
	vh_next(j, NULL,
		"raise the quota there: cpu.max (cgroup v2), cpu.cfs_quota_us (v1), CPUQuota= of "
		"its systemd "
		"unit, or <cputune> of its libvirt domain");
}

static const char *const includes[] = {"cpu-starved", "cpu-low-priority", "host-overcommitted",
	"cpu-pinned-together", "cpu-starved-by-realtime", "main-loop-starved", NULL};

const struct vh_rule vh_rule_cpu_quota = {
	.id = "cpu-quota",
	.title = "its cgroup's CPU quota starves the VM",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_STARVED,
	.hung = VH_HUNG_YES,
	.meaning = "The cgroup of the VMM may use only so much CPU time in each period. Once "
		   "it is used up, all its threads wait for the next period, however idle the "
		   "host is. With a small quota the guest is so slow that it seems to hang.",
	.shown_by = "nr_throttled in cpu.stat grows with nearly every period, while the vCPUs "
		    "are ready to run and wait (run delay in /proc/PID/task/TID/schedstat).",
	.what_to_do = "Raise or remove the quota. Mind that the VMM's own threads use it too.",
	.includes = includes,
	.judge = judge,
};
