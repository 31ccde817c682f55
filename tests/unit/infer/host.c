/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host does to a VM: who takes its CPU time, and what holds its process. */
#include "tests/unit/infer/judged.h"

/* A VM of one vCPU, which may use CPU 1 alone (of two), is always ready, and hardly runs. */
static struct vh_case *starved_on(const char *affinity, int nice_policy)
{
	struct vh_case *c = case_new(1);

	case_text(c, VH_ONCE, "host.cpus", "", "0-1\n");
	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .state = 'R',
			       .run = 0.04,
			       .wait = 0.95,
			       .cpu = 1,
			       .policy = (unsigned)nice_policy,
			       .affinity = affinity,
			       .syscall = "running\n"});
	case_status(c, "running", true);
	return c;
}

/* Rows of host.rivals: `tid pid policy rtprio cpu ticks run_ns name`. */
static void put_rivals(struct vh_case *c, const char *first, const char *last)
{
	case_text(c, VH_FIRST, "host.rivals", "", first);
	case_text(c, VH_LAST, "host.rivals", "", last);
}

static void put_hog(struct vh_case *c, int policy, int priority)
{
	vh_auto_free char *first =
		vh_asprintf("900 900 %d %d 1 10 100000000 dpdk-worker\n", policy, priority);
	vh_auto_free char *last =
		vh_asprintf("900 900 %d %d 1 105 1050000000 dpdk-worker\n", policy, priority);

	put_rivals(c, first, last);
}

static void has_headline(struct vh_case *c, const char *id, const char *words)
{
	struct judged j = judge(c);

	assert_non_null(j.v->cause);
	assert_string_equal(j.v->cause->rule->id, id);
	if (!strstr(j.v->headline, words))
		fail_msg("\"%s\" is not in: %s", words, j.v->headline);
	drop(&j);
}

static void a_realtime_thread_takes_the_cpu(void **state VH_UNUSED)
{
	struct vh_case *c = starved_on("1", 0);

	put_hog(c, 1, 50);
	EXPECT(c, "cpu-starved-by-realtime", STARVED, YES, VH_CERTAIN);
	c = starved_on("1", 0);
	put_hog(c, 1, 50);
	has_headline(c, "cpu-starved-by-realtime", "thread 900 (dpdk-worker, FIFO priority 50)");
	/* An ordinary thread is none, and neither is one that runs for batches or when idle. */
	for (int policy = 0; policy <= 5; policy += policy ? 2 : 3) {
		c = starved_on("1", 0);
		put_hog(c, policy, 0);
		has_headline(c, "cpu-starved", "thread 900 (dpdk-worker) takes 95 % of CPU 1");
	}
}

/* The kernel's own real-time threads run on every host, for moments. */
static void a_little_of_realtime_explains_nothing(void **state VH_UNUSED)
{
	struct vh_case *c = starved_on("1", 0);

	put_rivals(c, "19 19 1 99 1 10 100000000 migration/1\n",
		"19 19 1 99 1 15 150000000 migration/1\n");
	EXPECT(c, "cpu-starved", STARVED, YES, VH_CERTAIN);
}

static void quota_goes_before_all_of_them(void **state VH_UNUSED)
{
	struct vh_case *c = starved_on("1", 0);

	put_hog(c, 1, 50);
	case_text_always(c, "cgroup.cpu.max", "v2:/vm", "5000 100000\n");
	case_text(c, VH_ONCE, "cgroup.path", "v2:/vm", "/sys/fs/cgroup/vm");
	case_text(c, VH_FIRST, "cgroup.cpu.stat", "v2:/vm",
		"nr_periods 10\nnr_throttled 10\nthrottled_usec 1000\n");
	case_text(c, VH_LAST, "cgroup.cpu.stat", "v2:/vm",
		"nr_periods 20\nnr_throttled 20\nthrottled_usec 900000\n");
	struct judged j = judge(c);

	assert_string_equal(j.v->cause->rule->id, "cpu-quota");
	assert_non_null(strstr(j.v->next[0].command, "'/sys/fs/cgroup/vm'/cpu.max"));
	drop(&j);
}

/* The kernel's clock lets it have more than its quota; and a tenth of a CPU is slow, but is one. */
static void next_to_no_quota(void **state VH_UNUSED)
{
	static const struct {
		const char *max;
		enum vh_hung hung;
	} rows[] = {{"1000 100000\n", VH_HUNG_YES}, {"10000 100000\n", VH_HUNG_NO}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct vh_case *c = case_new(1);
		struct vh_registers r = case_regs_linux(0x401000, 3, true, false);

		case_main_thread(c);
		case_thread(c, (struct case_thread){.vcpu = 0,
				       .state = 'R',
				       .run = 0.11,
				       .wait = 0.88,
				       .syscall = "running\n"});
		case_status(c, "running", true);
		case_registers(c, 0, r);
		look_again(c, 0, r, 0x1230);
		case_text_always(c, "cgroup.cpu.max", "v2:/vm", rows[i].max);
		case_text(c, VH_FIRST, "cgroup.cpu.stat", "v2:/vm",
			"nr_periods 10\nnr_throttled 10\nthrottled_usec 1000\n");
		case_text(c, VH_LAST, "cgroup.cpu.stat", "v2:/vm",
			"nr_periods 20\nnr_throttled 20\nthrottled_usec 900000\n");
		struct judged j = judge(c);

		assert_int_equal(j.v->hung, rows[i].hung);
		assert_int_equal(vh_streq(j.v->cause->rule->id, "cpu-quota"), i == 0);
		drop(&j);
	}
}

static void low_weight(void **state VH_UNUSED)
{
	struct vh_case *c = starved_on("1", 0);

	put_hog(c, 0, 0);
	case_text_always(c, "cgroup.cpu.weight", "v2:/a/vm", "100\n");
	case_text_always(c, "cgroup.cpu.weight", "v2:/a", "1\n");
	has_headline(c, "cpu-low-priority", "1.0 % of the usual weight: v2:/a");
	c = starved_on("1", 0);
	put_hog(c, 0, 0);
	case_text_always(c, "cgroup.cpu.shares", "v1:cpu:/vm", "102\n");
	EXPECT(c, "cpu-low-priority", STARVED, YES, VH_CERTAIN);
	c = starved_on("1", 5);
	put_hog(c, 0, 0);
	has_headline(c, "cpu-low-priority", "SCHED_IDLE");
	/* A real-time thread takes it whatever the weight. */
	c = starved_on("1", 5);
	put_hog(c, 1, 1);
	EXPECT(c, "cpu-starved-by-realtime", STARVED, YES, VH_CERTAIN);
	/* The usual weight is none. */
	c = starved_on("1", 0);
	put_hog(c, 0, 0);
	case_text_always(c, "cgroup.cpu.weight", "v2:/a/vm", "100\n");
	EXPECT(c, "cpu-starved", STARVED, YES, VH_CERTAIN);
}

/* A low weight alone costs nothing where there is CPU time to spare. */
static void low_weight_on_a_quiet_host_is_healthy(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);
	struct vh_registers r = case_regs_linux(0x401000, 3, true, false);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_status(c, "running", true);
	case_registers(c, 0, r);
	look_again(c, 0, r, 0x1230);
	case_text_always(c, "cgroup.cpu.weight", "v2:/a/vm", "1\n");
	EXPECT(c, "guest-busy", RUNNING, NO, VH_CERTAIN);
}

static void put_vcpus(struct vh_case *c, unsigned n, const char *affinity)
{
	double share = 1.0 / n;

	for (unsigned i = 0; i < n; i++)
		case_thread(c, (struct case_thread){.vcpu = (int)i,
				       .state = 'R',
				       .run = share,
				       .wait = 0.99 - share,
				       .cpu = 1,
				       .affinity = affinity,
				       .syscall = "running\n"});
}

static void vcpus_tied_together(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(24);

	case_text(c, VH_ONCE, "host.cpus", "", "0-7\n");
	case_main_thread(c);
	put_vcpus(c, 24, "1");
	case_status(c, "running", true);
	EXPECT(c, "cpu-pinned-together", STARVED, YES, VH_CERTAIN);
	/* On two of eight CPUs it is the same. */
	c = case_new(40);
	case_text(c, VH_ONCE, "host.cpus", "", "0-7\n");
	case_main_thread(c);
	put_vcpus(c, 40, "0-1");
	case_status(c, "running", true);
	EXPECT(c, "cpu-pinned-together", STARVED, YES, VH_CERTAIN);
	/* Slow, and gets on. */
	c = case_new(8);
	case_text(c, VH_ONCE, "host.cpus", "", "0-7\n");
	case_main_thread(c);
	put_vcpus(c, 8, "1");
	case_status(c, "running", true);
	struct judged j = judge(c);

	assert_int_not_equal(j.v->hung, VH_HUNG_YES);
	drop(&j);
}

/* There is nothing to untie where the host has no other CPU. */
static void too_many_vcpus_for_the_host(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(24);

	case_text(c, VH_ONCE, "host.cpus", "", "1\n");
	case_main_thread(c);
	put_vcpus(c, 24, "1");
	case_status(c, "running", true);
	has_headline(c, "host-overcommitted", "more vCPUs than this host has CPUs");
}

static void put_other_vms(struct vh_case *c, unsigned n, int cpu, const char *name)
{
	vh_auto_buf struct vh_buf first = {0}, last = {0};

	for (unsigned i = 0; i < n; i++) {
		vh_buf_printf(&first, "%u %u 0 0 %d 10 100000000 %s\n", 1000 + i, 1000 + i,
			cpu < 0 ? (int)i % 2 : cpu, name);
		vh_buf_printf(&last, "%u %u 0 0 %d 20 220000000 %s\n", 1000 + i, 1000 + i,
			cpu < 0 ? (int)i % 2 : cpu, name);
	}
	put_rivals(c, vh_buf_str(&first), vh_buf_str(&last));
}

static void tied_to_a_cpu_of_other_vms(void **state VH_UNUSED)
{
	struct vh_case *c = starved_on("1", 0);

	put_other_vms(c, 8, 1, "CPU 0/KVM");
	has_headline(c, "cpu-pinned-together", "8 vCPUs of 8 other VMs");
}

static void an_overcommitted_host(void **state VH_UNUSED)
{
	struct vh_case *c = starved_on("0-1", 0);

	put_other_vms(c, 14, -1, "CPU 0/KVM");
	has_headline(c, "host-overcommitted", "14 vCPUs of 14 other VMs ran");
	c = starved_on("0-1", 0);
	put_other_vms(c, 14, -1, "cc1plus");
	EXPECT(c, "host-overcommitted", STARVED, YES, VH_CERTAIN);
	/* vmhang itself had no time to look for them. */
	c = starved_on("0-1", 0);
	case_text_always(c, "host.stat", "", "cpu0 1 1 1 1\nprocs_running 14\n");
	has_headline(c, "host-overcommitted", "13 threads of other processes");
	/* Of a low priority the crowd is only half of the story. */
	c = starved_on("0-1", 5);
	put_other_vms(c, 14, -1, "cc1plus");
	EXPECT(c, "cpu-low-priority", STARVED, YES, VH_CERTAIN);
	/* A few others do not overcommit two CPUs. */
	c = starved_on("0-1", 0);
	put_other_vms(c, 3, -1, "cc1plus");
	EXPECT(c, "cpu-starved", STARVED, YES, VH_CERTAIN);
}

/* cpu0 and cpu1 of /proc/stat: user nice system idle iowait irq softirq steal guest guest_nice */
static void put_stat(struct vh_case *c, const char *what, unsigned grown)
{
	bool steal = !strcmp(what, "steal");

	for (int i = 0; i < 2; i++) {
		unsigned n = i ? grown : 0;
		vh_auto_free char *text =
			vh_asprintf("cpu  1 0 0 0 0 0 0 0 0 0\ncpu0 100 0 100 %u 5 0 0 7 0 0\n"
				    "cpu1 %u 0 100 100 0 0 %u %u 0 0\nprocs_running 2\n",
				900 + 100 * (unsigned)i, 50 + (i ? 100 - grown : 0),
				steal ? 3 : 3 + n, steal ? 70 + n : 70);

		case_text(c, i ? VH_LAST : VH_FIRST, "host.stat", "", text);
	}
}

static void the_host_is_starved_itself(void **state VH_UNUSED)
{
	struct vh_case *c = starved_on("1", 0);

	put_stat(c, "steal", 90);
	EXPECT(c, "nested-host-starved", STARVED, YES, VH_CERTAIN);
	c = starved_on("1", 0);
	put_stat(c, "steal", 90);
	has_headline(c, "nested-host-starved", "takes 90 % of its CPUs' time");
	/* Of the other CPU's time nothing is stolen. */
	c = starved_on("0", 0);
	put_stat(c, "steal", 90);
	EXPECT(c, "cpu-starved", STARVED, YES, VH_CERTAIN);
	/* A busy guest that loses two fifths is slow, and well. */
	c = case_new(1);
	case_text(c, VH_ONCE, "host.cpus", "", "0-1\n");
	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0, .state = 'R', .run = 0.99, .affinity = "1"});
	case_status(c, "running", true);
	struct vh_registers r = case_regs_linux(0x401000, 3, true, false);

	case_registers(c, 0, r);
	look_again(c, 0, r, 0x1230);
	put_stat(c, "steal", 40);
	EXPECT(c, "guest-busy", RUNNING, NO, VH_CERTAIN);
}

static void interrupts_take_the_cpu(void **state VH_UNUSED)
{
	struct vh_case *c = starved_on("1", 0);

	put_stat(c, "softirq", 92);
	EXPECT(c, "host-interrupts-take-cpu", STARVED, YES, VH_CERTAIN);
	c = starved_on("1", 0);
	put_stat(c, "softirq", 10);
	EXPECT(c, "cpu-starved", STARVED, YES, VH_CERTAIN);
}

/* The vCPU is real-time, and shares its CPU with the main thread. */
static struct vh_case *main_starved(void)
{
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){.tid = CASE_PID,
			       .name = "qemu-system-x86",
			       .state = 'R',
			       .run = 0.001,
			       .wait = 0.97,
			       .affinity = "1"});
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .state = 'R',
			       .run = 0.99,
			       .policy = 1,
			       .rt_priority = 1,
			       .affinity = "1"});
	return c;
}

static void the_main_thread_starves(void **state VH_UNUSED)
{
	struct vh_case *c = main_starved();

	case_silent_monitor(c);
	EXPECT(c, "main-loop-starved", STARVED, YES, VH_CERTAIN);
	/* It answers: it does come to run. */
	struct judged j;

	c = main_starved();
	case_status(c, "running", true);
	j = judge(c);
	assert_true(!j.v->cause || strcmp(j.v->cause->rule->id, "main-loop-starved"));
	drop(&j);
}

/* The kernel shows the signal where an exit code would stand (field 52). */
static struct vh_case *stopped_by(int number)
{
	struct vh_case *c = case_new(1);

	for (int vcpu = -1; vcpu < 1; vcpu++) {
		pid_t tid = vcpu < 0 ? CASE_PID : CASE_PID + 10;
		vh_auto_free char *subject = vh_asprintf("tid:%d", (int)tid);

		case_thread(c, (struct case_thread){.tid = tid,
				       .name = vcpu < 0 ? "qemu-system-x86" : "CPU 0/KVM",
				       .state = 'T',
				       .wchan = "do_signal_stop"});
		for (size_t i = 0; i < VH_ARRAY_SIZE(case_looks); i++) {
			struct vh_evidence *e =
				vh_case_find(c, "task.stat", subject, case_looks[i]);
			vh_auto_free char *text = vh_asprintf(
				"%.*s %d\n", (int)strcspn(e->data, "\n"), e->data, number);
			struct vh_procstat stat;

			assert_true(vh_procstat_parse(vh_str(text), &stat));
			assert_int_equal(stat.exit_code, number);
			vh_evidence_set_data(e, text, strlen(text));
		}
	}
	return c;
}

static void the_signal_is_named(void **state VH_UNUSED)
{
	has_headline(stopped_by(22), "process-stopped", "stopped by SIGTTOU");
	has_headline(stopped_by(21), "process-stopped", "background of a terminal");
	has_headline(stopped_by(20), "process-stopped", "Ctrl-Z");
	EXPECT(stopped_by(19), "process-stopped", STOPPED, YES, VH_CERTAIN);
	/* Not told: older kernels, or no permission. */
	EXPECT(stopped_by(0), "process-stopped", STOPPED, YES, VH_CERTAIN);
}

static void the_tracer_is_named(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_thread(c, (struct case_thread){.tid = CASE_PID,
			       .name = "qemu-system-x86",
			       .state = 't',
			       .tracer = 99,
			       .wchan = "ptrace_stop"});
	case_busy_vcpu(c, 0);
	case_text(c, VH_ONCE, "proc.tracer", "pid:99", "gdb\n");
	has_headline(c, "process-traced", "gdb (process 99) holds the main thread");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_realtime_thread_takes_the_cpu),
		cmocka_unit_test(a_little_of_realtime_explains_nothing),
		cmocka_unit_test(quota_goes_before_all_of_them),
		cmocka_unit_test(next_to_no_quota),
		cmocka_unit_test(low_weight),
		cmocka_unit_test(low_weight_on_a_quiet_host_is_healthy),
		cmocka_unit_test(vcpus_tied_together),
		cmocka_unit_test(too_many_vcpus_for_the_host),
		cmocka_unit_test(tied_to_a_cpu_of_other_vms),
		cmocka_unit_test(an_overcommitted_host),
		cmocka_unit_test(the_host_is_starved_itself),
		cmocka_unit_test(interrupts_take_the_cpu),
		cmocka_unit_test(the_main_thread_starves),
		cmocka_unit_test(the_signal_is_named),
		cmocka_unit_test(the_tracer_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
