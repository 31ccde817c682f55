/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts of each vCPU: what its thread does, and what its registers show where they are the guest's.
 */
#include "infer/facts_build.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/units.h"

/* Shares of the window. A thread that is always ready to run reaches 0.9 in spite of sampling. */
#define DEMAND_BUSY   0.85
#define DEMAND_LIGHT  0.2
#define DEMAND_ASLEEP 0.02
/* Of what it was ready to run, the share that it waited for a CPU. Who gets a tenth of a CPU, as
 * with nine others on it, is slow, but goes on: a guest's clocks and watchdogs bear that. */
#define WAITED_STARVED 0.92
#define WAITED_HARDLY  0.20
/* Two looks within this distance are the same code. */
#define SAME_CODE_BYTES 64
/* Looks with interrupts on that must agree, where others met a handler. */
#define MIN_LOOP_LOOKS 3
/* CPU time that a vCPU gets before its guest starts it: KVM's and QEMU's set-up, and, on SeaBIOS,
 * the few instructions in which it parks. 50 to 60 ms were seen in cases/hung-after-start.md. */
#define NEVER_STARTED_NS (500 * VH_NS_PER_MS)
#define WAKES_PER_S      0.5

static struct vh_fact *about(
	struct vh_facts *facts, const struct vh_vcpu *v, struct vh_fact *f, const char *task_source)
{
	if (vh_streq(task_source, "trace.exits"))
		return vh_fact_traced(facts, f);
	if (vh_prefix(task_source, "pasted."))
		vh_fact_ground(facts, f, task_source, NULL);
	if (task_source && v->thread)
		vh_fact_ground(facts, f, task_source, vh_subject_tid(v->thread->tid).s);
	return f;
}

/* How a thread was given CPU time in the window. */
struct load {
	double run, wait;   /* shares; wait NAN unknown */
	const char *source; /* evidence */
};

/* Scheduler switches tell it exactly; schedstat misses a wait that is not over at the look. */
static struct load load_of(const struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_thread *t = v->thread;
	const struct vh_vcpu_exits *x = vh_traced(facts, v->index);

	if (vh_times_are_exact(facts, v))
		return (struct load){vh_exits_share(x, -1, VH_REST_ON),
			vh_exits_share(x, -1, VH_REST_READY), "trace.exits"};
	struct load load = {t->run_share, t->wait_share,
		t->share_of              ? "pasted.top"
		: t->first.has_schedstat ? "task.schedstat"
					 : "task.stat"};

	/* A wait that goes on is not in schedstat yet. Who was not seen to sleep waits where it
	 * does not run. */
	if (x && facts->model->exits->sees_switches && !isnan(load.run) && x->span_ns > 0) {
		double awake = 1 - vh_exits_share(x, -1, VH_REST_ASLEEP);

		if (awake - load.run > (isnan(load.wait) ? 0 : load.wait) + 0.15)
			load.wait = awake - load.run;
	}
	return load;
}

struct vh_unit_text vh_used_text(int64_t ns)
{
	return ns ? vh_duration_text(ns) : (struct vh_unit_text){"less than a second"};
}

/* Over the life of a thread, which is all that ps tells: enough where it ran nearly all of that, or
 * nearly nothing. */
static void life_facts(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_thread *t = v->thread;
	const struct vh_thread_sample *s = t->last.seen ? &t->last : &t->first;
	struct vh_fact *f = NULL;

	if (t->life_share >= DEMAND_BUSY && s->stat.state == 'R')
		f = vh_fact_add(facts, VH_FACT_VCPU_BUSY, v->index, t->life_share,
			"vCPU %d ran %.1f %% of the time since it was made, and runs", v->index,
			100 * t->life_share);
	else if (s->cpu_ns >= 0 && s->cpu_ns < NEVER_STARTED_NS && s->stat.state == 'S')
		f = vh_fact_add(facts, VH_FACT_VCPU_ASLEEP, v->index, 0,
			"vCPU %d sleeps, and used %s of CPU time since it was made", v->index,
			vh_used_text(s->cpu_ns).s);
	if (!f)
		return;
	vh_fact_ground(facts, f, "pasted.ps", NULL);
	vh_fact_ground(facts, f, "pasted.top", NULL);
	about(facts, v, f, "task.stat");
}

static void load_facts(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_thread *t = v->thread;
	int n = v->index;

	if (!t)
		return;
	if (isnan(t->run_share) && !vh_times_are_exact(facts, v)) {
		life_facts(facts, v);
		return;
	}
	const char *of = t->share_of ? t->share_of : "the window";
	struct load load = load_of(facts, v);
	double run = load.run, wait = isnan(load.wait) ? 0 : load.wait;
	double demand = run + wait;
	struct vh_fact *f;

	if (demand > 0.5 && wait >= WAITED_STARVED * demand)
		f = vh_fact_add(facts, VH_FACT_VCPU_STARVED, n, wait,
			"vCPU %d was ready to run, but waited for a CPU %.1f %% of %s and ran "
			"%.1f %%",
			n, 100 * wait, of, 100 * run);
	else if (demand >= DEMAND_BUSY)
		f = vh_fact_add(facts, VH_FACT_VCPU_BUSY, n, run, "vCPU %d ran %.1f %% of %s%s", n,
			100 * run, of, wait > 0.1 ? " and was ready to run the rest" : "");
	/* On a loaded host a thread that hardly runs waits a little each time that it wakes. */
	else if (run < DEMAND_ASLEEP && demand < DEMAND_LIGHT)
		f = vh_fact_add(facts, VH_FACT_VCPU_ASLEEP, n, run, "vCPU %d ran %.2f %% of %s", n,
			100 * run, of);
	else
		f = vh_fact_add(facts, VH_FACT_VCPU_ACTIVE, n, run, "vCPU %d ran %.1f %% of %s", n,
			100 * run, of);
	about(facts, v, f, load.source);
	if (!isnan(load.wait) && demand >= DEMAND_ASLEEP && wait <= WAITED_HARDLY * demand)
		about(facts, v,
			vh_fact_add(facts, VH_FACT_VCPU_GETS_CPU, n, wait,
				"vCPU %d waited for a CPU only %.1f %% of the window", n,
				100 * wait),
			load.source);
}

static void wait_facts(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_thread *t = v->thread;
	int n = v->index;

	if (!t)
		return;
	const char *wchan = t->last.wchan && t->last.wchan[0] ? t->last.wchan : "?";
	struct vh_fact *f = NULL;

	switch (t->wait) {
	case VH_WAIT_KVM_HALT:
		f = vh_fact_add(facts, VH_FACT_VCPU_BLOCKS_IN_KVM, n, NAN,
			"vCPU %d sleeps in KVM (%s): halted, or not started", n, wchan);
		break;
	case VH_WAIT_FUTEX:
		/* TCG parks a halted vCPU in the same place, so that it says nothing there. */
		if (facts->model->vm->accel == VH_ACCEL_KVM)
			f = vh_fact_add(facts, VH_FACT_VCPU_HELD_BY_VMM, n, NAN,
				"vCPU %d is outside of KVM and waits for the VMM (%s)", n, wchan);
		break;
	case VH_WAIT_FUSE:
	case VH_WAIT_USERFAULT:
		/* In a call of its own it is no page that it waits for, but a file of the VMM's. */
		if (t->last.has_syscall && t->last.syscall >= 0 && !t->last.in_kvm_run) {
			f = vh_fact_add(facts, VH_FACT_VCPU_WAITS_IN_KERNEL, n, NAN,
				"vCPU %d waits for storage outside of the guest (%s)%s%s", n, wchan,
				t->blocked_on ? ": " : "", t->blocked_on ? t->blocked_on : "");
			break;
		}
		f = vh_fact_add(facts, VH_FACT_VCPU_WAITS_FOR_PAGE, n, NAN,
			"vCPU %d waits for a page of its memory: %s (%s)", n,
			t->wait == VH_WAIT_FUSE
				? "the memory lies on a FUSE file system that does not answer"
				: "whoever serves the page faults (userfaultfd: post-copy) does "
				  "not answer",
			wchan);
		break;
	case VH_WAIT_DISK:
	case VH_WAIT_MEMORY:
	case VH_WAIT_SPLIT_LOCK:
	case VH_WAIT_KERNEL:
		f = vh_fact_add(facts, VH_FACT_VCPU_WAITS_IN_KERNEL, n, NAN,
			"vCPU %d waits in the host's kernel (%s)", n, wchan);
		break;
	default:
		break;
	}
	if (!f)
		return;
	about(facts, v, f, "task.wchan");
	about(facts, v, f, "task.stack");
}

static void wake_facts(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_thread *t = v->thread;

	if (!t || isnan(t->switches_per_s) || t->wait == VH_WAIT_NONE)
		return;
	if (t->switches_per_s >= WAKES_PER_S)
		about(facts, v,
			vh_fact_add(facts, VH_FACT_VCPU_WAKES, v->index, t->switches_per_s,
				"vCPU %d is woken %.0f times a second", v->index,
				t->switches_per_s),
			"task.status");
	else
		about(facts, v,
			vh_fact_add(facts, VH_FACT_VCPU_NEVER_WAKES, v->index, 0,
				"vCPU %d was not woken once in the window", v->index),
			"task.status");
}

static void add_register_fact(struct vh_facts *facts, struct vh_fact *f)
{
	vh_fact_ground(facts, f, "hmp.info-registers", vh_subject_vcpu(f->vcpu).s);
}

/* What a dump calls things. */
struct words {
	const char *ip, *irqs_on, *irqs_off, *user;
};
static const struct words x86_words = {"RIP", "IF=1", "IF=0", "CPL=3"};
static const struct words arm_words = {"PC", "PSTATE.I=0", "PSTATE.I=1", "EL0"};

/* Halted, by its dumps, else by what tells that without them. */
static void halted_facts(struct vh_facts *facts, const struct vh_vcpu *v, unsigned hlt, unsigned of)
{
	int i = v->index;

	if (of) {
		add_register_fact(
			facts, hlt == of ? vh_fact_add(facts, VH_FACT_VCPU_HLT, i, of,
						   "vCPU %d is halted (HLT=1)", i)
					 : vh_fact_add(facts, VH_FACT_VCPU_NOT_HLT, i, of - hlt,
						   "vCPU %d is not halted (HLT=0)", i));
		return;
	}
	if (v->halted < 0)
		return;
	vh_fact_ground(facts,
		v->halted ? vh_fact_add(facts, VH_FACT_VCPU_HLT, i, 1,
				    "vCPU %d is halted (info cpus)", i)
			  : vh_fact_add(facts, VH_FACT_VCPU_NOT_HLT, i, 1,
				    "vCPU %d is not halted (info cpus)", i),
		"pasted.hmp-cpus", NULL);
}

/* The places of looks. */
struct places {
	uint64_t low, high;
	unsigned n;
};

static struct places places_of(const struct vh_vcpu *v, bool irqs_on_alone)
{
	struct places p = {.low = UINT64_MAX};

	for (unsigned k = 0; k < v->n_glimpses; k++) {
		const struct vh_glimpse *g = &v->glimpses[k];

		if (irqs_on_alone && !g->irqs_on)
			continue;
		p.low = VH_MIN(p.low, g->rip);
		p.high = VH_MAX(p.high, g->rip);
		p.n++;
	}
	return p;
}

static bool is_one_place(const struct places *p)
{
	return p->n >= 2 && p->high - p->low < SAME_CODE_BYTES;
}

static void place_fact(struct vh_facts *facts, const struct vh_vcpu *v, const struct words *words)
{
	struct places all = places_of(v, false), on = places_of(v, true);
	int i = v->index;

	if (all.n < 2)
		return;
	if (is_one_place(&all))
		add_register_fact(facts,
			vh_fact_add(facts, VH_FACT_VCPU_RIP_FIXED, i, (double)all.low,
				"vCPU %d was each time at %s %" PRIx64 "%s (%u looks)", i,
				words->ip, all.low,
				all.high == all.low ? "" : " or within 64 bytes of it", all.n));
	/* A loop that takes its interrupts is met in their handlers now and then: there they are
	 * off. */
	else if (is_one_place(&on) && on.n >= MIN_LOOP_LOOKS && 4 * on.n >= 3 * all.n)
		add_register_fact(facts,
			vh_fact_add(facts, VH_FACT_VCPU_RIP_FIXED, i, (double)on.low,
				"vCPU %d was at %s %" PRIx64 "%s whenever it had interrupts on (%u "
				"of %u looks; else in a handler, it seems)",
				i, words->ip, on.low,
				on.high == on.low ? "" : " or within 64 bytes of it", on.n, all.n));
	else
		add_register_fact(facts,
			vh_fact_add(facts, VH_FACT_VCPU_RIP_MOVES, i, (double)(all.high - all.low),
				"vCPU %d was seen at %ss from %" PRIx64 " to %" PRIx64
				" (%u looks)",
				i, words->ip, all.low, all.high, all.n));
}

/* WFI ends at an interrupt that is masked, and kernels wait in it with all of them masked
 * (arch/arm64/kernel/idle.c): of an ARM CPU that sleeps that says nothing. */
static bool may_wait_masked(const struct vh_facts *facts, const struct vh_vcpu *v)
{
	static const enum vh_fact_id asleep[] = {
		VH_FACT_VCPU_HLT, VH_FACT_VCPU_ASLEEP, VH_FACT_VCPU_BLOCKS_IN_KVM};

	for (size_t i = 0; v->arm[0].valid && i < VH_ARRAY_SIZE(asleep); i++)
		if (vh_fact_of(facts, asleep[i], v->index))
			return true;
	return false;
}

static void glimpse_facts(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct words *words = v->arm[0].valid ? &arm_words : &x86_words;
	unsigned hlt = 0, told = 0, on = 0, user = 0, n = v->n_glimpses;
	int i = v->index;

	for (unsigned k = 0; k < n; k++) {
		const struct vh_glimpse *g = &v->glimpses[k];

		hlt += g->hlt > 0;
		told += g->hlt >= 0;
		on += g->irqs_on;
		user += g->user_mode;
	}
	halted_facts(facts, v, hlt, told);
	if (!n)
		return;
	if (on)
		add_register_fact(facts, vh_fact_add(facts, VH_FACT_VCPU_IRQS_ON, i, on,
						 "vCPU %d has interrupts on (%s in %u of %u looks)",
						 i, words->irqs_on, on, n));
	else if (!may_wait_masked(facts, v))
		add_register_fact(
			facts, vh_fact_add(facts, VH_FACT_VCPU_IRQS_OFF, i, n,
				       "vCPU %d has interrupts off (%s, looked at %u times)", i,
				       words->irqs_off, n));
	if (user)
		add_register_fact(facts, vh_fact_add(facts, VH_FACT_VCPU_USER_MODE, i, user,
						 "vCPU %d was in user mode in %u of %u looks (%s)",
						 i, user, n, words->user));
	place_fact(facts, v, words);
}

/* In any of the looks: most meet the other instructions of the loop. */
static bool was_seen_to_pause(const struct vh_vcpu *v, int bits)
{
	for (unsigned i = 0; i < v->n_glimpses; i++)
		if (vh_code_runs_pause(&v->code, v->glimpses[i].rip, bits))
			return true;
	return false;
}

static void code_facts(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_registers *r = &v->regs[v->regs[1].valid ? 1 : 0];
	uint64_t rip = vh_registers_linear_rip(r);
	int bits = vh_registers_code_bits(r);
	struct vh_fact *f = NULL;

	if (!v->code.seen || !r->valid)
		return;
	if (vh_code_is_closed_loop(&v->code, rip, bits))
		f = vh_fact_add(facts, VH_FACT_VCPU_CLOSED_LOOP, v->index, (double)rip,
			"the code of vCPU %d at %" PRIx64
			" is a closed loop: only an interrupt could leave it",
			v->index, rip);
	if (f)
		vh_fact_ground(facts, f, "guest.code", vh_subject_vcpu(v->index).s);
	if (was_seen_to_pause(v, bits)) {
		f = vh_fact_add(facts, VH_FACT_VCPU_PAUSE_LOOP, v->index, (double)rip,
			"the code of vCPU %d at %" PRIx64 " executes PAUSE, as a waiting loop does",
			v->index, rip);
		vh_fact_ground(facts, f, "guest.code", vh_subject_vcpu(v->index).s);
	}
}

static void stage_fact(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_registers *r = &v->regs[v->regs[1].valid ? 1 : 0];
	/* Of an encrypted guest only the control registers are the guest's. */
	struct vh_registers shown =
		v->regs_are_guest ? *r : vh_registers_of_controls(r->cr0, r->cr4, r->efer);
	enum vh_stage stage = vh_stage_of(&shown);
	const char *doubt = vh_stage_doubt(&shown);

	if (stage == VH_STAGE_UNKNOWN)
		return;
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_VCPU_STAGE, v->index, stage,
		"vCPU %d: %s (CR0=%" PRIx64 " CR4=%" PRIx64 " EFER=%" PRIx64 "%s%s%s)", v->index,
		vh_stage_title(stage), r->cr0, r->cr4, r->efer,
		v->regs_are_guest ? "" : ", which KVM keeps current of it", doubt ? "; " : "",
		doubt ? doubt : "");

	if (v->regs_by_kvm)
		vh_fact_ground(facts, f, "trace.vcpu", NULL);
	else
		add_register_fact(facts, f);
}

static void table_fact(struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_registers *r = &v->regs[0];

	/* Exceptions up to the double fault (vector 8) must be in it: 4 bytes each in real mode, 8
	 * in protected mode (Intel SDM vol. 3, 6.10 and 20.1.4). */
	if (r->idt_limit < ((r->cr0 & 1) ? 9 * 8 - 1 : 9 * 4 - 1))
		add_register_fact(
			facts, vh_fact_add(facts, VH_FACT_VCPU_NO_IDT, v->index, r->idt_limit,
				       "vCPU %d has no usable interrupt table (IDT limit %x): any "
				       "exception is "
				       "a triple fault",
				       v->index, r->idt_limit));
}

/*
 * Was an application processor ever started? Registers say so where they can be read: as reset
 * left them, or parked by the firmware (HLT, interrupts off, in firmware code). Otherwise the
 * CPU time that its thread used since it was created.
 */
static void start_facts(struct vh_facts *facts, const struct vh_vcpu *v, bool readable)
{
	const struct vh_thread *t = v->thread;
	const struct vh_registers *r = &v->regs[0];
	int n = v->index;

	if (n == 0 || !t || !t->last.seen)
		return;
	bool asleep = vh_fact_of(facts, VH_FACT_VCPU_ASLEEP, n);
	const struct vh_thread_sample *s = &t->last;
	int64_t ran_ns = VH_MAX(s->cpu_ns, 0);
	bool counted = s->cpu_ns >= 0 && !readable;
	const struct vh_vcpu_exits *x = vh_traced(facts, n);
	uint64_t entries = x ? x->entries : 0;
	struct vh_fact *f = NULL;

	if (readable && asleep && vh_stage_of(r) == VH_STAGE_RESET)
		f = vh_fact_add(facts, VH_FACT_AP_NEVER_STARTED, n, (double)ran_ns / VH_NS_PER_S,
			"vCPU %d is as reset left it: it was never started", n);
	else if (readable && asleep && r->hlt && !vh_registers_if(r) &&
		 vh_stage_is_firmware(vh_stage_of(r)))
		f = vh_fact_add(facts, VH_FACT_AP_NEVER_STARTED, n, (double)ran_ns / VH_NS_PER_S,
			"vCPU %d is parked where the firmware left it (HLT, interrupts off): no "
			"operating system started it",
			n);
	else if (readable && vh_stage_of(r) != VH_STAGE_UNKNOWN)
		f = vh_fact_add(facts, VH_FACT_AP_STARTED, n, (double)ran_ns / VH_NS_PER_S,
			"vCPU %d was started: %s", n, vh_stage_title(vh_stage_of(r)));
	else if (!readable && entries)
		f = vh_fact_add(facts, VH_FACT_AP_STARTED, n, (double)entries,
			"vCPU %d was started: it entered the guest %" PRIu64 " times in the window",
			n, entries);
	/* One that is woken has been started: an idle CPU of a young guest used as little. */
	else if (counted && asleep && ran_ns < NEVER_STARTED_NS &&
		 !vh_fact_of(facts, VH_FACT_VCPU_WAKES, n))
		f = vh_fact_add(facts, VH_FACT_AP_NEVER_STARTED, n, (double)ran_ns / VH_NS_PER_S,
			"vCPU %d used %s of CPU time since it was created: it is unlikely that an "
			"operating system started it",
			n, vh_used_text(ran_ns).s);
	else if (counted && ran_ns >= NEVER_STARTED_NS)
		f = vh_fact_add(facts, VH_FACT_AP_STARTED, n, (double)ran_ns / VH_NS_PER_S,
			"vCPU %d used %s of CPU time: it was started", n,
			vh_duration_text(ran_ns).s);
	if (!f)
		return;
	about(facts, v, f, !readable && entries ? "trace.exits" : "task.schedstat");
	if (!s->has_schedstat && !entries) {
		vh_fact_ground(facts, f, "pasted.top", NULL);
		vh_fact_ground(facts, f, "pasted.ps", NULL);
	}
	if (readable)
		vh_fact_ground(facts, f, "hmp.info-registers", vh_subject_vcpu(n).s);
}

static void counter_facts(struct vh_facts *facts, const struct vh_vcpu *v)
{
	double exits = vh_counter_rate(&v->kvm, "exits");
	const struct vh_vcpu_exits *x = vh_traced(facts, v->index);

	/* Better told where each was counted. */
	if (isnan(exits) || (x && x->exits))
		return;
	vh_auto_buf struct vh_buf detail = {0};
	static const struct {
		const char *counter, *text;
	} kinds[] = {{"io_exits", "port I/O"}, {"mmio_exits", "MMIO"},
		{"irq_exits", "host interrupts"}, {"halt_exits", "HLT"},
		{"signal_exits", "signals"}, {"irq_injections", "interrupts injected"}};

	for (size_t i = 0; i < VH_ARRAY_SIZE(kinds); i++) {
		double rate = vh_counter_rate(&v->kvm, kinds[i].counter);

		if (rate >= 1)
			vh_buf_printf(
				&detail, "%s %s %.0f", detail.len ? "," : ":", kinds[i].text, rate);
	}
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_VCPU_EXITS, v->index, exits,
		"vCPU %d leaves the guest %.0f times a second%s", v->index, exits,
		vh_buf_str(&detail));

	vh_fact_ground(facts, f, "kvm.stats", vh_subject_vcpu(v->index).s);
	vh_fact_ground(facts, f, "qmp.query-stats", "vcpu");
}

void vh_facts_of_vcpus(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_vcpu *v = m->vcpus[i];
		bool readable = v->regs[0].valid && v->regs_are_guest;

		load_facts(facts, v);
		wait_facts(facts, v);
		wake_facts(facts, v);
		counter_facts(facts, v);
		if (readable || v->halted >= 0 || (v->arm[0].valid && v->regs_are_guest))
			glimpse_facts(facts, v);
		if (readable) {
			code_facts(facts, v);
			table_fact(facts, v);
		}
		if (readable || v->regime == VH_REGIME_GHCB)
			stage_fact(facts, v);
		start_facts(facts, v, readable);
	}
}
