/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts from counted exits: what a vCPU does again and again. A healthy guest under load makes as
 * many exits as a hung one; but its are of many kinds, it waits for interrupts in between, and
 * most of what it writes sets off work. So a storm is one key alone, for all of the window, on a
 * vCPU that never rests, and none of these:
 *
 * - a clock (ACPI PM timer, PIT, HPET, TSC): many kernels read it all the time;
 * - what starts work or moves data: a virtio doorbell, a data port, an EOI, an IPI.
 */
#include "decode/constants.h"
#include "infer/facts_build.h"

#include <inttypes.h>

#include "base/clock.h"

/* In a nested guest an exit may take milliseconds; but then they are what its time goes into. A
 * driver that looks at its device a thousand times a second has nearly all of its time left. */
#define MIN_STORM_PER_S 100
#define SURELY_PER_S    5000
#define SPENT_ON_EXITS  0.25
#define STORM_SHARE     0.99
/* Of anything else: with so much it gets on. A command to an IDE disk is a dozen accesses. */
#define GOES_ON_PER_S 100
/* Of the exits of one reason, the share of the two most frequent RIPs. */
#define ONE_PLACE        0.95
#define MIN_CLOCK_PER_S  100
#define MIN_LEAVES_PER_S 1000
/* Keys of a kind that may be the one: they are the most frequent first. */
#define MAX_CANDIDATES 8

enum part {
	PART_SUSPECT, /* may be polled in vain */
	PART_CLOCK,
	PART_INTERRUPT, /* belongs to taking interrupts */
	PART_WORK       /* moves data, or starts something */
};

static bool within(uint64_t v, uint64_t first, uint64_t last)
{
	return v >= first && v <= last;
}

static bool named(const struct vh_exit_key *k, const char *part)
{
	return k->device && vh_str_find_nocase(vh_str(k->device), part) >= 0;
}

static bool is_write(const struct vh_exit_key *k)
{
	return k->kind == VH_KEY_MMIO ? (k->detail & 0xff) >= 2 : k->detail & 1;
}

/* Ports of a PC: PIT 40-43 and its gate 61, the delay port 80, RTC 70-71, PIC 20-21 and a0-a1, IDE
 * data 1f0 and 170, serial data 3f8 and so on, fw_cfg 511, debug consoles 402 and e9; the ACPI PM
 * timer of QEMU's machines at 608 (and b008 as some firmware puts it). */
static enum part part_of_port(const struct vh_exit_key *k)
{
	static const uint16_t data_out[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8, 0x402, 0xe9, 0x80};
	uint64_t port = k->value;

	if (within(port, 0x40, 0x43) || port == 0x61 || within(port, 0x70, 0x71) || port == 0x608 ||
		port == 0xb008 || named(k, "tmr") || named(k, "timer"))
		return PART_CLOCK;
	if (within(port, 0x20, 0x21) || within(port, 0xa0, 0xa1))
		return PART_INTERRUPT;
	if (port == 0x1f0 || port == 0x170 || port == 0x511 || named(k, "virtio") ||
		named(k, "fwcfg"))
		return PART_WORK;
	for (size_t i = 0; i < VH_ARRAY_SIZE(data_out); i++)
		if (port == data_out[i] && is_write(k))
			return PART_WORK;
	return PART_SUSPECT;
}

/* The local APIC is at fee00000 (its current count at 390), the I/O APIC at fec00000, the HPET at
 * fed00000. */
static enum part part_of_address(const struct vh_exit_key *k)
{
	if (within(k->value, 0xfed00000, 0xfed003ff) || k->value == 0xfee00390)
		return PART_CLOCK;
	if (within(k->value, 0xfec00000, 0xfec000ff) ||
		(within(k->value, 0xfee00000, 0xfee00fff) && is_write(k)))
		return PART_INTERRUPT;
	if ((k->detail & 0xff) == 3 || (is_write(k) && named(k, "virtio")))
		return PART_WORK;
	return PART_SUSPECT;
}

/* MSRs that are clocks: TSC 10, APERF and MPERF e7-e8, Hyper-V's 40000020; the local APIC's current
 * count 839. Its others are 800 on, the TSC deadline is 6e0, Hyper-V's 40000070 and 400000b0 on. */
static enum part part_of_msr(const struct vh_exit_key *k)
{
	if (k->value == 0x10 || within(k->value, 0xe7, 0xe8) || k->value == 0x40000020 ||
		k->value == 0x839)
		return PART_CLOCK;
	if (is_write(k) && (k->value == 0x6e0 || within(k->value, 0x800, 0x8ff) ||
				   within(k->value, 0x40000070, 0x40000072) ||
				   within(k->value, 0x400000b0, 0x400000b7)))
		return PART_INTERRUPT;
	return PART_SUSPECT;
}

/* What the guest asks of KVM or the VMM; false for what others do to it, or what is told twice. */
static bool is_act(const struct vh_exit_key *k)
{
	switch (k->kind) {
	case VH_KEY_MMIO:
		return (k->detail & 0xff) != 0; /* a read that the VMM serves is told again */
	case VH_KEY_PIO:
	case VH_KEY_MSR:
	case VH_KEY_CR:
	case VH_KEY_CPUID:
	case VH_KEY_HYPERCALL:
	case VH_KEY_HV_HYPERCALL:
	case VH_KEY_XEN_HYPERCALL:
		return true;
	default:
		return false;
	}
}

static enum part part_of(const struct vh_exit_key *k)
{
	switch (k->kind) {
	case VH_KEY_PIO:
		return part_of_port(k);
	case VH_KEY_MMIO:
		return part_of_address(k);
	case VH_KEY_MSR:
		return part_of_msr(k);
	case VH_KEY_CR:
		return PART_WORK;
	default:
		return PART_SUSPECT;
	}
}

struct storm {
	const struct vh_exit_key *key; /* NULL: no suspect */
	double per_s;
	double writes;     /* share */
	double rest_per_s; /* of everything else that gets it on */
	double clock_per_s;
};

/* What one event of each kind counts for, a second: a kind may have been counted for a part of the
 * time. */
struct scale {
	double of[VH_N_KEY_KIND];
};

static struct scale scale_of(const struct vh_exits *e, const struct vh_vcpu_exits *x)
{
	struct scale scale;

	for (int kind = 0; kind < VH_N_KEY_KIND; kind++) {
		uint64_t all = vh_exits_count(x, (enum vh_key_kind)kind);

		scale.of[kind] =
			all ? vh_exits_rate(e, x, (enum vh_key_kind)kind) / (double)all : 0;
	}
	return scale;
}

static double per_s(const struct scale *scale, const struct vh_exit_key *k)
{
	return scale->of[k->kind] * (double)k->timing.count;
}

/* All of one key, whatever was read or written there. */
static double sum_of(const struct scale *scale, const struct vh_vcpu_exits *x,
	const struct vh_exit_key *key, double *writes)
{
	double sum = 0;

	*writes = 0;
	for (size_t i = 0; i < x->n_keys; i++) {
		const struct vh_exit_key *k = &x->keys[i];

		if (k->kind != key->kind || k->value != key->value || !is_act(k) ||
			part_of(k) != PART_SUSPECT)
			continue;
		sum += per_s(scale, k);
		*writes += is_write(k) ? per_s(scale, k) : 0;
	}
	return sum;
}

/* Exits that no key tells of: page faults on memory, halts, exceptions. */
static double untold_per_s(const struct vh_exits *e, const struct vh_vcpu_exits *x)
{
	uint64_t faults = vh_rows_of(e, x, VH_MEANS_FAULT) + vh_rows_of(e, x, VH_MEANS_MMIO);
	uint64_t mmio = vh_exits_count(x, VH_KEY_MMIO);
	uint64_t n = vh_rows_of(e, x, VH_MEANS_HALT) + vh_rows_of(e, x, VH_MEANS_EXCEPTION) +
		     (faults > mmio ? faults - mmio : 0);

	return (double)n / e->span_ns * VH_NS_PER_S;
}

static struct storm storm_of(
	const struct vh_exits *e, const struct vh_vcpu_exits *x, const struct scale *scale)
{
	struct storm s = {0};
	double acts = 0;
	size_t of_kind[VH_N_KEY_KIND] = {0};

	for (size_t i = 0; i < x->n_keys; i++) {
		const struct vh_exit_key *k = &x->keys[i];
		enum part part = is_act(k) ? part_of(k) : PART_INTERRUPT;
		double writes, sum;

		if (part == PART_CLOCK)
			s.clock_per_s += per_s(scale, k);
		if (part == PART_CLOCK || part == PART_INTERRUPT)
			continue;
		acts += per_s(scale, k);
		if (part != PART_SUSPECT || of_kind[k->kind]++ >= MAX_CANDIDATES)
			continue;
		sum = sum_of(scale, x, k, &writes);
		if (sum > s.per_s) {
			s.key = k;
			s.per_s = sum;
			s.writes = writes / sum;
		}
	}
	/* Those that were too many to be listed are none of the storm. */
	for (int kind = 0; kind < VH_N_KEY_KIND; kind++)
		if (is_act(&(struct vh_exit_key){.kind = (enum vh_key_kind)kind, .detail = 1}))
			acts += scale->of[kind] * (double)x->more[kind].count;
	s.rest_per_s = VH_MAX(0.0, acts - s.per_s) + untold_per_s(e, x);
	return s;
}

/* Where its exits tell RIP: at one or two instructions? True where they do not. */
static bool is_from_one_place(const struct vh_vcpu_exits *x, const struct vh_exit_key *key)
{
	uint64_t all = 0, first = 0, second = 0;

	for (size_t i = 0; i < x->n_keys; i++) {
		const struct vh_exit_key *k = &x->keys[i];

		if (k->kind != VH_KEY_RIP || !k->value || k->reason != key->reason)
			continue;
		all += k->timing.count;
		if (k->timing.count > first) {
			second = first;
			first = k->timing.count;
		} else if (k->timing.count > second) {
			second = k->timing.count;
		}
	}
	return !all || key->reason == VH_NO_REASON ||
	       (double)(first + second) >= ONE_PLACE * (double)all;
}

/* Is it so often, in the time that it runs, that it leaves no time for anything else? Unless the
 * switches tell, it runs all the time. */
static bool takes_its_time(
	const struct vh_facts *facts, const struct vh_vcpu_exits *x, double per_second)
{
	double ran = vh_exits_share(x, -1, VH_REST_ON);
	double away = vh_exits_share(x, VH_PLACE_KVM, VH_REST_ON) +
		      vh_exits_share(x, VH_PLACE_USER, VH_REST_ON);

	if (per_second < MIN_STORM_PER_S || !vh_never_rests(facts, x->vcpu))
		return false;
	if (!facts->model->exits->sees_switches || !(ran > 0))
		ran = 1;
	return per_second >= SURELY_PER_S * ran || away >= SPENT_ON_EXITS * ran;
}

static enum vh_fact_id storm_fact(enum vh_key_kind kind)
{
	switch (kind) {
	case VH_KEY_PIO:
		return VH_FACT_VCPU_PORT_STORM;
	case VH_KEY_MMIO:
		return VH_FACT_VCPU_MMIO_STORM;
	case VH_KEY_MSR:
		return VH_FACT_VCPU_MSR_STORM;
	case VH_KEY_CPUID:
		return VH_FACT_VCPU_CPUID_STORM;
	default:
		return VH_FACT_VCPU_HYPERCALL_STORM;
	}
}

static char *what_is_stormed(const struct vh_exit_key *k)
{
	switch (k->kind) {
	case VH_KEY_PIO:
		return vh_asprintf("I/O port 0x%" PRIx64, k->value);
	case VH_KEY_MMIO:
		return vh_asprintf("address 0x%" PRIx64, k->value);
	case VH_KEY_MSR:
		return vh_msr_name(k->value) ? vh_asprintf("MSR %s (0x%" PRIx64 ")",
						       vh_msr_name(k->value), k->value)
					     : vh_asprintf("MSR 0x%" PRIx64, k->value);
	case VH_KEY_CPUID:
		return vh_asprintf("CPUID of leaf 0x%" PRIx64, k->value);
	default:
		if (!k->text)
			return vh_strdup(vh_key_kind_name(k->kind));
		return vh_asprintf("%s%s",
			vh_str_find(vh_str(k->text), "call") < 0 ? "the hypercall " : "", k->text);
	}
}

/* IDE controllers are at fixed ports; others are known by name. */
static bool is_disk(const struct vh_exit_key *k)
{
	static const char *const names[] = {"ide", "sata", "ahci", "bmdma", "nvme", "scsi", "disk"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++)
		if (named(k, names[i]))
			return true;
	return k->kind == VH_KEY_PIO &&
	       (within(k->value, 0x1f1, 0x1f7) || within(k->value, 0x171, 0x177) ||
		       k->value == 0x3f6 || k->value == 0x376);
}

/* Of a PC's four serial ports. */
static bool is_line_status(const struct vh_exit_key *k)
{
	return k->kind == VH_KEY_PIO &&
	       (k->value == 0x3fd || k->value == 0x2fd || k->value == 0x3ed || k->value == 0x2ed);
}

static void add_storm(struct vh_facts *facts, const struct vh_vcpu_exits *x, const struct storm *s)
{
	const struct vh_exit_key *k = s->key;
	vh_auto_free char *what = what_is_stormed(k);
	bool accesses = k->kind == VH_KEY_PIO || k->kind == VH_KEY_MMIO || k->kind == VH_KEY_MSR;
	const char *verb = !accesses          ? "executes"
			   : s->writes < 0.01 ? "reads"
			   : s->writes > 0.99 ? "writes"
					      : "reads and writes";
	vh_auto_free char *device = k->device ? vh_asprintf(" (%s)", k->device) : vh_strdup("");
	/* It gets on, if rarely: each time with the many accesses of a command. Who polls a disk
	 * waits for it, even if none came in this window. */
	bool gets_on = accesses && s->writes < 0.01 && (s->rest_per_s >= 2 || is_disk(k));

	vh_auto_free char *rest =
		s->rest_per_s < 1
			? vh_strdup("nothing else")
			: vh_asprintf("anything else only %.0f times a second", s->rest_per_s);

	vh_fact_traced(facts,
		vh_fact_add(facts, gets_on ? VH_FACT_VCPU_POLLS_DEVICE : storm_fact(k->kind),
			x->vcpu, s->per_s, "vCPU %d %s %s%s %.0f times a second, and does %s",
			x->vcpu, verb, what, device, s->per_s, rest));
	if (!gets_on && is_line_status(k) && s->writes < 0.01)
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_VCPU_POLLS_SERIAL, x->vcpu, s->per_s,
				"vCPU %d asks the serial port at %s%s %.0f times a second whether "
				"there is room for a byte, and does %s",
				x->vcpu, what, device, s->per_s, rest));
	/* As decode/devices.c names what "info mtree -f" has nothing for. */
	if (vh_streq(k->device, "no device"))
		vh_fact_ground(facts,
			vh_fact_traced(facts,
				vh_fact_add(facts, VH_FACT_VCPU_STORM_ON_NOTHING, x->vcpu, NAN,
					"no device is at %s: %s", what,
					s->writes > 0.99 ? "what is written there goes nowhere"
							 : "whoever reads there gets ones for "
							   "ever")),
			"hmp.info-mtree-flat", NULL);
	if (accesses && s->writes > 0.01)
		vh_fact_traced(
			facts, vh_fact_add(facts, VH_FACT_VCPU_STORM_WRITES, x->vcpu, s->writes,
				       "what vCPU %d does there is a write (%.0f %%): it need not "
				       "wait for "
				       "an answer",
				       x->vcpu, 100 * s->writes));
}

/* The share of the most frequent row of a kind, and that row. */
static const struct vh_exit_key *top_of(
	const struct vh_vcpu_exits *x, enum vh_key_kind kind, double *share)
{
	const struct vh_exit_key *top = vh_exits_top(x, kind);

	if (top)
		*share = (double)top->timing.count / (double)vh_exits_count(x, kind);
	return top;
}

static bool is_device_page(const struct vh_vcpu_exits *x, uint64_t gpa)
{
	for (size_t i = 0; i < x->n_keys; i++)
		if (x->keys[i].kind == VH_KEY_MMIO && x->keys[i].value >> 12 == gpa >> 12)
			return true;
	return false;
}

/* One instruction that never gets its page: a page that comes is faulted on once. */
static void fault_fact(
	struct vh_facts *facts, const struct vh_vcpu_exits *x, const struct scale *scale)
{
	double share = 0;
	const struct vh_exit_key *top = top_of(x, VH_KEY_FAULT_RIP, &share);
	double rate = top ? per_s(scale, top) : 0;

	/* On SVM each access to a device is a page fault first. */
	if (share < 0.9 || is_device_page(x, top->detail) || !takes_its_time(facts, x, rate))
		return;
	vh_auto_free char *at =
		top->value ? vh_asprintf(", at RIP %" PRIx64, top->value) : vh_strdup("");

	vh_fact_traced(facts,
		vh_fact_add(facts, VH_FACT_VCPU_FAULT_LOOP, x->vcpu, rate,
			"vCPU %d faults on guest address 0x%" PRIx64
			" %.0f times a second%s: KVM mends it each time, and it faults again",
			x->vcpu, top->detail, rate, at));
}

/* A kernel without nested paging gets all its page faults from KVM, from everywhere; so do others
 * #UD for instructions that they emulate. */
static void exception_fact(
	struct vh_facts *facts, const struct vh_vcpu_exits *x, const struct scale *scale)
{
	static const char *const names[] = {"#DE, division", "#DB, debug", "NMI", "#BP, breakpoint",
		"#OF, overflow", "#BR, bounds", "#UD, invalid opcode", "#NM, no FPU",
		"#DF, double fault", "vector 9", "#TS, task state", "#NP, no segment",
		"#SS, stack segment", "#GP, general protection", "#PF, page fault"};
	double share = 0;
	const struct vh_exit_key *top = top_of(x, VH_KEY_EXCEPTION, &share);
	double rate = top ? per_s(scale, top) : 0;

	if (share < 0.95 || !takes_its_time(facts, x, rate) ||
		!vh_fact_of(facts, VH_FACT_VCPU_SMALL_LOOP, x->vcpu))
		return;
	vh_auto_free char *vector = top->value < VH_ARRAY_SIZE(names)
					    ? vh_strdup(names[top->value])
					    : vh_asprintf("vector %" PRIu64, top->value);

	vh_fact_traced(facts, vh_fact_add(facts, VH_FACT_VCPU_EXCEPTION_LOOP, x->vcpu, rate,
				      "vCPU %d gets the exception %s %.0f times a second", x->vcpu,
				      vector, rate));
}

void vh_facts_of_storms(struct vh_facts *facts, const struct vh_vcpu_exits *x)
{
	const struct vh_exits *e = facts->model->exits;
	struct scale scale = scale_of(e, x);
	struct storm s = storm_of(e, x, &scale);
	const struct vh_exit_key *leaves = vh_exits_top(x, VH_KEY_USERSPACE);
	double leaves_per_s = leaves ? per_s(&scale, leaves) : 0;

	if (s.key && takes_its_time(facts, x, s.per_s) && s.rest_per_s < GOES_ON_PER_S &&
		s.per_s >= STORM_SHARE * (s.per_s + s.rest_per_s) && is_from_one_place(x, s.key) &&
		!vh_fact_of(facts, VH_FACT_VCPU_RUNS_WIDELY, x->vcpu))
		add_storm(facts, x, &s);
	if (s.clock_per_s >= MIN_CLOCK_PER_S)
		vh_fact_traced(facts,
			vh_fact_add(facts, VH_FACT_VCPU_READS_CLOCK, x->vcpu, s.clock_per_s,
				"vCPU %d reads a clock %.0f times a second: it measures time, as a "
				"wait that ends one day does, and many a kernel at work",
				x->vcpu, s.clock_per_s));
	if (leaves_per_s >= MIN_LEAVES_PER_S)
		vh_fact_traced(
			facts, vh_fact_add(facts, VH_FACT_VCPU_LEAVES_TO_VMM, x->vcpu, leaves_per_s,
				       "vCPU %d leaves to the VMM %.0f times a second: %s", x->vcpu,
				       leaves_per_s, leaves->text ? leaves->text : "?"));
	fault_fact(facts, x, &scale);
	exception_fact(facts, x, &scale);
}
