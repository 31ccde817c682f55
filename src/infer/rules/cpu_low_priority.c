/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/starvation.h"

static void tell_what_to_do(
	const struct vh_facts *f, struct vh_judgement *j, enum vh_low_priority by)
{
	const char *group = f->model->cgroup.weight_group;

	switch (by) {
	case VH_LOW_NICE:
		vh_next(j, "renice -n 0 -p $(ls /proc/{pid}/task)",
			"give all its threads the usual priority");
		break;
	case VH_LOW_AUTOGROUP:
		vh_next(j, "echo 0 > /proc/{pid}/autogroup",
			"give its session the usual priority (renice does not count here: the "
			"kernel shares CPUs among sessions first)");
		break;
	case VH_LOW_WEIGHT: {
		vh_auto_free char *command =
			vh_asprintf("grep -Hs . '%s'/cpu.weight '%s'/cpu.shares '%s'/cpu.idle",
				group, group, group);

		vh_next(j, group && !strchr(group, '\'') ? command : NULL,
			"see the weight of its cgroup; raise it there (usual: cpu.weight 100, "
			"cpu.shares 1024, cpu.idle 0), or where it is set from");
		if (f->model->vm->libvirt.managed)
			vh_next(j, "virsh schedinfo {name}",
				"see what libvirt sets; \"virsh schedinfo {name} cpu_shares=1024\" "
				"raises it");
		break;
	}
	case VH_LOW_IDLE_POLICY:
		vh_next(j, "chrt -a -o -p 0 {pid}", "give its threads the usual policy");
		break;
	}
	vh_next(j, "ps -eLo pid,tid,cls,rtprio,ni,psr,pcpu,comm --sort=-pcpu | head -20",
		"see which threads go before it");
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *low = vh_fact(f, VH_FACT_LOW_PRIORITY);

	if (!low)
		return;
	const struct vh_fact *starved = vh_weigh_starvation(f, j);

	if (!starved)
		return;
	vh_for(j, VH_STRONG, low);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_RIVAL));
	/* That goes before it whatever its priority. */
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_REALTIME_TAKES));
	vh_title(j, "vCPU %d gets no CPU time: other threads of the host go first, for %s",
		starved->vcpu, low->text);
	tell_what_to_do(f, j, (enum vh_low_priority)(int)low->value);
}

static const char *const includes[] = {"cpu-starved", NULL};

const struct vh_rule vh_rule_cpu_low_priority = {
	.id = "cpu-low-priority",
	.title = "the VM's low priority lets other threads of the host go first",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_STARVED,
	.hung = VH_HUNG_YES,
	.meaning = "The VM's threads have a low weight for the host's scheduler: by nice, "
		   "by the nice value of their session (autogroup), by the weight of their "
		   "cgroup, or as SCHED_IDLE. On a host with time to spare that costs "
		   "nothing; as soon as others want the same CPUs the VM gets next to "
		   "none.",
	.shown_by = "The vCPUs are ready to run and wait, and their nice value, "
		    "/proc/PID/autogroup, cpu.weight or cpu.shares of the cgroup, or their "
		    "policy is far below the usual one.",
	.what_to_do = "Raise the weight where it is set. Container platforms derive it from "
		      "the CPU request of the pod: 100m makes a tenth of a CPU's weight, and "
		      "that is what the VM gets once the node is full.",
	.includes = includes,
	.judge = judge,
};
