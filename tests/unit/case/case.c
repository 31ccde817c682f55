/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "case/case.h"
#include "tests/unit/test.h"

static void vm_survives_its_json(void **state VH_UNUSED)
{
	struct vh_vm *vm = vh_vm_new();

	vm->name = vh_strdup("web-07");
	vm->id = (struct vh_identity){4711, 99};
	vm->vmm = VH_VMM_QEMU;
	vm->accel = VH_ACCEL_KVM;
	vm->confidential = VH_CONF_SEV_ES;
	vm->vcpus = 8;
	vm->memory_bytes = UINT64_C(16) << 30;
	vm->libvirt.managed = true;
	vm->libvirt.id = 3;
	VH_PUSH(vm->monitors, vm->n_monitors) =
		(struct vh_monitor_addr){VH_MONITOR_QMP, vh_strdup("unix:/run/q")};
	VH_PUSH(vm->drives, vm->n_drives).file = vh_strdup("/x.raw");
	struct vh_vm *copy = vh_vm_copy(vm);
	vh_auto_json struct json_object *a = vh_vm_to_json(vm), *b = vh_vm_to_json(copy);

	assert_string_equal(json_object_to_json_string(a), json_object_to_json_string(b));
	assert_int_equal(copy->libvirt.id, 3);
	assert_int_equal(copy->confidential, VH_CONF_SEV_ES);
	vh_vm_free(vm);
	vh_vm_free(copy);
}

static void evidence_is_found_newest_first(void **state VH_UNUSED)
{
	struct vh_case *c = vh_case_new(vh_vm_new());
	struct vh_evidence *e = vh_case_add(c, VH_FIRST, "task.stat", "tid:1", "/proc/1/stat");

	vh_evidence_set_data(e, "old", 3);
	e = vh_case_add(c, VH_LAST, "task.stat", "tid:1", "/proc/1/stat");
	vh_evidence_set_data(e, "new", 3);
	e = vh_case_add(c, VH_AFTER, "task.stat", "tid:1", "/proc/1/stat");
	vh_evidence_fail(e, VH_ABSENT, 3, "gone");
	assert_string_equal(vh_case_find_data(c, "task.stat", "tid:1", VH_N_ROUND)->data, "new");
	assert_string_equal(vh_case_find_data(c, "task.stat", NULL, VH_FIRST)->data, "old");
	assert_int_equal(vh_case_find(c, "task.stat", "tid:1", VH_N_ROUND)->status, VH_ABSENT);
	assert_null(vh_case_find(c, "task.stat", "tid:2", VH_N_ROUND));
	assert_int_equal(vh_case_index(c, e), 2);
	vh_case_free(c);
}

/* Names that look alike once they are joined are still told apart. */
static void evidence_is_found_by_its_exact_names(void **state VH_UNUSED)
{
	static const char *const names[][2] = {
		{"a", "b\nc"}, {"a\nb", "c"}, {"a", "b"}, {"a\nb", ""}, {"", "a\nb"}};
	struct vh_case *c = vh_case_new(vh_vm_new());

	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++)
		vh_evidence_set_data(vh_case_add(c, VH_ONCE, names[i][0], names[i][1], ""), "x", 1);
	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++)
		assert_ptr_equal(
			vh_case_find_data(c, names[i][0], names[i][1], VH_ONCE), c->evidence[i]);
	assert_ptr_equal(vh_case_find(c, "a", NULL, VH_N_ROUND), c->evidence[2]);
	assert_ptr_equal(vh_case_find(c, "a\nb", NULL, VH_N_ROUND), c->evidence[3]);
	assert_null(vh_case_find(c, "a", "", VH_N_ROUND));
	assert_null(vh_case_find(c, "b", NULL, VH_N_ROUND));
	vh_case_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vm_survives_its_json),
		cmocka_unit_test(evidence_is_found_newest_first),
		cmocka_unit_test(evidence_is_found_by_its_exact_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
