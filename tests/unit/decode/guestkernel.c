/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest's Linux reports on its console, as Debian's 6.1 writes it (lab/scenarios/kernel.py).
 */
#include "decode/model.h"
#include "tests/unit/casebuild.h"
#include "tests/unit/test.h"

static struct vh_case *a_case;

/* The console's text, last written so long before it was read. */
static struct vh_model *read_console(const char *text, int64_t age_ns)
{
	a_case = case_new(2);
	struct vh_evidence *e = case_text(a_case, VH_FIRST, "log.serial", "/s", text);

	vh_evidence_set_number(e, "age_ns", age_ns);
	return vh_model_build(a_case);
}

static void drop(struct vh_model *m)
{
	vh_model_free(m);
	vh_case_free(a_case);
}

static const struct vh_kernel_report *only(const struct vh_model *m, enum vh_report_kind kind)
{
	assert_int_equal(m->guest_kernel.n, 1);
	assert_int_equal(m->guest_kernel.list[0].kind, kind);
	return &m->guest_kernel.list[0];
}

static void a_soft_lockup_that_goes_on(void **state VH_UNUSED)
{
	struct vh_model *m = read_console(
		"[    4.965954] trouble: spin\n"
		"[    7.687718] watchdog: BUG: soft lockup - CPU#1 stuck for 3s! [trouble-a:90]\n"
		"[    7.700000] Modules linked in: trouble(OE)\n"
		"[    7.710000] RIP: 0010:spin+0x2c/0x70 [trouble]\n"
		"[   10.884951] watchdog: BUG: soft lockup - CPU#1 stuck for 6s! [trouble-a:90]\n"
		"[   10.900000] RIP: 0010:spin+0x2e/0x70 [trouble]\n"
		"[   12.884951] random: crng init done\n",
		3 * VH_NS_PER_S);
	const struct vh_kernel_report *r = only(m, VH_REPORT_SOFT_LOCKUP);

	assert_int_equal(r->cpu, 1);
	assert_int_equal(r->times, 2);
	assert_true(r->grows);
	assert_string_equal(r->task, "trouble-a:90");
	assert_string_equal(r->where, "spin");
	assert_string_equal(
		r->line, "watchdog: BUG: soft lockup - CPU#1 stuck for 6s! [trouble-a:90]");
	assert_float_equal(r->stuck_s, 6, 0);
	assert_float_equal(r->period_s, 3, 0);
	assert_float_equal(r->age_s, 5, 0.001);
	drop(m);
}

static void other_reports(void **state VH_UNUSED)
{
	static const struct {
		const char *text;
		enum vh_report_kind kind;
		int cpu;
	} rows[] = {
		{"[ 44.0] NMI watchdog: Watchdog detected hard LOCKUP on cpu 1",
			VH_REPORT_HARD_LOCKUP, 1},
		{"[ 44.0] watchdog: CPU3: Watchdog detected hard LOCKUP on cpu 3",
			VH_REPORT_HARD_LOCKUP, 3},
		{"[    8.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n"
		 "[    8.0] rcu: \t1-....: (378 ticks this GP) idle=ab8c/1/0x40 softirq=129/129",
			VH_REPORT_RCU_STALL, 1},
		{"[    8.0] rcu: INFO: rcu_sched detected stalls on CPUs/tasks:\n"
		 "[    8.0] rcu: \tAll QSes seen, last rcu_sched kthread activity 750 (1-2)",
			VH_REPORT_RCU_STALL, -1},
		{"[    2.7] BUG: kernel NULL pointer dereference, address: 0000000000000000\n",
			VH_N_REPORT, -1},
		{"[    2.7] BUG: unable to handle page fault for address: ffffc90000000000",
			VH_REPORT_OOPS, -1},
		{"[    2.7] kernel BUG at mm/slub.c:310!", VH_REPORT_OOPS, -1},
		{"[    2.7] traps: x[12] general protection fault ip:401000 sp:7ffe", VH_N_REPORT,
			-1},
		{"[   12.0] Out of memory: Killed process 101 (tail) total-vm:5kB",
			VH_REPORT_OOM_KILL, -1},
		{"[   12.0] Memory cgroup out of memory: Killed process 101 (tail)", VH_N_REPORT,
			-1},
		{"<3>[   12.0][  T12] INFO: task dd:77 blocked for more than 120 seconds.",
			VH_REPORT_HUNG_TASK, -1},
		{"BUG: soft lockup - CPU# stuck", VH_REPORT_SOFT_LOCKUP, -1},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_model *m = read_console(rows[i].text, 0);
		bool oops = vh_prefix(rows[i].text, "[    2.7] BUG: kernel NULL");

		if (rows[i].kind == VH_N_REPORT && !oops)
			assert_int_equal(m->guest_kernel.n, 0);
		else
			assert_int_equal(
				only(m, oops ? VH_REPORT_OOPS : rows[i].kind)->cpu, rows[i].cpu);
		drop(m);
	}
}

static const struct {
	const char *stack, *where;
	enum vh_guest_wait wait;
} stacks[] = {
	{" __schedule+0x34d/0x9e0\n schedule+0x5a/0xd0\n io_schedule+0x42/0x70\n"
	 " folio_wait_bit_common+0x137/0x370\n ? filemap_alloc_folio+0xf0/0xf0\n"
	 " folio_wait_writeback+0x2c/0x80\n __filemap_fdatawait_range+0x8a/0xf0\n",
		"folio_wait_writeback", VH_GUEST_WAIT_STORAGE},
	{" __schedule+0x34d/0x9e0\n schedule+0x5a/0xd0\n schedule_preempt_disabled+0x11/0x20\n"
	 " __mutex_lock.constprop.0+0x399/0x700\n make_deadlock+0x3f/0x60 [trouble]\n"
	 " kthread+0xd7/0x100\n",
		"make_deadlock", VH_GUEST_WAIT_LOCK},
	{" __schedule+0x34d/0x9e0\n schedule+0x5a/0xd0\n percpu_rwsem_wait+0x112/0x130\n"
	 " __percpu_down_read+0x45/0x60\n vfs_write+0x39b/0x3f0\n ksys_write+0x6b/0xf0\n",
		"vfs_write", VH_GUEST_WAIT_FREEZE},
	/* Of a control group's: a lock like others. */
	{" __schedule+0x34d/0x9e0\n percpu_rwsem_wait+0x112/0x130\n __percpu_down_read+0x45/0x60\n"
	 " exit_signals+0x1f0/0x210\n do_exit+0x9b/0xb10\n",
		"exit_signals", VH_GUEST_WAIT_LOCK},
	{" __schedule+0x34d/0x9e0\n schedule+0x5a/0xd0\n io_schedule+0x42/0x70\n"
	 " bit_wait_io+0xd/0x60\n __wait_on_bit+0x4b/0x130\n out_of_line_wait_on_bit+0x91/0xb0\n"
	 " nfs_wait_on_request+0x3c/0x50 [nfs]\n nfs_lock_and_join_requests+0xf4/0x330 [nfs]\n",
		"nfs_wait_on_request", VH_GUEST_WAIT_FILE_SERVER},
	/* Who serves files waits for a disk of its own. */
	{" __schedule+0x34d/0x9e0\n schedule+0x5a/0xd0\n io_schedule+0x42/0x70\n"
	 " folio_wait_bit_common+0x137/0x370\n ext4_file_read_iter+0x54/0x100\n"
	 " nfsd_splice_read+0x6b/0x110 [nfsd]\n nfsd_dispatch+0xa1/0x1b0 [nfsd]\n"
	 " svc_process+0x1b/0x30 [sunrpc]\n nfsd+0x90/0xf0 [nfsd]\n",
		"ext4_file_read_iter", VH_GUEST_WAIT_STORAGE},
	{" __schedule+0x34d/0x9e0\n schedule+0x5a/0xd0\n io_schedule+0x42/0x70\n"
	 " folio_wait_bit_common+0x137/0x370\n fuse_dev_splice_write+0x1b4/0x2d0 [fuse]\n",
		"fuse_dev_splice_write", VH_GUEST_WAIT_STORAGE},
	{" __schedule+0x34d/0x9e0\n schedule+0x5a/0xd0\n schedule_timeout+0x118/0x150\n"
	 " wait_for_completion+0x86/0x160\n blk_execute_rq+0xbb/0x110\n scsi_execute+0x10/0x20\n",
		"blk_execute_rq", VH_GUEST_WAIT_STORAGE},
	{" __schedule+0x34d/0x9e0\n schedule+0x5a/0xd0\n schedule_timeout+0x118/0x150\n"
	 " __wait_for_common+0xb0/0x150\n make_endless_wait+0x3e/0x60 [trouble]\n",
		"make_endless_wait", VH_GUEST_WAIT_EVENT},
	{" some_hostile/0x+0x1/0x2\n +0x12/0x13\n a b c\n", NULL, VH_GUEST_WAIT_UNKNOWN},
};

static void what_a_task_waits_for(void **state VH_UNUSED)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(stacks); i++) {
		vh_auto_free char *text = vh_asprintf(
			"[  242.8] INFO: task dd:77 blocked for more than 120 seconds.\n"
			"      Not tainted 6.1.0-50-amd64 #1\n"
			"task:dd    state:D stack:0 pid:77 ppid:1 flags:0x00004000\n"
			"Call Trace:\n <TASK>\n%s </TASK>\n",
			stacks[i].stack);
		struct vh_model *m = read_console(text, 0);
		const struct vh_kernel_report *r = only(m, VH_REPORT_HUNG_TASK);

		assert_string_equal(r->task, "dd:77");
		assert_int_equal(r->wait, stacks[i].wait);
		if (stacks[i].where)
			assert_string_equal(r->where, stacks[i].where);
		else
			assert_null(r->where);
		drop(m);
	}
}

static void tasks_are_told_apart(void **state VH_UNUSED)
{
	struct vh_model *m =
		read_console("[  6.8] INFO: task trouble-a:90 blocked for more than 3 seconds.\n"
			     "[  6.8] INFO: task trouble-b:91 blocked for more than 3 seconds.\n"
			     "[  9.9] INFO: task trouble-a:90 blocked for more than 6 seconds.\n",
			-1);

	assert_int_equal(m->guest_kernel.n, 2);
	assert_int_equal(m->guest_kernel.list[0].times, 2);
	assert_true(m->guest_kernel.list[0].grows);
	assert_int_equal(m->guest_kernel.list[1].times, 1);
	assert_true(isnan(m->guest_kernel.list[0].age_s));
	drop(m);
}

static void another_kernel_begins_anew(void **state VH_UNUSED)
{
	static const char *const starts[] = {"[    0.000000] Linux version 6.1.0\n",
		"[    3.1] a quiet start\n", "SeaBIOS (version 1.16.2)\n"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(starts); i++) {
		vh_auto_free char *text = vh_asprintf(
			"[  90.0] watchdog: BUG: soft lockup - CPU#1 stuck for 23s! [x:1]\n%s",
			starts[i]);
		struct vh_model *m = read_console(text, 0);

		assert_int_equal(m->guest_kernel.n, 0);
		drop(m);
	}
}

/* More reports than are kept, and a stack without an end. */
static void hostile_consoles_are_bounded(void **state VH_UNUSED)
{
	struct vh_buf b = {0};

	for (int i = 0; i < 500; i++)
		vh_buf_printf(&b,
			"[ %d.0] INFO: task \x1b[31mt%d blocked for more than %d seconds.\n",
			i + 100, i, i);
	for (int i = 0; i < 500; i++)
		vh_buf_puts(&b, " io_schedule+0x1/0x2\n");
	struct vh_model *m = read_console(b.data, 0);

	assert_int_equal(m->guest_kernel.n, 64);
	assert_null(strchr(m->guest_kernel.list[0].task, '\x1b'));
	assert_null(strchr(m->guest_kernel.list[0].line, '\x1b'));
	drop(m);
	vh_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_soft_lockup_that_goes_on),
		cmocka_unit_test(other_reports),
		cmocka_unit_test(what_a_task_waits_for),
		cmocka_unit_test(tasks_are_told_apart),
		cmocka_unit_test(another_kernel_begins_anew),
		cmocka_unit_test(hostile_consoles_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
