/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infer/rules/protected.h"

static void judge(const struct vh_facts *f, struct vh_judgement *j)
{
	struct vh_firmware_spin s;
	const struct vh_fact *cleared = vh_fact_of(f, VH_FACT_VCPU_GHCB_CLEARED, 0);
	const struct vh_fact *said = vh_fact(f, VH_FACT_FIRMWARE_MMIO_ENCRYPTED);

	if (!vh_firmware_spins(f, &s) || (!s.silent && !said && !cleared))
		return;
	/* The report prints the APIC's id: CPUID, RDMSR 1b, then an MMIO access that never comes
	 * out as one. */
	vh_for(j, VH_STRONG, s.apic);
	vh_for_firmware_spin(j, &s);
	vh_for(j, VH_STRONG, cleared);
	vh_for(j, said && s.silent ? VH_PROOF : VH_STRONG, said);
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_FIRMWARE_EXCEPTION));
	vh_for(j, VH_WEAK, vh_fact(f, VH_FACT_SERIAL_EMPTY));
	if (!s.apic)
		vh_against(j, VH_STRONG, s.event);
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_GHCB_LAST, 0));
	vh_against(j, VH_STRONG, vh_fact(f, VH_FACT_FIRMWARE_ASSERT));
	vh_against(j, VH_STRONG, vh_fact_of(f, VH_FACT_VCPU_ASKS_HOST, 0));
	vh_against_firmware_spin(j, f);
	if (!said && !cleared)
		vh_at_most(j, VH_POSSIBLE,
			s.apic ? "it rests on what one access to an MSR left behind, which fits it "
				 "best; any silent loop right behind such a read leaves the same"
			       : "the last event of the boot CPU, which would tell, is not known");
	vh_title(j, "the firmware's report of an exception waits for its own lock");
	vh_next_firmware_spin(j, f);
}

static const char *const includes[] = {
	"firmware-spins", "boot-cpu-spins-aps-never-started", "guest-spins", NULL};

const struct vh_rule vh_rule_firmware_exception_deadlock = {
	.id = "firmware-exception-deadlock",
	.title = "the firmware's report of an exception waits for its own lock",
	.layer = VH_LAYER_GUEST,
	.state = VH_STATE_SPINNING,
	.hung = VH_HUNG_YES,
	.meaning =
		"Some exception occurred in edk2. Its handler takes a lock, sets up the serial "
		"port and begins to print; for the first line it asks for the id of the local "
		"APIC: CPUID, IA32_APIC_BASE, and then the APIC's page. Where that page is mapped "
		"as encrypted memory, the access becomes an exception again, whose handler waits "
		"for the lock that its predecessor holds, with PAUSE, for ever and without a word. "
		"Known of edk2-stable202405 and later; AMDESE/AMDSEV issue 92.",
	.shown_by =
		"The boot CPU spins with PAUSE and asks the host for nothing; the last thing that "
		"it asked for was IA32_APIC_BASE, and the MMIO access that should follow never "
		"came out as one. Its GHCB page is all zero: cleared for an event that was not "
		"sent. On the debug console of a DEBUG build: \"MMIO using encrypted memory\". In "
		"a trace of the start: port I/O at 3fb, 3f9, 3f8, 3fb, then CPUID, MSR, CPUID, "
		"MSR.",
	.what_to_do =
		"A firmware that keeps the local APIC's page unencrypted in its exception handler. "
		"And look for the exception that came first: a DEBUG build with a debug console "
		"names it.",
	.includes = includes,
	.judge = judge,
};
