/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <fcntl.h>

static void add_serial(struct fixture *f, const char *kind, const char *path, const char *label)
{
	VH_PUSH(f->c->vm->serials, f->c->vm->n_serials) = (struct vh_serial){
		.kind = vh_strdup(kind), .path = vh_strdup(path), .label = vh_strdup(label)};
}

static void logs_of_a_captured_vm(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("spin-boot-cpu");

	/* Named by the command line and open as a descriptor: read once all the same. */
	f.c->vm->log_path = vh_strdup("/srv/vm/web-07/qemu.log");
	add_serial(&f, "file", "/srv/vm/web-07/serial.log", "serial0");
	fixture_run(&f, &vh_collect_logs, VH_FIRST);
	fixture_run(&f, &vh_collect_logs, VH_ONCE);
	assert_int_equal(f.c->n_evidence, 3);
	assert_string_equal(fixture_data(&f, VH_FIRST, "log.qemu", "/srv/vm/web-07/qemu.log"), "");
	assert_string_equal(
		fixture_data(&f, VH_FIRST, "log.serial", "/srv/vm/web-07/serial.log"), "");
	assert_non_null(strstr(fixture_data(&f, VH_FIRST, "log.qemu", "/srv/vm/web-07/stderr.log"),
		"Number of SMP cpus requested"));
	const struct vh_evidence *e =
		vh_case_find(f.c, "log.qemu", "/srv/vm/web-07/stderr.log", VH_FIRST);

	assert_int_equal(vh_evidence_number(e, "size", -1), (int64_t)e->size);
	/* A captured file's age is not the log's. */
	assert_int_equal(vh_evidence_number(e, "age_ns", -1), -1);
	fixture_free(&f);
}

static void libvirt_logs(void **state VH_UNUSED)
{
	struct fixture f = fixture_captured("made-v2-quota");

	vh_replace(&f.c->vm->name, "web-09");
	f.c->vm->libvirt.managed = true;
	fixture_run(&f, &vh_collect_logs, VH_FIRST);
	assert_non_null(
		strstr(fixture_data(&f, VH_FIRST, "log.qemu", "/var/log/libvirt/qemu/web-09.log"),
			"starting up libvirt"));
	/* stdout and stderr go to virtlogd's pipe. */
	assert_int_equal(fixture_status(&f, VH_FIRST, "log.qemu", "pipe:[777]"), VH_SKIPPED);
	fixture_free(&f);

	f = fixture_empty();
	f.c->vm->libvirt.managed = true;
	VH_PUSH(f.c->vm->monitors, f.c->vm->n_monitors) = (struct vh_monitor_addr){
		.address = vh_strdup(
			"unix:/home/ann/.config/libvirt/qemu/lib/domain-1-vm/monitor.sock")};
	fixture_put(&f, "/home/ann/.cache/libvirt/qemu/log/vm.log", "session\n");
	fixture_run(&f, &vh_collect_logs, VH_FIRST);
	assert_string_equal(
		fixture_data(&f, VH_FIRST, "log.qemu", "/home/ann/.cache/libvirt/qemu/log/vm.log"),
		"session\n");
	fixture_free(&f);

	/* A name is no path. */
	f = fixture_empty();
	f.c->vm->libvirt.managed = true;
	vh_replace(&f.c->vm->name, "../../../../etc/x");
	fixture_run(&f, &vh_collect_logs, VH_FIRST);
	assert_int_equal(f.c->n_evidence, 0);
	fixture_free(&f);
}

static void later_looks_read_what_changed(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();
	vh_auto_buf struct vh_buf big = {0};

	add_serial(&f, "file", "/log", "serial0");
	add_serial(&f, "file", "/still", "serial1");
	fixture_put(&f, "/still", "quiet\n");
	while (big.len < 100 * 1024)
		vh_buf_printf(&big, "line %zu\n", big.len);
	fixture_put(&f, "/log", vh_buf_str(&big));
	fixture_run(&f, &vh_collect_logs, VH_FIRST);
	const struct vh_evidence *e = vh_case_find(f.c, "log.serial", "/log", VH_FIRST);

	assert_int_equal(e->size, 64 * 1024);
	assert_int_equal(vh_evidence_number(e, "size", -1), (int64_t)big.len);
	assert_int_equal(vh_evidence_number(e, "offset", -1), (int64_t)big.len - 64 * 1024);
	vh_buf_puts(&big, "the last word\n");
	fixture_put(&f, "/log", vh_buf_str(&big));
	fixture_run(&f, &vh_collect_logs, VH_LAST);
	e = vh_case_find(f.c, "log.serial", "/log", VH_LAST);
	assert_int_equal(e->status, VH_OK);
	assert_string_equal(e->data + e->size - 14, "the last word\n");
	e = vh_case_find(f.c, "log.serial", "/still", VH_LAST);
	assert_int_equal(e->status, VH_OK);
	assert_null(e->data);
	assert_int_equal(vh_evidence_number(e, "size", -1), 6);
	/* The text is still found: the first look has it. */
	assert_string_equal(
		vh_case_find_data(f.c, "log.serial", "/still", VH_N_ROUND)->data, "quiet\n");
	fixture_remove(&f, "/still");
	fixture_run(&f, &vh_collect_logs, VH_AFTER);
	assert_int_equal(fixture_status(&f, VH_AFTER, "log.serial", "/still"), VH_ABSENT);
	e = vh_case_find(f.c, "log.serial", "/log", VH_AFTER);
	assert_int_equal(e->status, VH_OK);
	assert_null(e->data);
	fixture_free(&f);
}

static void a_fifo_is_never_opened(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();
	vh_auto_free char *path = fixture_path(&f, "/run/serial.fifo");

	assert_int_equal(mkfifo(path, 0600), 0);
	vh_auto_close int reader = open(path, O_RDONLY | O_NONBLOCK);
	vh_auto_close int writer = open(path, O_WRONLY | O_NONBLOCK);

	assert_int_equal(write(writer, "guest", 5), 5);
	add_serial(&f, "pipe", "/run/serial.fifo", "serial0");
	add_serial(&f, "pty", NULL, "serial1");
	fixture_run(&f, &vh_collect_logs, VH_FIRST);
	fixture_run(&f, &vh_collect_logs, VH_LAST);
	assert_int_equal(
		fixture_status(&f, VH_FIRST, "log.serial", "/run/serial.fifo"), VH_SKIPPED);
	assert_int_equal(fixture_status(&f, VH_FIRST, "log.serial", "serial1"), VH_SKIPPED);
	assert_int_equal(f.c->n_evidence, 2);
	char left[8];

	assert_int_equal(read(reader, left, sizeof(left)), 5);
	fixture_free(&f);
}

static void descriptors_that_are_logs(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();

	fixture_put(&f, "/var/out", "out\n");
	fixture_put(&f, "/var/vm-console.log", "console\n");
	fixture_put(&f, "/var/vm.log", "vm\n");
	fixture_put(&f, "/var/disk.raw", "secret");
	fixture_link(&f, "/proc/4711/fd/0", "/dev/pts/1");
	fixture_link(&f, "/proc/4711/fd/1", "/var/out");
	fixture_link(&f, "/proc/4711/fd/2", "/var/out");
	fixture_link(&f, "/proc/4711/fd/5", "/var/vm-console.log");
	fixture_link(&f, "/proc/4711/fd/6", "/var/vm.log");
	fixture_link(&f, "/proc/4711/fd/7", "/var/disk.raw");
	fixture_link(&f, "/proc/4711/fd/8", "/dev/x.log");
	fixture_run(&f, &vh_collect_logs, VH_FIRST);
	assert_int_equal(f.c->n_evidence, 3);
	assert_string_equal(fixture_data(&f, VH_FIRST, "log.qemu", "/var/out"), "out\n");
	assert_string_equal(fixture_data(&f, VH_FIRST, "log.qemu", "/var/vm.log"), "vm\n");
	assert_string_equal(
		fixture_data(&f, VH_FIRST, "log.serial", "/var/vm-console.log"), "console\n");
	/* The process ended: its logs are looked at all the same. */
	fixture_remove(&f, "/proc/4711");
	fixture_put(&f, "/var/out", "out\nKVM internal error\n");
	fixture_run(&f, &vh_collect_logs, VH_LAST);
	assert_string_equal(
		fixture_data(&f, VH_LAST, "log.qemu", "/var/out"), "out\nKVM internal error\n");
	fixture_free(&f);
}

static void paths_of_a_container_and_of_a_directory(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();

	f.c->vm->in_container = true;
	f.c->vm->log_path = vh_strdup("/log");
	fixture_put(&f, "/proc/4711/root/log", "inside\n");
	fixture_put(&f, "/log", "outside\n");
	fixture_run(&f, &vh_collect_logs, VH_FIRST);
	assert_string_equal(fixture_data(&f, VH_FIRST, "log.qemu", "/log"), "inside\n");
	fixture_free(&f);

	f = fixture_empty();
	f.c->vm->log_path = vh_strdup("vm.log");
	fixture_link(&f, "/proc/4711/cwd", "/srv/vm");
	fixture_put(&f, "/srv/vm/vm.log", "relative\n");
	fixture_run(&f, &vh_collect_logs, VH_FIRST);
	assert_string_equal(fixture_data(&f, VH_FIRST, "log.qemu", "/srv/vm/vm.log"), "relative\n");
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs_of_a_captured_vm),
		cmocka_unit_test(libvirt_logs),
		cmocka_unit_test(later_looks_read_what_changed),
		cmocka_unit_test(a_fifo_is_never_opened),
		cmocka_unit_test(descriptors_that_are_logs),
		cmocka_unit_test(paths_of_a_container_and_of_a_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
