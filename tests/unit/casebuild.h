/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Builds cases for tests as collect would have written them (docs/evidence.md), in few lines:
 *
 *	struct vh_case *c = case_new(2);
 *	case_main_thread(c);
 *	case_thread(c, (struct case_thread){.vcpu = 0, .state = 'R', .run = 0.99});
 *	case_thread(c, (struct case_thread){.vcpu = 1, .wchan = "kvm_vcpu_block"});
 *	case_status(c, "running", true);
 *	case_registers(c, 0, case_regs_real(0x7c00, 0x10, false, false));
 *	struct vh_model *m = vh_model_build(c);
 *
 * The window is one second; the looks are at the times of case_at_ns[]. The process is CASE_PID,
 * vCPU n is thread CASE_PID + 10 + n.
 */
#pragma once

#include <inttypes.h>
#include <stdio.h>

#include "case/case.h"
#include "guest/registers.h"

#define CASE_PID 4711

static const int64_t case_at_ns[VH_N_ROUND] = {
	[VH_ONCE] = 0,
	[VH_FIRST] = 10 * VH_NS_PER_MS,
	[VH_LAST] = 1010 * VH_NS_PER_MS,
	[VH_ASKED] = 1100 * VH_NS_PER_MS,
	[VH_ASKED_AGAIN] = 2100 * VH_NS_PER_MS,
	[VH_AFTER] = 2200 * VH_NS_PER_MS,
};
/* The passive looks. */
static const enum vh_round case_looks[] = {VH_FIRST, VH_LAST, VH_AFTER};

/* A case of a running QEMU/KVM VM "web-07" with a QMP socket, and of no evidence so far. */
static inline struct vh_case *case_new(unsigned vcpus)
{
	struct vh_vm *vm = vh_vm_new();

	vm->id = (struct vh_identity){.pid = CASE_PID, .start_ticks = 5000};
	vm->vmm = VH_VMM_QEMU;
	vm->accel = VH_ACCEL_KVM;
	vm->vcpus = vcpus;
	vm->memory_bytes = UINT64_C(512) << 20;
	vh_replace(&vm->name, "web-07");
	vh_replace(&vm->exe, "/usr/bin/qemu-system-x86_64");
	VH_PUSH(vm->monitors, vm->n_monitors) =
		(struct vh_monitor_addr){VH_MONITOR_QMP, vh_strdup("unix:/run/web-07.qmp")};
	struct vh_case *c = vh_case_new(vm);

	c->began_ns = 0;
	c->window_ns = VH_NS_PER_S;
	return c;
}

/* A piece of evidence with data, at its round's time. */
static inline struct vh_evidence *case_data(struct vh_case *c, enum vh_round round,
	const char *source, const char *subject, const char *data, size_t size)
{
	struct vh_evidence *e = vh_case_add(c, round, source, subject, source);

	e->at_ns = case_at_ns[round];
	vh_evidence_set_data(e, data, size);
	return e;
}
static inline struct vh_evidence *case_text(struct vh_case *c, enum vh_round round,
	const char *source, const char *subject, const char *text)
{
	return case_data(c, round, source, subject, text, strlen(text));
}
/* The same data in all passive looks. */
static inline void case_text_always(
	struct vh_case *c, const char *source, const char *subject, const char *text)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(case_looks); i++)
		case_text(c, case_looks[i], source, subject, text);
}
/* A piece that was not got. */
static inline void case_fail(struct vh_case *c, enum vh_round round, const char *source,
	const char *subject, enum vh_status status, int err, const char *why)
{
	struct vh_evidence *e = vh_case_add(c, round, source, subject, source);

	e->at_ns = case_at_ns[round];
	vh_evidence_fail(e, status, err, "%s", why);
}

struct case_thread {
	pid_t tid;        /* 0: CASE_PID + 10 + vcpu */
	int vcpu;         /* names the thread "CPU n/KVM" unless there is a name */
	const char *name; /* NULL: by vcpu */
	char state;       /* 0: S */
	double run, wait; /* shares of the window */
	double user;      /* of the run share, how much is user time (the rest is system) */
	int cpu;          /* the last one */
	unsigned policy, rt_priority;
	uint64_t voluntary_per_s, major_faults_per_s;
	pid_t tracer;
	const char *wchan;    /* NULL: "0" */
	const char *stack;    /* NULL: not read */
	const char *syscall;  /* NULL: not read */
	const char *fd;       /* task.fd, "7\t/mnt/disk" */
	const char *affinity; /* NULL: "0-1" */
};
#define CASE_KVM_RUN "16 0xd 0xae80 0x0 0x0 0x0 0x0 0x7f0000000000 0x7f0000000001\n"
#define CASE_POLL    "271 0x55d0 0x9 0x7ffe 0x0 0x8 0x0 0x7ffe0000 0x7f0000000002\n"
#define CASE_FUTEX   "202 0x55d0 0x80 0x0 0x0 0x0 0x0 0x7ffe0000 0x7f0000000003\n"

static inline void case_thread_stat(struct vh_case *c, enum vh_round round, const char *subject,
	const struct case_thread *t, pid_t tid)
{
	double s = (double)(case_at_ns[round] - case_at_ns[VH_FIRST]) / 1e9;
	vh_auto_free char *text = vh_asprintf(
		"%d (%s) %c 1 %d %d 0 -1 4194368 100 0 %" PRIu64 " 0 %.0f %.0f 0 0 20 0 4 0 "
		"5000 600000000 20000 18446744073709551615 1 1 0 0 0 0 0 16781312 16963 0 0 0 "
		"-1 %d %u %u 0 0 0 0 0 0 0 0 0 0\n",
		(int)tid, t->name, t->state, CASE_PID, CASE_PID,
		5 + (uint64_t)(s * (double)t->major_faults_per_s),
		1000 + 100 * s * t->run * t->user, 2000 + 100 * s * t->run * (1 - t->user), t->cpu,
		t->rt_priority, t->policy);

	case_text(c, round, "task.stat", subject, text);
}

static inline void case_thread_rest(
	struct vh_case *c, enum vh_round round, const char *subject, const struct case_thread *t)
{
	double s = (double)(case_at_ns[round] - case_at_ns[VH_FIRST]) / 1e9;
	vh_auto_free char *sched =
		vh_asprintf("%.0f %.0f 42\n", 5e9 + 1e9 * s * t->run, 3e9 + 1e9 * s * t->wait);
	vh_auto_free char *status = vh_asprintf("Name:\tx\nTracerPid:\t%d\n"
						"Cpus_allowed_list:\t%s\n"
						"voluntary_ctxt_switches:\t%.0f\n"
						"nonvoluntary_ctxt_switches:\t7\n",
		(int)t->tracer, t->affinity, 100 + s * (double)t->voluntary_per_s);

	case_text(c, round, "task.schedstat", subject, sched);
	case_text(c, round, "task.status", subject, status);
	case_text(c, round, "task.wchan", subject, t->wchan);
	if (t->stack)
		case_text(c, round, "task.stack", subject, t->stack);
	if (t->syscall)
		case_text(c, round, "task.syscall", subject, t->syscall);
	if (t->fd)
		case_text(c, round, "task.fd", subject, t->fd);
}

/* Adds a thread to all passive looks. */
static inline void case_thread(struct vh_case *c, struct case_thread t)
{
	vh_auto_free char *name = vh_asprintf("CPU %d/KVM", t.vcpu);
	pid_t tid = t.tid ? t.tid : CASE_PID + 10 + t.vcpu;
	vh_auto_free char *subject = vh_asprintf("tid:%d", (int)tid);

	t.name = t.name ? t.name : name;
	t.state = t.state ? t.state : 'S';
	t.wchan = t.wchan ? t.wchan : "0";
	t.affinity = t.affinity ? t.affinity : "0-1";
	for (size_t i = 0; i < VH_ARRAY_SIZE(case_looks); i++) {
		enum vh_round round = case_looks[i];
		struct vh_evidence *tasks = vh_case_find(c, "proc.tasks", "", round);
		vh_auto_free char *list =
			vh_asprintf("%s%d\n", tasks && tasks->data ? tasks->data : "", (int)tid);

		if (!tasks)
			case_text(c, round, "proc.tasks", "", list);
		else
			vh_evidence_set_data(tasks, list, strlen(list));
		case_thread_stat(c, round, subject, &t, tid);
		case_thread_rest(c, round, subject, &t);
	}
}

/* QEMU's main thread at rest. */
static inline void case_main_thread(struct vh_case *c)
{
	case_thread(c, (struct case_thread){.tid = CASE_PID,
			       .name = "qemu-system-x86",
			       .wchan = "do_sys_poll",
			       .syscall = CASE_POLL});
}

/* A vCPU that runs all the time in the guest. */
static inline void case_busy_vcpu(struct vh_case *c, int vcpu)
{
	case_thread(c, (struct case_thread){.vcpu = vcpu,
			       .state = 'R',
			       .run = 0.99,
			       .wchan = "0",
			       .syscall = "running\n"});
}

/* A vCPU in HLT (or waiting for SIPI), as often awake a second as given. */
static inline void case_halted_vcpu(struct vh_case *c, int vcpu, unsigned wakeups_per_s)
{
	case_thread(c, (struct case_thread){.vcpu = vcpu,
			       .run = 0.0001 * wakeups_per_s,
			       .voluntary_per_s = wakeups_per_s,
			       .wchan = "kvm_vcpu_block",
			       .syscall = CASE_KVM_RUN});
}

#define CASE_GREETING                                                                              \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "         \
	"\"package\": \"Debian\"}, \"capabilities\": [\"oob\"]}}"

/* The monitor greets and answers query-status, twice. */
static inline void case_status(struct vh_case *c, const char *status, bool running)
{
	vh_auto_free char *text =
		vh_asprintf("{\"status\": \"%s\", \"singlestep\": false, \"running\": %s}", status,
			running ? "true" : "false");

	case_text(c, VH_ASKED, "monitor.address", "", "unix:/run/web-07.qmp");
	case_text(c, VH_ASKED, "qmp.greeting", "", CASE_GREETING);
	case_text(c, VH_ASKED, "qmp.query-status", "", text);
	case_text(c, VH_ASKED_AGAIN, "qmp.query-status", "", text);
}

/* The monitor greets, and then says nothing more. */
static inline void case_silent_monitor(struct vh_case *c)
{
	case_text(c, VH_ASKED, "monitor.address", "", "unix:/run/web-07.qmp");
	case_text(c, VH_ASKED, "qmp.greeting", "", CASE_GREETING);
	case_fail(c, VH_ASKED, "qmp.query-status", "", VH_TIMED_OUT, 110, "no answer in 1 s");
}

/* Lines "name value" of kvm.stats in the first and the last look; subject "vm" or "vcpu:N". */
static inline void case_kvm_stats(
	struct vh_case *c, const char *subject, const char *first, const char *last)
{
	case_text(c, VH_FIRST, "kvm.stats", subject, first);
	case_text(c, VH_LAST, "kvm.stats", subject, last);
}

/* "info registers" as QEMU prints it (target/i386/cpu-dump.c); the caller frees it. */
static inline char *case_dump(const struct vh_registers *r)
{
	struct vh_buf b = {0};
	int w = r->is_64bit ? 16 : 8;
	char p = r->is_64bit ? 'R' : 'E';
	const struct {
		const char *name;
		const struct vh_segment *s;
	} segments[] = {{"ES ", &r->es}, {"CS ", &r->cs}, {"SS ", &r->ss}, {"DS ", &r->ds},
		{"FS ", &r->fs}, {"GS ", &r->gs}, {"LDT", &r->ldt}, {"TR ", &r->tr}};

	vh_buf_printf(&b,
		"%cAX=%0*" PRIx64 " %cBX=%0*" PRIx64 " %cCX=%0*" PRIx64 " %cDX=%0*" PRIx64 "\n", p,
		w, r->rax, p, w, r->rbx, p, w, r->rcx, p, w, r->rdx);
	vh_buf_printf(&b,
		"%cSI=%0*" PRIx64 " %cDI=%0*" PRIx64 " %cBP=%0*" PRIx64 " %cSP=%0*" PRIx64 "\n", p,
		w, r->rsi, p, w, r->rdi, p, w, r->rbp, p, w, r->rsp);
	for (int i = 0; r->is_64bit && i < 8; i++)
		vh_buf_printf(
			&b, "R%-2d=%016" PRIx64 "%c", i + 8, r->r[i], i % 4 == 3 ? '\n' : ' ');
	vh_buf_printf(&b,
		"%cIP=%0*" PRIx64 " %cFL=%08" PRIx64
		" [-------] CPL=%u II=%d A20=%d SMM=%d HLT=%d\n",
		p, w, r->rip, p, r->rflags, r->cpl, r->interrupts_inhibited, r->a20, r->smm,
		r->hlt);
	for (size_t i = 0; i < VH_ARRAY_SIZE(segments); i++)
		vh_buf_printf(&b, "%s=%04x %0*" PRIx64 " %08x %08x\n", segments[i].name,
			segments[i].s->selector, w, segments[i].s->base, segments[i].s->limit,
			segments[i].s->flags);
	vh_buf_printf(&b, "GDT=     %0*" PRIx64 " %08x\nIDT=     %0*" PRIx64 " %08x\n", w,
		r->gdt_base, r->gdt_limit, w, r->idt_base, r->idt_limit);
	vh_buf_printf(&b,
		"CR0=%08" PRIx64 " CR2=%0*" PRIx64 " CR3=%0*" PRIx64 " CR4=%08" PRIx64
		"\nEFER=%016" PRIx64 "\n",
		r->cr0, w, r->cr2, w, r->cr3, r->cr4, r->efer);
	return vh_buf_steal(&b);
}

/* The monitor's answer to "info registers" of a vCPU in one round, or the same in both. */
static inline void case_registers_in(
	struct vh_case *c, enum vh_round round, int vcpu, struct vh_registers r)
{
	vh_auto_free char *text = case_dump(&r);
	vh_auto_free char *subject = vh_asprintf("vcpu:%d", vcpu);

	case_text(c, round, "hmp.info-registers", subject, text);
}
static inline void case_registers(struct vh_case *c, int vcpu, struct vh_registers r)
{
	case_registers_in(c, VH_ASKED, vcpu, r);
	case_registers_in(c, VH_ASKED_AGAIN, vcpu, r);
}

/* Real mode, at CS:IP; reset is case_regs_reset(). */
static inline struct vh_registers case_regs_real(
	uint16_t cs, uint16_t ip, bool interrupts, bool hlt)
{
	struct vh_segment data = {0, 0, 0xffff, 0x9300};

	return (struct vh_registers){
		.rip = ip,
		.rflags = 2 | (interrupts ? VH_RFLAGS_IF : 0),
		.hlt = hlt,
		.a20 = true,
		.es = data,
		.cs = {cs, (uint64_t)cs << 4, 0xffff, 0x9b00},
		.ss = data,
		.ds = data,
		.fs = data,
		.gs = data,
		.idt_limit = 0x3ff,
		.gdt_limit = 0xffff,
		.cr0 = 0x10,
	};
}
/* As a reset leaves a vCPU: not one instruction was executed. */
static inline struct vh_registers case_regs_reset(void)
{
	struct vh_registers r = case_regs_real(0xf000, 0xfff0, false, false);

	r.cs.base = 0xffff0000;
	r.rdx = 0x60fb1;
	r.cr0 = 0x60000010;
	return r;
}
/* 32-bit code of SeaBIOS, where it parks the other CPUs (HLT, interrupts off). */
static inline struct vh_registers case_regs_seabios(uint32_t eip, bool interrupts, bool hlt)
{
	struct vh_segment data = {0x10, 0, 0xffffffff, 0xcf9300};

	return (struct vh_registers){
		.rip = eip,
		.rflags = 2 | (interrupts ? VH_RFLAGS_IF : 0),
		.hlt = hlt,
		.a20 = true,
		.es = data,
		.cs = {0x8, 0, 0xffffffff, 0xcf9b00},
		.ss = data,
		.ds = data,
		.fs = data,
		.gs = data,
		.gdt_base = 0xf6120,
		.gdt_limit = 0x37,
		.idt_base = 0xf615e,
		.cr0 = 0x11,
	};
}
/* OVMF in DXE, 64-bit. */
static inline struct vh_registers case_regs_ovmf(uint64_t rip, bool interrupts, bool hlt)
{
	struct vh_segment data = {0x30, 0, 0xffffffff, 0xcf9300};

	return (struct vh_registers){
		.is_64bit = true,
		.rip = rip,
		.rflags = 2 | (interrupts ? VH_RFLAGS_IF : 0),
		.hlt = hlt,
		.a20 = true,
		.es = data,
		.cs = {0x38, 0, 0xffffffff, 0xaf9b00},
		.ss = data,
		.ds = data,
		.fs = data,
		.gs = data,
		.gdt_base = 0x1f9de000,
		.gdt_limit = 0x47,
		.idt_base = 0x1f3b1018,
		.idt_limit = 0xfff,
		.cr0 = 0x80010033,
		.cr3 = 0x1fc01000,
		.cr4 = 0x668,
		.efer = 0xd00,
	};
}
/* Linux, 64-bit, in the kernel (cpl 0) or in a program (cpl 3). */
static inline struct vh_registers case_regs_linux(
	uint64_t rip, unsigned cpl, bool interrupts, bool hlt)
{
	return (struct vh_registers){
		.is_64bit = true,
		.rip = rip,
		.rflags = 2 | (interrupts ? VH_RFLAGS_IF : 0),
		.cpl = cpl,
		.hlt = hlt,
		.a20 = true,
		.cs = {cpl ? 0x33 : 0x10, 0, 0xffffffff, cpl ? 0xaffb00 : 0xaf9b00},
		.ss = {cpl ? 0x2b : 0x18, 0, 0xffffffff, 0xcf9300},
		.gs = {0, UINT64_C(0xffff88801f400000), 0xffffffff, 0xc00000},
		.tr = {0x40, UINT64_C(0xfffffe0000003000), 0x4087, 0x8b00},
		.gdt_base = UINT64_C(0xfffffe0000001000),
		.gdt_limit = 0x7f,
		.idt_base = UINT64_C(0xfffffe0000000000),
		.idt_limit = 0xfff,
		.cr0 = 0x80050033,
		.cr3 = 0x2c10000,
		.cr4 = 0x6f0,
		.efer = 0xd01,
	};
}
