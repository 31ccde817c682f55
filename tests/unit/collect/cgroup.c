/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#define SCOPE "/machine.slice/machine-qemu\\x2d3\\x2dweb\\x2d09.scope"

static void look(struct fixture *f, enum vh_round round)
{
	fixture_run(f, &vh_collect_threads, round);
	fixture_run(f, &vh_collect_cgroup, round);
}

static void a_frozen_v1_parent(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("frozen-v1");

	look(&f, VH_FIRST);
	assert_string_equal(fixture_data(&f, VH_FIRST, "cgroup.freezer.state",
				    "v1:freezer:/vmhang-fixture/db-01"),
		"FROZEN\n");
	assert_string_equal(
		fixture_data(&f, VH_FIRST, "cgroup.freezer.state", "v1:freezer:/vmhang-fixture"),
		"FROZEN\n");
	/* The root has no freezer.state and is not asked for it. */
	assert_int_equal(fixture_count(&f, "cgroup.freezer.state"), 2);
	assert_string_equal(
		fixture_data(&f, VH_FIRST, "cgroup.cpu.cfs_quota_us", "v1:cpu:/"), "-1\n");
	/* All threads are where the process is. */
	assert_int_equal(fixture_count(&f, "task.cgroup"), 0);
	fixture_free(&f);
}

static void a_frozen_v2_group(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("frozen-v2");

	look(&f, VH_FIRST);
	assert_string_equal(
		fixture_data(&f, VH_FIRST, "cgroup.cgroup.freeze", "v2:/vmhang-fixture"), "1\n");
	assert_string_equal(
		fixture_data(&f, VH_FIRST, "cgroup.cgroup.events", "v2:/vmhang-fixture"),
		"populated 1\nfrozen 1\n");
	/* The cpu controller is on v1 there: for the own group that is said. */
	assert_int_equal(
		fixture_status(&f, VH_FIRST, "cgroup.cpu.max", "v2:/vmhang-fixture"), VH_ABSENT);
	fixture_run(&f, &vh_collect_cgroup, VH_ONCE);
	assert_string_equal(fixture_data(&f, VH_ONCE, "cgroup.path", "v2:/vmhang-fixture"),
		"/sys/fs/cgroup/unified/vmhang-fixture");
	fixture_free(&f);
}

static void quota_of_a_vcpu_and_limit_of_an_ancestor(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("made-v2-quota");

	look(&f, VH_FIRST);
	assert_string_equal(fixture_data(&f, VH_FIRST, "task.cgroup", "tid:4712"),
		"0::" SCOPE "/libvirt/vcpu0\n");
	/* The worker is in the process's own group. */
	assert_int_equal(fixture_count(&f, "task.cgroup"), 2);
	assert_string_equal(
		fixture_data(&f, VH_FIRST, "cgroup.cpu.max", "v2:" SCOPE "/libvirt/vcpu0"),
		"1000 100000\n");
	assert_non_null(
		strstr(fixture_data(&f, VH_FIRST, "cgroup.cpu.stat", "v2:" SCOPE "/libvirt/vcpu1"),
			"nr_throttled 4990\n"));
	assert_non_null(strstr(
		fixture_data(&f, VH_FIRST, "cgroup.cpu.pressure", "v2:" SCOPE "/libvirt/vcpu1"),
		"avg10=88.20"));
	assert_string_equal(
		fixture_data(&f, VH_FIRST, "cgroup.memory.max", "v2:" SCOPE), "2147483648\n");
	/* No memory controller below the scope: absent for own groups, silent for ancestors; and
	 * ancestors' pressure is not asked for. */
	assert_int_equal(
		fixture_status(&f, VH_FIRST, "cgroup.memory.max", "v2:" SCOPE "/libvirt/emulator"),
		VH_ABSENT);
	assert_int_equal(fixture_status(&f, VH_FIRST, "cgroup.memory.max", "v2:" SCOPE "/libvirt"),
		VH_N_STATUS);
	assert_int_equal(
		fixture_status(&f, VH_FIRST, "cgroup.cpu.pressure", "v2:" SCOPE), VH_N_STATUS);
	assert_int_equal(fixture_status(&f, VH_FIRST, "cgroup.cpu.max", "v2:/"), VH_N_STATUS);
	fixture_free(&f);
}

static void an_invisible_group_says_why(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("made-arm64-container");

	look(&f, VH_FIRST);
	fixture_run(&f, &vh_collect_cgroup, VH_ONCE);
	const struct vh_evidence *e =
		vh_case_find(f.c, "cgroup.path", "v1:cpu:/../../machine/vm", VH_ONCE);

	assert_int_equal(e->status, VH_ABSENT);
	assert_non_null(strstr(e->detail, "/docker/abc"));
	e = vh_case_find(f.c, "cgroup.path", "v2:/../../machine/vm", VH_ONCE);
	assert_int_equal(e->status, VH_ABSENT);
	assert_non_null(strstr(e->detail, "namespace"));
	/* The mount point has a blank in its name, and its mount no source. */
	assert_string_equal(fixture_data(&f, VH_ONCE, "cgroup.path", "v2:/visible"),
		"/sys/fs/my group/visible");
	assert_string_equal(
		fixture_data(&f, VH_FIRST, "cgroup.cpu.max", "v2:/visible"), "50000 100000\n");
	fixture_free(&f);
}

static void a_container_sees_below_its_mount(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();

	fixture_put(&f, "/proc/self/mountinfo",
		"30 25 0:27 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n");
	fixture_put(&f, "/proc/4711/task/4711/stat", "");
	fixture_put(&f, "/proc/4711/cgroup", "4:cpu,cpuacct:/docker/abc/vm\n");
	fixture_put(&f, "/sys/fs/cgroup/cpu/vm/cpu.cfs_quota_us", "5000\n");
	look(&f, VH_FIRST);
	assert_string_equal(
		fixture_data(&f, VH_FIRST, "cgroup.cpu.cfs_quota_us", "v1:cpu:/docker/abc/vm"),
		"5000\n");
	fixture_run(&f, &vh_collect_cgroup, VH_ONCE);
	assert_int_equal(fixture_status(&f, VH_ONCE, "cgroup.path", "v1:cpu:/docker"), VH_ABSENT);
	fixture_free(&f);
}

static void no_process_any_more_but_its_groups(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("made-v2-quota");

	look(&f, VH_FIRST);
	fixture_run(&f, &vh_collect_cgroup, VH_ONCE);
	vh_evidence_fail(vh_case_add(f.c, VH_LAST, "proc.tasks", "", ""), VH_ABSENT, 3, "gone");
	fixture_run(&f, &vh_collect_cgroup, VH_LAST);
	assert_string_equal(
		fixture_data(&f, VH_LAST, "cgroup.cpu.max", "v2:" SCOPE "/libvirt/vcpu0"),
		"1000 100000\n");
	assert_string_equal(
		fixture_data(&f, VH_LAST, "cgroup.memory.max", "v2:" SCOPE), "2147483648\n");
	fixture_free(&f);
}

static void five_thousand_hostile_lines(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();
	vh_auto_buf struct vh_buf text = {0};
	vh_auto_buf struct vh_buf deep = {0};

	for (int i = 0; i < 5000; i++)
		vh_buf_printf(&text, "0::/group-%d/x\n", i);
	vh_buf_puts(&text, "\n:\n::\n0::\n0::relative\n0:://\n:::::\n");
	fixture_put(&f, "/proc/4711/task/4711/stat", "");
	fixture_put(&f, "/proc/4711/cgroup", vh_buf_str(&text));
	fixture_put(&f, "/proc/self/mountinfo", "31 25 0:28 / /cg ro - cgroup2 cgroup2 rw\n");
	look(&f, VH_FIRST);
	fixture_run(&f, &vh_collect_cgroup, VH_ONCE);
	assert_int_equal(fixture_count(&f, "cgroup.path"), 256);
	assert_int_equal(fixture_status(&f, VH_ONCE, "vmhang.note", ""), VH_OK);
	fixture_free(&f);

	f = fixture_empty();
	vh_buf_puts(&deep, "0::");
	for (int i = 0; i < 500; i++)
		vh_buf_puts(&deep, "/d");
	fixture_put(&f, "/proc/4711/cgroup", vh_buf_str(&deep));
	fixture_run(&f, &vh_collect_cgroup, VH_ONCE);
	assert_int_equal(fixture_count(&f, "cgroup.path"), 32);
	assert_non_null(strstr(vh_case_find(f.c, "cgroup.path", NULL, VH_ONCE)->detail, "mounted"));
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frozen_v1_parent),
		cmocka_unit_test(a_frozen_v2_group),
		cmocka_unit_test(quota_of_a_vcpu_and_limit_of_an_ancestor),
		cmocka_unit_test(an_invisible_group_says_why),
		cmocka_unit_test(a_container_sees_below_its_mount),
		cmocka_unit_test(no_process_any_more_but_its_groups),
		cmocka_unit_test(five_thousand_hostile_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
