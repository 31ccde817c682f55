/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../test.h"

#include <math.h>

#include "../casebuild.h"
#include "decode/constants.h"
#include "decode/keytext.h"
#include "decode/model.h"

#define EVENTS                                                                                     \
	"\"events\": [{\"name\": \"kvm:kvm_exit\", \"state\": \"attached\", \"seen\": 203},"       \
	"{\"name\": \"kvm:kvm_entry\", \"state\": \"attached\", \"seen\": 203},"                   \
	"{\"name\": \"sched:sched_switch\", \"state\": \"attached\", \"seen\": 9},"                \
	"{\"name\": \"kvm:kvm_emulate_insn\", \"state\": \"sampled\", \"seen\": 2000,"             \
	" \"span_ns\": 1000000, \"why\": \"2000000 a second\"},"                                   \
	"{\"name\": \"kvm:kvm_xen_hypercall\", \"state\": \"absent\"}]"

/* One second of a vCPU that writes to COM1, and of one that is halted. */
#define TRACE                                                                                      \
	"{\"backend\": \"perf\", \"not\": [{\"backend\": \"bpf\", \"why\": \"no BTF\"}],"          \
	"\"span_ns\": 1000000000, \"attach_ns\": 31000000, \"isa\": 2, \"lost\": 3," EVENTS ","    \
	"\"threads\": ["                                                                           \
	"{\"vcpu\": 1, \"tid\": 4722, \"time_ns\": {\"kvm\": {\"asleep\": 1000000000}},"           \
	" \"place\": \"kvm\", \"rest\": \"asleep\", \"since_ns\": 5000000000},"                    \
	"{\"vcpu\": 0, \"tid\": 4721, \"entries\": 203, \"time_ns\": {\"guest\": {\"on\": "        \
	"700000000, \"ready\": 100000000}, \"kvm\": {\"on\": 50000000}, \"user\": {\"on\": "       \
	"150000000}}, \"place\": \"guest\", \"rest\": \"on\", \"since_ns\": 12000,"                \
	" \"exits\": ["                                                                            \
	"{\"reason\": \"0x60\", \"count\": 3, \"timed\": 3, \"total_ns\": 9000, \"min_ns\": "      \
	"2000, \"max_ns\": 4000, \"squares\": 29000000.0, \"log2\": [0,0,0,0,0,0,0,0,0,0,0,3]},"   \
	"{\"reason\": \"0x7b\", \"count\": 200, \"timed\": 199, \"total_ns\": 1990000, "           \
	"\"min_ns\": 10000, \"max_ns\": 10000, \"squares\": 19900000000.0},"                       \
	"{\"reason\": \"0x999\", \"count\": 1}],"                                                  \
	" \"keys\": ["                                                                             \
	"{\"kind\": \"msr\", \"value\": \"0x1b\", \"count\": 2},"                                  \
	"{\"kind\": \"pio\", \"value\": \"0x3fd\", \"detail\": \"0x100\", \"reason\": \"0x7b\", "  \
	"\"count\": 80},"                                                                          \
	"{\"kind\": \"pio\", \"value\": \"0x3f8\", \"detail\": \"0x101\", \"reason\": \"0x7b\", "  \
	"\"count\": 120},"                                                                         \
	"{\"kind\": \"emulated\", \"value\": \"0x7c00\", \"count\": 2000}]},"                      \
	"{\"vcpu\": -1, \"keys\": [{\"kind\": \"gsi\", \"value\": \"4\", \"detail\": \"1\", "      \
	"\"count\": 7}], \"statistics\": {\"exits\": 12}}]}"

static struct vh_exits *decode(const char *json)
{
	vh_auto_error struct vh_error *err = NULL;
	struct vh_exits *e = vh_exits_decode(vh_str(json), "x86_64", NULL, &err);

	if (err)
		fail_msg("%s", err->message);
	assert_non_null(e);
	return e;
}

static void refused(const char *json, const char *why)
{
	vh_auto_error struct vh_error *err = NULL;

	assert_null(vh_exits_decode(vh_str(json), NULL, NULL, &err));
	assert_non_null(err);
	if (!strstr(err->message, why))
		fail_msg("%s: not \"%s\"", err->message, why);
}

static void near(double is, double should)
{
	if (!(fabs(is - should) <= fabs(should) * 1e-9))
		fail_msg("%.12g instead of %.12g", is, should);
}

static void test_whole(void **state VH_UNUSED)
{
	struct vh_exits *e = decode(TRACE);

	assert_string_equal(e->backend, "perf");
	assert_string_equal(e->why_not_better, "bpf: no BTF");
	near(e->span_ns, 1e9);
	near(e->attach_ns, 31e6);
	assert_int_equal(e->isa, VH_ISA_SVM);
	assert_int_equal(e->lost, 3);
	assert_true(e->sees_exits && e->sees_entries && e->sees_switches);
	assert_int_equal(e->n_vcpus, 2);
	assert_int_equal(e->vcpus[0]->vcpu, 0);
	assert_int_equal(e->vcpus[0]->tid, 4721);
	assert_ptr_equal(vh_exits_of(e, 1), e->vcpus[1]);
	assert_null(vh_exits_of(e, 2));
	assert_non_null(e->vm);
	assert_string_equal(e->vm->keys[0].text, "GSI 4, raised");
	assert_string_equal(e->vm->statistics[0].name, "exits");
	assert_int_equal(e->vm->statistics[0].value, 12);
	assert_int_equal(e->n_events, 5);
	const struct vh_trace_event *event = vh_exits_event(e, "kvm:kvm_emulate_insn");

	assert_int_equal(event->state, VH_EVENT_SAMPLED);
	near(event->span_ns, 1e6);
	assert_string_equal(event->why, "2000000 a second");
	assert_null(vh_exits_event(e, "kvm:kvm_pio"));
	vh_exits_free(e);
}

static void test_rows(void **state VH_UNUSED)
{
	struct vh_exits *e = decode(TRACE);
	const struct vh_vcpu_exits *v = vh_exits_of(e, 0);

	assert_int_equal(v->exits, 204);
	assert_int_equal(v->entries, 203);
	assert_int_equal(v->n_rows, 3);
	assert_string_equal(v->rows[0].name, "io");
	near(v->rows[0].timing.mean_ns, 10000);
	near(v->rows[0].timing.deviation + 1, 1);
	assert_string_equal(v->rows[1].text, "interrupt");
	/* 2, 3 and 4 us: the standard deviation is 1 us, of the mean 1/sqrt(3), mean 3. */
	near(v->rows[1].timing.deviation, 1 / sqrt(3) / 3);
	assert_int_equal(v->rows[1].timing.log2[11], 3);
	assert_null(v->rows[2].name);
	assert_string_equal(v->rows[2].text, "0x999");
	assert_int_equal(v->rows[2].timing.count, 1);
	assert_true(isnan(v->rows[2].timing.mean_ns) && isnan(v->rows[2].timing.max_ns));
	vh_exits_free(e);
}

static void test_shares(void **state VH_UNUSED)
{
	struct vh_exits *e = decode(TRACE);
	const struct vh_vcpu_exits *v = vh_exits_of(e, 0);

	near(v->span_ns, 1e9);
	near(vh_exits_share(v, VH_PLACE_GUEST, -1), 0.8);
	near(vh_exits_share(v, VH_PLACE_GUEST, VH_REST_ON), 0.7);
	near(vh_exits_share(v, -1, VH_REST_READY), 0.1);
	near(vh_exits_share(v, -1, -1), 1);
	assert_true(isnan(vh_exits_share(e->vm, -1, -1)));
	assert_int_equal(e->vcpus[1]->rest, VH_REST_ASLEEP);
	near(e->vcpus[1]->since_ns, 5e9);
	vh_exits_free(e);
}

static void test_keys(void **state VH_UNUSED)
{
	struct vh_exits *e = decode(TRACE);
	const struct vh_vcpu_exits *v = vh_exits_of(e, 0);
	const struct vh_exit_key *k = vh_exits_top(v, VH_KEY_PIO);

	assert_int_equal(v->n_keys, 4);
	assert_string_equal(k->text, "port 0x3f8, out, 1 byte");
	assert_string_equal(k->device, "serial port COM1");
	assert_int_equal(k->reason, 0x7b);
	assert_string_equal(k[1].text, "port 0x3fd, in, 1 byte");
	assert_string_equal(vh_exits_top(v, VH_KEY_MSR)->text, "IA32_APIC_BASE (0x1b), read");
	assert_int_equal(vh_exits_top(v, VH_KEY_MSR)->reason, VH_NO_REASON);
	assert_null(vh_exits_top(v, VH_KEY_MMIO));
	/* kvm_pio is not in the list of events, but was seen: 200 in one second. */
	near(vh_exits_rate(e, v, VH_KEY_PIO), 200);
	/* Sampled for a millisecond. */
	near(vh_exits_rate(e, v, VH_KEY_EMULATED), 2e6);
	assert_true(isnan(vh_exits_rate(e, v, VH_KEY_XEN_HYPERCALL)));
	assert_true(isnan(vh_exits_rate(e, v, VH_KEY_MMIO)));
	near(1 + vh_exits_rate(e, v, VH_KEY_RIP), 1);
	vh_exits_free(e);
}

/* Keys that are not listed count as much as those that are. */
static void test_more(void **state VH_UNUSED)
{
	struct vh_exits *e = decode(
		"{\"backend\": \"bpf\", \"span_ns\": 1000000000, \"untraced\": 2, \"threads\": "
		"[{\"vcpu\": 0, \"keys\": [{\"kind\": \"fault\", \"value\": \"0x1000\", "
		"\"count\": 5}], \"more\": {\"fault\": {\"keys\": 900, \"count\": 995}, \"?\": "
		"{\"keys\": 1, \"count\": 1}, \"pio\": {\"keys\": -1, \"count\": 7}, \"msr\": "
		"9}}]}");

	assert_int_equal(e->untraced, 2);
	assert_int_equal(e->vcpus[0]->more[VH_KEY_FAULT].keys, 900);
	assert_int_equal(vh_exits_count(e->vcpus[0], VH_KEY_FAULT), 1000);
	near(vh_exits_rate(e, e->vcpus[0], VH_KEY_FAULT), 1000);
	assert_int_equal(vh_exits_count(e->vcpus[0], VH_KEY_PIO), 0);
	assert_int_equal(vh_exits_count(e->vcpus[0], VH_KEY_MSR), 0);
	vh_exits_free(e);
}

static void test_emulating_kvm(void **state VH_UNUSED)
{
	struct vh_exits *e = decode(
		"{\"backend\": \"bpf\", \"span_ns\": 1000, \"events\": [{\"name\": "
		"\"kvm:kvm_exit\", \"state\": \"attached\"}, {\"name\": \"kvm:kvm_entry\", "
		"\"state\": \"attached\"}], \"threads\": [{\"vcpu\": 0, \"tid\": 1, \"time_ns\": "
		"{\"inside\": {\"on\": 1000}}}]}");

	assert_false(e->sees_exits);
	assert_true(e->sees_entries);
	assert_false(e->sees_switches);
	assert_int_equal(e->isa, VH_ISA_UNKNOWN);
	assert_null(e->why_not_better);
	vh_exits_free(e);
}

#define ONE(thread)                                                                                \
	"{\"backend\": \"bpf\", \"span_ns\": 1000000000, \"isa\": 1, \"threads\": [" thread "]}"

static void test_hostile(void **state VH_UNUSED)
{
	refused("", "not JSON");
	refused("[1, 2]", "no backend");
	refused("{\"backend\": \"magic\", \"span_ns\": 1}", "no backend");
	refused("{\"backend\": \"bpf\"}", "how long");
	refused("{\"backend\": \"bpf\", \"span_ns\": 0}", "how long");
	refused("{\"backend\": \"bpf\", \"span_ns\": -5}", "how long");
	refused("{\"backend\": \"bpf\", \"span_ns\": 9000000000000000000}", "how long");
	refused("{\"backend\": \"bpf\", \"span_ns\": \"1000\"}", "how long");

	/* Threads without a vCPU, or with none that could be. */
	struct vh_exits *e = decode(ONE("7, null, {}, {\"vcpu\": \"0\"}, {\"vcpu\": -2}, "
					"{\"vcpu\": 99999999}, {\"vcpu\": -1}, {\"vcpu\": -1}"));

	assert_int_equal(e->n_vcpus, 0);
	assert_non_null(e->vm);
	vh_exits_free(e);

	/* Times that are more than there was time. */
	e = decode(ONE("{\"vcpu\": 0, \"tid\": -4, \"place\": \"moon\", \"since_ns\": -1, "
		       "\"time_ns\": {\"guest\": {\"on\": 1500000000}}},"
		       "{\"vcpu\": 1, \"time_ns\": {\"guest\": {\"on\": -100}}},"
		       "{\"vcpu\": 2, \"time_ns\": {\"guest\": {\"on\": 1001000000}}}"));
	assert_int_equal(e->vcpus[0]->tid, 0);
	assert_int_equal(e->vcpus[0]->place, VH_PLACE_UNKNOWN);
	assert_true(isnan(vh_exits_share(e->vcpus[0], VH_PLACE_GUEST, -1)));
	assert_true(isnan(vh_exits_share(e->vcpus[1], VH_PLACE_GUEST, -1)));
	near(vh_exits_share(e->vcpus[2], VH_PLACE_GUEST, -1), 1);
	vh_exits_free(e);

	/* Negative and contradictory counts, unknown kinds, numbers that are none. */
	e = decode(ONE("{\"vcpu\": 0, \"entries\": -1, \"exits\": [{\"reason\": \"0x1\", "
		       "\"count\": -3}, {\"reason\": \"zero\", \"count\": 3}, {\"count\": 3}, "
		       "{\"reason\": \"0x80000021\", \"count\": 3, \"timed\": 4, \"total_ns\": 9}, "
		       "{\"reason\": \"30\", \"count\": 9, \"timed\": 9, \"total_ns\": 900, "
		       "\"min_ns\": 200, \"max_ns\": 100}, {\"reason\": \"12\", \"count\": "
		       "9223372036854775807}, {\"reason\": \"12\", \"count\": "
		       "9223372036854775807}, {\"reason\": \"12\", \"count\": "
		       "9223372036854775807}], \"keys\": [{\"kind\": \"what\", \"value\": \"1\", "
		       "\"count\": 1}, {\"kind\": \"pio\", \"value\": 5, \"count\": 1}, "
		       "{\"kind\": \"pio\", \"value\": \"0xffffffffffffffff\", \"detail\": "
		       "\"0xffffffffffffffff\", \"count\": 1}]}"));
	assert_int_equal(e->vcpus[0]->entries, 0);
	assert_int_equal(e->vcpus[0]->n_rows, 5);
	assert_int_equal(e->vcpus[0]->exits, UINT64_MAX);
	assert_string_equal(e->vcpus[0]->rows[4].text, "INVALID_STATE|FAILED_VMENTRY");
	assert_true(isnan(e->vcpus[0]->rows[4].timing.total_ns));
	assert_true(isnan(e->vcpus[0]->rows[3].timing.mean_ns));
	assert_int_equal(e->vcpus[0]->n_keys, 1);
	assert_string_equal(e->vcpus[0]->keys[0].text, "port 0xffffffffffffffff, out, 255 bytes");
	assert_null(e->vcpus[0]->keys[0].device);
	vh_exits_free(e);
}

/* More rows, keys, threads and names than there can be are cut, and what is not ours is escaped. */
static void test_flood(void **state VH_UNUSED)
{
	struct vh_buf b = {0};

	vh_buf_puts(&b, "{\"backend\": \"bpf\", \"span_ns\": 1000000000, \"events\": [");
	for (int i = 0; i < 500; i++)
		vh_buf_printf(&b, "%s{\"name\": \"kvm:\\u001b[2J%d\", \"state\": \"failed\"}",
			i ? "," : "", i);
	vh_buf_puts(&b, "], \"threads\": [{\"vcpu\": 0, \"exits\": [");
	for (int i = 0; i < 3000; i++)
		vh_buf_printf(&b, "%s{\"reason\": \"%d\", \"count\": 1}", i ? "," : "", i);
	vh_buf_puts(&b, "], \"keys\": [");
	for (int i = 0; i < 9000; i++)
		vh_buf_printf(&b, "%s{\"kind\": \"rip\", \"value\": \"%d\", \"count\": 1}",
			i ? "," : "", i);
	vh_buf_puts(&b, "]}");
	for (int i = 1; i < 9000; i++)
		vh_buf_printf(&b, ",{\"vcpu\": %d}", i % 4096);
	vh_buf_puts(&b, "]}");
	struct vh_exits *e = decode(vh_buf_str(&b));

	assert_int_equal(e->n_events, 64);
	assert_string_equal(e->events[0].name, "kvm:\\x1b[2J0");
	assert_int_equal(e->n_vcpus, 4097);
	assert_int_equal(e->vcpus[0]->n_rows, 512);
	assert_int_equal(e->vcpus[0]->n_keys, 4096);
	vh_exits_free(e);
	vh_buf_free(&b);
}

static void test_model(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(2);
	struct vh_evidence *found = case_text(c, VH_LAST, "trace.exits", "", TRACE);

	case_text(c, VH_ONCE, "host.uname", "", "Linux\n6.12\n#1 SMP\nx86_64\n");
	struct vh_model *m = vh_model_build(c);

	assert_non_null(m->exits);
	assert_int_equal(m->exits->evidence, vh_case_index(c, found));
	assert_null(m->devices);
	vh_model_free(m);
	vh_evidence_set_data(found, "{\"backend\"", 10);
	m = vh_model_build(c);
	assert_null(m->exits);
	vh_model_free(m);
	vh_case_free(c);
}

static void test_means(void **state VH_UNUSED)
{
	assert_int_equal(vh_exit_means(VH_ISA_SVM, 0x77), VH_MEANS_PAUSE);
	assert_int_equal(vh_exit_means(VH_ISA_VMX, 40), VH_MEANS_PAUSE);
	assert_int_equal(vh_exit_means(VH_ISA_VMX, 0x80000021), VH_MEANS_FAILED_ENTRY);
	assert_int_equal(vh_exit_means(VH_ISA_SVM, UINT64_MAX), VH_MEANS_FAILED_ENTRY);
	assert_int_equal(vh_exit_means(VH_ISA_SVM, 0xffffffff), VH_MEANS_FAILED_ENTRY);
	assert_int_equal(vh_exit_means(VH_ISA_VMX, 77), VH_MEANS_NAE);
	assert_int_equal(vh_exit_means(VH_ISA_ARM64, 0x24), VH_MEANS_FAULT);
	assert_int_equal(vh_exit_means(VH_ISA_ARM64, VH_ARM64_NO_TRAP + 0), VH_MEANS_INTERRUPT);
	assert_int_equal(vh_exit_means(VH_ISA_PVM, 0x20002), VH_MEANS_HALT);
	assert_int_equal(vh_exit_means(VH_ISA_UNKNOWN, 12), VH_MEANS_OTHER);
	assert_string_equal(vh_exit_reason_name(VH_ISA_ARM64, 1), "WFx");
	assert_null(vh_exit_reason_name(VH_ISA_SVM, 0x999));
	assert_string_equal(vh_kvm_exit_name(24), "KVM_EXIT_SYSTEM_EVENT");
	assert_null(vh_kvm_exit_name(4711));
}

struct key_text {
	enum vh_isa isa;
	enum vh_key_kind kind;
	uint64_t value, detail, reason;
	const char *text;
};

static const struct key_text key_texts[] = {
#define X    VH_ISA_SVM
#define I    VH_ISA_VMX
#define NONE VH_NO_REASON
	{X, VH_KEY_PIO, 0xcfc, 0x400, NONE, "port 0xcfc, in, 4 bytes"},
	{X, VH_KEY_MMIO, 0xfee000b0, 0x402, NONE, "address 0xfee000b0, write, 4 bytes"},
	{X, VH_KEY_MMIO, 0xfe003000, 3, NONE, "address 0xfe003000, fast write"},
	{X, VH_KEY_MSR, 0x830, 1, NONE, "x2APIC ICR (0x830), write"},
	{X, VH_KEY_MSR, 0xdead, 2, NONE, "MSR 0xdead, read, refused (#GP)"},
	{X, VH_KEY_MSR, 0x4b564d01, 1, NONE, "KVM system time (0x4b564d01), write"},
	{X, VH_KEY_CR, 3, 1, NONE, "CR3, write"},
	{X, VH_KEY_CPUID, 0x80000008, 0, NONE, "leaf 0x80000008, index 0x0"},
	{X, VH_KEY_HYPERCALL, 5, 0, NONE, "KICK_CPU (0x5)"},
	{I, VH_KEY_HYPERCALL, 0x10003, 0, 77, "REPORT_FATAL_ERROR (0x10003)"},
	{X, VH_KEY_HYPERCALL, 0x77, 0, NONE, "hypercall 0x77"},
	{X, VH_KEY_HV_HYPERCALL, 8, 0, NONE, "NOTIFY_LONG_SPIN_WAIT (0x8)"},
	{X, VH_KEY_XEN_HYPERCALL, 29, 0, NONE, "sched_op (0x1d)"},
	{X, VH_KEY_FAULT, 0xfee00000, UINT64_C(0x10000000f), 0x400,
		"address 0xfee00000, write, user, reserved bit (MMIO), final address, "
		"present"},
	{X, VH_KEY_FAULT, 0x1000, 0x14, 0x400, "address 0x1000, fetch, user, not present"},
	{I, VH_KEY_FAULT, 0x1000, 0x181, 48, "address 0x1000, read, not present"},
	{I, VH_KEY_FAULT, 0x1000, 0x1aa, 48, "address 0x1000, write, present (r-x)"},
	{I, VH_KEY_FAULT, 0x1000, 0x81, NONE, "address 0x1000, read, not present, page walk"},
	{I, VH_KEY_FAULT, 0x1000, 0x2, 0, "address 0x1000, write, not present"},
	{X, VH_KEY_FAULT_RIP, 0xffff, 0x1000, NONE, "RIP 0xffff, address 0x1000"},
	{X, VH_KEY_FAULT_RIP, 0, 0x1000, NONE, "address 0x1000"},
	{X, VH_KEY_VIRQ, 0xec, 1, NONE, "vector 0xec (Linux: local timer), again"},
	{X, VH_KEY_VIRQ, 8, 0, NONE, "vector 0x8 (BIOS: IRQ 0)"},
	{X, VH_KEY_EXCEPTION, 14, UINT64_C(0x100000002), NONE, "#PF, error code 0x2"},
	{X, VH_KEY_EXCEPTION, 6, 0, NONE, "#UD"},
	{X, VH_KEY_IPI, 0x4500, 1, NONE, "INIT to APIC 0x1"},
	{X, VH_KEY_IPI, 0x8500, 1, NONE, "INIT (de-assert) to APIC 0x1"},
	{X, VH_KEY_IPI, 0x469f, 1, NONE, "SIPI to APIC 0x1, starts at 0x9f000"},
	{X, VH_KEY_IPI, 0xc0400, 0, NONE, "NMI to all others"},
	{X, VH_KEY_IPI, 0x8fd, 3, NONE,
		"vector 0xfd (Linux: reschedule) to logical destination 0x3"},
	{X, VH_KEY_ACCEPT, 0xfd, 0x100, NONE, "vector 0xfd (Linux: reschedule), level-triggered"},
	{X, VH_KEY_ACCEPT, 0x9f, 6, NONE, "SIPI, starts at 0x9f000"},
	{X, VH_KEY_EOI, 0x31, 0, NONE, "vector 0x31"},
	{X, VH_KEY_EOI, UINT64_MAX, 0, NONE, "no interrupt was being served"},
	{X, VH_KEY_EMULATED, 0x7c00, 1, NONE, "at 0x7c00, failed"},
	{X, VH_KEY_NAE, 0x7b, 0x3f80010, NONE, "io (0x7b), port 0x3f8, out, 1 byte"},
	{X, VH_KEY_NAE, 0x7b, 0x03fd0011, NONE, "io (0x7b), port 0x3fd, in, 1 byte"},
	{X, VH_KEY_NAE, 0x7c, 1, NONE, "msr (0x7c), write"},
	{X, VH_KEY_NAE, 0x80000002, 0xfee000b0, NONE,
		"vmgexit_mmio_write (0x80000002), address 0xfee000b0"},
	{X, VH_KEY_NAE, 0x80000013, UINT64_C(0x300000001), NONE,
		"vmgexit_ap_creation (0x80000013), create, APIC 0x3"},
	{X, VH_KEY_NAE, 0x8000fffe, 0x12, NONE, "vmgexit_term_request (0x8000fffe), reason 2:1"},
	{X, VH_KEY_NAE, 0x80000099, 0, NONE, "exit 0x80000099"},
	{X, VH_KEY_NAE_MSR, 0x7fe0000, 0, NONE, "GHCB at 0x7fe0000"},
	{X, VH_KEY_NAE_MSR, UINT64_C(0x8000001f40000004), 0, NONE,
		"CPUID (0x4), leaf 0x8000001f, EBX"},
	{X, VH_KEY_NAE_MSR, 0x11100, 0, NONE, "terminate (0x100), reason 1:1"},
	{X, VH_KEY_NAE_MSR, UINT64_C(0x10000000001014), 0, NONE,
		"page state change (0x14), page 0x1000, private"},
	{X, VH_KEY_USERSPACE, 2, 0, NONE, "KVM_EXIT_IO"},
	{X, VH_KEY_USERSPACE, 2, 0xfffffffc, NONE, "interrupted by a signal (EINTR)"},
	{X, VH_KEY_USERSPACE, 17, 0xfffffff2, NONE, "KVM_RUN failed: Bad address (errno 14)"},
	{X, VH_KEY_USERSPACE, 99, 0, NONE, "KVM_EXIT 99"},
	{X, VH_KEY_RIP, 0, 0, NONE, "RIP not told"},
	{X, VH_KEY_RIP, 0xfffffff0, 0, NONE, "RIP 0xfffffff0"},
	{X, VH_KEY_WAKEUP, 1, 1, NONE, "polled, then there was something to do"},
	{X, VH_KEY_GSI, 14, 0, NONE, "GSI 14, lowered"},
};

static void test_texts(void **state VH_UNUSED)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(key_texts); i++) {
		struct vh_exit_key k = {.kind = key_texts[i].kind,
			.value = key_texts[i].value,
			.detail = key_texts[i].detail,
			.reason = key_texts[i].reason};
		vh_auto_free char *text = vh_exit_key_text(key_texts[i].isa, &k);

		assert_string_equal(text, key_texts[i].text);
	}
	/* No number whatever crashes, and each kind has words for it. */
	for (int kind = 0; kind < VH_N_KEY_KIND; kind++) {
		struct vh_exit_key k = {(enum vh_key_kind)kind, UINT64_MAX, UINT64_MAX, UINT64_MAX};
		vh_auto_free char *text = vh_exit_key_text(VH_ISA_VMX, &k);
		vh_auto_free char *device = vh_exit_key_device(VH_ISA_VMX, NULL, &k);

		assert_true(*text);
		assert_null(device);
		assert_int_equal(vh_key_kind_parse(vh_key_kind_name(k.kind)), kind);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_more),
		cmocka_unit_test(test_emulating_kvm),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_means),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
