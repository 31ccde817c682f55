/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The case of cases/hung-after-start.md as evidence, and its variants: a SEV-ES guest of eight
 * vCPUs that hangs in its firmware. Built of what the text has: threads, one dump of vCPU 0, a
 * table of exits of the VM as a whole.
 */
#pragma once

#include "tests/unit/casebuild.h"

/* As KVM answers for a SEV-ES vCPU: nothing but CR0, CR4, EFER and what the last exit left. */
static inline struct vh_registers seed_bare(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	return (struct vh_registers){
		.rflags = 2, .a20 = true, .cr0 = cr0, .cr4 = cr4, .efer = efer};
}

static inline struct vh_registers seed_registers(void)
{
	struct vh_registers r = seed_bare(0x80010033, 0x668, 0xd00);

	r.rax = 0xfee00900;
	r.rcx = 0x1b;
	return r;
}

struct seed {
	bool no_dump, all_busy, two_looks;
	struct vh_registers regs; /* of vCPU 0; CR0 0: the seed's */
	bool reset_dump;          /* QEMU's cached state on all of them */
	const char *exits;        /* rows of trace.exits; NULL: the seed's */
	const char *isa;          /* NULL: SVM */
	const char *query_sev;
	const char *serial;
};

/* Total CPU time so far, growing by `share` of the window. */
static inline void seed_total(struct vh_case *c, int vcpu, double total_s, double share)
{
	vh_auto_free char *subject = vh_asprintf("tid:%d", CASE_PID + 10 + vcpu);

	for (size_t i = 0; i < VH_ARRAY_SIZE(case_looks); i++) {
		enum vh_round round = case_looks[i];
		double s = (double)(case_at_ns[round] - case_at_ns[VH_FIRST]) / 1e9;
		vh_auto_free char *text =
			vh_asprintf("%.0f 1000 42\n", total_s * 1e9 + s * share * 1e9);

		vh_evidence_set_data(
			vh_case_find(c, "task.schedstat", subject, round), text, strlen(text));
	}
}

#define SEED_ROWS                                                                                  \
	"{\"reason\": \"0x60\", \"count\": 152, \"timed\": 152, \"total_ns\": 635360},"            \
	"{\"reason\": \"0x77\", \"count\": 4, \"timed\": 4, \"total_ns\": 6480}"
#define HLT_ROWS SEED_ROWS ",{\"reason\": \"0x78\", \"count\": 18, \"timed\": 18, \"total_ns\": 9}"
#define VMX_ROWS                                                                                   \
	"{\"reason\": \"0x1\", \"count\": 152, \"timed\": 152, \"total_ns\": 635360},"             \
	"{\"reason\": \"0x28\", \"count\": 4, \"timed\": 4, \"total_ns\": 6480}"

/* A table for the VM as a whole, as `perf kvm stat live` prints it: no entries, no times. */
static inline void seed_exits(struct vh_case *c, const char *isa, const char *rows)
{
	vh_auto_free char *text = vh_asprintf(
		"{\"backend\": \"perf\", \"span_ns\": 1000000000, \"isa\": %s, \"events\": "
		"[{\"name\": \"kvm:kvm_exit\", \"state\": \"attached\", \"seen\": 156}], "
		"\"threads\": [{\"vcpu\": -1, \"exits\": [%s]}]}",
		isa, rows);

	case_text(c, VH_LAST, "trace.exits", "", text);
}

static inline struct vh_case *seed(struct seed s)
{
	struct vh_case *c = case_new(8);

	case_main_thread(c);
	for (int i = 0; i < 8; i++) {
		bool busy = i == 0 || s.all_busy;

		if (busy)
			case_busy_vcpu(c, i);
		else
			case_halted_vcpu(c, i, 0);
		seed_total(c, i, busy ? 24240 : 0.05 + 0.01 * (i == 6), busy ? 0.999 : 0);
		if (s.no_dump || (i && !s.reset_dump))
			continue;
		struct vh_registers r = s.reset_dump ? case_regs_reset()
					: s.regs.cr0 ? s.regs
						     : seed_registers();

		case_registers_in(c, VH_ASKED, i, r);
		if (s.two_looks)
			case_registers_in(c, VH_ASKED_AGAIN, i, r);
	}
	case_status(c, "running", true);
	seed_exits(c, s.isa ? s.isa : "2", s.exits ? s.exits : SEED_ROWS);
	if (s.query_sev)
		case_text(c, VH_ASKED, "qmp.query-sev", "", s.query_sev);
	if (s.serial)
		vh_evidence_set_number(
			case_text(c, VH_FIRST, "log.serial", "/var/log/serial", s.serial), "size",
			(int64_t)strlen(s.serial));
	return c;
}
