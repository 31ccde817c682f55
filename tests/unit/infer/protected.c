/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Encrypted guests: the case of cases/hung-after-start.md with all that it must give, its variants,
 * which must give something else, and the causes that end such guests. No hardware here has SEV or
 * TDX: the evidence is what public reports and the sources of QEMU and Linux say it is.
 */
#include <stdarg.h>

#include "infer/verdict.h"
#include "tests/unit/seedcase.h"
#include "tests/unit/test.h"

struct judged {
	struct vh_case *c;
	struct vh_model *model;
	struct vh_facts *facts;
	struct vh_verdict *v;
};

static struct judged judge(struct vh_case *c)
{
	struct judged j = {.c = c};

	j.model = vh_model_build(c);
	j.facts = vh_facts_build(j.model);
	j.v = vh_judge(j.facts);
	return j;
}

static void drop(struct judged *j)
{
	vh_verdict_free(j->v);
	vh_facts_free(j->facts);
	vh_model_free(j->model);
	vh_case_free(j->c);
}

static const struct vh_cause *cause_of(const struct vh_verdict *v, const char *id)
{
	for (size_t i = 0; i < v->n_causes; i++)
		if (vh_streq(v->causes[i]->rule->id, id))
			return v->causes[i];
	return NULL;
}

static const struct vh_cause *refuted(const struct vh_verdict *v, const char *id)
{
	for (size_t i = 0; i < v->n_ruled_out; i++)
		if (vh_streq(v->ruled_out[i]->rule->id, id))
			return v->ruled_out[i];
	return NULL;
}

static bool has_fact(const struct vh_fact *const *list, size_t n, enum vh_fact_id id)
{
	for (size_t i = 0; i < n; i++)
		if (list[i]->id == id)
			return true;
	return false;
}

static void tell(const struct judged *j)
{
	for (size_t i = 0; i < j->facts->n; i++)
		print_message("# fact %s: %s\n", vh_fact_name(j->facts->list[i]->id),
			j->facts->list[i]->text);
	for (size_t i = 0; i < j->v->n_causes; i++)
		print_message("# cause %s %s %.0f: %s\n", j->v->causes[i]->rule->id,
			vh_confidence_name(j->v->causes[i]->confidence), j->v->causes[i]->score,
			j->v->causes[i]->title);
	for (size_t i = 0; i < j->v->n_ruled_out; i++)
		print_message("# ruled out %s\n", j->v->ruled_out[i]->rule->id);
	print_message("# %s\n", j->v->headline);
}

#define EXPECT(j, id, hung_) expect((j), (id), VH_HUNG_##hung_, __LINE__)
static void expect(const struct judged *j, const char *id, enum vh_hung hung, int line)
{
	const char *got = j->v->cause ? j->v->cause->rule->id : "unknown";

	if (vh_streq(got, id) && j->v->hung == hung)
		return;
	tell(j);
	fail_msg("line %d: want %s, got %s", line, id, got);
}

/* --- The seed --------------------------------------------------------------------------------- */

static void facts_of_the_seed(const struct vh_facts *f)
{
	static const struct {
		enum vh_fact_id id;
		int vcpu;
		const char *text; /* is in it */
	} rows[] = {
		{VH_FACT_REGISTERS_HIDDEN, -1, "SEV-ES"},
		{VH_FACT_VCPU_BUSY, 0, "99.9 %"},
		{VH_FACT_VCPU_STAGE, 0, "UEFI firmware (DXE)"},
		{VH_FACT_VCPU_STAGE, 0, "CR0=80010033 CR4=668 EFER=d00"},
		{VH_FACT_VCPU_LAST_EVENT, 0, "IA32_APIC_BASE = fee00900"},
		{VH_FACT_VCPU_LAST_EVENT, 0, "base fee00000, on, boot CPU, xAPIC mode"},
		{VH_FACT_VCPU_LAST_EVENT, 0, "most likely a read"},
		{VH_FACT_VCPU_LAST_APIC_BASE, 0, "no port I/O, MMIO, CPUID or MSR access"},
		{VH_FACT_VCPU_RAN_LONG, 0, "6 h 44 min"},
		{VH_FACT_APS_HARDLY_RAN, -1, "the other 7 vCPUs used 50.0 ms to 60.0 ms"},
		{VH_FACT_APS_HARDLY_RAN, -1, "does not rule out"},
		{VH_FACT_NO_KERNEL_RAN, -1, "no operating system's kernel ever ran"},
		{VH_FACT_VCPU_NO_EXITS, 0, "of 156 exits"},
		{VH_FACT_VCPU_PAUSES, 0, "4 of 156 exits"},
		{VH_FACT_AP_NEVER_STARTED, 7, "unlikely that an operating system started it"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		const struct vh_fact *fact = vh_fact_of(f, rows[i].id, rows[i].vcpu);

		if (!fact || !strstr(fact->text, rows[i].text))
			fail_msg("fact %s: \"%s\" is not in \"%s\"", vh_fact_name(rows[i].id),
				rows[i].text, fact ? fact->text : "(no such fact)");
		assert_true(fact->n_evidence);
	}
	/* What a plain dump would say of these registers: RIP 0, interrupts off. */
	assert_null(vh_fact(f, VH_FACT_VCPU_IRQS_OFF));
	assert_null(vh_fact(f, VH_FACT_VCPU_RIP_FIXED));
	assert_null(vh_fact(f, VH_FACT_VCPU_NO_IDT));
}

static void the_seed(void **state VH_UNUSED)
{
	struct judged j = judge(seed((struct seed){0}));
	const struct vh_cause *h1, *h2, *h3;

	EXPECT(&j, "firmware-spins", YES);
	assert_int_equal(j.v->state, VH_STATE_SPINNING);
	assert_int_equal(j.v->cause->confidence, VH_LIKELY);
	assert_non_null(strstr(j.v->headline, "UEFI firmware"));
	assert_non_null(strstr(j.v->headline, "practically since it was started"));
	facts_of_the_seed(j.facts);
	h1 = cause_of(j.v, "firmware-exception-deadlock");
	h2 = cause_of(j.v, "firmware-dead-loop");
	h3 = cause_of(j.v, "firmware-waits-for-aps");
	if (!h1 || !h2 || !h3)
		tell(&j);
	assert_true(h1 && h2 && h3);
	/* Ranked as the evidence does, and none of them sure. */
	assert_true(h1->score > h2->score && h2->score > h3->score);
	assert_int_equal(h1->confidence, VH_POSSIBLE);
	assert_int_equal(h2->confidence, VH_POSSIBLE);
	assert_int_equal(h3->confidence, VH_POSSIBLE);
	assert_true(h1->n_limits && h2->n_limits && h3->n_limits);
	assert_true(has_fact(h1->for_, h1->n_for, VH_FACT_VCPU_LAST_APIC_BASE));
	assert_true(has_fact(h3->against, h3->n_against, VH_FACT_VCPU_LAST_APIC_BASE));
	assert_non_null(strstr(h3->limits[0], "thin"));
	/* H4, H5, H6 */
	assert_true(refuted(j.v, "firmware-polls-device")->against[0]->id == VH_FACT_VCPU_NO_EXITS);
	assert_non_null(refuted(j.v, "boot-loader-computes"));
	assert_true(refuted(j.v, "guest-kernel-spins")->against[0]->id == VH_FACT_NO_KERNEL_RAN);
	/* Nor is it said that the other CPUs were never started. */
	assert_null(cause_of(j.v, "boot-cpu-spins-aps-never-started"));
	assert_true(j.v->n_next >= 6);
	drop(&j);
}

static void two_looks_make_it_certain(void **state VH_UNUSED)
{
	struct judged j = judge(seed((struct seed){.two_looks = true}));

	EXPECT(&j, "firmware-spins", YES);
	assert_int_equal(j.v->cause->confidence, VH_CERTAIN);
	drop(&j);
}

static void variants_of_the_seed(void **state VH_UNUSED)
{
	struct judged j;

	/* Without the registers nobody knows that it is firmware. */
	j = judge(seed((struct seed){.no_dump = true}));
	EXPECT(&j, "boot-cpu-spins-aps-never-started", YES);
	assert_null(strstr(j.v->headline, "never started"));
	assert_null(cause_of(j.v, "firmware-exception-deadlock"));
	drop(&j);
	/* A kernel runs, and has not come as far as to start the other CPUs. */
	j = judge(seed((struct seed){.regs = seed_bare(0x80050033, 0x3506f0, 0xd01)}));
	EXPECT(&j, "guest-kernel-spins", YES);
	assert_null(cause_of(j.v, "firmware-spins"));
	assert_null(vh_fact(j.facts, VH_FACT_NO_KERNEL_RAN));
	drop(&j);
	/* All vCPUs run. */
	j = judge(seed((struct seed){.all_busy = true}));
	EXPECT(&j, "unknown", UNKNOWN);
	drop(&j);
	/* It halts. */
	j = judge(seed((struct seed){.exits = HLT_ROWS}));
	assert_non_null(refuted(j.v, "firmware-spins"));
	assert_int_not_equal(j.v->hung, VH_HUNG_YES);
	drop(&j);
	/* Its kernel says that it panicked. */
	j = judge(seed((struct seed){
		.serial = "[    0.000000] Linux version 6.1.0\n[    1.2] Kernel panic - not "
			  "syncing: VFS: Unable to mount root fs\n"}));
	EXPECT(&j, "guest-panic-no-root", YES);
	assert_non_null(refuted(j.v, "firmware-spins"));
	drop(&j);
}

static void variants_that_deny_sev(void **state VH_UNUSED)
{
	struct judged j =
		judge(seed((struct seed){.query_sev = "{\"enabled\": false, \"policy\": 5, "
						      "\"state\": \"uninit\"}"}));

	/* Then these are no registers at all. */
	assert_null(cause_of(j.v, "firmware-spins"));
	assert_int_equal(j.model->confidential, VH_CONF_NONE);
	assert_int_equal(j.model->vcpus[0]->regime, VH_REGIME_HIDDEN);
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_LAST_EVENT));
	drop(&j);
	/* Exits in VMX words: on such a host there is no SEV guest. */
	j = judge(seed((struct seed){.isa = "1", .exits = VMX_ROWS}));
	assert_int_equal(j.model->confidential, VH_CONF_OTHER);
	assert_null(cause_of(j.v, "firmware-spins"));
	assert_null(cause_of(j.v, "firmware-exception-deadlock"));
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_LAST_EVENT));
	drop(&j);
}

/* EIP=fff0, CR0=60000010 on all CPUs is QEMU's memory of the reset, not "none ever ran". */
static void the_state_of_the_reset_is_not_the_guests(void **state VH_UNUSED)
{
	struct judged j = judge(seed((struct seed){.reset_dump = true}));

	assert_int_equal(j.model->vcpus[0]->regime, VH_REGIME_CACHE);
	assert_non_null(vh_fact(j.facts, VH_FACT_REGISTERS_OF_RESET));
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_STAGE));
	assert_null(cause_of(j.v, "firmware-spins"));
	for (size_t i = 0; i < j.facts->n; i++)
		assert_null(strstr(j.facts->list[i]->text, "as reset left it"));
	drop(&j);
	/* The same dump of a vCPU that does not run is what it says. */
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, 0);
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_reset());
	j = judge(c);
	assert_int_equal(j.model->vcpus[0]->regime, VH_REGIME_PLAIN);
	drop(&j);
}

/* --- What tells H1, H2 and H3 apart ----------------------------------------------------------- */

static void a_debug_console_decides(void **state VH_UNUSED)
{
	struct judged j = judge(seed((struct seed){
		.serial = "Loading driver\nMMIO using encrypted memory: FEE00020\n"}));

	EXPECT(&j, "firmware-exception-deadlock", YES);
	drop(&j);
	j = judge(seed((struct seed){
		.serial = "ASSERT [CpuDxe] /edk2/UefiCpuPkg/CpuDxe/CpuMp.c(12): x\n"}));
	EXPECT(&j, "firmware-dead-loop", YES);
	assert_non_null(strstr(j.v->headline, "assertion"));
	drop(&j);
}

/* The last event was CPUID 0, and the others are as reset left them: firmware that waits. */
static void cpuid_as_last_event_speaks_for_the_wait(void **state VH_UNUSED)
{
	struct vh_registers r = seed_bare(0x80010033, 0x668, 0xd00);
	struct vh_registers untouched = seed_bare(0x60000010, 0, 0);

	r.rax = 0x10;
	r.rbx = 0x68747541;
	r.rcx = 0x444d4163;
	r.rdx = 0x69746e65;
	untouched.rip = 0xfff0;
	untouched.rdx = 0xa00f11;
	struct vh_case *c = seed((struct seed){.regs = r});

	for (int i = 1; i < 8; i++)
		case_registers_in(c, VH_ASKED, i, untouched);
	struct judged j = judge(c);
	const struct vh_cause *h1 = cause_of(j.v, "firmware-exception-deadlock");
	const struct vh_cause *h3 = cause_of(j.v, "firmware-waits-for-aps");

	EXPECT(&j, "firmware-spins", YES);
	assert_non_null(h3);
	assert_true(!h1 || h3->score > h1->score);
	assert_true(has_fact(h3->for_, h3->n_for, VH_FACT_VCPU_LAST_EVENT));
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_LAST_APIC_BASE));
	drop(&j);
}

/* What KVM keeps, as vmhang reads it where QEMU has no registers: vCPU 0 as in the seed, the others
 * in that mp_state. */
static void put_kvm_state(struct vh_case *c, unsigned vcpus, int others)
{
	vh_auto_buf struct vh_buf text = {0};

	vh_buf_puts(&text, "{\"vcpus\": [");
	for (unsigned i = 0; i < vcpus; i++) {
		vh_buf_printf(&text,
			"%s{\"vcpu\": %u, \"id\": %u, \"mp_state\": %d, \"protected\": true, "
			"\"cr0\": \"%s\", \"cr4\": \"%s\", \"efer\": \"%s\", "
			"\"ghcb_gpa\": \"0x%x000\", \"regs\": [",
			i ? ", " : "", i, i, i ? others : 0, i ? "0x60000010" : "0x80010033",
			i ? "0x0" : "0x668", i ? "0x0" : "0xd00", 0x7ff0 + i);
		for (int k = 0; k < 17; k++)
			vh_buf_printf(&text, "%s\"%s\"", k ? ", " : "",
				i        ? "0x0"
				: k == 0 ? "0xfee00900"
				: k == 1 ? "0x1b"
					 : "0x0");
		vh_buf_puts(&text, "]}");
	}
	vh_buf_puts(&text, "]}");
	case_text(c, VH_ONCE, "trace.vcpu", "", vh_buf_str(&text));
}

static void put_ghcb(struct vh_case *c, const char *code, const char *rcx)
{
	char page[2 * VH_GHCB_PAGE_BYTES + 1];

	memset(page, '0', sizeof(page) - 1);
	page[sizeof(page) - 1] = 0;
	page[2 * 0xffa + 1] = '1'; /* version 1 */
	memcpy(page + 2 * 0x390, code, 2);
	memcpy(page + 2 * 0x308, rcx, 2);
	case_text(c, VH_ASKED, "guest.ghcb", "vcpu:0", page);
}

/* Where QEMU has no registers (9.1 and later), KVM's own state tells the same. */
static void the_seed_by_what_kvm_keeps(void **state VH_UNUSED)
{
	struct vh_case *c = seed((struct seed){.reset_dump = true});

	c->vm->confidential = VH_CONF_SEV_ES;
	put_kvm_state(c, 8, 9);
	struct judged j = judge(c);

	EXPECT(&j, "firmware-spins", YES);
	assert_true(j.model->vcpus[0]->regs_by_kvm);
	assert_int_equal(j.model->vcpus[0]->regime, VH_REGIME_GHCB);
	assert_non_null(vh_fact_of(j.facts, VH_FACT_VCPU_LAST_APIC_BASE, 0));
	assert_non_null(vh_fact_of(j.facts, VH_FACT_VCPU_RESET_HOLD, 7));
	assert_null(vh_fact(j.facts, VH_FACT_REGISTERS_OF_RESET));
	const struct vh_cause *h3 = cause_of(j.v, "firmware-waits-for-aps");

	/* Its other CPUs were there: that it waits for them is out of the question, nearly. */
	assert_true(!h3 || has_fact(h3->against, h3->n_against, VH_FACT_VCPU_RESET_HOLD));
	const struct vh_fact *f = vh_fact_of(j.facts, VH_FACT_VCPU_STAGE, 0);

	assert_string_equal(j.c->evidence[f->evidence[0]]->source, "trace.vcpu");
	drop(&j);
	/* Nonsense in it changes nothing. */
	static const char beyond[] =
		"{\"vcpus\": [{\"vcpu\": 99999, \"mp_state\": 0, \"cr0\": \"0x1\", "
		"\"cr4\": \"0x0\", \"efer\": \"0x0\", \"regs\": []}]}";
	const char *const wrong[] = {"{}", "[]", "{\"vcpus\": 5}", "{\"vcpus\": [{}]}", beyond,
		"{\"vcpus\": [{\"vcpu\": 0, \"mp_state\": -5, \"cr0\": \"x\"}]}"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(wrong); i++) {
		c = seed((struct seed){0});
		case_text(c, VH_ONCE, "trace.vcpu", "", wrong[i]);
		j = judge(c);
		EXPECT(&j, "firmware-spins", YES);
		assert_false(j.model->vcpus[0]->kvm_state.seen);
		drop(&j);
	}
}

static void the_ghcb_page_decides(void **state VH_UNUSED)
{
	struct vh_case *c = seed((struct seed){0});

	put_ghcb(c, "00", "00");
	struct judged j = judge(c);

	EXPECT(&j, "firmware-exception-deadlock", YES);
	assert_int_equal(j.v->cause->confidence, VH_LIKELY);
	drop(&j);
	c = seed((struct seed){0});
	put_ghcb(c, "7c", "1b");
	j = judge(c);
	EXPECT(&j, "firmware-dead-loop", YES);
	assert_non_null(strstr(vh_fact(j.facts, VH_FACT_VCPU_GHCB_LAST)->text, "IA32_APIC_BASE"));
	drop(&j);
	/* A page that is none. */
	c = seed((struct seed){0});
	case_text(c, VH_ASKED, "guest.ghcb", "vcpu:0", "00zz");
	j = judge(c);
	EXPECT(&j, "firmware-spins", YES);
	assert_false(j.model->vcpus[0]->has_ghcb_page);
	drop(&j);
}

/* KVM's word that no start reached the others: then it is not thin. */
static void cpus_that_no_start_reached(void **state VH_UNUSED)
{
	struct vh_case *c = seed((struct seed){.no_dump = true});

	c->vm->confidential = VH_CONF_TDX; /* of which KVM keeps no registers */
	put_kvm_state(c, 8, 1);
	struct judged j = judge(c);

	EXPECT(&j, "boot-cpu-spins-aps-never-started", YES);
	assert_non_null(strstr(j.v->headline, "were never started"));
	assert_int_equal(j.model->vcpus[0]->regime, VH_REGIME_HIDDEN);
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_STAGE));
	drop(&j);
}

/* A guest that boots asks its host for things all the time. */
static void firmware_at_work_is_not_called_hung(void **state VH_UNUSED)
{
	struct vh_case *c = seed((struct seed){
		.exits = SEED_ROWS ",{\"reason\": \"0x403\", \"count\": 5000, \"timed\": 5000, "
				   "\"total_ns\": 900000}"});

	seed_total(c, 0, 20, 0.999);
	struct judged j = judge(c);

	EXPECT(&j, "unknown", UNKNOWN);
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_NO_EXITS));
	drop(&j);
}

/* --- Ended, or not begun ---------------------------------------------------------------------- */

static struct vh_case *ended(const char *status, bool running)
{
	struct vh_case *c = case_new(1);

	c->vm->confidential = VH_CONF_SEV_ES;
	case_main_thread(c);
	case_thread(c, (struct case_thread){
			       .vcpu = 0, .wchan = "futex_wait_queue", .syscall = CASE_FUTEX});
	case_status(c, status, running);
	return c;
}

static void terminated(void **state VH_UNUSED)
{
	struct vh_case *c = ended("internal-error", false);

	case_text(c, VH_FIRST, "log.qemu", "/var/log/vm.log", "KVM: unknown exit reason 24\n");
	case_text(c, VH_ONCE, "host.kmsg", "",
		"[99.5] kvm_amd: SEV-ES guest requested termination: 0x1:0x2\n");
	struct judged j = judge(c);

	EXPECT(&j, "encrypted-guest-terminated", YES);
	assert_int_equal(j.v->cause->confidence, VH_CERTAIN);
	assert_non_null(strstr(j.v->headline, "PVALIDATE"));
	assert_non_null(strstr(j.v->headline, "reset vector"));
	drop(&j);
	/* It runs: that line was of another guest. */
	c = ended("running", true);
	case_text(c, VH_ONCE, "host.kmsg", "",
		"[99.5] kvm_amd: SEV-ES guest requested termination: 0x1:0x2\n");
	j = judge(c);
	assert_null(cause_of(j.v, "encrypted-guest-terminated"));
	drop(&j);
	/* An ordinary guest's internal error, beside the line of another guest. */
	c = ended("internal-error", false);
	c->vm->confidential = VH_CONF_NONE;
	case_text(c, VH_FIRST, "log.qemu", "/var/log/vm.log", "KVM internal error. Suberror: 1\n");
	j = judge(c);
	EXPECT(&j, "vmm-emulation-failed", YES);
	drop(&j);
}

static void launch_that_waits(void **state VH_UNUSED)
{
	struct vh_case *c = ended("prelaunch", false);

	case_text(c, VH_ASKED, "qmp.query-sev", "",
		"{\"enabled\": true, \"api-major\": 1, \"api-minor\": 51, \"build-id\": 3, "
		"\"policy\": 5, \"state\": \"launch-secret\", \"handle\": 1}");
	struct judged j = judge(c);

	EXPECT(&j, "encrypted-launch-waits", YES);
	assert_int_equal(j.v->cause->confidence, VH_CERTAIN);
	drop(&j);
	c = ended("prelaunch", false);
	case_text(c, VH_ASKED, "qmp.query-sev", "",
		"{\"enabled\": true, \"policy\": 5, \"state\": \"running\"}");
	j = judge(c);
	EXPECT(&j, "never-started", YES);
	drop(&j);
}

static void fatal_error_of_tdx(void **state VH_UNUSED)
{
	struct vh_case *c = ended("guest-panicked", false);

	c->vm->confidential = VH_CONF_TDX;
	case_text(c, VH_ASKED, "qmp.event", "GUEST_PANICKED",
		"{\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": \"pause\", \"info\": "
		"{\"type\": \"tdx\", \"error-code\": 0, \"message\": "
		"\"TD misconfiguration: \\u001b[31mSEPT #VE\"}}}");
	struct judged j = judge(c);

	EXPECT(&j, "tdx-fatal-error", YES);
	assert_non_null(strstr(j.v->headline, "TD misconfiguration: \\x1b[31mSEPT #VE"));
	drop(&j);
	c = ended("guest-panicked", false);
	case_text(c, VH_ASKED, "qmp.event", "GUEST_PANICKED",
		"{\"event\": \"GUEST_PANICKED\", \"data\": {\"action\": \"pause\"}}");
	j = judge(c);
	EXPECT(&j, "guest-panicked", YES);
	drop(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_seed),
		cmocka_unit_test(two_looks_make_it_certain),
		cmocka_unit_test(variants_of_the_seed),
		cmocka_unit_test(variants_that_deny_sev),
		cmocka_unit_test(the_state_of_the_reset_is_not_the_guests),
		cmocka_unit_test(a_debug_console_decides),
		cmocka_unit_test(cpuid_as_last_event_speaks_for_the_wait),
		cmocka_unit_test(the_seed_by_what_kvm_keeps),
		cmocka_unit_test(the_ghcb_page_decides),
		cmocka_unit_test(cpus_that_no_start_reached),
		cmocka_unit_test(firmware_at_work_is_not_called_hung),
		cmocka_unit_test(terminated),
		cmocka_unit_test(launch_that_waits),
		cmocka_unit_test(fatal_error_of_tdx),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
