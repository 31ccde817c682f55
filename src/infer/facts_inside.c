/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts of what was found in the guest's memory: where its vCPUs are by their backtraces, which
 * tasks wait, for what and for whom. It is the guest's claim: what a vCPU does is a fact only where
 * its registers and its thread agree.
 */
#include <inttypes.h>

#include "decode/insight.h"
#include "infer/facts_build.h"

#define LAG_S        2   /* a run queue's clock so far behind: no tick came for so long */
#define LONG_WAIT_S  120 /* kernel.hung_task_timeout_secs: what the kernel itself calls long */
#define TOLD_WAIT_S  2   /* where its kernel says already that a task waits for too long */
#define CYCLE_WAIT_S 2   /* so long nobody changes: the reading took milliseconds */
#define MAX_BLOCKED  8   /* tasks, of each kind of wait */
#define MAX_LINES    3

static struct vh_fact *add(struct vh_facts *facts, struct vh_fact *f)
{
	vh_fact_ground(facts, f, "guest.inside", NULL);
	return f;
}

/* "spin+0x2c/0x70 [trouble]" of the frames from one on. */
static void prove_by_stack(
	struct vh_fact *f, const struct vh_backtrace *b, const struct vh_frame *from)
{
	for (size_t i = from ? (size_t)(from - b->frames) : 0; i < b->n && f->n_lines < MAX_LINES;
		i++) {
		const struct vh_frame *r = &b->frames[i];

		if (!r->symbol || r->kind == VH_FRAME_GUESS)
			continue;
		vh_fact_line(f, "%s+0x%" PRIx64 "/0x%" PRIx64 "%s%s%s", r->symbol, r->offset,
			r->size, r->module ? " [" : "", r->module ? r->module : "",
			r->module ? "]" : "");
	}
}

/* The newest lines of the log with these words. */
static void prove_by_log(struct vh_fact *f, const struct vh_inside *in, const char *words)
{
	for (size_t i = in->n_dmesg; i-- > 0 && f->n_lines < MAX_LINES;) {
		const struct vh_inside_record *r = &in->dmesg[i];
		struct vh_str text = {r->text, VH_MIN(r->n, 200)};
		uint64_t us = r->ts_ns / 1000;

		if (vh_str_find(text, words) < 0 || vh_str_find(text, "end Kernel panic") >= 0)
			continue;
		vh_fact_line(f, "[%5" PRIu64 ".%06" PRIu64 "] %.*s", us / 1000000, us % 1000000,
			(int)text.n, text.s);
		return;
	}
}

static bool runs(const struct vh_facts *facts, int v)
{
	return vh_fact_of(facts, VH_FACT_VCPU_BUSY, v) ||
	       vh_fact_of(facts, VH_FACT_VCPU_STARVED, v);
}

/* Its registers, over the whole window, agree with the backtrace. */
static bool agrees(const struct vh_facts *facts, const struct vh_inside_vcpu *v)
{
	enum vh_fact_id irqs = v->irqs_on ? VH_FACT_VCPU_IRQS_ON : VH_FACT_VCPU_IRQS_OFF;

	return runs(facts, v->index) && vh_fact_of(facts, irqs, v->index) &&
	       !vh_fact_of(facts, VH_FACT_VCPU_RIP_MOVES, v->index) &&
	       !vh_fact_of(facts, VH_FACT_VCPU_USER_MODE, v->index);
}

/* Writing to a slow serial console is work, however long it takes (drivers/tty/serial/8250). */
static bool writes_to_console(const struct vh_backtrace *b)
{
	static const char *const functions[] = {"serial8250_console_write", "wait_for_xmitr",
		"wait_for_lsr", "console_unlock", "univ8250_console_write", "hvc_console_print",
		"vt_console_print", "early_serial_write", "early_serial_putc"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(functions); i++)
		if (vh_inside_is_in(b, functions[i]))
			return true;
	return false;
}

/* ", which cat (pid 17) holds" */
static char *held_text(const struct vh_inside_lock *l)
{
	vh_auto_free char *by = vh_task_name(l->holder_comm, l->holder_pid);

	return l->holder_pid >= 0 ? vh_asprintf(", which %s holds", by) : vh_strdup("");
}

static void add_spin(
	struct vh_facts *facts, const struct vh_inside_vcpu *v, enum vh_fact_id id, const char *how)
{
	const struct vh_frame *at = vh_inside_spin_frame(&v->stack);
	vh_auto_free char *where = at ? vh_frame_where(at) : vh_strdup("its kernel");
	vh_auto_free char *task = vh_task_name(v->comm, v->pid);
	vh_auto_free char *held = held_text(&v->lock);
	struct vh_fact *f;

	if (!vh_inside_stays(v) || !agrees(facts, v) || writes_to_console(&v->stack) ||
		vh_inside_copies_memory(v))
		return;
	f = add(facts, vh_fact_add(facts, id, v->index, NAN,
			       "vCPU %d %s in %s with interrupts %s%s%s%s, at each of %u looks",
			       v->index, how, where, v->irqs_on ? "on" : "off",
			       v->comm ? ", in task " : "", v->comm ? task : "", held, v->samples));
	prove_by_stack(f, &v->stack, at);
}

static void add_lock_spin(struct vh_facts *facts, const struct vh_inside_vcpu *v)
{
	bool known = v->lock.symbol || v->lock.gva;
	vh_auto_free char *lock = known ? vh_lock_name(&v->lock) : vh_strdup("a lock");
	vh_auto_free char *how = vh_asprintf("spins for %s", lock);

	add_spin(facts, v, VH_FACT_INSIDE_LOCK_SPIN, how);
}

static void add_panic(struct vh_facts *facts, const struct vh_inside_vcpu *v)
{
	struct vh_fact *f = add(
		facts, vh_fact_add(facts, VH_FACT_INSIDE_PANIC, v->index, NAN,
			       "vCPU %d is in its kernel's panic(), by its backtrace", v->index));

	prove_by_log(f, facts->model->inside, "Kernel panic - not syncing");
	for (size_t i = 0; i < v->stack.n; i++)
		if (vh_frame_is(&v->stack.frames[i], "panic") ||
			vh_frame_is(&v->stack.frames[i], "vpanic")) {
			prove_by_stack(f, &v->stack, &v->stack.frames[i]);
			break;
		}
}

static void add_lag(struct vh_facts *facts, const struct vh_inside_vcpu *v, enum vh_doing doing)
{
	double lag = (double)v->clock_lag_ns / 1e9;

	/* Of an idle CPU it stands still in health, and of one that has one program to run
	 * (nohz_full). */
	if ((doing != VH_DOING_LOCK && doing != VH_DOING_IPI && doing != VH_DOING_IRQS_OFF &&
		    doing != VH_DOING_ONE_PLACE) ||
		lag < LAG_S)
		return;
	add(facts,
		vh_fact_add(facts, VH_FACT_INSIDE_CLOCK_LAG, v->index, lag,
			"the scheduler's clock of vCPU %d is %.1f s behind: it has had no tick of "
			"its timer for so long%s",
			v->index, lag, v->nr_running > 1 ? ", and tasks wait to run there" : ""));
}

static void add_vcpu(struct vh_facts *facts, const struct vh_inside_vcpu *v)
{
	enum vh_doing doing = vh_inside_doing(v);
	vh_auto_free char *task = vh_task_name(v->comm, v->pid);

	add_lag(facts, v, doing);
	if (v->cpl != 3 && vh_inside_stays(v) && vh_inside_copies_memory(v)) {
		vh_auto_free char *where = vh_frame_where(&v->stack.frames[0]);

		add(facts, vh_fact_add(facts, VH_FACT_INSIDE_COPIES, v->index, NAN,
				   "vCPU %d fills or copies memory in its kernel, in %s", v->index,
				   where));
	}
	switch (doing) {
	case VH_DOING_PANIC:
		add_panic(facts, v);
		break;
	case VH_DOING_LOCK:
		add_lock_spin(facts, v);
		break;
	case VH_DOING_IPI:
		add_spin(facts, v, VH_FACT_INSIDE_IPI_WAIT, "waits for other CPUs to answer");
		break;
	case VH_DOING_IRQS_OFF:
		add_spin(facts, v, VH_FACT_INSIDE_SPIN, "stays");
		break;
	case VH_DOING_ONE_PLACE:
		add_spin(facts, v, VH_FACT_INSIDE_SPIN_IRQS_ON, "stays");
		break;
	case VH_DOING_IDLE:
		add(facts, vh_fact_add(facts, VH_FACT_INSIDE_IDLE, v->index, NAN,
				   "vCPU %d is in its kernel's idle task", v->index));
		break;
	case VH_DOING_USER:
		if (vh_inside_knows_task(v)) {
			vh_auto_free char *mapping = vh_escaped(v->mapping);

			add(facts, vh_fact_add(facts, VH_FACT_INSIDE_TASK, v->index, (double)v->pid,
					   "vCPU %d runs the program %s%s%s", v->index, task,
					   v->mapping ? ", in " : "", v->mapping ? mapping : ""));
		}
		break;
	default:
		break;
	}
}

static double waited_s(const struct vh_inside_task *t)
{
	return t->waited_ns < 0 ? NAN : (double)t->waited_ns / 1e9;
}

static void add_cycle(struct vh_facts *facts)
{
	struct vh_inside_cycle c;
	double least = INFINITY;
	struct vh_fact *f;

	if (!vh_inside_find_cycle(facts->model->inside, &c))
		return;
	for (size_t i = 0; i < c.n; i++)
		least = isnan(waited_s(c.tasks[i])) ? 0 : fmin(least, waited_s(c.tasks[i]));
	/* Two that were read at two moments may only seem to wait for each other. */
	if (least < CYCLE_WAIT_S)
		return;
	vh_auto_free char *text = vh_inside_cycle_text(&c);

	f = add(facts, vh_fact_add(facts, VH_FACT_INSIDE_DEADLOCK, -1, (double)c.n,
			       "%s, for %.0f s by now", text, least));
	for (size_t i = 0; i < c.n && i < MAX_LINES; i++) {
		const struct vh_frame *at = vh_inside_wait_frame(&c.tasks[i]->stack);

		if (at && at->symbol)
			vh_fact_line(f, "%s: %s+0x%" PRIx64 "/0x%" PRIx64 "%s%s%s",
				c.tasks[i]->comm ? c.tasks[i]->comm : "?", at->symbol, at->offset,
				at->size, at->module ? " [" : "", at->module ? at->module : "",
				at->module ? "]" : "");
	}
}

/* "in vfs_read, for storage"; "for the mutex x, which cat (pid 17) holds"; "" unknown. */
static char *wait_text(const struct vh_inside_task *t)
{
	const struct vh_frame *at = vh_inside_wait_frame(&t->stack);
	vh_auto_free char *where = at ? vh_frame_where(at) : NULL;
	vh_auto_free char *lock = vh_lock_name(&t->lock);
	vh_auto_free char *held = held_text(&t->lock);
	enum vh_guest_wait wait = vh_inside_wait(t);
	bool named = wait == VH_GUEST_WAIT_LOCK && (t->lock.symbol || t->lock.gva);
	bool known = named || wait != VH_GUEST_WAIT_UNKNOWN;

	return vh_asprintf("%s%s%s%s%s%s", where ? "in " : "", where ? where : "",
		where && known ? ", " : "", known ? "for " : "",
		named   ? lock
		: known ? vh_guest_wait_name(wait)
			: "",
		held);
}

/* What the holder of the lock waits for itself: that is where to look. */
static char *holder_text(const struct vh_inside *in, const struct vh_inside_task *t)
{
	const struct vh_inside_task *holder =
		t->lock.holder_pid >= 0 ? vh_inside_task(in, t->lock.holder_pid) : NULL;
	vh_auto_free char *wait = holder && holder->state == 'D' ? wait_text(holder) : NULL;

	return wait && *wait ? vh_asprintf(" and itself waits: %s", wait) : vh_strdup("");
}

static void add_blocked(struct vh_facts *facts, const struct vh_inside_task *t, bool told)
{
	static const enum vh_fact_id on[VH_N_GUEST_WAIT] = {
		[VH_GUEST_WAIT_STORAGE] = VH_FACT_INSIDE_ON_STORAGE,
		[VH_GUEST_WAIT_FILE_SERVER] = VH_FACT_INSIDE_ON_FILE_SERVER,
		[VH_GUEST_WAIT_FREEZE] = VH_FACT_INSIDE_ON_FREEZE,
		[VH_GUEST_WAIT_LOCK] = VH_FACT_INSIDE_ON_LOCK,
		[VH_GUEST_WAIT_RCU] = VH_FACT_INSIDE_ON_RCU,
	};
	enum vh_guest_wait wait = vh_inside_wait(t);
	enum vh_fact_id id = on[wait] ? on[wait] : VH_FACT_INSIDE_BLOCKED;
	vh_auto_free char *name = vh_task_name(t->comm, t->pid);
	vh_auto_free char *waits = wait_text(t);
	vh_auto_free char *holder = holder_text(facts->model->inside, t);
	struct vh_fact *f;

	if (vh_fact_count(facts, id) >= MAX_BLOCKED)
		return;
	f = add(facts, vh_fact_add(facts, id, -1, waited_s(t),
			       "task %s has waited in state D for %.0f s%s%s%s%s", name,
			       waited_s(t), *waits ? ": " : "", waits, holder,
			       told ? "; its kernel says that this is too long" : ""));
	prove_by_stack(f, &t->stack, vh_inside_wait_frame(&t->stack));
}

/* The kernel's own report of this task, "name:pid", is of the wait that it is still in. */
static bool is_told(const struct vh_facts *facts, const struct vh_inside_task *t)
{
	const struct vh_guest_kernel *k = &facts->model->guest_kernel;
	vh_auto_free char *comm = vh_escaped(t->comm);
	vh_auto_free char *name = vh_asprintf("%s:%" PRId64, comm, t->pid);

	for (size_t i = 0; i < k->n; i++)
		if (k->list[i].kind == VH_REPORT_HUNG_TASK && vh_streq(k->list[i].task, name))
			return !vh_inside_ran_since(t, k->list[i].age_s);
	return false;
}

static void add_tasks(struct vh_facts *facts)
{
	const struct vh_inside *in = facts->model->inside;

	for (size_t i = 0; i < in->n_tasks; i++) {
		const struct vh_inside_task *t = &in->tasks[i];
		bool told = is_told(facts, t);

		/* Threads of the kernel may rest so by their nature; then it does not report them
		 * either. */
		if (vh_inside_is_blocked(t) &&
			((told && waited_s(t) >= TOLD_WAIT_S) ||
				(!t->kernel_thread && waited_s(t) >= LONG_WAIT_S)))
			add_blocked(facts, t, told);
	}
	add_cycle(facts);
}

/* systemd's own, and sysvinit's; 15 letters of a name are kept. */
static bool is_rescue(const char *comm)
{
	return vh_streq(comm, "sulogin") || vh_streq(comm, "systemd-sulogin");
}

static void add_init(struct vh_facts *facts)
{
	const struct vh_inside *in = facts->model->inside;
	const struct vh_inside_task *init = vh_inside_task(in, 1);
	struct vh_fact *f;

	if (vh_inside_waits_for_root(in)) {
		f = add(facts, vh_fact_add(facts, VH_FACT_INSIDE_WAITS_FOR_ROOT, -1, NAN,
				       "its first process is still in the kernel, and waits there "
				       "for the root device"));
		prove_by_log(f, in, "Waiting for root device");
		prove_by_stack(f, &init->stack, vh_inside_wait_frame(&init->stack));
	}
	/* src/core/crash-handler.c of systemd sleeps for ever in pause(). */
	if (init && (vh_inside_is_in(&init->stack, "__do_sys_pause") ||
			    vh_inside_is_in(&init->stack, "__x64_sys_pause"))) {
		f = add(facts, vh_fact_add(facts, VH_FACT_INSIDE_INIT_PAUSES, -1, NAN,
				       "its init process sleeps in pause()"));
		prove_by_log(f, in, "reezing execution");
	}
	for (size_t i = 0; i < in->n_tasks; i++)
		if (is_rescue(in->tasks[i].comm) && !vh_fact(facts, VH_FACT_INSIDE_RESCUE))
			add(facts, vh_fact_add(facts, VH_FACT_INSIDE_RESCUE, -1,
					   (double)in->tasks[i].pid,
					   "sulogin (pid %" PRId64
					   ") asks for the password of root: rescue or emergency "
					   "mode",
					   in->tasks[i].pid));
}

/* mm/oom_kill.c, and who looks for memory before: mm/page_alloc.c. */
static void add_memory(struct vh_facts *facts)
{
	const struct vh_inside *in = facts->model->inside;

	for (size_t i = 0; i < in->n_vcpus; i++) {
		const struct vh_backtrace *b = &in->vcpus[i].stack;
		int v = in->vcpus[i].index;

		if (!vh_inside_is_in(b, "out_of_memory") &&
			!vh_inside_is_in(b, "__alloc_pages_slowpath") &&
			!vh_inside_is_in(b, "try_to_free_pages"))
			continue;
		prove_by_stack(
			add(facts, vh_fact_add(facts, VH_FACT_INSIDE_WANTS_MEMORY, v, NAN,
					   "vCPU %d looks for free memory in its kernel", v)),
			b, NULL);
	}
}

void vh_facts_of_inside(struct vh_facts *facts)
{
	const struct vh_inside *in = facts->model->inside;

	if (!in || in->outcome > VH_INSIDE_EARLY_LINUX)
		return;
	vh_auto_free char *release = vh_escaped(in->kernel.release);

	add(facts, vh_fact_add(facts, VH_FACT_INSIDE_LINUX, -1, NAN,
			   "a Linux kernel%s%s was found in the guest's memory",
			   in->kernel.release ? " " : "", release));
	for (size_t i = 0; i < in->n_vcpus; i++)
		add_vcpu(facts, &in->vcpus[i]);
	add_tasks(facts);
	add_init(facts);
	add_memory(facts);
}
