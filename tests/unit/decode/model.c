/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/model.h"

#include "tests/unit/casebuild.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spinning_guest),
		cmocka_unit_test(an_empty_case_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
