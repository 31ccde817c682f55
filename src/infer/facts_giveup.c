/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why KVM gave up on a vCPU, as QEMU's log tells (accel/kvm/kvm-all.c, kvm_handle_internal_error;
 * target/i386/kvm/kvm.c). The number is KVM_INTERNAL_ERROR_* of linux/kvm.h.
 */
#include "infer/facts_build.h"

#include <inttypes.h>

enum { SUBERROR_EMULATION = 1, SUBERROR_DELIVERY = 3 };
/* An instruction has 15 bytes at most. */
#define MAX_BYTES 15

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The bytes from RIP on in the last "Code=... <b4> 0a ..." of the log, separated by blanks; empty
 * where there are none. */
static char *code_bytes(const struct vh_model *m, size_t evidence)
{
	vh_auto_buf struct vh_buf out = {0};
	struct vh_str code = {0};

	for (size_t i = 0; i < m->n_logs; i++) {
		struct vh_str text = m->logs[i].tail, line;

		while (m->logs[i].evidence == evidence && vh_next_line(&text, &line))
			if (vh_str_starts(line, "Code=") && vh_str_find(line, "<") >= 0)
				code = line;
	}
	ssize_t at = code.n ? vh_str_find(code, "<") : -1;

	for (unsigned n = 0; at >= 0 && (size_t)at + 2 < code.n && n < MAX_BYTES; n++) {
		at += code.s[at] == '<';
		if (!is_hex(code.s[at]) || !is_hex(code.s[at + 1]))
			break;
		vh_buf_printf(&out, "%s%c%c", n ? " " : "", code.s[at], code.s[at + 1]);
		at += 2;
		at += (size_t)at < code.n && code.s[at] == '>';
		at += (size_t)at < code.n && code.s[at] == ' ';
	}
	return vh_strdup(vh_buf_str(&out));
}

/* The number behind "Suberror:"; 0 without one. */
static uint64_t suberror_of(const char *line)
{
	static const char key[] = "Suberror: ";
	const char *at = line ? strstr(line, key) : NULL;
	struct vh_str rest = vh_str(at ? at + strlen(key) : "");
	uint64_t number = 0;
	size_t n = 0;

	while (n < rest.n && rest.s[n] >= '0' && rest.s[n] <= '9')
		n++;
	return n && vh_parse_u64((struct vh_str){rest.s, n}, 10, &number) ? number : 0;
}

static void add(struct vh_facts *facts, enum vh_fact_id id, const struct vh_log_hit *hit,
	const char *text, const char *bytes)
{
	if (vh_fact(facts, id))
		return;
	struct vh_fact *f = vh_fact_add(facts, id, -1, NAN, "%s%s%s: \"%s\"", text,
		bytes[0] ? ", with these bytes at RIP: " : "", bytes, hit->line);

	VH_PUSH(f->evidence, f->n_evidence) = hit->evidence;
}

void vh_facts_of_giveup(struct vh_facts *facts)
{
	const struct vh_model *m = facts->model;

	for (size_t i = 0; i < m->n_hits; i++) {
		const struct vh_log_hit *hit = &m->hits[i];

		if (hit->kind != VH_LOG_QEMU)
			continue;
		uint64_t suberror =
			vh_streq(hit->id, "kvm-internal-error") ? suberror_of(hit->line) : 0;
		vh_auto_free char *bytes = suberror ? code_bytes(m, hit->evidence) : NULL;

		if (suberror == SUBERROR_EMULATION)
			add(facts, VH_FACT_KVM_EMULATION_FAILED, hit,
				"KVM could not emulate an instruction of the guest", bytes);
		else if (suberror == SUBERROR_DELIVERY)
			add(facts, VH_FACT_KVM_DELIVERY_FAILED, hit,
				"KVM met an exit while it delivered an event to the guest", bytes);
		else if (vh_streq(hit->id, "kvm-entry-failed"))
			add(facts, VH_FACT_KVM_ENTRY_FAILED, hit,
				"the processor refused to enter the guest", "");
	}
}
