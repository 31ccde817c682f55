/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host's memory and kernel do to a VM; and VMs on such a host that are well. */
#include "tests/unit/infer/judged.h"

#define RECLAIM_STACK                                                                              \
	"[<0>] shrink_node+0x1/0x2\n[<0>] try_charge_memcg+0x1/0x2\n[<0>] "                        \
	"kvm_mmu_page_fault+0x1\n"

/* A VM whose vCPU has so many major faults a second, and waits in `stack` (NULL: it works). */
static struct vh_case *faulting(unsigned faults, const char *stack)
{
	struct vh_case *c = case_new(1);
	struct vh_registers r = case_regs_linux(0x401000, 3, true, false);

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .state = stack ? 'D' : 'R',
			       .run = stack ? 0.2 : 0.97,
			       .major_faults_per_s = faults,
			       .voluntary_per_s = faults,
			       .stack = stack,
			       .wchan = stack ? "shrink_node" : "0",
			       .syscall = stack ? CASE_KVM_RUN : "running\n"});
	case_status(c, "running", true);
	case_registers(c, 0, r);
	look_again(c, 0, r, 0x1230);
	return c;
}

static void put_limit(struct vh_case *c)
{
	case_text_always(c, "cgroup.memory.max", "v2:/vm", "58720256\n");
	case_text_always(c, "cgroup.memory.current", "v2:/vm", "58720256\n");
	case_text(c, VH_FIRST, "cgroup.memory.events", "v2:/vm", "high 0\nmax 100\noom_kill 0\n");
	case_text(c, VH_LAST, "cgroup.memory.events", "v2:/vm", "high 0\nmax 900\noom_kill 0\n");
}

/* One file of `key value` lines at both ends of the window. */
static void put_both(struct vh_case *c, const char *source, const char *first, const char *last)
{
	case_text(c, VH_FIRST, source, "", first);
	case_text(c, VH_LAST, source, "", last);
}

static bool names(const struct judged *j, const char *id)
{
	for (size_t i = 0; i < j->v->n_causes; i++)
		if (!strcmp(j->v->causes[i]->rule->id, id))
			return true;
	return false;
}

static void a_memory_limit_thrashes(void **state VH_UNUSED)
{
	struct vh_case *c = faulting(50, RECLAIM_STACK);

	put_limit(c);
	EXPECT(c, "memory-limit-thrash", BLOCKED, YES, VH_CERTAIN);
}

/* The cache of its files fills the cgroup up to its limit, and costs nothing. */
static void at_the_limit_and_well(void **state VH_UNUSED)
{
	struct vh_case *c = faulting(0, NULL);

	put_limit(c);
	EXPECT(c, "guest-busy", RUNNING, NO, VH_CERTAIN);
	/* It reads pages in, quickly, and works. */
	c = faulting(30, NULL);
	put_limit(c);
	struct judged j = judge(c);

	assert_string_equal(j.v->cause->rule->id, "guest-busy");
	assert_true(names(&j, "memory-limit-thrash"));
	drop(&j);
}

static void put_swapped(struct vh_case *c)
{
	case_text_always(
		c, "proc.status", "", "Name:\tqemu\nVmRSS:\t200000 kB\nVmSwap:\t300000 kB\n");
}

static void the_host_swaps(void **state VH_UNUSED)
{
	struct vh_case *c = faulting(80, "[<0>] do_swap_page+0x1\n[<0>] kvm_mmu_page_fault+0x1\n");

	put_swapped(c);
	put_both(c, "host.vmstat", "pswpin 100\npswpout 5\n", "pswpin 2100\npswpout 9\n");
	EXPECT(c, "host-swapping", BLOCKED, YES, VH_CERTAIN);
	/* Swapped out long ago, and not missed. */
	c = faulting(0, NULL);
	put_swapped(c);
	EXPECT(c, "guest-busy", RUNNING, NO, VH_CERTAIN);
}

static void the_host_has_no_memory(void **state VH_UNUSED)
{
	struct vh_case *c =
		faulting(20, "[<0>] shrink_node+0x1\n[<0>] __alloc_pages_slowpath+0x1\n");

	put_both(c, "host.vmstat", "allocstall_normal 10\nallocstall_movable 1\n",
		"allocstall_normal 90\nallocstall_movable 9\n");
	case_text_always(c, "host.meminfo", "",
		"MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:     100000 kB\n");
	case_text_always(c, "host.pressure.memory", "",
		"some avg10=71.00 avg60=40.00 avg300=9.00 total=1\n");
	EXPECT(c, "host-memory-exhausted", BLOCKED, YES, VH_CERTAIN);
	/* Little is left, but nobody waits for it. */
	c = faulting(0, NULL);
	case_text_always(c, "host.meminfo", "",
		"MemTotal:       16000000 kB\nMemAvailable:     100000 kB\n");
	EXPECT(c, "guest-busy", RUNNING, NO, VH_CERTAIN);
}

static struct vh_case *userfault(unsigned wakes)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .wchan = "handle_userfault",
			       .voluntary_per_s = wakes,
			       .syscall = CASE_KVM_RUN});
	case_status(c, "running", true);
	return c;
}

/* Of vCPU 0 no thread was met: it ended, or the text does not show it. */
static void emulated_without_its_first_vcpu(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(2);

	case_main_thread(c);
	case_thread(c, (struct case_thread){.tid = CASE_PID + 7,
			       .name = "CPU 1/TCG",
			       .wchan = "futex_do_wait",
			       .syscall = CASE_FUTEX});
	case_text_always(c, "proc.cmdline", "", "qemu-system-x86_64");
	struct judged j = judge(c);

	assert_true(names(&j, "tcg-by-mistake"));
	drop(&j);
}

/* Others of the host wait for memory; this VM reads pages in, and works. */
static void pressure_of_others_is_not_its_own(void **state VH_UNUSED)
{
	struct vh_case *c = faulting(30, NULL);

	put_swapped(c);
	put_both(c, "host.vmstat", "pswpin 100\npswpout 5\n", "pswpin 2100\npswpout 9\n");
	case_text_always(c, "host.pressure.memory", "",
		"some avg10=71.00 avg60=40.00 avg300=9.00 total=1\n");
	struct judged j = judge(c);

	assert_string_equal(j.v->cause->rule->id, "guest-busy");
	assert_true(names(&j, "host-swapping"));
	drop(&j);
}

static void nobody_serves_the_userfaultfd(void **state VH_UNUSED)
{
	EXPECT(userfault(0), "userfault-unserved", BLOCKED, YES, VH_CERTAIN);
	/* A post-copy migration is another matter. */
	struct vh_case *c = userfault(0);

	case_thread(c,
		(struct case_thread){.tid = 5000, .name = "fault-default", .wchan = "do_sys_poll"});
	struct judged j = judge(c);

	assert_false(names(&j, "userfault-unserved"));
	drop(&j);
	/* Pages come: a restore that goes on. */
	j = judge(userfault(40));
	assert_int_not_equal(j.v->hung, VH_HUNG_YES);
	drop(&j);
}

static void numa_balancing(void **state VH_UNUSED)
{
	static const char *const before = "numa_hint_faults 10\nnuma_hint_faults_local 1\n"
					  "numa_pages_migrated 5\n",
				 *const after = "numa_hint_faults 90010\n"
						"numa_hint_faults_local 80000\n"
						"numa_pages_migrated 40005\n";
	struct vh_case *c = faulting(0, NULL);

	/* A busy host of many nodes, and a VM that works. */
	put_both(c, "host.vmstat", before, after);
	struct judged j = judge(c);

	assert_string_equal(j.v->cause->rule->id, "guest-busy");
	assert_true(names(&j, "numa-balancing-thrash"));
	const struct vh_fact *f = vh_fact(j.facts, VH_FACT_NUMA_FAULTS);

	assert_non_null(f);
	assert_true(f->value > 89000 && f->value < 91000);
	drop(&j);
}

static struct vh_case *split_lock(const char *log)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .run = 0.01,
			       .voluntary_per_s = 90,
			       .stack = "[<0>] msleep_interruptible+0x2d/0x50\n"
					"[<0>] split_lock_warn+0x60/0xa0\n"
					"[<0>] handle_guest_split_lock+0x22/0xa0\n"
					"[<0>] kvm_arch_vcpu_ioctl_run+0x1/0x2\n",
			       .wchan = "msleep_interruptible",
			       .syscall = CASE_KVM_RUN});
	case_status(c, "running", true);
	if (log)
		case_text(c, VH_ONCE, "host.kmsg", "", log);
	return c;
}

static void split_locks(void **state VH_UNUSED)
{
	static const char log[] =
		"[90000.000001] x86/split lock detection: #AC: CPU 0/KVM/4721 took "
		"a split_lock trap at address: 0x7ffe1234\n";
	struct vh_case *c;

	EXPECT(split_lock(log), "split-lock-throttled", BLOCKED, YES, VH_CERTAIN);
	EXPECT(split_lock(NULL), "split-lock-throttled", BLOCKED, YES, VH_LIKELY);
	/* The line alone is old. */
	c = faulting(0, NULL);
	case_text(c, VH_ONCE, "host.kmsg", "", log);
	EXPECT(c, "guest-busy", RUNNING, NO, VH_CERTAIN);
}

static struct vh_case *internal_error(const char *qemu_log, const char *kmsg)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_thread(c,
		(struct case_thread){.vcpu = 0, .wchan = "futex_do_wait", .syscall = CASE_FUTEX});
	case_status(c, "internal-error", false);
	case_text(c, VH_FIRST, "log.qemu", "/var/log/web-07.log", qemu_log);
	if (kmsg)
		case_text(c, VH_ONCE, "host.kmsg", "", kmsg);
	return c;
}

static void guest_memory_fails(void **state VH_UNUSED)
{
	EXPECT(internal_error("error: kvm run failed Bad address\nEAX=00000000\n", NULL),
		"guest-memory-unavailable", DEAD, YES, VH_CERTAIN);
	EXPECT(internal_error("KVM internal error. Suberror: 1\n", NULL), "vmm-emulation-failed",
		DEAD, YES, VH_CERTAIN);
	/* Another VM's page. */
	struct vh_case *c = faulting(0, NULL);

	case_text(c, VH_ONCE, "host.kmsg", "",
		"[90000.1] Memory failure: 0x1234: Sending SIGBUS to qemu-system-x86:99 due to "
		"hardware memory corruption\n");
	EXPECT(c, "guest-busy", RUNNING, NO, VH_CERTAIN);
	/* Its own, and it bore it. */
	c = faulting(0, NULL);
	case_text(c, VH_ONCE, "host.kmsg", "",
		"[90000.1] Memory failure: 0x1234: Sending SIGBUS to qemu-system-x86:4711 due to "
		"hardware memory corruption\n");
	struct judged j = judge(c);

	assert_string_equal(j.v->cause->rule->id, "guest-busy");
	assert_true(names(&j, "memory-poisoned"));
	drop(&j);
}

#define OOM_HELPER                                                                                 \
	"[90000.5] Memory cgroup out of memory: Killed process 800 (virtiofsd) total-vm:9kB\n"
#define OOM_VM "[90000.5] Out of memory: Killed process 4711 (qemu-system-x86) total-vm:9kB\n"

static void a_helper_was_killed(void **state VH_UNUSED)
{
	struct vh_case *c = faulting(0, NULL);

	/* Perhaps another VM's: this one works. */
	case_text(c, VH_ONCE, "host.kmsg", "", OOM_HELPER);
	struct judged j = judge(c);

	assert_string_equal(j.v->cause->rule->id, "guest-busy");
	assert_true(names(&j, "helper-oom-killed"));
	drop(&j);
}

static void the_vm_was_killed(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(1);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	case_fail(c, VH_AFTER, "proc.tasks", "", VH_ABSENT, 2, "gone");
	case_text(c, VH_ONCE, "host.kmsg", "", OOM_VM);
	EXPECT(c, "vm-oom-killed", DEAD, YES, VH_CERTAIN);
	/* A line about a process that lives is not about it. */
	c = faulting(0, NULL);
	case_text(c, VH_ONCE, "host.kmsg", "", OOM_VM);
	EXPECT(c, "guest-busy", RUNNING, NO, VH_CERTAIN);
}

static struct vh_case *emulated(const char *cmdline, size_t size)
{
	struct vh_case *c = case_new(1);
	struct vh_registers r = case_regs_linux(0x401000, 3, true, false);

	c->vm->accel = VH_ACCEL_TCG;
	case_main_thread(c);
	case_thread(c, (struct case_thread){.vcpu = 0,
			       .name = "CPU 0/TCG",
			       .state = 'R',
			       .run = 0.99,
			       .syscall = "running\n"});
	case_status(c, "running", true);
	case_registers(c, 0, r);
	look_again(c, 0, r, 0x1230);
	case_data(c, VH_ONCE, "proc.cmdline", "", cmdline, size);
	return c;
}

static void emulation_by_mistake(void **state VH_UNUSED)
{
	static const char fell[] = "qemu-system-x86_64\0-machine\0pc,accel=kvm:tcg\0-m\0002";
	static const char none[] = "qemu-system-x86_64\0-m\0002";
	static const char told[] = "qemu-system-x86_64\0-accel\0tcg\0-name\0kvm";
	struct judged j = judge(emulated(fell, sizeof(fell)));

	assert_string_equal(j.v->cause->rule->id, "guest-busy");
	assert_true(names(&j, "tcg-by-mistake"));
	assert_true(vh_fact(j.facts, VH_FACT_EMULATED_CPU)->value > 0);
	drop(&j);
	j = judge(emulated(none, sizeof(none)));
	assert_true(names(&j, "tcg-by-mistake"));
	drop(&j);
	j = judge(emulated(told, sizeof(told)));
	assert_false(names(&j, "tcg-by-mistake"));
	drop(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_memory_limit_thrashes),
		cmocka_unit_test(at_the_limit_and_well),
		cmocka_unit_test(the_host_swaps),
		cmocka_unit_test(the_host_has_no_memory),
		cmocka_unit_test(emulated_without_its_first_vcpu),
		cmocka_unit_test(pressure_of_others_is_not_its_own),
		cmocka_unit_test(nobody_serves_the_userfaultfd),
		cmocka_unit_test(numa_balancing),
		cmocka_unit_test(split_locks),
		cmocka_unit_test(guest_memory_fails),
		cmocka_unit_test(a_helper_was_killed),
		cmocka_unit_test(the_vm_was_killed),
		cmocka_unit_test(emulation_by_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
