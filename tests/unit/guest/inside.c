/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was found inside a guest as JSON, both ways: nothing is lost, nothing wrong is taken. */
#include "guest/inside.h"

#include "guest/inside_keys.h"
#include "tests/unit/test.h"

#define JSON JSON_C_TO_STRING_PLAIN

static char *written(const struct vh_inside *in)
{
	vh_auto_json struct json_object *o = vh_inside_to_json(in);

	return vh_strdup(json_object_to_json_string_ext(o, JSON));
}

static struct vh_inside *read_back(const char *text)
{
	vh_auto_error struct vh_error *err = NULL;
	vh_auto_json struct json_object *o = vh_json_parse(vh_str(text), &err);

	assert_null(err);

	struct vh_inside *in = vh_inside_from_json(o, &err);

	if (err)
		fail_msg("%s", err->message);
	return in;
}

static void refused(const char *text, const char *why)
{
	vh_auto_error struct vh_error *err = NULL;
	vh_auto_json struct json_object *o = vh_json_parse(vh_str(text), &err);

	assert_null(err);
	assert_null(vh_inside_from_json(o, &err));
	assert_non_null(err);
	assert_string_equal(err->message, why);
}

static void add_frame(struct vh_backtrace *b, enum vh_frame_kind kind, const char *symbol)
{
	struct vh_frame *f = &VH_PUSH(b->frames, b->n);

	f->kind = kind;
	f->ip = UINT64_C(0xffffffff81234567);
	f->sp = UINT64_C(0xffffc90000003f00);
	f->symbol = vh_strdup(symbol);
	f->offset = 0x17;
	f->size = 0x40;
	f->module = kind == VH_FRAME_TOP ? vh_strdup("trouble") : NULL;
	f->line = vh_strdup("kernel/sched/core.c:6502");
}

static struct vh_inside *everything(void)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_EARLY_LINUX);
	struct vh_inside_kernel *k = &in->kernel;

	in->why = vh_strdup("it is early");
	in->method = VH_INSIDE_BY_SCAN;
	in->stage = VH_STAGE_LINUX_64;
	k->release = vh_strdup("6.1.0-49-amd64");
	k->banner = vh_strdup("Linux version 6.1.0-49-amd64");
	k->command_line = vh_strdup("console=ttyS0 \"quoted\"");
	k->uptime_ns = 123456789;
	k->taint = UINT64_MAX;
	k->has_taint = true;
	k->taint_text = vh_strdup("P O");
	k->panic_cpu = 0;
	k->levels = 4;
	k->pti = k->has_btf = k->has_orc = true;
	k->image = UINT64_C(0xffffffff81000000);
	k->n_symbols = 90000;

	struct vh_inside_record *r = &VH_PUSH(in->dmesg, in->n_dmesg);

	*r = (struct vh_inside_record){
		.seq = 7, .ts_ns = 1, .level = 4, .facility = 3, .complete = true, .n = 5};
	r->text = vh_alloc(6);
	memcpy(r->text, "a\0b\nc", 5);
	in->dmesg_lost = 7;

	struct vh_inside_vcpu *v = &VH_PUSH(in->vcpus, in->n_vcpus);

	*v = (struct vh_inside_vcpu){.index = 3,
		.stage = VH_STAGE_LINUX_64,
		.rip = UINT64_MAX,
		.cpl = 3,
		.halted = true,
		.pid = 0,
		.tgid = 0,
		.comm = vh_strdup("swapper/3"),
		.samples = 3,
		.steady = 2,
		.same_rip = true,
		.nr_running = 0,
		.clock_lag_ns = -1};
	add_frame(&v->stack, VH_FRAME_TOP, "hang_spin");
	add_frame(&v->stack, VH_FRAME_INTERRUPT, NULL);
	v->lock =
		(struct vh_inside_lock){VH_BLOCKED_SPINLOCK, 0x1000, vh_strdup("first"), -1, NULL};

	struct vh_inside_task *t = &VH_PUSH(in->tasks, in->n_tasks);

	*t = (struct vh_inside_task){.pid = 42,
		.tgid = 42,
		.comm = vh_strdup("kworker/0:1"),
		.state = 'D',
		.raw = 0x2102,
		.kernel_thread = true,
		.cpu = -1,
		.waited_ns = -1};
	t->stack.end = vh_strdup("the next address is no text");
	t->lock = (struct vh_inside_lock){
		VH_BLOCKED_MUTEX, 0x1000, vh_strdup("first"), 17, vh_strdup("cat")};
	in->has_tasks = true;
	VH_PUSH(in->modules, in->n_modules) =
		(struct vh_inside_module){vh_strdup("virtio_blk"), 0xffffffffc0000000, 20480};
	VH_PUSH(in->folded, in->n_folded) = (struct vh_inside_folded){vh_strdup("vCPU 0;a;b"), 17};
	VH_PUSH(in->steps, in->n_steps) = (struct vh_inside_step){vh_strdup("symbols"), 5, 6};
	vh_inside_note(in, "%s", "a note");
	in->bytes = 1;
	in->took_ns = 2;
	return in;
}

static void both_ways(void **state VH_UNUSED)
{
	struct vh_inside *in = everything();
	vh_auto_free char *once = written(in);
	struct vh_inside *back = read_back(once);
	vh_auto_free char *twice = written(back);

	assert_string_equal(once, twice);
	assert_int_equal(back->outcome, VH_INSIDE_EARLY_LINUX);
	assert_string_equal(back->why, "it is early");
	assert_true(back->kernel.taint == UINT64_MAX && back->kernel.has_taint);
	assert_false(back->kernel.has_kaslr_offset);
	assert_int_equal(back->kernel.panic_cpu, 0);
	assert_int_equal(back->kernel.oops_in_progress, -1);
	assert_memory_equal(back->dmesg[0].text, "a\0b\nc", 6);
	assert_int_equal(back->dmesg[0].n, 5);
	assert_true(back->vcpus[0].rip == UINT64_MAX);
	assert_int_equal(back->vcpus[0].stack.n, 2);
	assert_string_equal(back->vcpus[0].stack.frames[0].module, "trouble");
	assert_null(back->vcpus[0].stack.frames[1].symbol);
	assert_int_equal(back->vcpus[0].lock.holder_pid, -1);
	assert_int_equal(back->vcpus[0].clock_lag_ns, -1);
	assert_int_equal(back->tasks[0].state, 'D');
	assert_int_equal(back->tasks[0].cpu, -1);
	assert_int_equal(back->tasks[0].lock.holder_pid, 17);
	assert_string_equal(back->notes[0], "a note");
	assert_ptr_equal(vh_inside_task(back, 42), &back->tasks[0]);
	assert_null(vh_inside_task(back, 43));
	assert_null(vh_inside_task(back, -1));
	vh_inside_free(back);
	vh_inside_free(in);
}

static void nothing_known(void **state VH_UNUSED)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_NO_LINUX);
	vh_auto_free char *text = written(in);
	struct vh_inside *back = read_back(text);

	assert_non_null(strstr(text, "\"uptime_ns\":null"));
	assert_non_null(strstr(text, "\"release\":null"));
	assert_non_null(strstr(text, "\"taint\":null"));
	assert_int_equal(back->kernel.uptime_ns, -1);
	vh_inside_free(back);
	vh_inside_free(in);
	vh_inside_free(NULL);

	/* Keys that are left out are as null. */
	in = read_back(
		"{\"schema\":\"vmhang.inside/1\",\"outcome\":\"linux\",\"tasks\":[{\"pid\":1}],"
		"\"vcpus\":[{\"index\":0},{\"index\":1,\"halted\":null},"
		"{\"index\":2,\"halted\":false}]}");
	assert_int_equal(in->kernel.panic_cpu, -1);
	assert_int_equal(in->tasks[0].waited_ns, -1);
	assert_true(in->vcpus[0].halted_unknown && in->vcpus[1].halted_unknown);
	assert_false(in->vcpus[2].halted_unknown);
	free(text);
	text = written(in);
	assert_non_null(strstr(text, "\"halted\":null"));
	assert_non_null(strstr(text, "\"halted\":false"));
	assert_int_equal(in->tasks[0].lock.holder_pid, -1);
	assert_int_equal(in->tasks[0].state, '?');
	vh_inside_free(in);
}

/* What no kernel has, but a guest can write. */
static void impossible_values(void **state VH_UNUSED)
{
	struct vh_inside *in = everything();

	in->outcome = 77;
	in->tasks[0].pid = INT64_MIN;
	in->tasks[0].state = '\x1b';
	in->tasks[0].cpu = -9;
	in->vcpus[0].cpl = 255;
	in->vcpus[0].stack.frames[0].kind = 1000;
	free(in->vcpus[0].comm);
	in->vcpus[0].comm = vh_strdup("\xff\xfe\x1b[31m");
	in->dmesg[0].ts_ns = UINT64_MAX;

	vh_auto_free char *text = written(in);
	struct vh_inside *back = read_back(text);

	assert_int_equal(back->outcome, 0);
	assert_int_equal(back->tasks[0].pid, -1);
	assert_int_equal(back->tasks[0].state, '?');
	assert_int_equal(back->tasks[0].cpu, -1);
	assert_int_equal(back->vcpus[0].cpl, 3);
	assert_int_equal(back->vcpus[0].stack.frames[0].kind, VH_FRAME_TOP);
	assert_string_equal(back->vcpus[0].comm, "\xef\xbf\xbd\xef\xbf\xbd\x1b[31m");
	assert_true(back->dmesg[0].ts_ns == UINT64_MAX);
	vh_inside_free(back);
	vh_inside_free(in);
}

static void add_records(struct vh_inside *in, size_t n, size_t bytes)
{
	for (size_t i = 0; i < n; i++) {
		struct vh_inside_record *r = &VH_PUSH(in->dmesg, in->n_dmesg);

		r->seq = i;
		r->n = bytes;
		r->text = vh_alloc(bytes + 1);
		memset(r->text, i & 1 ? 0xff : 1, bytes);
	}
}

/* However much there is, it stays below the cap, and of the log the newest stays. */
static void too_much(void **state VH_UNUSED)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_LINUX);

	add_records(in, 2000, 30000);
	for (size_t i = 0; i < VH_INSIDE_MAX_TASKS + 10; i++) {
		struct vh_inside_task *t = &VH_PUSH(in->tasks, in->n_tasks);

		t->pid = (int64_t)i;
		for (size_t k = 0; k < VH_INSIDE_MAX_FRAMES; k++)
			add_frame(&t->stack, VH_FRAME_CALL, "a_function_of_the_kernel");
	}

	vh_auto_free char *text = written(in);
	struct vh_inside *back = read_back(text);

	assert_in_range(strlen(text), VH_INSIDE_MAX_JSON / 2, VH_INSIDE_MAX_JSON);
	assert_in_range(back->n_dmesg, 1, 1999);
	assert_int_equal(back->dmesg[back->n_dmesg - 1].seq, 1999);
	assert_in_range(back->n_tasks, 100, VH_INSIDE_MAX_TASKS);
	assert_int_equal(back->n_notes, 1);
	vh_inside_free(back);
	vh_inside_free(in);
}

static void long_text(void **state VH_UNUSED)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_LINUX);
	size_t n = VH_INSIDE_MAX_TEXT + 1;

	in->kernel.banner = vh_alloc(n + 1);
	for (size_t i = 0; i + 1 < n; i += 2)
		memcpy(in->kernel.banner + i, "\xc3\xa9", 2);
	in->kernel.banner[n - 1] = 'x';

	vh_auto_free char *text = written(in);
	struct vh_inside *back = read_back(text);

	assert_int_equal(strlen(back->kernel.banner), VH_INSIDE_MAX_TEXT);
	assert_true(vh_is_utf8(vh_str(back->kernel.banner)));
	vh_inside_free(back);
	vh_inside_free(in);
}

static void many_notes(void **state VH_UNUSED)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_LINUX);

	for (int i = 0; i < 1000; i++) {
		vh_inside_note(in, "note %d", i);
		vh_inside_note(in, "the same");
	}
	assert_int_equal(in->n_notes, VH_INSIDE_MAX_NOTES);
	assert_string_equal(in->notes[1], "the same");
	assert_string_equal(in->notes[2], "note 1");
	vh_inside_free(in);
}

#define WITH(rest) "{\"schema\":\"vmhang.inside/1\",\"outcome\":\"linux\"," rest "}"

static void hostile(void **state VH_UNUSED)
{
	refused("[]", "the schema is not vmhang.inside/1");
	refused("null", "the schema is not vmhang.inside/1");
	refused("{\"schema\":\"vmhang.inside/2\"}", "the schema is not vmhang.inside/1");
	refused("{\"schema\":\"vmhang.inside/1\"}", "outcome: is not there");
	refused("{\"schema\":\"vmhang.inside/1\",\"outcome\":null}", "outcome: is not there");
	refused("{\"schema\":\"vmhang.inside/1\",\"outcome\":\"so\"}",
		"outcome: is no name that is known");
	refused(WITH("\"kernel\":[]"), "kernel: is no object");
	refused(WITH("\"kernel\":{\"release\":7}"), "kernel: release: is no string");
	refused(WITH("\"kernel\":{\"release\":\"a\\u0000b\"}"), "kernel: release: holds a NUL");
	refused(WITH("\"kernel\":{\"uptime_ns\":-1}"),
		"kernel: uptime_ns: is no whole number from 0 on");
	refused(WITH("\"kernel\":{\"uptime_ns\":1.5}"),
		"kernel: uptime_ns: is no whole number from 0 on");
	refused(WITH("\"kernel\":{\"uptime_ns\":18446744073709551615}"),
		"kernel: uptime_ns: is too large");
	refused(WITH("\"kernel\":{\"levels\":6}"), "kernel: levels: is too large");
	refused(WITH("\"kernel\":{\"taint\":12}"),
		"kernel: taint: is no hexadecimal number of 64 bits");
	refused(WITH("\"kernel\":{\"taint\":\"0x1ffffffffffffffff\"}"),
		"kernel: taint: is no hexadecimal number of 64 bits");
	refused(WITH("\"kernel\":{\"pti\":1}"), "kernel: pti: is neither true nor false");
	refused(WITH("\"tasks\":{}"), "tasks: is no list");
	refused(WITH("\"tasks\":[{},null]"), "tasks: [1]: is no object");
	refused(WITH("\"tasks\":[{\"state\":\"DD\"}]"), "tasks: [0]: state: is no letter");
	refused(WITH("\"tasks\":[{\"stack\":{\"frames\":[{},{\"ip\":\"x\"}]}}]"),
		"tasks: [0]: stack: frames: [1]: ip: is no hexadecimal number of 64 bits");
	refused(WITH("\"vcpus\":[{\"index\":4294967296}]"), "vcpus: [0]: index: is too large");
	refused(WITH("\"dmesg\":[{\"seq\":1}]"), "dmesg: [0]: text: is not there");
	refused(WITH("\"notes\":[[]]"), "notes: [0]: is no string");
	refused(WITH("\"notes\":[null]"), "notes: [0]: is no string");
}

/* As many as are taken, and one more. */
static void caps(void **state VH_UNUSED)
{
	vh_auto_buf struct vh_buf b = {0};

	vh_buf_puts(&b, "{\"schema\":\"vmhang.inside/1\",\"outcome\":\"linux\",\"notes\":[\"\"");
	for (unsigned i = 1; i < VH_INSIDE_MAX_NOTES; i++)
		vh_buf_puts(&b, ",\"\"");

	struct vh_buf more = {0};

	vh_buf_printf(&more, "%s,\"\"]}", vh_buf_str(&b));
	vh_buf_puts(&b, "]}");
	vh_inside_free(read_back(vh_buf_str(&b)));
	refused(vh_buf_str(&more), "notes: is too long");
	vh_buf_free(&more);

	vh_auto_free char *text = vh_alloc(VH_INSIDE_MAX_TEXT + 2);

	memset(text, 'x', VH_INSIDE_MAX_TEXT + 1);

	vh_auto_free char *json = vh_asprintf(WITH("\"kernel\":{\"banner\":\"%s\"}"), text);

	refused(json, "kernel: banner: is too long");
}

/* What would take gigabytes is not parsed at all. */
static void too_many_values(void **state VH_UNUSED)
{
	static const char *const rows[] = {"{},", "[],", "0,", "\"a\":0,"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		vh_auto_buf struct vh_buf text = {0};
		vh_auto_error struct vh_error *err = NULL;

		vh_buf_puts(&text, i < 3 ? "[" : "{");
		while (text.len < VH_INSIDE_MAX_JSON - 16)
			vh_buf_puts(&text, rows[i]);
		vh_buf_puts(&text, i < 3 ? "0]" : "\"b\":0}");
		assert_null(vh_inside_parse((struct vh_str){vh_buf_str(&text), text.len}, &err));
		assert_string_equal(err->message, "holds more than a guest can fill");
	}
	/* Commas and brackets within a text are none. */
	vh_auto_buf struct vh_buf text = {0};
	vh_auto_error struct vh_error *err = NULL;

	vh_buf_puts(&text, "{\"schema\": \"" VH_INSIDE_SCHEMA "\", \"outcome\": \"linux\", "
			   "\"notes\": [");
	for (int i = 0; i < 60; i++) {
		vh_buf_puts(&text, "\"\\\"");
		for (int k = 0; k < 1000; k++)
			vh_buf_puts(&text, ",{[,");
		vh_buf_puts(&text, i < 59 ? "\"," : "\"]}");
	}
	struct vh_inside *in = vh_inside_parse((struct vh_str){vh_buf_str(&text), text.len}, &err);

	assert_null(err);
	assert_int_equal(in->n_notes, 60);
	vh_inside_free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(nothing_known),
		cmocka_unit_test(impossible_values),
		cmocka_unit_test(too_much),
		cmocka_unit_test(long_text),
		cmocka_unit_test(many_notes),
		cmocka_unit_test(hostile),
		cmocka_unit_test(caps),
		cmocka_unit_test(too_many_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
