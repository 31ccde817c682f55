/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/kernel.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	const struct vh_fact *text = vh_fact(f, VH_FACT_TEXT_CLOCK);

	if (!vh_guest_is_visible(f) || !text)
		return;
	vh_for(j, VH_STRONG, text);
	/* Such messages come of any overloaded host: alone, they are no hang. */
	if (!vh_fact(f, VH_FACT_VCPU_BUSY) ||
		(!vh_fact(f, VH_FACT_TEXT_LOCKUP) && vh_fact(f, VH_FACT_VCPU_USER_MODE)))
		vh_at_most(
			j, VH_POSSIBLE, "guests on overloaded hosts report such trouble and go on");
	vh_for(j, VH_STRONG, vh_fact(f, VH_FACT_TEXT_LOCKUP));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_VCPU_BUSY));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_STARVED));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_VCPU_USER_MODE));
	vh_against(j, VH_WEAK, vh_fact(f, VH_FACT_VCPU_HLT));
	vh_title(j, "the guest has trouble with its clock: %s", text->text);
	vh_next(j, NULL,
		"remember whether the VM was moved, restored or paused, or the host slept, just "
		"before");
	vh_next(j,
		"cat /sys/devices/system/clocksource/clocksource0/current_clocksource; dmesg | "
		"grep -iE 'tsc|clocksource'",
		"see whether the host itself trusts its TSC; a host that does not is why the guest "
		"cannot");
	vh_next(j, "tr '\\0' '\\n' </proc/{pid}/cmdline | grep -A1 -xE '-cpu|-rtc|-machine'",
		"see which clocks the guest is given: a guest under KVM should use kvm-clock");
	vh_next_keep_and_reset(j, f);
}

static const char *const includes[] = {
	"guest-spins-irqs-on", "guest-spins", "guest-rcu-stall", NULL};

const struct vh_rule vh_rule_guest_clock_trouble = {
	.id = "guest-clock-trouble",
	.title = "the guest has trouble with its clock",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,

	.meaning = "The guest's clocks disagree, or jumped: after a migration between hosts whose "
		   "TSC runs at another speed, after a restore or a long pause, or because the "
		   "host does not keep time. A timer interrupt that is always late does nothing "
		   "else any more; timers that lie in the far future never go off.",
	.shown_by =
		"\"timekeeping watchdog\", \"Marking clocksource ... "
		"as "
		"unstable\" or \"Possible timer handling issue\" on the console, and a vCPU that "
		"runs all the time in the kernel. Alone, such lines are no hang: guests on "
		"overloaded hosts write them all the time and go on.",
	.what_to_do =
		"Give the guest kvm-clock (the default under KVM), a host with a stable TSC "
		"(constant_tsc, nonstop_tsc), and NTP instead of nothing. After a migration: "
		"the same TSC frequency (tsc-frequency=) on both hosts. Reset it when it does "
		"not come back.",
	.includes = includes,
	.judge = judge,
};
