/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/starvation.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *starved = vh_fact(f, VH_FACT_MAIN_STARVED);
	const struct vh_fact *silent = vh_fact(f, VH_FACT_MONITOR_SILENT);

	if (!starved)
		return;
	vh_for(j, silent ? VH_PROOF : VH_STRONG, starved);
	vh_for(j, VH_STRONG, silent);
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_THROTTLED));
	/* It runs for a good part of the time, and is ready for the rest: more of it would not help
	 * a loop that does not end. */
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_MAIN_RUNS));
	/* It does come to run, now and then: slow, but no hang. */
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_MONITOR_ANSWERS));
	/* Then the vCPUs starve with it, and that says more. */
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_STARVED));
	const struct vh_thread *main_thread = vh_model_main_thread(f->model);
	const char *cpus = main_thread && main_thread->affinity ? main_thread->affinity : "?";

	vh_title(j, "the VMM's main thread gets no CPU time (it may use CPU %s)", cpus);
	vh_next(j, "ps -L -o tid,cls,rtprio,ni,psr,pcpu,comm -p {pid}",
		"see whether its own vCPU threads have a real-time priority (FF, RR) and run on "
		"the "
		"same CPU (psr)");
	if (f->model->vm->libvirt.managed)
		vh_next(j, "virsh emulatorpin {name}",
			"give the emulator threads a CPU without busy vCPUs: \"virsh emulatorpin "
			"{name} CPUS\"");
	else
		vh_next(j, "taskset -cp {pid}",
			"give the main thread a CPU without busy vCPUs: \"taskset -cp CPUS "
			"{pid}\"");
}

static const char *const includes[] = {"vmm-main-loop-blocked", NULL};

const struct vh_rule vh_rule_main_loop_starved = {
	.id = "main-loop-starved",
	.title = "the VMM's main thread gets no CPU time",
	.layer = VH_LAYER_HOST,
	.state = VH_STATE_STARVED,
	.hung = VH_HUNG_YES,
	.meaning = "The thread that serves devices, timers and the monitor is ready to "
		   "run, and something with a higher priority holds the CPU that it may "
		   "use: mostly the VM's own vCPUs, which were given a real-time priority "
		   "on the same CPU. The guest runs until it needs a device, then hangs.",
	.shown_by = "The main thread is in state R at both looks with a growing run delay, "
		    "does not answer the monitor, and waits in no lock and no system call.",
	.what_to_do = "Give the emulator threads a CPU of their own (<emulatorpin>, "
		      "<iothreadpin>). Real-time vCPUs must never share a CPU with them.",
	.includes = includes,
	.judge = judge,
};
