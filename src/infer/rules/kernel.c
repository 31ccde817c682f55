/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

/* One that runs all the time, and never in a program. */
static bool weigh_vcpu(const struct vh_facts *f, struct vh_judgement *j, int v)
{
	const struct vh_fact *runs = vh_runs_all_it_can(f, v);
	const struct vh_fact *fixed = vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v);
	const struct vh_fact *small = vh_fact_of(f, VH_FACT_VCPU_SMALL_LOOP, v);

	if (!runs || vh_fact_of(f, VH_FACT_VCPU_USER_MODE, v))
		return false;
	vh_for(j, VH_STRONG, runs);
	vh_for(j, VH_STRONG, fixed);
	vh_for(j, VH_STRONG, small);
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_CLOSED_LOOP, v));
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_PAUSE_LOOP, v));
	return vh_fact_of(f, VH_FACT_VCPU_BUSY, v) && (fixed || small);
}

const struct vh_fact *vh_longest_wait(const struct vh_facts *f)
{
	static const enum vh_fact_id ids[] = {VH_FACT_INSIDE_ON_STORAGE,
		VH_FACT_INSIDE_ON_FILE_SERVER, VH_FACT_INSIDE_ON_FREEZE, VH_FACT_INSIDE_ON_LOCK,
		VH_FACT_INSIDE_ON_RCU, VH_FACT_INSIDE_BLOCKED};
	const struct vh_fact *longest = NULL;

	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < VH_ARRAY_SIZE(ids); k++)
			if (f->list[i]->id == ids[k] &&
				(!longest || f->list[i]->value > longest->value))
				longest = f->list[i];
	return longest;
}

const struct vh_fact *vh_backtrace_of_spin(const struct vh_facts *f, int vcpu)
{
	static const enum vh_fact_id ids[] = {VH_FACT_INSIDE_SPIN, VH_FACT_INSIDE_LOCK_SPIN,
		VH_FACT_INSIDE_SPIN_IRQS_ON, VH_FACT_INSIDE_IPI_WAIT};

	for (size_t i = 0; i < VH_ARRAY_SIZE(ids); i++) {
		const struct vh_fact *spin =
			vcpu < 0 ? vh_fact(f, ids[i]) : vh_fact_of(f, ids[i], vcpu);

		if (spin)
			return spin;
	}
	return NULL;
}

bool vh_weigh_lockup(const struct vh_facts *f, struct vh_judgement *j, const struct vh_fact *text)
{
	bool stays = false, runs = false;

	for (size_t i = 0; i < f->model->n_vcpus; i++) {
		int v = f->model->vcpus[i]->index;

		if (text->vcpu >= 0 && text->vcpu != v)
			continue;
		runs |= vh_runs_all_it_can(f, v) != NULL;
		stays |= weigh_vcpu(f, j, v);
	}
	if (!runs)
		vh_at_most(j, VH_POSSIBLE, "it is not known what its vCPUs do now");
	return stays;
}

void vh_next_of_lockup(struct vh_judgement *j, const struct vh_facts *f)
{
	vh_next(j, "vmhang diagnose {name} --window 5s --verbose",
		"look again, and longer: it must still be there; the report shows the code, and "
		"the "
		"whole of what the guest wrote");
	if (vh_fact(f, VH_FACT_INSIDE_LINUX))
		vh_next(j, "vmhang inside {name}",
			"see the backtraces of all vCPUs, and which tasks wait behind this one");
	else
		vh_next_monitor(j, f, "inject-nmi", "inject-nmi",
			"make the guest's kernel print the stack of that CPU on its console: Linux "
			"does so "
			"at "
			"an NMI (and panics where it is set to)");
	vh_next_keep_and_reset(j, f);
}

void vh_weigh_waiting(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_HUNG_TASK);

	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_VCPU_HLT));
	vh_against(j, VH_WEAK, vh_fact(f, VH_FACT_VCPU_BUSY));
	if (f->model->pasted && text && isnan(text->value))
		vh_at_most(j, VH_POSSIBLE, "it is not known how long ago the guest said so");
	/* It waits because it is not let run. */
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_STARVED));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_PANIC));
}

void vh_next_of_hung_task(struct vh_judgement *j, const struct vh_facts *f)
{
	if (vh_fact(f, VH_FACT_INSIDE_LINUX))
		vh_next(j, "vmhang inside {name}",
			"see the stacks of all tasks that wait, what for, and who holds it");
	else if (f->model->vm->libvirt.managed)
		vh_next(j, "virsh send-key {name} KEY_LEFTALT KEY_SYSRQ KEY_W",
			"let the guest print the stacks of all tasks that wait (where kernel.sysrq "
			"lets it)");
	else
		vh_next(j, NULL,
			"let the guest print the stacks of all tasks that wait: Alt-SysRq-w "
			"(monitor "
			"command \"sendkey alt-sysrq-w\"), where kernel.sysrq lets it");
}

void vh_weigh_shell(const struct vh_facts *f, struct vh_judgement *j, const struct vh_fact *text)
{
	vh_for(j, VH_STRONG, text);
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_HLT, 0));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_PANIC));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_LOGIN));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_BUSY));
}

void vh_next_of_drive_errors(struct vh_judgement *j, const struct vh_facts *f)
{
	vh_next_monitor(j, f, "domblkstat --human", "query-blockstats",
		"see which drive's requests fail: failed_rd_operations, failed_wr_operations");
	vh_next(j, "journalctl -k --since -2h | grep -iE 'I/O error|nfs|timed out|reset|No space'",
		"look for errors of the host's storage; \"df\" and \"lvs\" tell whether it is "
		"full");
	vh_next(j, "vmhang diagnose {name} --save {name}.vmhang", "keep this evidence");
}
