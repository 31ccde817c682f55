/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <errno.h>

static void a_spinning_boot_cpu_as_captured(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("spin-boot-cpu");

	fixture_run(&f, &vh_collect_threads, VH_FIRST);
	fixture_run(&f, &vh_collect_threads, VH_ONCE);
	assert_int_equal(fixture_count(&f, "proc.tasks"), 1);
	assert_int_equal(fixture_count(&f, "task.stat"), 8);
	assert_int_equal(fixture_count(&f, "task.stack"), 8);
	/* vCPUs 1 to 3 wait in KVM_RUN; vCPU 0 runs, so nobody can tell which one it is. The
	 * kernel's kvm-nx-lpage-re shows vCPU 0's call, but it is not its own. */
	assert_int_equal(fixture_count(&f, "task.kvmfd"), 3);
	assert_int_equal(fixture_count(&f, "task.fd"), 0);
	vh_case_foreach (f.c, e) {
		struct vh_procstat stat;

		if (strcmp(e->source, "task.stat"))
			continue;
		assert_true(vh_procstat_parse(vh_evidence_text(e), &stat));
		const char *wchan = fixture_data(&f, VH_FIRST, "task.wchan", e->subject);
		const char *call = fixture_data(&f, VH_FIRST, "task.syscall", e->subject);

		if (!strcmp(stat.name, "CPU 0/KVM")) {
			assert_int_equal(stat.state, 'R');
			assert_string_equal(call, "running\n");
		} else if (!strcmp(stat.name, "CPU 2/KVM")) {
			assert_string_equal(wchan, "kvm_vcpu_block");
			assert_string_equal(fixture_data(&f, VH_FIRST, "task.kvmfd", e->subject),
				"anon_inode:kvm-vcpu:2");
		} else if (!strcmp(stat.name, "kvm-nx-lpage-re")) {
			assert_true(vh_prefix(call, "16 "));
			assert_int_equal(fixture_status(&f, VH_FIRST, "task.kvmfd", e->subject),
				VH_N_STATUS);
		}
	}
	fixture_free(&f);
}

static void a_worker_names_the_file_it_waits_for(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("made-v2-quota");

	fixture_run(&f, &vh_collect_threads, VH_LAST);
	/* The name of the disk holds a newline. */
	assert_string_equal(fixture_data(&f, VH_LAST, "task.fd", "tid:4714"),
		"21\t/var/lib/libvirt/images/web\\x0a09.qcow2");
	assert_string_equal(
		fixture_data(&f, VH_LAST, "task.kvmfd", "tid:4712"), "anon_inode:kvm-vcpu:0");
	assert_int_equal(fixture_count(&f, "task.kvmfd"), 1);
	fixture_free(&f);
}

static void arm64_has_its_own_numbers(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("made-arm64-container");

	fixture_run(&f, &vh_collect_threads, VH_FIRST);
	assert_string_equal(
		fixture_data(&f, VH_FIRST, "task.kvmfd", "tid:4711"), "anon_inode:kvm-vcpu:3");
	/* write() with rubbish above the 32 bits that a descriptor has */
	assert_string_equal(fixture_data(&f, VH_FIRST, "task.fd", "tid:4715"), "9\tpipe:[5]");
	/* The truncated stat is handed on as it is; what is not there is absent. */
	assert_string_equal(fixture_data(&f, VH_FIRST, "task.stat", "tid:4715"), "4715 (short");
	assert_int_equal(fixture_status(&f, VH_FIRST, "task.stack", "tid:4715"), VH_ABSENT);
	assert_int_equal(fixture_status(&f, VH_FIRST, "task.wchan", "tid:4715"), VH_ABSENT);
	fixture_free(&f);
}

static void calls_that_name_nothing(void **state VH_UNUSED)
{
	static const char *const calls[] = {"running\n", "-1 0x7ffe 0x7f00\n", "", "16", "16 0xc",
		"16 0xffffffff 0xae80 0x0 0x0 0x0 0x0 0x7ffe 0x7f00\n",
		"202 0x1 0x0 0x0 0x0 0x0 0x0 0x7ffe 0x7f00\n", "0 x y z 0 0 0 0 1\n",
		"16 0xc 0xae80 0x0 0x0 0x0 0x0 0x0 0x0\n"};
	struct fixture f = fixture_empty();

	fixture_put(&f, "/proc/sys/kernel/arch", "x86_64\n");
	for (size_t i = 0; i < VH_ARRAY_SIZE(calls); i++) {
		vh_auto_free char *path = vh_asprintf("/proc/4711/task/%zu/syscall", i + 1);

		fixture_put(&f, path, calls[i]);
	}
	fixture_run(&f, &vh_collect_threads, VH_FIRST);
	assert_int_equal(fixture_count(&f, "task.syscall"), VH_ARRAY_SIZE(calls));
	assert_int_equal(fixture_count(&f, "task.fd"), 0);
	assert_int_equal(fixture_count(&f, "task.kvmfd"), 0);
	/* A descriptor that was closed meanwhile. */
	fixture_put(&f, "/proc/4711/task/1/syscall", "1 0x5 0x0 0x0 0x0 0x0 0x0 0x7ffe 0x7f00\n");
	fixture_run(&f, &vh_collect_threads, VH_LAST);
	assert_int_equal(fixture_status(&f, VH_LAST, "task.fd", "tid:1"), VH_ABSENT);
	fixture_free(&f);
}

static void a_thread_that_ends_between_list_and_read(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();

	fixture_put(&f, "/proc/4711/task/4711/stat", "x");
	/* What a thread that has just gone looks like: listed, and nothing in it. */
	fixture_link(&f, "/proc/4711/task/4712", "/nonexistent");
	fixture_run(&f, &vh_collect_threads, VH_FIRST);
	assert_string_equal(fixture_data(&f, VH_FIRST, "proc.tasks", ""), "4711\n4712\n");
	const struct vh_evidence *e = vh_case_find(f.c, "task.stat", "tid:4712", VH_FIRST);

	assert_int_equal(e->status, VH_ABSENT);
	assert_int_equal(e->err, ENOENT);
	assert_null(e->data);
	fixture_free(&f);
}

static void no_process_no_threads(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();

	fixture_run(&f, &vh_collect_threads, VH_FIRST);
	assert_int_equal(fixture_status(&f, VH_FIRST, "proc.tasks", ""), VH_ABSENT);
	assert_int_equal(f.c->n_evidence, 1);
	fixture_free(&f);
}

static void five_thousand_threads_are_capped(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();

	for (int i = 0; i < 5000; i++) {
		vh_auto_free char *path = vh_asprintf("/proc/4711/task/%d", 10000 + i);

		fixture_link(&f, path, "/nonexistent");
	}
	fixture_run(&f, &vh_collect_threads, VH_FIRST);
	const struct vh_evidence *e = vh_case_find(f.c, "proc.tasks", "", VH_FIRST);

	assert_int_equal(e->status, VH_TRUNCATED);
	assert_int_equal(e->size, 4096 * strlen("10000\n"));
	assert_int_equal(fixture_count(&f, "task.stat"), 4096);
	assert_int_equal(fixture_status(&f, VH_FIRST, "vmhang.note", ""), VH_OK);
	fixture_free(&f);
}

static void a_file_that_may_not_be_read_is_denied(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();
	bool root = geteuid() == 0;

	fixture_put(&f, "/proc/4711/task/4711/stack", "secret");
	vh_auto_free char *path = vh_host_path(f.host, "/proc/4711/task/4711/stack");

	assert_int_equal(chmod(f.dir, 0755), 0);
	assert_int_equal(chmod(path, 0), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	fixture_run(&f, &vh_collect_threads, VH_FIRST);
	if (root)
		assert_int_equal(seteuid(0), 0);
	const struct vh_evidence *e = vh_case_find(f.c, "task.stack", "tid:4711", VH_FIRST);

	assert_int_equal(e->status, VH_DENIED);
	assert_int_equal(e->err, EACCES);
	assert_non_null(e->detail);
	assert_null(e->data);
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spinning_boot_cpu_as_captured),
		cmocka_unit_test(a_worker_names_the_file_it_waits_for),
		cmocka_unit_test(arm64_has_its_own_numbers),
		cmocka_unit_test(calls_that_name_nothing),
		cmocka_unit_test(a_thread_that_ends_between_list_and_read),
		cmocka_unit_test(no_process_no_threads),
		cmocka_unit_test(five_thousand_threads_are_capped),
		cmocka_unit_test(a_file_that_may_not_be_read_is_denied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
