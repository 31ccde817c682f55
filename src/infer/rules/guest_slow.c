/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/healthy.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *slowed = vh_slowed_vcpu(f);
	const struct vh_fact *throttled = vh_fact(f, VH_FACT_THROTTLED);
	const struct vh_fact *low = vh_fact(f, VH_FACT_LOW_PRIORITY);

	/* Whom the host's other threads slow down for a moment is not slow by what it is. */
	if (!vh_guest_is_visible(f) || !slowed || (!throttled && !low) || !vh_weigh_work(f, j))
		return;
	vh_for(j, VH_STRONG, slowed);
	vh_for(j, VH_STRONG, throttled);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_CPU_QUOTA));
	vh_for(j, throttled ? VH_WEAK : VH_STRONG, low);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_CPU_PRESSURE));
	vh_title(j, "the guest is slow, but goes on: vCPU %d gets only %.0f %% of a CPU: %s",
		slowed->vcpu, 100 * slowed->value,
		throttled ? "its cgroup's CPU quota takes the rest"
			  : "the VM runs at a low priority on a busy host");
	if (throttled) {
		vh_next(j, "cat /proc/{pid}/cgroup", "find the cgroup with the quota");
		vh_next(j, NULL,
			"raise the quota there if it is too slow: cpu.max (cgroup v2), "
			"cpu.cfs_quota_us (v1), CPUQuota= of its systemd unit, <cputune> of its "
			"libvirt domain");
		return;
	}
	vh_next(j, "ps -eLo pid,tid,cls,rtprio,ni,psr,pcpu,comm --sort=-pcpu | head -20",
		"see which threads of the host take the rest of its time");
	vh_next(j, "renice -n 0 -p $(ls /proc/{pid}/task); echo 0 > /proc/{pid}/autogroup",
		"give it the priority of the others, if it is too slow");
}

static const char *const includes[] = {"guest-busy", NULL};

const struct vh_rule vh_rule_guest_slow = {
	.id = "guest-slow",
	.title = "the guest is slow, but goes on",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_RUNNING,
	.hung = VH_HUNG_NO,
	.includes = includes,
	.meaning = "The guest works, and what it does gets on. But its vCPUs get only a part of "
		   "the CPU time that they ask for, by a setting of this very VM: a CPU quota, or "
		   "a low priority. Everything in it takes that much longer.",
	.shown_by = "vCPUs are always ready to run and get less than 70 % of a CPU, their code "
		    "moves, and the cgroup's quota was used up in most periods, or the VM is nice "
		    "to a busy host.",
	.what_to_do = "Raise the quota or the priority, or leave it where slow was what was asked "
		      "for. Where the guest gets next to nothing, vmhang says cpu-quota or "
		      "cpu-starved instead.",
	.judge = judge,
};
