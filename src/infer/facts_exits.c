/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts from counted exits (trace.exits): does guest code run, does it do anything that KVM or the
 * VMM sees, where is it, and where does its time go. What it does again and again is in
 * facts_exits_storm.c, interrupts are in facts_exits_irq.c.
 *
 * On a KVM that emulates the guest's instructions kvm_exit never fires: there "no exits" says
 * nothing, and a sample of the emulated instructions takes the place of the RIPs at exits.
 */
#include "infer/facts_build.h"

#include <inttypes.h>

#include "base/clock.h"

/* A shorter trace does not tell what does not happen. */
#define MIN_SPAN_NS (200 * VH_NS_PER_MS)
/* Shares of the window. */
#define NEVER_RESTS 0.85
#define HARDLY_RAN  0.02
/* Exits that say something of the guest, and are yet too few to be of one that works: 250 ticks of
 * a kernel's timer would be more. */
#define FEW_PER_S 5
/* RIPs are judged from so many on. */
#define MIN_PROFILE 40
#define MIN_SAMPLE  500
/* Instructions of one loop lie so near to each other. */
#define SAME_CODE_BYTES 64
/* So many pieces of 64 bytes are no loop. */
#define MANY_PIECES 24

bool vh_trace_counts(const struct vh_exits *e, const char *event)
{
	const struct vh_trace_event *t = vh_exits_event(e, event);

	return t && t->state == VH_EVENT_ATTACHED && !t->lost && t->span_ns >= 0.9 * e->span_ns;
}

const struct vh_vcpu_exits *vh_traced(const struct vh_facts *facts, int vcpu)
{
	const struct vh_exits *e = facts->model->exits;
	const struct vh_vcpu_exits *x = e ? vh_exits_of(e, vcpu) : NULL;

	if (!x || x->ended || e->span_ns < MIN_SPAN_NS || vh_streq(e->backend, "statistics"))
		return NULL;
	/* Plugged in a moment ago. */
	return x->span_ns > 0 && x->span_ns < MIN_SPAN_NS ? NULL : x;
}

/* Until its first switch a thread in state R may run or wait for a CPU: the trace takes it to run.
 * Where that could be much, schedstat must agree. */
bool vh_times_are_exact(const struct vh_facts *facts, const struct vh_vcpu *v)
{
	const struct vh_exits *e = facts->model->exits;
	const struct vh_vcpu_exits *x = vh_traced(facts, v->index);

	if (!x || !e->sees_switches || x->span_ns < 0.9 * e->span_ns || e->lost)
		return false;
	if (vh_exits_share(x, VH_PLACE_UNKNOWN, VH_REST_ON) < 0.1)
		return true;
	return v->thread && !isnan(v->thread->run_share) &&
	       fabs(vh_exits_share(x, -1, VH_REST_ON) - v->thread->run_share) < 0.15;
}

bool vh_never_rests(const struct vh_facts *facts, int vcpu)
{
	const struct vh_exits *e = facts->model->exits;
	const struct vh_vcpu_exits *x = vh_traced(facts, vcpu);

	if (x && e->sees_switches && x->span_ns > 0)
		return vh_exits_share(x, -1, VH_REST_ASLEEP) <= 1 - NEVER_RESTS;
	return vh_fact_of(facts, VH_FACT_VCPU_BUSY, vcpu) ||
	       vh_fact_of(facts, VH_FACT_VCPU_STARVED, vcpu);
}

struct vh_fact *vh_fact_traced(struct vh_facts *facts, struct vh_fact *f)
{
	const struct vh_exits *e = facts->model->exits;

	/* Of a pasted text it is another source. */
	if (e && e->evidence != SIZE_MAX)
		VH_PUSH(f->evidence, f->n_evidence) = e->evidence;
	return f;
}

uint64_t vh_rows_of(
	const struct vh_exits *e, const struct vh_vcpu_exits *x, enum vh_exit_means means)
{
	uint64_t n = 0;

	for (size_t i = 0; i < x->n_rows; i++)
		if (vh_exit_means(e->isa, x->rows[i].reason) == means)
			n += x->rows[i].timing.count;
	return n;
}

/* The host's doing: an interrupt of its own, or that it took the guest out of a PAUSE loop. */
static bool is_hosts(enum vh_exit_means means)
{
	return means == VH_MEANS_INTERRUPT || means == VH_MEANS_SMI_NMI || means == VH_MEANS_PAUSE;
}

/* Where its RIP was seen. */
struct profile {
	uint64_t n;      /* times, in all */
	size_t distinct; /* RIPs */
	size_t pieces;   /* of 64 bytes */
	uint64_t top;    /* the most frequent RIP */
	double near;     /* share near to the most frequent, and the next that is not near to it */
	bool sampled;    /* emulated instructions, not exits */
};

/* At an interrupt of the host RIP is anywhere; at an exit of its own it is at that instruction. */
static bool is_of_profile(const struct vh_exits *e, const struct vh_exit_key *k)
{
	if (!e->sees_exits)
		return k->kind == VH_KEY_EMULATED;
	return k->kind == VH_KEY_RIP && k->value && k->reason != VH_NO_REASON &&
	       is_hosts(vh_exit_means(e->isa, k->reason));
}

static bool is_near(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) < SAME_CODE_BYTES;
}

static uint64_t count_near(const struct vh_exit_key *const *rips, size_t n, uint64_t to)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (is_near(rips[i]->value, to))
			sum += rips[i]->timing.count;
	return sum;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = (*(const struct vh_exit_key *const *)a)->value;
	uint64_t y = (*(const struct vh_exit_key *const *)b)->value;

	return x < y ? -1 : x > y;
}

/* The most frequent that is not near to `but` (any where that is NULL). */
static const struct vh_exit_key *most_frequent(
	const struct vh_exit_key *const *rips, size_t n, const struct vh_exit_key *but)
{
	const struct vh_exit_key *top = NULL;

	for (size_t i = 0; i < n; i++)
		if ((!but || !is_near(rips[i]->value, but->value)) &&
			(!top || rips[i]->timing.count > top->timing.count))
			top = rips[i];
	return top;
}

static struct profile profile_of(const struct vh_exits *e, const struct vh_vcpu_exits *x)
{
	struct profile p = {.sampled = !e->sees_exits};
	const struct vh_exit_key **rips = NULL;
	size_t n = 0;

	for (size_t i = 0; i < x->n_keys; i++)
		if (is_of_profile(e, &x->keys[i])) {
			VH_PUSH(rips, n) = &x->keys[i];
			p.n += x->keys[i].timing.count;
		}
	if (!n)
		return p;
	qsort(rips, n, sizeof(*rips), by_value);
	for (size_t i = 0; i < n; i++) {
		p.distinct += !i || rips[i]->value != rips[i - 1]->value;
		p.pieces += !i || rips[i]->value / SAME_CODE_BYTES !=
					  rips[i - 1]->value / SAME_CODE_BYTES;
	}
	const struct vh_exit_key *first = most_frequent(rips, n, NULL);
	const struct vh_exit_key *second = most_frequent(rips, n, first);
	uint64_t near = count_near(rips, n, first->value);

	if (second)
		near += count_near(rips, n, second->value);
	p.top = first->value;
	/* Two places less than 128 bytes apart share what lies between them. */
	p.near = VH_MIN(1.0, (double)near / (double)p.n);
	free(rips);
	return p;
}

static void profile_facts(struct vh_facts *facts, const struct vh_vcpu_exits *x)
{
	const struct vh_exits *e = facts->model->exits;
	struct profile p = profile_of(e, x);
	const char *what = p.sampled ? "instructions that KVM emulated for it"
				     : "looks at it when the host interrupted it";

	if (p.n < (p.sampled ? MIN_SAMPLE : MIN_PROFILE))
		return;
	/* What had no room in the tables may have been anywhere. */
	if (p.near >= 0.98 && e->missed <= p.n / 50 && p.pieces < MANY_PIECES)
		vh_fact_traced(
			facts, vh_fact_add(facts, VH_FACT_VCPU_SMALL_LOOP, x->vcpu, (double)p.top,
				       "vCPU %d was at or near RIP %" PRIx64
				       " in %.0f %% of %" PRIu64 " %s",
				       x->vcpu, p.top, 100 * p.near, p.n, what));
	if (p.near < 0.8 && (p.pieces >= MANY_PIECES || e->missed > p.n))
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_VCPU_RUNS_WIDELY, x->vcpu, (double)p.pieces,
				"vCPU %d was seen in %zu different pieces of code, in %" PRIu64
				" %s",
				x->vcpu, p.pieces, p.n, what));
	/* One alone may be a string instruction at work. */
	if (p.sampled && p.distinct == 2 && p.near >= 1 && !e->missed)
		vh_fact_traced(
			facts, vh_fact_add(facts, VH_FACT_VCPU_TINY_LOOP, x->vcpu, (double)p.top,
				       "vCPU %d runs the same two instructions in turn, at %" PRIx64
				       ", and no other among %" PRIu64 " that KVM emulated for it",
				       x->vcpu, p.top, p.n));
}

/* Whatever the guest did that was seen without kvm_exit. */
static bool acts(const struct vh_vcpu_exits *x)
{
	static const enum vh_key_kind kinds[] = {VH_KEY_PIO, VH_KEY_MMIO, VH_KEY_MSR, VH_KEY_CR,
		VH_KEY_CPUID, VH_KEY_HYPERCALL, VH_KEY_HV_HYPERCALL, VH_KEY_XEN_HYPERCALL,
		VH_KEY_EXCEPTION, VH_KEY_IPI, VH_KEY_EOI, VH_KEY_NAE, VH_KEY_NAE_MSR,
		VH_KEY_WAKEUP};

	for (size_t i = 0; i < VH_ARRAY_SIZE(kinds); i++)
		if (vh_exits_top(x, kinds[i]))
			return true;
	for (size_t i = 0; i < x->n_keys; i++)
		/* A signal took it out: EINTR (KVM_EXIT_INTR, linux/kvm.h). */
		if (x->keys[i].kind == VH_KEY_USERSPACE && x->keys[i].value != 10 &&
			(uint32_t)x->keys[i].detail == 0)
			return true;
	return false;
}

/* Runs all the time, and does nothing that anybody outside would see. */
static void no_exits_fact(struct vh_facts *facts, const struct vh_vcpu_exits *x)
{
	const struct vh_exits *e = facts->model->exits;
	double seconds = e->span_ns / VH_NS_PER_S;
	uint64_t hosts = 0;

	if (!vh_never_rests(facts, x->vcpu))
		return;
	if (!e->sees_exits) {
		if (vh_exits_count(x, VH_KEY_EMULATED) >= MIN_SAMPLE && !acts(x) &&
			vh_trace_counts(e, "kvm:kvm_pio") &&
			vh_trace_counts(e, "kvm:kvm_userspace_exit"))
			vh_fact_traced(facts,
				vh_fact_add(facts, VH_FACT_VCPU_NO_EXITS, x->vcpu, 0,
					"vCPU %d runs instructions all the time, and did no I/O "
					"and nothing else that KVM or the VMM would see in %.1f s",
					x->vcpu, seconds));
		return;
	}
	for (size_t i = 0; i < x->n_rows; i++)
		if (is_hosts(vh_exit_means(e->isa, x->rows[i].reason)))
			hosts += x->rows[i].timing.count;
	/* No exit at all: a CPU without a timer tick (nohz_full) that the vCPU has for itself. */
	bool none = !x->exits && !x->n_keys && vh_fact_of(facts, VH_FACT_VCPU_BUSY, x->vcpu);

	if ((!x->exits || (double)(x->exits - hosts) / seconds > FEW_PER_S) && !none)
		return;
	vh_fact_traced(facts,
		vh_fact_add(facts, VH_FACT_VCPU_NO_EXITS, x->vcpu, (double)x->exits / seconds,
			"vCPU %d runs guest code all the time, and left it %" PRIu64
			" times in %.1f s, %s: it does nothing that KVM would have to do for it",
			x->vcpu, x->exits, seconds,
			hosts == x->exits ? "only for the host's sake"
					  : "nearly always for the host's sake"));
}

static void add_count(struct vh_facts *facts, const struct vh_vcpu_exits *x, enum vh_fact_id id,
	uint64_t n, const char *what)
{
	if (n)
		vh_fact_traced(facts, vh_fact_add(facts, id, x->vcpu, (double)n,
					      "vCPU %d: %s (%" PRIu64 " times in %.1f s)", x->vcpu,
					      what, n, facts->model->exits->span_ns / VH_NS_PER_S));
}

static uint64_t userspace_exits(const struct vh_vcpu_exits *x, uint64_t reason)
{
	uint64_t n = 0;

	for (size_t i = 0; i < x->n_keys; i++)
		if (x->keys[i].kind == VH_KEY_USERSPACE && x->keys[i].value == reason &&
			!(uint32_t)x->keys[i].detail)
			n += x->keys[i].timing.count;
	return n;
}

static void failure_facts(struct vh_facts *facts, const struct vh_vcpu_exits *x)
{
	const struct vh_exits *e = facts->model->exits;
	uint64_t failed = 0, shutdowns = vh_rows_of(e, x, VH_MEANS_SHUTDOWN);

	for (size_t i = 0; i < x->n_keys; i++)
		if (x->keys[i].kind == VH_KEY_EMULATED && (x->keys[i].detail & 1))
			failed += x->keys[i].timing.count;
	/* KVM_EXIT_SHUTDOWN is 8, _FAIL_ENTRY 9, _INTERNAL_ERROR 17 (linux/kvm.h). */
	add_count(facts, x, VH_FACT_VCPU_SHUTDOWNS, VH_MAX(shutdowns, userspace_exits(x, 8)),
		"a triple fault");
	add_count(facts, x, VH_FACT_VCPU_ENTRY_FAILS,
		vh_rows_of(e, x, VH_MEANS_FAILED_ENTRY) + userspace_exits(x, 9) +
			userspace_exits(x, 17),
		"KVM could not enter the guest, or not go on in it");
	add_count(facts, x, VH_FACT_VCPU_EMULATION_FAILS, failed,
		"KVM could not emulate an instruction");
}

/* Did it enter the guest at all? */
static void entry_facts(struct vh_facts *facts, const struct vh_vcpu_exits *x)
{
	const struct vh_exits *e = facts->model->exits;
	double seconds = e->span_ns / VH_NS_PER_S;
	bool told = e->sees_switches && x->span_ns > 0;
	double in_kvm = vh_exits_share(x, VH_PLACE_KVM, VH_REST_ON) +
			vh_exits_share(x, VH_PLACE_UNKNOWN, VH_REST_ON);

	if (x->entries || x->exits)
		return;
	if (told ? vh_exits_share(x, -1, VH_REST_ON) < HARDLY_RAN
		 : !!vh_fact_of(facts, VH_FACT_VCPU_ASLEEP, x->vcpu)) {
		if (!acts(x) && !vh_exits_count(x, VH_KEY_EMULATED))
			vh_fact_traced(
				facts, vh_fact_add(facts, VH_FACT_VCPU_NO_ENTRY, x->vcpu, 0,
					       "vCPU %d did not run guest code once in %.1f s",
					       x->vcpu, seconds));
	} else if (e->sees_exits && told && x->place == VH_PLACE_KVM && in_kvm >= NEVER_RESTS) {
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_VCPU_STUCK_IN_KVM, x->vcpu, in_kvm,
				"vCPU %d ran in the host's kernel for %.0f %% of %.1f s and did "
				"not enter the guest once",
				x->vcpu, 100 * in_kvm, seconds));
	}
}

static void halt_facts(struct vh_facts *facts, const struct vh_vcpu_exits *x)
{
	const struct vh_exits *e = facts->model->exits;
	double seconds = e->span_ns / VH_NS_PER_S;
	uint64_t halts = vh_rows_of(e, x, VH_MEANS_HALT), wakes = vh_exits_count(x, VH_KEY_WAKEUP);
	uint64_t pauses = vh_rows_of(e, x, VH_MEANS_PAUSE);

	if (wakes && (double)wakes / seconds >= 0.5)
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_VCPU_HALTS, x->vcpu, (double)wakes / seconds,
				"vCPU %d waits for an interrupt and is woken %.0f times a second%s",
				x->vcpu, (double)wakes / seconds, halts ? " (HLT)" : ""));
	if (pauses)
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_VCPU_PAUSES, x->vcpu, (double)pauses / seconds,
				"vCPU %d executes PAUSE in a loop: it was taken out of it %" PRIu64
				" times in %.1f s",
				x->vcpu, pauses, seconds));
}

static void time_fact(
	struct vh_facts *facts, const struct vh_vcpu *v, const struct vh_vcpu_exits *x)
{
	static const struct {
		int place, rest;
		const char *text;
	} parts[] = {{VH_PLACE_GUEST, VH_REST_ON, "in the guest"},
		{VH_PLACE_INSIDE, VH_REST_ON, "in KVM_RUN"}, {VH_PLACE_KVM, VH_REST_ON, "in KVM"},
		{VH_PLACE_USER, VH_REST_ON, "in the VMM"},
		{VH_PLACE_UNKNOWN, VH_REST_ON, "running, it was not seen where"},
		{-1, VH_REST_ASLEEP, "asleep"}, {-1, VH_REST_READY, "waiting for a CPU"}};
	vh_auto_buf struct vh_buf b = {0};

	if (!vh_times_are_exact(facts, v))
		return;
	for (size_t i = 0; i < VH_ARRAY_SIZE(parts); i++) {
		double share = vh_exits_share(x, parts[i].place, parts[i].rest);

		if (share >= 0.001)
			vh_buf_printf(
				&b, "%s %.1f %% %s", b.len ? "," : ":", 100 * share, parts[i].text);
	}
	vh_fact_traced(facts, vh_fact_add(facts, VH_FACT_VCPU_TIME, x->vcpu,
				      vh_exits_share(x, VH_PLACE_GUEST, VH_REST_ON) +
					      vh_exits_share(x, VH_PLACE_INSIDE, VH_REST_ON),
				      "the time of vCPU %d%s", x->vcpu, vh_buf_str(&b)));
}

static void exits_fact(struct vh_facts *facts, const struct vh_vcpu_exits *x)
{
	const struct vh_exits *e = facts->model->exits;
	double seconds = e->span_ns / VH_NS_PER_S;
	const struct vh_exit_row *top = NULL;

	for (size_t i = 0; i < x->n_rows; i++)
		if (!top || x->rows[i].timing.count > top->timing.count)
			top = &x->rows[i];
	if (!top)
		return;
	vh_fact_traced(facts,
		vh_fact_add(facts, VH_FACT_VCPU_EXITS, x->vcpu, (double)x->exits / seconds,
			"vCPU %d leaves the guest %.0f times a second, most often: %s (%.0f)",
			x->vcpu, (double)x->exits / seconds, top->text,
			(double)top->timing.count / seconds));
}

/* KVM's own counters tell no addresses, and of an exit that has no counter nothing. */
static int64_t growth_of(const struct vh_vcpu_exits *x, const char *name)
{
	for (size_t i = 0; i < x->n_statistics; i++)
		if (vh_streq(x->statistics[i].name, name))
			return x->statistics[i].value;
	return 0;
}

static void statistics_fact(struct vh_facts *facts, const struct vh_vcpu_exits *x)
{
	double seconds = facts->model->exits->span_ns / VH_NS_PER_S;
	int64_t exits = growth_of(x, "exits");
	int64_t hosts = growth_of(x, "irq_exits") + growth_of(x, "signal_exits");

	if (seconds * VH_NS_PER_S < MIN_SPAN_NS || exits <= 0 || hosts <= 0 ||
		!vh_never_rests(facts, x->vcpu) || (double)(exits - hosts) / seconds > FEW_PER_S)
		return;
	vh_fact_traced(facts,
		vh_fact_add(facts, VH_FACT_VCPU_NO_EXITS, x->vcpu, (double)exits / seconds,
			"vCPU %d runs all the time, and left the guest %.0f times a second, nearly "
			"always for the host's sake (KVM's statistics)",
			x->vcpu, (double)exits / seconds));
}

/* What an encrypted guest asks for: its registers and memory cannot be read, this can. */
static void asks_fact(struct vh_facts *facts, const struct vh_vcpu_exits *x)
{
	double seconds = facts->model->exits->span_ns / VH_NS_PER_S;
	uint64_t n = vh_exits_count(x, VH_KEY_NAE) + vh_exits_count(x, VH_KEY_NAE_MSR);
	const struct vh_exit_key *top = vh_exits_top(x, VH_KEY_NAE);

	top = top ? top : vh_exits_top(x, VH_KEY_NAE_MSR);
	if (top)
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_VCPU_ASKS_HOST, x->vcpu, (double)n / seconds,
				"vCPU %d asks the hypervisor %.0f times a second, most often: %s",
				x->vcpu, (double)n / seconds, top->text ? top->text : "?"));
}

static void lost_fact(struct vh_facts *facts)
{
	const struct vh_exits *e = facts->model->exits;
	double seen = 0;

	for (size_t i = 0; i < e->n_events; i++)
		seen += (double)e->events[i].seen;
	if (e->lost)
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_EXITS_LOST, -1,
				(double)e->lost / ((double)e->lost + seen),
				"%" PRIu64
				" events were lost while exits were counted: what was not seen may "
				"yet have happened",
				e->lost));
}

void vh_facts_of_exits(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	if (!m->exits)
		return;
	lost_fact(facts);
	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_vcpu_exits *x = vh_traced(facts, m->vcpus[i]->index);

		if (!x) {
			const struct vh_vcpu_exits *counted =
				vh_exits_of(m->exits, m->vcpus[i]->index);

			if (counted && counted->n_statistics)
				statistics_fact(facts, counted);
			continue;
		}
		time_fact(facts, m->vcpus[i], x);
		exits_fact(facts, x);
		no_exits_fact(facts, x);
		profile_facts(facts, x);
		halt_facts(facts, x);
		entry_facts(facts, x);
		failure_facts(facts, x);
		asks_fact(facts, x);
		vh_facts_of_irqs(facts, x);
		vh_facts_of_storms(facts, x);
	}
	vh_facts_of_ipis(facts);
}
