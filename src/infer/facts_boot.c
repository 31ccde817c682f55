/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts of the time before an operating system runs: what firmware and boot loaders say, what they
 * wait for, and how often they began. Their texts count while no operating system runs on the boot
 * CPU: a screen keeps the last words of a boot loader for as long as nothing is drawn over them.
 */
#include "infer/facts_build.h"

#include <inttypes.h>

/* A boot that is not over after so long is none that fails at once, in seconds of the guest. */
#define SHORT_LIFE_S 300

static const struct {
	const char *hit;
	enum vh_fact_id fact;
	bool of_systems; /* an operating system asks for it too */
	bool waits;      /* for a person */
} rows[] = {
	{"grub-rescue", VH_FACT_TEXT_GRUB_RESCUE, false, true},
	{"grub-prompt", VH_FACT_TEXT_GRUB_SHELL, false, true},
	{"boot-menu", VH_FACT_TEXT_BOOT_MENU, false, true},
	{"boot-countdown", VH_FACT_TEXT_BOOT_COUNTDOWN, false, false},
	{"disk-unreadable", VH_FACT_TEXT_DISK_UNREADABLE, false, false},
	{"no-system-on-disk", VH_FACT_TEXT_NO_SYSTEM, false, false},
	{"windows-boot-failed", VH_FACT_TEXT_WINDOWS_BOOT_FAILED, false, true},
	{"key-prompt", VH_FACT_TEXT_PRESS_KEY, false, true},
	{"passphrase-prompt", VH_FACT_TEXT_PASSPHRASE, true, true},
	{"grub-passphrase", VH_FACT_TEXT_PASSPHRASE, false, true},
	{"firmware-setup", VH_FACT_TEXT_FIRMWARE_SETUP, false, true},
	{"network-boot", VH_FACT_TEXT_NETWORK_BOOT, false, false},
	{"network-boot-failed", VH_FACT_TEXT_NETWORK_BOOT_FAILED, false, false},
};

/* A countdown on a serial console stays in its log when a key has ended it: what still counts
 * writes. */
static bool is_over(const struct vh_facts *facts, const struct vh_log_hit *hit)
{
	const struct vh_model *m = facts->model;

	if (!vh_streq(hit->id, "boot-countdown"))
		return false;
	for (size_t i = 0; i < m->n_logs; i++)
		if (m->logs[i].evidence == hit->evidence)
			return !m->logs[i].grew && !m->pasted;
	return false;
}

static struct vh_str text_of(const struct vh_model *m, const struct vh_log_hit *hit)
{
	for (size_t i = 0; i < m->n_logs; i++)
		if (m->logs[i].evidence == hit->evidence)
			return m->logs[i].tail;
	return m->screen.evidence == hit->evidence ? vh_str(m->screen.text) : (struct vh_str){0};
}

/* SeaBIOS says of a drive that is not there, or has no medium, just what it says of a dead disk;
 * the line before tells which it tried. */
static bool is_of_hard_disk(const struct vh_facts *facts, const struct vh_log_hit *hit)
{
	struct vh_str text = text_of(facts->model, hit), line;
	bool disk = false;

	if (vh_str_find(vh_str(hit->line), "could not read the boot disk") < 0)
		return true;
	if (!facts->model->vm->n_drives && !facts->model->n_drives && !facts->model->pasted)
		return false;
	while (vh_next_line(&text, &line)) {
		if (vh_str_find(line, "Booting from ") >= 0)
			disk = vh_str_find(line, "Booting from Hard Disk") >= 0;
		else if (disk && vh_str_find(line, "could not read the boot disk") >= 0)
			return true;
	}
	return false;
}

static void add_text(struct vh_facts *facts, size_t row, const struct vh_log_hit *hit)
{
	if (vh_fact(facts, rows[row].fact))
		return;
	struct vh_fact *f =
		vh_fact_add(facts, rows[row].fact, -1, NAN, "%s: \"%s\"", hit->meaning, hit->line);

	VH_PUSH(f->evidence, f->n_evidence) = hit->evidence;
}

/* That it waits, said of a boot CPU which is known to run no operating system. */
static void add_wait(struct vh_facts *facts, const struct vh_log_hit *hit)
{
	const struct vh_fact *stage = vh_fact_of(facts, VH_FACT_VCPU_STAGE, 0);

	if (!stage || vh_system_runs(facts) || vh_fact(facts, VH_FACT_TEXT_BOOT_COUNTDOWN) ||
		vh_fact(facts, VH_FACT_BOOT_WAITS_FOR_PERSON))
		return;
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_BOOT_WAITS_FOR_PERSON, -1, NAN,
		"no operating system runs on the boot CPU, and %s", hit->meaning);

	for (size_t i = 0; i < stage->n_evidence; i++)
		VH_PUSH(f->evidence, f->n_evidence) = stage->evidence[i];
	VH_PUSH(f->evidence, f->n_evidence) = hit->evidence;
}

static void text_facts(struct vh_facts *facts, bool waits)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_hits; i++)
		for (size_t k = 0; k < VH_ARRAY_SIZE(rows); k++) {
			const struct vh_log_hit *hit = &m->hits[i];

			if (hit->kind != VH_LOG_SERIAL || !vh_streq(hit->id, rows[k].hit) ||
				(vh_system_runs(facts) && !rows[k].of_systems) ||
				is_over(facts, hit) || !is_of_hard_disk(facts, hit))
				continue;
			if (!waits)
				add_text(facts, k, hit);
			else if (rows[k].waits)
				add_wait(facts, hit);
		}
}

/* Two boots that ended alike may be a coincidence where they ended well, as an installer's do. */
static void repeat_fact(struct vh_facts *facts)
{
	const struct vh_boots *b = &facts->model->boots;
	unsigned enough = b->fatal ? 2 : 3;

	if (b->alike < enough || !(b->lasted_s < SHORT_LIFE_S) ||
		(!isnan(b->now_s) && b->now_s > 2 * b->lasted_s + 30) ||
		vh_fact(facts, VH_FACT_TEXT_LOGIN))
		return;
	struct vh_fact *f = vh_fact_add(facts, VH_FACT_BOOTS_REPEAT, -1, b->alike,
		"the last %u boots that its console shows ended alike, the longest after %.0f s: "
		"\"%s\"",
		b->alike, b->lasted_s, b->last_words);

	VH_PUSH(f->evidence, f->n_evidence) = b->evidence;
}

/* Where the guest says that it cannot read: does the VMM know of it? */
static void reads_fact(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_drives && vh_fact(facts, VH_FACT_TEXT_DISK_UNREADABLE); i++)
		if (m->drives[i].failed)
			vh_fact_ground(facts,
				vh_fact_add(facts, VH_FACT_BOOT_READS_FAIL, -1,
					(double)m->drives[i].failed,
					"%" PRIu64 " requests of drive %s have failed, as the VMM "
					"counts",
					m->drives[i].failed,
					m->drives[i].name ? m->drives[i].name : "?"),
				"qmp.query-blockstats", NULL);
}

void vh_facts_of_boot(struct vh_facts *facts)
{
	text_facts(facts, false);
	text_facts(facts, true);
	reads_fact(facts);
	repeat_fact(facts);
}
