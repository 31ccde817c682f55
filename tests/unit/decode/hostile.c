/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A case file may come from anybody. Real-looking evidence, changed at random: the model is built
 * from it all the same, and what it says stays within its types. Run it under ASan and UBSan.
 */
#include "decode/model.h"

#include "tests/unit/casebuild.h"
#include "tests/unit/decode/answers.h"
#include "tests/unit/decode/dumps.h"
#include "tests/unit/test.h"

#define ROUNDS 2000

/* xorshift: the same sequence each time, so that a failure can be had again. */
static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void add_monitor(struct vh_case *c)
{
	case_status(c, "running", true);
	case_text(c, VH_ASKED, "qmp.query-version", "", "{\"qemu\": {\"major\": 7}}");
	case_text(c, VH_ASKED, "qmp.query-cpus-fast", "", answer_cpus_fast);
	case_text(c, VH_ASKED, "qmp.query-stats", "vcpu", answer_stats_vcpu);
	case_text(c, VH_ASKED_AGAIN, "qmp.query-stats", "vcpu", answer_stats_vcpu);
	case_text(c, VH_ASKED, "qmp.query-blockstats", "", answer_blockstats);
	case_text(c, VH_ASKED_AGAIN, "qmp.query-blockstats", "", answer_blockstats);
	case_text(c, VH_ASKED, "qmp.query-block", "", answer_block);
	case_text(c, VH_ASKED, "qmp.qom-get", "/machine.confidential-guest-support",
		"\"/objects/sev0\"");
	case_text(c, VH_ASKED, "qmp.qom-get", "/objects/sev0.type", "\"sev-guest\"");
	case_text(c, VH_ASKED, "qmp.qom-get", "/objects/sev0.policy", "5");
	case_text(c, VH_ASKED, "qmp.event", "RESET", "{\"event\": \"RESET\"}");
	case_text(c, VH_ASKED, "hmp.info-registers", "vcpu:0", dump_linux_panic);
	case_text(c, VH_ASKED_AGAIN, "hmp.info-registers", "vcpu:0", dump_sev_es);
	case_text(c, VH_ASKED, "hmp.info-registers", "vcpu:1", dump_seabios_parked);
	case_text(c, VH_ASKED, "guest.code", "vcpu:0", "ffffffff9f5c3643\nf390ebfc90909090\n");
	case_text(c, VH_ASKED, "guest.code", "vcpu:1", "fd09a\nfaf4ebfd\n");
}

static void add_host(struct vh_case *c)
{
	case_text(c, VH_ONCE, "host.uname", "", "Linux\n6.1.0\n#1\nx86_64\n");
	case_text(c, VH_ONCE, "host.cpus", "", "0-7,9\n");
	case_text(c, VH_ONCE, "host.clock-ticks", "", "100\n");
	case_text_always(c, "host.pressure.cpu", "", "some avg10=1.00 total=1\n");
	case_text_always(c, "host.rivals", "", "10 10 1 50 1 95 950000000 hog\n");
	case_text(c, VH_ONCE, "host.kmsg", "", "[99.0] kvm [4711]: vcpu0 x\n[99.1] #AC: 4721\n");
	case_text(c, VH_ONCE, "proc.cgroup", "", "3:cpu,cpuacct:/vm\n0::/machine/vm\n");
	case_text_always(c, "cgroup.cgroup.events", "v2:/machine/vm", "frozen 0\n");
	case_text_always(c, "cgroup.cpu.max", "v2:/machine/vm", "50000 100000\n");
	case_text_always(
		c, "cgroup.cpu.stat", "v2:/machine/vm", "nr_periods 5\nthrottled_usec 7\n");
	case_text_always(c, "cgroup.memory.max", "v2:/machine/vm", "268435456\n");
	case_text_always(c, "cgroup.memory.events", "v2:/machine/vm", "max 5\noom_kill 1\n");
	case_text_always(c, "proc.status", "", "VmRSS:\t  81920 kB\n");
	case_text(c, VH_ONCE, "proc.oom", "", "oom_score 666\noom_score_adj 0\n");
	case_text(c, VH_ONCE, "proc.autogroup", "", "/autogroup-77 nice 19\n");
	case_text(c, VH_ONCE, "proc.fd", "", "12\tanon_inode:[userfaultfd]\n");
}

static struct vh_case *whole_case(void)
{
	struct vh_case *c = case_new(2);

	VH_PUSH(c->vm->serials, c->vm->n_serials) =
		(struct vh_serial){vh_strdup("fifo"), vh_strdup("/run/s"), vh_strdup("serial0")};
	case_main_thread(c);
	case_thread(c, (struct case_thread){.wchan = "hrtimer_nanosleep",
			       .voluntary_per_s = 7000,
			       .syscall = "1 0x7 0x1 0x1 0x0 0x0 0x0 0x1 0x2\n",
			       .stack = "[<0>] pipe_write+0x1/0x2\n[<0>] vfs_write+0x1/0x2\n",
			       .fd = "7\t/run/s"});
	case_halted_vcpu(c, 1, 18);
	case_text(c, VH_LAST, "task.kvmfd", "tid:4722", "anon_inode:kvm-vcpu:1\n");
	case_kvm_stats(c, "vcpu:1", "exits 1\nhalt_exits 2\n", "exits 6\nhalt_exits 3\n");
	case_text(c, VH_ASKED, "libvirt.stats", "", "vcpu.0.exits.sum 5\n");
	add_host(c);
	add_monitor(c);
	case_text(c, VH_LAST, "log.serial", "/run/s", "[ 1.0] Oops: 0\nlogin: \n(initramfs) \n");
	case_text(c, VH_LAST, "log.qemu", "/q", "KVM internal error. Suberror: 1\nFailed to x\n");
	case_text(c, VH_ASKED, "guest.screen", "", "SeaBIOS (version 1)\nNo bootable device.\n");
	return c;
}

/* Values that parsers like to stumble over. */
static void put_odd_text(struct vh_evidence *e, uint64_t *seed)
{
	static const char *const odd[] = {"18446744073709551615", "-9223372036854775808", "\n\n\n",
		"[[[[[[[[[[[[[[[[[[[[[[[[", "{}", "null", "NaN", "1e400", "0x", "-1", ")))(((", "=",
		"\xff\xfe\x80", "4294967296 4294967296 4294967296", "0-18446744073709551615"};

	const char *text = odd[random_next(seed) % VH_ARRAY_SIZE(odd)];

	vh_evidence_set_data(e, text, strlen(text));
}

static void mutate(struct vh_case *c, struct vh_evidence *e, uint64_t *seed)
{
	static const char *const subjects[] = {"vcpu:4095", "vcpu:99999999999", "tid:2147483647",
		"tid:-1", "vm", "", "v1:cpu:", "\xff\x1b"};
	size_t at = e->size ? random_next(seed) % e->size : 0;

	switch (random_next(seed) % 12) {
	case 0: /* cut short */
		if (e->data)
			e->data[e->size = at] = 0;
		break;
	case 1:
		put_odd_text(e, seed);
		break;
	case 2: { /* another's data */
		const struct vh_evidence *other = c->evidence[random_next(seed) % c->n_evidence];

		if (other->data && other != e)
			vh_evidence_set_data(e, other->data, other->size);
		break;
	}
	case 3:
		vh_replace(&e->subject, subjects[random_next(seed) % VH_ARRAY_SIZE(subjects)]);
		break;
	case 4:
		e->status = (enum vh_status)(random_next(seed) % VH_N_STATUS);
		e->err = (int)(random_next(seed) % 140);
		break;
	case 5:
		e->at_ns = (int64_t)random_next(seed);
		break;
	case 6:
		e->round = (enum vh_round)(random_next(seed) % VH_N_ROUND);
		break;
	case 7:
		vh_evidence_set_number(
			e, random_next(seed) & 1 ? "size" : "age_ns", (int64_t)random_next(seed));
		break;
	case 8:
		free(e->data);
		e->data = NULL;
		e->size = 0;
		break;
	default: /* some bytes */
		for (uint64_t n = random_next(seed) % 8; n-- && e->size;)
			e->data[random_next(seed) % e->size] = (char)random_next(seed);
	}
}

static bool is_share(double value)
{
	return isnan(value) || (value >= 0 && value <= 1);
}

static void check_threads(const struct vh_model *m)
{
	for (size_t i = 0; i < m->n_threads; i++) {
		const struct vh_thread *t = m->threads[i];

		assert_non_null(t->name);
		assert_true(t->wait < VH_N_WAIT && t->role < VH_N_ROLE);
		assert_true(is_share(t->run_share) && is_share(t->wait_share));
		assert_true(is_share(t->user_share) && is_share(t->system_share));
		assert_true(isnan(t->switches_per_s) || t->switches_per_s >= 0);
	}
	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_vcpu *v = m->vcpus[i];
		vh_auto_buf struct vh_buf text = {0};

		assert_true(v->index >= 0 && v->n_glimpses <= VH_MAX_GLIMPSES);
		assert_true(i == 0 || m->vcpus[i - 1]->index < v->index);
		assert_true(v->code.n <= sizeof(v->code.bytes));
		assert_true(vh_stage_of(&v->regs[0]) < VH_N_STAGE);
		vh_disassemble(
			&v->code, &v->regs[0], vh_code_loop_start(v, v->regs[0].rip), 8, &text);
		vh_code_is_closed_loop(&v->code, v->regs[0].rip, 64);
		vh_code_runs_pause(&v->code, v->regs[0].rip, 64);
		double rate = vh_counter_rate(&v->kvm, "exits");

		assert_true(isnan(rate) || rate >= 0);
	}
}

/* What people see of a guest's or a file's text is printable. */
static void assert_printable(const char *s)
{
	for (; s && *s; s++)
		assert_true((unsigned char)*s >= 0x20 && *s != 0x7f);
}

static void check(const struct vh_model *m)
{
	check_threads(m);
	assert_true(m->monitor.state < VH_N_MONITOR_STATE);
	assert_printable(m->monitor.why);
	assert_printable(m->monitor.run_state);
	assert_printable(m->monitor.failed_command);
	for (size_t i = 0; i < m->monitor.n_events; i++)
		assert_printable(m->monitor.events[i].text);
	for (size_t i = 0; i < m->n_hits; i++) {
		assert_printable(m->hits[i].line);
		assert_true(m->hits[i].evidence < m->c->n_evidence);
	}
	for (size_t i = 0; i < m->host.n_rivals; i++)
		assert_true(is_share(m->host.rivals[i].run_share));
	assert_true(isnan(m->cgroup.quota_cpus) || m->cgroup.quota_cpus > 0);
	assert_true(m->cgroup.frozen >= -1 && m->cgroup.frozen <= 1);
}

static void a_case_changed_at_random(void **state VH_UNUSED)
{
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		struct vh_case *c = whole_case();
		uint64_t seed = round * UINT64_C(0x9e3779b97f4a7c15);

		for (uint64_t n = 1 + random_next(&seed) % 24; n--;)
			mutate(c, c->evidence[random_next(&seed) % c->n_evidence], &seed);
		struct vh_model *m = vh_model_build(c);

		check(m);
		vh_model_free(m);
		vh_case_free(c);
	}
}

/* What only a hostile author would write; the caps hold and it takes no time. */
static void a_case_of_too_much(void **state VH_UNUSED)
{
	struct vh_case *c = case_new(UINT32_MAX);
	vh_auto_buf struct vh_buf list = {0}, stats = {0}, log = {0};

	for (int i = 0; i < 6000; i++) {
		vh_auto_free char *subject = vh_asprintf("tid:%d", i + 1);
		vh_auto_free char *stat =
			vh_asprintf("%d (CPU %d/KVM) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 "
				    "0 20 0 1 0 5 0 0\n",
				i + 1, i);

		case_text(c, VH_LAST, "task.stat", subject, stat);
		vh_buf_printf(&list, "%s{\"device\": \"d%d\", \"stats\": {}}", i ? "," : "[", i);
		vh_buf_printf(&stats, "counter_%d 1\n", i);
		vh_buf_printf(&log, "[ 1.0] Oops: %d\n", i);
	}
	vh_buf_puts(&list, "]");
	case_text(c, VH_ASKED, "qmp.query-blockstats", "", vh_buf_str(&list));
	case_kvm_stats(c, "vcpu:0", vh_buf_str(&stats), vh_buf_str(&stats));
	case_text(c, VH_LAST, "log.serial", "/s", vh_buf_str(&log));
	for (int i = 0; i < 300; i++) {
		vh_auto_free char *path = vh_asprintf("/s%d", i);

		case_text(c, VH_LAST, "log.serial", path, "Oops: 1\n");
		case_text(c, VH_ASKED, "qmp.event", "RESET", "{}");
	}
	struct vh_model *m = vh_model_build(c);

	assert_int_equal(m->n_threads, 4096);
	assert_int_equal(m->n_vcpus, 4096);
	assert_int_equal(m->n_drives, 256);
	assert_int_equal(m->vcpus[0]->kvm.n, 512);
	assert_int_equal(m->n_logs, 64);
	assert_int_equal(m->monitor.n_events, 256);
	vh_model_free(m);
	vh_case_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_case_changed_at_random),
		cmocka_unit_test(a_case_of_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
