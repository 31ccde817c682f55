/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each recogniser: what it takes, where it ends, what it leaves alone. */
#include "pasted.h"

#define PROSE "Hello, some words 12:03 first.\n"

/* Text that no recogniser may take for evidence. */
static void assert_nothing(const char *text)
{
	struct pasted p = paste_text(text);

	if (p.n)
		fail_msg("taken for %s: %s", p.cases[0]->evidence[0]->source, text);
	pasted_free(&p);
}

static void ps(void **state VH_UNUSED)
{
	struct vh_case *c = paste_one(PROSE "COMMAND             PID     TID\n"
					    "qemu-system-x86 4711 4711\n"
					    "CPU 0/KVM       4711 4715\n"
					    "CPU 10/KVM       4711 4725\n"
					    "That is all of them.\n");

	assert_string_equal(pasted_data(c, "pasted.ps", ""),
		"COMMAND             PID     TID\nqemu-system-x86 4711 4711\n"
		"CPU 0/KVM       4711 4715\nCPU 10/KVM       4711 4725\n");
	assert_lines(c, "pasted.ps", "", 2, 4);
	assert_int_equal(c->vm->id.pid, 4711);
	assert_int_equal(c->vm->accel, VH_ACCEL_KVM);
	vh_case_free(c);
	/* A list of processes: a VM is one whose command line starts one. */
	c = paste_one(
		"USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND\n"
		"root 1 0.0 0.0 1 1 ? Ss Nov1 0:01 /sbin/init\n"
		"qemu 77 99 1 1 1 ? Sl Nov1 9:01 /usr/bin/qemu-system-x86_64 -name web -smp 3 "
		"-m 512\n");
	assert_string_equal(c->vm->name, "web");
	assert_int_equal(c->vm->vcpus, 3);
	assert_null(vh_case_find(c, "pasted.ps", NULL, VH_N_ROUND));
	vh_case_free(c);
	assert_nothing("PID means process id, COMMAND is its command\n1 2 3\n");
	assert_nothing("PID TID COMMAND\n");
}

static void top(void **state VH_UNUSED)
{
	struct vh_case *c = paste_one(
		"top - 19:47:20 up 31 days,  4:02\nThreads:  2 total\n\n"
		"    PID USER PR NI VIRT RES SHR S  %CPU  %MEM     TIME+ COMMAND\n"
		"1347739 root 20 0 17.2g 76844 17216 R  99,9   0.0      6,44 CPU 0/KVM\n"
		"1347712 root 20 0 17.2g 76844 17216 S   0.0   0.0   0:05.12 qemu-system-x86\n"
		"   900 root 20 0 1g 76844 17216 S   0.0   0.0   0:05.12 kworker/1:2\n");
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(c->vm->id.pid, 1347712);
	assert_lines(c, "pasted.top", "", 1, 7);
	assert_int_equal(m->n_threads, 2);
	assert_int_equal(m->n_vcpus, 1);
	assert_true(fabs(m->vcpus[0]->thread->run_share - 0.999) < 1e-9);
	assert_int_equal(m->vcpus[0]->thread->last.cpu_ns, INT64_C(24240000000000));
	assert_int_equal(m->threads[0]->last.cpu_ns, INT64_C(5120000000));
	vh_model_free(m);
	vh_case_free(c);
}

static void several_vms_in_top(void **state VH_UNUSED)
{
	struct pasted p =
		paste_text("    PID USER PR NI VIRT RES SHR S  %CPU  %MEM     TIME+ COMMAND\n"
			   "100 root 20 0 1 1 1 S 0.0 0.0 0:05.12 qemu-system-x86\n"
			   "101 root 20 0 1 1 1 S 0.0 0.0 0:00.12 qemu-system-x86\n"
			   "110 root 20 0 1 1 1 R 99.9 0.0 9:05.12 CPU 0/KVM\n"
			   "200 root 20 0 1 1 1 S 0.0 0.0 0:05.12 qemu-system-x86\n"
			   "210 root 20 0 1 1 1 S 0.3 0.0 9:05.12 CPU 0/KVM\n");

	assert_int_equal(p.n, 2);
	assert_int_equal(p.cases[0]->vm->id.pid, 100);
	assert_int_equal(p.cases[1]->vm->id.pid, 200);
	assert_non_null(strstr(pasted_data(p.cases[0], "pasted.top", ""), "\n101 "));
	assert_null(strstr(pasted_data(p.cases[0], "pasted.top", ""), "\n210 "));
	assert_non_null(strstr(pasted_data(p.cases[0], "vmhang.note", ""), "2 VMs"));
	pasted_free(&p);
}

#define DUMP                                                                                       \
	"EAX=00000000 EBX=00000000 ECX=00000000 EDX=00060fb1\n"                                    \
	"ESI=00000000 EDI=00000000 EBP=00000000 ESP=00000000\n"                                    \
	"EIP=00000001 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\n"                       \
	"CS =f000 000f0000 0000ffff 00009b00\n"                                                    \
	"CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000\n"                                    \
	"EFER=0000000000000000\nFCW=037f FSW=0000 [ST=0] FTW=00 MXCSR=00001f80\n"

static void registers(void **state VH_UNUSED)
{
	struct vh_case *c =
		paste_one(PROSE "CPU#0\n" DUMP "CPU#1\n" DUMP
				"(qemu) info registers -a\n\nCPU#0\n" DUMP "and that was it\n");
	size_t n = 0;

	vh_case_foreach (c, e)
		n += vh_streq(e->source, "hmp.info-registers");
	assert_int_equal(n, 3);
	assert_string_equal(pasted_data(c, "hmp.info-registers", "vcpu:1"), DUMP);
	assert_non_null(vh_case_find_data(c, "hmp.info-registers", "vcpu:0", VH_ASKED_AGAIN));
	assert_lines(c, "hmp.info-registers", "vcpu:1", 11, 7);
	vh_case_free(c);
	/* Two dumps without headings, one behind the other: the same vCPU twice. */
	c = paste_one(DUMP DUMP);
	assert_non_null(vh_case_find_data(c, "hmp.info-registers", "vcpu:0", VH_ASKED_AGAIN));
	vh_case_free(c);
	c = paste_one("# virsh qemu-monitor-command w --hmp --cpu 3 'info registers'\n" DUMP);
	pasted_data(c, "hmp.info-registers", "vcpu:3");
	vh_case_free(c);
	assert_nothing("EAX=yes please\nEAX=\nRAX\nCPU#0\n");
}

static void monitor(void **state VH_UNUSED)
{
	struct vh_case *c = paste_one("VM status: paused (io-error)\n"
				      "* CPU #0: pc=0x00000000fff7b2b1 (halted) thread_id=2104\n"
				      "  CPU #1: thread_id=2105\n"
				      "virtio0 (#block123): /data/web.qcow2 (qcow2)\n"
				      "    I/O status:       nospace\n"
				      "kvm support: enabled\n"
				      "address-space: memory\n"
				      "  0000000000000000-ffffffffffffffff (prio 0, i/o): system\n"
				      "    0000000000000000-000000003fffffff (prio 0, ram): ram\n"
				      "dumping local APIC state for CPU 1 \n\n"
				      "LVT0\t 0x00010700 active-hi edge  masked\n"
				      "ISR\t (none)\n");
	struct vh_model *m = vh_model_build(c);

	assert_string_equal(m->monitor.run_state, "io-error");
	assert_int_equal(m->monitor.state, VH_MONITOR_ANSWERED);
	assert_int_equal(m->n_vcpus, 2);
	assert_int_equal(m->vcpus[0]->halted, 1);
	assert_int_equal(m->vcpus[1]->halted, -1);
	assert_lines(c, "pasted.hmp-block", "", 4, 2);
	assert_int_equal(m->n_drives, 1);
	assert_string_equal(m->drives[0].name, "virtio0");
	assert_string_equal(m->drives[0].file, "/data/web.qcow2");
	assert_string_equal(m->drives[0].io_status, "nospace");
	assert_lines(c, "hmp.info-mtree", "", 7, 3);
	assert_lines(c, "hmp.info-lapic", "vcpu:1", 10, 4);
	vh_model_free(m);
	vh_case_free(c);
	assert_nothing("the VM status: is running\nhttp://x (raw)\nC: (drive)\n");
}

/* Both forms of info block, names with blanks, brackets and colons, drives without a medium. */
static void block(void **state VH_UNUSED)
{
	struct vh_case *c = paste_one(
		"  ide0-hd0 (#block140): nbd://h:1/a (copy) b.raw (raw, read-only)\n"
		"      Attached to:      /machine/unattached/device[19]\n"
		"      Backing file:     /b: (c).raw (chain depth: 1)\n"
		"\n"
		"  ide1-cd0: [not inserted]\n"
		"      Removable device: not locked, tray closed\n"
		"      I/O status:       failed\n"
		"prose\n"
		"ide0-hd1: removable=0 io-status=nospace file=/a b.qcow2 backing_file=/c ro=0 "
		"drv=qcow2\n"
		"floppy0: removable=1 locked=0 tray-open=0 io-status=ok [not inserted]\n");
	struct vh_model *m = vh_model_build(c);
	static const struct {
		const char *name, *file, *io_status;
	} wanted[] = {{"ide0-hd0", "nbd://h:1/a (copy) b.raw", NULL}, {"ide1-cd0", NULL, "failed"},
		{"ide0-hd1", "/a b.qcow2", "nospace"}, {"floppy0", NULL, "ok"}};

	assert_int_equal(m->n_drives, VH_ARRAY_SIZE(wanted));
	for (size_t i = 0; i < VH_ARRAY_SIZE(wanted); i++) {
		assert_string_equal(m->drives[i].name, wanted[i].name);
		assert_true(vh_streq(m->drives[i].file, wanted[i].file) ||
			    (!wanted[i].file && !m->drives[i].file));
		assert_true(vh_streq(m->drives[i].io_status, wanted[i].io_status) ||
			    (!wanted[i].io_status && !m->drives[i].io_status));
		assert_int_equal(m->drives[i].empty, !wanted[i].file);
	}
	vh_model_free(m);
	vh_case_free(c);
}

/* A mail program has broken its lines. */
static void wrapped_perf(void **state VH_UNUSED)
{
	struct vh_case *c = paste_one("19:49:57.094070\n\nAnalyze events for pid(s) 77, VCPU 2:\n\n"
				      "             VM-EXIT    Samples  Samples%     Time%\nMin "
				      "Time    Max\nTime         Avg "
				      "time\n\n"
				      "           interrupt        152    97.44%    99.01%\n "
				      "1.92us     15.51us      4.18us ( "
				      "+-   2.85% )\n"
				      "               pause          4     2.56%     0.99%     "
				      "1.24us      2.38us      1.58us ( "
				      "+-\n17.09% )\n\n"
				      "Total Samples:156, Total events handled time:641.83us.\n");
	struct vh_model *m = vh_model_build(c);

	assert_lines(c, "pasted.perf-kvm-stat", "vcpu:2", 1, 14);
	const struct vh_vcpu_exits *v = m->exits ? vh_exits_of(m->exits, 2) : NULL;

	assert_non_null(v);
	assert_int_equal(v->exits, 156);
	assert_int_equal(v->n_rows, 2);
	for (size_t i = 0; i < v->n_rows; i++)
		assert_true(v->rows[i].timing.total_ns > 6000);
	vh_model_free(m);
	vh_case_free(c);
}

static void qmp(void **state VH_UNUSED)
{
	struct vh_case *c = paste_one(
		"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 6}}}}\n"
		"{\"execute\": \"query-name\", \"id\": 7}\n"
		"{\n    \"return\": {\n        \"status\": \"io-error\",\n"
		"        \"running\": false\n    }\n}\n"
		"{\"return\": [{\"io-status\": \"nospace\", \"device\": \"d\"}], \"id\": "
		"\"libvirt-4\"}\n"
		"{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\"}\n"
		"{\"execute\":\"query-sev\",\"id\":\"a\"}\n"
		"{\"id\":\"a\",\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no\"}}\n"
		"{\"return\": \"VM status: paused\\r\\n\"}\n");
	const struct vh_evidence *sev = vh_case_find(c, "qmp.query-sev", "", VH_N_ROUND);

	assert_lines(c, "qmp.query-status", "", 3, 6);
	pasted_data(c, "qmp.greeting", "");
	pasted_data(c, "qmp.query-block", "");
	pasted_data(c, "qmp.event", "STOP");
	assert_non_null(sev);
	assert_int_equal(sev->status, VH_ABSENT);
	assert_lines(c, "pasted.hmp-status", "", 13, 1);
	vh_case_free(c);
	/* virsh was told what to ask, and its answer has no shape of its own. */
	c = paste_one("# virsh qemu-monitor-command w '{\"execute\":\"query-migrate\"}'\n"
		      "{\"return\":{}}\n");
	pasted_data(c, "qmp.query-migrate", "");
	vh_case_free(c);
	assert_nothing("{\n{\"a\": 1}\nif (x) { \"return\" }\n{\"return\": {\n");
	assert_nothing("{\"execute\": \"../../x\"}\n{\"return\": 5}\n");
}

static void libvirt(void **state VH_UNUSED)
{
	struct vh_case *c = paste_one("# virsh domstate --reason web\npaused (I/O error)\n\n"
				      "Domain: 'web'\n  state.state=3\n  state.reason=5\n"
				      "  vcpu.current=4\n"
				      "<domain type='kvm'>\n<name>web</name>\n<vcpu>4</vcpu>\n"
				      "<memory unit='GiB'>2</memory>\n"
				      "<launchSecurity type='sev'><policy>0x0005</policy>"
				      "</launchSecurity>\n</domain>\n");

	assert_string_equal(c->vm->name, "web");
	assert_string_equal(c->vm->libvirt.state, "paused");
	assert_string_equal(c->vm->libvirt.reason, "I/O error");
	assert_int_equal(c->vm->vcpus, 4);
	assert_int_equal(c->vm->memory_bytes, UINT64_C(2) << 30);
	assert_int_equal(c->vm->confidential, VH_CONF_SEV_ES);
	assert_lines(c, "pasted.domstats", "", 4, 4);
	vh_case_free(c);
	/* "running" is a word of prose, unless virsh was asked. */
	assert_nothing("paused\nrunning\n");
	assert_nothing("Name: x\nState: fine\nUUID: 7\n");
}

static void files_of_proc(void **state VH_UNUSED)
{
	struct vh_case *c = paste_one(
		"$ cat /proc/77/task/78/stack\n[<0>] kvm_vcpu_block+0x44/0xc0 [kvm]\n"
		"[<ffffffff81234567>] kvm_vcpu_ioctl+0x117/0x950\n"
		"$ cat /proc/77/task/79/wchan\nkvm_vcpu_block[root@h ~]# \n"
		"/proc/77/task/80/wchan:do_sys_poll\n/proc/77/task/81/wchan:0\n"
		"78 (CPU 0/KVM) S 1 77 77 0 -1 138412224 6 0 0 0 12 30 0 0 30 10 8 0 1420742 "
		"525553664 8470 18446744073709551615 1 1 1 0 0 0 268444224 4100 16963 0 0 0 -1 1 0 "
		"0 0 0 0 1 1 1 1 1 1 1 0\n");
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(c->vm->id.pid, 77);
	pasted_data(c, "task.stack", "tid:78");
	assert_string_equal(pasted_data(c, "task.wchan", "tid:79"), "kvm_vcpu_block");
	assert_string_equal(pasted_data(c, "task.wchan", "tid:80"), "do_sys_poll");
	assert_int_equal(m->n_vcpus, 1);
	assert_int_equal(m->vcpus[0]->thread->wait, VH_WAIT_KVM_HALT);
	assert_int_equal(m->vcpus[0]->thread->last.cpu_ns, 420 * VH_NS_PER_MS);
	vh_model_free(m);
	vh_case_free(c);
	assert_nothing("12 (twelve) is a number\n[<0>] alone\n");
}

static void exits(void **state VH_UNUSED)
{
	struct vh_case *c = paste_one(
		"19:49:57.094070\n\nAnalyze events for pid(s) 4711, VCPU 2:\n\n"
		" VM-EXIT Samples Samples% Time% Min Time Max Time Avg time\n\n"
		" EXTERNAL_INTERRUPT 152 97.44% 99.01% 1.92us 15.51us 4.18us ( +-   2.85% )\n"
		" HLT 4 2.56% 0.99% 1.24us 2.38us 1.58us ( +-  17.09% )\n\n"
		"Total Samples:156, Total events handled time:641.83us.\nwords\n");
	struct vh_model *m = vh_model_build(c);

	assert_lines(c, "pasted.perf-kvm-stat", "vcpu:2", 1, 10);
	assert_int_equal(c->vm->id.pid, 4711);
	assert_non_null(m->exits);
	assert_int_equal(m->exits->isa, VH_ISA_VMX);
	assert_true(m->exits->span_ns >= 1e9 && m->exits->span_ns <= 1e9);
	const struct vh_vcpu_exits *v = vh_exits_of(m->exits, 2);

	assert_non_null(v);
	assert_int_equal(v->exits, 156);
	assert_string_equal(v->rows[0].text, "EXTERNAL_INTERRUPT");
	assert_true(fabs(v->rows[0].timing.mean_ns - 4180) < 1);
	vh_model_free(m);
	vh_case_free(c);
}

/* How long a report counted is mostly not told: no rate must come of it. */
static void exits_without_a_span(void **state VH_UNUSED)
{
	struct vh_case *c = paste_one("Analyze events for all VCPUs:\n"
				      " VM-EXIT Samples Samples% Time% Avg time\n"
				      " hlt 15 97% 99% 4.18us ( +-   2.85% )\n");
	struct vh_model *m = vh_model_build(c);

	pasted_data(c, "pasted.perf-kvm-stat", "");
	assert_null(m->exits);
	vh_model_free(m);
	vh_case_free(c);
}

static void traced_events(void **state VH_UNUSED)
{
	struct vh_case *c = paste_one(
		"    CPU 1/KVM-4715  [003] d..1.  100.000000: kvm_entry: vcpu 1, rip 0x10\n"
		"    CPU 1/KVM-4715  [003] d..1.  100.500000: kvm_exit: vcpu 1 reason npf rip "
		"0xfff0 info1 0x1\n"
		"    CPU 1/KVM-4715  [003] d..1.  100.500100: kvm_pio: pio_write at 0x402 size 1 "
		"count 1 val 0x41\n"
		"    CPU 1/KVM-4715  [003] d..1.  100.500200: kvm_entry: vcpu 1, rip 0x10\n");
	struct vh_model *m = vh_model_build(c);
	const struct vh_vcpu_exits *v = m->exits ? vh_exits_of(m->exits, 1) : NULL;

	assert_non_null(v);
	assert_int_equal(m->exits->isa, VH_ISA_SVM);
	assert_int_equal(v->exits, 1);
	assert_int_equal(v->tid, 4715);
	assert_true(fabs(v->rows[0].timing.total_ns - 200000) < 1000);
	assert_int_equal(vh_exits_top(v, VH_KEY_PIO)->value, 0x402);
	assert_int_equal(vh_exits_top(v, VH_KEY_RIP)->value, 0xfff0);
	vh_model_free(m);
	vh_case_free(c);
}

static void logs(void **state VH_UNUSED)
{
	struct vh_case *c = paste_one(
		"On the host:\n```\n[  12.345678] kvm [77]: vcpu0, guest rIP: 0x1 bad\n```\n"
		"The serial console:\n```\n[    1.234567] random words\nBooting 1 2 3\n```\n"
		"KVM internal error. Suberror: 1\nemulation failure\nprose again\n"
		"error: Timed out during operation: cannot acquire state change lock (held by "
		"monitor=x)\n");
	struct vh_model *m = vh_model_build(c);

	assert_lines(c, "host.kmsg", "", 3, 1);
	assert_lines(c, "log.serial", "t:7", 7, 2);
	assert_lines(c, "log.qemu", "t:10", 10, 2);
	assert_int_equal(m->monitor.state, VH_MONITOR_BUSY);
	assert_non_null(vh_model_hit(m, "kvm-internal-error"));
	vh_model_free(m);
	vh_case_free(c);
	/* Whose log it is nobody says: it is kept, and nothing is concluded. */
	c = paste_one("[    1.234567] random words\n");
	pasted_data(c, "pasted.kernel-log", "t:1");
	vh_case_free(c);
}

static void command_lines(void **state VH_UNUSED)
{
	struct vh_case *c = paste_one(PROSE
		"  qemu-system-x86_64 -name 'a b' \\\n   -smp 2 -m 1G \\\n"
		" -blockdev '{\"driver\": \"file\", \"filename\": \"/x\"}' -S\n\nmore prose\n");

	assert_string_equal(c->vm->name, "a b");
	assert_int_equal(c->vm->vcpus, 2);
	assert_lines(c, "proc.cmdline", "", 2, 3);
	vh_case_free(c);
	/* Named, not run: there are no options of a VM. */
	assert_nothing("I use qemu-system-x86_64 version 7.2\nqemu-kvm -version\n");
	/* Nothing that stands in the text is run, whatever it says. */
	c = paste_one("qemu-system-x86_64 -name x -m 1 -smp 1 $(touch /tmp/vmhang-was-here)\n");
	vh_case_free(c);
	assert_int_not_equal(access("/tmp/vmhang-was-here", F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ps),
		cmocka_unit_test(top),
		cmocka_unit_test(several_vms_in_top),
		cmocka_unit_test(registers),
		cmocka_unit_test(monitor),
		cmocka_unit_test(block),
		cmocka_unit_test(wrapped_perf),
		cmocka_unit_test(qmp),
		cmocka_unit_test(libvirt),
		cmocka_unit_test(files_of_proc),
		cmocka_unit_test(exits),
		cmocka_unit_test(exits_without_a_span),
		cmocka_unit_test(traced_events),
		cmocka_unit_test(logs),
		cmocka_unit_test(command_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
