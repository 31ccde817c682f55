/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/model.h"

#include <errno.h>

#include "tests/unit/casebuild.h"
#include "tests/unit/decode/answers.h"
#include "tests/unit/decode/dumps.h"
#include "tests/unit/test.h"

#define assert_near(a, b) assert_true(fabs((a) - (b)) < 0.005)

static void a_spinning_guest(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(2);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_halted_vcpu(c, 1, 0);
	case_status(c, "running", true);
	case_registers(c, 0, case_regs_real(0xf000, 0x1000, false, false));
	case_registers(c, 1, case_regs_seabios(0xfd09a, false, true));
	case_kvm_stats(c, "vcpu:0", "exits 100\nhalt_exits 0\n", "exits 2100\nhalt_exits 0\n");
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->n_vcpus, 2);
	assert_int_equal(m->n_threads, 3);
	assert_int_equal(m->threads[0]->role, VH_ROLE_MAIN);
	assert_int_equal(m->threads[0]->wait, VH_WAIT_POLL);
	assert_near(m->vcpus[0]->thread->run_share, 0.99);
	assert_int_equal(m->vcpus[0]->thread->wait, VH_WAIT_NONE);
	assert_int_equal(m->vcpus[1]->thread->wait, VH_WAIT_KVM_HALT);
	assert_true(m->vcpus[1]->thread->last.in_kvm_run);
	assert_int_equal(m->vcpus[0]->regs_status, VH_OK);
	assert_true(m->vcpus[0]->regs[1].valid);
	assert_int_equal(m->vcpus[0]->glimpses[1].rip, 0xf1000);
	assert_int_equal(vh_stage_of(&m->vcpus[1]->regs[0]), VH_STAGE_SEABIOS_32);
	assert_near(vh_counter_rate(&m->vcpus[0]->kvm, "exits"), 2000);
	assert_near(vh_counter_rate(&m->vcpus[0]->kvm, "halt_exits"), 0);
	assert_true(isnan(vh_counter_rate(&m->vcpus[0]->kvm, "io_exits")));
	assert_int_equal(m->monitor.state, VH_MONITOR_ANSWERED);
	assert_string_equal(m->monitor.run_state, "running");
	assert_int_equal(m->monitor.version[0], 7);
	assert_false(m->process.died);
	assert_false(m->serial_full);
	vh_model_free(m);
	vh_case_free(c);
}

static void an_empty_case_says_nothing(void **state VH_UNUSED)
{
	struct vh_case *c = vh_case_new(vh_vm_new());
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->n_vcpus, 0);
	assert_int_equal(m->n_threads, 0);
	assert_null(vh_model_main_thread(m));
	assert_int_equal(m->monitor.state, VH_MONITOR_NONE);
	assert_int_equal(m->cgroup.frozen, -1);
	assert_true(isnan(m->cgroup.quota_cpus));
	assert_int_equal(m->process.oom_score, -1001);
	assert_int_equal(m->process.rss_bytes, -1);
	assert_true(isnan(m->host.cpu_pressure_avg10));
	assert_int_equal(m->screen.kind, VH_SCREEN_NONE);
	assert_true(vh_model_evidence(m, "task.stat", "tid:1") == SIZE_MAX);
	vh_model_free(m);
	vh_case_free(c);
}

/* --- Threads ------------------------------------------------------------------------------------
 */

static void roles_by_name(void **state VH_UNUSED)
{
	static const struct {
		const char *name;
		enum vh_role role;
		int vcpu;
	} rows[] = {
		{"qemu-system-x86", VH_ROLE_MAIN, -1},
		{"qemu-system-x86", VH_ROLE_RCU, -1}, /* the second one of that name */
		{"IO iothread1", VH_ROLE_IOTHREAD, -1},
		{"IO mon_iothread", VH_ROLE_MONITOR, -1},
		{"CPU 0/KVM", VH_ROLE_VCPU, 0},
		{"CPU 10/KVM", VH_ROLE_VCPU, 10},
		{"CPU 1000/TCG", VH_ROLE_VCPU, 1000},
		{"CPU 4095/", VH_ROLE_VCPU, 4095}, /* cut short */
		{"CPU 4096/KVM", VH_ROLE_OTHER, -1},
		{"CPU 99999999999", VH_ROLE_OTHER, -1},
		{"CPU x/KVM", VH_ROLE_OTHER, -1},
		{"vnc_worker", VH_ROLE_VNC, -1},
		{"worker", VH_ROLE_WORKER, -1},
		{"multifdsend_3", VH_ROLE_MIGRATION, -1},
		{"fault-default", VH_ROLE_MIGRATION, -1},
		{"postcopy/listen", VH_ROLE_MIGRATION, -1},
		{"kvm-nx-lpage-re", VH_ROLE_KERNEL, -1},
		{"vhost-4711", VH_ROLE_KERNEL, -1},
		{"fc_vcpu 5", VH_ROLE_VCPU, 5},
		{"crosvm_vcpu6", VH_ROLE_VCPU, 6},
		{"kvm-vcpu-7", VH_ROLE_VCPU, 7},
		{"vcpu8", VH_ROLE_VCPU, 8},
		{"nbd-connect", VH_ROLE_OTHER, -1},
		{"", VH_ROLE_OTHER, -1},
	};
	struct vh_case *c = case_new(0);

	for (size_t i = VH_ARRAY_SIZE(rows); i--;)
		case_thread(
			c, (struct case_thread){.tid = CASE_PID + (pid_t)i, .name = rows[i].name});
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->n_threads, VH_ARRAY_SIZE(rows));
	for (size_t i = 0; i < m->n_threads; i++) {
		assert_int_equal(m->threads[i]->tid, CASE_PID + i);
		assert_string_equal(m->threads[i]->name, rows[i].name);
		assert_string_equal(vh_role_name(m->threads[i]->role), vh_role_name(rows[i].role));
		assert_int_equal(m->threads[i]->vcpu, rows[i].vcpu);
	}
	for (size_t i = 1; i < m->n_vcpus; i++)
		assert_true(m->vcpus[i - 1]->index < m->vcpus[i]->index);
	vh_model_free(m);
	vh_case_free(c);
}

/* A library's thread has the name of the vCPU that started it. */
static void of_two_threads_of_a_name_kvm_run_decides(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){.tid = 5000, .name = "CPU 0/KVM", .wchan = "ep_poll"});
	case_thread(c, (struct case_thread){.tid = 5001,
			       .name = "CPU 0/KVM",
			       .wchan = "kvm_vcpu_block",
			       .syscall = CASE_KVM_RUN});
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->n_vcpus, 1);
	assert_int_equal(m->vcpus[0]->thread->tid, 5001);
	assert_int_equal(m->threads[0]->role, VH_ROLE_OTHER);
	assert_int_equal(m->threads[0]->vcpu, -1);
	vh_model_free(m);
	/* The monitor knows better. */
	case_text(c, VH_ASKED, "qmp.query-cpus-fast", "",
		"[{\"cpu-index\": 0, \"thread-id\": 5000, \"qom-path\": \"/machine/x\"}]");
	m = vh_model_build(c);
	assert_int_equal(m->vcpus[0]->thread->tid, 5000);
	vh_model_free(m);
	vh_case_free(c);
}

static void vcpus_without_names(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(3);

	for (pid_t i = 0; i < 4; i++)
		case_thread(c, (struct case_thread){.tid = CASE_PID + i, .name = "qemu-kvm"});
	case_text(c, VH_LAST, "task.kvmfd", "tid:4713", "anon_inode:kvm-vcpu:1\n");
	case_text(c, VH_ASKED, "qmp.query-cpus-fast", "",
		"[{\"cpu-index\": 0, \"thread-id\": 4714}, {\"cpu-index\": 7, \"thread-id\": 1},"
		" {\"cpu-index\": -1, \"thread-id\": 4712}, {}, 5, {\"cpu-index\": 99999}]");
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->n_vcpus, 4); /* 0, 1, 2 of the command line, 7 */
	assert_int_equal(m->vcpus[0]->thread->tid, 4714);
	assert_int_equal(m->vcpus[1]->thread->tid, 4713);
	assert_null(m->vcpus[2]->thread);
	assert_int_equal(m->vcpus[3]->index, 7);
	assert_null(m->vcpus[3]->thread);
	assert_int_equal(m->threads[1]->role, VH_ROLE_RCU);
	vh_model_free(m);
	vh_case_free(c);
}

/* A vCPU that spins is met outside of any system call each time, so nothing tells its descriptor.
 */
static void vcpus_without_names_that_run(void **state VH_UNUSED)
{
	for (size_t runners = 1; runners <= 2; runners++) {
		struct vh_case *c = case_new(2);

		for (pid_t i = 0; i < 4; i++) {
			bool runs = i >= 2 && (size_t)i < 2 + runners;

			case_thread(c, (struct case_thread){.tid = CASE_PID + i,
					       .name = "qemu-kvm",
					       .state = runs ? 'R' : 'S',
					       .run = runs ? 0.9 : 0,
					       .wait = runs ? 0.09 : 0,
					       .syscall = runs ? "running\n" : CASE_FUTEX});
		}
		if (runners == 1)
			case_text(c, VH_LAST, "task.kvmfd", "tid:4714", "anon_inode:kvm-vcpu:1\n");
		struct vh_model *m = vh_model_build(c);

		assert_int_equal(m->n_vcpus, 2);
		assert_int_equal(m->vcpus[0]->thread->tid, 4713);
		assert_int_equal(m->vcpus[1]->thread->tid, 4714);
		assert_int_equal(m->threads[2]->role, VH_ROLE_VCPU);
		vh_model_free(m);
		vh_case_free(c);
	}
	/* One thread that runs, two vCPUs that are missing: which is it? */
	struct vh_case *c = case_new(2);

	for (pid_t i = 0; i < 4; i++)
		case_thread(c,
			(struct case_thread){
				.tid = CASE_PID + i, .name = "qemu-kvm", .run = i == 3 ? 0.99 : 0});
	struct vh_model *m = vh_model_build(c);

	assert_null(m->vcpus[0]->thread);
	assert_null(m->vcpus[1]->thread);
	vh_model_free(m);
	vh_case_free(c);
}

static void one_tcg_thread_for_all(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(2);

	case_thread(c, (struct case_thread){.tid = 5000, .name = "ALL CPUs/TCG", .run = 0.5});
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->n_vcpus, 2);
	assert_int_equal(m->vcpus[0]->thread->tid, 5000);
	assert_ptr_equal(m->vcpus[1]->thread, m->vcpus[0]->thread);
	assert_int_equal(m->threads[0]->role, VH_ROLE_VCPU);
	vh_model_free(m);
	vh_case_free(c);
}

static void shares_of_the_window(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){.run = 0.05,
			       .wait = 0.95,
			       .user = 0.4,
			       .voluntary_per_s = 7200,
			       .major_faults_per_s = 32,
			       .affinity = "1",
			       .tracer = 77});
	struct vh_model *m = vh_model_build(c);
	const struct vh_thread *t = m->vcpus[0]->thread;

	assert_near(t->run_share, 0.05);
	assert_near(t->wait_share, 0.95);
	assert_near(t->user_share, 0.02);
	assert_near(t->system_share, 0.03);
	assert_near(t->guest_share, 0);
	assert_near(t->switches_per_s, 7200);
	assert_near(t->major_faults_per_s, 32);
	assert_string_equal(t->affinity, "1");
	assert_near(m->process.major_faults_per_s, 32);
	assert_int_equal(m->process.tracer, 77);
	vh_model_free(m);
	/* Without schedstat the ticks tell, at the host's rate; a waiting share nobody tells. */
	for (size_t i = 0; i < c->n_evidence; i++)
		if (vh_streq(c->evidence[i]->source, "task.schedstat"))
			vh_evidence_fail(c->evidence[i], VH_DENIED, 1, "no");
	case_text(c, VH_ONCE, "host.clock-ticks", "", "50\n");
	m = vh_model_build(c);
	t = m->vcpus[0]->thread;
	assert_near(t->run_share, 0.10);
	assert_true(isnan(t->wait_share));
	vh_model_free(m);
	vh_case_free(c);
}

/* As seen beside a real-time hog: the kernel had not yet added the wait that still lasted. */
static void a_wait_that_has_not_ended(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){.run = 0.2, .state = 'R'});
	struct vh_model *m = vh_model_build(c);

	assert_near(m->vcpus[0]->thread->wait_share, 0.8);
	vh_model_free(m);
	vh_case_free(c);

	/* Nothing is known of one that did not run either: a captured host, which stands still. */
	c = case_new(1);
	case_thread(c, (struct case_thread){.state = 'R'});
	m = vh_model_build(c);
	assert_near(m->vcpus[0]->thread->wait_share, 0);
	vh_model_free(m);
	vh_case_free(c);

	/* One that slept in between may have slept all the time. */
	c = case_new(1);
	case_thread(c, (struct case_thread){.run = 0.2, .state = 'R', .voluntary_per_s = 3});
	m = vh_model_build(c);
	assert_near(m->vcpus[0]->thread->wait_share, 0);
	vh_model_free(m);
	vh_case_free(c);
}

static void threads_that_come_and_go(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(0);

	case_thread(c, (struct case_thread){.tid = 100, .name = "worker", .run = 0.5});
	case_thread(c, (struct case_thread){.tid = 101, .name = "worker", .run = 0.5});
	vh_evidence_fail(vh_case_find(c, "task.stat", "tid:100", VH_FIRST), VH_ABSENT, 3, "gone");
	/* The id was used again: another start time. */
	struct vh_evidence *e = vh_case_find(c, "task.stat", "tid:101", VH_LAST);
	char *start = strstr(e->data, " 5000 ");

	memcpy(start, " 9000 ", 6);
	struct vh_model *m = vh_model_build(c);

	for (int i = 0; i < 2; i++) {
		assert_false(m->threads[i]->first.seen);
		assert_true(m->threads[i]->last.seen);
		assert_true(isnan(m->threads[i]->run_share));
	}
	vh_model_free(m);
	vh_case_free(c);
}

/* kvm-nx-lpage-re shows the KVM_RUN of the vCPU that made it, with neither SP nor PC. */
static void a_kernel_thread_is_not_in_kvm_run(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(0);

	case_thread(c, (struct case_thread){.tid = 100,
			       .name = "kvm-nx-lpage-re",
			       .wchan = "kvm_nx_huge_page_recovery_worker",
			       .syscall = "16 0xd 0xae80 0x0 0x0 0x0 0x0 0x0 0x0\n"});
	struct vh_model *m = vh_model_build(c);

	assert_false(m->threads[0]->last.in_kvm_run);
	assert_int_equal(m->threads[0]->last.syscall, VH_SYSCALL_NONE);
	assert_int_equal(m->threads[0]->role, VH_ROLE_KERNEL);
	assert_int_equal(m->threads[0]->wait, VH_WAIT_KERNEL);
	vh_model_free(m);
	vh_case_free(c);
}

/* --- Monitor ------------------------------------------------------------------------------------
 */

static void the_monitors_state(void **state VH_UNUSED)
{
	static const struct {
		int greeting, greeting_err; /* -1: none */
		int status, status_err;
		enum vh_monitor_state state;
	} rows[] = {
		{VH_OK, 0, VH_OK, 0, VH_MONITOR_ANSWERED},
		{-1, 0, VH_OK, 0, VH_MONITOR_ANSWERED}, /* through libvirt */
		{VH_OK, 0, VH_TIMED_OUT, ETIMEDOUT, VH_MONITOR_SILENT},
		{VH_OK, 0, VH_FAILED, ECONNRESET, VH_MONITOR_BROKEN},
		{VH_OK, 0, VH_FAILED, EREMOTEIO, VH_MONITOR_BROKEN},
		{VH_OK, 0, VH_FAILED, EPROTO, VH_MONITOR_BROKEN},
		{VH_OK, 0, VH_SKIPPED, 0, VH_MONITOR_NOT_ASKED},
		{VH_OK, 0, -1, 0, VH_MONITOR_SILENT},
		{-1, 0, VH_TIMED_OUT, EBUSY, VH_MONITOR_BUSY},
		{-1, 0, VH_DENIED, EACCES, VH_MONITOR_REFUSED},
		{VH_FAILED, EAGAIN, -1, 0, VH_MONITOR_BUSY},
		{VH_TIMED_OUT, ETIMEDOUT, -1, 0, VH_MONITOR_BUSY},
		{VH_TIMED_OUT, ETIMEDOUT, VH_SKIPPED, 0, VH_MONITOR_BUSY},
		{VH_FAILED, EPROTO, -1, 0, VH_MONITOR_BROKEN},
		{VH_ABSENT, ENOENT, VH_SKIPPED, 0, VH_MONITOR_REFUSED},
		{VH_FAILED, ECONNREFUSED, -1, 0, VH_MONITOR_REFUSED},
		{VH_DENIED, EACCES, -1, 0, VH_MONITOR_REFUSED},
		{VH_ABSENT, 0, VH_SKIPPED, 0, VH_MONITOR_NONE},
		{VH_SKIPPED, 0, VH_SKIPPED, 0, VH_MONITOR_NOT_ASKED},
		{-1, 0, -1, 0, VH_MONITOR_NOT_ASKED},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = case_new(1);

		if (rows[i].greeting == VH_OK)
			case_text(c, VH_ASKED, "qmp.greeting", "", CASE_GREETING);
		else if (rows[i].greeting >= 0)
			case_fail(c, VH_ASKED, "qmp.greeting", "", (enum vh_status)rows[i].greeting,
				rows[i].greeting_err, "wh\x1by");
		if (rows[i].status == VH_OK)
			case_text(c, VH_ASKED, "qmp.query-status", "",
				"{\"status\": \"io-error\", \"running\": false}");
		else if (rows[i].status >= 0)
			case_fail(c, VH_ASKED, "qmp.query-status", "",
				(enum vh_status)rows[i].status, rows[i].status_err, "wh\x1by");
		struct vh_model *m = vh_model_build(c);

		assert_string_equal(vh_monitor_state_name(m->monitor.state),
			vh_monitor_state_name(rows[i].state));
		assert_int_equal(m->monitor.greeted, rows[i].greeting == VH_OK);
		if (rows[i].state == VH_MONITOR_ANSWERED) {
			assert_null(m->monitor.why);
			assert_string_equal(m->monitor.run_state, "io-error");
			assert_false(m->monitor.running);
		} else {
			assert_non_null(m->monitor.why);
			assert_null(strchr(m->monitor.why, 0x1b));
		}
		vh_model_free(m);
		vh_case_free(c);
	}
}

static void what_a_monitor_tells(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_text(c, VH_ASKED, "monitor.address", "", "libvirt qemu:///system\n");
	case_text(c, VH_ASKED, "qmp.query-status", "", "[\"running\"]");
	case_fail(c, VH_ASKED, "qmp.query-version", "", VH_FAILED, EREMOTEIO, "GenericError");
	case_fail(c, VH_ASKED, "hmp.info-registers", "vcpu:0", VH_TIMED_OUT, ETIMEDOUT, "1 s");
	case_fail(c, VH_ASKED, "qmp.query-block", "", VH_TIMED_OUT, ETIMEDOUT, "1 s");
	case_text(c, VH_ASKED, "qmp.event", "BLOCK_IO_ERROR", "{\"device\": \"\x1b[2J\"}");
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->monitor.state, VH_MONITOR_BROKEN);
	assert_true(m->monitor.via_libvirt);
	assert_string_equal(m->monitor.address, "libvirt qemu:///system");
	assert_string_equal(m->monitor.failed_command, "info registers");
	assert_int_equal(m->monitor.version[0], -1);
	assert_int_equal(m->monitor.n_events, 1);
	assert_string_equal(m->monitor.events[0].name, "BLOCK_IO_ERROR");
	assert_string_equal(m->monitor.events[0].text, "{\"device\": \"\\x1b[2J\"}");
	assert_int_equal(m->vcpus[0]->regs_status, VH_TIMED_OUT);
	vh_model_free(m);
	vh_case_free(c);
}

static void which_confidential_guest(void **state VH_UNUSED)
{
	static const struct {
		enum vh_conf_kind vm;
		const char *type, *policy;
		enum vh_conf_kind kind;
	} rows[] = {
		/* Nobody tells: only KVM's answer for a SEV-ES vCPU looks like this dump. */
		{VH_CONF_NONE, NULL, NULL, VH_CONF_SEV_ES},
		{VH_CONF_SEV_ES, NULL, NULL, VH_CONF_SEV_ES},
		{VH_CONF_NONE, "\"sev-guest\"", "1", VH_CONF_SEV},
		{VH_CONF_NONE, "\"sev-guest\"", "5", VH_CONF_SEV_ES},
		{VH_CONF_NONE, "\"sev-guest\"", NULL, VH_CONF_SEV_ES},
		{VH_CONF_SEV, "\"sev-guest\"", NULL, VH_CONF_SEV},
		{VH_CONF_NONE, "\"sev-snp-guest\"", NULL, VH_CONF_SEV_SNP},
		{VH_CONF_NONE, "\"tdx-guest\"", NULL, VH_CONF_TDX},
		{VH_CONF_NONE, "\"s390-pv-guest\"", NULL, VH_CONF_OTHER},
		{VH_CONF_NONE, "5", NULL, VH_CONF_SEV_ES},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = case_new(1);

		c->vm->confidential = rows[i].vm;
		if (rows[i].type) {
			case_text(c, VH_ASKED, "qmp.qom-get", "/machine.confidential-guest-support",
				"\"/objects/cgs0\"");
			case_text(c, VH_ASKED, "qmp.qom-get", "/objects/cgs0.type", rows[i].type);
		}
		if (rows[i].policy)
			case_text(
				c, VH_ASKED, "qmp.qom-get", "/objects/cgs0.policy", rows[i].policy);
		case_text(c, VH_ASKED, "hmp.info-registers", "vcpu:0", dump_sev_es);
		struct vh_model *m = vh_model_build(c);

		assert_int_equal(m->confidential, rows[i].kind);
		assert_int_equal(m->vcpus[0]->regs_status, VH_OK);
		assert_false(m->vcpus[0]->regs_are_guest);
		vh_model_free(m);
		vh_case_free(c);
	}
}

/* --- Registers and counters of the vCPUs --------------------------------------------------------
 */

static void a_busy_vcpu_is_looked_at_often(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_registers_in(c, VH_ASKED, 0, case_regs_linux(0x1000, 0, false, false));
	case_registers_in(c, VH_ASKED, 0, case_regs_linux(0x2000, 3, true, false));
	case_text(c, VH_ASKED, "hmp.info-registers", "vcpu:0", "Error: no such CPU\n");
	for (unsigned i = 0; i < 2 * VH_MAX_GLIMPSES; i++)
		case_registers_in(c, VH_ASKED_AGAIN, 0, case_regs_linux(0x3000 + i, 0, true, true));
	case_text(c, VH_ASKED, "guest.code", "vcpu:0", "0000000000000fff\n90f390ebfczz\n");
	case_text(c, VH_ASKED, "hmp.info-lapic", "vcpu:0", "dumping local APIC state\n");
	case_text(c, VH_ASKED_AGAIN, "hmp.info-lapic", "vcpu:0", "APR 0x00 TPR 0x20 DFR 0x0f\n");
	struct vh_model *m = vh_model_build(c);
	const struct vh_vcpu *v = m->vcpus[0];

	assert_int_equal(v->n_glimpses, VH_MAX_GLIMPSES);
	assert_int_equal(v->glimpses[0].rip, 0x1000);
	assert_false(v->glimpses[0].irqs_on);
	assert_true(v->glimpses[1].user_mode);
	assert_true(v->glimpses[2].hlt);
	assert_int_equal(v->regs[0].rip, 0x1000);
	assert_int_equal(v->regs[1].rip, 0x3000 + 2 * VH_MAX_GLIMPSES - 1);
	assert_int_equal(v->regs_status, VH_OK);
	assert_int_equal(v->code.address, 0xfff);
	assert_int_equal(v->code.n, 5);
	assert_false(v->apic[0].seen);
	assert_int_equal(v->apic[1].tpr, 0x20);
	vh_model_free(m);
	vh_case_free(c);
}

static void counters_of_query_stats(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(2);
	vh_auto_free char *again = vh_strdup(answer_stats_vcpu);

	memcpy(strstr(again, "2124"), "4124", 4);
	case_text(c, VH_ASKED, "qmp.query-stats", "vcpu", answer_stats_vcpu);
	case_text(c, VH_ASKED_AGAIN, "qmp.query-stats", "vcpu", again);
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->vcpus[0]->kvm.n, 0); /* which is which nobody told */
	vh_model_free(m);
	case_text(c, VH_ASKED, "qmp.query-cpus-fast", "", answer_cpus_fast);
	m = vh_model_build(c);
	assert_int_equal(m->vcpus[0]->kvm.n, 6); /* without the histogram */
	assert_near(vh_counter_rate(&m->vcpus[0]->kvm, "exits"), 2000);
	assert_near(vh_counter_rate(&m->vcpus[1]->kvm, "exits"), 0);
	assert_int_equal(vh_counter_value(&m->vcpus[0]->kvm, "exits"), 4124);
	assert_int_equal(vh_counter_value(&m->vcpus[0]->kvm, "blocking"), 0);
	assert_int_equal(vh_counter_value(&m->vcpus[0]->kvm, "halt_wait_hist"), -1);
	vh_model_free(m);
	/* debugfs was there in both looks: it goes before. */
	case_kvm_stats(c, "vcpu:0", "exits 1\nnmi_injections 3\n", "exits 6\nnmi_injections 3\n");
	m = vh_model_build(c);
	assert_near(vh_counter_rate(&m->vcpus[0]->kvm, "exits"), 5);
	assert_near(vh_counter_rate(&m->vcpus[0]->kvm, "nmi_injections"), 0);
	assert_near(vh_counter_rate(&m->vcpus[1]->kvm, "exits"), 0);
	vh_model_free(m);
	vh_case_free(c);
}

static void one_look_gives_no_rate(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_text(c, VH_FIRST, "kvm.stats", "vcpu:0", "exits 100\n\x1b[2J 5\nbad\n x y\n");
	case_text(c, VH_FIRST, "kvm.stats", "vm", "pages_4k 7\n");
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->vcpus[0]->kvm.n, 1);
	assert_true(isnan(vh_counter_rate(&m->vcpus[0]->kvm, "exits")));
	assert_int_equal(vh_counter_value(&m->vcpus[0]->kvm, "exits"), 100);
	assert_int_equal(vh_counter_value(&m->vm_kvm, "pages_4k"), 7);
	vh_model_free(m);
	vh_case_free(c);
}

/* --- Drives -------------------------------------------------------------------------------------
 */

static void drives_of_both_syntaxes(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	struct vh_error *err = NULL;
	vh_auto_json struct json_object *again = vh_json_parse(vh_str(answer_blockstats), &err);
	struct json_object *first = json_object_array_get_idx(again, 0);
	struct json_object *stats = vh_json_at(first, "stats", NULL);

	vh_json_put_i64(stats, "idle_time_ns", 12345);
	vh_json_put_i64(stats, "failed_rd_operations", 2);
	vh_json_put_i64(stats, "failed_flush_operations", 1);
	/* The protocol layer below it must not count too. */
	vh_json_put_i64(vh_json_at(first, "parent", "stats", NULL), "failed_rd_operations", 9);
	case_text(c, VH_ASKED, "qmp.query-blockstats", "", answer_blockstats);
	case_text(c, VH_ASKED_AGAIN, "qmp.query-blockstats", "", json_object_to_json_string(again));
	case_text(c, VH_ASKED, "qmp.query-block", "", answer_block);
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->n_drives, 2);
	assert_string_equal(m->drives[0].name, "virtio0");
	assert_string_equal(m->drives[0].file, "/tmp/decode/disk.img");
	assert_string_equal(m->drives[0].io_status, "ok");
	assert_true(m->drives[0].has_stats[0] && m->drives[0].has_stats[1]);
	assert_int_equal(m->drives[0].failed, 3);
	assert_int_equal(m->drives[0].idle_ns, 12345);
	assert_string_equal(m->drives[1].name, "nul");
	assert_string_equal(m->drives[1].file, "null-co://");
	assert_int_equal(m->drives[1].idle_ns, -1);
	vh_model_free(m);
	vh_case_free(c);
}

/* --- Control groups -----------------------------------------------------------------------------
 */

static void a_cgroup_of_v2(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_text(c, VH_ONCE, "proc.cgroup", "", "0::/machine/vm\n");
	case_text_always(c, "cgroup.cgroup.events", "v2:/machine/vm", "populated 1\nfrozen 0\n");
	case_text_always(c, "cgroup.cgroup.freeze", "v2:/machine/vm", "0\n");
	case_text_always(c, "cgroup.cpu.max", "v2:/machine", "50000 100000\n");
	case_text_always(c, "cgroup.cpu.max", "v2:/machine/vm", "max 100000\n");
	case_text(c, VH_FIRST, "cgroup.cpu.stat", "v2:/machine",
		"usage_usec 1\nnr_periods 100\nnr_throttled 50\nthrottled_usec 1000000\n");
	case_text(c, VH_LAST, "cgroup.cpu.stat", "v2:/machine",
		"usage_usec 9\nnr_periods 110\nnr_throttled 59\nthrottled_usec 1900000\n");
	case_text_always(c, "cgroup.cpu.stat", "v2:/machine/vm", "usage_usec 9\n");
	case_text_always(c, "cgroup.memory.max", "v2:/machine/vm", "268435456\n");
	case_text_always(c, "cgroup.memory.max", "v2:/machine", "max\n");
	case_text_always(c, "cgroup.memory.current", "v2:/machine/vm", "268000000\n");
	case_text_always(c, "cgroup.memory.current", "v2:/machine", "900000000\n");
	case_text(c, VH_FIRST, "cgroup.memory.events", "v2:/machine/vm", "max 5\noom_kill 1\n");
	case_text(c, VH_LAST, "cgroup.memory.events", "v2:/machine/vm", "max 25\noom_kill 1\n");
	case_text_always(c, "cgroup.cpu.pressure", "v2:/machine/vm",
		"some avg10=97.50 avg60=1.00 avg300=0.00 total=1\nfull avg10=1.00 total=0\n");
	struct vh_model *m = vh_model_build(c);
	const struct vh_cgroup_view *g = &m->cgroup;

	assert_true(g->seen);
	assert_string_equal(g->path, "/machine/vm");
	assert_int_equal(g->frozen, 0);
	assert_true(g->has_quota);
	assert_near(g->quota_cpus, 0.5);
	assert_true(g->has_throttle);
	assert_int_equal(g->periods, 10);
	assert_int_equal(g->throttled, 9);
	assert_int_equal(g->throttled_ns, 900000000);
	assert_int_equal(g->memory_limit_bytes, 268435456);
	assert_int_equal(g->memory_bytes, 268000000);
	assert_int_equal(g->memory_max_events, 20);
	assert_int_equal(g->oom_kills, 1);
	assert_near(g->cpu_pressure_avg10, 97.5);
	assert_true(isnan(g->io_pressure_avg10));
	vh_model_free(m);
	/* An ancestor was frozen: it shows in cgroup.events alone. */
	case_text(c, VH_LAST, "cgroup.cgroup.events", "v2:/machine/vm", "populated 1\nfrozen 1\n");
	m = vh_model_build(c);
	assert_int_equal(m->cgroup.frozen, 1);
	assert_string_equal(m->cgroup.frozen_group, "v2:/machine/vm");
	vh_model_free(m);
	vh_case_free(c);
}

static void cgroups_of_v1(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_text(c, VH_ONCE, "proc.cgroup", "",
		"9:name=systemd:/x\n4:memory:/vm\n3:cpu,cpuacct:/vm\n2:freezer:/\n0::/\n");
	case_text_always(c, "cgroup.freezer.state", "v1:freezer:/", "THAWED\n");
	case_text_always(c, "cgroup.freezer.state", "v1:freezer:/a", "FREEZING\n");
	case_text_always(c, "cgroup.cpu.cfs_quota_us", "v1:cpu:/vm", "1000\n");
	case_text_always(c, "cgroup.cpu.cfs_period_us", "v1:cpu:/vm", "100000\n");
	case_text_always(c, "cgroup.cpu.cfs_quota_us", "v1:cpu:/", "-1\n");
	case_text_always(c, "cgroup.cpu.cfs_period_us", "v1:cpu:/", "100000\n");
	case_text(c, VH_FIRST, "cgroup.cpu.stat", "v1:cpu:/vm",
		"nr_periods 1\nnr_throttled 1\nthrottled_time 100\n");
	case_text(c, VH_LAST, "cgroup.cpu.stat", "v1:cpu:/vm",
		"nr_periods 11\nnr_throttled 11\nthrottled_time 990000100\n");
	case_text_always(
		c, "cgroup.memory.limit_in_bytes", "v1:memory:/vm", "9223372036854771712\n");
	case_text_always(c, "cgroup.memory.limit_in_bytes", "v1:memory:/", "58720256\n");
	case_text_always(c, "cgroup.memory.usage_in_bytes", "v1:memory:/", "58720000\n");
	case_text(c, VH_FIRST, "cgroup.memory.failcnt", "v1:memory:/", "10\n");
	case_text(c, VH_LAST, "cgroup.memory.failcnt", "v1:memory:/", "95\n");
	case_text_always(c, "cgroup.memory.oom_control", "v1:memory:/",
		"oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
	struct vh_model *m = vh_model_build(c);
	const struct vh_cgroup_view *g = &m->cgroup;

	assert_string_equal(g->path, "memory:/vm cpu:/vm");
	assert_int_equal(g->frozen, 1);
	assert_near(g->quota_cpus, 0.01);
	assert_int_equal(g->throttled, 10);
	assert_int_equal(g->throttled_ns, 990000000);
	assert_int_equal(g->memory_limit_bytes, 58720256);
	assert_int_equal(g->memory_bytes, 58720000);
	assert_int_equal(g->memory_max_events, 85);
	assert_int_equal(g->oom_kills, 2);
	vh_model_free(m);
	vh_case_free(c);
}

/* --- The host, the process ----------------------------------------------------------------------
 */

static void rivals_that_could_matter(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){.state = 'R', .affinity = "1,3-4"});
	case_text(c, VH_ONCE, "host.cpus", "", "0-7\n");
	case_text_always(c, "host.pressure.cpu", "", "some avg10=12.34 avg60=0 total=5\n");
	case_text(c, VH_FIRST, "host.rivals", "",
		"10 10 1 50 1 0 0 hog\n11 11 1 50 0 0 0 elsewhere\n12 12 2 1 3 0 0 little\n"
		"13 13 0 0 3 0 -1 make\\x1b all\n14 14 0 0 4 0 0 modest\n15 15 0 0 4 0 0 again\n");
	case_text(c, VH_LAST, "host.rivals", "",
		"10 10 1 50 1 95 950000000 hog\n11 11 1 50 0 95 950000000 elsewhere\n"
		"12 12 2 1 3 1 10000000 little\n13 13 0 0 3 40 -1 make\\x1b all\n"
		"14 14 0 0 4 10 100000000 modest\n15 16 0 0 4 90 900000000 again\n"
		"17 17 1 50 1 95 950000000 new\njunk\n");
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->host.cpus, 8);
	assert_near(m->host.cpu_pressure_avg10, 12.34);
	assert_int_equal(m->host.n_rivals, 2);
	assert_string_equal(m->host.rivals[0].name, "hog");
	assert_string_equal(m->host.rivals[0].policy, "FIFO");
	assert_int_equal(m->host.rivals[0].rt_priority, 50);
	assert_int_equal(m->host.rivals[0].cpu, 1);
	assert_near(m->host.rivals[0].run_share, 0.95);
	assert_string_equal(m->host.rivals[1].policy, "OTHER");
	assert_near(m->host.rivals[1].run_share, 0.40);
	vh_model_free(m);
	vh_case_free(c);
}

static void what_the_process_is(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(0);

	case_main_thread(c);
	case_text_always(
		c, "proc.status", "", "Name:\tqemu\nVmRSS:\t  81920 kB\nVmSwap:\t       0 kB\n");
	case_text(c, VH_ONCE, "proc.oom", "", "oom_score 666\noom_score_adj -500\n");
	case_text(c, VH_ONCE, "proc.autogroup", "", "/autogroup-77 nice 19\n");
	case_text(c, VH_ONCE, "proc.fd", "", "0\t/dev/null\n12\tanon_inode:[userfaultfd]\n");
	struct vh_model *m = vh_model_build(c);

	assert_true(m->process.seen);
	assert_false(m->process.died);
	assert_int_equal(m->process.state, 'S');
	assert_int_equal(m->process.rss_bytes, 81920 * 1024);
	assert_int_equal(m->process.swap_bytes, 0);
	assert_int_equal(m->process.oom_score, 666);
	assert_int_equal(m->process.oom_score_adj, -500);
	assert_int_equal(m->process.autogroup_nice, 19);
	assert_true(m->process.has_userfaultfd);
	vh_model_free(m);
	/* Gone by the third look: what was read of its threads there is somebody else's. */
	case_fail(c, VH_AFTER, "proc.tasks", "", VH_ABSENT, ESRCH, "gone");
	m = vh_model_build(c);
	assert_true(m->process.died);
	assert_true(m->threads[0]->last.seen);
	assert_false(m->threads[0]->after.seen);
	vh_model_free(m);
	vh_case_free(c);
}

static void another_process_under_the_pid(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(0);

	case_main_thread(c);
	c->vm->id.start_ticks = 4999;
	struct vh_model *m = vh_model_build(c);

	assert_true(m->process.died);
	vh_model_free(m);
	vh_case_free(c);
}

/* --- A serial port that nobody reads ------------------------------------------------------------
 */

struct serial_row {
	struct case_thread t;
	const char *kind, *path;
	bool answers, special, full;
};

static bool serial_full(const struct serial_row *row)
{
	struct vh_case *c = case_new(1);

	if (row->kind)
		VH_PUSH(c->vm->serials, c->vm->n_serials) = (struct vh_serial){
			vh_strdup(row->kind), vh_strdup(row->path), vh_strdup("debugcon")};
	if (row->special)
		case_fail(c, VH_FIRST, "log.serial", row->path, VH_SKIPPED, 0, "no regular file");
	case_main_thread(c);
	case_thread(c, row->t);
	if (row->answers)
		case_status(c, "running", true);
	else
		case_silent_monitor(c);
	struct vh_model *m = vh_model_build(c);
	bool full = m->serial_full;

	vh_model_free(m);
	vh_case_free(c);
	return full;
}

#define NAPS(rate) .t = {.wchan = "hrtimer_nanosleep", .run = 0.17, .voluntary_per_s = (rate)}
#define WRITES(to)                                                                                 \
	.t = {.wchan = "pipe_write",                                                               \
		.syscall = "1 0x7 0x7f00 0x1 0x0 0x0 0x0 0x7ffc0000 0x7f00000000\n",               \
		.fd = "7\t" to}

static void a_serial_port_that_nobody_reads(void **state VH_UNUSED)
{
	static const struct serial_row rows[] = {
		{NAPS(7200), "fifo", "/run/dbg", .full = true},
		{NAPS(7200), "pty", NULL, .full = true},
		{NAPS(7200), "file", "/run/dbg", .special = true, .full = true},
		{NAPS(7200), "file", "/run/dbg", .full = false},
		{NAPS(7200), "null", NULL, .full = false},
		{NAPS(7200), NULL, NULL, .full = false},
		{NAPS(7200), "fifo", "/run/dbg", .answers = true, .full = false},
		{NAPS(100), "fifo", "/run/dbg", .full = false},
		{WRITES("/run/dbg"), "file", "/run/dbg", .full = true},
		{WRITES("/run/dbg.out"), "fifo", "/run/dbg", .full = true},
		{WRITES("/run/dbgx"), "fifo", "/run/dbg", .full = false},
		{WRITES("pipe:[77]"), "stdio", NULL, .full = true},
		{WRITES("/mnt/disk.raw"), "fifo", "/run/dbg", .full = false},
		{.t = {.state = 'R', .run = 0.99}, "fifo", "/run/dbg", .full = false},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		if (serial_full(&rows[i]) != rows[i].full)
			print_error("row %zu\n", i);
		assert_int_equal(serial_full(&rows[i]), rows[i].full);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spinning_guest),
		cmocka_unit_test(an_empty_case_says_nothing),
		cmocka_unit_test(roles_by_name),
		cmocka_unit_test(of_two_threads_of_a_name_kvm_run_decides),
		cmocka_unit_test(vcpus_without_names),
		cmocka_unit_test(vcpus_without_names_that_run),
		cmocka_unit_test(one_tcg_thread_for_all),
		cmocka_unit_test(shares_of_the_window),
		cmocka_unit_test(a_wait_that_has_not_ended),
		cmocka_unit_test(threads_that_come_and_go),
		cmocka_unit_test(a_kernel_thread_is_not_in_kvm_run),
		cmocka_unit_test(the_monitors_state),
		cmocka_unit_test(what_a_monitor_tells),
		cmocka_unit_test(which_confidential_guest),
		cmocka_unit_test(a_busy_vcpu_is_looked_at_often),
		cmocka_unit_test(counters_of_query_stats),
		cmocka_unit_test(one_look_gives_no_rate),
		cmocka_unit_test(drives_of_both_syntaxes),
		cmocka_unit_test(a_cgroup_of_v2),
		cmocka_unit_test(cgroups_of_v1),
		cmocka_unit_test(rivals_that_could_matter),
		cmocka_unit_test(what_the_process_is),
		cmocka_unit_test(another_process_under_the_pid),
		cmocka_unit_test(a_serial_port_that_nobody_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
