/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>

#include "discover/discover.h"
#include "tests/unit/test.h"

static struct vh_vm *add(
	struct vh_vm_list *list, const char *name, pid_t pid, const char *uuid, int id)
{
	struct vh_vm *vm = VH_PUSH(list->vms, list->n) = vh_vm_new();

	vm->name = vh_strdup(name);
	vm->uuid = vh_strdup(uuid);
	vm->id.pid = pid;
	vm->libvirt.id = id;
	return vm;
}

static pid_t pid_of(const struct vh_vm_list *list, const char *what)
{
	struct vh_vm *vm;
	struct vh_error *err = vh_vm_select(list, what, &vm);

	assert_null(err);
	pid_t pid = vm->id.pid;

	vh_vm_free(vm);
	return pid;
}

static char *refusal(const struct vh_vm_list *list, const char *what, int code)
{
	struct vh_vm *vm;
	struct vh_error *err = vh_vm_select(list, what, &vm);

	assert_null(vm);
	assert_non_null(err);
	assert_int_equal(err->code, code);
	char *message = vh_strdup(err->message);

	vh_error_free(err);
	return message;
}

static void names_over_ids_over_pids(void **state VH_UNUSED)
{
	struct vh_vm_list list = {0};

	add(&list, "web", 100, "4DEA22B3-1d52-d8f3-2516-782e98ab3fa0", 7);
	add(&list, "100", 200, NULL, 300);
	add(&list, "db", 7, NULL, -1);
	add(&list, "x", 300, NULL, -1);
	assert_int_equal(pid_of(&list, "web"), 100);
	assert_int_equal(pid_of(&list, "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"), 100);
	assert_int_equal(pid_of(&list, "100"), 200); /* the name, not the pid */
	assert_int_equal(pid_of(&list, "7"), 100);   /* the id, not the pid */
	assert_int_equal(pid_of(&list, "300"), 200);
	assert_int_equal(pid_of(&list, "200"), 200);
	free(refusal(&list, "-1", ESRCH)); /* no VM has "no id" for its id */
	free(refusal(&list, "", ESRCH));
	vh_vm_list_free(&list);
}

static void refusals_list_the_candidates(void **state VH_UNUSED)
{
	struct vh_vm_list list = {0};

	vh_auto_free char *none = refusal(&list, "web", ESRCH);

	assert_non_null(strstr(none, "none was found"));
	add(&list, "spin", 10, NULL, -1);
	add(&list, "spin", 11, "4dea22b3-1d52-d8f3-2516-782e98ab3fa0", -1);
	add(&list, "other", 12, NULL, -1);
	vh_auto_free char *many = refusal(&list, "spin", ENOTUNIQ);

	assert_non_null(strstr(many, "spin (pid 10)"));
	assert_non_null(strstr(many, "pid 11, uuid 4dea22b3-1d52-d8f3-2516-782e98ab3fa0"));
	assert_null(strstr(many, "other"));
	for (pid_t pid = 100; pid < 140; pid++)
		add(&list, "more", pid, NULL, -1);
	vh_auto_free char *unknown = refusal(&list, "nope", ESRCH);

	assert_non_null(strstr(unknown, "other (pid 12)"));
	assert_non_null(strstr(unknown, "and 23 more"));
	vh_vm_list_free(&list);
}

static void monitor_sockets(void **state VH_UNUSED)
{
	char dir[] = "/tmp/vmhang-test-XXXXXX";
	struct vh_vm_list list = {0};

	assert_non_null(mkdtemp(dir));
	vh_auto_free char *path = vh_asprintf("%s/qmp", dir);
	vh_auto_free char *other = vh_asprintf("%s/link", dir);
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink("qmp", other), 0);
	/* Ourselves: /proc/PID/root must be there. */
	struct vh_vm *vm = add(&list, "web", getpid(), NULL, -1);
	struct vh_monitor_addr *m = &VH_PUSH(vm->monitors, vm->n_monitors);

	m->address = vh_asprintf("unix:%s", path);
	add(&list, "x", 2, NULL, -1);
	assert_int_equal(pid_of(&list, path), getpid());
	assert_int_equal(pid_of(&list, m->address), getpid());
	assert_int_equal(pid_of(&list, other), getpid());
	free(refusal(&list, dir, ESRCH));
	unlink(other);
	unlink(path);
	rmdir(dir);
	vh_vm_list_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_over_ids_over_pids),
		cmocka_unit_test(refusals_list_the_candidates),
		cmocka_unit_test(monitor_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
