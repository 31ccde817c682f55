/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Intervals of exits as text: of both kinds of host, merged, sorted, on a screen. */
#include "report/exits_view.h"

#include <stdio.h>

#include "decode/devices.h"
#include "report/wrap.h"
#include "tests/unit/test.h"

/* The interval at a line of tests/exits/NAME.jsonl. */
static struct vh_exits *load(const char *name, int line)
{
	vh_auto_free char *path =
		vh_asprintf("%s/tests/exits/%s.jsonl", getenv("VH_SOURCE_ROOT"), name);
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	ssize_t n = -1;
	struct vh_error *err = NULL;

	assert_non_null(file);
	for (int i = 0; i <= line; i++)
		n = getline(&text, &room, file);
	fclose(file);
	assert_true(n > 0);
	struct vh_exits *e =
		vh_exits_decode((struct vh_str){text, (size_t)n}, "x86_64", NULL, &err);

	free(text);
	assert_null(err);
	assert_non_null(e);
	return e;
}

static const struct vh_exits_about about = {
	.name = "web \033[2J07", .pid = 4711, .at_wall_ns = INT64_C(1795363200000000000)};

static char *text_of(const struct vh_exits *e, const struct vh_exits_options *o)
{
	struct vh_buf out = {0};

	vh_exits_text(e, &about, o, &out);
	return vh_buf_steal(&out);
}

static void assert_has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("there is no \"%s\" in:\n%s", what, text);
}

static void assert_has_not(const char *text, const char *what)
{
	if (strstr(text, what))
		fail_msg("there is \"%s\" in:\n%s", what, text);
}

/* Timing of samples, the long way round. */
static struct vh_timing timing_of(const double *ns, size_t n)
{
	struct vh_timing t = {.count = n, .timed = n, .min_ns = INFINITY};
	double squares = 0;

	for (size_t i = 0; i < n; i++) {
		t.total_ns += ns[i];
		t.min_ns = fmin(t.min_ns, ns[i]);
		t.max_ns = fmax(t.max_ns, ns[i]);
	}
	t.mean_ns = t.total_ns / (double)n;
	for (size_t i = 0; i < n; i++)
		squares += (ns[i] - t.mean_ns) * (ns[i] - t.mean_ns);
	t.deviation = n < 2 ? NAN : sqrt(squares / (double)(n - 1) / (double)n) / t.mean_ns;
	t.log2[3] = n;
	return t;
}

static void merged_timings_are_those_of_all_samples(void **state VH_UNUSED)
{
	static const double ns[] = {1200, 1300, 950, 88000, 4000, 4100, 3900, 17};
	const size_t n = VH_ARRAY_SIZE(ns);
	const struct vh_timing all = timing_of(ns, n);

	/* Wherever the samples are parted, also in parts of one. */
	for (size_t cut = 1; cut < n; cut++) {
		const struct vh_timing a = timing_of(ns, cut), b = timing_of(ns + cut, n - cut);
		struct vh_timing sum = {0};

		vh_timing_merge(&sum, &a);
		vh_timing_merge(&sum, &b);
		assert_int_equal(sum.count, n);
		assert_int_equal(sum.timed, n);
		assert_float_equal(sum.total_ns, all.total_ns, 1e-6);
		assert_float_equal(sum.min_ns, 17, 0);
		assert_float_equal(sum.max_ns, 88000, 0);
		assert_float_equal(sum.mean_ns, all.mean_ns, 1e-6);
		assert_float_equal(sum.deviation, all.deviation, 1e-9);
		assert_int_equal(sum.log2[3], n);
	}
}

static void samples_without_an_end_have_no_times(void **state VH_UNUSED)
{
	const double ns[] = {100, 300};
	const struct vh_timing timed = timing_of(ns, 2), untimed = {.count = 5,
								 .total_ns = NAN,
								 .min_ns = NAN,
								 .max_ns = NAN,
								 .mean_ns = NAN,
								 .deviation = NAN};
	struct vh_timing sum = {0};

	vh_timing_merge(&sum, &untimed);
	assert_int_equal(sum.count, 5);
	assert_true(isnan(sum.mean_ns) && isnan(sum.min_ns) && isnan(sum.deviation));
	vh_timing_merge(&sum, &timed);
	vh_timing_merge(&sum, &untimed);
	assert_int_equal(sum.count, 12);
	assert_int_equal(sum.timed, 2);
	assert_float_equal(sum.mean_ns, 200, 1e-9);
	assert_float_equal(sum.deviation, 0.5, 1e-9);
}

static void all_vcpus_are_one(void **state VH_UNUSED)
{
	struct vh_exits *e = load("svm", 0);
	struct vh_exits_merged *all = vh_exits_merge(e, VH_ALL_VCPUS), *one = vh_exits_merge(e, 1),
			       *none = vh_exits_merge(e, 7);
	size_t interrupts = SIZE_MAX;

	assert_int_equal(all->n_vcpus, 2);
	assert_int_equal(all->sum.exits, 41284 + 40);
	for (size_t i = 0; i < all->sum.n_rows; i++)
		if (all->sum.rows[i].reason == 0x60)
			interrupts = i;
	assert_int_equal(all->sum.n_rows, 5);
	assert_int_not_equal(interrupts, SIZE_MAX);
	assert_int_equal(all->sum.rows[interrupts].timing.count, 273);
	assert_float_equal(all->sum.rows[interrupts].timing.min_ns, 1200, 0);
	assert_float_equal(all->sum.rows[interrupts].timing.max_ns, 18000, 0);
	/* What belongs to no vCPU is the VM's, and takes no time. */
	assert_int_equal(all->count[VH_KEY_GSI], 400);
	assert_float_equal(all->sum.span_ns, 2e9, 1);
	assert_int_equal(one->n_vcpus, 1);
	assert_int_equal(one->sum.exits, 40);
	assert_int_equal(one->sum.tid, 4713);
	assert_int_equal(one->count[VH_KEY_GSI], 0);
	assert_int_equal(none->n_vcpus, 0);
	vh_exits_merged_free(all);
	vh_exits_merged_free(one);
	vh_exits_merged_free(none);
	vh_exits_merged_free(NULL);
	vh_exits_free(e);
}

/* The order of the rows, by the first word of each line that is not indented. */
static void assert_order(
	const struct vh_exits *e, enum vh_exits_sort sort, const char *const *names, size_t n)
{
	const struct vh_exits_options o = {.vcpu = 0, .sort = sort};
	vh_auto_free char *text = text_of(e, &o);
	const char *at = strstr(text, "\nEVENT ");

	assert_non_null(at);
	for (size_t i = 0; i < n; i++) {
		at = strchr(at + 1, '\n');
		assert_non_null(at);
		if (strncmp(at + 1, names[i], strlen(names[i])) != 0)
			fail_msg("by %s, row %zu is not %s:\n%s", vh_exits_sort_name(sort), i,
				names[i], text);
	}
}

static void rows_are_sorted(void **state VH_UNUSED)
{
	static const char *const samples[] = {"io ", "interrupt ", "msr ", "hlt ", "0x999 "},
				 *const time[] = {"io ", "interrupt ", "hlt ", "msr ", "0x999 "},
				 *const mean[] = {"hlt ", "io ", "interrupt ", "msr ", "0x999 "},
				 *const max[] = {"io ", "hlt ", "interrupt ", "msr ", "0x999 "},
				 *const name[] = {"0x999 ", "hlt ", "interrupt ", "io ", "msr "};
	struct vh_exits *e = load("svm", 0);

	assert_order(e, VH_SORT_SAMPLES, samples, 5);
	assert_order(e, VH_SORT_TIME, time, 5);
	assert_order(e, VH_SORT_MEAN, mean, 5);
	assert_order(e, VH_SORT_MAX, max, 5);
	assert_order(e, VH_SORT_NAME, name, 5);
	vh_exits_free(e);
	assert_int_equal(vh_exits_sort_parse("mean"), VH_SORT_MEAN);
	assert_int_equal(vh_exits_sort_parse("odd"), -1);
	assert_int_equal(vh_exits_of_parse("ioport"), VH_EXITS_IOPORT);
}

static void where_exits_are_seen_they_are_the_rows(void **state VH_UNUSED)
{
	const struct vh_exits_options o = {.vcpu = VH_ALL_VCPUS, .keys = true};
	struct vh_exits *e = load("svm", 0);
	vh_auto_free char *text = text_of(e, &o);

	assert_int_equal(strncmp(text,
				 "web \\x1b[2J07: 41324 exits a second, 99 % of them io: "
				 "port 0x3f8, out, 1 byte (",
				 strlen("web \\x1b[2J07: 41324 exits a second, 99 % of them io: "
					"port 0x3f8, out, 1 byte (")),
		0);
	assert_has(text, "; time: halted 50 %, guest 35 %, user space 10 %\n");
	assert_has(text, "\npid 4711, all 2 vCPUs, counted by bpf for 1.0 s, nothing lost, "
			 "2026-11-22 16:00:00 UTC\n");
	assert_has(text, "halted for 400.0 ms\n");
	assert_has(text, "\n  port 0x3fd, in, 1 byte");
	assert_has(text, "\n  KVM_EXIT_IO ");
	assert_has(text, "\n  RIP 0xffffffff81a4c1d2 ");
	assert_has(text, " 400.0 ms  31.0 ms  43.50\n");
	assert_has_not(text, "KVM_RUN");
	assert_has_not(text, "never fires");
	assert_has_not(text, "\033");
	vh_exits_free(e);
}

static void one_vcpu_without_keys(void **state VH_UNUSED)
{
	const struct vh_exits_options o = {.vcpu = 1};
	struct vh_exits *e = load("svm", 0);
	vh_auto_free char *text = text_of(e, &o);

	assert_has(text, "07: vCPU 1: 40.0 exits a second, 50 % of them ");
	assert_has(text, "\npid 4711, vCPU 1 of 2, ");
	assert_has_not(text, "port 0x");
	assert_has_not(text, " all ");
	vh_exits_free(e);
}

static void a_read_that_was_answered_counts_once(void **state VH_UNUSED)
{
	static const char json[] =
		"{\"backend\":\"bpf\",\"span_ns\":1000000000,\"threads\":[{\"vcpu\":0,\"keys\":["
		"{\"kind\":\"mmio\",\"value\":\"0xa0000\",\"detail\":\"0x100\",\"count\":501},"
		"{\"kind\":\"mmio\",\"value\":\"0xa0000\",\"detail\":\"0x101\",\"count\":500},"
		"{\"kind\":\"mmio\",\"value\":\"0xb0000\",\"detail\":\"0x102\",\"count\":10},"
		"{\"kind\":\"mmio\",\"value\":\"0xc0000\",\"detail\":\"0x100\",\"count\":1}]}]}";
	struct vh_error *err = NULL;
	struct vh_exits *e = vh_exits_decode(vh_str(json), "x86_64", NULL, &err);
	struct vh_exits_merged *m = vh_exits_merge(e, VH_ALL_VCPUS);

	assert_null(err);
	assert_int_equal(m->count[VH_KEY_MMIO], 1012);
	vh_exits_drop_first_halves(m);
	assert_int_equal(m->count[VH_KEY_MMIO], 511);
	assert_float_equal(m->rate[VH_KEY_MMIO], 511, 0.01);
	/* What was never answered stays: QEMU does not serve it. */
	assert_int_equal(m->sum.n_keys, 3);
	assert_int_equal(m->sum.keys[2].value, 0xc0000);
	vh_exits_merged_free(m);
	vh_exits_free(e);
}

static void where_no_exit_is_seen_events_are_the_rows(void **state VH_UNUSED)
{
	const struct vh_exits_options o = {.vcpu = VH_ALL_VCPUS, .keys = true};
	struct vh_exits *e = load("emulated", 0);
	vh_auto_free char *text = text_of(e, &o);

	assert_has(text, "07: port I/O 107012 times a second: port 0x80, out, 1 byte");
	assert_has(text, "; time: KVM_RUN 62 %, user space 38 %\n");
	assert_has(text, ", 17 lost, ");
	assert_has(text, "\nexit to user space ");
	assert_has(text, "\n  KVM_EXIT_IO ");
	/* Counted for 3 ms: 12000 samples are four million a second. */
	assert_has(text, "\ninstruction emulated ");
	assert_has(text, " 12000     4000000 ");
	assert_has(text, "\n- 17 events were lost");
	assert_has(text, "\n- kvm_exit never fires here");
	assert_has(text, "\n- no better backend: bpf: the kernel is locked down (integrity)\n");
	assert_has(text, "\n- kvm:kvm_emulate_insn was counted for 3.0 ms only: its samples");
	/* Most kernels have no Xen: no news. */
	assert_has_not(text, "xen");
	assert_has_not(text, "SAMPLES%");
	vh_exits_free(e);
}

static void keys_of_one_kind(void **state VH_UNUSED)
{
	const struct vh_exits_options ports = {.vcpu = VH_ALL_VCPUS, .of = VH_EXITS_IOPORT},
				      mmio = {.vcpu = VH_ALL_VCPUS, .of = VH_EXITS_MMIO};
	struct vh_exits *e = load("svm", 0);
	vh_auto_free char *text = text_of(e, &ports), *none = text_of(e, &mmio);

	assert_has(text, "07: port I/O 41000 times a second: port 0x3f8, out, 1 byte");
	assert_has(text, "\nPORT ");
	assert_has(text, "\nport 0x3fd, in, 1 byte");
	assert_has_not(text, "\nio ");
	assert_has(none, "07: MMIO 0 times a second;");
	assert_has_not(none, "ADDRESS");
	vh_exits_free(e);
}

static void counters_have_rates_alone(void **state VH_UNUSED)
{
	const struct vh_exits_options all = {.vcpu = VH_ALL_VCPUS}, one = {.vcpu = 1};
	struct vh_exits *e = load("statistics", 0);
	vh_auto_free char *text = text_of(e, &all), *text_one = text_of(e, &one);

	assert_has(text, "07: 41263 exits a second\n");
	assert_has(text, "\nexits                  41263  0: 41203, 1: 60.0\n");
	assert_has(text, "\nremote_tlb_flush        12.0\n");
	assert_has_not(text, "irq_injections");
	assert_has_not(text, "nothing lost");
	assert_has(text, "not why, where or for how long");
	assert_has(text_one, "vCPU 1: 60.0 exits a second\n");
	assert_has_not(text_one, "BY VCPU");
	vh_exits_free(e);
}

/* A halted VM of a host with kvm_exit has none in a second: that is no KVM without exits. */
static void nothing_seen_is_no_exit(void **state VH_UNUSED)
{
	static const char json[] =
		"{\"backend\":\"bpf\",\"span_ns\":1000000000,\"events\":[{\"name\":\"kvm:kvm_"
		"exit\","
		"\"state\":\"attached\"},{\"name\":\"sched:sched_switch\",\"state\":\"attached\"}],"
		"\"threads\":[{\"vcpu\":0,\"time_ns\":{\"kvm\":{\"asleep\":1000000000}},"
		"\"place\":\"kvm\",\"rest\":\"asleep\",\"since_ns\":7000000000}]}";
	const struct vh_exits_options o = {.vcpu = VH_ALL_VCPUS};
	struct vh_error *err = NULL;
	struct vh_exits *e = vh_exits_decode(vh_str(json), "x86_64", NULL, &err);
	vh_auto_free char *text = text_of(e, &o);

	assert_null(err);
	assert_has(text, "07: no exit in 1.0 s; time: halted 100 %\n");
	assert_has(text, "halted for 7.0 s\n");
	assert_has_not(text, "never fires");
	vh_exits_free(e);
}

/* The second interval of a loop of emulated instructions: they were sampled in the first. */
static void what_is_no_longer_counted_is_told(void **state VH_UNUSED)
{
	static const char json[] =
		"{\"backend\":\"bpf\",\"span_ns\":1000000000,\"events\":[{\"name\":\"kvm:kvm_"
		"exit\","
		"\"state\":\"attached\"},{\"name\":\"kvm:kvm_emulate_insn\",\"state\":\"unwanted\","
		"\"why\":\"it comes 511708 times a second\"}],\"threads\":[{\"vcpu\":0,\"time_ns\":"
		"{\"inside\":{\"on\":1000000000}}}]}";
	const struct vh_exits_options o = {.vcpu = VH_ALL_VCPUS};
	struct vh_error *err = NULL;
	struct vh_exits *e = vh_exits_decode(vh_str(json), "x86_64", NULL, &err);
	vh_auto_free char *text = text_of(e, &o);

	assert_null(err);
	assert_has(text, "07: nothing but emulated instructions in 1.0 s; time: KVM_RUN 100 %\n");
	assert_has(text, "\n- kvm:kvm_emulate_insn is not counted (it comes 511708 times a "
			 "second)\n");
	vh_exits_free(e);
}

static void a_screen_is_never_left(void **state VH_UNUSED)
{
	static const char *const files[] = {"svm", "emulated", "statistics", "hostile"};

	for (size_t f = 0; f < VH_ARRAY_SIZE(files); f++)
		for (unsigned height = 3; height < 60; height += 4)
			for (unsigned width = 20; width < 140; width += 23) {
				const struct vh_exits_options o = {.vcpu = VH_ALL_VCPUS,
					.keys = true,
					.width = width,
					.height = height};
				struct vh_exits *e = load(files[f], 0);
				vh_auto_free char *text = text_of(e, &o);
				struct vh_str rest = vh_str(text), line;
				size_t lines = 0;

				while (vh_next_part(&rest, '\n', &line)) {
					assert_true(vh_columns(line) <= width);
					lines++;
				}
				/* The vCPUs are told even where there is room for nothing else. */
				if (lines > height && height > 14)
					fail_msg("%zu lines of %u:\n%s", lines, height, text);
				vh_exits_free(e);
			}
}

static void a_narrow_screen_spares_numbers_before_names(void **state VH_UNUSED)
{
	const struct vh_exits_options narrow = {.vcpu = 0,
					      .keys = true,
					      .width = 79,
					      .height = 40,
					      .colour = true},
				      wide = {.vcpu = 0, .keys = true, .width = 120, .height = 40};
	struct vh_exits *e = load("svm", 0);
	vh_auto_free char *text = text_of(e, &narrow), *all = text_of(e, &wide);

	assert_int_equal(strncmp(text, "\033[1mweb ", 8), 0);
	assert_has(text, "  port 0x3fd, in, 1 byte ");
	assert_has(text, "96.6  150.0 us   6.8 us\n");
	assert_has_not(text, "+-%");
	assert_has(all, "   MIN       MAX     MEAN    +-%\n");
	assert_has(all, "96.6  4.0 us  150.0 us   6.8 us   0.19\n");
	vh_exits_free(e);
}

static void hostile_intervals_are_shown_harmless(void **state VH_UNUSED)
{
	for (int line = 0; line < 3; line++) {
		struct vh_exits *e = load("hostile", line);

		for (int of = 0; of < VH_N_EXITS_OF; of++) {
			const struct vh_exits_options o = {
				.vcpu = VH_ALL_VCPUS, .of = (enum vh_exits_of)of, .keys = true};
			vh_auto_free char *text = text_of(e, &o);
			vh_auto_json struct json_object *json = vh_exits_json(e, &about, &o);

			assert_has_not(text, "\033");
			assert_has_not(text, "\007");
			assert_true(vh_is_utf8(vh_str(text)));
			assert_has_not(json_object_to_json_string(json), "\\u001b");
		}
		vh_exits_free(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merged_timings_are_those_of_all_samples),
		cmocka_unit_test(samples_without_an_end_have_no_times),
		cmocka_unit_test(all_vcpus_are_one),
		cmocka_unit_test(rows_are_sorted),
		cmocka_unit_test(where_exits_are_seen_they_are_the_rows),
		cmocka_unit_test(one_vcpu_without_keys),
		cmocka_unit_test(a_read_that_was_answered_counts_once),
		cmocka_unit_test(where_no_exit_is_seen_events_are_the_rows),
		cmocka_unit_test(keys_of_one_kind),
		cmocka_unit_test(counters_have_rates_alone),
		cmocka_unit_test(nothing_seen_is_no_exit),
		cmocka_unit_test(what_is_no_longer_counted_is_told),
		cmocka_unit_test(a_screen_is_never_left),
		cmocka_unit_test(a_narrow_screen_spares_numbers_before_names),
		cmocka_unit_test(hostile_intervals_are_shown_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
