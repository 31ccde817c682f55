/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <errno.h>

static void counters_of_vm_and_vcpus(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("made-v2-quota");

	fixture_run(&f, &vh_collect_kvmstats, VH_FIRST);
	fixture_run(&f, &vh_collect_kvmstats, VH_ONCE);
	assert_int_equal(f.c->n_evidence, 3);
	/* A histogram and a negative offset are no counters. */
	assert_string_equal(fixture_data(&f, VH_FIRST, "kvm.stats", "vm"),
		"blocking 0\nmax_mmu_page_hash_collisions 0\nmmu_shadow_zapped 7\npages_4k 1024\n"
		"remote_tlb_flush 12\n");
	assert_string_equal(fixture_data(&f, VH_FIRST, "kvm.stats", "vcpu:1"),
		"exits 1001\nguest_mode 0\nhalt_exits 18\nio_exits 5\nirq_exits 90\npid 4713\n");
	fixture_free(&f);
}

static const char *absent_detail(struct fixture *f)
{
	fixture_run(f, &vh_collect_kvmstats, VH_FIRST);
	assert_int_equal(f->c->n_evidence, 1);
	assert_int_equal(fixture_status(f, VH_FIRST, "kvm.stats", "vm"), VH_ABSENT);
	return vh_case_find(f->c, "kvm.stats", "vm", VH_FIRST)->detail;
}

static void why_there_are_none(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("spin-boot-cpu");

	assert_string_equal(absent_detail(&f), "debugfs is not mounted");
	fixture_free(&f);

	f = fixture_empty();
	fixture_put(&f, "/proc/self/mountinfo", "25 23 0:7 / /dbg rw - debugfs debugfs rw\n");
	fixture_put(&f, "/dbg/kvm/47110-3/exits", "1");
	assert_non_null(strstr(absent_detail(&f), "no VM of process 4711"));
	fixture_free(&f);

	/* A TCG VM has none, and nothing is said. */
	f = fixture_empty();
	f.c->vm->accel = VH_ACCEL_TCG;
	fixture_run(&f, &vh_collect_kvmstats, VH_FIRST);
	assert_int_equal(f.c->n_evidence, 0);
	fixture_free(&f);
}

static void denied_once_for_all(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();
	bool root = geteuid() == 0;

	fixture_put(&f, "/proc/self/mountinfo", "25 23 0:7 / /dbg rw - debugfs debugfs rw\n");
	fixture_put(&f, "/dbg/kvm/4711-3/exits", "1");
	fixture_put(&f, "/dbg/kvm/4711-3/vcpu0/exits", "1");
	vh_auto_free char *path = vh_host_path(f.host, "/dbg/kvm/4711-3/exits");

	assert_int_equal(chmod(f.dir, 0755), 0);
	assert_int_equal(chmod(path, 0), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	fixture_run(&f, &vh_collect_kvmstats, VH_FIRST);
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(f.c->n_evidence, 1);
	const struct vh_evidence *e = vh_case_find(f.c, "kvm.stats", "vm", VH_FIRST);

	assert_int_equal(e->status, VH_DENIED);
	assert_int_equal(e->err, EACCES);
	assert_string_equal(e->detail, "only root may read debugfs");
	fixture_free(&f);
}

static void a_locked_down_kernel_leaves_some(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();
	bool root = geteuid() == 0;

	fixture_put(&f, "/proc/self/mountinfo", "25 23 0:7 / /dbg rw - debugfs debugfs rw\n");
	fixture_put(&f, "/dbg/kvm/4711-3/blocking", "1");
	fixture_put(&f, "/dbg/kvm/4711-3/exits", "1");
	vh_auto_free char *path = vh_host_path(f.host, "/dbg/kvm/4711-3/exits");

	assert_int_equal(chmod(f.dir, 0755), 0);
	assert_int_equal(chmod(path, 0), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	fixture_run(&f, &vh_collect_kvmstats, VH_FIRST);
	if (root)
		assert_int_equal(seteuid(0), 0);
	const struct vh_evidence *e = vh_case_find(f.c, "kvm.stats", "vm", VH_FIRST);

	/* What was refused is not zero: it is missing, and said to be. */
	assert_int_equal(e->status, VH_TRUNCATED);
	assert_string_equal(e->data, "blocking 1\n");
	assert_non_null(e->detail);
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_of_vm_and_vcpus),
		cmocka_unit_test(why_there_are_none),
		cmocka_unit_test(denied_once_for_all),
		cmocka_unit_test(a_locked_down_kernel_leaves_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
