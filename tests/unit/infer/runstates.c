/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VMM's run states: what holds the VM, and what its nearest neighbours are. */
#include "tests/unit/infer/judged.h"

/* One vCPU that waits outside of KVM, and a monitor that tells the run state. */
static struct vh_case *held(const char *run_state)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c,
		(struct case_thread){.vcpu = 0, .wchan = "futex_do_wait", .syscall = CASE_FUTEX});
	case_status(c, run_state, false);
	/* HLT with interrupts off: of a held VM that says nothing. */
	case_registers(c, 0, case_regs_real(0xf000, 0x100, false, true));
	return c;
}

static struct vh_case *held_by_libvirt(const char *run_state, const char *state, const char *reason)
{
	struct vh_case *c = held(run_state);

	c->vm->libvirt.managed = true;
	c->vm->libvirt.state = vh_strdup(state);
	c->vm->libvirt.reason = vh_strdup(reason);
	return c;
}

static void each_run_state_is_a_cause(void **state VH_UNUSED)
{
	EXPECT(held("postmigrate"), "vm-migrated-away", PAUSED, YES, VH_CERTAIN);
	EXPECT(held("finish-migrate"), "migration-last-step", PAUSED, YES, VH_CERTAIN);
	EXPECT(held("save-vm"), "vm-state-saving", PAUSED, YES, VH_CERTAIN);
	EXPECT(held("restore-vm"), "vm-state-loading", PAUSED, YES, VH_CERTAIN);
	EXPECT(held("watchdog"), "watchdog-paused", PAUSED, YES, VH_CERTAIN);
	EXPECT(held("debug"), "debugger-holds-vm", PAUSED, YES, VH_CERTAIN);
	EXPECT(held("colo"), "vm-in-colo", PAUSED, YES, VH_CERTAIN);
}

static void a_guest_that_sleeps_on_purpose_does_not_hang(void **state VH_UNUSED)
{
	EXPECT(held("suspended"), "guest-suspended", PAUSED, NO, VH_CERTAIN);
	EXPECT(held_by_libvirt("suspended", "pmsuspended", "unknown"), "guest-suspended", PAUSED,
		NO, VH_CERTAIN);
}

/* The copy that a migration leaves behind destroys the disks when it runs again. */
static void a_vm_that_a_migration_holds_is_not_to_be_resumed(void **state VH_UNUSED)
{
	struct vh_case *cases[] = {held("postmigrate"), held("finish-migrate"),
		held_by_libvirt("paused", "paused", "migrating"),
		held_by_libvirt("paused", "paused", "post-copy failed")};

	for (size_t i = 0; i < VH_ARRAY_SIZE(cases); i++) {
		struct judged j = judge(cases[i]);

		assert_true(j.v->n_next > 0);
		for (size_t k = 0; k < j.v->n_next; k++) {
			const struct vh_step *step = &j.v->next[k];

			assert_null(strstr(step->text, "cont"));
			assert_true(!step->command || !strstr(step->command, "\"cont\""));
			assert_true(!step->command || !strstr(step->command, "virsh resume"));
		}
		drop(&j);
	}
	/* An ordinary pause may be ended. */
	struct judged j = judge(held("paused"));

	assert_true(j.v->n_next > 0);
	assert_non_null(strstr(j.v->next[0].text, "let it go on"));
	drop(&j);
}

static void libvirt_tells_who_paused_it(void **state VH_UNUSED)
{
	struct judged j = judge(held_by_libvirt("paused", "paused", "user"));

	assert_string_equal(j.v->cause->rule->id, "vm-paused");
	assert_non_null(strstr(j.v->headline, "virsh suspend"));
	drop(&j);
	EXPECT(held_by_libvirt("paused", "paused", "saving"), "vm-paused-for-job", PAUSED, YES,
		VH_CERTAIN);
	EXPECT(held_by_libvirt("paused", "paused", "dumping"), "vm-paused-for-job", PAUSED, YES,
		VH_CERTAIN);
	/* A reason that is older than the state: the VM runs again, or is in another state. */
	EXPECT(held_by_libvirt("postmigrate", "paused", "saving"), "vm-migrated-away", PAUSED, YES,
		VH_CERTAIN);
	EXPECT(held_by_libvirt("paused", "running", "unpaused"), "vm-paused", PAUSED, YES,
		VH_CERTAIN);
	j = judge(held_by_libvirt("prelaunch", "paused", "user"));
	assert_string_equal(j.v->cause->rule->id, "never-started");
	assert_non_null(strstr(j.v->headline, "--paused"));
	drop(&j);
}

static struct vh_case *with_stub(const char *run_state, const char *filename)
{
	struct vh_case *c = held(run_state);
	vh_auto_free char *text = vh_asprintf(
		"[{\"frontend-open\": true, \"filename\": \"unix:/run/x.qmp,server=on\", "
		"\"label\": \"compat_monitor0\"}, {\"frontend-open\": true, "
		"\"filename\": \"%s\", \"label\": \"gdb\"}]",
		filename);

	case_text(c, VH_ASKED, "qmp.query-chardev", "", text);
	return c;
}

/* Connecting to the stub stops the VM in the same way as "stop" does: it is likely, not sure. */
static void a_debugger_that_is_connected(void **state VH_UNUSED)
{
	EXPECT(with_stub("paused", "tcp:0.0.0.0:1234,server=on <-> 127.0.0.1:40112"),
		"debugger-holds-vm", PAUSED, YES, VH_LIKELY);
	EXPECT(with_stub("paused", "unix:/run/gdb,server=on"), "debugger-holds-vm", PAUSED, YES,
		VH_LIKELY);
	EXPECT(with_stub("debug", "unix:/run/gdb,server=on"), "debugger-holds-vm", PAUSED, YES,
		VH_CERTAIN);
	/* A stub that nobody uses. */
	EXPECT(with_stub("paused", "disconnected:tcp:0.0.0.0:1234,server=on"), "vm-paused", PAUSED,
		YES, VH_CERTAIN);
	EXPECT(with_stub("paused", "disconnected:unix:/run/gdb,server=on"), "vm-paused", PAUSED,
		YES, VH_CERTAIN);
	/* Other states have their own reason, whoever is connected. */
	EXPECT(with_stub("watchdog", "unix:/run/gdb,server=on"), "watchdog-paused", PAUSED, YES,
		VH_CERTAIN);
}

static void a_debugger_beside_a_healthy_guest(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, 18);
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_linux(UINT64_C(0xffffffff81a00000), 0, true, true));
	case_text(c, VH_ASKED, "qmp.query-chardev", "",
		"[{\"frontend-open\": true, \"filename\": \"unix:/run/gdb,server=on\", \"label\": "
		"\"gdb\"}]");
	EXPECT(c, "guest-idle", IDLE, NO, VH_CERTAIN);
}

static void a_machine_that_is_not_built_yet(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	c->vm->preconfig = true;
	case_main_thread(c);
	case_status(c, "prelaunch", false);
	EXPECT(c, "vm-preconfig", PAUSED, YES, VH_CERTAIN);
	/* Built since: then it is as any other. */
	c = held("prelaunch");
	c->vm->preconfig = true;
	EXPECT(c, "never-started", PAUSED, YES, VH_CERTAIN);
	/* Without its threads and its monitor nothing is known of it. */
	c = case_new(1);
	c->vm->preconfig = true;
	EXPECT(c, "unknown", UNKNOWN, UNKNOWN, 0);
}

static bool names(const struct vh_verdict *v, const char *id)
{
	for (size_t i = 0; i < v->n_causes; i++)
		if (v->causes[i] != v->cause && strcmp(v->causes[i]->rule->id, id) == 0)
			return true;
	return false;
}

/* It is named, and neither makes a VM hang nor a hung one well. */
static void a_monitor_that_is_held_is_never_the_answer(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_halted_vcpu(c, 0, 18);
	case_fail(c, VH_ASKED, "qmp.greeting", "", VH_TIMED_OUT, 110, "another client holds it");
	struct judged j = judge(c);

	assert_string_equal(j.v->cause->rule->id, "guest-idle");
	assert_int_equal(j.v->hung, VH_HUNG_NO);
	assert_true(names(j.v, "monitor-held"));
	drop(&j);
	/* Where nothing else is known it is no answer either. */
	c = case_new(1);
	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_fail(c, VH_ASKED, "qmp.greeting", "", VH_TIMED_OUT, 110, "another client holds it");
	j = judge(c);
	assert_null(j.v->cause);
	assert_int_equal(j.v->hung, VH_HUNG_UNKNOWN);
	assert_true(names(j.v, "monitor-held"));
	assert_null(strstr(j.v->headline, "another client"));
	drop(&j);
	/* A main loop that is blocked besides. */
	c = case_new(1);
	case_thread(c, (struct case_thread){.tid = CASE_PID,
			       .name = "qemu-system-x86",
			       .wchan = "request_wait_answer",
			       .syscall = "1 0xc 0x7ffe 0x7ffe 0x1000 0x0 0x0 0x7ffe 0x7f00\n",
			       .fd = "12\t/mnt/fuse/disk"});
	case_busy_vcpu(c, 0);
	case_fail(c, VH_ASKED, "qmp.greeting", "", VH_TIMED_OUT, 110, "another client holds it");
	EXPECT(c, "main-loop-on-storage", BLOCKED, YES, VH_LIKELY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_run_state_is_a_cause),
		cmocka_unit_test(a_guest_that_sleeps_on_purpose_does_not_hang),
		cmocka_unit_test(a_vm_that_a_migration_holds_is_not_to_be_resumed),
		cmocka_unit_test(libvirt_tells_who_paused_it),
		cmocka_unit_test(a_debugger_that_is_connected),
		cmocka_unit_test(a_debugger_beside_a_healthy_guest),
		cmocka_unit_test(a_machine_that_is_not_built_yet),
		cmocka_unit_test(a_monitor_that_is_held_is_never_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
