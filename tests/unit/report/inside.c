/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was found inside a guest in words: what an operator reads, and nothing that a guest wrote
 * there for a terminal. */
#include "report/inside.h"

#include "tests/unit/test.h"

#define SECOND INT64_C(1000000000)

static struct vh_inside *hung(void)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_LINUX);
	struct vh_inside_vcpu *v;
	struct vh_frame *f;

	in->kernel.release = vh_strdup("6.1.0-49-amd64");
	in->kernel.uptime_ns = 184 * SECOND;
	in->kernel.command_line = vh_strdup("root=/dev/vda1 \033[31mquiet");
	in->has_tasks = true;
	for (int i = 0; i < 4; i++) {
		v = &VH_PUSH(in->vcpus, in->n_vcpus);
		*v = (struct vh_inside_vcpu){.index = i,
			.stage = VH_STAGE_LINUX_64,
			.irqs_on = true,
			.halted = true,
			.samples = 3,
			.steady = 3,
			.nr_running = 0,
			.clock_lag_ns = 9 * SECOND};
		v->lock.holder_pid = -1;
	}
	v = &in->vcpus[1];
	v->irqs_on = v->halted = false;
	v->pid = 90;
	v->comm = vh_strdup("ins\nmod");
	v->same_rip = v->same_place = true;
	v->nr_running = 4;
	v->clock_lag_ns = 8 * SECOND;
	f = &VH_PUSH(v->stack.frames, v->stack.n);
	*f = (struct vh_frame){.kind = VH_FRAME_TOP,
		.ip = 0xffffffffc0201030,
		.symbol = vh_strdup("spin"),
		.offset = 0x1d,
		.size = 0x60,
		.module = vh_strdup("trouble")};
	f = &VH_PUSH(v->stack.frames, v->stack.n);
	*f = (struct vh_frame){.kind = VH_FRAME_INTERRUPT,
		.ip = 0xffffffff81000100,
		.symbol = vh_strdup("kthread"),
		.offset = 0xd7,
		.size = 0x100};
	f = &VH_PUSH(v->stack.frames, v->stack.n);
	*f = (struct vh_frame){.kind = VH_FRAME_USER, .ip = 0x401000};

	struct vh_inside_task *t = &VH_PUSH(in->tasks, in->n_tasks);

	*t = (struct vh_inside_task){.pid = 42,
		.comm = vh_strdup("dd"),
		.state = 'D',
		.cpu = 0,
		.waited_ns = 90 * SECOND,
		.lock = {VH_BLOCKED_MUTEX, 0x1000, vh_strdup("first [trouble]"), 17,
			vh_strdup("cat")}};
	for (unsigned i = 0; i < 30; i++) {
		struct vh_inside_record *r = &VH_PUSH(in->dmesg, in->n_dmesg);

		r->seq = i;
		r->ts_ns = (uint64_t)i * SECOND;
		r->level = 3;
		r->complete = i != 29;
		r->text = vh_asprintf("line %u\nmore \033[2J of it", i);
		r->n = strlen(r->text);
	}
	return in;
}

static char *text_of(const struct vh_inside *in, const struct vh_inside_show *show)
{
	struct vh_buf out = {0};

	vh_inside_text(in, show, &out);
	assert_true(vh_is_utf8((struct vh_str){out.data, out.len}));
	assert_null(strchr(out.data, '\033'));
	return vh_buf_steal(&out);
}

#define HAS(text, part)                                                                            \
	do {                                                                                       \
		if (!strstr((text), (part)))                                                       \
			fail_msg("no \"%s\" in:\n%s", (part), (text));                             \
	} while (0)

/* ARM has no CPL. */
static void a_hung_arm_guest(void **state VH_UNUSED)
{
	struct vh_inside *in = hung();

	in->vcpus[1].arch = VH_ARCH_ARM64;
	vh_auto_free char *text =
		text_of(in, &(struct vh_inside_show){.name = "a", .stacks = true});

	HAS(text, "  vCPU 1: at one place, ins\\x0amod (pid 90), EL1 or above, interrupts OFF");
	vh_inside_free(in);
}

static void a_hung_guest(void **state VH_UNUSED)
{
	struct vh_inside *in = hung();
	vh_auto_free char *text = text_of(
		in, &(struct vh_inside_show){.name = "web\033-07", .stacks = true, .dmesg = 2});

	assert_int_equal(
		strncmp(text,
			"web\\x1b-07: Linux 6.1.0-49-amd64, up 3 min 4 s: vCPU 1 stays in "
			"spin [trouble] with interrupts off; dd (pid 42) waits in state D, "
			"for 1 min 30 s, for a lock that another task holds\n",
			strlen("web\\x1b-07: Linux 6.1.0-49-amd64, up 3 min 4 s: vCPU 1 "
			       "stays in spin [trouble] with interrupts off; dd (pid 42) "
			       "waits in state D, for 1 min 30 s, for a lock that another "
			       "task holds\n")),
		0);
	HAS(text, "command line: root=/dev/vda1 \\x1b[31mquiet\n");
	HAS(text, "  vCPU 1: at one place, ins\\x0amod (pid 90), CPL 0, interrupts OFF");
	HAS(text, "      spin+0x1d/0x60 [trouble]\n      --- interrupted here ---\n"
		  "      kthread+0xd7/0x100\n      --- user space, at 0x401000 ---\n");
	HAS(text, "  vCPUs 0, 2-3: idle\n");
	HAS(text, "  vCPU 1: 4 tasks to run; its clock is 8.0 s behind the newest");
	HAS(text, "dd (pid 42): for 1 min 30 s, for the mutex first [trouble], which cat (pid 17)");
	HAS(text, "Kernel log: the last 2 of 30 records");
	HAS(text, "[   28.000000] line 28\n[   28.000000] more \\x1b[2J of it\n");
	HAS(text, "[   29.000000] more \\x1b[2J of it (unfinished)\n");
	/* An idle CPU's clock is no sign of anything. */
	assert_null(strstr(text, "vCPU 0: 0 tasks"));
	vh_inside_free(in);
}

static void log_line(struct vh_inside *in, uint64_t at_s, const char *text)
{
	struct vh_inside_record *r = &VH_PUSH(in->dmesg, in->n_dmesg);

	*r = (struct vh_inside_record){.seq = in->n_dmesg - 1,
		.ts_ns = at_s * (uint64_t)SECOND,
		.complete = true,
		.text = vh_strdup(text),
		.n = strlen(text)};
}

/* The lines that matter, and not the registers that the kernel prints behind them. */
static void what_its_log_tells_of_trouble(void **state VH_UNUSED)
{
	struct vh_inside *in = hung();

	in->kernel.has_taint = true;
	in->kernel.taint = 1 << 14 | 1 << 12;
	in->kernel.taint_text = vh_strdup("O L");
	vh_replace(&in->kernel.command_line, " quiet ");
	log_line(in, 40, "INFO: task dd:42 blocked for more than 120 seconds.");
	log_line(in, 50, "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [insmod:90]");
	log_line(in, 74, "watchdog: BUG: soft lockup - CPU#1 stuck for 45s! [insmod:90]");
	log_line(in, 74, "RIP: 0010:spin+0x1d/0x60 [trouble]");
	vh_auto_free char *text = text_of(in, &(struct vh_inside_show){.name = "x", .dmesg = 1});

	HAS(text, "the newest of each kind\n"
		  "  [   40.000000] INFO: task dd:42 blocked for more than 120 seconds.\n"
		  "  (2 times) [   74.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 45s!");
	assert_null(strstr(text, "stuck for 22s"));
	HAS(text, "tainted O L (a soft lockup, a module from elsewhere)\n");
	HAS(text, "  command line: quiet\n");
	vh_inside_free(in);
}

/* A disk that is waited for at this moment is no news; what stands since the start is. */
static void a_moment_in_state_d_is_no_headline(void **state VH_UNUSED)
{
	struct vh_inside *in = hung();
	struct vh_frame *f = &VH_PUSH(in->tasks[0].stack.frames, in->tasks[0].stack.n);

	in->tasks[0].waited_ns = SECOND / 100;
	vh_auto_free char *line = vh_inside_headline(in);

	assert_null(strstr(line, "dd (pid 42)"));
	in->tasks[0].pid = 1;
	*f = (struct vh_frame){.kind = VH_FRAME_CALL,
		.ip = 0xffffffff81000100,
		.symbol = vh_strdup("prepare_namespace"),
		.size = 0x100};
	free(line);
	line = vh_inside_headline(in);
	HAS(line, "its first process waits for the root device");
	vh_inside_free(in);
}

static void as_told(void **state VH_UNUSED)
{
	struct vh_inside *in = hung();
	vh_auto_free char *text = text_of(in, &(struct vh_inside_show){.name = "x", .tasks = true});

	assert_null(strstr(text, "spin+0x"));
	assert_null(strstr(text, "Kernel log"));
	HAS(text, "     42 D    0 ");
	free(text);
	text = text_of(
		in, &(struct vh_inside_show){.name = "x", .dmesg = VH_DMESG_ALL, .verbose = true});
	HAS(text, "kern  :err   : [    0.000000] line 0\n");
	HAS(text, "What it cost");
	vh_inside_free(in);
}

static void no_linux(void **state VH_UNUSED)
{
	struct vh_inside *in = vh_inside_new(VH_INSIDE_NO_LINUX);

	in->stage = VH_STAGE_REAL_MODE;

	vh_auto_free char *text =
		text_of(in, &(struct vh_inside_show){
				    .name = "x", .screen = "SeaBIOS\nNo bootable device.\033"});

	HAS(text, "x: no Linux kernel: ");
	HAS(text, "Its screen\n  | SeaBIOS\n  | No bootable device.\\x1b\n");
	assert_int_equal(vh_inside_exit_status(in), 0);
	in->outcome = VH_INSIDE_ENCRYPTED;
	assert_int_equal(vh_inside_exit_status(in), 2);
	vh_inside_free(in);
}

static void json_is_escaped(void **state VH_UNUSED)
{
	struct vh_inside *in = hung();
	vh_auto_json struct json_object *o = vh_inside_json(in);

	assert_string_equal(vh_json_string(vh_json_at(o, "kernel", NULL), "command_line", ""),
		"root=/dev/vda1 \\x1b[31mquiet");
	vh_inside_free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hung_guest),
		cmocka_unit_test(what_its_log_tells_of_trouble),
		cmocka_unit_test(a_moment_in_state_d_is_no_headline),
		cmocka_unit_test(a_hung_arm_guest),
		cmocka_unit_test(as_told),
		cmocka_unit_test(no_linux),
		cmocka_unit_test(json_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
