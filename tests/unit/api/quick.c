/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/quick.h"
#include "tests/unit/test.h"

#include <sys/stat.h>

/* The captured host tests/hosts/made-farm: one look is all there is, so CPU use is unknown. */
static void states_of_a_captured_host(void **state VH_UNUSED)
{
	static const struct {
		const char *name;
		enum vh_state state;
		const char *detail;
		unsigned vcpus;
	} rows[] = {
		{"web-07", VH_STATE_IDLE, "", 4},
		{"build vm/1", VH_STATE_IDLE, "", 2}, /* TCG: halted and paused look alike */
		{"pod_vm", VH_STATE_STOPPED, "by signal", 0},
		{"551e7604-e35c-42b3-b825-416853441234", VH_STATE_PAUSED, "", 2},
		{"cloud-hypervisor", VH_STATE_RUNNING, "", 1},
		{"renamed", VH_STATE_BLOCKED, "handle_userfault", 1},
		{"tiny", VH_STATE_DEAD, "ended", 0}, /* its threads were not captured */
	};
	const char *source = getenv("VH_SOURCE_ROOT");
	vh_auto_free char *root = vh_asprintf("%s/tests/hosts/made-farm", source ? source : ".");
	struct vh_host *host = vh_host_create(root);
	struct vh_vm_list list;

	assert_null(vh_discover(host, NULL, &list));
	vh_auto_free struct vh_quick *quick = vh_alloc(list.n * sizeof(*quick));

	vh_quick_look(host, &list, 0, quick);
	size_t seen = 0;

	for (size_t i = 0; i < list.n; i++)
		for (size_t k = 0; k < VH_ARRAY_SIZE(rows); k++) {
			if (strcmp(list.vms[i]->name, rows[k].name))
				continue;
			seen++;
			assert_string_equal(
				vh_state_name(quick[i].state), vh_state_name(rows[k].state));
			assert_string_equal(quick[i].detail, rows[k].detail);
			assert_int_equal(quick[i].vcpus_seen, rows[k].vcpus);
			assert_true(quick[i].cpu_percent < 0);
		}
	assert_int_equal(seen, VH_ARRAY_SIZE(rows));
	/* web-07 started 5000 s after boot, which was 251500 s ago. */
	for (size_t i = 0; i < list.n; i++)
		if (list.vms[i]->id.pid == 1001)
			assert_true(quick[i].uptime_ns == 246500 * VH_NS_PER_S);
	vh_vm_list_free(&list);
	vh_host_destroy(host);
}

/* What cannot be read is unknown, not dead. */
static void what_cannot_be_read_is_unknown(void **state VH_UNUSED)
{
	static const char *const directories[] = {
		"/proc", "/proc/77", "/proc/77/task", "/proc/77/task/77", "/proc/77/task/77/stat"};
	char root[] = "/tmp/vmhang-test-XXXXXX";
	struct vh_vm_list list = {0};
	struct vh_quick quick;

	assert_non_null(mkdtemp(root));
	for (size_t i = 0; i < VH_ARRAY_SIZE(directories); i++) {
		vh_auto_free char *path = vh_asprintf("%s%s", root, directories[i]);

		assert_int_equal(mkdir(path, 0700), 0);
	}
	VH_PUSH(list.vms, list.n) = vh_vm_new();
	list.vms[0]->id.pid = 77;
	struct vh_host *host = vh_host_create(root);

	vh_quick_look(host, &list, 0, &quick);
	assert_string_equal(vh_state_name(quick.state), "unknown");
	for (size_t i = VH_ARRAY_SIZE(directories); i-- > 3;) {
		vh_auto_free char *path = vh_asprintf("%s%s", root, directories[i]);

		assert_int_equal(rmdir(path), 0);
	}
	/* Its last thread is gone; then itself. */
	for (size_t i = 3; i-- > 0;) {
		vh_auto_free char *path = vh_asprintf("%s%s", root, directories[i]);

		assert_int_equal(rmdir(path), 0);
		vh_quick_look(host, &list, 0, &quick);
		assert_string_equal(vh_state_name(quick.state), "dead");
	}
	assert_int_equal(rmdir(root), 0);
	vh_vm_list_free(&list);
	vh_host_destroy(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_of_a_captured_host),
		cmocka_unit_test(what_cannot_be_read_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
