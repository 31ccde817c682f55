/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A captured host, tests/hosts/made-farm: VMs of every kind among processes that are none. */
#include <errno.h>

#include "discover/discover.h"
#include "tests/unit/test.h"

static struct vh_host *farm(void)
{
	const char *source = getenv("VH_SOURCE_ROOT");
	vh_auto_free char *root = vh_asprintf("%s/tests/hosts/made-farm", source ? source : ".");

	return vh_host_create(root);
}

static struct vh_vm_list discover(void)
{
	struct vh_host *host = farm();
	struct vh_vm_list list;

	assert_null(vh_discover(host, NULL, &list));
	vh_host_destroy(host);
	return list;
}

static void every_vm_and_nothing_else(void **state VH_UNUSED)
{
	static const char expected[] =
		"551e7604-e35c-42b3-b825-416853441234 1300 firecracker kvm 2 0M container\n"
		"build vm/1 1100 qemu tcg 6 1536M unix:/srv/build/qmp.sock\n"
		"cloud-hypervisor 1310 cloud-hypervisor kvm 1 512M\n"
		"hypervisor 1700 other kvm 3 0M\n"
		"pod_vm 1200 qemu kvm 2 2048M container unix:/work/run/qmp.sock\n"
		"renamed 1800 qemu kvm 1 256M\n"
		"termina 1400 crosvm kvm 2 2048M\n"
		"tiny 1450 kvmtool kvm 1 320M\n"
		"web-07 1001 qemu kvm 4 4096M libvirt fd:28\n";
	struct vh_vm_list list = discover();
	vh_auto_buf struct vh_buf text = {0};

	for (size_t i = 0; i < list.n; i++) {
		const struct vh_vm *vm = list.vms[i];

		vh_buf_printf(&text, "%s %d %s %s %u %uM%s%s", vm->name, (int)vm->id.pid,
			vh_vmm_name(vm->vmm), vh_accel_name(vm->accel), vm->vcpus,
			(unsigned)(vm->memory_bytes >> 20), vm->in_container ? " container" : "",
			vm->libvirt.managed ? " libvirt" : "");
		for (size_t k = 0; k < vm->n_monitors; k++)
			vh_buf_printf(&text, " %s", vm->monitors[k].address);
		vh_buf_putc(&text, '\n');
	}
	assert_string_equal(vh_buf_str(&text), expected);
	assert_int_equal(list.n_notes, 0);
	vh_vm_list_free(&list);
}

static struct vh_vm *must_select(const struct vh_vm_list *list, const char *what)
{
	struct vh_vm *vm;

	assert_null(vh_vm_select(list, what, &vm));
	assert_non_null(vm);
	return vm;
}

static void paths_are_the_vms_own(void **state VH_UNUSED)
{
	struct vh_vm_list list = discover();
	struct vh_vm *daemon = must_select(&list, "build vm/1");

	/* A daemon's are relative to where it was started, if that can be told and is true. */
	assert_string_equal(daemon->exe, "/usr/bin/qemu-system-x86_64");
	assert_string_equal(daemon->log_path, "/srv/build/qemu.log");
	assert_string_equal(daemon->serials[0].path, "/srv/build/serial.log");
	assert_string_equal(daemon->serials[1].path, "gone.log");
	assert_string_equal(daemon->drives[0].file, "/srv/build/disk,1.img");
	assert_true(daemon->id.start_ticks == 600000);
	vh_vm_free(daemon);
	struct vh_vm *pod = must_select(&list, "pod_vm");

	/* -nographic: the serial port is standard output. */
	assert_int_equal(pod->n_serials, 1);
	assert_string_equal(pod->serials[0].path, "/var/log/vm.log");
	vh_vm_free(pod);
	struct vh_vm *web = must_select(&list, "web-07");

	assert_int_equal(web->confidential, VH_CONF_SEV_ES);
	assert_string_equal(web->serials[0].path, "/var/log/libvirt/qemu/web-07-serial0.log");
	vh_vm_free(web);
	vh_vm_list_free(&list);
}

static void one_process(void **state VH_UNUSED)
{
	struct vh_host *host = farm();
	struct vh_error *err = NULL;
	struct vh_vm *vm = vh_discover_pid(host, 1700, &err);

	assert_null(err);
	assert_string_equal(vm->name, "hypervisor");
	vh_vm_free(vm);
	static const struct {
		pid_t pid;
		int code;
	} none[] = {{1, EINVAL}, {700, EINVAL}, {1601, EINVAL}, {1602, EINVAL}, {1500, ESRCH},
		{4711, ESRCH}, {-1, ESRCH}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(none); i++) {
		assert_null(vh_discover_pid(host, none[i].pid, &err));
		assert_non_null(err);
		assert_int_equal(err->code, none[i].code);
		vh_error_free(err);
	}
	vh_host_destroy(host);
}

static void no_proc_is_an_error(void **state VH_UNUSED)
{
	struct vh_host *host = vh_host_create("/nonexistent");
	struct vh_vm_list list;
	struct vh_error *err = vh_discover(host, NULL, &list);

	assert_non_null(err);
	assert_int_equal(err->code, ENOENT);
	vh_error_free(err);
	vh_vm_list_free(&list);
	vh_host_destroy(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vm_and_nothing_else),
		cmocka_unit_test(paths_are_the_vms_own),
		cmocka_unit_test(one_process),
		cmocka_unit_test(no_proc_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
