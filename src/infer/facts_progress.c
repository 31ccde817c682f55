/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What got on within the window (the console, the drives), how young the VM and its kernel are, and
 * on which of its consoles the guest shows what. A guest of which something gets on is not dead as
 * a whole, though one of its vCPUs may be.
 */
#include "infer/facts_build.h"

#include <inttypes.h>

#include "base/clock.h"

/* No firmware and no kernel that is well takes longer to come up. */
#define YOUNG_VM_S     180.0
#define YOUNG_KERNEL_S 120.0
/* Of a console or screen so much is looked at, from the end. */
#define LAST_BYTES 4096

static void age_fact(struct vh_facts *facts)
{
	double seconds = (double)facts->model->process.age_ns / VH_NS_PER_S;

	if (facts->model->process.age_ns < 0 || seconds > YOUNG_VM_S)
		return;
	struct vh_fact *f = vh_fact_add(
		facts, VH_FACT_VM_YOUNG, -1, seconds, "the VM was started %.0f s ago", seconds);

	vh_fact_ground(facts, f, "host.uptime", NULL);
}

static struct vh_str last_bytes(struct vh_str text, size_t n)
{
	return text.n <= n ? text : (struct vh_str){text.s + text.n - n, n};
}

/* "[    4.123456] text", with a level before it or a carriage return: the seconds; NAN for any
 * other line. Linux, kernel/printk/printk.c print_time(). */
static double kernel_stamp(struct vh_str line)
{
	struct vh_str stamp;
	double seconds;

	line = vh_str_trim(line);
	if (!vh_str_starts(line, "["))
		return NAN;
	line = (struct vh_str){line.s + 1, line.n - 1};
	if (!vh_next_part(&line, ']', &stamp) || vh_str_find(stamp, ".") < 0 ||
		!vh_parse_double(vh_str_trim(stamp), &seconds) || seconds < 0)
		return NAN;
	return seconds;
}

/* The newest that the kernel wrote there. */
static double newest_stamp(struct vh_str text)
{
	double newest = NAN;
	struct vh_str line;

	while (vh_next_line(&text, &line)) {
		double seconds = kernel_stamp(line);

		newest = isnan(seconds) ? newest : seconds;
	}
	return newest;
}

static void console_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_logs; i++) {
		const struct vh_log_view *l = &m->logs[i];

		if (l->kind != VH_LOG_SERIAL || !l->grew_bytes)
			continue;
		struct vh_fact *f = vh_fact_add(facts, VH_FACT_CONSOLE_GREW, -1,
			(double)l->grew_bytes,
			"the guest wrote %" PRIu64 " bytes to its serial port (%s) in the window",
			l->grew_bytes, l->path);

		vh_fact_ground(facts, f, "log.serial", l->path);
		double seconds = newest_stamp(last_bytes(l->tail, l->grew_bytes));

		if (isnan(seconds) || seconds > YOUNG_KERNEL_S)
			continue;
		f = vh_fact_add(facts, VH_FACT_KERNEL_YOUNG, -1, seconds,
			"the guest's kernel wrote to its console at %.1f s after its start, in "
			"the window",
			seconds);
		vh_fact_ground(facts, f, "log.serial", l->path);
	}
}

/* Requests that were answered between the two answers of the monitor. */
static void drive_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;
	const struct vh_evidence *first = vh_case_find(m->c, "qmp.query-blockstats", "", VH_ASKED);
	const struct vh_evidence *again =
		vh_case_find(m->c, "qmp.query-blockstats", "", VH_ASKED_AGAIN);
	uint64_t all = 0, most = 0;
	const char *busiest = NULL;

	if (!first || !again || again->at_ns <= first->at_ns)
		return;
	for (size_t i = 0; i < m->n_drives; i++) {
		const struct vh_drive_view *d = &m->drives[i];

		if (!d->has_stats[0] || !d->has_stats[1] || d->rd_ops[1] < d->rd_ops[0] ||
			d->wr_ops[1] < d->wr_ops[0])
			continue;
		uint64_t ops = d->rd_ops[1] - d->rd_ops[0] + d->wr_ops[1] - d->wr_ops[0];

		all += ops;
		if (ops > most) {
			most = ops;
			busiest = d->name;
		}
	}
	if (!all)
		return;
	double per_s = (double)all / ((double)(again->at_ns - first->at_ns) / VH_NS_PER_S);
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_DRIVES_MOVE, -1, per_s,
		"its drives answered %" PRIu64 " requests while it was looked at, %.0f a second, "
		"most of them %s",
		all, per_s, busiest ? busiest : "?");

	vh_fact_ground(facts, f, "qmp.query-blockstats", NULL);
}

/* What is written before an operating system's kernel speaks: SeaBIOS src/boot.c and src/post.c,
 * iPXE, GRUB, SYSLINUX, the boot manager of edk2, the kernel's decompressor and EFI stub. */
static bool is_of_firmware(struct vh_str line)
{
	static const char *const texts[] = {"Booting from ", "Booting `", "SeaBIOS (version",
		"iPXE (", "iPXE initialising", "Press ESC for boot menu", "Press F12 for boot menu",
		"Machine UUID", "Loading Linux ", "Loading initial ramdisk", "Welcome to GRUB",
		"GRUB loading", "BdsDxe: ", "Decompressing Linux", "Booting the kernel",
		"EFI stub: ", "early console in", "ISOLINUX", "SYSLINUX", "Booting in blind mode",
		"UEFI Interactive Shell"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(texts); i++)
		if (vh_str_find(line, texts[i]) >= 0)
			return true;
	return false;
}

static bool is_of_system(struct vh_str line)
{
	static const char *const texts[] = {"login:", "Linux version ", "Welcome to ", "systemd[",
		"Started ", "[  OK  ]", "Reached target", "Kernel panic", "Freeing unused kernel"};

	if (vh_str_find(line, "Welcome to GRUB") >= 0)
		return false;
	for (size_t i = 0; i < VH_ARRAY_SIZE(texts); i++)
		if (vh_str_find(line, texts[i]) >= 0)
			return true;
	return !isnan(kernel_stamp(line));
}

/* Who wrote it last. */
struct writer {
	bool system, firmware;
	struct vh_str line; /* by which that was told */
};

static struct writer writer_of(struct vh_str text)
{
	struct writer w = {0};
	struct vh_str line;

	text = last_bytes(text, LAST_BYTES);
	while (vh_next_line(&text, &line)) {
		bool system = is_of_system(line), firmware = !system && is_of_firmware(line);

		if (!system && !firmware)
			continue;
		/* A reboot brings the firmware's words again. */
		w = (struct writer){system, firmware, vh_str_trim(line)};
	}
	w.line.n = VH_MIN(w.line.n, 80);
	return w;
}

static void add_writer(struct vh_facts *facts, const struct writer *w, enum vh_fact_id system,
	enum vh_fact_id firmware, const char *where, size_t evidence)
{
	enum vh_fact_id id = w->system ? system : firmware;

	if ((!w->system && !w->firmware) || vh_fact(facts, id))
		return;
	struct vh_fact *f = vh_fact_add(facts, id, -1, NAN, "%s %s: \"%.*s\"", where,
		w->system ? "shows what an operating system wrote"
			  : "ends with words of firmware or a boot loader",
		(int)w->line.n, w->line.s);

	VH_PUSH(f->evidence, f->n_evidence) = evidence;
}

static void writer_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	if (m->screen.kind == VH_SCREEN_TEXT) {
		struct writer w = writer_of(vh_str(m->screen.text));

		add_writer(facts, &w, VH_FACT_SCREEN_OF_SYSTEM, VH_FACT_SCREEN_OF_FIRMWARE,
			"the screen", m->screen.evidence);
	}
	for (size_t i = 0; i < m->n_logs; i++) {
		if (m->logs[i].kind != VH_LOG_SERIAL || !m->logs[i].tail.n)
			continue;
		struct writer w = writer_of(m->logs[i].tail);

		add_writer(facts, &w, VH_FACT_SERIAL_OF_SYSTEM, VH_FACT_SERIAL_OF_FIRMWARE,
			"the serial port's log", m->logs[i].evidence);
	}
}

static void poll_facts(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_vcpus; i++) {
		const struct vh_vcpu *v = m->vcpus[i];
		const struct vh_registers *r = &v->regs[v->regs[1].valid ? 1 : 0];
		bool waits = false;

		if (!r->valid || !v->regs_are_guest)
			continue;
		for (unsigned k = 0; k < v->n_glimpses && !waits; k++)
			waits = !v->glimpses[k].user_mode &&
				vh_code_waits_for_task(
					&v->code, v->glimpses[k].rip, vh_registers_code_bits(r));
		if (!waits)
			continue;
		struct vh_fact *f = vh_fact_add(facts, VH_FACT_VCPU_WAITS_FOR_TASK, v->index, NAN,
			"vCPU %d polls in a loop with PAUSE whether a task wants to run, as Linux "
			"does that idles without halting",
			v->index);

		vh_fact_ground(facts, f, "guest.code", vh_subject_vcpu(v->index).s);
	}
}

void vh_facts_of_progress(struct vh_facts *facts)
{
	age_fact(facts);
	console_facts(facts);
	drive_facts(facts);
	writer_facts(facts);
	poll_facts(facts);
}
