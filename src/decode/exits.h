/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exits, decoded: evidence trace.exits (docs/trace-format.md) with names, devices and shares. Part
 * of the model, and made for each interval of `vmhang exits` too.
 */
#pragma once

#include <math.h>

#include "base/json.h"
#include "base/text.h"
#include "bpf/exits.h"
#include "bpf/names.h"

/* Whose exit reasons they are. */
enum vh_isa { VH_ISA_UNKNOWN, VH_ISA_VMX, VH_ISA_SVM, VH_ISA_ARM64, VH_ISA_PVM, VH_N_ISA };
const char *vh_isa_name(enum vh_isa isa);

struct vh_timing {
	uint64_t count;
	uint64_t timed; /* what follows is of these; NAN where there are none */
	double total_ns, min_ns, max_ns, mean_ns;
	double deviation; /* relative standard error of the mean, as perf kvm stat prints: 0.02 is 2
			     %; NAN below two */
	uint64_t log2[VH_N_LOG2];
};

struct vh_exit_key {
	enum vh_key_kind kind;
	uint64_t value, detail;
	uint64_t reason; /* of the exit that it happened in, or VH_NO_REASON */
	struct vh_timing timing;
	char *text;   /* "port 0x3f8, out, 1 byte" */
	char *device; /* "serial port COM1", "isa-serial"; NULL unknown */
};

struct vh_exit_row {
	uint64_t reason;
	const char *name; /* "io", "hlt", "EPT_VIOLATION": the kernel's; NULL unknown number */
	char *text;       /* the name, or "0x999" */
	struct vh_timing timing;
};

struct vh_vcpu_exits {
	int vcpu; /* index; -1: the VM as a whole */
	pid_t tid;
	bool ended;
	double time_ns[VH_N_PLACE][VH_N_REST];
	double span_ns; /* the sum */
	enum vh_place place;
	enum vh_rest rest;
	double since_ns;
	uint64_t entries;
	uint64_t exits;           /* of all rows */
	struct vh_exit_row *rows; /* most handling time first, then count */
	size_t n_rows;
	struct vh_exit_key *keys; /* by kind, then most frequent first */
	size_t n_keys;
	struct {
		uint64_t keys, count;
	} more[VH_N_KEY_KIND]; /* keys that were too many to be listed, and what they count */
	struct vh_growth {
		char *name;
		int64_t value;
	} * statistics; /* of the backend "statistics" */
	size_t n_statistics;
};

struct vh_trace_event {
	char *name;
	enum vh_event_state state;
	uint64_t seen, lost;
	double span_ns;
	char *why; /* NULL: no reason needed */
};

struct vh_exits {
	char *backend;        /* "bpf", "perf", "statistics" */
	char *why_not_better; /* "bpf: ..."; NULL where it is the best */
	double span_ns, attach_ns;
	enum vh_isa isa;
	bool sees_exits;   /* kvm_exit and kvm_entry fire here: guest and KVM are told apart */
	bool sees_entries; /* kvm_entry is attached */
	bool sees_switches;
	uint64_t lost, missed;
	uint64_t untraced; /* threads that came later and found no room; maybe vCPUs */
	struct vh_trace_event *events;
	size_t n_events;
	struct vh_vcpu_exits **vcpus; /* by index */
	size_t n_vcpus;
	struct vh_vcpu_exits *vm; /* the VM as a whole; NULL: nothing of it was seen */
	size_t evidence;          /* index in the case, or SIZE_MAX */
};

/* machine as uname has it ("aarch64"), NULL unknown; devices may be NULL. NULL and *err where it is
 * no such JSON. */
struct vh_devices;
struct vh_exits *vh_exits_decode(struct vh_str json, const char *machine,
	const struct vh_devices *devices, struct vh_error **err);
void vh_exits_free(struct vh_exits *e);

const struct vh_vcpu_exits *vh_exits_of(const struct vh_exits *e, int vcpu); /* NULL: not traced */
/* Share of its span that a vCPU spent there; a negative place or rest: any. NAN without a span. */
double vh_exits_share(const struct vh_vcpu_exits *v, int place, int rest);
/* How often a vCPU had a key of that kind, in any exit, listed or not. */
uint64_t vh_exits_count(const struct vh_vcpu_exits *v, enum vh_key_kind kind);
/* How often per second a vCPU had a key of that kind, in any exit; NAN where its event was not
 * counted. */
double vh_exits_rate(
	const struct vh_exits *e, const struct vh_vcpu_exits *v, enum vh_key_kind kind);
/* The most frequent key of a kind, or NULL. */
const struct vh_exit_key *vh_exits_top(const struct vh_vcpu_exits *v, enum vh_key_kind kind);
/* What became of an event ("kvm:kvm_exit"); NULL: not in the evidence. */
const struct vh_trace_event *vh_exits_event(const struct vh_exits *e, const char *name);

/*
 * What an exit reason means, beyond its name, for rules that must not know each ISA's numbers.
 * Unknown numbers are VH_MEANS_OTHER.
 */
enum vh_exit_means {
	VH_MEANS_OTHER,
	VH_MEANS_INTERRUPT, /* of the host: a timer tick, a kick. It says nothing of the guest */
	VH_MEANS_HALT,      /* HLT, MWAIT, WFI: the guest has nothing to do */
	VH_MEANS_PAUSE,     /* it waits in a loop: PAUSE, WFE */
	VH_MEANS_PIO,
	VH_MEANS_MMIO,  /* a fault on an address without memory */
	VH_MEANS_FAULT, /* nested page fault, EPT violation, stage 2 abort: memory, or MMIO on SVM
			 */
	VH_MEANS_MSR,   /* a system register on arm64 */
	VH_MEANS_CPUID,
	VH_MEANS_HYPERCALL, /* VMCALL, VMMCALL, HVC, SMC */
	VH_MEANS_EXCEPTION,
	VH_MEANS_IRQ_WINDOW, /* the guest can take an interrupt now */
	VH_MEANS_APIC,
	VH_MEANS_NAE,      /* VMGEXIT, TDCALL: an encrypted guest asks; the code is in a key */
	VH_MEANS_SHUTDOWN, /* triple fault */
	VH_MEANS_SMI_NMI,
	VH_MEANS_FAILED_ENTRY,
	VH_N_EXIT_MEANS
};
enum vh_exit_means vh_exit_means(enum vh_isa isa, uint64_t reason);
/* The kernel's name of an exit reason in lower or upper case as its tracepoint prints it; NULL for
 * a number that it does not know. */
const char *vh_exit_reason_name(enum vh_isa isa, uint64_t reason);
/* KVM_EXIT_*: "KVM_EXIT_IO"; NULL unknown. */
const char *vh_kvm_exit_name(uint64_t reason);
