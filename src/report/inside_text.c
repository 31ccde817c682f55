/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was found inside a guest, for a terminal. */
#include <inttypes.h>

#include "base/units.h"
#include "decode/insight.h"
#include "report/inside.h"
#include "report/wrap.h"

/* ECMA-48 SGR. */
#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

#define MAX_RECENT    3
#define MAX_BLOCKED   16                  /* with their stacks; the rest in a line each */
#define LAG_NS        INT64_C(1000000000) /* a run queue's clock that is behind */
#define IDENTITY_LINE 300                 /* of a command line, unless --verbose */

struct writer {
	const struct vh_inside *in;
	const struct vh_inside_show *show;
	struct vh_buf *out;
	unsigned width;
};

static void put(const struct writer *w, const char *colour, const char *text)
{
	if (w->show->colour)
		vh_buf_printf(w->out, "%s%s%s", colour, text, PLAIN);
	else
		vh_buf_puts(w->out, text);
}

static void heading(const struct writer *w, const char *fmt, ...) VH_PRINTF(2, 3);
static void heading(const struct writer *w, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vh_auto_free char *text = vh_vasprintf(fmt, args);
	va_end(args);
	vh_buf_putc(w->out, '\n');
	put(w, BOLD, text);
	vh_buf_putc(w->out, '\n');
}

/* What matters of it in words: what the kernel met, and which code is not its maker's
 * (Documentation/admin-guide/tainted-kernels.rst). */
static void add_taint_words(struct vh_buf *out, uint64_t taint)
{
	static const struct {
		unsigned bit;
		const char *words;
	} rows[] = {{4, "a machine check"}, {5, "a bad page"}, {7, "an oops"}, {9, "a warning"},
		{14, "a soft lockup"}, {0, "a proprietary module"}, {1, "a forced module"},
		{12, "a module from elsewhere"}, {13, "an unsigned module"}, {15, "a live patch"}};
	bool any = false;

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		if (!(taint >> rows[i].bit & 1))
			continue;
		vh_buf_printf(out, "%s%s", any ? ", " : " (", rows[i].words);
		any = true;
	}
	if (any)
		vh_buf_putc(out, ')');
}

static void put_identity(const struct writer *w)
{
	const struct vh_inside_kernel *k = &w->in->kernel;
	vh_auto_buf struct vh_buf line = {0};
	vh_auto_free char *command = vh_escaped(k->command_line);
	vh_auto_free char *taint = vh_escaped(k->taint_text), *build = vh_escaped(k->build_id);
	vh_auto_free char *state = vh_escaped(k->system_state);

	if (k->build_id)
		vh_buf_printf(&line, "build id %s", build);
	if (k->has_taint)
		vh_buf_printf(&line, "%s%s%s", line.len ? ", " : "",
			k->taint ? "tainted " : "not tainted",
			!k->taint       ? ""
			: k->taint_text ? taint
					: "?");
	if (k->has_taint)
		add_taint_words(&line, k->taint);
	if (k->system_state && !vh_streq(k->system_state, "running"))
		vh_buf_printf(&line, "%sstate \"%s\"", line.len ? ", " : "", state);
	if (w->in->method == VH_INSIDE_BY_SCAN && k->release)
		vh_buf_printf(&line, "%sfound without registers, by searching its memory",
			line.len ? ", " : "");
	if (line.len)
		vh_wrap(w->out, (struct vh_str){line.data, line.len}, w->width, "  ", "  ");
	if (!k->command_line || !strlen(command))
		return;
	if (!w->show->verbose && strlen(command) > IDENTITY_LINE) {
		size_t n = IDENTITY_LINE;

		/* Not in the middle of a character. */
		while (n && ((unsigned char)command[n] & 0xc0) == 0x80)
			n--;
		memcpy(command + n, "...", 4);
	}
	struct vh_str shown = vh_str_trim(vh_str(command));

	vh_buf_printf(w->out, "  command line: %.*s\n", (int)shown.n, shown.s);
}

/* "spin+0x2c/0x70 [trouble]", as the kernel writes it. */
static void put_frame(const struct writer *w, const struct vh_frame *f, const char *indent)
{
	vh_auto_free char *symbol = vh_escaped(f->symbol), *module = vh_escaped(f->module);
	vh_auto_free char *line = vh_escaped(f->line);

	if (f->kind == VH_FRAME_USER) {
		vh_buf_printf(w->out, "%s--- user space, at 0x%" PRIx64 " ---\n", indent, f->ip);
		return;
	}
	if (f->kind == VH_FRAME_INTERRUPT)
		vh_buf_printf(w->out, "%s--- interrupted here ---\n", indent);
	vh_buf_printf(w->out, "%s%s", indent, f->kind == VH_FRAME_GUESS ? "? " : "");
	if (f->symbol)
		vh_buf_printf(w->out, "%s+0x%" PRIx64 "/0x%" PRIx64, symbol, f->offset, f->size);
	else
		vh_buf_printf(w->out, "0x%" PRIx64, f->ip);
	if (f->module)
		vh_buf_printf(w->out, " [%s]", module);
	vh_buf_printf(w->out, "%s%s\n", f->line ? "  " : "", line);
}

static void put_stack(const struct writer *w, const struct vh_backtrace *b, const char *indent)
{
	vh_auto_free char *end = vh_escaped(b->end);

	if (!w->show->stacks)
		return;
	for (size_t i = 0; i < b->n; i++)
		put_frame(w, &b->frames[i], indent);
	if (b->end)
		vh_buf_printf(w->out, "%s(%s)\n", indent, end);
}

static void put_log_line(const struct writer *w, const struct vh_inside_record *r)
{
	vh_inside_record_text(r, w->show->colour, w->show->verbose, w->out);
}

/* The records newest[k] of which there are any, oldest first. */
static void put_newest(
	const struct writer *w, const size_t *newest, const size_t *times, size_t n_kinds)
{
	bool any = false;

	for (size_t from = 0, next = 0; next != SIZE_MAX; from = next + 1) {
		size_t kind = 0;

		next = SIZE_MAX;
		for (size_t k = 0; k < n_kinds; k++)
			if (times[k] && newest[k] >= from && newest[k] < next) {
				next = newest[k];
				kind = k;
			}
		if (next == SIZE_MAX)
			break;
		if (!any)
			heading(w, "What its log tells of trouble: the newest of each kind");
		any = true;
		if (times[kind] > 1)
			vh_buf_printf(w->out, "  (%zu times) ", times[kind]);
		else
			vh_buf_puts(w->out, "  ");
		put_log_line(w, &w->in->dmesg[next]);
	}
}

/* What its log tells of trouble: the newest line of each kind, in the order of the log. */
static void put_troubles(const struct writer *w)
{
	static const char *const marks[] = {"Kernel panic - not syncing",
		"Oops: ", "BUG: unable to handle", "BUG: kernel NULL pointer", "kernel BUG at ",
		"general protection fault", "BUG: soft lockup", "detected hard LOCKUP",
		"INFO: rcu_", "blocked for more than ", "Out of memory: Kill", "I/O error, dev ",
		"Remounting filesystem read-only"};
	const struct vh_inside *in = w->in;
	size_t newest[VH_ARRAY_SIZE(marks)], times[VH_ARRAY_SIZE(marks)] = {0};
	for (size_t i = 0; i < in->n_dmesg; i++)
		for (size_t k = 0; in->dmesg[i].facility == 0 && k < VH_ARRAY_SIZE(marks); k++) {
			struct vh_str text = {in->dmesg[i].text, in->dmesg[i].n};

			if (vh_str_find(text, marks[k]) < 0 ||
				vh_str_find(text, "end Kernel panic") >= 0)
				continue;
			newest[k] = i;
			times[k]++;
			break;
		}
	put_newest(w, newest, times, VH_ARRAY_SIZE(marks));
}

static const char *doing_text(const struct vh_inside_vcpu *v)
{
	static const char *const texts[VH_N_DOING] = {
		[VH_DOING_IDLE] = "idle",
		[VH_DOING_USER] = "runs a program",
		[VH_DOING_PANIC] = "in panic()",
		[VH_DOING_PARKED] = "stopped by its kernel",
		[VH_DOING_LOCK] = "spins for a lock",
		[VH_DOING_IPI] = "waits for other CPUs",
		[VH_DOING_IRQS_OFF] = "at one place",
		[VH_DOING_ONE_PLACE] = "at one place",
		[VH_DOING_KERNEL] = "in the kernel",
	};
	enum vh_doing doing = vh_inside_doing(v);

	return texts[doing] ? texts[doing] : vh_stage_title(v->stage);
}

static void put_vcpu(const struct writer *w, const struct vh_inside_vcpu *v)
{
	vh_auto_free char *name = vh_task_name(v->comm, v->pid);
	vh_auto_free char *mapping = vh_escaped(v->mapping);
	vh_auto_buf struct vh_buf line = {0};

	vh_buf_printf(&line, "vCPU %d: %s", v->index, doing_text(v));
	if (vh_inside_knows_task(v))
		vh_buf_printf(&line, ", %s", name);
	if (v->arch == VH_ARCH_ARM64)
		vh_buf_puts(&line, v->cpl == 3 ? ", EL0" : ", EL1 or above");
	else
		vh_buf_printf(&line, ", CPL %u", v->cpl);
	vh_buf_printf(
		&line, ", interrupts %s%s", v->irqs_on ? "on" : "OFF", v->halted ? ", halted" : "");
	if (v->samples > 1)
		vh_buf_printf(&line, "; %u looks, %s, backtrace steady in %u", v->samples,
			v->same_rip     ? "always the same instruction"
			: v->same_place ? "always in that function"
					: "at different places",
			v->steady);
	vh_wrap(w->out, (struct vh_str){line.data, line.len}, w->width, "  ", "      ");
	if (v->mapping)
		vh_buf_printf(w->out, "      at 0x%" PRIx64 ", %s+0x%" PRIx64 "\n", v->rip, mapping,
			v->mapping_offset);
	else if (v->cpl == 3 || !v->stack.n)
		vh_buf_printf(w->out, "      at 0x%" PRIx64 "\n", v->rip);
	if (v->lock.kind != VH_BLOCKED_UNKNOWN || v->lock.symbol) {
		vh_auto_free char *lock = vh_lock_name(&v->lock);
		vh_auto_free char *by = vh_task_name(v->lock.holder_comm, v->lock.holder_pid);

		vh_buf_printf(w->out, "      waits for %s%s%s%s\n", lock,
			v->lock.holder_pid >= 0 ? ", which " : "",
			v->lock.holder_pid >= 0 ? by : "", v->lock.holder_pid >= 0 ? " holds" : "");
	}
	/* Of a program no more is known than where it is, which was said. */
	if (v->stack.n != 1 || v->stack.frames[0].kind != VH_FRAME_USER)
		put_stack(w, &v->stack, "      ");
}

/* "0, 2-7" */
static void put_idle(const struct writer *w)
{
	const struct vh_inside *in = w->in;
	vh_auto_buf struct vh_buf list = {0};
	size_t n = 0;
	int first = -1, last = -1;

	for (size_t i = 0; i <= in->n_vcpus; i++) {
		bool idle = i < in->n_vcpus && vh_inside_doing(&in->vcpus[i]) == VH_DOING_IDLE;

		n += idle;
		if (idle && last >= 0 && in->vcpus[i].index == last + 1) {
			last++;
			continue;
		}
		if (first >= 0)
			vh_buf_printf(&list, "%s%d", list.len ? ", " : "", first);
		if (first >= 0 && last > first)
			vh_buf_printf(&list, "-%d", last);
		first = last = -1;
		if (idle)
			first = last = in->vcpus[i].index;
	}
	if (n)
		vh_buf_printf(w->out, "  vCPU%s %s: idle\n", n > 1 ? "s" : "", list.data);
}

static void put_vcpus(const struct writer *w)
{
	const struct vh_inside *in = w->in;

	if (!in->n_vcpus)
		return;
	heading(w, "vCPUs");
	for (size_t i = 0; i < in->n_vcpus; i++)
		if (vh_inside_doing(&in->vcpus[i]) != VH_DOING_IDLE)
			put_vcpu(w, &in->vcpus[i]);
	put_idle(w);
}

static bool is_odd(const struct vh_inside_vcpu *v)
{
	/* An idle CPU's clock stands still, which is no sign of anything. */
	bool idle = vh_inside_doing(v) == VH_DOING_IDLE;

	return v->nr_running > 1 || (!idle && v->clock_lag_ns >= LAG_NS) ||
	       (idle && v->nr_running > 0);
}

static void put_queues(const struct writer *w)
{
	const struct vh_inside *in = w->in;
	bool any = false;

	for (size_t i = 0; i < in->n_vcpus; i++) {
		const struct vh_inside_vcpu *v = &in->vcpus[i];

		if (!is_odd(v))
			continue;
		if (!any)
			heading(w, "Run queues");
		any = true;
		vh_buf_printf(w->out, "  vCPU %d: ", v->index);
		if (v->nr_running >= 0)
			vh_buf_printf(w->out, "%" PRId64 " task%s to run", v->nr_running,
				v->nr_running == 1 ? "" : "s");
		if (v->clock_lag_ns >= LAG_NS)
			vh_buf_printf(w->out,
				"%sits clock is %s behind the newest: no tick of its "
				"timer came since",
				v->nr_running >= 0 ? "; " : "",
				vh_duration_text(v->clock_lag_ns).s);
		vh_buf_putc(w->out, '\n');
	}
}

static void put_blocked(const struct writer *w, const struct vh_inside_task *t, bool stack)
{
	vh_auto_free char *name = vh_task_name(t->comm, t->pid);
	vh_auto_buf struct vh_buf line = {0};
	enum vh_guest_wait wait = vh_inside_wait(t);

	vh_buf_printf(&line, "%s%s", name, t->kernel_thread ? ", a kernel thread" : "");
	if (t->killable)
		vh_buf_puts(&line, ", can be killed");
	if (t->waited_ns >= 0)
		vh_buf_printf(&line, ": for %s", vh_duration_text(t->waited_ns).s);
	if (t->lock.symbol || t->lock.gva || t->lock.holder_pid >= 0) {
		vh_auto_free char *lock = vh_lock_name(&t->lock);

		vh_buf_printf(&line, ", for %s", lock);
	} else if (wait != VH_GUEST_WAIT_UNKNOWN) {
		vh_buf_printf(&line, ", for %s", vh_guest_wait_name(wait));
	}
	if (t->lock.holder_pid >= 0) {
		vh_auto_free char *by = vh_task_name(t->lock.holder_comm, t->lock.holder_pid);

		vh_buf_printf(&line, ", which %s holds", by);
	}
	vh_wrap(w->out, (struct vh_str){line.data, line.len}, w->width, "  ", "      ");
	if (stack)
		put_stack(w, &t->stack, "      ");
}

static int longest_first(const void *a, const void *b)
{
	const struct vh_inside_task *x = *(const struct vh_inside_task *const *)a;
	const struct vh_inside_task *y = *(const struct vh_inside_task *const *)b;

	return (y->waited_ns > x->waited_ns) - (y->waited_ns < x->waited_ns);
}

static void put_waiting(const struct writer *w)
{
	const struct vh_inside *in = w->in;
	const struct vh_inside_task **list = vh_alloc((in->n_tasks + 1) * sizeof(*list));
	struct vh_inside_cycle cycle;
	size_t n = 0;

	for (size_t i = 0; i < in->n_tasks; i++)
		if (in->tasks[i].state == 'D')
			list[n++] = &in->tasks[i];
	if (vh_inside_find_cycle(in, &cycle)) {
		vh_auto_free char *text = vh_inside_cycle_text(&cycle);

		heading(w, "Deadlock");
		vh_wrap(w->out, vh_str(text), w->width, "  ", "  ");
	}
	if (n) {
		qsort(list, n, sizeof(*list), longest_first);
		heading(w, "Tasks that wait in state D, longest first: %zu of %zu", n, in->n_tasks);
	} else if (in->has_tasks) {
		heading(w, "No task waits in state D; %zu tasks in all", in->n_tasks);
	}
	for (size_t i = 0; i < n; i++)
		put_blocked(w, list[i], i < MAX_BLOCKED || w->show->verbose);
	free(list);
}

/* Holders of locks, and what is on no CPU though it could be: those with stacks that do not wait in
 * D. */
static void put_others(const struct writer *w)
{
	const struct vh_inside *in = w->in;
	bool any = false;

	for (size_t i = 0; i < in->n_tasks; i++) {
		const struct vh_inside_task *t = &in->tasks[i];
		bool holds = false;

		for (size_t k = 0; k < in->n_tasks && !holds && t->stack.n; k++)
			holds = in->tasks[k].lock.holder_pid == t->pid && t->pid >= 0;
		if (!holds || t->state == 'D')
			continue;
		if (!any)
			heading(w, "Tasks that hold what others wait for");
		any = true;
		put_blocked(w, t, true);
	}
}

/* An idle guest in which nothing is blocked: what its programs wait for tells what it is idle for.
 */
static void put_recent(const struct writer *w)
{
	const struct vh_inside *in = w->in;
	const struct vh_inside_task *t = NULL;

	for (size_t i = 0; i < in->n_vcpus; i++)
		if (vh_inside_doing(&in->vcpus[i]) != VH_DOING_IDLE)
			return;
	if (vh_inside_any_blocked(in) || w->show->tasks)
		return;
	for (size_t i = 0; i < MAX_RECENT && (t = vh_inside_ran_last(in, t)); i++) {
		if (!i)
			heading(w, "Programs that ran last");
		put_blocked(w, t, true);
	}
}

static void put_tasks(const struct writer *w)
{
	const struct vh_inside *in = w->in;

	if (!w->show->tasks || !in->has_tasks)
		return;
	heading(w, "All tasks: pid, state, CPU, since it ran, name, where it waits");
	for (size_t i = 0; i < in->n_tasks; i++) {
		const struct vh_inside_task *t = &in->tasks[i];
		vh_auto_free char *comm = vh_escaped(t->comm);
		const struct vh_frame *f = vh_inside_wait_frame(&t->stack);
		vh_auto_free char *where = f ? vh_frame_where(f) : vh_strdup("");

		vh_buf_printf(w->out, "  %7" PRId64 " %c %4d %12s  %s%s%s%s%s\n", t->pid, t->state,
			t->cpu,
			t->on_cpu          ? "running"
			: t->waited_ns < 0 ? "-"
					   : vh_duration_text(t->waited_ns).s,
			t->kernel_thread ? "[" : "", comm, t->kernel_thread ? "]" : "",
			*where ? "  " : "", where);
	}
}

static void put_log(const struct writer *w)
{
	const struct vh_inside *in = w->in;
	size_t most = w->show->dmesg == VH_DMESG_ALL ? in->n_dmesg : (size_t)w->show->dmesg;
	size_t from = in->n_dmesg - VH_MIN(in->n_dmesg, most);

	if (!in->n_dmesg || !most)
		return;
	if (from)
		heading(w, "Kernel log: the last %zu of %zu records (--dmesg=all shows all)",
			in->n_dmesg - from, in->n_dmesg);
	else
		heading(w, "Kernel log");
	if (!from && in->dmesg_lost)
		vh_buf_printf(w->out, "  (%" PRIu64 " records before were overwritten)\n",
			in->dmesg_lost);
	for (; from < in->n_dmesg; from++)
		put_log_line(w, &in->dmesg[from]);
}

static void put_screen(const struct writer *w)
{
	struct vh_str rest = vh_str(w->show->screen), line;
	bool linux_runs =
		w->in->outcome == VH_INSIDE_LINUX || w->in->outcome == VH_INSIDE_EARLY_LINUX;

	/* A Linux writes to its log what it writes to the screen, and more. */
	if (!rest.n || (linux_runs && w->in->n_dmesg && !w->show->verbose))
		return;
	heading(w, "Its screen");
	while (vh_next_line(&rest, &line)) {
		vh_buf_puts(w->out, "  | ");
		vh_escape(w->out, line, false);
		vh_buf_putc(w->out, '\n');
	}
}

static void put_end(const struct writer *w)
{
	const struct vh_inside *in = w->in;

	if (in->n_notes)
		heading(w, "Not read, or not whole");
	for (size_t i = 0; i < in->n_notes; i++) {
		vh_auto_free char *note = vh_escaped(in->notes[i]);

		vh_wrap(w->out, vh_str(note), w->width, "  - ", "    ");
	}
	if (!w->show->verbose)
		return;
	if (in->n_modules)
		heading(w, "Modules: %zu", in->n_modules);
	for (size_t i = 0; i < in->n_modules; i++) {
		vh_auto_free char *name = vh_escaped(in->modules[i].name);

		vh_buf_printf(w->out, "  0x%" PRIx64 " %8" PRIu64 " %s\n", in->modules[i].gva,
			in->modules[i].bytes, name);
	}
	heading(w, "What it cost");
	vh_buf_printf(w->out, "  %s read in %" PRIu64 " reads, %" PRIu64 " of absent pages; %s\n",
		vh_bytes_text(in->bytes).s, in->reads, in->absent, vh_duration_text(in->took_ns).s);
	for (size_t i = 0; i < in->n_steps; i++) {
		vh_auto_free char *name = vh_escaped(in->steps[i].name);

		vh_buf_printf(w->out, "  %-24s %10s %10s\n", name,
			vh_duration_text(in->steps[i].took_ns).s,
			vh_bytes_text(in->steps[i].bytes).s);
	}
}

void vh_inside_text(
	const struct vh_inside *in, const struct vh_inside_show *show, struct vh_buf *out)
{
	struct writer w = {in, show, out, show->width ? show->width : 100};
	vh_auto_free char *name = vh_escaped(show->name), *line = vh_inside_headline(in);

	put(&w, BOLD, name);
	vh_buf_printf(out, ": %s\n", line);
	put_identity(&w);
	put_troubles(&w);
	put_vcpus(&w);
	put_queues(&w);
	put_waiting(&w);
	put_others(&w);
	put_recent(&w);
	put_tasks(&w);
	put_screen(&w);
	put_log(&w);
	put_end(&w);
}
