/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/panic.h"

/* A panicked Linux parks the other CPUs with interrupts off; one, and be it not the boot CPU, polls
 * or halts too. */
static bool parks_cpus(const struct vh_facts *f)
{
	for (size_t i = 0; f->model->n_vcpus > 1 && i < f->model->n_vcpus; i++) {
		int v = f->model->vcpus[i]->index;
		enum vh_stage stage = vh_stage_seen(f, v);

		/* One that was not started yet looks the same: the guest boots again. */
		if (stage != VH_STAGE_UNKNOWN && !vh_stage_is_firmware(stage) &&
			!vh_fact_of(f, VH_FACT_AP_NEVER_STARTED, v) &&
			vh_fact_of(f, VH_FACT_VCPU_HLT, v) &&
			vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, v))
			return true;
	}
	return false;
}

bool vh_weigh_panic(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *inside = vh_fact(f, VH_FACT_INSIDE_PANIC);
	const struct vh_fact *written = vh_fact(f, VH_FACT_TEXT_PANIC);
	const struct vh_fact *text = written ? written : inside;

	if (!text)
		return false;
	/* To let it go on would bring nothing back. */
	if (!vh_guest_is_visible(f)) {
		vh_for(j, VH_STRONG, text);
		vh_at_most(j, VH_LIKELY,
			"the guest itself is kept from running, and cannot be looked at");
		return true;
	}
	bool parked = parks_cpus(f);

	/* That of a halted one stays where it is in health, too. */
	for (size_t i = 0; i < f->model->n_vcpus; i++) {
		int v = f->model->vcpus[i]->index;

		if (vh_fact_of(f, VH_FACT_VCPU_BUSY, v))
			vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, v));
	}
	/* It stands there, and never comes out. */
	vh_for(j, VH_PROOF, inside);
	vh_for(j, parked ? VH_PROOF : VH_STRONG, written);
	if (parked) {
		vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_IRQS_OFF);
		vh_for_all(j, f, VH_STRONG, VH_FACT_VCPU_HLT);
	}
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_PAUSE_LOOP));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_VCPU_BUSY));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_USER_MODE));
	vh_against(j, VH_WEAK, vh_fact(f, VH_FACT_TEXT_LOGIN));
	return true;
}

bool vh_judge_panic(
	const struct vh_facts *f, struct vh_judgement *j, enum vh_fact_id reason, const char *what)
{
	const struct vh_fact *why = vh_fact(f, reason);

	if (!why || !vh_weigh_panic(f, j))
		return false;
	vh_for(j, VH_STRONG, why);
	vh_title(j, "%s: \"%s\"", what, why->text);
	return true;
}

void vh_next_after_panic(struct vh_judgement *j, const struct vh_facts *f)
{
	if (f->model->vm->libvirt.managed)
		vh_next(j, "virsh dump --memory-only {name} {name}.core",
			"if the reason is not clear, keep a memory dump for crash or drgn");
	vh_next_keep_and_reset(j, f);
}

const struct vh_fact *vh_panic_reason(const struct vh_facts *f, const char **page)
{
	static const struct {
		enum vh_fact_id fact;
		const char *id;
	} reasons[] = {
		{VH_FACT_PANIC_NO_ROOT, "guest-panic-no-root"},
		{VH_FACT_PANIC_NO_INIT, "guest-panic-no-init"},
		{VH_FACT_PANIC_INIT_KILLED, "guest-panic-init-killed"},
		{VH_FACT_PANIC_REQUESTED, "guest-panic-requested"},
		{VH_FACT_PANIC_OOM, "guest-panic-out-of-memory"},
		{VH_FACT_PANIC_MACHINE_CHECK, "guest-panic-machine-check"},
		{VH_FACT_PANIC_LOCKUP, "guest-panic-lockup"},
		{VH_FACT_PANIC_HUNG_TASK, "guest-panic-hung-task"},
		{VH_FACT_PANIC_OOPS, "guest-panic-oops"},
		{VH_FACT_TEXT_PANIC, "guest-kernel-panic"},
		{VH_FACT_INSIDE_PANIC, "guest-kernel-panic"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(reasons); i++) {
		const struct vh_fact *why = vh_fact(f, reasons[i].fact);

		if (!why)
			continue;
		*page = reasons[i].id;
		return why;
	}
	return NULL;
}

const char *const vh_panic_includes[] = {"guest-kernel-panic", "guest-lock-spin",
	"guest-spins-irqs-off", "guest-spins-irqs-on", "guest-spins", "guest-halted-forever",
	"guest-out-of-memory", "guest-soft-lockup", "guest-hard-lockup", "guest-rcu-stall",
	"guest-hung-task", "guest-waits-for-storage", "guest-waits-for-file-server",
	"guest-deadlock", "guest-filesystem-frozen", "guest-oops", "guest-clock-trouble",
	"guest-io-errors", "guest-filesystem-readonly", "guest-waits-for-root-device", NULL};

const char *const vh_panics[] = {"guest-kernel-panic", "guest-panic-no-root", "guest-panic-no-init",
	"guest-panic-init-killed", "guest-panic-requested", "guest-panic-out-of-memory",
	"guest-panic-machine-check", "guest-panic-lockup", "guest-panic-hung-task",
	"guest-panic-oops", NULL};
