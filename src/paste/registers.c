/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HMP "info registers" and "info registers -a" (QEMU target/i386/cpu-dump.c, target/arm/cpu.c),
 * also as a KVM internal error prints it into QEMU's log.
 */
#include <ctype.h>

#include "paste/recogniser.h"

#define MAX_LINES 200

static bool is_hex(char c)
{
	return isxdigit((unsigned char)c);
}

/* "NAME=" or "NAME =" with a value of hexadecimal digits behind it. */
static bool has_register(struct vh_str line, const char *name)
{
	size_t n = strlen(name);

	if (!vh_str_starts(line, name))
		return false;
	while (n < line.n && line.s[n] == ' ')
		n++;
	return n + 4 < line.n && line.s[n] == '=' && is_hex(line.s[n + 1]) && is_hex(line.s[n + 4]);
}

/* "CPU#3" alone or before something, as info registers -a has it; -1: none. */
static int cpu_heading(struct vh_str line)
{
	struct vh_str word;
	uint64_t cpu;

	if (!vh_str_starts(line, "CPU#"))
		return -1;
	line.s += 4, line.n -= 4;
	if (!vh_next_word(&line, &word) || !vh_parse_u64(word, 10, &cpu) || cpu > 4095)
		return -1;
	return (int)cpu;
}

static bool starts_x86(struct vh_str line)
{
	return has_register(line, "EAX") || has_register(line, "RAX");
}

static bool starts_arm(struct vh_str line)
{
	return has_register(line, "PC") || has_register(line, "R00");
}

/* A line of a dump: words of which most are NAME=HEX, HEX, or flags. */
static bool is_part(struct vh_str line)
{
	static const char *const starts[] = {"E", "R", "C", "D", "S", "F", "G", "L", "T", "I", "X",
		"Y", "P", "V", "Q", "Z", "B", "M", "O", "K", "q"};
	bool starts_well = false;

	for (size_t i = 0; i < VH_ARRAY_SIZE(starts); i++)
		starts_well |= vh_str_starts(line, starts[i]);
	if (!starts_well || line.n > 400)
		return false;
	const char *equals = memchr(line.s, '=', line.n);

	if (!equals || equals - line.s > 12 || equals + 1 >= line.s + line.n)
		return false;
	/* "GDT=     0000", "FCW=037f", "Code=bb 7b", "CS =0010", "TR =0000 ..." */
	size_t i = equals + 1 - line.s;

	while (i < line.n && (line.s[i] == ' ' || line.s[i] == '<'))
		i++;
	return i < line.n && (is_hex(line.s[i]) || line.s[i] == '[');
}

/* Up to QEMU 2.x the floating-point registers of ARM stand behind a blank line, and end with
 * "FPCR: 00000000  FPSR: 00000000". */
static bool is_part_of_old_arm(const struct vh_paste *p, size_t at)
{
	struct vh_str line = vh_at(p, at);

	return line.n ? vh_str_starts(line, "FPCR: ") && vh_str_starts(vh_at(p, at - 1), "q30=")
		      : vh_str_starts(vh_at(p, at + 1), "q00=");
}

static size_t dump_length(const struct vh_paste *p, size_t at, bool (*starts)(struct vh_str line))
{
	size_t n = 0, first = cpu_heading(vh_at(p, at)) >= 0 ? 1 : 0;

	if (!starts(vh_at(p, at + first)))
		return 0;
	for (n = first; n < MAX_LINES && at + n < p->page->n; n++) {
		struct vh_str line = vh_at(p, at + n);

		if (vh_is_prompt(p, at + n) || (n > first && starts(line)) ||
			!(is_part(line) || is_part_of_old_arm(p, at + n)))
			break;
	}
	return n;
}

/* The vCPU: by its heading, by -cpu or "cpu N" in what was typed, else the boot CPU, which a
 * monitor shows unless told otherwise. */
static int vcpu_of(const struct vh_paste *p, size_t from)
{
	int cpu = cpu_heading(vh_at(p, from));

	for (size_t back = 1; cpu < 0 && back <= 3 && back <= from; back++) {
		if (vh_is_prompt(p, from - back))
			break;
		cpu = cpu_heading(vh_at(p, from - back));
	}
	if (cpu >= 0)
		return cpu;
	static const char *const marks[] = {"--cpu ", "cpu-index\":", "cpu-index\": ", "cpu "};
	struct vh_str command = vh_command_of(p, from, 30);

	for (size_t i = 0; i < VH_ARRAY_SIZE(marks); i++) {
		ssize_t at = vh_str_find(command, marks[i]);
		uint64_t value;
		size_t n = 0;

		if (at < 0)
			continue;
		struct vh_str rest = {
			command.s + at + strlen(marks[i]), command.n - at - strlen(marks[i])};

		while (n < rest.n && isdigit((unsigned char)rest.s[n]))
			n++;
		if (n && vh_parse_u64((struct vh_str){rest.s, n}, 10, &value) && value < 4096)
			return (int)value;
	}
	return 0;
}

static void take(struct vh_paste *p, size_t from, size_t n)
{
	int cpu = vcpu_of(p, from);
	vh_auto_free char *subject = vh_asprintf("vcpu:%d", cpu);
	size_t skip = cpu_heading(vh_at(p, from)) >= 0;

	vh_paste_put_lines(p, from + skip, n - skip,
		vh_paste_answer_round(p, "hmp.info-registers", subject), "hmp.info-registers",
		subject);
	vh_paste_note(p, from, n, "registers of vCPU %d", cpu);
}

static size_t extent_x86(struct vh_paste *p, size_t at)
{
	return dump_length(p, at, starts_x86);
}
const struct vh_recogniser vh_recognise_registers = {
	.name = "registers", .sure = VH_SURE_OF_NAME, .extent = extent_x86, .take = take};

static size_t extent_arm(struct vh_paste *p, size_t at)
{
	size_t n = dump_length(p, at, starts_arm);

	return n >= 3 ? n : 0;
}
const struct vh_recogniser vh_recognise_arm_registers = {
	.name = "registers-arm", .sure = VH_SURE_OF_NAME, .extent = extent_arm, .take = take};
