/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BTF made by hand, whole and broken, and which program it leads to. */
#include "../test.h"

#include <linux/btf.h>

#include "collect/trace_plan.h"

/* A piece of BTF in the making. */
struct make {
	struct vh_buf types, strings;
	uint32_t n, string_base;
};

static uint32_t text(struct make *m, const char *s)
{
	uint32_t at = (uint32_t)m->strings.len;

	vh_buf_add(&m->strings, s, strlen(s) + 1);
	return m->string_base + at;
}

static uint32_t type(struct make *m, const char *name, uint32_t kind, uint32_t n, uint32_t of)
{
	struct btf_type t = {.name_off = name ? text(m, name) : 0, .info = kind << 24 | n};

	t.type = of;
	vh_buf_add(&m->types, &t, sizeof(t));
	return ++m->n;
}

static void number(struct make *m, uint32_t value)
{
	vh_buf_add(&m->types, &value, sizeof(value));
}

static void whole(struct make *m, struct vh_buf *out)
{
	struct btf_header h = {.magic = BTF_MAGIC,
		.version = 1,
		.hdr_len = sizeof(h),
		.type_len = (uint32_t)m->types.len,
		.str_off = (uint32_t)m->types.len,
		.str_len = (uint32_t)m->strings.len};

	vh_buf_add(out, &h, sizeof(h));
	vh_buf_add(out, m->types.data, m->types.len);
	vh_buf_add(out, m->strings.data, m->strings.len);
	vh_buf_free(&m->types);
	vh_buf_free(&m->strings);
}

/* typedef void (*btf_trace_NAME)(void *, ...) */
static void tracepoint(struct make *m, const char *name, const uint32_t *args, uint32_t n)
{
	vh_auto_free char *full = vh_asprintf("btf_trace_%s", name);
	uint32_t proto = type(m, NULL, BTF_KIND_FUNC_PROTO, n + 1, 0);

	number(m, 0);
	number(m, 0);
	for (uint32_t i = 0; i < n; i++) {
		number(m, 0);
		number(m, args[i]);
	}
	type(m, full, BTF_KIND_TYPEDEF, 0, type(m, NULL, BTF_KIND_PTR, 0, proto));
}

struct world {
	struct vh_buf base, module;
	size_t n_strings;
};

/* As Linux 6.18 has them: scheduler in the kernel, KVM in a module. */
static void make_world(struct world *w)
{
	struct make m = {0}, k = {0};

	vh_buf_putc(&m.strings, 0);
	uint32_t i = type(&m, "int", BTF_KIND_INT, 0, 4);

	number(&m, 32);
	uint32_t task = type(&m, "task_struct", BTF_KIND_STRUCT, 2, 4096);

	number(&m, text(&m, "__state"));
	number(&m, i);
	number(&m, 24 * 8);
	number(&m, text(&m, "pid"));
	number(&m, i);
	number(&m, 1448 * 8);
	uint32_t p = type(&m, NULL, BTF_KIND_PTR, 0, task);
	uint32_t u64 = type(&m, "u64", BTF_KIND_TYPEDEF, 0, i);

	tracepoint(&m, "sched_switch", (const uint32_t[]){i, p, p, i}, 4);
	tracepoint(&m, "sched_wakeup", &p, 1);
	k.n = m.n;
	k.string_base = (uint32_t)m.strings.len;
	w->n_strings = m.strings.len;
	whole(&m, &w->base);
	tracepoint(&k, "kvm_pio", (const uint32_t[]){i, i, i, i, p}, 5);
	tracepoint(&k, "kvm_exit", (const uint32_t[]){p, u64}, 2);
	tracepoint(&k, "kvm_msr", (const uint32_t[]){u64, i, p, i}, 4); /* another one */
	whole(&k, &w->module);
}

static void free_world(struct world *w)
{
	vh_buf_free(&w->base);
	vh_buf_free(&w->module);
}

static struct vh_str as_text(const struct vh_buf *b)
{
	return (struct vh_str){b->data, b->len};
}

static void reads(void **state)
{
	struct world w = {0};
	char args[VH_BTF_MAX_ARGS + 1];

	(void)state;
	make_world(&w);
	struct vh_btf *btf = vh_btf_parse(as_text(&w.base), as_text(&w.module));

	assert_non_null(btf);
	assert_true(vh_btf_tracepoint(btf, "sched_switch", args));
	assert_string_equal(args, "ippi");
	assert_true(vh_btf_tracepoint(btf, "kvm_pio", args));
	assert_string_equal(args, "iiiip");
	assert_true(vh_btf_tracepoint(btf, "kvm_exit", args));
	assert_string_equal(args, "pi");
	assert_false(vh_btf_tracepoint(btf, "kvm_fpu", args));
	assert_int_equal(vh_btf_offset(btf, "task_struct", "pid"), 1448);
	assert_int_equal(vh_btf_offset(btf, "task_struct", "__state"), 24);
	assert_int_equal(vh_btf_offset(btf, "task_struct", "tgid"), -1);
	assert_int_equal(vh_btf_offset(btf, "kvm_vcpu", "arch"), -1);
	vh_btf_free(btf);
	free_world(&w);
}

/* Cut anywhere, any byte wrong: something or nothing comes of it, within its bounds (ASan). */
static void broken(void **state)
{
	struct world w = {0};
	char args[VH_BTF_MAX_ARGS + 1];

	(void)state;
	make_world(&w);
	for (size_t i = 0; i < 2 * w.base.len; i++) {
		bool cut = i >= w.base.len;
		vh_auto_free char *copy = vh_alloc(w.base.len);
		size_t n = cut ? i - w.base.len : w.base.len;

		memcpy(copy, w.base.data, w.base.len);
		if (!cut)
			copy[i] = (char)~copy[i];
		struct vh_btf *btf = vh_btf_parse((struct vh_str){copy, n}, as_text(&w.module));

		assert_true(!cut || !btf); /* the strings are last */
		if (btf) {
			vh_btf_tracepoint(btf, "sched_switch", args);
			vh_btf_tracepoint(btf, "kvm_pio", args);
			vh_btf_offset(btf, "task_struct", "pid");
		}
		vh_btf_free(btf);
	}
	assert_null(vh_btf_parse((struct vh_str){0}, as_text(&w.module)));
	free_world(&w);
}

static void formats_of(struct vh_tp_format formats[VH_N_TP])
{
	for (int i = 0; i < VH_N_TP; i++)
		formats[i] = (struct vh_tp_format){
			.name = vh_strdup(vh_tp_name((enum vh_tp)i)), .usable = true, .id = 100};
}

/* Raw where the arguments are those expected; classic where they are others, or nothing tells. */
static void chooses(void **state)
{
	struct vh_tp_format formats[VH_N_TP];
	struct vh_bpf_choice c[VH_N_TP];
	struct vh_bpf_config config = {0};
	struct world w = {0};

	(void)state;
	make_world(&w);
	struct vh_btf *btf = vh_btf_parse(as_text(&w.base), as_text(&w.module));

	formats_of(formats);
	formats[VH_TP_CR].usable = false;
	formats[VH_TP_CR].absent = true;
	formats[VH_TP_CPUID].usable = false;
	formats[VH_TP_CPUID].why = vh_strdup("it has no field function");
	vh_bpf_choose(btf, formats, NULL, c, &config);
	assert_string_equal(c[VH_TP_PIO].program, "raw_kvm_pio");
	assert_true(c[VH_TP_PIO].raw);
	assert_string_equal(c[VH_TP_PIO].unused[0], "tp_kvm_pio");
	assert_string_equal(c[VH_TP_EXIT].program, "tp_kvm_exit");
	assert_string_equal(c[VH_TP_MSR].program, "tp_kvm_msr");
	assert_string_equal(c[VH_TP_FPU].program, "tp_kvm_fpu");
	assert_string_equal(c[VH_TP_ENTRY].program, "raw_kvm_entry");
	assert_string_equal(c[VH_TP_SCHED_SWITCH].program, "raw_sched_switch");
	assert_int_equal(config.pid_offset, 1448);
	assert_int_equal(config.state_offset, 0);
	assert_null(c[VH_TP_CR].program);
	assert_int_equal(c[VH_TP_CR].state, VH_EVENT_ABSENT);
	assert_null(c[VH_TP_CPUID].program);
	assert_int_equal(c[VH_TP_CPUID].state, VH_EVENT_FAILED);
	assert_string_equal(c[VH_TP_CPUID].why, "it has no field function");
	vh_bpf_choices_free(c);
	/* Without BTF: classic, but for what needs no argument. */
	vh_bpf_choose(NULL, formats, NULL, c, &config);
	assert_string_equal(c[VH_TP_PIO].program, "tp_kvm_pio");
	assert_string_equal(c[VH_TP_SCHED_SWITCH].program, "tp_sched_switch");
	assert_string_equal(c[VH_TP_ENTRY].program, "raw_kvm_entry");
	vh_bpf_choices_free(c);
	vh_btf_free(btf);
	vh_tp_free(formats);
	free_world(&w);
}

/* tracefs cannot be read: what BTF tells is still counted, and the rest says why it is not. */
static void without_formats(void **state)
{
	struct vh_tp_format formats[VH_N_TP] = {0};
	struct vh_bpf_choice c[VH_N_TP];
	struct vh_bpf_config config = {0};
	struct world w = {0};

	(void)state;
	make_world(&w);
	struct vh_btf *btf = vh_btf_parse(as_text(&w.base), as_text(&w.module));

	for (int i = 0; i < VH_N_TP; i++)
		formats[i].absent = true;
	vh_bpf_choose(btf, formats, "tracefs is not mounted", c, &config);
	assert_string_equal(c[VH_TP_PIO].program, "raw_kvm_pio");
	assert_null(c[VH_TP_EXIT].program);
	assert_int_equal(c[VH_TP_EXIT].state, VH_EVENT_FAILED);
	assert_string_equal(c[VH_TP_EXIT].why, "tracefs is not mounted");
	vh_bpf_choices_free(c);
	vh_btf_free(btf);
	free_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(broken),
		cmocka_unit_test(chooses),
		cmocka_unit_test(without_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
