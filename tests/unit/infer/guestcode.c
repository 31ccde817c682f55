/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verdicts on guest code, vCPUs and interrupts: each cause, and the nearest other state. */
#include "tests/unit/infer/traced.h"

/* The state of a loop in a ROM with interrupts off, and its code. */
static struct vh_case *loop_of(const char *keys, const char *code, bool interrupts)
{
	struct vh_case *c = busy_with(5, (struct tracing){.host = EMULATES}, NULL, keys);
	struct vh_registers r = case_regs_real(0xf000, 0x100, interrupts, false);

	c->passive = false;
	case_status(c, "running", true);
	case_registers(c, 0, r);
	look_again(c, 0, r, 0);
	put_code(c, 0, vh_registers_linear_rip(&r), "9090", code);
	return c;
}

static void cpuid_storm(void **state VH_UNUSED)
{
	EXPECT(loop_of(KEY("cpuid", 0, 0, 730000), "6631c00fa2ebf9", false), "guest-cpuid-storm",
		SPINNING, YES, VH_CERTAIN);
	/* It has run for long, from one place, and reads nothing else. */
	EXPECT(busy_with(300, (struct tracing){.host = REAL}, ROW(0x72, 60000) "," ROW(0x60, 200),
		       KEY_IN(0x72, "cpuid", 0xb, 1, 60000) "," KEY_IN(
			       0x72, "rip", 0xffffffff81000100, 0, 60000)),
		"guest-cpuid-storm", SPINNING, YES, VH_LIKELY);
	/* Firmware of a young guest looks at leaf after leaf. */
	EXPECT(busy_with(5, (struct tracing){.host = EMULATES}, NULL,
		       KEY("cpuid", 0, 0, 3000) "," KEY("cpuid", 1, 0, 3000) "," KEY(
			       "cpuid", 0xb, 0, 3000)),
		"unknown", RUNNING, UNKNOWN, 0);
	/* A program that serialises with it and gets interrupts is at work. */
	struct judged j = judge(busy_with(300, (struct tracing){.host = REAL},
		ROW(0x72, 9000) "," ROW(0x60, 250) "," ROW(0x7b, 3000),
		KEY_IN(0x72, "cpuid", 0xb, 1, 9000) "," KEY_IN(
			0x7b, "pio", 0x1f0, 0x101, 3000) "," KEY("virq", 0xec, 0, 250)));

	assert_null(vh_fact(j.facts, VH_FACT_VCPU_CPUID_STORM));
	drop(&j);
}

static void hypercall_storm(void **state VH_UNUSED)
{
	/* Certain in no case but a closed loop, and VMCALL may wait for an answer. */
	EXPECT(busy_with(300, (struct tracing){.host = REAL}, ROW(0x81, 60000) "," ROW(0x60, 200),
		       KEY_IN(0x81, "hypercall", 5, 0, 60000) "," KEY_IN(
			       0x81, "rip", 0xffffffff81000100, 0, 60000)),
		"guest-hypercall-storm", SPINNING, YES, VH_LIKELY);
	EXPECT(busy_with(300, (struct tracing){.host = REAL}, ROW(0x81, 60000) "," ROW(0x60, 200),
		       KEY_IN(0x81, "hv-hypercall", 0x10008, 0, 60000) "," KEY_IN(
			       0x81, "rip", 0xfffff80012340100, 0, 60000)),
		"guest-hypercall-storm", SPINNING, YES, VH_LIKELY);
	/* Windows at work asks for flushes, and does much else. */
	struct judged j = judge(busy_with(300, (struct tracing){.host = REAL},
		ROW(0x81, 9000) "," ROW(0x7b, 2000) "," ROW(0x78, 400),
		KEY_IN(0x81, "hv-hypercall", 0x10003, 0, 9000) "," KEY_IN(
			0x7b, "pio", 0x1f0, 0x101, 2000) "," KEY("virq", 0xd1, 0, 1000)));

	assert_null(vh_fact(j.facts, VH_FACT_VCPU_HYPERCALL_STORM));
	assert_true(!j.v->cause || j.v->cause->rule->hung != VH_HUNG_YES);
	drop(&j);
}

static struct vh_case *gave_up(const char *log)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(
		c, (struct case_thread){.vcpu = 0, .wchan = "futex_wait", .syscall = CASE_FUTEX});
	case_status(c, "internal-error", false);
	case_text(c, VH_FIRST, "log.qemu", "/var/log/vm.log", log);
	return c;
}

static void why_kvm_gave_up(void **state VH_UNUSED)
{
	static const char emulation[] =
		"KVM internal error. Suberror: 1\nemulation failure\nEAX=00000000 EBX=00000000\n"
		"Code=00 00 <c5> fa 6f 07 c3 ?? 00\n";

	EXPECT(gave_up(emulation), "vmm-emulation-failed", DEAD, YES, VH_CERTAIN);
	EXPECT(gave_up("KVM internal error. Suberror: 3\nextra data[0]: 0x80000b0e\n"),
		"vmm-event-delivery-failed", DEAD, YES, VH_CERTAIN);
	EXPECT(gave_up("KVM: entry failed, hardware error 0x80000021\n"), "vmm-entry-failed", DEAD,
		YES, VH_CERTAIN);
	/* Another reason, or none that is told. */
	EXPECT(gave_up("KVM internal error. Suberror: 2\n"), "vmm-internal-error", DEAD, YES,
		VH_CERTAIN);
	EXPECT(gave_up("KVM internal error. Suberror: \n"), "vmm-internal-error", DEAD, YES,
		VH_CERTAIN);
	EXPECT(gave_up(""), "vmm-internal-error", DEAD, YES, VH_CERTAIN);
	struct judged j = judge(gave_up(emulation));

	assert_non_null(strstr(vh_fact(j.facts, VH_FACT_KVM_EMULATION_FAILED)->text,
		"with these bytes at RIP: c5 fa 6f 07 c3: \""));
	drop(&j);
	/* It was reset, and runs since. */
	struct vh_case *c = gave_up(emulation);

	static const char runs[] = "{\"status\": \"running\", \"running\": true}";

	for (int round = VH_ASKED; round <= VH_ASKED_AGAIN; round++)
		vh_evidence_set_data(vh_case_find(c, "qmp.query-status", "", (enum vh_round)round),
			runs, sizeof runs - 1);
	j = judge(c);
	assert_true(!j.v->cause || strcmp(j.v->cause->rule->id, "vmm-emulation-failed"));
	drop(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpuid_storm),
		cmocka_unit_test(hypercall_storm),
		cmocka_unit_test(why_kvm_gave_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
