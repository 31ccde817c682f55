/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builds evidence trace.exits (docs/trace-format.md) for tests of verdicts, in few lines. */
#pragma once

#include "tests/unit/infer/judged.h"

/* Rows of trace.exits. SVM exit reasons: 0x60 host interrupt, 0x64 interrupt window, 0x77 PAUSE,
 * 0x78 HLT, 0x7b port, 0x7c MSR, 0x7f shutdown, 0x400 nested page fault. */
#define ROW(reason, n) "{\"reason\":\"" #reason "\",\"count\":" #n "}"
#define KEY(kind, value, detail, n)                                                                \
	"{\"kind\":\"" kind "\",\"value\":\"" #value "\",\"detail\":\"" #detail "\",\"count\":" #n \
	"}"
#define KEY_IN(reason, kind, value, detail, n)                                                     \
	"{\"kind\":\"" kind "\",\"reason\":\"" #reason "\",\"value\":\"" #value                    \
	"\",\"detail\":\"" #detail "\",\"count\":" #n "}"
/* Where the host's interrupts met it. */
#define RIP(value, n) KEY_IN(0x60, "rip", value, 0, n)

enum host { REAL, EMULATES }; /* does kvm_exit fire? */

struct traced { /* a vCPU; shares of its second */
	double guest, inside, user, asleep, ready;
	unsigned entries;
	const char *exits, *keys; /* rows, separated by commas; NULL none */
	const char *more;         /* members of "more" */
};

struct tracing {
	enum host host;
	const char *more;      /* of the whole: "\"lost\":3," */
	const char *sampled;   /* the one event that was counted for 20 ms only */
	const char *uncounted; /* the one event that is absent here */
	const char *vm_keys;
};

static inline void put_events(struct vh_buf *b, const struct tracing *t)
{
	static const char *const names[] = {"kvm:kvm_exit", "kvm:kvm_entry", "kvm:kvm_pio",
		"kvm:kvm_mmio", "kvm:kvm_msr", "kvm:kvm_cpuid", "kvm:kvm_userspace_exit",
		"kvm:kvm_inj_virq", "kvm:kvm_inj_exception", "kvm:kvm_apic_ipi",
		"kvm:kvm_apic_accept_irq", "kvm:kvm_eoi", "kvm:kvm_page_fault",
		"kvm:kvm_emulate_insn", "kvm:kvm_vcpu_wakeup", "kvm:kvm_set_irq",
		"sched:sched_switch"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(names); i++)
		vh_buf_printf(b, "%s{\"name\":\"%s\",\"state\":\"%s\",\"seen\":1000%s}",
			i ? "," : "", names[i],
			vh_streq(names[i], t->uncounted) ? "absent"
			: vh_streq(names[i], t->sampled) ? "sampled"
							 : "attached",
			vh_streq(names[i], t->sampled) ? ",\"span_ns\":20000000" : "");
}

static inline void put_vcpu(struct vh_buf *b, int vcpu, const struct traced *v)
{
	vh_buf_printf(b,
		"{\"vcpu\":%d,\"tid\":%d,\"entries\":%u,\"time_ns\":{"
		"\"guest\":{\"on\":%.0f},\"inside\":{\"on\":%.0f,\"asleep\":%.0f,\"ready\":%.0f},"
		"\"user\":{\"on\":%.0f}},\"exits\":[%s],\"keys\":[%s],\"more\":{%s}}",
		vcpu, CASE_PID + 10 + vcpu, v->entries, 1e9 * v->guest, 1e9 * v->inside,
		1e9 * v->asleep, 1e9 * v->ready, 1e9 * v->user, v->exits ? v->exits : "",
		v->keys ? v->keys : "", v->more ? v->more : "");
}

static inline void put_trace(
	struct vh_case *c, struct tracing t, const struct traced *vcpus, size_t n)
{
	vh_auto_buf struct vh_buf b = {0};

	vh_buf_printf(&b, "{\"backend\":\"bpf\",\"span_ns\":1000000000,\"attach_ns\":5000000,%s%s",
		t.host == REAL ? "\"isa\":2," : "", t.more ? t.more : "");
	vh_buf_puts(&b, "\"events\":[");
	put_events(&b, &t);
	vh_buf_puts(&b, "],\"threads\":[");
	for (size_t i = 0; i < n; i++) {
		put_vcpu(&b, (int)i, &vcpus[i]);
		vh_buf_puts(&b, ",");
	}
	vh_buf_printf(&b, "{\"vcpu\":-1,\"keys\":[%s]}]}", t.vm_keys ? t.vm_keys : "");
	case_text(c, VH_LAST, "trace.exits", "", vh_buf_str(&b));
}

/* A vCPU that uses a CPU all the time, and was created that long ago. */
static inline struct vh_case *busy_for(unsigned vcpus, double ran_s)
{
	struct vh_case *c = case_new(vcpus);

	case_main_thread(c);
	case_busy_vcpu(c, 0);
	for (size_t i = 0; i < VH_ARRAY_SIZE(case_looks); i++) {
		vh_auto_free char *subject = vh_asprintf("tid:%d", CASE_PID + 10);
		struct vh_evidence *e = vh_case_find(c, "task.schedstat", subject, case_looks[i]);
		double passed = (double)(case_at_ns[case_looks[i]] - case_at_ns[VH_FIRST]);
		vh_auto_free char *text = vh_asprintf("%.0f 0 42\n", ran_s * 1e9 + 0.99 * passed);

		vh_evidence_set_data(e, text, strlen(text));
	}
	c->passive = true;
	return c;
}

/* The same with a trace of that one vCPU. */
static inline struct vh_case *busy_with(
	double ran_s, struct tracing t, const char *exits, const char *keys)
{
	struct vh_case *c = busy_for(1, ran_s);
	struct traced v = {.exits = exits, .keys = keys};

	if (t.host == REAL) {
		v.guest = 1;
		v.entries = 1000;
	} else {
		v.inside = 1;
	}
	put_trace(c, t, &v, 1);
	return c;
}

/* "RIP", n places a kilobyte apart, met that often each. */
static inline char *rips(const char *kind, int reason, unsigned n, unsigned times)
{
	struct vh_buf b = {0};

	for (unsigned i = 0; i < n; i++) {
		vh_buf_printf(&b, "%s{\"kind\":\"%s\",\"value\":\"0x%" PRIx64 "\",\"count\":%u",
			i ? "," : "", kind, UINT64_C(0xffffffff81000000) + i * 1024, times);
		if (reason)
			vh_buf_printf(&b, ",\"reason\":\"%d\"", reason);
		vh_buf_puts(&b, "}");
	}
	return vh_buf_steal(&b);
}

/* perf kvm stat of cases/hung-after-start.md; monitor-held-spin of the lab. */
#define SPIN_ROWS     ROW(0x60, 152) "," ROW(0x77, 4)
#define TWO_OF_A_SPIN KEY("emulated", 0xf0001, 0, 37978) "," KEY("emulated", 0xf0003, 0, 37979)
