/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registers of 64-bit ARM, in each layout that QEMU had, and what follows from them. */
#include "guest/arm.h"

#include "infer/fact.h"
#include "tests/unit/casebuild.h"
#include "tests/unit/test.h"

#define SINCE_3                                                                                    \
	" PC=ffff800010121a3c X00=00000000000000e0 X01=ffff8000118a2a40\n"                         \
	"X02=0000000000000001 X03=0000000000000000 X04=0000000000000000\n"                         \
	"X29=ffff800011893f00 X30=ffff800010bc3d04  SP=ffff800011893f00\n"

static struct vh_arm_registers parsed(const char *text)
{
	struct vh_arm_registers r;

	assert_true(vh_arm_registers_parse(vh_str(text), &r));
	return r;
}

static void masked_is(uint64_t pstate, const char *masked, const char *flags)
{
	vh_auto_buf struct vh_buf a = {0}, b = {0};

	vh_arm_masked_text(pstate, &a);
	vh_arm_flags_text(pstate, &b);
	assert_string_equal(vh_buf_str(&a), masked);
	assert_string_equal(vh_buf_str(&b), flags);
}

static void layouts(void **state VH_UNUSED)
{
	struct vh_arm_registers r = parsed(SINCE_3 "PSTATE=604003c5 -ZC- EL1h    FPU disabled\n");

	assert_int_equal(r.pc, 0xffff800010121a3c);
	assert_int_equal(r.sp, 0xffff800011893f00);
	assert_int_equal(r.x[0], 0xe0);
	assert_int_equal(r.x[30], 0xffff800010bc3d04);
	assert_int_equal(r.x_seen, 0x6000001f);
	assert_int_equal(vh_arm_el(&r), 1);
	assert_false(vh_arm_irqs_on(&r));
	masked_is(r.pstate, "DAIF", "ZC");
	/* QEMU 2.12 has the security state there; the newest 64 bits of PSTATE. */
	r = parsed(SINCE_3 "PSTATE=80000005 N--- NS EL1h\n");
	assert_true(vh_arm_irqs_on(&r));
	masked_is(r.pstate, "", "N");
	r = parsed(SINCE_3 "PSTATE=0000000060000085 -ZC- EL1h  BTYPE=0     FPCR=0 FPSR=0\n");
	masked_is(r.pstate, "I", "ZC");
	r = parsed("PC=0000000000400a34  SP=0000ffffd0fb2210\n"
		   "X00=0000000000000001 X01=0000000000000002 X02=0000000000000003 "
		   "X03=0000000000000004\n"
		   "X28=0000000000000000 X29=0000000000000000 X30=0000000000400a30 "
		   "PSTATE=80000000 (flags N---)\n\n"
		   "q00=0000000000000000:0000000000000000\n");
	assert_int_equal(vh_arm_el(&r), 0);
	assert_int_equal(r.sp, 0xffffd0fb2210);
	assert_int_equal(r.x[3], 4);
	assert_int_equal(vh_arm_el(&(struct vh_arm_registers){.pstate = 0x3cd}), 3);
}

static void hostile(void **state VH_UNUSED)
{
	static const char *const none[] = {"", "PC=1", "PSTATE=5", "PC=\nPSTATE=\n",
		"PC=zz PSTATE=5", "PC=1 PSTATE=11112222333344445", "R15=1 PSR=600001d3",
		/* 32-bit code: QEMU has another layout for that. */
		"PC=1 PSTATE=600001d3", "EAX=00000000 EIP=1 EFL=2 CR0=10"};
	struct vh_arm_registers r;

	for (size_t i = 0; i < VH_ARRAY_SIZE(none); i++) {
		if (vh_arm_registers_parse(vh_str(none[i]), &r))
			fail_msg("taken for registers: %s", none[i]);
		assert_false(r.valid);
	}
	r = parsed("PC=1 X31=5 X100=6 X=7 X-1=8 X0a=9 SP=2 SP=3 PSTATE=5 PC=9 X00=1\n");
	assert_int_equal(r.x_seen, 0);
	assert_int_equal(r.pc, 1);
	assert_int_equal(r.sp, 2);
}

#define AT(pc, pstate) "PC=" pc "  SP=0000000000000000\nPSTATE=" pstate " ---- EL1h\n"

/* Facts of a vCPU that was seen at these two. */
static struct vh_facts *facts_of(struct vh_case **c, struct vh_model **m, struct case_thread thread,
	const char *first, const char *again)
{
	*c = case_new(1);
	case_main_thread(*c);
	case_thread(*c, thread);
	case_status(*c, "running", true);
	case_text(*c, VH_ASKED, "hmp.info-registers", "vcpu:0", first);
	case_text(*c, VH_ASKED_AGAIN, "hmp.info-registers", "vcpu:0", again);
	*m = vh_model_build(*c);
	return vh_facts_build(*m);
}

static void drop(struct vh_case *c, struct vh_model *m, struct vh_facts *facts)
{
	vh_facts_free(facts);
	vh_model_free(m);
	vh_case_free(c);
}

static void facts(void **state VH_UNUSED)
{
	struct vh_case *c;
	struct vh_model *m;
	struct vh_facts *f = facts_of(&c, &m, (struct case_thread){.state = 'R', .run = 0.99},
		AT("ffff800010121a3c", "604003c5"), AT("ffff800010121a40", "604003c5"));

	assert_false(m->vcpus[0]->regs[0].valid);
	assert_true(m->vcpus[0]->arm[1].valid);
	assert_int_equal(m->vcpus[0]->regs_status, VH_OK);
	assert_non_null(vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, 0));
	assert_non_null(vh_fact_of(f, VH_FACT_VCPU_IRQS_OFF, 0));
	assert_null(vh_fact(f, VH_FACT_VCPU_HLT));
	assert_null(vh_fact(f, VH_FACT_VCPU_NOT_HLT));
	assert_null(vh_fact(f, VH_FACT_VCPU_STAGE));
	for (size_t i = 0; i < f->n; i++)
		assert_null(strstr(f->list[i]->text, "RIP"));
	drop(c, m, f);
	f = facts_of(&c, &m, (struct case_thread){.state = 'R', .run = 0.99},
		AT("0000000000400a34", "80000000"), AT("0000ffff9a1c20b8", "20000000"));
	assert_non_null(vh_fact_of(f, VH_FACT_VCPU_USER_MODE, 0));
	assert_non_null(vh_fact_of(f, VH_FACT_VCPU_IRQS_ON, 0));
	assert_non_null(vh_fact_of(f, VH_FACT_VCPU_RIP_MOVES, 0));
	drop(c, m, f);
}

/* Linux waits in WFI with its interrupts masked: that is no death. */
static void idle_is_masked(void **state VH_UNUSED)
{
	struct vh_case *c;
	struct vh_model *m;
	struct vh_facts *f = facts_of(&c, &m, (struct case_thread){.wchan = "kvm_vcpu_block"},
		AT("ffff800010bc3d08", "604003c5"), AT("ffff800010bc3d08", "604003c5"));

	assert_non_null(vh_fact_of(f, VH_FACT_VCPU_RIP_FIXED, 0));
	assert_null(vh_fact(f, VH_FACT_VCPU_IRQS_OFF));
	drop(c, m, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layouts),
		cmocka_unit_test(hostile),
		cmocka_unit_test(facts),
		cmocka_unit_test(idle_is_masked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
