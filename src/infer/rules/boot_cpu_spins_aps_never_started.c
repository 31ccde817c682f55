/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/common.h"

#include "base/clock.h"

/* Less CPU time than this may still be a boot: firmware on a slow host, and firmware that tries one
 * device after another, which is seen to poll. */
#define BOOTING_NS (60 * VH_NS_PER_S)
#define POLLING_NS (600 * VH_NS_PER_S)

static size_t never_started(const struct vh_facts *f)
{
	return vh_fact_count(f, VH_FACT_AP_NEVER_STARTED);
}

/*
 * Firmware that is at work does I/O, at the least to measure time; what fills memory does not
 * wait. One that does nothing but wait, for longer than any firmware takes, while no other CPU was
 * ever started and nothing calls it, will not go on.
 */
static bool waits_for_nothing(const struct vh_facts *f)
{
	return vh_fact_of(f, VH_FACT_VCPU_NO_EXITS, 0) && vh_fact_of(f, VH_FACT_VCPU_PAUSES, 0) &&
	       vh_fact_of(f, VH_FACT_VCPU_TAKES_NO_IRQS, 0) &&
	       vh_fact_count(f, VH_FACT_VCPU_NO_ENTRY) == f->model->n_vcpus - 1 &&
	       !vh_fact(f, VH_FACT_EXITS_LOST) && vh_vcpu_ran_ns(f, 0) >= BOOTING_NS;
}

static void weigh_trace(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *alone = vh_fact_of(f, VH_FACT_VCPU_NO_EXITS, 0);

	vh_for(j, waits_for_nothing(f) ? VH_PROOF : VH_STRONG, alone);
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_PAUSES, 0));
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_SMALL_LOOP, 0));
	vh_for(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RAN_LONG, 0));
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_TAKES_NO_IRQS, 0));
	vh_for_all(j, f, VH_STRONG, VH_FACT_AP_WAITS_FOR_SIPI);
	vh_for_all(j, f, VH_STRONG, VH_FACT_AP_IGNORES_SIPI);
	vh_for_all(j, f, VH_WEAK, VH_FACT_VCPU_NO_ENTRY);
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RUNS_WIDELY, 0));
	vh_against(j, VH_PROOF, vh_fact_of(f, VH_FACT_VCPU_HALTS, 0));
	vh_against(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_READS_CLOCK, 0));
	vh_against(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_TAKES_IRQS, 0));
}

/* Without registers, and without KVM's word for it, little CPU time is all that is known of the
 * others. */
static bool is_told_by_time(const struct vh_facts *f)
{
	return !vh_registers_known(f, 1) &&
	       vh_fact_count(f, VH_FACT_AP_UNINITIALIZED) != f->model->n_vcpus - 1;
}

/* Firmware that starts the other CPUs for a moment and parks them leaves as little CPU time as
 * firmware that never got so far; and so does a young guest that has work for one CPU alone. */
static void limit_by_time(const struct vh_facts *f, struct vh_judgement *j)
{
	bool hidden =
		vh_fact(f, VH_FACT_REGISTERS_HIDDEN) || vh_fact(f, VH_FACT_REGISTERS_OF_RESET);
	bool likely =
		vh_fact_of(f, VH_FACT_VCPU_NO_EXITS, 0) && vh_fact_of(f, VH_FACT_VCPU_PAUSES, 0);

	if (!is_told_by_time(f) || (!hidden && vh_fact_of(f, VH_FACT_VCPU_CLOSED_LOOP, 0)))
		return;
	/* A system that was told to use one CPU alone (nosmp, maxcpus=1) may compute on it for
	 * days: where vmhang could have looked at it, it must have. */
	if (!hidden)
		likely |= vh_registers_known(f, 0) ||
			  (f->model->pasted && vh_fact_of(f, VH_FACT_VCPU_RAN_LONG, 0));
	vh_at_most(j,
		waits_for_nothing(f) ? VH_CERTAIN
		: likely             ? VH_LIKELY
				     : VH_POSSIBLE,
		"that the other vCPUs were not started is told by their CPU time alone, which is "
		"thin: firmware that starts and parks them leaves as little");
}

static void title(
	const struct vh_facts *f, struct vh_judgement *j, size_t n, const char *interrupts)
{
	vh_auto_free char *others = n == 2 ? vh_strdup("vCPU") : vh_asprintf("%zu vCPUs", n - 1);
	const char *verb = n == 2 ? "was" : "were";

	if (is_told_by_time(f))
		vh_title(j, "the boot CPU spins%s, and the other %s %s hardly run", interrupts,
			others, n == 2 ? "has" : "have");
	else
		vh_title(j, "the boot CPU spins%s, and the other %s %s never started", interrupts,
			others, verb);
}

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	size_t n = f->model->n_vcpus;
	const struct vh_fact *busy = vh_runs_all_it_can(f, 0);
	const struct vh_fact *closed = vh_fact_of(f, VH_FACT_VCPU_CLOSED_LOOP, 0);
	const struct vh_fact *off = vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, 0);
	const struct vh_fact *fixed = vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, 0);
	const struct vh_fact *pause = vh_fact_of(f, VH_FACT_VCPU_PAUSE_LOOP, 0);
	bool waits =
		vh_fact_of(f, VH_FACT_VCPU_NO_EXITS, 0) &&
		(vh_fact_of(f, VH_FACT_VCPU_PAUSES, 0) || vh_fact_of(f, VH_FACT_VCPU_TINY_LOOP, 0));

	if (!vh_guest_is_visible(f) || n < 2)
		return;
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_AP_STARTED));
	/* A kernel has spoken: it is past the firmware, whatever its CPUs did since. */
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_PANIC));
	vh_against(j, VH_PROOF, vh_fact(f, VH_FACT_TEXT_LOGIN));
	if (!busy || never_started(f) != n - 1)
		return;
	vh_for(j, closed && off ? VH_PROOF : VH_STRONG, busy);
	vh_for(j, closed && off ? VH_PROOF : VH_STRONG, closed);
	vh_for(j, VH_STRONG, fixed);
	vh_for(j, VH_STRONG, off);
	vh_for(j, VH_STRONG, pause);
	weigh_trace(f, j);
	vh_for_all(j, f, VH_STRONG, VH_FACT_AP_NEVER_STARTED);
	vh_for_all(j, f, VH_STRONG, VH_FACT_AP_UNINITIALIZED);
	vh_for(j, VH_WEAK, vh_fact_of(f, VH_FACT_VCPU_STAGE, 0));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, 0));
	if (!vh_boot_cpu_in_firmware(f))
		vh_against(j, VH_PROOF, vh_fact_of(f, VH_FACT_VCPU_STAGE, 0));
	int64_t patience = vh_registers_known(f, 0) ? POLLING_NS : BOOTING_NS;

	if (!closed && !pause && !waits && vh_vcpu_ran_ns(f, 0) < patience)
		vh_at_most(j, VH_POSSIBLE,
			"its code shows no waiting loop, and it has not run for long: firmware may "
			"still be "
			"at work");
	vh_doubt_spin_while_booting(j, f, closed != NULL);
	limit_by_time(f, j);
	title(f, j, n, off ? " with interrupts off" : "");
	vh_next(j, "vmhang diagnose {name} --verbose",
		"see the firmware stage (CR0, CR4, EFER) and the code of the loop");
	vh_next(j, NULL,
		"compare with another firmware build (OVMF, SeaBIOS) and with one vCPU: firmware "
		"that waits for "
		"the other CPUs hangs only with several");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {
	"guest-spins", "guest-spins-irqs-off", "guest-spins-irqs-on", NULL};

const struct vh_rule vh_rule_boot_cpu_spins_aps_never_started = {
	.id = "boot-cpu-spins-aps-never-started",
	.title = "the boot CPU spins, and the other vCPUs were never started",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning =
		"Only the boot CPU has ever run. It is in a loop in the firmware or boot loader, "
		"before any operating system brought up the other CPUs: the firmware found "
		"something wrong and stopped itself in a dead loop, waits for something that "
		"does not come, or met an exception in its own exception handler.",
	.shown_by =
		"vCPU 0 uses a full CPU. The others have used next to no CPU time since "
		"they were created and sleep in KVM, as reset or the firmware left them. Certain "
		"where its code is a loop without an exit, or where its exits show for a minute "
		"of CPU time nothing but PAUSE and the host's interrupts, and no other vCPU "
		"entered the guest.",
	.what_to_do =
		"Give the firmware a voice: a debug build with -debugcon file:X -global "
		"isa-debugcon.iobase=0x402, and a serial port. Try one vCPU, another firmware "
		"version, another CPU model. In an encrypted guest the cause is often a memory "
		"access that the firmware mapped wrongly.",
	.includes = includes,
	.judge = judge,
};
