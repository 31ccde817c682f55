/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Migration in its phases, block jobs and dumps: what moves, what stands still, and what only looks
 * so. The answers are as QEMU 7.2 and 10.0 give them.
 */
#include "tests/unit/infer/judged.h"

#define RAM(transferred, rounds, dirty, mbps)                                                      \
	"\"ram\":{\"total\":67444736,\"remaining\":11890688,\"page-size\":4096,\"transferred\":"   \
	"" #transferred ",\"dirty-sync-count\":" #rounds ",\"dirty-pages-rate\":" #dirty           \
	",\"mbps\":" #mbps "}"
#define ACTIVE(transferred) "{\"status\":\"active\"," RAM(transferred, 1, 0, 33.8) "}"

/* A VM whose guest is idle, in this run state. */
static struct vh_case *idle(const char *state)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, 18);
	case_status(c, state, !strcmp(state, "running"));
	case_registers(c, 0, case_regs_linux(0xffffffff81000000, 0, true, true));
	return c;
}

/* One that the VMM holds. */
static struct vh_case *held(const char *state)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c,
		(struct case_thread){.vcpu = 0, .wchan = "futex_do_wait", .syscall = CASE_FUTEX});
	case_status(c, state, false);
	return c;
}

static struct vh_case *tells(struct vh_case *c, const char *source, const char *a, const char *b)
{
	case_text(c, VH_ASKED, source, "", a);
	if (b)
		case_text(c, VH_ASKED_AGAIN, source, "", b);
	return c;
}

static struct vh_case *migrates(struct vh_case *c, const char *a, const char *b)
{
	return tells(c, "qmp.query-migrate", a, b);
}

/* The migration's thread, which was not woken during the window. */
static struct vh_case *sender(struct vh_case *c, const char *name, const char *syscall)
{
	case_thread(c, (struct case_thread){.tid = 4790,
			       .name = name,
			       .wchan = "sock_alloc_send_pskb",
			       .syscall = syscall});
	return c;
}
#define SENDMSG "46 0x1f 0x7f 0x0 0x0 0x0 0x0 0x7ffe0000 0x7f0000000003\n"
#define RECVMSG "47 0x1f 0x7f 0x0 0x0 0x0 0x0 0x7ffe0000 0x7f0000000003\n"

/* The causes that are named, be they first or not. */
static bool names(struct vh_case *c, const char *id)
{
	struct judged j = judge(c);
	bool found = false;

	for (size_t i = 0; i < j.v->n_causes; i++)
		found |= vh_streq(j.v->causes[i]->rule->id, id);
	drop(&j);
	return found;
}

static void a_phase_that_lasts_stands_before_a_vm_that_is_well(void **state VH_UNUSED)
{
	static const struct {
		const char *status, *cause;
	} rows[] = {
		{"{\"status\":\"wait-unplug\"}", "migration-waits-for-unplug"},
		{"{\"status\":\"cancelling\"}", "migration-cancelling-stuck"},
		{"{\"status\":\"setup\"}", "migration-waits-for-peer"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		EXPECT(migrates(idle("running"), rows[i].status, rows[i].status), rows[i].cause,
			RUNNING, NO, VH_CERTAIN);
		/* Seen once, it may be any migration's. */
		EXPECT(migrates(idle("running"), rows[i].status, NULL), rows[i].cause, RUNNING, NO,
			VH_LIKELY);
		/* It was over at the second look. */
		EXPECT(migrates(idle("running"), rows[i].status, ACTIVE(1000)), "guest-idle", IDLE,
			NO, VH_CERTAIN);
	}
	EXPECT(migrates(idle("running"), "{}", "{}"), "guest-idle", IDLE, NO, VH_CERTAIN);
}

static void what_hangs_the_vm_goes_first(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .wchan = "request_wait_answer",
			       .stack = "request_wait_answer\nfilemap_fault\n",
			       .syscall = CASE_KVM_RUN});
	case_status(c, "running", true);
	migrates(c, "{\"status\":\"cancelling\"}", "{\"status\":\"cancelling\"}");
	struct judged j = judge(c);

	assert_string_equal(j.v->cause->rule->id, "vcpu-waits-for-page");
	assert_int_equal(j.v->hung, VH_HUNG_YES);
	assert_string_equal(j.v->causes[1]->rule->id, "migration-cancelling-stuck");
	drop(&j);
}

static void without_anything_else_it_is_not_known_whether_it_hangs(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_status(c, "running", true);
	EXPECT(migrates(c, "{\"status\":\"wait-unplug\"}", "{\"status\":\"wait-unplug\"}"),
		"migration-waits-for-unplug", RUNNING, UNKNOWN, VH_CERTAIN);
}

static void only_what_sends_nothing_is_stalled(void **state VH_UNUSED)
{
	EXPECT(sender(migrates(idle("running"), ACTIVE(1000), ACTIVE(1000)), "live_migration",
		       SENDMSG),
		"migration-stalled", RUNNING, NO, VH_CERTAIN);
	EXPECT(sender(migrates(idle("running"), ACTIVE(1000), ACTIVE(1000)), "mig/src/send_0",
		       SENDMSG),
		"migration-stalled", RUNNING, NO, VH_CERTAIN);
	EXPECT(migrates(idle("running"), ACTIVE(1000), ACTIVE(1000)), "migration-stalled", RUNNING,
		NO, VH_LIKELY);
	/* Slow is not stalled. */
	assert_false(
		names(migrates(idle("running"), ACTIVE(1000), ACTIVE(1001)), "migration-stalled"));
	assert_false(names(sender(migrates(idle("running"), ACTIVE(1000), ACTIVE(1001)),
				   "live_migration", SENDMSG),
		"migration-stalled"));
	/* The thread of the return path waits for what the other side has to say. */
	struct vh_case *c = idle("running");

	case_thread(c, (struct case_thread){.tid = 4791,
			       .name = "return path",
			       .wchan = "unix_stream_read_generic",
			       .syscall = RECVMSG});
	assert_false(names(c, "migration-stalled"));
}

/* Two looks of a tenth of a second apart, and two of which nothing is known. */
static void too_short_a_time_shows_no_stall(void **state VH_UNUSED)
{
	static const int64_t spans_ns[] = {105 * VH_NS_PER_MS, 0};

	for (size_t i = 0; i < VH_ARRAY_SIZE(spans_ns); i++) {
		struct vh_case *c = migrates(idle("running"), ACTIVE(1000), ACTIVE(1000));
		struct vh_evidence *a = vh_case_find(c, "qmp.query-migrate", "", VH_ASKED);
		struct vh_evidence *b = vh_case_find(c, "qmp.query-migrate", "", VH_ASKED_AGAIN);

		b->at_ns = a->at_ns + spans_ns[i];
		assert_false(names(c, "migration-stalled"));
	}
}

static void divergence_shows_from_the_third_round_on(void **state VH_UNUSED)
{
	static const struct {
		const char *answer;
		bool diverges;
	} rows[] = {
		{"{\"status\":\"active\",\"expected-downtime\":3969," RAM(1, 3, 1020, 33.8) "}",
			true},
		{"{\"status\":\"active\",\"expected-downtime\":3969," RAM(1, 2, 1020, 33.8) "}",
			false},
		/* A third of what is sent: three rounds later a twentieth is left. */
		{"{\"status\":\"active\",\"expected-downtime\":3969," RAM(1, 5, 340, 33.8) "}",
			false},
		/* The next round is the last. */
		{"{\"status\":\"active\",\"expected-downtime\":200," RAM(1, 5, 1020, 33.8) "}",
			false},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = migrates(idle("running"), ACTIVE(0), rows[i].answer);

		case_text(c, VH_ASKED, "qmp.query-migrate-parameters", "",
			"{\"downtime-limit\":300,\"max-bandwidth\":4194304}");
		if (names(c, "migration-does-not-converge") != rows[i].diverges)
			fail_msg("row %zu", i);
	}
}

static void only_a_guest_with_little_left_is_throttled(void **state VH_UNUSED)
{
	EXPECT(migrates(idle("running"), ACTIVE(1),
		       "{\"status\":\"active\",\"cpu-throttle-percentage\":90," RAM(
			       2, 3, 1020, 33.8) "}"),
		"guest-throttled-by-migration", STARVED, YES, VH_CERTAIN);
	EXPECT(migrates(idle("running"), ACTIVE(1),
		       "{\"status\":\"active\",\"cpu-throttle-percentage\":40," RAM(
			       2, 3, 1020, 33.8) "}"),
		"migration-does-not-converge", RUNNING, NO, VH_LIKELY);
}

/* The lock of everything is held: nobody answers. */
static struct vh_case *last_step(const char *main_wchan, const char *main_call)
{
	struct vh_case *c = case_new(2);

	case_thread(c, (struct case_thread){.tid = CASE_PID,
			       .name = "qemu-system-x86",
			       .wchan = main_wchan,
			       .syscall = main_call});
	for (int i = 0; i < 2; i++)
		case_thread(c, (struct case_thread){
				       .vcpu = i, .wchan = "futex_do_wait", .syscall = CASE_FUTEX});
	case_silent_monitor(c);
	return sender(c, "live_migration", SENDMSG);
}

static void a_last_step_that_sends_nothing_holds_all(void **state VH_UNUSED)
{
	EXPECT(last_step("futex_do_wait", CASE_FUTEX), "migration-last-step-stuck", PAUSED, YES,
		VH_CERTAIN);
	/* Nothing had woken the main loop before it was asked. */
	EXPECT(last_step("do_sys_poll", CASE_POLL), "migration-last-step-stuck", PAUSED, YES,
		VH_CERTAIN);
	/* A paused VM may be migrated too, and its monitor answers. */
	assert_false(names(
		sender(migrates(held("paused"), ACTIVE(1), ACTIVE(1)), "live_migration", SENDMSG),
		"migration-last-step-stuck"));
	EXPECT(migrates(held("finish-migrate"), "{\"status\":\"pre-switchover\"}",
		       "{\"status\":\"pre-switchover\"}"),
		"migration-waits-for-switchover", PAUSED, YES, VH_CERTAIN);
	EXPECT(migrates(held("finish-migrate"), ACTIVE(1), ACTIVE(1)), "migration-last-step-stuck",
		PAUSED, YES, VH_CERTAIN);
	EXPECT(migrates(held("finish-migrate"), ACTIVE(1), ACTIVE(2)), "migration-last-step",
		PAUSED, YES, VH_CERTAIN);
}

static void who_failed_to_leave_is_still_here(void **state VH_UNUSED)
{
	static const char *const failed =
		"{\"status\":\"failed\",\"error-desc\":\"Unable to write to socket: Broken pipe\"}";

	EXPECT(migrates(held("postmigrate"), failed, failed), "migration-failed-vm-paused", PAUSED,
		YES, VH_CERTAIN);
	/* That may have been last week, and the pause is of today. */
	EXPECT(migrates(held("paused"), failed, failed), "migration-failed-vm-paused", PAUSED, YES,
		VH_LIKELY);
	assert_false(names(migrates(held("postmigrate"), failed, failed), "vm-migrated-away"));
	EXPECT(migrates(held("postmigrate"), "{\"status\":\"completed\"}",
		       "{\"status\":\"completed\"}"),
		"vm-migrated-away", PAUSED, YES, VH_CERTAIN);
	/* It runs on: nothing of the sort. */
	EXPECT(migrates(idle("running"), failed, failed), "guest-idle", IDLE, NO, VH_CERTAIN);
}

static struct vh_case *receives(unsigned wakes_per_s, const char *answer)
{
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){.tid = CASE_PID,
			       .name = "qemu-system-x86",
			       .wchan = "do_sys_poll",
			       .run = 0.0001 * wakes_per_s,
			       .voluntary_per_s = wakes_per_s,
			       .syscall = CASE_POLL});
	case_thread(c,
		(struct case_thread){.vcpu = 0, .wchan = "futex_do_wait", .syscall = CASE_FUTEX});
	case_status(c, "inmigrate", false);
	return migrates(c, answer, answer);
}

static void a_destination_waits_receives_or_is_forgotten(void **state VH_UNUSED)
{
	/* Nobody is there, as 7.2 and as 10.0 say it. */
	EXPECT(receives(0, "{\"socket-address\":[]}"), "incoming-migration-waits", PAUSED, YES,
		VH_CERTAIN);
	EXPECT(receives(0, "{\"status\":\"setup\",\"socket-address\":[]}"),
		"incoming-migration-waits", PAUSED, YES, VH_CERTAIN);
	EXPECT(receives(0, "{\"status\":\"active\"}"), "incoming-migration-stalled", PAUSED, YES,
		VH_CERTAIN);
	EXPECT(receives(40, "{\"status\":\"active\"}"), "incoming-migration-runs", PAUSED, NO,
		VH_CERTAIN);
	EXPECT(receives(0, "{\"status\":\"failed\",\"error-desc\":\"Not a migration stream\"}"),
		"incoming-migration-failed", DEAD, YES, VH_CERTAIN);
}

static struct vh_case *waits_for_page(unsigned wakes_per_s)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .wchan = "handle_userfault",
			       .voluntary_per_s = wakes_per_s,
			       .syscall = CASE_KVM_RUN});
	case_status(c, "running", true);
	return c;
}

static struct vh_case *postcopy_threads(struct vh_case *c)
{
	case_thread(c,
		(struct case_thread){.tid = 4795, .name = "mig/dst/fault", .wchan = "do_sys_poll"});
	return c;
}

static void postcopy_is_told_from_other_pages(void **state VH_UNUSED)
{
	static const char *const active = "{\"status\":\"postcopy-active\"}";
	static const char *const paused = "{\"status\":\"postcopy-paused\"}";

	EXPECT(migrates(postcopy_threads(waits_for_page(0)), active, active),
		"postcopy-source-stalled", BLOCKED, YES, VH_CERTAIN);
	EXPECT(postcopy_threads(waits_for_page(0)), "postcopy-source-stalled", BLOCKED, YES,
		VH_CERTAIN);
	EXPECT(migrates(postcopy_threads(waits_for_page(0)), paused, paused), "postcopy-paused",
		BLOCKED, YES, VH_CERTAIN);
	EXPECT(migrates(postcopy_threads(waits_for_page(0)), "{\"status\":\"postcopy-recover\"}",
		       "{\"status\":\"postcopy-recover\"}"),
		"postcopy-recovers", BLOCKED, YES, VH_CERTAIN);
	/* Somebody else's userfaultfd; and pages that do come. */
	EXPECT(waits_for_page(0), "userfault-unserved", BLOCKED, YES, VH_CERTAIN);
	assert_false(names(migrates(postcopy_threads(waits_for_page(300)), active, active),
		"postcopy-source-stalled"));
	/* The source. */
	EXPECT(migrates(held("finish-migrate"),
		       "{\"status\":\"postcopy-active\"," RAM(1, 3, 0, 33.8) "}",
		       "{\"status\":\"postcopy-active\"," RAM(9, 3, 0, 33.8) "}"),
		"postcopy-source-serves", PAUSED, NO, VH_CERTAIN);
	EXPECT(migrates(held("finish-migrate"),
		       "{\"status\":\"postcopy-active\"," RAM(9, 3, 0, 33.8) "}",
		       "{\"status\":\"postcopy-active\"," RAM(9, 3, 0, 33.8) "}"),
		"postcopy-source-stalled", BLOCKED, YES, VH_CERTAIN);
}

#define JOB(more) "[{\"device\":\"copy\",\"type\":\"mirror\",\"len\":1048576," more "}]"

static void block_jobs(void **state VH_UNUSED)
{
	static const struct {
		const char *a, *b, *cause;
	} rows[] = {
		{JOB("\"status\":\"running\",\"offset\":1,\"speed\":0"),
			JOB("\"status\":\"running\",\"offset\":2,\"speed\":0"), "guest-idle"},
		{JOB("\"status\":\"running\",\"offset\":1,\"speed\":0"),
			JOB("\"status\":\"running\",\"offset\":1,\"speed\":0"),
			"block-job-stalled"},
		{JOB("\"status\":\"running\",\"offset\":1,\"speed\":65536"),
			JOB("\"status\":\"running\",\"offset\":1,\"speed\":65536"), "guest-idle"},
		{JOB("\"status\":\"paused\",\"paused\":true,\"io-status\":\"nospace\",\"offset\":"
		     "1"),
			JOB("\"status\":\"paused\",\"paused\":true,\"io-status\":\"nospace\","
			    "\"offset\":1"),
			"block-job-waits-for-error"},
		{JOB("\"status\":\"running\",\"paused\":true,\"io-status\":\"failed\",\"offset\":"
		     "1"),
			JOB("\"status\":\"running\",\"paused\":true,\"io-status\":\"failed\","
			    "\"offset\":1"),
			"block-job-waits-for-error"},
		/* Paused by somebody, who knows. */
		{JOB("\"status\":\"paused\",\"paused\":true,\"io-status\":\"ok\",\"offset\":1"),
			JOB("\"status\":\"paused\",\"paused\":true,\"io-status\":\"ok\",\"offset\":"
			    "1"),
			"guest-idle"},
		{JOB("\"status\":\"ready\",\"ready\":true,\"io-status\":\"ok\",\"offset\":1"),
			JOB("\"status\":\"ready\",\"ready\":true,\"io-status\":\"ok\",\"offset\":"
			    "1"),
			"job-ready-not-completed"},
		{JOB("\"status\":\"pending\",\"offset\":1"),
			JOB("\"status\":\"pending\",\"offset\":1"), "job-ready-not-completed"},
		{"[]", "[]", "guest-idle"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct judged j =
			judge(tells(idle("running"), "qmp.query-block-jobs", rows[i].a, rows[i].b));

		if (!j.v->cause || !vh_streq(j.v->cause->rule->id, rows[i].cause) ||
			j.v->hung != VH_HUNG_NO)
			fail_msg("row %zu: %s", i, j.v->headline);
		drop(&j);
	}
}

static void dumps(void **state VH_UNUSED)
{
	static const char *const one = "{\"status\":\"active\",\"completed\":100,\"total\":1000}";
	static const char *const two = "{\"status\":\"active\",\"completed\":200,\"total\":1000}";

	EXPECT(tells(held("save-vm"), "qmp.query-dump", one, two), "vm-being-dumped", PAUSED, NO,
		VH_CERTAIN);
	EXPECT(tells(held("save-vm"), "qmp.query-dump", one, one), "dump-stalled", PAUSED, YES,
		VH_CERTAIN);
	assert_false(names(tells(held("save-vm"), "qmp.query-dump",
				   "{\"status\":\"completed\",\"completed\":9,\"total\":9}",
				   "{\"status\":\"completed\",\"completed\":9,\"total\":9}"),
		"dump-stalled"));
}

/* Nothing of it may crash, overflow or be believed. */
static void hostile_answers(void **state VH_UNUSED)
{
	static const char *const answers[] = {"[]", "7", "{\"status\":7}",
		"{\"status\":\"active\",\"ram\":7}",
		"{\"status\":\"active\",\"ram\":{\"transferred\":-1}}",
		"{\"status\":\"active\",\"cpu-throttle-percentage\":-9000,\"ram\":{\"transferred\":"
		"18446744073709551615,\"dirty-pages-rate\":18446744073709551615,\"page-size\":"
		"18446744073709551615,\"dirty-sync-count\":9,\"mbps\":1e308,\"remaining\":1e999}}",
		"{\"status\":\"active\",\"ram\":{\"transferred\":1,\"mbps\":\"x\"}}",
		"[{\"device\":7},{\"device\":\"a\\u001b[31m\",\"offset\":-1,\"status\":\"ready\"}]",
		"{\"status\":\"active\",\"completed\":-1,\"total\":0}"};
	static const char *const sources[] = {
		"qmp.query-migrate", "qmp.query-block-jobs", "qmp.query-dump"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(answers); i++)
		for (size_t k = 0; k < VH_ARRAY_SIZE(sources); k++) {
			struct judged j =
				judge(tells(idle("running"), sources[k], answers[i], answers[i]));

			if (j.v->hung == VH_HUNG_YES)
				fail_msg("%s: %s", answers[i], j.v->headline);
			assert_null(strchr(j.v->headline, '\033'));
			drop(&j);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_phase_that_lasts_stands_before_a_vm_that_is_well),
		cmocka_unit_test(what_hangs_the_vm_goes_first),
		cmocka_unit_test(without_anything_else_it_is_not_known_whether_it_hangs),
		cmocka_unit_test(only_what_sends_nothing_is_stalled),
		cmocka_unit_test(too_short_a_time_shows_no_stall),
		cmocka_unit_test(divergence_shows_from_the_third_round_on),
		cmocka_unit_test(only_a_guest_with_little_left_is_throttled),
		cmocka_unit_test(a_last_step_that_sends_nothing_holds_all),
		cmocka_unit_test(who_failed_to_leave_is_still_here),
		cmocka_unit_test(a_destination_waits_receives_or_is_forgotten),
		cmocka_unit_test(postcopy_is_told_from_other_pages),
		cmocka_unit_test(block_jobs),
		cmocka_unit_test(dumps),
		cmocka_unit_test(hostile_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
