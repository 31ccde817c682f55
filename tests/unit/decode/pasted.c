/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What ps, top and people's monitor print, as numbers. */
#include "decode/pasted.h"
#include "../test.h"

#include "../casebuild.h"

#define S VH_NS_PER_S

static void times_of_ps_and_top(void **state VH_UNUSED)
{
	static const struct {
		const char *text;
		bool plus; /* TIME+ */
		int64_t ns;
	} rows[] = {
		{"0:05.12", true, 5120 * VH_NS_PER_MS},
		{"6,44", true, (6 * 3600 + 44 * 60) * S}, /* hours and minutes */
		{"12:03", true, (12 * 60 + 3) * S},
		{"404:12.34", true, (404 * 60 + 12) * S + 340 * VH_NS_PER_MS},
		{"31h", true, 31 * 3600 * S},
		{"5d", true, 5 * 86400 * S},
		{"2w", true, 14 * 86400 * S},
		{"00:00:09", false, 9 * S},
		{"2-07:11:02", false, (2 * 86400 + 7 * 3600 + 11 * 60 + 2) * S},
		{"9:01", false, 541 * S},
		{"86", false, 86 * S}, /* cputimes */
		{"6,44", false, -1},
		{"", false, -1},
		{"-", false, -1},
		{"?", true, -1},
		{"1:2:3:4", false, -1},
		{"-1:00", true, -1},
		{"a:b", true, -1},
		{"6,4", true, -1},
		{"99999999999:00", true, -1},
		{"1e300", true, -1},
		{"nan:1", true, -1},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		int64_t ns = vh_pasted_time_ns(vh_str(rows[i].text), rows[i].plus);

		if (ns - rows[i].ns > 1000 || rows[i].ns - ns > 1000)
			fail_msg("%s is %lld", rows[i].text, (long long)ns);
	}
}

/* A case that is marked as one of pasted text, of one VM. */
static struct vh_case *pasted_case(void)
{
	struct vh_case *c = case_new(0);

	case_text(c, VH_ONCE, "pasted.index", "t",
		"{\"file\": \"t\", \"lines\": 9, \"blocks\": [{\"from\": 1, \"to\": 2, \"by\": "
		"\"ps\", "
		"\"what\": \"a\\u001bb\"}], \"unread\": [{\"from\": 3, \"to\": 3}]}");
	return c;
}

static void threads_of_tables(void **state VH_UNUSED)
{
	struct vh_case *c = pasted_case();

	case_text(c, VH_LAST, "pasted.ps", "",
		"PID LWP PSR STAT %CPU TIME WCHAN COMMAND\n"
		"4711 4711 1 Sl 0.2 00:00:09 do_sys qemu-system-x86\n"
		"4711 4715 0 Rl 99.8 03:12:44 - CPU 0/KVM\n"
		"4711 4716 3 Sl 0.0 00:00:00 kvm_vc CPU 1/KVM\n"
		"4711 4717 3 D  0.0 00:00:00 kvm_vc CPU 9999999999/KVM\n"
		"junk\n");
	struct vh_model *m = vh_model_build(c);
	const struct vh_thread *boot = m->vcpus[0]->thread, *ap = m->vcpus[1]->thread;

	assert_int_equal(m->n_threads, 4);
	assert_int_equal(m->n_vcpus, 2);
	assert_int_equal(m->threads[0]->role, VH_ROLE_MAIN);
	assert_int_equal(m->threads[0]->wait, VH_WAIT_POLL);
	assert_int_equal(boot->tid, 4715);
	assert_int_equal(boot->last.stat.state, 'R');
	/* ps tells a life's share, not the window's. */
	assert_true(isnan(boot->run_share));
	assert_true(fabs(boot->life_share - 0.998) < 1e-9);
	assert_int_equal(boot->last.cpu_ns, 11564 * S);
	assert_int_equal(ap->wait, VH_WAIT_KVM_HALT);
	assert_int_equal(ap->last.stat.cpu, 3);
	assert_int_equal(m->pasted->n_files, 1);
	assert_string_equal(m->pasted->files[0].blocks[0].what, "a\\x1bb");
	assert_int_equal(m->pasted->files[0].unread[0].from, 3);
	vh_model_free(m);
	vh_case_free(c);
}

/* The same sources in a case that is none of pasted text change nothing. */
static void a_live_case_ignores_tables(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_text(c, VH_LAST, "pasted.ps", "", "PID LWP COMMAND\n4711 4715 CPU 0/KVM\n");
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->n_threads, 0);
	assert_null(m->pasted);
	vh_model_free(m);
	vh_case_free(c);
}

static void what_says_that_a_guest_is_encrypted(void **state VH_UNUSED)
{
	static const struct {
		const char *source, *text;
		enum vh_conf_kind kind;
	} rows[] = {
		{"qmp.query-sev", "{\"enabled\": false}", VH_CONF_NONE},
		{"qmp.query-sev", "{\"enabled\": true, \"policy\": 1}", VH_CONF_SEV},
		{"qmp.query-sev", "{\"enabled\": true, \"policy\": 5}", VH_CONF_SEV_ES},
		{"qmp.query-sev", "{\"enabled\": true, \"sev-type\": \"sev-snp\"}",
			VH_CONF_SEV_SNP},
		{"qmp.query-sev", "[]", VH_CONF_NONE},
		{"pasted.hmp-sev", "SEV is not enabled\n", VH_CONF_NONE},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = pasted_case();

		case_text(c, VH_ASKED, rows[i].source, "", rows[i].text);
		struct vh_model *m = vh_model_build(c);

		assert_int_equal(m->confidential, rows[i].kind);
		vh_model_free(m);
		vh_case_free(c);
	}
}

static void states_of_people_and_libvirt(void **state VH_UNUSED)
{
	static const struct {
		const char *source, *text, *run_state;
		enum vh_monitor_state state;
	} rows[] = {
		{"pasted.hmp-status", "VM status: running\n", "running", VH_MONITOR_ANSWERED},
		{"pasted.hmp-status", "VM status: paused (io-error)\n", "io-error",
			VH_MONITOR_ANSWERED},
		{"pasted.hmp-status", "VM status: paused )(\n", "paused )(", VH_MONITOR_ANSWERED},
		{"pasted.domstats", "state.state=3\nstate.reason=5\n", "io-error",
			VH_MONITOR_NOT_ASKED},
		{"pasted.domstats", "state.state=1\n", "running", VH_MONITOR_NOT_ASKED},
		{"pasted.libvirt-log", "error: cannot acquire state change lock (held by x)\n",
			NULL, VH_MONITOR_BUSY},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = pasted_case();

		case_text(c, VH_ASKED, rows[i].source, "", rows[i].text);
		struct vh_model *m = vh_model_build(c);

		if (rows[i].run_state)
			assert_string_equal(m->monitor.run_state, rows[i].run_state);
		else
			assert_null(m->monitor.run_state);
		assert_int_equal(m->monitor.state, rows[i].state);
		vh_model_free(m);
		vh_case_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_of_ps_and_top),
		cmocka_unit_test(threads_of_tables),
		cmocka_unit_test(a_live_case_ignores_tables),
		cmocka_unit_test(what_says_that_a_guest_is_encrypted),
		cmocka_unit_test(states_of_people_and_libvirt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
