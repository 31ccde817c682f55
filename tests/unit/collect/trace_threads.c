/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which threads are vCPUs, from /proc alone. */
#include "collect/trace_threads.h"
#include "fixture.h"

static void put_thread(struct fixture *f, int tid, const char *name, char state, const char *call)
{
	vh_auto_free char *stat = vh_asprintf("/proc/4711/task/%d/stat", tid);
	vh_auto_free char *syscall = vh_asprintf("/proc/4711/task/%d/syscall", tid);
	vh_auto_free char *text =
		vh_asprintf("%d (%s) %c 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 4 0 50000 "
			    "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 -1 1 0 0 0 0 0\n",
			tid, name, state);

	fixture_put(f, stat, text);
	fixture_put(f, syscall, call);
}

static struct vh_trace_thread of_tid(const struct vh_trace_threads *t, pid_t tid)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].tid == tid)
			return t->list[i];
	fail_msg("thread %d is not in the list", (int)tid);
	return t->list[0];
}

/* QEMU without debug-threads=on: by the descriptor of KVM_RUN. The kernel's own thread in there,
 * kvm-nx-lpage-re, shows the call of the vCPU that made it. */
static void without_names(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();
	struct vh_trace_threads t;

	fixture_link(&f, "/proc/4711/fd/13", "anon_inode:kvm-vcpu:0");
	fixture_link(&f, "/proc/4711/fd/14", "anon_inode:kvm-vcpu:1");
	put_thread(&f, 4711, "qemu-system-x86", 'S',
		"271 0x5 0x2 0x0 0x0 0x8 0x0 0x7ffc10 0x7f2ac0\n");
	put_thread(&f, 4713, "qemu-system-x86", 'R', "running\n");
	put_thread(&f, 4714, "kvm-nx-lpage-re", 'S', "16 0xd 0xae80 0x0 0x0 0x0 0x0 0x0 0x0\n");
	put_thread(&f, 4715, "qemu-system-x86", 'S',
		"16 0xe 0xae80 0x0 0x0 0x0 0x0 0x7f2a10 0x7f2ac1\n");
	vh_trace_threads_read(f.host, 4711, &t);
	assert_int_equal(of_tid(&t, 4715).vcpu, 1);
	assert_int_equal(of_tid(&t, 4714).vcpu, -1);
	assert_int_equal(of_tid(&t, 4713).vcpu, -1);
	assert_int_equal(of_tid(&t, 4711).vcpu, -1);
	assert_true(of_tid(&t, 4713).runs && !of_tid(&t, 4715).runs);
	assert_int_equal(t.list[0].tid, 4715);
	vh_trace_threads_free(&t);
	fixture_free(&f);
}

static void by_name(void **state VH_UNUSED)
{
	struct fixture f = fixture_empty();
	struct vh_trace_threads t;

	put_thread(&f, 4711, "qemu-system-x86", 'S', "running\n");
	put_thread(&f, 4713, "CPU 1/KVM", 'S', "running\n");
	put_thread(&f, 4712, "CPU 0/KVM", 'R', "running\n");
	put_thread(&f, 4714, "CPU 0/KVM", 'S', "running\n"); /* a vCPU's thread started it */
	vh_trace_threads_read(f.host, 4711, &t);
	assert_int_equal(t.n, 2);
	assert_true(t.list[0].tid == 4712 && t.list[0].vcpu == 0 && t.list[0].runs);
	assert_true(t.list[1].tid == 4713 && t.list[1].vcpu == 1 && !t.list[1].runs);
	vh_trace_threads_free(&t);
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_names),
		cmocka_unit_test(by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
