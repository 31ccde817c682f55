/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

static void a_captured_process(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("spin-boot-cpu");

	fixture_run(&f, &vh_collect_process, VH_FIRST);
	assert_int_equal(f.c->n_evidence, 1);
	assert_non_null(strstr(fixture_data(&f, VH_FIRST, "proc.status", ""), "TracerPid:\t0\n"));
	fixture_run(&f, &vh_collect_process, VH_ONCE);
	const struct vh_evidence *e = vh_case_find(f.c, "proc.cmdline", "", VH_ONCE);

	/* NUL-separated, whole. */
	assert_int_equal(e->status, VH_OK);
	assert_string_equal(e->data, "qemu-system-x86_64");
	assert_memory_equal(e->data + e->size - 9, "qemu.log", 9);
	assert_string_equal(
		fixture_data(&f, VH_ONCE, "proc.oom", ""), "oom_score 667\noom_score_adj 0\n");
	assert_true(vh_prefix(fixture_data(&f, VH_ONCE, "proc.autogroup", ""), "/autogroup-"));
	assert_non_null(strstr(fixture_data(&f, VH_ONCE, "proc.cgroup", ""), "\n0::/\n"));
	assert_non_null(
		strstr(fixture_data(&f, VH_ONCE, "proc.fd", ""), "\n15\tanon_inode:kvm-vcpu:0\n"));
	/* The listening socket is known by its inode. */
	const char *sockets = fixture_data(&f, VH_ONCE, "proc.unix", "");

	assert_non_null(strstr(sockets, "/srv/vm/web-07/qmp.sock\n"));
	assert_ptr_equal(strchr(sockets, '\n'), sockets + strlen(sockets) - 1);
	fixture_free(&f);
}

static void sockets_by_path_and_by_inode(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("made-v2-quota");

	fixture_run(&f, &vh_collect_process, VH_ONCE);
	const char *sockets = fixture_data(&f, VH_ONCE, "proc.unix", "");

	assert_non_null(strstr(sockets, " 88001 "));
	assert_non_null(strstr(sockets, " 88002 "));
	assert_null(strstr(sockets, "other.sock"));
	assert_null(strstr(sockets, "RefCount"));
	fixture_free(&f);

	f = fixture_captured("made-v2-quota");
	VH_PUSH(f.c->vm->monitors, f.c->vm->n_monitors) = (struct vh_monitor_addr){
		.kind = VH_MONITOR_QMP, .address = vh_strdup("unix:/run/other.sock")};
	fixture_run(&f, &vh_collect_process, VH_ONCE);
	assert_non_null(strstr(fixture_data(&f, VH_ONCE, "proc.unix", ""), "/run/other.sock\n"));
	fixture_free(&f);
}

static void names_with_newlines_stay_on_their_line(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();

	fixture_link(&f, "/proc/4711/fd/3", "/a\nb\x1b[31m");
	fixture_link(&f, "/proc/4711/fd/4", "socket:[12");
	fixture_link(&f, "/proc/4711/fd/5", "socket:[]");
	fixture_put(&f, "/proc/4711/net/unix",
		"Num RefCount\n1: 2 3 4 5 6\n1: 2 3 4 5 6 x /y\n1: 2 3 4 5 6 12\n");
	fixture_run(&f, &vh_collect_process, VH_ONCE);
	assert_string_equal(fixture_data(&f, VH_ONCE, "proc.fd", ""),
		"3\t/a\\x0ab\\x1b[31m\n4\tsocket:[12\n5\tsocket:[]\n");
	assert_string_equal(fixture_data(&f, VH_ONCE, "proc.unix", ""), "");
	/* Nothing else is there, and each says so. */
	assert_int_equal(fixture_status(&f, VH_ONCE, "proc.oom", ""), VH_ABSENT);
	assert_int_equal(fixture_status(&f, VH_ONCE, "proc.autogroup", ""), VH_ABSENT);
	assert_int_equal(fixture_status(&f, VH_ONCE, "proc.cmdline", ""), VH_ABSENT);
	fixture_free(&f);
}

static void too_many_descriptors_are_capped(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();

	for (int i = 0; i < 4200; i++) {
		vh_auto_free char *path = vh_asprintf("/proc/4711/fd/%d", i);

		fixture_link(&f, path, "/x");
	}
	fixture_run(&f, &vh_collect_process, VH_ONCE);
	const struct vh_evidence *e = vh_case_find(f.c, "proc.fd", "", VH_ONCE);

	assert_int_equal(e->status, VH_TRUNCATED);
	assert_non_null(strstr(e->data, "\n4095\t/x\n"));
	assert_null(strstr(e->data, "\n4096\t"));
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_captured_process),
		cmocka_unit_test(sockets_by_path_and_by_inode),
		cmocka_unit_test(names_with_newlines_stay_on_their_line),
		cmocka_unit_test(too_many_descriptors_are_capped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
