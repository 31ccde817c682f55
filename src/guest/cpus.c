/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/cpus.h"

/* "CPU#12" alone in a line (QEMU monitor/hmp-cmds.c and the like, 2.9 to 10.1). */
static bool is_heading(struct vh_str line, int *index)
{
	uint64_t n;

	line = vh_str_trim(line);
	if (!vh_str_starts(line, "CPU#") ||
		!vh_parse_u64((struct vh_str){line.s + 4, line.n - 4}, 10, &n) || n > INT32_MAX)
		return false;
	*index = (int)n;
	return true;
}

static void read_cpu(struct vh_str text, struct vh_cpu *c)
{
	if (vh_registers_parse(text, &c->x86))
		return;
	c->is_arm = vh_arm_registers_parse(text, &c->arm);
}

size_t vh_cpus_parse(struct vh_str text, struct vh_cpu *out, size_t most)
{
	struct vh_str rest = text, line;
	const char *begin = NULL;
	size_t n = 0;

	while (vh_next_line(&rest, &line)) {
		int index;

		if (!is_heading(line, &index))
			continue;
		if (n)
			read_cpu((struct vh_str){begin, (size_t)(line.s - begin)}, &out[n - 1]);
		if (n == most)
			return n;
		out[n++] = (struct vh_cpu){.index = index};
		begin = line.s + line.n;
	}
	if (n)
		read_cpu((struct vh_str){begin, (size_t)(text.s + text.n - begin)}, &out[n - 1]);
	return n;
}

bool vh_cpu_valid(const struct vh_cpu *c)
{
	return c->is_arm ? c->arm.valid : c->x86.valid;
}

struct vh_cpu_place vh_cpu_place(const struct vh_cpu *c)
{
	if (c->is_arm)
		return (struct vh_cpu_place){c->arm.pc, c->arm.sp, c->arm.x[29], 0};
	return (struct vh_cpu_place){
		vh_registers_linear_rip(&c->x86), c->x86.rsp, c->x86.rbp, c->x86.cr3};
}
