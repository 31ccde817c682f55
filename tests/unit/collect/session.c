/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole session with a monitor: what is asked, what is kept, and when it ends. */
#include "tests/unit/collect/qmp_place.h"

#include <errno.h>

#include "collect/plan.h"

static const struct vh_collect_options patient = {
	.step_ns = PATIENT_MS * VH_NS_PER_MS, .monitor_ns = 3 * PATIENT_MS * VH_NS_PER_MS};

/* A running VM as the passive look saw it, asked through the server. */
static struct vh_case *ask(struct place *p, const struct vh_collect_options *options)
{
	struct vh_case *c = case_new(2);

	vh_replace(&c->vm->monitors[0].address, "unix:/run/q");
	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_busy_vcpu(c, 1);
	c->began_ns = vh_now_ns();
	vh_collect_monitor(p->host, c, options);
	return c;
}

static struct vh_evidence *expect(struct vh_case *c, const char *source, const char *subject,
	enum vh_round round, enum vh_status status)
{
	struct vh_evidence *e = vh_case_find(c, source, subject, round);

	if (!e)
		fail_msg("no %s %s", source, subject ? subject : "");
	if (e->status != status)
		fail_msg("%s is %s: %s", source, vh_status_name(e->status), e->detail);
	if (status == VH_SKIPPED)
		assert_non_null(e->detail);
	return e;
}

static size_t count(const struct vh_case *c, const char *source, const char *subject)
{
	size_t n = 0;

	vh_case_foreach (c, e)
		n += vh_streq(e->source, source) && vh_streq(e->subject, subject);
	return n;
}

static void a_session_with_kvm(void **state VH_UNUSED)
{
	struct place p = place_new();
	struct vh_case *c = NULL;

	put_file(&p, "/proc/4711/mountinfo", "21 1 254:0 / / rw - ext4 /dev/root rw\n");
	serve(&p, "/run", "q", KVM, NULL);
	/* The looks between the two are made where there is time for them. */
	for (int try = 0; try < 2 * TRIES; try++) {
		vh_case_free(c);
		c = ask(&p, &patient);
		if (count(c, "hmp.info-registers", "vcpu:0") > 2)
			break;
	}
	struct vh_evidence *e = expect(c, "qmp.greeting", "", VH_ASKED, VH_OK);

	assert_true(vh_prefix(e->data, "{\"QMP\":"));
	e = expect(c, "monitor.address", "", VH_ASKED, VH_OK);
	assert_string_equal(e->data, "unix:/run/q");
	e = expect(c, "qmp.query-status", "", VH_ASKED, VH_OK);
	assert_string_equal(
		e->data, "{\"status\":\"running\",\"singlestep\":false,\"running\":true}");
	expect(c, "qmp.query-status", "", VH_ASKED_AGAIN, VH_OK);
	e = expect(c, "qmp.qom-get", "/machine.confidential-guest-support", VH_ASKED, VH_OK);
	assert_string_equal(e->data, "\"\"");
	expect(c, "qmp.query-stats", "vcpu", VH_ASKED, VH_OK);
	expect(c, "qmp.query-stats", "vcpu", VH_ASKED_AGAIN, VH_OK);
	expect(c, "qmp.query-blockstats", "", VH_ASKED_AGAIN, VH_OK);
	expect(c, "qmp.query-balloon", "", VH_ASKED, VH_ABSENT);
	e = expect(c, "hmp.info-registers", "vcpu:1", VH_ASKED, VH_OK);
	assert_non_null(strstr(e->data, "CPU#1"));
	/* Two looks, and those between them of a vCPU that is not halted. */
	assert_in_range(count(c, "hmp.info-registers", "vcpu:0"), 3, 8);
	/* It is not halted: that it stands still is known at the second look. */
	expect(c, "hmp.info-lapic", "vcpu:0", VH_ASKED_AGAIN, VH_OK);
	expect(c, "hmp.info-pic", "", VH_ASKED, VH_OK);
	e = expect(c, "guest.code", "", VH_ASKED, VH_SKIPPED);
	assert_non_null(strstr(e->detail, "captured host"));
	expect(c, "guest.screendump", "", VH_ASKED, VH_SKIPPED);
	expect(c, "qmp.query-block", "", VH_ASKED, VH_OK);
	assert_int_equal(count(c, "qmp.query-sev", ""), 0);
	assert_string_equal(c->evidence[c->n_evidence - 1]->source, "qmp.query-block");
	vh_case_free(c);
	place_free(&p);
}

/* QEMU 10.0 has other members in its answers, and no other questions. */
static void a_session_with_a_newer_qemu(void **state VH_UNUSED)
{
	struct place p = place_new();

	put_file(&p, "/proc/4711/mountinfo", "21 1 254:0 / / rw - ext4 /dev/root rw\n");
	serve(&p, "/run", "q", "kvm-10.0-seabios", NULL);
	struct vh_case *c = ask(&p, &patient);
	struct vh_evidence *e = expect(c, "qmp.query-status", "", VH_ASKED, VH_OK);

	assert_string_equal(e->data, "{\"status\":\"running\",\"running\":true}");
	expect(c, "qmp.query-stats", "vcpu", VH_ASKED_AGAIN, VH_OK);
	expect(c, "hmp.info-registers", "vcpu:1", VH_ASKED_AGAIN, VH_OK);
	expect(c, "qmp.query-block", "", VH_ASKED, VH_OK);
	vh_case_free(c);
	place_free(&p);
}

static void a_session_with_tcg(void **state VH_UNUSED)
{
	struct place p = place_new();

	serve(&p, "/run", "q", TCG, NULL);
	struct vh_case *c = ask(&p, &patient);

	expect(c, "qmp.query-status", "", VH_ASKED_AGAIN, VH_OK);
	expect(c, "hmp.info-registers", "vcpu:1", VH_ASKED_AGAIN, VH_OK);
	/* Its second vCPU is halted: nothing to watch between the two looks. */
	assert_int_equal(count(c, "hmp.info-registers", "vcpu:1"), 2);
	expect(c, "hmp.info-lapic", "vcpu:1", VH_ASKED, VH_OK);
	/* Without mountinfo the drives may lie anywhere. */
	expect(c, "qmp.query-block", "", VH_ASKED, VH_SKIPPED);
	vh_case_free(c);
	place_free(&p);
}

/* A case asked through a server with these behaviours, with this deadline of a question. Where the
 * evidence named is not as expected, the server was too slow: more time then. */
static struct vh_case *ask_until(struct place *p, const char *const behaviours[],
	const char *source, const char *subject, enum vh_status status)
{
	int64_t step_ms = STEP_MS;

	for (int try = 1;; try++, step_ms *= 4) {
		struct vh_collect_options options = {
			.step_ns = step_ms * VH_NS_PER_MS, .monitor_ns = PATIENT_MS * VH_NS_PER_MS};

		*p = place_new();
		serve(p, "/run", "q", KVM, behaviours);
		int64_t began = vh_now_ns();
		struct vh_case *c = ask(p, &options);
		int64_t took_ms = (vh_now_ns() - began) / VH_NS_PER_MS;
		const struct vh_evidence *e = vh_case_find(c, source, subject, VH_ASKED);

		/* What answers is no part of the deadline: the last question is. */
		if (e && e->status == status) {
			assert_in_range(
				took_ms, step_ms - 5, e->at_ns / VH_NS_PER_MS + step_ms + SLACK_MS);
			return c;
		}
		if (try == TRIES)
			fail_msg("%s: %s is %s", behaviours[0], source,
				e ? vh_status_name(e->status) : "missing");
		vh_case_free(c);
		place_free(p);
	}
}

/* One deadline for a monitor that is silent, however many questions there were. */
static void a_silent_monitor_costs_one_deadline(void **state VH_UNUSED)
{
	static const char *const does[] = {
		"qmp_capabilities=stall", "query-status=stall", "query-status=wrong-id"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(does); i++) {
		const char *behaviours[] = {does[i], NULL};
		struct place p;
		struct vh_case *c = ask_until(
			&p, behaviours, "qmp.query-status", "", i < 2 ? VH_TIMED_OUT : VH_FAILED);

		expect(c, "qmp.greeting", "", VH_ASKED, VH_OK);
		for (size_t k = 0; k < vh_n_questions; k++)
			if (!vh_streq(vh_questions[k].source, "qmp.query-status") &&
				!vh_streq(vh_questions[k].source, "qmp.query-sev") &&
				!vh_streq(vh_questions[k].source, "qmp.query-migrate-parameters") &&
				!vh_prefix(vh_questions[k].source, "hmp.info-mtree"))
				expect(c, vh_questions[k].source, vh_questions[k].subject, VH_ASKED,
					VH_SKIPPED);
		vh_case_free(c);
		place_free(&p);
	}
}

/* No greeting: proc.unix tells whether somebody else is served. */
static void a_monitor_that_another_client_holds(void **state VH_UNUSED)
{
	static const struct {
		const char *unix_lines;
		enum vh_status status;
		const char *words;
	} rows[] = {
		{"0000000000000001: 00000002 00000000 00010000 0001 01 10811 /run/q\n"
		 "0000000000000002: 00000003 00000000 00000000 0001 03 47226 /run/q\n",
			VH_TIMED_OUT, "another client holds"},
		{"0000000000000001: 00000002 00000000 00010000 0001 01 10811 /run/q\n"
		 "0000000000000002: 00000003 00000000 00000000 0001 03 47226 /run/other\n",
			VH_FAILED, "does not accept"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct place p = place_new();
		int fd = listen_unix(&p, "/run/q", 4);
		struct vh_collect_options options = {.step_ns = STEP_MS * VH_NS_PER_MS};
		struct vh_case *c = case_new(1);

		vh_replace(&c->vm->monitors[0].address, "unix:/run/q");
		case_main_thread(c);
		case_busy_vcpu(c, 0);
		case_text(c, VH_ONCE, "proc.unix", "", rows[i].unix_lines);
		vh_collect_monitor(p.host, c, &options);
		struct vh_evidence *e = expect(c, "qmp.greeting", "", VH_ASKED, rows[i].status);

		if (!strstr(e->detail, rows[i].words))
			fail_msg("row %zu: %s", i, e->detail);
		assert_null(vh_case_find(c, "qmp.query-status", NULL, VH_N_ROUND));
		expect(c, "qmp.query-block", "", VH_ASKED, VH_SKIPPED);
		vh_case_free(c);
		close(fd);
		place_free(&p);
	}
}

/* What is in the case stays; what comes after is skipped; the second monitor is not tried. */
static void a_vm_that_dies_half_way(void **state VH_UNUSED)
{
	struct place p = place_new();
	const char *behaviours[] = {"info registers=exit:2", NULL};

	serve(&p, "/run", "q", KVM, behaviours);
	struct vh_case *c = ask(&p, &patient);
	struct vh_evidence *e;

	expect(c, "qmp.query-status", "", VH_ASKED, VH_OK);
	expect(c, "hmp.info-registers", "vcpu:0", VH_ASKED, VH_OK);
	e = expect(c, "hmp.info-registers", "vcpu:1", VH_ASKED, VH_FAILED);
	assert_int_equal(e->err, ECONNRESET);
	e = expect(c, "qmp.query-block", "", VH_ASKED, VH_SKIPPED);
	vh_case_free(c);
	place_free(&p);
}

static void registers_that_never_come(void **state VH_UNUSED)
{
	const char *behaviours[] = {"info registers=stall:2", NULL};
	struct place p;
	struct vh_case *c = ask_until(&p, behaviours, "hmp.info-registers", "vcpu:1", VH_TIMED_OUT);

	expect(c, "hmp.info-registers", "vcpu:0", VH_ASKED, VH_OK);
	expect(c, "qmp.query-chardev", "", VH_ASKED, VH_SKIPPED);
	vh_case_free(c);
	place_free(&p);
}

/* Every answer late: the deadline of all questions together ends it. What the server needs for its
 * first answers on a loaded machine is no part of it. */
static bool try_total_deadline(bool last)
{
	struct place p = place_new();
	const char *behaviours[] = {"info registers=slow", "query-name=slow", "query-uuid=slow",
		"query-chardev=slow", NULL};
	struct vh_collect_options options = {
		.step_ns = PATIENT_MS * VH_NS_PER_MS, .monitor_ns = 500 * VH_NS_PER_MS};

	serve(&p, "/run", "q", KVM, behaviours);
	int64_t began = vh_now_ns();
	struct vh_case *c = ask(&p, &options);

	assert_true(vh_now_ns() - began < (500 + SLACK_MS) * VH_NS_PER_MS);
	expect(c, "qmp.query-block", "", VH_ASKED, VH_SKIPPED);
	bool in_time = vh_case_find_data(c, "hmp.info-registers", "vcpu:0", VH_ASKED);

	if (in_time || last) {
		expect(c, "qmp.query-status", "", VH_ASKED, VH_OK);
		expect(c, "hmp.info-registers", "vcpu:0", VH_ASKED, VH_OK);
	}
	vh_case_free(c);
	place_free(&p);
	return in_time;
}

static void the_total_deadline_ends_it(void **state VH_UNUSED)
{
	for (int try = 1; !try_total_deadline(try == 2 * TRIES); try++)
		;
}

/* An old QEMU lacks commands; an error answer is no end of the session. */
static void errors_are_answers(void **state VH_UNUSED)
{
	struct place p = place_new();
	const char *behaviours[] = {"query-stats vm=error", "query-uuid=error", NULL};

	serve(&p, "/run", "q", KVM, behaviours);
	struct vh_case *c = ask(&p, &patient);
	struct vh_evidence *e = expect(c, "qmp.query-uuid", "", VH_ASKED, VH_FAILED);

	/* QEMU's words are made fit for a terminal. */
	assert_string_equal(e->detail, "GenericError: no \\x1b[31mluck");
	expect(c, "qmp.query-stats", "vm", VH_ASKED, VH_FAILED);
	expect(c, "qmp.query-stats", "vcpu", VH_ASKED, VH_OK);
	vh_case_free(c);
	place_free(&p);
}

/* What is held does not change: one look, without a gap, and query-block to see which drive. */
static void a_paused_vm_is_asked_once(void **state VH_UNUSED)
{
	struct place p = place_new();
	const char *behaviours[] = {"query-status=io-error", NULL};

	put_file(&p, "/proc/4711/mountinfo", "21 1 254:0 / / rw - ext4 /dev/root rw\n");
	serve(&p, "/run", "q", KVM, behaviours);
	struct vh_case *c = ask(&p, &patient);

	expect(c, "hmp.info-registers", "vcpu:0", VH_ASKED, VH_OK);
	expect(c, "qmp.query-block", "", VH_ASKED, VH_OK);
	vh_case_foreach (c, e)
		assert_int_not_equal(e->round, VH_ASKED_AGAIN);
	vh_case_free(c);
	place_free(&p);
}

static void nobody_to_ask(void **state VH_UNUSED)
{
	static const struct {
		enum vh_vmm vmm;
		const char *address;
		enum vh_monitor_kind kind;
		bool managed;
		const char *words;
	} rows[] = {
		{VH_VMM_QEMU, NULL, 0, false, "has no monitor"},
		{VH_VMM_QEMU, "stdio", VH_MONITOR_HMP, false, "(hmp, stdio)"},
		{VH_VMM_QEMU, "unix:/run/hmp", VH_MONITOR_HMP, false, "-qmp unix:"},
		{VH_VMM_QEMU, "fd:9", VH_MONITOR_QMP, false, "(qmp, fd:9)"},
		{VH_VMM_QEMU, "unix:/var/lib/libvirt/qemu/domain-1-x/monitor.sock", VH_MONITOR_QMP,
			true, "libvirt holds the monitor"},
		{VH_VMM_FIRECRACKER, NULL, 0, false, "firecracker has no QMP"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct place p = place_new();
		struct vh_collect_options options = {.no_libvirt = true};
		struct vh_case *c = case_new(1);

		case_main_thread(c);
		c->vm->vmm = rows[i].vmm;
		c->vm->libvirt.managed = rows[i].managed;
		c->vm->monitors[0].kind = rows[i].kind;
		vh_replace(&c->vm->monitors[0].address, rows[i].address);
		if (!rows[i].address)
			c->vm->n_monitors = 0;
		vh_collect_monitor(p.host, c, &options);
		struct vh_evidence *e = expect(c, "qmp.greeting", "", VH_ASKED, VH_ABSENT);

		assert_int_equal(e->err, 0);
		if (!strstr(e->detail, rows[i].words))
			fail_msg("row %zu: %s", i, e->detail);
		assert_null(vh_case_find(c, "qmp.query-status", NULL, VH_N_ROUND));
		vh_case_free(c);
		place_free(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_with_kvm),
		cmocka_unit_test(a_session_with_a_newer_qemu),
		cmocka_unit_test(a_session_with_tcg),
		cmocka_unit_test(a_silent_monitor_costs_one_deadline),
		cmocka_unit_test(a_monitor_that_another_client_holds),
		cmocka_unit_test(a_vm_that_dies_half_way),
		cmocka_unit_test(registers_that_never_come),
		cmocka_unit_test(the_total_deadline_ends_it),
		cmocka_unit_test(errors_are_answers),
		cmocka_unit_test(a_paused_vm_is_asked_once),
		cmocka_unit_test(nobody_to_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
