/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

static void the_host_around(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("made-v2-quota");

	fixture_run(&f, &vh_collect_hostview, VH_ONCE);
	fixture_run(&f, &vh_collect_hostview, VH_FIRST);
	assert_string_equal(fixture_data(&f, VH_ONCE, "host.uname", ""),
		"Linux\n6.1.0-18-amd64\n#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1\nx86_64\n");
	assert_string_equal(fixture_data(&f, VH_ONCE, "host.cpus", ""), "0-7\n");
	assert_string_equal(fixture_data(&f, VH_ONCE, "host.clock-ticks", ""), "100");
	assert_string_equal(fixture_data(&f, VH_ONCE, "host.kvm", ""),
		"kvm.halt_poll_ns 200000\nkvm_intel.ept Y\n");
	assert_true(vh_prefix(fixture_data(&f, VH_FIRST, "host.loadavg", ""), "2.00 "));
	fixture_data(&f, VH_FIRST, "host.pressure.cpu", "");
	fixture_data(&f, VH_FIRST, "host.pressure.memory", "");
	fixture_data(&f, VH_FIRST, "host.pressure.io", "");
	fixture_free(&f);
}

static void a_bare_host_says_what_is_missing(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();

	fixture_run(&f, &vh_collect_hostview, VH_ONCE);
	fixture_run(&f, &vh_collect_hostview, VH_FIRST);
	fixture_run(&f, &vh_collect_hostlog, VH_ONCE);
	assert_string_equal(fixture_data(&f, VH_ONCE, "host.uname", ""),
		"unknown\nunknown\nunknown\nunknown\n");
	assert_int_equal(fixture_status(&f, VH_ONCE, "host.kvm", ""), VH_ABSENT);
	assert_int_equal(fixture_status(&f, VH_ONCE, "host.cpus", ""), VH_ABSENT);
	assert_int_equal(fixture_status(&f, VH_FIRST, "host.pressure.cpu", ""), VH_ABSENT);
	assert_int_equal(fixture_status(&f, VH_ONCE, "host.kmsg", ""), VH_ABSENT);
	fixture_free(&f);
}

static void rivals_on_the_cpus_of_the_vcpus(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("made-v2-quota");

	/* The vCPUs may use CPUs 2 and 3: a FIFO thread elsewhere is no rival, nor is a sleeper. */
	fixture_run(&f, &vh_collect_threads, VH_FIRST);
	fixture_run(&f, &vh_collect_rivals, VH_FIRST);
	const char *want = "600 600 1 50 3 600 5000000000 rt hog\\x\n"
			   "603 603 0 0 3 9000100 5000000000 java\n"
			   "604 603 0 0 5 9000050 5000000000 C2 CompilerThre\n";

	assert_string_equal(fixture_data(&f, VH_FIRST, "host.rivals", ""), want);
	const struct vh_evidence *e = vh_case_find(f.c, "host.rivals", "", VH_FIRST);

	assert_int_equal(vh_evidence_number(e, "processes", -1), 4);
	assert_int_equal(vh_evidence_number(e, "threads", -1), 5);
	/* Later looks read the same threads again. */
	fixture_run(&f, &vh_collect_rivals, VH_ONCE);
	fixture_run(&f, &vh_collect_rivals, VH_LAST);
	assert_string_equal(fixture_data(&f, VH_LAST, "host.rivals", ""), want);
	assert_int_equal(fixture_count(&f, "host.rivals"), 2);
	fixture_free(&f);
}

static void without_affinity_any_rival_counts(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("made-v2-quota");

	fixture_run(&f, &vh_collect_rivals, VH_FIRST);
	assert_non_null(strstr(fixture_data(&f, VH_FIRST, "host.rivals", ""), "601 601 1 50 0 "));
	fixture_free(&f);
}

static void rivals_that_come_and_go(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();
	static const char hog[] =
		"%d (hog) R 1 1 1 0 -1 0 0 0 0 0 5 5 0 0 20 0 1 0 7 0 0 0 1 1 0 0 0 0 0 0 0 0 0 0 "
		"17 1 0 0 0 0 0\n";

	for (int pid = 800; pid < 2100; pid++) {
		vh_auto_free char *text = vh_asprintf(hog, pid);
		vh_auto_free char *path = vh_asprintf("/proc/%d/stat", pid);
		vh_auto_free char *task = vh_asprintf("/proc/%d/task/%d/stat", pid, pid);

		fixture_put(&f, path, text);
		fixture_put(&f, task, text);
	}
	fixture_put(&f, "/proc/2000/stat", "2000 (cut");
	fixture_put(&f, "/proc/2001/stat", "");
	/* Seen in /proc, gone when read again. */
	fixture_remove(&f, "/proc/2002/task");
	fixture_run(&f, &vh_collect_rivals, VH_FIRST);
	const struct vh_evidence *e = vh_case_find(f.c, "host.rivals", "", VH_FIRST);

	/* Capped at 1024, or cut by the time allowed: both are said. */
	assert_int_equal(e->status, VH_TRUNCATED);
	assert_non_null(e->detail);
	assert_non_null(strstr(e->data, "\n2098 2098 0 0 1 10 -1 hog\n2099 2099 "));
	size_t lines = 0;

	assert_non_null(strstr(e->data, "\n1999 1999 0 0 1 10 -1 hog\n2003 2003 "));
	for (const char *p = e->data; (p = strchr(p, '\n')); p++)
		lines++;
	assert_true(lines <= 1024);
	fixture_remove(&f, "/proc/2098");
	fixture_run(&f, &vh_collect_rivals, VH_LAST);
	const char *last = fixture_data(&f, VH_LAST, "host.rivals", "");

	assert_null(strstr(last, "2098"));
	assert_non_null(strstr(last, "\n2097 2097 0 0 1 10 -1 hog\n2099 2099 "));
	fixture_free(&f);
}

static void kernel_lines_that_matter(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("made-v2-quota");

	fixture_run(&f, &vh_collect_hostlog, VH_ONCE);
	assert_string_equal(fixture_data(&f, VH_ONCE, "host.kmsg", ""),
		"[1.000000] kvm_amd: SEV enabled (ASIDs 100 - 509)\n"
		"[3.000000] x86/split lock detection: #AC: CPU 0/KVM/4712 took a split_lock trap "
		"at address: 0x7c00\n"
		"[4.000123] INFO: task CPU 1/KVM:4713 blocked for more than 120 seconds.\n"
		"[5.000000] foo[4711]: segfault at 0\n"
		"[7.000000] nfs: server store not responding, still trying\n");
	const struct vh_evidence *e = vh_case_find(f.c, "host.kmsg", "", VH_ONCE);

	/* One of the eight was a process's, not the kernel's. */
	assert_int_equal(vh_evidence_number(e, "records", -1), 7);
	assert_int_equal(vh_evidence_number(e, "matching", -1), 5);
	fixture_free(&f);
}

static void words_and_pids_in_the_kernel_log(void **state VH_UNUSED)
{
	static const struct {
		const char *text;
		bool wanted;
	} lines[] = {
		{"SEV: x", true},
		{"several", false},
		{"x sev", true},
		{"Memory: 4711 KiB", false},
		{"qqq[4711] x", true},
		{"qqq[47110] x", false},
		{"qqq pid 4711", true},
		{"qqq PID: 4711 Comm", true},
		{"qqq pid 14711", false},
		{"pid", false},
		{"4711", false},
		{"end of [4711", true},
		{"EDAC MC0: 1 CE", true},
		{"sedac", false},
		{"Buffer I/O ERROR on dev", true},
	};
	struct fixture f = fixture_empty();
	vh_auto_buf struct vh_buf text = {0}, want = {0};

	for (size_t i = 0; i < VH_ARRAY_SIZE(lines); i++) {
		vh_buf_printf(&text, "6,%zu,%zu,-;%s\n", i, i, lines[i].text);
		if (lines[i].wanted)
			vh_buf_printf(&want, "[0.%06zu] %s\n", i, lines[i].text);
	}
	vh_buf_puts(&text, "kvm\n;kvm\n6;kvm\n6,1;kvm\n6,1,x,-;kvm\n999,1,1,-;kvm\n");
	fixture_put(&f, "/dev/kmsg", vh_buf_str(&text));
	fixture_run(&f, &vh_collect_hostlog, VH_ONCE);
	assert_string_equal(fixture_data(&f, VH_ONCE, "host.kmsg", ""), vh_buf_str(&want));
	fixture_free(&f);
}

static void the_newest_two_hundred_lines(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();
	vh_auto_buf struct vh_buf text = {0};

	for (int i = 0; i < 1000; i++)
		vh_buf_printf(&text, "6,%d,%d000000,-;kvm line %d\n", i, i, i);
	vh_buf_puts(&text, "6,1,1000000000,-;kvm ");
	for (int i = 0; i < 3000; i++)
		vh_buf_putc(&text, 'x');
	fixture_put(&f, "/dev/kmsg", vh_buf_str(&text));
	fixture_run(&f, &vh_collect_hostlog, VH_ONCE);
	const char *data = fixture_data(&f, VH_ONCE, "host.kmsg", "");

	assert_true(vh_prefix(data, "[801.000000] kvm line 801\n"));
	assert_non_null(strstr(data, "\n[999.000000] kvm line 999\n[1000.000000] kvm x"));
	assert_true(strlen(data) < 200 * 30 + 600);
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_host_around),
		cmocka_unit_test(a_bare_host_says_what_is_missing),
		cmocka_unit_test(rivals_on_the_cpus_of_the_vcpus),
		cmocka_unit_test(without_affinity_any_rival_counts),
		cmocka_unit_test(rivals_that_come_and_go),
		cmocka_unit_test(kernel_lines_that_matter),
		cmocka_unit_test(words_and_pids_in_the_kernel_log),
		cmocka_unit_test(the_newest_two_hundred_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
