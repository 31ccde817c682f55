/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verdicts on interrupts that a vCPU does not get: each cause, and the healthy guest beside it. */
#include "tests/unit/infer/judged.h"

/* What "info lapic" tells of a vCPU. */
struct apic {
	const char *isr, *irr, *icr, *icr2;
	unsigned tpr;
	bool takes_pic, timer;
};

static void put_apic(struct vh_case *c, enum vh_round round, int vcpu, struct apic a)
{
	vh_auto_free char *subject = vh_asprintf("vcpu:%d", vcpu);
	vh_auto_free char *text = vh_asprintf(
		"LVT0\t 0x000%u0700 active-hi edge\r\nLVTT\t 0x000%u0040 one-shot\r\n"
		"Timer\t DCR=0xb (divide by 1) initial_count = 100 current_count = 0\r\n"
		"SPIV\t 0x000001ff APIC enabled\r\nICR\t %s x\r\nICR2\t %s\r\n"
		"ISR\t %s\r\nIRR\t %s\r\nAPR 0x00 TPR 0x%02x DFR 0x0f LDR 0x00 PPR 0x00\r\n",
		a.takes_pic ? 0U : 1U, a.timer ? 0U : 1U, a.icr ? a.icr : "0x0",
		a.icr2 ? a.icr2 : "0x0", a.isr ? a.isr : "(none)", a.irr ? a.irr : "(none)", a.tpr);

	case_text(c, round, "hmp.info-lapic", subject, text);
}

static void put_pic(struct vh_case *c, const char *master)
{
	vh_auto_free char *text = vh_asprintf(
		"ioapic0: ver=0x11\n  pin 0  0x0000000000010000 dest=0 vec=0 edge  masked fixed\n"
		"pic1: irr=00 imr=ff isr=00 hprio=0 irq_base=28 rr_sel=0 elcr=00 fnm=0\n"
		"pic0: %s hprio=0 irq_base=20 rr_sel=0 elcr=00 fnm=0\n",
		master);

	case_text(c, VH_ASKED, "hmp.info-pic", "", text);
	case_text(c, VH_ASKED_AGAIN, "hmp.info-pic", "", text);
}

/* A kernel of one CPU in HLT, woken so often, with these controllers at its two looks. */
static struct vh_case *halted(
	bool interrupts, unsigned wakes, struct apic first, struct apic last, const char *pic)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, wakes);
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_linux(0xffffffff81000100, 0, interrupts, true));
	put_apic(c, VH_ASKED, 0, first);
	put_apic(c, VH_ASKED_AGAIN, 0, last);
	put_pic(c, pic);
	return c;
}

#define QUIET "irr=00 imr=ff isr=00"

static void never_acknowledged(void **state VH_UNUSED)
{
	struct apic pic = {.takes_pic = true}, held = {.isr = "236", .irr = "34 225"};

	EXPECT(halted(true, 0, pic, pic, "irr=01 imr=fe isr=01"),
		"guest-interrupt-not-acknowledged", DEAD, YES, VH_LIKELY);
	EXPECT(halted(true, 0, held, held, QUIET), "guest-interrupt-not-acknowledged", DEAD, YES,
		VH_LIKELY);
	/* Caught in a handler; nothing is kept waiting; it goes on; the PIC is not let in. */
	EXPECT(halted(true, 0, (struct apic){0}, held, QUIET), "guest-idle", IDLE, NO, VH_LIKELY);
	EXPECT(halted(true, 0, pic, pic, "irr=00 imr=fe isr=01"), "guest-idle", IDLE, NO,
		VH_LIKELY);
	EXPECT(halted(true, 20, held, held, QUIET), "guest-idle", IDLE, NO, VH_CERTAIN);
	EXPECT(halted(true, 0, (struct apic){0}, (struct apic){0}, "irr=01 imr=fe isr=01"),
		"guest-idle", IDLE, NO, VH_LIKELY);
}

static void priority_raised(void **state VH_UNUSED)
{
	struct apic high = {.irr = "64", .tpr = 0xf0}, idle = {.irr = "47", .tpr = 0x20};

	EXPECT(halted(true, 0, high, high, QUIET), "guest-interrupt-priority-raised", DEAD, YES,
		VH_LIKELY);
	/* Windows, idle at DISPATCH_LEVEL with a deferred call of its own behind it. */
	EXPECT(halted(true, 0, idle, idle, QUIET), "guest-idle", IDLE, NO, VH_LIKELY);
}

static void pending_and_not_taken(void **state VH_UNUSED)
{
	struct apic pending = {.irr = "236"}, none = {0};

	EXPECT(halted(true, 0, pending, pending, QUIET), "guest-interrupt-pending-not-taken",
		BLOCKED, YES, VH_LIKELY);
	/* It came in the moment of the look; others each time; it is masked. */
	EXPECT(halted(true, 0, none, pending, QUIET), "guest-idle", IDLE, NO, VH_LIKELY);
	EXPECT(halted(true, 0, (struct apic){.irr = "34"}, pending, QUIET), "guest-idle", IDLE, NO,
		VH_LIKELY);
	EXPECT(halted(true, 0, (struct apic){.takes_pic = true}, (struct apic){.takes_pic = true},
		       "irr=01 imr=ff isr=00"),
		"guest-idle", IDLE, NO, VH_LIKELY);
	/* With interrupts off it may not be taken. */
	struct judged j = judge(halted(false, 0, pending, pending, QUIET));

	assert_string_equal(j.v->cause->rule->id, "guest-halted-forever");
	assert_non_null(vh_fact(j.facts, VH_FACT_VCPU_IRQ_PENDING_OFF));
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_IRQ_NOT_TAKEN));
	drop(&j);
}

/* A vCPU in a loop with PAUSE, interrupts on. */
static struct vh_case *waits(unsigned vcpus, struct apic a, const char *pic)
{
	struct vh_case *c = case_new(vcpus);
	struct vh_registers r = case_regs_linux(0xffffffff81000100, 0, true, false);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_status(c, "running", true);
	case_registers(c, 0, r);
	look_again(c, 0, r, 0);
	put_code(c, 0, r.rip, "9090", "f390803d0005000000ebf5");
	put_apic(c, VH_ASKED_AGAIN, 0, a);
	put_pic(c, pic);
	return c;
}

static void timer_lost(void **state VH_UNUSED)
{
	static const struct {
		struct apic a;
		const char *pic;
		bool lost;
	} rows[] = {
		{{.takes_pic = true}, QUIET, true},
		{{0}, "irr=00 imr=fe isr=00", true},
		{{.takes_pic = true}, "irr=00 imr=fe isr=00", false},
		{{.timer = true}, QUIET, false},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct judged j = judge(waits(1, rows[i].a, rows[i].pic));
		bool first = j.v->cause && vh_streq(j.v->cause->rule->id, "guest-timer-lost");

		assert_int_equal(first, rows[i].lost);
		assert_int_equal(vh_fact(j.facts, VH_FACT_NO_TIMER_ARMED) != NULL, rows[i].lost);
		drop(&j);
	}
	/* A guest that sleeps with its timers off has nothing to do. */
	EXPECT(halted(true, 0, (struct apic){0}, (struct apic){0}, QUIET), "guest-idle", IDLE, NO,
		VH_LIKELY);
}

static void a_call_that_is_not_heard(void **state VH_UNUSED)
{
	static const struct {
		const char *icr, *icr2, *irr;
		bool interrupts, unheard;
	} rows[] = {
		{"0x00004040", "0x00000001", "64", false, true}, /* x2APIC */
		{"0x000040fd", "0x01000000", "253", false, true},
		{"0x00004840", "0x02000000", "64", false, true}, /* logical */
		{"0x000c4040", "0x00000000", "64", false, true}, /* all but itself */
		{"0x00004040", "0x00000005", "64", false, false},
		{"0x00004040", "0x00000001", "65", false, false},
		{"0x00004640", "0x00000001", "64", false, false}, /* SIPI */
		{"0x00004040", "0x00000001", "64", true, false},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = waits(2,
			(struct apic){.icr = rows[i].icr, .icr2 = rows[i].icr2, .timer = true},
			QUIET);

		case_halted_vcpu(c, 1, 0);
		case_registers(
			c, 1, case_regs_linux(0xffffffff81000200, 0, rows[i].interrupts, true));
		put_apic(c, VH_ASKED, 1, (struct apic){.irr = rows[i].irr});
		put_apic(c, VH_ASKED_AGAIN, 1, (struct apic){.irr = rows[i].irr});
		struct judged j = judge(c);
		bool first = j.v->cause && vh_streq(j.v->cause->rule->id, "guest-waits-for-ipi");

		if (first != rows[i].unheard)
			fail_msg("row %zu: %s", i, j.v->headline);
		assert_int_equal(
			vh_fact(j.facts, VH_FACT_VCPU_IPI_UNHEARD) != NULL, rows[i].unheard);
		drop(&j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(never_acknowledged),
		cmocka_unit_test(priority_raised), cmocka_unit_test(pending_and_not_taken),
		cmocka_unit_test(timer_lost), cmocka_unit_test(a_call_that_is_not_heard)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
