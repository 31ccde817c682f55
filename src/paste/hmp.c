/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Other answers of QEMU's human monitor, 2.x to 10.x (monitor/hmp-cmds.c,
 * hw/core/machine-hmp-cmds.c, block/monitor/block-hmp-cmds.c, hw/intc/apic_common.c,
 * system/memory.c). */
#include <ctype.h>

#include "paste/recogniser.h"

#define MAX_LINES 20000

/* --- info status -------------------------------------------------------------------------------
 */

static size_t extent_status(struct vh_paste *p, size_t at)
{
	return vh_str_starts(vh_at(p, at), "VM status: ");
}
static void take_status(struct vh_paste *p, size_t from, size_t n)
{
	struct vh_str line = vh_at(p, from);

	vh_paste_put_lines(p, from, n, vh_paste_answer_round(p, "pasted.hmp-status", ""),
		"pasted.hmp-status", "");
	vh_paste_note(p, from, n, "%.*s", (int)VH_MIN(line.n, 80), line.s);
}
const struct vh_recogniser vh_recognise_hmp_status = {.name = "info-status",
	.sure = VH_SURE_OF_NAME,
	.extent = extent_status,
	.take = take_status};

/* --- info cpus ---------------------------------------------------------------------------------
 */

static bool is_cpu_line(struct vh_str line)
{
	if (line.n && line.s[0] == '*')
		line = vh_str_trim((struct vh_str){line.s + 1, line.n - 1});
	return vh_str_starts(line, "CPU #") &&
	       (vh_str_find(line, "thread_id=") > 0 || vh_str_find(line, "pc=0x") > 0 ||
		       vh_str_find(line, "nip=") > 0);
}
static size_t extent_cpus(struct vh_paste *p, size_t at)
{
	size_t n = 0;

	while (n < 4096 && is_cpu_line(vh_at(p, at + n)))
		n++;
	return n;
}
static void take_cpus(struct vh_paste *p, size_t from, size_t n)
{
	vh_paste_put_lines(
		p, from, n, vh_paste_answer_round(p, "pasted.hmp-cpus", ""), "pasted.hmp-cpus", "");
	vh_paste_note(p, from, n, "info cpus: %zu vCPUs", n);
}
const struct vh_recogniser vh_recognise_hmp_cpus = {
	.name = "info-cpus", .sure = VH_SURE_OF_NAME, .extent = extent_cpus, .take = take_cpus};

/* --- info lapic --------------------------------------------------------------------------------
 */

static size_t extent_lapic(struct vh_paste *p, size_t at)
{
	size_t n = 1;

	if (!vh_str_starts(vh_at(p, at), "dumping local APIC state"))
		return 0;
	/* Its last line is "PPR 0x00"; blank lines are part of it. */
	for (size_t end = at + 1; end < at + 60 && !vh_ends_output(p, end); end++)
		if (vh_str_starts(vh_at(p, end), "dumping local APIC state"))
			break;
		else if (vh_at(p, end).n)
			n = end - at + 1;
	return n;
}
static void take_lapic(struct vh_paste *p, size_t from, size_t n)
{
	struct vh_str line = vh_at(p, from);
	ssize_t at = vh_str_find(line, "CPU ");
	struct vh_str rest =
		at < 0 ? vh_str("") : (struct vh_str){line.s + at + 4, line.n - at - 4};
	struct vh_str word;
	uint64_t cpu = 0;

	if (vh_next_word(&rest, &word))
		vh_parse_u64(word, 10, &cpu);
	vh_auto_free char *subject = vh_asprintf("vcpu:%u", (unsigned)VH_MIN(cpu, 4095));

	vh_paste_put_lines(p, from, n, vh_paste_answer_round(p, "hmp.info-lapic", subject),
		"hmp.info-lapic", subject);
	vh_paste_note(p, from, n, "local APIC of vCPU %u", (unsigned)VH_MIN(cpu, 4095));
}
const struct vh_recogniser vh_recognise_hmp_lapic = {
	.name = "info-lapic", .sure = VH_SURE_OF_NAME, .extent = extent_lapic, .take = take_lapic};

/* --- info mtree, info mtree -f -----------------------------------------------------------------
 */

static bool is_mtree_heading(struct vh_str line)
{
	return vh_str_starts(line, "address-space: ") || vh_str_starts(line, "memory-region: ") ||
	       vh_str_starts(line, "FlatView #");
}
static bool is_mtree_row(struct vh_str line)
{
	return (line.n > 34 && line.s[16] == '-' && isxdigit((unsigned char)line.s[0])) ||
	       vh_str_starts(line, "AS \"") || vh_str_starts(line, "Root memory region") ||
	       vh_str_starts(line, "No rendered FlatView") || is_mtree_heading(line) ||
	       vh_str_is(line, "memory");
}
static size_t extent_mtree(struct vh_paste *p, size_t at)
{
	size_t n = 1;

	if (!is_mtree_heading(vh_at(p, at)))
		return 0;
	for (size_t end = at + 1; end < at + MAX_LINES && end < p->page->n; end++)
		if (vh_is_prompt(p, end) || (vh_at(p, end).n && !is_mtree_row(vh_at(p, end))))
			break;
		else if (vh_at(p, end).n)
			n = end - at + 1;
	return n >= 2 ? n : 0;
}
static void take_mtree(struct vh_paste *p, size_t from, size_t n)
{
	bool flat = false;

	for (size_t i = from; i < from + n && !flat; i++)
		flat = vh_str_starts(vh_at(p, i), "FlatView #");
	vh_paste_put_lines(
		p, from, n, VH_ASKED, flat ? "hmp.info-mtree-flat" : "hmp.info-mtree", "");
	vh_paste_note(p, from, n, "info mtree%s", flat ? " -f" : "");
}
const struct vh_recogniser vh_recognise_hmp_mtree = {
	.name = "info-mtree", .sure = VH_SURE_OF_NAME, .extent = extent_mtree, .take = take_mtree};

/* --- info block --------------------------------------------------------------------------------
 */

/* "virtio0 (#block123): /x.qcow2 (qcow2)" and, up to QEMU 2.x, "ide0-hd0: removable=0
 * io-status=ok". Rows below it are indented: "    Cache mode:  writeback". */
static bool is_block_heading(struct vh_str line)
{
	const char *colon = line.n && line.n < 4096 ? memchr(line.s, ':', line.n) : NULL;

	if (!colon || isspace((unsigned char)line.s[0]))
		return false;
	struct vh_str name = {line.s, colon - line.s}, rest = {colon + 1, line.n - name.n - 1};

	if (vh_str_find(rest, "removable=") >= 0 && vh_str_find(rest, "io-status=") >= 0)
		return true;
	if (vh_str_find(name, " (#block") > 0)
		return true;
	rest = vh_str_trim(rest);
	return !memchr(name.s, ' ', name.n) &&
	       (vh_str_is(rest, "[not inserted]") ||
		       (rest.n > 5 && rest.s[rest.n - 1] == ')' &&
			       (vh_str_find(rest, " (qcow2") > 0 ||
				       vh_str_find(rest, " (raw") > 0)));
}
static bool is_block_row(struct vh_str line)
{
	static const char *const keys[] = {
		"Attached to:", "Cache mode:", "Removable device:", "I/O status:", "Backing file:",
		"I/O throttling:", "I/O limits:", "Detect zeroes:", "QDev:", "Images:"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(keys); i++)
		if (vh_str_starts(line, keys[i]))
			return true;
	return false;
}
static size_t extent_block(struct vh_paste *p, size_t at)
{
	size_t n = 1;

	if (!is_block_heading(vh_at(p, at)))
		return 0;
	for (size_t end = at + 1; end < at + 2000 && end < p->page->n; end++) {
		struct vh_str line = vh_at(p, end);

		if (vh_is_prompt(p, end) ||
			(line.n && !is_block_row(line) && !is_block_heading(line)))
			break;
		if (line.n)
			n = end - at + 1;
	}
	bool named = vh_str_find(vh_at(p, at), "#block") > 0 ||
		     vh_str_find(vh_at(p, at), "io-status=") > 0;

	return n >= 2 || named ? n : 0;
}
static void take_block(struct vh_paste *p, size_t from, size_t n)
{
	vh_paste_put_lines(p, from, n, VH_ASKED, "pasted.hmp-block", "");
	vh_paste_note(p, from, n, "info block");
}
const struct vh_recogniser vh_recognise_hmp_block = {
	.name = "info-block", .sure = VH_SURE_OF_NAME, .extent = extent_block, .take = take_block};

/* --- one-line answers --------------------------------------------------------------------------
 */

static const struct {
	const char *start, *source;
} others[] = {
	{"kvm support: ", "pasted.hmp-kvm"},
	{"SEV is not enabled", "pasted.hmp-sev"},
	{"state: ", "pasted.hmp-sev"}, /* info sev: handle, state, build, policy */
	{"handle: ", "pasted.hmp-sev"},
};

static size_t extent_other(struct vh_paste *p, size_t at)
{
	struct vh_str line = vh_at(p, at);

	for (size_t i = 0; i < VH_ARRAY_SIZE(others); i++) {
		if (!vh_str_starts(line, others[i].start))
			continue;
		if (!vh_streq(others[i].source, "pasted.hmp-sev"))
			return 1;
		if (vh_str_starts(line, "SEV is not"))
			return 1;
		/* "handle: 1", "state: running", "build: 10", "api version: 0.24", "debug: off",
		 * ... */
		size_t n = 1;
		bool debug = false;

		for (; n < 10 && vh_at(p, at + n).n && !vh_ends_output(p, at + n); n++)
			debug |= vh_str_starts(vh_at(p, at + n), "debug: ");
		return debug ? n : 0;
	}
	return 0;
}
static void take_other(struct vh_paste *p, size_t from, size_t n)
{
	struct vh_str line = vh_at(p, from);

	for (size_t i = 0; i < VH_ARRAY_SIZE(others); i++)
		if (vh_str_starts(line, others[i].start)) {
			vh_paste_put_lines(p, from, n, VH_ASKED, others[i].source, "");
			vh_paste_note(p, from, n, "%s", others[i].source + strlen("pasted.hmp-"));
			return;
		}
}
const struct vh_recogniser vh_recognise_hmp_other = {
	.name = "hmp", .sure = VH_SURE_OF_NAME, .extent = extent_other, .take = take_other};
