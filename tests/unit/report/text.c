/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report as text, letter by letter. */
#include "tests/unit/report/hand.h"
#include "tests/unit/seedcase.h"
#include "tests/unit/test.h"

static char *text_of(const struct vh_report *r, struct vh_text_options options)
{
	struct vh_buf out = {0};

	vh_report_text(r, &options, &out);
	return vh_buf_steal(&out);
}

/* No byte of it does anything to a terminal but print and break lines. */
static void assert_harmless(const char *text)
{
	assert_true(vh_is_utf8(vh_str(text)));
	for (const char *p = text; *p; p++)
		assert_true(*p == '\n' || (unsigned char)*p >= 0x20);
	assert_null(strstr(text, "\xe2\x80\xae")); /* right-to-left override */
}

static void everything_that_can_be_said(void **state VH_UNUSED)
{
	struct vh_report *r = hand_hung("web-07");
	vh_auto_free char *text = text_of(r, (struct vh_text_options){.width = 70});

	assert_string_equal(text,
		"web-07: hung: it waits for the other side (likely)\n"
		"pid 4711, 1 vCPU, 512.0 MiB, kvm, qemu 7.2.22, seen for 1.0 s,\n"
		"  2023-11-14 22:13:20 UTC\n"
		"\n"
		"Because\n"
		"  - vCPU 0 ran 99.0 % of the window, which is a long sentence that has\n"
		"    to be broken somewhere [task.schedstat]\n"
		"\n"
		"Against\n"
		"  - vCPU 0 was woken\n"
		"  - less sure: registers could not be read\n"
		"\n"
		"Ruled out\n"
		"  - other-one: no thread is stopped [task.stat]\n"
		"\n"
		"Other possible causes\n"
		"  - another cause (other-one, possible): vCPU 0 ran 99.0 % of the\n"
		"    window, which is a long sentence that has to be broken somewhere\n"
		"    [task.schedstat]\n"
		"\n"
		"Not seen\n"
		"  - kernel stacks of 3 threads: denied: Operation not permitted (to\n"
		"    see it: run vmhang as root)\n"
		"\n"
		"Remarks\n"
		"  - asking changed the VM\n"
		"\n"
		"Next\n"
		"  1. look again\n"
		"       vmhang diagnose web-07 --verbose; kill -0 4711\n"
		"  2. then think\n"
		"  3. read what this cause means and how it is told from others\n"
		"       vmhang explain hand-made\n");
	vh_report_free(r);
}

static void unknown_says_so_and_what_is_seen(void **state VH_UNUSED)
{
	struct vh_report *r = hand_report("web-07");

	hand_fact(r, VH_FACT_VCPU_BUSY, 0, "vCPU 0 ran", "task.schedstat");
	r->c->passive = true;
	vh_auto_free char *text = text_of(r, (struct vh_text_options){0});

	assert_string_equal(text,
		"web-07: could not tell: no known cause explains what is seen\n"
		"pid 4711, 1 vCPU, 512.0 MiB, kvm, qemu 7.2.22, seen for 1.0 s, not asked "
		"(--passive), 2023-11-14\n  22:13:20 UTC\n"
		"\n"
		"What is seen\n"
		"  - vCPU 0 ran [task.schedstat]\n");
	assert_int_equal(vh_report_exit_status(r), 2);
	vh_report_free(r);
}

static void healthy_is_said_first_too(void **state VH_UNUSED)
{
	struct vh_report *r = hand_hung("web-07");

	r->verdict->hung = VH_HUNG_NO;
	vh_auto_free char *text = text_of(r, (struct vh_text_options){0});

	assert_true(vh_prefix(text, "web-07: healthy: it waits for the other side (likely)\n"));
	assert_null(strstr(text, "vmhang explain"));
	assert_int_equal(vh_report_exit_status(r), 0);
	vh_report_free(r);
}

static void a_hostile_name_stays_text_and_one_word(void **state VH_UNUSED)
{
	struct vh_report *r = hand_hung(HOSTILE_NAME);
	vh_auto_free char *text = text_of(r, (struct vh_text_options){.verbose = true});

	assert_harmless(text);
	assert_true(vh_prefix(text, "web\\x1b[2J'07: hung: "));
	assert_non_null(strstr(text, "vmhang diagnose $'web\\x1b[2J\\'07' --verbose; kill"));
	vh_report_free(r);
}

/* 20 vCPUs of an AMD host; vCPU 7 writes to a port, the others are halted. */
static void put_exits(struct vh_case *c)
{
	struct vh_buf b = {0};

	vh_buf_puts(&b,
		"{\"backend\": \"bpf\", \"span_ns\": 1000000000, \"isa\": 2, \"events\": [{"
		"\"name\": \"kvm:kvm_exit\", \"state\": \"attached\", \"seen\": 9}, {"
		"\"name\": \"kvm:kvm_pio\", \"state\": \"attached\", \"seen\": 9}, {"
		"\"name\": \"sched:sched_switch\", \"state\": \"attached\"}], \"threads\": [");
	for (int i = 0; i < 20; i++)
		if (i != 7)
			vh_buf_printf(&b,
				"{\"vcpu\": %d, \"tid\": %d, \"time_ns\": {\"kvm\": "
				"{\"asleep\": 1000000000}}, \"place\": \"kvm\", \"rest\": "
				"\"asleep\", \"since_ns\": 9000000000}, ",
				i, 5000 + i);
	vh_buf_puts(&b, "{\"vcpu\": 7, \"tid\": 5007, \"entries\": 41203, \"time_ns\": {\"guest\": "
			"{\"on\": "
			"600000000}, \"kvm\": {\"on\": 300000000}, \"user\": {\"on\": 100000000}}, "
			"\"exits\": [{\"reason\": \"0x7b\", \"count\": 41003, \"timed\": 41003, "
			"\"total_ns\": 400000000, \"min_ns\": 900, \"max_ns\": 99000, \"squares\": "
			"4e12}");
	for (int i = 0; i < 20; i++)
		vh_buf_printf(&b, ", {\"reason\": \"%d\", \"count\": 10}", 0x60 + i);
	vh_buf_puts(&b,
		"], \"keys\": [{\"kind\": \"pio\", \"value\": \"0x3f8\", \"detail\": \"0x101\", "
		"\"reason\": \"0x7b\", \"count\": 41000}, {\"kind\": \"pio\", \"value\": "
		"\"0x3fd\", \"detail\": \"0x100\", \"reason\": \"0x7b\", \"count\": 3}]}]}");
	case_text(c, VH_LAST, "trace.exits", "", vh_buf_str(&b));
	vh_buf_free(&b);
}

static unsigned occurrences(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *s = text; (s = strstr(s, what)); s++)
		n++;
	return n;
}

static void verbose_tells_the_exits_that_matter(void **state VH_UNUSED)
{
	struct vh_report *r = hand_report("web-07");

	vh_model_free(r->model);
	put_exits(r->c);
	r->model = vh_model_build(r->c);
	r->facts->model = r->model;
	vh_auto_free char *text = text_of(r, (struct vh_text_options){.verbose = true});
	vh_auto_free char *brief = text_of(r, (struct vh_text_options){0});

	assert_non_null(strstr(text, "\nWhere the vCPUs' time went (counted by bpf for 1.0 s)\n"));
	assert_non_null(strstr(text, "\nExits of vCPU 7\n"));
	assert_non_null(strstr(text, "\n  io   "));
	assert_non_null(strstr(text, "    port 0x3f8, out, 1 byte (serial port COM1)  "));
	assert_null(strstr(text, "0x3fd"));
	/* One table, of eight lines: vCPUs without an exit have none. */
	assert_int_equal(occurrences(text, "Exits of vCPU"), 1);
	const char *table = strstr(text, "Exits of vCPU 7");
	const char *end = strstr(table, "\n\n");

	assert_non_null(end);
	vh_auto_free char *lines = vh_strndup(table, (size_t)(end - table));

	assert_int_equal(occurrences(lines, "\n"), 1 + 8);
	assert_null(strstr(brief, "Exits of"));
	vh_auto_json struct json_object *o = vh_report_json(r);
	struct json_object *total = vh_json_at(o, "exits", "total", NULL);
	uint64_t exits;

	assert_true(vh_json_u64(total, "exits", &exits));
	assert_int_equal(exits, 41203);
	vh_report_free(r);
}

static void a_hostile_log_and_screen_stay_text(void **state VH_UNUSED)
{
	static const char log[] = "first\n\033]0;owned\007title\n\xff\xfe\xe2\x80\xae"
				  "dlrow\ntwo\rone\n\n\n";
	struct vh_report *r = hand_report("web-07");

	vh_model_free(r->model);
	case_data(r->c, VH_FIRST, "log.serial", "/var/log/\033c.log", log, sizeof(log) - 1);
	case_text(r->c, VH_ASKED, "guest.screen", "",
		"\033[31mGRUB\x9b"
		"2J>\n");
	r->model = vh_model_build(r->c);
	r->facts->model = r->model;
	vh_auto_free char *text = text_of(r, (struct vh_text_options){.verbose = true});

	assert_harmless(text);
	assert_non_null(strstr(text, "\nLog /var/log/\\x1bc.log"));
	assert_non_null(strstr(text, "\n  \\x1b]0;owned\\x07title\n"));
	assert_non_null(strstr(text, "\n  \\xff\\xfe\\u{202e}dlrow\n"));
	assert_non_null(strstr(text, "\n  \\x1b[31mGRUB\\x9b2J>"));
	vh_report_free(r);
}

static void only_the_last_lines_of_a_log(void **state VH_UNUSED)
{
	struct vh_report *r = hand_report("web-07");
	vh_auto_buf struct vh_buf log = {0};

	for (int i = 0; i < 50; i++)
		vh_buf_printf(&log, "line %d\n", i);
	vh_model_free(r->model);
	case_data(r->c, VH_FIRST, "log.serial", "/x", log.data, log.len);
	r->model = vh_model_build(r->c);
	r->facts->model = r->model;
	vh_auto_free char *text = text_of(r, (struct vh_text_options){.verbose = true});

	assert_null(strstr(text, "  line 39\n"));
	assert_non_null(strstr(text, "  line 40\n"));
	assert_non_null(strstr(text, "  line 49\n"));
	vh_report_free(r);
}

static void many_facts_alike_are_one_line(void **state VH_UNUSED)
{
	struct vh_report *r = hand_report("web-07");

	for (int i = 0; i < 64; i++) {
		vh_auto_free char *text = vh_asprintf("vCPU %d sleeps", i);

		if (i != 5)
			hand_fact(r, VH_FACT_VCPU_ASLEEP, i, text, "task.stat");
	}
	hand_fact(r, VH_FACT_VCPU_BUSY, 5, "vCPU 5 ran", NULL);
	vh_auto_free char *text = text_of(r, (struct vh_text_options){0});

	assert_non_null(strstr(text, "What is seen\n"
				     "  - vCPU 0 sleeps; the same goes for vCPUs 1-4, 6-63 "
				     "[task.stat]\n"
				     "  - vCPU 5 ran\n"));
	vh_report_free(r);
}

/* Two facts that say the same, of one line of a log. */
static void what_was_said_is_not_said_again(void **state VH_UNUSED)
{
	struct vh_report *r = hand_report("x");
	struct vh_cause *cause = hand_cause(&hand_rule, "it waits: a task waits", VH_CERTAIN);

	VH_PUSH(cause->for_, cause->n_for) =
		hand_fact(r, VH_FACT_TEXT_HUNG_TASK, -1, "a task waits", NULL);
	VH_PUSH(cause->for_, cause->n_for) =
		hand_fact(r, VH_FACT_HUNG_ON_LOCK, -1, "a task waits", NULL);
	VH_PUSH(r->verdict->causes, r->verdict->n_causes) = cause;
	r->verdict->cause = cause;
	vh_auto_free char *text = text_of(r, (struct vh_text_options){0});
	const char *first = strstr(text, "  - a task waits\n");

	assert_non_null(first);
	assert_null(strstr(first + 1, "  - a task waits\n"));
	vh_report_free(r);
}

static void long_lists_are_cut_unless_verbose(void **state VH_UNUSED)
{
	struct vh_report *r = hand_report("web-07");

	for (int i = 0; i < 100; i++)
		VH_PUSH(r->verdict->remarks, r->verdict->n_remarks) = vh_asprintf("remark %d", i);
	vh_auto_free char *text = text_of(r, (struct vh_text_options){0});
	vh_auto_free char *all = text_of(r, (struct vh_text_options){.verbose = true});

	assert_non_null(strstr(text, "  - remark 22\n  - ... and 77 more: --verbose shows them "
				     "all\n"));
	assert_null(strstr(text, "remark 23\n"));
	assert_non_null(strstr(all, "  - remark 99\n"));
	vh_report_free(r);
}

static void colour_only_when_asked(void **state VH_UNUSED)
{
	struct vh_report *r = hand_hung("web-07");
	vh_auto_free char *plain = text_of(r, (struct vh_text_options){.verbose = true});
	vh_auto_free char *colour = text_of(r, (struct vh_text_options){.colour = true});

	assert_null(strchr(plain, '\033'));
	assert_non_null(strstr(colour, ": \033[1;31mhung\033[0m: "));
	vh_report_free(r);
}

static void registers_are_decoded_beside_the_raw_value(void **state VH_UNUSED)
{
	struct vh_report *r = hand_report("web-07");

	vh_model_free(r->model);
	case_registers(r->c, 0, case_regs_linux(UINT64_C(0xffffffff81000000), 0, false, false));
	r->model = vh_model_build(r->c);
	r->facts->model = r->model;
	vh_auto_free char *text = text_of(r, (struct vh_text_options){.verbose = true});

	assert_non_null(strstr(text, "\nvCPU 0\n  Linux (64-bit), "));
	assert_non_null(strstr(text, "CPL 0, interrupts off\n"));
	assert_non_null(strstr(text, "  CR0     0000000080050033  "));
	assert_non_null(strstr(text, "  RIP     ffffffff81000000  linear ffffffff81000000\n"));
	vh_report_free(r);
}

static void an_encrypted_guest_s_registers_are_not_taken_for_its(void **state VH_UNUSED)
{
	struct vh_report *r = hand_report("web-07");

	vh_model_free(r->model);
	r->c->vm->confidential = VH_CONF_SEV_ES;
	case_registers(r->c, 0, case_regs_linux(0x1000, 0, false, false));
	r->model = vh_model_build(r->c);
	r->facts->model = r->model;
	vh_auto_free char *text = text_of(r, (struct vh_text_options){.verbose = true});

	assert_non_null(strstr(text, "encrypted (SEV-ES)"));
	assert_non_null(
		strstr(text, "\nvCPU 0: NOT the guest's registers (the guest is encrypted)\n"));
	assert_null(strstr(text, "interrupts off"));
	assert_null(strstr(text, "Linux (64-bit)"));
	vh_report_free(r);
}

/* Each register is current, left over, or not visible; a zero of the dump is no value. */
static void the_seed_s_registers_one_by_one(void **state VH_UNUSED)
{
	struct vh_report *r = vh_report_new(seed((struct seed){.query_sev = NULL}));
	vh_auto_free char *text =
		text_of(r, (struct vh_text_options){.verbose = true, .width = 400});
	static const char *const lines[] = {
		"web-07: hung: the guest hangs in UEFI firmware",
		"\n  CR0     0000000080010033  [current]  PE MP ET NE WP PG\n",
		"\n  EFER    0000000000000d00  [current]  LME LMA NXE\n",
		"\n  RAX     00000000fee00900  [left by the last event that the guest asked for]\n",
		"\n  RIP     -                 [not visible]\n",
		"\n  CR3     -                 [not visible]\n",
		"its last own event: an access to IA32_APIC_BASE = fee00900: base fee00000",
		"R8 to R15, segments and tables [not visible]\n",
		"SEV-ES, as told by the form of the register dump alone\n",
		"firmware-polls-device",
		"(firmware-exception-deadlock, possible): ",
		"(firmware-waits-for-aps, possible): ",
		"against it: behind its access to IA32_APIC_BASE",
		"0x402",
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("\"%s\" is not in:\n%s", lines[i], text);
	assert_null(strstr(text, "RIP     0000"));
	vh_report_free(r);
}

static void nothing_empty_is_printed(void **state VH_UNUSED)
{
	struct vh_report *r = vh_report_new(vh_case_new(vh_vm_new()));

	vh_replace(&r->c->vm->name, "x");
	vh_auto_free char *text = text_of(r, (struct vh_text_options){.verbose = true});

	assert_true(vh_prefix(text, "x: could not tell: "));
	assert_null(strstr(text, "Threads\n"));
	assert_null(strstr(text, "Because\n"));
	assert_null(strstr(text, "\n\n\n"));
	vh_report_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_that_can_be_said),
		cmocka_unit_test(unknown_says_so_and_what_is_seen),
		cmocka_unit_test(healthy_is_said_first_too),
		cmocka_unit_test(a_hostile_name_stays_text_and_one_word),
		cmocka_unit_test(verbose_tells_the_exits_that_matter),
		cmocka_unit_test(a_hostile_log_and_screen_stay_text),
		cmocka_unit_test(only_the_last_lines_of_a_log),
		cmocka_unit_test(many_facts_alike_are_one_line),
		cmocka_unit_test(what_was_said_is_not_said_again),
		cmocka_unit_test(long_lists_are_cut_unless_verbose),
		cmocka_unit_test(colour_only_when_asked),
		cmocka_unit_test(registers_are_decoded_beside_the_raw_value),
		cmocka_unit_test(an_encrypted_guest_s_registers_are_not_taken_for_its),
		cmocka_unit_test(the_seed_s_registers_one_by_one),
		cmocka_unit_test(nothing_empty_is_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
