/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verdicts from counted exits: each cause that they show, and the nearest other state. Counts as
 * measured in lab/ and by perf kvm stat in cases/hung-after-start.md. Healthy guests are in
 * healthy.c.
 */
#include "tests/unit/infer/traced.h"

/* One of SEV-ES, 8 vCPUs: 152 interrupts and 4 PAUSE, no other vCPU ever entered the guest. */
static struct vh_case *hung_after_start(double ran_s, const char *more, const char *exits)
{
	struct vh_case *c = busy_for(8, ran_s);
	struct traced v[8] = {{.guest = 1, .entries = 156, .exits = exits}};

	c->vm->confidential = VH_CONF_SEV_ES;
	for (int i = 1; i < 8; i++) {
		vh_auto_free char *subject = vh_asprintf("tid:%d", CASE_PID + 10 + i);

		case_halted_vcpu(c, i, 0);
		for (size_t k = 0; k < VH_ARRAY_SIZE(case_looks); k++)
			vh_evidence_set_data(
				vh_case_find(c, "task.schedstat", subject, case_looks[k]),
				"50000000 0 42\n", 14);
		v[i] = (struct traced){.asleep = 1};
	}
	put_trace(c, (struct tracing){.host = REAL, .more = more}, v, 8);
	return c;
}

static void hung_after_start_is_known_without_the_monitor(void **state VH_UNUSED)
{
	EXPECT(hung_after_start(404, NULL, SPIN_ROWS), "boot-cpu-spins-aps-never-started", SPINNING,
		YES, VH_CERTAIN);
	/* Too young to be sure, but firmware at work does I/O. */
	EXPECT(hung_after_start(5, NULL, SPIN_ROWS), "boot-cpu-spins-aps-never-started", SPINNING,
		YES, VH_LIKELY);
	/* A lost event may have been anything. */
	EXPECT(hung_after_start(404, "\"lost\":3,", SPIN_ROWS), "boot-cpu-spins-aps-never-started",
		SPINNING, YES, VH_LIKELY);
	/* No PAUSE: it may be at work on its memory. */
	EXPECT(hung_after_start(5, NULL, ROW(0x60, 156)), "unknown", RUNNING, UNKNOWN, 0);
	struct judged j = judge(hung_after_start(404, NULL, SPIN_ROWS));

	assert_int_equal(vh_fact_count(j.facts, VH_FACT_VCPU_NO_ENTRY), 7);
	assert_int_equal(vh_fact_count(j.facts, VH_FACT_VCPU_PAUSES), 1);
	const struct vh_fact *alone = vh_fact(j.facts, VH_FACT_VCPU_NO_EXITS);

	assert_non_null(alone);
	assert_int_equal(alone->value, 156);
	assert_int_equal(alone->n_evidence, 1);
	assert_string_equal(j.c->evidence[alone->evidence[0]]->source, "trace.exits");
	drop(&j);
}

/* The same, but its other CPUs were started in the window. */
static void cpus_that_enter_the_guest_were_started(void **state VH_UNUSED)
{
	struct vh_case *c = busy_for(2, 404);
	struct traced v[2] = {{.guest = 1, .entries = 156, .exits = SPIN_ROWS},
		{.guest = 0.01, .asleep = 0.99, .entries = 10, .exits = ROW(0x78, 10)}};

	c->vm->confidential = VH_CONF_SEV_ES;
	case_halted_vcpu(c, 1, 0);
	put_trace(c, (struct tracing){.host = REAL}, v, 2);
	struct judged j = judge(c);

	assert_null(vh_fact(j.facts, VH_FACT_AP_NEVER_STARTED));
	assert_non_null(vh_fact(j.facts, VH_FACT_AP_STARTED));
	assert_true(!j.v->cause ||
		    strcmp(j.v->cause->rule->id, "boot-cpu-spins-aps-never-started") != 0);
	drop(&j);
}

/* As bpf counted port-storm of the lab: each access leaves to the VMM. */
#define PORT_KEYS KEY("pio", 0x1f0f, 0x101, 107000) "," KEY("userspace", 2, 0, 107000)
#define TWO_RIPS  KEY("emulated", 0xf0004, 0, 2248) "," KEY("emulated", 0xf0005, 0, 2248)

static void port_storm(void **state VH_UNUSED)
{
	struct tracing emulates = {.host = EMULATES, .sampled = "kvm:kvm_emulate_insn"};

	EXPECT(busy_with(5, emulates, NULL, PORT_KEYS "," TWO_RIPS), "guest-port-storm", SPINNING,
		YES, VH_LIKELY);
	/* In a longer loop it may be firmware that goes on in a moment. */
	EXPECT(busy_with(5, emulates, NULL,
		       KEY("pio", 0x505, 0x100, 80000) "," TWO_RIPS
						       "," KEY("emulated", 0xf0009, 0, 2000)),
		"unknown", RUNNING, UNKNOWN, 0);
	EXPECT(busy_with(300, emulates, NULL, KEY("pio", 0x505, 0x100, 80000)), "guest-port-storm",
		SPINNING, YES, VH_LIKELY);
	/* With exits, from one instruction; ticks are served meanwhile. */
	EXPECT(busy_with(300, (struct tracing){.host = REAL}, ROW(0x7b, 90000) "," ROW(0x60, 250),
		       KEY_IN(0x7b, "pio", 0x505, 0x100, 90000) "," KEY_IN(0x7b, "rip",
			       0xffffffff81001234, 0, 90000) "," KEY("virq", 0xec, 0, 250)),
		"guest-port-storm", SPINNING, YES, VH_LIKELY);
	struct judged j = judge(busy_with(300, emulates, NULL, PORT_KEYS));
	const struct vh_fact *storm = vh_fact(j.facts, VH_FACT_VCPU_PORT_STORM);

	assert_non_null(storm);
	assert_int_equal(storm->value, 107000);
	assert_non_null(strstr(storm->text, "0x1f0f"));
	assert_non_null(vh_fact(j.facts, VH_FACT_VCPU_STORM_WRITES));
	assert_non_null(vh_fact(j.facts, VH_FACT_VCPU_LEAVES_TO_VMM));
	drop(&j);
}

/* With registers and code: a loop without an exit, as in the lab. */
static void a_storm_in_a_closed_loop_is_certain(void **state VH_UNUSED)
{
	static const struct {
		const char *keys, *code, *cause;
	} rows[] = {
		{PORT_KEYS, "eeebfd", "guest-port-storm"},
		{KEY("mmio", 0xa0000, 0x100, 92000) "," KEY("mmio", 0xa0000, 0x101, 92000),
			"a00000ebfb", "guest-mmio-storm"},
		{KEY("msr", 0x1b, 0, 900000), "0f32ebfc", "guest-msr-storm"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c =
			busy_with(5, (struct tracing){.host = EMULATES}, NULL, rows[i].keys);
		struct vh_registers r = case_regs_real(0xf000, 0x100, false, false);

		c->passive = false;
		case_status(c, "running", true);
		case_registers(c, 0, r);
		look_again(c, 0, r, 0);
		put_code(c, 0, vh_registers_linear_rip(&r), "9090", rows[i].code);
		EXPECT(c, rows[i].cause, SPINNING, YES, VH_CERTAIN);
	}
}

static void mmio_and_msr_storms(void **state VH_UNUSED)
{
	struct tracing real = {.host = REAL};

	EXPECT(busy_with(100, real, ROW(0x400, 40000) "," ROW(0x60, 200),
		       KEY_IN(0x400, "mmio", 0xfe001008, 0x400, 40000) "," KEY_IN(
			       0x400, "mmio", 0xfe001008, 0x401, 40000) "," KEY_IN(0x400, "fault",
			       0xfe001000, 13, 40000) "," RIP(0xffffffff81000100, 200)),
		"guest-mmio-storm", SPINNING, YES, VH_LIKELY);
	EXPECT(busy_with(100, real, ROW(0x7c, 300000) "," ROW(0x60, 200),
		       KEY_IN(0x7c, "msr", 0x400000f0, 0, 300000)),
		"guest-msr-storm", SPINNING, YES, VH_LIKELY);
	/* Counted for 20 ms only. */
	EXPECT(busy_with(100, (struct tracing){.host = EMULATES, .sampled = "kvm:kvm_msr"}, NULL,
		       KEY("msr", 0x400000f0, 0, 6000)),
		"guest-msr-storm", SPINNING, YES, VH_LIKELY);
	/* Lost events may be of anything: no more than likely with a proof either. */
	EXPECT(busy_with(100, (struct tracing){.host = REAL, .more = "\"lost\":9,"},
		       ROW(0x7c, 300000), KEY_IN(0x7c, "msr", 0x400000f0, 0, 300000)),
		"guest-msr-storm", SPINNING, YES, VH_LIKELY);
}

/* As counted of firmware-slow-disk: 18529 polls of the status, 11 accesses of a command. */
static void a_disk_that_does_not_answer(void **state VH_UNUSED)
{
	struct tracing t = {.host = EMULATES, .vm_keys = KEY("gsi", 15, 0, 37059)};

	EXPECT(busy_with(8, t, NULL,
		       KEY("pio", 0x177, 0x100, 18529) "," KEY("pio", 0x376, 0x101, 2) "," KEY(
			       "pio", 0x172, 0x101, 7) "," KEY("pio", 0x177, 0x101,
			       1) "," KEY("pio", 0x20, 0x101, 2) "," KEY("eoi", 0, 0, 2)),
		"guest-waits-for-device", BLOCKED, YES, VH_LIKELY);
	EXPECT(busy_with(8, t, NULL, KEY("pio", 0x1f7, 0x100, 18529)), "guest-waits-for-device",
		BLOCKED, YES, VH_LIKELY);
	/* A hundred requests a second: a disk as it was ten years ago. */
	EXPECT(busy_with(8, t, NULL,
		       KEY("pio", 0x177, 0x100, 18529) "," KEY("pio", 0x172, 0x101, 1100)),
		"unknown", RUNNING, UNKNOWN, 0);
}

/* As counted of monitor-held-spin: pause and jmp, 38,000 times each in 20 ms, and nothing else. */

static void spin_without_registers(void **state VH_UNUSED)
{
	struct tracing t = {.host = EMULATES, .sampled = "kvm:kvm_emulate_insn"};

	EXPECT(busy_with(4, t, NULL, TWO_OF_A_SPIN), "guest-spins", SPINNING, YES, VH_LIKELY);
	/* A string instruction at work is one alone; a loop of three may be a checksum. */
	EXPECT(busy_with(4, t, NULL, KEY("emulated", 0xf0001, 0, 70000)), "unknown", RUNNING,
		UNKNOWN, 0);
	EXPECT(busy_with(4, t, NULL, TWO_OF_A_SPIN "," KEY("emulated", 0xf0005, 0, 37979)),
		"unknown", RUNNING, UNKNOWN, 0);
	/* Its timer ticks. */
	EXPECT(busy_with(4, t, NULL, TWO_OF_A_SPIN "," KEY("eoi", 0, 0, 19)), "unknown", RUNNING,
		UNKNOWN, 0);
	/* With real exits: PAUSE, and RIPs at the host's ticks. */
	EXPECT(busy_with(4, (struct tracing){.host = REAL}, SPIN_ROWS,
		       RIP(0xffffffff81000100, 100) "," RIP(0xffffffff81000102, 52)),
		"guest-spins", SPINNING, YES, VH_LIKELY);
	/* Without PAUSE it may be a memory test. */
	EXPECT(busy_with(4, (struct tracing){.host = REAL}, ROW(0x60, 152),
		       RIP(0x7c10, 100) "," RIP(0x7c12, 52)),
		"unknown", RUNNING, UNKNOWN, 0);
}

/* As counted of exception-loop: a division and the IRET that returns to it. */
static void exception_loop(void **state VH_UNUSED)
{
	struct tracing t = {.host = EMULATES, .sampled = "kvm:kvm_emulate_insn"};

	EXPECT(busy_with(4, t, NULL,
		       KEY("exception", 0, 0, 293848) "," KEY("emulated", 0xf0018, 0, 5771) "," KEY(
			       "emulated", 0xf001a, 0, 5770)),
		"guest-exception-loop", SPINNING, YES, VH_CERTAIN);
	EXPECT(busy_with(4, (struct tracing){.host = REAL}, ROW(0x46, 90000) "," ROW(0x60, 100),
		       KEY_IN(0x46, "exception", 6, 0, 90000) "," RIP(0xffffffff81000010, 100)),
		"guest-exception-loop", SPINNING, YES, VH_LIKELY);
	/* A kernel without nested paging gets its page faults from KVM, from everywhere. */
	vh_auto_free char *places = rips("rip", 0x60, 120, 3);
	vh_auto_free char *keys = vh_asprintf("%s," KEY_IN(0x4e, "exception", 14, 0x100000002,
						      90000) "," KEY("virq", 0xec, 0, 250),
		places);

	EXPECT(busy_with(4000, (struct tracing){.host = REAL}, ROW(0x4e, 90000) "," ROW(0x60, 360),
		       keys),
		"guest-busy", RUNNING, NO, VH_LIKELY);
}

static void fault_loop(void **state VH_UNUSED)
{
	struct tracing real = {.host = REAL};

	EXPECT(busy_with(4, real, ROW(0x400, 250000),
		       KEY_IN(0x400, "fault", 0x12345000, 7, 250000) "," KEY_IN(
			       0x400, "fault-rip", 0xffffffff81000010, 0x12345000, 250000)),
		"guest-fault-loop", SPINNING, YES, VH_LIKELY);
	/* Memory that is touched for the first time: each page once. */
	vh_auto_free char *pages = rips("fault-rip", 0x400, 2000, 5);
	struct judged j = judge(busy_with(4, real, ROW(0x400, 10000), pages));

	assert_null(vh_fact(j.facts, VH_FACT_VCPU_FAULT_LOOP));
	assert_int_not_equal(j.v->hung, VH_HUNG_YES);
	drop(&j);
	/* On SVM each access to a device's page is a fault first. */
	j = judge(busy_with(4, real, ROW(0x400, 50000),
		KEY_IN(0x400, "fault-rip", 0xffffffff81000010, 0xfe001000, 50000) "," KEY_IN(
			0x400, "mmio", 0xfe001008, 0x401, 50000)));
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_FAULT_LOOP));
	assert_non_null(vh_fact(j.facts, VH_FACT_VCPU_MMIO_STORM));
	drop(&j);
}

/* Fixed vector 0xfb to APIC 5; INIT (0x4500) and SIPI (0x4608) to all but itself (bits 18-19). */
static struct vh_case *calls_another(const char *keys, const char *of_the_other)
{
	struct vh_case *c = busy_for(2, 100);
	struct traced v[2] = {{.guest = 1, .entries = 5000, .exits = SPIN_ROWS, .keys = keys},
		{.asleep = 1, .keys = of_the_other}};

	case_halted_vcpu(c, 1, 0);
	put_trace(c, (struct tracing){.host = REAL}, v, 2);
	return c;
}

static void an_ipi_that_nobody_accepts(void **state VH_UNUSED)
{
	const char *sends = KEY("ipi", 0xfb, 5, 40);

	EXPECT(calls_another(sends, NULL), "guest-waits-for-ipi", SPINNING, YES, VH_LIKELY);
	struct judged j = judge(calls_another(sends, KEY("accept", 0xfb, 0, 40)));

	assert_null(vh_fact(j.facts, VH_FACT_VCPU_IPI_LOST));
	assert_non_null(vh_fact_of(j.facts, VH_FACT_VCPU_IRQS_WAIT, 1));
	drop(&j);
	/* What a kernel without the event does not tell was not lost. */
	struct vh_case *c = busy_with(100,
		(struct tracing){.host = REAL, .uncounted = "kvm:kvm_apic_accept_irq"}, SPIN_ROWS,
		sends);

	j = judge(c);
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_IPI_LOST));
	drop(&j);
	/* Nor what may be among those that are not listed. */
	c = busy_for(1, 100);
	put_trace(c, (struct tracing){.host = REAL},
		&(struct traced){.guest = 1,
			.entries = 5000,
			.exits = SPIN_ROWS,
			.keys = sends,
			.more = "\"accept\":{\"keys\":2,\"count\":9}"},
		1);
	j = judge(c);
	assert_null(vh_fact(j.facts, VH_FACT_VCPU_IPI_LOST));
	drop(&j);
}

static void cpus_that_are_not_started(void **state VH_UNUSED)
{
	struct judged j = judge(calls_another(KEY("ipi", 0xc4500, 0, 1), NULL));

	assert_non_null(vh_fact_of(j.facts, VH_FACT_AP_WAITS_FOR_SIPI, 1));
	assert_null(vh_fact(j.facts, VH_FACT_AP_IGNORES_SIPI));
	drop(&j);
	j = judge(calls_another(
		KEY("ipi", 0xc4500, 0, 1) "," KEY("ipi", 0x4608, 1, 2), KEY("accept", 8, 6, 2)));
	assert_null(vh_fact(j.facts, VH_FACT_AP_WAITS_FOR_SIPI));
	assert_non_null(vh_fact_of(j.facts, VH_FACT_AP_IGNORES_SIPI, 1));
	drop(&j);
}

static void a_vcpu_that_is_kept_out(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	struct traced v = {.asleep = 1};

	case_main_thread(c);
	case_thread(c,
		(struct case_thread){.vcpu = 0, .wchan = "futex_do_wait", .syscall = CASE_FUTEX});
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_linux(UINT64_C(0xffffffff81000100), 0, true, false));
	put_trace(c, (struct tracing){.host = REAL}, &v, 1);
	EXPECT(c, "vcpu-never-enters", BLOCKED, YES, VH_LIKELY);
	/* Paused: there it belongs. */
	c = case_new(1);
	case_main_thread(c);
	case_thread(c,
		(struct case_thread){.vcpu = 0, .wchan = "futex_do_wait", .syscall = CASE_FUTEX});
	case_status(c, "paused", false);
	put_trace(c, (struct tracing){.host = REAL}, &v, 1);
	EXPECT(c, "vm-paused", PAUSED, YES, VH_CERTAIN);
	/* At work on it in the host's kernel, beside one that runs. */
	c = busy_for(2, 100);
	case_busy_vcpu(c, 1);
	case_text(c, VH_LAST, "trace.exits", "",
		"{\"backend\":\"bpf\",\"span_ns\":1000000000,\"isa\":2,\"events\":[{\"name\":"
		"\"kvm:kvm_entry\",\"state\":\"attached\"},{\"name\":\"sched:sched_switch\","
		"\"state\":\"attached\"}],\"threads\":[{\"vcpu\":0,\"tid\":4721,\"place\":\"kvm\","
		"\"rest\":\"on\",\"time_ns\":{\"kvm\":{\"on\":1000000000}}},{\"vcpu\":1,\"tid\":"
		"4722,\"entries\":100,\"exits\":[" ROW(
			0x60, 100) "],\"time_ns\":{\"guest\":{\"on\":"
				   "1000000000}}}]}");
	EXPECT(c, "vcpu-never-enters", BLOCKED, YES, VH_LIKELY);
}

static void triple_faults_again_and_again(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	/* As counted of reset-loop. */
	struct traced v = {.inside = 0.3,
		.asleep = 0.7,
		.keys = KEY("userspace", 8, 0, 89) "," KEY("userspace", 10, 4, 89) "," KEY(
			"wakeup", 0, 1, 89) "," KEY("eoi", 32, 0, 80)};

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .run = 0.3,
			       .voluntary_per_s = 400,
			       .wchan = "kvm_vcpu_block",
			       .syscall = CASE_KVM_RUN});
	c->passive = true;
	put_trace(c, (struct tracing){.host = EMULATES}, &v, 1);
	EXPECT(c, "guest-reset-loop", RUNNING, YES, VH_CERTAIN);
}

/* schedstat of a long wait is behind, and may say that it ran: the scheduler's switches do not. */
static void exact_times_tell_who_starves(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	struct traced v = {.guest = 0.04, .ready = 0.96, .entries = 10, .exits = ROW(0x60, 10)};

	case_main_thread(c);
	case_thread(c,
		(struct case_thread){
			.vcpu = 0, .state = 'R', .run = 0.04, .wait = 0.1, .syscall = "running\n"});
	c->passive = true;
	put_trace(c, (struct tracing){.host = REAL}, &v, 1);
	EXPECT(c, "cpu-starved", STARVED, YES, VH_CERTAIN);
	/* Until its first switch the trace takes a thread in state R to run. schedstat knows
	 * better, but not of a wait that goes on. */
	for (int counted = 0; counted <= 1; counted++) {
		c = case_new(1);
		case_main_thread(c);
		case_thread(c, (struct case_thread){.vcpu = 0,
				       .state = 'R',
				       .run = 0.02,
				       .wait = counted ? 0.97 : 0,
				       .syscall = "running\n"});
		c->passive = true;
		case_text(c, VH_LAST, "trace.exits", "",
			"{\"backend\":\"bpf\",\"span_ns\":1000000000,\"events\":[{\"name\":\"sched:"
			"sched_switch\",\"state\":\"attached\"}],\"threads\":[{\"vcpu\":0,\"tid\":"
			"4721,"
			"\"time_ns\":{\"unknown\":{\"on\":1000000000}}}]}");
		EXPECT(c, "cpu-starved", STARVED, YES, VH_CERTAIN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hung_after_start_is_known_without_the_monitor),
		cmocka_unit_test(cpus_that_enter_the_guest_were_started),
		cmocka_unit_test(port_storm),
		cmocka_unit_test(a_storm_in_a_closed_loop_is_certain),
		cmocka_unit_test(mmio_and_msr_storms),
		cmocka_unit_test(a_disk_that_does_not_answer),
		cmocka_unit_test(spin_without_registers),
		cmocka_unit_test(exception_loop),
		cmocka_unit_test(fault_loop),
		cmocka_unit_test(an_ipi_that_nobody_accepts),
		cmocka_unit_test(cpus_that_are_not_started),
		cmocka_unit_test(a_vcpu_that_is_kept_out),
		cmocka_unit_test(triple_faults_again_and_again),
		cmocka_unit_test(exact_times_tell_who_starves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
