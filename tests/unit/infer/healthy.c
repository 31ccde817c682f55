/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counted exits of guests that are well, and look like those that are not; and traces that tell
 * less than they seem to. None of them may be called hung.
 */
#include "base/clock.h"
#include "tests/unit/infer/traced.h"

/* What healthy guests do all the time, and never sleep meanwhile. */
static void busy_guests_with_io_are_not_called_hung(void **state VH_UNUSED)
{
	static const char *const keys[] = {
		/* virtio doorbells by ioeventfd, and in the VMM */
		KEY_IN(0x400, "mmio", 0xfebf3000, 0x203, 100000),
		KEY_IN(0x400, "mmio", 0xfebf3000, 0x202, 100000) "," KEY("virq", 0x22, 0, 40000),
		/* the ACPI PM timer, the PIT and the HPET as clock source */
		KEY_IN(0x7b, "pio", 0x608, 0x400, 100000),
		KEY_IN(0x7b, "pio", 0x40, 0x100, 50000) "," KEY_IN(0x7b, "pio", 0x43, 0x101, 50000),
		KEY_IN(0x400, "mmio", 0xfed000f0, 0x401, 100000),
		KEY_IN(0x7c, "msr", 0x40000020, 0, 100000),
		/* the timer and IPIs of a busy kernel */
		KEY_IN(0x7c, "msr", 0x6e0, 1, 60000) "," KEY_IN(0x7c, "msr", 0x830, 1, 40000),
		KEY_IN(0x400, "mmio", 0xfee00300, 0x402, 100000),
		/* serial console: a line status for each byte */
		KEY_IN(0x7b, "pio", 0x3fd, 0x100, 50000) "," KEY_IN(
			0x7b, "pio", 0x3f8, 0x101, 50000),
		/* a debug console; IDE PIO; a kernel by fw_cfg */
		KEY_IN(0x7b, "pio", 0x402, 0x101, 100000),
		KEY_IN(0x7b, "pio", 0x1f0, 0x200, 99000) "," KEY_IN(0x7b, "pio", 0x1f7, 0x100, 900),
		KEY_IN(0x7b, "pio", 0x511, 0x100, 100000),
		/* another device, and three others */
		KEY_IN(0x7b, "pio", 0xc000, 0x100, 90000) "," KEY_IN(0x7b, "pio", 0xc004, 0x100,
			9000) "," KEY_IN(0x7b, "pio", 0xc008, 0x101, 900),
		/* one port, from everywhere */
		KEY_IN(0x7b, "pio", 0x505, 0x100, 40000) "," KEY_IN(0x7b, "rip", 0xffffffff81000000,
			0, 20000) "," KEY_IN(0x7b, "rip", 0xffffffff81100000, 0,
			10000) "," KEY_IN(0x7b, "rip", 0xffffffff81200000, 0, 10000),
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(keys); i++)
		for (enum host host = REAL; host <= EMULATES; host++) {
			struct judged j = judge(busy_with(4000, (struct tracing){.host = host},
				host == REAL ? ROW(0x7b, 100000) : NULL, keys[i]));

			if (j.v->hung == VH_HUNG_YES)
				fail_msg("row %zu: %s", i, j.v->headline);
			assert_null(vh_fact(j.facts, VH_FACT_VCPU_PORT_STORM));
			assert_null(vh_fact(j.facts, VH_FACT_VCPU_MSR_STORM));
			/* What device that is, the monitor did not tell. */
			assert_true(i == 1 || !vh_fact(j.facts, VH_FACT_VCPU_MMIO_STORM));
			drop(&j);
		}
}

/* A driver that looks at its device each millisecond, beside a program that computes. */
static void who_has_time_left_is_in_no_storm(void **state VH_UNUSED)
{
	struct vh_case *c = busy_for(1, 4000);
	struct traced v = {.guest = 0.995,
		.user = 0.005,
		.entries = 1500,
		.exits = ROW(0x7b, 1000) "," ROW(0x60, 500),
		.keys = KEY_IN(0x7b, "pio", 0xc044, 0x200, 1000) "," KEY_IN(
			0x7b, "rip", 0xffffffff81001234, 0, 1000) "," KEY("virq", 0xec, 0, 250)};

	put_trace(c, (struct tracing){.host = REAL}, &v, 1);
	struct judged j = judge(c);

	assert_null(vh_fact(j.facts, VH_FACT_VCPU_PORT_STORM));
	assert_int_equal(j.v->hung, VH_HUNG_UNKNOWN);
	drop(&j);
	/* Where the same takes all of its time, it is one. */
	c = busy_for(1, 4000);
	v.guest = 0.2;
	v.user = 0.8;
	put_trace(c, (struct tracing){.host = REAL}, &v, 1);
	j = judge(c);
	assert_non_null(vh_fact(j.facts, VH_FACT_VCPU_PORT_STORM));
	drop(&j);
}

/* 100,000 exits a second at one register, but it sleeps in between. */
static void who_sleeps_is_in_no_storm(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	struct traced v = {.guest = 0.4,
		.user = 0.2,
		.asleep = 0.4,
		.entries = 104000,
		.exits = ROW(0x400, 100000) "," ROW(0x78, 4000),
		.keys = KEY_IN(0x400, "mmio", 0xfe001008, 0x402, 100000) "," KEY(
			"wakeup", 0, 1, 4000) "," KEY("virq", 0x22, 0, 4000)};

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .run = 0.6,
			       .voluntary_per_s = 4000,
			       .wchan = "kvm_vcpu_block",
			       .syscall = CASE_KVM_RUN});
	c->passive = true;
	put_trace(c, (struct tracing){.host = REAL}, &v, 1);
	EXPECT(c, "guest-busy", RUNNING, NO, VH_LIKELY);
}

/* Work: RIPs all over, and interrupts that are taken. Known without a register. */
static void a_busy_guest_is_seen_to_work(void **state VH_UNUSED)
{
	vh_auto_free char *places = rips("rip", 0x60, 120, 3);
	vh_auto_free char *keys = vh_asprintf(
		"%s," KEY("virq", 0xec, 0, 250) "," KEY_IN(0x7c, "msr", 0x6e0, 1, 250), places);
	vh_auto_free char *emulated = rips("emulated", 0, 40, 1600);
	vh_auto_free char *with_eoi = vh_asprintf("%s," KEY("eoi", 32, 0, 100), emulated);

	EXPECT(busy_with(4000, (struct tracing){.host = REAL}, ROW(0x60, 360) "," ROW(0x7c, 250),
		       keys),
		"guest-busy", RUNNING, NO, VH_LIKELY);
	EXPECT(busy_with(4000,
		       (struct tracing){.host = EMULATES, .sampled = "kvm:kvm_emulate_insn"}, NULL,
		       with_eoi),
		"guest-busy", RUNNING, NO, VH_LIKELY);
	/* In many places, but nothing interrupts it. */
	EXPECT(busy_with(4000, (struct tracing){.host = EMULATES}, NULL, emulated), "unknown",
		RUNNING, UNKNOWN, 0);
}

/* A program on a CPU of its own polls its network card in memory: PAUSE, and not one exit. */
static void a_program_that_polls_is_not_called_hung(void **state VH_UNUSED)
{
	struct vh_case *c = busy_for(2, 4000);
	struct traced v[2] = {
		{.guest = 1, .entries = 160, .exits = SPIN_ROWS, .keys = RIP(0x55d012340010, 150)},
		{.guest = 0.1,
			.asleep = 0.9,
			.entries = 300,
			.exits = ROW(0x78, 200) "," ROW(0x60, 100),
			.keys = KEY("wakeup", 0, 1, 200) "," KEY("virq", 0xec, 0, 200)}};

	case_thread(c, (struct case_thread){.vcpu = 1,
			       .run = 0.1,
			       .voluntary_per_s = 200,
			       .wchan = "kvm_vcpu_block",
			       .syscall = CASE_KVM_RUN});
	put_trace(c, (struct tracing){.host = REAL}, v, 2);
	struct judged j = judge(c);

	assert_int_not_equal(j.v->hung, VH_HUNG_YES);
	drop(&j);
	/* A kernel that waits like that with no interrupt for a second is another thing. */
	c = busy_for(2, 4000);
	v[0].keys = RIP(0xffffffff81000010, 150);
	case_thread(c, (struct case_thread){.vcpu = 1,
			       .run = 0.1,
			       .voluntary_per_s = 200,
			       .wchan = "kvm_vcpu_block",
			       .syscall = CASE_KVM_RUN});
	put_trace(c, (struct tracing){.host = REAL}, v, 2);
	j = judge(c);
	assert_non_null(vh_fact(j.facts, VH_FACT_VCPU_NO_EXITS));
	bool named = false;

	for (size_t i = 0; i < j.v->n_causes; i++)
		named |= vh_streq(j.v->causes[i]->rule->id, "guest-spins") &&
			 j.v->causes[i]->confidence == VH_LIKELY;
	assert_true(named);
	drop(&j);
}

/* nosmp, maxcpus=1: the other vCPU was never started, and the first one computes for an hour. Where
 * nobody looked at it, nothing says that it spins. */
static void a_system_of_one_cpu_is_not_called_hung(void **state VH_UNUSED)
{
	struct vh_case *c = busy_for(2, 4000);

	case_halted_vcpu(c, 1, 0);
	for (size_t i = 0; i < VH_ARRAY_SIZE(case_looks); i++) {
		vh_auto_free char *subject = vh_asprintf("tid:%d", CASE_PID + 11);

		vh_evidence_set_data(vh_case_find(c, "task.schedstat", subject, case_looks[i]),
			"4600000 0 9\n", 12);
	}
	struct judged j = judge(c);

	assert_non_null(vh_fact(j.facts, VH_FACT_AP_NEVER_STARTED));
	assert_int_equal(j.v->hung, VH_HUNG_UNKNOWN);
	drop(&j);
}

/* Where kvm_exit never fires, no exit says nothing unless the instructions were seen. */
static void no_exits_means_nothing_where_none_is_seen(void **state VH_UNUSED)
{
	struct judged j = judge(busy_with(4000, (struct tracing){.host = EMULATES}, NULL, NULL));

	assert_null(vh_fact(j.facts, VH_FACT_VCPU_NO_EXITS));
	assert_int_equal(j.v->hung, VH_HUNG_UNKNOWN);
	drop(&j);
	/* Its I/O is not counted here. */
	j = judge(busy_with(4000,
		(struct tracing){.host = EMULATES, .uncounted = "kvm:kvm_userspace_exit"}, NULL,
		TWO_OF_A_SPIN));
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_NO_EXITS));
	drop(&j);
}
static struct vh_case *statistics(const char *grown)
{
	struct vh_case *c = busy_for(1, 4000);
	vh_auto_free char *text = vh_asprintf(
		"{\"backend\":\"statistics\",\"span_ns\":1000000000,\"threads\":[{\"vcpu\":0,"
		"\"tid\":4721,\"statistics\":{%s}}]}",
		grown);

	case_text(c, VH_LAST, "trace.exits", "", text);
	return c;
}

static void statistics_alone_tell_little(void **state VH_UNUSED)
{
	struct judged j = judge(
		statistics("\"exits\":156,\"irq_exits\":152,\"signal_exits\":2,\"io_exits\":0"));

	assert_non_null(vh_fact(j.facts, VH_FACT_VCPU_NO_EXITS));
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_NO_ENTRY));
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_TAKES_NO_IRQS));
	assert_int_equal(j.v->hung, VH_HUNG_UNKNOWN);
	drop(&j);
	/* Without an address I/O is I/O. */
	j = judge(statistics("\"exits\":90000,\"irq_exits\":150,\"io_exits\":89000"));
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_NO_EXITS));
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_PORT_STORM));
	assert_int_equal(j.v->hung, VH_HUNG_UNKNOWN);
	drop(&j);
}

/* A tenth of a second does not tell what never happens. */
static void a_short_trace_tells_nothing(void **state VH_UNUSED)
{
	struct vh_case *c = busy_for(1, 4000);

	case_text(c, VH_LAST, "trace.exits", "",
		"{\"backend\":\"bpf\",\"span_ns\":100000000,\"isa\":2,\"threads\":[{\"vcpu\":0,"
		"\"tid\":4721,\"entries\":15,\"exits\":[" ROW(0x60, 15) "],\"time_ns\":{\"guest\":{"
									"\"on\":100000000}}}]}");
	struct judged j = judge(c);

	for (size_t i = 0; i < j.facts->n; i++)
		assert_null(strstr(vh_fact_name(j.facts->list[i]->id), "-no-"));
	drop(&j);
}

/* No trace, one that is none, and one of a VM that ended: as without it. */
static void what_is_no_trace_changes_nothing(void **state VH_UNUSED)
{
	static const char *const texts[] = {"", "{", "[]", "{\"backend\":\"bpf\"}",
		"{\"backend\":\"x\",\"span_ns\":1000000000}",
		"{\"backend\":\"bpf\",\"span_ns\":1000000000}",
		"{\"backend\":\"bpf\",\"span_ns\":1000000000,\"threads\":[{\"vcpu\":77,\"entries\":"
		"1,"
		"\"exits\":[" SPIN_ROWS "]}]}"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(texts); i++) {
		struct vh_case *c = busy_for(1, 4000);

		case_text(c, VH_LAST, "trace.exits", "", texts[i]);
		EXPECT(c, "unknown", RUNNING, UNKNOWN, 0);
	}
}

/* As many vCPUs as KVM has, each in as many places and with as many keys as are read: a case that
 * somebody made up must not keep vmhang busy for minutes. */
static void a_trace_may_be_as_large_as_it_gets(void **state VH_UNUSED)
{
	enum { VCPUS = 256, KEYS = 800 };
	struct vh_case *c = case_new(VCPUS);
	struct traced *v = vh_alloc(VCPUS * sizeof(*v));
	struct vh_buf keys = {0};

	for (unsigned i = 0; i < KEYS; i++)
		vh_buf_printf(&keys,
			"%s{\"kind\":\"%s\",\"value\":\"%u\",\"detail\":\"%u\",\"count\":9}",
			i ? "," : "",
			i % 4 == 0   ? "pio"
			: i % 4 == 1 ? "ipi"
			: i % 4 == 2 ? "rip"
				     : "mmio",
			i % 4 == 1 ? 0xc4500 + (i & 1) * 0x100 : i * 64, i);
	case_main_thread(c);
	for (int i = 0; i < VCPUS; i++) {
		case_busy_vcpu(c, i);
		v[i] = (struct traced){
			.guest = 1, .entries = 1, .exits = SPIN_ROWS, .keys = vh_buf_str(&keys)};
	}
	put_trace(c, (struct tracing){.host = REAL}, v, VCPUS);
	int64_t began_ns = vh_now_ns();
	struct judged j = judge(c);

	assert_int_equal(vh_fact_count(j.facts, VH_FACT_VCPU_TIME), VCPUS);
	/* It takes a second at most, sanitized and beside others. */
	assert_true(vh_now_ns() - began_ns < 30 * VH_NS_PER_S);
	print_message("# %.2f s\n", (double)(vh_now_ns() - began_ns) / 1e9);
	drop(&j);
	vh_buf_free(&keys);
	free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(busy_guests_with_io_are_not_called_hung),
		cmocka_unit_test(who_has_time_left_is_in_no_storm),
		cmocka_unit_test(who_sleeps_is_in_no_storm),
		cmocka_unit_test(a_busy_guest_is_seen_to_work),
		cmocka_unit_test(a_program_that_polls_is_not_called_hung),
		cmocka_unit_test(a_system_of_one_cpu_is_not_called_hung),
		cmocka_unit_test(no_exits_means_nothing_where_none_is_seen),
		cmocka_unit_test(statistics_alone_tell_little),
		cmocka_unit_test(a_short_trace_tells_nothing),
		cmocka_unit_test(what_is_no_trace_changes_nothing),
		cmocka_unit_test(a_trace_may_be_as_large_as_it_gets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
