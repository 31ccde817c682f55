/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/trace_backend.h"
#include "fixture.h"
#include "tests/unit/collect/qmp_place.h"

#define DEBUGFS "25 23 0:7 / /dbg rw - debugfs debugfs rw\n"

static int64_t grown(struct json_object *o, int vcpu, const char *name)
{
	struct json_object *threads = vh_json_at(o, "threads", NULL);
	int64_t index, value;

	for (size_t i = 0; i < json_object_array_length(threads); i++) {
		struct json_object *t = json_object_array_get_idx(threads, i);

		if (vh_json_i64(t, "vcpu", &index) && index == vcpu)
			return vh_json_i64(vh_json_at(t, "statistics", NULL), name, &value)
				       ? value
				       : INT64_MIN;
	}
	return INT64_MIN;
}

static void growth_between_two_readings(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();
	struct vh_trace_options options = {.passive = true};
	char *why = NULL;

	f.c->vm->accel = VH_ACCEL_KVM;
	fixture_put(&f, "/proc/self/mountinfo", DEBUGFS);
	fixture_put(&f, "/dbg/kvm/4711-3/remote_tlb_flush", "5\n");
	fixture_put(&f, "/dbg/kvm/4711-3/vcpu0/exits", "1000\n");
	fixture_put(&f, "/dbg/kvm/4711-3/vcpu0/blocking", "1\n");
	fixture_put(&f, "/dbg/kvm/4711-3/vcpu0/pid", "4712\n");
	fixture_put(&f, "/dbg/kvm/4711-3/vcpu0/gone", "7\n");
	fixture_put(&f, "/dbg/kvm/4711-3/vcpu1/exits", "20\n");
	void *t = vh_trace_statistics.open(f.host, f.c->vm, &options, &why);

	if (!t)
		fail_msg("%s", why);
	fixture_put(&f, "/dbg/kvm/4711-3/vcpu0/exits", "1500\n");
	fixture_put(&f, "/dbg/kvm/4711-3/vcpu0/blocking", "0\n");
	fixture_put(&f, "/dbg/kvm/4711-3/vcpu0/new", "9\n");
	fixture_remove(&f, "/dbg/kvm/4711-3/vcpu0/gone");
	struct json_object *o = vh_trace_statistics.read(t);

	assert_int_equal(grown(o, 0, "exits"), 500);
	assert_int_equal(grown(o, 0, "blocking"), -1);
	assert_int_equal(grown(o, 1, "exits"), 0);
	assert_int_equal(grown(o, -1, "remote_tlb_flush"), 0);
	/* Absent in one of them is not zero; a thread's id is no counter. */
	assert_int_equal(grown(o, 0, "new"), INT64_MIN);
	assert_int_equal(grown(o, 0, "gone"), INT64_MIN);
	assert_int_equal(grown(o, 0, "pid"), INT64_MIN);
	json_object_put(o);
	/* The next span begins where this one ended. */
	fixture_put(&f, "/dbg/kvm/4711-3/vcpu0/exits", "1501\n");
	o = vh_trace_statistics.read(t);
	assert_int_equal(grown(o, 0, "exits"), 1);
	assert_int_equal(grown(o, 0, "new"), 0);
	json_object_put(o);
	fixture_remove(&f, "/dbg/kvm/4711-3");
	o = vh_trace_statistics.read(t);
	assert_non_null(strstr(vh_json_string(o, "why", ""), "no VM of process 4711"));
	assert_int_equal(json_object_array_length(vh_json_at(o, "threads", NULL)), 0);
	json_object_put(o);
	vh_trace_statistics.close(t);
	fixture_free(&f);
}

static void nobody_to_ask(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();
	struct vh_trace_options options = {.passive = true};
	char *why = NULL;

	f.c->vm->accel = VH_ACCEL_KVM;
	fixture_put(&f, "/proc/self/mountinfo", "25 23 0:7 / / rw - ext4 /dev/vda rw\n");
	assert_null(vh_trace_statistics.open(f.host, f.c->vm, &options, &why));
	assert_string_equal(why, "debugfs is not mounted; the monitor is not asked for them here");
	free(why);
	/* The plan's rules hold: nothing is asked of a process that has gone. */
	options.passive = false;
	assert_null(vh_trace_statistics.open(f.host, f.c->vm, &options, &why));
	assert_true(vh_prefix(why, "debugfs is not mounted; "));
	free(why);
	fixture_free(&f);
}

/* A process that waits in poll, as the passive look reads it. */
static void put_process(const struct place *p, char state_letter)
{
	vh_auto_free char *stat = vh_asprintf(
		"4711 (qemu-system-x86) %c 1 4711 4711 0 -1 4194560 1 0 0 0 10 10 0 0 20 0 1 0 "
		"50000 "
		"1000000 100 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 "
		"0 0 0\n",
		state_letter);

	make_directories(p->dir, "/proc/4711/task/4711");
	make_directories(p->dir, "/proc/self");
	put_file(p, "/proc/self/mountinfo", "21 1 254:0 / / rw - ext4 /dev/root rw\n");
	put_file(p, "/proc/4711/stat", stat);
	put_file(p, "/proc/4711/task/4711/stat", stat);
	put_file(p, "/proc/4711/task/4711/status", "Name:\tqemu-system-x86\nTracerPid:\t0\n");
	put_file(p, "/proc/4711/task/4711/wchan", "do_sys_poll");
	put_file(p, "/proc/4711/task/4711/syscall",
		"271 0x7f0 0x5 0x7ffc 0x0 0x8 0x0 0x7ffc0 0x7f00\n");
}

static struct vh_vm *vm_of(const char *address)
{
	struct vh_vm *vm = vh_vm_new();
	struct vh_monitor_addr *monitor = &VH_PUSH(vm->monitors, vm->n_monitors);

	vm->id = (struct vh_identity){.pid = 4711, .start_ticks = 50000};
	vm->vmm = VH_VMM_QEMU;
	vm->accel = VH_ACCEL_KVM;
	vm->name = vh_strdup("vm");
	vm->vcpus = 2;
	*monitor = (struct vh_monitor_addr){VH_MONITOR_QMP, vh_strdup(address)};
	return vm;
}

static void growth_by_the_monitor(const char *script, const char *const behaviours[], bool works)
{
	struct place p = place_new();
	struct vh_vm *vm = vm_of("unix:/run/q");
	struct vh_trace_options options = {0};
	char *why = NULL;

	put_process(&p, 'S');
	vh_host_set_read_deadline(p.host, FIXTURE_READ_NS);
	serve(&p, "/run", "q", script, behaviours);
	void *t = vh_trace_statistics.open(p.host, vm, &options, &why);

	if (!t && works)
		fail_msg("%s: %s", script, why);
	if (!works) {
		if (t)
			fail_msg("%s counts", behaviours[0]);
		assert_non_null(strstr(why, "debugfs is not mounted; "));
	}
	if (t) {
		struct json_object *o = vh_trace_statistics.read(t);

		/* The script says the same each time. */
		if (grown(o, 0, "exits") != 0)
			fail_msg("%s: %s", script, json_object_to_json_string(o));
		assert_int_equal(grown(o, 1, "exits"), 0);
		assert_int_equal(grown(o, -1, "remote_tlb_flush"), 0);
		json_object_put(o);
		vh_trace_statistics.close(t);
	}
	free(why);
	vh_vm_free(vm);
	place_free(&p);
}

static void monitors_of_two_versions(void **state VH_UNUSED)
{
	growth_by_the_monitor("kvm-7.2-spin", NULL, true);
	growth_by_the_monitor("kvm-10.0-seabios", NULL, true);
}

static void monitors_that_misbehave(void **state VH_UNUSED)
{
	static const char *const behaviours[] = {"query-stats vcpu=error", "query-stats vcpu=empty",
		"query-stats vcpu=null", "query-stats vcpu=close", "query-stats vcpu=stall",
		"query-stats vcpu=deep", "query-stats vcpu=garbage", "query-status=null",
		"greeting=close"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(behaviours); i++)
		growth_by_the_monitor(
			"kvm-7.2-spin", (const char *const[]){behaviours[i], NULL}, false);
}

/* A process that is stopped is not asked. */
static void the_plan_forbids_it(void **state VH_UNUSED)
{
	struct place p = place_new();
	struct vh_vm *vm = vm_of("unix:/run/q");
	struct vh_trace_options options = {0};
	char *why = NULL;

	put_process(&p, 'T');
	serve(&p, "/run", "q", "kvm-7.2-spin", NULL);
	assert_null(vh_trace_statistics.open(p.host, vm, &options, &why));
	if (!strstr(why, "stopped"))
		fail_msg("%s", why);
	free(why);
	vh_vm_free(vm);
	place_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growth_between_two_readings),
		cmocka_unit_test(nobody_to_ask),
		cmocka_unit_test(monitors_of_two_versions),
		cmocka_unit_test(monitors_that_misbehave),
		cmocka_unit_test(the_plan_forbids_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
